"""Bad input and bad disks: one clear error each, nothing half-written, nothing lost."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import nrrd
import numpy as np
import pytest
import xarray as xr

from mesomode.files import read_json, sha256_of, write_json
from mesomode.store import verify_store
from tests.workflow.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    # Snakemake puts its time stamp into the folder of a store, which plain zarr remarks on
    pytest.mark.filterwarnings(r"ignore:Object at \.snakemake_timestamp"),
]


def raw_folder(workspace: Workspace) -> Path:
    """Folder of the phantom's raw data."""
    (folder,) = (workspace.folder / "results/raw").glob("phantom-*")
    return folder


def served_volume(workspace: Workspace, experiment: int, name: str) -> Path:
    """A raw file of a tracer experiment."""
    return raw_folder(workspace) / f"connectivity/experiment_{experiment}/{name}_100.nrrd"


def kept_experiments(workspace: Workspace) -> list[int]:
    with xr.open_zarr(workspace.stores()["tracing.zarr"], consolidated=False) as tracing:
        return [int(i) for i in tracing["experiment"].values]


def assert_clear(output: str, *expected: str) -> None:
    """The error says what, where and what to do, on the terminal, without a traceback."""
    for text in (*expected, "ERROR: ", "what to do:"):
        assert text in output, f"{text!r} is not in:\n{output[-6000:]}"
    assert "Traceback" not in output


def assert_kept(workspace: Workspace, before: dict[str, str], lost: tuple[str, ...] = ()) -> None:
    """Every store but those being made again is as it was; nothing is half-written."""
    after = workspace.digests()
    assert after == {name: digest for name, digest in before.items() if name not in lost}
    for name, path in workspace.stores().items():
        assert verify_store(path) == [], name
    assert workspace.temporary_files() == []


def test_truncated_volume(workspace):
    file = served_volume(workspace, kept_experiments(workspace)[0], "projection_density")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    before = workspace.digests()
    output = workspace.fail("--forcerun", "read_tracing")
    assert_clear(
        output,
        f"{file.relative_to(raw_folder(workspace))} has {len(content) // 2} bytes",
        str(raw_folder(workspace).relative_to(workspace.folder)),
    )
    assert_kept(workspace, before)
    # the remedy: only this file is made again
    file.unlink()
    (raw_folder(workspace) / "tracing.json").unlink()
    workspace.run("--forcerun", "read_tracing", "--until", "tracing")
    assert file.read_bytes() == content
    assert workspace.digests() == before


