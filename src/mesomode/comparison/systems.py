"""A recording or a network as a system whose dimension and time-scales are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesomode.comparison import timescales
from mesomode.comparison.dimension import Moments, subsampled_participation_ratio

KINDS = ("recording", "network")


@dataclass(frozen=True)
class System:
    """What is compared of one system.

    Parameters
    ----------
    name : str
        Session or variant.
    kind : str
        One of `KINDS`.
    units : int
        Number of units N.
    participation_ratio, error, plain : float
        Number of dimensions: unbiased, its standard error, and of the sample covariance.
    moments : Moments, optional
        Sums over the covariance matrix; None: only the participation ratio is known.
    eigenvalues : float array (mode,)
        Of the covariance, largest first.
    lag : float array (lag,)
        Evenly spaced from 0; in s for recordings, in time constants for networks.
    autocovariance : float array (lag,)
        Averaged over units.
    """

    name: str
    kind: str
    units: int
    participation_ratio: float
    error: float
    plain: float
    moments: Moments | None
    eigenvalues: np.ndarray
    lag: np.ndarray
    autocovariance: np.ndarray

    @property
    def step(self) -> float:
        """Time between two lags."""
        return float(self.lag[1] - self.lag[0])

    def dimension_of(self, units: int) -> float:
        """Dimension expected for ``units`` random units; NaN with more than there are.

        From the covariance matrix where it is known (see `Moments.subsampled`); otherwise for
        statistically alike units (random-mode theory, §1.4e).
        """
        if units > self.units or not self.participation_ratio > 0:
            return float("nan")
        if self.moments is not None:
            return self.moments.subsampled(units)
        return subsampled_participation_ratio(units, self.units, self.participation_ratio)

    def correlation(self, remove_frame_noise: bool) -> tuple[np.ndarray, float]:
        """Autocorrelation, for recordings without the noise of single frames if so wished.

        Returns
        -------
        correlation : float64 array (lag,)
            1 at lag 0; NaN for a system without activity.
        noise_fraction : float
            Part of the variance that was left out; a lower bound, as the straight line through
            the next two lags passes above a smooth autocovariance.
        """
        covariance = np.array(self.autocovariance, dtype=np.float64)
        noise = 0.0
        if remove_frame_noise and self.kind == "recording" and covariance[0] > 0:
            signal = 2 * covariance[1] - covariance[2]
            if 0 < signal < covariance[0]:
                noise = 1 - signal / covariance[0]
                covariance[0] = signal
        return timescales.normalised(covariance), float(noise)


def time_constants(kinds: np.ndarray, half_widths: np.ndarray) -> np.ndarray:
    """Time constant of each network with which it is as slow as the recordings, in s.

    Parameters
    ----------
    kinds : int array (system,)
        Index into `KINDS`.
    half_widths : float array (system,)
        Of the autocorrelation: s for recordings, time constants for networks; NaN: unknown.

    Returns
    -------
    float64 array (system,)
        Median over the recordings of the ratio of half widths. NaN: recordings; 1: networks
        where no ratio is known.
    """
    recorded = half_widths[(kinds == KINDS.index("recording")) & np.isfinite(half_widths)]
    result = np.full(len(kinds), np.nan)
    for place in np.flatnonzero(kinds == KINDS.index("network")):
        known = len(recorded) > 0 and half_widths[place] > 0
        result[place] = np.median(recorded) / half_widths[place] if known else 1.0
    return result


def common_frame(steps: np.ndarray, constants: np.ndarray) -> float:
    """Shortest frame, in s, that every system can be averaged to: the coarsest sampling.

    Parameters
    ----------
    steps : float array (system,)
        Time between samples: s for recordings, time constants for networks.
    constants : float array (system,)
        See `time_constants`.
    """
    return float(np.max(steps * np.where(np.isnan(constants), 1.0, constants)))


def cumulative_variance(eigenvalues: np.ndarray, modes: int) -> np.ndarray:
    """Part of the variance in the first 1, 2, … ``modes`` directions; NaN beyond the last."""
    result = np.full(modes, np.nan)
    total = float(eigenvalues.sum())
    if total > 0:
        kept = np.cumsum(eigenvalues)[:modes] / total
        result[: len(kept)] = kept
    return result


def in_half_widths(correlation: np.ndarray, half_width: float, grid: np.ndarray) -> np.ndarray:
    """Autocorrelation at multiples of its half width, by linear interpolation.

    Parameters
    ----------
    correlation : float array (lag,)
    half_width : float
        In lags; NaN: unknown.
    grid : float array (scaled_lag,)
        Multiples of the half width.

    Returns
    -------
    float64 array (scaled_lag,)
        NaN beyond the longest lag, or everywhere if the half width is unknown.
    """
    if np.isnan(half_width):
        return np.full(len(grid), np.nan)
    lags = np.arange(len(correlation), dtype=np.float64)
    return np.interp(grid * half_width, lags, correlation, right=np.nan)


def shape_difference(one: np.ndarray, two: np.ndarray) -> float:
    """Root mean square difference of two autocorrelations on the same grid of half widths.

    Lags that either lacks are left out; NaN if they share less than half of the grid.
    """
    shared = np.isfinite(one) & np.isfinite(two)
    if 2 * shared.sum() < len(one):
        return float("nan")
    return float(np.sqrt(np.mean((one[shared] - two[shared]) ** 2)))
