"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data that validation uses; its licence forbids copying it here."""
    folder = Path(os.environ.get("MESOMODE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip("the real data for validation are absent (set MESOMODE_SHARED)")
    return folder
