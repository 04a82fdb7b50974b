"""A finished tiny run: everything is there, and other programs can read it."""

from __future__ import annotations

import json
import re
import zipfile

import numpy as np
import pytest
import xarray as xr
import yaml
import zarr

from mesomode.config import config_class
from mesomode.workflow import megabytes
from tests.workflow.workspace import COPIED

pytestmark = [
    pytest.mark.slow,
    # Snakemake puts its time stamp into the folder of a store, which plain zarr remarks on
    pytest.mark.filterwarnings(r"ignore:Object at \.snakemake_timestamp"),
]


def test_every_store_is_there(finished_run):
    names = set(finished_run.stores())
    assert {
        "atlas.zarr",
        "tracing.zarr",
        "connectome/voxel.zarr",
        "connectome/regional.zarr",
        "connectome/truth.zarr",
        "network/random_mode.zarr",
        "network/independent.zarr",
        "dynamics/random_mode.zarr",
        "dynamics/independent.zarr",
        "comparison.zarr",
    } <= names
    assert [n for n in names if n.startswith("recordings/")]


def test_second_run_has_nothing_to_do(finished_run):
    before = finished_run.digests()
    assert "Nothing to be done" in finished_run.run()
    assert finished_run.digests() == before


def test_stores_open_in_plain_xarray_and_plain_zarr(finished_run):
    for name, path in finished_run.stores().items():
        group = zarr.open_group(path, mode="r")
        with xr.open_zarr(path, consolidated=False) as dataset:
            assert set(dataset.variables) == {key for key, _ in group.arrays()}, name
            for key, variable in dataset.variables.items():
                array = group[key]
                assert array.shape == variable.shape
                assert variable.attrs["units"] and variable.attrs["long_name"], f"{name}: {key}"
                np.testing.assert_array_equal(array[...], variable.values)
            record = dataset.attrs["mesomode"]
        for key in ("format", "schema", "digests", "step", "settings", "code", "versions"):
            assert key in record, name
        assert record["parents"], f"{name} says what it was made from"
        files = [file for file in path.rglob("*") if file.is_file()]
        assert len(files) <= 3 * len(dataset.variables) + 20, f"{name} has few chunks"


def test_stores_are_sound_and_the_command_says_so(finished_run):
    paths = [str(path) for path in finished_run.stores().values()]
    done = finished_run.python("-m", "mesomode", "verify", *paths)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("sound, digest") == len(paths)


def test_a_flipped_byte_is_found(workspace):
    store = workspace.stores()["connectome/voxel.zarr"]
    chunk = max((f for f in store.rglob("c/**/*") if f.is_file()), key=lambda f: f.stat().st_size)
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 0xFF
    chunk.write_bytes(bytes(content))
    done = workspace.python("-m", "mesomode", "verify", str(store))
    assert done.returncode == 1
    assert "DAMAGED" in done.stdout


def test_stores_can_be_published(finished_run, tmp_path):
    for name, path in finished_run.stores().items():
        out = tmp_path / (name.replace("/", "_") + ".zip")
        done = finished_run.python("-m", "mesomode", "export", str(path), str(out))
        assert done.returncode == 0, done.stderr
        store = zarr.storage.ZipStore(out, mode="r")
        with (
            xr.open_zarr(store, consolidated=False) as published,
            xr.open_zarr(path, consolidated=False) as original,
        ):
            xr.testing.assert_identical(published.load(), original.load())
        store.close()


def test_report_is_one_archive(finished_run):
    with zipfile.ZipFile(finished_run.run_folder / "report.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        pages = [name for name in names if name.endswith("report.html")]
        assert len(pages) == 1
        page = archive.read(pages[0]).decode()
    assert len(names) > 5, "figures are in it"
    assert (finished_run.run_folder / "report.zip").stat().st_size < 50e6
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=\"https?://", page), "offline"


