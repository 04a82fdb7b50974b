"""The low-rank problem (P2): its objective, and the convex quadratic in each of the two factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse
from numba import njit, prange

from mesomode.connectome import kernels
from mesomode.connectome.objective import Terms
from mesomode.errors import DataError

Factor = npt.NDArray[np.floating]
CHUNK = 4096  # rows of Y that are worked on at once
QUICK = np.dtype(np.float32)  # of the many products within a step


class Quadratic(NamedTuple):
    """min over F >= 0 of <F, A F> - 2 <F, B>, with what a preconditioner needs to know of A.

    ``product`` is A F in the precision of the factors, ``quick`` in float32.
    A is close to E (x) ``coupling`` + I (x) ``local``, where E is the squared
    Laplacian times the penalty weight, plus X X^T for the source factor. For
    the target factor ``responses`` is H^T: h_i h_i^T is missing from ``local``
    in voxels that experiment i did not observe.
    """

    product: Callable[[Factor], Factor]
    quick: Callable[[Factor], Factor]
    right: Factor
    coupling: Factor
    local: Factor
    curvature: float
    responses: Factor | None = None


class LowRankProblem:
    """f(U, V) = |Omega o (U V^T X - Y)|^2 + lambda n_inj/n_x |L_y U V^T + U V^T L_x|^2.

    (P2) of Harris, Mihalas & Shea-Brown (2016). W = U V^T is never formed: the
    penalty goes through the Gram matrices of U, L_y U and of V, L_x V, and the
    data term through H = V^T X. Entries of Y that were not observed are few as
    a rule; the Hessians are those of the fully observed problem, at the price
    of r x r matrices, less what the unobserved entries contribute (or the sum
    over the observed entries, where these are the fewer).

    Parameters
    ----------
    injection : (source, experiment)
        X, finite and nonnegative.
    projection : (target, experiment)
        Y; anything where not observed.
    observed : (target, experiment) of bool
        Omega.
    source_laplacian, target_laplacian : sparse arrays
        L_x and L_y, symmetric.
    smoothing : float
        lambda, finite and not negative.
    precision : numpy dtype
        Of the factors and of the work on them, float64 or float32. The
        objective is in float64 either way.

    Raises
    ------
    DataError
        A Laplacian of another shape, or lambda negative or not finite.
    """

    def __init__(
        self,
        injection: npt.NDArray[np.floating],
        projection: npt.NDArray[np.floating],
        observed: npt.NDArray[np.bool_],
        source_laplacian: sparse.sparray,
        target_laplacian: sparse.sparray,
        smoothing: float,
        precision: npt.DTypeLike = np.float64,
    ) -> None:
        self.shape = (projection.shape[0], injection.shape[0])
        for name, count, laplacian in (
            ("source", self.shape[1], source_laplacian),
            ("target", self.shape[0], target_laplacian),
        ):
            if laplacian.shape != (count, count):
                raise DataError(
                    f"the {name} Laplacian has shape {laplacian.shape} for {count} {name} voxels"
                )
        if not (np.isfinite(smoothing) and smoothing >= 0):
            raise DataError(
                f"the smoothing lambda is {smoothing}",
                why="it has to be finite and not negative",
                remedy="a very large lambda gives constant weights; 0 leaves out the penalty",
            )
        self.precision = np.dtype(precision)
        self.experiments = injection.shape[1]
        self.weight = float(smoothing) * self.experiments / self.shape[1]
        self.injection = sparse.csr_array(injection, dtype=self.precision)
        self.injection_rows = sparse.csr_array(self.injection.T)
        self.projection = projection.astype(self.precision)
        self.projection[~observed] = 0
        self.observed = observed
        self.source_laplacian = sparse.csr_array(source_laplacian, dtype=self.precision)
        self.target_laplacian = sparse.csr_array(target_laplacian, dtype=self.precision)
        self.quick_source_laplacian = sparse.csr_array(source_laplacian, dtype=QUICK)
        self.quick_target_laplacian = sparse.csr_array(target_laplacian, dtype=QUICK)
        self.quick_injection = sparse.csr_array(injection, dtype=QUICK)
        self.quick_injection_rows = sparse.csr_array(self.quick_injection.T)
        self.complement = 2 * np.count_nonzero(observed) > observed.size
        listed = sparse.csr_array(~observed if self.complement else observed)
        self.listed = (listed.indptr, listed.indices)
        by_experiment = sparse.csr_array(listed.T)
        self.listed_by_experiment = (by_experiment.indptr, by_experiment.indices)

    def responses(self, source_factor: Factor) -> Factor:
        """H^T = X^T V, (experiment, rank)."""
        return np.asarray(self.injection_rows @ source_factor)

    def value(self, target_factor: Factor, source_factor: Factor) -> Terms:
        """Objective at (U, V) and its terms, in float64."""
        response = self.responses(source_factor).astype(np.float64).T
        misfit = 0.0
        for start in range(0, self.shape[0], CHUNK):
            rows = slice(start, start + CHUNK)
            residual = target_factor[rows].astype(np.float64) @ response
            residual *= self.observed[rows]
            residual -= self.projection[rows]
            misfit += float(np.vdot(residual, residual))
        target = grams(target_factor, laplace(self.target_laplacian, target_factor))
        source = grams(source_factor, laplace(self.source_laplacian, source_factor))
        rough = np.sum(target[2] * source[0] + 2 * target[1] * source[1] + target[0] * source[2])
        penalty = self.weight * max(0.0, float(rough))
        return Terms(misfit + penalty, misfit, penalty)

    def target_quadratic(self, source_factor: Factor) -> Quadratic:
        """The problem in U for fixed V."""
        laplacian = self.target_laplacian
        full, gram, cross, rough = self._grams(self.source_laplacian, source_factor)
        response = self.responses(source_factor)
        data = response.T @ response
        local = rough + data if self.complement else rough
        indptr, indices = self.listed

        def product_with(
            laplacian: sparse.csr_array, gram: Factor, cross: Factor, local: Factor, seen: Factor
        ) -> Callable[[Factor], Factor]:
            def product(factor: Factor) -> Factor:
                inner = laplace(laplacian, factor) @ gram
                inner += factor @ cross
                out = laplace(laplacian, inner)
                out += factor @ local
                _add_listed(indptr, indices, factor, seen, self.complement, out)
                return out

            return product

        matrices = (gram, 2 * cross, local, response)
        product = product_with(laplacian, *matrices)
        quick = product_with(self.quick_target_laplacian, *(m.astype(QUICK) for m in matrices))
        degree = -float(laplacian.diagonal().min())
        curvature = (degree**2 + degree) * gram - 2 * degree * cross + rough + data
        right = self.projection @ response
        return Quadratic(
            product, quick, right, full, rough + data, float(curvature.diagonal().max()), response
        )

    def source_quadratic(self, target_factor: Factor) -> Quadratic:
        """The problem in V for fixed U."""
        laplacian = self.source_laplacian
        full, gram, cross, rough = self._grams(self.target_laplacian, target_factor)
        indptr, indices = self.listed_by_experiment

        def product_with(
            laplacian: sparse.csr_array,
            injection: sparse.csr_array,
            injection_rows: sparse.csr_array,
            gram: Factor,
            cross: Factor,
            rough: Factor,
            full: Factor,
            target_factor: Factor,
        ) -> Callable[[Factor], Factor]:
            def product(factor: Factor) -> Factor:
                inner = laplace(laplacian, factor) @ gram
                inner += factor @ cross
                out = laplace(laplacian, inner)
                out += factor @ rough
                response = np.asarray(injection_rows @ factor)
                seen = response @ full if self.complement else np.zeros_like(response)
                _add_listed_by_experiment(
                    indptr, indices, target_factor, response, self.complement, seen
                )
                out += injection @ seen
                return out

            return product

        matrices = (gram, 2 * cross, rough, full, target_factor)
        product = product_with(laplacian, self.injection, self.injection_rows, *matrices)
        quick = product_with(
            self.quick_source_laplacian,
            self.quick_injection,
            self.quick_injection_rows,
            *(m.astype(QUICK, copy=False) for m in matrices),
        )
        degree = -float(laplacian.diagonal().min())
        strength = float(self.injection.multiply(self.injection).sum(axis=1).max())
        curvature = (degree**2 + degree) * gram - 2 * degree * cross + rough + strength * full
        right = self.injection @ (self.projection.T @ target_factor)
        return Quadratic(product, quick, right, full, rough, float(curvature.diagonal().max()))

    def _grams(
        self, laplacian: sparse.csr_array, factor: Factor
    ) -> tuple[Factor, Factor, Factor, Factor]:
        """F^T F, and the three matrices of :func:`grams` times lambda n_inj/n_x."""
        gram, cross, rough = grams(factor, laplace(laplacian, factor))
        return (
            gram.astype(self.precision),
            (self.weight * gram).astype(self.precision),
            (self.weight * cross).astype(self.precision),
            (self.weight * rough).astype(self.precision),
        )


def laplace(laplacian: sparse.csr_array, factor: Factor) -> Factor:
    """L F for a factor (voxel, rank)."""
    out = np.empty_like(factor)
    kernels.combine_rows(laplacian.indptr, laplacian.indices, laplacian.data, factor, out)
    return out


def grams(factor: Factor, curved: Factor) -> tuple[Factor, Factor, Factor]:
    """F^T F, F^T L F and (L F)^T (L F), (rank, rank), accumulated in float64."""
    rank = factor.shape[1]
    gram, cross, rough = np.zeros((3, rank, rank))
    for start in range(0, len(factor), CHUNK):
        f = factor[start : start + CHUNK].astype(np.float64, copy=False)
        c = curved[start : start + CHUNK].astype(np.float64, copy=False)
        gram += f.T @ f
        cross += f.T @ c
        rough += c.T @ c
    return gram, (cross + cross.T) / 2, rough


@njit(**kernels.OPTIONS)
def _add_listed(indptr, indices, factor, response, subtract, out):
    """Add (subtract) sum over the listed experiments i of h_i <h_i, f> to each row f's result."""
    for j in prange(factor.shape[0]):
        f = factor[j]
        o = out[j]
        for p in range(indptr[j], indptr[j + 1]):
            h = response[indices[p]]
            total = h[0] * f[0]
            for k in range(1, f.shape[0]):
                total += h[k] * f[k]
            if subtract:
                total = -total
            for k in range(f.shape[0]):
                o[k] += total * h[k]


@njit(**kernels.OPTIONS)
def _add_listed_by_experiment(indptr, indices, target_factor, response, subtract, out):
    """Add (subtract) sum over the listed targets j of u_j <u_j, h> to each experiment's result."""
    for i in prange(response.shape[0]):
        h = response[i]
        o = out[i]
        for p in range(indptr[i], indptr[i + 1]):
            u = target_factor[indices[p]]
            total = u[0] * h[0]
            for k in range(1, h.shape[0]):
                total += u[k] * h[k]
            if subtract:
                total = -total
            for k in range(h.shape[0]):
                o[k] += total * u[k]
