"""A connectome of one's own: a matrix or an edge list from a file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mesomode.errors import DataError

FORMATS = (".npz", ".csv", ".zarr")


@dataclass(frozen=True)
class ImportedConnectome:
    """Weights from a file.

    Attributes
    ----------
    weights : (target, source) float32
        Nonnegative.
    target_unit, source_unit : int64
        Row or column number in the file's matrix, or id in its edge list.
    """

    weights: npt.NDArray[np.float32]
    target_unit: npt.NDArray[np.int64]
    source_unit: npt.NDArray[np.int64]


def import_connectome(
    path: str | Path,
    *,
    key: str | None = None,
    edge_keys: Sequence[str] | None = None,
    mask_key: str | None = None,
    orientation: str = "source_by_target",
) -> ImportedConnectome:
    """Read weights from an .npz, .csv or .zarr file.

    Parameters
    ----------
    path : str or Path
        An .npz or .zarr file with named arrays; or a .csv file, either a bare
        matrix of numbers or, for an edge list, a table with a header.
    key : str, optional
        Name of the matrix; by default the only two-dimensional array.
    edge_keys : (source, target, weight), optional
        Names of the arrays or columns of an edge list. The units are the ids
        that occur as source or target, in ascending order; weights of the
        same pair add up.
    mask_key : str, optional
        Name of an array of bool, one a unit: the units to keep. The ids of
        an edge list are then positions in this array.
    orientation : {"source_by_target", "target_by_source"}
        What the rows and columns of a matrix are. An edge list knows.

    Returns
    -------
    ImportedConnectome

    Raises
    ------
    DataError
        Missing or unreadable file, unknown name (those there are listed), not
        numbers, not finite, negative, empty, or a mask that does not fit.
    """
    path = Path(path)
    arrays = _read(path, edge_keys)
    if edge_keys is not None:
        weights, units = _from_edges(path, arrays, edge_keys, mask_key)
        target_unit = source_unit = units
    else:
        name = key if key is not None else _only_matrix(path, arrays)
        weights = _numbers(path, arrays, name)
        if weights.ndim != 2:
            raise DataError(
                f"{name!r} has {weights.ndim} dimensions, a matrix has 2",
                where=path,
                remedy="choose another array (file_key) or name an edge list (file_edge_keys)",
            )
        if orientation == "source_by_target":
            weights = weights.T
        elif orientation != "target_by_source":
            raise DataError(f"unknown orientation {orientation!r}")
        target_unit, source_unit = (np.arange(n, dtype=np.int64) for n in weights.shape)
        if mask_key is not None:
            keep = _mask(path, arrays, mask_key)
            if weights.shape != (len(keep), len(keep)):
                raise DataError(
                    f"the mask {mask_key!r} of {len(keep)} units does not fit a matrix of "
                    f"{weights.shape[0]} x {weights.shape[1]}",
                    where=path,
                )
            weights = weights[np.ix_(keep, keep)]
            target_unit, source_unit = target_unit[keep], source_unit[keep]
    _check_values(path, weights)
    return ImportedConnectome(
        np.ascontiguousarray(weights, dtype=np.float32), target_unit, source_unit
    )


def import_positions(
    path: str | Path, key: str, units: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Read where the units of a connectome are.

    Parameters
    ----------
    path : str or Path
        An .npz or .zarr file with named arrays.
    key : str
        Name of the array of coordinates, a row for each unit of the file.
    units : (unit,) of int
        Rows wanted: ``target_unit`` of what :func:`import_connectome` read.

    Returns
    -------
    ndarray (unit, axis) of float64

    Raises
    ------
    DataError
        Missing or unreadable file, unknown name, not finite coordinates, or not
        a row for every unit.
    """
    path = Path(path)
    place = _numbers(path, _read(path, None), key)
    if place.ndim != 2 or (len(units) and (units.min() < 0 or units.max() >= len(place))):
        raise DataError(
            f"{key!r} has no coordinates of every unit",
            where=path,
            why=f"its shape is {place.shape}, the units have the numbers {units.min()} to "
            f"{units.max()}",
            remedy="give an array (unit, axis) in the order of the units, or no positions",
        )
    if not np.isfinite(place[units]).all():
        raise DataError(f"{key!r} has coordinates that are NaN or infinite", where=path)
    return np.asarray(place[units])


def _read(path: Path, edge_keys: Sequence[str] | None) -> Mapping[str, Any]:
    if not path.exists():
        raise DataError("the connectome file does not exist", where=path)
    if path.suffix not in FORMATS:
        raise DataError(
            f"connectomes of the kind {path.suffix!r} cannot be read",
            where=path,
            remedy=f"convert it to one of {', '.join(FORMATS)}",
        )
    try:
        if path.suffix == ".npz":
            return _read_npz(path)
        if path.suffix == ".zarr":
            import zarr

            group = zarr.open_group(path, mode="r")
            return {name: array[...] for name, array in group.arrays()}
        return _read_csv(path, table=edge_keys is not None)
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            "the connectome file cannot be read",
            where=path,
            why=f"{type(error).__name__}: {error}",
            remedy="write it again, for .npz with numpy.savez and arrays of numbers only",
        ) from error


