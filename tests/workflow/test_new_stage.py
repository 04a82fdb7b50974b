"""A new stage is one rule file, one package folder and one section; nothing else is edited."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

from mesomode.store import verify_store
from tests.workflow.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    # Snakemake puts its time stamp into the folder of a store, which plain zarr remarks on
    pytest.mark.filterwarnings(r"ignore:Object at \.snakemake_timestamp"),
]

TUTORIAL = Path(__file__).resolve().parents[2] / "workflow/docs/new_stage"
"""The files that the page "Adding a stage" shows, in the folders they belong in."""
PIECES = {
    str(file.relative_to(TUTORIAL)): file.read_text()
    for file in sorted(TUTORIAL.rglob("*"))
    if file.suffix in (".py", ".smk")
}


@pytest.fixture(scope="module")
def extended(finished_run: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The finished run with the pieces of the new stage added."""
    workspace = finished_run.copy(tmp_path_factory.mktemp("stage") / "workspace")
    for name, text in PIECES.items():
        file = workspace.folder / name
        file.parent.mkdir(exist_ok=True)
        assert not file.exists()
        file.write_text(text)
    return workspace


def test_it_runs_alone(extended, finished_run):
    assert extended.planned() == {"census", "configuration"}
    extended.run()
    assert extended.planned() == set()
    store = extended.stores()["census.zarr"]
    assert verify_store(store) == []
    with (
        xr.open_zarr(store, consolidated=False) as census,
        xr.open_zarr(extended.stores()["atlas.zarr"], consolidated=False) as atlas,
    ):
        assert int(census["voxels"].sum()) == atlas.sizes["source"]
        assert census.attrs["mesomode"]["step"] == "census"
        assert list(census.attrs["mesomode"]["parents"]) == ["atlas"]
    others = extended.digests()
    del others["census.zarr"]
    assert others == finished_run.digests()


def test_it_is_a_command_with_a_section_and_predicted_reruns(extended):
    help_text = extended.python("-m", "mesomode", "census", "--help").stdout
    assert "Count the source voxels" in help_text and "smallest (default 0)" in help_text
    listed = extended.python("-m", "mesomode", "--help").stdout
    assert "census" in listed
    assert "`census.smallest`" in extended.python("-m", "mesomode", "config", "--reference").stdout
    assert "config sections: census" in extended.python("-m", "mesomode", "why", "census").stdout


def test_its_section_is_checked(extended, tmp_path):
    (tmp_path / "mine.yaml").write_text("census: {smalest: 3}\n")
    output = extended.fail("--configfile", str(tmp_path / "mine.yaml"))
    assert "census.smalest: there is no such key; did you mean 'smallest'?" in output


def test_its_changes_rerun_it_alone(extended, tmp_path):
    extended.run()
    (tmp_path / "mine.yaml").write_text("census: {smallest: 3}\n")
    configured = extended.planned("--configfile", str(tmp_path / "mine.yaml"))
    assert configured == {"census", "configuration"}
    extended.edit("src/mesomode/census/counting.py", "number < smallest", "number <= smallest")
    assert extended.planned() == {"census"}
