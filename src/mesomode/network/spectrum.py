"""Singular spectra of connectomes and the effective rank.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025). For a
matrix J with singular values σ and moments m_k = (1/N) Σ σ^k, the effective rank per
unit (the paper's PR_D) of any bi-rotationally invariant ensemble is g⁴/κ₄, with the
squared gain g² = m_2 and the alternating fourth free cumulant κ₄ = m_4 − 2 m_2²:
∞ for independent couplings, small when few modes carry the matrix, −1 if orthogonal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError
from mesomode.memory import require_memory


def checked_matrix(weights: ArrayLike, *, square: bool = False, what: str = "weights") -> NDArray:
    """Return ``weights`` as a matrix that can be decomposed, or say why it cannot.

    Parameters
    ----------
    weights : (target, source) array_like
    square : bool
        Whether as many rows as columns are needed.
    what : str
        What the message calls it.

    Raises
    ------
    DataError
        Not two-dimensional, empty, not square where it must be, NaN or infinite
        entries, or nothing but zeros.
    """
    matrix = np.asarray(weights)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DataError(
            f"the {what} are not a matrix",
            why=f"their shape is {matrix.shape}",
            remedy="give a target × source array",
        )
    if square and matrix.shape[0] != matrix.shape[1]:
        raise DataError(
            f"the {what} are not square",
            why=f"{matrix.shape[0]} targets and {matrix.shape[1]} sources: a recurrent network "
            "needs the same units on both sides",
            remedy="restrict them to the units that are both target and source (common_units)",
        )
    finite = np.isfinite(matrix)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(
            f"the {what} contain values that are not finite",
            why=f"{np.count_nonzero(~finite)} of {matrix.size}, the first at target {row}, "
            f"source {column}: {matrix[row, column]}",
            remedy="drop the targets and sources that are not covered, or fill them knowingly",
        )
    if not matrix.any():
        raise DataError(
            f"the {what} are all zero",
            why="a matrix of rank 0 has no modes",
            remedy="check that the connectome was read and restricted as intended",
        )
    return matrix


def inverse_effective_rank(matrix: ArrayLike) -> float:
    """Inverse effective rank per unit, 1/PR_D = N tr[(JJᵀ)²] / (tr JJᵀ)² − 2.

    Parameters
    ----------
    matrix : (unit, unit) array_like
        Couplings J; N is their number of rows.

    Returns
    -------
    float
        0 for independent couplings (up to fluctuations of order 1/N), −1 for an
        orthogonal matrix, large for a matrix dominated by few modes.

    Raises
    ------
    DataError
        Not a square finite matrix other than zero.
    """
    couplings = checked_matrix(matrix, square=True, what="couplings")
    count = len(couplings)
    require_memory(
        24.0 * count**2, f"the moments of {count:,} × {count:,} couplings", "use fewer units"
    )
    couplings = couplings.astype(np.float64)
    couplings /= np.abs(couplings).max()
    gram = couplings @ couplings.T
    return float(count * np.vdot(gram, gram) / np.trace(gram) ** 2 - 2.0)


def effective_rank(matrix: ArrayLike) -> float:
    """Effective rank per unit (PR_D) of couplings, from the fourth free cumulant.

    Parameters
    ----------
    matrix : (unit, unit) array_like
        Couplings J.

    Returns
    -------
    float
        m_2²/(m_4 − 2 m_2²). ``inf`` for couplings that are exactly like independent ones;
        near that point the estimate is large and of either sign, and
        :func:`inverse_effective_rank` is the quantity to look at. Times N it is a number
        of modes.

    Raises
    ------
    DataError
        Not a square finite matrix other than zero.
    """
    inverse = inverse_effective_rank(matrix)
    return 1.0 / inverse if inverse else np.inf


def unbiased_inverse_effective_rank(matrix: ArrayLike) -> float:
    """1/PR_D with the correction for finitely many units, uneven units and heavy tails.

    The fourth moment tr[(JJᵀ)²] = Σ J_ij J_kj J_kl J_il counts paths that return the way they
    came (i = k or j = l), which for finitely many, unevenly connected or sparse units are not
    the 2 m_2² that κ₄ subtracts. Here they are left out::

        1/PR_D = N/(1 − 1/N)² · (tr[(JJᵀ)²] − Σ_i r_i² − Σ_j c_j² + Σ_ij J_ij⁴) / (tr JJᵀ)²

    with the sums of squares r of rows and c of columns. The numerator's mean is exactly zero
    for independent couplings of mean zero, whatever their variances; for gaussian modes it is
    exactly (1 − 1/N)² Σd⁴, with any scales u and v of mean square one up to 1/N. Without
    the correction, independent couplings of kurtosis k give (k − 2)/N in the mean.

    Parameters
    ----------
    matrix : (unit, unit) array_like
        Couplings J.

    Returns
    -------
    float
        0 for independent couplings, up to fluctuations of order 1/N around it.

    Raises
    ------
    DataError
        Not a square finite matrix other than zero, or of one unit.
    """
    couplings = checked_matrix(matrix, square=True, what="couplings")
    count = len(couplings)
    if count < 2:
        raise DataError("one unit has no effective rank", remedy="give at least two units")
    require_memory(
        32.0 * count**2, f"the moments of {count:,} × {count:,} couplings", "use fewer units"
    )
    couplings = couplings / np.float64(np.abs(couplings).max())
    gram = couplings @ couplings.T
    squares = np.square(couplings, out=couplings)
    rows, columns = squares.sum(axis=1), squares.sum(axis=0)
    cycles = (np.vdot(gram, gram) - np.vdot(rows, rows) - np.vdot(columns, columns)) + np.vdot(
        squares, squares
    )
    return float(count / (1 - 1 / count) ** 2 * cycles / rows.sum() ** 2)


def singular_values(weights: ArrayLike) -> NDArray[np.float64]:
    """Singular values, descending.

    Parameters
    ----------
    weights : (target, source) array_like
        May be rectangular.

    Returns
    -------
    (min(target, source),) ndarray of float64

    Raises
    ------
    DataError
        Not a finite matrix other than zero.
    MemoryLimitError
        The decomposition would not fit.
    """
    from scipy.linalg import svdvals

    matrix = checked_matrix(weights)
    rows, columns = matrix.shape
    require_memory(
        24.0 * rows * columns,
        f"the singular values of a {rows:,} × {columns:,} matrix",
        "use a coarser connectome, or a machine with more memory",
    )
    return svdvals(matrix.astype(np.float64), overwrite_a=True, check_finite=False)


def singular_values_by_gram(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Singular values, descending, from the eigenvalues of JJᵀ.

    Several times faster than :func:`singular_values`; errors are up to about 1e-8 of the
    largest, so small ones are not resolved.
    """
    from scipy.linalg import eigvalsh

    values = eigvalsh(matrix @ matrix.T, overwrite_a=True, check_finite=False)
    return np.sqrt(np.maximum(values[::-1], 0.0))


def inverse_effective_rank_of_spectrum(values: ArrayLike) -> float:
    """1/PR_D = m_4/m_2² − 2 from all N singular values of a square matrix."""
    squares = np.square(np.asarray(values, dtype=np.float64) / np.max(values))
    return float(np.mean(squares**2) / np.mean(squares) ** 2 - 2.0)


def top_mode_share(values: ArrayLike) -> float:
    """Share of the largest singular value in the sum of squares, 0 to 1."""
    squares = np.square(np.asarray(values, dtype=np.float64))
    return float(squares.max() / squares.sum())


def components_for(values: ArrayLike, fraction: float) -> int:
    """Least number of modes that carry ``fraction`` of the sum of squares."""
    squares = np.sort(np.square(np.asarray(values, dtype=np.float64)))[::-1]
    cumulative = np.cumsum(squares)
    return int(np.searchsorted(cumulative, fraction * cumulative[-1] * (1 - 1e-12)) + 1)
