"""What numpy's ways of indexing a matrix mean for its rows and its columns."""

from __future__ import annotations

from typing import Any

import numpy as np


def split_index(key: Any, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Indices of rows and of columns that mean what ``key`` means for a matrix.

    Parameters
    ----------
    key : index
        Integers, slices, integer arrays, masks and an ellipsis, alone or in
        a tuple; or a mask of the whole matrix.
    shape : (int, int)
        Of the matrix.

    Returns
    -------
    rows, columns : slice, int or ndarray of int
        Masks have become positions.

    Raises
    ------
    IndexError
        Too many indices, out of bounds, or of the wrong type.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if len(parts) == 1 and _is_matrix_mask(parts[0], shape):
        rows, columns = np.nonzero(parts[0])
        return rows, columns
    if any(part is Ellipsis for part in parts):
        if sum(part is Ellipsis for part in parts) > 1:
            raise IndexError("an index can have only one ellipsis")
        place = next(k for k, part in enumerate(parts) if part is Ellipsis)
        parts[place : place + 1] = [slice(None)] * (3 - len(parts))
    if len(parts) > 2 or any(part is None for part in parts):
        raise IndexError("too many indices: weights are (target, source)")
    parts += [slice(None)] * (2 - len(parts))
    clean = []
    for part, count, name in zip(parts, shape, ("target", "source"), strict=True):
        clean.append(_index(part, count, name))
    return clean[0], clean[1]


def _is_matrix_mask(part: Any, shape: tuple[int, int]) -> bool:
    return getattr(part, "dtype", None) == np.bool_ and np.shape(part) == shape


def _index(part: Any, count: int, name: str) -> Any:
    """A slice, an integer or an integer array; masks become positions; bounds are checked."""
    if isinstance(part, slice):
        return part
    index = np.asarray(part)
    if index.dtype == np.bool_:
        if index.shape != (count,):
            raise IndexError(f"a mask of shape {index.shape} for {count} {name} voxels")
        return np.flatnonzero(index)
    if index.size == 0:
        return index.astype(np.int64)
    if not np.issubdtype(index.dtype, np.integer):
        raise IndexError(f"{name} indices have to be integers, slices or masks, not {index.dtype}")
    if (index < -count).any() or (index >= count).any():
        raise IndexError(f"{name} index out of bounds for {count} voxels")
    return int(index) if index.ndim == 0 else index
