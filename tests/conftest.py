"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


LONG = (
    *("slurm/test_slurm", "workflow/test_reruns", "workflow/test_allen", "workflow/test_resume"),
    *("workflow/test_bad_input", "workflow/test_dryrun", "workflow/test_architecture"),
)
"""Files whose tests take minutes together, those that wait most first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files, so that no process is left with one at the end."""

    def place(item: pytest.Item) -> int:
        name = item.path.relative_to(ROOT / "tests").as_posix()
        return next((i for i, long in enumerate(LONG) if name.startswith(long)), len(LONG))

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data that validation uses; its licence forbids copying it here."""
    folder = Path(os.environ.get("MESOMODE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("the real data for validation are absent (set MESOMODE_SHARED)")
    return folder


@pytest.fixture(scope="session")
def allensdk_python() -> str:
    """Interpreter of the allensdk environment, which is built first where it is missing."""
    from mesomode.errors import MesomodeError
    from mesomode.fetch.environment import build_environment

    stamp = ROOT / ".envs" / "allensdk" / "ready.json"
    try:
        made = build_environment(stamp, ROOT / "envs" / "allensdk.lock", logging.getLogger("tests"))
    except MesomodeError as error:
        pytest.skip(f"the allensdk environment cannot be made: {error}")
    return str(made["interpreter"])
