"""Dimension of the activity: the four-point function of random-mode networks.

Summed over all pairs of units, the squared covariance is
ψ(ω_1, ω_2) = C_φ1 C_φ2 [1 + (g⁴/PR_D) |S_1 S_2|²] / |1 − g² S_1 S_2|² for φ and
{A_1 A_2 (1 + 1/PR_D) + C_x1 C_x2 [1 − g⁴ |S_1 S_2|²]} / |1 − g² S_1 S_2|² for x, with the linear
response S(ω) = ⟨φ'⟩/(1 + iω) of a unit and the part A(ω) = g² C_φ(ω)/(1 + ω²) of C_x that is
not of a unit's own noise (all of it, A = C_x, without noise). The dimension per unit is
C(0)²/ψ(τ_1 = τ_2 = 0).

Source: derived and checked for this project, after Clark et al., PRX 15, 041019 (2025);
for independent couplings the result of Clark, Abbott & Litwin-Kumar, PRL 131, 118401 (2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.dynamics.single_site import Field, SingleSite


@dataclass(frozen=True)
class Dimension:
    """Inverse participation ratios per unit as functions of the effective rank.

    1/PR = ``independent`` + ``slope``/PR_D, exactly.
    """

    independent: float
    slope: float

    def participation_ratio(self, inverse_effective_rank: float) -> float:
        """PR per unit at a given 1/PR_D."""
        return 1.0 / (self.independent + self.slope * inverse_effective_rank)


def pair_factors(
    gain: float, first: ArrayLike, second: ArrayLike
) -> tuple[NDArray, NDArray, NDArray]:
    """Factors that turn products of unit spectra into the four-point function.

    Parameters
    ----------
    gain : float
        g.
    first, second : array_like of complex
        Linear responses S(ω_1), S(ω_2) of φ to the input of a unit.

    Returns
    -------
    activity, states, slope : ndarray
        ψ_φ = C_φ1 C_φ2 (activity + slope/PR_D),
        ψ_x = A_1 A_2 (activity + activity/PR_D) + C_x1 C_x2 states.
    """
    product = gain**2 * np.asarray(first) * np.asarray(second)
    amplification = 1.0 / np.abs(1.0 - product) ** 2
    squared = np.abs(product) ** 2
    return amplification, (1.0 - squared) * amplification, squared * amplification


@dataclass(frozen=True)
class FrequencyPairs:
    """Quadrature over pairs of frequencies for functions that are even in their sum and difference.

    Parameters
    ----------
    first, second : (pair,) ndarray
        ω_1 and ω_2.
    weight : (pair,) ndarray
        Such that the sum over pairs is ∬ dω_1 dω_2/(2π)².

    Notes
    -----
    The four-point function has a ridge along ω_1 = −ω_2. In u = ω_1 + ω_2 and
    v = (ω_1 − ω_2)/2 both are mapped by sinh at the ridge's width, gap + v², where
    equidistant rules converge exponentially.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def along_ridge(cls, gap: float, bound: float, nodes: int) -> FrequencyPairs:
        """Pairs up to the frequency ``bound``; ``gap`` is one minus the loop gain."""
        scale = np.sqrt(gap)
        q = np.linspace(0.0, np.arcsinh(bound / scale), nodes)
        v = scale * np.sinh(q)
        weight_v = scale * np.cosh(q) * q[1]
        weight_v[0] /= 2
        width = (gap + v**2)[:, None]
        p = np.arcsinh(2 * bound / width) * np.linspace(0.0, 1.0, 2 * nodes)
        u = width * np.sinh(p)
        weight = width * np.cosh(p) * p[:, 1:2] * weight_v[:, None]
        weight[:, 0] /= 2
        weight *= 4 / (2 * np.pi) ** 2
        first, second = u / 2 + v[:, None], u / 2 - v[:, None]
        inside = (np.abs(first) <= bound) & (np.abs(second) <= bound)
        return cls(first[inside], second[inside], weight[inside])


@dataclass(frozen=True)
class PairCovariance:
    """Squared covariances summed over pairs of units, ψ(τ, τ), as a function of the lag.

    Parameters
    ----------
    alone : callable
        What each unit contributes by itself, of lags.
    frequency : (pair,) ndarray
        Sums ω_1 + ω_2.
    values : (pair,) ndarray
        Integrand times weight of all that decays at high frequencies.
    """

    alone: Field
    frequency: NDArray[np.float64]
    values: NDArray[np.float64]

    def __call__(self, lag: ArrayLike) -> NDArray[np.float64]:
        """ψ(τ, τ) at lags."""
        lags = np.asarray(lag, dtype=np.float64)
        rest = [self.values @ np.cos(self.frequency * one) for one in lags.ravel()]
        return self.alone(lags) + np.reshape(rest, lags.shape)


def dimensions(site: SingleSite, nodes: int = 200) -> tuple[Dimension, Dimension]:
    """Dimension of φ and of x at equal times.

    Parameters
    ----------
    site : SingleSite
        Solution for single units.
    nodes : int
        Quadrature nodes along each axis.

    Returns
    -------
    activity, states : Dimension

    Notes
    -----
    ψ(0, 0) = ∬ ψ dω_1 dω_2/(2π)². Of factors that tend to one at high frequencies, one is
    subtracted: its integral is C(0)².
    """
    states, activity, bound = site.spectra()
    pairs = FrequencyPairs.along_ridge(site.decay_rate**2, bound, nodes)
    for_activity, for_states, for_rank = _factors(site, pairs)
    first, second = np.abs(pairs.first), np.abs(pairs.second)

    def integral(spectrum: Callable[[NDArray], NDArray], factor: NDArray) -> float:
        return float(np.sum(pairs.weight * spectrum(first) * spectrum(second) * factor))

    def coupled(frequency: NDArray) -> NDArray:
        return states(frequency) - site.noise / (1 + frequency**2)

    start = float(site.averages.covariance(np.array(site.variance)))
    of_activity = Dimension(
        1.0 + integral(activity, for_activity - 1) / start**2,
        integral(activity, for_rank) / start**2,
    )
    shared = (site.variance - site.noise / 2) ** 2 + integral(coupled, for_activity - 1)
    own = site.variance**2 + integral(states, for_states - 1)
    of_states = Dimension((shared + own) / site.variance**2, shared / site.variance**2)
    return of_activity, of_states


def pair_covariance(
    site: SingleSite, inverse_effective_rank: float, nodes: int = 300
) -> PairCovariance:
    """ψ(τ, τ) of the activity φ.

    Parameters
    ----------
    site : SingleSite
        Solution for single units.
    inverse_effective_rank : float
        1/PR_D.
    nodes : int
        Quadrature nodes along each axis.
    """
    _, activity, bound = site.spectra()
    pairs = FrequencyPairs.along_ridge(site.decay_rate**2, bound, nodes)
    for_activity, _, for_rank = _factors(site, pairs)
    product = activity(np.abs(pairs.first)) * activity(np.abs(pairs.second))
    return PairCovariance(
        lambda lag: site.activity_autocovariance(lag) ** 2,
        pairs.first + pairs.second,
        pairs.weight * product * (for_activity - 1 + inverse_effective_rank * for_rank),
    )


def _factors(site: SingleSite, pairs: FrequencyPairs) -> tuple[NDArray, NDArray, NDArray]:
    slope = site.averages.slope
    return pair_factors(site.gain, slope / (1 + 1j * pairs.first), slope / (1 + 1j * pairs.second))
