"""Control with blocks: independent couplings whose variance depends on the groups of units."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mesomode.errors import DataError
from mesomode.memory import require_memory
from mesomode.network.coupling import DenseNetwork, check_size


def groups_of_modes(
    left: ArrayLike, right: ArrayLike, count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Groups of units with similar connections, from the largest modes of |J|.

    Parameters
    ----------
    left, right : (unit, mode) array_like
        Output and input modes, multiplied by their strengths.
    count : int
        Number of groups, at most; fewer where units do not differ.
    generator : numpy.random.Generator
        Start of the k-means clustering.

    Returns
    -------
    (unit,) ndarray of int64
        Group of each unit, numbered from 0 without gaps.
    """
    from scipy.cluster.vq import kmeans2

    features = np.concatenate([np.asarray(left), np.asarray(right)], axis=1)
    distinct = len(np.unique(features, axis=0))
    if min(count, distinct) < 2:
        return np.zeros(len(features), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a group may run empty: dropped below
        _, group = kmeans2(features, min(count, distinct), minit="++", seed=generator)
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def block_variance(
    couplings: ArrayLike, group: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean square of the couplings between each two groups, relative to that of all.

    Parameters
    ----------
    couplings : (unit, unit) array_like
    group : (unit,) array_like of int
        Numbered from 0 without gaps.

    Returns
    -------
    variance : (target group, source group) ndarray of float64
        Its mean over pairs of units is one.
    size : (group,) ndarray of int64
        Units of each group.
    """
    squares = np.square(np.asarray(couplings, dtype=np.float64))
    member = np.asarray(group)
    size = np.bincount(member)
    chosen = np.zeros((len(size), len(member)))
    chosen[member, np.arange(len(member))] = 1.0 / size[member]
    return chosen @ squares @ chosen.T / squares.mean(), size


def draw_blocks(
    units: int,
    gain: float,
    variance: ArrayLike,
    group: ArrayLike,
    *,
    generator: np.random.Generator,
    dtype: DTypeLike = np.float32,
) -> DenseNetwork:
    """Draw independent normal couplings with a variance for each pair of groups.

    Parameters
    ----------
    units : int
        Number of units, N.
    gain : float
        Gain g: the mean variance is g²/N, as that of the independent control.
    variance : (target group, source group) array_like
        Relative variances.
    group : (unit,) array_like of int
        Group of each unit.
    generator : numpy.random.Generator
    dtype : dtype
        Precision of the couplings.

    Returns
    -------
    DenseNetwork
        With 1/PR_D = 0, as of all independent couplings, and the scales that the rows and
        columns of the variances have.

    Raises
    ------
    DataError
        Variances that are negative or all zero, or groups that do not fit.
    MemoryLimitError
        The couplings would not fit.
    """
    check_size(units, gain)
    profile, member = np.asarray(variance, dtype=np.float64), np.asarray(group)
    fits = profile.ndim == 2 and profile.shape[0] == profile.shape[1]
    if not fits or member.shape != (units,) or member.max() >= len(profile) or member.min() < 0:
        raise DataError(
            "the blocks do not fit together",
            why=f"variances {profile.shape} for groups {member.shape} of {units} units",
        )
    if not (profile >= 0).all() or not profile.any():
        raise DataError("the variances of the blocks are negative, not numbers, or all zero")
    require_memory(
        (np.dtype(dtype).itemsize + 24.0) * units**2,
        f"{units:,} × {units:,} couplings",
        "use fewer units (network.units)",
    )
    size = np.bincount(member, minlength=len(profile))
    profile = profile / (size @ profile @ size / units**2)
    target = np.sqrt(profile @ size / units)[member]
    source = np.sqrt(size @ profile / units)[member]
    coupling = generator.standard_normal((units, units)) * (gain / np.sqrt(units))
    coupling *= np.sqrt(profile)[np.ix_(member, member)]
    return DenseNetwork(coupling.astype(dtype), float(gain), 0.0, target, source)
