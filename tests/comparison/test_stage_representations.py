"""The step on representations: layers that populations are made of are found in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from mesomode.comparison.image_features import LAYERS, feature_ladder
from mesomode.comparison.settings import Settings
from mesomode.comparison.stage_representations import SCHEMA, comparison_representations
from mesomode.recordings.schemas import SCHEMA as RECORDINGS
from mesomode.recordings.schemas import STIMULI
from mesomode.report.representations import draw_representations
from mesomode.steps import Provenance, run_step
from mesomode.store import open_store, write_store
from tests.comparison.test_stage_similarity import filled

IMAGES, REPEATS, UNITS, LENGTH = 40, 8, 60, 3
SETTINGS = Settings(shuffles=12, bootstraps=20)
SCENES = STIMULI.index("natural_scenes")


def images() -> np.ndarray:
    """Smooth noise of three sizes, as natural scenes are rough at all scales."""
    draw = np.random.default_rng(0)
    noise = draw.standard_normal((3, IMAGES, 24, 48))
    light = sum(s * gaussian_filter(noise[k], (0, s, s)) for k, s in enumerate((0.5, 1.5, 4.0)))
    return np.clip(128 + 60 * light / light.std(), 0, 255).astype(np.uint8)


def write_recording(
    path: Path, layer: str, seed: int, area: str, first_unit: int, **changed: Any
) -> Path:
    """A recording whose units are those of a layer of features, with noise in every trial.

    The same units are drawn of a layer each time: only noise parts recordings of it.
    """
    draw = np.random.default_rng(seed)
    features = feature_ladder(images())[LAYERS.index(layer)]
    features = features[:, features.std(axis=0) > 0]
    few = min(UNITS, features.shape[1])
    chosen = np.random.default_rng(7).choice(features.shape[1], few, replace=False)
    mean = (features[:, chosen] - features[:, chosen].mean(0)) / features[:, chosen].std(0)
    order = np.concatenate([draw.permutation(IMAGES) for _ in range(REPEATS)])
    response = mean[order] + 0.7 * draw.standard_normal((len(order), len(chosen)))
    blank = np.arange(len(order)) % 50 == 7
    frame = np.where(blank, -1, order)
    start = LENGTH * np.arange(len(order))
    values = {
        "dff": np.repeat(response, LENGTH, axis=0),
        "time": np.arange(LENGTH * len(order)) / 30.0,
        "unit": first_unit + np.arange(len(chosen)),
        "unit_status": np.zeros(len(chosen)),
        "presentation_stimulus": np.full(len(order), SCENES),
        "presentation_start": start,
        "presentation_end": start + LENGTH,
        "presentation_frame": frame,
        "template_natural_scenes": images(),
    }
    attrs = {
        "signal": "dff",
        "frame_period_s": 1 / 30,
        "templates": {"natural_scenes": {"sha256": "same"}},
        "targeted_structure": area,
        "imaging_depth_um": 175,
    } | changed
    taken = {"response_delay_s": 0.0, "shortest_response_s": 0.0}
    dataset = filled(RECORDINGS, values, attrs)
    write_store(path, dataset, RECORDINGS, Provenance("recordings", settings=taken))
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> xr.Dataset:
    """Two recordings of edges in one area, one of texture in another."""
    folder = tmp_path_factory.mktemp("representations")
    paths = [
        write_recording(folder / "1.zarr", "edges", 1, "VISp", 0),
        write_recording(folder / "2.zarr", "edges", 2, "VISp", 20),
        write_recording(folder / "3.zarr", "texture", 3, "VISl", 1000),
    ]
    return represented(paths, folder)


def represented(paths: list[Path], folder: Path) -> xr.Dataset:
    out = folder / "representations.zarr"
    run_step(comparison_representations, recordings=paths, out=out, settings=SETTINGS, seed=1)
    with open_store(out, SCHEMA) as store:
        return store.load()


def test_layers_are_found_in_the_populations_made_of_them(found):
    assert [p["name"] for p in found.attrs["populations"]] == ["1", "2", "3", "VISp L2/3"]
    edges, texture = LAYERS.index("edges"), LAYERS.index("texture")
    assert found["pseudo_depth"].values.tolist() == [edges, edges, texture, edges]
    assert (found["images"].values == IMAGES).all() and (found["repeats"].values >= 5).all()
    assert found["units"].values.tolist() == [UNITS, UNITS, 18, UNITS + 20]
    np.testing.assert_allclose(found["layer_probability"].values.sum(axis=1), 1)
    recovered = found["recovered"].values[0]
    np.testing.assert_allclose(recovered.sum(axis=1), 1)
    assert recovered[edges, edges] > 0.9


def test_pairs_are_alike_by_what_they_are_made_of(found):
    pairs = list(zip(found["first"].values, found["second"].values, strict=True))
    assert pairs == [(0, 1), (0, 2), (1, 2)], "a pool is not compared with its own members"
    same, other, _ = range(3)
    for name in ("ssm", "cka", "svcca"):
        value, chance = found[name].values, found[f"{name}_null"].values
        assert value[same] > value[other], name
        assert value[same] > chance[same] + 5 * found[f"{name}_null_deviation"].values[same], name
    assert found["shape"].values[same] < found["shape"].values[other]
    assert np.abs(found["ssm_null"].values).max() < 0.1
    assert (found["svcca_null"].values < 0.5).all(), "few components keep chance low"
    # the same units twice: noise is all that parts them, and the ceilings know how much
    assert found["ssm"].values[same] < 0.9
    assert found["ssm_relative_extrapolated"].values[same] == pytest.approx(1, abs=0.1)


def test_noise_lowers_the_ceiling(found):
    halves, whole, further = (
        found[name].values for name in ("ceiling_halves", "ceiling", "ceiling_extrapolated")
    )
    assert (halves < whole).all() and (whole < 1).all()
    np.testing.assert_allclose(further, whole, atol=0.15)
    assert (found["two_nearest_low"] < found["two_nearest"]).all()


def test_other_images_are_another_stimulus(tmp_path):
    """Recordings that were shown images of the same name but not the same are not compared."""
    paths = [
        write_recording(tmp_path / "1.zarr", "edges", 1, "VISp", 0),
        write_recording(
            tmp_path / "2.zarr",
            "edges",
            2,
            "VISp",
            0,
            templates={"natural_scenes": {"sha256": "others"}},
        ),
    ]
    found = represented(paths, tmp_path)
    assert found.sizes["pair"] == 0 and len(found.attrs["populations"]) == 2
    figure = draw_representations(found)
    words = " ".join(t.get_text() for axes in figure.axes for t in axes.texts)
    assert "no two recordings were shown the same" in words


def test_without_recordings_the_store_is_empty_and_the_figure_says_so(tmp_path):
    found = represented([], tmp_path)
    assert found.sizes["population"] == found.sizes["pair"] == found.sizes["ladder"] == 0
    figure = draw_representations(found)
    words = " ".join(t.get_text() for axes in figure.axes for t in axes.texts)
    assert "no recording has a stimulus" in words


def test_the_figure_names_populations_and_layers(found):
    figure = draw_representations(found)
    figure.draw_without_rendering()
    labels = {t.get_text() for axes in figure.axes for t in axes.get_xticklabels()}
    assert set(LAYERS) <= labels
    rows = " ".join(t.get_text() for axes in figure.axes for t in axes.get_yticklabels())
    assert "1 – 2" in rows and "all of VISp L2/3" in rows
