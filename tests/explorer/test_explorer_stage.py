"""The steps on made-up stores: what the scripts hold is what the stores hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mesomode.errors import DataError
from mesomode.explorer.building import BUILT
from mesomode.explorer.container import from_script, unpack
from mesomode.explorer.quantising import rearrange, restore
from mesomode.explorer.stage import explorer, explorer_model
from tests.explorer.making import EXPERIMENTS, MODELS, VARIANTS, made_up_run
from tests.explorer.writing import write_data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def data(run: Path) -> Path:
    """Everything below ``data`` but the list of it."""
    return write_data(run)


def piece(data: Path, key: str):
    found, content = from_script((data / f"{key}.js").read_text())
    assert found == key, "the key is the place of the file"
    return unpack(content)


def stored(run: Path, name: str) -> xr.Dataset:
    return xr.open_zarr(run / name, consolidated=False)


def vectors(arrays, items: int, bits: int) -> np.ndarray:
    return restore(rearrange(arrays["codes"], items, bits), arrays["step"], arrays["zero"])


@pytest.mark.parametrize("name", ["voxel", "truth"])
def test_tiles_hold_rows_and_columns(run, data, name):
    weights = stored(run, f"connectome/{name}.zarr")["weights"].values
    description, _ = piece(data, f"models/{name}/model")
    assert description["kind"] == "tiles"
    for way, matrix in (("from", weights.T), ("to", weights)):
        size = description["per_tile"][way]
        rows = []
        for number in range(-(-len(matrix) // size)):
            tile, arrays = piece(data, f"models/{name}/{way}-{number}")
            assert tile["grid"] == description["grid"]
            rows.append(vectors(arrays, tile["items"], description["bits"]))
        found = np.concatenate(rows)
        allowed = description["error"] * matrix.max(axis=1, keepdims=True)
        assert (np.abs(found - matrix) <= 1.001 * allowed).all()


@pytest.mark.parametrize(("name", "rank"), [("low_rank", 4), ("regional", 3)])
def test_factors_multiply_to_the_weights(run, data, name, rank):
    weights = stored(run, f"connectome/{name}.zarr")["weights"].values
    description, arrays = piece(data, f"models/{name}/model")
    assert description["kind"] == "factors" and description["rank"] == rank
    found = arrays["target_factor"] @ arrays["source_factor"].T
    assert np.abs(found - weights).max() <= 1.01 * description["error"] * weights.max() < 1e-5
    assert [file.name for file in (data / "models" / name).iterdir()] == ["model.js"]


def test_the_distance_model_is_its_profile(run, data):
    description, arrays = piece(data, "models/distance/model")
    store = stored(run, "connectome/distance.zarr")
    assert description["kind"] == "profile" and description["error"] < 1e-5
    np.testing.assert_array_equal(arrays["profile"], store["profile"].values)


def test_factors_that_do_not_reproduce_the_store_are_not_sent(run, tmp_path):
    """The weights decide, not the name of the model."""
    from tests.explorer.making import SCHEMA, places, put, weights_of

    grid = places()
    values = weights_of("low_rank", grid) | {"weights": weights_of("voxel", grid)["weights"]}
    values |= {"regional_weights": np.ones((6, 3))}
    sizes = {"source": len(grid["source_voxel"]), "target": len(grid["target_voxel"])}
    store = put(tmp_path / "low_rank.zarr", SCHEMA, values, sizes, model="low_rank")
    out = tmp_path / "data/models/low_rank"
    explorer_model(connectome=store, atlas=run / "atlas.zarr", out=out, seed=1)
    assert piece(tmp_path / "data", "models/low_rank/model")[0]["kind"] == "tiles"


def test_experiments_hold_what_was_seen_and_predicted(run, data):
    tracing = stored(run, "tracing.zarr")
    held_out = stored(run, "connectome/cross_validation.zarr")["prediction"].values
    for number, experiment in enumerate(EXPERIMENTS):
        description, arrays = piece(data, f"tracing/experiment-{experiment}")
        found = dict(
            zip(description["names"], vectors(arrays, description["items"], 16), strict=True)
        )
        seen = arrays["observed"].astype(bool)
        np.testing.assert_array_equal(seen, tracing["observed"].values[:, number])
        truth = tracing["projection_density"].values[:, number]
        np.testing.assert_allclose(found["projection"][seen], truth[seen], atol=1e-5)
        injection = tracing["injection_density"].values[:, number]
        np.testing.assert_array_equal(arrays["injection"], injection)
        for place, name in enumerate(MODELS):
            weights = stored(run, f"connectome/{name}.zarr")["weights"].values
            predicted = weights @ injection
            top = np.abs(predicted).max()
            np.testing.assert_allclose(found[f"fit {name}"], predicted, atol=2e-5 * top)
            np.testing.assert_allclose(
                found[f"held out {name}"], held_out[place, :, number], atol=2e-5
            )


def test_the_grid_says_what_the_data_inform(run, data):
    description, arrays = piece(data, "tracing/grid")
    coverage = stored(run, "connectome/coverage.zarr")
    np.testing.assert_array_equal(arrays["coverage"], coverage["coverage"].values)
    assert description["coverage"]["classes"] == [
        "informed", "out_of_reach", "targets_unobserved", "nothing_injected",
    ]  # fmt: skip
    assert np.isinf(arrays["distance_to_injection"]).all()
    drawn = coverage["bootstrap_regional_weights"].values
    np.testing.assert_allclose(arrays["bootstrap_high"], np.quantile(drawn, 0.975, axis=0))
    assert [e["id"] for e in description["experiments"]] == EXPERIMENTS.tolist()
    assert set(description["truth"]["relative_error"]) == set(MODELS)
    atlas = stored(run, "atlas.zarr")
    ids = np.array([r["id"] for r in description["regions"]])
    np.testing.assert_array_equal(ids[arrays["source_region"]], atlas["source_region"].values)


def test_networks_hold_curves_and_thinned_spectra(run, data):
    description, arrays = piece(data, "networks/networks")
    for number, variant in enumerate(VARIANTS):
        store = stored(run, f"dynamics/{variant}.zarr")
        for name in ("activity_autocovariance", "mean_field_autocovariance", "lag"):
            np.testing.assert_array_equal(arrays[f"network{number} {name}"], store[name].values)
        network = stored(run, f"network/{variant}.zarr")["singular_value"].values
        place = arrays[f"network{number} singular_value place"]
        assert place[0] == 0 and place[-1] == len(network) - 1 and (np.diff(place) > 0).all()
        np.testing.assert_array_equal(arrays[f"network{number} singular_value"], network[place])
        assert description["networks"][number]["attributes"]["variant"] == variant
    similarity = stored(run, "comparison/similarity.zarr")
    np.testing.assert_array_equal(arrays["similarity distance"], similarity["distance"].values)
    assert description["similarity"]["flags"]["copy"][3] == "phase_randomised"


def built(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in BUILT:
        (folder / name).write_text(name)
    return folder


def test_the_folder_is_put_together_with_its_list(run, data, tmp_path):
    index = run / "explorer/index.html"
    models = [data / "models" / name for name in MODELS]
    explorer(
        page=built(tmp_path / "page"),
        tracing=data / "tracing",
        models=models,
        networks=data / "networks",
        index=index,
    )
    assert index.read_text() == "index.html"
    description, _ = piece(data, "run")
    files = [*(data / "tracing").iterdir(), *(data / "networks").iterdir()]
    files += [file for model in models for file in model.iterdir()]
    assert description["models"] == list(MODELS) and description["files"] == len(files)
    assert description["bytes"] == sum(file.stat().st_size for file in files)


def test_data_elsewhere_are_refused(run, data, tmp_path):
    shutil.copytree(data / "networks", tmp_path / "networks")
    with pytest.raises(DataError, match="below its page"):
        explorer(
            page=built(tmp_path / "page"),
            models=[],
            networks=tmp_path / "networks",
            index=run / "explorer/index.html",
        )


def test_the_same_stores_give_the_same_bytes(run, data, tmp_path):
    out = tmp_path / "data/models/regional"
    explorer_model(
        connectome=run / "connectome/regional.zarr", atlas=run / "atlas.zarr", out=out, seed=1
    )
    assert (out / "model.js").read_bytes() == (data / "models/regional/model.js").read_bytes()


def test_containers_are_json_that_a_browser_reads(data):
    for file in data.rglob("*.js"):
        description, _ = unpack(from_script(file.read_text())[1])
        json.dumps(description, allow_nan=False)
