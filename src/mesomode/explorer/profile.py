"""Weights that depend on the distance of two voxels only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

ROWS = 512


def profile_error(
    weights: NDArray[np.floating],
    target: NDArray[np.floating],
    source: NDArray[np.floating],
    distance: NDArray[np.float64],
    profile: NDArray[np.float64],
) -> float:
    """Largest difference from a piecewise linear function of distance, relative to the largest.

    Parameters
    ----------
    weights : float array (target, source)
    target, source : float array (voxel, 3)
        Positions in µm.
    distance, profile : float array (knot,)
        The function, constant beyond its ends.
    """
    worst = 0.0
    for begin in range(0, len(target), ROWS):
        rows = slice(begin, begin + ROWS)
        found = np.interp(cdist(target[rows], source), distance, profile)
        worst = max(worst, float(np.abs(found - weights[rows]).max()))
    largest = float(np.abs(weights).max())
    return worst / largest if largest > 0 else worst
