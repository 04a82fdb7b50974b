"""Sampled paths of units that feed back on themselves through overlapping modes.

The averages of x = w + k * φ(x) are compared with those of the Gaussian companion
x_0 = w + k * s x_0 on the same paths of w; their differences have small errors, and vanish
without overlaps. The same random numbers are used in every round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from mesomode.dynamics.four_point import FrequencyPairs, PairCovariance
from mesomode.dynamics.nonlinearity import Nonlinearity
from mesomode.dynamics.overlap import (
    CONDENSED,
    FILTER,
    LAG,
    LAGS,
    OMEGA,
    STEP,
    Companion,
    Difference,
    State,
    condensation,
)
from mesomode.dynamics.overlap_modes import OverlapModes, pair_factor
from mesomode.dynamics.theory_kernels import feedback_paths
from mesomode.errors import SolverError

TIMES = 1024
"""Steps of a path, which is periodic."""
PATHS = 256
"""Paths of a batch."""
BATCHES = 4
"""Independent batches; their spread gives the errors."""
ROUNDS = 40
CHANGE = 1e-5
"""Largest change of C_φ(0) in the last round, far below its error by sampling."""
NEGLIGIBLE = 1e-5
"""Share of its largest value below which the memory of a unit is cut off."""
LITTLE = 1e-3
"""Share of the drive's largest power below which impulses tell more of the response."""
HIGHEST = 28.0
"""Frequency up to which the four-point function is integrated."""


