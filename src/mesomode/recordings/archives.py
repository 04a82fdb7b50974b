"""The arrays of an HDF5, npz or zarr file by their names, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mesomode.errors import DataError

KINDS = {".npz": "npz", ".nwb": "nwb", ".zarr": "zarr"}
"""Kinds of files by their endings; all others are taken for HDF5."""


def kind_of(path: Path, kind: str) -> str:
    """Kind of a file: what is said, or by the ending of its name."""
    return KINDS.get(path.suffix.lower(), "hdf5") if kind == "auto" else kind


def arrays_of(path: Path, kind: str) -> dict[str, Callable[[], np.ndarray]]:
    """What gives each array of a file, by its name (groups parted by ``/``).

    Parameters
    ----------
    path : Path
        The file, or the folder of a zarr store.
    kind : str
        ``"hdf5"``, ``"npz"`` or ``"zarr"``.

    Raises
    ------
    DataError
        It cannot be opened as such.
    """
    openers = {"hdf5": _hdf5, "npz": _npz, "zarr": _zarr}
    if not path.exists():
        raise DataError(
            "a recording of one's own does not exist",
            where=path,
            remedy="correct the config key `recordings.files`; paths are relative to the folder "
            "in which the pipeline is started",
        )
    try:
        return openers[kind](path)
    except Exception as error:  # each library has its own kinds of errors
        raise DataError(
            "a recording of one's own cannot be opened",
            where=path,
            why=f"as {kind}: {error}",
            remedy="set `kind` of this file in `recordings.files` to hdf5, npz, nwb or zarr",
        ) from error


def _hdf5(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    import h5py

    found: dict[str, Callable[[], np.ndarray]] = {}

    def reader(name: str) -> Callable[[], np.ndarray]:
        def read() -> np.ndarray:
            with h5py.File(path, "r") as file:
                return np.asarray(file[name][()])

        return read

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = reader(name)

    with h5py.File(path, "r") as file:
        file.visititems(keep)
    return found


def _npz(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    def reader(name: str) -> Callable[[], np.ndarray]:
        def read() -> np.ndarray:
            with np.load(path, allow_pickle=False) as file:
                return np.asarray(file[name])

        return read

    with np.load(path, allow_pickle=False) as file:
        return {name: reader(name) for name in file.files}


def _zarr(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    import zarr

    group = zarr.open_group(str(path), mode="r")

    def reader(array: Any) -> Callable[[], np.ndarray]:
        return lambda: np.asarray(array[...])

    return {
        name: reader(item)
        for name, item in group.members(max_depth=None)
        if isinstance(item, zarr.Array)
    }
