"""The one place that writes and reads zarr stores.

A store is a zarr v3 group written through xarray: every variable is declared in
a :class:`Schema`, chunks are packed into few shards, each chunk carries a
checksum and each array a digest. It is written beside its final place, read
back, compared, flushed and renamed, so a store is either whole or absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mesomode.errors import StoreError
from mesomode.files import atomic_file, canonical_json, sync_folder

if TYPE_CHECKING:
    import xarray as xr
    import zarr

FORMAT = 1
"""Number of the layout written here, in every store as ``mesomode.format``."""

CHUNK_BYTES = 1 << 20
SHARDS_PER_ARRAY = 8
INHERITED = ("data_source", "data_citation", "data_terms")
"""Attributes that a store takes over from the stores it was made from."""


@dataclass(frozen=True)
class Variable:
    """Declaration of one array of a store.

    Parameters
    ----------
    dims : tuple of str
        Names of the dimensions, singular nouns; ``()`` for a scalar.
    dtype : str
        NumPy name of the type stored.
    unit : str
        Unit, ``"1"`` for pure numbers.
    meaning : str
        What it is, and what NaN means where it can occur.
    flags : tuple of str
        Meanings of the integer values 0, 1, 2, … (CF ``flag_meanings``).
    optional : bool
        Whether a store may lack it.
    """

    dims: tuple[str, ...]
    dtype: str
    unit: str
    meaning: str
    flags: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Schema:
    """Declaration of all arrays (coordinates included) of a kind of store."""

    name: str
    variables: Mapping[str, Variable] = field(default_factory=dict)


@contextlib.contextmanager
def _snakemake_ignored() -> Iterator[None]:
    """Keep zarr from warning of the time stamp that Snakemake puts into every store."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Object at \.snakemake_timestamp")
        yield


def write_store(path: str | Path, dataset: xr.Dataset, schema: Schema, provenance: Any) -> str:
    """Write a dataset as a store; whole or not at all.

    Parameters
    ----------
    path : str or Path
        Folder of the store, usually ``….zarr``; replaced if it exists.
    dataset : xarray.Dataset
        Variables, coordinates and attributes (JSON-able) to write.
    schema : Schema
        What is allowed and required in it.
    provenance : mesomode.steps.Provenance
        Who wrote it, from what, with which settings.

    Returns
    -------
    str
        Digest of the store's content.

    Raises
    ------
    StoreError
        The dataset does not match the declaration, or what was written does
        not read back equal.
    """
    import zarr

    path = Path(path)
    dataset = _conformed(dataset, schema, path)
    parents = [Path(parent) for parent in provenance.parent_paths]
    inherited = _inherited_attributes(parents)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = {str(name): _array_digest(dataset[name].values) for name in dataset.variables}
        dataset.attrs = {**inherited, **dataset.attrs}
        dataset.attrs["mesomode"] = {
            "format": FORMAT,
            "schema": schema.name,
            "digests": written,
            **provenance.record(),
        }
        with zarr.config.set({"array.write_empty_chunks": True}):
            dataset.to_zarr(
                temporary,
                mode="w",
                zarr_format=3,
                consolidated=False,
                encoding={str(n): _encoding(dataset[n]) for n in dataset.variables},
            )
        problems = verify_store(temporary)
        if problems:
            raise StoreError(
                "a store did not read back as it was written",
                where=path,
                why="; ".join(problems),
                remedy="check the disk; then rerun",
            )
        _flush(temporary)
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return store_digest(path)


@_snakemake_ignored()
def open_store(path: str | Path, schema: Schema | None = None) -> xr.Dataset:
    """Open a store lazily, after checking that it is whole and what was declared.

    Parameters
    ----------
    path : str or Path
        Folder of the store.
    schema : Schema, optional
        The declaration it must match.

    Returns
    -------
    xarray.Dataset
        Arrays are read when they are used; use it as a context manager.

    Raises
    ------
    StoreError
        Missing, written by another program or an unknown format, chunks
        missing, or not matching ``schema``.
    """
    import xarray as xr

    path = Path(path)
    group = _open_group(path)
    problems = _missing_chunks(group)
    if problems:
        raise _damaged(path, problems)
    with _marks_ignored():
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    if schema is not None:
        found = dataset.attrs["mesomode"]["schema"]
        if found != schema.name:
            dataset.close()
            raise StoreError(
                f"the store is of the kind {found!r} where {schema.name!r} is needed",
                where=path,
                remedy="give the store that the stage expects",
            )
        _conformed(dataset, schema, path)
    return dataset


