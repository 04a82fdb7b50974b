"""Nonnegative factors by extrapolated alternation of projected Newton steps, for (P2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mesomode.connectome.low_rank_block import FactorStep
from mesomode.connectome.low_rank_preconditioner import FactorPreconditioner
from mesomode.connectome.low_rank_problem import Factor, LowRankProblem
from mesomode.connectome.objective import Terms
from mesomode.errors import SolverError

SLOW = 0.01  # share gained by a sweep below which the next is extrapolated
WINDOW = 10  # sweeps over which progress is measured
FIRST_MOMENTUM, MOST_MOMENTUM = 0.5, 2.0
GROWTH, CEILING_GROWTH, SHRINK = 1.05, 1.02, 0.5


@dataclass
class LowRankFit:
    """Factors of a connectome.

    Attributes
    ----------
    target_factor : (target, rank)
        U, nonnegative.
    source_factor : (source, rank)
        V, nonnegative, columns of the same norm as those of U.
    terms : Terms
        The objective and its parts, in float64.
    history : list of float
        Objective at the start and after each sweep; never increases.
    seconds : list of float
        Time since the start of the call at each entry of ``history``.
    kkt_residual : float
        The larger of |F - max(F - G/s, 0)| / |F| of the two factors F, with G
        the gradient and s the largest diagonal curvature in F.
    converged : bool
        Whether the last 10 sweeps gained less than the tolerance.
    """

    target_factor: Factor
    source_factor: Factor
    terms: Terms
    history: list[float] = field(repr=False)
    seconds: list[float] = field(repr=False)
    kkt_residual: float
    converged: bool


def solve(
    problem: LowRankProblem,
    target_factor: Factor,
    source_factor: Factor,
    *,
    tolerance: float = 1e-4,
    maximum_iterations: int = 500,
    progress: Callable[[int, Terms], None] | None = None,
    extrapolate: bool = True,
) -> LowRankFit:
    """Descend from given factors to a stationary point of (P2).

    A sweep improves U for fixed V and then V for fixed U, each by one step of
    :class:`~mesomode.connectome.low_rank_block.FactorStep`. Once a sweep gains
    less than a hundredth, the factors are between steps extrapolated along
    their last change (Ang & Gillis 2019, Neural Computation 31:417), with a
    momentum that grows while this succeeds. A sweep that would increase
    the objective is undone, the momentum reduced, and a plain sweep taken from
    the last point, which cannot increase it.

    Parameters
    ----------
    problem : LowRankProblem
        The data.
    target_factor, source_factor : (target, rank) and (source, rank)
        Nonnegative start.
    tolerance : float
        Ends where ten sweeps reduce the objective by less than this share.
    maximum_iterations : int
        Most sweeps.
    progress : callable, optional
        Called with the number of the sweep and the objective's terms.

    Raises
    ------
    SolverError
        Numbers that are not finite came up.
    """
    begin = time.perf_counter()
    source_side = FactorStep(
        FactorPreconditioner(problem.quick_source_laplacian, problem.weight, problem.injection)
    )
    missing = ~problem.observed if problem.complement else None
    target_side = FactorStep(
        FactorPreconditioner(problem.quick_target_laplacian, problem.weight, missing=missing)
    )

    def step_target(u: Factor, v: Factor) -> Factor:
        return target_side.improve(u, problem.target_quadratic(v))

    def step_source(u: Factor, v: Factor) -> Factor:
        return source_side.improve(v, problem.source_quadratic(u))

    u, v = balance(
        np.maximum(target_factor, 0).astype(problem.precision),
        np.maximum(source_factor, 0).astype(problem.precision),
    )
    terms = problem.value(u, v)
    history, seconds = [terms.total], [time.perf_counter() - begin]
    momentum, ceiling = FIRST_MOMENTUM, 1.0
    ahead_u, ahead_v = u, v  # the extrapolated point
    hurried = False
    converged = terms.total == 0.0
    sweep = 0
    while not converged and sweep < maximum_iterations:
        sweep += 1
        new_u = step_target(ahead_u, ahead_v)
        past = extrapolated(new_u, u, momentum) if hurried else new_u
        new_v = step_source(past, ahead_v)
        new_terms = problem.value(new_u, new_v)
        if hurried and not new_terms.total <= terms.total:
            ceiling = momentum
            momentum *= SHRINK
            new_u = step_target(u, v)
            new_v = step_source(new_u, v)
            new_terms = problem.value(new_u, new_v)
            hurried = False
        if not np.isfinite(new_terms.total):
            raise SolverError(
                f"the objective became {new_terms.total} in sweep {sweep}",
                why="the data or the start are too large for the floating point numbers used",
                remedy="use float64, or scale the data",
            )
        if new_terms.total > terms.total:  # by rounding: nothing more to gain
            converged = True
            break
        slow = terms.total - new_terms.total < SLOW * terms.total
        if hurried:
            ceiling = min(MOST_MOMENTUM, ceiling * CEILING_GROWTH)
            momentum = min(ceiling, momentum * GROWTH)
        hurried = extrapolate and slow
        ahead_u, ahead_v = new_u, new_v
        if hurried:
            ahead_u = extrapolated(new_u, u, momentum)
            ahead_v = extrapolated(new_v, v, momentum)
        u, v, terms = new_u, new_v, new_terms
        history.append(terms.total)
        seconds.append(time.perf_counter() - begin)
        if progress is not None:
            progress(sweep, terms)
        if sweep >= WINDOW:
            converged = history[-1 - WINDOW] - history[-1] <= tolerance * history[-1]
        if sweep % WINDOW == 0:
            scale = scales(u, v)
            u, ahead_u, v, ahead_v = u * scale, ahead_u * scale, v / scale, ahead_v / scale
    u, v = balance(u, v)
    residual = kkt_residual(problem, u, v)
    return LowRankFit(u, v, terms, history, seconds, residual, converged)


def kkt_residual(problem: LowRankProblem, target_factor: Factor, source_factor: Factor) -> float:
    """The larger of |F - max(F - G/s, 0)| / |F| of the two factors, s the largest curvature."""
    largest = 0.0
    for factor, quadratic in (
        (target_factor, problem.target_quadratic(source_factor)),
        (source_factor, problem.source_quadratic(target_factor)),
    ):
        size = float(np.linalg.norm(factor))
        if quadratic.curvature > 0:
            gradient = quadratic.product(factor) - quadratic.right
            step = float(np.linalg.norm(np.minimum(factor, gradient / quadratic.curvature)))
            largest = max(largest, float(step / (size or 1.0)))
    return largest


def scales(target_factor: Factor, source_factor: Factor) -> Factor:
    """What to multiply the columns of U with, and divide those of V by, to make norms equal."""
    target = np.linalg.norm(target_factor, axis=0)
    source = np.linalg.norm(source_factor, axis=0)
    both = (target > 0) & (source > 0)
    return np.sqrt(
        np.divide(source, target, out=np.ones_like(source), where=both), dtype=target_factor.dtype
    )


def balance(target_factor: Factor, source_factor: Factor) -> tuple[Factor, Factor]:
    """The same product with columns of U and V of equal norms, unless one is zero."""
    scale = scales(target_factor, source_factor)
    return target_factor * scale, source_factor / scale


def extrapolated(new: Factor, old: Factor, momentum: float) -> Factor:
    """max(new + momentum (new - old), 0)."""
    ahead = new - old
    ahead *= new.dtype.type(momentum)
    ahead += new
    return np.maximum(ahead, 0, out=ahead)
