"""Covariances of all pairs of units in theory: over lags, and of a part of the units."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.dynamics import mean_field
from mesomode.errors import DataError


def test_reference_values():
    """ψ(τ, τ) of independent couplings at gain 3, and the share of other units in it."""
    theory = mean_field(3.0, np.inf)
    lag = np.array([0.0, 2.0, 5.0, 10.0, 20.0])
    psi = theory._pair_covariance(lag)
    assert_allclose(psi, [10.16, 9.28, 7.06, 4.22, 1.53], atol=6e-3)
    assert_allclose(theory.population_autocovariance(lag), psi / psi[0])
    single = theory.at(lag)[1] ** 2
    others = (psi - single) / (psi[0] - single[0])
    assert_allclose(others[1:], [0.93, 0.73, 0.44, 0.16], atol=6e-3)
    assert_allclose(single[1:4] / single[0], [0.51, 0.095, 0.005], atol=6e-3)


@pytest.mark.parametrize(
    ("noise", "scales"),
    [
        (0.0, {}),
        (1.0, {}),
        (0.0, {"target_scale": [0.5, 1.0, 1.5], "source_scale": [1.0, 0.6, 1.2]}),
    ],
)
def test_the_decay_equals_a_plain_inverse_transform(noise, scales):
    """Twin: ψ(τ_1, τ_2) on a grid of both lags, for any C_φ and response."""
    gain, rank = 2.0, 0.5
    theory = mean_field(gain, rank, noise=noise, **scales)
    count, step = (1024, 0.25) if noise == 0 else (1024, 0.1)
    lag = np.minimum(np.arange(count), count - np.arange(count)) * step
    omega = 2 * np.pi * np.fft.fftfreq(count, step)
    single = np.multiply.outer(1 / (1 + 1j * omega), 1 / (1 + 1j * omega))
    if scales:
        site = theory._site
        u, v = np.sqrt(site.population.target_square), np.sqrt(site.population.source_square)
        x = np.array([one**2 * site.field(lag) for one in u])
        c = np.array([(2 / np.pi) * np.arcsin(np.pi / 2 * c / (1 + np.pi / 2 * c[0])) for c in x])
        slope = 1 / np.sqrt(1 + np.pi / 2 * x[:, 0])
    else:
        u = v = np.ones(1)
        c, slope = theory.at(lag)[1][None], np.array([theory.gain_average])
    power = np.fft.fft(c, axis=1).real * step

    def products(weight):
        return (power.T * weight) @ power / len(u)

    loop = 1 / (1 - gain**2 * np.mean(u**2 * v**2 * slope**2) * single)
    response = np.mean(u**2 * slope**2) * single
    mean = v**2 @ power / len(u)
    shared = gain**4 * (products(v**4) + np.multiply.outer(mean, mean) / rank) * np.abs(loop) ** 2
    psi = products(1.0) + np.abs(response) ** 2 * shared
    psi = psi + 2 * np.real(response * gain**2 * products(v**2) * loop)
    both = np.fft.ifft2(psi) / step**2
    assert np.abs(both.imag).max() < 1e-7 * both.real.max()
    assert_allclose(both.real, both.real.T, atol=1e-12 * both.real.max())
    diagonal = np.diagonal(both.real)
    places = np.array([0, 5, 20, 50, 100, 200])
    assert_allclose(
        theory.population_autocovariance(places * step),
        diagonal[places] / diagonal[0],
        atol=5e-6 if noise == 0 else 2e-3,
    )
    assert_allclose(
        theory.activity_variance**2 / diagonal[0], theory.participation_ratio, rtol=2e-3
    )


def test_the_sum_is_at_least_what_units_contribute_alone():
    for noise in (0.0, 1.0):
        for rank in (-1.0, np.inf, 0.1):
            theory = mean_field(2.0, rank, noise=noise)
            psi = theory._pair_covariance(np.array([0.0, 1.0, 3.0]))
            assert (psi >= theory.at([0.0, 1.0, 3.0])[1] ** 2).all()
            assert_allclose(
                theory.activity_variance**2 / psi[0], theory.participation_ratio, rtol=1e-4
            )


def test_without_activity_there_is_nothing_to_decay():
    assert np.isnan(mean_field(0.9).population_autocovariance([0.0, 1.0])).all()
    assert mean_field(3.0).population_autocovariance(0.0) == 1.0


def test_few_recorded_units():
    theory = mean_field(3.0, 1.0)
    assert_allclose(theory.subsampled(2000, 2000), 2000 * theory.participation_ratio)
    assert_allclose(theory.subsampled(2000, 1), 1.0)
    sizes = [theory.subsampled(2000, n) for n in (1, 10, 100, 500, 2000)]
    assert (np.diff(sizes) > 0).all()
    # many more than N PR of them see N PR/(1 − PR) dimensions
    limit = theory.participation_ratio / (1 - theory.participation_ratio)
    assert_allclose(theory.subsampled(10**9, 10**8) / 1e9, 1 / (1 / limit + 10), rtol=1e-6)
    for recorded in (0, 2001):
        with pytest.raises(DataError, match="cannot be recorded"):
            theory.subsampled(2000, recorded)
