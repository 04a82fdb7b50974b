"""Participation ratio without the bias of few samples, and without the noise of single trials.

The sample covariance of n independent samples has, on average, too large a tr Ĉ², by about
(tr C)²/n; and averages over trials still hold noise, which adds dimensions. Both are removed from
the numerator and the denominator of PR = (tr C)² / tr C² by using products of different samples
and of different trials only. The ratio of the two unbiased estimates is what is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mesomode.comparison.dimension import Moments, plain_moments
from mesomode.errors import DataError

MIN_SAMPLES = 4
"""Products of two covariances about an unknown mean need four samples."""

MIN_REPEATS = 4
"""Products of two covariances without noise need four trials."""


def unbiased_traces(trace_squared: Any, square_trace: Any, fourth: Any, samples: int) -> Any:
    """Estimates of (tr C)² and tr C² from the Gram matrix of n samples about their mean.

    Himeno and Yamada, J. Multivar. Anal. 130, 27 (2014); equal to averages over all choices of
    four different samples.

    Parameters
    ----------
    trace_squared, square_trace, fourth : float or float arrays
        (tr K)², tr K² = Σ K[s, t]² and Σ K[s, s]² of the centred Gram matrix K.
    samples : int
        n, at least 4.

    Returns
    -------
    tuple of two, of the same form
        (tr C)² and tr C². Either may come out negative by chance.
    """
    n = samples
    common = n * (n - 2) * (n - 3)
    square = (n - 2) * square_trace + trace_squared / (n - 1) - n * fourth
    trace = 2 * square_trace / (n - 1) + (n * n - 3 * n + 1) / (n - 1) * trace_squared - n * fourth
    return trace / common, square / common


def sample_moments(samples: np.ndarray) -> Moments:
    """Unbiased moments of a covariance from independent samples.

    For samples in time, which depend on each other, use
    `mesomode.comparison.dimension.BlockMoments` instead.

    Parameters
    ----------
    samples : float array (sample, unit)
        Finite, at least four. Memory: 8 min(n, N)² bytes and a copy.

    Raises
    ------
    DataError
        Fewer than four samples, or values that are not finite.
    """
    plain = plain_moments(samples)
    count = len(samples)
    if count < MIN_SAMPLES:
        raise DataError(
            f"{count} samples are too few to estimate the dimension",
            why=f"products of two covariances about an unknown mean need {MIN_SAMPLES}",
            remedy="give more samples",
        )
    centred = np.asarray(samples, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    fourth = float(np.sum(np.einsum("si,si->s", centred, centred) ** 2))
    whole = unbiased_traces(
        plain.trace_squared * count**2, plain.square_trace * count**2, fourth, count
    )
    variance_squared = np.sum(centred**2, axis=0) ** 2
    alone = unbiased_traces(variance_squared, variance_squared, np.sum(centred**4, axis=0), count)
    return Moments(plain.units, float(whole[0]), float(whole[1]), float(np.sum(alone[1])))


@dataclass(frozen=True)
class SignalDimension:
    """Dimension of the part of responses that repeats from trial to trial.

    Parameters
    ----------
    moments : Moments
        Of the covariance over images of the responses without noise.
    standard_error : float
        Of its participation ratio, by leaving out one repeat after the other; NaN with four.
        The choice of images and units is not in it.
    plain : float
        Participation ratio of the means over trials, with their noise.
    signal_fraction : float
        Variance over images of the responses without noise, divided by that in single repeats.
    """

    moments: Moments
    standard_error: float
    plain: float
    signal_fraction: float

    @property
    def participation_ratio(self) -> float:
        """Without noise; NaN where the estimate of tr C² is not positive."""
        return self.moments.participation_ratio


def signal_dimension(trials: np.ndarray, images: str = "drawn") -> SignalDimension:
    """Participation ratio of responses to images without the noise of trials.

    The covariance over images is cross-validated: with Kᵃᵇ the products of the centred
    responses to each pair of images in repeats a and b, all estimates are averages of
    Kᵃᵇ ∘ Kᶜᵈ over all choices of four different repeats. So noise may be shared by units and by
    images within a repeat, and only has to be independent between repeats.

    Parameters
    ----------
    trials : float array (repeat, image, unit)
        At least four repeats, of at least four images. Memory: 8 R M² bytes for R repeats of M
        images, and 8 R² N for N units.
    images : "drawn" or "shown"
        Whether the images stand for all others (their number is corrected for) or for themselves.

    Raises
    ------
    DataError
        Too few repeats or images, or values that are not finite.
    """
    if images not in ("drawn", "shown"):
        raise ValueError(f"the images are drawn or shown, not {images!r}")
    values = _checked(trials)
    repeats, count, units = values.shape
    centred = values - values.mean(axis=1, keepdims=True)
    plain = plain_moments(values.mean(axis=0)).participation_ratio
    frobenius = _FrobeniusSums(centred)
    of_image = np.einsum("asi,bsi->abs", centred, centred, optimize=True)
    of_repeats = of_image.sum(axis=2)

    def traces(left_out: int | None) -> tuple[float, float]:
        kept = np.delete(np.arange(repeats), [] if left_out is None else [left_out])
        inner = np.ix_(kept, kept)
        trace_squared = float(mean_of_four(of_repeats[inner]))
        square_trace = frobenius.mean(left_out)
        if images == "shown":
            return trace_squared / count**2, square_trace / count**2
        fourth = float(mean_of_four(of_image[inner]).sum())
        return unbiased_traces(trace_squared, square_trace, fourth, count)

    of_unit = np.einsum("asi,bsi->abi", centred, centred, optimize=True)
    squared = mean_of_four(of_unit)
    if images == "shown":
        diagonal = float(squared.sum()) / count**2
    else:
        fourth = _products_of_four(centred).sum(axis=0)
        diagonal = float(np.sum(unbiased_traces(squared, squared, fourth, count)[1]))
    error = float("nan")
    if repeats > MIN_REPEATS:
        left = np.array(
            [Moments(units, *traces(repeat), 0.0).participation_ratio for repeat in range(repeats)]
        )
        error = float(np.sqrt((repeats - 1) * np.mean((left - left.mean()) ** 2)))
    own = float(np.trace(of_repeats))
    shared = (float(of_repeats.sum()) - own) / (repeats - 1)
    return SignalDimension(
        Moments(units, *traces(None), diagonal),
        error,
        plain,
        shared / own if own > 0 else float("nan"),
    )


def mean_of_four(table: np.ndarray) -> np.ndarray:
    """Mean of G[a, b] G[c, d] over four different indices, with G symmetric in the first two.

    Parameters
    ----------
    table : float array (repeat, repeat, …)

    Returns
    -------
    float64 array (…)
    """
    repeats = len(table)
    own = np.einsum("aa...->a...", table)
    sums = table.sum(axis=1) - own
    total = sums.sum(axis=0) ** 2 - 4 * np.sum(sums**2, axis=0)
    total = total + 2 * (np.sum(table**2, axis=(0, 1)) - np.sum(own**2, axis=0))
    return total / (repeats * (repeats - 1) * (repeats - 2) * (repeats - 3))


class _FrobeniusSums:
    """Mean of Σ Kᵃᵇ ∘ Kᶜᵈ over four different repeats, of all or of all but one.

    With Kᵃᵇ made symmetric, Rᵃ its sum over b ≠ a and S that over both, the sum is
    ⟨S, S⟩ − 4 Σ ⟨Rᵃ, Rᵃ⟩ + 2 Σ ⟨Kᵃᵇ, Kᵃᵇ⟩.
    """

    def __init__(self, centred: np.ndarray) -> None:
        repeats, count = centred.shape[:2]
        total = centred.sum(axis=0)
        rows = np.empty((repeats, count, count))
        for repeat, own in enumerate(centred):
            product = own @ (total - own).T
            rows[repeat] = (product + product.T) / 2
        whole = rows.sum(axis=0)
        self.whole = float(np.sum(whole**2))
        self.row_whole = np.einsum("ast,st->a", rows, whole)
        self.row_row = np.einsum("ast,ast->a", rows, rows)
        self.row_pair = np.zeros((repeats, repeats))
        self.pair_pair = np.zeros((repeats, repeats))
        for one in range(repeats):
            for two in range(one):
                pair = centred[one] @ centred[two].T
                square = (np.vdot(pair, pair) + np.sum(pair * pair.T)) / 2
                self.pair_pair[one, two] = self.pair_pair[two, one] = square
                self.row_pair[one, two] = np.vdot(rows[one], pair)
                self.row_pair[two, one] = np.vdot(rows[two], pair)

    def mean(self, left_out: int | None) -> float:
        repeats = len(self.row_row)
        whole, row, pair = self.whole, self.row_row.sum(), self.pair_pair.sum()
        if left_out is not None:
            gone, repeats = left_out, repeats - 1
            whole += 4 * (self.row_row[gone] - self.row_whole[gone])
            row -= self.row_row[gone] + 2 * self.row_pair[:, gone].sum()
            row += self.pair_pair[:, gone].sum()
            pair -= 2 * self.pair_pair[gone].sum()
        choices = repeats * (repeats - 1) * (repeats - 2) * (repeats - 3)
        return float(whole - 4 * row + 2 * pair) / choices


def _products_of_four(values: np.ndarray) -> np.ndarray:
    """Mean of x[a] x[b] x[c] x[d] over four different repeats, by power sums."""
    repeats = len(values)
    one, two, three, four = (np.sum(values**power, axis=0) for power in range(1, 5))
    total = one**4 - 6 * one**2 * two + 3 * two**2 + 8 * one * three - 6 * four
    return total / (repeats * (repeats - 1) * (repeats - 2) * (repeats - 3))


def _checked(trials: np.ndarray) -> np.ndarray:
    values = np.asarray(trials, dtype=np.float64)
    if values.ndim != 3 or values.shape[2:] == (0,) or not np.isfinite(values).all():
        raise DataError(
            "the trials are not a filled array (repeat, image, unit)",
            why=f"the shape is {values.shape}, {np.sum(~np.isfinite(values))} values not finite",
            remedy="leave incomplete trials out",
        )
    if len(values) < MIN_REPEATS or values.shape[1] < MIN_SAMPLES:
        raise DataError(
            f"{len(values)} repeats of {values.shape[1]} images are too few for a dimension"
            " without noise",
            why=f"products of different trials need {MIN_REPEATS} repeats of {MIN_SAMPLES} images",
            remedy="choose a stimulus with more repeats, or average less",
        )
    return values
