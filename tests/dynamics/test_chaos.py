"""Transition to chaos and Lyapunov exponents in theory: exact cases, limits and twins."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import eigh_tridiagonal

from mesomode.dynamics import critical_gain, largest_lyapunov_exponent, mean_field
from mesomode.dynamics.chaos import ground_state_energy
from mesomode.errors import ConfigError, DataError, SolverError

NORMAL = np.linspace(-2, 2, 30)


@pytest.mark.parametrize("depth", [1.0, 2.0, 3.5])
def test_ground_state_of_a_solvable_well(depth):
    """W = 5 − s(s + 1)/cosh² τ has the energy 5 − s² (Pöschl & Teller)."""

    def well(lag):
        return 5 - depth * (depth + 1) / np.cosh(lag) ** 2

    assert_allclose(ground_state_energy(well, 5.0, 15.0), 5 - depth**2, atol=1e-6)


@pytest.mark.parametrize("name", ["erf", "tanh"])
@pytest.mark.parametrize(("gain", "noise"), [(2.0, 0.0), (3.0, 0.0), (1.0, 1.0), (3.0, 1.0)])
def test_the_exponent_equals_that_of_a_matrix(name, gain, noise):
    """Twin: lowest eigenvalue of the operator by finite differences of lags of both signs."""
    theory = mean_field(gain, np.inf, name, noise)
    found = []
    for step in (0.04, 0.02):
        lag = np.arange(-60, 60, step) + step / 2
        x = theory.at(lag)[0]
        nearby = np.array([0.999, 1.001]) * x[:, None]
        c_phi = theory._site.averages.covariance(nearby)
        potential = 1 - gain**2 * np.diff(c_phi)[:, 0] / (0.002 * x)
        lowest = eigh_tridiagonal(
            2 / step**2 + potential,
            np.full(len(lag) - 1, -1 / step**2),
            select="i",
            select_range=(0, 0),
            eigvals_only=True,
        )[0]
        found.append(-1 + np.sqrt(1 - lowest))
    expected = found[1] + (found[1] - found[0]) / 3
    assert_allclose(largest_lyapunov_exponent(theory), expected, atol=5e-5)


@pytest.mark.parametrize("name", ["erf", "tanh"])
def test_near_the_transition(name):
    """λ → (g − 1)²/2 (Sompolinsky, Crisanti & Sommers)."""
    excess = np.array([0.03, 0.06])
    ratio = [
        largest_lyapunov_exponent(mean_field(1 + one, np.inf, name)) / (one**2 / 2)
        for one in excess
    ]
    assert 0.8 < ratio[1] < ratio[0] < 1
    assert_allclose(2 * ratio[0] - ratio[1], 1.0, atol=0.02)


def test_at_high_gain_the_exponent_grows_as_the_logarithm():
    exponent = [largest_lyapunov_exponent(mean_field(g, np.inf)) for g in (10, 40, 160)]
    steps = np.diff(exponent) / np.log(4)
    assert 0.6 < steps[0] < steps[1]
    assert_allclose(steps[1], 1.0, atol=0.15)


def test_regression_at_gain_three():
    assert_allclose(largest_lyapunov_exponent(mean_field(3.0, 0.1, "tanh")), 0.235461, atol=1e-6)
    assert_allclose(largest_lyapunov_exponent(mean_field(3.0, 0.1)), 0.254481, atol=1e-6)


def test_the_effective_rank_does_not_matter():
    first, second = (largest_lyapunov_exponent(mean_field(2.0, rank)) for rank in (0.1, -1.0))
    assert first == second


def test_without_activity_perturbations_decay_at_the_edge_of_the_spectrum():
    assert_allclose(largest_lyapunov_exponent(mean_field(0.7)), -0.3)
    # vanishing noise leaves the potential flat
    assert_allclose(largest_lyapunov_exponent(mean_field(0.7, noise=1e-4)), -0.3, atol=1e-4)


@pytest.mark.parametrize("name", ["erf", "tanh"])
@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_noise_shifts_the_transition(name, noise):
    """To where the energy of the drive is zero, Δ_0 = g² C_φ(0) (Schuecker et al.)."""
    critical = critical_gain(name, noise)
    theory = mean_field(critical, np.inf, name, noise)
    assert_allclose(critical**2 * theory.activity_variance, theory.variance, rtol=1e-5)
    assert abs(largest_lyapunov_exponent(theory)) < 1e-7
    assert largest_lyapunov_exponent(mean_field(1.1 * critical, np.inf, name, noise)) > 0.001
    assert largest_lyapunov_exponent(mean_field(critical / 1.1, np.inf, name, noise)) < -0.001
    # the instability of perturbations at once comes before: noise suppresses chaos
    assert theory.loop_gain < 1
    assert critical**2 * theory._site.averages.square_slope > 1


def test_without_noise_the_transition_is_at_one():
    assert critical_gain() == critical_gain("tanh") == 1.0
    assert_allclose(critical_gain(noise=0.01), 1.0, atol=0.1)


def test_units_that_differ():
    u, v = np.exp(0.5 * NORMAL), np.exp(0.3 * NORMAL)
    both = np.mean(u**2 * v**2) / np.mean(u**2) / np.mean(v**2)
    scales = {"target_scale": u, "source_scale": v}
    assert_allclose(critical_gain(**scales), 1 / np.sqrt(both))
    quiet = mean_field(0.5, np.inf, **scales)
    assert_allclose(largest_lyapunov_exponent(quiet), 0.5 * np.sqrt(both) - 1)
    just_above = mean_field(1.1 * critical_gain(**scales), np.inf, **scales)
    assert 0 < largest_lyapunov_exponent(just_above) < 8e-3
    alike = {"target_scale": np.ones(3), "source_scale": np.ones(3)}
    for gain, noise in ((2.0, 0.0), (1.0, 1.0)):
        assert_allclose(
            largest_lyapunov_exponent(mean_field(gain, noise=noise, **alike)),
            largest_lyapunov_exponent(mean_field(gain, noise=noise)),
            rtol=1e-5,
        )


@pytest.mark.slow
def test_noise_shifts_the_transition_of_units_that_differ():
    alike = {"target_scale": np.ones(3), "source_scale": np.ones(3)}
    scales = {"target_scale": np.exp(0.5 * NORMAL), "source_scale": np.exp(0.3 * NORMAL)}
    assert_allclose(critical_gain(noise=1.0, **alike), critical_gain(noise=1.0), rtol=1e-5)
    critical = critical_gain(noise=0.5, **scales)
    assert critical > critical_gain(**scales)
    theory = mean_field(critical, np.inf, noise=0.5, **scales)
    assert abs(largest_lyapunov_exponent(theory)) < 1e-5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"nonlinearity": "threshold_linear"}, ConfigError, "no mean-field theory"),
        ({"nonlinearity": "sine"}, ConfigError, "no nonlinearity 'sine'"),
        ({"noise": -1.0}, DataError, "noise of -1.0"),
        ({"noise": 1e12}, SolverError, "no transition to chaos"),
        ({"target_scale": [-1.0]}, DataError, "target scales"),
    ],
)
def test_impossible_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        critical_gain(**arguments)
    if error is ConfigError:
        with pytest.raises(error, match=message):
            mean_field(0.5, **arguments)
