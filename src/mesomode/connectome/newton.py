"""Projected Newton iterations for (P1), with preconditioned conjugate gradients."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mesomode.connectome import kernels
from mesomode.connectome.laplacian import component_labels
from mesomode.connectome.objective import Array, Objective, Terms
from mesomode.connectome.preconditioner import TwoLevel
from mesomode.connectome.scores import sum_groups
from mesomode.errors import SolverError

INNER_REDUCTION = 0.5  # of the preconditioned residual norm in one Newton step
INNER_LIMIT = 60
STALLED = 0.7  # iterations times last gain over total gain, below which more are useless
SINGLE_ABOVE = 10**6  # entries of W from which on conjugate gradients are done in float32
MEMORY = 3  # a full step is accepted if it beats the worst of so many objectives


@dataclass(frozen=True)
class FitState:
    """Where the solver stands; handed to the progress callback."""

    step: int
    products: int
    objective: float
    kkt_residual: float
    gap_estimate: float
    free_fraction: float
    changes: int
    seconds: float


class Newton:
    """State of one fit: W, work matrices of its size, and counters.

    W and what is judged by (objective, gradient, optimality) are float64. The
    conjugate gradients within a Newton step work in ``precision``; in float32
    their four matrices lie in the two that the float64 gradient needs between
    Newton steps, so that all is 28 bytes an entry of W and a mask.

    Attributes
    ----------
    large, other : (target, source) float64
        Gradient and second differences of W; then the memory of the others.
    residual, direction, scratch, work, step : (target, source)
        Of the conjugate gradients, in units of 1 / ``unit``: a power of two
        that brings the residual near 1, lest float32 over- or underflows.
    target_component, source_component : (target,), (source,)
        Connected component of the grid.
    undetermined : (target component, source) of bool
        Whether no observation depends on these weights.
    misfit : (target, experiment) or None
        Omega o (W X - Y), right after a step: ``terms`` and ``other`` then hold
        the objective and the second differences of W.
    """

    def __init__(
        self,
        objective: Objective,
        tolerance: float,
        nonnegative: bool,
        progress: Callable[[FitState], None] | None,
        precision: str = "auto",
    ) -> None:
        self.objective = objective
        self.tolerance = tolerance  # of the KKT residual
        self.gap_tolerance = tolerance  # of the estimated gap
        self.nonnegative = nonnegative
        self.progress = progress
        self.begun = time.monotonic()
        self.curvature = objective.largest_curvature()
        self.weights = np.zeros(objective.shape)
        self.large, self.other = np.empty(objective.shape), np.empty(objective.shape)
        self.single = use_single(objective, precision)
        self.dtype = np.dtype(np.float32 if self.single else np.float64)
        self.step = np.empty(objective.shape, self.dtype)
        if not self.single:
            self.direction, self.work = np.empty(objective.shape), np.empty(objective.shape)
        self._share()
        self.unit = 1.0
        self.preconditioner = TwoLevel(objective, self.dtype)
        self.free = np.ones(objective.shape, dtype=np.bool_)
        self.target_component = component_labels(objective.target_laplacian)
        self.source_component = component_labels(objective.source_laplacian)
        self.undetermined = self._find_undetermined()
        # Below this a difference of objectives is rounding.
        self.floor = 1e-13 * float(np.sum(objective.projection**2))
        self.products = 0
        self.converged = self.exact = False
        self.terms = Terms(np.nan, np.nan, np.nan)
        self.misfit: Array | None = None
        self.history: list[FitState] = []
        self.state = FitState(0, 0, np.nan, np.nan, np.nan, 1.0, 0, 0.0)

    def _share(self) -> None:
        """Lay the matrices of the conjugate gradients into the two large ones."""
        if self.single:
            self.scratch, self.work = halves(self.large)
            self.residual, self.direction = halves(self.other)
        else:
            self.scratch, self.residual = self.large, self.other

    def choose_unit(self, gradient: Array) -> None:
        """Set ``unit`` by the largest entry of a gradient."""
        largest = max(float(gradient.max()), -float(gradient.min()))
        if self.single and np.isfinite(largest) and largest > 0.0:
            self.unit = 2.0 ** -float(np.clip(np.frexp(largest)[1], -500, 500))

    def set_residual(self, gradient: Array) -> None:
        """R = -G in the unit and precision of the conjugate gradients."""
        self.choose_unit(gradient)
        np.multiply(gradient, -self.unit, out=self.residual, casting="same_kind")

    def add_step(self, matrix: Array) -> None:
        """Add the step, in its true unit, to a float64 matrix."""
        kernels.add_scaled(1.0 / self.unit, self.step, matrix)

    @property
    def steps(self) -> int:
        """Newton steps done."""
        return self.state.step

    def report(self, **changes: Any) -> FitState:
        """Renew the state and hand it to the caller."""
        self.state = replace(
            self.state,
            products=self.products,
            seconds=time.monotonic() - self.begun,
            **changes,
        )
        if self.progress is not None:
            self.progress(self.state)
        return self.state

    def minimise(self, first: float, enough: Callable[[float, float], bool], limit: int) -> float:
        """Conjugate gradients on the free entries for H S = R; leaves S in ``step``.

        Parameters
        ----------
        first : float
            <R, M R>, with M R in ``scratch``.
        enough : callable
            Of <R, M R> and of the decrease of the quadratic so far: stop, if
            the last iteration also added little to that decrease?
        limit : int
            Most iterations.

        Returns
        -------
        float
            Decrease of the quadratic.
        """
        square, decrease = first, 0.0
        self.direction[:] = self.scratch
        self.step[:] = 0.0
        for count in range(1, limit + 1):
            curvature = self.objective.hessian_product(
                self.direction, self.scratch, self.work, self.free
            )
            self.products += 1
            if not np.isfinite(curvature):
                raise SolverError(
                    "numbers that are not finite came up in the fit",
                    why="the data or the smoothing are out of the range of double precision",
                    remedy="check the units of X and Y, and connectome.smoothing",
                )
            if curvature <= 0.0 or square <= 0.0:
                break
            length = square / curvature
            kernels.advance(length, self.direction, self.scratch, self.step, self.residual)
            gain = 0.5 * length * square
            decrease += gain
            before, square = square, self.precondition()
            self.report()
            # The second condition is that of Nash & Sofer (1990).
            if enough(square, decrease) and (count * gain <= STALLED * decrease):
                break
            kernels.scale_and_add(square / before, self.direction, self.scratch)
        return decrease

    def change_smoothing(self, smoothing: float) -> None:
        """Go on with another lambda, from the present W."""
        self.objective.set_smoothing(smoothing)
        self.preconditioner.refresh()
        self.curvature = self.objective.largest_curvature()
        self.history, self.products, self.converged = [], 0, False
        self.begun = time.monotonic()
        self.state = replace(self.state, step=0)

    def precondition(self) -> float:
        """Put M R into ``scratch``; returns <R, M R>."""
        square = self.preconditioner.apply(self.residual, self.free, self.scratch, self.work)
        if square < 0.0:  # rounding, where the coarse problem is nearly singular
            self.preconditioner.coarse_free[:] = 0.0
            square = self.preconditioner.apply(self.residual, self.free, self.scratch, self.work)
        return square

    def solve_unconstrained(self, gap: float) -> None:
        """W = minimiser of the objective without W >= 0, to the relative gap given."""
        terms, gradient = self.objective.value_and_gradient(self.weights, self.large, self.other)
        self.set_residual(gradient)
        self.hold_undetermined(self.residual)
        self.preconditioner.set_free(self.free, self.scratch)
        start, floor = self.unit**2 * terms.total, self.unit**2 * self.floor
        self.minimise(
            self.precondition(),
            lambda square, decrease: 0.25 * square <= max(gap * (start - decrease), floor),
            10 * INNER_LIMIT,
        )
        self.add_step(self.weights)

    def _find_undetermined(self) -> npt.NDArray[np.bool_]:
        """Find the (target component, source) whose weights no observation depends on.

        The penalty ties the weights within a pair of connected components only;
        such a pair is seen if an experiment injected into the source component
        and was observed in the target component.
        """
        injected = sum_groups(self.objective.injection, self.source_component)
        seen = sum_groups(self.objective.mask, self.target_component)
        undetermined: npt.NDArray[np.bool_] = (seen @ injected.T) == 0
        return undetermined[:, self.source_component]

    def hold_undetermined(self, matrix: Array) -> None:
        """Take the entries that no observation determines out of the free set."""
        if self.undetermined.any():
            self.free[:] = ~self.undetermined[self.target_component]
            matrix *= self.free

    def evaluate(self, step: int) -> float:
        """Objective, gradient (as R), free set, and the optimality measures at W."""
        if self.misfit is None:
            self.terms, self.misfit = self.objective.value_and_residual(self.weights, self.other)
        self.objective.dual_gradient(self.misfit, self.other, self.large)
        self.misfit, gradient, terms = None, self.large, self.terms
        if self.nonnegative:
            kkt = self.objective.kkt_residual(self.weights, gradient, self.curvature)
            self.choose_unit(gradient)
            changes, free = kernels.choose_free(
                self.weights, gradient, self.target_component, self.undetermined, self.unit,
                self.free, self.residual,
            )  # fmt: skip
            self.preconditioner.set_free(self.free, self.scratch)
        else:
            size = float(np.linalg.norm(self.weights)) or 1.0
            kkt = float(np.linalg.norm(gradient)) / self.curvature / size
            changes, free = 0, self.free.size
            self.set_residual(gradient)
            self.hold_undetermined(self.residual)
        square = self.precondition()
        certain = square / self.unit**2
        scale = max(terms.total, self.floor)  # 0 if nothing was projected anywhere
        gap = 0.25 * certain / scale if scale > 0.0 else 0.0
        record = self.report(
            step=step,
            objective=terms.total,
            kkt_residual=kkt,
            gap_estimate=gap,
            free_fraction=free / self.free.size,
            changes=int(changes),
        )
        self.history.append(record)
        self.exact = 0.25 * certain <= self.floor
        self.converged = self.within(self.gap_tolerance)
        return square

    def within(self, gap: float) -> bool:
        """Whether the KKT residual meets the tolerance, and the estimated gap the one given."""
        state = self.state
        return (state.gap_estimate <= gap or self.exact) and state.kkt_residual <= self.tolerance

    def iterate(self, maximum_steps: int) -> None:
        """Projected Newton steps, ``maximum_steps`` in all, until the tolerance is met."""
        if self.history:  # going on from where an earlier call stopped
            self.history.pop()
        square = self.evaluate(self.steps)
        for count in range(self.steps + 1, maximum_steps + 1):
            if self.converged:
                return
            enough = max(INNER_REDUCTION**2 * square, self.unit**2 * self.floor)
            self.minimise(
                square,
                below(enough),
                INNER_LIMIT,
            )
            if self.nonnegative:
                self._project()
            else:
                self.add_step(self.weights)
            square = self.evaluate(count)

    def _project(self) -> None:
        """Move along the projected step, or along the gradient where that does not descend."""
        reference = max(record.objective for record in self.history[-MEMORY:])
        length, trial = 1.0, self.large
        while length > 1e-3:
            kernels.projected_step(self.weights, length / self.unit, self.step, trial)
            terms, misfit = self.objective.value_and_residual(trial, self.other)
            if terms.total <= reference + self.floor:
                self.terms, self.misfit = terms, misfit
                break
            length, reference = 0.25 * length, self.terms.total
        else:
            _, gradient = self.objective.value_and_gradient(self.weights, trial, self.other)
            length = -1.0 / self.objective.curvature_bound()
            kernels.projected_step(self.weights, length, gradient, trial)
        self.weights, self.large = trial, self.weights
        self._share()


def halves(matrix: Array) -> tuple[Array, Array]:
    """Two float32 matrices in the memory of a float64 one of the same shape."""
    flat: Any = matrix.reshape(-1).view(np.float32)
    return flat[: matrix.size].reshape(matrix.shape), flat[matrix.size :].reshape(matrix.shape)


def use_single(objective: Objective, precision: str) -> bool:
    """Whether the conjugate gradients work in float32.

    Not for small problems, where nothing is gained, and not where the data
    outweigh the penalty of the smoothest modes by more than float32 resolves.
    """
    if precision == "auto":
        strength = float((objective.injection**2).sum(axis=0).max())
        small = objective.shape[0] * objective.shape[1] < SINGLE_ABOVE
        return not small and objective.penalty_weight > 1e-6 * strength
    return precision == "float32"


def below(limit: float) -> Callable[[float, float], bool]:
    """Criterion of :meth:`Newton.minimise`: <R, M R> is down to ``limit``."""
    return lambda square, _: square <= limit
