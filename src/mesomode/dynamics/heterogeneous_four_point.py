"""Dimension of the activity of units that differ in the scales of their couplings.

J = diag(u) J_0 diag(v), where J_0 has the gain g and the fourth free cumulant κ_4 = g⁴/PR_D.
With weights f of the units (one, or the inverse variance for standardised activity), averages
over units ⟨·⟩, S = ⟨φ'⟩/(1 + iω), A = ⟨u²v²S_1S_2⟩ and B = ⟨f u² S_1 S_2⟩,
ψ = ⟨f² C_1 C_2⟩ + |B|² P + 2 Re[B g²⟨v² f C_1 C_2⟩/(1 − g²A)],
P = (g⁴⟨v⁴ C_1 C_2⟩ + κ_4 ⟨v² C_1⟩⟨v² C_2⟩)/|1 − g²A|². For x, S in B is 1/(1 + iω), and C in the
first and last term is C_x and ⟨φ'⟩ C_x, which is the covariance of x with φ.

Source: derived and checked for this project, after Clark et al., PRX 15, 041019 (2025).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.dynamics.four_point import FrequencyPairs, PairCovariance
from mesomode.dynamics.heterogeneity import HeterogeneousSite
from mesomode.dynamics.spectra import (
    NOISE_BOUND,
    last_frequency,
    power_spectra,
    spectral_lags,
)


@dataclass(frozen=True)
class HeterogeneousPairs:
    """Squared covariances of all pairs of units, and the dimensions that follow.

    Parameters
    ----------
    activity : PairCovariance
        ψ(τ, τ) of φ.
    participation_ratio, participation_ratio_standardised : float
        Of φ, and of φ with every unit scaled to variance one; per unit.
    participation_ratio_x : float
        Of x.
    spread : float
        ⟨C²⟩/⟨C⟩² of the units' variances C_φ(0); one if they are equal.
    """

    activity: PairCovariance
    participation_ratio: float
    participation_ratio_standardised: float
    participation_ratio_x: float
    spread: float


def heterogeneous_pairs(
    site: HeterogeneousSite, inverse_effective_rank: float, nodes: int = 200
) -> HeterogeneousPairs:
    """Four-point function of a solution for units that differ.

    Parameters
    ----------
    site : HeterogeneousSite
    inverse_effective_rank : float
        1/PR_D of J_0.
    nodes : int
        Quadrature nodes along each axis.

    Returns
    -------
    HeterogeneousPairs

    Notes
    -----
    C is interpolated between nodes of u after division by C(0), so that standardised activity
    is as exact for units with little input as for others. Units without any input are silent
    if there is no noise; standardised activity is then that of the others.
    """
    population, square = site.population, site.gain**2
    kappa = square**2 * inverse_effective_rank
    u2, v2 = population.target_square, population.source_square
    averages = site.node_averages
    variance = site.node_activity(np.zeros(1))[0]
    lag = spectral_lags(site.last_lag)
    powers = np.array([one.square_slope for one in averages]) * site.noise / variance
    curves = np.concatenate((site.node_activity(lag) / variance, site.field(lag)[:, None]), axis=-1)
    spectra = power_spectra(curves, np.append(powers, 0.0), site.decay_rate)
    bound = NOISE_BOUND if site.noise else last_frequency(spectra)
    pairs = FrequencyPairs.along_ridge(site.decay_rate**2, bound, nodes)
    first, second = (spectra(np.abs(one)) for one in (pairs.first, pairs.second))
    shape = (first[:, :-1], second[:, :-1])
    field, own = (
        (first[:, -1], second[:, -1]),
        [site.noise / (1 + one**2) for one in (pairs.first, pairs.second)],
    )

    def products(per_unit: ArrayLike) -> NDArray[np.float64]:
        """⟨weight c_1 c_2⟩ of the activities scaled to variance one."""
        weight = population.pair_weights(np.asarray(per_unit))
        return np.einsum("pk,pk->p", shape[0] @ weight, shape[1])

    c = population.at_units(variance)
    slope2 = population.at_units(site.node_slope**2)
    ratio = population.at_units(population.node * site.node_slope**2 / variance)
    single = 1.0 / ((1 + 1j * pairs.first) * (1 + 1j * pairs.second))
    loop = 1.0 / (1.0 - square * np.mean(u2 * v2 * slope2) * single)
    mean = [one @ population.weights(v2 * c) for one in shape]
    shared = (square**2 * products((v2 * c) ** 2) + kappa * mean[0] * mean[1]) * np.abs(loop) ** 2

    def decaying(response: float, crossed: NDArray) -> NDArray[np.float64]:
        """All but the first term of ψ, times the weights."""
        response_pair = response * single
        cross = 2 * np.real(response_pair * square * crossed * loop)
        return pairs.weight * (np.abs(response_pair) ** 2 * shared + cross)

    def states(per_unit: NDArray) -> NDArray[np.float64]:
        """⟨weight C_x1 C_x2⟩."""
        both = np.mean(u2**2 * per_unit) * field[0] * field[1]
        mixed = np.mean(u2 * per_unit) * (field[0] * own[1] + field[1] * own[0])
        return both + mixed + np.mean(per_unit) * own[0] * own[1]

    raw = decaying(float(np.mean(u2 * slope2)), products(v2 * c**2))
    mean_square = population.pair_weights(c**2)

    def alone(lags: NDArray) -> NDArray[np.float64]:
        curve = site.node_activity(lags) / variance
        return np.einsum("...k,kl,...l->...", curve, mean_square, curve)

    activity = PairCovariance(alone, pairs.first + pairs.second, raw)
    active = (u2 > u2.max() * 1e-12) | (site.noise > 0)
    share = np.mean(active)
    standard = share + np.sum(
        decaying(
            float(np.mean(np.where(active, ratio, 0.0))), products(np.where(active, v2 * c, 0))
        )
    )
    x_variance = u2 * float(site.field(np.zeros(1))[0]) + site.noise / 2
    of_x = np.mean(x_variance**2) + np.sum(decaying(float(np.mean(u2)), states(v2 * slope2)))
    return HeterogeneousPairs(
        activity,
        float(np.mean(c) ** 2 / activity(0.0)),
        float(share**2 / standard),
        float(np.mean(x_variance) ** 2 / of_x),
        float(np.mean(c**2) / np.mean(c) ** 2),
    )
