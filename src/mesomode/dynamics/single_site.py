"""Single-unit mean-field theory of rate networks, by the potential method.

dx_i/dt = −x_i + Σ_j J_ij φ(x_j) + ξ_i(t) with N Var(J_ij) = g² and independent white noise,
⟨ξ_i(t) ξ_i(t')⟩ = σ² δ(t − t'), in units of the time constant. In the limit of many units
(1 + ω²) C_x(ω) = g² C_φ(ω) + σ², so that the autocovariance Δ(τ) of x obeys, for τ > 0,
Δ'' = Δ − g² C_φ(Δ; Δ_0), the motion of a particle in the potential
V(Δ) = −Δ²/2 + g² ∫_0^Δ C_φ. It starts in Δ_0 at the speed Δ'(0+) = −σ²/2, has energy zero,
σ⁴/8 + V(Δ_0; Δ_0) = 0, and decays to Δ = 0. Without noise it starts at rest: the chaotic
solution, which exists for g > 1. Either depends on the couplings through g alone.

Source: Sompolinsky, Crisanti & Sommers (1988); Clark et al., PRX 15, 041019 (2025).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq

from mesomode.dynamics.nonlinearity import Averages
from mesomode.dynamics.spectra import (
    NOISE_BOUND,
    Spectrum,
    last_frequency,
    power_spectra,
    spectral_lags,
)
from mesomode.errors import SolverError

TAIL = 1e-5
"""Share of Δ_0 below which the decay is exponential to machine precision of its square."""
NEGLIGIBLE = 1e-10
"""Share of Δ_0 below which the autocovariance is taken as zero."""

Field = Callable[[NDArray], NDArray[np.float64]]
"""An autocovariance as a function of lags."""


@dataclass(frozen=True)
class SingleSite:
    """Solution at one gain and noise.

    Parameters
    ----------
    gain : float
        Coupling gain g.
    noise : float
        Variance σ² of the white noise; without coupling the variance of x is σ²/2.
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
    noise: float
    variance: float
    averages: Averages
    decay_rate: float
    last_lag: float
    _curve: CubicHermiteSpline
    _shift: float

    def autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_x(τ) = Δ(τ) at lags in units of the time constant."""
        lag = np.abs(np.asarray(lag, dtype=np.float64))
        last = self._curve.x[-1]
        y = self._curve(np.minimum(lag, last))
        exponent = -y * (y + 2 * self._shift)
        return self.variance * np.exp(exponent - self.decay_rate * np.maximum(lag - last, 0.0))

    def activity_autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_φ(τ) at lags in units of the time constant."""
        return self.averages.covariance(self.autocovariance(lag))

    def slope_autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """E[φ'(x(t)) φ'(x(t + τ))] at lags in units of the time constant."""
        return self.averages.slope_covariance(self.autocovariance(lag))

    @property
    def loop_gain(self) -> float:
        """g²⟨φ'⟩², by which the four-point function is amplified at frequency zero."""
        return (self.gain * self.averages.slope) ** 2

    def spectra(self) -> tuple[Spectrum, Spectrum, float]:
        """Power spectra of x and φ as functions of angular frequency, and a bound on it.

        Returns
        -------
        states, activity : callable
            ∫C(τ) exp(−iωτ) dτ at ω from zero to the bound.
        bound : float
            Frequency above which the power of φ is below 1e-13 of that at zero; 1,000 with
            noise, whose spectra fall with the square of the frequency.

        """
        lag = spectral_lags(self.last_lag)
        curves = np.stack((self.autocovariance(lag), self.activity_autocovariance(lag)), axis=-1)
        powers = np.array((1.0, self.averages.square_slope)) * self.noise
        together = power_spectra(curves, powers, self.decay_rate)
        states, activity = (together.part(index) for index in range(2))
        return states, activity, NOISE_BOUND if self.noise else last_frequency(activity)


class Averaged(Protocol):
    """What the potential method needs of a nonlinearity, or of a mixture of units."""

    def primitive_variance(self, variance: float) -> float:
        """Integral of the covariance up to Δ_0."""

    def averages(self, variance: float) -> Averages:
        """Gaussian averages at variance Δ_0."""


def solve_single_site(gain: float, nonlinearity: Averaged, noise: float = 0.0) -> SingleSite:
    """Find the solution that decays, chaotic or driven by noise.

    Parameters
    ----------
    gain : float
        Coupling gain g; above one if there is no noise.
    nonlinearity : Averaged
        φ, odd and saturating.
    noise : float
        Variance σ² of the white noise.

    Returns
    -------
    SingleSite

    Raises
    ------
    SolverError
        No solution is found: without noise, the gain is too near to one.
    """
    square = gain**2
    start_speed = noise / 2  # −Δ'(0+)

    def energy(log_variance: float) -> float:
        variance = np.exp(log_variance)
        driven = 2 * square * nonlinearity.primitive_variance(variance) + start_speed**2
        return driven / variance**2 - 1.0

    # Δ_0 is at least that without coupling, σ²/2
    low, high = np.log(noise / 4 if noise else 1e-6), 0.0
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

    # τ(Δ) = ∫_Δ^Δ0 dΔ'/√(−2V), where near Δ0 the root is of −Δ'(0+)² − 2 force (Δ0 − Δ);
    # with Δ = Δ0 exp(−y² − 2ay), a² = Δ'(0+)²/(2 force Δ0), the integrand is smooth in y
    force = float(square * averages.covariance(np.array(variance)) - variance)
    kinetic_start = start_speed**2
    shift = 1.0  # where nothing is singular
    if kinetic_start < 2 * force * variance:
        shift = float(np.sqrt(kinetic_start / (2 * force * variance)))
    y = np.linspace(0.0, np.sqrt(shift**2 - np.log(TAIL)) - shift, 4001)
    delta = variance * np.exp(-y * (y + 2 * shift))
    integral = averages.integral(delta)
    kinetic = np.where(
        delta > variance / 2,  # the same function: each form is exact at its own end
        kinetic_start
        + (delta - variance) * (delta + variance)
        - 2 * square * (integral - integral[0]),
        delta**2 - 2 * square * integral,
    )
    slope = np.empty_like(y)
    slope[0] = 2 * variance * (shift / start_speed if noise else 1 / np.sqrt(2 * force * variance))
    slope[1:] = 2 * (y[1:] + shift) * delta[1:] / np.sqrt(kinetic[1:])
    lag = _cumulative_integral(slope, y[1])
    curve = CubicHermiteSpline(lag, y, 1.0 / slope)
    last_lag = float(lag[-1] + np.log(TAIL / NEGLIGIBLE) / decay_rate)
    return SingleSite(gain, noise, variance, averages, decay_rate, last_lag, curve, shift)


def _cumulative_integral(values: NDArray, step: float) -> NDArray:
    from scipy.integrate import cumulative_simpson

    return cumulative_simpson(values, dx=step, initial=0.0)
