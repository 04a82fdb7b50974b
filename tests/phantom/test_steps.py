"""The steps that write a phantom: what a person types."""

import json

import h5py
import numpy as np

from mesomode.fetch.stage import phantom_recordings, phantom_tracing
from mesomode.phantom.settings import Settings
from mesomode.steps import run_step


def test_phantom_tracing_writes_the_manifest_and_all_it_lists(tmp_path):
    out = tmp_path / "phantom-1234" / "tracing.json"
    run_step(phantom_tracing, out=out, settings=Settings(size="tiny", experiments=3), seed=4)
    manifest = json.loads(out.read_text())
    assert len(manifest["experiments"]) == 7
    for entry in manifest["files"]:
        assert (out.parent / entry["path"]).stat().st_size == entry["bytes"]
    assert (out.parent / "truth.h5").exists()


def test_phantom_recordings_share_the_brain_of_the_tracing(tmp_path):
    settings = Settings(size="tiny", experiments=3, sessions=1, session_length="tiny")
    folder = tmp_path / "phantom"
    run_step(phantom_tracing, out=folder / "tracing.json", settings=settings, seed=4)
    run_step(phantom_recordings, out=folder / "recordings.json", settings=settings, seed=4)
    manifest = json.loads((folder / "recordings.json").read_text())
    assert [s["session_type"] for s in manifest["sessions"]] == ["three_session_A"]
    with h5py.File(folder / "truth.h5") as truth, h5py.File(folder / "truth_recordings.h5") as net:
        sources = {tuple(v) for v in truth["source_voxels"][:].tolist()}
        units = net["container_980000001/voxels"][:].tolist()
        assert {tuple(v) for v in units} <= sources
        # couplings follow the true weights of the same phantom
        place = {tuple(v): k for k, v in enumerate(truth["source_voxels"][:].tolist())}
        index = [place[tuple(v)] for v in units]
        true = truth["weights"][:][np.ix_(index, index)]
        off = ~np.eye(len(units), dtype=bool)
        assert np.corrcoef(true[off], net["container_980000001/coupling"][:][off])[0, 1] > 0.5
