"""Single-unit mean-field theory of chaotic rate networks, by the potential method.

dx_i/dt = −x_i + Σ_j J_ij φ(x_j) with N Var(J_ij) = g². In the limit of many units the
autocovariance Δ(τ) of x obeys Δ'' = Δ − g² C_φ(Δ; Δ_0), the motion of a particle in the
potential V(Δ) = −Δ²/2 + g² ∫_0^Δ C_φ. The chaotic solution starts at rest in Δ_0, has
energy zero, and decays to Δ = 0. It depends on the couplings through g alone.

Source: Sompolinsky, Crisanti & Sommers (1988); Clark et al., PRX 15, 041019 (2025).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, next_fast_len
from scipy.interpolate import CubicHermiteSpline, CubicSpline
from scipy.optimize import brentq

from mesomode.dynamics.nonlinearity import Averages, Nonlinearity
from mesomode.errors import SolverError

TAIL = 1e-5
"""Share of Δ_0 below which the decay is exponential to machine precision of its square."""
NEGLIGIBLE = 1e-10
"""Share of Δ_0 below which the autocovariance is taken as zero."""


@dataclass(frozen=True)
class SingleSite:
    """Chaotic solution at one gain.

    Parameters
    ----------
    gain : float
        Coupling gain g > 1.
    variance : float
        Δ_0, variance of x.
    averages : Averages
        Gaussian averages of φ at Δ_0.
    decay_rate : float
        Rate √(1 − g²⟨φ'⟩²) at which Δ decays at long lags, per time constant.
    last_lag : float
        Lag after which the autocovariance is below 1e-10 Δ_0.
    """

    gain: float
    variance: float
    averages: Averages
    decay_rate: float
    last_lag: float
    _curve: CubicHermiteSpline

    def autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_x(τ) = Δ(τ) at lags in units of the time constant."""
        lag = np.abs(np.asarray(lag, dtype=np.float64))
        last = self._curve.x[-1]
        exponent = -np.square(self._curve(np.minimum(lag, last)))
        return self.variance * np.exp(exponent - self.decay_rate * np.maximum(lag - last, 0.0))

    def activity_autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_φ(τ) at lags in units of the time constant."""
        return self.averages.covariance(self.autocovariance(lag))

    def spectra(self) -> tuple[CubicSpline, CubicSpline, float]:
        """Power spectra of x and φ as functions of angular frequency, and a bound on it.

        Returns
        -------
        states, activity : CubicSpline
            ∫C(τ) exp(−iωτ) dτ at ω from zero to the bound.
        bound : float
            Frequency above which the power of φ is below 1e-13 of that at zero.
        """
        step = 0.05
        count = int(np.ceil(self.last_lag / step)) + 1
        finest = self.decay_rate / 40  # of the frequency grid: spectra vary over decay_rate
        padded = next_fast_len(max(2 * count, int(np.ceil(np.pi / (finest * step)))))
        lag = np.arange(count) * step
        frequency = np.arange(padded + 1) * (np.pi / (padded * step))
        curves = []
        for values in (self.autocovariance(lag), self.activity_autocovariance(lag)):
            extended = np.zeros(padded + 1)
            extended[:count] = values
            curves.append(step * dct(extended, type=1))
        states, activity = curves
        above = np.flatnonzero(np.abs(activity) > 1e-13 * activity[0])[-1] + 2
        keep = slice(0, min(above, padded) + 1)
        splines = [CubicSpline(frequency[keep], c[keep]) for c in (states, activity)]
        return splines[0], splines[1], float(frequency[keep][-1])


def solve_single_site(gain: float, nonlinearity: Nonlinearity) -> SingleSite:
    """Find the chaotic solution.

    Parameters
    ----------
    gain : float
        Coupling gain g > 1.
    nonlinearity : Nonlinearity
        φ, odd and saturating.

    Returns
    -------
    SingleSite

    Raises
    ------
    SolverError
        No solution is found: the gain is too near to one.
    """
    square = gain**2

    def energy(log_variance: float) -> float:
        variance = np.exp(log_variance)
        return 2 * square * nonlinearity.primitive_variance(variance) / variance**2 - 1.0

    low, high = np.log(1e-6), 0.0
    while energy(high) > 0:
        high += 1.0
    if energy(low) <= 0:
        raise SolverError(
            f"no chaotic solution was found at gain {gain}",
            why="the gain is so near to one that the activity's variance is below 1e-6",
            remedy="use a gain above 1.0001, or at most 1 for a quiescent network",
        )
    variance = float(np.exp(brentq(energy, low, high, xtol=1e-15, rtol=1e-14)))
    averages = nonlinearity.averages(variance)
    decay_rate = float(np.sqrt(1.0 - (gain * averages.slope) ** 2))

    # τ(Δ) = ∫_Δ^Δ0 dΔ'/√(−2V); with Δ = Δ0 exp(−y²) the integrand is smooth and even in y
    y = np.linspace(0.0, np.sqrt(-np.log(TAIL)), 4001)
    delta = variance * np.exp(-np.square(y))
    integral = averages.integral(delta)
    kinetic = np.where(
        delta > variance / 2,  # the same function: each form is exact at its own end
        (delta - variance) * (delta + variance) - 2 * square * (integral - integral[0]),
        delta**2 - 2 * square * integral,
    )
    force = float(square * averages.covariance(delta[:1])[0] - variance)
    slope = np.empty_like(y)
    slope[0] = 2 * variance / np.sqrt(2 * force * variance)
    slope[1:] = 2 * y[1:] * delta[1:] / np.sqrt(kinetic[1:])
    lag = _cumulative_integral(slope, y[1])
    curve = CubicHermiteSpline(lag, y, 1.0 / slope)
    last_lag = float(lag[-1] + np.log(TAIL / NEGLIGIBLE) / decay_rate)
    return SingleSite(gain, variance, averages, decay_rate, last_lag, curve)


def _cumulative_integral(values: NDArray, step: float) -> NDArray:
    from scipy.integrate import cumulative_simpson

    return cumulative_simpson(values, dx=step, initial=0.0)
