"""Linear dynamics of trials in delay coordinates, from sums of products in float64.

Dynamic mode decomposition of delay windows (Ostrow et al. 2023; HAVOK: Brunton et al. 2017):
H = U S Vᵀ; in the whitened coordinates v = S⁻¹ Uᵀ h, v_{t+1} ≈ A v_t. Only H Hᵀ, H₋ H₋ᵀ and
H₋ H₊ᵀ enter (see `embedding`). Products square the condition number: modes with singular values
below `NULL` of the largest one are rounding, and are given no dynamics.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mesomode.comparison.embedding import WindowProducts, segments, window_products
from mesomode.errors import DataError

NULL = 1e-7
"""Singular values below this part of the largest one are rounding (float64 sums of products)."""

REPRODUCED = 0.5
"""Cosine between the spaces of modes of two halves of the data above which they are signal."""

BEYOND = 3
"""Ranks within which the halves must agree again: a rank may cut through modes of equal size, as
the two of a rotation are, whose space alone is determined."""

BLOCKS = 8
"""Stretches into which trials are cut for two halves, if there are few trials."""


class RankWarning(UserWarning):
    """More modes are kept than the data determine."""


@dataclass(frozen=True)
class DelayDynamics:
    """Linear dynamics of delay windows.

    Parameters
    ----------
    matrix : float64 array (mode, mode)
        A: v_{t+1} ≈ A v_t in whitened coordinates.
    directions : float64 array (delay · channel, mode)
        Orthonormal directions U of the windows, newest frame first.
    singular_values : float64 array (delay · channel,)
        S of all windows, largest first.
    reproducibility : float64 array (mode + `BEYOND`,)
        Cosine of the largest angle between the spaces of the first 1, 2, … modes of two halves of
        the data. Empty: too few data for halves, or not asked for.
    delays, interval : int
        Frames in a window, and frames between two of them.
    sampling_rate : float or None
        Frames per second, if known.
    """

    matrix: np.ndarray
    directions: np.ndarray
    singular_values: np.ndarray
    reproducibility: np.ndarray
    delays: int
    interval: int
    sampling_rate: float | None

    @property
    def signal_rank(self) -> int:
        """Number of modes that two halves of the data agree on, at most rank + `BEYOND`.

        It ends where more than `BEYOND` further modes would be needed for the halves to agree
        again: they always do once the modes span all channels. All modes above rounding if the
        halves were not compared.
        """
        known = above_rounding(self.singular_values)
        if not len(self.reproducibility):
            return known
        last = 0
        for place in np.flatnonzero(self.reproducibility >= REPRODUCED):
            if place >= last + BEYOND:
                break
            last = int(place) + 1
        return min(known, last)


def above_rounding(singular_values: np.ndarray) -> int:
    """Number of singular values (largest first) that are more than rounding."""
    return int(np.count_nonzero(singular_values > NULL * singular_values[0]))


def fit_dynamics(
    trials: np.ndarray | Sequence[np.ndarray],
    delays: int = 1,
    rank: int | None = None,
    *,
    interval: int = 1,
    regularisation: float = 0.0,
    check: bool = True,
) -> np.ndarray:
    """Matrix of the linear dynamics of trials in whitened delay coordinates.

    Parameters
    ----------
    trials : float array (trial, time, channel), or a sequence of arrays (time, channel)
        Evenly sampled. NaN: gap, over which no window reaches. Means are not removed.
    delays : int
        Frames in a window, q; 1: the frames themselves.
    rank : int, optional
        Modes kept; default: all that are above rounding.
    interval : int
        Frames between two delays.
    regularisation : float
        Ridge in whitened coordinates, in which the windows' sum of squares is 1.
    check : bool
        Whether to warn of a rank above the signal's.

    Returns
    -------
    float64 array (rank, rank)
        v_{t+1} ≈ A v_t; zero for modes below rounding.

    Raises
    ------
    DataError
        Too few samples (states the number that is needed), more modes than coordinates, constant
        channels, infinite values.

    Warns
    -----
    RankWarning
        The rank exceeds the signal's: what is compared then depends on noise.
    """
    return fit_delay_dynamics(
        trials, delays, rank, interval=interval, regularisation=regularisation, check=check
    ).matrix


def fit_delay_dynamics(
    trials: np.ndarray | Sequence[np.ndarray],
    delays: int = 1,
    rank: int | None = None,
    *,
    interval: int = 1,
    regularisation: float = 0.0,
    sampling_rate: float | None = None,
    check: bool = True,
) -> DelayDynamics:
    """As `fit_dynamics`, with modes and diagnostics.

    Parameters
    ----------
    trials, delays, rank, interval, regularisation, check
        See `fit_dynamics`.
    sampling_rate : float, optional
        Frames per second; systems of unequal rates are then not compared.
    """
    parts = segments(trials)
    coordinates = _check_sizes(parts, delays, rank, interval, regularisation)
    if sampling_rate is not None and not (0 < sampling_rate < np.inf):
        raise DataError(f"the sampling rate must be positive, not {sampling_rate}")
    products = window_products(parts, delays, interval)
    values, directions = whitening(products)
    known = above_rounding(values)
    rank = known if rank is None else rank
    matrix = np.zeros((rank, rank))
    kept = min(rank, known)
    matrix[:kept, :kept] = whitened_dynamics(
        products, values[:kept], directions[:, :kept], regularisation
    )
    agreement = np.empty(0)
    if check and rank < coordinates:
        agreement = _reproducibility(parts, delays, interval, min(rank + BEYOND, coordinates))
    result = DelayDynamics(
        matrix, directions[:, :rank], values, agreement, delays, interval, sampling_rate
    )
    if check and rank > result.signal_rank:
        reason = (
            f"singular value {known + 1} is below {NULL:g} of the first"
            if rank > known == result.signal_rank
            else "two halves of the data do not agree on the modes beyond"
        )
        warnings.warn(
            f"rank {rank} exceeds the signal's, {result.signal_rank}: {reason}; "
            "distances would depend on noise. Use a lower rank (see select_delays_and_rank)",
            RankWarning,
            stacklevel=3,
        )
    return result


def _check_sizes(
    parts: list[np.ndarray], delays: int, rank: int | None, interval: int, regularisation: float
) -> int:
    """Refuse impossible sizes; returns the number of delay coordinates."""
    for name, value in (("delays", delays), ("interval", interval), ("rank", rank)):
        if value is not None and (int(value) != value or value < 1):
            raise DataError(f"{name} must be a whole number, at least 1, not {value}")
    if not regularisation >= 0:
        raise DataError(f"the regularisation must not be negative: {regularisation}")
    coordinates = delays * parts[0].shape[2]
    if rank is not None and rank > coordinates:
        raise DataError(
            f"rank {rank} is more than the {coordinates} delay coordinates",
            why=f"{delays} delays × {parts[0].shape[2]} channels",
            remedy="use a lower rank or more delays",
        )
    return coordinates


def whitening(products: WindowProducts) -> tuple[np.ndarray, np.ndarray]:
    """Singular values S and directions U of all windows, largest first.

    Returns
    -------
    values : float64 array (coordinate,)
    directions : float64 array (coordinate, coordinate)
        Largest component of each positive.
    """
    squares, directions = np.linalg.eigh(products.full)
    directions = directions[:, ::-1]
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(len(squares))])
    return np.sqrt(np.maximum(squares[::-1], 0)), directions * signs


def whitened_dynamics(
    products: WindowProducts,
    values: np.ndarray,
    directions: np.ndarray,
    regularisation: float = 0.0,
) -> np.ndarray:
    """A with v_{t+1} ≈ A v_t by least squares, v = S⁻¹ Uᵀ h; (mode, mode)."""
    scaled = directions / values
    now = scaled.T @ products.minus @ scaled
    now[np.diag_indices(len(now))] += regularisation
    return np.linalg.solve(now, scaled.T @ products.cross @ scaled).T


def halves(parts: list[np.ndarray], shortest: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two halves of the data: whole trials, or stretches of time where trials are few.

    Which trial goes where follows the Thue–Morse sequence (0110 1001 …), so that trials in an
    order of conditions, whether block by block or in turn, are shared evenly.

    Parameters
    ----------
    parts : list of float64 arrays (segment, time, channel)
    shortest : int
        Frames that a stretch must have to be of use.
    """
    if sum(len(p) for p in parts if p.shape[1] >= shortest) < 4:
        stretches = [
            part[k : k + 1, begin:end]
            for part in parts
            for k in range(len(part))
            for begin, end in _blocks(part.shape[1], shortest)
        ]
    else:
        stretches = [part[k : k + 1] for part in parts for k in range(len(part))]
    stretches = [s for s in stretches if s.shape[1] >= shortest]
    turn = [k.bit_count() % 2 for k in range(len(stretches))]
    first, second = ([s for s, t in zip(stretches, turn, strict=True) if t == h] for h in (0, 1))
    return _stacked(first), _stacked(second)


def _blocks(frames: int, shortest: int) -> list[tuple[int, int]]:
    count = max(1, min(BLOCKS, frames // (2 * shortest)))
    edges = np.linspace(0, frames, count + 1).astype(int)
    return list(pairwise(edges.tolist()))


def _stacked(parts: list[np.ndarray]) -> list[np.ndarray]:
    lengths = sorted({p.shape[1] for p in parts})
    return [np.concatenate([p for p in parts if p.shape[1] == n]) for n in lengths]


def _reproducibility(parts: list[np.ndarray], delays: int, interval: int, ranks: int) -> np.ndarray:
    """Cosine of the largest angle between the leading spaces of two halves; (rank,)."""
    both = halves(parts, (delays - 1) * interval + 2)
    if not both[0] or not both[1]:
        return np.empty(0)
    one, two = (whitening(window_products(half, delays, interval))[1] for half in both)
    overlap = one[:, :ranks].T @ two[:, :ranks]
    return np.array(
        [np.linalg.svd(overlap[:r, :r], compute_uv=False)[-1] for r in range(1, ranks + 1)]
    )
