"""Trials and conditions out of a stimulus table, and responses to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mesomode.errors import DataError

PARAMETERS = {
    "drifting_gratings": ("orientation", "temporal_frequency"),
    "static_gratings": ("orientation", "spatial_frequency", "phase"),
    "natural_scenes": ("frame",),
    "trials": ("condition",),
}
"""Columns of the stimulus table that make a condition; movies are cut into clips instead."""

MOVIE = "natural_movie"


@dataclass(frozen=True)
class Trials:
    """Presentations of one stimulus and what was shown in each.

    Parameters
    ----------
    start, end : int64 array (trial,)
        Frames [start, end) of the presentation.
    condition : int32 array (trial,)
        Row of ``parameters``.
    parameters : dict of float64 arrays (condition,)
        What was shown; NaN in all of them: the blank screen.
    """

    start: np.ndarray
    end: np.ndarray
    condition: np.ndarray
    parameters: dict[str, np.ndarray]

    @property
    def conditions(self) -> int:
        """Number of conditions."""
        return len(next(iter(self.parameters.values())))


def has_conditions(stimulus: str) -> bool:
    """Whether the presentations of a stimulus repeat conditions that can be averaged."""
    return stimulus in PARAMETERS or stimulus.startswith(MOVIE)


def cut_trials(
    stimulus: str,
    table: Mapping[str, np.ndarray],
    *,
    clip_frames: int = 30,
    include_blank: bool = True,
) -> Trials:
    """Make the trials of one stimulus.

    Parameters
    ----------
    stimulus : str
        Name, for example ``"drifting_gratings"``.
    table : mapping of arrays (presentation,)
        ``start``, ``end`` (frames [start, end)) and the stimulus' own columns.
    clip_frames : int
        Movie frames that make one clip, i.e. one condition.
    include_blank : bool
        Whether presentations of the blank screen are kept.

    Returns
    -------
    Trials
        Conditions sorted by their parameters, the blank one last.

    Raises
    ------
    DataError
        A column is missing, or a presentation ends before it starts.
    """
    movie = stimulus.startswith(MOVIE)
    names = ("frame",) if movie else PARAMETERS[stimulus]
    missing = [name for name in ("start", "end", *names) if name not in table]
    if missing:
        raise DataError(
            f"the stimulus table of {stimulus} lacks columns",
            where=", ".join(missing),
            why=f"it has {', '.join(table)}",
            remedy="read the session again with this version",
        )
    start, end = (np.asarray(table[name], dtype=np.int64) for name in ("start", "end"))
    if np.any(end < start):
        raise DataError(
            f"{np.sum(end < start)} presentations of {stimulus} end before they start",
            where=f"first in row {np.flatnonzero(end < start)[0]} of the stimulus table",
            why="the file is damaged",
            remedy="fetch the session again",
        )
    if movie:
        start, end, values = _clips(start, end, np.asarray(table["frame"], float), clip_frames)
        names = ("clip",)
    else:
        values = np.column_stack([np.asarray(table[name], dtype=np.float64) for name in names])
        if stimulus == "natural_scenes":
            values[values < 0] = np.nan
    if not include_blank:
        shown = ~np.isnan(values).all(axis=1)
        start, end, values = start[shown], end[shown], values[shown]
    # infinity stands for NaN here, because NaN is not equal to itself; it sorts last
    unique, condition = np.unique(
        np.where(np.isnan(values), np.inf, values), axis=0, return_inverse=True
    )
    unique = np.where(np.isinf(unique), np.nan, unique)
    return Trials(
        start, end, condition.reshape(-1).astype(np.int32), dict(zip(names, unique.T, strict=True))
    )


def _clips(
    start: np.ndarray, end: np.ndarray, frame: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge the frames of each showing of a clip into one trial."""
    clip = frame.astype(np.int64) // length
    restart = np.r_[True, (np.diff(clip) != 0) | (np.diff(frame) < 0)]
    first = np.flatnonzero(restart)
    last = np.r_[first[1:], len(clip)] - 1
    return start[first], end[last], clip[first].astype(np.float64)[:, None]


