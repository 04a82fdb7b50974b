"""NWB 1 files and the observatory's lists: the paths and types that readers rely on."""

import json

import h5py
import numpy as np
import pytest

from mesomode.fetch.checks import check_events, check_nwb
from mesomode.phantom.raw import write_recordings
from mesomode.phantom.recordings import make_recordings
from mesomode.phantom.settings import Settings
from mesomode.phantom.tracing import make_brain

SETTINGS = Settings(size="tiny", session_length="tiny", sessions=2, cells=10)
P = "processing/brain_observatory_pipeline/"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    _, atlas, region, wiring = make_brain(SETTINGS, 5)
    sessions = make_recordings(SETTINGS, 5, region, wiring)
    return folder, sessions, write_recordings(folder, sessions, atlas.structures)


def test_required_paths_and_shapes(written):
    folder, sessions, manifest = written
    for session, entry in zip(sessions, manifest["sessions"], strict=True):
        frames = session.timetable.length
        with h5py.File(folder / entry["nwb"]) as file:
            for name in (
                "identifier", "session_description", "session_start_time", "nwb_version",
                "general/session_id", "general/experiment_container_id", "general/session_type",
                "general/fov", "general/pixel_size", "general/targeted_structure",
                "general/devices/2-photon microscope", "general/subject/age",
                "general/subject/sex", "general/subject/genotype",
                "general/optophysiology/imaging_plane_1/imaging depth",
                "general/optophysiology/imaging_plane_1/indicator",
            ):  # fmt: skip
                assert file[name].dtype.kind == "S" and file[name].shape == (), name
            assert file["general/generated_by"][-1] == b"3.0"
            assert int(file["general/session_id"][()]) == session.identifier
            traces = {
                "Fluorescence/imaging_plane_1/data",
                "Fluorescence/imaging_plane_1/neuropil_traces",
                "Fluorescence/imaging_plane_1_neuropil_response/data",
                "Fluorescence/imaging_plane_1_demixed_signal/data",
                "DfOverF/imaging_plane_1/data",
            }
            for name in traces:
                assert file[P + name].shape == (10, frames) and file[P + name].dtype == "f4", name
            stamps = file[P + "Fluorescence/imaging_plane_1/timestamps"][:]
            np.testing.assert_array_equal(stamps, session.timestamps)
            np.testing.assert_array_equal(
                file[P + "ImageSegmentation/cell_specimen_ids"][:], session.cell_specimen_ids
            )
            rois = file[P + "ImageSegmentation/roi_ids"][:]
            assert rois.dtype.kind == "S" and len({int(roi) for roi in rois}) == 10
            for roi in file[P + "ImageSegmentation/imaging_plane_1/roi_list"][:]:
                group = file[P + "ImageSegmentation/imaging_plane_1/" + roi.decode()]
                mask, pixels = group["img_mask"][:], group["pix_mask"][:]
                assert mask.shape == (512, 512) and mask.sum() == len(pixels)
                assert (mask[pixels[:, 1], pixels[:, 0]] == 1).all()
            running = file[P + "BehavioralTimeSeries/running_speed"]
            np.testing.assert_array_equal(running["timestamps"][:], stamps[3:-2])
            assert len(running["data"]) == frames - 5


def test_neuropil_subtraction_gives_back_the_cell(written):
    folder, sessions, manifest = written
    session = sessions[0]
    with h5py.File(folder / manifest["sessions"][0]["nwb"]) as file:
        root = file[P + "Fluorescence"]
        measured = root["imaging_plane_1/data"][:].astype(float)
        neuropil = root["imaging_plane_1_neuropil_response/data"][:]
        weight = root["imaging_plane_1_neuropil_response/r"][:]
        corrected = measured - weight[:, None] * neuropil
        dff = corrected / session.baseline[:, None] - 1
        np.testing.assert_allclose(dff, file[P + "DfOverF/imaging_plane_1/data"][:], atol=2e-3)


