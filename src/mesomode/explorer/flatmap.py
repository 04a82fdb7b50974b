"""Cortex spread out: which target voxels lie on the path of each pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesomode.errors import DataError

SHAPE = (132, 80, 114)
"""Grid to which the paths of the Allen Institute's cortical coordinates refer."""


def flatmap_pixels(
    lookup: NDArray[np.integer],
    paths: NDArray[np.integer],
    shape: tuple[int, ...],
    voxel: NDArray[np.integer],
) -> dict[str, NDArray[np.int32]]:
    """Pixels that meet a voxel, cut to the part of the map where there are some.

    Parameters
    ----------
    lookup : int array (row, column)
        Number of the pixel's path; -1: none.
    paths : int array (path, step)
        Voxels along each path from the surface down, as places in the grid laid out row by row;
        0 fills up.
    shape : (int, int, int)
        Of the atlas.
    voxel : int array (voxel, 3)

    Returns
    -------
    dict
        ``flatmap_shape`` (2,); ``flatmap_start`` (pixel + 1,): where the voxels of each pixel, row
        by row, begin in ``flatmap_voxel``, from the surface down.

    Raises
    ------
    DataError
        The atlas is another, or no path meets a voxel.
    """
    if tuple(shape) != SHAPE:
        raise DataError(
            f"the flatmap does not fit an atlas of {' x '.join(map(str, shape))} voxels",
            where="report.flatmap",
            why=f"its paths are those of the real mouse brain at 100 um, {SHAPE}",
            remedy="use it with source: allen and fetch.resolution_um: 100, or set it to null",
        )
    number = np.full(np.prod(SHAPE), -1, np.int64)
    number[np.ravel_multi_index(tuple(np.asarray(voxel, np.int64).T), SHAPE)] = np.arange(
        len(voxel)
    )
    along = np.where(paths > 0, number[np.asarray(paths, np.int64)], -1)
    met = np.append((along >= 0).any(axis=1), False)[lookup]
    rows, columns = np.nonzero(met)
    if not len(rows):
        raise DataError("no path of the flatmap meets a target voxel", where="report.flatmap")
    part = lookup[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    lists = [
        np.unique(line[line >= 0], return_index=True) if path >= 0 else None
        for path, line in ((p, along[p]) for p in part.ravel())
    ]
    ordered = [np.empty(0, np.int64) if f is None else f[0][np.argsort(f[1])] for f in lists]
    start = np.concatenate([[0], np.cumsum([len(o) for o in ordered])])
    return {
        "flatmap_shape": np.array(part.shape, np.int32),
        "flatmap_start": start.astype(np.int32),
        "flatmap_voxel": np.concatenate(ordered).astype(np.int32),
    }
