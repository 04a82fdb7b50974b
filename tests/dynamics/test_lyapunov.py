"""Lyapunov exponents against systems whose exponents are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

from mesomode.dynamics.integration import integrator
from mesomode.dynamics.lyapunov import lyapunov_exponents
from mesomode.dynamics.nonlinearity import Erf, nonlinearity_named
from mesomode.dynamics.theory import largest_lyapunov_exponent, mean_field
from mesomode.errors import DataError, MemoryLimitError
from mesomode.network.random_mode import IndependentNetwork, RandomModeNetwork

QUICK = {"burn_in": 30.0, "alignment": 20.0, "duration": 60.0}


def network(units=40, gain=1.0, seed=0):
    return IndependentNetwork.draw(units, gain, generator=np.random.default_rng(seed))


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_linear_network_has_the_real_parts_of_its_eigenvalues(noise):
    """Of a matrix that is not normal. With noise too: it does not enter the distance."""
    generator = np.random.default_rng(0)
    vectors = np.eye(6) + 0.3 * generator.standard_normal((6, 6))
    expected = np.array([0.6, 0.3, 0.0, -0.4, -0.9, -1.5])
    coupling = vectors @ np.diag(expected) @ np.linalg.inv(vectors)
    found = lyapunov_exponents(
        IndependentNetwork(coupling, 1.0),
        generator=np.random.default_rng(1),
        count=6,
        nonlinearity="linear",
        noise=noise,
        time_step=0.02,
        burn_in=0,
        alignment=50,
        duration=20,
        dtype=np.float64,
    )
    assert_allclose(found.exponent, expected - 1, atol=1e-3)
    assert (found.error < 1e-5).all()


def test_complex_eigenvalues_come_in_pairs_with_one_real_part():
    coupling = np.zeros((5, 5))
    coupling[:2, :2] = [[0.5, 2.0], [-2.0, 0.5]]
    coupling[2:, 2:] = np.diag([0.2, 0.0, -0.7])
    found = lyapunov_exponents(
        IndependentNetwork(coupling, 1.0),
        generator=np.random.default_rng(1),
        count=5,
        nonlinearity="linear",
        time_step=0.05,
        burn_in=0,
        alignment=100,
        duration=40 * np.pi,
        interval=np.pi / 2,
        dtype=np.float64,
    )
    assert_allclose(found.exponent, [-0.5, -0.5, -0.8, -1.0, -1.7], atol=1e-4)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_largest_exponent_is_the_growth_of_a_small_difference(noise):
    """The same noise for both trajectories."""
    chaotic, phi = network(60, 4.0).astype(np.float64), nonlinearity_named("tanh")
    initial = np.random.default_rng(1).standard_normal((60, 1))
    direction = np.random.default_rng(2).standard_normal((60, 1))

    def states_at(offset, times):
        stepper = integrator(chaotic, phi, (60, 1), np.float64, noise, np.random.default_rng(3))
        states, found, steps = initial + offset, [], 0
        for time in times:
            stepper.advance(states, 0.1, round(10 * time) - steps)
            steps = round(10 * time)
            found.append(states.copy())
        return np.array(found)

    difference = states_at(1e-7 * direction, (2, 12)) - states_at(0, (2, 12))
    growth = np.log(np.linalg.norm(difference[1]) / np.linalg.norm(difference[0])) / 10
    found = lyapunov_exponents(
        chaotic,
        generator=DirectionThenNoise(direction),
        count=1,
        nonlinearity="tanh",
        noise=noise,
        trajectories=1,
        time_step=0.1,
        burn_in=0,
        alignment=2,
        duration=10,
        interval=0.5,
        initial=initial,
        dtype=np.float64,
    )
    assert_allclose(found.exponent[0], growth, atol=2e-4)
    assert abs(growth) > 0.05


class DirectionThenNoise:
    """A generator that gives the tangent vector, and then the noise of the two trajectories."""

    def __init__(self, direction):
        self.direction, self.generator = direction, np.random.default_rng(3)

    def standard_normal(self, shape=None, **named):
        if shape is not None:
            return self.direction[:, :, None]
        return self.generator.standard_normal(**named)


def test_independent_couplings_approach_the_mean_field_value():
    """λ_1 at g = 3, tanh: 0.2355 in theory (Sompolinsky, Crisanti & Sommers)."""
    theory = largest_lyapunov_exponent(mean_field(3.0, np.inf, "tanh"))
    assert_allclose(theory, 0.2355, atol=1e-4)
    found = [
        lyapunov_exponents(
            network(400, 3.0, seed),
            generator=np.random.default_rng(seed),
            count=3,
            nonlinearity="tanh",
            trajectories=4,
            time_step=0.25,
            **QUICK,
        )
        for seed in range(4)
    ]
    values = np.array([f.exponent[0] for f in found])
    error = values.std(ddof=1) / 2
    # finite networks lie below: by 0.045, 0.028 and 0.013 at 300, 600 and 1,200 units
    assert theory - 0.06 < values.mean() < theory + 3 * error
    assert all((np.diff(f.exponent) <= 0).all() for f in found)


def test_the_theory_is_the_dense_diagonalisation_of_its_energy():
    """λ = −1 + √(1 − E_0), E_0 the lowest energy in −∂²_τ + 1 − g² dC_φ/dΔ."""
    theory, averages = mean_field(2.0, np.inf), Erf()
    last, points = 40.0, 1200
    lag = np.linspace(-last, last, points)
    spacing = lag[1] - lag[0]
    delta, _ = theory.at(lag)
    nudge = 1e-6 * theory.variance
    covariance = averages.averages(theory.variance).covariance
    slope = (covariance(delta + nudge) - covariance(delta - nudge)) / (2 * nudge)
    energy = np.diag(2 / spacing**2 + 1 - 4 * slope)
    energy -= (np.eye(points, k=1) + np.eye(points, k=-1)) / spacing**2
    lowest = np.linalg.eigvalsh(energy)[0]
    assert_allclose(largest_lyapunov_exponent(theory), -1 + np.sqrt(1 - lowest), atol=3e-4)


def test_below_the_transition_all_exponents_are_negative():
    found = lyapunov_exponents(
        network(200, 0.5), generator=np.random.default_rng(0), count=3, **QUICK
    )
    largest = np.linalg.eigvals(network(200, 0.5).coupling).real.max() - 1
    assert_allclose(found.exponent[0], largest, atol=0.03)


def test_factored_and_dense_give_the_same_exponents():
    factored = RandomModeNetwork.from_spectrum(
        np.ones(10), units=60, gain=2.0, generator=np.random.default_rng(0), dtype=np.float64
    )
    dense = IndependentNetwork(factored.dense(), 2.0)
    short = {"burn_in": 2.0, "alignment": 2.0, "duration": 6.0, "dtype": np.float64, "count": 4}
    first, second = (
        lyapunov_exponents(n, generator=np.random.default_rng(1), **short).exponent
        for n in (factored, dense)
    )
    assert_allclose(first, second, atol=1e-9)


def test_the_sum_of_all_exponents_is_the_mean_divergence_of_the_flow():
    """Σλ = ⟨tr(−1 + J diag φ')⟩, at one fixed state exactly."""
    coupling = 0.5 * network(12).coupling.astype(np.float64) + np.diag(np.linspace(-0.4, 0.4, 12))
    found = lyapunov_exponents(
        IndependentNetwork(coupling, 1.0),
        generator=np.random.default_rng(1),
        count=12,
        initial=np.zeros((12, 1)),
        trajectories=1,
        burn_in=0,
        alignment=0,
        duration=8,
        time_step=0.05,
        dtype=np.float64,
    )
    assert_allclose(found.exponent.sum(), np.trace(coupling) - 12, atol=1e-4)
    assert_allclose(
        np.linalg.slogdet(expm(8 * (coupling - np.eye(12))))[1] / 8, np.trace(coupling) - 12
    )


@pytest.mark.parametrize(
    "values", [{"count": 0}, {"count": 41}, {"duration": 1.0}, {"noise": -1.0}, {"interval": 0.0}]
)
def test_impossible_numbers_are_refused(values):
    with pytest.raises(DataError, match="Lyapunov exponents of 40 units cannot be measured"):
        lyapunov_exponents(network(), generator=np.random.default_rng(0), **QUICK | values)


def test_initial_states_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"shape is \(3, 3\)"):
        lyapunov_exponents(
            network(), generator=np.random.default_rng(0), initial=np.zeros((3, 3)), **QUICK
        )


def test_vectors_that_do_not_fit_are_refused_with_the_numbers(monkeypatch):
    small = network()
    monkeypatch.setattr("mesomode.memory.available_memory", lambda: 1000)
    with pytest.raises(MemoryLimitError, match="10 tangent vectors of 40 units in 2 traj"):
        lyapunov_exponents(small, generator=np.random.default_rng(0), **QUICK)
