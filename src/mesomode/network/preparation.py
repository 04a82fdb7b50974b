"""From a connectome to a spectrum that a network can have: matching, centring, resampling."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError
from mesomode.network.spectrum import checked_matrix, singular_values

Centring = Literal["top_mode", "rank_one_mean", "none"]


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
            raise mean_is_zero(mean, scale)
        matrix = matrix - np.outer(matrix.mean(axis=1), matrix.mean(axis=0)) / mean
    else:
        left, value, right = top_mode(matrix)
        matrix = matrix - value * np.outer(left, right)
    if np.abs(matrix).max() < 1e-7 * scale:
        raise nothing_left()
    return matrix


def centred_singular_values(
    weights: ArrayLike, values: NDArray[np.float64], how: Centring
) -> NDArray[np.float64]:
    """Singular values of the centred weights, without decomposing them again where possible.

    Parameters
    ----------
    weights : (target, source) array_like
    values : (mode,) ndarray
        Singular values of the weights.
    how : {"top_mode", "rank_one_mean", "none"}
        See :func:`centred`.

    Returns
    -------
    (mode,) ndarray of float64
        Descending; as many as ``values``.

    Raises
    ------
    DataError
        Nothing is left, or the mean is zero where it is divided by.
    """
    if how == "none":
        return values
    if how == "rank_one_mean":
        return singular_values(centred(weights, how))
    left = np.append(values[1:], 0.0)
    if left[0] < 1e-7 * values[0]:
        raise nothing_left()
    return left


def mean_is_zero(mean: float, scale: float) -> DataError:
    """Error of a matrix whose mean cannot be divided by."""
    return DataError(
        "the weights cannot be centred by their row and column means",
        why=f"their mean is {mean:.3g}, their size {scale:.3g}",
        remedy="set network.centring to top_mode or none",
    )


def nothing_left() -> DataError:
    """Error of a matrix of which centring leaves nothing."""
    return DataError(
        "nothing is left of the weights after centring",
        why="they have rank one: the part removed is all there is",
        remedy="set network.centring to none, or use a connectome with more structure",
    )


def top_mode(matrix: NDArray[np.float64]) -> tuple[NDArray, float, NDArray]:
    """Largest singular mode: its output direction, singular value and input direction."""
    from scipy.sparse.linalg import svds

    smaller = min(matrix.shape)
    if smaller < 3:  # too small for the Lanczos method
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        return left[:, 0], float(values[0]), right[0]
    start = np.random.default_rng(0).uniform(0.5, 1.5, smaller)
    left, values, right = svds(matrix, k=1, v0=start, tol=1e-12)
    return left[:, 0], float(values[0]), right[0]


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


def spectrum_of_rank(values: ArrayLike, inverse: float) -> NDArray[np.float64]:
    """Strengths of gaussian modes that have a given effective rank, close to those given.

    Gaussian modes of strengths σ have 1/PR_D = m_4/m_2², not the m_4/m_2² − 2 of a matrix with
    these singular values. The values are raised to the power that makes up for it, and
    scaled to keep m_2.

    Parameters
    ----------
    values : (mode,) array_like
        Singular values of N units, N of them.
    inverse : float
        1/PR_D wanted, 1 to N.

    Returns
    -------
    (mode,) ndarray of float64

    Raises
    ------
    DataError
        No power of the values has that effective rank.
    """
    from scipy.optimize import brentq

    spectrum = np.asarray(values, dtype=np.float64)
    squares = np.square(spectrum / spectrum.max())
    logarithm = np.log(squares[squares > 0])

    def excess(power: float) -> float:
        raised = np.exp(power * logarithm)
        return float(np.log(len(squares) * np.sum(raised**2) / np.sum(raised) ** 2 / inverse))

    low, high = 0.0, 1.0
    if excess(low) >= 0.0:  # no more unequal than values of which some are zero
        power = 0.0
    else:
        while excess(high) < 0.0:
            low, high = high, 2.0 * high
            if high > 1e6:
                raise DataError(
                    f"no strengths like these have 1/PR_D = {inverse:.4g}",
                    why=f"the largest of the {len(squares)} values is not alone",
                    remedy="use orthogonal modes (network.modes: orthogonal)",
                )
        power = brentq(excess, low, high, xtol=1e-14, rtol=1e-14)
    raised = np.where(squares > 0, squares**power, 0.0)
    return spectrum.max() * np.sqrt(raised * (squares.mean() / raised.mean()))
