"""Overlaps of output and input modes, √N u_a·v_a, against those of random modes.

Sources: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025) for the
quantity; two independent directions drawn uniformly in N dimensions have (1 + u·v)/2
distributed as Beta((N−1)/2, (N−1)/2); Benjamini & Hochberg, J. R. Stat. Soc. B 57, 289 (1995).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mesomode.network.decomposition import Decomposition


def mode_overlaps(modes: Decomposition) -> NDArray[np.float64]:
    """u_a·v_a of each mode, −1 to 1: the paper's ρ_a for orthonormal modes."""
    return np.einsum("ia,ia->a", modes.left, modes.right)


@dataclass(frozen=True)
class OverlapTest:
    """How the overlaps of a matrix compare with those of random modes.

    Parameters
    ----------
    p_value : (mode,) ndarray of float64
        Two-sided, of each mode alone, if its directions were uniform and independent.
    significant : (mode,) ndarray of bool
        Modes whose overlaps are not chance: false discoveries are at most the level's share
        of them (Benjamini and Hochberg).
    root_mean_square : float
        Of √N u_a·v_a; 1 for random modes.
    distribution_p_value : float
        Kolmogorov–Smirnov test of all overlaps against random modes.
    largest_p_value : float
        Of the largest |u_a·v_a|, times the number of modes (Bonferroni), at most 1.
    permutation_root_mean_square : (permutation,) ndarray of float64
        Root mean squares after the units of the input modes were permuted, which keeps how
        unevenly the modes are spread over units.
    permutation_p_value : float
        Share of permutations, itself included, with a root mean square as large.
    """

    p_value: NDArray[np.float64]
    significant: NDArray[np.bool_]
    root_mean_square: float
    distribution_p_value: float
    largest_p_value: float
    permutation_root_mean_square: NDArray[np.float64]
    permutation_p_value: float


def overlap_test(
    modes: Decomposition,
    *,
    generator: np.random.Generator,
    permutations: int = 200,
    level: float = 0.05,
) -> OverlapTest:
    """Test the overlaps of output and input modes against random modes.

    Parameters
    ----------
    modes : Decomposition
        Of a square matrix of N ≥ 2 units.
    generator : numpy.random.Generator
        Source of the permutations.
    permutations : int
        Number of permutations; 0 gives NaN as their p-value.
    level : float
        Share of false discoveries allowed among the significant modes.

    Returns
    -------
    OverlapTest
    """
    units, count = modes.left.shape
    overlap = np.clip(mode_overlaps(modes), -1.0, 1.0)
    half = (units - 1) / 2
    null = stats.beta(half, half)
    p_value = np.minimum(1.0, 2.0 * null.sf((1.0 + np.abs(overlap)) / 2))
    scaled = np.sqrt(units) * overlap
    size = float(np.sqrt(np.mean(scaled**2)))
    permuted = np.empty(permutations)
    for index in range(permutations):
        order = generator.permutation(units)
        values = np.einsum("ia,ia->a", modes.left, modes.right[order])
        permuted[index] = np.sqrt(units * np.mean(values**2))
    return OverlapTest(
        p_value=p_value,
        significant=discoveries(p_value, level),
        root_mean_square=size,
        distribution_p_value=float(stats.kstest((1.0 + overlap) / 2, null.cdf).pvalue),
        largest_p_value=float(min(1.0, count * p_value.min())),
        permutation_root_mean_square=permuted,
        permutation_p_value=float((1 + np.sum(permuted >= size)) / (1 + permutations))
        if permutations
        else float("nan"),
    )


def discoveries(p_value: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Which hypotheses are rejected at a false discovery rate of ``level``."""
    order = np.argsort(p_value)
    passed = p_value[order] <= level * np.arange(1, len(order) + 1) / len(order)
    rejected = np.zeros(len(order), dtype=bool)
    if passed.any():
        rejected[order[: np.flatnonzero(passed)[-1] + 1]] = True
    return rejected
