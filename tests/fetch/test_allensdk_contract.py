"""The unmodified allensdk 2.16.2 against the local server, and against what we prime."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import h5py
import nrrd
import numpy as np
import pytest

from mesomode.fetch.catalogue import IMAGES
from mesomode.fetch.settings import Settings
from mesomode.fetch.stage import fetch_recordings, fetch_tracing
from mesomode.steps import run_step
from tests.allen_server import AllenServer, Fault

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("allensdk_session.py")
PIPELINE = "processing/brain_observatory_pipeline"
EXPERIMENT, SESSION = 180296424, 501271265
NWB = f"observatory/ophys_experiment_data/{SESSION}.nwb"
Json = dict[str, Any]


def run_sdk(
    python: str, task: str, folder: Path, result: Path, *server: str, proxy: str | None = None
) -> Any:
    """Run a task of the script with the SDK and return what it found."""
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    if proxy is not None:
        environment["http_proxy"] = proxy
    done = subprocess.run(
        [python, "-W", "ignore", str(SCRIPT), task, str(folder), str(result), *server],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(result.read_text())


def digest(array: np.ndarray) -> list[Any]:
    array = np.ascontiguousarray(array)
    return [array.dtype.name, list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]


def prime(server: AllenServer, folder: Path) -> None:
    settings = Settings(regions=("root",), transgenic_lines="any", cell_specimens=True)
    access = json.dumps(server.access())
    run_step(fetch_tracing, out=folder / "tracing.json", settings=settings, access=access)
    run_step(fetch_recordings, out=folder / "recordings.json", settings=settings, access=access)


@pytest.fixture(scope="module")
def truth(world: Path) -> Json:
    """What the SDK must find, read from the served files without it."""
    connectivity = world / "connectivity"

    def volume(name: str) -> list[Any]:
        return digest(nrrd.read(str(connectivity / name), index_order="F")[0])

    with h5py.File(world / NWB) as file:
        fluorescence = file[f"{PIPELINE}/Fluorescence/imaging_plane_1_demixed_signal/data"][:]
        neuropil = file[f"{PIPELINE}/Fluorescence/imaging_plane_1_neuropil_response"]
        contamination = neuropil["r"][:][:, None] * neuropil["data"][:]
        frames = file[f"{PIPELINE}/Fluorescence/imaging_plane_1/timestamps"].shape[0]
        gratings = file["stimulus/presentation/drifting_gratings_stimulus/data"][:, :2]
        recording = {
            "times": digest(file[f"{PIPELINE}/Fluorescence/imaging_plane_1/timestamps"][:]),
            "dff": digest(file[f"{PIPELINE}/DfOverF/imaging_plane_1/data"][:]),
            "fluorescence": digest(fluorescence - contamination),
            "cell ids": file[f"{PIPELINE}/ImageSegmentation/cell_specimen_ids"][:].tolist(),
            "speed": [5, frames],
            "gratings": digest(gratings),
        }
    with np.load(world / f"observatory/ophys_experiment_events/{SESSION}_events.npz") as file:
        events = digest(file["ev"])
    structures = json.loads((connectivity / "structures.json").read_text())
    return {
        **{image: volume(f"experiment_{EXPERIMENT}/{image}_100.nrrd") for image in IMAGES},
        "annotation": volume("annotation/ccf_2017/annotation_100.nrrd"),
        "template": volume("average_template_100.nrrd"),
        **recording,
        "events": events,
        "experiments": 6,
        "wild type": [180296424, 307297141, 180719293, 166218353],
        "line": [297231636],
        "in VIS": [180296424, 307297141, 297231636],
        "VISp": next(s for s in structures if s["acronym"] == "VISp"),
        "structures": len(structures),
        "within VIS": [385, 402, 409, 669],
        "containers": [511509529, 511510736, 991913675],
        "cells": 2200,
        "stimuli": [
            "drifting_gratings",
            "natural_movie_one",
            "natural_movie_three",
            "spontaneous",
        ],
        "epochs": 7,
        "metadata": {
            "ophys_experiment_id": SESSION,
            "session_type": "three_session_A",
            "targeted_structure": "VISp",
            "cre_line": "Cux2-CreERT2/wt",
        },
    }


def compare(found: Json, truth: Json, world: Path) -> None:
    experiments = found.pop("experiments")
    assert len(experiments) == truth["experiments"]
    raw = {
        row["data_set_id"]: row
        for row in json.loads((world / "connectivity/experiments.json").read_text())
    }
    for experiment in experiments:
        row = raw[experiment["id"]]
        ids = [int(part) for part in row["injection_structures"].split("/")]
        line = row["transgenic_line"]
        assert experiment["injection_structures"] == ids
        assert experiment["primary_injection_structure"] == row["structure_id"]
        assert experiment["transgenic_line"] == (None if line is None else line["name"])
        assert experiment["injection_volume"] == row["injection_volume"]
        assert "storage_directory" not in experiment
    for name in ("wild type", "in VIS"):
        assert sorted(found[name]) == sorted(truth[name])
    for record in (found["VISp"], truth["VISp"]):
        record["structure_set_ids"] = sorted(record["structure_set_ids"])
    for name, value in truth.items():
        if name not in ("experiments", "wild type", "in VIS"):
            assert found[name] == value, name


def test_the_sdk_with_its_default_addresses(
    server: AllenServer, world: Path, truth: Json, allensdk_python: str, tmp_path: Path
) -> None:
    found = run_sdk(allensdk_python, "online", tmp_path, tmp_path / "result.json", proxy=server.url)
    compare(found, truth, world)
    assert found["sessions"] == [501271265, 501704220, 991852000]
    assert "has no data file" in found["failures"]["behaviour session"]
    assert "absent events" in found["failures"]
    assert all(request.by_proxy for request in server.requests)
    assert {request.host for request in server.requests} == {
        "api.brain-map.org",
        "download.alleninstitute.org",
    }
    query = "/api/v2/data/query.json?q="
    everything = "rma::options[num_rows$eq'all'][count$eqfalse]"
    asked = [request.decoded for request in server.requests]
    cells = "model::ApiCamCellMetric,rma::options[num_rows$eq2000][start_row$eq{}]"
    cells += "[order$eq'cell_specimen_id'][count$eqfalse]"
    for expected in (
        f"{query}model::ApiConnectivity,rma::options[num_rows$eq'all']",
        f"{query}model::Structure,rma::criteria,[graph_id$in1],rma::include,structure_sets,"
        "rma::options[num_rows$eq'all'][order$eqstructures.graph_order][count$eqfalse]",
        *(
            f"/grid_data/download_file/{EXPERIMENT}?image={image}&resolution=100"
            for image in IMAGES
        ),
        "/informatics-archive/current-release/mouse_ccf/annotation/ccf_2017/annotation_100.nrrd",
        "/informatics-archive/current-release/mouse_ccf/average_template/average_template_100.nrrd",
        f"{query}model::ExperimentContainer,rma::include,ophys_experiments,isi_experiment,"
        "specimen(donor(conditions,age,transgenic_lines)),targeted_structure," + everything,
        f"{query}model::OphysExperiment,rma::include,experiment_container,"
        "well_known_files(well_known_file_type),targeted_structure,"
        "specimen(donor(age,transgenic_lines))," + everything,
        f"{query}model::WellKnownFile,rma::criteria,well_known_file_type"
        "[name$eqEyeDlcScreenMapping]," + everything,
        *(query + cells.format(start) for start in (0, 2000)),
        f"{query}model::ApiCamStimulusMapping,{everything}",
        f"{query}model::WellKnownFile,rma::criteria,[attachable_id$eq{SESSION}],"
        "well_known_file_type[name$eqNWBOphys]," + everything,
        f"/api/v2/well_known_file_download/{SESSION}8",
    ):
        assert expected in asked, expected


def test_the_sdk_reads_what_we_primed_with_the_network_shut(
    server: AllenServer, world: Path, truth: Json, allensdk_python: str, tmp_path: Path
) -> None:
    cache = tmp_path / "raw"
    prime(server, cache)
    before = {p: p.stat().st_mtime_ns for p in cache.rglob("*") if p.is_file()}
    server.misbehave(Fault("status", times=-1))
    found = run_sdk(allensdk_python, "offline", cache, tmp_path / "result.json")
    assert found["attempts"] == []
    assert "network is shut" in found["get_ophys_experiments"]  # asks on every call, cached or not
    compare(found, truth, world)
    assert server.requests == []
    after = {p: p.stat().st_mtime_ns for p in cache.rglob("*") if p.is_file()}
    made = {p.name for p in after.keys() - before.keys()}
    assert made == {"manifest.json"}
    assert {p: after[p] for p in before} == before


POISONS = [
    # call, fault, outcome of the call that met it, outcome of the healthy call after it
    ("experiments", Fault("refusal", "ApiConnectivity"), "error", "error"),
    ("experiments", Fault("no_rows", "ApiConnectivity"), 0, 0),
    ("experiments", Fault("status", "ApiConnectivity"), "error", 6),
    ("cells", Fault("no_rows", "start_row.eq2000"), 2000, 2000),
    ("cells", Fault("no_rows_object", "start_row.eq2000"), 2000, 2000),
    ("volume", Fault("html", "grid_data"), "error", "error"),
    ("volume", Fault("empty", "grid_data"), "error", "error"),
    ("volume", Fault("end_without_length", "grid_data"), "error", "error"),
    ("volume", Fault("flip", "grid_data"), "error", "error"),
    ("volume", Fault("truncate", "grid_data"), "error", "whole"),
    ("recording", Fault("end_without_length", "well_known_file_download"), "error", "error"),
    ("recording", Fault("html", "well_known_file_download"), "error", "error"),
    ("recording", Fault("reset_midway", "well_known_file_download"), "error", "whole"),
]


def test_the_sdk_alone_poisons_its_cache_and_priming_heals_it(
    server: AllenServer, world: Path, truth: Json, allensdk_python: str, tmp_path: Path
) -> None:
    rules = [(call, {**vars(fault)}) for call, fault, _, _ in POISONS]
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    result = tmp_path / "result.json"
    outcomes = run_sdk(allensdk_python, "faults", tmp_path, result, server.url)
    whole = {"volume": truth["projection_density"], "recording": truth["dff"]}
    for call, fault, *expected in POISONS:
        for (kind, value), wanted in zip(outcomes[f"{call}, {fault.kind}"], expected, strict=True):
            said = (call, fault.kind, kind, value)
            assert (kind == "error") == (wanted == "error"), said
            if wanted != "error":
                assert value == (whole[call] if wanted == "whole" else wanted), said
    # one folder with the worst of it, in the state in which the SDK left it
    server.misbehave()
    cache = tmp_path / "healed"
    poisoned = {
        "connectivity/experiments.json": 0,
        "observatory/cell_specimens.json": 3,
        f"connectivity/experiment_{EXPERIMENT}/projection_density_100.nrrd": 7,
        NWB: 10,
    }
    for name, number in poisoned.items():
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes((tmp_path / str(number) / name).read_bytes())
    prime(server, cache)
    server.misbehave()
    compare(run_sdk(allensdk_python, "offline", cache, result), truth, world)


def test_the_sdk_killed_midway_leaves_a_partial_file_that_priming_replaces(
    server: AllenServer, world: Path, allensdk_python: str, tmp_path: Path
) -> None:
    name = f"connectivity/experiment_{EXPERIMENT}/projection_density_100.nrrd"
    size = (world / name).stat().st_size
    server.misbehave(Fault("slow", "grid_data", rate=size / 8))
    partial = tmp_path / name
    command = [allensdk_python, "-W", "ignore", str(SCRIPT), "one_volume", str(tmp_path)]
    process = subprocess.Popen([*command, str(tmp_path / "result.json"), server.url])
    try:
        deadline = time.monotonic() + 120
        while not (partial.exists() and partial.stat().st_size > 0.3 * size):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert partial.stat().st_size < size
    server.misbehave()
    prime(server, tmp_path)
    assert partial.read_bytes() == (world / name).read_bytes()
