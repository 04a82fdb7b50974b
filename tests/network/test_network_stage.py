"""The steps of the stage ``network`` on connectome stores."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.errors import DataError, MemoryLimitError
from mesomode.network import network_from_store
from mesomode.network.matching import VARIANTS
from mesomode.network.preparation import centred
from mesomode.network.schemas import SCHEMA, STRUCTURE_SCHEMA
from mesomode.network.settings import Settings
from mesomode.network.spectrum import (
    effective_rank,
    singular_values,
)
from mesomode.network.stage import network_file, network_structure, network_variant
from mesomode.steps import Provenance, run_step
from mesomode.store import Schema, Variable, open_store, write_store

CONNECTOME = Schema(
    "connectome",
    {
        "weights": Variable(("target", "source"), "float32", "1", "weights"),
        "source_voxel": Variable(("source", "axis"), "int32", "1", "voxel", optional=True),
        "target_voxel": Variable(("target", "axis"), "int32", "1", "voxel", optional=True),
        "target_hemisphere": Variable(("target",), "int8", "1", "side", optional=True),
    },
)


def smooth_weights(units: int, generator: np.random.Generator) -> np.ndarray:
    """Nonnegative weights that fall with distance."""
    place = generator.uniform(0, 1, (units, 2))
    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)
    return (np.exp(-distance / 0.2) * generator.lognormal(0, 0.5, (units, units))).astype("f4")


def connectome_store(path: Path, weights: np.ndarray, **voxels: np.ndarray) -> Path:
    dims = {
        "source_voxel": ("source", "axis"),
        "target_voxel": ("target", "axis"),
        "target_hemisphere": ("target",),
    }
    dataset = xr.Dataset(
        {"weights": (("target", "source"), weights)}
        | {name: (dims[name], values) for name, values in voxels.items()}
    )
    write_store(path, dataset, CONNECTOME, Provenance(step="test"))
    return path


def measured(connectome: Path, **settings) -> xr.Dataset:
    out = connectome.with_name(f"structure_{connectome.name}")
    chosen = Settings(**{"null_draws": 0} | settings)
    run_step(network_structure, connectome=connectome, out=out, settings=chosen, seed=3, threads=1)
    with open_store(out, STRUCTURE_SCHEMA) as dataset:
        return dataset.load()


def run(variant: str, connectome: Path, out: Path, **settings) -> xr.Dataset:
    measured(connectome, **settings)
    run_step(
        network_variant,
        structure=connectome.with_name(f"structure_{connectome.name}"),
        variant=variant,
        out=out,
        settings=Settings(**settings),
        seed=3,
        threads=1,
    )
    with open_store(out, SCHEMA) as dataset:
        return dataset.load()


def test_random_mode_network_of_a_voxel_connectome(tmp_path):
    """Targets in both hemispheres, more than sources, in another order."""
    generator = np.random.default_rng(0)
    weights = smooth_weights(80, generator)
    voxel = np.stack(np.unravel_index(np.arange(80), (4, 4, 5)), axis=1).astype("i4")
    order = generator.permutation(80)
    store = connectome_store(
        tmp_path / "voxel.zarr",
        np.concatenate([weights, weights])[np.r_[order, order + 80]],
        source_voxel=voxel,
        target_voxel=np.concatenate([voxel, voxel + 100])[np.r_[order, order + 80]],
        target_hemisphere=np.repeat([1, 2], 80).astype("i1"),
    )
    found = run("random_mode", store, tmp_path / "random_mode.zarr", gain=2.5)
    np.fill_diagonal(weights, 0)
    assert_allclose(found["connectome_singular_value"], singular_values(weights), rtol=1e-6)
    assert_allclose(found["connectome_effective_rank"], effective_rank(weights), rtol=1e-6)
    without_mean = centred(weights, "top_mode")
    assert_allclose(found["centred_effective_rank"], effective_rank(without_mean), rtol=1e-6)
    assert found["centred_top_mode_share"] < found["connectome_top_mode_share"]
    assert 0 < found["connectome_modes_95"] <= found["connectome_modes_99"] < 80
    assert_allclose(found["gain"], 2.5, rtol=1e-6)
    assert_allclose(found["effective_rank"], found["centred_effective_rank"], rtol=1e-5)
    coupling = (found["left"].values * found["strength"].values) @ found["right"].values.T
    assert coupling.dtype == np.float32
    assert_allclose(found["singular_value"], singular_values(coupling), rtol=1e-5, atol=1e-6)
    assert_allclose(
        1 / found["measured_inverse_effective_rank"], effective_rank(coupling), rtol=1e-5
    )
    assert found.attrs["variant"] == "random_mode"
    assert found.attrs["units"] == 80
    assert not found.attrs["resampled"]


def test_orthogonal_modes_keep_the_connectomes_effective_rank(tmp_path):
    store = connectome_store(tmp_path / "c.zarr", smooth_weights(60, np.random.default_rng(1)))
    found = run("random_mode", store, tmp_path / "n.zarr", modes="orthogonal", units=90)
    assert found.attrs["resampled"]
    assert found.sizes["unit"] == 90
    assert_allclose(found["effective_rank"], found["centred_effective_rank"], rtol=1e-5)
    assert_allclose(
        found["measured_inverse_effective_rank"], 1 / found["effective_rank"], rtol=1e-4
    )


def test_the_control_has_the_same_size_and_gain(tmp_path):
    store = connectome_store(tmp_path / "c.zarr", smooth_weights(70, np.random.default_rng(1)))
    found = run("independent", store, tmp_path / "n.zarr", gain=2.0)
    assert found["coupling"].shape == (70, 70)
    assert found["coupling"].dtype == np.float32
    assert_allclose(70 * found["coupling"].var(), 4.0, rtol=0.1)
    assert found["effective_rank"] == np.inf
    assert found.attrs["variant"] == "independent"


def test_networks_depend_on_the_seed_alone(tmp_path):
    store = connectome_store(tmp_path / "c.zarr", smooth_weights(30, np.random.default_rng(1)))
    first = run("random_mode", store, tmp_path / "a.zarr")
    second = run("random_mode", store, tmp_path / "b.zarr")
    assert_array_equal(first["left"], second["left"])


def test_a_file_connectome_that_is_not_square_is_refused(tmp_path):
    store = connectome_store(tmp_path / "file.zarr", np.ones((5, 4), "f4"))
    with pytest.raises(DataError, match=r"not square(.|\n)*5 targets and 4 sources"):
        measured(store)
    assert not (tmp_path / "structure_file.zarr").exists()


def test_nan_weights_are_refused(tmp_path):
    weights = smooth_weights(20, np.random.default_rng(1))
    weights[3, 4] = np.nan
    store = connectome_store(tmp_path / "c.zarr", weights)
    with pytest.raises(DataError, match=r"weights of c.zarr contain(.|\n)*target 3, source 4"):
        run("random_mode", store, tmp_path / "n.zarr")


def test_rank_zero_is_refused(tmp_path):
    store = connectome_store(tmp_path / "c.zarr", np.zeros((20, 20), "f4"))
    with pytest.raises(DataError, match=r"weights of c.zarr are all zero(.|\n)*rank 0"):
        measured(store)
    ones = connectome_store(tmp_path / "o.zarr", np.ones((20, 20), "f4"))
    with pytest.raises(DataError, match=r"nothing is left(.|\n)*rank one(.|\n)*centring to none"):
        measured(ones, self_connections=True)


def test_a_connectome_too_large_for_memory_is_refused_with_numbers(tmp_path, monkeypatch):
    store = connectome_store(tmp_path / "c.zarr", smooth_weights(40, np.random.default_rng(1)))
    monkeypatch.setattr("mesomode.memory.available_memory", lambda: 20_000)
    with pytest.raises(MemoryLimitError) as caught:
        measured(store)
    text = str(caught.value)
    for expected in ("40 targets × 40 sources", "2.56e-05 GB are needed", "2e-05 GB are available",
                     "atlas.regions"):  # fmt: skip
        assert expected in text


def test_parts_that_nothing_joins_are_said(tmp_path, caplog):
    weights = smooth_weights(40, np.random.default_rng(1))
    weights[:15, 15:], weights[15:, :15] = 0, 0
    caplog.set_level("INFO", "mesomode")
    found = run("connectome", connectome_store(tmp_path / "c.zarr", weights), tmp_path / "n.zarr")
    assert "falls into 2 parts that no connection joins" in caplog.text
    assert np.isfinite(found["coupling"]).all()


@pytest.mark.parametrize(
    ("name", "key"), [("celegans_cook2019_herm", "chem"), ("drosophila_larva_MB_left", "adj")]
)
def test_em_connectomes_run_through(tmp_path, shared_data, name, key):
    with np.load(shared_data / "em_connectomes" / f"{name}.npz", allow_pickle=False) as archive:
        weights = archive[key].T.astype("f4")
    store = connectome_store(tmp_path / "file.zarr", weights)
    found = run("random_mode", store, tmp_path / "n.zarr")
    assert found.sizes["unit"] == len(weights)
    assert 1 / len(weights) < found["effective_rank"] < 1


def test_all_variants_of_a_further_connectome_from_an_edge_list(tmp_path, caplog):
    """Steps as the pipeline runs them: file, structure, networks that read back."""
    generator = np.random.default_rng(0)
    weights = smooth_weights(40, generator) * (generator.random((40, 40)) < 0.4)
    weights[7], weights[:, 7] = 0, 0
    np.fill_diagonal(weights, 0)
    source, target = np.nonzero(weights.T)
    place = generator.uniform(0, 1, (40, 3))
    file = tmp_path / "fly.npz"
    keep = np.ones(40, bool)
    np.savez(file, pre=source, post=target, synapses=weights[target, source], soma=place, keep=keep)
    entry = {
        "file": str(file),
        "edge_keys": ("pre", "post", "synapses"),
        "mask_key": "keep",
        "position_key": "soma",
    }
    settings = Settings(others={"fly": entry}, null_draws=2, sign="presynaptic")
    store = tmp_path / "fly.zarr"
    run_step(network_file, file=file, out=store, name="fly", settings=settings)
    with open_store(store) as dataset:
        assert_allclose(dataset["weights"], weights, rtol=1e-6)
        assert_allclose(dataset["position"], place)
    caplog.set_level("INFO", "mesomode")
    structure = tmp_path / "structure.zarr"
    run_step(
        network_structure, connectome=store, out=structure, settings=settings, seed=3, threads=1
    )
    assert "1 of 40 units have no connection" in caplog.text
    with open_store(structure, STRUCTURE_SCHEMA) as dataset:
        assert dataset.attrs["name"] == "fly"
        assert dataset.attrs["nulls"] == ["shuffled", "degrees", "distance"]
        assert dataset["null_inverse_effective_rank"].shape == (3, 2)
        assert int(dataset["isolated"]) == 1
        assert np.sum(dataset["sign"].values == -1) == 8
    found = {}
    for variant in VARIANTS:
        out = tmp_path / f"{variant}.zarr"
        run_step(
            network_variant,
            structure=structure,
            variant=f"fly/{variant}",
            out=out,
            settings=settings,
            seed=3,
            threads=1,
        )
        with open_store(out, SCHEMA) as dataset:
            network = network_from_store(dataset)
            found[variant] = network.dense().astype(float)
            assert dataset.attrs["variant"] == variant
            assert dataset.attrs["connectome"] == "fly"
            assert ("feedback" in dataset) == (
                variant == "connectome" or getattr(network, "overlap", None) is not None
            )
            assert_allclose(dataset["gain"], 1, rtol=1e-5)
            inverse = network.inverse_effective_rank
            assert_allclose(dataset["effective_rank"], 1 / inverse if inverse else np.inf)
            assert_allclose(singular_values(found[variant]), dataset["singular_value"], atol=1e-5)
    assert not found["connectome"][7].any()
    assert (found["connectome"] < 0).any()
    with pytest.raises(DataError, match="no coordinates of every unit"):
        np.savez(file, adjacency=weights, soma=place[:30])
        entry = {"file": str(file), "key": "adjacency", "position_key": "soma"}
        run_step(
            network_file,
            file=file,
            out=store,
            name="fly",
            settings=Settings(others={"fly": entry}),
        )


def test_regions_are_the_groups_of_the_blocks(tmp_path):
    generator = np.random.default_rng(0)
    region = np.repeat([385, 409, 533], [10, 20, 30])
    weights = smooth_weights(60, generator) * np.where(region[:, None] == region, 3, 0.5)
    schema = Schema(
        "connectome",
        {**CONNECTOME.variables, "source_region": Variable(("source",), "int64", "1", "id")},
    )
    path = tmp_path / "c.zarr"
    dataset = xr.Dataset(
        {
            "weights": (("target", "source"), weights.astype("f4")),
            "source_region": ("source", region),
        }
    )
    write_store(path, dataset, schema, Provenance(step="test"))
    found = measured(path)
    assert found.attrs["groups"] == "regions"
    assert_array_equal(found["group"], np.repeat([0, 1, 2], [10, 20, 30]))
    diagonal = np.diagonal(found["block_variance"])
    assert diagonal.min() > found["block_variance"].values[0, 1]
    assert measured(path, blocks=2).attrs["groups"] == "connections"


def test_equal_singular_values_are_said(tmp_path, caplog):
    store = connectome_store(tmp_path / "c.zarr", np.eye(20, dtype="f4")[::-1].copy())
    caplog.set_level("INFO", "mesomode")
    found = measured(store, centring="none", self_connections=True)
    assert "all singular values are equal" in caplog.text
    assert np.isnan(found["overlap_root_mean_square"])
    assert np.isnan(found["overlap"]).all()
