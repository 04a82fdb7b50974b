"""Which theory a network gets, and what it says at the lags that were measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesomode.dynamics.nonlinearity import nonlinearity_named
from mesomode.dynamics.theory import (
    MeanField,
    largest_lyapunov_exponent,
    mean_field,
    overlap_mean_field,
)
from mesomode.errors import SolverError
from mesomode.network.coupling import Network


@dataclass(frozen=True)
class Expectation:
    """What theory says of one network; NaN where there is no theory or no activity.

    Parameters
    ----------
    activity_variance : float
        C_φ(0).
    autocovariance, activity_autocovariance : (lag,) ndarray
        C_x(τ) and C_φ(τ).
    population_autocovariance : (lag,) ndarray
        ψ(τ, τ)/ψ(0, 0), at lags of its own.
    participation_ratio, participation_ratio_standardised : float
        Dimension per unit, of φ(x) and of units of equal variance.
    correlation_time : float
        ∫(C_φ(τ)/C_φ(0))² dτ.
    lyapunov_exponent : float
        The largest.
    slope : float
        ⟨φ'⟩, averaged over states and units.
    asymptotic_size : float
        See :meth:`mesomode.dynamics.prediction.MeanField.asymptotic_size`.
    verdict : str
        Whether the theory of the dimension holds for so few units.
    kind : str
        What of the network the theory takes into account, and what not.
    """

    activity_variance: float
    autocovariance: NDArray[np.float64]
    activity_autocovariance: NDArray[np.float64]
    population_autocovariance: NDArray[np.float64]
    participation_ratio: float
    participation_ratio_standardised: float
    correlation_time: float
    lyapunov_exponent: float
    slope: float
    asymptotic_size: float
    verdict: str
    kind: str


def expected(
    network: Network,
    nonlinearity: str,
    noise: float,
    lag: NDArray,
    population_lag: NDArray,
    *,
    generator: np.random.Generator,
) -> Expectation:
    """Solve the theory of a network's ensemble.

    Parameters
    ----------
    network : Network
    nonlinearity : str
        Name of φ.
    noise : float
        Variance σ² of the white noise.
    lag : (lag,) ndarray
        Of the autocovariances, in time constants.
    population_lag : (population_lag,) ndarray
        Of that of the population.
    generator : numpy.random.Generator
        Source of the paths that the theory of overlaps samples.

    Returns
    -------
    Expectation
        All NaN for a nonlinearity that is not odd.

    Raises
    ------
    DataError, SolverError
        As from :func:`mesomode.dynamics.theory.mean_field`.

    Notes
    -----
    With overlaps of output and input modes the theory of overlaps is used. It has no solution
    if a mode condenses, and does not know units that differ: then overlaps are left out, and
    ``kind`` says so.
    """
    if not nonlinearity_named(nonlinearity).odd:
        nothing = float("nan")
        return Expectation(
            activity_variance=nothing,
            autocovariance=np.full(len(lag), np.nan),
            activity_autocovariance=np.full(len(lag), np.nan),
            population_autocovariance=np.full(len(population_lag), np.nan),
            participation_ratio=nothing,
            participation_ratio_standardised=nothing,
            correlation_time=nothing,
            lyapunov_exponent=nothing,
            slope=nothing,
            asymptotic_size=nothing,
            verdict=f"there is no theory for φ = {nonlinearity}",
            kind="none",
        )
    theory, kind = _theory(network, nonlinearity, noise, generator)
    states, activity = theory.at(lag)
    return Expectation(
        activity_variance=theory.activity_variance,
        autocovariance=states,
        activity_autocovariance=activity,
        population_autocovariance=theory.population_autocovariance(population_lag),
        participation_ratio=theory.participation_ratio,
        participation_ratio_standardised=theory.participation_ratio_standardised,
        correlation_time=theory.correlation_time,
        lyapunov_exponent=largest_lyapunov_exponent(theory),
        slope=theory.gain_average,
        asymptotic_size=theory.asymptotic_size(network.units),
        verdict=theory.verdict(network.units),
        kind=kind,
    )


def _theory(
    network: Network, nonlinearity: str, noise: float, generator: np.random.Generator
) -> tuple[MeanField, str]:
    inverse = network.inverse_effective_rank
    strength, overlap = network.strength, network.overlap
    scaled = network.target_scale is not None or network.source_scale is not None
    kind = "units that differ" if scaled else "gain and effective rank"
    if overlap is not None and strength is not None and np.any(overlap):
        if scaled:
            kind += "; without overlaps of modes"
        else:
            try:
                theory = overlap_mean_field(
                    strength, overlap, network.units, nonlinearity, noise, generator=generator
                )
            except SolverError as error:
                kind += f"; without overlaps of modes: {error.what}"
            else:
                return theory, "overlaps of modes"
    theory = mean_field(
        network.gain,
        1.0 / inverse if inverse else np.inf,
        nonlinearity,
        noise,
        target_scale=network.target_scale,
        source_scale=network.source_scale,
    )
    return theory, kind
