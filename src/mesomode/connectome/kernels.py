"""Compiled inner loops over matrices (target, source). Sums are per row, so that they do not
depend on the number of threads."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

OPTIONS = {"parallel": True, "cache": True, "fastmath": {"reassoc", "contract", "nsz"}}


@njit(inline="always")
def _laplacian_row(matrix, i, target_table, source_table, out):
    """out = row i of L_y M + M L_x, by neighbour tables padded with the voxel itself."""
    row = matrix[i]
    n = row.shape[0]
    weight = -float(target_table.shape[0] + source_table.shape[0])
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
    """out = L_y M + M L_x; returns the sum of its squares."""
    sums = np.empty(matrix.shape[0])
    for i in prange(matrix.shape[0]):
        o = out[i]
        _laplacian_row(matrix, i, target_table, source_table, o)
        total = 0.0
        for j in range(o.shape[0]):
            total += o[j] * o[j]
        sums[i] = total
    return sums.sum()
