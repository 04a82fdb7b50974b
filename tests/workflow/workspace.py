"""A working folder with its own copy of the pipeline, in which tests run, edit and break it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mesomode.store import is_store, store_digest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("Snakefile", "config.yaml", "profiles", "workflow", "envs", "src")
TINY: dict[str, Any] = {
    "phantom": {"size": "tiny", "session_length": "tiny"},
    "connectome": {
        "models": ["voxel", "regional", "kernel"],
        "outer_folds": 2,
        "inner_folds": 2,
    },
    "network": {"variants": ["random_mode", "independent"]},
    "dynamics": {"scaling_units": [250, 300], "duration": 100.0},
}
"""Configuration of the smallest run, merged over ``config.yaml``."""


class Workspace:
    """A copy of the pipeline in a folder of its own; its jobs import the copy's package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}
        """Environment variables besides those of this process."""

    @classmethod
    def make(cls, folder: Path, changes: Mapping[str, Any] = TINY) -> Workspace:
        """Copy the pipeline, without results, and change its configuration."""
        folder.mkdir(parents=True)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                # copies time stamps, so that compiled code in the caches stays valid
                shutil.copytree(source, folder / name, symlinks=True)
            else:
                shutil.copy2(source, folder / name)
        workspace = cls(folder)
        workspace.configure(changes)
        return workspace

    def copy(self, folder: Path) -> Workspace:
        """Copy everything, results and Snakemake's records included, with all time stamps."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workspace(folder)

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which snakemake and its jobs find the copied package."""
        return {
            **os.environ,
            **self.variables,
            "PYTHONPATH": str(self.folder / "src"),
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
        }

    @property
    def config(self) -> dict[str, Any]:
        """What ``config.yaml`` says now."""
        return yaml.safe_load((self.folder / "config.yaml").read_text()) or {}

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Merge changes into ``config.yaml``."""
        text = yaml.safe_dump(merged(self.config, changes), sort_keys=False)
        (self.folder / "config.yaml").write_text(text)

    def python(self, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run Python in the folder, with the copied package."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def call(self, expression: str) -> Any:
        """Value of an expression with the copied package; sets become lists."""
        code = (
            "import json, mesomode.reruns\nfrom pathlib import Path\n"
            f"print(json.dumps({expression}, default=sorted))"
        )
        done = self.python("-c", code)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def snakemake(self, *options: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run snakemake in the folder."""
        return self.python("-m", "snakemake", *options, timeout=timeout)

    def run(self, *options: str, timeout: float = 900) -> str:
        """Run the pipeline on two cores; return what it printed; fail unless it succeeds."""
        done = self.snakemake("--cores", "2", *options, timeout=timeout)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output[-8000:]
        return output

    def fail(self, *options: str, timeout: float = 900) -> str:
        """Run the pipeline, which must fail; return what it printed."""
        done = self.snakemake("--cores", "2", *options, timeout=timeout)
        output = done.stdout + done.stderr
        assert done.returncode != 0, "the run should have failed:\n" + output[-8000:]
        assert done.returncode > 0, f"ended by {signal.Signals(-done.returncode).name}\n{output}"
        return output

    def planned(self, *options: str) -> set[str]:
        """Names of the rules that would run now."""
        done = self.snakemake("--dry-run", *options)
        assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
        return rules_in_statistics(done.stdout + done.stderr)

    @property
    def run_folder(self) -> Path:
        """Folder of the results of the run."""
        return self.folder / "results" / self.config.get("run", "default")

    def stores(self) -> dict[str, Path]:
        """Every store of the run, by its path below the results folder of the run."""
        found = sorted(p for p in self.run_folder.rglob("*.zarr") if is_store(p))
        return {p.relative_to(self.run_folder).as_posix(): p for p in found}

    def digests(self) -> dict[str, str]:
        """Digest of the content of every store of the run."""
        return {name: store_digest(path) for name, path in self.stores().items()}

    def temporary_files(self) -> list[Path]:
        """Files and folders that unfinished writes left among the results."""
        return [p for p in (self.folder / "results").rglob("*") if ".tmp-" in p.name]

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a piece of text that occurs in a file of the copy."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1))


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings merged, the second winning."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def rules_in_statistics(output: str) -> set[str]:
    """Rules in the table of job counts that snakemake prints; ``all`` left out."""
    table = re.search(
        r"^Job stats:\njob +count\n[- ]+\n(.*?)\n\n", output, re.DOTALL | re.MULTILINE
    )
    if table is None:
        assert "Nothing to be done" in output, output[-4000:]
        return set()
    return {line.split()[0] for line in table[1].splitlines()} - {"total", "all"}


def dry_runs(workspace: Workspace, configurations: Iterable[Mapping[str, Any]]) -> list[set[str]]:
    """Rules planned under each of many configurations; see :func:`try_configurations`."""
    tried = try_configurations(workspace, configurations)
    for status, output in tried:
        assert status == 0, output[-4000:]
    return [rules_in_statistics(output) for _, output in tried]


def try_configurations(
    workspace: Workspace, configurations: Iterable[Mapping[str, Any]]
) -> list[tuple[int, str]]:
    """Dry-run under each of many configurations, with one start of Python for all.

    Parameters
    ----------
    workspace : Workspace
    configurations : iterable of mapping
        Changes merged over the workspace's ``config.yaml``.

    Returns
    -------
    list of (int, str)
        Exit status and output of snakemake.
    """
    script = Path(__file__).with_name("many_dry_runs.py")
    texts = [yaml.safe_dump(merged(workspace.config, changes)) for changes in configurations]
    done = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps(texts),
        cwd=workspace.folder,
        env=workspace.environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-8000:]
    return [(status, output) for status, output in json.loads(done.stdout)]
