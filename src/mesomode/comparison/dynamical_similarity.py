"""Dynamical similarity analysis: distances between linear dynamics, for pairs and for many.

Ostrow et al. 2023; eigenvalues alone: Redman et al. 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mesomode.comparison.dynamic_mode_decomposition import DelayDynamics
from mesomode.comparison.orthogonal_similarity import align_matrices
from mesomode.comparison.spectral_distances import wasserstein_distance
from mesomode.errors import DataError

METRICS = ("euclidean", "angular", "wasserstein")

RATE_TOLERANCE = 0.005
"""Relative difference of sampling rates up to which dynamics are compared."""

CHUNK = 4096
"""Pairs whose alignments are held in memory at once."""

System = np.ndarray | DelayDynamics


@dataclass(frozen=True)
class Distances:
    """Distances of pairs of systems.

    Parameters
    ----------
    distance : float64 array (pair,)
        The least found, an upper bound of the true one.
    lower : float64 array (pair,)
        Proven lower bound.
    agreement : float64 array (pair,)
        Part of the starting points followed to the end that led to the distance (see
        `orthogonal_similarity.Alignment`): low where better ones may have been missed. 1: exact.
    """

    distance: np.ndarray
    lower: np.ndarray
    agreement: np.ndarray


def dynamical_distance(
    A: System,
    B: System,
    metric: str = "euclidean",
    seed: int = 0,
    *,
    sampling_rates: tuple[float, float] | None = None,
    starts: int = 24,
) -> float:
    """Distance between two linear dynamics, whatever their orthogonal coordinates.

    The dynamics are those from one frame to the next: with a finer sampling all of them approach
    the identity, and each other.

    Parameters
    ----------
    A, B : float array (n, n), or DelayDynamics
        x_{t+1} = A x_t, of the same size and sampling rate. Not changed.
    metric : {"euclidean", "angular", "wasserstein"}
        min over C in O(n) of |A - C B Cᵀ|_F; the angle between A and C B Cᵀ, in [0, π]; or the
        2-Wasserstein distance between eigenvalues, which does not see non-normality.
    seed : int
        Of the starting points of the search. The result does not depend on the order of A and B.
    sampling_rates : (float, float), optional
        Frames per second of A and of B, if they are known.
    starts : int
        Starting points of the search.

    Returns
    -------
    float
        The least distance found (see `dynamical_distances` for the proven lower bound).

    Raises
    ------
    DataError
        Not square matrices of one size, NaN or infinite values, unequal sampling rates, an unknown
        metric, or the angle to a matrix of zeros.
    """
    pair = dynamical_distances(
        [A, B],
        metric,
        seed,
        pairs=np.array([[0, 1]]),
        sampling_rates=sampling_rates,
        starts=starts,
    )
    return float(pair.distance[0])


def pairs_of(systems: int, job: int = 0, jobs: int = 1) -> np.ndarray:
    """Pairs of systems, first below second; of one of several jobs that share them evenly.

    Returns
    -------
    int array (pair, 2)
    """
    return np.stack(np.triu_indices(systems, 1), axis=1)[job::jobs]


def dynamical_distances(
    systems: Sequence[System] | np.ndarray,
    metric: str = "euclidean",
    seed: int = 0,
    *,
    pairs: np.ndarray | None = None,
    sampling_rates: Sequence[float] | None = None,
    starts: int = 24,
    threads: int | None = None,
) -> Distances:
    """Distances of pairs among many systems.

    Each depends on its two systems and the seed only: parts of the pairs can be done by different
    jobs (see `pairs_of`) and put together with `distance_matrix`.

    Parameters
    ----------
    systems : sequence of float arrays (n, n) or DelayDynamics
    metric, seed, starts
        See `dynamical_distance`.
    pairs : int array (pair, 2), optional
        Default: all (see `pairs_of`).
    sampling_rates : sequence of float, optional
        Frames per second of each system; those of DelayDynamics are known.
    threads : int, optional
        Default: as many as numba uses. Results do not depend on it.
    """
    if metric not in METRICS:
        raise DataError(f"unknown metric {metric!r}", remedy=f"use one of {', '.join(METRICS)}")
    matrices = _matrices(systems)
    _check_rates(systems, sampling_rates)
    pairs = pairs_of(len(matrices)) if pairs is None else np.asarray(pairs, dtype=np.int64)
    first, second = pairs.T
    if metric == "wasserstein":
        values = np.linalg.eigvals(matrices)
        exact = np.array(
            [
                wasserstein_distance(values[a], values[b])
                for a, b in zip(first.tolist(), second.tolist(), strict=True)
            ]
        )
        return Distances(exact, exact, np.ones(len(exact)))
    if metric == "angular":
        norms = np.linalg.norm(matrices, axis=(1, 2), keepdims=True)
        silent = np.flatnonzero(norms == 0)
        if silent.size:
            raise DataError(
                "the angle to a matrix of zeros is not defined",
                where=f"system {silent[0]} (from 0)",
            )
        matrices = matrices / norms
    upper, lower, agreement = (np.empty(len(pairs)) for _ in range(3))
    for begin in range(0, len(pairs), CHUNK):
        part = slice(begin, begin + CHUNK)
        found = align_matrices(
            matrices, first[part], second[part], seed, starts=starts, threads=threads
        )
        upper[part], lower[part], agreement[part] = found.distance, found.lower, found.agreement
    if metric == "angular":
        # From the chord: arccos would lose half of the digits of a small angle.
        upper, lower = (2 * np.arcsin(np.clip(d / 2, 0, 1)) for d in (upper, lower))
    return Distances(upper, lower, agreement)


def distance_matrix(systems: int, pairs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Symmetric matrix (system, system) of values of pairs; 0 on the diagonal, NaN where unknown.

    Parameters
    ----------
    systems : int
    pairs : int array (pair, 2)
    values : float array (pair,)
    """
    result = np.full((systems, systems), np.nan)
    np.fill_diagonal(result, 0.0)
    result[pairs[:, 0], pairs[:, 1]] = values
    result[pairs[:, 1], pairs[:, 0]] = values
    return result


