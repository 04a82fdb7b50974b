#!/usr/bin/env python3
"""Set mesomode up and run it; needs nothing but Python (3.11 to 3.13).

    python3 workflow/start.py run [SNAKEMAKE OPTIONS]   set up, run the pipeline
    python3 workflow/start.py test [PYTEST OPTIONS]     set up, run the quick tests
    python3 workflow/start.py test --all                set up, run all tests (half an hour)
    python3 workflow/start.py docs                      set up, build the documentation
    python3 workflow/start.py environment               set up only

The environment is made in .venv from requirements.lock, once; it is made again
when the lock changes. With --uv (before the command) the tool uv is used.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = ENVIRONMENT / "mesomode-lock.sha256"
PYTHON = ENVIRONMENT / "bin" / "python"
OLDEST, NEWEST = (3, 11), (3, 13)


def say(text: str) -> None:
    """Print a line at once."""
    print(f"mesomode: {text}", flush=True)


def call(*command: str | Path) -> None:
    """Run a command; stop with its status and a plain sentence if it fails."""
    status = subprocess.call([str(part) for part in command], cwd=ROOT)
    if status:
        sys.exit(f"mesomode: this command failed (status {status}): {' '.join(map(str, command))}")


def make_environment(use_uv: bool) -> None:
    """Make .venv from the lock unless it is there and up to date."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest() + f" {sys.version_info[:2]}"
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            "mesomode: this Python is {}.{}, needed is {}.{} to {}.{}; run this script with "
            "another one, for example python3.11".format(*sys.version_info[:2], *OLDEST, *NEWEST)
        )
    if use_uv and shutil.which("uv") is None:
        sys.exit("mesomode: --uv was given, but there is no uv on the PATH")
    start = time.monotonic()
    say("making the environment in .venv (once; about 1 GB, one to three minutes)")
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    if use_uv:
        call("uv", "venv", "--quiet", "--python", sys.executable, ENVIRONMENT)
        install: tuple[str | Path, ...] = ("uv", "pip", "install", "--quiet", "--python", PYTHON)
    else:
        call(sys.executable, "-m", "venv", ENVIRONMENT)
        install = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    call(*install, "-r", LOCK)
    call(*install, "--no-deps", "-e", ROOT)
    STAMP.write_text(wanted)
    say(f"environment ready in {time.monotonic() - start:.0f} s")


def run(options: list[str]) -> int:
    """Run the pipeline, on all cores unless told otherwise."""
    if not any(option.split("=")[0] in ("--cores", "-c", "--jobs", "-j") for option in options):
        options = ["--cores", str(os.cpu_count() or 1), *options]
    return subprocess.call([str(PYTHON), "-m", "snakemake", *options], cwd=ROOT)


def test(options: list[str]) -> int:
    """Run the quick tests, or all with --all, a process a core."""
    if "--all" in options:
        options = [option for option in options if option != "--all"]
    elif "-m" not in options:
        options = ["-m", "not slow", *options]
    if "-n" not in options:
        # a file stays on one process, which shares its costly runs of the pipeline
        options = ["-n", str(os.cpu_count() or 1), *options]
    if "--dist" not in options:
        # and files begin in the order of tests/conftest.py
        options = ["--dist", "loadfile", "--no-loadscope-reorder", *options]
    # one process a core is enough
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [str(PYTHON), "-m", "pytest", *options]
    return subprocess.call(command, cwd=ROOT, env=environment)


def docs(options: list[str]) -> int:
    """Build the documentation into results/docs/html."""
    return subprocess.call([str(PYTHON), "workflow/docs/build.py", *options], cwd=ROOT)


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uv", action="store_true", help="make the environment with uv")
    parser.add_argument("command", choices=["run", "test", "docs", "environment"])
    arguments, options = parser.parse_known_args()
    make_environment(arguments.uv)
    if arguments.command == "run":
        return run(options)
    if arguments.command == "test":
        return test(options)
    if arguments.command == "docs":
        return docs(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
