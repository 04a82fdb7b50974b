"""Single-unit mean-field theory of networks whose input and output modes overlap.

A unit receives a Gaussian field η of spectrum K C_φ and feeds back on itself through the modes:
(1 + iω) x = η + ξ + F φ, with white noise ξ, K = (1/N) Σ d²|σ|² and F = (1/N) Σ dρσ, where
σ = 1/(1 − dρS) depends on the linear response S of units. x is then not Gaussian.

Averages are those of a Gaussian companion, (1 + iω − sF) x_0 = η + ξ with s = ⟨φ'(x_0)⟩, plus
the small difference between the two, which :mod:`mesomode.dynamics.overlap_sampling` samples.
This module finds the companion that is consistent with itself for given differences. Without
overlaps F and the differences are zero, and the theory is that of equal units.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), for the equations;
the method was made for this project.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from mesomode.dynamics.mixing import AndersonMixing
from mesomode.dynamics.nonlinearity import Averages, Nonlinearity
from mesomode.dynamics.overlap_modes import OverlapModes
from mesomode.dynamics.single_site import solve_single_site
from mesomode.errors import SolverError

STEP = 0.1
"""Distance of the lags, in time constants."""
LAGS = 2048
"""Number of lags of the curves, and of frequencies."""
ITERATIONS = 1000
TOLERANCE = 1e-10
CONDENSED = 0.98
"""Largest dρS(0) of a mode; at one it sustains itself."""

LAG = STEP * np.arange(LAGS + 1, dtype=np.float64)
OMEGA = np.pi / (LAGS * STEP) * np.arange(LAGS + 1, dtype=np.float64)
FILTER: NDArray[np.complex128] = np.reciprocal(1.0 + 1j * OMEGA, dtype=np.complex128)


@dataclass(frozen=True)
class Difference:
    """What averages of x have beyond those of its Gaussian companion.

    Parameters
    ----------
    states, activity : (lag,) ndarray
        In C_x and C_φ.
    slope, square_slope : float
        In ⟨φ'⟩ and ⟨φ'²⟩.
    response : (frequency,) ndarray of complex
        In the response R of φ to the filtered drive.
    """

    states: NDArray[np.float64]
    activity: NDArray[np.float64]
    slope: float
    square_slope: float
    response: NDArray[np.complex128]

    @classmethod
    def none(cls) -> Difference:
        """The difference of units without feedback."""
        nothing = np.zeros(LAGS + 1)
        return cls(nothing, nothing, 0.0, 0.0, nothing.astype(np.complex128))

    @classmethod
    def average(cls, parts: list[Difference]) -> Difference:
        """Average of several."""
        names = ("states", "activity", "slope", "square_slope", "response")
        return cls(*(np.mean([getattr(one, name) for one in parts], axis=0) for name in names))


@dataclass(frozen=True)
class State:
    """State of the iteration.

    Parameters
    ----------
    activity : (lag,) ndarray
        C_φ.
    variance : float
        Variance of x_0.
    response : (frequency,) ndarray of complex
        Response R(ω) of φ to the filtered drive w = (η + ξ)/(1 + iω); S = R/(1 + iω).
    """

    activity: NDArray[np.float64]
    variance: float
    response: NDArray[np.complex128]

    def packed(self) -> NDArray[np.float64]:
        """All of it as one vector."""
        return np.concatenate(
            (self.activity, [self.variance], self.response.real, self.response.imag)
        )

    @classmethod
    def unpacked(cls, vector: NDArray[np.float64]) -> State:
        """From the vector."""
        activity, variance, real, imaginary = np.split(vector, np.cumsum([LAGS + 1, 1, LAGS + 1]))
        return cls(activity, float(variance[0]), real + 1j * imaginary)


@dataclass(frozen=True)
class Companion:
    """The Gaussian companion for given differences.

    Parameters
    ----------
    modes : OverlapModes
    nonlinearity : Nonlinearity
    noise : float
        σ².
    difference : Difference
    """

    modes: OverlapModes
    nonlinearity: Nonlinearity
    noise: float
    difference: Difference

    def averages(self, state: State) -> Averages:
        """Gaussian averages of φ(x_0)."""
        return self.nonlinearity.averages(state.variance)

    def susceptibility(self, state: State) -> NDArray[np.complex128]:
        """Linear response S(ω), with no mode beyond condensation."""
        response = state.response * FILTER
        largest = self.modes.largest(float(response[0].real))
        return response * np.complex128(min(1.0, CONDENSED / max(largest, 1e-300)))

    def activity_power(self, state: State) -> NDArray[np.float64]:
        """C_φ(ω); its kink at lag zero is transformed analytically."""
        kink = (self.averages(state).square_slope + self.difference.square_slope) * self.noise
        rest = state.activity - kink / 2 * np.exp(-LAG)
        return STEP * dct(rest, type=1) + kink * np.abs(FILTER) ** 2

    def drive_power(self, state: State) -> NDArray[np.float64]:
        """Spectrum of η + ξ: K C_φ + σ²."""
        sigma = self.modes.responses(self.susceptibility(state))
        field = np.abs(sigma) ** 2 @ self.modes.second
        return np.maximum(field * self.activity_power(state), 0.0) + self.noise

    def memory_power(self, state: State) -> NDArray[np.complex128]:
        """k(ω) = F/(1 + iω), the response of x to φ."""
        sigma = self.modes.responses(self.susceptibility(state))
        return sigma @ (self.modes.zeroth * self.modes.theta) * FILTER

    def memory(self, state: State) -> NDArray[np.float64]:
        """k(τ) at lags from zero, at zero the limit from above.

        For S = m/(1 + iω) with m = ⟨φ'⟩ it is (1/N) Σ dρ exp(−(1 − dρm)τ); only the rest is
        transformed numerically.
        """
        slope = self.averages(state).slope + self.difference.slope
        theta, weight = self.modes.theta, self.modes.zeroth * self.modes.theta
        slope = min(slope, CONDENSED / max(theta.max(), 1e-300))
        known = np.exp(-LAG[:, None] * (1 - theta * slope)) @ weight
        known_power = (1.0 / (1j * OMEGA[:, None] + 1 - theta * slope)) @ weight
        rest = self.memory_power(state) - known_power
        return known + np.fft.irfft(rest, 2 * LAGS)[: LAGS + 1] / STEP

    def autocovariance(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        """Autocovariance of a process whose spectrum ends as σ²/(1 + ω²)."""
        rest = power - self.noise * np.abs(FILTER) ** 2
        return dct(rest, type=1) / (2 * LAGS * STEP) + self.noise / 2 * np.exp(-LAG)

    def states(self, state: State) -> NDArray[np.float64]:
        """Autocovariance of x_0."""
        loop = 1.0 - self.averages(state).slope * self.memory_power(state)
        power = self.drive_power(state) * np.abs(FILTER) ** 2 / np.abs(loop) ** 2
        return self.autocovariance(power)

    def advanced(self, state: State) -> State:
        """One iteration."""
        states = self.states(state)
        variance = max(float(states[0]), 1e-300)
        averages = self.nonlinearity.averages(variance)
        activity = averages.covariance(np.clip(states, -variance, variance))
        slope = averages.slope
        response = slope / (1.0 - slope * self.memory_power(state)) + self.difference.response
        return State(activity + self.difference.activity, variance, response)

    def solved(self, state: State) -> State:
        """Iterate to consistency.

        Raises
        ------
        SolverError
            It does not converge, or a mode condenses.
        """
        mixing = AndersonMixing()
        values = state.packed()
        largest: list[float] = []
        for _ in range(ITERATIONS):
            present = State.unpacked(values)
            largest = [*largest[-9:], self.largest(present)]
            change = self.advanced(present).packed() - values
            if np.abs(change).max() < TOLERANCE:
                return present
            proposal = mixing.propose(values, change)
            if not 0.7 < proposal[LAGS + 1] / present.variance < 1.4:
                proposal = mixing.step(values, change)
                mixing.forget()
            values = proposal
            if not 1e-9 < present.variance < 1e9:
                break
        if max(largest) > CONDENSED:  # it swings between too much and too little response
            raise condensation(max(largest))
        raise SolverError(
            "the theory of overlapping modes did not converge",
            why=f"at gain {self.modes.gain:.4g} and noise {self.noise:.4g} the variance is "
            f"{present.variance:.3g} and still changes by {np.abs(change).max():.2g}",
            remedy="use more noise, smaller overlaps, or a gain farther from the transition",
        )

    def largest(self, state: State) -> float:
        """Largest dρS(0) of a mode, as the response has it."""
        return self.modes.largest(float(state.response[0].real))


def initial_state(modes: OverlapModes, nonlinearity: Nonlinearity, noise: float) -> State:
    """State of a network of the same gain without overlaps; an active one without noise."""
    gain = modes.gain if noise else max(modes.gain, 1.2)
    site = solve_single_site(gain, nonlinearity, noise)
    response = np.full(LAGS + 1, site.averages.slope, dtype=np.complex128)
    return State(site.activity_autocovariance(LAG), site.variance, response)


def condensation(largest: float) -> SolverError:
    """Error that says why a network with such a dρS(0) is not described."""
    return SolverError(
        "a mode of the network condenses: it sustains itself",
        why=f"the largest dρS(0) is {largest:.3g}; from one on the activity is dominated by "
        "that mode, which needs another theory",
        remedy="use smaller overlaps of the strong modes, more noise, or the simulation alone",
    )


def quiescent_is_stable(modes: OverlapModes) -> bool:
    """Whether small activity dies out without noise.

    Then φ' = 1: S = 1/(1 + iω − F(S)) has a solution below condensation at which the loop
    ⟨d²|σ|²⟩|S|² is below one at every frequency.
    """
    response = FILTER.copy()
    for _ in range(2000):
        sigma = modes.responses(response)
        new = 1.0 / (1.0 / FILTER - sigma @ (modes.zeroth * modes.theta))
        change = np.abs(new - response).max()
        response = (response + new) / 2
        if modes.largest(float(response[0].real)) >= 1:
            return False
        if change < 1e-10:
            loop = np.abs(modes.responses(response)) ** 2 @ modes.second * np.abs(response) ** 2
            return bool(loop.max() < 1)
    return False