@_snakemake_ignored()
def verify_store(path: str | Path) -> list[str]:
    """Compare every array of a store with its recorded digest.

    Returns
    -------
    list of str
        What is wrong, one line each; empty if the store is sound.
    """
    try:
        group = _open_group(Path(path))
    except StoreError as error:
        return [f"{error.what}: {error.why}" if error.why else error.what]
    problems = _missing_chunks(group)
    recorded = _record(group)["digests"]
    arrays = _arrays(group)
    problems += [f"array {name!r} is missing" for name in sorted(recorded.keys() - arrays.keys())]
    problems += [
        f"array {name!r} is not recorded" for name in sorted(arrays.keys() - recorded.keys())
    ]
    for name in sorted(recorded.keys() & arrays.keys()):
        try:
            found = _array_digest(arrays[name])
        except Exception as error:  # a damaged chunk raises whatever its codec raises
            problems.append(f"array {name!r} cannot be read ({type(error).__name__}: {error})")
            continue
        if found != recorded[name]:
            problems.append(f"array {name!r} differs from its recorded digest")
    return problems


def store_digest(path: str | Path) -> str:
    """Digest of a store's content, from its recorded array digests and attributes.

    Run-to-run facts (versions, code fingerprint) do not enter, results do.
    """
    group = _open_group(Path(path))
    attributes = {key: value for key, value in group.attrs.items() if key != "mesomode"}
    content = {"digests": _record(group)["digests"], "attributes": attributes}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def is_store(path: str | Path) -> bool:
    """Whether ``path`` is a folder that holds a zarr v3 group."""
    return (Path(path) / "zarr.json").is_file()


@_snakemake_ignored()
def export_store(path: str | Path, out: str | Path) -> None:
    """Write a store as one ``.zarr.zip`` file for publishing.

    The arrays are rewritten without shards (a sharded zip reads ten times more
    slowly); equal stores give equal bytes.

    Raises
    ------
    StoreError
        The store is damaged.
    """
    import xarray as xr
    import zarr

    path, out = Path(path), Path(out)
    problems = verify_store(path)
    if problems:
        raise _damaged(path, problems)
    temporary = out.with_name(f".{out.name}.folder-{os.getpid()}")
    try:
        with (
            _marks_ignored(),
            xr.open_zarr(path, consolidated=False, chunks=None) as dataset,
            zarr.config.set({"array.write_empty_chunks": True}),
        ):
            encoding = {str(n): _encoding(dataset[n], sharded=False) for n in dataset.variables}
            for variable in dataset.variables.values():
                variable.encoding = {}
            dataset.to_zarr(
                temporary, mode="w", zarr_format=3, consolidated=False, encoding=encoding
            )
        with atomic_file(out) as archive_path, zipfile.ZipFile(archive_path, "w") as archive:
            for file in sorted(temporary.rglob("*")):
                if file.is_file():
                    entry = zipfile.ZipInfo(
                        file.relative_to(temporary).as_posix(), (1980, 1, 1, 0, 0, 0)
                    )
                    archive.writestr(entry, file.read_bytes())
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _conformed(dataset: xr.Dataset, schema: Schema, path: Path) -> xr.Dataset:
    """Check names, dimensions and types; attach units and meanings."""
    declared = schema.variables
    missing = [n for n, v in declared.items() if not v.optional and n not in dataset.variables]
    unknown = [str(n) for n in dataset.variables if n not in declared]
    problems = [f"{n!r} is missing" for n in missing] + [f"{n!r} is not declared" for n in unknown]
    result = dataset.copy()
    for name, variable in declared.items():
        if name not in dataset.variables:
            continue
        array = dataset[name]
        if array.dims != variable.dims:
            problems.append(f"{name!r} has dimensions {array.dims}, declared {variable.dims}")
            continue
        wanted = np.dtype(variable.dtype)
        if array.dtype != wanted:
            if not np.can_cast(array.dtype, wanted, casting="same_kind"):
                problems.append(f"{name!r} has type {array.dtype}, declared {wanted}")
                continue
            result[name] = array.astype(wanted)
        result[name].attrs.update({"units": variable.unit, "long_name": variable.meaning})
        if variable.flags:
            result[name].attrs["flag_values"] = list(range(len(variable.flags)))
            result[name].attrs["flag_meanings"] = " ".join(variable.flags)
    if problems:
        raise StoreError(
            f"the arrays do not match the declaration of {schema.name!r} stores",
            where=path,
            why="; ".join(problems),
            remedy="rerun the stage that makes the store; if it persists, report it",
        )
    return result


