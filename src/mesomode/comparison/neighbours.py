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


def distinct_points(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    kept : int64 array (point,)
        Their rows in the table; of duplicates the first.

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
    return distinct / np.abs(distinct).max(), kept


def nearest_neighbours(
    points: np.ndarray, count: int, times: np.ndarray | None = None, window: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Distances to, and indices of, the nearest other points.

    By a k-d tree in few dimensions, otherwise by inner products, a block of points at a time;
    the distances returned are computed from differences of coordinates in both cases.

    Parameters
    ----------
    points : float64 array (point, coordinate)
        Distinct.
    count : int
        Number of neighbours k.
    times : int array (point,), optional
        Frame of every point, ascending; by default 0, 1, 2 and so on.
    window : int
        Frames before and after a point that are not its neighbours (Theiler, Phys. Rev. A 34,
        2427, 1986): states that follow each other on a trajectory are close for that reason.

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
    if count < 1 or window < 0:
        raise ValueError(f"{count} neighbours outside of {window} frames")
    frames = np.arange(total) if times is None else np.asarray(times)
    first_out = np.searchsorted(frames, frames - window, side="left")
    next_in = np.searchsorted(frames, frames + window, side="right")
    left = total - int(np.max(next_in - first_out))
    if left < count:
        near = f" that are more than {window} frames away" if window else ""
        raise DataError(
            f"{total} distinct points are too few",
            why=f"{count} neighbours of each are needed{near}, and some point has {left}",
            remedy="give more points or ask for fewer neighbours",
        )
    if coordinates <= TREE_DIMENSIONS and window == 0:
        from scipy.spatial import cKDTree

        found, indices = cKDTree(points).query(points, k=count + 1)
        return found[:, 1:], indices[:, 1:].astype(np.int64)
    distances = np.empty((total, count))
    indices = np.empty((total, count), dtype=np.int64)
    wanted = min(count + SPARE, left)
    squares = np.einsum("ij,ij->i", points, points)
    rows = max(1, int(BLOCK_BYTES / 8 / max(2 * total, wanted * coordinates)))
    for first in range(0, total, rows):
        block = points[first : first + rows]
        squared = block @ points.T
        squared *= -2
        squared += squares
        for row, point in enumerate(range(first, first + len(block))):
            squared[row, first_out[point] : next_in[point]] = np.inf
        nearest = np.argpartition(squared, wanted - 1, axis=1)[:, :wanted]
        exact = np.linalg.norm(points[nearest] - block[:, None], axis=2)
        order = np.argsort(exact, axis=1)[:, :count]
        distances[first : first + rows] = np.take_along_axis(exact, order, axis=1)
        indices[first : first + rows] = np.take_along_axis(nearest, order, axis=1)
    return distances, indices
