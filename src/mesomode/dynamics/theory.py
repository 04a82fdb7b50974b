"""What mean-field theory predicts for a network of given gain, effective rank and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mesomode.dynamics.chaos import critical_gain_of, lyapunov_exponent
from mesomode.dynamics.four_point import dimensions, pair_covariance
from mesomode.dynamics.heterogeneity import HeterogeneousSite, Population, solve_heterogeneous
from mesomode.dynamics.heterogeneous_four_point import heterogeneous_pairs
from mesomode.dynamics.nonlinearity import Nonlinearity, nonlinearity_named
from mesomode.dynamics.overlap import condensation, initial_state, quiescent_is_stable
from mesomode.dynamics.overlap_modes import OverlapModes
from mesomode.dynamics.overlap_sampling import solve_overlaps
from mesomode.dynamics.prediction import (
    ASYMPTOTIC,
    MeanField,
    check_drive,
    predicted,
    quiescent,
)
from mesomode.dynamics.single_site import SingleSite, solve_single_site
from mesomode.errors import DataError

__all__ = [
    "ASYMPTOTIC",
    "MeanField",
    "critical_gain",
    "largest_lyapunov_exponent",
    "mean_field",
    "overlap_mean_field",
]

CONDENSING = 0.8
"""Largest dρS(0) from which less than one dimension is a sign of condensation."""


def mean_field(
    gain: float = 3.0,
    effective_rank: float = 0.1,
    nonlinearity: str = "erf",
    noise: float = 0.0,
    *,
    lag_step: float = 0.1,
    target_scale: ArrayLike | None = None,
    source_scale: ArrayLike | None = None,
) -> MeanField:
    """Solve the mean-field theory of a network, autonomous or driven by noise.

    Parameters
    ----------
    gain : float
        Coupling gain g ≥ 0. Without noise chaotic above one, quiescent up to one.
    effective_rank : float
        PR_D per unit: positive, ``inf`` for independent couplings, or at most −1 (the
        value of orthogonal couplings). If units differ, that of J_0.
    nonlinearity : {"erf", "tanh"}
        φ.
    noise : float
        Variance σ² of independent white noise in the input of every unit,
        dx = (−x + Jφ(x)) dt + σ dW, t in time constants: (1 + ω²) C_x(ω) = g² C_φ(ω) + σ²,
        so that the variance of x is σ²/2 without coupling. 0, or at least 1e-9.
    lag_step : float
        Distance of the lags of the curves.
    target_scale, source_scale : (unit,) array_like, optional
        Scales u of the inputs and v of the outputs of units that differ,
        J = diag(u) J_0 diag(v); they are scaled to mean square one, and g is the gain of J_0.

    Returns
    -------
    MeanField

    Raises
    ------
    DataError
        A gain, effective rank, noise, step or scale that is not possible.
    ConfigError
        An unknown nonlinearity, or one that is not odd or does not saturate.
    SolverError
        No solution is found, which happens only for gains very near to one without noise
        or, with tanh, above about 30.
    """
    phi = _nonlinearity(nonlinearity)
    check_drive(gain, noise, lag_step)
    if not (effective_rank > 0 or effective_rank <= -1):
        raise DataError(
            f"an effective rank of {effective_rank} is not possible",
            why="1/PR_D = m4/m2² − 2 of singular values is at least −1",
            remedy="use a positive number, inf for independent couplings, or the value that "
            "mesomode.network.effective_rank gives",
        )
    gain, effective_rank, noise = float(gain), float(effective_rank), float(noise)
    inverse = 1.0 / effective_rank
    population = Population(target_scale, source_scale)
    both = float(np.mean(population.target_square * population.source_square))
    if gain**2 * both <= 1 and noise == 0:
        return quiescent(gain, effective_rank, nonlinearity, gain**2 * both, lag_step)
    if target_scale is None and source_scale is None:
        site = solve_single_site(gain, phi, noise)
        activity, states = dimensions(site)
        ratio = activity.participation_ratio(inverse)
        return predicted(
            site,
            effective_rank,
            nonlinearity,
            lag_step,
            gain_average=site.averages.slope,
            participation_ratio=ratio,
            participation_ratio_x=states.participation_ratio(inverse),
            participation_ratio_standardised=ratio,
            _pairs=lambda: pair_covariance(site, inverse),
        )
    different = solve_heterogeneous(gain, population, phi, noise)
    pairs = heterogeneous_pairs(different, inverse)
    return predicted(
        different,
        effective_rank,
        nonlinearity,
        lag_step,
        gain_average=float(population.weights() @ different.node_slope),
        participation_ratio=pairs.participation_ratio,
        participation_ratio_x=pairs.participation_ratio_x,
        participation_ratio_standardised=pairs.participation_ratio_standardised,
        spread=pairs.spread,
        _pairs=lambda: pairs.activity,
    )


def overlap_mean_field(
    strength: ArrayLike,
    overlap: ArrayLike,
    units: int,
    nonlinearity: str = "erf",
    noise: float = 0.0,
    *,
    generator: np.random.Generator,
    lag_step: float = 0.1,
    paths: int = 256,
) -> MeanField:
    """Solve the mean-field theory of a network whose input and output modes overlap.

    J = L diag(d) Rᵀ with normal L and R of variance 1/N, where L_ia and R_ia have the
    correlation ρ_a; couplings of units to themselves included. Units feed back on themselves,
    so that x is not Gaussian: what this changes is sampled, with errors that are stated.
    Without overlaps nothing is sampled and the result is that of :func:`mean_field`.

    Parameters
    ----------
    strength : (mode,) array_like
        Strengths d.
    overlap : (mode,) array_like
        Overlaps ρ, −1 to 1.
    units : int
        Number of units N.
    nonlinearity : {"erf", "tanh"}
        φ.
    noise : float
        Variance σ² of the white noise of every unit, as for :func:`mean_field`.
    generator : numpy.random.Generator
        Source of the sampled paths.
    lag_step : float
        Distance of the lags of the curves.
    paths : int
        Number of paths in each of 4 batches, 102.4 time constants long; the errors fall with
        the square root. With 256 it takes some 5 s, and C_φ(0) has an error of 0.1 %.

    Returns
    -------
    MeanField
        With ``activity_variance_error`` and ``participation_ratio_error``, without
        ``participation_ratio_x``.

    Raises
    ------
    DataError
        Strengths, overlaps, noise or numbers that are not possible.
    ConfigError
        An unknown nonlinearity, or one that is not odd or does not saturate.
    SolverError
        A mode condenses, max dρS(0) ≥ 1 with S(0) the static response of units: it sustains
        itself and dominates the activity, which this theory does not describe. Or no solution
        is found.

    Notes
    -----
    Normal modes are not orthogonal: singular values of a matrix, used as strengths, give a
    network of another effective rank (see
    :class:`~mesomode.network.random_mode.RandomModeNetwork`).
    """
    phi = _nonlinearity(nonlinearity)
    modes = OverlapModes.of(strength, overlap, units)
    check_drive(modes.gain, noise, lag_step)
    if paths < 2:
        raise DataError(f"{paths} paths are too few", remedy="use about 256")
    noise = float(noise)
    if noise == 0 and quiescent_is_stable(modes):
        return quiescent(modes.gain, modes.effective_rank, nonlinearity, modes.gain**2, lag_step)
    site, parts = solve_overlaps(
        modes, phi, noise, initial_state(modes, phi, noise), generator, paths
    )
    pairs = site.pair_covariance()
    start = site.state.activity[0]
    ratio = float(start**2 / pairs(0.0))
    largest = site.companion.largest(site.state)
    if ratio * units < 1 and largest > CONDENSING:  # so few dimensions are not possible
        raise condensation(largest)
    starts = [one.state.activity[0] for one in parts]
    ratios = [one.state.activity[0] ** 2 / one.pair_covariance(60)(0.0) for one in parts]

    def error(values: list[float]) -> float:
        return float(np.std(values, ddof=1) / np.sqrt(len(values))) if values else 0.0

    return predicted(
        site,
        modes.effective_rank,
        nonlinearity,
        lag_step,
        gain_average=site.mean_slope,
        participation_ratio=ratio,
        participation_ratio_x=np.nan,
        participation_ratio_standardised=ratio,
        activity_variance_error=error(starts),
        participation_ratio_error=error(ratios),
        _pairs=lambda: pairs,
    )


def largest_lyapunov_exponent(theory: MeanField) -> float:
    """Largest Lyapunov exponent λ in mean-field theory, per time constant.

    Parameters
    ----------
    theory : MeanField
        From :func:`mean_field`. The effective rank does not matter.

    Returns
    -------
    float
        −1 + √(1 − E_0), see :mod:`mesomode.dynamics.chaos`; positive if there is chaos. Without
        activity the growth rate −1 + g (for units that differ −1 + g√⟨u²v²⟩) of small
        perturbations. NaN with overlaps, for which it is not known.
    """
    if theory._site is None:
        return float(np.sqrt(theory.loop_gain)) - 1.0
    if not isinstance(theory._site, SingleSite | HeterogeneousSite):
        return np.nan
    return lyapunov_exponent(theory._site)


def critical_gain(
    nonlinearity: str = "erf",
    noise: float = 0.0,
    *,
    target_scale: ArrayLike | None = None,
    source_scale: ArrayLike | None = None,
) -> float:
    """Gain at the transition to chaos: there the largest Lyapunov exponent is zero.

    Parameters
    ----------
    nonlinearity : {"erf", "tanh"}
        φ.
    noise : float
        Variance σ² of the white noise; without it the critical gain is one. With it, and equal
        units, Δ_0 = g² C_φ(0) at the transition.
    target_scale, source_scale : (unit,) array_like, optional
        Scales of units that differ, as for :func:`mean_field`.

    Returns
    -------
    float

    Raises
    ------
    DataError
        A noise or scale that is not possible.
    ConfigError
        An unknown nonlinearity, or one that is not odd or does not saturate.
    SolverError
        The transition is not below a gain of 1,000 (30 with tanh).
    """
    phi = _nonlinearity(nonlinearity)
    check_drive(1.0, noise, 1.0)
    return critical_gain_of(phi, float(noise), target_scale, source_scale)


def _nonlinearity(name: str) -> Nonlinearity:
    phi = nonlinearity_named(name)
    phi.averages(1.0)  # refused if there is no theory for it
    return phi
