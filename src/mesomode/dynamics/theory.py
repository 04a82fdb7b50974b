"""What mean-field theory predicts for a network of given gain, effective rank and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.dynamics.four_point import dimensions
from mesomode.dynamics.nonlinearity import nonlinearity_named
from mesomode.dynamics.single_site import SingleSite, solve_single_site
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
        Δ_0 = C_x(0), variance of x.
    activity_variance : float
        C_φ(0), variance of φ(x).
    gain_average : float
        Average slope ⟨φ'⟩.
    participation_ratio, participation_ratio_x : float
        Dimension of φ(x) and of x, as a fraction of the number of units; NaN if there is
        no activity.
    correlation_time : float
        ∫(C_φ(τ)/C_φ(0))² dτ over positive and negative lags; NaN if there is no activity.
    lag : (lag,) ndarray
        Lags τ ≥ 0 of the curves.
    autocovariance, activity_autocovariance : (lag,) ndarray
        C_x(τ) and C_φ(τ).
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
    _site: SingleSite | None = None

    def at(self, lag: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """C_x(τ) and C_φ(τ) at other lags."""
        lags = np.asarray(lag, dtype=np.float64)
        if self._site is None:
            return np.zeros_like(lags), np.zeros_like(lags)
        return self._site.autocovariance(lags), self._site.activity_autocovariance(lags)

    def asymptotic_size(self, units: int) -> float:
        """N·min(PR_D, 1)·(1 − g²⟨φ'⟩²)²; below 10, N units are too few for the dimension.

        PR_D enters by its magnitude, as it is negative for orthogonal couplings.
        """
        gap = 1.0 - (self.gain * self.gain_average) ** 2
        return units * min(abs(self.effective_rank), 1.0) * gap**2

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


def mean_field(
    gain: float = 3.0,
    effective_rank: float = 0.1,
    nonlinearity: str = "erf",
    noise: float = 0.0,
    *,
    lag_step: float = 0.1,
) -> MeanField:
    """Solve the mean-field theory of a network, autonomous or driven by noise.

    Parameters
    ----------
    gain : float
        Coupling gain g ≥ 0. Without noise chaotic above one, quiescent up to one.
    effective_rank : float
        PR_D per unit: positive, ``inf`` for independent couplings, or at most −1 (the
        value of orthogonal couplings).
    nonlinearity : {"erf", "tanh"}
        φ.
    noise : float
        Variance σ² of independent white noise in the input of every unit,
        dx = (−x + Jφ(x)) dt + σ dW, t in time constants: (1 + ω²) C_x(ω) = g² C_φ(ω) + σ²,
        so that the variance of x is σ²/2 without coupling. 0, or at least 1e-9.
    lag_step : float
        Distance of the lags of the curves.

    Returns
    -------
    MeanField

    Raises
    ------
    DataError
        A gain, effective rank, noise or step that is not possible.
    ConfigError
        An unknown nonlinearity.
    SolverError
        No solution is found, which happens only for gains very near to one without noise
        or, with tanh, above about 30.
    """
    phi = nonlinearity_named(nonlinearity)
    if not (np.isfinite(gain) and gain >= 0):
        raise DataError(
            f"a coupling gain of {gain} is not possible",
            why="it is a standard deviation: g² is N times the variance of a coupling",
            remedy="use a finite number that is not negative",
        )
    if not (effective_rank > 0 or effective_rank <= -1):
        raise DataError(
            f"an effective rank of {effective_rank} is not possible",
            why="1/PR_D = m4/m2² − 2 of singular values is at least −1",
            remedy="use a positive number, inf for independent couplings, or the value that "
            "mesomode.network.effective_rank gives",
        )
    if not (noise == 0 or (np.isfinite(noise) and noise >= LEAST_NOISE)):
        raise DataError(
            f"a noise of {noise} is not possible",
            why=f"it is a variance, zero or at least {LEAST_NOISE:g} for the theory to resolve it",
            remedy="use 0 for an autonomous network, or about 1",
        )
    if not (np.isfinite(lag_step) and lag_step > 0):
        raise DataError(f"a lag step of {lag_step} is not possible", remedy="use 0.1")
    if gain <= 1 and noise == 0:
        lag = np.arange(0.0, 10.0 + lag_step / 2, lag_step)
        nothing = np.zeros_like(lag)
        return MeanField(
            gain, effective_rank, nonlinearity, 0.0, 0.0, 0.0, 1.0, np.nan, np.nan, np.nan,
            lag, nothing, nothing,
        )  # fmt: skip
    site = solve_single_site(float(gain), phi, float(noise))
    activity, states = dimensions(site)
    inverse = 1.0 / effective_rank
    lag = np.arange(0.0, site.last_lag + lag_step, lag_step)
    fine = np.linspace(0.0, site.last_lag, 20_001)
    shape = site.activity_autocovariance(fine)
    correlation_time = 2 * float(np.trapezoid((shape / shape[0]) ** 2, fine))
    return MeanField(
        gain=float(gain),
        effective_rank=float(effective_rank),
        nonlinearity=nonlinearity,
        noise=float(noise),
        variance=site.variance,
        activity_variance=float(shape[0]),
        gain_average=site.averages.slope,
        participation_ratio=activity.participation_ratio(inverse),
        participation_ratio_x=states.participation_ratio(inverse),
        correlation_time=correlation_time,
        lag=lag,
        autocovariance=site.autocovariance(lag),
        activity_autocovariance=site.activity_autocovariance(lag),
        _site=site,
    )
