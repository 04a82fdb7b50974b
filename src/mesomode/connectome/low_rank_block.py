"""One step for one factor of (P2): projected Newton, and Nesterov where the bound takes over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mesomode.connectome import kernels
from mesomode.connectome.low_rank_preconditioner import FactorPreconditioner
from mesomode.connectome.low_rank_problem import QUICK, Factor, Quadratic

CONJUGATE_STEPS = 8  # of conjugate gradients in one Newton step, at most
FORCING = 1e-2  # share of the preconditioned residual at which they end
SUFFICIENT = 0.8  # share of the expected decrease that the projection has to leave
GRADIENT_STEPS = 60  # of Nesterov's, at most, where it does not
STANDSTILL = 1e-2  # share of the largest step at which these end
FIRST_POWERS, POWERS = 20, 3  # iterations for the largest curvature, which is then kept up
MARGIN = 1.05  # on the largest curvature


class FactorStep:
    """Improves a factor in its convex quadratic, never increasing it.

    A Newton step on the free entries {f > 0 or g < 0}, by preconditioned
    conjugate gradients, and the minimum on the segment towards its projection
    onto F >= 0. Where the projection spoils the decrease (many entries meet the
    bound, as in high ranks), accelerated projected gradient steps follow,
    which find the entries at the bound; the next Newton step is then good.
    The products within both are in float32; the gradients that they start
    from and the decrease that decides are in the precision of the factor.

    Parameters
    ----------
    preconditioner : FactorPreconditioner
        For the factor's side.
    """

    def __init__(self, preconditioner: FactorPreconditioner) -> None:
        self.preconditioner = preconditioner
        self.vector: Factor | None = None  # towards the largest curvature

    def improve(self, factor: Factor, quadratic: Quadratic) -> Factor:
        """A factor of a lesser quadratic, or the same."""
        self.preconditioner.prepare(quadratic)
        gradient = quadratic.product(factor) - quadratic.right
        free = (factor > 0) | (gradient < 0)
        residual = np.where(free, -gradient, 0).astype(QUICK)
        move = descend(residual, free, quadratic.quick, self.preconditioner)
        expected = _inner(gradient, move)  # twice the change, without the bound
        move = np.maximum(factor + move, 0) - factor
        slope = _inner(gradient, move)
        change, best, there = 0.0, factor, gradient
        if slope < 0:
            curved = quadratic.product(move)
            curvature = _inner(move, curved)
            share = min(1.0, -slope / curvature) if curvature > 0 else 1.0
            change = 2 * share * slope + share**2 * curvature
            best = np.maximum(factor + factor.dtype.type(share) * move, 0)
            there = gradient + factor.dtype.type(share) * curved
        if change > SUFFICIENT * expected:
            other = self.accelerated(best, there, quadratic.quick)
            move = other - factor
            if 2 * _inner(gradient, move) + _inner(move, quadratic.product(move)) < change:
                best = other
        return best

    def accelerated(
        self, factor: Factor, gradient: Factor, product: Callable[[Factor], Factor]
    ) -> Factor:
        """Nesterov's projected gradient, restarted where it points uphill.

        O'Donoghue & Candes (2015), Foundations of Computational Mathematics
        15:715. ``gradient`` is that at ``factor``, A F - B.
        """
        largest = QUICK.type(self._largest_curvature(factor.shape, product))
        if not largest > 0:
            return factor
        start, slope = factor.astype(QUICK), gradient.astype(QUICK)
        last, ahead, weight, longest = start, start, 1.0, 0.0
        for _ in range(GRADIENT_STEPS):
            new = product(ahead - start)
            new += slope
            new *= -1 / largest
            new += ahead
            np.maximum(new, 0, out=new)
            step = new - last
            length = _inner(step, step)
            longest = max(longest, length)
            if _inner(ahead - new, step) > 0:
                weight = 1.0
            next_weight = (1 + (1 + 4 * weight**2) ** 0.5) / 2
            step *= QUICK.type((weight - 1) / next_weight)
            step += new
            ahead, last, weight = step, new, next_weight
            if length <= STANDSTILL**2 * longest:
                break
        moved = np.maximum(factor + (last - start), 0)
        moved[last == 0] = 0  # not what rounding left there
        return moved

    def _largest_curvature(
        self, shape: tuple[int, ...], product: Callable[[Factor], Factor]
    ) -> float:
        """By power iteration from where the last one ended."""
        powers = POWERS
        if self.vector is None:
            start = np.random.default_rng(0).random(shape)
            self.vector, powers = start.astype(QUICK), FIRST_POWERS
        size = 0.0
        for _ in range(powers):
            size = float(np.linalg.norm(self.vector))
            if not size > 0:
                self.vector = None
                return 0.0
            self.vector = product(self.vector / QUICK.type(size))
        return MARGIN * float(np.linalg.norm(self.vector))


def descend(
    residual: Factor,
    free: npt.NDArray[np.bool_],
    product: Callable[[Factor], Factor],
    preconditioner: FactorPreconditioner,
    steps: int = CONJUGATE_STEPS,
) -> Factor:
    """Solve A D = R roughly on the free entries by preconditioned conjugate gradients.

    ``residual`` must be zero elsewhere, and is overwritten.
    """
    solution = np.zeros_like(residual)
    direction = preconditioner.apply(residual)
    direction *= free
    first = decrease = _inner(residual, direction)
    for _ in range(steps):
        if not decrease > FORCING**2 * first:
            break
        curved = product(direction)
        curved *= free
        curvature = _inner(direction, curved)
        if not curvature > 0:
            break
        length = residual.dtype.type(decrease / curvature)
        kernels.advance(length, direction, curved, solution, residual)
        shaped = preconditioner.apply(residual)
        shaped *= free
        previous, decrease = decrease, _inner(residual, shaped)
        kernels.scale_and_add(residual.dtype.type(decrease / previous), direction, shaped)
    return solution


def _inner(a: Factor, b: Factor) -> float:
    return float(np.vdot(a, b))
