"""Finite-sample correction of the effective rank, scales, kurtosis and signs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.errors import DataError
from mesomode.network import RandomModeNetwork, inverse_effective_rank
from mesomode.network.scales import entry_kurtosis, scales_of, without_scales
from mesomode.network.signs import mean_share, presynaptic_signs
from mesomode.network.spectrum import unbiased_inverse_effective_rank


def lognormal_scales(units: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).lognormal(0, 0.6, units)
    return values / np.sqrt(np.mean(values**2))


def within_errors(values: list[float], expected: float, bias: float = 0.0) -> None:
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < 4 * error + bias


def test_independent_couplings_have_no_effective_rank_in_the_mean():
    units, corrected, plain = 200, [], []
    for seed in range(40):
        couplings = np.random.default_rng(seed).standard_normal((units, units))
        corrected.append(unbiased_inverse_effective_rank(couplings))
        plain.append(inverse_effective_rank(couplings))
    within_errors(corrected, 0.0)
    within_errors(plain, 1 / units)  # (k − 2)/N with the kurtosis 3
    assert_allclose(np.mean(plain) - np.mean(corrected), 1 / units, rtol=0.1)
    assert np.std(corrected) < 3 / units


def test_neither_heavy_tails_nor_uneven_units_fake_an_effective_rank():
    units, corrected, plain = 200, [], []
    for seed in range(30):
        generator = np.random.default_rng(seed)
        couplings = generator.standard_normal((units, units)) * generator.lognormal(
            0, 0.6, (units, units)
        )
        couplings *= np.outer(lognormal_scales(units, seed), lognormal_scales(units, seed + 99))
        corrected.append(unbiased_inverse_effective_rank(couplings))
        plain.append(inverse_effective_rank(couplings))
    within_errors(corrected, 0.0)
    assert np.mean(plain) > 1.0, "κ₄ alone takes them for a low rank"


def test_the_correction_is_exact_for_gaussian_modes_of_few_units():
    """Mean of numerator over mean of denominator at N = 6, where 1/N is no small number."""
    units, draws = 6, 20000
    strength = np.array([2.0, 1.0, 0.5])
    generator = np.random.default_rng(0)
    left, right = generator.standard_normal((2, draws, units, 3)) / np.sqrt(units)
    couplings = np.einsum("sia,a,sja->sij", left, strength, right)
    total = np.sum(couplings**2, axis=(1, 2))
    ratio = np.array([unbiased_inverse_effective_rank(j) for j in couplings[:4000]])
    cycles = ratio * (1 - 1 / units) ** 2 * total[:4000] ** 2 / units
    within_errors(list(cycles / (1 - 1 / units) ** 2), np.sum(strength**4))
    s2, s4 = np.sum(strength**2), np.sum(strength**4)
    expected = s2**2 * (1 + 2 / units**2) + s4 * (4 / units + 2 / units**2)
    within_errors(list(total**2), expected)


def test_scales_do_not_hide_the_rank_of_gaussian_modes():
    units, inverses, bulk = 400, [], []
    for seed in range(6):
        network = RandomModeNetwork.draw(
            units, spectrum="exponential", decay=0.2, generator=np.random.default_rng(seed)
        )
        u, v = lognormal_scales(units, seed), lognormal_scales(units, seed + 50)
        couplings = u[:, None] * network.dense() * v
        inverses.append(unbiased_inverse_effective_rank(couplings))
        bulk.append(
            unbiased_inverse_effective_rank(without_scales(couplings, scales_of(couplings)))
        )
    assert_allclose(np.mean(inverses), network.inverse_effective_rank, rtol=0.05)
    assert_allclose(np.mean(bulk), network.inverse_effective_rank, rtol=0.05)
    assert inverse_effective_rank(couplings) > 1.2 * network.inverse_effective_rank


def test_scales_have_the_sums_of_squares_of_rows_and_columns():
    couplings = np.random.default_rng(0).standard_normal((30, 30))
    couplings *= np.outer(lognormal_scales(30, 1), lognormal_scales(30, 2))
    couplings[3], couplings[:, 3], couplings[5] = 0, 0, 0
    scales = scales_of(couplings)
    modelled = np.outer(scales.target**2, scales.source**2) * np.mean(couplings**2)
    assert_allclose(modelled.sum(axis=1), np.sum(couplings**2, axis=1))
    assert_allclose(modelled.sum(axis=0), np.sum(couplings**2, axis=0))
    assert_allclose([np.mean(scales.target**2), np.mean(scales.source**2)], 1)
    assert_array_equal(np.flatnonzero(scales.isolated), [3])
    assert scales.target[5] == 0 < scales.source[5]
    bulk = without_scales(couplings, scales)
    assert not bulk[[3, 5]].any()
    assert np.isfinite(bulk).all()
    assert_allclose(scales.target[7] * bulk[7, 9] * scales.source[9], couplings[7, 9])


def test_true_scales_are_found():
    units = 600
    u, v = lognormal_scales(units, 1), lognormal_scales(units, 2)
    couplings = u[:, None] * np.random.default_rng(0).standard_normal((units, units)) * v
    scales = scales_of(couplings)
    assert np.corrcoef(scales.target, u)[0, 1] > 0.99
    assert_allclose(scales.target_variation, u.std() / u.mean(), rtol=0.05)
    assert_allclose(scales.source_variation, v.std() / v.mean(), rtol=0.05)


def test_kurtosis_of_entries():
    generator = np.random.default_rng(0)
    assert_allclose(entry_kurtosis(generator.standard_normal((400, 400))), 3, rtol=0.03)
    assert_allclose(entry_kurtosis(np.eye(50)), 50)


def test_signs_belong_to_the_sender():
    signs = presynaptic_signs(200, 0.2, np.random.default_rng(0))
    assert np.sum(signs == -1) == 40
    assert np.sum(signs == 1) == 160
    assert signs[:40].std() > 0, "not the first ones"
    with pytest.raises(DataError, match=r"inhibitory units of 1.2(.|\n)*inhibitory_fraction"):
        presynaptic_signs(10, 1.2, np.random.default_rng(0))
    weights = np.random.default_rng(1).lognormal(0, 0.1, (200, 200))
    half = presynaptic_signs(200, 0.5, np.random.default_rng(0))
    assert mean_share(weights) > 0.9
    assert mean_share(weights * half) < 1e-3


def test_one_unit_has_no_effective_rank():
    with pytest.raises(DataError, match="one unit"):
        unbiased_inverse_effective_rank([[2.0]])
