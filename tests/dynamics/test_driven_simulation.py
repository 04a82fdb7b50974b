"""Simulation with noise: accuracy of the steps, and agreement with the theory."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import solve_continuous_lyapunov

from mesomode.dynamics import mean_field, simulate
from mesomode.dynamics.integration import ExponentialHeun
from mesomode.dynamics.measures import dimensionality
from mesomode.errors import DataError
from mesomode.network import IndependentNetwork, RandomModeNetwork

SHORT = {
    "noise": 1.0,
    "trajectories": 4,
    "burn_in": 2.0,
    "duration": 6.0,
    "sampling_interval": 0.5,
    "time_step": 0.1,
}


def small_network(units=60, gain=1.0, seed=0):
    return IndependentNetwork.draw(units, gain, generator=np.random.default_rng(seed))


class Linear:
    """φ(x) = x."""

    def __call__(self, states, out=None):
        return np.copyto(out, states)


def linear_steps(coupling, step):
    """Matrices M, B of a step x' = M x + B z of a linear network, from the code's own steps."""
    units = len(coupling)
    network = IndependentNetwork(coupling, 1.0)
    heun = ExponentialHeun(
        network, Linear(), (units, units), np.float64, 1.0, np.random.default_rng(0)
    )
    moved, kicked = np.eye(units), np.zeros((units, units))
    heun._step(moved, step, np.zeros((units, units)))
    heun._step(kicked, step, np.sqrt(-np.expm1(-2 * step) / 2) * np.eye(units))
    return moved, kicked


def stationary(moved, kicked):
    """Covariance C = M C Mᵀ + B Bᵀ by doubling."""
    covariance = kicked @ kicked.T
    for _ in range(20):
        covariance = covariance + moved @ covariance @ moved.T
        moved = moved @ moved
    return covariance


def test_without_coupling_a_step_of_any_length_has_the_exact_law():
    for step in (0.05, 0.5, 5.0):
        assert_allclose(stationary(*linear_steps(np.zeros((3, 3)), step)), np.eye(3) / 2)


def test_the_variance_of_linear_networks_is_of_second_order_in_the_step():
    """Against the Lyapunov equation: at the default step 0.2 within 0.1 %."""
    units = 100
    coupling = 0.7 * np.random.default_rng(0).standard_normal((units, units)) / np.sqrt(units)
    exact = solve_continuous_lyapunov(coupling - np.eye(units), -np.eye(units))
    norms, traces = [], []
    for step in (0.2, 0.1, 0.05):
        found = stationary(*linear_steps(coupling, step))
        norms.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
        traces.append(abs(np.trace(found) / np.trace(exact) - 1))
    assert_allclose(norms[0] / norms[1], 4.0, rtol=0.15)
    assert_allclose(norms[1] / norms[2], 4.0, rtol=0.1)
    assert norms[0] < 5e-3
    assert traces[0] < 1e-3


def test_the_path_is_of_first_order_in_the_step():
    """On the same noise, against steps 32 times as fine; the stored error is of that size."""
    network = small_network(gain=1.5).astype(np.float64)
    from mesomode.dynamics.nonlinearity import nonlinearity_named

    shape = (60, 16)
    heun = ExponentialHeun(
        network, nonlinearity_named("erf"), shape, np.float64, 1.0, np.random.default_rng(1)
    )
    initial = np.random.default_rng(2).standard_normal(shape)
    fine_step, levels = 0.4 / 64, (64, 32, 16)
    states = {level: initial.copy() for level in levels}
    kicks = {level: np.zeros(shape) for level in levels}
    finest, kick = initial.copy(), np.empty(shape)
    for index in range(1, 5 * 64 + 1):
        heun._draw(kick, fine_step)
        heun._step(finest, fine_step, kick)
        for level in levels:
            kicks[level] = np.exp(-fine_step) * kicks[level] + kick
            if index % level == 0:
                heun._step(states[level], level * fine_step, kicks[level])
                kicks[level] = np.zeros(shape)
    errors = [np.sqrt(np.mean((states[level] - finest) ** 2)) for level in levels]
    for coarse, fine in pairwise(errors):
        assert 1.8 < coarse / fine < 4.4


def test_the_stored_error_compares_the_same_noise():
    errors = [
        simulate(
            small_network(),
            generator=np.random.default_rng(0),
            dtype=np.float64,
            **SHORT | {"time_step": step},
        ).step_error
        for step in (0.25, 0.125)
    ]
    assert 1.7 < errors[0] / errors[1] < 3
    assert errors[0] < 0.05


def test_without_coupling_the_variance_and_memory_are_those_of_the_process():
    network = IndependentNetwork(np.zeros((200, 200), np.float32), 0.0)
    found = simulate(
        network,
        generator=np.random.default_rng(0),
        noise=2.0,
        burn_in=5,
        duration=200,
        time_step=0.5,
        sampling_interval=0.5,
    )
    states = found.states.astype(np.float64)
    # about 200 · 32 · 200/2 independent values
    assert_allclose(np.mean(states**2), 1.0, atol=4 * np.sqrt(2 / 6.4e5))
    assert_allclose(np.mean(states[:, 1:] * states[:, :-1]), np.exp(-0.5), atol=0.008)
    assert_allclose(dimensionality(found.states).participation_ratio / 200, 1.0, atol=0.01)


def test_the_same_generator_gives_the_same_samples():
    first, second, other = (
        simulate(small_network(), generator=np.random.default_rng(seed), **SHORT)
        for seed in (5, 5, 6)
    )
    assert first.states.dtype == np.float32
    assert_array_equal(first.states, second.states)
    assert first.step_error == second.step_error
    assert np.abs(first.states - other.states).max() > 0.1


def test_trajectories_see_different_noise():
    found = simulate(
        small_network(), generator=np.random.default_rng(0), initial=np.zeros((60, 4)), **SHORT
    )
    correlation = np.corrcoef(found.states.reshape(4, -1))
    assert np.abs(correlation - np.eye(4)).max() < 0.3


def test_vanishing_noise_leaves_the_autonomous_network():
    """Two methods of integration."""
    arguments = SHORT | {"time_step": 0.025}
    first, second = (
        simulate(
            small_network(gain=2.0),
            generator=np.random.default_rng(0),
            **arguments | {"noise": noise},
        )
        for noise in (0.0, 1e-20)
    )
    assert_allclose(first.states, second.states, atol=5e-3)


@pytest.mark.parametrize("noise", [-1.0, np.nan, np.inf])
def test_an_impossible_noise_is_refused(noise):
    with pytest.raises(DataError, match=f"noise of {noise} is not possible"):
        simulate(small_network(), generator=np.random.default_rng(0), **SHORT | {"noise": noise})


def measured(networks, **arguments):
    """C_φ(0), C_x(0), PR_φ and PR_x of each network."""
    rows = []
    for seed, network in enumerate(networks):
        generator = np.random.default_rng(100 + seed)
        found = simulate(network, generator=generator, noise=1.0, **arguments)
        activity, states = found.activity(), found.states
        rows.append(
            [
                np.mean(np.square(activity, dtype=np.float64)),
                np.mean(np.square(states, dtype=np.float64)),
                dimensionality(activity).participation_ratio / network.units,
                dimensionality(states).participation_ratio / network.units,
            ]
        )
    return np.array(rows)


def expected(effective_rank):
    theory = mean_field(1.0, effective_rank, noise=1.0)
    return np.array(
        [
            theory.activity_variance,
            theory.variance,
            theory.participation_ratio,
            theory.participation_ratio_x,
        ]
    )


def test_independent_networks_follow_the_theory():
    networks = [small_network(600, seed=seed) for seed in range(5)]
    found = measured(networks, burn_in=20, duration=30)
    mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(len(found))
    theory = expected(np.inf)
    assert (np.abs(mean - theory) < 3 * error).all()
    assert (np.abs(mean / theory - 1) < [0.01, 0.01, 0.04, 0.04]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("decay", "tolerance"), [(0.1, 0.1), (1.0, 0.05)])
def test_networks_of_low_rank_follow_the_theory(decay, tolerance):
    """Their deviations from theory are of finite size."""
    networks = [
        RandomModeNetwork.from_spectrum(
            np.exp(-np.arange(1500) / (decay * 1500)),
            gain=1.0,
            generator=np.random.default_rng(seed),
        )
        for seed in range(3)
    ]
    found = measured(networks, burn_in=20, duration=30)
    deviations = found.mean(axis=0) / expected(networks[0].effective_rank) - 1
    assert (np.abs(deviations) < [0.02, 0.04, tolerance, tolerance]).all()


def test_a_linear_network_has_the_covariance_of_the_lyapunov_equation():
    """C_x(0), the dimension and the memory, of the simulation itself."""
    units = 60
    network = small_network(units, gain=0.6)
    coupling = network.coupling.astype(np.float64)
    exact = solve_continuous_lyapunov(coupling - np.eye(units), -np.eye(units))
    found = simulate(
        network,
        generator=np.random.default_rng(1),
        nonlinearity="linear",
        noise=1.0,
        burn_in=20,
        duration=300,
        time_step=0.1,
        sampling_interval=1.0,
    )
    samples = found.states.astype(np.float64)
    flat = samples.reshape(-1, units)
    covariance = flat.T @ flat / len(flat)
    # about 32 · 300 / 2 independent samples
    assert_allclose(covariance, exact, atol=5 * 0.6 / np.sqrt(4800))
    assert_allclose(np.trace(covariance), np.trace(exact), rtol=0.01)
    dimension = dimensionality(found.states)
    expected = np.trace(exact) ** 2 / np.sum(exact**2)
    assert_allclose(dimension.participation_ratio, expected, rtol=0.01)
    assert abs(dimension.participation_ratio - expected) < 4 * dimension.participation_ratio_error
    from scipy.linalg import expm

    memory = np.einsum("bti,btj->ij", samples[:, 1:], samples[:, :-1]) / (32 * 299)
    assert_allclose(memory, expm(coupling - np.eye(units)) @ exact, atol=5 * 0.6 / np.sqrt(4800))


def test_permuting_units_and_their_noise_permutes_the_states_and_no_statistic():
    network = small_network(40, gain=1.2).astype(np.float64)
    order = np.random.default_rng(3).permutation(40)
    permuted = IndependentNetwork(network.coupling[np.ix_(order, order)], 1.2)

    class Permuted:
        """A generator whose noise comes in the other order of units."""

        def __init__(self):
            self.generator = np.random.default_rng(1)

        def standard_normal(self, *, dtype, out):
            out[:] = self.generator.standard_normal(out.shape, dtype=dtype)[order]

    arguments = SHORT | {"initial": np.zeros((40, 4)), "dtype": np.float64, "checks": False}
    first = simulate(network, generator=np.random.default_rng(1), **arguments)
    second = simulate(permuted, generator=Permuted(), **arguments)
    assert_allclose(second.states, first.states[:, :, order], atol=1e-9)
    ratios = [dimensionality(found.activity()).participation_ratio for found in (first, second)]
    assert_allclose(ratios[0], ratios[1])
