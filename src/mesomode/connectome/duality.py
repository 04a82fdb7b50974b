"""A lower bound of the objective of (P1) on W >= 0, from Lagrange duality."""

from __future__ import annotations

import numpy as np

from mesomode.connectome import kernels
from mesomode.connectome.laplacian import component_labels
from mesomode.connectome.newton import Newton, below
from mesomode.connectome.objective import Array, Objective

ROUNDS = 4  # of correcting the gradient, at most
PROOF_LIMIT = 600  # conjugate gradient iterations in each
POISSON_LIMIT = 1000


def lower_bound(solver: Newton) -> float:
    """Bound min f from below, given a nearly optimal W.

    For any alpha (target, experiment), zero where nothing was observed, and
    any beta (target, source) with C = 2 alpha X^T + 2 rho (L_y beta + beta
    L_x) >= 0 everywhere, rho being the weight of the penalty,

        min f >= -2 <alpha, Y> - |alpha|^2 - rho |beta|^2,

    with equality for the residual and the second differences of the solution,
    for which C is the gradient. Here they are taken from a matrix Z near W
    whose gradient is almost nonnegative, and what is still negative is lifted
    by a multiple of a pair with C > 0.

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
    point = solver.weights.copy()
    for _ in range(ROUNDS):
        _, gradient = objective.value_and_gradient(point, solver.large, solver.other)
        # Lifting the gradient everywhere by its most negative value costs about this much.
        cost = -float(gradient.min(initial=0.0)) * float(solver.weights.sum())
        if cost <= 0.1 * solver.tolerance * solver.terms.total:
            break
        # Make the gradient vanish on the free entries and not negative elsewhere.
        np.minimum(gradient, 0.0, out=gradient, where=~solver.free)
        solver.set_residual(gradient)
        everywhere = solver.free
        solver.free = np.ones_like(everywhere)
        solver.hold_undetermined(solver.residual)
        solver.preconditioner.set_free(solver.free, solver.scratch)
        first = solver.precondition()
        solver.minimise(first, below(1e-6 * first), PROOF_LIMIT)
        solver.add_step(point)
        solver.free = everywhere
    _, gradient = objective.value_and_gradient(point, solver.large, solver.other)
    alpha = objective.residual(point)
    lift = -float(gradient.min(initial=0.0))
    point[:] = solver.other  # the second differences, beta
    if lift > 0.0:
        rise = _lifting_pair(objective, solver)
        if not rise > 0.0:
            return -np.inf
        alpha += (lift / rise) * objective.mask
        kernels.add_scaled(lift / rise, solver.other, point)
    return float(
        -2.0 * np.vdot(alpha, objective.projection)
        - np.sum(alpha**2)
        - objective.penalty_weight * np.vdot(point, point)
    )


def _lifting_pair(objective: Objective, solver: Newton) -> float:
    """Leave a beta in ``solver.other`` with 2 Omega X^T + 2 rho (L_y beta + beta L_x) > 0.

    It spreads Omega X^T, which is positive only at the injections, evenly
    over each pair of connected components: a Poisson equation, solved by
    conjugate gradients. Returns the least value reached where observations
    determine W (elsewhere everything is zero).
    """
    injection, twice = objective.cast(solver.dtype)
    right, spread, direction = solver.residual, solver.step, solver.direction
    np.matmul(twice, injection.T, out=right)
    mean = _subtract_block_means(objective, right)  # now -(L_y S + S L_x) = right
    spread[:] = 0.0
    direction[:] = right
    square = float(np.vdot(right, right))
    wanted = 1e-3 * float(mean.min(where=mean > 0, initial=np.inf))
    for _ in range(POISSON_LIMIT):
        if square == 0.0 or max(float(right.max()), -float(right.min())) <= wanted:
            break
        product, _ = objective.differences(direction, solver.work)
        np.negative(product, out=product)
        length = square / float(np.vdot(direction, product))
        kernels.advance(length, direction, product, spread, right)
        before, square = square, float(np.vdot(right, right))
        kernels.scale_and_add(square / before, direction, right)
    # What is reached, computed afresh in float64 rather than from the recursion.
    beta, reached = solver.other, solver.large
    np.divide(spread, 2.0 * objective.penalty_weight, out=beta)
    objective.differences(beta, reached)
    reached *= 2.0 * objective.penalty_weight
    for start in range(0, len(reached), 256):
        block = slice(start, start + 256)
        reached[block] += 2.0 * objective.mask[block] @ objective.injection.T
    determined = ~solver.undetermined[solver.target_component]
    return float(reached.min(where=determined, initial=np.inf))


def _subtract_block_means(objective: Objective, matrix: Array) -> Array:
    """Subtract from each pair of components its mean, in place; the means are returned."""
    target = component_labels(objective.target_laplacian)
    source = component_labels(objective.source_laplacian)
    rows = np.zeros((target.max() + 1, matrix.shape[1]))
    np.add.at(rows, target, matrix)
    sums = np.zeros((rows.shape[0], source.max() + 1))
    np.add.at(sums.T, source, rows.T)
    means: Array = sums / np.outer(np.bincount(target), np.bincount(source))
    for label in range(len(means)):
        matrix[target == label] -= means[label, source]
    return means
