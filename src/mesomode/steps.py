"""What a step is, and what running one means.

A step is a function of a stage's ``stage.py`` (or ``stage_*.py``) marked with :func:`step`. Its
keyword-only parameters say everything: files annotated :data:`Input` and
:data:`Output`, a ``settings`` object, and, where needed, ``seed``, ``threads``
and ``provenance``. The command line is made from that signature.
"""

from __future__ import annotations

import errno
import inspect
import logging
import os
import platform
import resource
import sys
import time
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, TypeVar

from mesomode import progress
from mesomode.errors import MesomodeError
from mesomode.files import canonical_json, sha256_of

Input = Annotated[Path, "input"]
"""A file or store that a step reads."""
Output = Annotated[Path, "output"]
"""A file or store that a step writes."""

logger = logging.getLogger("mesomode")

StepFunction = TypeVar("StepFunction", bound=Callable[..., None])

VERSIONED = ("mesomode", "numpy", "scipy", "zarr", "xarray", "h5py")


@dataclass(frozen=True)
class Provenance:
    """Who wrote a store, from what and how; :func:`run_step` makes it.

    Parameters
    ----------
    step : str
        Name of the step.
    settings : mapping
        The settings used.
    seed : int or None
        The run's seed, if the step draws random numbers.
    code : str
        Fingerprint of the stage's code.
    parents : mapping
        Digest of each input, by the parameter's name.
    parent_paths : tuple of Path
        Where the inputs are.
    """

    step: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    code: str = ""
    parents: Mapping[str, str] = field(default_factory=dict)
    parent_paths: tuple[Path, ...] = ()

    def record(self) -> dict[str, Any]:
        """What goes into the store's attributes; the same for the same run."""
        return {
            "step": self.step,
            "settings": dict(self.settings),
            "seed": self.seed,
            "code": self.code,
            "parents": dict(self.parents),
            "versions": library_versions(),
        }


def step(function: StepFunction) -> StepFunction:
    """Mark a function of a ``stage.py`` as a step of the pipeline."""
    wrong = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    if wrong:
        raise TypeError(f"parameters of step {function.__name__} must be keyword-only: {wrong}")
    function.__mesomode_step__ = True  # type: ignore[attr-defined]
    return function


