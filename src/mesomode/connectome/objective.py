"""The objective of the nonnegative spline regression (P1), its derivatives and its certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from mesomode.connectome import kernels
from mesomode.connectome.injection import InjectionProducts
from mesomode.connectome.laplacian import neighbour_table
from mesomode.errors import DataError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Terms:
    """The objective and what it is made of (data misfit and weighted smoothness penalty)."""

    total: float
    misfit: float
    penalty: float


class Objective:
    """f(W) = |Omega o (W X - Y)|^2 + lambda (n_inj / n_x) |L_y W + W L_x^T|^2.

    (P1) of Harris, Mihalas & Shea-Brown (2016); the constraint W >= 0 is the
    solver's business. All in float64.

    Parameters
    ----------
    injection : (source, experiment)
        X, injection density, finite and nonnegative; every experiment has
        some.
    projection : (target, experiment)
        Y, projection density. Unobserved entries may hold anything, NaN
        included.
    observed : (target, experiment) of bool
        Omega, where Y was observed.
    source_laplacian, target_laplacian : sparse arrays
        L_x (source, source) and L_y (target, target), from
        :func:`~mesomode.connectome.laplacian.graph_laplacian`.
    smoothing : float
        lambda, positive: weight of the penalty. With X and Y in [0, 1] and
        100 um voxels the published choice is 1e5.

    Raises
    ------
    DataError
        Shapes do not fit, values are not finite where they matter, an
        experiment is without injection, nothing is observed, or lambda is
        not positive.
    """

    def __init__(
        self,
        injection: npt.ArrayLike,
        projection: npt.ArrayLike,
        observed: npt.ArrayLike,
        source_laplacian: sparse.sparray,
        target_laplacian: sparse.sparray,
        smoothing: float,
    ) -> None:
        x = np.ascontiguousarray(injection, dtype=np.float64)
        omega = np.asarray(observed)
        y = np.asarray(projection, dtype=np.float64)
        check_data(x, y, omega)
        for name, count, laplacian in (
            ("source", x.shape[0], source_laplacian),
            ("target", y.shape[0], target_laplacian),
        ):
            if laplacian.shape != (count, count):
                raise DataError(
                    f"the {name} Laplacian has shape {laplacian.shape} for {count} {name} voxels"
                )
        if not (np.isfinite(smoothing) and smoothing > 0):
            raise DataError(
                f"the smoothing lambda is {smoothing}",
                why="without a penalty the voxel weights are not determined by the data",
                remedy="choose a positive number (connectome.smoothing; 1e5 in the paper)",
            )
        self.injection = x
        self.observed = omega
        self.projection = np.where(omega, y, 0.0)
        self.mask = omega.astype(np.float64)
        self.source_laplacian = sparse.csr_array(source_laplacian)
        self.target_laplacian = sparse.csr_array(target_laplacian)
        self.source_table = neighbour_table(source_laplacian)
        self.target_table = neighbour_table(target_laplacian)
        self.set_smoothing(smoothing)
        self.shape = (y.shape[0], x.shape[0])
        self._nothing = np.empty((self.shape[0], 0), dtype=np.bool_)
        self.products = InjectionProducts(x, np.float64)
        self._casts: dict[np.dtype, tuple[InjectionProducts, Array]] = {}

    def set_smoothing(self, smoothing: float) -> None:
        """Change lambda."""
        self.smoothing = float(smoothing)
        self.penalty_weight = self.smoothing * self.injection.shape[1] / self.injection.shape[0]

    def cast(self, dtype: np.dtype) -> tuple[InjectionProducts, Array]:
        """Products with X, and 2 Omega, in this precision."""
        if dtype not in self._casts:
            self._casts[dtype] = (
                self.products if dtype == np.float64 else InjectionProducts(self.injection, dtype),
                (2.0 * self.mask).astype(dtype),
            )
        return self._casts[dtype]

    def residual(self, weights: Array) -> Array:
        """Omega o (W X - Y), (target, experiment)."""
        return self.products.gather(weights) * self.mask - self.projection

    def differences(self, weights: Array, out: Array | None = None) -> tuple[Array, float]:
        """L_y W + W L_x and the sum of its squares."""
        out = np.empty(self.shape) if out is None else out
        square = kernels.second_differences(weights, self.target_table, self.source_table, out)
        return out, float(square)

    def value_and_residual(self, weights: Array, work: Array | None = None) -> tuple[Terms, Array]:
        """Objective at W (target, source), and Omega o (W X - Y), (target, experiment).

        L_y W + W L_x is left in ``work`` (target, source), if it is given.
        """
        _, roughness = self.differences(weights, work)
        residual = self.residual(weights)
        misfit, penalty = float(np.sum(residual**2)), self.penalty_weight * roughness
        return Terms(misfit + penalty, misfit, penalty), residual

    def value_and_gradient(
        self, weights: Array, gradient: Array | None = None, work: Array | None = None
    ) -> tuple[Terms, Array]:
        """Objective and gradient 2 [Omega o (W X - Y)] X^T + 2 lambda n_inj/n_x [L_y R + R L_x].

        Parameters
        ----------
        weights : (target, source)
            W.
        gradient, work : (target, source), optional
            Arrays to be overwritten: the result, and scratch space.
        """
        gradient = np.empty(self.shape) if gradient is None else gradient
        work = np.empty(self.shape) if work is None else work
        terms, residual = self.value_and_residual(weights, work)
        self.dual_gradient(residual, work, gradient)
        return terms, gradient

    def dual_gradient(self, alpha: Array, beta: Array, out: Array) -> None:
        """Set out = 2 alpha X^T + 2 rho (L_y beta + beta L_x).

        The gradient at W, where alpha = Omega o (W X - Y) and beta = L_y W + W L_x.
        """
        self.products.spread(2.0 * alpha, out)
        self._add_penalty(beta, beta, None, out)

    def hessian_product(
        self, direction: Array, out: Array, work: Array, free: npt.NDArray[np.bool_] | None = None
    ) -> float:
        """Set out = H D, restricted to the free entries if given; returns <D, H D>.

        In the precision of ``direction``, float64 or float32, which ``out``
        and ``work`` must share.
        """
        injection, twice = self.cast(direction.dtype)
        difference, _ = self.differences(direction, work)
        injection.spread(twice * injection.gather(direction), out)
        return self._add_penalty(difference, direction, free, out)

    def _add_penalty(
        self,
        difference: Array,
        direction: Array,
        free: npt.NDArray[np.bool_] | None,
        out: Array,
    ) -> float:
        return float(
            kernels.add_penalty(
                difference,
                self.target_table,
                self.source_table,
                2.0 * self.penalty_weight,
                direction,
                self._nothing if free is None else free,
                free is not None,
                out,
            )
        )

    def largest_curvature(self) -> float:
        """Largest entry on the diagonal of the Hessian, s of the KKT residual."""
        target_degree = -self.target_laplacian.diagonal()
        source_degree = -self.source_laplacian.diagonal()
        square = (self.injection**2).T
        largest = 0.0
        for start in range(0, self.shape[0], 256):
            block = slice(start, start + 256)
            degree = target_degree[block, None] + source_degree
            diagonal = self.mask[block] @ square + self.penalty_weight * (degree**2 + degree)
            largest = max(largest, 2.0 * float(diagonal.max()))
        return largest

    def curvature_bound(self) -> float:
        """Upper bound of the Hessian's eigenvalues."""
        data = float(np.linalg.norm(self.injection, 2)) ** 2
        rough = 2.0 * float(
            self.target_laplacian.diagonal().min() + self.source_laplacian.diagonal().min()
        )
        return 2.0 * (data + self.penalty_weight * rough**2)

    def kkt_residual(
        self, weights: Array, gradient: Array | None = None, curvature: float | None = None
    ) -> float:
        """Scale-free optimality residual |W - max(W - G/s, 0)|_F / |W|_F.

        Zero exactly at the solution of (P1). s is the largest diagonal
        curvature. If W is all zero, the norm of the step itself is returned.
        """
        if gradient is None:
            gradient = self.value_and_gradient(weights)[1]
        curvature = self.largest_curvature() if curvature is None else curvature
        step = kernels.projected_gradient_square(weights, gradient, curvature)
        return float(np.sqrt(step)) / (float(np.linalg.norm(weights)) or 1.0)


