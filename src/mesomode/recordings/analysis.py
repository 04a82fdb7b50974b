"""What is computed from one session: responses and tests; dimension and time-scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mesomode.comparison import dimension, timescales
from mesomode.recordings import frames
from mesomode.recordings.aligned import aligned_means
from mesomode.recordings.trials import averages, cut_trials, responses
from mesomode.recordings.tuning import one_way_anova, tuned_fraction
from mesomode.recordings.variability import medians, trial_statistics

SUBSETS = 16
"""Number of subset sizes, evenly spaced on a logarithmic scale, at which dimension is given."""


def trial_tables(
    stimuli: Mapping[str, Mapping[str, np.ndarray]],
    signal: np.ndarray,
    *,
    codes: Mapping[str, int],
    parameters: Sequence[str],
    clip: int,
    delay: int,
    shortest: int,
    baseline: int,
    include_blank: bool,
    significance: float,
    before: int,
    after: int,
    generator: np.random.Generator,
    splits: int,
) -> dict[str, np.ndarray]:
    """Cut the trials of several stimuli, average them, test for tuning, measure reliability.

    Parameters
    ----------
    stimuli : mapping of name to stimulus table
        See `mesomode.recordings.trials.cut_trials`.
    signal : float array (time, unit)
        NaN: not measured.
    codes : mapping of str to int
        Number that stands for each stimulus.
    parameters : sequence of str
        Names of the parameters of conditions; NaN where a stimulus has no such parameter.
    clip, delay, shortest, baseline : int
        In frames, see `cut_trials` and `responses`.
    include_blank : bool
        Whether the blank screen is a condition.
    significance : float
        p-value below which a unit counts as tuned.
    before, after : int
        Frames of the courses around the onset; none with ``before + after`` 0.
    generator : numpy.random.Generator
        Draws the splits of trials.
    splits : int
        Number of random splits.

    Returns
    -------
    dict of str to array
        ``trial_*`` (trial, …), ``condition_*`` (condition,), ``response_*``
        (condition, unit), ``aligned_response`` (condition, offset, unit), ``tested_stimulus``,
        ``tuning_*`` (test, unit), ``tuned_fraction`` (test,), and of each test what
        `mesomode.recordings.variability.trial_statistics` returns.
    """
    units = signal.shape[1]
    empty, table = np.empty(0), np.empty((0, units))
    parts: dict[str, list[np.ndarray]] = {
        **{f"trial_{name}": [empty] for name in ("stimulus", "start", "end", "condition")},
        "trial_response": [table],
        **{f"condition_{name}": [empty] for name in ("stimulus", *parameters)},
        **{f"response_{name}": [table] for name in ("mean", "deviation", "trials")},
        "tested_stimulus": [empty],
        "tuning_statistic": [table],
        "tuning_p_value": [table],
        "tuned_fraction": [empty],
        "aligned_response": [np.empty((0, before + after, units), np.float32)],
    }
    tests: list[dict[str, Any]] = []
    conditions = 0
    for name, presented in stimuli.items():
        trials = cut_trials(name, presented, clip_frames=clip, include_blank=include_blank)
        response = responses(signal, trials, delay=delay, shortest=shortest, baseline=baseline)
        mean, deviation, count = averages(response, trials.condition, trials.conditions)
        statistic, p_value = one_way_anova(response, trials.condition, trials.conditions)
        tests.append(
            trial_statistics(
                response,
                trials.condition,
                trials.conditions,
                p_value < significance,
                generator,
                splits,
            )
        )
        rows = {
            "trial_stimulus": np.full(len(response), codes[name]),
            "trial_start": trials.start,
            "trial_end": trials.end,
            "trial_condition": trials.condition + conditions,
            "trial_response": response,
            "condition_stimulus": np.full(trials.conditions, codes[name]),
            "response_mean": mean,
            "response_deviation": deviation,
            "response_trials": count,
            "tested_stimulus": np.array([codes[name]]),
            "tuning_statistic": statistic[None],
            "tuning_p_value": p_value[None],
            "tuned_fraction": np.array([tuned_fraction(p_value, significance)]),
            "aligned_response": aligned_means(
                signal, trials.start, trials.condition, trials.conditions, before, after
            ),
        }
        nothing = np.full(trials.conditions, np.nan)
        rows |= {f"condition_{n}": trials.parameters.get(n, nothing) for n in parameters}
        for key, value in rows.items():
            parts[key].append(value)
        conditions += trials.conditions
    return {key: np.concatenate(values) for key, values in parts.items()} | _stacked(tests, units)


def _stacked(tests: list[dict[str, Any]], units: int) -> dict[str, np.ndarray]:
    """Statistics of the tests, one below the other; shorter spectra end with NaN."""
    if not tests:
        tests = [trial_statistics(*_nothing(units))]
        return {name: array[:0] for name, array in _stacked(tests, units).items()}
    modes = max(len(test["signal_eigenvalue"]) for test in tests)
    for test in tests:
        spectrum = test["signal_eigenvalue"]
        missing = np.full(modes - len(spectrum), np.nan)
        test["signal_eigenvalue"] = np.concatenate([spectrum, missing])
    return {name: np.stack([np.asarray(test[name]) for test in tests]) for name in tests[0]}


def _nothing(units: int) -> tuple[Any, ...]:
    """Arguments of `trial_statistics` for a stimulus without a trial."""
    generator = np.random.default_rng(0)
    empty = np.empty(0, np.int32)
    return np.empty((0, units)), empty, 0, np.zeros(units, bool), generator, 1


def trace_summary(
    tables: Mapping[str, np.ndarray], population: Mapping[str, Any], significance: float
) -> dict[str, Any]:
    """Key numbers of one signal, for a comparison of dF/F and events.

    Returns
    -------
    dict of str to float or float array (test,)
        Variables ``trace_*`` of the store.
    """
    tuned = tables["tuning_p_value"] < significance
    found: dict[str, Any] = {
        f"trace_{name}": population[name]
        for name in (
            "participation_ratio",
            "participation_ratio_error",
            "participation_ratio_plain",
            "half_width",
            "integrated_time",
        )
    }
    for name in ("reliability", "noise_ceiling"):
        values = [medians(row, chosen) for row, chosen in zip(tables[name], tuned, strict=True)]
        found[f"trace_{name}"] = np.array(values)
    for name in ("tuned_fraction", "noise_correlation_mean", "signal_dimension"):
        found[f"trace_{name}"] = tables[name]
    return found


def population_dynamics(
    signal: np.ndarray,
    pieces: list[tuple[int, int]],
    status: np.ndarray,
    *,
    period: float,
    lags: int,
    bin_frames: int = 1,
    block: int,
    gap: int,
) -> dict[str, Any]:
    """Dimension and time-scales of the units that can be used.

    Parameters
    ----------
    signal : float array (time, unit)
    pieces : list of (start, end)
        Uninterrupted frames, as `mesomode.recordings.frames.usable` returns them.
    status : int array (unit,)
        0: the unit is used.
    period : float
        Time between frames, in s.
    lags : int
        Number of lags of the autocorrelation, in frames.
    bin_frames : int
        Frames averaged together before dimension is measured.
    block, gap : int
        Lengths of blocks and of the gaps between them, in bins.

    Returns
    -------
    dict of str to array or float
        Variables of the ``recordings`` store with dimensions mode, subset, lag, unit or none.
    """
    used = np.flatnonzero(status == 0)
    traces, places = frames.binned(signal[:, used], pieces, bin_frames)
    eigenvalues = dimension.covariance_eigenvalues(traces)
    blocks = dimension.time_blocks(places, block, gap)
    raw, error = _unbiased(traces, blocks)
    scaled = dimension.zscored(traces)
    sizes = np.unique(np.rint(np.geomspace(1, len(used), SUBSETS)).astype(int))
    covariance = timescales.autocovariance(signal[:, used], lags, pieces)
    mean = covariance.mean(axis=1)
    correlation = timescales.normalised(mean)
    single = np.full((lags, len(status)), np.nan)
    single[:, used] = timescales.normalised(covariance)
    unit_time = np.full(len(status), np.nan)
    unit_time[used] = [timescales.exponential_time(single[:, u], period) for u in used]
    return {
        "unit_status": status,
        "covariance_eigenvalue": eigenvalues,
        "participation_ratio_plain": dimension.participation_ratio(eigenvalues),
        "participation_ratio": raw.participation_ratio,
        "participation_ratio_error": error,
        "participation_ratio_zscored": _unbiased(scaled, blocks)[0].participation_ratio,
        "participation_ratio_zscored_plain": dimension.plain_moments(scaled).participation_ratio,
        "trace_squared": raw.trace_squared,
        "square_trace": raw.square_trace,
        "diagonal_square": raw.diagonal_square,
        "subset": sizes,
        "participation_ratio_subset": np.array([raw.subsampled(int(size)) for size in sizes]),
        "lag": np.arange(lags) * period,
        "autocovariance": mean,
        "unit_autocorrelation": single,
        "unit_exponential_time": unit_time,
        "exponential_time": timescales.exponential_time(correlation, period),
        "half_width": timescales.half_width(correlation, period),
        "integrated_time": timescales.integrated(correlation, period),
        "integrated_square_time": timescales.integrated_square(correlation, period),
    }


def _unbiased(traces: np.ndarray, blocks: list[tuple[int, int]]) -> tuple[dimension.Moments, float]:
    """Unbiased moments and the error of the ratio; NaN with too few blocks."""
    if len(blocks) < dimension.MIN_BLOCKS:
        nan = float("nan")
        return dimension.Moments(traces.shape[1], nan, nan, nan), nan
    estimate = dimension.BlockMoments([traces[start:end] for start, end in blocks])
    return estimate.moments(), estimate.standard_error()