def _matrices(systems: Sequence[System] | np.ndarray) -> np.ndarray:
    """(system, n, n); refuses what cannot be compared."""
    arrays = [np.asarray(s.matrix if isinstance(s, DelayDynamics) else s) for s in systems]
    for place, array in enumerate(arrays):
        where = f"system {place} (from 0)"
        if array.dtype.kind not in "fiu" or array.ndim != 2 or len(set(array.shape)) != 1:
            raise DataError(
                "dynamics must be square matrices of real numbers",
                where=where,
                why=f"shape {array.shape}, {array.dtype}",
                remedy="fit the trials with fit_dynamics first",
            )
        if not np.isfinite(array).all():
            raise DataError("the dynamics contain NaN or infinite values", where=where)
    sizes = sorted({len(array) for array in arrays})
    if len(sizes) > 1 or sizes == [0]:
        raise DataError(
            "dynamics of different sizes cannot be compared",
            why=f"the numbers of modes are {', '.join(map(str, sizes))}",
            remedy="fit all systems with the same rank; zeros in the place of missing modes would "
            "be counted as modes that vanish at once",
        )
    return np.stack(arrays).astype(np.float64)


def _check_rates(systems: Sequence[System] | np.ndarray, given: Sequence[float] | None) -> None:
    """Refuse unequal sampling rates, so far as they are known."""
    if given is not None and len(given) != len(systems):
        raise DataError(f"{len(given)} sampling rates for {len(systems)} systems")
    rates = [s.sampling_rate if isinstance(s, DelayDynamics) else None for s in systems]
    if given is not None:
        rates = [own if own is not None else float(r) for own, r in zip(rates, given, strict=True)]
    known = [(rate, place) for place, rate in enumerate(rates) if rate is not None]
    if not known:
        return
    (slow, one), (fast, two) = min(known), max(known)
    if not slow > 0 or not np.isfinite(fast):
        raise DataError(f"sampling rates must be positive: {slow:g} and {fast:g} per second")
    if fast > slow * (1 + RATE_TOLERANCE):
        raise DataError(
            f"unequal sampling rates: {slow:g} and {fast:g} frames per second",
            where=f"systems {one} and {two} (from 0)",
            why="the dynamics are those of one frame to the next",
            remedy="resample the trials to a common rate before the fit",
        )