def differences(companion: Companion, state: State, normal: NDArray[np.complex128]) -> Difference:
    """Sample what averages of x have beyond those of its companion.

    Parameters
    ----------
    companion : Companion
    state : State
    normal : (path, frequency) ndarray of complex
        Fourier transforms of standard normal paths.

    Returns
    -------
    Difference
    """
    kernel = companion.memory(state)
    largest = np.abs(kernel).max()
    if not largest > 0:
        return Difference.none()
    last = min(int(np.flatnonzero(np.abs(kernel) > NEGLIGIBLE * largest)[-1]) + 2, TIMES // 3)
    kernel = np.ascontiguousarray(kernel[:last])
    # w has the autocovariance of the periodic sum, exactly
    drive = companion.autocovariance(companion.drive_power(state) * np.abs(FILTER) ** 2)
    whole = np.concatenate((drive, drive[-2:0:-1])).reshape(-1, TIMES).sum(axis=0)
    spectrum = np.maximum(np.fft.rfft(whole).real, 0.0)
    moved = normal * np.sqrt(spectrum)
    driven = np.ascontiguousarray(np.fft.irfft(moved, TIMES).T)
    steep = companion.nonlinearity.name == "tanh"
    burn = TIMES // 2
    states, activity, slopes, response = feedback_paths(driven, kernel, STEP, steep, burn)

    slope = companion.averages(state).slope
    weights = STEP * kernel
    weights[0] /= 2
    linear = moved / (1.0 - slope * np.fft.rfft(weights, TIMES))
    plain = np.fft.irfft(linear, TIMES).T
    phi = companion.nonlinearity
    plain_activity, plain_slopes = phi(plain), phi.derivative(plain)
    immediate = float(np.mean(slopes) - np.mean(plain_slopes))
    # two estimates of the response: to an impulse, and from the covariance with the drive
    # (Novikov's theorem), which is the more exact wherever the drive has power
    impulse = response - _companion_response(kernel, slope)
    impulse[0] /= 2
    found = STEP * np.fft.rfft(impulse, TIMES)
    cross = np.mean(np.fft.rfft(activity - plain_activity, axis=0).T * moved.conj(), axis=0)
    power = np.mean(np.abs(moved) ** 2, axis=0)
    share = power / (power + LITTLE * power.max())
    found += share * (cross / np.maximum(power, 1e-300) - immediate - found)
    causal = np.fft.irfft(found, TIMES)[:last]
    return Difference(
        _padded(_autocovariance(states) - _autocovariance(plain)),
        _padded(_autocovariance(activity) - _autocovariance(plain_activity)),
        immediate,
        float(np.mean(slopes**2) - np.mean(plain_slopes**2)),
        immediate + np.fft.rfft(causal, 2 * LAGS),
    )


def _companion_response(kernel: NDArray, slope: float) -> NDArray[np.float64]:
    """What the kernel calculates for the response, if φ' is a constant."""
    moved = np.zeros(len(kernel))
    moved[0] = kernel[0] * slope**2
    for lag in range(1, len(kernel)):
        total = kernel[lag] * slope + STEP / 2 * kernel[lag] * moved[0]
        total += STEP * (kernel[lag - 1 : 0 : -1] @ moved[1:lag])
        moved[lag] = slope * total / (1 - STEP / 2 * kernel[0] * slope)
    return moved


def _autocovariance(paths: NDArray) -> NDArray[np.float64]:
    """Average circular autocovariance of (time, path) up to half the period."""
    power = np.mean(np.abs(np.fft.rfft(paths, axis=0)) ** 2, axis=1)
    return np.fft.irfft(power, TIMES)[: TIMES // 2 + 1] / TIMES


def _padded(curve: NDArray) -> NDArray[np.float64]:
    """Curve up to the last lag; its far half, which is noise, fades out."""
    half = len(curve) // 2
    result = np.zeros(LAGS + 1)
    result[: len(curve)] = curve
    fade = np.cos(np.linspace(0, np.pi / 2, len(curve) - half)) ** 2
    result[half : len(curve)] *= fade
    return result


def solve_overlaps(
    modes: OverlapModes,
    nonlinearity: Nonlinearity,
    noise: float,
    start: State,
    generator: np.random.Generator,
    paths: int = PATHS,
) -> tuple[OverlapSite, list[OverlapSite]]:
    """Find the solution by rounds of sampling.

    Parameters
    ----------
    modes : OverlapModes
    nonlinearity : Nonlinearity
        erf or tanh.
    noise : float
        Variance σ² of the white noise.
    start : State
        Of a network without overlaps.
    generator : numpy.random.Generator
        Source of the paths.
    paths : int
        Paths of each of 4 batches, of 102.4 time constants.

    Returns
    -------
    site : OverlapSite
        Of all paths.
    parts : list of OverlapSite
        What each batch by itself makes of the last round.

    Raises
    ------
    SolverError
        A mode condenses, or it does not converge.
    """
    companion = Companion(modes, nonlinearity, noise, Difference.none())
    state = companion.solved(start)
    if not modes.theta.any():
        return OverlapSite(companion, state), []
    normals = [
        np.fft.rfft(generator.standard_normal((paths, TIMES)), axis=1) for _ in range(BATCHES)
    ]
    previous = np.inf
    for _ in range(ROUNDS):
        sampled = [differences(companion, state, normal) for normal in normals]
        mixed = Difference.average([Difference.average(sampled), companion.difference])
        companion = replace(companion, difference=mixed)
        state = companion.solved(state)
        change = abs(state.activity[0] - previous)
        if change < CHANGE:
            break
        previous = state.activity[0]
    largest = companion.largest(state)
    if largest >= CONDENSED:
        raise condensation(largest)
    if change >= CHANGE:
        raise SolverError(
            "the theory of overlapping modes did not converge",
            why=f"after {ROUNDS} rounds of sampling C_φ(0) still changes by {change:.1g}",
            remedy="use smaller overlaps or more noise",
        )
    parts = []
    for one in sampled:
        part = replace(companion, difference=one)
        parts.append(OverlapSite(part, part.solved(state)))
    return OverlapSite(companion, state), parts


@dataclass(frozen=True)
class OverlapSite:
    """Solution for units with feedback through overlapping modes.

    Parameters
    ----------
    companion : Companion
    state : State
    """

    companion: Companion
    state: State

    @property
    def gain(self) -> float:
        """Coupling gain g."""
        return self.companion.modes.gain

    @property
    def noise(self) -> float:
        """Variance σ² of the white noise."""
        return self.companion.noise

    @property
    def mean_slope(self) -> float:
        """⟨φ'(x)⟩."""
        return self.companion.averages(self.state).slope + self.companion.difference.slope

    @property
    def loop_gain(self) -> float:
        """p(0, 0), by which the four-point function is amplified at frequency zero."""
        static = self.state.response[:1]
        return float(pair_factor(self.companion.modes, static, static)[1][0].real)

    @property
    def last_lag(self) -> float:
        """Lag after which C_φ stays below 1e-4 of its start."""
        activity = np.abs(self.state.activity)
        return float(LAG[int(np.flatnonzero(activity > 1e-4 * activity[0])[-1])])

    @cached_property
    def _curves(self) -> tuple[CubicSpline, CubicSpline]:
        states = self.companion.states(self.state) + self.companion.difference.states
        return CubicSpline(LAG, states), CubicSpline(LAG, self.state.activity)

    def autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_x(τ)."""
        return self._curves[0](np.minimum(np.abs(lag), LAG[-1]))

    def activity_autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_φ(τ)."""
        return self._curves[1](np.minimum(np.abs(lag), LAG[-1]))

    def pair_covariance(self, nodes: int = 120) -> PairCovariance:
        """ψ(τ, τ) of φ.

        Parameters
        ----------
        nodes : int
            Quadrature nodes along each axis.
        """
        power = CubicSpline(OMEGA, self.companion.activity_power(self.state))
        response = CubicSpline(OMEGA, self.state.response)
        gap = max(1.0 - self.loop_gain, 1e-4)
        pairs = FrequencyPairs.along_ridge(gap, HIGHEST, nodes)

        def susceptibility(frequency: NDArray) -> NDArray[np.complex128]:
            values = response(np.abs(frequency))
            return np.where(frequency < 0, values.conj(), values) / (1 + 1j * frequency)

        values = np.empty(len(pairs.weight))
        for begin in range(0, len(values), 8192):
            part = slice(begin, begin + 8192)
            first, second = pairs.first[part], pairs.second[part]
            factor, _ = pair_factor(
                self.companion.modes, susceptibility(first), susceptibility(second)
            )
            product = power(np.abs(first)) * power(np.abs(second))
            values[part] = pairs.weight[part] * product * (factor - 1.0)
        return PairCovariance(
            lambda lag: self.activity_autocovariance(lag) ** 2, pairs.first + pairs.second, values
        )
