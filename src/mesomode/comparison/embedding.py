"""Delay embedding of trials, by sums of products only.

A window of q delays is h_t = [x_t; x_{t-s}; …; x_{t-(q-1)s}] (newest first, s the interval).
Dynamic mode decomposition needs H Hᵀ and H₋ H₊ᵀ alone. Both are nearly block Toeplitz:
G[a+1, b+1] = G[a, b] + terms of the first and last frames, so that they cost as many products
as one block row, O(T n² q), and the windows themselves are never stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from mesomode.errors import DataError
from mesomode.memory import require_memory


def segments(trials: np.ndarray | Sequence[np.ndarray]) -> list[np.ndarray]:
    """Check trials and cut them at gaps.

    Parameters
    ----------
    trials : float array (trial, time, channel), or a sequence of arrays (time, channel)
        NaN: gap. A frame in which any channel is missing is left out.

    Returns
    -------
    list of float64 arrays (segment, time, channel)
        Uninterrupted stretches; those of equal length are stacked.

    Raises
    ------
    DataError
        Not real numbers, wrong or unequal shapes, infinite values, constant channels, nothing.
    """
    parts = [_numbers(trial) for trial in trials]
    if not parts or any(p.ndim != 2 for p in parts):
        raise DataError(
            "trials must have the dimensions trial, time, channel",
            why=f"{len(parts)} trials were given, of {sorted({p.ndim for p in parts})} dimensions",
            remedy="give a single trial as trials[None]",
        )
    channels = {p.shape[1] for p in parts}
    if len(channels) > 1 or channels == {0}:
        raise DataError(
            "all trials must have the same channels, at least one",
            why=f"their numbers of channels are {sorted(channels)}",
        )
    if any(np.isinf(p).any() for p in parts):
        raise DataError("the trials contain infinite values", remedy="mark what is missing as NaN")
    whole = [np.isfinite(p).all(axis=1) for p in parts]
    _refuse_constant(parts, whole)
    by_length: dict[int, list[np.ndarray]] = {}
    for part, valid in zip(parts, whole, strict=True):
        if valid.all():
            by_length.setdefault(len(part), []).append(part)
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]])))
        for begin, end in edges.reshape(-1, 2):
            by_length.setdefault(end - begin, []).append(part[begin:end])
    return [np.stack(group) for _, group in sorted(by_length.items())]


def _numbers(trial: object) -> np.ndarray:
    array = np.asarray(trial)
    if array.dtype.kind not in "fiub":
        raise DataError("trials must be real numbers", why=f"they are {array.dtype}")
    return array.astype(np.float64, copy=False)


def _refuse_constant(parts: list[np.ndarray], whole: list[np.ndarray]) -> None:
    """Refuse channels that never change, as they have no dynamics."""
    valid = [p[w] for p, w in zip(parts, whole, strict=True) if w.any()]
    if not valid:
        raise DataError(
            "no frame of the trials has all channels",
            why="every frame contains NaN",
            remedy="leave out the channels that are missing throughout",
        )
    lowest = np.min([v.min(axis=0) for v in valid], axis=0)
    highest = np.max([v.max(axis=0) for v in valid], axis=0)
    constant = np.flatnonzero(lowest == highest)
    if constant.size:
        names = ", ".join(map(str, constant[:10])) + (", …" if constant.size > 10 else "")
        raise DataError(
            f"{constant.size} of {len(lowest)} channels are constant",
            where=f"channels {names} (from 0)",
            why="a channel that never changes has no dynamics, and adds a mode that never decays",
            remedy="leave them out",
        )


def window_count(parts: Sequence[np.ndarray], history: int) -> int:
    """Number of pairs of consecutive windows that reach ``history`` frames back."""
    return sum(len(p) * max(p.shape[1] - history - 1, 0) for p in parts)


def delay_windows(part: np.ndarray, delays: int, interval: int = 1) -> np.ndarray:
    """Windows as such, for small problems.

    Parameters
    ----------
    part : float array (…, time, channel)
    delays : int
        Frames in a window, q.
    interval : int
        Frames between two of them.

    Returns
    -------
    float array (…, window, delay · channel)
        Newest frame first.
    """
    history = (delays - 1) * interval
    length = part.shape[-2] - history
    shifts = [history - d * interval for d in range(delays)]
    return np.concatenate([part[..., s : s + length, :] for s in shifts], axis=-1)


@dataclass(frozen=True)
class WindowProducts:
    """Sums of products over windows; of different trials, they add up.

    Parameters
    ----------
    minus : float64 array (delay · channel, delay · channel)
        Σ h_t h_tᵀ over windows that have a next one.
    cross : float64 array (delay · channel, delay · channel)
        Σ h_t h_{t+1}ᵀ.
    plus : float64 array (delay · channel, delay · channel)
        Σ h_{t+1} h_{t+1}ᵀ.
    full : float64 array (delay · channel, delay · channel)
        Σ h_t h_tᵀ over all windows.
    target : float64 array (channel, channel)
        Σ x_{t+1} x_{t+1}ᵀ of the frames to predict.
    total : float64 array (channel,)
        Σ x_{t+1}.
    pairs : int
        Number of pairs of consecutive windows.
    """

    minus: np.ndarray
    cross: np.ndarray
    plus: np.ndarray
    full: np.ndarray
    target: np.ndarray
    total: np.ndarray
    pairs: int

    def __add__(self, other: WindowProducts) -> WindowProducts:
        return WindowProducts(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(WindowProducts))
        )

    def __sub__(self, other: WindowProducts) -> WindowProducts:
        return WindowProducts(
            *(getattr(self, f.name) - getattr(other, f.name) for f in fields(WindowProducts))
        )


def window_products(
    parts: Sequence[np.ndarray], delays: int, interval: int = 1, history: int | None = None
) -> WindowProducts:
    """Sums of products over the windows of all segments.

    Parameters
    ----------
    parts : sequence of float64 arrays (segment, time, channel)
        See `segments`.
    delays : int
        Frames in a window, q.
    interval : int
        Frames between two of them, s.
    history : int, optional
        Frames before the newest one of the first window; default (q - 1) s. More of them make
        fits of different delays predict the same frames.

    Raises
    ------
    DataError
        No segment is long enough; states the number of frames that are needed.
    """
    history = (delays - 1) * interval if history is None else history
    channels = parts[0].shape[2]
    size = delays * channels
    require_memory(
        8.0 * 8 * size**2,
        f"the products of windows of {delays} delays × {channels} channels",
        "reduce the channels to principal components first, or use fewer delays",
    )
    if window_count(parts, history) == 0:
        longest = max(p.shape[1] for p in parts)
        raise DataError(
            f"too few samples: {history + 2} consecutive frames are needed",
            why=f"{delays} delays {interval} apart reach {history} frames back and two windows "
            f"are needed; the longest uninterrupted trial has {longest}",
            remedy="use fewer delays, a shorter interval or longer trials",
        )
    sums = [
        _segment_products(p, delays, interval, history) for p in parts if p.shape[1] > history + 1
    ]
    result = sums[0]
    for other in sums[1:]:
        result = result + other
    return result


def _segment_products(part: np.ndarray, delays: int, interval: int, history: int) -> WindowProducts:
    """Sums over segments of equal length."""
    frames, channels = part.shape[1:]
    pairs = frames - history - 1
    lags = [d * interval for d in range(delays)]

    def stretch(lag: int, begin: int, count: int) -> np.ndarray:
        """Frames t - lag, t = begin, …; (segment · window, channel)."""
        return part[:, begin - lag : begin - lag + count].reshape(-1, channels)

    newest, following = stretch(0, history, pairs), stretch(-1, history, pairs)
    minus = np.empty((delays, channels, delays, channels))
    cross = np.empty_like(minus)
    for d, lag in enumerate(lags):
        earlier = stretch(lag, history, pairs)
        minus[0, :, d] = newest.T @ earlier
        cross[d, :, 0] = earlier.T @ following
        if d and interval == 1:
            cross[0, :, d] = minus[0, :, d - 1]
        elif d:
            cross[0, :, d] = newest.T @ stretch(lag - 1, history, pairs)
    if delays > 1:
        # One delay on, the sums run over windows that begin and end one interval earlier.
        change_minus = np.zeros(((delays - 1) * channels,) * 2)
        change_cross = np.zeros_like(change_minus)
        for sign, begin in ((1, history - interval), (-1, history + pairs - interval)):
            now = np.concatenate([stretch(lag, begin, interval) for lag in lags[:-1]], axis=1)
            then = np.concatenate([stretch(lag - 1, begin, interval) for lag in lags[:-1]], axis=1)
            change_minus += sign * (now.T @ now)
            change_cross += sign * (now.T @ then)
        shape = (delays - 1, channels, delays - 1, channels)
        for sums, change in ((minus, change_minus), (cross, change_cross)):
            blocks = change.reshape(shape)
            for d in range(delays - 1):
                sums[d + 1, :, 1:] = sums[d, :, :-1] + blocks[d]
        lower = np.tril_indices(delays, -1)
        minus[lower[0], :, lower[1]] = minus.transpose(2, 3, 0, 1)[lower[0], :, lower[1]]
    size = delays * channels
    first = np.concatenate([part[:, history - lag] for lag in lags], axis=1)
    last = np.concatenate([part[:, frames - 1 - lag] for lag in lags], axis=1)
    windows = minus.reshape(size, size)
    full = windows + last.T @ last
    return WindowProducts(
        minus=windows,
        cross=cross.reshape(size, size),
        plus=full - first.T @ first,
        full=full,
        target=following.T @ following,
        total=following.sum(axis=0),
        pairs=len(following),
    )
