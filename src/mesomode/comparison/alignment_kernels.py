"""Compiled search for the orthogonal C with the largest <A, C B Cᵀ>: one pair, or many at once.

C is built from rotations and reflections of two coordinates at a time. As a function of the angle
the objective is a cos θ + b sin θ + c cos 2θ + d sin 2θ + constant, on each of the two components
of O(2): the best angle of all is found from one pass over two rows and two columns, and a sweep
over all pairs of coordinates takes O(n³). First sweeps look at the whole circle and both
components; later ones follow the nearest maximum with over-relaxation, as ascent by coordinates
converges slowly without.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numba import njit

OPTIONS = {
    "cache": os.access(Path(__file__).parent, os.W_OK),
    "fastmath": {"reassoc", "contract", "nsz"},
}
ANGLES = 16
COSINES = np.cos(2 * np.pi * np.arange(ANGLES) / ANGLES)
SINES = np.sin(2 * np.pi * np.arange(ANGLES) / ANGLES)
RELAXATION = 1.5
SMALLEST_TURN = 1e-9
"""Radians below which all rotations of a sweep count as converged."""

MET = 1e-10
"""Distance of the value from its proven upper bound at which the search for others ends."""


@njit(inline="always")
def _turn(moved, rotation, p, q, c, s, reflect):
    """Apply [[c, s], [-s, c]] diag(1, reflect) to coordinates p and q of C B Cᵀ and C."""
    n = moved.shape[0]
    for k in range(n):
        x, y = moved[p, k], reflect * moved[q, k]
        moved[p, k] = c * x + s * y
        moved[q, k] = c * y - s * x
    for k in range(n):
        x, y = moved[k, p], reflect * moved[k, q]
        moved[k, p] = c * x + s * y
        moved[k, q] = c * y - s * x
    for k in range(n):
        x, y = rotation[p, k], reflect * rotation[q, k]
        rotation[p, k] = c * x + s * y
        rotation[q, k] = c * y - s * x


@njit(**OPTIONS)
def global_sweep(fixed, moved, rotation):
    """Best rotation or reflection of each pair of coordinates in turn, over the whole circle."""
    n = fixed.shape[0]
    for p in range(n - 1):
        for q in range(p + 1, n):
            pp = qq = pq = qp = 0.0
            for k in range(n):
                if k != p and k != q:
                    pp += fixed[p, k] * moved[p, k] + fixed[k, p] * moved[k, p]
                    qq += fixed[q, k] * moved[q, k] + fixed[k, q] * moved[k, q]
                    pq += fixed[p, k] * moved[q, k] + fixed[k, p] * moved[k, q]
                    qp += fixed[q, k] * moved[p, k] + fixed[k, q] * moved[k, p]
            # Half differences and sums of the 2 × 2 blocks: these turn with the double angle.
            d1, d2 = 0.5 * (fixed[p, p] - fixed[q, q]), 0.5 * (moved[p, p] - moved[q, q])
            o1, o2 = 0.5 * (fixed[p, q] + fixed[q, p]), 0.5 * (moved[p, q] + moved[q, p])
            a1, a2 = 0.5 * (fixed[p, q] - fixed[q, p]), 0.5 * (moved[p, q] - moved[q, p])
            now = best = pp + qq + 2 * (d1 * d2 + o1 * o2 + a1 * a2)
            best_c, best_s, best_reflect = 1.0, 0.0, 1.0
            for component in range(2):
                sign = 1.0 - 2.0 * component
                a, b = pp + sign * qq, sign * pq - qp
                e, f = 2 * (d1 * d2 + sign * o1 * o2), 2 * (sign * d1 * o2 - o1 * d2)
                highest, c, s = -np.inf, 1.0, 0.0
                for g in range(ANGLES):
                    x, y = COSINES[g], SINES[g]
                    height = a * x + b * y + e * (x * x - y * y) + f * 2 * x * y
                    if height > highest:
                        highest, c, s = height, x, y
                for _ in range(3):  # Newton steps to the top
                    slope = b * c - a * s + 2 * (f * (c * c - s * s) - e * 2 * c * s)
                    bend = -a * c - b * s - 4 * (e * (c * c - s * s) + f * 2 * c * s)
                    half = 0.5 * min(max(slope / (abs(bend) + 1e-300), -0.3), 0.3)
                    scale = 1 / (1 + half * half)
                    x, y = (1 - half * half) * scale, 2 * half * scale
                    c, s = c * x - s * y, s * x + c * y
                height = a * c + b * s + e * (c * c - s * s) + f * 2 * c * s + sign * 2 * a1 * a2
                if height > best:
                    best, best_c, best_s, best_reflect = height, c, s, sign
            if best > now + 1e-14 * abs(now):
                length = 1 / math.sqrt(best_c * best_c + best_s * best_s)
                _turn(moved, rotation, p, q, best_c * length, best_s * length, best_reflect)


@njit(**OPTIONS)
def local_sweep(fixed, moved, rotation):
    """Over-relaxed Newton step of each pair of coordinates in turn; returns the largest angle.

    A step that would lower the objective is halved, at most twice, and then left out.
    """
    n = fixed.shape[0]
    largest = 0.0
    for p in range(n - 1):
        for q in range(p + 1, n):
            a = b = 0.0
            for k in range(n):
                a += (
                    fixed[p, k] * moved[p, k] + fixed[k, p] * moved[k, p]
                    + fixed[q, k] * moved[q, k] + fixed[k, q] * moved[k, q]
                )  # fmt: skip
                b += (
                    fixed[p, k] * moved[q, k] + fixed[k, p] * moved[k, q]
                    - fixed[q, k] * moved[p, k] - fixed[k, q] * moved[k, p]
                )  # fmt: skip
            for k in (p, q):
                a -= (
                    fixed[p, k] * moved[p, k] + fixed[k, p] * moved[k, p]
                    + fixed[q, k] * moved[q, k] + fixed[k, q] * moved[k, q]
                )  # fmt: skip
                b -= (
                    fixed[p, k] * moved[q, k] + fixed[k, p] * moved[k, q]
                    - fixed[q, k] * moved[p, k] - fixed[k, q] * moved[k, p]
                )  # fmt: skip
            d1, d2 = 0.5 * (fixed[p, p] - fixed[q, q]), 0.5 * (moved[p, p] - moved[q, q])
            o1, o2 = 0.5 * (fixed[p, q] + fixed[q, p]), 0.5 * (moved[p, q] + moved[q, p])
            e, f = 2 * (d1 * d2 + o1 * o2), 2 * (d1 * o2 - o1 * d2)
            angle = (b + 2 * f) / (abs(a + 4 * e) + 1e-300)
            largest = max(largest, abs(angle))
            half = 0.5 * min(max(RELAXATION * angle, -0.4), 0.4)
            for _ in range(3):
                scale = 1 / (1 + half * half)
                c, s = (1 - half * half) * scale, 2 * half * scale
                if a * (c - 1) + b * s - 2 * e * s * s + 2 * f * c * s > 0:
                    _turn(moved, rotation, p, q, c, s, 1.0)
                    break
                half *= 0.5
    return largest


@njit(**OPTIONS)
def _conjugate(rotation, matrix, out):
    """Set out = C B Cᵀ."""
    n = matrix.shape[0]
    half = np.zeros_like(matrix)
    for i in range(n):
        for k in range(n):
            value = rotation[i, k]
            for j in range(n):
                half[i, j] += value * matrix[k, j]
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += half[i, k] * rotation[j, k]
            out[i, j] = total


@njit(**OPTIONS)
def _product(one, two):
    """<A, B>."""
    total = 0.0
    for i in range(one.shape[0]):
        for j in range(one.shape[1]):
            total += one[i, j] * two[i, j]
    return total


@njit(**OPTIONS)
def _orthonormalise(rotation):
    """One Newton–Schulz step, C ← C (3 - Cᵀ C) / 2, which removes the rounding of many turns."""
    n = rotation.shape[0]
    gram = np.zeros_like(rotation)
    for k in range(n):
        for i in range(n):
            for j in range(n):
                gram[i, j] += rotation[k, i] * rotation[k, j]
    row = np.empty(n)
    for i in range(n):
        for j in range(n):
            row[j] = 1.5 * rotation[i, j]
        for k in range(n):
            for j in range(n):
                row[j] -= 0.5 * rotation[i, k] * gram[k, j]
        for j in range(n):
            rotation[i, j] = row[j]


@njit(**OPTIONS)
def _signed_frames(frame1, frame2, inner1, inner2, out):
    """Set out = U₁ D U₂ᵀ with signs D that make <U₁ᵀ A U₁, D U₂ᵀ B U₂ D> large."""
    n = frame1.shape[0]
    sign = np.ones(n)
    for i in range(1, n):
        total = 0.0
        for j in range(i):
            total += (inner1[i, j] * inner2[i, j] + inner1[j, i] * inner2[j, i]) * sign[j]
        if total < 0:
            sign[i] = -1.0
    for _ in range(4 * n):
        worst, place = -1e-14, -1
        for i in range(n):
            total = 0.0
            for j in range(n):
                if j != i:
                    total += (inner1[i, j] * inner2[i, j] + inner1[j, i] * inner2[j, i]) * sign[j]
            if total * sign[i] < worst:
                worst, place = total * sign[i], i
        if place < 0:
            break
        sign[place] = -sign[place]
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += frame1[i, k] * sign[k] * frame2[j, k]
            out[i, j] = total


@njit(**OPTIONS)
def _copy(source, target):
    """Set target = source, matrices."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@njit(**OPTIONS)
