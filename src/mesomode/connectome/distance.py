"""The distance connectome: weights that depend on nothing but distance, a null model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import numpy.typing as npt
from numba import njit, prange

from mesomode.connectome.kernels import OPTIONS
from mesomode.connectome.model import (
    Array,
    ConnectomeModel,
    checked_positions,
    not_fitted,
    prediction_input,
    training_data,
)
from mesomode.connectome.nonnegative import nonnegative_solution
from mesomode.errors import DataError
from mesomode.memory import require_memory

BLOCK = 256  # target voxels done at a time


class DistanceConnectome(ConnectomeModel):
    """W = f(distance of source and target voxel), f >= 0 and piecewise linear.

    f is a sum of hat functions (which add up to one) with nonnegative
    coefficients, its values at the knots, and constant beyond the last knot;
    the coefficients minimise |Omega o (W X - Y)|^2.

    Parameters
    ----------
    bins : int or array-like
        Number of intervals between equidistant knots from 0 to the longest
        distance between a voxel with injection and a target voxel; or the
        knots themselves, ascending, micrometres.

    Attributes
    ----------
    distance_ : (knot,) float64
        Knots, micrometres.
    profile_ : (knot,) float64
        f at the knots.
    informed_ : (knot,) bool
        Whether any observation depends on this value. Those on which none
        depends take the value of the nearest knot that is informed.
    weights_ : (target, source) float64
        W, formed anew whenever it is asked for.
    """

    profile_: Array

    def __init__(self, bins: int | npt.ArrayLike = 20) -> None:
        self.bins = bins

    def fit(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        observed: npt.ArrayLike | None = None,
        *,
        source_position: npt.ArrayLike,
        target_position: npt.ArrayLike,
        experiment_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit the profile.

        The least squares problem has a row for each observed entry and a
        column for each knot; its normal equations are added up block by
        block.

        Parameters
        ----------
        X, Y, observed, experiment_weight
            See :func:`~mesomode.connectome.model.training_data`.
        source_position, target_position : (source, 3) and (target, 3)
            Micrometres.

        Raises
        ------
        DataError
            Data that cannot be fitted, or knots that cannot be used.
        """
        x, y, omega = training_data(X, Y, observed, experiment_weight)
        self._source = checked_positions(source_position, len(x), "source_position")
        self._target = checked_positions(target_position, len(y), "target_position")
        self.distance_: Array = self._knots(x, omega)
        count = len(self.distance_)
        gram, right = np.zeros((count, count)), np.zeros(count)
        for rows, design in self._designs(x):
            design *= omega[rows][..., None]
            flat = design.reshape(-1, count)
            gram += flat.T @ flat
            right += y[rows].ravel() @ flat
        self.informed_: npt.NDArray[np.bool_] = gram.diagonal() > 0
        informed = np.flatnonzero(self.informed_)
        values = nonnegative_solution(gram[np.ix_(informed, informed)], right[informed])
        gap = np.abs(self.distance_[:, None] - self.distance_[informed])
        self.profile_ = values[gap.argmin(axis=1)]
        return self

    @property
    def weights_(self) -> Array:
        """W (target, source)."""
        self._check_fitted()
        shape = len(self._target), len(self._source)
        require_memory(
            8 * shape[0] * shape[1],
            f"{shape[0]} x {shape[1]} voxel weights",
            "use predict, which does not form them",
        )
        weights = np.empty(shape)
        _fill_weights(self._target, self._source, self.distance_, self.profile_, weights)
        return weights

    def predict(self, X: npt.ArrayLike) -> Array:
        """Projection densities of injections, without forming W; see the base class."""
        self._check_fitted()
        x = np.ascontiguousarray(prediction_input(X, len(self._source)).T)
        prediction = np.empty((x.shape[1], len(self._target)))
        for rows, design in self._designs(x):
            prediction[:, rows] = (design @ self.profile_).T
        return prediction

    def _knots(self, injection: Array, observed: npt.NDArray[np.bool_]) -> Array:
        """Distances of the knots: from the shortest observed one, below which f is constant.

        What is close to an injection is not observed, and a line through the
        next points would be free to go anywhere there.
        """
        if np.ndim(self.bins) == 1:
            knots = np.asarray(self.bins, dtype=np.float64)
            if len(knots) < 2 or not np.isfinite(knots).all() or (np.diff(knots) <= 0).any():
                raise DataError("bins has to be two or more finite, ascending distances")
            if knots[0] < 0:
                raise DataError(f"the first knot {knots[0]} of bins is negative")
            return knots
        if not isinstance(self.bins, (int, np.integer)) or self.bins < 1:
            raise DataError(f"bins = {self.bins!r} is neither a positive number nor knots")
        injected = np.ascontiguousarray(self._source[injection.any(axis=1)])
        longest = _longest_distance(self._target, injected)
        source, experiment = np.nonzero(injection)
        shortest = _shortest_distance(self._target, self._source, source, experiment, observed)
        if not shortest < longest:
            shortest = 0.0
        return np.linspace(shortest, longest or 1.0, int(self.bins) + 1)

    def _designs(self, injection: Array) -> Iterator[tuple[slice, Array]]:
        """Yield slices of the targets, and (target, experiment, knot): what f's values do there."""
        source, experiment = np.nonzero(injection)
        amount = injection[source, experiment]
        count = injection.shape[1], len(self.distance_)
        for begin in range(0, len(self._target), BLOCK):
            rows = slice(begin, begin + BLOCK)
            design = np.zeros((len(self._target[rows]), *count))
            _add_hats(
                self._target[rows], self._source, source, experiment, amount,
                self.distance_, design,
            )  # fmt: skip
            yield rows, design

    def _check_fitted(self) -> None:
        if not hasattr(self, "profile_"):
            raise not_fitted(self)


