"""Distance between the eigenvalues of matrices."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def wasserstein_distance(first: np.ndarray, second: np.ndarray) -> float:
    """2-Wasserstein distance between two sets of points of the complex plane.

    Parameters
    ----------
    first, second : complex arrays (eigenvalue,)
        As many of each; of equal weight.

    Returns
    -------
    float
        Root mean square distance of the best assignment. The root makes it a metric: the squared
        distance violates the triangle inequality.
    """
    squares = np.abs(first[:, None] - second[None, :]) ** 2
    return float(np.sqrt(squares[linear_sum_assignment(squares)].mean()))
