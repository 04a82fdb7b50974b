"""An examination of the installation, the cache and the results, with what to do."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement
from packaging.version import Version

from mesomode.access.parts import SIDECAR_SUFFIX, fault_of, is_in_use
from mesomode.errors import MesomodeError

PYTHONS = (Version("3.11"), Version("3.14"))
"""The first version of Python that is good, and the first that is not known to be."""
SCARCE_GB, TIGHT_GB = 2, 20
"""Free space below which a small run fails, and below which a download may."""
SHOWN = 20
"""So many files of a kind are listed."""
TEMPORARY = re.compile(r"\..+\.(?:tmp|folder)-(\d+)(?:\.[^.]*)?")
"""Names of the temporary files and folders that become outputs, with the process that writes."""


@dataclass(frozen=True)
class Finding:
    """Something examined: how it is, and what to do about it."""

    level: Literal["ok", "warning", "problem"]
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:8} {self.text}" + (
            f"\n         → {self.remedy}" if self.remedy else ""
        )


def report(root: Path) -> tuple[list[str], bool]:
    """Examine the working folder of the pipeline and the installation.

    Parameters
    ----------
    root : Path
        The folder with ``config.yaml`` and ``results``.

    Returns
    -------
    lines : list of str
        One for each finding: ok, warning or problem, and what to do.
    sound : bool
        Whether there is no problem.
    """
    findings: list[Finding] = []
    config = _configuration(root, findings)
    examinations: tuple[Callable[[], Iterator[Finding]], ...] = (
        examine_python,
        lambda: examine_libraries(root / "requirements.lock"),
        lambda: examine_disk(root / "results"),
        lambda: examine_allensdk(root, config),
        examine_cluster,
        lambda: examine_snakemake(root),
        lambda: examine_downloads(root / "results" / "raw"),
        lambda: examine_leftovers(root / "results"),
        lambda: examine_stores(root / "results"),
    )
    for examine in examinations:
        findings += examine()
    count = {level: sum(f.level == level for f in findings) for level in ("problem", "warning")}
    lines = [str(finding) for finding in findings]
    summary = ", ".join(f"{n} {level}{'s' * (n != 1)}" for level, n in count.items())
    return [*lines, f"\n{summary}"], count["problem"] == 0


def _configuration(root: Path, findings: list[Finding]) -> Any:
    """The configuration, or None; a finding is added in any case."""
    import yaml

    from mesomode.config import load_config

    file = root / "config.yaml"
    if not file.exists():
        advice = "change to the pipeline's folder, or name it with --root"
        findings.append(Finding("problem", f"there is no {file.resolve()}", advice))
        return None
    try:
        config = load_config(yaml.safe_load(file.read_text()) or {})
    except (MesomodeError, yaml.YAMLError, OSError) as error:
        findings.append(Finding("problem", f"config.yaml cannot be used: {error}", "correct it"))
        return None
    findings.append(Finding("ok", "config.yaml"))
    return config


def examine_python(found: Version | None = None) -> Iterator[Finding]:
    """Whether Python is of a version that is known to be good."""
    found = Version(".".join(map(str, sys.version_info[:3]))) if found is None else found
    if found < PYTHONS[0]:
        yield Finding("problem", f"Python {found} is too old", f"install Python {PYTHONS[0]}")
    elif found >= PYTHONS[1]:
        remedy = f"if something fails, install Python {PYTHONS[0]}"
        yield Finding("warning", f"Python {found} is newer than any tried", remedy)
    else:
        yield Finding("ok", f"Python {found}")


def examine_libraries(lock: Path) -> Iterator[Finding]:
    """Whether the libraries that mesomode needs are there, as new as needed, and as locked."""
    needed = [Requirement(text) for text in requires("mesomode") or []]
    locked = _locked_versions(lock)
    good = 0
    for need in needed:
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(need.name)
        except PackageNotFoundError:
            remedy = "python -m pip install -r requirements.lock"
            yield Finding("problem", f"{need.name} is not installed", remedy)
            continue
        if not need.specifier.contains(found, prereleases=True):
            remedy = f"python -m pip install '{need.name}{need.specifier}'"
            yield Finding("problem", f"{need.name} {found} is not {need.specifier}", remedy)
        elif need.name in locked and locked[need.name] != found:
            text = f"{need.name} {found}, tried with {locked[need.name]}"
            remedy = "for the versions tried: python -m pip install -r requirements.lock"
            yield Finding("warning", text, remedy)
        else:
            good += 1
    yield Finding("ok", f"{good} of the libraries needed are as tried")


def _locked_versions(lock: Path) -> dict[str, str]:
    """Version of each library in a lock file, as far as it is for this machine."""
    versions: dict[str, str] = {}
    for line in lock.read_text().splitlines() if lock.exists() else []:
        text = line.split("#")[0].strip()
        if not text or text.startswith("-"):
            continue
        entry = Requirement(text)
        if entry.marker is None or entry.marker.evaluate():
            versions[entry.name] = next((s.version for s in entry.specifier), "")
    return versions


def examine_disk(results: Path) -> Iterator[Finding]:
    """Whether results can be written, and how much space there is for them."""
    folder = results if results.exists() else results.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Finding("ok", f"{folder} can be written to")
    except OSError as error:
        remedy = "work in a folder that you can write to, or change its permissions"
        yield Finding("problem", f"{folder} cannot be written to: {error.strerror}", remedy)
    free = shutil.disk_usage(folder).free / 1e9
    text = f"{free:.0f} GB free on the disk of {folder}"
    if free < SCARCE_GB:
        yield Finding("problem", text, f"free at least {SCARCE_GB} GB, better {TIGHT_GB} GB")
    elif free < TIGHT_GB:
        yield Finding("warning", text, "enough for the phantom; downloads may need more")
    else:
        yield Finding("ok", text)


def examine_allensdk(root: Path, config: Any) -> Iterator[Finding]:
    """Whether the allensdk environment is there and can be imported."""
    from mesomode.fetch.environment import verify_interpreter

    chosen = "" if config is None else config.access.allensdk_python
    needed = config is not None and config.source == "allen"
    python = Path(chosen) if chosen else root / ".envs" / "allensdk" / "bin" / "python"
    if not chosen and not python.exists():
        text = "the allensdk environment is not made yet"
        text += "" if needed else " (needed for `source: allen` only)"
        yield Finding("ok", text + "; the pipeline makes it when it is needed")
        return
    try:
        versions = verify_interpreter(python)
    except MesomodeError as error:
        remedy = error.remedy or "" if chosen else f"delete {python.parent.parent}: it is made anew"
        text = f"the allensdk environment does not work: {error.what} ({error.why})"
        yield Finding("problem" if needed or chosen else "warning", text, remedy)
    else:
        yield Finding("ok", "allensdk {allensdk} with Python {python}".format(**versions))


def examine_cluster() -> Iterator[Finding]:
    """Whether SLURM can be used where there is one."""
    if shutil.which("sbatch") is None:
        yield Finding("ok", "no SLURM on this machine: jobs run here")
    elif find_spec("snakemake_executor_plugin_slurm") is None:
        remedy = "python -m pip install 'mesomode[slurm]'"
        yield Finding("warning", "SLURM is here, its Snakemake plugin is not", remedy)
    else:
        found = version("snakemake-executor-plugin-slurm")
        profile = "snakemake --workflow-profile workflow/profiles/slurm"
        yield Finding("ok", f"SLURM, with its Snakemake plugin {found}: {profile}")


def examine_snakemake(root: Path) -> Iterator[Finding]:
    """Whether Snakemake holds a lock on the folder."""
    if any((root / ".snakemake" / "locks").glob("*.lock")):
        remedy = "if none is running any more: snakemake --unlock"
        yield Finding("warning", "a run of snakemake is under way here, or was killed", remedy)


def examine_downloads(raw: Path) -> Iterator[Finding]:
    """Whether every file of the cache is as it was downloaded."""
    sidecars = sorted(raw.rglob(f"*{SIDECAR_SUFFIX}"))
    files = [side.with_name(side.name.removesuffix(SIDECAR_SUFFIX)) for side in sidecars]
    faults = [(file, fault) for file in files if (fault := fault_of(file)) is not None]
    for file, fault in faults[:SHOWN]:
        root = raw / file.relative_to(raw).parts[0]
        remedy = f"delete {root}/tracing.json or {root}/recordings.json and start snakemake: "
        yield Finding("problem", f"{file} {fault}", remedy + "only what is damaged is made anew")
    if len(faults) > SHOWN:
        yield Finding("problem", f"and {len(faults) - SHOWN} more files of {raw}")
    if files:
        size = sum(file.stat().st_size for file in files if file.exists()) / 1e6
        text = f"{len(files) - len(faults)} of {len(files)} raw files are sound ({size:.3g} MB)"
        yield Finding("ok" if not faults else "problem", text)


def examine_leftovers(results: Path) -> Iterator[Finding]:
    """Unfinished downloads, and what killed processes left behind."""
    for part in sorted(results.rglob("*.part"))[:SHOWN]:
        if is_in_use(part):
            yield Finding("ok", f"{part} is being downloaded")
        else:
            size = part.stat().st_size / 1e6
            remedy = "the next download takes it up; or delete it"
            yield Finding("warning", f"{part} is unfinished ({size:.3g} MB)", remedy)
    left = []
    for path in results.rglob(".*"):
        found = TEMPORARY.fullmatch(path.name)
        if found and not _is_running(int(found[1])):
            left.append(path)
    for path in sorted(left)[:SHOWN]:
        remedy = "delete it, unless a job on another machine is writing it"
        yield Finding("warning", f"{path} was left by a process that is gone", remedy)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def examine_stores(results: Path) -> Iterator[Finding]:
    """Whether every array of every store is as it was written."""
    from mesomode.store import verify_store

    stores = [
        folder
        for folder in sorted(results.rglob("*.zarr"))
        if folder.is_dir() and not folder.name.startswith(".")
    ]
    damaged = 0
    for store in stores:
        problems = verify_store(store)
        damaged += bool(problems)
        if problems:
            remedy = f"delete {store} and start snakemake: it is made anew"
            yield Finding("problem", f"{store}: {'; '.join(problems[:3])}", remedy)
    if stores:
        text = f"{len(stores) - damaged} of {len(stores)} stores are sound"
        yield Finding("ok" if not damaged else "problem", text)
