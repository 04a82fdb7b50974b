"""Nonnegative least squares from the normal equations, for many right-hand sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from mesomode.connectome.kernels import SERIAL
from mesomode.errors import SolverError

Array = npt.NDArray[np.float64]


def nonnegative_solution(gram: Array, right: Array) -> Array:
    """Minimise w^T G w - 2 b^T w over w >= 0.

    The active set method of Lawson & Hanson (1974), on the normal equations
    (Bro & De Jong 1997), with a Cholesky factor that grows and shrinks with
    the set of positive unknowns.

    Parameters
    ----------
    gram : (unknown, unknown) float64
        G = A^T A of a least squares problem, symmetric and not indefinite.
    right : (unknown,) float64
        b = A^T y.

    Returns
    -------
    ndarray (unknown,)
        If G is singular, one of the minimisers, whose positive unknowns are
        determined by the others being zero.

    Raises
    ------
    SolverError
        It did not end, because of rounding.
    """
    solution = np.zeros(len(right))
    limit = 10 * len(right) + 10
    if _solve(gram, right, limit, solution) >= limit:
        raise SolverError(
            f"nonnegative least squares of {len(right)} unknowns did not end in {limit} steps",
            why="the unknowns depend on each other to rounding",
        )
    return solution


@njit(**SERIAL)
def _solve(gram, right, limit, solution):
    """Lawson & Hanson's method from solution = 0; returns the number of steps."""
    n = len(right)
    passive = np.empty(n, np.int64)  # the unknowns that are not held at zero,
    count = 0  # so many of them
    state = np.zeros(n, np.int8)  # 0 held at zero, 1 passive, 2 depends on the passive ones
    factor, work, trial = np.zeros((n, n)), np.empty(n), np.empty(n)
    gradient = right.copy()
    tolerance = 1e-12 * np.abs(right).max()
    for step in range(limit):
        entering = -1
        best = tolerance
        for i in range(n):
            if state[i] == 0 and gradient[i] > best:
                entering, best = i, gradient[i]
        if entering < 0:
            return step
        passive[count] = entering
        usable = _append(gram, passive, count, factor)
        if usable:
            _solve_passive(right, passive, count + 1, factor, work, trial)
            usable = trial[count] > 0.0
        if not usable:
            state[entering] = 2
            continue
        state[entering] = 1
        count += 1
        while True:
            # Go towards the trial as far as nothing becomes negative.
            length, leaving = 1.0, -1
            for p in range(count):
                if trial[p] <= 0.0:
                    value = solution[passive[p]]
                    ratio = value / (value - trial[p]) if value > 0.0 else 0.0
                    if leaving < 0 or ratio < length:
                        length, leaving = ratio, p
            if leaving < 0:
                break
            first, kept = count, 0
            for p in range(count):
                i = passive[p]
                value = solution[i] + length * (trial[p] - solution[i])
                if p == leaving or value <= 0.0:
                    solution[i] = 0.0
                    state[i] = 0
                    first = min(first, p)
                else:
                    solution[i] = value
                    passive[kept] = i
                    kept += 1
            count = kept
            for p in range(first, count):
                _append(gram, passive, p, factor)
            _solve_passive(right, passive, count, factor, work, trial)
        for p in range(count):
            solution[passive[p]] = trial[p]
        gradient[:] = right
        for p in range(count):
            row = gram[passive[p]]
            for i in range(n):
                gradient[i] -= row[i] * trial[p]
        for i in range(n):
            if state[i] == 2:
                state[i] = 0
    return limit


@njit(**SERIAL)
def _append(gram, passive, row, factor):
    """Compute a row of the Cholesky factor; False if its unknown depends on those before."""
    unknown = passive[row]
    rest = gram[unknown, unknown]
    last = factor[row]
    for p in range(row):
        total, before = gram[unknown, passive[p]], factor[p]
        for q in range(p):
            total -= before[q] * last[q]
        last[p] = total / before[p]
        rest -= last[p] ** 2
    if rest <= 1e-12 * gram[unknown, unknown]:
        return False
    last[row] = np.sqrt(rest)
    return True


@njit(**SERIAL)
def _solve_passive(right, passive, count, factor, work, out):
    """Set out to the solution of the normal equations of the passive unknowns."""
    for p in range(count):
        total, row = right[passive[p]], factor[p]
        for q in range(p):
            total -= row[q] * work[q]
        work[p] = total / row[p]
    for p in range(count - 1, -1, -1):
        row = factor[p]
        value = work[p] / row[p]
        out[p] = value
        for q in range(p):
            work[q] -= row[q] * value
