"""The steps of the stage ``network`` on connectome stores."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.errors import DataError
from mesomode.network.preparation import centred
from mesomode.network.schemas import SCHEMA, STRUCTURE_SCHEMA
from mesomode.network.settings import Settings
from mesomode.network.spectrum import (
    effective_rank,
    singular_values,
)
from mesomode.network.stage import network_structure, network_variant
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
