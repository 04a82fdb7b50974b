"""Measures of simulated activity: autocovariance, dimension, time scale.

The activity of an odd φ without drive has mean zero, and none is subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from mesomode.errors import DataError

QUIESCENT = 1e-10
"""Mean square activity of a unit below which there is no activity to measure."""


@dataclass(frozen=True)
class Dimensionality:
    """Dimension of the activity of N units, from their covariances at equal times.

    Parameters
    ----------
    participation_ratio : float
        (tr C)²/tr C², without the bias of finite time; NaN without activity, for a
        single trajectory, or if noise leaves no common covariance.
    participation_ratio_error : float
        Its standard error over trajectories (jackknife).
    naive_participation_ratio : float
        The same of the covariance pooled over trajectories, biased downwards.
    covariance_eigenvalue : (mode,) ndarray
        Eigenvalues of the pooled covariance, descending.
    """

    participation_ratio: float
    participation_ratio_error: float
    naive_participation_ratio: float
    covariance_eigenvalue: NDArray[np.float64]


def autocovariance(samples: NDArray, lags: int) -> tuple[NDArray, NDArray]:
    """Autocovariance averaged over units, with its standard error over trajectories.

    Parameters
    ----------
    samples : (trajectory, time, unit) ndarray
    lags : int
        Number of lags, from zero, in samples.

    Returns
    -------
    mean, error : (lag,) ndarray of float64
        The error is NaN for a single trajectory.

    Raises
    ------
    DataError
        There are not more samples than lags.
    """
    count, times, units = samples.shape
    if not 1 <= lags <= times:
        raise DataError(
            f"{lags} lags cannot be measured in {times} samples",
            remedy="use a longer dynamics.duration or a shorter dynamics.longest_lag",
        )
    padded = next_fast_len(times + lags, real=True)
    curves = np.empty((count, lags))
    for trajectory in range(count):
        power = np.zeros(padded // 2 + 1)
        for start in range(0, units, 256):  # bounds the memory of the transforms
            block = samples[trajectory, :, start : start + 256].astype(np.float64)
            power += np.square(np.abs(rfft(block, n=padded, axis=0))).sum(axis=1)
        curves[trajectory] = irfft(power, n=padded)[:lags]
    curves /= units * (times - np.arange(lags))
    return curves.mean(axis=0), standard_error(curves)


def standard_error(values: NDArray) -> NDArray[np.float64]:
    """Standard error of the mean over the first axis; NaN for a single value."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def dimensionality(samples: NDArray) -> Dimensionality:
    """Measure the dimension of activity.

    Parameters
    ----------
    samples : (trajectory, time, unit) ndarray
        Activity in independent trajectories of the same network.

    Returns
    -------
    Dimensionality

    Notes
    -----
    tr(C_a C_b) of the covariances of two different trajectories has no bias from finite
    time, nor has tr(C_a) tr(C_b); both are averaged over all pairs. For the error each
    trajectory is left out in turn.
    """
    count, times, units = samples.shape
    total = np.zeros((units, units))
    own = np.empty(count)  # tr(C_b²)
    trace = np.empty(count)  # tr(C_b)
    for b, trajectory in enumerate(samples):
        covariance = trajectory.T @ trajectory / times
        own[b] = np.sum(np.square(covariance, dtype=np.float64))
        trace[b] = np.trace(covariance, dtype=np.float64)
        total += covariance
    with_all = np.array([_quadratic(trajectory, total) for trajectory in samples])  # tr(C_b ΣC)
    eigenvalues = np.linalg.eigvalsh(total / count)[::-1]
    pairs = with_all.sum() - own.sum()
    squares = trace.sum() ** 2 - np.sum(trace**2)
    if trace.mean() < QUIESCENT * units:
        return Dimensionality(np.nan, np.nan, np.nan, eigenvalues)
    naive = float(trace.sum() ** 2 / np.sum(total**2))
    if count < 2 or pairs <= 0:
        return Dimensionality(np.nan, np.nan, naive, eigenvalues)
    error = np.nan
    if count > 2:
        pairs_without = pairs - 2 * (with_all - own)
        squares_without = squares - 2 * trace * (trace.sum() - trace)
        without = squares_without / pairs_without
        error = float(np.sqrt((count - 1) * np.var(without)))
    return Dimensionality(float(squares / pairs), error, naive, eigenvalues)


def _quadratic(trajectory: NDArray, matrix: NDArray) -> float:
    """Average over times of xᵀ M x."""
    product = trajectory @ matrix.astype(trajectory.dtype)
    return float(np.einsum("tu,tu->", product, trajectory, dtype=np.float64) / len(trajectory))


def correlation_time(curve: NDArray, spacing: float) -> float:
    """∫(C(τ)/C(0))² dτ over positive and negative lags; NaN without activity."""
    if not curve[0] > QUIESCENT:
        return float("nan")
    return 2 * float(np.trapezoid(np.square(curve / curve[0]), dx=spacing))


def frozen_fraction(samples: NDArray) -> float:
    """Share of trajectories that do not move: at a fixed point, zero or not.

    A trajectory counts as frozen if its variance in time, averaged over units, is below
    1e-6 of one.
    """
    moving = [float(trajectory.var(axis=0, dtype=np.float64).mean()) for trajectory in samples]
    return float(np.mean(np.array(moving) < 1e-6))