def test_logs_and_benchmarks(finished_run):
    logs = sorted((finished_run.run_folder / "logs").rglob("*.log"))
    steps = [log for log in logs if log.stem not in ("configuration",)]
    assert len(steps) >= 10
    for log in steps:
        text = log.read_text()
        for expected in ("mesomode", "versions: ", "output ", "done in ", "peak memory"):
            assert expected in text, f"{log.name} lacks {expected!r}"
    for file in (finished_run.run_folder / "benchmarks").rglob("*.tsv"):
        header, row = file.read_text().splitlines()[:2]
        assert float(dict(zip(header.split("\t"), row.split("\t"), strict=True))["s"]) >= 0
    jobs = {log.stem for log in steps}
    measured = {file.stem for file in (finished_run.run_folder / "benchmarks").rglob("*.tsv")}
    assert measured <= jobs and len(measured) >= 10


class Inputs(dict):
    """Paths of a job's inputs by name, which the rules' resources go through as a list."""

    def __iter__(self):
        return iter(self.values())


def test_jobs_take_less_memory_than_they_ask_for(finished_run):
    """On a cluster they would be killed."""
    asked = {}
    for file in sorted((finished_run.folder / "workflow/rules").glob("*.smk")):
        rules = re.split(r"^\s*(?:rule|checkpoint) \w+:$", file.read_text(), flags=re.MULTILINE)
        for body in rules[1:]:
            log = re.search(r"/logs/(.+)\.log\"", body)
            memory = re.search(r"mem_mb=megabytes\(([\d.]+)(?:, (per_\w+)=([\d.]+))?\),", body)
            if log and memory:
                base, kind, per = memory.groups()
                pattern = re.sub(r"{{\w+}}", r"[\\w/-]*", log[1])
                asked[pattern] = megabytes(float(base), **({kind: float(per)} if kind else {}))
    seen = set()
    for log in sorted((finished_run.run_folder / "logs").rglob("*.log")):
        text = log.read_text()
        used = re.search(r"peak memory (\d+) MB", text)
        if used is None:
            continue
        names = re.findall(r" input ([\w\[\]]+): (\S+) \(", text)
        inputs = Inputs({name: finished_run.folder / path for name, path in names})
        job = log.relative_to(finished_run.run_folder / "logs").as_posix().removesuffix(".log")
        # of the rules whose log it may be, the one that says most of the name
        fitting = [pattern for pattern in asked if re.fullmatch(pattern, job)]
        rule = max(fitting, key=lambda pattern: len(re.sub(r"\[.*?\]\*", "", pattern)))
        seen.add(rule)
        assert int(used[1]) < asked[rule](None, inputs, attempt=1), job
    assert len(seen) > 40, seen


def test_the_effective_configuration_is_saved(finished_run):
    saved = yaml.safe_load((finished_run.run_folder / "config.yaml").read_text())
    assert set(saved) == set(config_class().model_fields)
    assert saved["phantom"]["size"] == "tiny"


def test_no_temporary_files_and_nothing_outside_results(finished_run):
    assert finished_run.temporary_files() == []
    known = {*COPIED, "results", ".snakemake"}
    written = {path.name for path in finished_run.folder.iterdir()}
    assert written - known <= {"output.txt"}


def test_the_recovered_connectome_is_scored(finished_run):
    """The run says how well the known connectome was recovered."""
    with xr.open_zarr(finished_run.stores()["connectome/truth.zarr"], consolidated=False) as store:
        numbers = {str(n): v.values for n, v in store.variables.items() if v.dtype.kind == "f"}
        assert numbers and all(np.isfinite(v).any() for v in numbers.values() if v.size)
    log = (finished_run.run_folder / "logs/connectome_truth.log").read_text()
    assert "relative error" in log


def test_configuration_in_the_store_is_that_of_its_section(finished_run):
    record = json.loads((finished_run.stores()["tracing.zarr"] / "zarr.json").read_text())
    saved = yaml.safe_load((finished_run.run_folder / "config.yaml").read_text())
    assert record["attributes"]["mesomode"]["settings"] == saved["tracing"]
