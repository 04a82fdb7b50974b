"""A lower bound of the objective of (P1) on W >= 0, from Lagrange duality."""

from __future__ import annotations

import numpy as np

from mesomode.connectome import kernels
from mesomode.connectome.newton import Newton, below
from mesomode.connectome.objective import Array
from mesomode.connectome.scores import sum_groups

REDUCTION = 0.25  # of <R, M R> by conjugate gradients, before what is left is lifted
PROOF_LIMIT = 60  # iterations of these
ROUNDS = 8  # of lifting what is negative in the gradient
POISSON_LIMIT = 300  # iterations in each
SLACK = 0.1  # share of the tolerance that is spent on lifting all entries a little


def lower_bound(solver: Newton) -> float:
    """Bound min f from below, given a nearly optimal W.

    For any alpha (target, experiment), zero where nothing was observed, and
    any beta (target, source) with C = 2 alpha X^T + 2 rho (L_y beta + beta
    L_x) >= 0 everywhere, rho being the weight of the penalty,

        min f >= -2 <alpha, Y> - |alpha|^2 - rho |beta|^2,

    and for the residual r and the second differences R of a W >= 0, f(W) is
    above that by |alpha - r|^2 + rho |beta - R|^2 + <W, C>. At the solution
    alpha = r, beta = R, and C is the gradient. Here they are first those of a
    matrix Z near W, of a few conjugate gradient steps towards a gradient that
    vanishes on the free entries and is nowhere negative. What these steps left
    is then taken away by a change of beta alone, which costs the solution of a
    Poisson equation rather than of one of the fourth order.

    Parameters
    ----------
    solver : Newton
        The finished solver: its ``weights`` are kept, its work arrays are
        overwritten.

    Returns
    -------
    float
        Rigorous up to rounding; -inf if no bound was found.
    """
    objective = solver.objective
    beta = solver.weights.copy()
    _approach(solver, beta)
    alpha = objective.residual(beta)
    objective.differences(beta, solver.large)
    beta[:] = solver.large
    determined = ~solver.undetermined[solver.target_component]
    slack = SLACK * solver.tolerance * solver.terms.total / float(solver.weights.sum() or 1.0)
    for _ in range(ROUNDS):
        objective.dual_gradient(alpha, beta, solver.large)
        if solver.large.min(where=determined, initial=0.0) >= 0.0:
            return float(
                -2.0 * np.vdot(alpha, objective.projection)
                - np.sum(alpha**2)
                - objective.penalty_weight * np.vdot(beta, beta)
            )
        alpha += _lift(solver, slack) * objective.mask
        np.multiply(solver.step, determined, out=solver.step)
        kernels.add_scaled(0.5 / (solver.unit * objective.penalty_weight), solver.step, beta)
        slack *= 4.0
    return -np.inf


def _approach(solver: Newton, point: Array) -> None:
    """Move a copy of W to where the gradient nearly vanishes on the free entries.

    First as in a Newton step without its projection, then by a step on all
    entries that also lifts what that made negative elsewhere.
    """
    held = solver.free
    for stage in range(2):
        _, gradient = solver.objective.value_and_gradient(point, solver.large, solver.other)
        if stage == 0:
            gradient *= held
        else:
            np.minimum(gradient, 0.0, out=gradient, where=~held)
            solver.free = np.ones_like(held)
        solver.set_residual(gradient)
        if stage == 1:
            solver.hold_undetermined(solver.residual)
            solver.preconditioner.set_free(solver.free, solver.scratch)
        first = solver.precondition()
        solver.minimise(first, below(REDUCTION * first), PROOF_LIMIT)
        solver.add_step(point)
    solver.free = held


def _lift(solver: Newton, slack: float) -> Array:
    """Leave S in ``solver.step`` such that C - (L_y S + S L_x) + 2 (s o Omega) X^T is ``slack``.

    On the free entries; elsewhere it is at least that. C is in
    ``solver.large``, S is in the solver's unit; returns s (target,
    experiment). A Poisson equation for each pair of connected components of
    the grids, which needs a right side of mean zero: s, constant over a target
    component, makes the mean no less, with the experiments injected there.
    """
    objective, residual = solver.objective, solver.residual
    np.minimum(solver.large, 0.0, out=solver.large, where=~solver.free)
    solver.set_residual(solver.large)
    lifted = _subtract_block_means(solver, residual) / solver.unit + slack
    injection, twice = objective.cast(solver.dtype)
    shift = _shifts(solver, lifted)[solver.target_component]
    injection.spread(twice * shift.astype(solver.dtype), solver.scratch)
    _subtract_block_means(solver, solver.scratch)
    kernels.add_scaled(-solver.unit, solver.scratch, residual)
    _solve_poisson(solver, 0.7 * slack * solver.unit)
    return shift


def _shifts(solver: Newton, lifted: Array) -> Array:
    """Shift s (target component, experiment) by which 2 (s o Omega) X^T has means >= ``lifted``.

    ``lifted`` is (target component, source component). An experiment takes
    what the neediest of the components needs that it was injected into.
    """
    target, source = solver.target_component, solver.source_component
    seen = 2.0 * sum_groups(solver.objective.mask, target) / np.bincount(target)[:, None]
    injected = sum_groups(solver.objective.injection, source) / np.bincount(source)[:, None]
    rise = seen @ injected.T
    needed = np.divide(lifted, rise, out=np.full_like(lifted, -np.inf), where=rise > 0.0)
    shift: Array = np.max(
        np.where(injected.T > 0.0, needed[:, None, :], -np.inf), axis=2, initial=-np.inf
    )
    shift[~np.isfinite(shift)] = 0.0
    return shift


def _solve_poisson(solver: Newton, wanted: float) -> None:
    """Solve -(L_y S + S L_x) = -R for S in ``step`` until no residual is above ``wanted``."""
    residual, solution, direction = solver.residual, solver.step, solver.direction
    solution[:] = 0.0
    before = 0.0
    for count in range(POISSON_LIMIT):
        if count % 4 == 0 and max(float(residual.max()), -float(residual.min())) <= wanted:
            break
        solver.preconditioner.invert_laplacian(residual, solver.scratch)
        square = float(np.vdot(residual, solver.scratch))
        if before > 0.0:
            kernels.scale_and_add(square / before, direction, solver.scratch)
        else:
            direction[:] = solver.scratch
        product, _ = solver.objective.differences(direction, solver.work)
        curvature = -float(np.vdot(direction, product))
        if not (curvature > 0.0 and square > 0.0):
            break
        kernels.advance(-square / curvature, direction, product, solution, residual)
        before = square


def _subtract_block_means(solver: Newton, matrix: Array) -> Array:
    """Subtract from each pair of components its mean, in place; the means are returned."""
    target, source = solver.target_component, solver.source_component
    rows = np.eye(target.max() + 1, dtype=matrix.dtype)[:, target] @ matrix
    sums = rows @ np.eye(source.max() + 1)[source]
    means: Array = sums / np.outer(np.bincount(target), np.bincount(source))
    for label in range(len(means)):
        matrix[target == label] -= means[label, source]
    return means