def serve_another(workspace: Workspace, file: Path, value: float) -> None:
    """Put a value into one voxel of a raw volume, as if it had been served like this."""
    volume, header = nrrd.read(str(file), index_order="F")
    volume = volume.copy()
    volume[60, 20, 70] = value
    nrrd.write(str(file), volume, header, index_order="F")
    manifest_file = raw_folder(workspace) / "tracing.json"
    manifest = read_json(manifest_file)
    (entry,) = (e for e in manifest["files"] if str(file).endswith(e["path"]))
    entry |= {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
    write_json(manifest_file, manifest)


def test_nan_in_a_served_volume_counts_as_not_measured(workspace):
    experiment = kept_experiments(workspace)[0]
    serve_another(workspace, served_volume(workspace, experiment, "projection_density"), np.nan)
    workspace.run("--until", "read_tracing", "--forcerun", "read_tracing")
    with h5py.File(raw_folder(workspace) / "connectivity.h5", "r") as file:
        volumes = file[f"volumes/{experiment}"]
        assert volumes["data_mask"][60, 20, 70] == 0
        assert np.isfinite(volumes["projection_density"][:]).all()
    log = (workspace.run_folder / "logs/read_tracing.log").read_text()
    assert f"experiment {experiment}: 1 voxels with NaN" in log


def test_a_served_volume_of_nonsense(workspace):
    experiment = kept_experiments(workspace)[0]
    serve_another(workspace, served_volume(workspace, experiment, "injection_fraction"), 5.0)
    before = workspace.digests()
    output = workspace.fail("--forcerun", "read_tracing")
    assert_clear(output, f"experiment {experiment}, injection_fraction", "the largest is 5")
    assert_kept(workspace, before)


def edit_volumes(workspace: Workspace, edit: Callable[[h5py.File], None]) -> None:
    with h5py.File(raw_folder(workspace) / "connectivity.h5", "r+") as file:
        edit(file)


def test_nan_in_a_volume(workspace):
    experiment = kept_experiments(workspace)[0]

    def edit(file: h5py.File) -> None:
        file[f"volumes/{experiment}/projection_density"][60, 20, 70] = np.nan

    edit_volumes(workspace, edit)
    before = workspace.digests()
    output = workspace.fail("--forcerun", "tracing")
    assert_clear(
        output,
        "1 voxels of the volume 'projection_density' are not finite",
        f"experiment {experiment} in",
        "connectivity.h5",
        "tracing.exclude",
    )
    assert_kept(workspace, before, lost=("tracing.zarr",))
    # the remedy helps
    workspace.configure({"tracing": {"exclude": [experiment]}})
    workspace.run("--until", "tracing")
    assert experiment not in kept_experiments(workspace)


def test_empty_injection_is_dropped_by_name(workspace):
    experiment = kept_experiments(workspace)[0]

    def edit(file: h5py.File) -> None:
        for name in ("injection_density", "injection_fraction"):
            file[f"volumes/{experiment}/{name}"][...] = 0

    edit_volumes(workspace, edit)
    workspace.run("--until", "tracing", "--forcerun", "tracing")
    assert experiment not in kept_experiments(workspace)
    with xr.open_zarr(workspace.stores()["tracing.zarr"], consolidated=False) as tracing:
        reason = tracing["candidate_reason"].sel(candidate=experiment)
        meanings = reason.attrs["flag_meanings"].split()
        assert meanings[int(reason)] == "empty_injection"
    log = (workspace.run_folder / "logs/tracing.log").read_text()
    assert f"experiment {experiment} has an empty injection" in log


def test_region_that_does_not_exist(workspace):
    before = workspace.digests()
    workspace.configure({"atlas": {"regions": ["VISp", "VISal", "VISQ"]}})
    output = workspace.fail()
    assert_clear(output, "'VISQ'", "atlas.regions")
    assert_kept(workspace, before, lost=("atlas.zarr",))


def test_no_experiment_left(workspace):
    before = workspace.digests()
    workspace.configure({"tracing": {"minimum_injection_voxels": 100_000}})
    output = workspace.fail()
    assert_clear(
        output,
        "no tracer experiment is left after the selection",
        "too_few_voxels",
        "section tracing",
        "minimum_injection_voxels",
    )
    assert_kept(workspace, before, lost=("tracing.zarr",))


def test_a_figure_alone_in_a_fresh_folder(fresh):
    """What was asked for is made, and no report of a run that is not whole."""
    output = fresh.run("results/default/figures/atlas.svg")
    assert (fresh.run_folder / "figures/atlas.svg").stat().st_size > 1000
    assert not (fresh.run_folder / "report.zip").exists()
    assert "No results/default/report.zip: that needs the whole run" in output
    assert set(fresh.stores()) == {"atlas.zarr"}


def session_file(workspace: Workspace) -> Path:
    return sorted(raw_folder(workspace).glob("session_*.h5"))[0]


def without(workspace: Workspace, dataset: str) -> str:
    """Remove a dataset from a session; the session's id."""
    file = session_file(workspace)
    with h5py.File(file, "r+") as session:
        del session[dataset]
    return file.stem.removeprefix("session_")


def test_session_without_events(workspace):
    session = without(workspace, "events")
    target = f"results/default/recordings/{session}.zarr"
    workspace.run(target)
    with xr.open_zarr(workspace.folder / target, consolidated=False) as store:
        assert "events" not in store and "events" in store.attrs["absent"]
    before = workspace.digests()
    workspace.configure({"recordings": {"signal": "events"}})
    output = workspace.fail(target)
    assert_clear(output, "no events", f"session_{session}.h5", "recordings.signal")
    assert_kept(workspace, before, lost=(f"recordings/{session}.zarr",))


def test_session_without_running_speed(workspace):
    session = without(workspace, "running_speed")
    target = f"results/default/recordings/{session}.zarr"
    workspace.run(target)
    with xr.open_zarr(workspace.folder / target, consolidated=False) as store:
        assert "running_speed" not in store and "running_speed" in store.attrs["absent"]
    log = (workspace.run_folder / f"logs/recordings_{session}.log").read_text()
    assert "no running speed" in log
    # what reads the recording can do without
    workspace.run(
        f"results/default/figures/session_{session}.svg",
        "results/default/comparison.zarr",
        "results/default/comparison/similarity.zarr",
    )


def mounts_allowed() -> bool:
    """Whether this user may make a mount in a name space of its own."""
    if shutil.which("unshare") is None:
        return False
    command = [*NAMESPACE, "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(command, capture_output=True).returncode == 0


# mounts made within it vanish with the command
NAMESPACE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
needs_mounts = pytest.mark.skipif(
    not mounts_allowed(), reason="mounts in a name space of one's own are not allowed here"
)


def run_on_mount(workspace: Workspace, mount: str, *options: str) -> tuple[int, str]:
    """Run the pipeline after a mount over ``results``, which is saved to ``after`` at the end."""
    snakemake = shlex.join([sys.executable, "-m", "snakemake", "--cores", "2", *options])
    script = f"{mount}; {snakemake}; status=$?; cp -a results after; exit $status"
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", script],
        cwd=workspace.folder,
        env=workspace.environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    shutil.rmtree(workspace.folder / "results")
    (workspace.folder / "after").rename(workspace.folder / "results")
    return done.returncode, done.stdout + done.stderr


@needs_mounts
def test_read_only_results(workspace):
    before = workspace.digests()
    workspace.configure({"tracing": {"minimum_injection_voxels": 4}})
    mount = "mount --bind results results && mount -o remount,bind,ro results"
    status, output = run_on_mount(workspace, mount)
    assert status == 1
    assert_clear(output, "results", "Read-only file system", "write")
    assert workspace.digests() == before
    workspace.run("--until", "tracing")


@needs_mounts
def test_read_only_results_of_a_step(workspace):
    """The same for a step that a person types."""
    script = (
        "mount --bind results results && mount -o remount,bind,ro results; "
        f"{sys.executable} -m mesomode atlas --raw {raw_folder(workspace)}/connectivity.h5 "
        '--out results/default/atlas.zarr --settings \'{"regions": ["VISp"]}\''
    )
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", script],
        cwd=workspace.folder,
        env=workspace.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "an output cannot be written" in done.stderr
    assert "Read-only file system" in done.stderr and "what to do" in done.stderr


@needs_mounts
def test_full_disk(workspace):
    before = workspace.digests()
    shutil.rmtree(workspace.stores()["connectome/voxel.zarr"])
    # room for logs and benchmarks, not for the store
    mount = (
        "cp -a results full && mount -t tmpfs -o size=1g none results && cp -a full/. results/"
        " && used=$(df -k results | awk 'END {print $3}')"
        " && mount -o remount,size=$((used + 96))k results"
    )
    status, output = run_on_mount(workspace, mount)
    assert status == 1
    assert_clear(output, "No space left on device", "voxel.zarr", "free some space")
    assert_kept(workspace, before, lost=("connectome/voxel.zarr",))
    # with space again the run goes on
    workspace.run("results/default/connectome/voxel.zarr")
    assert workspace.digests() == before


@needs_mounts
def test_full_disk_from_the_start(fresh):
    mount = "mkdir results && mount -t tmpfs -o size=1m none results"
    status, output = run_on_mount(fresh, mount)
    assert status == 1
    assert_clear(output, "No space left on device", "free some space")
    assert fresh.temporary_files() == []
    for name, path in fresh.stores().items():
        assert verify_store(path) == [], name
    manifests = list((fresh.folder / "results").rglob("raw/*/*.json"))
    assert not manifests, "a manifest says that the raw data are complete"
