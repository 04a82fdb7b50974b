"""Singular spectra of connectomes and the effective rank.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025). For a
matrix J with singular values σ and moments m_k = (1/N) Σ σ^k, the effective rank per
unit (the paper's PR_D) of any bi-rotationally invariant ensemble is g⁴/κ₄, with the
squared gain g² = m_2 and the alternating fourth free cumulant κ₄ = m_4 − 2 m_2²:
∞ for independent couplings, small when few modes carry the matrix, −1 if orthogonal.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError
from mesomode.network.memory import require_memory

Centring = Literal["top_mode", "rank_one_mean", "none"]


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


def centred(weights: ArrayLike, how: Centring) -> NDArray[np.float64]:
    """Remove the mean part of nonnegative weights, which would only saturate a network.

    Parameters
    ----------
    weights : (target, source) array_like
    how : {"top_mode", "rank_one_mean", "none"}
        ``"top_mode"`` subtracts the largest singular mode σ_1 u_1 v_1ᵀ;
        ``"rank_one_mean"`` subtracts (row mean × column mean)/mean, after which all rows
        and columns sum to zero; ``"none"`` changes nothing.

    Returns
    -------
    (target, source) ndarray of float64

    Raises
    ------
    DataError
        Not a finite matrix other than zero, or nothing is left, or the mean is zero where
        it is divided by.
    """
    matrix = checked_matrix(weights).astype(np.float64)
    scale = np.abs(matrix).max()
    if how == "none":
        return matrix
    if how == "rank_one_mean":
        mean = matrix.mean()
        if abs(mean) < 1e-12 * scale:
            raise DataError(
                "the weights cannot be centred by their row and column means",
                why=f"their mean is {mean:.3g} at a largest weight of {scale:.3g}",
                remedy="set network.centring to top_mode or none",
            )
        matrix = matrix - np.outer(matrix.mean(axis=1), matrix.mean(axis=0)) / mean
    else:
        left, value, right = _top_mode(matrix)
        matrix = matrix - value * np.outer(left, right)
    if np.abs(matrix).max() < 1e-10 * scale:
        raise DataError(
            "nothing is left of the weights after centring",
            why="they have rank one: the part removed is all there is",
            remedy="set network.centring to none, or use a connectome with more structure",
        )
    return matrix


def _top_mode(matrix: NDArray[np.float64]) -> tuple[NDArray, float, NDArray]:
    from scipy.sparse.linalg import svds

    smaller = min(matrix.shape)
    if smaller < 3:  # too small for the Lanczos method
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        return left[:, 0], float(values[0]), right[0]
    start = np.random.default_rng(0).uniform(0.5, 1.5, smaller)
    left, values, right = svds(matrix, k=1, v0=start, tol=1e-12)
    return left[:, 0], float(values[0]), right[0]


def common_units(target: ArrayLike, source: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the units that are both target and source.

    Parameters
    ----------
    target, source : (n,) or (n, k) array_like of int
        Identity of each target and source: a number, or k numbers such as voxel indices.

    Returns
    -------
    target_index, source_index : ndarray of int
        ``target[target_index]`` equals ``source[source_index]``, in the order of ``source``.

    Raises
    ------
    DataError
        An identity occurs twice, or none is common.
    """
    positions: list[dict[tuple[int, ...], int]] = []
    for name, ids in (("target", target), ("source", source)):
        rows = np.asarray(ids)
        keys = [tuple(row) for row in rows.reshape(len(rows), -1).tolist()]
        where = {key: i for i, key in enumerate(keys)}
        if len(where) != len(keys):
            raise DataError(
                f"a {name} occurs twice",
                why=f"{len(keys)} {name}s have {len(where)} identities",
                remedy="pass the targets of one hemisphere only",
            )
        positions.append(where)
    targets, sources = positions
    common = [key for key in sources if key in targets]
    if not common:
        raise DataError(
            "no unit is both target and source",
            why=f"{len(targets)} targets and {len(sources)} sources have no identity in common",
            remedy="choose target and source regions that overlap",
        )
    return (
        np.array([targets[key] for key in common], dtype=np.intp),
        np.array([sources[key] for key in common], dtype=np.intp),
    )


def resampled_spectrum(values: ArrayLike, count: int) -> NDArray[np.float64]:
    """Spectrum of ``count`` values with the same gain and effective rank per unit.

    The squared values are averaged over ``count`` quantile bins and raised to the power
    that restores m_4/m_2²; then all are scaled to keep m_2.

    Parameters
    ----------
    values : (mode,) array_like
        Singular values of N units, N of them.
    count : int
        Number wanted.

    Returns
    -------
    (count,) ndarray of float64
        Descending.

    Raises
    ------
    DataError
        So few values cannot be as unequal as that: N·m_2²/m_4 modes would be less than one.
    """
    from scipy.optimize import brentq

    squares = np.sort(np.square(np.asarray(values, dtype=np.float64)))[::-1]
    if count == len(squares):
        return np.sqrt(squares)
    mean, ratio = squares.mean(), np.mean(squares**2) / np.mean(squares) ** 2
    edges = np.linspace(0.0, len(squares), count + 1)
    cumulative = np.concatenate([[0.0], np.cumsum(squares / mean)])
    bins = np.diff(np.interp(edges, np.arange(len(cumulative)), cumulative))
    bins = np.sort(np.maximum(bins, 0.0))[::-1] / bins.max()

    def excess(power: float) -> float:
        raised = bins**power
        return float(np.log(np.mean(raised**2) / np.mean(raised) ** 2 / ratio))

    if ratio >= count:
        raise DataError(
            f"a network of {count} units cannot have the connectome's effective rank",
            why=f"the connectome's modes are worth {len(squares) / ratio:.3g} of "
            f"{len(squares)} equal ones, which is {count / ratio:.2g} of {count}",
            remedy=f"set network.units above {int(2 * ratio)}, or remove the dominant mode "
            "(network.centring: top_mode)",
        )
    low, high = 0.0, 1.0
    while excess(high) < 0.0:
        low, high = high, 2.0 * high
        if high > 1e6:
            raise DataError(
                f"a spectrum cannot be resampled to {count} values",
                why="several of its largest values are equal",
                remedy=f"set network.units to {len(squares)} (null), or above",
            )
    power = 1.0 if excess(1.0) == 0.0 else brentq(excess, low, high, xtol=1e-14, rtol=1e-14)
    raised = bins**power
    return np.sqrt(raised * (mean / raised.mean()))