def _encoding(array: xr.DataArray, sharded: bool = True) -> dict[str, Any]:
    """Chunks of about a megabyte, square so that rows and columns are both cheap; few shards."""
    from zarr.codecs import ZstdCodec

    kind = array.dtype.kind
    fill = float("nan") if kind == "f" else (False if kind == "b" else 0)
    encoding: dict[str, Any] = {
        "compressors": (ZstdCodec(level=3, checksum=True),),
        "fill_value": fill,
        "_FillValue": None,
    }
    if array.ndim == 0 or array.size == 0:
        return encoding
    chunks, shards = chunk_shapes(array.shape, array.dtype.itemsize)
    encoding["chunks"] = chunks
    if sharded and shards != chunks:
        encoding["shards"] = shards
    return encoding


def chunk_shapes(shape: tuple[int, ...], itemsize: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunk and shard shapes for an array.

    Parameters
    ----------
    shape : tuple of int
    itemsize : int
        Bytes of one element.

    Returns
    -------
    chunks, shards : tuple of int
        Chunks hold about one megabyte and are as near to square as the array
        allows; shards are whole multiples of chunks, at most a few per array.
    """
    chunks = list(shape)
    while math.prod(chunks) * itemsize > CHUNK_BYTES:
        longest = max(range(len(chunks)), key=chunks.__getitem__)
        chunks[longest] = -(-chunks[longest] // 2)
    counts = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    shards = [c * k for c, k in zip(chunks, counts, strict=True)]
    pieces = min(SHARDS_PER_ARRAY, max(1, math.prod(shape) * itemsize // (32 * CHUNK_BYTES)))
    shards[0] = chunks[0] * -(-counts[0] // pieces)
    return tuple(chunks), tuple(shards)


def _array_digest(array: np.ndarray | zarr.Array) -> str:
    """Digest of type, shape and values, read in bounded blocks."""
    digest = hashlib.sha256(f"{np.dtype(array.dtype).str}{tuple(array.shape)}".encode())
    if array.ndim == 0:
        digest.update(np.asarray(array[...]).tobytes())
        return digest.hexdigest()
    row = max(1, math.prod(array.shape[1:]) * np.dtype(array.dtype).itemsize)
    step = max(1, (64 << 20) // row)
    shards = getattr(array, "shards", None)
    if shards:
        step = max(shards[0], step // shards[0] * shards[0])
    for start in range(0, array.shape[0], step):
        digest.update(np.ascontiguousarray(array[start : start + step]).tobytes())
    return digest.hexdigest()


def _open_group(path: Path) -> zarr.Group:
    import zarr

    if not path.exists():
        raise StoreError(
            "the store does not exist", where=path, remedy="run the stage that makes it"
        )
    try:
        group = zarr.open_group(path, mode="r", zarr_format=3, use_consolidated=False)
        number = _record(group)["format"]
    except Exception as error:
        raise StoreError(
            "this is not a store written by mesomode",
            where=path,
            why=f"{type(error).__name__}: {error}",
            remedy="delete it and rerun the stage that makes it",
        ) from error
    if number != FORMAT:
        raise StoreError(
            "the store has a format this version does not know",
            where=path,
            why=f"format {number}, known: {FORMAT}",
            remedy="rerun the stage that makes it, or use the version that wrote it",
        )
    return group


def _record(group: zarr.Group) -> dict[str, Any]:
    """What mesomode wrote about the store itself."""
    attributes: dict[str, Any] = dict(group.attrs)
    return dict(attributes["mesomode"])


def _arrays(group: zarr.Group) -> dict[str, zarr.Array]:
    with _marks_ignored():
        return dict(group.arrays())


@contextlib.contextmanager
def _marks_ignored() -> Iterator[None]:
    """Silence zarr about the time stamp that Snakemake leaves in the folder of a store."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Object at \.snakemake_timestamp")
        yield


def _missing_chunks(group: zarr.Group) -> list[str]:
    problems = []
    for name, array in _arrays(group).items():
        expected = math.prod(
            -(-n // s) for n, s in zip(array.shape, array.shards or array.chunks, strict=True)
        )
        found = array._nshards_initialized if array.shards else array.nchunks_initialized
        if found != expected:
            problems.append(f"array {name!r} has {found} of {expected} files of chunks")
    return problems


def _damaged(path: Path, problems: list[str]) -> StoreError:
    return StoreError(
        "the store is damaged",
        where=path,
        why="; ".join(problems),
        remedy="delete it and rerun the stage that makes it (snakemake does so by itself then)",
    )


def _inherited_attributes(parents: list[Path]) -> dict[str, Any]:
    inherited: dict[str, Any] = {}
    for parent in parents:
        if is_store(parent):
            attributes = json.loads((parent / "zarr.json").read_text())["attributes"]
            inherited |= {k: attributes[k] for k in INHERITED if k in attributes}
    return inherited


def _flush(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
