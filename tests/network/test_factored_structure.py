"""A connectome in factors is measured, matched and simulated without its weights being formed."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.dynamics import stage as dynamics_stage
from mesomode.dynamics.settings import Settings as DynamicsSettings
from mesomode.errors import DataError, MemoryLimitError
from mesomode.network import factored_structure, network_from_store
from mesomode.network.coupling import FactoredNetwork
from mesomode.network.decomposition import Decomposition, network_singular_values
from mesomode.network.factored_structure import self_connection_share, structure_of_factors
from mesomode.network.matching import VARIANTS, matched_network
from mesomode.network.random_mode import RandomModeNetwork
from mesomode.network.schemas import SCHEMA, STRUCTURE_SCHEMA
from mesomode.network.settings import Settings
from mesomode.network.spectrum import singular_values
from mesomode.network.stage import network_structure, network_variant
from mesomode.network.structure import OWN_DECOMPOSITIONS, structure_of
from mesomode.network.structure_store import structure_dataset, structure_from_store
from mesomode.steps import Provenance, run_step
from mesomode.store import Schema, Variable, open_store, write_store

CONNECTOME = Schema(
    "connectome",
    {
        "target_factor": Variable(("target", "mode"), "float32", "1", "U"),
        "source_factor": Variable(("source", "mode"), "float32", "1", "V"),
        "source_voxel": Variable(("source", "axis"), "int32", "1", "voxel"),
        "target_voxel": Variable(("target", "axis"), "int32", "1", "voxel"),
        "target_hemisphere": Variable(("target",), "int8", "1", "side"),
    },
)


def factors(units: int, columns: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Nonnegative factors with supports that end, and where the units are."""
    generator = np.random.default_rng(seed)
    place = generator.uniform(0, 1, (units, 1))
    centre = np.linspace(0, 1, columns)
    bump = np.maximum(0, 1 - np.abs(place - centre) * columns / 3)
    uneven = np.exp(0.5 * generator.standard_normal((2, units, 1)))
    mixed = generator.uniform(0.2, 1, (2, columns))
    return uneven[0] * bump * mixed[0], uneven[1] * np.roll(bump, 1, axis=1) * mixed[1]


def both(centring="top_mode", inhibitory=None, units=90, **options):
    """The same connectome measured through its factors and as a matrix."""
    a, b = factors(units)
    common = {"centring": centring, "inhibitory": inhibitory, "draws": 0, "permutations": 20}
    found = structure_of_factors(a, b, generator=np.random.default_rng(0), **common, **options)
    dense = structure_of(a @ b.T, generator=np.random.default_rng(0), **common, **options)
    return found, dense