def presentations(
    stimuli: Mapping[str, Mapping[str, np.ndarray]], names: Sequence[str], columns: Sequence[str]
) -> dict[str, np.ndarray]:
    """Join the stimulus tables of a session, in order of time.

    Parameters
    ----------
    stimuli : mapping of name to stimulus table
    names : sequence of str
        All stimuli; their places are the numbers that stand for them.
    columns : sequence of str
        Columns to keep beside ``start`` and ``end``.

    Returns
    -------
    dict of str to array (presentation,)
        ``presentation_stimulus``, ``presentation_start``, ``presentation_end`` (int64) and
        ``presentation_<column>`` (float64, NaN where a stimulus has no such column).
    """
    lengths = {name: len(table["start"]) for name, table in stimuli.items()}
    codes = [np.full(length, names.index(name)) for name, length in lengths.items()]
    joined = {"stimulus": np.concatenate([np.empty(0, np.int64), *codes])}
    for column in ("start", "end", *columns):
        kind = np.int64 if column in ("start", "end") else np.float64
        parts = [
            np.asarray(table.get(column, np.full(lengths[name], np.nan)), dtype=kind)
            for name, table in stimuli.items()
        ]
        joined[column] = np.concatenate([np.empty(0, kind), *parts])
    order = np.argsort(joined["start"], kind="stable")
    return {f"presentation_{name}": values[order] for name, values in joined.items()}


def epoch_pieces(start: np.ndarray, end: np.ndarray, join: int) -> list[tuple[int, int]]:
    """Stretches of time in which a stimulus was on, pauses up to ``join`` frames included."""
    if not len(start):
        return []
    order = np.argsort(start, kind="stable")
    start = np.asarray(start)[order]
    end = np.maximum.accumulate(np.asarray(end)[order])
    breaks = np.flatnonzero(start[1:] - end[:-1] > join)
    firsts = start[np.r_[0, breaks + 1]]
    lasts = end[np.r_[breaks, len(end) - 1]]
    return [(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True) if b > a]


def window_means(traces: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Mean of every unit in each window.

    Parameters
    ----------
    traces : float array (time, unit)
        NaN: not measured.
    start, end : int array (trial,)
        Frames [start, end).

    Returns
    -------
    float64 array (trial, unit)
        NaN where a window reaches beyond the recording, is empty, or holds NaN.
    """
    frames, units = traces.shape
    result = np.full((len(start), units), np.nan)
    for trial, (first, last) in enumerate(zip(start, end, strict=True)):
        if 0 <= first < last <= frames:
            result[trial] = traces[first:last].mean(axis=0, dtype=np.float64)
    return result


def responses(
    traces: np.ndarray, trials: Trials, *, delay: int = 0, shortest: int = 0, baseline: int = 0
) -> np.ndarray:
    """Response of every unit in each trial, minus the baseline before it.

    Parameters
    ----------
    traces : float array (time, unit)
    trials : Trials
    delay : int
        Frames from the onset to the start of the window.
    shortest : int
        Least length of the window in frames; it ends with the presentation otherwise.
    baseline : int
        Frames before the onset whose mean is subtracted; 0: none.

    Returns
    -------
    float64 array (trial, unit)
        In the unit of the traces; NaN as in `window_means`.
    """
    start = trials.start + delay
    result = window_means(traces, start, np.maximum(trials.end, start + shortest))
    if baseline:
        result -= window_means(traces, trials.start - baseline, trials.start)
    return result


def averages(
    response: np.ndarray, condition: np.ndarray, conditions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average responses over the trials of each condition.

    Parameters
    ----------
    response : float array (trial, unit)
        NaN: not measured, left out.
    condition : int array (trial,)
        Condition of each trial, 0 … ``conditions`` − 1.
    conditions : int
        Number of conditions.

    Returns
    -------
    mean, deviation : float64 arrays (condition, unit)
        Mean and sample standard deviation over trials; NaN with fewer than one or two trials.
    count : int64 array (condition, unit)
        Number of trials measured.
    """
    measured = np.isfinite(response)
    count = _sums(measured.astype(np.float64), condition, conditions).astype(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _sums(np.where(measured, response, 0.0), condition, conditions) / count
        residual = np.where(measured, response - mean[condition], 0.0)
        deviation = np.sqrt(_sums(residual**2, condition, conditions) / (count - 1))
    return mean, np.where(count > 1, deviation, np.nan), count


def _sums(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    result = np.zeros((groups, values.shape[1]))
    np.add.at(result, group, values)
    return result
