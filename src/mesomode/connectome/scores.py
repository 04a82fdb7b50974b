"""Relative prediction errors, voxel by voxel and region by region."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def relative_error(
    prediction: npt.NDArray[np.floating],
    projection: npt.NDArray[np.floating],
    observed: npt.NDArray[np.bool_],
    group: npt.NDArray[np.integer] | None = None,
    axis: int | None = None,
) -> Array | float:
    """Mean squared error relative to the sizes of prediction and data, MSE_rel.

    2 |Omega o (P - Y)|^2 / (|Omega o P|^2 + |Omega o Y|^2), from 0 (perfect)
    to 2 (one of them is zero) or, for opposite signs, 4; Harris, Mihalas &
    Shea-Brown (2016).

    Parameters
    ----------
    prediction, projection : (target, experiment)
        P = W X and Y; anything where not observed.
    observed : (target, experiment) of bool
        Omega.
    group : (target,) of int, optional
        Sum residuals, predictions and data over the observed voxels of each
        group (region) first: the regional error.
    axis : int, optional
        0: one error for each experiment. None: one for all.

    Returns
    -------
    float or ndarray (experiment,)
        NaN where prediction and data are both zero or nothing was observed.
    """
    p = np.where(observed, prediction, 0.0).astype(np.float64)
    y = np.where(observed, projection, 0.0).astype(np.float64)
    if group is not None:
        p, y = sum_groups(p, group), sum_groups(y, group)
    size = np.sum(p**2, axis=axis) + np.sum(y**2, axis=axis)
    error = 2.0 * np.sum((p - y) ** 2, axis=axis)
    ratio = np.divide(error, size, out=np.full(np.shape(size), np.nan), where=size > 0)
    return ratio if axis is not None else float(ratio)


def sum_groups(values: npt.NDArray[np.floating], group: npt.NDArray[np.integer]) -> Array:
    """Sum the rows of ``values`` that belong to the same group: (group, column)."""
    sums = np.zeros((int(group.max()) + 1, *values.shape[1:]))
    np.add.at(sums, group, values)
    return sums