@pytest.mark.parametrize("centring", ["top_mode", "rank_one_mean", "none"])
@pytest.mark.parametrize("signed", [False, True])
def test_the_same_as_of_the_matrix(centring, signed):
    sign = np.where(np.arange(90) % 5, 1.0, -1.0) if signed else None
    found, dense = both(centring, sign, group=np.arange(90) // 30)
    assert isinstance(found.couplings, Decomposition)
    rank = len(found.couplings.values)
    formed = (found.couplings.left * found.couplings.values) @ found.couplings.right.T
    scale = dense.modes.values[0]
    assert_allclose(formed, dense.couplings, atol=1e-12 * scale)
    assert found.units == dense.units == 90
    for one, other in ((found.modes, dense.modes), (found.bulk, dense.bulk)):
        size = other.values[0]
        assert_allclose(one.values, other.values, atol=1e-10 * size)
        assert_allclose(one.inverse_effective_rank, other.inverse_effective_rank)
        assert_allclose(one.unbiased_inverse_effective_rank, other.unbiased_inverse_effective_rank)
        known = one.defined & (one.values > 1e-6 * size)
        assert known.sum() >= 10
        assert_allclose(one.overlap[known], other.overlap[known], atol=1e-7)
        assert_allclose(one.test.root_mean_square, other.test.root_mean_square, rtol=1e-3)
        assert not one.defined[rank:].any()
    assert_allclose(found.connectome_values, dense.connectome_values, atol=1e-12 * scale)
    assert_allclose(found.scales.target, dense.scales.target)
    assert_allclose(found.scales.source, dense.scales.source)
    for name in ("kurtosis", "mean_share", "density", "mean_square", "self_coupling",
                 "reciprocity", "block_variance"):  # fmt: skip
        assert_allclose(getattr(found, name), getattr(dense, name), rtol=1e-9, err_msg=name)
    assert_array_equal(found.group, dense.group)


def test_units_without_connections_are_counted():
    a, b = factors(90)
    a[[4, 9]], b[[4, 9]] = 0, 0
    a[5] = 0
    options = {"draws": 0, "permutations": 5, "centring": "rank_one_mean"}
    found = structure_of_factors(a, b, generator=np.random.default_rng(0), **options)
    dense = structure_of(a @ b.T, generator=np.random.default_rng(0), **options)
    assert found.isolated == dense.isolated == 2
    assert found.parts == dense.parts == 1
    a[:, [5, 6]], b[:, [5, 6]] = 0, 0  # nothing reaches from one side to the other
    found = structure_of_factors(a, b, generator=np.random.default_rng(0), **options)
    dense = structure_of(a @ b.T, generator=np.random.default_rng(0), **options)
    assert found.parts == dense.parts
    assert_array_equal(found.scales.target == 0, dense.scales.target == 0)
    assert np.isfinite(found.bulk.values).all()
    assert_allclose(found.bulk.values, dense.bulk.values, atol=1e-9 * dense.bulk.values[0])


def test_every_variant_is_that_of_the_matrix_and_comes_back_from_a_store():
    found, dense = both()
    written = structure_dataset(found, np.ones(90))
    assert "coupling" not in written
    read = structure_from_store(written)
    for variant in VARIANTS:
        drawn = [
            matched_network(variant, s, generator=np.random.default_rng(1), gain=2.0)
            for s in (read, dense)
        ]
        network = drawn[0]
        assert_allclose(network.gain, 2.0, rtol=1e-5)
        assert_allclose(
            network.inverse_effective_rank, drawn[1].inverse_effective_rank, rtol=1e-4, atol=1e-6
        )
        if variant in ("independent", "connectome"):
            assert_allclose(network.dense(), drawn[1].dense(), atol=2e-6)
    assert isinstance(network, FactoredNetwork), "the connectome itself"
    assert_allclose(np.sum(network.dense().astype(float) ** 2) / 90, 4.0, rtol=1e-5)
    part = matched_network("connectome", read, generator=np.random.default_rng(1), units=50)
    assert_allclose(np.sum(part.dense().astype(float) ** 2) / 50, 1.0, rtol=1e-5)
    assert_allclose(network_singular_values(network), singular_values(network.dense()), atol=1e-5)


@pytest.mark.parametrize("draws", [0, 2])
def test_every_decomposition_is_reported(draws):
    a, b = factors(60)
    position = np.linspace(0, 1, 60)[:, None]
    options = {"draws": draws, "permutations": 5, "position": position}
    for measure, connectome in ((structure_of_factors, (a, b)), (structure_of, (a @ b.T,))):
        done = []
        measure(*connectome, generator=np.random.default_rng(0), progress=done.append, **options)
        assert done == [1] * (OWN_DECOMPOSITIONS + 3 * draws)


def test_estimates_from_some_rows_and_units(monkeypatch):
    """Fourth powers and density from rows, null models from units, beside the exact ones."""
    a, b = factors(900)
    position = np.random.default_rng(0).uniform(0, 1, (900, 1))  # as in factors
    options = {"draws": 4, "permutations": 5, "position": position}
    exact = structure_of(a @ b.T, generator=np.random.default_rng(0), **options)
    monkeypatch.setattr(factored_structure, "ROWS", 300)
    monkeypatch.setattr(factored_structure, "NULL_UNITS", 300)
    monkeypatch.setattr(factored_structure, "BLOCK", 10_000)
    found = structure_of_factors(a, b, generator=np.random.default_rng(1), **options)
    assert_allclose(found.density, exact.density, rtol=0.05)
    assert_allclose(found.kurtosis, exact.kurtosis, rtol=0.2)
    assert found.kurtosis != exact.kurtosis
    assert_allclose(
        found.modes.unbiased_inverse_effective_rank,
        exact.modes.unbiased_inverse_effective_rank,
        rtol=0.01,
    )
    inverse = exact.modes.unbiased_inverse_effective_rank
    assert set(found.nulls) == {"shuffled", "degrees", "distance"}
    for name, null in exact.nulls.items():
        sampled = found.nulls[name].inverse_effective_rank.mean()
        assert_allclose(
            sampled, null.inverse_effective_rank.mean(), atol=0.12 * inverse, err_msg=name
        )
        assert np.isnan(found.nulls[name].values).all()


def test_what_cannot_be_measured_is_refused(monkeypatch):
    a, b = factors(30)
    random = {"generator": np.random.default_rng(0), "draws": 0}
    with pytest.raises(DataError, match=r"not belong to a square(.|\n)*\(30, 12\) and \(29, 12\)"):
        structure_of_factors(a, b[:29], **random)
    with pytest.raises(DataError, match=r"factors contain values that are not finite(.|\n)*target"):
        structure_of_factors(np.where(a > 0.5, np.nan, a), b, **random)
    with pytest.raises(DataError, match=r"all zero(.|\n)*rank 0"):
        structure_of_factors(a, np.zeros_like(b), **random)
    with pytest.raises(DataError, match="nothing is left"):
        structure_of_factors(a[:, 3:4], b[:, 3:4], **random)
    signed = {"inhibitory": np.ones(30), "centring": "rank_one_mean"}
    with pytest.raises(DataError, match="row and column means"):
        structure_of_factors(a, b - b.mean(axis=0), **signed, **random)
    with pytest.raises(DataError, match=r"factors of the couplings do not fit"):
        FactoredNetwork(a, b[:, :4], 1.0)
    with pytest.raises(DataError, match="not all finite"):
        FactoredNetwork(a, np.full_like(b, np.nan), 1.0)
    monkeypatch.setattr("mesomode.memory.available_memory", lambda: 10_000)
    with pytest.raises(MemoryLimitError, match="modes of 30 units with factors of 12 columns"):
        structure_of_factors(a, b, **random)


def test_share_of_the_diagonal():
    a, b = factors(50)
    weights = a @ b.T
    expected = np.sum(np.diagonal(weights) ** 2) / np.sum(weights**2)
    assert_allclose(self_connection_share(a, b), expected)


@pytest.mark.slow
def test_twenty_thousand_units_without_their_matrix(tmp_path, monkeypatch, caplog):
    """Store of factors → structure → variants → dynamics, where J alone would take 1.6 GB."""
    units, columns = 20_000, 8
    a, b = (f.astype("f4") for f in factors(units, columns))
    voxel = np.stack(np.unravel_index(np.arange(units), (20, 25, 40)), axis=1).astype("i4")
    store = tmp_path / "low_rank.zarr"
    dataset = xr.Dataset(
        {
            "target_factor": (("target", "mode"), np.concatenate([a, 0.5 * a])),
            "source_factor": (("source", "mode"), b),
            "source_voxel": (("source", "axis"), voxel),
            "target_voxel": (("target", "axis"), np.concatenate([voxel, voxel])),
            "target_hemisphere": ("target", np.repeat([1, 2], units).astype("i1")),
        }
    )
    write_store(store, dataset, CONNECTOME, Provenance(step="test"))
    monkeypatch.setattr("mesomode.memory.available_memory", lambda: 900_000_000)
    for name in (FactoredNetwork, RandomModeNetwork):
        monkeypatch.setattr(name, "dense", lambda self: pytest.fail("a matrix was formed"))
    settings = Settings(null_draws=1, units=None)
    structure, network = tmp_path / "structure.zarr", tmp_path / "connectome.zarr"
    common = {"seed": 3, "threads": 1}
    caplog.set_level("INFO", "mesomode")
    tracemalloc.start()
    run_step(network_structure, connectome=store, out=structure, settings=settings, **common)
    made = {"structure": structure, "settings": settings, **common}
    run_step(network_variant, variant="connectome", out=network, **made)
    run_step(network_variant, variant="random_mode", out=tmp_path / "random.zarr", **made)
    short = DynamicsSettings(
        trajectories=3, burn_in=2, duration=8, sampling_interval=1, longest_lag=4,
        lyapunov_exponents=2, lyapunov_duration=4, scaling_units=[],
    )  # fmt: skip
    out = tmp_path / "dynamics.zarr"
    run_step(dynamics_stage.dynamics, network=network, out=out, settings=short, **common)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.5 * 4 * units**2
    assert "its weights are never formed" in caplog.text
    assert "its diagonal stays" in caplog.text
    with open_store(structure, STRUCTURE_SCHEMA) as found:
        assert "coupling" not in found
        assert found.attrs["null_units"] == 1500
        assert found.attrs["self_connections"]
        assert found["output_mode"].shape == (units, columns - 1)
        assert (found["centred_singular_value"].values[columns - 1 :] == 0).all()
    with open_store(network, SCHEMA) as found:
        couplings = network_from_store(found)
        assert couplings.factors()[0].shape == (units, columns - 1)
        assert_allclose(np.sum(found["singular_value"].values ** 2) / units, 1, rtol=1e-4)
    with open_store(out) as found:
        assert found["participation_ratio"] > 1
        assert 1 < found["participation_ratio_naive"] < 24, "3 trajectories of 8 samples"
        assert found["covariance_eigenvalue"].shape == (units,)
        assert found["eigenvalue_real"].shape == (units,)
        assert np.isfinite(found["activity_autocovariance"]).all()
