"""Low-rank connectome: W = U V^T with nonnegative factors, (P2), at any rank and scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from mesomode.connectome.factored import FactoredWeights
from mesomode.connectome.low_rank_problem import CHUNK, Factor, LowRankProblem
from mesomode.connectome.low_rank_solver import LowRankFit, solve
from mesomode.connectome.low_rank_start import (
    bump_factors,
    nonnegative_factors,
    truncated,
    weight_factors,
)
from mesomode.connectome.model import (
    Array,
    ConnectomeModel,
    not_fitted,
    prediction_input,
    training_data,
)
from mesomode.connectome.objective import Terms
from mesomode.connectome.threads import threads_worth
from mesomode.errors import DataError
from mesomode.memory import require_memory

FACTORS = 12  # arrays of the size of the factors that are held at once


def memory_needed(
    n_target: int,
    n_source: int,
    rank: int,
    n_experiment: int,
    precision: npt.DTypeLike = np.float64,
) -> int:
    """Bytes that a fit of (P2) takes at its peak, the data of the caller not counted.

    Twelve arrays of the size of both factors, a working copy of Y and two more
    for the filling of the start, Omega and the list of unobserved entries (as
    if a tenth were unobserved), the coarse grids of the preconditioner, a block
    of rows of Y and the rank x rank matrices.
    """
    size = np.dtype(precision).itemsize
    factors = FACTORS * (n_target + n_source) * rank * size
    data = n_target * n_experiment * (3 * size + 1 + 2) + n_source * n_experiment * 2 * size
    coarse = (n_target + n_source) * 1500 + 30_000_000  # sparse interpolation, its basis
    return factors + data + coarse + CHUNK * n_experiment * 16 + 12 * rank**2 * 8


class LowRankConnectome(ConnectomeModel):
    """W = U V^T with U, V >= 0: the low-rank nonnegative spline regression (P2).

    Minimises |Omega o (U V^T X - Y)|^2 + lambda n_inj/n_x |L_y U V^T + U V^T L_x|^2
    over nonnegative factors (Harris, Mihalas & Shea-Brown 2016). W is never
    formed: a sweep costs O((n_x + n_y) r^2 + n_y n_inj r). The problem is not
    convex, and the result is a stationary point; ``restarts`` shows how much
    they differ.

    Parameters
    ----------
    rank : int
        r, positive; may be larger than the number of voxels.
    smoothing : float
        lambda, finite, not negative.
    tolerance : float
        A fit ends where ten sweeps reduce the objective by less than this
        share of it.
    maximum_iterations : int
        Most sweeps of each fit.
    restarts : int
        Number of fits; the one with the least objective is kept. Each starts
        from a smoother's weights averaged over bumps around source voxels drawn
        at random, the first from ``start`` where that is given.
    seed : int or numpy Generator
        Of the random numbers.
    precision : {"float64", "float32"}
        Of the work on the factors; the objective is in float64 either way.

    Attributes
    ----------
    target_factor_, source_factor_ : (target, rank) and (source, rank)
        U and V; their columns have equal norms.
    factored_ : FactoredWeights
        W, to be sliced and multiplied without being formed.
    objective_ : float
        At the end, in float64. ``misfit_`` and ``penalty_`` are its parts.
    objective_history_ : list of float
        At the start and after each sweep of the fit that was kept; never
        increases. ``seconds_`` are the times.
    restart_objectives_ : list of float
        Final objective of every fit, in order.
    kkt_residual_ : float
        |F - max(F - G/s, 0)| / |F| of the worse factor F, with G the gradient
        and s its largest diagonal curvature.
    converged_ : bool
    n_iter_ : int
        Sweeps.
    """

    target_factor_: Factor
    source_factor_: Factor

    def __init__(
        self,
        rank: int = 20,
        smoothness: float = 100.0,
        tolerance: float = 1e-4,
        maximum_iterations: int = 500,
        restarts: int = 1,
        seed: int | np.random.Generator = 0,
        precision: str = "float64",
    ) -> None:
        self.rank = rank
        self.smoothness = smoothness
        self.tolerance = tolerance
        self.maximum_iterations = maximum_iterations
        self.restarts = restarts
        self.seed = seed
        self.precision = precision

    def fit(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        observed: npt.ArrayLike | None = None,
        *,
        source_laplacian: sparse.sparray,
        target_laplacian: sparse.sparray,
        experiment_weight: npt.ArrayLike | None = None,
        start: npt.ArrayLike | FactoredWeights | None = None,
        progress: Callable[[int, Terms], None] | None = None,
    ) -> Self:
        """Fit the factors.

        Parameters
        ----------
        X, Y, observed, experiment_weight
            (experiment, source), (experiment, target), (experiment, target) of
            bool, and (experiment,); see
            :func:`~mesomode.connectome.model.training_data`.
        source_laplacian, target_laplacian : sparse
            L_x and L_y, from
            :func:`~mesomode.connectome.laplacian.graph_laplacian`.
        start : (target, source), optional
            Weights such as those of (P1) or of the linear model: the first fit
            starts from smooth nonnegative factors of dense ones, or from the
            nonnegative double singular value decomposition of factored ones.
        progress : callable, optional
            Called after every sweep with its number and the objective's terms.

        Raises
        ------
        DataError
            Parameters or data that cannot be used.
        MemoryLimitError
            Too little memory, see :func:`memory_needed`.
        SolverError
            Numbers that are not finite came up.
        """
        self._check_parameters()
        data = training_data(X, Y, observed, experiment_weight)
        sources, targets = len(data.injection), len(data.projection)
        require_memory(
            memory_needed(targets, sources, self.rank, data.injection.shape[1], self.precision),
            f"fitting factors of rank {self.rank} to {targets} x {sources} voxels",
            "choose a smaller rank, precision='float32', or a machine with more memory",
        )
        problem = LowRankProblem(
            *data, source_laplacian, target_laplacian, self.smoothness, self.precision
        )
        with threads_worth((targets + sources) * self.rank):
            best = self._best_of_restarts(problem, start, progress)
        self._store(best)
        return self

    def _best_of_restarts(
        self,
        problem: LowRankProblem,
        start: npt.ArrayLike | FactoredWeights | None,
        progress: Callable[[int, Terms], None] | None,
    ) -> LowRankFit:
        generator = np.random.default_rng(self.seed)
        best: LowRankFit | None = None
        self.restart_objectives_: list[float] = []
        for restart in range(self.restarts):
            if restart:
                factors = bump_factors(problem, self.rank, generator)
            else:
                factors = self._first_factors(problem, start, generator)
            found = solve(
                problem,
                *factors,
                tolerance=self.tolerance,
                maximum_iterations=self.maximum_iterations,
                progress=progress,
            )
            self.restart_objectives_.append(found.terms.total)
            if best is None or found.terms.total < best.terms.total:
                best = found
        assert best is not None
        return best

    def _check_parameters(self) -> None:
        for name in ("rank", "maximum_iterations", "restarts"):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise DataError(f"{name} is {value!r}", why="a positive integer is needed")
        if not (np.isfinite(self.tolerance) and self.tolerance >= 0):
            raise DataError(f"tolerance is {self.tolerance!r}", why="0 or a positive number")
        if self.precision not in ("float64", "float32"):
            raise DataError(
                f"precision is {self.precision!r}", remedy="choose 'float64' or 'float32'"
            )

    def _first_factors(
        self,
        problem: LowRankProblem,
        start: npt.ArrayLike | FactoredWeights | None,
        generator: np.random.Generator,
    ) -> tuple[Factor, Factor]:
        if start is None:
            return bump_factors(problem, self.rank, generator)
        weights: Any = start if isinstance(start, FactoredWeights) else np.asarray(start)
        if weights.shape != problem.shape:
            raise DataError(
                f"the start has shape {weights.shape}, the weights are {problem.shape}",
                why="(target, source) is needed",
            )
        if isinstance(weights, FactoredWeights):
            vectors = truncated(weights.target_factor, weights.source_factor, self.rank)
            return nonnegative_factors(*vectors, self.rank)
        if not np.isfinite(weights).all():
            raise DataError("the weights to start from are not all finite")
        return weight_factors(problem, weights, self.rank, generator)

    def _store(self, fit: LowRankFit) -> None:
        self.target_factor_, self.source_factor_ = fit.target_factor, fit.source_factor
        self.factored_ = FactoredWeights(fit.target_factor, fit.source_factor)
        self.objective_ = fit.terms.total
        self.misfit_, self.penalty_ = fit.terms.misfit, fit.terms.penalty
        self.objective_history_, self.seconds_ = fit.history, fit.seconds
        self.kkt_residual_ = fit.kkt_residual
        self.converged_ = fit.converged
        self.n_iter_ = len(fit.history) - 1

    @property
    def weights_(self) -> Array:
        """U V^T (target, source), formed anew at each use; MemoryLimitError where too large."""
        return np.asarray(self._factored())

    def _factored(self) -> FactoredWeights:
        factored: FactoredWeights | None = getattr(self, "factored_", None)
        if factored is None:
            raise not_fitted(self)
        return factored

    def predict(self, X: npt.ArrayLike) -> Array:
        """Projection densities of injections, X V U^T, (experiment, target)."""
        factored = self._factored()
        return np.asarray(prediction_input(X, factored.shape[1]) @ factored.T)

    def distance_to(self, weights: npt.ArrayLike | FactoredWeights) -> float:
        """|U V^T - W|_F / |W|_F without forming U V^T.

        Raises
        ------
        DataError
            The model is not fitted, another shape, or W is zero everywhere.
        """
        return self._factored().relative_distance(weights)
