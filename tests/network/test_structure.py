"""What is measured of a connectome, and networks that share it step by step."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.errors import DataError, MemoryLimitError
from mesomode.network import RandomModeNetwork, inverse_effective_rank
from mesomode.network.matching import VARIANTS, matched_network
from mesomode.network.preparation import centred, spectrum_of_rank
from mesomode.network.spectrum import singular_values, unbiased_inverse_effective_rank
from mesomode.network.structure import structure_of


def spatial(units: int = 90, seed: int = 0, uneven: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Weights that fall with distance, of units that differ, and where the units are."""
    generator = np.random.default_rng(seed)
    position = generator.uniform(0, 1, (units, 2))
    distance = np.linalg.norm(position[:, None] - position[None], axis=-1)
    weights = np.exp(-distance / 0.2) * generator.lognormal(0, 0.3, (units, units))
    weights *= np.outer(*generator.lognormal(0, uneven, (2, units)))
    np.fill_diagonal(weights, 0)
    return weights, position


def measured(weights, **options):
    options = {"draws": 0, "permutations": 20} | options
    return structure_of(weights, generator=np.random.default_rng(0), **options)


@pytest.fixture(scope="module")
def structure():
    weights, position = spatial()
    return measured(weights, position=position, draws=4)


def test_spectrum_and_moments_are_those_of_the_centred_matrix(structure):
    weights, _ = spatial()
    expected = centred(weights, "top_mode")
    assert_allclose(structure.couplings, expected, atol=1e-9 * weights.max())
    assert_allclose(structure.connectome_values, singular_values(weights))
    assert_allclose(structure.modes.values, singular_values(expected), atol=1e-9 * weights.max())
    assert_allclose(structure.modes.inverse_effective_rank, inverse_effective_rank(expected))
    assert_allclose(structure.reciprocity,
                    np.trace(expected @ expected) / np.sum(expected**2))  # fmt: skip
    assert_allclose(
        structure.self_coupling, np.trace(expected) / 90 / np.sqrt(np.sum(expected**2) / 90)
    )


def test_distance_explains_the_spectrum_of_spatial_weights_and_nothing_else_does():
    weights, position = spatial(uneven=0.0)
    structure = measured(weights, position=position, draws=4)
    inverse = structure.modes.unbiased_inverse_effective_rank
    drawn = {name: null.inverse_effective_rank for name, null in structure.nulls.items()}
    assert set(drawn) == {"shuffled", "degrees", "distance"}
    assert inverse > 5
    assert_allclose(drawn["distance"].mean(), inverse, rtol=0.25)
    for name in ("shuffled", "degrees"):
        assert (drawn[name] < 0.2 * inverse).all(), name
    for null in structure.nulls.values():
        assert null.values.shape == (90,)
        assert null.top_mode_share.shape == (4,)


def test_degrees_explain_how_uneven_the_units_are(structure):
    nulls = structure.nulls
    assert nulls["degrees"].target_variation.min() > 1.5 * nulls["shuffled"].target_variation.max()


def test_smooth_weights_have_modes_that_overlap(structure):
    assert structure.modes.test.root_mean_square > 2
    assert structure.modes.test.permutation_p_value == 1 / 21
    assert structure.modes.significant[:5].all()
    assert (structure.modes.overlap[:5] > 0.5).all()
    assert not structure.modes.defined[-1], "the mode that centring removed"


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_has_the_gain_and_the_units(structure, variant):
    generator = np.random.default_rng(1)
    network = matched_network(variant, structure, generator=generator, gain=2.0)
    couplings = network.dense().astype(np.float64)
    assert network.units == 90 == len(couplings)
    assert_allclose(network.gain, 2.0, rtol=1e-5)
    assert_allclose(np.sqrt(90 * np.mean(couplings**2)), 2.0, rtol=0.12)


