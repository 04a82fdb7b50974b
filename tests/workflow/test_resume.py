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


def run_and_kill(workspace: Workspace, targets: list[str], jobs: int, seconds: float) -> None:
    """Start the pipeline; kill it and all its jobs some seconds after some jobs have ended."""
    output = workspace.folder / "killed.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", *targets],
            cwd=workspace.folder,
            env=workspace.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while output.read_text().count("Finished jobid") < jobs:
            assert process.poll() is None, f"ended by itself:\n{output.read_text()[-4000:]}"
            time.sleep(0.05)
        time.sleep(seconds)
        assert process.poll() is None, f"ended by itself:\n{output.read_text()[-4000:]}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="no /proc to find left processes")
def test_killed_five_times_and_resumed(fresh, finished_run):
    generator = np.random.default_rng(2025)
    # every store; figures are files like any other and are written in the same way
    targets = [f"results/default/{name}" for name in finished_run.stores()]
    stores_seen = []
    for kill in range(KILLS):
        # at most 25 of the 37 jobs; with no job to wait for, while the first ones run
        jobs = int(generator.integers(0, 6))
        run_and_kill(fresh, targets, jobs, generator.uniform(0, 3) + 5 * (jobs == 0))
        deadline = time.monotonic() + 5
        while processes_in(fresh.folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not processes_in(fresh.folder), "a job outlived the run"
        for name, path in fresh.stores().items():
            assert not verify_store(path), f"{name} is half written"
        stores_seen.append(len(fresh.stores()))
        # a killed snakemake cannot remove its lock, and says what to do about it
        if kill == KILLS - 1:
            assert "--unlock" in fresh.fail(*targets)
        unlocked = fresh.snakemake("--unlock")
        assert unlocked.returncode == 0, unlocked.stderr
    assert stores_seen == sorted(stores_seen), "finished stores are kept"
    assert stores_seen[0] < stores_seen[-1]
    fresh.run(*targets)
    assert fresh.digests() == finished_run.digests()
    assert fresh.planned(*targets) == set()
    # what the killed jobs were writing is hidden, no result, and pointed out
    examined = fresh.python("-m", "mesomode", "doctor").stdout
    for path in fresh.temporary_files():
        assert path.name.startswith(".") and path.suffix != ".zarr"
        assert path.name in examined
