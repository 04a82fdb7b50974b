"""What is drawn of a two-photon session, and how long traces are shortened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mesomode.report.style import GREY, MUTED, PALETTE
from mesomode.report.variability import FieldShown, Variability, fields_of, variability_of

if TYPE_CHECKING:
    import xarray as xr

POINTS = 1500
"""Points drawn of a trace; longer ones are averaged over bins."""
SIGNALS = {"dff": "ΔF/F", "events": "events"}
"""What signals are called in figures."""
PAUSE_S = 5.0
"""Pauses between presentations up to this long are drawn as part of the epoch."""


@dataclass(frozen=True)
class Session:
    """What is drawn of a session.

    Parameters
    ----------
    name : str
    signal : str
        Name of what was analysed.
    time : float array (time,)
        s.
    traces : float array (time, unit)
        Relative fluorescence change; of recordings without it, events.
    running_speed : float array (time,) or None
        cm/s; NaN: not measured; None: absent.
    epochs : list of (name, start, end)
        Stimuli, in s.
    status : int array (unit,)
        0: enters dimension and time-scales.
    tests : list of (name, p-values)
        p-value of each unit, NaN: not tested; for each stimulus.
    significance : float
    eigenvalue : float array (mode,)
    dimension, dimension_error, dimension_plain : float
        Participation ratio, its standard error, and of the sample covariance.
    subset, subset_dimension : array (subset,)
        Dimension expected for subsets of units.
    lag : float array (lag,)
        s.
    autocovariance : float array (lag,)
    unit_autocorrelation : float array (lag, unit)
        NaN: not used.
    half_width, integrated_time : float
        s; NaN: unknown.
    facts : sequence of str
        What else is known of it, in words.
    trace_name : str
        What the traces are.
    variability : sequence of Variability
        What repeats over trials, for each stimulus.
    fields : sequence of FieldShown
        The clearest receptive fields; empty: none were measured.
    """

    name: str
    signal: str
    time: np.ndarray
    traces: np.ndarray
    running_speed: np.ndarray | None
    epochs: list[tuple[str, float, float]]
    status: np.ndarray
    tests: list[tuple[str, np.ndarray]]
    significance: float
    eigenvalue: np.ndarray
    dimension: float
    dimension_error: float
    dimension_plain: float
    subset: np.ndarray
    subset_dimension: np.ndarray
    lag: np.ndarray
    autocovariance: np.ndarray
    unit_autocorrelation: np.ndarray
    half_width: float
    integrated_time: float
    facts: Sequence[str] = ()
    trace_name: str = "ΔF/F"
    variability: Sequence[Variability] = ()
    fields: Sequence[FieldShown] = ()

    @classmethod
    def of(cls, store: xr.Dataset, name: str) -> Session:
        """What a store of the stage ``recordings`` holds."""
        time = store["time"].values
        stimuli = store["presentation_stimulus"].attrs["flag_meanings"].split()
        last = len(time) - 1
        start, end = (
            time[store[f"presentation_{edge}"].values.clip(0, last)] for edge in ("start", "end")
        )
        p_values = store["tuning_p_value"].values
        significance = float(store.attrs["mesomode"]["settings"]["significance"])
        return cls(
            name=name,
            signal=str(store.attrs["signal"]),
            time=time,
            traces=store["dff" if "dff" in store else "events"].values,
            running_speed=store["running_speed"].values if "running_speed" in store else None,
            epochs=epochs_of(store["presentation_stimulus"].values, start, end, stimuli),
            status=store["unit_status"].values,
            tests=[
                (stimuli[code], p_values[place])
                for place, code in enumerate(store["tested_stimulus"].values)
            ],
            significance=significance,
            eigenvalue=store["covariance_eigenvalue"].values,
            dimension=float(store["participation_ratio"]),
            dimension_error=float(store["participation_ratio_error"]),
            dimension_plain=float(store["participation_ratio_plain"]),
            subset=store["subset"].values,
            subset_dimension=store["participation_ratio_subset"].values,
            lag=store["lag"].values,
            autocovariance=store["autocovariance"].values,
            unit_autocorrelation=store["unit_autocorrelation"].values,
            half_width=float(store["half_width"]),
            integrated_time=float(store["integrated_time"]),
            facts=facts_of(store.attrs),
            trace_name=SIGNALS["dff" if "dff" in store else "events"],
            variability=variability_of(store, stimuli, significance),
            fields=fields_of(store),
        )


def facts_of(attributes: Mapping[Any, Any]) -> list[str]:
    """What is known of a session, in words."""
    known = (
        ("session_type", "session type {}"),
        ("targeted_structure", "area {}"),
        ("imaging_depth_um", "imaged {} µm deep"),
        ("cre_line", "line {}"),
        ("own_file", "file {}"),
    )
    facts = [text.format(attributes[name]) for name, text in known if attributes.get(name)]
    signal = str(attributes["signal"])
    return [*facts, f"dimension and time-scales of {SIGNALS.get(signal, signal)}"]


def stimulus_colours(tested: Sequence[str], shown: Sequence[str]) -> dict[str, str]:
    """Colours of stimuli, the same in all panels.

    Parameters
    ----------
    tested : sequence of str
        Stimuli with conditions, in the order in which panels draw them.
    shown : sequence of str
        All stimuli; grey or muted where they were not tested.

    Returns
    -------
    dict of str to str
    """
    colours = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(tested)}
    for place, name in enumerate(n for n in shown if n not in colours):
        colours[name] = GREY if name == "spontaneous" else MUTED[(place + 3) % len(MUTED)]
    return colours


def binned(values: np.ndarray, points: int = POINTS) -> np.ndarray:
    """Means over equal bins of the first axis, so that at most ``points`` are left.

    NaN is left out; a bin without a value is NaN. The last, incomplete bin is dropped.
    """
    size = -(-len(values) // points)
    if size <= 1:
        return np.asarray(values, dtype=np.float64)
    whole = len(values) // size
    parts = np.asarray(values[: whole * size], dtype=np.float64)
    parts = parts.reshape(whole, size, *values.shape[1:])
    known = np.isfinite(parts)
    count = known.sum(axis=1)
    total = np.where(known, parts, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def broken_at_gaps(time: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values with NaN after each gap in time, so that no line is drawn across it.

    Parameters
    ----------
    time : float array (time,)
        Increasing, mostly in equal steps.
    values : float array (time, ...)

    Returns
    -------
    float64 array, shaped like ``values``
    """
    step = np.diff(time)
    broken = np.array(values, dtype=np.float64)
    if step.size:
        broken[1:][step > 1.5 * np.median(step)] = np.nan
    return broken


