"""Measures of simulated activity: autocovariance, dimension, time scales.

The activity of an odd φ has mean zero, and none is subtracted; that of another φ has a mean in
every unit, which :func:`without_mean` takes off first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.sparse.linalg import eigsh

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
    squared_trace, squared_covariance : float
        (tr C)² and tr C² without that bias; over several networks these are averaged, not
        their ratio. NaN for a single trajectory.
    covariance_eigenvalue : (mode,) ndarray
        Eigenvalues of the pooled covariance, descending; empty if not asked for.
    """

    participation_ratio: float
    participation_ratio_error: float
    naive_participation_ratio: float
    squared_trace: float
    squared_covariance: float
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


def dimensionality(samples: NDArray, *, eigenvalues: bool = True) -> Dimensionality:
    """Measure the dimension of activity.

    Parameters
    ----------
    samples : (trajectory, time, unit) ndarray
        Activity in independent trajectories of the same network.
    eigenvalues : bool
        Whether those of the covariance are computed, which takes longest.

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
    own, trace, with_all, spectrum = (_by_time if count * times < units else _by_unit)(
        samples, eigenvalues
    )
    pairs = with_all.sum() - own.sum()
    squares = trace.sum() ** 2 - np.sum(trace**2)
    number = count * (count - 1) if count > 1 else np.nan
    averages = float(squares / number), float(pairs / number)
    if trace.mean() < QUIESCENT * units:
        return Dimensionality(np.nan, np.nan, np.nan, *averages, spectrum)
    naive = float(trace.sum() ** 2 / with_all.sum())
    if count < 2 or pairs <= 0:
        return Dimensionality(np.nan, np.nan, naive, *averages, spectrum)
    error = np.nan
    if count > 2:
        pairs_without = pairs - 2 * (with_all - own)
        squares_without = squares - 2 * trace * (trace.sum() - trace)
        without = squares_without / pairs_without
        error = float(np.sqrt((count - 1) * np.var(without)))
    return Dimensionality(float(squares / pairs), error, naive, *averages, spectrum)


Moments = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _by_unit(samples: NDArray, eigenvalues: bool) -> Moments:
    """Of each trajectory b tr C_b², tr C_b and tr(C_b ΣC); eigenvalues of the mean covariance."""
    count, times, units = samples.shape
    total = np.zeros((units, units))
    own, trace = np.empty((2, count))
    for b, trajectory in enumerate(samples):
        covariance = trajectory.T @ trajectory / times
        own[b] = np.sum(np.square(covariance, dtype=np.float64))
        trace[b] = np.trace(covariance, dtype=np.float64)
        total += covariance
    with_all = np.array([_quadratic(trajectory, total) for trajectory in samples])
    spectrum = np.linalg.eigvalsh(total / count)[::-1] if eigenvalues else np.empty(0)
    return own, trace, with_all, spectrum


def _by_time(samples: NDArray, eigenvalues: bool) -> Moments:
    """The same from the products of all pairs of times, where these are fewer than the units.

    tr(C_a C_b) = Σ_tt' (x_a(t)·x_b(t'))²/T², and the covariance has the eigenvalues other than
    zero of the matrix of products.
    """
    count, times, units = samples.shape
    flat = samples.reshape(count * times, units)
    products = (flat @ flat.T).astype(np.float64) / times
    squares = np.square(products).reshape(count, times, count, times).sum(axis=(1, 3))
    trace = np.trace(products.reshape(count, times, count, times).diagonal(0, 0, 2))
    spectrum = np.zeros(units if eigenvalues else 0)
    if eigenvalues:
        spectrum[: len(flat)] = np.linalg.eigvalsh(products / count)[::-1]
    return np.diagonal(squares).copy(), trace, squares.sum(axis=1), spectrum


def _quadratic(trajectory: NDArray, matrix: NDArray) -> float:
    """Average over times of xᵀ M x."""
    product = trajectory @ matrix.astype(trajectory.dtype)
    return float(np.einsum("tu,tu->", product, trajectory, dtype=np.float64) / len(trajectory))


def without_mean(samples: NDArray) -> NDArray:
    """Subtract from every unit its mean over trajectories and time.

    Parameters
    ----------
    samples : (trajectory, time, unit) ndarray

    Returns
    -------
    (trajectory, time, unit) ndarray
        Of the same precision. What trajectories at different fixed points differ in stays.
    """
    return samples - samples.mean(axis=(0, 1), dtype=np.float64).astype(samples.dtype)


def standardised(samples: NDArray) -> NDArray:
    """Divide every unit by its root mean square over trajectories and time (z-scores).

    Parameters
    ----------
    samples : (trajectory, time, unit) ndarray
        Of mean zero.

    Returns
    -------
    (trajectory, time, unit) ndarray
        Of the same precision; a unit without activity stays zero.
    """
    power = np.mean(np.square(samples, dtype=np.float64), axis=(0, 1))
    active = power > QUIESCENT
    scale = np.where(active, 1.0 / np.sqrt(np.where(active, power, 1.0)), 0.0)
    return samples * scale.astype(samples.dtype)


def population_autocovariance(
    samples: NDArray, lags: ArrayLike, *, partners: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Autocovariance of the whole population, ψ(τ, τ)/ψ(0, 0).

    ψ(τ, τ) = (1/N) Σ_ij C_ij(τ)² of the covariances C_ij(τ) = ⟨a_i(t + τ) a_j(t)⟩ of all pairs
    of units; it decays more slowly than the square of a single unit's autocovariance.

    Parameters
    ----------
    samples : (trajectory, time, unit) ndarray
        Activity in independent trajectories of the same network, at least three.
    lags : (lag,) array_like of int
        In samples, the first zero; less than there are times.
    partners : int
        Each trajectory b is paired with the ``partners`` after it in a circle.

    Returns
    -------
    ratio, error : (lag,) ndarray of float64
        The error is the standard one over trajectories (jackknife). NaN without activity.

    Raises
    ------
    DataError
        Fewer than three trajectories, or lags that are not possible.

    Notes
    -----
    In the product of covariances from two different trajectories, tr C_b(τ) C_b'(τ)ᵀ =
    Σ_tt' K(t + τ, t' + τ) K(t, t')/T² with K(t, t') = Σ_i a_i^b(t) a_i^b'(t'), there is no
    bias from finite time, and no matrix of units by units is formed.
    """
    lag = np.asarray(lags, dtype=int)
    count, times, units = samples.shape
    fits = lag.size > 0 and lag[0] == 0 and lag.min() == 0 and lag.max() < times
    if count < 3 or partners < 1 or not fits:
        raise DataError(
            "the autocovariance of the population cannot be measured",
            why=f"{count} trajectories (at least 3 are needed) of {times} samples, lags up to "
            f"{lag.max(initial=0)}",
            remedy="use more dynamics.trajectories or a shorter dynamics.longest_lag",
        )
    pairs = [
        (b, (b + step) % count)
        for step in range(1, min(partners, (count - 1) // 2) + 1)
        for b in range(count)
    ]
    energy = np.empty((len(pairs), lag.size))
    for place, (one, other) in enumerate(pairs):
        overlap = (samples[one] @ samples[other].T).astype(np.float64)
        for index, shift in enumerate(lag):
            kept = times - shift
            shifted = overlap[shift:, shift:]
            energy[place, index] = np.sum(shifted * overlap[:kept, :kept]) / (units * kept**2)
    total = energy.sum(axis=0)
    if not np.mean(np.square(samples, dtype=np.float64)) > QUIESCENT or total[0] <= 0:
        return np.full(lag.size, np.nan), np.full(lag.size, np.nan)
    members = np.array(pairs)
    without = np.array(
        [total - energy[(members == b).any(axis=1)].sum(axis=0) for b in range(count)]
    )
    without /= without[:, :1]
    error = np.sqrt((count - 1) * without.var(axis=0))
    return total / total[0], error


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


def leading_projection(samples: NDArray, count: int) -> NDArray[np.float32]:
    """Project standardised units on their leading principal directions.

    Parameters
    ----------
    samples : (trajectory, time, unit) ndarray
        Activity. Units that never change do not enter.
    count : int
        Number of directions; no more than half of the units are used.

    Returns
    -------
    (trajectory, time, component) ndarray of float32
        Largest variance first; the largest weight of each direction is positive.
    """
    units = samples.shape[2]
    flat = samples.reshape(-1, units)
    mean = flat.mean(axis=0, dtype=np.float64)
    spread = flat.std(axis=0, dtype=np.float64)
    scale = np.divide(1.0, spread, out=np.zeros(units), where=spread > 0)
    kept = max(1, min(count, units // 2, len(flat)))
    if len(flat) < units:
        directions = _directions_by_time(flat, mean, scale, kept)
    else:
        covariance = (flat.T @ flat).astype(np.float64) / len(flat) - np.outer(mean, mean)
        correlation = covariance * np.outer(scale, scale)
        values, directions = eigsh(correlation, k=kept, which="LA", v0=np.ones(units))
        directions = directions[:, np.argsort(values)[::-1]]
    largest = np.abs(directions).argmax(axis=0)
    directions *= np.sign(directions[largest, np.arange(kept)])
    weights = (scale[:, None] * directions).astype(samples.dtype)
    offset = (mean @ weights).astype(samples.dtype)
    return (samples @ weights - offset).astype(np.float32)


def _directions_by_time(
    flat: NDArray, mean: NDArray[np.float64], scale: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Leading principal directions from the products of all pairs of times."""
    weighted = flat * np.square(scale).astype(flat.dtype)
    products = (weighted @ flat.T).astype(np.float64)
    shifted = (weighted @ mean.astype(flat.dtype)).astype(np.float64)
    products += np.sum(np.square(scale * mean)) - shifted[:, None] - shifted
    values, times = np.linalg.eigh(products)
    values, times = values[: -count - 1 : -1], times[:, : -count - 1 : -1]
    lengths = np.sqrt(np.maximum(values, np.finfo(np.float64).tiny))
    directions = flat.T @ (times / lengths).astype(flat.dtype)
    return scale[:, None] * (directions - np.outer(mean, times.sum(axis=0) / lengths))
