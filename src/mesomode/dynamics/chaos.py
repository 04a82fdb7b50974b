"""Transition to chaos and the largest Lyapunov exponent in mean-field theory.

The squared distance of two trajectories of the same network and noise grows as exp(2λt) with
λ = −1 + √(1 − E_0), where E_0 is the ground-state energy of the Schrödinger operator
−d²/dτ² + W(τ), W(τ) = 1 − g² E[φ'(x(t)) φ'(x(t + τ))]. Chaos is E_0 < 0. As the field of
perturbations has the statistics of the couplings' variance alone, this holds at any effective
rank; units that differ enter by the average ⟨u²v² E[φ'φ']⟩.

Source: Sompolinsky, Crisanti & Sommers, PRL 61, 259 (1988); with noise Schuecker, Goedeke &
Helias, PRX 8, 041029 (2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from mesomode.dynamics.heterogeneity import Population, solve_heterogeneous
from mesomode.dynamics.nonlinearity import Nonlinearity
from mesomode.dynamics.single_site import Field, solve_single_site
from mesomode.dynamics.theory_kernels import last_phase
from mesomode.errors import SolverError

STEP = 0.02
"""Step along the lags, in time constants."""
LARGEST_GAIN = 1e3


class Solution(Protocol):
    """What every mean-field solution tells."""

    @property
    def gain(self) -> float:
        """Coupling gain g."""

    @property
    def noise(self) -> float:
        """Variance σ² of the white noise."""

    @property
    def last_lag(self) -> float:
        """Lag after which autocovariances vanish."""

    @property
    def loop_gain(self) -> float:
        """g²⟨φ'⟩²."""

    def autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_x(τ)."""

    def activity_autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_φ(τ)."""


class Site(Solution, Protocol):
    """Solution that tells how perturbations grow."""

    def slope_autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """E[φ'(x(t)) φ'(x(t + τ))]."""


def ground_state_energy(potential: Field, far: float, last_lag: float, step: float = STEP) -> float:
    """Lowest energy E_0 of −d²/dτ² + W(τ) for an even W that increases with |τ|.

    Parameters
    ----------
    potential : callable
        W of lags τ ≥ 0.
    far : float
        W(∞), above W(0).
    last_lag : float
        Lag beyond which W is constant.
    step : float
        Step along the lags.

    Returns
    -------
    float
        Between W(0) and W(∞).
    """
    excess = _phase_excess(potential, far, last_lag, step)
    low = float(potential(np.zeros(1))[0])
    width = far - low
    return brentq(excess, low, far - 1e-12 * width, xtol=1e-13 * max(width, 1e-3), rtol=1e-14)


def _phase_excess(
    potential: Field, far: float, last_lag: float, step: float
) -> Callable[[float], float]:
    """Phase at the last lag of the even solution at an energy, beyond that of a bound state.

    The solution's Prüfer phase θ, tan θ = −ψ'/ψ, grows with the energy; that of the bound
    state ends in arctan √(W(∞) − E). The excess is positive above the ground-state energy.
    """
    lag = np.arange(2 * int(np.ceil(last_lag / step)) + 1) * (step / 2)
    values = potential(lag)

    def excess(energy: float) -> float:
        return last_phase(values - energy, step) - np.arctan(np.sqrt(max(far - energy, 0.0)))

    return excess


def lyapunov_exponent(site: Site) -> float:
    """Largest Lyapunov exponent λ of a mean-field solution, per time constant.

    Parameters
    ----------
    site : Site
        Solution with activity.

    Returns
    -------
    float
        Positive: chaos.
    """

    def potential(lag: NDArray) -> NDArray[np.float64]:
        return 1.0 - site.gain**2 * site.slope_autocovariance(lag)

    energy = ground_state_energy(
        potential,
        1.0 - site.loop_gain,
        site.last_lag / 2,  # W differs from W(∞) by the square of the autocovariance
        STEP / max(1.0, site.gain / 5),  # at high gain W is narrow
    )
    return float(np.sqrt(1.0 - energy) - 1.0)


def critical_gain_of(
    nonlinearity: Nonlinearity,
    noise: float = 0.0,
    target_scale: ArrayLike | None = None,
    source_scale: ArrayLike | None = None,
) -> float:
    """Gain g at which the largest Lyapunov exponent of the mean-field solution is zero.

    Parameters
    ----------
    nonlinearity : Nonlinearity
        φ, odd, saturating and of slope one at zero.
    noise : float
        Variance σ² of the white noise, which shifts the transition to larger gains.
    target_scale, source_scale : (unit,) array_like, optional
        Scales u and v of units that differ.

    Returns
    -------
    float

    Raises
    ------
    SolverError
        The transition is not below a gain of 1,000.
    """
    population = Population(target_scale, source_scale)
    both = float(np.mean(population.target_square * population.source_square))
    start = 1.0 / np.sqrt(both)  # a state without activity is unstable above
    if not noise:
        return float(start)
    equal = target_scale is None and source_scale is None

    def exponent(log_gain: float) -> float:
        gain = float(np.exp(log_gain))
        site: Site = (
            solve_single_site(gain, nonlinearity, noise)
            if equal
            else solve_heterogeneous(gain, population, nonlinearity, noise)
        )
        return lyapunov_exponent(site)

    low, high = np.log(start), np.log(start) + 0.2
    while exponent(high) <= 0:
        low, high = high, high + 0.4
        if high > np.log(LARGEST_GAIN):
            raise SolverError(
                f"no transition to chaos was found up to a gain of {LARGEST_GAIN:g}",
                why=f"noise of variance {noise:g} keeps trajectories together",
                remedy="use less noise",
            )
    return float(np.exp(brentq(exponent, low, high, xtol=1e-9, rtol=1e-12)))
