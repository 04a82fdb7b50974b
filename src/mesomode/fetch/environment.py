"""The allensdk's own environment: found ready, or built from the lock file, then verified.

allensdk 2.16.2 needs numpy < 1.24 and therefore Python 3.10 or 3.11; it cannot share an
environment with zarr 3. It is installed into a virtual environment of its own, which only the
``allensdk`` reader uses, as a separate process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mesomode.errors import DataError, FetchError, OfflineError
from mesomode.files import read_json, sha256_of, write_json

PYTHONS = ((3, 11), (3, 10))
"""Versions of Python that can run allensdk 2.16.2, the preferred one first."""

_PROBE = (
    "import json, sys, venv, ensurepip; "
    "print(json.dumps([*sys.version_info[:3], sys.prefix != sys.base_prefix]))"
)
_VERIFY = """
import json, sys
from importlib.metadata import version
import allensdk.core.brain_observatory_cache
import allensdk.core.mouse_connectivity_cache
import h5py, nrrd
names = ("allensdk", "numpy", "pandas", "h5py", "pynrrd")
print(json.dumps({"python": ".".join(map(str, sys.version_info[:3])),
                  **{name: version(name) for name in names}}))
"""
_OFFLINE = re.compile(
    r"NewConnectionError|name resolution|ConnectTimeout|ProxyError|Network is unreachable"
    r"|No route to host|Connection refused|getaddrinfo|from versions: none"
)
_READY = "set the config key `access.allensdk_python` to the interpreter of a ready environment"


def verify_interpreter(python: str | Path, *, timeout: float = 600) -> dict[str, str]:
    """Import the allensdk caches with an interpreter and return the versions it has.

    Parameters
    ----------
    python : str or Path
        The interpreter, a path or a name on the search path.
    timeout : float
        Seconds allowed; a first import from a network file system is slow.

    Returns
    -------
    dict of str to str
        Versions of ``python``, ``allensdk``, ``numpy``, ``pandas``, ``h5py``, ``pynrrd``.

    Raises
    ------
    DataError
        There is no such interpreter, or the caches cannot be imported with it.
    """
    remedy = "install the packages of `envs/allensdk.lock` there, or let the pipeline build its own"
    try:
        result = subprocess.run(
            [str(python), "-I", "-W", "ignore", "-c", _VERIFY],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise DataError(
            "the interpreter for allensdk cannot be run",
            where=python,
            why=str(error),
            remedy="give the path of the `python` of an environment that has allensdk 2.16.2",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"allensdk was not imported within {timeout:.0f} s",
            where=python,
            why="the file system is slow or hangs",
            remedy="put the environment on a local disk and retry",
        ) from error
    if result.returncode != 0:
        raise DataError(
            "allensdk cannot be imported with this interpreter",
            where=python,
            why=_last_lines(result.stderr, 1),
            remedy=remedy,
        )
    versions: dict[str, str] = json.loads(result.stdout.strip().splitlines()[-1])
    return versions


def find_python(wanted: str = "") -> str:
    """Find an interpreter that can hold allensdk: Python 3.11, else 3.10, able to make venvs.

    Parameters
    ----------
    wanted : str
        An interpreter to use; empty: look for one on the search path, beside the running
        one, and where pyenv, uv, conda and Homebrew keep theirs.

    Returns
    -------
    str
        Path of the interpreter.

    Raises
    ------
    FetchError
        None fits; the message lists what was tried and what was wrong with each.
    """
    tried: list[str] = []
    suitable: list[tuple[int, str]] = []
    for candidate in [wanted] if wanted else _candidates():
        version, problem = _probe(candidate)
        if version in PYTHONS and not problem:
            suitable.append((PYTHONS.index(version), candidate))
            if version == PYTHONS[0]:
                break
        else:
            tried.append(f"{candidate}: {problem or 'Python {}.{}'.format(*version)}")
    if suitable:
        return min(suitable, key=lambda item: item[0])[1]
    raise FetchError(
        "no Python that can run allensdk 2.16.2 was found",
        why="it needs Python 3.11 or 3.10 with `venv` and `ensurepip`; tried "
        + ("; ".join(tried) or "the search path, pyenv, uv, conda and Homebrew"),
        remedy="install one (`uv python install 3.11`, `pyenv install 3.11`, `apt install "
        f"python3.11-venv` or `conda create -n allensdk python=3.11`), or {_READY}",
    )


def build_environment(
    stamp: str | Path, lock: str | Path, log: logging.Logger, *, python: str = ""
) -> dict[str, Any]:
    """Build the environment around ``stamp`` from ``lock`` unless it is already there.

    Virtual environments hold absolute paths and cannot be renamed, so it is built in place
    and becomes valid with the stamp, which is written last: a killed build is recognised and
    started afresh. A lock on a sibling file lets several processes ask at once.

    Parameters
    ----------
    stamp : str or Path
        File that marks the finished environment; the environment (about 1 GB) is its folder.
    lock : str or Path
        Requirements with exact versions, installed without looking at dependencies.
    log : logging.Logger
        Told what is done.
    python : str
        Interpreter to build it with; empty: see `find_python`.

    Returns
    -------
    dict
        Content of the stamp: ``interpreter``, ``lock_sha256``, ``versions``.

    Raises
    ------
    FetchError, OfflineError
        No suitable Python, or pip could not install the packages.
    DataError
        The folder holds something else, or the finished environment does not import.
    """
    stamp, lock = Path(stamp).absolute(), Path(lock)
    if not lock.is_file():
        raise DataError(
            "the lock file of the allensdk environment is missing",
            where=lock,
            remedy="it is `envs/allensdk.lock` of the repository: restore it",
        )
    folder = stamp.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder.with_name(f".{folder.name}.building")):
        digest = sha256_of(lock)
        interpreter = folder / "bin" / "python"
        if stamp.is_file() and interpreter.exists():
            found: dict[str, Any] = read_json(stamp)
            if found.get("lock_sha256") == digest:
                log.info("the allensdk environment is ready: %s", folder)
                return found
        _clear(folder)
        base = find_python(python)
        log.info("building the allensdk environment with %s: %s", base, folder)
        log.info("it takes about 1 GB and one to three minutes")
        _run([base, "-m", "venv", str(folder)], folder, "the virtual environment cannot be made")
        pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        _run(
            [*pip, "install", "--quiet", "--no-deps", "--requirement", str(lock)],
            folder,
            "the packages of the allensdk environment cannot be installed",
        )
        _run([*pip, "check"], folder, "the packages of the allensdk environment disagree")
        content = {
            "interpreter": str(interpreter),
            "lock_sha256": digest,
            "versions": verify_interpreter(interpreter),
        }
        write_json(stamp, content)
        return content


def _candidates() -> Iterator[str]:
    names = [f"python{major}.{minor}" for major, minor in PYTHONS]
    home = Path.home()
    for name in names:
        if found := shutil.which(name):
            yield found
    yield sys.executable
    for major, minor in PYTHONS:
        version = f"{major}.{minor}"
        for folder, pattern in (
            (home / ".pyenv/versions", f"{version}.*/bin/python{version}"),
            (home / ".local/share/uv/python", f"cpython-{version}.*/bin/python{version}"),
            (home / "miniforge3/envs", f"*/bin/python{version}"),
            (home / "miniconda3/envs", f"*/bin/python{version}"),
            (Path("/opt/homebrew/bin"), f"python{version}"),
            (Path("/usr/local/bin"), f"python{version}"),
            (Path("/usr/bin"), f"python{version}"),
        ):
            yield from map(str, sorted(folder.glob(pattern)))


def _probe(python: str) -> tuple[tuple[int, int], str]:
    """Version of an interpreter, and what is wrong with it (empty: nothing)."""
    try:
        result = subprocess.run(
            [python, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        return (0, 0), "no such file"
    except (OSError, subprocess.TimeoutExpired) as error:
        return (0, 0), str(error)
    if result.returncode != 0:
        return (0, 0), _last_lines(result.stderr, 1)
    major, minor, *_ = json.loads(result.stdout)
    return (major, minor), ""


def _clear(folder: Path) -> None:
    """Remove an unfinished or outdated environment, and nothing else."""
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file()):
        raise DataError(
            "the place for the allensdk environment holds something else",
            where=folder,
            why="it is not a virtual environment, so it is not deleted",
            remedy="move it away, or choose another place",
        )
    shutil.rmtree(folder)


def _run(command: Iterable[str], folder: Path, failure: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    result = subprocess.run(
        list(command), capture_output=True, text=True, env=environment, check=False
    )
    if result.returncode == 0:
        return
    output = result.stderr + result.stdout
    if _OFFLINE.search(output):
        raise OfflineError(
            failure,
            where=folder,
            why="the package index cannot be reached: " + _last_lines(output, 1),
            remedy="build it where there is network (`mesomode allensdk-environment`), or "
            + _READY,
        )
    raise FetchError(
        failure,
        where=folder,
        why=_last_lines(output, 3),
        remedy=f"rerun; if it fails again try another Python 3.11, or {_READY}",
    )


def _last_lines(text: str, count: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line]
    return " | ".join((errors or lines)[-count:]) or "no message"


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with open(path, "a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
