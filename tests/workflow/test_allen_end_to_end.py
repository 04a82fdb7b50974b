"""`source: allen` on the phantom's files, served as Allen's services serve theirs.

Changing the source must change nothing but the way the files come: the
downloader fetches them over HTTP, the unmodified allensdk reads them with the
network shut, and every store is the same as that of the run on the phantom.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import xarray as xr
import yaml
from numpy.testing import assert_array_equal

from tests.allen_server.server import serve
from tests.workflow.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    # Snakemake leaves a time stamp in the folder of a store
    pytest.mark.filterwarnings("ignore:Object at .snakemake_timestamp"),
]


@pytest.fixture(scope="module")
def allen_run(finished_run, allensdk_python, tmp_path_factory):
    """A finished run with source: allen, and the requests it made."""
    raw = next((finished_run.folder / "results/raw").glob("phantom-*"))
    served = tmp_path_factory.mktemp("served") / "raw"
    shutil.copytree(raw, served)
    sessions = [
        s["experiment_id"] for s in json.loads((raw / "recordings.json").read_text())["sessions"]
    ]
    regions = json.loads((raw / "tracing.json").read_text())["regions"]
    used = yaml.safe_load((finished_run.run_folder / "config.yaml").read_text())
    with serve(served) as server:
        access = server.access(allensdk_python=str(allensdk_python))
        changes = {
            **{k: v for k, v in finished_run.config.items() if isinstance(v, dict)},
            "source": "allen",
            "access": access,
            "atlas": {"regions": regions},
            "fetch": {"sessions": sessions, "transgenic_lines": "any", "cell_specimens": True},
            # lambda and its grid default to other values for the phantom
            "connectome": used["connectome"],
        }
        workspace = Workspace.make(tmp_path_factory.mktemp("allen") / "work", changes)
        # figures are drawn from the same stores as those of the run on the phantom
        names = set(finished_run.stores()) - {"connectome/truth.zarr"}
        targets = [f"results/default/{name}" for name in (*sorted(names), "summary.csv")]
        workspace.run(*targets, timeout=1500)
        requests = list(server.requests)
    return workspace, requests


def one(workspace: Workspace, pattern: str) -> Path:
    (found,) = (workspace.folder / "results/raw/allen").glob(pattern)
    return found


def differing(ours: xr.Dataset, theirs: xr.Dataset) -> set[str]:
    """Names of the arrays whose digests differ."""
    first, second = (store.attrs["mesomode"]["digests"] for store in (ours, theirs))
    return {name for name in {*first, *second} if first.get(name) != second.get(name)}


def check_candidates(ours: xr.Dataset, theirs: xr.Dataset) -> None:
    """What lies outside the regions is not even fetched; all else is judged alike."""
    names = ours["candidate_reason"].attrs["flag_meanings"].split()
    pairs = zip(ours["candidate_reason"].values, theirs["candidate_reason"].values, strict=True)
    named = {(names[a], names[b]) for a, b in pairs if a != b}
    assert named <= {("not_fetched", "outside_the_regions")}
    same = ours["candidate_reason"].values == theirs["candidate_reason"].values
    assert_array_equal(
        ours["candidate_fraction_inside"].values[same],
        theirs["candidate_fraction_inside"].values[same],
    )


def test_every_store_equals_that_of_the_run_on_the_same_files(allen_run, finished_run) -> None:
    workspace, _ = allen_run
    expected = finished_run.digests()
    found = workspace.digests()
    # the truth is known only to the phantom
    assert set(found) == set(expected) - {"connectome/truth.zarr"}
    for name, path in workspace.stores().items():
        with (
            xr.open_zarr(path, consolidated=False) as ours,
            xr.open_zarr(finished_run.stores()[name], consolidated=False) as theirs,
        ):
            differ = differing(ours, theirs)
            if name == "tracing.zarr":
                differ -= {"candidate_reason", "candidate_fraction_inside"}
                check_candidates(ours, theirs)
            assert differ == set(), name
            assert "Allen Institute Terms of Use" in ours.attrs["data_terms"], name


def test_the_network_was_used_by_fetch_alone_and_politely(allen_run) -> None:
    workspace, requests = allen_run
    assert requests
    assert all(request.user_agent.startswith("mesomode/") for request in requests)
    manifest = json.loads(one(workspace, "tracing-*.json").read_text())
    assert {Path(f["path"]).parts[0] for f in manifest["files"]} == {"connectivity"}


def test_the_sdk_was_the_reader(allen_run) -> None:
    import h5py

    workspace, _ = allen_run
    with h5py.File(one(workspace, "connectivity-*.h5")) as file:
        assert file.attrs["reader"] == "allensdk"
