"""The phantom, served as Allen would serve it, arrives as it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesomode.fetch.settings import Settings
from mesomode.fetch.stage import (
    fetch_recordings,
    fetch_tracing,
    phantom_recordings,
    phantom_tracing,
)
from mesomode.files import read_json
from mesomode.phantom.settings import Settings as PhantomSettings
from mesomode.steps import run_step
from tests.allen_server import serve

pytestmark = pytest.mark.slow


def test_what_is_fetched_is_what_the_phantom_wrote(tmp_path: Path) -> None:
    made, fetched = tmp_path / "made", tmp_path / "fetched"
    phantom = PhantomSettings(size="tiny", sessions=1)
    run_step(phantom_tracing, out=made / "tracing.json", settings=phantom, seed=1)
    run_step(phantom_recordings, out=made / "recordings.json", settings=phantom, seed=1)
    sessions = [entry["experiment_id"] for entry in read_json(made / "recordings.json")["sessions"]]
    settings = Settings(
        regions=("root",), transgenic_lines="any", sessions=tuple(sessions), cell_specimens=True
    )
    with serve(made) as server:
        access = json.dumps(server.access())
        run_step(fetch_tracing, out=fetched / "tracing.json", settings=settings, access=access)
        run_step(
            fetch_recordings, out=fetched / "recordings.json", settings=settings, access=access
        )
    for name in ("tracing.json", "recordings.json"):
        theirs, ours = read_json(made / name), read_json(fetched / name)
        assert ours["files"]
        for key in ("experiments", "sessions", "resolution_um"):
            assert ours.get(key) == theirs.get(key), key
        for file in ours["files"]:
            path = file["path"]
            if path.endswith(".json"):
                assert sorted_rows(fetched / path) == sorted_rows(made / path), path
            else:
                assert (fetched / path).read_bytes() == (made / path).read_bytes(), path


def sorted_rows(path: Path) -> list[str]:
    rows = json.loads(path.read_text())
    for row in rows:
        if "structure_set_ids" in row:
            row["structure_set_ids"] = sorted(row["structure_set_ids"])
        if "well_known_files" in row:  # a session's donor comes without them
            row["specimen"]["donor"].pop("conditions", None)
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
