"""Graph Laplacians on masked voxel lattices: the second differences that measure smoothness."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from scipy.sparse.csgraph import connected_components

from mesomode.errors import DataError


def graph_laplacian(
    voxels: npt.ArrayLike, regions: npt.ArrayLike | None = None
) -> sparse.csr_array:
    """Second-difference operator on the voxels of a mask (homogeneous Neumann boundary).

    The 3-, 5- or 7-point stencil in one, two or three dimensions: off the
    diagonal 1 for voxels that share a face and are both inside the mask, on
    the diagonal minus the number of such neighbours. This is L_x or L_y of
    Harris, Mihalas & Shea-Brown (2016); it is negative semidefinite and its
    null space is the constants on each connected component.

    Parameters
    ----------
    voxels : array_like of int, (voxel, axis)
        Lattice indices, one row a voxel, 1 to 3 axes, in any order.
    regions : array_like of int, (voxel,), optional
        Region of each voxel. If given, edges between different regions are
        cut, so that no smoothness is asked across a regional boundary.

    Returns
    -------
    scipy.sparse.csr_array
        float64, (voxel, voxel), symmetric, rows in the order of ``voxels``.

    Raises
    ------
    DataError
        No voxels, the same voxel twice, not integers, or a wrong shape.
    """
    voxels = np.asarray(voxels)
    if voxels.ndim != 2 or not 1 <= voxels.shape[1] <= 3 or len(voxels) == 0:
        raise DataError(
            f"the voxel indices have shape {voxels.shape}",
            why="one row a voxel and 1 to 3 columns of lattice indices are needed",
            remedy="check the region set and hemisphere of the atlas settings",
        )
    if not np.issubdtype(voxels.dtype, np.integer):
        raise DataError(
            f"the voxel indices are {voxels.dtype}, not integers",
            remedy="pass lattice indices, not positions in micrometres",
        )
    # One empty layer all around, so that a step never leaves the table.
    place = voxels.astype(np.int64) - voxels.min(axis=0) + 1
    shape = tuple(place.max(axis=0) + 2)
    flat = np.ravel_multi_index(tuple(place.T), shape)
    order = np.argsort(flat)
    ordered = flat[order]
    if (ordered[1:] == ordered[:-1]).any():
        raise DataError(
            "the same voxel is listed more than once",
            remedy="each voxel of a grid must appear exactly once",
        )
    region = None if regions is None else np.asarray(regions)
    if region is not None and region.shape != (len(voxels),):
        raise DataError(f"{region.shape} region ids were given for {len(voxels)} voxels")
    strides = np.cumprod((1, *shape[:0:-1]))[::-1]
    first, second = [], []
    for stride in strides:
        position = np.searchsorted(ordered, flat + stride)
        position[position == len(flat)] = 0
        here = np.flatnonzero(ordered[position] == flat + stride)
        there = order[position[here]]
        if region is not None:
            same = region[here] == region[there]
            here, there = here[same], there[same]
        first.append(here)
        second.append(there)
    i, j = np.concatenate(first), np.concatenate(second)
    count = len(voxels)
    edges = sparse.coo_array((np.ones(len(i)), (i, j)), shape=(count, count))
    adjacency = (edges + edges.T).tocsr()
    laplacian = (adjacency - sparse.diags_array(adjacency.sum(axis=1))).tocsr()
    laplacian.sort_indices()
    return laplacian


def neighbour_table(laplacian: sparse.sparray) -> npt.NDArray[np.uint32]:
    """Neighbours of every voxel as a rectangular table, padded with the voxel itself.

    With m columns, (L w)_i = sum_q w[table[q, i]] - m w_i: a neighbour that
    is not there counts as a copy of the voxel, which is the Neumann boundary.

    Parameters
    ----------
    laplacian : sparse array, (voxel, voxel)
        A Laplacian as :func:`graph_laplacian` makes it (unit weights).

    Returns
    -------
    ndarray of uint32, (neighbour, voxel)
        A multiple of six rows, the neighbours that a voxel of a lattice may have.

    Raises
    ------
    DataError
        The matrix is not the Laplacian of an unweighted, undirected graph.
    """
    matrix = sparse.csr_array(laplacian)
    matrix.sum_duplicates()
    count = matrix.shape[0]
    off = sparse.csr_array(matrix - sparse.diags_array(matrix.diagonal()))
    off.eliminate_zeros()
    degree = np.diff(off.indptr)
    sound = (
        matrix.shape == (count, count)
        and bool(np.all(off.data == 1.0))
        and bool(np.array_equal(matrix.diagonal(), -degree.astype(float)))
        and (off != off.T).nnz == 0
    )
    if not sound:
        raise DataError(
            "the matrix is not the Laplacian of an unweighted graph",
            why="off the diagonal it must be 0 or 1 and symmetric, with rows that sum to 0",
            remedy="make it with graph_laplacian",
        )
    width = 6 * max(1, -(-int(degree.max(initial=0)) // 6))
    table = np.tile(np.arange(count, dtype=np.uint32), (width, 1))
    row = np.repeat(np.arange(count), degree)
    column = np.arange(len(row)) - np.repeat(off.indptr[:-1], degree)
    table[column, row] = off.indices
    return table


def component_labels(laplacian: sparse.sparray) -> npt.NDArray[np.int32]:
    """Connected component of each voxel, numbered from 0: (voxel,) int32."""
    return connected_components(laplacian, directed=False)[1]
