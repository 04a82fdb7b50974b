"""Which frames and units of a recording can be analysed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from mesomode.errors import DataError

STATUS = ("used", "gaps", "constant")
"""What became of a unit in the analysis of dimension and time-scales."""


def frame_period(timestamps: np.ndarray) -> float:
    """Median time between two frames, in s.

    Raises
    ------
    DataError
        Fewer than two frames, or time stamps that are not finite and increasing.
    """
    steps = np.diff(timestamps)
    if not len(steps) or not np.all(steps > 0):
        bad = np.flatnonzero(~(steps > 0))
        raise DataError(
            "the time stamps of the frames do not increase",
            where=f"frame {bad[0] + 1}" if len(bad) else f"{len(timestamps)} frames",
            why="the recording is damaged or too short",
            remedy="fetch the session again",
        )
    return float(np.median(steps))


def check_even(
    timestamps: np.ndarray, where: str | Path | None = None, tolerance: float = 0.2
) -> None:
    """Refuse frames that follow each other at unequal times.

    Parameters
    ----------
    timestamps : float array (time,)
        Increasing, in s.
    where : str or Path, optional
        Named in the message.
    tolerance : float
        Steps that differ from the median by more than this part of it are unequal. Interruptions
        are not counted (see `uninterrupted`), and one unequal step in a hundred passes.

    Raises
    ------
    DataError
        Lags in frames would mean different times.
    """
    steps = np.diff(timestamps)
    middle = np.median(steps)
    inner = steps[steps <= 1.5 * middle]
    unequal = np.abs(inner - middle) > tolerance * middle
    if unequal.mean() > 0.01:
        low, high = np.percentile(inner, (2.5, 97.5))
        raise DataError(
            "the recording is not sampled at equal times",
            where=where,
            why=f"{100 * unequal.mean():.0f} % of the steps differ by more than "
            f"{100 * tolerance:.0f} % from their median {middle:.4g} s; most lie between "
            f"{low:.4g} and {high:.4g} s",
            remedy="resample it to equal steps first",
        )


def onto_frames(values: np.ndarray, times: np.ndarray, timestamps: np.ndarray) -> np.ndarray:
    """Values of another clock at the times of the frames, by linear interpolation.

    Parameters
    ----------
    values : float array (sample, …)
        NaN: not measured.
    times : float array (sample,)
        Increasing, in s.
    timestamps : float array (time,)
        In s.

    Returns
    -------
    float32 array (time, …)
        NaN outside the samples, next to one that was not measured, and where samples are more
        than twice their usual distance apart.
    """
    result = np.full((len(timestamps), *values.shape[1:]), np.nan, dtype=np.float32)
    if len(times) < 2:
        return result
    steps = np.diff(times)
    after = np.clip(np.searchsorted(times, timestamps, side="right"), 1, len(times) - 1)
    weight = (timestamps - times[after - 1]) / steps[after - 1]
    fits = (weight >= 0) & (weight <= 1) & (steps[after - 1] <= 2 * np.median(steps))
    share = weight[fits].reshape(-1, *[1] * (values.ndim - 1))
    first, second = values[after - 1][fits], values[after][fits]
    # a sample that is hit exactly needs no neighbour
    result[fits] = np.where(
        share == 0, first, np.where(share == 1, second, (1 - share) * first + share * second)
    )
    return result


def uninterrupted(timestamps: np.ndarray, tolerance: float = 0.5) -> list[tuple[int, int]]:
    """Pieces [start, end) without a missing frame.

    Parameters
    ----------
    timestamps : float array (time,)
        Increasing, in s.
    tolerance : float
        A step longer than (1 + tolerance) frame periods is an interruption.
    """
    steps = np.diff(timestamps)
    breaks = np.flatnonzero(steps > (1 + tolerance) * np.median(steps)) + 1
    edges = [0, *breaks.tolist(), len(timestamps)]
    return list(itertools.pairwise(edges))


def intersection(one: list[tuple[int, int]], two: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pieces that lie in both lists of pieces."""
    both = [(max(a, c), min(b, d)) for a, b in one for c, d in two]
    return sorted(piece for piece in both if piece[1] > piece[0])


def usable(
    traces: np.ndarray, pieces: list[tuple[int, int]]
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Leave out frames in which nothing was measured, and units with gaps or without change.

    Parameters
    ----------
    traces : float array (time, unit)
        NaN: not measured.
    pieces : list of (start, end)
        Frames considered.

    Returns
    -------
    pieces : list of (start, end)
        Without the frames in which every unit is NaN.
    status : int8 array (unit,)
        Index into `STATUS`.
    """
    finite = np.isfinite(traces)
    some = finite.any(axis=1)
    edges = np.flatnonzero(np.diff(np.r_[False, some, False].astype(np.int8)))
    measured = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    pieces = intersection(pieces, measured)
    if not pieces:
        return [], np.full(traces.shape[1], STATUS.index("gaps"), np.int8)
    lowest = np.min([traces[a:b].min(axis=0) for a, b in pieces], axis=0)
    highest = np.max([traces[a:b].max(axis=0) for a, b in pieces], axis=0)
    status = np.full(traces.shape[1], STATUS.index("used"), np.int8)
    status[lowest == highest] = STATUS.index("constant")
    status[~(np.isfinite(lowest) & np.isfinite(highest))] = STATUS.index("gaps")
    return pieces, status


def binned(
    traces: np.ndarray, pieces: list[tuple[int, int]], width: int
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Average bins of ``width`` frames within each piece; incomplete bins are left out.

    Returns
    -------
    traces : float64 array (bin, unit)
        The bins of all pieces, one after another.
    pieces : list of (start, end)
        Where the bins of each piece are.
    """
    parts, places, done = [], [], 0
    for start, end in pieces:
        count = (end - start) // width
        if count:
            part = np.asarray(traces[start : start + count * width], dtype=np.float64)
            parts.append(part.reshape(count, width, -1).mean(axis=1))
            places.append((done, done + count))
            done += count
    if not parts:
        return np.empty((0, traces.shape[1])), []
    return np.concatenate(parts), places
