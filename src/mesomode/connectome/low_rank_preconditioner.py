"""Two-level preconditioner for the quadratic in one factor of (P2)."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sparse

from mesomode.connectome import kernels
from mesomode.connectome.low_rank_problem import Factor, Quadratic
from mesomode.connectome.preconditioner import aggregate

COARSE_VOXELS = 400  # most groups of the coarse grid
SMOOTHINGS = 2  # of the aggregates, times the width of a group in voxels


class FactorPreconditioner:
    """Approximate inverse of A ~ E (x) G + I (x) C, E = rho L^2 (+ X X^T).

    In the generalised eigenbasis of (G, C) the columns of the factor decouple,
    and in that of E on a coarse grid (smoothed aggregates, Galerkin) so do the
    voxels: the coarse part of the inverse is a diagonal in the product of the
    two bases. What the coarse grid does not show gets the inverse of the
    typical curvature of rough columns. The coarse basis is computed once; the
    small basis for each new ``Quadratic``.

    Parameters
    ----------
    laplacian : (voxel, voxel) sparse
        L of the factor's grid.
    weight : float
        rho = lambda n_inj / n_x.
    injection : (voxel, experiment) sparse, optional
        X for the source factor; nothing for the target factor.
    """

    def __init__(
        self,
        laplacian: sparse.csr_array,
        weight: float,
        injection: sparse.csr_array | None = None,
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
        self.coarse = (1.0 / (self.values * values + 1.0)).astype(self.precision)
        self.fine = (1.0 / (self.rough * values + 1.0)).astype(self.precision)

    def apply(self, residual: Factor) -> Factor:
        """An approximate A^-1 R, (voxel, rank)."""
        turned = residual @ self.columns
        coarse = self.basis.T @ combine(self.restriction, turned)
        coarse *= self.coarse
        result = combine(self.transfer, self.basis @ coarse)
        if not self.exact:
            turned *= self.fine
            result += turned
        return np.asarray(result @ self.columns_transposed)


def combine(matrix: sparse.csr_array, factor: Factor) -> Factor:
    """A sparse matrix times a factor."""
    out = np.empty((matrix.shape[0], factor.shape[1]), factor.dtype)
    kernels.combine_rows(matrix.indptr, matrix.indices, matrix.data, factor, out)
    return out


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
        groups = int(group.max()) + 1
        if groups == graph.shape[0]:
            break
        join = sparse.csr_array((np.ones(len(group)), (np.arange(len(group)), group)))
        transfer = sparse.csr_array(transfer @ join)
        edges = sparse.csr_array(join.T @ graph @ join)
        edges = sparse.csr_array(edges - sparse.diags_array(edges.diagonal()))
        edges.eliminate_zeros()
        edges.data[:] = 1.0
        graph = sparse.csr_array(edges - sparse.diags_array(edges.sum(axis=1)))
    if transfer.shape[1] < count:
        damping = 0.75 / max(1.0, float(-laplacian.diagonal().min()))
        for _ in range(round(SMOOTHINGS * (count / transfer.shape[1]) ** (1 / 3))):
            transfer = sparse.csr_array(transfer + damping * (laplacian @ transfer))
    transfer.sort_indices()
    return transfer
