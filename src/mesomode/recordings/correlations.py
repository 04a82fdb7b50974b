"""Correlations between units: of what the stimulus drives, and of what varies beside it."""

from __future__ import annotations

import numpy as np

from mesomode.recordings.reliability import group_means


def complete(response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Trials and units that form a table without gaps.

    Trials in which no unit was measured are left out first, then units that miss one of the
    others or never change.

    Parameters
    ----------
    response : float array (trial, unit)
        NaN: not measured.

    Returns
    -------
    trials, units : bool arrays (trial,), (unit,)
    """
    finite = np.isfinite(response)
    trials = finite.any(axis=1)
    units = finite[trials].all(axis=0)
    if trials.any():
        kept = response[trials][:, units]
        units[units] = kept.min(axis=0) < kept.max(axis=0)
    else:
        units[:] = False
    return trials, units


def noise_covariance(response: np.ndarray, condition: np.ndarray, conditions: int) -> np.ndarray:
    """Covariance over trials about the means of the conditions, without bias.

    Parameters
    ----------
    response : float array (trial, unit)
        Finite.
    condition : int array (trial,)
    conditions : int

    Returns
    -------
    float64 array (unit, unit)
        Σ = Σ_t (r_t − m_k)(r_t − m_k)ᵀ / (T − K) with K the number of conditions met; NaN with
        no trial to spare.
    """
    mean = group_means(response, condition, conditions)
    residual = np.asarray(response, dtype=np.float64) - mean[condition]
    freedom = len(residual) - len(np.unique(condition))
    if freedom < 1:
        return np.full((response.shape[1],) * 2, np.nan)
    return residual.T @ residual / freedom


def signal_covariance(
    response: np.ndarray, condition: np.ndarray, conditions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of the mean responses over conditions, as measured and without the noise.

    The measured means carry the noise of their trials: their covariance is too large by Σ/n.

    Parameters
    ----------
    response, condition, conditions
        As for `noise_covariance`.

    Returns
    -------
    measured, corrected : float64 arrays (unit, unit)
        With K − 1 in the denominator. ``corrected`` is without bias and may have negative
        eigenvalues.
    """
    mean = group_means(response, condition, conditions)
    count = np.bincount(condition, minlength=conditions)
    mean, count = mean[count > 0], count[count > 0]
    if len(mean) < 2:
        nothing = np.full((response.shape[1],) * 2, np.nan)
        return nothing, nothing.copy()
    centred = mean - mean.mean(axis=0)
    measured = centred.T @ centred / (len(mean) - 1)
    noise = noise_covariance(response, condition, conditions)
    return measured, measured - noise * np.mean(1.0 / count)


def correlation_of(covariance: np.ndarray) -> np.ndarray:
    """Correlation matrix of a covariance; NaN for units whose variance is not positive.

    Corrected covariances can give values beyond ±1 by chance; they are kept, so that means
    over pairs are not shifted.
    """
    variance = np.diag(covariance)
    scale = np.sqrt(np.where(variance > 0, variance, np.nan))
    result: np.ndarray = covariance / scale[:, None] / scale[None, :]
    return result


def pair_mean(matrix: np.ndarray) -> float:
    """Mean over the pairs of different units, NaN left out; NaN if there is none."""
    values = matrix[np.triu_indices(len(matrix), 1)]
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")
