"""Reliability, ceilings, correlations and dimension of the responses to one stimulus."""

from __future__ import annotations

from typing import Any

import numpy as np

from mesomode.recordings import correlations, reliability, signal_dimension

MATRIX_UNITS = 2000
"""Most units for which matrices of correlations are kept: 16 MB each."""


def trial_statistics(
    response: np.ndarray,
    condition: np.ndarray,
    conditions: int,
    tuned: np.ndarray,
    generator: np.random.Generator,
    splits: int,
) -> dict[str, Any]:
    """What repeats over trials and what does not, of units and of the population.

    Parameters
    ----------
    response : float array (trial, unit)
        NaN: not measured.
    condition : int array (trial,)
        Condition of each trial, 0 … ``conditions`` − 1.
    conditions : int
        Number of conditions.
    tuned : bool array (unit,)
        Units over whose pairs signal correlations are averaged; those of others are noise.
    generator : numpy.random.Generator
        Draws the splits of trials.
    splits : int
        Number of random splits.

    Returns
    -------
    dict of str to array or float
        Variables of the ``recordings`` store of one test: arrays (unit,), (unit, other),
        (signal_mode,) and numbers. The population's are NaN where fewer than two units and
        conditions can be used (see `mesomode.recordings.correlations.complete`).
    """
    signal, noise, of_means = reliability.variance_components(response, condition, conditions)
    averaged, single = reliability.noise_ceiling(signal, noise, of_means)
    half, whole = reliability.split_half(response, condition, conditions, generator, splits)
    found: dict[str, Any] = {
        "signal_variance": signal,
        "noise_variance": noise,
        "noise_ceiling": averaged,
        "noise_ceiling_single": single,
        "reliability_half": half,
        "reliability": whole,
    }
    trials, units = correlations.complete(response)
    table, kinds = response[trials][:, units], condition[trials]
    noise_matrix = correlations.noise_covariance(table, kinds, conditions)
    measured, corrected = correlations.signal_covariance(table, kinds, conditions)
    noise_correlation = correlations.correlation_of(noise_matrix)
    signal_correlation = correlations.correlation_of(corrected)
    pairs = np.ix_(tuned[units], tuned[units])
    spread = np.sqrt(np.diag(noise_matrix))
    usable = spread > 0
    ratio, error = signal_dimension.signal_participation_ratio(
        table, kinds, conditions, generator, splits
    )
    scaled, scaled_error = signal_dimension.signal_participation_ratio(
        table[:, usable] / spread[usable], kinds, conditions, generator, splits
    )
    found |= {
        "noise_correlation_mean": correlations.pair_mean(noise_correlation),
        "signal_correlation_mean": correlations.pair_mean(signal_correlation[pairs]),
        "signal_correlation_plain": correlations.pair_mean(
            correlations.correlation_of(measured)[pairs]
        ),
        "signal_dimension": ratio,
        "signal_dimension_error": error,
        "signal_dimension_scaled": scaled,
        "signal_dimension_scaled_error": scaled_error,
        "signal_eigenvalue": signal_dimension.cross_validated_spectrum(
            table, kinds, conditions, generator, splits
        ),
    }
    if len(units) <= MATRIX_UNITS:
        found["noise_correlation"] = _spread(noise_correlation, units)
        found["signal_correlation"] = _spread(signal_correlation, units)
    return found


def medians(values: np.ndarray, chosen: np.ndarray) -> float:
    """Median over the chosen units that are known; NaN if there is none."""
    known = values[chosen & np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _spread(matrix: np.ndarray, units: np.ndarray) -> np.ndarray:
    """A matrix of some units as one of all, NaN elsewhere; float32."""
    result = np.full((len(units), len(units)), np.nan, dtype=np.float32)
    result[np.ix_(units, units)] = matrix
    return result
