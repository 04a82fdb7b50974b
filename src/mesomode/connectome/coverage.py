"""Which source voxels the experiments say something about, and why not the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from mesomode.errors import DataError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

INFORMED, OUT_OF_REACH, TARGETS_UNOBSERVED, NOTHING_INJECTED = range(4)
CODES = ("informed", "out_of_reach", "targets_unobserved", "nothing_injected")
CHUNK = 2e8  # bytes of work arrays


@dataclass(frozen=True)
class Coverage:
    """What the experiments say about each source voxel.

    Attributes
    ----------
    code : (source,) int8
        0 informed; 1 no injection within reach; 2 injections within reach,
        but too few targets observed in those experiments; 3 nobody injected
        its connected component. Of several reasons the last counts.
    injections : (source,) int64
        Experiments whose injection covers the voxel.
    distance : (source,) float64
        To the nearest injected voxel of its component, um; inf: none.
    observed_fraction : (source,) float64
        Share of the targets observed in any experiment with an injection
        within reach.
    reach : float
        um.
    """

    code: npt.NDArray[np.int8]
    injections: npt.NDArray[np.int64]
    distance: Array
    observed_fraction: Array
    reach: float


def smoothing_length(injection: npt.ArrayLike, smoothness: float, spacing: float) -> float:
    """Distance over which the smoothing carries what an injection says, um.

    The length at which penalty and data weigh the same for the weights to a
    pattern that is constant over targets: rho / length^4 (in voxels) equals
    the mean curvature of the data term, |X|^2 / n_x. That is spacing *
    (lambda / mean_i |x_i|^2)^(1/4), n_inj and n_x cancelling, and one voxel
    at least. Farther off the estimate is extrapolation of a polynomial.

    Parameters
    ----------
    injection : (source, experiment)
        X.
    smoothness : float
        lambda, positive; infinity gives infinity.
    spacing : float
        Edge of a voxel, um.

    Raises
    ------
    DataError
        lambda or the spacing are not positive, or nothing was injected.
    """
    x = np.asarray(injection, dtype=np.float64)
    size = float(np.sum(x**2))
    if not (smoothness > 0 and spacing > 0 and size > 0):
        raise DataError(
            f"no smoothing length for lambda = {smoothness} and voxels of {spacing} um",
            why="both have to be positive, and something has to be injected",
        )
    return float(spacing * max(1.0, (smoothness * x.shape[1] / size) ** 0.25))


def coverage(
    injection: npt.ArrayLike,
    observed: npt.ArrayLike,
    source_position: npt.ArrayLike,
    source_component: npt.ArrayLike,
    reach: float,
    *,
    least_injection: float = 0.0,
    least_observed: float = 0.0,
) -> Coverage:
    """Map the source voxels that the data inform.

    Parameters
    ----------
    injection : (source, experiment)
        X.
    observed : (target, experiment) of bool
        Omega.
    source_position : (source, axis)
        um.
    source_component : (source,) of int
        Connected component of each voxel, numbered from 0
        (:func:`~mesomode.connectome.laplacian.component_labels`): smoothing
        does not cross from one to another.
    reach : float
        Distance within which an injection informs a voxel, um, such as
        :func:`smoothing_length`.
    least_injection : float
        A voxel is injected where X is larger than this.
    least_observed : float
        Share of the targets that must have been observed in the experiments
        within reach: at least this, and more than none.

    Returns
    -------
    Coverage

    Raises
    ------
    DataError
        Shapes do not fit, or the reach is negative.
    """
    x = np.asarray(injection, dtype=np.float64)
    omega = np.asarray(observed)
    place = np.asarray(source_position, dtype=np.float64)
    component = np.asarray(source_component)
    if (
        x.ndim != 2
        or omega.ndim != 2
        or omega.dtype != np.bool_
        or omega.shape[1] != x.shape[1]
        or place.ndim != 2
        or len(place) != len(x)
        or component.shape != x.shape[:1]
    ):
        raise DataError(
            f"X {x.shape}, observed {omega.dtype} {omega.shape}, positions {place.shape} and "
            f"components {component.shape} do not fit together",
            why="(source, experiment), bool (target, experiment), (source, axis) and (source,) "
            "are needed",
        )
    if not reach >= 0:
        raise DataError(f"the reach is {reach} um", why="it cannot be negative")
    injected = x > least_injection
    near = np.zeros(x.shape, np.bool_)
    distance = np.full(len(x), np.inf)
    for label in range(int(component.max()) + 1):
        members = np.flatnonzero(component == label)
        for experiment in np.flatnonzero(injected[members].any(axis=0)):
            core = members[injected[members, experiment]]
            away, _ = cKDTree(place[core]).query(place[members])
            near[members, experiment] = away <= reach
            distance[members] = np.minimum(distance[members], away)
    fraction = _observed_fraction(near, omega)
    code = np.full(len(x), INFORMED, dtype=np.int8)
    code[~((fraction > 0) & (fraction >= least_observed))] = TARGETS_UNOBSERVED
    code[~near.any(axis=1)] = OUT_OF_REACH
    code[np.isinf(distance)] = NOTHING_INJECTED
    return Coverage(code, injected.sum(axis=1), distance, fraction, float(reach))


def _observed_fraction(near: Mask, observed: Mask) -> Array:
    """Share of the targets observed in any of the experiments near each source voxel."""
    patterns, which = np.unique(near, axis=0, return_inverse=True)
    fraction = np.empty(len(patterns))
    omega = observed.T.astype(np.float32)
    at_once = max(1, int(CHUNK / (4 * len(observed))))
    for first in range(0, len(patterns), at_once):
        rows = slice(first, first + at_once)
        fraction[rows] = (patterns[rows].astype(np.float32) @ omega > 0).mean(axis=1)
    return fraction[which.reshape(-1)]
