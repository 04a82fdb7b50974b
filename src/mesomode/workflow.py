"""What the Snakefile needs: settings as canonical text, code fingerprints, paths, memory."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mesomode.atlas.settings import VISUAL_AREAS
from mesomode.config import PACKAGE, load_config
from mesomode.connectome.settings import PUBLISHED_SMOOTHING
from mesomode.errors import ConfigError, MesomodeError
from mesomode.files import canonical_json
from mesomode.fingerprint import code_digest
from mesomode.phantom.presets import PRESETS


class Plan:
    """A checked configuration and what the rules derive from it.

    Parameters
    ----------
    config : mapping
        Snakemake's ``config``.

    Raises
    ------
    ConfigError
        The configuration cannot be used.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = load_config(config)
        self.values: dict[str, Any] = self.config.model_dump(mode="json")
        self.source: str = self.values["source"]
        self._check_connectome()
        self._check_sessions()
        if self.values["atlas"]["regions"] is None:
            self.values["atlas"]["regions"] = self._default_regions()
        if self.values["connectome"]["smoothing"] is None:
            self.values["connectome"]["smoothing"] = self._default_smoothing()
        if self.values["connectome"]["smoothing_grid"] is None:
            self.values["connectome"]["smoothing_grid"] = self._default_smoothing_grid()
        if self.values["fetch"]["regions"] is None:
            self.values["fetch"]["regions"] = self.values["atlas"]["regions"]
        self.seed: int = self.values["seed"]
        self.run = f"results/{self.values['run']}"
        self.raw = f"results/raw/{self._raw_name()}"
        self.python = sys.executable

    def _check_connectome(self) -> None:
        """Refuse networks made from a model that is not fitted."""
        wanted, fitted = self.values["network"]["connectome"], self.values["connectome"]["models"]
        if self.values["connectome"]["source"] == "fit" and wanted not in fitted:
            raise ConfigError(
                f"the networks are to be made from the model {wanted!r}, which is not fitted",
                where="network.connectome",
                why=f"connectome.models is [{', '.join(fitted)}]",
                remedy=f"add {wanted} to connectome.models, or choose another network.connectome; "
                "all keys are explained in workflow/reference/config.md",
            )

    def _check_sessions(self) -> None:
        """Refuse sessions both named and described, or neither."""
        fetch = self.values["fetch"]
        keys = [key for key in fetch if key.startswith("session_")] + ["most_sessions"]
        used = [key for key in keys if fetch[key]]
        if fetch["sessions"] is None and not used:
            raise ConfigError(
                "it is not said which two-photon sessions are wanted",
                where="fetch.sessions",
                why="null means all that fit, and nothing is asked of them: hundreds of GB",
                remedy=f"set at least one of {', '.join(keys)}; "
                "all keys are explained in workflow/reference/config.md",
            )
        if fetch["sessions"] is not None and used:
            raise ConfigError(
                "two-photon sessions are both named and described",
                where=", ".join(f"fetch.{key}" for key in used),
                why=f"fetch.sessions names {len(fetch['sessions'])}",
                remedy="set fetch.sessions to null, or the others as they were; all keys are "
                "explained in workflow/reference/config.md",
            )

    def _raw_name(self) -> str:
        """Folder of the raw data: one for Allen, one for each different phantom."""
        if self.source == "allen":
            return "allen"
        identity = canonical_json([self.values["phantom"], self.seed])
        return "phantom-" + hashlib.sha256(identity.encode()).hexdigest()[:8]

    def _default_regions(self) -> list[str]:
        """The ten visual areas, or those that the phantom of the chosen size has."""
        if self.source == "allen":
            return list(VISUAL_AREAS)
        return list(PRESETS[self.values["phantom"]["size"]].areas)

    def _default_smoothing(self) -> float:
        """The published lambda, or the one that suits the phantom of the chosen size."""
        if self.source == "allen":
            return PUBLISHED_SMOOTHING
        return PRESETS[self.values["phantom"]["size"]].smoothing

    def _default_smoothing_grid(self) -> list[float]:
        """The published grid of lambda, or powers of 10 around what suits the phantom."""
        if self.source == "allen":
            return [10.0**power for power in range(3, 13)]
        centre = PRESETS[self.values["phantom"]["size"]].smoothing
        return [centre * 10.0**power for power in range(-1, 3)]

    def selection(self, *keys: str) -> str:
        """Ending of the names of what depends on which of Allen's data are wanted.

        Runs share the folder of downloads; with other regions or sessions they
        must not take each other's lists. Empty for the phantom.

        Parameters
        ----------
        *keys : str
            Keys of the section ``fetch`` that decide.
        """
        if self.source != "allen":
            return ""
        return "-" + hashlib.sha256(self.settings("fetch", *keys).encode()).hexdigest()[:8]

    @property
    def sessions(self) -> list[int | str]:
        """Ids of the two-photon sessions of this run, then names of recordings of one's own.

        Sessions that are only described are known once the lists have been fetched (`selects`).
        """
        own = list(self.values["recordings"]["files"])
        if self.source == "allen":
            return [*(self.values["fetch"]["sessions"] or ()), *own]
        from mesomode.phantom.presets import FIRST_SESSION

        count = self.values["phantom"]["sessions"]
        return [*(FIRST_SESSION + number for number in range(count)), *own]

    @property
    def selects(self) -> bool:
        """Whether the sessions are described, not named."""
        return self.source == "allen" and self.values["fetch"]["sessions"] is None

    def sessions_in(self, manifest: str | Path) -> list[int | str]:
        """The same as `sessions`, with those that the manifest of the recordings lists."""
        if not self.selects:
            return self.sessions
        entries = json.loads(Path(manifest).read_text())["sessions"]
        return [*(entry["experiment_id"] for entry in entries), *self.sessions]

    def own_file(self, wildcards: Any) -> str:
        """Path of the recording of one's own that the wildcard ``session`` names."""
        return str(self._own(wildcards)["path"])

    def own_tables(self, wildcards: Any) -> list[str]:
        """Paths of its stimulus tables."""
        return list(self._own(wildcards)["tables"].values())

    def own_settings(self, wildcards: Any) -> str:
        """Its entry of ``recordings.files`` as canonical JSON."""
        return canonical_json(self._own(wildcards))

    def _own(self, wildcards: Any) -> dict[str, Any]:
        entry: dict[str, Any] = self.values["recordings"]["files"][wildcards.session]
        return entry

    def settings(self, section: str, *keys: str) -> str:
        """One section, or some keys of it, as canonical JSON: equal settings give equal text.

        Snakemake compares the set of the values of ``params`` without their
        names, so a rule carries each section as one value.
        """
        values = self.values[section]
        return canonical_json({key: values[key] for key in keys or values})

    def whole(self) -> str:
        """The whole effective configuration as canonical JSON."""
        return canonical_json(self.values)

    def code(self, name: str) -> str:
        """Fingerprint of the code of a stage, or of modules that are only a part of one.

        Parameters
        ----------
        name : str
            A stage, such as ``"atlas"``; a package without steps, such as
            ``"phantom"``; or a module, such as ``"fetch.reading"``.

        Returns
        -------
        str
            Constant if the configuration switches the tracking of code off.
        """
        if not self.values["rerun_on_code_change"]:
            return f"{name}: not tracked"
        is_stage = (PACKAGE / name / "stage.py").exists()
        return f"{name}:{code_digest(f'mesomode.{name}' + '.stage' * is_stage)}"