def epochs_of(
    stimulus: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    names: Sequence[str],
    pause: float = PAUSE_S,
) -> list[tuple[str, float, float]]:
    """Join successive presentations of a stimulus with pauses up to ``pause`` into epochs.

    Parameters
    ----------
    stimulus : int array (presentation,)
        Index into ``names``, presentations in order of time.
    start, end : float array (presentation,)
        s.
    names : sequence of str
    pause : float
        s.

    Returns
    -------
    list of (name, start, end)
    """
    epochs: list[tuple[str, float, float]] = []
    for code, first, last in zip(stimulus, start, end, strict=True):
        name = names[int(code)]
        if epochs and epochs[-1][0] == name and first - epochs[-1][2] <= pause:
            epochs[-1] = (name, epochs[-1][1], max(epochs[-1][2], float(last)))
        else:
            epochs.append((name, float(first), float(last)))
    return epochs


def most_variable(traces: np.ndarray, count: int) -> np.ndarray:
    """Indices of the units with the largest variance, NaN left out, largest first."""
    variance = np.zeros(traces.shape[1])
    for unit in range(traces.shape[1]):
        trace = traces[:, unit]
        trace = trace[np.isfinite(trace)]
        variance[unit] = trace.var(dtype=np.float64) if trace.size else -1.0
    return np.argsort(-variance, kind="stable")[:count]
