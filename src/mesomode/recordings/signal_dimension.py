"""Dimension of what repeats over trials: the cross-validated covariance of mean responses.

Products of means from *different* trials carry no noise on average, whether or not the noise is
shared between units (cross-validated principal components: Stringer et al., Nature 571, 361,
2019). For the participation ratio four independent sets of means are needed, two for each
covariance in tr C².
"""

from __future__ import annotations

import itertools

import numpy as np

from mesomode.recordings.reliability import group_means, random_parts

PARTS = 4


def signal_participation_ratio(
    response: np.ndarray,
    condition: np.ndarray,
    conditions: int,
    generator: np.random.Generator,
    splits: int = 10,
) -> tuple[float, float]:
    """Participation ratio of the covariance of the true condition means.

    With X₁ … X₄ the condition means of four disjoint sets of trials, centred over conditions,
    and C_ab = X_aᵀX_b/K, E[tr C₁₂ tr C₃₄] = (tr C)² and E[tr C₁₂ᵀC₃₄] = tr C²: both are averaged
    over all ways to pair the sets and over random splits.

    Parameters
    ----------
    response : float array (trial, unit)
        Finite.
    condition : int array (trial,)
        Condition of each trial; those with fewer than four trials are left out.
    conditions : int
        Number of conditions.
    generator : numpy.random.Generator
        Draws the splits.
    splits : int
        Number of random splits.

    Returns
    -------
    ratio, error : float
        Number of dimensions, at most the number of conditions less one; its jackknife standard
        error over conditions. NaN: fewer than three conditions with four trials, or too noisy.
    """
    kept = np.flatnonzero(np.bincount(condition, minlength=conditions) >= PARTS)
    nan = float("nan")
    if len(kept) < 3 or response.shape[1] == 0:
        return nan, nan
    chosen = np.isin(condition, kept)
    place = np.searchsorted(kept, condition[chosen])
    response = np.asarray(response[chosen], dtype=np.float64)
    # a common shift drops out, and leaves less rounding
    response = response - response.mean(axis=0)
    sums = np.zeros((2, 1 + len(kept)))
    for _ in range(splits):
        sums += _sums(_grams(response, place, len(kept), generator))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(sums[1] > 0, sums[0] / sums[1], np.nan)
    left = ratios[1:]
    error = np.sqrt((len(left) - 1) * np.mean((left - left.mean()) ** 2))
    return float(ratios[0]), float(error)


def cross_validated_spectrum(
    response: np.ndarray,
    condition: np.ndarray,
    conditions: int,
    generator: np.random.Generator,
    splits: int = 10,
) -> np.ndarray:
    """Variance that repeats over trials in each principal direction of the mean responses.

    The directions come from the means of one half of the trials; the variance in each is the
    product of both halves' projections, whose noise is independent.

    Parameters
    ----------
    response, condition, conditions, generator, splits
        As for `signal_participation_ratio`; two trials a condition are enough.

    Returns
    -------
    float64 array (mode,)
        min(K − 1, N) variances, in squared units of the response, in the order of the first
        half's variances; noise directions scatter around zero. Empty: fewer than two conditions.
    """
    kept = np.flatnonzero(np.bincount(condition, minlength=conditions) >= 2)
    modes = min(len(kept) - 1, response.shape[1])
    if modes < 1:
        return np.empty(0)
    chosen = np.isin(condition, kept)
    place = np.searchsorted(kept, condition[chosen])
    response = np.asarray(response[chosen], dtype=np.float64)
    total = np.zeros(modes)
    for _ in range(splits):
        part = random_parts(place, 2, generator)
        one, two = (
            _centred(group_means(response[part == side], place[part == side], len(kept)))
            for side in range(2)
        )
        for train, test in ((one, two), (two, one)):
            _, _, directions = np.linalg.svd(train, full_matrices=False)
            directions = directions[:modes].T
            total += np.sum((train @ directions) * (test @ directions), axis=0) / len(kept)
    return total / (2 * splits)


def _centred(means: np.ndarray) -> np.ndarray:
    result: np.ndarray = means - means.mean(axis=0)
    return result


def _grams(
    response: np.ndarray, place: np.ndarray, conditions: int, generator: np.random.Generator
) -> np.ndarray:
    """X_a X_bᵀ of four sets of means, not centred, (part, part, condition, condition)."""
    part = random_parts(place, PARTS, generator)
    means = np.stack(
        [group_means(response[part == p], place[part == p], conditions) for p in range(PARTS)]
    )
    flat = means.reshape(PARTS * conditions, -1)
    gram = (flat @ flat.T).reshape(PARTS, conditions, PARTS, conditions)
    return np.swapaxes(gram, 1, 2)


def _sums(grams: np.ndarray) -> np.ndarray:
    """Σ tr C_ab tr C_cd and Σ tr C_abᵀC_cd over all a, b, c, d that differ, times K².

    Parameters
    ----------
    grams : float array (part, part, condition, condition)
        X_a X_bᵀ, not centred.

    Returns
    -------
    float64 array (2, 1 + condition)
        Of all conditions, then without each of them in turn, means taken anew.
    """
    conditions = grams.shape[-1]
    kept = np.r_[conditions, np.full(conditions, conditions - 1.0)]
    traces = np.empty((PARTS, PARTS, 1 + conditions))
    for a, b in itertools.permutations(range(PARTS), 2):
        diagonal = np.diag(grams[a, b])
        traces[a, b] = _without(diagonal.sum(), diagonal) - _totals(grams[a, b]) / kept
    found = np.zeros((2, 1 + conditions))
    for a, b, c, d in itertools.permutations(range(PARTS)):
        found[0] += traces[a, b] * traces[c, d]
        found[1] += _centred_product(grams[a, c], grams[b, d], kept)
    return found


def _without(total: float, each: np.ndarray) -> np.ndarray:
    """A sum, and the same without each of its terms."""
    return np.r_[total, total - each]


def _totals(gram: np.ndarray) -> np.ndarray:
    """Sum of all entries, and the same without row and column k, for each k."""
    return _without(gram.sum(), gram.sum(axis=1) + gram.sum(axis=0) - np.diag(gram))


def _centred_product(one: np.ndarray, two: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Σ_ij (H A H)_ij (H B H)_ij with H = 1 − 11ᵀ/K, and the same without row and column k.

    It is Σ A∘B − (Σ_i r_i r'_i + Σ_j c_j c'_j)/K + s s'/K² with the sums r over rows, c over
    columns and s over all.
    """
    result = _totals(one * two) + _totals(one) * _totals(two) / kept**2
    for first, second in ((one, two), (one.T, two.T)):
        rows, others = first.sum(axis=1), second.sum(axis=1)
        # without k: Σ_{i≠k} (r_i − A_ik)(r'_i − B_ik)
        change = rows @ second + others @ first - (first * second).sum(axis=0)
        own = (rows - np.diag(first)) * (others - np.diag(second))
        result -= _without(rows @ others, change + own) / kept
    return result
