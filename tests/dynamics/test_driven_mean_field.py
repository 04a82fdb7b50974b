"""Mean-field theory with noise: known answers, limits, and slow twins."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import solve_continuous_lyapunov

from mesomode.dynamics import mean_field
from mesomode.dynamics.four_point import dimensions, pair_factors
from mesomode.dynamics.nonlinearity import nonlinearity_named


class Linear:
    """φ(x) = x."""

    name = "linear"

    def primitive_variance(self, variance):
        """Variance of x²/2."""
        return variance**2 / 2

    def averages(self, variance):
        """Gaussian averages."""
        return self

    slope = square_slope = 1.0

    def covariance(self, delta):
        """C_φ = Δ."""
        return np.asarray(delta)

    def integral(self, delta):
        """Integral of C_φ."""
        return np.asarray(delta) ** 2 / 2


@pytest.mark.parametrize(
    ("effective_rank", "dimension"),
    [(np.inf, 0.6635), (1.0, 0.6040), (0.3, 0.4990), (0.1, 0.3341), (0.05, 0.2232)],
)
def test_reference_values(effective_rank, dimension):
    """From the prototype, whose noise of 1 in Euler steps of 0.05 acts as 2/(2 − 0.05)."""
    theory = mean_field(1.0, effective_rank, noise=2 / 1.95)
    assert_allclose(theory.activity_variance, 0.3546, atol=2e-4)  # on a grid of step 0.1
    assert_allclose(theory.participation_ratio, dimension, rtol=2e-3)


def test_values_at_the_default():
    """Regression: values that the twins below confirm to fewer digits."""
    theory = mean_field(1.0, 0.1, noise=1.0)
    assert_allclose(theory.variance, 0.6991185, atol=1e-7)
    assert_allclose(theory.activity_variance, 0.3506694, atol=1e-7)
    assert_allclose(theory.participation_ratio, 0.326602, atol=1e-6)
    assert_allclose(mean_field(1.0, np.inf, noise=1.0).participation_ratio, 0.658353, atol=1e-6)


def fixed_point(gain, noise, phi, count=8192, step=0.02):
    """Damped iteration of C_x(ω) = (g² C_φ(ω) + σ²)/(1 + ω²) on a grid of lags."""
    lag = np.minimum(np.arange(count), count - np.arange(count)) * step
    frequency = 2 * np.pi * np.fft.fftfreq(count, step)
    alone = noise / 2 * np.exp(-lag)
    curve = alone
    for _ in range(3000):
        activity = phi.averages(curve[0]).covariance(curve)
        coupled = gain**2 * np.fft.fft(activity).real / (1 + frequency**2)
        change = alone + np.fft.ifft(coupled).real - curve
        curve = curve + change / 2
        if np.abs(change).max() < 1e-11:
            return lag, curve
    raise AssertionError("the twin did not converge")


CASES = [(1.0, 1.0), (0.5, 0.01), (1.5, 0.5), (3.0, 4.0)]


@pytest.mark.parametrize("name", ["erf", "tanh"])
@pytest.mark.parametrize(("gain", "noise"), CASES)
def test_the_curve_is_the_fixed_point_of_an_iteration(name, gain, noise):
    lag, curve = fixed_point(gain, noise, nonlinearity_named(name))
    found, _ = mean_field(gain, np.inf, name, noise).at(lag)
    assert_allclose(found, curve, atol=2e-4 * curve[0])  # the twin's error is step²/12


@pytest.mark.parametrize(("gain", "noise"), CASES)
def test_dimension_equals_a_plain_sum_over_a_frequency_grid(gain, noise):
    """Twin of both dimensions, which holds for any C_φ and C_x: C_x = A + σ²/(1 + ω²)."""
    theory = mean_field(gain, 0.1, noise=noise)
    count, step = 2048, 0.05
    lag = np.minimum(np.arange(count), count - np.arange(count)) * step
    c_x, c_phi = theory.at(lag)
    frequency = 2 * np.pi * np.fft.fftfreq(count, step)
    response = theory.gain_average / (1 + 1j * frequency)
    loop = gain**2 * np.multiply.outer(response, response)
    amplification, squared = 1 / np.abs(1 - loop) ** 2, np.abs(loop) ** 2

    def pairs(curve):
        power = np.fft.fft(curve).real * step
        return np.multiply.outer(power, power) * amplification

    own = noise / 2 * np.exp(-lag)
    sums = (
        (pairs(c_phi) * (1 + 10 * squared)).sum(),
        (11 * pairs(c_x - own) + pairs(c_x) * (1 - squared)).sum(),
    )
    expected = (theory.participation_ratio, theory.participation_ratio_x)
    for curve, total, value in zip((c_phi, c_x), sums, expected, strict=True):
        psi = total * (frequency[1] / (2 * np.pi)) ** 2
        assert_allclose(curve[0] ** 2 / psi, value, rtol=1e-3)


@pytest.mark.parametrize("name", ["erf", "tanh"])
@pytest.mark.parametrize(("gain", "noise"), [*CASES, (0.0, 1.0), (1.05, 1e-5), (3.0, 1e-6)])
def test_the_solution_satisfies_its_equation(name, gain, noise):
    """(1 + ω²) C_x(ω) = g² C_φ(ω) + σ²."""
    theory = mean_field(gain, np.inf, name, noise)
    states, activity, _ = theory._site.spectra()
    frequency = np.linspace(0, 10.0, 400)
    right = gain**2 * activity(frequency) + noise
    residual = states(frequency) - right / (1 + frequency**2)
    assert np.abs(residual).max() < 1e-7 * right[0]


@pytest.mark.parametrize(("gain", "noise"), [*CASES, (1.05, 1e-5), (3.0, 1e-6)])
def test_quadrature_of_the_dimension_has_converged(gain, noise):
    site = mean_field(gain, noise=noise)._site
    for coarse, fine in zip(dimensions(site), dimensions(site, 500), strict=True):
        assert_allclose(coarse.independent, fine.independent, rtol=1e-5)
        assert_allclose(coarse.slope, fine.slope, rtol=1e-5)


@pytest.mark.parametrize("name", ["erf", "tanh"])
def test_without_coupling_units_are_ornstein_uhlenbeck_processes(name):
    theory = mean_field(0.0, 0.1, name, noise=3.0)
    assert_allclose(theory.variance, 1.5, rtol=1e-12)
    lag = np.linspace(0, 10, 101)
    assert_allclose(theory.at(lag)[0], 1.5 * np.exp(-lag), rtol=1e-9)
    assert_allclose([theory.participation_ratio, theory.participation_ratio_x], 1.0, rtol=1e-12)


def test_weak_noise_gives_back_the_autonomous_solution():
    alone = mean_field(2.0, 0.1)
    previous = np.inf
    for noise in (1e-1, 1e-2, 1e-3):
        theory = mean_field(2.0, 0.1, noise=noise)
        distance = abs(theory.participation_ratio / alone.participation_ratio - 1)
        assert distance < previous / 5
        previous = distance
    theory = mean_field(2.0, 0.1, noise=1e-9)
    assert_allclose(theory.variance, alone.variance, rtol=1e-9)
    assert_allclose(theory.at(alone.lag)[0], alone.autocovariance, atol=1e-8)
    assert_allclose(theory.participation_ratio, alone.participation_ratio, rtol=1e-6)
    assert_allclose(theory.participation_ratio_x, alone.participation_ratio_x, rtol=1e-6)


@pytest.mark.parametrize("decay", [None, 0.4])
def test_linear_units_solve_the_lyapunov_equation(decay, monkeypatch):
    """A C + C Aᵀ + σ² I = 0 with A = J − I, for large random matrices J."""
    from mesomode.dynamics import theory as module

    monkeypatch.setattr(module, "nonlinearity_named", lambda _: Linear())
    gain, noise, units, draws = 0.6, 2.0, 400, 4
    generator = np.random.default_rng(0)
    variance, square, inverse = 0.0, 0.0, 0.0
    for _ in range(draws):
        if decay is None:
            coupling = gain * generator.standard_normal((units, units)) / np.sqrt(units)
        else:
            strength = np.exp(-np.arange(units) / (decay * units))
            strength *= gain / np.sqrt(np.mean(strength**2))
            inverse = np.mean(strength**4) / gain**4
            left, right = generator.standard_normal((2, units, units)) / np.sqrt(units)
            coupling = (left * strength) @ right.T
        system = coupling - np.eye(units)
        covariance = solve_continuous_lyapunov(system, -noise * np.eye(units))
        variance += np.trace(covariance) / units / draws
        square += np.sum(covariance**2) / units / draws
    theory = mean_field(gain, 1 / inverse if inverse else np.inf, noise=noise)
    # (1 + ω² − g²) C = σ²
    assert_allclose(theory.variance, noise / 2 / np.sqrt(1 - gain**2), rtol=1e-9)
    assert_allclose(variance, theory.variance, rtol=0.01)
    assert_allclose(variance**2 / square, theory.participation_ratio, rtol=0.02)
    assert_allclose(theory.participation_ratio_x, theory.participation_ratio, rtol=1e-5)


def test_linear_units_over_long_times_have_the_dimension_of_hu_and_sompolinsky():
    """At ω = 0 with noise as alone: (1 − g²)² for both φ and x, as A = g² C_φ."""
    gain = 0.6
    activity, states, _ = pair_factors(gain, 1.0, 1.0)
    assert_allclose(1 / activity, (1 - gain**2) ** 2)
    assert_allclose(gain**4 * activity + states, activity)


def test_up_to_gain_one_noise_makes_activity():
    quiet, driven = mean_field(0.9, 0.1), mean_field(0.9, 0.1, noise=0.1)
    assert np.isnan(quiet.participation_ratio)
    assert 0 < driven.participation_ratio < 1
    assert driven.noise == 0.1


def test_the_verdict_says_how_well_the_theory_holds():
    theory = mean_field(1.0, 0.1, noise=1.0)
    assert "at gain 1 and noise 1, at least 10" in theory.verdict(1500)
    assert "to about 4.9 %" in theory.verdict(1500)
    assert "below 10" in theory.verdict(100)
    assert "too few units" in theory.verdict(100)
    assert "at gain 3 and noise 0, below 10" in mean_field(3.0, 0.1).verdict(1500)
