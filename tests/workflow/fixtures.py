"""Fixtures of all tests that run the pipeline; folders of tests import them in conftest.py."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.workflow.workspace import Workspace


@pytest.fixture(scope="session")
def finished_run(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Workspace:
    """A workspace in which the tiny pipeline ran to its end; only to be read or copied.

    Under pytest-xdist the first worker that needs it makes it for all.
    """
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent
    folder = base / "finished-run"
    with (base / "finished-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "output.txt").exists():
            assert not folder.exists(), "the tiny run failed before"
            workspace = Workspace.make(folder)
            output = workspace.run()
            (folder / "output.txt").write_text(output)
    return Workspace(folder)


@pytest.fixture
def workspace(finished_run: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished run, to be changed at will."""
    return finished_run.copy(tmp_path / "workspace")


@pytest.fixture
def fresh(tmp_path: Path) -> Workspace:
    """A workspace without results, configured for the tiny run."""
    return Workspace.make(tmp_path / "workspace")
