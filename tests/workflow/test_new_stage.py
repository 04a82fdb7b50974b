"""A new stage is one rule file, one package folder and one section; nothing else is edited."""

from __future__ import annotations

import pytest
import xarray as xr

from mesomode.store import verify_store
from tests.workflow.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    # Snakemake puts its time stamp into the folder of a store, which plain zarr remarks on
    pytest.mark.filterwarnings(r"ignore:Object at \.snakemake_timestamp"),
]

PIECES = {
    "workflow/rules/85_census.smk": '''\
"""census: how many voxels each source region has."""

TARGETS += [f"{RUN}/census.zarr"]


rule census:
    input:
        atlas=f"{RUN}/atlas.zarr",
    output:
        store=directory(f"{RUN}/census.zarr"),
    log:
        f"{RUN}/logs/census.log",
    benchmark:
        f"{RUN}/benchmarks/census.tsv"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(5),
    params:
        settings=PLAN.settings("census"),
        code=PLAN.code("census"),
    message:
        "Counting voxels"
    conda:
        "../../envs/core.yaml"
    shell:
        "mesomode census --atlas {input.atlas} --out {output.store}"
        " --settings {params.settings:q} --log {log}"
''',
    "src/mesomode/census/__init__.py": '"""The stage ``census``."""\n',
    "src/mesomode/census/settings.py": '''\
"""Settings of the stage ``census``."""

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """How voxels are counted."""

    smallest: int = Field(
        default=0, ge=0, le=1000, description="Regions with fewer voxels than this count as none."
    )
''',
    "src/mesomode/census/counting.py": '''\
"""Counting."""

import numpy as np


def counts(labels: np.ndarray, smallest: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct labels and how often each occurs, none if fewer than ``smallest``."""
    values, number = np.unique(labels, return_counts=True)
    return values, np.where(number < smallest, 0, number)
''',
    "src/mesomode/census/stage.py": '''\
"""The stage ``census``: atlas → voxels a region."""

from mesomode.census.settings import Settings
from mesomode.steps import Input, Output, Provenance, step
from mesomode.store import Schema, Variable, open_store, write_store

SCHEMA = Schema(
    "census",
    {
        "region": Variable(("region",), "int64", "1", "id of the region"),
        "voxels": Variable(("region",), "int64", "1", "number of source voxels"),
    },
)


@step
def census(*, atlas: Input, out: Output, settings: Settings, provenance: Provenance) -> None:
    """Count the source voxels of each region."""
    import xarray as xr

    from mesomode.census.counting import counts

    with open_store(atlas) as grid:
        region, voxels = counts(grid["source_region"].values, settings.smallest)
    dataset = xr.Dataset({"voxels": ("region", voxels)}, coords={"region": region})
    write_store(out, dataset, SCHEMA, provenance)
''',
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