@njit(inline="always")
def _distance(first, second):
    """Distance of two points."""
    square = 0.0
    for axis in range(3):
        square += (first[axis] - second[axis]) ** 2
    return np.sqrt(square)


@njit(inline="always")
def _hat(distance, knots):
    """Interval of a distance, and the value of the hat at its upper end (1 - that at the lower)."""
    last = len(knots) - 2
    # Guessed as if the knots were equidistant, as they mostly are, and corrected.
    position = (distance - knots[0]) / (knots[-1] - knots[0]) * (last + 1)
    k = min(max(int(position), 0), last)
    while k > 0 and distance < knots[k]:
        k -= 1
    while k < last and distance >= knots[k + 1]:
        k += 1
    share = (distance - knots[k]) / (knots[k + 1] - knots[k])
    return k, min(max(share, 0.0), 1.0)


@njit(**OPTIONS)
def _longest_distance(targets, sources):
    """Longest distance of any target from any source."""
    longest = np.zeros(len(targets))
    for t in prange(len(targets)):
        for s in range(len(sources)):
            longest[t] = max(longest[t], _distance(targets[t], sources[s]))
    return longest.max()


@njit(**OPTIONS)
def _shortest_distance(targets, sources, source, experiment, observed):
    """Shortest distance of an observed target from a source injected in that experiment."""
    shortest = np.full(len(targets), np.inf)
    for t in prange(len(targets)):
        for i in range(len(source)):
            if observed[t, experiment[i]]:
                shortest[t] = min(shortest[t], _distance(targets[t], sources[source[i]]))
    return shortest.min()


@njit(**OPTIONS)
def _add_hats(targets, sources, source, experiment, amount, knots, design):
    """Add, for each target and each nonzero of X, the hats of their distance."""
    for t in prange(len(targets)):
        for i in range(len(source)):
            k, share = _hat(_distance(targets[t], sources[source[i]]), knots)
            design[t, experiment[i], k] += (1.0 - share) * amount[i]
            design[t, experiment[i], k + 1] += share * amount[i]


@njit(**OPTIONS)
def _fill_weights(targets, sources, knots, profile, weights):
    """Put f(distance) into ``weights``."""
    for t in prange(len(targets)):
        for s in range(len(sources)):
            k, share = _hat(_distance(targets[t], sources[s]), knots)
            weights[t, s] = (1.0 - share) * profile[k] + share * profile[k + 1]
