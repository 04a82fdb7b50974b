"""What networks drawn from one ensemble have in common: spread from draw to draw, N → ∞.

Theory is for infinitely many units. At N units a measured quantity differs from it by a bias
and a spread from one draw of the couplings to the next, both of order 1/N where the units are
many enough (:meth:`mesomode.dynamics.prediction.MeanField.asymptotic_size`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.dynamics import measures
from mesomode.dynamics.simulation import simulate
from mesomode.errors import DataError
from mesomode.network.coupling import Network


@dataclass(frozen=True)
class Draw:
    """What one network gave.

    Parameters
    ----------
    variance, variance_x : float
        C_φ(0) and C_x(0).
    curve, curve_error : (lag,) ndarray
        C_φ(τ) at the lags asked for, and its standard error over initial states.
    squared_trace, squared_covariance : float
        (tr C)²/N² and tr C²/N of the covariance of φ(x), without bias from finite time.
    participation_ratio, participation_ratio_error : float
        Their ratio, the dimension per unit, and its standard error over initial states.
    participation_ratio_standardised : float
        The same of units divided by their standard deviations.
    frozen : float
        Share of trajectories at fixed points.
    step_error : float
        See :class:`mesomode.dynamics.simulation.Trajectories`.
    """

    variance: float
    variance_x: float
    curve: NDArray[np.float64]
    curve_error: NDArray[np.float64]
    squared_trace: float
    squared_covariance: float
    participation_ratio: float
    participation_ratio_error: float
    participation_ratio_standardised: float
    frozen: float
    step_error: float


NOTHING = Draw(
    *(np.nan, np.nan, np.array([np.nan]), np.array([np.nan])),
    *(np.nan,) * 7,
)
"""A network that could not be drawn."""


def measure(
    network: Network,
    lag: ArrayLike,
    *,
    generator: np.random.Generator,
    nonlinearity: str = "erf",
    noise: float = 0.0,
    trajectories: int = 32,
    time_step: float = 0.2,
    burn_in: float = 60.0,
    duration: float = 60.0,
    sampling_interval: float = 0.5,
    checks: bool = False,
) -> Draw:
    """Simulate a network and measure what theory predicts.

    Parameters
    ----------
    network : Network
    lag : (lag,) array_like
        In time constants, whole numbers of sampling intervals.
    generator, nonlinearity, noise, trajectories, time_step, burn_in, duration, \
