"""How much of a unit's trial-to-trial variance the stimulus explains, and how well it repeats."""

from __future__ import annotations

import numpy as np

from mesomode.recordings.trials import averages

FEWEST_CONDITIONS = 3
"""Fewest conditions between which a correlation says anything."""


def variance_components(
    response: np.ndarray, condition: np.ndarray, conditions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Part the variance of every unit into what repeats with the condition and the rest.

    One-way model r = s_k + noise. The noise variance σ² is pooled over conditions; the variance
    of the measured condition means, less σ² times the mean of 1/n_k, is the signal variance
    without bias. With few trials or a weak signal it can come out negative by chance.

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
    signal, noise, mean_variance : float64 arrays (unit,)
        Signal variance, noise variance of a single trial, and variance of the measured means
        (over conditions, with K − 1). NaN with fewer than two conditions measured, or no
        condition with two trials.
    """
    mean, deviation, count = averages(response, condition, conditions)
    measured = count > 0
    groups = measured.sum(axis=0)
    freedom = np.where(measured, count - 1, 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.where(count > 1, (count - 1) * deviation**2, 0.0).sum(axis=0)
        noise = np.where(freedom > 0, within / freedom, np.nan)
        centre = np.where(measured, mean, 0.0).sum(axis=0) / groups
        squares = np.where(measured, (mean - centre) ** 2, 0.0).sum(axis=0)
        mean_variance = np.where(groups > 1, squares / (groups - 1), np.nan)
        inverse = np.where(measured, 1.0 / np.maximum(count, 1), 0.0).sum(axis=0) / groups
        signal = mean_variance - noise * inverse
    return signal, noise, mean_variance


def noise_ceiling(
    signal: np.ndarray, noise: np.ndarray, mean_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Largest part of the variance that any model of the stimulus can explain.

    Parameters
    ----------
    signal, noise, mean_variance : float arrays (unit,)
        As `variance_components` returns them.

    Returns
    -------
    averaged, single : float64 arrays (unit,)
        R² that the true condition means would reach on the measured means, and on single trials.
        Not clipped, so that averages over units stay without bias: negative values are chance.
        NaN for units that never change.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        averaged = np.where(mean_variance > 0, signal / mean_variance, np.nan)
        total = signal + noise
        single = np.where(total > 0, signal / total, np.nan)
    return averaged, single


def split_half(
    response: np.ndarray,
    condition: np.ndarray,
    conditions: int,
    generator: np.random.Generator,
    splits: int = 20,
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation between the mean responses of two random halves of the trials.

    Parameters
    ----------
    response, condition, conditions
        As for `variance_components`.
    generator : numpy.random.Generator
        Draws the halves, within each condition.
    splits : int
        Number of random splits whose correlations are averaged.

    Returns
    -------
    half, whole : float64 arrays (unit,)
        Mean correlation of the halves, and that expected of all trials with as many new ones by
        Spearman and Brown, 2r/(1 + r). NaN where fewer than three conditions are in both halves,
        or the unit does not change.
    """
    total, known = np.zeros(response.shape[1]), np.zeros(response.shape[1])
    for _ in range(splits):
        part = random_parts(condition, 2, generator)
        halves = [
            group_means(response[part == side], condition[part == side], conditions)
            for side in range(2)
        ]
        found = column_correlation(*halves)
        known += np.isfinite(found)
        total += np.nan_to_num(found)
    with np.errstate(invalid="ignore", divide="ignore"):
        half = np.where(known > 0, total / known, np.nan)
        whole = np.where(half > -1, 2 * half / (1 + half), np.nan)
    return half, whole


def random_parts(condition: np.ndarray, parts: int, generator: np.random.Generator) -> np.ndarray:
    """Deal the trials of each condition at random into parts whose sizes differ by one at most.

    Returns
    -------
    int64 array (trial,)
        Part of each trial. Which parts get one trial more is random, too.
    """
    condition = np.asarray(condition)
    order = np.lexsort((generator.random(len(condition)), condition))
    ordered = condition[order]
    first = np.searchsorted(ordered, ordered)
    rank = np.arange(len(ordered)) - first
    offset = generator.integers(0, parts, int(condition.max(initial=0)) + 1)
    part = np.empty(len(condition), dtype=np.int64)
    part[order] = (rank + offset[ordered]) % parts
    return part


def group_means(response: np.ndarray, condition: np.ndarray, conditions: int) -> np.ndarray:
    """Mean response in each condition, NaN left out; float64 (condition, unit), NaN: none."""
    from scipy.sparse import csr_array

    shape = (conditions, len(condition))
    member = csr_array((np.ones(len(condition)), (condition, np.arange(len(condition)))), shape)
    measured = np.isfinite(response)
    count = member @ measured.astype(np.float64)
    total = member @ np.where(measured, response, 0.0).astype(np.float64)
    result: np.ndarray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return result


def column_correlation(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Pearson correlation of each pair of columns over the rows finite in both.

    Returns
    -------
    float64 array (unit,)
        NaN with fewer than three such rows, or a column that does not change.
    """
    both = np.isfinite(one) & np.isfinite(two)
    rows = both.sum(axis=0)
    centred = []
    for values in (one, two):
        values = np.where(both, values, 0.0)
        mean = values.sum(axis=0) / np.maximum(rows, 1)
        centred.append(np.where(both, values - mean, 0.0))
    power = [np.sum(values**2, axis=0) for values in centred]
    # a constant leaves rounding of about its square times the machine's precision squared
    floor = [1e-26 * np.sum(np.where(both, values, 0.0) ** 2, axis=0) for values in (one, two)]
    usable = (rows >= FEWEST_CONDITIONS) & (power[0] > floor[0]) & (power[1] > floor[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.sum(centred[0] * centred[1], axis=0) / np.sqrt(power[0] * power[1])
    return np.where(usable, found, np.nan)
