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


SERIAL = {**OPTIONS, "parallel": False}
ROWS = 4  # taken at a time, so that an index of the source table is read once for all of them


@njit(**SERIAL)
def _laplacian_rows(matrix, first, target_table, source_table, out):
    """Set out to ROWS rows, from the first one, of L_y M + M L_x; returns how many there were.

    By neighbour tables padded with the voxel itself to a multiple of six.
    """
    count = min(ROWS, matrix.shape[0] - first)
    weight = matrix.dtype.type(-(target_table.shape[0] + source_table.shape[0]))
    for k in range(count):
        i = first + k
        row, o = matrix[i], out[k]
        for j in range(o.shape[0]):
            o[j] = weight * row[j]
        for q in range(0, target_table.shape[0], 6):
            a, b = matrix[target_table[q, i]], matrix[target_table[q + 1, i]]
            c, d = matrix[target_table[q + 2, i]], matrix[target_table[q + 3, i]]
            e, f = matrix[target_table[q + 4, i]], matrix[target_table[q + 5, i]]
            for j in range(o.shape[0]):
                o[j] += ((a[j] + b[j]) + (c[j] + d[j])) + (e[j] + f[j])
    # The last rows may be fewer: one of them is then taken several times.
    k1, k2, k3 = min(1, count - 1), min(2, count - 1), min(3, count - 1)
    r0, r1 = matrix[first], matrix[first + k1]
    r2, r3 = matrix[first + k2], matrix[first + k3]
    o0, o1, o2, o3 = out[0], out[k1], out[k2], out[k3]
    for q in range(0, source_table.shape[0], 6):
        t0, t1, t2 = source_table[q], source_table[q + 1], source_table[q + 2]
        t3, t4, t5 = source_table[q + 3], source_table[q + 4], source_table[q + 5]
        for j in range(o0.shape[0]):
            a, b, c, d, e, f = t0[j], t1[j], t2[j], t3[j], t4[j], t5[j]
            x0 = o0[j] + ((r0[a] + r0[b]) + (r0[c] + r0[d])) + (r0[e] + r0[f])
            x1 = o1[j] + ((r1[a] + r1[b]) + (r1[c] + r1[d])) + (r1[e] + r1[f])
            x2 = o2[j] + ((r2[a] + r2[b]) + (r2[c] + r2[d])) + (r2[e] + r2[f])
            x3 = o3[j] + ((r3[a] + r3[b]) + (r3[c] + r3[d])) + (r3[e] + r3[f])
            o0[j], o1[j], o2[j], o3[j] = x0, x1, x2, x3
    return count