def check_data(
    injection: Array, projection: npt.NDArray[np.floating], observed: npt.NDArray[np.bool_]
) -> None:
    """Refuse X, Y, Omega that cannot be fitted; see :class:`Objective`."""
    if injection.ndim != 2 or projection.ndim != 2 or observed.shape != projection.shape:
        raise DataError(
            f"injection {injection.shape}, projection {projection.shape} and observed "
            f"{observed.shape} do not fit together",
            why="(source, experiment), (target, experiment) and (target, experiment) are needed",
        )
    if injection.shape[1] != projection.shape[1]:
        raise DataError(
            f"{injection.shape[1]} injections for {projection.shape[1]} projections",
            why="both must be of the same experiments",
        )
    if 0 in injection.shape or 0 in projection.shape:
        raise DataError(
            f"nothing to fit: injection {injection.shape}, projection {projection.shape}",
            remedy="check the region set and the selection of experiments",
        )
    if observed.dtype != np.bool_:
        raise DataError(f"the observed mask is {observed.dtype}, not bool")
    if not np.isfinite(injection).all() or (injection < 0).any():
        raise DataError(
            "the injection densities are not all finite and nonnegative",
            why="X is a fraction of segmented pixels and must be known in every source voxel",
        )
    empty = np.flatnonzero(~(injection > 0).any(axis=0))
    if len(empty):
        raise DataError(
            f"experiments without injection in the source voxels, at positions {empty.tolist()}",
            why="they say nothing about any weight",
            remedy="drop them (the tracing stage does)",
        )
    if not np.isfinite(projection, where=observed, out=np.ones_like(observed)).all():
        raise DataError(
            "the projection density is not finite at observed entries",
            remedy="mark such entries as unobserved",
        )
    if not observed.any():
        raise DataError("no projection was observed", remedy="check the data mask threshold")
