"""Two-level preconditioner for the quadratic in one factor of (P2)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sparse

from mesomode.connectome import kernels
from mesomode.connectome.low_rank_problem import Factor, Quadratic
from mesomode.connectome.preconditioner import aggregate

COARSE_VOXELS = 400  # most groups of the coarse grid
MISSING_CELLS = 600  # most cells of unobserved entries that are taken out
SMOOTHINGS = 2  # of the aggregates, times the width of a group in voxels


class FactorPreconditioner:
    """Approximate inverse of A ~ E (x) G + I (x) C - B B^T, E = rho L^2 (+ X X^T).

    In the generalised eigenbasis of (G, C) the columns of the factor decouple,
    and in that of E on a coarse grid (smoothed aggregates, Galerkin) so do the
    voxels: the coarse part of the inverse is a diagonal in the product of the
    two bases. What the coarse grid does not show gets the inverse of the
    typical curvature of rough columns. The coarse basis is computed once; the
    small basis for each new ``Quadratic``.

    Where the target factor is not seen in some experiment, its curvature is
    less by orders of magnitude: the unobserved entries (or, where these are
    many, cells of the grid that are wholly unobserved in an experiment) are
    taken out of I (x) C as a term B B^T of low rank (Woodbury).

    Parameters
    ----------
    laplacian : (voxel, voxel) sparse
        L of the factor's grid.
    weight : float
        rho = lambda n_inj / n_x.
    injection : (voxel, experiment) sparse, optional
        X for the source factor; nothing for the target factor.
    missing : (voxel, experiment) of bool, optional
        Entries of Y that were not observed, for the target factor.
    """

    def __init__(
        self,
        laplacian: sparse.csr_array,
        weight: float,
        injection: sparse.csr_array | None = None,
        missing: npt.NDArray[np.bool_] | None = None,
        coarse_voxels: int = COARSE_VOXELS,
    ) -> None:
        self.precision = laplacian.dtype
        grid = sparse.csr_array(laplacian, dtype=np.float64)
        transfer = coarse_grid(grid, coarse_voxels)
        self.exact = transfer.shape[1] == transfer.shape[0]
        curved = sparse.csr_array(grid @ transfer)
        energy = weight * (curved.T @ curved).toarray()
        if injection is not None:
            seen = (transfer.T @ sparse.csr_array(injection, dtype=np.float64)).toarray()
            energy += seen @ seen.T
        values, basis = scipy.linalg.eigh(energy, (transfer.T @ transfer).toarray())
        self.values = np.maximum(values, 0.0)[:, None]
        self.basis = np.ascontiguousarray(basis, dtype=self.precision)
        self.transfer = sparse.csr_array(transfer, dtype=self.precision)
        self.restriction = sparse.csr_array(self.transfer.T)
        self.missing = [] if missing is None else missing_cells(grid, missing, transfer, basis)
        self.rough = 2.0 * weight * float(grid.diagonal().min()) ** 2

    def prepare(self, quadratic: Quadratic) -> None:
        """Take in the matrices G and C of a new quadratic."""
        coupling = np.asarray(quadratic.coupling, dtype=np.float64)
        local = np.asarray(quadratic.local, dtype=np.float64)
        rank = len(coupling)
        tiny = 1e-8 * max(np.trace(coupling) * max(1.0, self.rough), np.trace(local), 1e-300) / rank
        values, columns = scipy.linalg.eigh(coupling, local + tiny * np.eye(rank))
        values = np.maximum(values, 0.0)
        self.columns = columns.astype(self.precision)
        self.columns_transposed = np.ascontiguousarray(self.columns.T)
        inverse = 1.0 / (self.values * values + 1.0)
        self.coarse = inverse.astype(self.precision)
        self.removed: Removed | None = None
        if self.missing:
            responses = np.asarray(quadratic.responses, dtype=np.float64) @ columns
            self.removed = Removed(self.missing, responses, inverse)
        self.fine = (1.0 / (self.rough * values + 1.0)).astype(self.precision)

    def apply(self, residual: Factor) -> Factor:
        """An approximate A^-1 R, (voxel, rank)."""
        turned = residual @ self.columns
        coarse = self.basis.T @ combine(self.restriction, turned)
        coarse *= self.coarse
        if self.removed is not None:
            coarse += self.removed.put_back(coarse)
        result = combine(self.transfer, self.basis @ coarse)
        if not self.exact:
            turned *= self.fine
            result += turned
        return np.asarray(result @ self.columns_transposed)


class Removed:
    """The correction of (M - B B^T)^-1 to M^-1, M diagonal in a product of two bases.

    The columns of B are products of a voxel's (or cell's) row of the coarse
    basis with the response to the experiment that did not observe it.

    Parameters
    ----------
    cells : list of (cell, mode)
        For each experiment.
    response : (experiment, column)
        H^T in the basis of the columns.
    inverse : (mode, column)
        The diagonal of M^-1.
    """

    def __init__(self, cells: list[Factor], response: Factor, inverse: Factor) -> None:
        ends = np.cumsum([0] + [len(rows) for rows in cells])
        self.parts = [slice(a, b) for a, b in pairwise(ends)]
        self.cells, self.response, self.inverse = cells, response, inverse
        matrix = np.eye(ends[-1])
        for i, rows in enumerate(cells):
            if len(rows):
                weights = (inverse * response[i]) @ response[: i + 1].T
                for k in range(i + 1):
                    if len(cells[k]):
                        block = (rows * weights[:, k]) @ cells[k].T
                        matrix[self.parts[i], self.parts[k]] -= block
        extra = 1e-9
        while True:  # what rounding took from positive definiteness
            try:
                loaded = matrix + extra * np.eye(len(matrix))
                self.factor = scipy.linalg.cholesky(loaded, lower=True)
                return
            except np.linalg.LinAlgError:
                extra *= 100.0

    def put_back(self, right: Factor) -> Factor:
        """M^-1 B (I - B^T M^-1 B)^-1 B^T C for C = M^-1 R, (mode, column)."""
        value = np.concatenate(
            [rows @ (right @ self.response[i]) for i, rows in enumerate(self.cells)]
        )
        solved = scipy.linalg.cho_solve((self.factor, True), value)
        sums = [v.T @ solved[part] for v, part in zip(self.cells, self.parts, strict=True)]
        result: Factor = (np.stack(sums, axis=1) @ self.response) * self.inverse
        return result


def combine(matrix: sparse.csr_array, factor: Factor) -> Factor:
    """A sparse matrix times a factor."""
    out = np.empty((matrix.shape[0], factor.shape[1]), factor.dtype)
    kernels.combine_rows(matrix.indptr, matrix.indices, matrix.data, factor, out)
    return out


def missing_cells(
    laplacian: sparse.csr_array,
    missing: npt.NDArray[np.bool_],
    transfer: sparse.csr_array,
    basis: Factor,
) -> list[Factor]:
    """For each experiment, the coarse basis (cell, mode) on what it leaves wholly unobserved.

    Cells are single voxels where all unobserved entries are at most 600, else
    the groups of ever coarser aggregations until the cells are so few.
    """
    voxels = sparse.csr_array(missing, dtype=np.float32)
    cells = sparse.csr_array(sparse.eye_array(laplacian.shape[0]))
    graph, whole = laplacian, voxels
    while whole.nnz > MISSING_CELLS:
        group = aggregate(graph)
        if int(group.max()) + 1 == graph.shape[0]:
            return []
        graph, join = joined(graph, group)
        cells = sparse.csr_array(join.T @ cells)
        whole = sparse.csr_array(cells @ voxels)
        whole.data[whole.data < np.repeat(np.diff(cells.indptr), np.diff(whole.indptr))] = 0
        whole.eliminate_zeros()
    size = np.diff(cells.indptr)
    by_experiment = sparse.csc_array(whole)
    found = []
    for first, last in pairwise(by_experiment.indptr):
        chosen = by_experiment.indices[first:last]
        mean = sparse.csr_array(cells[chosen] @ transfer) @ basis
        found.append(np.ascontiguousarray(mean / np.sqrt(size[chosen])[:, None]))
    return found


def joined(
    graph: sparse.csr_array, group: npt.NDArray[np.int64]
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Laplacian (unweighted) of the graph of groups, and the matrix (voxel, group) that joins."""
    join = sparse.csr_array((np.ones(len(group)), (np.arange(len(group)), group)))
    edges = sparse.csr_array(join.T @ graph @ join)
    edges = sparse.csr_array(edges - sparse.diags_array(edges.diagonal()))
    edges.eliminate_zeros()
    edges.data[:] = 1.0
    return sparse.csr_array(edges - sparse.diags_array(edges.sum(axis=1))), join


def coarse_grid(laplacian: sparse.csr_array, most: int) -> sparse.csr_array:
    """Interpolation from at most about ``most`` groups of voxels: (voxel, group), rows sum to one.

    Aggregation is repeated on the graph of the groups, then smoothed to about
    the size of a group. Groups never join what is not connected, so that a
    grid of many islands keeps at least one group for each.
    """
    count = laplacian.shape[0]
    transfer = sparse.csr_array(sparse.eye_array(count))
    graph = laplacian
    while transfer.shape[1] > most:
        group = aggregate(graph)
        if int(group.max()) + 1 == graph.shape[0]:
            break
        graph, join = joined(graph, group)
        transfer = sparse.csr_array(transfer @ join)
    if transfer.shape[1] < count:
        damping = 0.75 / max(1.0, float(-laplacian.diagonal().min()))
        for _ in range(round(SMOOTHINGS * (count / transfer.shape[1]) ** (1 / 3))):
            transfer = sparse.csr_array(transfer + damping * (laplacian @ transfer))
    transfer.sort_indices()
    return transfer
