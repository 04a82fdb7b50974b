"""Mean-field theory of units that differ: limits, prototype values, and slow twins."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import solve_continuous_lyapunov
from scipy.stats import norm

from mesomode.dynamics import mean_field, simulate
from mesomode.dynamics.heterogeneity import Population
from mesomode.dynamics.measures import dimensionality
from mesomode.errors import DataError
from mesomode.network import IndependentNetwork

NORMAL = norm.ppf((np.arange(64) + 0.5) / 64)


def curves(theory):
    """Everything that is predicted of equal units."""
    return (
        theory.variance,
        theory.activity_variance,
        theory.gain_average,
        theory.participation_ratio,
        theory.participation_ratio_x,
        theory.participation_ratio_standardised,
        theory.correlation_time,
        theory.loop_gain,
    )


@pytest.mark.parametrize("name", ["erf", "tanh"])
@pytest.mark.parametrize(("gain", "noise"), [(3.0, 0.0), (1.0, 1.0), (2.0, 1e-3)])
def test_equal_units_are_the_plain_theory(name, gain, noise):
    """By interpolation and, with noise, by iteration instead of the potential method."""
    alike = np.full(10, 0.7)
    found = mean_field(gain, 0.1, name, noise, target_scale=alike, source_scale=alike)
    assert_allclose(curves(found), curves(mean_field(gain, 0.1, name, noise)), rtol=1e-6)
    assert_allclose(found.spread, 1.0)


@pytest.mark.parametrize(
    ("target", "source", "activity", "raw", "standardised"),
    [(0.6, 0.0, 0.6731, 0.0480, 0.0467), (0.0, 0.6, 0.7107, 0.0189, 0.0189)],
)
def test_reference_values(target, source, activity, raw, standardised):
    """Log-normal scales at gain 3, which the prototype does not scale to mean square one."""
    u, v = np.exp(target * NORMAL), np.exp(source * NORMAL)
    gain = 3.0 * np.sqrt(np.mean(u**2))
    theory = mean_field(gain, np.inf, target_scale=u, source_scale=v)
    assert_allclose(theory.activity_variance, activity, atol=6e-5)
    assert_allclose(theory.participation_ratio, raw, atol=6e-5)
    assert_allclose(theory.participation_ratio_standardised, standardised, atol=6e-5)


@pytest.mark.parametrize(("gain", "noise", "rank"), [(3.0, 0.0, 0.3), (1.0, 1.0, 0.1)])
def test_dimensions_equal_plain_sums_over_units_and_frequencies(gain, noise, rank):
    """Twin: every unit by itself, both frequencies on the grid of a Fourier transform."""
    generator = np.random.default_rng(0)
    u, v = np.exp(0.5 * generator.standard_normal((2, 12)))
    u[0] = 0.02
    v = np.sqrt(u * v)  # not independent
    u, v = (scale / np.sqrt(np.mean(scale**2)) for scale in (u, v))
    theory = mean_field(gain, rank, noise=noise, target_scale=3 * u, source_scale=v)
    site = theory._site
    count, step = (1024, 0.2) if noise == 0 else (1024, 0.05)
    lag = np.minimum(np.arange(count), count - np.arange(count)) * step
    omega = 2 * np.pi * np.fft.fftfreq(count, step)
    field, own = site.field(lag), noise / 2 * np.exp(-lag)
    x = np.array([one**2 * field + own for one in u])
    phi = np.array([(2 / np.pi) * np.arcsin(np.pi / 2 * c / (1 + np.pi / 2 * c[0])) for c in x])
    slope = 1 / np.sqrt(1 + np.pi / 2 * x[:, 0])
    assert_allclose(phi[:, 0].mean(), theory.activity_variance, rtol=1e-9)
    residual = (
        np.fft.fft((v**2 @ phi) / 12).real * gain**2 / (1 + omega**2) - np.fft.fft(field).real
    )
    assert np.abs(residual).max() < (1e-6 if noise == 0 else 1e-3) * np.fft.fft(field).real[0]

    spectra = np.fft.fft(phi, axis=1).real * step
    states = np.fft.fft(x, axis=1).real * step
    pair = np.multiply.outer(1 / (1 + 1j * omega), 1 / (1 + 1j * omega))

    def products(weight, curve):
        return (curve.T * weight) @ curve / 12

    loop = 1 / (1 - gain**2 * np.mean(u**2 * v**2 * slope**2) * pair)
    mean = v**2 @ spectra / 12
    shared = gain**4 * (products(v**4, spectra) + np.multiply.outer(mean, mean) / rank)
    shared = shared * np.abs(loop) ** 2

    def dimension(variance, alone, response, crossed):
        response = response * pair
        psi = alone + np.abs(response) ** 2 * shared
        psi = psi + 2 * np.real(response * gain**2 * crossed * loop)
        return variance**2 / (psi.sum() * (omega[1] / (2 * np.pi)) ** 2)

    tolerance = 1e-5 if noise == 0 else 3e-3  # the twin's error is of second order in its step
    c = phi[:, 0]
    raw = dimension(
        c.mean(), products(1, spectra), np.mean(u**2 * slope**2), products(v**2, spectra)
    )
    assert_allclose(theory.participation_ratio, raw, rtol=tolerance)
    standard = dimension(
        1.0,
        products(1 / c**2, spectra),
        np.mean(u**2 * slope**2 / c),
        products(v**2 / c, spectra),
    )
    assert_allclose(theory.participation_ratio_standardised, standard, rtol=tolerance)
    of_x = dimension(
        x[:, 0].mean(), products(1, states), np.mean(u**2), products(v**2 * slope**2, states)
    )
    assert_allclose(theory.participation_ratio_x, of_x, rtol=tolerance)


class Linear:
    """φ(x) = x."""

    slope = square_slope = 1.0

    def primitive_variance(self, variance):
        """Variance of x²/2."""
        return variance**2 / 2

    def averages(self, variance):
        """Gaussian averages."""
        return self

    def covariance(self, delta):
        """C_φ = Δ."""
        return np.asarray(delta)

    def integral(self, delta):
        """Integral of C_φ."""
        return np.asarray(delta) ** 2 / 2


@pytest.mark.parametrize("decay", [None, 0.3])
def test_linear_units_solve_the_lyapunov_equation(decay, monkeypatch):
    """Covariances of large random networks: all of them, of equal variance, and of a sample."""
    from mesomode.dynamics import theory as module

    monkeypatch.setattr(module, "nonlinearity_named", lambda _: Linear())
    gain, noise, units, draws = 0.6, 1.0, 400, 4
    generator = np.random.default_rng(1)
    u, v = np.exp(0.25 * generator.standard_normal((2, units)))
    u[:40] = 0.0  # units without inputs
    u, v = (scale / np.sqrt(np.mean(scale**2)) for scale in (u, v))
    totals = np.zeros(5)
    inverse = 0.0
    for _ in range(draws):
        if decay is None:
            bulk = gain * generator.standard_normal((units, units)) / np.sqrt(units)
        else:
            strength = np.exp(-np.arange(units) / (decay * units))
            strength *= gain / np.sqrt(np.mean(strength**2))
            inverse = np.mean(strength**4) / gain**4
            left, right = generator.standard_normal((2, units, units)) / np.sqrt(units)
            bulk = (left * strength) @ right.T
        system = (u[:, None] * bulk * v) - np.eye(units)
        covariance = solve_continuous_lyapunov(system, -noise * np.eye(units))
        variance = np.diagonal(covariance)
        sample = generator.permutation(units)[:100]
        totals += (
            variance.mean(),
            np.sum(covariance**2) / units,
            np.sum(covariance**2 / np.multiply.outer(variance, variance)) / units,
            variance[sample].mean(),
            np.sum(covariance[np.ix_(sample, sample)] ** 2) / 100,
        )
    mean, square, standard, part, part_square = totals / draws
    rank = 1 / inverse if inverse else np.inf
    theory = mean_field(gain, rank, noise=noise, target_scale=u, source_scale=v)
    assert_allclose(mean, theory.variance, rtol=0.01)
    assert_allclose(mean**2 / square, theory.participation_ratio, rtol=0.03)
    assert_allclose(1 / standard, theory.participation_ratio_standardised, rtol=0.03)
    assert_allclose(theory.participation_ratio_x, theory.participation_ratio, rtol=1e-5)
    # u and v of the sample are not exactly those of all units
    assert_allclose(100 * part**2 / part_square, theory.subsampled(units, 100), rtol=0.05)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_dimension_is_harmonic_in_the_effective_rank(noise):
    scales = {"target_scale": np.exp(0.4 * NORMAL), "source_scale": np.exp(-0.3 * NORMAL)}
    inverse = np.array([-1.0, 0.0, 1.0, 10.0])
    found = [mean_field(2.0, 1 / one if one else np.inf, noise=noise, **scales) for one in inverse]
    for name in ("", "_x", "_standardised"):
        values = np.array([1 / getattr(one, f"participation_ratio{name}") for one in found])
        assert (np.diff(values) > 0).all()
        assert_allclose(np.diff(values) / np.diff(inverse), values[1] - values[0], rtol=1e-6)
    assert len({one.variance for one in found}) == 1  # single units see the gain alone


def test_units_without_input_are_silent():
    """They add to the number of units, and nothing to the activity."""
    scale = np.ones(10)
    scale[:2] = 0.0
    found = mean_field(3.0, np.inf, target_scale=scale)
    # the others receive inputs of the mean square 10/8 from 8/10 of the units
    plain = mean_field(3.0, np.inf)
    assert_allclose(found.activity_variance, 0.8 * plain.activity_variance, rtol=1e-9)
    assert_allclose(found.loop_gain, plain.loop_gain, rtol=1e-9)
    assert_allclose(
        found.participation_ratio, found.participation_ratio_standardised * 1.0, rtol=1e-6
    )


def test_the_order_and_the_scale_do_not_matter():
    generator = np.random.default_rng(3)
    u, v = np.exp(0.3 * generator.standard_normal((2, 50)))
    order = generator.permutation(50)
    first = mean_field(2.0, 0.5, target_scale=u, source_scale=v)
    second = mean_field(2.0, 0.5, target_scale=5 * u[order], source_scale=0.1 * v[order])
    assert_allclose(curves(first), curves(second), rtol=1e-10)


def test_transition_of_units_that_differ():
    """Without noise there is activity above g²⟨u²v²⟩ = 1."""
    u = np.array([0.5, 1.5])
    both = np.mean(u**4) / np.mean(u**2) ** 2
    below = mean_field(0.95 / np.sqrt(both), target_scale=u, source_scale=u)
    above = mean_field(1.05 / np.sqrt(both), target_scale=u, source_scale=u)
    assert below.variance == 0
    assert_allclose(below.loop_gain, 0.95**2)
    assert 0 < above.variance < 0.2


def test_interpolation_over_units():
    generator = np.random.default_rng(0)
    u = np.exp(generator.standard_normal(200))
    population = Population(u)
    at_units = np.arcsin(1 / (1 + 1 / population.target_square))  # as C_φ of erf
    at_nodes = np.arcsin(1 / (1 + 1 / population.node))
    assert_allclose(population.at_units(at_nodes), at_units, atol=1e-6)
    weight = generator.random(200)
    assert_allclose(population.weights(weight) @ at_nodes, np.mean(weight * at_units), rtol=1e-6)
    assert_allclose(
        at_nodes @ population.pair_weights(weight) @ at_nodes,
        np.mean(weight * at_units**2),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("scales", "message"),
    [
        ({"target_scale": [1.0, -1.0]}, "target scales are not possible"),
        ({"source_scale": [1.0, np.nan]}, "source scales are not possible"),
        ({"source_scale": [0.0, 0.0]}, "source scales are not possible"),
        ({"target_scale": np.ones((2, 2))}, "one finite number per unit"),
        ({"target_scale": []}, "one finite number per unit"),
        ({"target_scale": np.ones(3), "source_scale": np.ones(4)}, "3 and 4 units"),
    ],
)
def test_impossible_scales_are_refused(scales, message):
    with pytest.raises(DataError, match=message):
        mean_field(2.0, **scales)


@pytest.mark.slow
def test_simulated_networks_agree():
    """Driven by noise, 1,000 units, log-normal scales of inputs and outputs."""
    units, gain = 1000, 1.2
    generator = np.random.default_rng(0)
    u, v = np.exp(0.5 * generator.standard_normal((2, units)))
    u, v = (scale / np.sqrt(np.mean(scale**2)) for scale in (u, v))
    found = []
    for seed in range(3):
        bulk = gain * generator.standard_normal((units, units)) / np.sqrt(units)
        activity = simulate(
            IndependentNetwork((u[:, None] * bulk * v).astype(np.float32), gain),
            generator=np.random.default_rng(seed),
            noise=1.0,
            duration=60.0,
            burn_in=20.0,
            time_step=0.1,
            sampling_interval=0.5,
        ).activity()
        variance = np.mean(np.square(activity, dtype=np.float64), axis=(0, 1))
        standard = (activity / np.sqrt(variance)).astype(np.float32)
        found.append(
            (
                variance.mean(),
                dimensionality(activity).participation_ratio / units,
                dimensionality(standard).participation_ratio / units,
                np.mean(variance**2) / variance.mean() ** 2,
            )
        )
    theory = mean_field(gain, np.inf, noise=1.0, target_scale=u, source_scale=v)
    plain = mean_field(gain, np.inf, noise=1.0)
    activity_variance, raw, standardised, spread = np.mean(found, axis=0)
    assert_allclose(activity_variance, theory.activity_variance, rtol=0.005)
    assert_allclose(spread, theory.spread, rtol=0.005)
    assert_allclose(raw, theory.participation_ratio, rtol=0.03)
    assert_allclose(standardised, theory.participation_ratio_standardised, rtol=0.03)
    assert abs(raw / plain.participation_ratio - 1) > 0.09  # that units differ matters
