"""Raw files → neutral files: the manifest verified, then one of the two readers run."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mesomode.errors import ConfigError, DataError
from mesomode.files import atomic_file, read_json, sha256_of

READERS = ("direct", "allensdk")
CELL_LIST = "observatory/cell_specimens.json"
"""List of all recorded cells, where it was fetched (as in `mesomode.fetch.neutral`)."""
SCRIPT = Path(__file__).with_name("read_allensdk.py")


def read_raw(
    manifest_path: Path,
    out: Path,
    reader: str,
    allensdk_python: str,
    log: logging.Logger,
    session: int | None = None,
) -> None:
    """Read the raw files of a manifest into one neutral file, written whole or not at all.

    Parameters
    ----------
    manifest_path : Path
        ``tracing.json`` or ``recordings.json`` in the folder of the raw data.
    out : Path
        File to write; see `mesomode.fetch.neutral`.
    reader : str
        ``"direct"`` or ``"allensdk"``.
    allensdk_python : str
        Interpreter of the allensdk environment, for the reader ``allensdk``.
    log : logging.Logger
        Told what was noticed.
    session : int, optional
        Id of the session to read; by default the tracer experiments are read.

    Raises
    ------
    ConfigError
        There is no such reader, or its interpreter is not given.
    DataError
        A file is missing, changed or unreadable.
    """
    if reader not in READERS:
        raise ConfigError(
            f"there is no reader {reader!r}", where="--reader", remedy=f"one of {READERS}"
        )
    if reader == "allensdk" and not allensdk_python:
        raise ConfigError(
            "the interpreter of the allensdk environment is not given",
            where="--allensdk-python",
            remedy="build it with `mesomode allensdk-environment`, or set access.allensdk_python",
        )
    manifest, root = read_json(manifest_path), manifest_path.parent
    verify_files(manifest, root, _wanted(manifest, session, manifest_path))
    with atomic_file(out) as temporary:
        if reader == "direct":
            fault = _read_directly(root, manifest, temporary, log, session)
        else:
            arguments = [str(manifest_path), str(temporary)]
            kind = ["tracing", *arguments]
            if session is not None:
                kind = ["session", *arguments, str(session)]
            fault = _run_script(allensdk_python, kind, log)
        if fault:
            folder = root / ("connectivity" if session is None else "observatory")
            if not Path(fault["where"]).is_absolute():
                name = folder if session is None else f"{folder}, session {session}"
                fault["where"] = f"{name}: {fault['where']}"
            raise DataError(**fault)


def verify_files(manifest: Mapping[str, Any], root: Path, wanted: set[str] | None) -> None:
    """Compare files with the sizes and digests of their manifest.

    Parameters
    ----------
    manifest : mapping
        With ``files``: ``path``, ``bytes``, ``sha256``.
    root : Path
        Folder that the paths are relative to.
    wanted : set of str, optional
        Paths to look at; by default all.

    Raises
    ------
    DataError
        Some are missing or changed; the first few are named.
    """
    problems = []
    for entry in manifest["files"]:
        if wanted is not None and entry["path"] not in wanted:
            continue
        path = root / entry["path"]
        if not path.is_file():
            problems.append(f"{entry['path']} is missing")
        elif path.stat().st_size != entry["bytes"]:
            problems.append(
                f"{entry['path']} has {path.stat().st_size} bytes instead of {entry['bytes']}"
            )
        elif sha256_of(path) != entry["sha256"]:
            problems.append(f"{entry['path']} has other content than was fetched")
    if problems:
        raise DataError(
            f"{len(problems)} raw files are not as they were fetched",
            where=root,
            why="; ".join(problems[:5]) + ("; …" if len(problems) > 5 else ""),
            remedy="delete these files and the manifest beside them, and run again: "
            "only they are fetched anew",
        )


def _wanted(
    manifest: Mapping[str, Any], session: int | None, manifest_path: Path
) -> set[str] | None:
    if session is None:
        return None
    for entry in manifest["sessions"]:
        if entry["experiment_id"] == session:
            return {entry["nwb"], entry["events"], CELL_LIST} - {None}
    raise DataError(
        f"the session {session} was not fetched",
        where=manifest_path,
        why=f"there are {[entry['experiment_id'] for entry in manifest['sessions']]}",
        remedy="add it to the config key `fetch.sessions`",
    )


def _read_directly(
    root: Path,
    manifest: Mapping[str, Any],
    out: Path,
    log: logging.Logger,
    session: int | None,
) -> dict[str, str]:
    """Read in this process; what is wrong with the raw files, if anything."""
    from mesomode.fetch.neutral import Unreadable
    from mesomode.fetch.read_direct import read_connectivity, read_session
    from mesomode.hdf5 import careful_file

    try:
        with careful_file(out) as target:
            if session is None:
                read_connectivity(root, manifest, target, log.info)
            else:
                read_session(root, manifest, session, target, log.info)
    except Unreadable as error:
        return error.parts
    return {}


def _run_script(python: str, arguments: list[str], log: logging.Logger) -> dict[str, str]:
    """Run the reader script and pass on what it says; what is wrong with the raw files."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    fault: dict[str, str] = {}
    last = ""
    try:
        process = subprocess.Popen(
            [python, "-I", "-W", "ignore", str(SCRIPT), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
    except OSError as error:
        raise DataError(
            "the interpreter for allensdk cannot be run",
            where=python,
            why=str(error),
            remedy="correct access.allensdk_python, or build the environment again",
        ) from error
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            last = line.rstrip() or last
            if line.startswith("ERROR "):
                fault = json.loads(line.removeprefix("ERROR "))
            else:
                log.info("allensdk: %s", line.rstrip())
    if process.returncode != 0 and not fault:
        raise DataError(
            "the allensdk reader failed",
            where=python,
            why=f"exit code {process.returncode}: "
            + (last or "killed; perhaps for want of memory or disk space"),
            remedy="see the log; check the environment with `mesomode allensdk-environment`",
        )
    return fault
