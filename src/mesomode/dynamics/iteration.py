"""Single-unit mean-field theory by iteration of its fixed-point equation.

The autocovariance Δ(τ) of the field that a unit receives from the others, filtered by its
time constant, obeys (1 + ω²) Δ(ω) = g² C(ω), where C is the autocovariance of the activity
that Δ itself causes. In time, Δ is C convolved with g² exp(−|τ|)/2. The equation is iterated
with mixing after Anderson; unlike the potential method this needs nothing of C but that it
can be calculated from Δ, so that units may differ and have noise at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.signal import lfilter

from mesomode.dynamics.mixing import AndersonMixing
from mesomode.dynamics.nonlinearity import Nonlinearity
from mesomode.errors import SolverError

STEP = 0.05
"""Distance of the lags, in time constants; the result is exact to the fourth order in it."""
TOLERANCE = 1e-11
"""Largest change of the last iteration, as a share of the variance."""
ITERATIONS = 3000
FAR = 1e-11
"""Share of the variance below which the autocovariance at the last lag must be."""
LONGEST = 20_000.0
"""Longest lag, in time constants, that is tried."""

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Activity = Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], float]]
"""Maps lags and Δ(τ) there to C(τ) and to g²∂C/∂Δ at Δ = 0 (the loop gain)."""


@dataclass(frozen=True)
class Iterated:
    """Fixed point of the mean-field equation.

    Parameters
    ----------
    lag : (lag,) ndarray
        Equidistant lags from zero.
    values : (lag,) ndarray
        Δ(τ).
    decay_rate : float
        Rate √(1 − loop gain) at which Δ decays at long lags.
    iterations : int
        Number of iterations that were needed.
    """

    lag: NDArray[np.float64]
    values: NDArray[np.float64]
    decay_rate: float
    iterations: int

    def __call__(self, lag: NDArray) -> NDArray[np.float64]:
        """Δ(τ) at other lags: a spline of the logarithm, and an exponential tail."""
        lag = np.abs(np.asarray(lag, dtype=np.float64))
        usable = self.values > 1e-9 * self.values[0]
        last = len(usable) if usable.all() else int(np.argmin(usable))
        curve = CubicSpline(self.lag[:last], np.log(self.values[:last]))
        end = self.lag[last - 1]
        beyond = np.maximum(lag - end, 0.0)
        return np.exp(curve(np.minimum(lag, end)) - self.decay_rate * beyond)


def autonomous_activity(gain: float, nonlinearity: Nonlinearity) -> Activity:
    """Map from Δ to C for equal units without noise, whose x has the autocovariance Δ."""

    def activity(lag: NDArray, delta: NDArray) -> tuple[NDArray[np.float64], float]:
        averages = nonlinearity.averages(float(delta[0]))
        return averages.covariance(delta), (gain * averages.slope) ** 2

    return activity


def solve_by_iteration(gain: float, activity: Activity, *, start: Curve, rate: float) -> Iterated:
    """Iterate the mean-field equation to its fixed point.

    Parameters
    ----------
    gain : float
        Coupling gain g.
    activity : callable
        C and the loop gain from lags and Δ.
    start : callable
        Guess of Δ(τ).
    rate : float
        Guess of the rate of decay of Δ, per time constant.

    Returns
    -------
    Iterated

    Raises
    ------
    SolverError
        It does not converge, or only with correlations longer than 20,000 time constants.
    """
    longest = 40.0 / rate
    while longest <= LONGEST:
        lag = STEP * np.arange(int(np.ceil(longest / STEP)) + 1, dtype=np.float64)
        values, loop, iterations = _fixed_point(gain, activity, lag, start(lag))
        if values[-1] < FAR * values[0]:
            return Iterated(lag, values, float(np.sqrt(1.0 - loop)), iterations)
        longest *= 2
    raise SolverError(
        "the mean-field equation has no solution that decays",
        why=f"correlations of gain {gain:.6g} last longer than {LONGEST:,.0f} time constants",
        remedy="use a gain that is not so near to the transition",
    )


def _fixed_point(
    gain: float, activity: Activity, lag: NDArray, values: NDArray
) -> tuple[NDArray[np.float64], float, int]:
    mixing = AndersonMixing()
    for iteration in range(ITERATIONS):
        curve, loop = activity(lag, values)
        tail = np.sqrt(max(1.0 - loop, 1e-4))
        change = gain**2 * _filtered(curve, float(tail)) - values
        if np.abs(change).max() < TOLERANCE * values[0]:
            return values, loop, iteration
        proposal = mixing.propose(values, change)
        start = _within(proposal[0], values[0])
        if start != proposal[0] or np.abs(proposal).max() > start:
            # too far, or no autocovariance: forget how it came to this
            proposal = mixing.step(values, change)
            start = _within(proposal[0], values[0])
            mixing.forget()
        values = np.clip(proposal, -start, start)
        if start < TOLERANCE:
            break
    raise SolverError(
        "the iteration of the mean-field equation did not converge",
        why=f"after {ITERATIONS:,} steps the change is still "
        f"{np.abs(change).max() / values[0]:.1g} of the variance at gain {gain:.6g}",
        remedy="use a gain farther from the transition, or more noise",
    )


def _within(proposed: float, present: float) -> float:
    return float(np.clip(proposed, 0.7 * present, 1.4 * present))


def _filtered(curve: NDArray, tail: float) -> NDArray[np.float64]:
    """∫ exp(−|τ − s|)/2 C(|s|) ds at the lags of C ≥ 0, exact for piecewise cubic C.

    Two recursions gather what lies before and after each lag; beyond the last lag C decays
    at the rate ``tail``. C may have a kink at zero.
    """
    # ∫_0^h exp(−s) C(s) ds from the values at −h, 0, h, 2h
    moments = np.empty(4)
    fade = np.exp(-STEP)
    moments[0] = -np.expm1(-STEP)
    for power in range(1, 4):
        moments[power] = power * moments[power - 1] - STEP**power * fade
    vandermonde = np.vander(np.array([-1.0, 0.0, 1.0, 2.0]) * STEP, 4, increasing=True)
    weight = np.linalg.solve(vandermonde.T, moments)

    before = 4 * curve[0] - 6 * curve[1] + 4 * curve[2] - curve[3]
    after = curve[-1] * np.exp(-tail * STEP)
    padded = np.concatenate(([before], curve, [after]))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 4)  # one of each interval
    from_right = lfilter(
        [1.0], [1.0, -fade], np.concatenate(([curve[-1] / (1 + tail)], (windows @ weight)[::-1]))
    )[::-1]
    from_left = np.concatenate(([0.0], lfilter([1.0], [1.0, -fade], windows @ weight[::-1])))
    lag = np.arange(len(curve)) * STEP
    return (from_left + from_right + np.exp(-lag) * from_right[0]) / 2