def parameters_of(function: Callable[..., None]) -> dict[str, tuple[str, Any]]:
    """Kind and type of each parameter of a step.

    Returns
    -------
    dict
        Name → (kind, type), where kind is ``"input"``, ``"inputs"``,
        ``"output"``, ``"settings"``, ``"provenance"`` or ``"option"``.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    kinds: dict[str, tuple[str, Any]] = {}
    for name in inspect.signature(function).parameters:
        hint = hints[name]
        if name in ("settings", "provenance"):
            kinds[name] = (name, hint)
        elif hint == list[Input]:
            kinds[name] = ("inputs", hint)
        elif hint == Input | None:
            kinds[name] = ("input", hint)
        elif hint in (Input, Output):
            kinds[name] = (hint.__metadata__[0], hint)
        else:
            kinds[name] = ("option", hint)
    return kinds


def run_step(function: Callable[..., None], **arguments: Any) -> None:
    """Run a step with its log: inputs, settings, versions; then outputs, memory and time.

    Parameters
    ----------
    function : callable
        A function marked with :func:`step`.
    **arguments
        Its arguments; ``provenance`` is made here.

    Raises
    ------
    MesomodeError
        Whatever the step raises; disk-full, read-only and permission errors, and whatever a
        damaged input store leads to, are turned into it.
    """
    from mesomode.fingerprint import code_digest

    start = time.monotonic()
    kinds = parameters_of(function)
    name = function.__name__.replace("_", "-")
    inputs = _paths(kinds, arguments, ("input", "inputs"))
    outputs = _paths(kinds, arguments, ("output",))
    for label, path in inputs.items():
        if not path.exists():
            raise MesomodeError(
                f"the input {label!r} does not exist",
                where=path,
                remedy="run the stage that makes it",
            )
    parents = {label: digest_of(path) for label, path in inputs.items()}
    settings = arguments.get("settings")
    logger.info("step %s, mesomode %s", name, library_versions()["mesomode"])
    for label, path in inputs.items():
        size = size_of(path) / 1e6
        logger.info("input %s: %s (%.3g MB, %s)", label, path, size, parents[label][:12])
    if settings is not None:
        logger.info("settings: %s", canonical_json(settings.model_dump(mode="json")))
    logger.info("versions: %s", ", ".join(f"{k} {v}" for k, v in library_versions().items()))
    if "provenance" in kinds:
        arguments["provenance"] = Provenance(
            step=name,
            settings={} if settings is None else settings.model_dump(mode="json"),
            seed=arguments.get("seed"),
            code=code_digest(function.__module__),
            parents=parents,
            parent_paths=tuple(inputs.values()),
        )
    with _limited_threads(arguments.get("threads")), _clear_disk_errors(outputs):
        try:
            function(**arguments)
        except MesomodeError:
            raise
        except Exception as error:
            _blame_damaged(inputs, error)
            _mention_missing(name, kinds, arguments, error)
            raise
        finally:
            progress.stop()
    for label, path in outputs.items():
        if not path.exists():
            raise MesomodeError(f"step {name} did not write its output {label!r}", where=path)
        logger.info("output %s: %s (%.3g MB)", label, path, size_of(path) / 1e6)
    elapsed = time.monotonic() - start
    logger.info("done in %.1f s, peak memory %.0f MB", elapsed, peak_memory() / 1e6)


def _blame_damaged(inputs: Mapping[str, Path], error: Exception) -> None:
    """If a store that a step failed on is damaged, say so instead of what its codec said."""
    from mesomode.store import is_store, verify_store

    for path in inputs.values():
        problems = verify_store(path) if is_store(path) else []
        if problems:
            raise MesomodeError(
                "an input is damaged",
                where=path,
                why="; ".join(problems),
                remedy="delete this folder and start snakemake again, which makes it anew",
            ) from error


def _mention_missing(
    name: str,
    kinds: Mapping[str, tuple[str, Any]],
    arguments: Mapping[str, Any],
    error: Exception,
) -> None:
    """If a step failed that was given none of what it takes several of, say both.

    Some steps may be given none; the failure then has another cause, which is not hidden.
    """
    empty = [
        "--" + parameter.replace("_", "-")
        for parameter, (kind, _) in kinds.items()
        if kind == "inputs" and not arguments.get(parameter)
    ]
    if empty:
        raise MesomodeError(
            f"step {name} failed and was given nothing for {', '.join(empty)}",
            why=f"{type(error).__name__}: {error}",
            remedy=f"name them if it needs them (mesomode {name} --help), else please report this "
            "with the log",
        ) from error


def digest_of(path: Path) -> str:
    """Digest of a file's content or of a store."""
    from mesomode.store import is_store, store_digest

    if path.is_dir():
        return store_digest(path) if is_store(path) else ""
    return sha256_of(path)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    versions = {"python": platform.python_version()}
    for library in VERSIONED:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            versions[library] = "absent"
    return versions


def _paths(
    kinds: Mapping[str, tuple[str, Any]], arguments: Mapping[str, Any], wanted: tuple[str, ...]
) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for name, (kind, _) in kinds.items():
        if kind not in wanted or arguments.get(name) is None:
            continue
        if kind == "inputs":
            arguments[name][:] = [Path(path) for path in arguments[name]]
            paths |= {f"{name}[{i}]": path for i, path in enumerate(arguments[name])}
        else:
            paths[name] = Path(arguments[name])
    return paths


@contextmanager
def _limited_threads(threads: int | None) -> Iterator[None]:
    if threads is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        yield


@contextmanager
def _clear_disk_errors(outputs: Mapping[str, Path]) -> Iterator[None]:
    """Turn the operating system's refusals to write into errors that say what to do."""
    remedies = {
        errno.ENOSPC: "free some space or set `run`/the working folder on a larger disk; then "
        "start snakemake again: finished stages are kept",
        errno.EDQUOT: "your disk quota is used up: free some space, then start snakemake again",
        errno.EROFS: "the disk is mounted read-only: work in a folder you can write to",
        errno.EACCES: "make the folder writable for you (see `ls -ld`), then start again",
        errno.EPERM: "make the folder writable for you (see `ls -ld`), then start again",
    }
    try:
        yield
    except OSError as error:
        if error.errno not in remedies:
            raise
        where = error.filename or ", ".join(map(str, outputs.values()))
        raise MesomodeError(
            "an output cannot be written",
            where=where,
            why=os.strerror(error.errno),
            remedy=remedies[error.errno],
        ) from error