def check_writable(folder: str | Path) -> None:
    """Refuse a results folder that cannot be written to, before anything is planned.

    Parameters
    ----------
    folder : str or Path
        The folder; where it is missing, the nearest one above it that exists.

    Raises
    ------
    MesomodeError
        It cannot be written to.
    """
    existing = Path(folder).absolute()
    while not existing.exists():
        existing = existing.parent
    if os.access(existing, os.W_OK | os.X_OK):
        return
    read_only = os.statvfs(existing).f_flag & os.ST_RDONLY
    raise MesomodeError(
        "the results cannot be written",
        where=existing,
        why="Read-only file system" if read_only else "Permission denied",
        remedy="work in a copy of this folder on a disk that you can write to, or make this one "
        "writable",
    )


def megabytes(
    base: float, per_input: float = 0.0, per_pair: float = 0.0, grid: str = "atlas"
) -> Callable[..., int]:
    """Memory of a job as a function of what it reads, growing with each attempt.

    Parameters
    ----------
    base : float
        Memory of the libraries and small arrays, in MB.
    per_input : float
        Bytes of memory for each byte of input.
    per_pair : float
        Bytes of memory for each pair of target and source voxel.
    grid : str
        Name of the input that holds the voxel grids, for ``per_pair``.

    Returns
    -------
    callable
        For ``resources: mem_mb=``.
    """

    def mem_mb(wildcards: Any, input: Any, attempt: int) -> int:
        total = base * 1e6 + per_input * sum(_size(Path(str(path))) for path in input)
        if per_pair:
            total += per_pair * _pairs(Path(str(input[grid])))
        return int(total / 1e6 * 1.5 ** (attempt - 1)) + 1

    return mem_mb


def minutes(base: float, per_megabyte: float = 0.0) -> Callable[..., int]:
    """Run time of a job as a function of the size of its input, doubled with each attempt."""

    def runtime(wildcards: Any, input: Any, attempt: int) -> int:
        size = sum(_size(Path(str(path))) for path in input) / 1e6 if per_megabyte else 0.0
        return int((base + per_megabyte * size) * 2 ** (attempt - 1)) + 1

    return runtime


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _pairs(atlas: Path) -> int:
    count = 1
    for name in ("source_region", "target_region"):
        count *= json.loads((atlas / name / "zarr.json").read_text())["shape"][0]
    return count