sampling_interval, checks
        As of :func:`mesomode.dynamics.simulation.simulate`.

    Returns
    -------
    Draw

    Raises
    ------
    DataError, MemoryLimitError, SolverError
        As from the simulation.
    """
    found = simulate(
        network,
        generator=generator,
        nonlinearity=nonlinearity,
        noise=noise,
        trajectories=trajectories,
        time_step=time_step,
        burn_in=burn_in,
        duration=duration,
        sampling_interval=sampling_interval,
        checks=checks,
    )
    activity, states = found.fluctuations()
    places = np.rint(np.asarray(lag, dtype=float) / sampling_interval).astype(int)
    curve, error = measures.autocovariance(activity, int(places.max(initial=0)) + 1)
    dimension = measures.dimensionality(activity, eigenvalues=False)
    scaled = measures.dimensionality(measures.standardised(activity), eigenvalues=False)
    units = network.units
    return Draw(
        variance=float(curve[0]),
        variance_x=float(np.mean(np.square(states, dtype=np.float64))),
        curve=curve[places],
        curve_error=error[places],
        squared_trace=dimension.squared_trace / units**2,
        squared_covariance=dimension.squared_covariance / units,
        participation_ratio=dimension.participation_ratio / units,
        participation_ratio_error=dimension.participation_ratio_error / units,
        participation_ratio_standardised=scaled.participation_ratio / units,
        frozen=measures.frozen_fraction(activity),
        step_error=found.step_error,
    )


def mean_and_error(values: ArrayLike) -> tuple[float, float]:
    """Mean over draws and its standard error; NaN for a single one."""
    data = np.asarray(values, dtype=np.float64)
    return float(data.mean()), float(measures.standard_error(data))


def ratio_and_error(numerator: ArrayLike, denominator: ArrayLike) -> tuple[float, float]:
    """Ratio of two means over draws, and its standard error by the jackknife.

    Parameters
    ----------
    numerator, denominator : (draw,) array_like
        For the dimension (tr C)² and tr C²: averaged apart, as theory does.

    Returns
    -------
    ratio, error : float
        The error is NaN for fewer than two draws.
    """
    above = np.asarray(numerator, dtype=np.float64)
    below = np.asarray(denominator, dtype=np.float64)
    ratio = float(above.sum() / below.sum())
    count = len(above)
    if count < 2:
        return ratio, float("nan")
    without = (above.sum() - above) / (below.sum() - below)
    # leaving out one of n moves a mean by 1/(n − 1) of its deviation
    return ratio, float(np.sqrt((count - 1) * np.var(without)))


@dataclass(frozen=True)
class Limit:
    """Line value = ``value`` + ``slope``/N through measured sizes.

    Parameters
    ----------
    value, error : float
        At N → ∞, with its standard error.
    slope : float
    """

    value: float
    error: float
    slope: float


def extrapolate(units: ArrayLike, values: ArrayLike, errors: ArrayLike | None = None) -> Limit:
    """Extrapolate to N → ∞ by a line in 1/N.

    Parameters
    ----------
    units : (point,) array_like
        N of each point; several may be of one size.
    values : (point,) array_like
    errors : (point,) array_like, optional
        Standard errors. If not given they are taken as proportional to 1/N, and their size
        from the distances of the points to the line.

    Returns
    -------
    Limit

    Raises
    ------
    DataError
        Fewer than two sizes, or without errors fewer than three points.
    """
    inverse = 1.0 / np.asarray(units, dtype=np.float64)
    value = np.asarray(values, dtype=np.float64)
    if len(np.unique(inverse)) < 2 or (errors is None and len(value) < 3):
        raise DataError(
            "there are too few networks to extrapolate from",
            why=f"{len(value)} networks of {len(np.unique(inverse))} sizes",
            remedy="give at least two sizes (dynamics.scaling_units)",
        )
    scale = inverse if errors is None else np.asarray(errors, dtype=np.float64)
    design = np.stack([np.ones_like(inverse), inverse], axis=1) / scale[:, None]
    fitted, *_ = np.linalg.lstsq(design, value / scale, rcond=None)
    covariance = np.linalg.inv(design.T @ design)
    if errors is None:
        residual = value / scale - design @ fitted
        covariance *= float(residual @ residual) / (len(value) - 2)
    return Limit(float(fitted[0]), float(np.sqrt(covariance[0, 0])), float(fitted[1]))


def spread_times_units(units: ArrayLike, values: ArrayLike) -> float:
    """Standard deviation over draws times N, pooled over sizes.

    Parameters
    ----------
    units : (size,) array_like
    values : (size, draw) array_like

    Returns
    -------
    float
        s, where the standard deviation is s/N; NaN for single draws. Sizes with NaN do not
        enter.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.shape[1] < 2:
        return float("nan")
    known = np.isfinite(data).all(axis=1)
    if not known.any():
        return float("nan")
    scaled = np.asarray(units, dtype=np.float64)[known, None] * data[known]
    return float(np.sqrt(np.mean(scaled.var(axis=1, ddof=1))))


def exponential_strengths(effective_rank: float, units: int) -> NDArray[np.float64]:
    """Strengths of as many modes as units, exp(−a/(βN)), with a given effective rank.

    Parameters
    ----------
    effective_rank : float
        PR_D = β tanh(1/β) for many units, above 0 and at most 1, where all are equal.
    units : int
        N.

    Returns
    -------
    (unit,) ndarray of float64

    Raises
    ------
    DataError
        Another effective rank.
    """
    from scipy.optimize import brentq

    from mesomode.network.modes import strengths_of

    if not 0 < effective_rank <= 1:
        raise DataError(
            f"an exponential spectrum cannot have the effective rank {effective_rank} per unit",
            remedy="use a number above 0 and at most 1",
        )
    if effective_rank > 0.999:
        return strengths_of("flat", units)
    beta = brentq(lambda b: b * np.tanh(1 / b) - effective_rank, 1e-6, 100.0)
    return strengths_of("exponential", units, decay=beta)
