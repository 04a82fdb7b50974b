"""Two-level preconditioner for the Hessian of (P1) on the free entries of W."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sparse
from numpy.polynomial import chebyshev
from scipy.optimize import linprog

from mesomode.connectome import kernels
from mesomode.connectome.objective import Array, Objective
from mesomode.connectome.splitting import InjectionSplitting, matrices_needed

EXACT_BELOW = 200  # grids up to this many voxels are their own coarse grid
SMOOTHINGS = 2  # of the aggregates
HALVED = 0.003  # share of an aggregate pinned to zero at which its coarse entry counts half
SPLIT_ABOVE = 2.0  # weight of the data beside the polynomial from which on they are split off
UNOBSERVED_LIMIT = 3000  # most unobserved entries, or aggregates with some, taken in


def aggregate(laplacian: sparse.csr_array) -> npt.NDArray[np.int64]:
    """Group the voxels of a lattice into a voxel and its neighbours, the rest joining a group.

    The standard aggregation of algebraic multigrid (Vanek, Mandel & Brezina
    1996). Groups never cross a cut edge or a gap of the mask.

    Returns
    -------
    ndarray of int64, (voxel,)
        Group of each voxel, numbered from 0.
    """
    indptr, indices = laplacian.indptr, laplacian.indices
    group = np.full(laplacian.shape[0], -1)
    count = 0
    for voxel in range(len(group)):
        around = indices[indptr[voxel] : indptr[voxel + 1]]
        if group[voxel] < 0 and (group[around] < 0).all():
            group[around] = group[voxel] = count
            count += 1
    first_pass = group.copy()
    for voxel in map(int, np.flatnonzero(group < 0)):
        around = first_pass[indices[indptr[voxel] : indptr[voxel + 1]]]
        group[voxel] = around[around >= 0][0]
    return group


def interpolation(
    laplacian: sparse.csr_array,
) -> tuple[sparse.csr_array, npt.NDArray[np.int64]]:
    """Smoothed aggregation: weights (voxel, group), rows sum to one, and the groups."""
    count = laplacian.shape[0]
    if count <= EXACT_BELOW:
        return sparse.csr_array(sparse.eye_array(count)), np.arange(count)
    group = aggregate(laplacian)
    result = sparse.csr_array(
        (np.ones(count), (np.arange(count), group)), shape=(count, int(group.max()) + 1)
    )
    damping = 0.75 / max(1.0, float(-laplacian.diagonal().min()))
    for _ in range(SMOOTHINGS):
        result = sparse.csr_array(result + damping * (laplacian @ result))
    result.sort_indices()
    return result, group


@lru_cache(maxsize=16)
def smoothing_polynomial(bound: float, ratio: float, largest: float) -> tuple[float, float, float]:
    """Quadratic q that makes t^2 q(t) nearly 1 on [bound/ratio, bound] and at most ``largest``.

    Returns its coefficients in powers of -t, t being an eigenvalue of -T.
    """
    points = np.concatenate(
        [
            np.linspace(0, bound / ratio, 60),
            bound / ratio + bound * (1 - 1 / ratio) * (1 - np.cos(np.linspace(0, np.pi, 400))) / 2,
        ]
    )
    basis = chebyshev.chebvander(2 * points / bound - 1, 2)
    product = points[:, None] ** 2 * basis
    rough = points >= bound / ratio
    one, zero = np.ones((rough.sum(), 1)), np.zeros((len(points), 1))
    limits = np.vstack(
        [
            np.hstack([product[rough], -one]),
            np.hstack([-product[rough], -one]),
            np.hstack([-basis * bound**2, zero]),
            np.hstack([product, zero]),
        ]
    )
    right = np.concatenate(
        [one[:, 0], -one[:, 0], np.full(len(points), -1e-3), np.full(len(points), largest)]
    )
    fit = linprog([0, 0, 0, 1], A_ub=limits, b_ub=right, bounds=[(None, None)] * 3 + [(0, None)])
    power = chebyshev.Chebyshev(fit.x[:3], domain=[0, bound]).convert(kind=np.polynomial.Polynomial)
    c = power.coef
    return float(c[0]), float(-c[1]), float(c[2])


class TwoLevel:
    """Approximate inverse of H/2 = A^T A + rho T^2 restricted to the free entries.

    The sum of a quadratic polynomial in T = L_y (.) + (.) L_x, good for rough
    residuals, and of the exact inverse of the same problem on a coarse grid
    (smoothed aggregates, Galerkin, in its eigenbasis), good for smooth ones;
    for small lambda with what the experiments saw of each row treated apart,
    see :class:`~mesomode.connectome.splitting.InjectionSplitting`, so that the
    number of iterations grows little as lambda falls. Symmetric and positive
    definite.

    Parameters
    ----------
    objective : Objective
        The problem.
    """

    def __init__(self, objective: Objective, dtype: npt.DTypeLike = np.float64) -> None:
        self.objective = objective
        self.dtype = np.dtype(dtype)
        source_laplacian, target_laplacian = objective.source_laplacian, objective.target_laplacian
        self.target, target_group = interpolation(target_laplacian)
        target_values, self.target_basis = _generalized(self.target, target_laplacian)
        if source_laplacian.shape == target_laplacian.shape and (
            abs(source_laplacian - target_laplacian).sum() == 0
        ):
            self.source, source_values = self.target, target_values
            self.source_basis = self.target_basis
        else:
            self.source, _ = interpolation(source_laplacian)
            source_values, self.source_basis = _generalized(self.source, source_laplacian)
        self.target_values, self.source_values = target_values, source_values
        self.target_group = target_group
        self.target_restriction = sparse.csr_array(self.target.T)
        # In the precision of the residual: the products with long vectors.
        self.source_transfer = self.source.astype(self.dtype)
        self.source_restriction = sparse.csr_array(self.source_transfer.T)
        self.target_transform = self.target_basis.astype(self.dtype)
        self.source_transform = self.source_basis.astype(self.dtype)
        self.injection = self.source_basis.T @ (self.source.T @ objective.injection)
        self.coarse_free = np.ones((len(target_values), len(source_values)), self.dtype)
        self.total = np.outer(self.target.sum(axis=0), self.source.sum(axis=0))
        self.rows = np.empty((len(target_values), objective.shape[1]), self.dtype)
        self.strength = float(np.linalg.norm(objective.injection, 2)) ** 2
        self.splitting: InjectionSplitting | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take the objective's lambda: what depends on it is calculated anew."""
        rho = self.objective.penalty_weight
        sums = self.target_values[:, None] + self.source_values
        self.diagonal = 1.0 / (rho * sums**2 + self._shift(sums))
        gram = np.einsum(
            "xi,ax,xj->aij", self.injection, self.diagonal, self.injection, optimize=True
        )
        self.woodbury = np.linalg.inv(np.eye(gram.shape[1]) + gram)
        self._take_in_unobserved(self.target_group, gram @ self.woodbury)
        bound = -2.0 * float(
            self.objective.target_laplacian.diagonal().min()
            + self.objective.source_laplacian.diagonal().min()
        )
        self.polynomial = np.array(smoothing_polynomial(max(1.0, bound), 15.0, 1.8)) / rho
        self._choose_splitting()

    def _choose_splitting(self) -> None:
        """Split the data off where they outweigh the polynomial, which knows nothing of them.

        On a grid that is its own coarse grid the exact inverse has the data.
        """
        coarse = self.diagonal.size < self.objective.shape[0] * self.objective.shape[1]
        outweighed = self.polynomial[0] * self.strength >= SPLIT_ABOVE
        needed = matrices_needed(*self.objective.shape, self.objective.injection.shape[1])
        if not (coarse and outweighed and needed):
            self.splitting = None
        elif self.splitting is None:
            self.splitting = InjectionSplitting(self.objective, self.dtype)

    def _shift(self, sums: Array) -> float:
        """Small weight on the constants, which have no penalty: the data decide them."""
        data = float((self.objective.injection**2).sum(axis=0).max())
        positive = sums[sums > 1e-9 * max(1.0, float(sums.max()))]
        if not len(positive):
            return 1e-6 * data
        smallest = self.objective.penalty_weight * float(positive.min()) ** 2
        return min(max(1e-2 * smallest, 1e-9 * data), 1e-2 * data)

    def _take_in_unobserved(self, group: npt.NDArray[np.int64], response: Array) -> None:
        """Factor the correction for the entries of Y that were not observed.

        With every entry observed the coarse problem is solved row by row of
        its eigenbasis. Each unobserved entry takes one rank from it; where these
        are many, each aggregate that was unobserved in part, by its share.
        ``response`` is X^T (D + X X^T)^-1 X for each target eigenvector.
        """
        missing = (~self.objective.observed).astype(float)
        count = len(group)
        cells = sparse.csr_array(sparse.eye_array(count))
        if np.count_nonzero(missing) > UNOBSERVED_LIMIT:
            size = np.bincount(group)
            cells = sparse.csr_array(
                (1.0 / np.sqrt(size[group]), (group, np.arange(count))), shape=(len(size), count)
            )
            whole = sparse.csr_array((np.ones(count), (group, np.arange(count))))
            missing = (whole @ missing) / size[:, None]
        if np.count_nonzero(missing) > UNOBSERVED_LIMIT:
            missing[missing <= np.sort(missing, axis=None)[-UNOBSERVED_LIMIT - 1]] = 0.0
        basis = (cells @ self.target) @ self.target_basis
        self.missing = [
            np.sqrt(share[share > 0.0])[:, None] * basis[share > 0.0] for share in missing.T
        ]
        ends = np.cumsum([0] + [len(rows) for rows in self.missing])
        self.missing_slices = [slice(a, b) for a, b in pairwise(ends)]
        matrix = np.eye(ends[-1])
        for k, rows in enumerate(self.missing):
            for m in range(k + 1):
                block = (rows * response[:, k, m]) @ self.missing[m].T
                matrix[self.missing_slices[k], self.missing_slices[m]] -= block
        self.missing_factor = _cholesky(matrix)

    def set_free(self, free: npt.NDArray[np.bool_], work: Array) -> None:
        """Take coarse entries less into account the more of what they stand for is pinned."""
        np.logical_not(free, out=work, casting="unsafe")
        share = self.restrict(work) / self.total
        self.coarse_free = (1.0 / (1.0 + share / HALVED)).astype(self.dtype)
        if self.splitting is not None:
            self.splitting.prepare(free, 1.0 / self.polynomial[0])

    def restrict(self, matrix: Array) -> Array:
        """P_y^T M P_x."""
        s = self.target_restriction
        kernels.combine_rows(s.indptr, s.indices, s.data, matrix, self.rows)
        return np.ascontiguousarray((self.source_restriction @ self.rows.T).T)

    def coarse_inverse(self, right: Array) -> Array:
        """Inverse of the coarse problem with all entries free."""
        hat = (self.target_transform.T @ right @ self.source_transform) * self.diagonal
        fitted = np.matmul(self.woodbury, (hat @ self.injection)[:, :, None])
        if len(self.missing_factor):
            value = np.concatenate([m @ fitted[:, k, 0] for k, m in enumerate(self.missing)])
            solved = scipy.linalg.cho_solve((self.missing_factor, True), value)
            extra = np.stack(
                [m.T @ solved[s] for m, s in zip(self.missing, self.missing_slices, strict=True)],
                axis=1,
            )
            fitted -= np.matmul(self.woodbury, extra[:, :, None])
        hat -= (fitted[:, :, 0] @ self.injection.T) * self.diagonal
        back = hat.astype(self.dtype)
        result: Array = self.target_transform @ back @ self.source_transform.T
        return result

    def prolong(self, coarse: Array) -> Array:
        """C P_x^T, (coarse target, source)."""
        return np.ascontiguousarray((self.source_transfer @ coarse.T).T)

    def invert_laplacian(self, residual: Array, out: Array) -> None:
        """Set out = M R, M an approximate inverse of -(L_y (.) + (.) L_x) on all entries."""
        hat = self.target_transform.T @ self.restrict(residual) @ self.source_transform
        sums = (self.target_values[:, None] + self.source_values).astype(self.dtype)
        hat *= np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 1e-6 * sums.max())
        rows = self.prolong(self.target_transform @ hat @ self.source_transform.T)
        kernels.combine_rows(self.target.indptr, self.target.indices, self.target.data, rows, out)
        kernels.add_scaled(1.0 / 12.0, residual, out)

    def apply(self, residual: Array, free: npt.NDArray[np.bool_], out: Array, work: Array) -> float:
        """Set out = M R on the free entries; returns <R, out>. R must be zero off the free set."""
        problem, seen = self.objective, None
        if self.splitting is not None:
            seen = self.splitting.split(residual, free, out)
            residual = out
        coarse = self.coarse_inverse(self.restrict(residual) * self.coarse_free)
        rows = self.prolong(coarse * self.coarse_free)
        problem.differences(residual, work)
        square = float(
            kernels.smooth_and_prolong(
                residual, work, problem.target_table, problem.source_table, self.polynomial,
                self.target.indptr, self.target.indices, self.target.data, rows, free, out,
            )
        )  # fmt: skip
        if self.splitting is not None and seen is not None:
            square += self.splitting.join(seen, free, out, work)
        return square


def _cholesky(matrix: Array) -> Array:
    """Cholesky factor, after adding what rounding took from positive definiteness."""
    extra = 1e-9
    while len(matrix):
        try:
            factor: Array = scipy.linalg.cholesky(matrix + extra * np.eye(len(matrix)), lower=True)
            return factor
        except np.linalg.LinAlgError:
            extra *= 100.0
    return matrix


def _generalized(transfer: sparse.csr_array, laplacian: sparse.csr_array) -> tuple[Array, Array]:
    """Eigenvalues (nonnegative) and mass-orthonormal eigenvectors of the coarse -L."""
    stiffness = -(transfer.T @ (laplacian @ transfer)).toarray()
    mass = (transfer.T @ transfer).toarray()
    values, vectors = scipy.linalg.eigh(stiffness, mass)
    return np.maximum(values, 0.0), vectors
