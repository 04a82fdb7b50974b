"""Responses aligned to the onset of presentations, averaged over the trials of a condition."""

from __future__ import annotations

import numpy as np


def aligned_trials(traces: np.ndarray, start: np.ndarray, before: int, after: int) -> np.ndarray:
    """Cut the same window around every onset.

    Parameters
    ----------
    traces : float array (time, unit)
        NaN: not measured.
    start : int array (trial,)
        Frame of the onset.
    before, after : int
        Frames kept before the onset, and from it on.

    Returns
    -------
    float32 array (trial, offset, unit)
        NaN for windows that reach beyond the recording.
    """
    frames = len(traces)
    index = np.asarray(start)[:, None] + np.arange(-before, after)
    inside = (index >= 0).all(axis=1) & (index < frames).all(axis=1)
    result = np.full((*index.shape, traces.shape[1]), np.nan, dtype=np.float32)
    result[inside] = traces[index[inside]]
    return result


def aligned_means(
    traces: np.ndarray,
    start: np.ndarray,
    condition: np.ndarray,
    conditions: int,
    before: int,
    after: int,
) -> np.ndarray:
    """Mean course of the response to each condition, one condition in memory at a time.

    Parameters
    ----------
    traces, start, before, after
        As for `aligned_trials`.
    condition : int array (trial,)
        Condition of each trial, 0 … ``conditions`` − 1.
    conditions : int
        Number of conditions.

    Returns
    -------
    float32 array (condition, offset, unit)
        Trials in which a unit has a gap in the window are left out for it; NaN: none is left.
    """
    result = np.full((conditions, before + after, traces.shape[1]), np.nan, dtype=np.float32)
    for number in range(conditions):
        trials = aligned_trials(traces, start[condition == number], before, after)
        whole = np.isfinite(trials).all(axis=1)  # (trial, unit)
        count = whole.sum(axis=0)
        total = np.where(whole[:, None], trials, 0).sum(axis=0, dtype=np.float64)
        result[number] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result
