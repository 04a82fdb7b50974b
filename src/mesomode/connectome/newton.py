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
from mesomode.errors import SolverError

INNER_REDUCTION = 0.1  # of the preconditioned residual norm in one Newton step
INNER_LIMIT = 60
STALLED = 0.5  # iterations times last gain over total gain, below which more are useless
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
    """State of one fit: W, six work matrices of its size, and counters."""

    def __init__(
        self,
        objective: Objective,
        tolerance: float,
        nonnegative: bool,
        progress: Callable[[FitState], None] | None,
    ) -> None:
        self.objective = objective
        self.tolerance = tolerance
        self.nonnegative = nonnegative
        self.progress = progress
        self.begun = time.monotonic()
        self.preconditioner = TwoLevel(objective)
        self.curvature = objective.largest_curvature()
        self.weights = np.zeros(objective.shape)
        self.residual, self.step, self.direction, self.scratch, self.work = (
            np.empty(objective.shape) for _ in range(5)
        )
        self.free = np.ones(objective.shape, dtype=np.bool_)
        self.target_component, self.undetermined = undetermined_entries(objective)
        # Below this a difference of objectives is rounding.
        self.floor = 1e-13 * float(np.sum(objective.projection**2))
        self.products = 0
        self.converged = False
        self.terms = Terms(np.nan, np.nan, np.nan)
        self.history: list[FitState] = []
        self.state = FitState(0, 0, np.nan, np.nan, np.nan, 1.0, 0, 0.0)

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

    def precondition(self) -> float:
        """Put M R into ``scratch``; returns <R, M R>."""
        square = self.preconditioner.apply(self.residual, self.free, self.scratch, self.work)
        if square < 0.0:  # rounding, where the coarse problem is nearly singular
            self.preconditioner.coarse_free[:] = 0.0
            square = self.preconditioner.apply(self.residual, self.free, self.scratch, self.work)
        return square

    def solve_unconstrained(self, gap: float) -> None:
        """W = minimiser of the objective without W >= 0, to the relative gap given."""
        terms, _ = self.objective.value_and_gradient(self.weights, self.residual, self.work)
        np.negative(self.residual, out=self.residual)
        self.hold_undetermined(self.residual)
        start, floor = terms.total, self.floor
        self.minimise(
            self.precondition(),
            lambda square, decrease: 0.25 * square <= max(gap * (start - decrease), floor),
            10 * INNER_LIMIT,
        )
        self.weights += self.step

    def hold_undetermined(self, matrix: Array) -> None:
        """Take the entries that no observation determines out of the free set."""
        if self.undetermined.any():
            self.free[:] = ~self.undetermined[self.target_component]
            matrix *= self.free

    def evaluate(self, step: int) -> float:
        """Objective, gradient (as R), free set, and the optimality measures at W."""
        terms, gradient = self.objective.value_and_gradient(self.weights, self.residual, self.work)
        self.terms = terms
        size = float(np.linalg.norm(self.weights)) or 1.0
        if self.nonnegative:
            kkt = self.objective.kkt_residual(self.weights, gradient, self.curvature)
            changes, free = kernels.choose_free(
                self.weights, gradient, self.target_component, self.undetermined,
                self.free, self.residual,
            )  # fmt: skip
            self.preconditioner.set_free(self.free, self.scratch)
        else:
            kkt = float(np.linalg.norm(gradient)) / self.curvature / size
            changes, free = 0, gradient.size
            np.negative(gradient, out=gradient)
            self.hold_undetermined(gradient)
        square = self.precondition()
        scale = max(terms.total, self.floor)  # 0 if nothing was projected anywhere
        gap = 0.25 * square / scale if scale > 0.0 else 0.0
        record = self.report(
            step=step,
            objective=terms.total,
            kkt_residual=kkt,
            gap_estimate=gap,
            free_fraction=free / gradient.size,
            changes=int(changes),
        )
        self.history.append(record)
        exact = 0.25 * square <= self.floor
        self.converged = (gap <= self.tolerance or exact) and kkt <= self.tolerance
        return square

    def iterate(self, maximum_steps: int) -> None:
        """Projected Newton steps, ``maximum_steps`` in all, until the tolerance is met."""
        if self.history:  # going on from where an earlier call stopped
            self.history.pop()
        square = self.evaluate(self.steps)
        for count in range(self.steps + 1, maximum_steps + 1):
            if self.converged:
                return
            enough = max(INNER_REDUCTION**2 * square, self.floor)
            self.minimise(
                square,
                below(enough),
                INNER_LIMIT,
            )
            if self.nonnegative:
                self._project()
            else:
                self.weights += self.step
            square = self.evaluate(count)

    def _project(self) -> None:
        """Move along the projected step, or along the gradient where that does not descend."""
        reference = max(record.objective for record in self.history[-MEMORY:])
        length = 1.0
        while length > 1e-3:
            kernels.projected_step(self.weights, length, self.step, self.scratch)
            value = self.objective.value(self.scratch, self.work).total
            if value <= reference + self.floor:
                break
            length, reference = 0.25 * length, self.terms.total
        else:
            self.objective.value_and_gradient(self.weights, self.residual, self.work)
            length = -1.0 / self.objective.curvature_bound()
            kernels.projected_step(self.weights, length, self.residual, self.scratch)
        self.weights, self.scratch = self.scratch, self.weights


def below(limit: float) -> Callable[[float, float], bool]:
    """Criterion of :meth:`Newton.minimise`: <R, M R> is down to ``limit``."""
    return lambda square, _: square <= limit


def undetermined_entries(
    objective: Objective,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Component of each target voxel; (component, source): entries no observation depends on.

    The penalty ties the weights within a pair of connected components only;
    such a pair is seen if an experiment injected into the source component
    and was observed in the target component.
    """
    target = component_labels(objective.target_laplacian)
    source = component_labels(objective.source_laplacian)
    injected = np.zeros((source.max() + 1, objective.injection.shape[1]))
    np.add.at(injected, source, objective.injection)
    seen = np.zeros((target.max() + 1, objective.injection.shape[1]))
    np.add.at(seen, target, objective.mask)
    return target, ((seen @ injected.T) == 0)[:, source]
