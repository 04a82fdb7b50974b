"""Both readers give the same neutral files, and say what is wrong with raw ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import nrrd
import numpy as np
import pytest

from mesomode.errors import ConfigError, DataError
from mesomode.fetch import neutral
from mesomode.fetch.neutral import IMAGES, Unreadable, aligned_running_speed
from mesomode.fetch.stage import (
    phantom_recordings,
    phantom_tracing,
    read_recordings,
    read_tracing,
)
from mesomode.files import read_json, sha256_of, write_json
from mesomode.phantom.settings import Settings
from mesomode.steps import run_step

TINY = Settings(
    size="tiny",
    experiments=3,
    sessions=4,
    session_types=tuple(f"three_session_{kind}" for kind in ("A", "B", "C", "C2")),
    cells=6,
    session_length="tiny",
)
EYE = ["pupil_size", "pupil_location", "pupil_location_spherical"]
PIPELINE = "processing/brain_observatory_pipeline"


@pytest.fixture(scope="session")
def phantom(tmp_path_factory) -> Path:
    """Raw folder of a tiny phantom."""
    root = tmp_path_factory.mktemp("phantom")
    run_step(phantom_tracing, out=root / "tracing.json", settings=TINY, seed=1)
    run_step(phantom_recordings, out=root / "recordings.json", settings=TINY, seed=1)
    return root


@pytest.fixture
def spoiled(phantom, tmp_path) -> Callable[..., Path]:
    """Copy a raw folder with one file changed, the manifest in step with it."""

    def spoil(manifest: str, choose: Callable[[str], bool], change: Callable[[Path], None]) -> Path:
        root = tmp_path / "raw"
        shutil.copytree(phantom, root)
        content = read_json(root / manifest)
        entry = next(entry for entry in content["files"] if choose(entry["path"]))
        path = root / entry["path"]
        change(path)
        entry |= {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        write_json(root / manifest, content)
        return root

    return spoil


def contents(path: Path) -> dict[str, object]:
    """Everything in an HDF5 file, by name."""
    found: dict[str, object] = {}
    with h5py.File(path) as file:

        def keep(name, item):
            found.update({f"{name}@{key}": value for key, value in item.attrs.items()})
            if isinstance(item, h5py.Dataset):
                found[name] = item[()]

        found.update({f"@{key}": value for key, value in file.attrs.items()})
        file.visititems(keep)
    return found


def assert_equal_but_for_the_reader(one: Path, two: Path) -> dict[str, object]:
    first, second = contents(one), contents(two)
    assert first.pop("@reader") != second.pop("@reader")
    assert sorted(first) == sorted(second)
    for name, value in first.items():
        assert np.asarray(value).dtype == np.asarray(second[name]).dtype, name
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    return first


def sessions(root: Path) -> list[int]:
    return [entry["experiment_id"] for entry in read_json(root / "recordings.json")["sessions"]]


def read_session(root: Path, out: Path, number: int = 0, **options) -> dict[str, object]:
    run_step(
        read_recordings,
        manifest=root / "recordings.json",
        session=sessions(root)[number],
        out=out,
        **options,
    )
    return contents(out)


@pytest.mark.slow
def test_both_readers_give_the_same_tracing(phantom, tmp_path, allensdk_python):
    manifest = phantom / "tracing.json"
    before = sorted(phantom.rglob("*"))
    run_step(read_tracing, manifest=manifest, out=tmp_path / "d.h5")
    run_step(
        read_tracing,
        manifest=manifest,
        out=tmp_path / "a.h5",
        reader="allensdk",
        allensdk_python=allensdk_python,
    )
    assert sorted(phantom.rglob("*")) == before  # the SDK left nothing among the raw files
    found = assert_equal_but_for_the_reader(tmp_path / "d.h5", tmp_path / "a.h5")
    assert len({name.split("/")[1] for name in found if name.startswith("volumes/")}) > 3


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_both_readers_give_the_same_sessions(phantom, tmp_path, allensdk_python, number):
    read_session(phantom, tmp_path / "d.h5", number)
    options = {"reader": "allensdk", "allensdk_python": allensdk_python}
    read_session(phantom, tmp_path / "a.h5", number, **options)
    found = assert_equal_but_for_the_reader(tmp_path / "d.h5", tmp_path / "a.h5")
    assert found["dff"].dtype == np.float32
    # the phantom films the eye in the first session of a container
    assert json.loads(found["@absent"]) == ([] if number == 0 else EYE)
    assert {"template/natural_movie_one", "regions", "metrics/pref_dir_dg"} <= set(found)


@pytest.mark.slow
def test_both_readers_agree_on_what_real_files_lack(phantom, tmp_path, spoiled, allensdk_python):
    """Two real files: one without demixed traces; traces a frame shorter than the time stamps."""

    def shorten(path):
        with h5py.File(path, "r+") as file:
            del file[f"{PIPELINE}/Fluorescence/imaging_plane_1_demixed_signal"]
            del file[f"{PIPELINE}/BehavioralTimeSeries"]
            dff = file[f"{PIPELINE}/DfOverF/imaging_plane_1"]
            rows = dff["data"][:, :-1]
            del dff["data"]
            dff["data"] = rows
            del file[f"{PIPELINE}/PupilTracking"]

    root = spoiled("recordings.json", lambda name: name.endswith(".nwb"), shorten)
    content = read_json(root / "recordings.json")
    content["sessions"][0]["events"] = None
    write_json(root / "recordings.json", content)
    found = read_session(root, tmp_path / "d.h5")
    options = {"reader": "allensdk", "allensdk_python": allensdk_python}
    read_session(root, tmp_path / "a.h5", **options)
    assert_equal_but_for_the_reader(tmp_path / "d.h5", tmp_path / "a.h5")
    lacking = ["fluorescence", "events", "running_speed", "pupil_size"]
    assert json.loads(found["@absent"]) == lacking
    assert np.isnan(found["dff"][-1]).all()
    assert np.isfinite(found["dff"][:-1]).all()


@pytest.mark.slow
def test_the_sdk_reader_never_downloads(phantom, tmp_path, spoiled, allensdk_python):
    root = spoiled("tracing.json", lambda name: "data_mask" in name, lambda path: None)
    content = read_json(root / "tracing.json")
    gone = next(entry for entry in content["files"] if "data_mask" in entry["path"])
    (root / gone["path"]).unlink()
    content["files"].remove(gone)  # so that only the SDK can notice
    write_json(root / "tracing.json", content)
    with pytest.raises(DataError, match=r"(?s)cannot be read.*get_data_mask.*use the network"):
        run_step(
            read_tracing,
            manifest=root / "tracing.json",
            out=tmp_path / "a.h5",
            reader="allensdk",
            allensdk_python=allensdk_python,
        )
    assert not list(tmp_path.glob("*.h5"))


def test_volumes_are_the_raw_ones_in_the_right_order(phantom, tmp_path):
    run_step(read_tracing, manifest=phantom / "tracing.json", out=tmp_path / "c.h5")
    content = read_json(phantom / "tracing.json")
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["annotation"].dtype == np.uint32
        assert file["template"].dtype == np.uint16
        assert file["annotation"].shape == (132, 80, 114)
        assert sorted(map(int, file["volumes"])) == content["experiments"]
        for identifier in content["experiments"]:
            for image in IMAGES:
                folder = phantom / "connectivity" / f"experiment_{identifier}"
                raw, header = nrrd.read(str(folder / f"{image}_100.nrrd"))
                assert header["space"] == "left-posterior-superior"
                found = file[f"volumes/{identifier}/{image}"]
                assert found.dtype == np.float32
                np.testing.assert_array_equal(found[:], raw)
        records = json.loads(file["experiments"][()])
        assert {"id", "injection_structures", "primary_injection_structure"} <= set(records[0])
        assert "data_set_id" not in records[0]
        assert all(isinstance(i, int) for i in records[0]["injection_structures"])


def test_sessions_are_the_raw_ones(phantom, tmp_path):
    found = read_session(phantom, tmp_path / "s.h5")
    entry = read_json(phantom / "recordings.json")["sessions"][0]
    with h5py.File(phantom / entry["nwb"]) as file:
        dff = file[f"{PIPELINE}/DfOverF/imaging_plane_1/data"][:]
    np.testing.assert_array_equal(found["dff"], dff.T)
    with np.load(phantom / entry["events"], allow_pickle=False) as file:
        np.testing.assert_array_equal(found["events"], file["ev"].T.astype("f4"))
    assert found["@experiment_id"] == entry["experiment_id"]
    assert found["@session_type"] == entry["session_type"]
    assert found["@source"] == "phantom"
    gratings = {name: value for name, value in found.items() if "drifting_gratings" in name}
    assert (np.diff(gratings["stimulus/drifting_gratings/start"]) > 0).all()
    assert set(np.unique(gratings["stimulus/drifting_gratings/blank_sweep"])) == {0, 1}


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_images_pupil_and_measures_are_the_raw_ones(phantom, tmp_path, number):
    found = read_session(phantom, tmp_path / "s.h5", number)
    entry = read_json(phantom / "recordings.json")["sessions"][number]
    assert entry["session_type"] == TINY.session_types[number]
    with h5py.File(phantom / entry["nwb"]) as file:
        stacks = {name: file[f"stimulus/templates/{name}/data"][:] for name in
                  file["stimulus/templates"]}  # fmt: skip
        kept = {n.split("/")[1] for n in found if n.startswith("template/") and "@" not in n}
        assert {f"{name}_image_stack" for name in kept} == set(stacks)
        for name in kept:
            np.testing.assert_array_equal(found[f"template/{name}"], stacks[f"{name}_image_stack"])
            assert found[f"template/{name}@block"] == 1
            where, path = found[f"template/{name}@original"].split(":")
            assert where == entry["nwb"] and path in file
            digest = hashlib.sha256(stacks[f"{name}_image_stack"].tobytes()).hexdigest()
            assert found[f"template/{name}@sha256"] == digest
        if number == 0:
            pupil = file[f"{PIPELINE}/PupilTracking/pupil_size"]
            np.testing.assert_array_equal(found["pupil_size/time"], pupil["timestamps"][:])
            np.testing.assert_array_equal(found["pupil_size/values"], pupil["data"][:].astype("f4"))
            assert found["pupil_location_spherical/values"].shape[1] == 2
        mask = file[f"{PIPELINE}/ImageSegmentation/imaging_plane_1/roi_0003/img_mask"][:]
    row, column = np.nonzero(mask)
    np.testing.assert_allclose(found["regions"][3], [column.mean(), row.mean(), len(row)])
    cells = read_json(phantom / "observatory/cell_specimens.json")
    known = {cell["cell_specimen_id"]: cell for cell in cells}
    expected = [known[cell]["pref_dir_dg"] for cell in found["cell_specimen_ids"]]
    np.testing.assert_array_equal(found["metrics/pref_dir_dg"], expected)
    assert "metrics/osi_dg" not in found  # nobody measured it


def test_large_images_are_averaged_over_blocks_and_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(neutral, "TEMPLATE_BYTES", 400)
    monkeypatch.setattr(neutral, "BYTES_AT_ONCE", 1)
    images = np.random.default_rng(0).integers(0, 256, (5, 21, 32)).astype("f4")
    with h5py.File(tmp_path / "t.h5", "w") as file:
        template = (images.shape, lambda first, last: images[first:last])
        neutral.write_template(file, "natural_scenes", template, "a.nwb")
        kept = file["template/natural_scenes"]
        assert kept.shape == (5, 7, 10) or kept.size <= 400
        block = kept.attrs["block"]
        rows, columns = kept.shape[1] * block, kept.shape[2] * block
        for image in range(5):
            for row in range(kept.shape[1]):
                for column in range(kept.shape[2]):
                    square = images[image, row * block :, column * block :][:block, :block]
                    assert kept[image, row, column] == np.rint(square.mean())
        assert rows <= 21 < rows + block and columns <= 32 < columns + block
        assert kept.attrs["original_shape"].tolist() == [5, 21, 32]
        assert kept.attrs["sha256"] == hashlib.sha256(images.tobytes()).hexdigest()
        assert kept.dtype == np.uint8
        with pytest.raises(Unreadable, match="no stack"):
            neutral.write_template(file, "x", ((3, 4), template[1]), "")


@pytest.mark.parametrize("spaces", ["", " \n"])
def test_the_list_of_cells_is_read_by_pieces(tmp_path, spaces):
    rows = [
        {"cell_specimen_id": i, "osi_dg": None if i % 3 else i / 7, "tld1_id": 5, "area": "é" * 200}
        for i in range(9000)
    ]
    path = tmp_path / "cells.json"
    text = json.dumps(rows, ensure_ascii=False).replace(", {", "," + spaces + "{")
    path.write_text(spaces + text, encoding="utf-8")
    assert path.stat().st_size > 3 << 20
    found = neutral.published_metrics(path, np.array([8997, 5, 99999, 3]))
    assert list(found) == ["osi_dg"]
    np.testing.assert_array_equal(found["osi_dg"], [8997 / 7, np.nan, np.nan, 3 / 7])
    for broken in (text[:-2], "{}", "[1]", ""):
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(Unreadable, match="list of cells"):
            neutral.published_metrics(path, np.array([5]))


def test_pupil_samples_that_do_not_fit_their_times_are_refused(spoiled, tmp_path):
    def shorten(path):
        with h5py.File(path, "r+") as file:
            group = file[f"{PIPELINE}/PupilTracking/pupil_size"]
            values = group["data"][:-1]
            del group["data"]
            group["data"] = values

    root = spoiled("recordings.json", lambda name: name.endswith(".nwb"), shorten)
    with pytest.raises(DataError, match=r"(?s)eye camera.*do not fit.*pupil_size"):
        read_session(root, tmp_path / "s.h5")


def spoil_volume(value: float, count: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        volume, header = nrrd.read(str(path))
        volume[60, 30, 50 : 50 + count] = value
        nrrd.write(str(path), volume, header)

    return change


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_what_was_not_measured_is_masked_and_said(spoiled, tmp_path, value, caplog):
    chosen = []

    def choose(name):
        chosen.append(name)
        return "projection_density" in name

    root = spoiled("tracing.json", choose, spoil_volume(value, 4))
    with caplog.at_level("INFO", logger="mesomode"):
        run_step(read_tracing, manifest=root / "tracing.json", out=tmp_path / "c.h5")
    identifier = chosen[-1].split("experiment_")[1].split("/")[0]
    with h5py.File(tmp_path / "c.h5") as file:
        group = file[f"volumes/{identifier}"]
        assert group.attrs["unmeasured"] == 4
        assert (group["data_mask"][60, 30, 50:54] == 0).all()
        assert (group["projection_density"][60, 30, 50:54] == 0).all()
        assert all(np.isfinite(group[image][:]).all() for image in IMAGES)
    assert f"experiment {identifier}: 4 voxels" in caplog.text


def test_rounding_above_one_is_cut_and_more_is_refused(spoiled, tmp_path):
    root = spoiled("tracing.json", lambda n: "injection_density" in n, spoil_volume(1.0001, 3))
    run_step(read_tracing, manifest=root / "tracing.json", out=tmp_path / "c.h5")
    with h5py.File(tmp_path / "c.h5") as file:
        assert sum(group.attrs["clipped"] for group in file["volumes"].values()) == 3
        assert max(group["injection_density"][:].max() for group in file["volumes"].values()) == 1


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def reshape(path: Path) -> None:
    volume, _ = nrrd.read(str(path))
    nrrd.write(str(path), volume[:-1])


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("projection_density", cut_short, r"(?s)cannot be read.*projection_density"),
        ("injection_fraction", reshape, r"(?s)wrong shape.*injection_fraction.*\(131, 80, 114\)"),
        ("projection_density", spoil_volume(7.5, 1), r"(?s)no densities.*7\.5.*tracing\.exclude"),
    ],
)
def test_bad_volumes_are_refused_with_name_and_remedy(spoiled, tmp_path, part, change, message):
    root = spoiled("tracing.json", lambda name: part in name, change)
    with pytest.raises(DataError, match=message) as error:
        run_step(read_tracing, manifest=root / "tracing.json", out=tmp_path / "c.h5")
    assert error.value.remedy
    assert not list(tmp_path.glob("*.h5"))


def test_files_that_changed_since_they_were_fetched_are_refused(phantom, tmp_path):
    root = tmp_path / "raw"
    shutil.copytree(phantom, root)
    entries = read_json(root / "tracing.json")["files"]
    names = [entry["path"] for entry in entries if entry["path"].endswith(".nrrd")][:3]
    (root / names[0]).unlink()
    cut_short(root / names[1])
    content = bytearray((root / names[2]).read_bytes())
    content[-1] ^= 1
    (root / names[2]).write_bytes(content)
    with pytest.raises(DataError, match="3 raw files") as error:
        run_step(read_tracing, manifest=root / "tracing.json", out=tmp_path / "c.h5")
    text = str(error.value)
    assert f"{names[0]} is missing" in text
    assert f"{names[1]} has" in text
    assert f"{names[2]} has other content" in text


def with_variable_length_text(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        for name in ("general/session_type", "general/specimen_name"):
            text = file[name][()].decode()
            del file[name]
            file.create_dataset(name, data=text, dtype=h5py.string_dtype())


def test_variable_length_text_is_read_directly(spoiled, tmp_path):
    root = spoiled("recordings.json", lambda n: n.endswith(".nwb"), with_variable_length_text)
    assert read_session(root, tmp_path / "s.h5")["@session_type"].startswith("three_session")


@pytest.mark.slow
def test_variable_length_text_is_refused_by_the_sdk_with_the_file(
    spoiled, tmp_path, allensdk_python
):
    root = spoiled("recordings.json", lambda n: n.endswith(".nwb"), with_variable_length_text)
    options = {"reader": "allensdk", "allensdk_python": allensdk_python}
    with pytest.raises(DataError, match=r"(?s)allensdk cannot read.*\.nwb.*dtype"):
        read_session(root, tmp_path / "s.h5", **options)


def remove(name: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            del file[name]

    return change


def misalign(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file[f"{PIPELINE}/BehavioralTimeSeries/running_speed/timestamps"][...] += 0.001


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove(f"{PIPELINE}/DfOverF"), r"(?s)lacks parts.*\.nwb.*DfOverF"),
        (cut_short, r"(?s)cannot be read.*\.nwb"),
        (misalign, r"(?s)running speed cannot be aligned.*observatory, session 981000001"),
        (remove("stimulus/presentation/drifting_gratings_stimulus/features"), r"lacks features"),
    ],
)
def test_bad_recordings_are_refused(spoiled, tmp_path, change, message):
    root = spoiled("recordings.json", lambda name: name.endswith(".nwb"), change)
    with pytest.raises(DataError, match=message) as error:
        read_session(root, tmp_path / "s.h5")
    assert error.value.remedy
    assert not list(tmp_path.glob("*.h5"))


def test_events_that_do_not_fit_the_cells_are_refused(spoiled, tmp_path):
    def change(path):
        np.savez(path, ev=np.zeros((3, 50), "f4"))

    root = spoiled("recordings.json", lambda name: name.endswith("_events.npz"), change)
    with pytest.raises(DataError, match=r"(?s)events does not fit.*\(3, 50\)"):
        read_session(root, tmp_path / "s.h5")


def test_unknown_sessions_readers_and_interpreters_are_said(phantom, tmp_path):
    manifest, out = phantom / "recordings.json", tmp_path / "s.h5"
    with pytest.raises(DataError, match=r"(?s)session 42 was not fetched.*fetch\.sessions"):
        run_step(read_recordings, manifest=manifest, session=42, out=out)
    known = sessions(phantom)[0]
    with pytest.raises(ConfigError, match="no reader 'magic'"):
        run_step(read_recordings, manifest=manifest, session=known, out=out, reader="magic")
    with pytest.raises(ConfigError, match="interpreter"):
        run_step(read_recordings, manifest=manifest, session=known, out=out, reader="allensdk")
    with pytest.raises(DataError, match="cannot be run"):
        run_step(
            read_recordings,
            manifest=manifest,
            session=known,
            out=out,
            reader="allensdk",
            allensdk_python="/nowhere/python",
        )


def test_running_speed_is_padded_with_nan_as_the_sdk_does():
    timestamps = np.arange(8.0)
    found = aligned_running_speed(np.array([[1.0], [2], [3]]), np.array([2.0, 3, 4]), timestamps)
    np.testing.assert_array_equal(found, [np.nan, np.nan, 1, 2, 3, np.nan, np.nan, np.nan])
    for times in ([2.5, 3.5], [], [7.0, 8.0]):
        with pytest.raises(Unreadable, match="cannot be aligned"):
            aligned_running_speed(np.ones(len(times)), np.array(times), timestamps)
