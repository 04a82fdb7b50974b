"""Intrinsic dimension of a cloud of points, from the distances to nearest neighbours.

Unlike the participation ratio these estimators follow curved sheets: a Swiss roll has two
dimensions, though its covariance has three. All of them are too low where the dimension is high
for the number of points (uniform cubes of 2,500 points: 4.8 for 5, 8.3 for 10, 15 for 20), and
all count noise as dimensions at scales below its size: see `mesomode.comparison.decimation`. States
along a trajectory need a ``window`` of time: without it, only the spacing of frames and the line
through them are seen (TwoNN of the Lorenz attractor: 41 in steps of 0.002, instead of 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesomode.comparison.neighbours import distinct_points, nearest_neighbours
from mesomode.comparison.unbiased_dimension import unbiased_traces
from mesomode.errors import DataError

SHARED_NEIGHBOURS = 1.65
"""Variance of TwoNN relative to that from independent ratios, as points share neighbours.

Measured on even clouds without boundary: 1.4 … 1.8 for 1 … 5 dimensions and 118 or 500 points.
"""


@dataclass(frozen=True)
class IntrinsicDimension:
    """Intrinsic dimension of a cloud of points.

    Parameters
    ----------
    dimension : float
    interval : tuple of float
        Confidence limits for the scatter of the estimate between samples of the same cloud; its
        bias in high dimensions, and at boundaries, is not in them.
    local : float array (point,) or None
        Dimension around every distinct point, where the estimator has it.
    points : int
        Distinct points used.
    dropped : int
        Duplicates left out.
    """

    dimension: float
    interval: tuple[float, float]
    local: np.ndarray | None
    points: int
    dropped: int


def two_nearest_neighbours(
    points: np.ndarray,
    method: str = "likelihood",
    discard: float = 0.1,
    coverage: float = 0.95,
    window: int = 0,
) -> IntrinsicDimension:
    """TwoNN: intrinsic dimension from the two nearest neighbours of every point.

    Facco et al., Sci. Rep. 7, 12140 (2017). If the density is even over the distance to the
    second neighbour, the ratio μ of the two distances has the distribution F(μ) = 1 − μ⁻ᵈ.

    Parameters
    ----------
    points : float array (point, coordinate)
        At least 4 distinct points.
    method : "likelihood" or "regression"
        d = (n − 1) / Σ ln μ, the unbiased maximum of the likelihood; or the slope through the
        origin of −ln(1 − F) over ln μ, with F = i/n for the i-th smallest of the n ratios,
        i = 1 … n.
    discard : float
        Part of the ratios, the largest, that the regression leaves out; at least the last one
        always is, as F is 1 there.
    coverage : float
        Of the confidence interval, which is that of the likelihood, relative to the estimate,
        for as many independent ratios as give the scatter measured (see `SHARED_NEIGHBOURS`).
    window : int
        For states in the order of time: frames within which points are not neighbours, best
        longer than the correlation time; see `mesomode.comparison.neighbours`.

    Raises
    ------
    DataError
        Fewer than 4 distinct points, all points the same, or on a lattice.
    """
    if method not in ("likelihood", "regression") or not 0 <= discard < 1:
        raise ValueError(f"no method {method!r} that discards {discard} of the ratios")
    distinct, kept = distinct_points(points)
    count = len(distinct)
    if count < 4:
        raise DataError(
            f"{count} distinct points are too few",
            why="the two nearest neighbours tell a dimension from 4 points on",
            remedy="give more points",
        )
    distances = nearest_neighbours(distinct, 2, kept, window)[0]
    ratios = np.sort(np.log(distances[:, 1]) - np.log(distances[:, 0]))
    total = float(ratios.sum())
    used = min(max(int(count * (1 - discard)), 2), count - 1)
    if total <= 1e-12 * count or ratios[used - 1] <= 0:
        raise DataError(
            "the two nearest neighbours of the points are equally far",
            why="this is so on a lattice, for example of rounded values",
            remedy="give points that are not rounded, or add noise of the size of the rounding",
        )
    dimension = (count - 1) / total
    if method == "regression":
        level = -np.log1p(-np.arange(1, used + 1) / count)
        dimension = float(level @ ratios[:used] / (ratios[:used] @ ratios[:used]))
    low, high = _gamma_interval(dimension, count / SHARED_NEIGHBOURS, coverage)
    return IntrinsicDimension(dimension, (low, high), None, count, len(points) - count)


def levina_bickel(
    points: np.ndarray, first: int = 10, last: int = 20, coverage: float = 0.95, window: int = 0
) -> IntrinsicDimension:
    """Maximum-likelihood dimension of Levina and Bickel, averaged as MacKay and Ghahramani do.

    Levina and Bickel, NIPS 2004; MacKay and Ghahramani, 2005. With rⱼ(x) the distance of x to
    its j-th neighbour, 1/dₖ is the mean over points and over j < k of ln(rₖ/rⱼ); dₖ is averaged
    over the numbers k of neighbours.

    Parameters
    ----------
    points : float array (point, coordinate)
        More than ``last`` distinct points.
    first, last : int
        Smallest and largest number of neighbours k, at least 2.
    coverage : float
        Of the confidence interval, which is that of one independent distance for each point:
        three times wider than the scatter on even clouds, and so of the size of the bias there.
    window : int
        For states in the order of time: frames within which points are not neighbours, best
        longer than the correlation time; see `mesomode.comparison.neighbours`.

    Returns
    -------
    IntrinsicDimension
        With ``local``: the inverse of the mean over k of ln(rₖ/rⱼ) around every point.

    Raises
    ------
    DataError
        Too few distinct points, all points the same, or on a lattice.
    """
    if not 2 <= first <= last:
        raise ValueError(f"no average over {first} … {last} neighbours")
    distinct, kept = distinct_points(points)
    logs = np.log(nearest_neighbours(distinct, last, kept, window)[0])
    before = np.cumsum(logs, axis=1)
    neighbours = np.arange(first, last + 1)
    inverse = logs[:, neighbours - 1] - before[:, neighbours - 2] / (neighbours - 1)
    mean = inverse.mean(axis=0)
    if mean.min() <= 1e-12:
        raise DataError(
            "the nearest neighbours of the points are equally far",
            why="this is so on a lattice, for example of rounded values",
            remedy="give points that are not rounded, or more neighbours",
        )
    dimension = float(np.mean(1 / mean))
    of_point = inverse.mean(axis=1)
    with np.errstate(divide="ignore"):
        local = np.where(of_point > 0, 1 / of_point, np.inf)
    low, high = _gamma_interval(dimension, len(distinct), coverage)
    return IntrinsicDimension(
        dimension, (low, high), local, len(distinct), len(points) - len(distinct)
    )


def local_components(
    points: np.ndarray, neighbours: int = 30, variance: float | None = 0.95, window: int = 0
) -> IntrinsicDimension:
    """Dimension by principal components of neighbourhoods (local PCA).

    Parameters
    ----------
    points : float array (point, coordinate)
        More than ``neighbours`` distinct points.
    neighbours : int
        Size k of a neighbourhood beside the point itself. It should be three times the dimension
        or more: a result above k/3 says no more than that.
    variance : float or None
        Part of the variance whose number of components is the dimension around a point; None:
        their participation ratio, corrected for the number of points in the neighbourhood.
    window : int
        For states in the order of time: frames within which points are not neighbours, best
        longer than the correlation time; see `mesomode.comparison.neighbours`.

    Returns
    -------
    IntrinsicDimension
        Mean over points; for participation ratios the ratio of the means of (tr C)² and tr C²,
        each divided by its neighbourhood's squared variance. The interval is two standard errors
        of as many independent neighbourhoods as fit into the cloud, to both sides; even clouds
        scatter less.

    Raises
    ------
    DataError
        Too few distinct points, or all points the same.
    """
    if neighbours < 3 or (variance is not None and not 0 < variance <= 1):
        raise ValueError(f"no local dimension of {neighbours} neighbours and {variance} variance")
    distinct, kept = distinct_points(points)
    indices = nearest_neighbours(distinct, neighbours, kept, window)[1]
    size = neighbours + 1
    trace_squared, square_trace = np.ones(len(distinct)), np.empty(len(distinct))
    counted = np.empty(len(distinct))
    rows = max(1, int(32e6 / 8 / (size * (distinct.shape[1] + size))))
    for start in range(0, len(distinct), rows):
        chosen = slice(start, start + rows)
        own = np.arange(len(distinct))[chosen, None]
        cloud = distinct[np.concatenate([own, indices[chosen]], axis=1)]
        cloud -= cloud.mean(axis=1, keepdims=True)
        gram = cloud @ cloud.transpose(0, 2, 1)
        if variance is None:
            trace_squared[chosen], square_trace[chosen] = _unbiased(gram)
        else:
            values = np.clip(np.linalg.eigvalsh(gram)[:, ::-1], 0, None)
            held = np.cumsum(values, axis=1)
            enough = held >= variance * held[:, -1:] * (1 - 1e-12)
            counted[chosen] = np.argmax(enough, axis=1) + 1.0
    if variance is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            local = np.where(square_trace > 0, trace_squared / square_trace, np.nan)
        dimension = float(trace_squared.mean() / square_trace.mean())
        relative = float(np.std(square_trace) / square_trace.mean())
    else:
        local, dimension = counted, float(counted.mean())
        relative = float(np.std(counted)) / dimension
    width = 2 * dimension * relative * float(np.sqrt(size / len(distinct)))
    interval = (dimension - width, dimension + width)
    return IntrinsicDimension(
        dimension, interval, local, len(distinct), len(points) - len(distinct)
    )


def _unbiased(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimates of (tr C)² and tr C² of neighbourhoods, from Grams about their means."""
    size = gram.shape[1]
    diagonal = np.einsum("bii->bi", gram)
    trace = diagonal.sum(axis=1)
    # in units of their variance, so that dense and sparse regions weigh the same
    one = np.ones(len(gram))
    square = np.sum(gram**2, axis=(1, 2)) / trace**2
    fourth = np.sum(diagonal**2, axis=1) / trace**2
    return unbiased_traces(one, square, fourth, size)


def _gamma_interval(dimension: float, count: float, coverage: float) -> tuple[float, float]:
    """Limits of the rate of ``count`` exponential variables whose estimated rate is given."""
    from scipy.stats import gamma

    tail = (1 - coverage) / 2
    scale = dimension / count
    return float(gamma.ppf(tail, count) * scale), float(gamma.isf(tail, count) * scale)