def _read_npz(path: Path) -> dict[str, Any]:
    """All arrays but those of objects, which would have to be unpickled."""
    arrays = {}
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        for name in file.files:
            try:
                arrays[name] = file[name]
            except ValueError:
                continue
    return arrays


def _read_csv(path: Path, table: bool) -> dict[str, Any]:
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if table:
        header, body = ([cell.strip() for cell in rows[0]], rows[1:]) if rows else ([], [])
        columns = zip(*body, strict=True) if body else [() for _ in header]
        return {name: np.array(c) for name, c in zip(header, columns, strict=True)}
    return {"matrix": np.array(rows, dtype=str).reshape(len(rows), -1)}


def _only_matrix(path: Path, arrays: Mapping[str, Any]) -> str:
    names = [
        name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind in "biufU"
    ]
    if len(names) == 1:
        return names[0]
    found = f"{len(names)} matrices ({', '.join(names)})" if names else "no matrix"
    raise DataError(
        f"the file holds {found}: which one is the connectome is not clear",
        where=path,
        why=f"its arrays are {_listing(arrays)}",
        remedy="name it in connectome.file_key, or an edge list in connectome.file_edge_keys",
    )


def _listing(arrays: Mapping[str, Any]) -> str:
    return ", ".join(f"{n} {a.shape}" for n, a in arrays.items()) or "none that can be read"


def _get(path: Path, arrays: Mapping[str, Any], name: str) -> Any:
    if name not in arrays:
        raise DataError(
            f"there is no array or column {name!r} in the file",
            where=path,
            why=f"there are: {_listing(arrays)}",
            remedy="correct connectome.file_key, file_edge_keys or file_mask_key",
        )
    return arrays[name]


def _numbers(path: Path, arrays: Mapping[str, Any], name: str) -> npt.NDArray[np.float64]:
    array = _get(path, arrays, name)
    try:
        if array.dtype.kind not in "biufU":
            raise ValueError(f"its type is {array.dtype}")
        return np.asarray(array).astype(np.float64)
    except ValueError as error:
        raise DataError(
            f"{name!r} does not consist of numbers",
            where=path,
            why=str(error),
            remedy="a .csv matrix has numbers only, no header and no row names",
        ) from error


def _mask(path: Path, arrays: Mapping[str, Any], name: str) -> npt.NDArray[np.bool_]:
    mask = _get(path, arrays, name)
    if mask.ndim != 1 or mask.dtype != np.bool_:
        raise DataError(
            f"{name!r} is not a mask: {mask.dtype} with shape {mask.shape}",
            where=path,
            remedy="a mask is one array of true and false, one value a unit",
        )
    return np.asarray(mask)


def _from_edges(
    path: Path, arrays: Mapping[str, Any], keys: Sequence[str], mask_key: str | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    before, after, value = (_numbers(path, arrays, name) for name in keys)
    if not before.ndim == after.ndim == value.ndim == 1 or not (
        len(before) == len(after) == len(value)
    ):
        raise DataError(
            f"the columns {', '.join(keys)} of the edge list have different lengths or are not "
            f"columns: {before.shape}, {after.shape}, {value.shape}",
            where=path,
        )
    ids = np.concatenate([before, after])
    if not len(ids) or not np.isfinite(ids).all() or (ids != np.round(ids)).any():
        raise DataError(
            "the edge list is empty or its units are not whole numbers",
            where=path,
            why=f"columns {keys[0]} and {keys[1]}",
        )
    ids = np.concatenate(
        [np.asarray(arrays[name]).astype(np.int64) for name in keys[:2]]
    )  # exact: ids may exceed 2^53
    units, index = np.unique(ids, return_inverse=True)
    source, target = index.reshape(2, -1)
    if mask_key is not None:
        keep = _mask(path, arrays, mask_key)
        if units[0] < 0 or units[-1] >= len(keep):
            raise DataError(
                f"the units {units[0]} to {units[-1]} are not positions in the mask {mask_key!r} "
                f"of {len(keep)}",
                where=path,
            )
        place = np.cumsum(keep) - 1
        both = keep[units[source]] & keep[units[target]]
        source, target = place[units[source[both]]], place[units[target[both]]]
        value, units = value[both], np.flatnonzero(keep).astype(np.int64)
    weights = np.zeros((len(units), len(units)))
    np.add.at(weights, (target, source), value)
    return weights, units


def _check_values(path: Path, weights: npt.NDArray[np.float64]) -> None:
    if weights.size == 0:
        raise DataError("the connectome is empty", where=path)
    unknown = int(np.sum(~np.isfinite(weights)))
    if unknown:
        raise DataError(
            f"{unknown} of {weights.size} weights are NaN or infinite",
            where=path,
            remedy="fill them, or leave out the units concerned",
        )
    if (weights < 0).any():
        raise DataError(
            f"{int(np.sum(weights < 0))} weights are negative, the smallest {weights.min():g}",
            where=path,
            why="connectomes here are amounts of projection, which are nonnegative",
            remedy="give strengths without sign",
        )
    if not weights.any():
        raise DataError(
            "all weights are zero", where=path, remedy="check the array or columns chosen"
        )
