"""Distances to the nearest neighbours of every point of a cloud."""

from __future__ import annotations

import numpy as np

from mesomode.errors import DataError

TREE_DIMENSIONS = 12
"""Up to that many coordinates a k-d tree is quicker than all inner products."""

BLOCK_BYTES = 64e6
"""Memory for the distances of one block of points to all others."""

SPARE = 4
"""Neighbours found beyond those asked for, as inner products tell close ones apart badly."""


def distinct_points(points: np.ndarray) -> tuple[np.ndarray, int]:
    """Points as float64, each once, in their order.

    Duplicates (repeated or quantised measurements) have distance zero to each other, which no
    estimate from ratios of distances survives.

    Parameters
    ----------
    points : array (point, coordinate)

    Returns
    -------
    points : float64 array (point, coordinate)
        Shifted and scaled so that the largest deviation from the mean is one.
    dropped : int
        Number of duplicates left out.

    Raises
    ------
    DataError
        It is no filled table, values are not finite, or all points are the same.
    """
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(
            "the points are not a filled table (point, coordinate)",
            why=f"their shape is {values.shape}",
            remedy="put points in rows and coordinates in columns",
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise DataError(
            f"{bad.size} of {len(values)} points have coordinates that are not finite",
            where=f"first at point {bad[0]}",
            why="they have no distance to the others",
            remedy="leave out the points or the coordinates with gaps",
        )
    kept = np.sort(np.unique(values, axis=0, return_index=True)[1])
    if len(kept) < 2:
        raise DataError(
            f"all {len(values)} points are the same",
            why="constant data have no dimension",
            remedy="check the recording or the layer",
        )
    distinct = values[kept] - values[kept].mean(axis=0)
    return distinct / np.abs(distinct).max(), len(values) - len(kept)


def nearest_neighbours(points: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances to, and indices of, the nearest other points.

    By a k-d tree in few dimensions, otherwise by inner products, a block of points at a time;
    the distances returned are computed from differences of coordinates in both cases.

    Parameters
    ----------
    points : float64 array (point, coordinate)
        Distinct.
    count : int
        Number of neighbours k.

    Returns
    -------
    distances : float64 array (point, neighbour)
        Ascending, without the point itself.
    indices : int64 array (point, neighbour)

    Raises
    ------
    DataError
        There are not more points than neighbours asked for.
    """
    total, coordinates = points.shape
    if count < 1:
        raise ValueError(f"{count} neighbours")
    if total <= count:
        raise DataError(
            f"{total} distinct points are too few",
            why=f"{count} neighbours of each are needed, so at least {count + 1} points",
            remedy="give more points or ask for fewer neighbours",
        )
    if coordinates <= TREE_DIMENSIONS:
        from scipy.spatial import cKDTree

        found, indices = cKDTree(points).query(points, k=count + 1)
        return found[:, 1:], indices[:, 1:].astype(np.int64)
    distances = np.empty((total, count))
    indices = np.empty((total, count), dtype=np.int64)
    wanted = min(count + SPARE, total - 1)
    squares = np.einsum("ij,ij->i", points, points)
    rows = max(1, int(BLOCK_BYTES / 8 / max(2 * total, wanted * coordinates)))
    for first in range(0, total, rows):
        block = points[first : first + rows]
        squared = block @ points.T
        squared *= -2
        squared += squares
        squared[np.arange(len(block)), np.arange(first, first + len(block))] = np.inf
        near = np.argpartition(squared, wanted - 1, axis=1)[:, :wanted]
        exact = np.linalg.norm(points[near] - block[:, None], axis=2)
        order = np.argsort(exact, axis=1)[:, :count]
        distances[first : first + rows] = np.take_along_axis(exact, order, axis=1)
        indices[first : first + rows] = np.take_along_axis(near, order, axis=1)
    return distances, indices