def test_stimulus_tables(written):
    folder, _sessions, manifest = written
    with h5py.File(folder / manifest["sessions"][0]["nwb"]) as file:
        gratings = file["stimulus/presentation/drifting_gratings_stimulus"]
        assert list(gratings["features"][:]) == [
            b"temporal_frequency",
            b"orientation",
            b"blank_sweep",
        ]
        blank = gratings["data"][:, 2] == 1
        assert np.isnan(gratings["data"][:][blank, :2]).all()
        assert gratings["frame_duration"].dtype == "i8"
        movie = file["stimulus/presentation/natural_movie_one_stimulus/data"][:]
        template = file["stimulus/templates/natural_movie_one_image_stack/data"]
        assert movie.max() + 1 == len(template) and template.dtype == "u1"
        pair = file["stimulus/presentation/spontaneous_stimulus"]
        assert pair["data"][:].tolist() == [1, -1]
        assert pair["frame_duration"][1, 0] - pair["frame_duration"][0, 0] == 600
    with h5py.File(folder / manifest["sessions"][1]["nwb"]) as file:
        scenes = file["stimulus/presentation/natural_scenes_stimulus/data"][:]
        assert scenes.min() == -1
        template = file["stimulus/templates/natural_scenes_image_stack/data"]
        assert template.dtype == "f4" and len(template) == scenes.max() + 1


def test_files_pass_the_checks_of_downloads(written):
    folder, _, manifest = written
    for entry in manifest["sessions"]:
        check_nwb(folder / entry["nwb"], entry["experiment_id"])
        check_events(folder / entry["events"])


def test_events_match_the_traces(written):
    folder, sessions, manifest = written
    with np.load(folder / manifest["sessions"][0]["events"], allow_pickle=False) as archive:
        assert archive.files == ["ev"]
        np.testing.assert_array_equal(archive["ev"], sessions[0].events)


def test_lists_have_the_fields_of_the_service(written):
    folder, sessions, manifest = written
    lists = {
        name: json.loads((folder / "observatory" / f"{name}.json").read_text())
        for name in (
            "experiment_containers",
            "ophys_experiments",
            "cell_specimens",
            "stimulus_mappings",
        )
    }
    experiment = lists["ophys_experiments"][0]
    assert experiment["id"] == manifest["sessions"][0]["experiment_id"]
    assert experiment["stimulus_name"] == "three_session_A"
    kinds = {f["well_known_file_type"]["name"] for f in experiment["well_known_files"]}
    assert kinds == {"NWBOphys", "ObservatoryEventsFile"}
    container = lists["experiment_containers"][0]
    assert container["targeted_structure"]["acronym"] == "VISp"
    assert [e["id"] for e in container["ophys_experiments"]] == [s.identifier for s in sessions]
    known = {row["cell_specimen_id"] for row in lists["cell_specimens"]}
    assert set(sessions[0].cell_specimen_ids.tolist()) <= known
    assert all(item["item"] in lists["cell_specimens"][0] for item in lists["stimulus_mappings"])


def test_the_stored_networks(written):
    folder, sessions, _ = written
    container = sessions[0].container
    with h5py.File(folder / "truth_recordings.h5") as file:
        group = file[f"container_{container.identifier}"]
        np.testing.assert_allclose(group["coupling"][:], container.coupling, rtol=1e-6)
        np.testing.assert_array_equal(group["cell_specimen_ids"][:], container.cell_specimen_ids)
        assert group["voxels"].shape == (len(container.units), 3)


def test_the_same_seed_writes_the_same_bytes(written, tmp_path):
    _, _, manifest = written
    _, atlas, region, wiring = make_brain(SETTINGS, 5)
    sessions = make_recordings(SETTINGS, 5, region, wiring)
    assert write_recordings(tmp_path, sessions, atlas.structures) == manifest