def test_variants_share_more_and_more(structure):
    def drawn(variant, **options):
        return matched_network(variant, structure, generator=np.random.default_rng(1), **options)

    inverse = structure.modes.inverse_effective_rank
    independent, blocks = drawn("independent"), drawn("blocks")
    assert independent.inverse_effective_rank == blocks.inverse_effective_rank == 0
    assert independent.target_scale is None
    assert blocks.target_scale is not None
    gaussian, orthogonal = drawn("random_mode"), drawn("random_mode", modes="orthogonal")
    assert_allclose(gaussian.inverse_effective_rank, inverse, rtol=1e-5)
    assert_allclose(orthogonal.inverse_effective_rank, inverse, rtol=1e-4)
    values = singular_values(orthogonal.dense())
    assert_allclose(values / values[0], structure.modes.values / structure.modes.values[0],
                    atol=1e-5)  # fmt: skip
    assert gaussian.overlap is None
    overlaps = drawn("overlaps", modes="orthogonal")
    assert overlaps.modes == "gaussian"
    assert_allclose(overlaps.inverse_effective_rank, inverse, rtol=1e-5)
    kept = np.where(structure.modes.significant, structure.modes.overlap, 0)
    assert_allclose(overlaps.overlap, kept[: len(overlaps.overlap)])
    heterogeneous = drawn("heterogeneous")
    assert_allclose(heterogeneous.target_scale, structure.scales.target)
    corrected = structure.modes.unbiased_inverse_effective_rank
    assert_allclose(heterogeneous.inverse_effective_rank, corrected, rtol=1e-5)
    itself = drawn("connectome")
    scaled = structure.couplings / np.sqrt(np.sum(structure.couplings**2) / 90)
    assert_allclose(itself.dense(), scaled, atol=1e-6)
    assert_allclose(itself.inverse_effective_rank, corrected)


@pytest.mark.parametrize("units", [60, 200])
def test_variants_of_another_size(structure, units):
    for variant in VARIANTS:
        generator = np.random.default_rng(1)
        network = matched_network(variant, structure, generator=generator, units=units)
        assert network.units == (min(units, 90) if variant == "connectome" else units)
        assert_allclose(network.gain, 1.0, rtol=1e-5)
        if variant in ("random_mode", "overlaps"):
            inverse = structure.modes.inverse_effective_rank
            assert_allclose(network.inverse_effective_rank, inverse, rtol=1e-4)
    part = matched_network(
        "connectome", structure, generator=np.random.default_rng(1), units=60
    ).dense()
    assert_allclose(np.sqrt(60 * np.mean(part.astype(float) ** 2)), 1, rtol=1e-5)


def test_the_structure_of_a_random_mode_network_is_its_own():
    """Known answer: spectrum, overlaps and scales of a network drawn with them come back."""
    units = 300
    generator = np.random.default_rng(0)
    scale = np.exp(0.4 * generator.standard_normal((2, units)))
    u, v = scale / np.sqrt(np.mean(scale**2, axis=1, keepdims=True))
    rho = np.r_[np.full(8, 0.9), np.zeros(72)]
    network = RandomModeNetwork.from_spectrum(
        np.r_[np.linspace(9, 5, 8), np.full(72, 1.0)],
        units=units,
        overlap=rho,
        target_scale=u,
        source_scale=v,
        generator=generator,
        dtype=np.float64,
    )
    found = measured(network.dense(), centring="none")
    assert np.corrcoef(found.scales.target, u)[0, 1] > 0.8
    inverse = network.inverse_effective_rank
    assert_allclose(found.modes.unbiased_inverse_effective_rank, inverse, rtol=0.25)
    assert found.bulk.significant[:8].all()
    assert (found.bulk.overlap[:8] > 0.6).all()
    assert found.bulk.significant[8:80].sum() <= 8
    assert not found.bulk.defined[80:].any(), "the rank is 80"


def test_signs_are_those_of_the_sender():
    weights, _ = spatial()
    sign = np.where(np.arange(90) % 2, 1.0, -1.0)
    found = measured(weights, inhibitory=sign, centring="none")
    assert_allclose(found.couplings, weights * sign)
    assert found.mean_share < 0.01 < 0.2 < measured(weights, centring="none").mean_share
    assert_allclose(found.connectome_values, singular_values(weights))