def _reflect(plane, moved, rotation):
    """Apply I - 2 P, P the projection on the columns of ``plane`` (n, 2), zeros or orthonormal."""
    n = moved.shape[0]
    for vector in range(2):
        for matrix in (moved, rotation):
            for j in range(n):
                total = 0.0
                for i in range(n):
                    total += plane[i, vector] * matrix[i, j]
                for i in range(n):
                    matrix[i, j] -= 2 * total * plane[i, vector]
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += plane[j, vector] * moved[i, j]
            for j in range(n):
                moved[i, j] -= 2 * total * plane[j, vector]


@njit(**OPTIONS)
def _climb(fixed, moved, rotation, bar, most, tolerance):
    """Local sweeps until converged, or until ``bar`` seems out of reach; value, last angle."""
    before = _product(fixed, moved)
    angle = np.inf
    for sweep in range(most):
        angle = local_sweep(fixed, moved, rotation)
        if angle < tolerance:
            break
        if sweep % 6 == 5:
            value = _product(fixed, moved)
            if value + 3 * (value - before) < bar:  # gains shrink from sweep to sweep
                break
            before = value
    return _product(fixed, moved), angle


@njit(**OPTIONS)
def align(
    fixed, matrix, frames1, frames2, inner1, inner2, starts, mirrors, ceiling, coarse, most,
    rotation,
):  # fmt: skip
    """Best orthogonal C for one pair: many starts, successive halving, reflections of the best.

    Parameters
    ----------
    fixed, matrix : float64 arrays (n, n)
        A and B, of Frobenius norm 1 or 0.
    frames1, frames2, inner1, inner2 : float64 arrays (frame, n, n)
        Orthonormal frames U of A and of B that turn with them, and Uᵀ A U, Uᵀ B U.
    starts : float64 array (start, n, n)
        Further starting points.
    mirrors : float64 array (mirror, n, 2)
        Lines and planes of A; what is found is reflected in them, as optima differ by the signs of
        directions that A hardly couples. All 0: none.
    ceiling : float
        Proven upper bound of the value; the search ends where it is met.
    coarse : int
        Global sweeps before the first selection.
    most : int
        Local sweeps that follow one point at most.
    rotation : float64 array (n, n)
        Set to C.

    Returns
    -------
    value : float64
        <A, C B Cᵀ>.
    agreeing : int
        Starts among those followed that ended at this value.
    followed : int
        Starts that were followed.
    turn : float64
        Largest angle of the last sweep: not above `SMALLEST_TURN` if converged.
    """
    n = fixed.shape[0]
    count = len(frames1) + len(starts)
    rotations = np.empty((count, n, n))
    moved = np.empty((count, n, n))
    values = np.empty(count)
    for k in range(count):
        if k < len(frames1):
            _signed_frames(frames1[k], frames2[k], inner1[k], inner2[k], rotations[k])
        else:
            _copy(starts[k - len(frames1)], rotations[k])
        _conjugate(rotations[k], matrix, moved[k])
        for _ in range(coarse):
            global_sweep(fixed, moved[k], rotations[k])
        values[k] = _product(fixed, moved[k])
    followed = max(min(4, count), count // 4)
    for place in np.argsort(-values)[:followed]:
        for _ in range(2 * coarse):
            global_sweep(fixed, moved[place], rotations[place])
        values[place] = _product(fixed, moved[place])
    order = np.argsort(-values)[:followed]
    best, winner = -np.inf, 0
    for place in order:
        value, _ = _climb(fixed, moved[place], rotations[place], best, most, 1e-5)
        values[place] = value
        if value > best:
            best, winner = value, place
        if best > ceiling - MET:
            break
    agreeing = 0
    for place in order:
        agreeing += values[place] > best - 1e-6
    _copy(rotations[winner], rotation)
    here, trial, point = moved[winner], np.empty((n, n)), np.empty((n, n))
    failures, mirror = 0, 0
    while failures < len(mirrors) and best < ceiling - MET:
        _copy(here, trial)
        _copy(rotation, point)
        _reflect(mirrors[mirror], trial, point)
        if _product(mirrors[mirror], mirrors[mirror]) > 0:
            value, _ = _climb(fixed, trial, point, best + 1e-9, most, 1e-5)
            if value > best + 1e-9:
                best, failures, agreeing = value, 0, 0
                _copy(trial, here)
                _copy(point, rotation)
        failures += 1
        mirror = (mirror + 1) % len(mirrors)
    best, turn = _climb(fixed, here, rotation, -np.inf, most, SMALLEST_TURN)
    _orthonormalise(rotation)
    return best, agreeing, followed, turn


@njit(nogil=True, **OPTIONS)
def align_pairs(
    matrices, frames, inner, starts, mirrors, first, second, ceiling, coarse, most,
    rotations, agreement, turns,
):  # fmt: skip
    """`align` for pairs of systems, independently; releases the interpreter for threads."""
    for pair in range(len(first)):
        a, b = first[pair], second[pair]
        _, agreeing, followed, turns[pair] = align(
            matrices[a], matrices[b], frames[a], frames[b], inner[a], inner[b],
            starts, mirrors[a], ceiling[pair], coarse, most, rotations[pair],
        )  # fmt: skip
        agreement[pair] = agreeing / followed