@njit(**OPTIONS)
def second_differences(matrix, target_table, source_table, out):
    """Set out = L_y M + M L_x; returns the sum of its squares."""
    sums = np.empty(matrix.shape[0])
    for block in prange((matrix.shape[0] + ROWS - 1) // ROWS):
        first = ROWS * block
        count = _laplacian_rows(matrix, first, target_table, source_table, out[first:])
        for i in range(first, first + count):
            o = out[i]
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
    for block in prange((out.shape[0] + ROWS - 1) // ROWS):
        first = ROWS * block
        rows = np.empty((ROWS, out.shape[1]), out.dtype)
        count = _laplacian_rows(differences, first, target_table, source_table, rows)
        for k in range(count):
            row, o, d = rows[k], out[first + k], direction[first + k]
            total = out.dtype.type(0)
            if masked:
                f = free[first + k]
                for j in range(o.shape[0]):
                    value = (o[j] + scale * row[j]) * f[j]
                    o[j] = value
                    total += value * d[j]
            else:
                for j in range(o.shape[0]):
                    value = o[j] + scale * row[j]
                    o[j] = value
                    total += value * d[j]
            sums[first + k] = total
    return sums.sum()


@njit(**OPTIONS)
def smooth_and_prolong(
    residual, differences, target_table, source_table, polynomial,
    indptr, indices, weights, coarse, free, out,
):  # fmt: skip
    """Set out = free o (p0 R + p1 T R + p2 T T R + P_y C), Q = T R given; returns <R, out>.

    ``out`` may be R itself.
    """
    sums = np.empty(out.shape[0])
    number = out.dtype.type
    p0, p1, p2 = number(polynomial[0]), number(polynomial[1]), number(polynomial[2])
    for block in prange((out.shape[0] + ROWS - 1) // ROWS):
        first = ROWS * block
        rows = np.empty((ROWS, out.shape[1]), out.dtype)
        count = _laplacian_rows(differences, first, target_table, source_table, rows)
        for m in range(count):
            i = first + m
            row, r, q = rows[m], residual[i], differences[i]
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
                total += value * r[j]
                o[j] = value
            sums[i] = total
    return sums.sum()


@njit(**OPTIONS)
def row_grams(gram, indptr, indices, values, observed, free, out):
    """Set out[i] = X_i^T X_i, X_i in CSR form without the entries that are not free in row i.

    ``gram`` is X^T X; experiments not observed in row i get rows and columns of zeros.
    """
    for i in prange(out.shape[0]):
        g, f = out[i], free[i]
        g[:] = gram
        for j in range(f.shape[0]):
            if not f[j]:
                for p in range(indptr[j], indptr[j + 1]):
                    for q in range(indptr[j], indptr[j + 1]):
                        g[indices[p], indices[q]] -= values[p] * values[q]
        for k in range(g.shape[0]):
            for m in range(g.shape[0]):
                g[k, m] *= observed[i, k] * observed[i, m]


@njit(**OPTIONS)
def gather(matrix, start, source, density, out):
    """Set out = M X; experiment k has density[start[k] : start[k + 1]] of X in voxels source."""
    for block in prange((matrix.shape[0] + ROWS - 1) // ROWS):
        first = ROWS * block
        last = matrix.shape[0] - 1  # the last rows may be fewer: one is then taken several times
        i0, i1 = first, min(first + 1, last)
        i2, i3 = min(first + 2, last), min(first + 3, last)
        m0, m1, m2, m3 = matrix[i0], matrix[i1], matrix[i2], matrix[i3]
        for k in range(out.shape[1]):
            t0 = t1 = t2 = t3 = out.dtype.type(0)
            for p in range(start[k], start[k + 1]):
                j, x = source[p], density[p]
                t0 += m0[j] * x
                t1 += m1[j] * x
                t2 += m2[j] * x
                t3 += m3[j] * x
            out[i0, k], out[i1, k], out[i2, k], out[i3, k] = t0, t1, t2, t3


@njit(**OPTIONS)
def spread(coefficients, start, source, density, out):
    """Set out = C X^T, X as in :func:`gather`."""
    for block in prange((out.shape[0] + ROWS - 1) // ROWS):
        first = ROWS * block
        count = min(ROWS, out.shape[0] - first)
        rows = np.zeros((ROWS, out.shape[1]), out.dtype)
        o0, o1, o2, o3 = rows[0], rows[1], rows[2], rows[3]
        c = np.zeros(ROWS, out.dtype)
        for k in range(coefficients.shape[1]):
            for m in range(count):
                c[m] = coefficients[first + m, k]
            c0, c1, c2, c3 = c[0], c[1], c[2], c[3]
            for p in range(start[k], start[k + 1]):
                j, x = source[p], density[p]
                o0[j] += c0 * x
                o1[j] += c1 * x
                o2[j] += c2 * x
                o3[j] += c3 * x
        for m in range(count):
            out[first + m] = rows[m]


@njit(**OPTIONS)
def subtract_from(matrix, free, out):
    """Set out = free o (M - out)."""
    for i in prange(out.shape[0]):
        m, f, o = matrix[i], free[i], out[i]
        for j in range(o.shape[0]):
            o[j] = (m[j] - o[j]) * f[j]


@njit(**OPTIONS)
def add_free(addend, free, out):
    """Set out += free o A."""
    for i in prange(out.shape[0]):
        a, f, o = addend[i], free[i], out[i]
        for j in range(o.shape[0]):
            o[j] += a[j] * f[j]


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
            now = ((w[j] > 0.0) | (g[j] < 0.0)) & ~never[j]
            changed += now ^ f[j]
            count += now
            f[j] = now
            r[j] = now * (-scale * g[j])
        changes[i] = changed
        counts[i] = count
    return changes.sum(), counts.sum()