def test_units_without_connections_are_counted_and_allowed():
    weights, position = spatial()
    weights[[4, 9]], weights[:, [4, 9]] = 0, 0
    weights[5] = 0
    found = measured(weights, position=position, draws=1)
    assert found.isolated == 2
    assert found.parts == 1
    for variant in VARIANTS:
        network = matched_network(variant, found, generator=np.random.default_rng(1))
        assert np.isfinite(network.dense()).all(), variant
    assert not network.dense()[4].any()


def test_parts_that_no_connection_joins():
    weights, _ = spatial(60)
    weights[:20, 20:], weights[20:, :20] = 0, 0
    weights[50:], weights[:, 50:] = 0, 0
    weights[50, 50] = 1  # a unit connected to itself alone is no part
    found = measured(weights)
    assert (found.parts, found.isolated) == (2, 9)
    for variant in VARIANTS:
        network = matched_network(variant, found, generator=np.random.default_rng(1))
        assert np.isfinite(network.dense()).all(), variant
    assert_allclose(network.dense()[:20, 20:], 0, atol=1e-6, err_msg="the connectome itself")


def test_equal_singular_values_define_no_modes():
    orthogonal = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0]
    found = measured(orthogonal, centring="none")
    assert found.modes.test is None
    assert not found.modes.defined.any()
    assert not found.modes.significant.any()
    assert_allclose(found.modes.inverse_effective_rank, -1)
    assert_allclose(found.modes.unbiased_inverse_effective_rank, -1, atol=0.05)
    network = matched_network("random_mode", found, generator=np.random.default_rng(1))
    assert network.modes == "orthogonal", "gaussian modes cannot have this effective rank"
    assert_allclose(singular_values(network.dense()), 1, rtol=1e-5)


def test_what_cannot_be_measured_is_refused(monkeypatch):
    weights, _ = spatial(20)
    with pytest.raises(DataError, match="not square"):
        measured(weights[:10])
    with pytest.raises(DataError, match="all zero"):
        measured(np.zeros((5, 5)))
    with pytest.raises(DataError, match="not finite"):
        measured(np.where(weights > 1, np.nan, weights))
    with pytest.raises(DataError, match="nothing is left"):
        measured(np.outer(np.arange(1, 6), np.arange(2, 7)))
    found = measured(weights)
    with pytest.raises(DataError, match=r"no network variant 'x'(.|\n)*independent, blocks"):
        matched_network("x", found, generator=np.random.default_rng(0))
    monkeypatch.setattr("mesomode.memory.available_memory", lambda: 10_000)
    with pytest.raises(MemoryLimitError, match="modes and null models of 20 × 20 couplings"):
        measured(weights)


def test_strengths_of_gaussian_modes_make_up_for_their_own_spread():
    values = np.r_[np.linspace(2, 0.1, 60), np.zeros(20)]
    for inverse in (1.5, 3.0, 30.0):
        strength = spectrum_of_rank(values, inverse)
        squares = strength**2
        assert_allclose(len(values) * np.sum(squares**2) / np.sum(squares) ** 2, inverse)
        assert_allclose(np.sum(squares), np.sum(values**2))
        assert (np.diff(strength) <= 1e-12).all()
    flat = spectrum_of_rank(values, 1.0)
    assert_allclose(flat[:60], flat[0], err_msg="60 of 80 equal: as even as it gets")
    with pytest.raises(DataError, match="no strengths like these"):
        spectrum_of_rank(np.ones(10), 3.0)


def test_corrected_rank_of_a_drawn_variant_is_that_of_the_connectome(structure):
    network = matched_network("heterogeneous", structure, generator=np.random.default_rng(2))
    found = unbiased_inverse_effective_rank(network.dense())
    assert_allclose(found, structure.modes.unbiased_inverse_effective_rank, rtol=0.4)
