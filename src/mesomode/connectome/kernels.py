"""Compiled inner loops over matrices (target, source).

Sums are taken row by row and then over rows, so that they do not depend on the
number of threads. All but the last four take matrices of float64 or float32 and
calculate in their precision (sums over rows: float64).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numba import njit, prange

# Compiled code is kept beside this file, never in a hidden folder elsewhere; where this folder
# is read-only it is compiled anew by each process (some 20 s).
OPTIONS = {
    "parallel": True,
    "cache": os.access(Path(__file__).parent, os.W_OK),
    "fastmath": {"reassoc", "contract", "nsz"},
}


@njit(inline="always")
def _laplacian_row(matrix, i, target_table, source_table, out):
    """Set out to row i of L_y M + M L_x, by neighbour tables padded with the voxel itself."""
    row = matrix[i]
    n = row.shape[0]
    weight = matrix.dtype.type(-(target_table.shape[0] + source_table.shape[0]))
    for q in range(0, target_table.shape[0], 2):
        a = matrix[target_table[q, i]]
        b = matrix[target_table[q + 1, i]]
        if q == 0:
            for j in range(n):
                out[j] = weight * row[j] + (a[j] + b[j])
        else:
            for j in range(n):
                out[j] += a[j] + b[j]
    for q in range(0, source_table.shape[0], 2):
        left = source_table[q]
        right = source_table[q + 1]
        for j in range(n):
            out[j] += row[left[j]] + row[right[j]]


@njit(**OPTIONS)
def second_differences(matrix, target_table, source_table, out):
    """Set out = L_y M + M L_x; returns the sum of its squares."""
    sums = np.empty(matrix.shape[0])
    for i in prange(matrix.shape[0]):
        o = out[i]
        _laplacian_row(matrix, i, target_table, source_table, o)
        total = matrix.dtype.type(0)
        for j in range(o.shape[0]):
            total += o[j] * o[j]
        sums[i] = total
    return sums.sum()


@njit(**OPTIONS)
def add_penalty(differences, target_table, source_table, scale, direction, free, masked, out):
    """Add scale (L_y Q + Q L_x) to out, 0 off the free set if masked; returns <direction, out>."""
    sums = np.empty(out.shape[0])
    scale = out.dtype.type(scale)
    for i in prange(out.shape[0]):
        row = np.empty(out.shape[1], out.dtype)
        _laplacian_row(differences, i, target_table, source_table, row)
        o = out[i]
        d = direction[i]
        total = out.dtype.type(0)
        if masked:
            f = free[i]
            for j in range(o.shape[0]):
                value = (o[j] + scale * row[j]) * f[j]
                o[j] = value
                total += value * d[j]
        else:
            for j in range(o.shape[0]):
                value = o[j] + scale * row[j]
                o[j] = value
                total += value * d[j]
        sums[i] = total
    return sums.sum()


@njit(**OPTIONS)
def smooth_and_prolong(
    residual, differences, target_table, source_table, polynomial,
    indptr, indices, weights, coarse, free, out,
):  # fmt: skip
    """Set out = free o (p0 R + p1 T R + p2 T T R + P_y C), Q = T R given; returns <R, out>."""
    sums = np.empty(out.shape[0])
    number = out.dtype.type
    p0, p1, p2 = number(polynomial[0]), number(polynomial[1]), number(polynomial[2])
    for i in prange(out.shape[0]):
        row = np.empty(out.shape[1], out.dtype)
        _laplacian_row(differences, i, target_table, source_table, row)
        r = residual[i]
        q = differences[i]
        for j in range(row.shape[0]):
            row[j] = p0 * r[j] + p1 * q[j] + p2 * row[j]
        for k in range(indptr[i], indptr[i + 1]):
            c = coarse[indices[k]]
            weight = number(weights[k])
            for j in range(row.shape[0]):
                row[j] += weight * c[j]
        o = out[i]
        f = free[i]
        total = number(0)
        for j in range(row.shape[0]):
            value = row[j] * f[j]
            o[j] = value
            total += value * r[j]
        sums[i] = total
    return sums.sum()


@njit(**OPTIONS)
def combine_rows(indptr, indices, weights, matrix, out):
    """Set out = S M for a sparse S in CSR form and a dense M."""
    for i in prange(out.shape[0]):
        o = out[i]
        o[:] = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            m = matrix[indices[k]]
            weight = out.dtype.type(weights[k])
            for j in range(o.shape[0]):
                o[j] += weight * m[j]


@njit(**OPTIONS)
def advance(step, direction, product, solution, residual):
    """One conjugate gradient update: x += a d, r -= a H d."""
    step = solution.dtype.type(step)
    for i in prange(solution.shape[0]):
        x, r, d, h = solution[i], residual[i], direction[i], product[i]
        for j in range(x.shape[0]):
            x[j] += step * d[j]
            r[j] -= step * h[j]


@njit(**OPTIONS)
def scale_and_add(scale, direction, addend):
    """Set d = s d + z."""
    scale = direction.dtype.type(scale)
    for i in prange(direction.shape[0]):
        d, z = direction[i], addend[i]
        for j in range(d.shape[0]):
            d[j] = scale * d[j] + z[j]


@njit(**OPTIONS)
def add_scaled(scale, addend, out):
    """Set out += s A."""
    for i in prange(out.shape[0]):
        a, o = addend[i], out[i]
        for j in range(o.shape[0]):
            o[j] += scale * a[j]


@njit(**OPTIONS)
def projected_step(weights, step, direction, out):
    """Set out = max(W + a D, 0)."""
    for i in prange(weights.shape[0]):
        w, d, o = weights[i], direction[i], out[i]
        for j in range(w.shape[0]):
            value = w[j] + step * d[j]
            o[j] = value if value > 0.0 else 0.0


@njit(**OPTIONS)
def projected_gradient_square(weights, gradient, curvature):
    """Squared Frobenius norm of W - max(W - G/s, 0)."""
    sums = np.empty(weights.shape[0])
    for i in prange(weights.shape[0]):
        w, g = weights[i], gradient[i]
        total = 0.0
        for j in range(w.shape[0]):
            step = g[j] / curvature
            move = step if step < w[j] else w[j]
            total += move * move
        sums[i] = total
    return sums.sum()


@njit(**OPTIONS)
def choose_free(weights, gradient, target_component, undetermined, scale, free, residual):
    """Free set {w > 0 or g < 0} where the data determine W; R = -scale G there, 0 elsewhere.

    Returns the number of changes of the free set and the number of free entries.
    """
    changes = np.empty(weights.shape[0], dtype=np.int64)
    counts = np.empty(weights.shape[0], dtype=np.int64)
    for i in prange(weights.shape[0]):
        w, g, f, r = weights[i], gradient[i], free[i], residual[i]
        never = undetermined[target_component[i]]
        changed = 0
        count = 0
        for j in range(w.shape[0]):
            now = (w[j] > 0.0 or g[j] < 0.0) and not never[j]
            if now != f[j]:
                changed += 1
            f[j] = now
            count += now
            r[j] = -scale * g[j] if now else 0.0
        changes[i] = changed
        counts[i] = count
    return changes.sum(), counts.sum()
