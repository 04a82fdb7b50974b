"""Dimension at several scales: what an estimate becomes when points are left out.

Fewer points are further apart, so leaving points out looks at larger scales. Where an estimate
stays the same over a range of scales (a plateau) it tells the dimension; where it rises with
the number of points, noise below the scale of the data is being counted (Facco et al. 2017), or
the points are too few for their dimension.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mesomode.comparison.dimension import components_for, covariance_eigenvalues, plain_moments
from mesomode.comparison.intrinsic_dimension import (
    levina_bickel,
    local_components,
    two_nearest_neighbours,
)
from mesomode.comparison.neighbours import distinct_points
from mesomode.comparison.unbiased_dimension import sample_moments
from mesomode.errors import DataError

Estimate = Callable[[np.ndarray], float]
"""From points (point, coordinate) to a dimension."""


@dataclass(frozen=True)
class Decimation:
    """A dimension at several numbers of points.

    Parameters
    ----------
    size : int array (scale,)
        Number of points, all of them first, halved from one scale to the next.
    dimension : float array (scale,)
        Mean over disjoint subsets.
    error : float array (scale,)
        Standard error of that mean; NaN where there is one subset.
    tolerance : float
        Relative change from one scale to the next up to which a plateau is stated.
    """

    size: np.ndarray
    dimension: np.ndarray
    error: np.ndarray
    tolerance: float

    @property
    def slope(self) -> float:
        """Relative rise of the estimate for twice as many points, over the largest three sizes."""
        octaves = np.log2(self.size[:3])
        return float(np.polyfit(octaves, np.log(self.dimension[:3]), 1)[0])

    @property
    def plateau(self) -> bool:
        """Whether the estimate no longer changes with the number of points."""
        return abs(self.slope) <= self.tolerance


def decimated(
    points: np.ndarray,
    estimate: Estimate,
    *,
    generator: np.random.Generator,
    scales: int = 5,
    smallest: int = 50,
    subsets: int = 8,
    tolerance: float = 0.05,
) -> Decimation:
    """Estimate a dimension from all points, and from a half, a quarter and so on of them.

    Parameters
    ----------
    points : float array (point, coordinate)
        Duplicates are left out first.
    estimate : callable
        From points to a dimension.
    generator : numpy Generator
    scales : int
        Largest number of scales, at least 3.
    smallest : int
        Points below which no estimate is tried.
    subsets : int
        Largest number of disjoint subsets averaged at a scale.
    tolerance : float
        See `Decimation`; for 0.05 the dimension changes by less than 5 % an octave.

    Raises
    ------
    DataError
        Fewer than 4 × ``smallest`` distinct points, so that there are no three scales; or the
        estimate has no positive value at some scale.
    """
    if scales < 3 or smallest < 4 or subsets < 1:
        raise ValueError(f"{scales} scales down to {smallest} points in {subsets} subsets")
    distinct = distinct_points(points)[0]
    count = len(distinct)
    if count < 4 * smallest:
        raise DataError(
            f"{count} distinct points are too few for a dimension at three scales",
            why=f"a quarter of them must be {smallest} points or more",
            remedy=f"give at least {4 * smallest} points, or report the estimate with its interval",
        )
    sizes = [count >> scale for scale in range(scales) if count >> scale >= smallest]
    means, errors = [], []
    for size in sizes:
        order = generator.permutation(count)
        parts = min(count // size, subsets)
        found = np.array(
            [estimate(distinct[order[part * size : (part + 1) * size]]) for part in range(parts)]
        )
        means.append(found.mean())
        errors.append(found.std(ddof=1) / np.sqrt(parts) if parts > 1 else np.nan)
    if not np.all(np.array(means) > 0):
        raise DataError(
            "the dimension has no value at some scale",
            why=f"the estimates from {sizes} points are {[round(float(m), 3) for m in means]}",
            remedy="give more points",
        )
    return Decimation(np.array(sizes), np.array(means), np.array(errors), tolerance)


def dimension_report(
    points: np.ndarray, *, generator: np.random.Generator, window: int = 0
) -> dict[str, float]:
    """Every estimate of the dimension of a cloud of points, side by side.

    Local and global dimension differ and are not to be merged: a curved sheet has few dimensions
    locally and many globally.

    Parameters
    ----------
    points : float array (point, coordinate)
    generator : numpy Generator
        For the decimation.
    window : int
        0 for independent points. For states in the order of time: frames within which they are
        not neighbours. Then the participation ratio is the plain one (see
        `mesomode.comparison.dimension.BlockMoments` for a better one), and there is no decimation.

    Returns
    -------
    dict of str to float
        ``participation_ratio`` (corrected for the number of points where they are independent),
        ``components_90``, ``components_95``; ``two_nearest`` with ``_low``, ``_high`` (95 %),
        ``two_nearest_regression``, ``levina_bickel``, ``local_components``,
        ``two_nearest_slope`` (rise for twice as many points) and ``plateau`` (1 or 0); points
        used (``points``) and left out as duplicates (``duplicates``). NaN where there are too
        few points.
    """
    distinct = distinct_points(points)[0]
    eigenvalues = covariance_eigenvalues(distinct)
    count, nothing = len(distinct), float("nan")
    nearest = two_nearest_neighbours(points, window=window)
    fitted = two_nearest_neighbours(points, "regression", window=window)
    moments = plain_moments(distinct) if window else sample_moments(distinct)
    found = {
        "points": float(count),
        "duplicates": float(nearest.dropped),
        "participation_ratio": moments.participation_ratio,
        "components_90": float(components_for(eigenvalues, 0.9)),
        "components_95": float(components_for(eigenvalues, 0.95)),
        "two_nearest": nearest.dimension,
        "two_nearest_low": nearest.interval[0],
        "two_nearest_high": nearest.interval[1],
        "two_nearest_regression": fitted.dimension,
        "levina_bickel": nothing,
        "local_components": nothing,
        "two_nearest_slope": nothing,
        "plateau": nothing,
    }
    outside = count - 2 * window - 1  # points that are neighbours of every one, at the least
    if outside >= 20:
        found["levina_bickel"] = levina_bickel(points, window=window).dimension
    if outside >= 30:
        found["local_components"] = local_components(points, window=window).dimension
    if count >= 200 and window == 0:
        scales = decimated(
            distinct, lambda part: two_nearest_neighbours(part).dimension, generator=generator
        )
        found["two_nearest_slope"] = scales.slope
        found["plateau"] = float(scales.plateau)
    return found
