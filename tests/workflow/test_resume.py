"""A run that is killed again and again ends with the same results as one that was left alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mesomode.store import verify_store
from tests.workflow.workspace import Workspace

pytestmark = pytest.mark.slow

KILLS = 5


def processes_in(folder: Path) -> list[int]:
    """Ids of the processes whose working folder is ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").resolve() == folder.resolve():
                found.append(int(process.name))
    return found


def run_and_kill(workspace: Workspace, after: float) -> bool:
    """Start the pipeline, kill it and all its jobs after some seconds; whether it was killed."""
    with (workspace.folder / "killed.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2"],
            cwd=workspace.folder,
            env=workspace.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    return False


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="no /proc to find left processes")
def test_killed_five_times_and_resumed(fresh, finished_run):
    duration = float((finished_run.folder / "seconds.txt").read_text())
    generator = np.random.default_rng(2025)
    stores_seen = []
    for _ in range(KILLS):
        # snakemake needs about 3 s to start; five kills before the end on average
        moment = 3 + generator.uniform(0.02, 0.3) * duration
        assert run_and_kill(fresh, moment), "the run ended before it was killed"
        deadline = time.monotonic() + 5
        while processes_in(fresh.folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not processes_in(fresh.folder), "a job outlived the run"
        for name, path in fresh.stores().items():
            assert not verify_store(path), f"{name} is half written"
        stores_seen.append(len(fresh.stores()))
        # a killed snakemake cannot remove its lock
        unlocked = fresh.snakemake("--unlock")
        assert unlocked.returncode == 0, unlocked.stderr
    fresh.run()
    assert stores_seen == sorted(stores_seen), "finished stores are kept"
    assert fresh.digests() == finished_run.digests()
    assert fresh.temporary_files() == []
    assert fresh.planned() == set()


def test_a_lock_is_explained(workspace):
    """A lock that a killed run left is named, with the remedy."""
    locks = workspace.folder / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    # what a killed run leaves
    (locks / "0.output.lock").write_text(f"{workspace.run_folder}/atlas.zarr\n")
    (locks / "0.input.lock").write_text("")
    workspace.configure({"tracing": {"minimum_injection_voxels": 4}})
    output = workspace.fail()
    assert "--unlock" in output
    assert workspace.snakemake("--unlock").returncode == 0
    workspace.run("--until", "tracing")
