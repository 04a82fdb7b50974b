"""Autocorrelation of activity and the time-scales read off it."""

from __future__ import annotations

import numpy as np

from mesomode.errors import DataError

UNITS_AT_ONCE = 32
"""Units Fourier-transformed together, to bound the memory."""


def autocovariance(
    traces: np.ndarray, lags: int, pieces: list[tuple[int, int]] | None = None
) -> np.ndarray:
    """Autocovariance of every unit at the lags 0, 1, 2 and so on.

    The mean over all finite frames is removed, then products are averaged over the pairs of
    frames that both are finite and lie in the same piece.

    Parameters
    ----------
    traces : float array (time, unit)
        NaN: not measured; such frames are left out for that unit.
    lags : int
        Number of lags, at least 1.
    pieces : list of (start, end), optional
        Frames [start, end) recorded without interruption; by default all frames are one piece.

    Returns
    -------
    float64 array (lag, unit)
        NaN where no pair of frames exists.

    Raises
    ------
    DataError
        No piece is longer than the longest lag, or a unit has no finite frame.
    """
    pieces = [(0, len(traces))] if pieces is None else pieces
    longest = max((end - start for start, end in pieces), default=0)
    if longest < lags:
        raise DataError(
            f"the recording is too short for an autocorrelation over {lags} frames",
            why=f"the longest uninterrupted piece has {longest} frames",
            remedy="lower the longest lag",
        )
    units = traces.shape[1]
    result = np.empty((lags, units))
    for first in range(0, units, UNITS_AT_ONCE):
        chosen = slice(first, first + UNITS_AT_ONCE)
        result[:, chosen] = _autocovariance(np.asarray(traces[:, chosen], float), lags, pieces)
    return result


def _autocovariance(traces: np.ndarray, lags: int, pieces: list[tuple[int, int]]) -> np.ndarray:
    measured = np.zeros(traces.shape, dtype=bool)
    for start, end in pieces:
        measured[start:end] = np.isfinite(traces[start:end])
    counts = measured.sum(axis=0)
    if not counts.all():
        raise DataError(
            f"{np.sum(counts == 0)} units have no finite frame",
            why="nothing was measured in them in the pieces of time asked for",
            remedy="drop these units",
        )
    values = np.where(measured, traces, 0.0)
    values = np.where(measured, values - values.sum(axis=0) / counts, 0.0)
    products = np.zeros((lags, traces.shape[1]))
    pairs = np.zeros_like(products)
    for start, end in pieces:
        kept = min(lags, end - start)
        products[:kept] += _lagged(values[start:end], kept)
        pairs[:kept] += np.rint(_lagged(measured[start:end].astype(float), kept))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, products / pairs, np.nan)


def _lagged(values: np.ndarray, lags: int) -> np.ndarray:
    """Sums of products Σₜ x(t) x(t + lag), by zero-padded Fourier transforms."""
    from scipy.fft import irfft, next_fast_len, rfft

    length = next_fast_len(len(values) + lags, real=True)
    spectrum = rfft(values, n=length, axis=0)
    return irfft(spectrum.real**2 + spectrum.imag**2, n=length, axis=0)[:lags]


def normalised(covariance: np.ndarray) -> np.ndarray:
    """Autocorrelation C(lag)/C(0); NaN for units that never change.

    Parameters
    ----------
    covariance : float array (lag, …)
    """
    variance = covariance[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0, covariance / variance, np.nan)


def half_width(correlation: np.ndarray, step: float) -> float:
    """Lag at which an autocorrelation first falls to one half, by linear interpolation.

    Parameters
    ----------
    correlation : float array (lag,)
        Starting with 1 at lag 0.
    step : float
        Time between two lags.

    Returns
    -------
    float
        In the unit of ``step``; NaN if it does not fall that far within the lags.
    """
    return _crossing(correlation, 0.5) * step


def integrated(correlation: np.ndarray, step: float) -> float:
    """Integral of an autocorrelation from lag 0 to its first zero (trapezoid rule).

    For exp(−t/τ) it is τ. NaN if there is no zero crossing within the lags and the last value
    is still above 0.05, as then a part of the integral is missing.

    Parameters
    ----------
    correlation : float array (lag,)
    step : float
        Time between two lags.
    """
    zero = _crossing(correlation, 0.0)
    if np.isnan(zero):
        if not correlation[-1] <= 0.05:
            return float("nan")
        zero = len(correlation) - 1.0
    whole = int(zero)
    head = np.asarray(correlation[: whole + 1], dtype=np.float64)
    area = float(np.sum(head[1:] + head[:-1]) / 2)
    return (area + (zero - whole) * float(head[-1]) / 2) * step


def integrated_square(correlation: np.ndarray, step: float) -> float:
    """τ₂ = ∫ (C(τ)/C(0))² dτ over both signs of the lag (trapezoid rule).

    The participation ratio from a recording of length T is biased by about
    1/PR → 1/PR + τ₂/T.
    """
    square = np.asarray(correlation, dtype=np.float64) ** 2
    return float(np.sum(square[1:] + square[:-1])) * step


def exponential_time(correlation: np.ndarray, step: float, floor: float = 0.1) -> float:
    """Time constant of an exponential fitted to the fall of an autocorrelation.

    A exp(−t/τ) is fitted by least squares from lag 1 on, while the correlation stays above
    ``floor`` times its value at lag 1. Lag 0 is left out, as measurement noise that is
    independent from frame to frame adds to it alone.

    Parameters
    ----------
    correlation : float array (lag,)
    step : float
        Time between two lags.
    floor : float
        Part of the value at lag 1 at which the fit ends.

    Returns
    -------
    float
        τ in the unit of ``step``; NaN if it falls too fast (fewer than three lags) or never.
    """
    from scipy.optimize import least_squares

    values = np.asarray(correlation, dtype=np.float64)[1:]
    if not values.size or not values[0] > 0:
        return float("nan")
    below = np.flatnonzero(~(values > floor * values[0]))
    end = int(below[0]) if below.size else len(values)
    if end < 3:
        return float("nan")
    values, lags = values[:end] / values[0], np.arange(end, dtype=np.float64)
    slope = np.polyfit(lags, np.log(values), 1)[0]
    if slope >= 0:
        return float("nan")
    fit = least_squares(
        lambda p: p[0] * np.exp(-np.exp(p[1]) * lags) - values, [1.0, np.log(-slope)]
    )
    time = float(np.exp(-fit.x[1]))
    return time * step if time < 10 * len(correlation) else float("nan")


def _crossing(values: np.ndarray, level: float) -> float:
    """Index, interpolated, at which ``values`` first reaches ``level`` from above; NaN: never."""
    below = np.flatnonzero(np.asarray(values) <= level)
    if not below.size or below[0] == 0 or np.isnan(values[: below[0]]).any():
        return float("nan")
    index = int(below[0])
    above, under = float(values[index - 1]), float(values[index])
    return index - 1 + (above - level) / (above - under)
