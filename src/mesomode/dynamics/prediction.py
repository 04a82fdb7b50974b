"""The prediction of mean-field theory: curves, dimensions and how far they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.dynamics.chaos import Solution
from mesomode.dynamics.four_point import PairCovariance
from mesomode.errors import DataError

ASYMPTOTIC = 10.0
"""Least N·PR_D·(1 − g²⟨φ'⟩²)² at which the dimension of N units follows the theory."""
FINITE_SIZE = 2.0
"""Relative deviation of the dimension of N units from theory times that number: about the most
found in simulations of 1,000 to 4,000 units, with noise or without."""
LEAST_NOISE = 1e-9
"""Least variance σ² of the noise, other than zero, that the theory resolves at any gain."""


@dataclass(frozen=True)
class MeanField:
    """Prediction for infinitely many units; lags in units of the time constant.

    Parameters
    ----------
    gain : float
        Coupling gain g.
    effective_rank : float
        PR_D per unit; ``inf`` for independent couplings.
    nonlinearity : str
        Name of φ.
    noise : float
        Variance σ² of the white noise.
    variance : float
        Δ_0 = C_x(0), variance of x; if units differ, here and below averaged over units.
    activity_variance : float
        C_φ(0), variance of φ(x).
    gain_average : float
        Average slope ⟨φ'⟩.
    participation_ratio, participation_ratio_x : float
        Dimension of φ(x) and of x, as a fraction of the number of units; NaN if there is
        no activity. With overlaps that of x is not known and NaN.
    correlation_time : float
        ∫(C_φ(τ)/C_φ(0))² dτ over positive and negative lags; NaN if there is no activity.
    lag : (lag,) ndarray
        Lags τ ≥ 0 of the curves.
    autocovariance, activity_autocovariance : (lag,) ndarray
        C_x(τ) and C_φ(τ).
    participation_ratio_standardised : float
        Dimension of φ(x) if the activity of every unit is scaled to variance one.
    loop_gain : float
        g²⟨φ'⟩²; g²⟨u²v²⟨φ'⟩²⟩ if units differ. The dimension is sensitive as it nears one.
    spread : float
        ⟨C²⟩/⟨C⟩² of the units' variances C = C_φ(0); one if units are equal.
    activity_variance_error, participation_ratio_error : float
        Standard errors of what is sampled, with overlaps; else 0.
    """

    gain: float
    effective_rank: float
    nonlinearity: str
    noise: float
    variance: float
    activity_variance: float
    gain_average: float
    participation_ratio: float
    participation_ratio_x: float
    correlation_time: float
    lag: NDArray[np.float64]
    autocovariance: NDArray[np.float64]
    activity_autocovariance: NDArray[np.float64]
    participation_ratio_standardised: float = np.nan
    loop_gain: float = 0.0
    spread: float = 1.0
    activity_variance_error: float = 0.0
    participation_ratio_error: float = 0.0
    _site: Solution | None = None
    _pairs: Callable[[], PairCovariance] | None = None

    def at(self, lag: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """C_x(τ) and C_φ(τ) at other lags."""
        lags = np.asarray(lag, dtype=np.float64)
        if self._site is None:
            return np.zeros_like(lags), np.zeros_like(lags)
        return self._site.autocovariance(lags), self._site.activity_autocovariance(lags)

    @cached_property
    def _pair_covariance(self) -> PairCovariance | None:
        return None if self._pairs is None else self._pairs()

    def population_autocovariance(self, lag: ArrayLike) -> NDArray[np.float64]:
        """ψ(τ, τ)/ψ(0, 0): how the covariances of all pairs of units decay with the lag.

        ψ(τ, τ) = (1/N) Σ_ij C_ij(τ)² of φ, with C_ij(τ) = ⟨φ_i(t + τ) φ_j(t)⟩; it decays much
        more slowly than the square of the autocovariance of single units.

        Parameters
        ----------
        lag : array_like
            Lags τ, per time constant.

        Returns
        -------
        ndarray
            Of the shape of ``lag``; NaN if there is no activity.
        """
        lags = np.asarray(lag, dtype=np.float64)
        pairs = self._pair_covariance
        return np.full(lags.shape, np.nan) if pairs is None else pairs(lags) / pairs(0.0)

    def subsampled(self, units: int, recorded: int, *, standardised: bool = False) -> float:
        """Dimension of the activity of some units that are recorded at random.

        Parameters
        ----------
        units : int
            Number of units N of the network.
        recorded : int
            Number of them that are recorded, n.
        standardised : bool
            Whether the activity of every unit is scaled to variance one.

        Returns
        -------
        float
            Participation ratio, a number of dimensions: n/[h + (n − 1)/(N − 1) (1/PR − h)] with
            h = ⟨C²⟩/⟨C⟩² of the units' variances. N·PR if all are recorded.

        Raises
        ------
        DataError
            Not between 1 and N units.
        """
        if not 1 <= recorded <= units:
            raise DataError(
                f"{recorded} of {units} units cannot be recorded",
                remedy="give a number from 1 to that of the units",
            )
        ratio, spread = self.participation_ratio, self.spread
        if standardised:
            ratio, spread = self.participation_ratio_standardised, 1.0
        share = (recorded - 1) / (units - 1) if units > 1 else 0.0
        return recorded / (spread + share * (1 / ratio - spread))

    def asymptotic_size(self, units: int) -> float:
        """N·min(PR_D, 1)·(1 − g²⟨φ'⟩²)²; below 10, N units are too few for the dimension.

        PR_D enters by its magnitude, as it is negative for orthogonal couplings.
        """
        return units * min(abs(self.effective_rank), 1.0) * (1.0 - self.loop_gain) ** 2

    def verdict(self, units: int) -> str:
        """Say whether the dimension in theory holds for so few units, and how well."""
        size = self.asymptotic_size(units)
        regime = f"gain {self.gain:.3g} and noise {self.noise:.3g}"
        text = f"N·PR_D·(1 − g²⟨φ'⟩²)² is {size:.3g} at {regime}"
        if size >= ASYMPTOTIC:
            return (
                f"{text}, at least {ASYMPTOTIC:g}: the dimension in theory holds for this network, "
                f"to about {100 * FINITE_SIZE / size:.2g} %"
            )
        return (
            f"{text}, below {ASYMPTOTIC:g}: the network has too few units for the dimension in "
            "theory; compare the simulated one"
        )


def check_drive(gain: float, noise: float, lag_step: float) -> None:
    """Refuse a gain, noise or step of lags that is not possible."""
    if not (np.isfinite(gain) and gain >= 0):
        raise DataError(
            f"a coupling gain of {gain} is not possible",
            why="it is a standard deviation: g² is N times the variance of a coupling",
            remedy="use a finite number that is not negative",
        )
    if not (noise == 0 or (np.isfinite(noise) and noise >= LEAST_NOISE)):
        raise DataError(
            f"a noise of {noise} is not possible",
            why=f"it is a variance, zero or at least {LEAST_NOISE:g} for the theory to resolve it",
            remedy="use 0 for an autonomous network, or about 1",
        )
    if not (np.isfinite(lag_step) and lag_step > 0):
        raise DataError(f"a lag step of {lag_step} is not possible", remedy="use 0.1")


def quiescent(
    gain: float, effective_rank: float, nonlinearity: str, loop_gain: float, lag_step: float
) -> MeanField:
    """Prediction without noise below the transition: no activity."""
    lag = np.arange(0.0, 10.0 + lag_step / 2, lag_step)
    nothing = np.zeros_like(lag)
    return MeanField(
        gain, effective_rank, nonlinearity, 0.0, 0.0, 0.0, 1.0, np.nan, np.nan, np.nan,
        lag, nothing, nothing, loop_gain=loop_gain,
    )  # fmt: skip


def predicted(
    site: Solution, effective_rank: float, nonlinearity: str, lag_step: float, **values: Any
) -> MeanField:
    """All that follows from the curves of a solution, and what is given."""
    lag = np.arange(0.0, site.last_lag + lag_step, lag_step)
    fine = np.linspace(0.0, site.last_lag, 20_001)
    shape = site.activity_autocovariance(fine)
    start = site.autocovariance(np.zeros(1))
    return MeanField(
        gain=site.gain,
        effective_rank=effective_rank,
        nonlinearity=nonlinearity,
        noise=site.noise,
        variance=float(start[0]),
        activity_variance=float(shape[0]),
        correlation_time=2 * float(np.trapezoid((shape / shape[0]) ** 2, fine)),
        lag=lag,
        autocovariance=site.autocovariance(lag),
        activity_autocovariance=site.activity_autocovariance(lag),
        loop_gain=site.loop_gain,
        _site=site,
        **values,
    )
