"""The steps that fit and compare dynamics: the network a recording is made of is the closest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mesomode.comparison.settings import Settings
from mesomode.comparison.stage import SCHEMA as COMPARISON
from mesomode.comparison.stage_similarity import (
    COPIES,
    DYNAMICS_SCHEMA,
    SIMILARITY_SCHEMA,
    comparison_distances,
    comparison_dynamics,
    comparison_similarity,
)
from mesomode.dynamics.stage import SCHEMA as DYNAMICS
from mesomode.errors import DataError
from mesomode.recordings.stage import SCHEMA as RECORDINGS
from mesomode.report.closest import closest_html, closest_rows, conclusions
from mesomode.report.intrinsic import States, draw_intrinsic
from mesomode.report.similarity import draw_similarity
from mesomode.steps import Provenance, run_step
from mesomode.store import Schema, open_store, write_store
from tests.report.overlaps import overlapping

FRAME, CHANNELS, FRAMES, TRIALS = 0.2, 4, 100, 24
SETTINGS = Settings(components=CHANNELS, window_s=0.4, trial_s=20.0, ranks=(2, 4))


def linear_system(angle: float, generator: np.random.Generator) -> np.ndarray:
    """Trials (trial, time, channel) of two damped rotations in random coordinates."""
    blocks = np.zeros((4, 4))
    for place, (turn, decay) in enumerate(((angle, 0.97), (angle / 3, 0.9))):
        c, s = decay * np.cos(turn), decay * np.sin(turn)
        blocks[2 * place : 2 * place + 2, 2 * place : 2 * place + 2] = [[c, -s], [s, c]]
    state = np.zeros((TRIALS, 4))
    trials = np.empty((TRIALS, FRAMES, 4))
    for frame in range(-50, FRAMES):
        state = state @ blocks.T + generator.standard_normal(state.shape)
        if frame >= 0:
            trials[:, frame] = state
    return trials @ np.linalg.qr(generator.standard_normal((4, 4)))[0]


def filled(schema: Schema, values: dict[str, Any], attrs: dict[str, Any]) -> xr.Dataset:
    """A store of a stage in which only some variables matter."""
    sizes = {
        dim: size
        for name, value in values.items()
        for dim, size in zip(schema.variables[name].dims, np.shape(value), strict=True)
    }
    dataset = xr.Dataset(attrs=attrs)
    for name, variable in schema.variables.items():
        shape = tuple(sizes.get(dim, 1) for dim in variable.dims)
        if name in values:
            dataset[name] = (variable.dims, np.asarray(values[name], variable.dtype))
        elif not variable.optional:
            dataset[name] = (variable.dims, np.zeros(shape, variable.dtype))
    coordinates = [name for name in dataset if dataset[name].dims == (name,)]
    return dataset.set_coords(coordinates)


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> dict[str, Path]:
    """A recording, the network it is made of, another network, and the frame they share."""
    folder = tmp_path_factory.mktemp("stores")
    generator = np.random.default_rng(0)
    paths = {}
    for name, angle in (("same", 0.6), ("other", 1.4)):
        paths[name] = folder / f"{name}.zarr"
        values = {
            "projection": linear_system(angle, generator),
            "time": np.arange(FRAMES) * 0.4,  # time constants of 0.5 s
        }
        dataset = filled(DYNAMICS, values, {"variant": name, "units": 100})
        write_store(paths[name], dataset, DYNAMICS, Provenance("dynamics"))
    recorded = linear_system(0.6, generator).reshape(-1, 4)
    paths["7"] = folder / "7.zarr"
    values = {
        "dff": recorded,
        "time": np.arange(len(recorded)) * FRAME,
        "unit_status": np.zeros(4),
    }
    dataset = filled(RECORDINGS, values, {"signal": "dff"})
    write_store(paths["7"], dataset, RECORDINGS, Provenance("recordings"))
    systems = [("recording", "7"), ("network", "same"), ("network", "other")]
    paths["comparison"] = folder / "comparison.zarr"
    values = {
        "frame": FRAME,
        "time_constant": [np.nan, 0.5, 0.5],
        "shape_difference": [[0.1, 0.2]],
    }
    dataset = filled(COMPARISON, values, {"systems": [{"kind": k, "name": n} for k, n in systems]})
    write_store(paths["comparison"], dataset, COMPARISON, Provenance("comparison"))
    return paths


@pytest.fixture(scope="module")
def fitted(stores, tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("systems")
    paths = []
    for name in ("7", "same", "other"):
        paths.append(folder / f"{name}.zarr")
        run_step(
            comparison_dynamics,
            system=stores[name],
            comparison=stores["comparison"],
            out=paths[-1],
            settings=SETTINGS,
            seed=1,
        )
    return paths


def distances(fitted: list[Path], folder: Path, parts: int = 1) -> list[Path]:
    paths = [folder / f"part_{part}.zarr" for part in range(parts)]
    for part, path in enumerate(paths):
        run_step(
            comparison_distances,
            systems=fitted,
            part=part,
            parts=parts,
            out=path,
            settings=SETTINGS,
            seed=1,
            threads=1,
        )
    return paths


def collected(fitted: list[Path], folder: Path, parts: int = 1) -> xr.Dataset:
    out = folder / "similarity.zarr"
    parts_done = distances(fitted, folder, parts)
    run_step(comparison_similarity, systems=fitted, distances=parts_done, out=out)
    with open_store(out, SIMILARITY_SCHEMA) as store:
        return store.load()


def test_the_network_of_the_recording_is_closest(fitted, tmp_path):
    store = collected(fitted, tmp_path)
    assert int(store["rank"]) == 4
    assert store.attrs["rank_limited_by"] is None, "the largest rank that was fitted is signal"
    same, other = store["to_network"].values[0]
    assert int(store["closest"][0]) == 0
    assert same < 0.25 * other
    assert float(store["margin"][0]) == pytest.approx(other - same)
    assert same < 3 * float(store["floor"][0])
    assert (store["to_surrogate"].values > 3 * same).all()
    distance, lower = store["distance"].values, store["lower_bound"].values
    np.testing.assert_array_equal(distance, distance.T)
    assert (lower <= distance).all()
    assert store.sizes["item"] == 5 + 3 + 3


def test_parts_give_the_same_as_one_job(fitted, tmp_path):
    one, many = tmp_path / "one", tmp_path / "many"
    one.mkdir()
    many.mkdir()
    np.testing.assert_array_equal(
        collected(fitted, one)["distance"], collected(fitted, many, parts=3)["distance"]
    )


def test_a_missing_part_is_refused(fitted, tmp_path):
    first = distances(fitted, tmp_path, parts=2)[:1]
    with pytest.raises(DataError, match=r"(?s)pairs have no distance.*of all parts"):
        run_step(comparison_similarity, systems=fitted, distances=first, out=tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


def test_halves_and_surrogates_are_stored(fitted):
    with open_store(fitted[0], DYNAMICS_SCHEMA) as store:
        assert [COPIES[code] for code in store["copy"].values] == list(COPIES)
        assert store["signal_rank"].values[0] == 4
        assert store["tried_delays"].values.tolist() == [1, 2]
        assert store["prediction"].values[-1, -1] > 0.5
        assert float(store["persistence"]) < store["prediction"].values[-1, -1]
        assert int(store["chosen_rank"]) == 4
        # two damped rotations driven by noise fill four dimensions
        assert 2.5 < float(store["two_nearest"]) < 4.5
        assert int(store["states"]) * int(store["spacing"]) >= TRIALS * FRAMES
        assert np.isnan(store["matrix"].values[0, 0, 2:]).all()
        whole = np.linalg.eigvals(store["matrix"].values[0, 1])
    assert np.sort(np.abs(np.angle(whole)))[-2:] == pytest.approx([0.6, 0.6], abs=0.05)
    with open_store(fitted[1], DYNAMICS_SCHEMA) as store:
        assert store.sizes["copy"] == 3
        assert float(store["time_constant"]) == 0.5


def test_unequal_frames_are_refused_naming_both(stores, fitted, tmp_path):
    coarse = SETTINGS.model_copy(update={"window_s": 1.0})
    out = tmp_path / "coarse.zarr"
    run_step(
        comparison_dynamics,
        system=stores["other"],
        comparison=stores["comparison"],
        out=out,
        settings=coarse,
        seed=1,
    )
    with pytest.raises(DataError, match=r"(?s)unequal sampling.*same\.zarr, coarse\.zarr.*delays"):
        distances([fitted[1], out], tmp_path)


def test_the_system_with_the_fewest_signal_modes_limits_the_rank(fitted, tmp_path, caplog):
    name = {}
    for path in fitted:
        with open_store(path) as store:
            name[path] = f"{store.attrs['kind']} {store.attrs['system']}"
            poor = store.load()
    poor["signal_rank"][...] = 3
    del poor.attrs["mesomode"]
    path = fitted[-1]
    changed = tmp_path / path.name
    write_store(changed, poor, DYNAMICS_SCHEMA, Provenance("test"))
    with caplog.at_level("INFO", "mesomode"):
        store = collected([*fitted[:-1], changed], tmp_path)
    assert int(store["rank"]) == 2 and store.attrs["rank_limited_by"] == name[path]
    assert "3 of whose modes are signal" in caplog.text
    labels = [axes.get_xlabel() for axes in draw_similarity(store, COPIES).axes]
    assert any("rank limited by" in label for label in labels)


def test_the_figure_shows_every_system(fitted, tmp_path):
    store = collected(fitted, tmp_path)
    figure = draw_similarity(store, COPIES)
    figure.draw_without_rendering()
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    words = " ".join(text.get_text() for legend in legends for text in legend.get_texts())
    titles = " ".join(axes.get_title(loc="left") for axes in figure.axes)
    assert overlapping(figure) == []
    assert "session 7" in words
    assert "session 7" in " ".join(
        label.get_text() for axes in figure.axes for label in axes.get_yticklabels()
    )
    assert "Closest network" in titles


def test_the_closest_network_is_listed_with_what_noise_explains(stores, fitted, tmp_path):
    store = collected(fitted, tmp_path)
    with open_store(stores["comparison"]) as comparison:
        rows = closest_rows(store, comparison)
        intrinsic = [States.of(open_store(path), comparison) for path in fitted]
    assert [(row["recording"], row["network"]) for row in rows] == [("7", "same"), ("7", "other")]
    assert rows[0]["closest"] == "yes" and rows[0]["further than the closest"] == 0
    assert rows[1]["ranked"] == rows[1]["told apart"] == "yes"
    assert rows[1]["further than the closest"] == pytest.approx(float(store["margin"][0]))
    assert np.isnan(rows[0]["to other animals"]), "there is one recording only"
    assert "all others are further by more than the floor" in conclusions(rows)[0]
    page = closest_html(rows, "angular")
    assert page.count("<tr>") == 3 and "src=" not in page
    figure = draw_intrinsic(intrinsic, CHANNELS)
    figure.draw_without_rendering()
    labels = " ".join(t.get_text() for axes in figure.axes for t in axes.get_yticklabels())
    assert "session 7" in labels


def test_other_animals_are_told_from_other_sessions(stores, tmp_path):
    """The distance to recordings of other animals leaves out those of the same one."""
    copies = []
    for name, animal in (("8", "mouse"), ("9", "mouse"), ("10", "rat")):
        path = tmp_path / f"{name}.zarr"
        with open_store(stores["7"]) as store:
            dataset = store.load().drop_attrs()
        dataset.attrs = {"signal": "dff", "specimen_name": animal}
        noise = np.random.default_rng(int(name)).standard_normal(dataset["dff"].shape)
        size = 3.0 if animal == "rat" else 0.3
        dataset["dff"] = dataset["dff"] + (size * noise).astype(np.float32)
        write_store(path, dataset, RECORDINGS, Provenance("recordings"))
        copies.append(path)
    comparison = tmp_path / "comparison.zarr"
    values = {"frame": FRAME, "time_constant": [np.nan] * 3, "integrated_time": [1.0] * 3}
    systems = [{"kind": "recording", "name": name} for name in ("8", "9", "10")]
    write_store(
        comparison,
        filled(COMPARISON, values, {"systems": systems}),
        COMPARISON,
        Provenance("comparison"),
    )
    fits = []
    for path in copies:
        fits.append(tmp_path / f"fit_{path.name}")
        run_step(
            comparison_dynamics,
            system=path,
            comparison=comparison,
            out=fits[-1],
            settings=SETTINGS,
            seed=1,
        )
    found = collected(fits, tmp_path)
    between = found["to_recording"].values
    np.testing.assert_allclose(found["animal_floor"].values[:2], between[:2, 2])
    assert found["animal_floor"].values[2] == pytest.approx(np.median(between[2, :2]))
    assert (found["animal_floor"].values[:2] > between[0, 1]).all()
