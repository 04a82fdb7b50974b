"""Matrices of low rank as products of two thin ones, if they are that."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS = 512
OVERSAMPLING = 8


def low_rank_factors(
    matrix: NDArray[np.floating],
    rank: int,
    generator: np.random.Generator,
    tolerance: float = 1e-5,
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Factors of a matrix, if there are some of a rank that small.

    A random projection finds the range (Halko, Martinsson & Tropp 2011), a singular value
    decomposition within it the rank; what is not reproduced everywhere is refused.

    Parameters
    ----------
    matrix : float array (target, source)
    rank : int
        Largest rank wanted.
    generator : numpy.random.Generator
    tolerance : float
        Largest error allowed, relative to the largest magnitude in the matrix.

    Returns
    -------
    (target, mode) and (source, mode) float32, or None
        Of which the product is the matrix, within the tolerance.
    """
    rows, columns = matrix.shape
    width = min(rank + OVERSAMPLING, rows, columns)
    sample = np.empty((rows, width))
    probe = generator.standard_normal((columns, width))
    for begin in range(0, rows, ROWS):
        sample[begin : begin + ROWS] = matrix[begin : begin + ROWS] @ probe
    basis, _ = np.linalg.qr(sample)
    inner = np.zeros((width, columns))
    for begin in range(0, rows, ROWS):
        inner += basis[begin : begin + ROWS].T @ matrix[begin : begin + ROWS]
    left, values, right = np.linalg.svd(inner, full_matrices=False)
    count = int(np.sum(values > 1e-9 * max(values[0], np.finfo(float).tiny)))
    count = max(1, min(count, rank))
    root = np.sqrt(values[:count])
    target = (basis @ left[:, :count] * root).astype(np.float32)
    source = (right[:count].T * root).astype(np.float32)
    if factor_error(matrix, target, source) > tolerance:
        return None
    return target, source


def factor_error(
    matrix: NDArray[np.floating], target: NDArray[np.floating], source: NDArray[np.floating]
) -> float:
    """Largest error of the product of factors, relative to the largest magnitude in the matrix."""
    worst = largest = 0.0
    for begin in range(0, len(matrix), ROWS):
        block = np.asarray(matrix[begin : begin + ROWS], dtype=np.float64)
        worst = max(worst, float(np.abs(block - target[begin : begin + ROWS] @ source.T).max()))
        largest = max(largest, float(np.abs(block).max()))
    return worst / largest if largest > 0 else worst
