"""The homogeneous regional connectome (Oh et al. 2014): weights constant on pairs of regions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from mesomode.connectome.objective import Array, check_data
from mesomode.errors import DataError


def fit_regional(
    injection: npt.ArrayLike,
    projection: npt.ArrayLike,
    observed: npt.ArrayLike,
    source_group: npt.ArrayLike,
    target_group: npt.ArrayLike,
) -> Array:
    """Nonnegative least squares with one weight for each pair of groups of voxels.

    Minimises |Omega o (W X - Y)|^2 over W >= 0 that are constant on (target
    group, source group). The rows of different target groups separate, and
    the voxels of a group enter through their count and mean only, so each is
    a small problem that is solved exactly (Lawson & Hanson).

    Parameters
    ----------
    injection : (source, experiment)
        X.
    projection : (target, experiment)
        Y; anything where not observed.
    observed : (target, experiment) of bool
        Omega.
    source_group, target_group : (source,) and (target,) of int
        Group of each voxel, numbered from 0 (regions; for targets, regions
        of either hemisphere).

    Returns
    -------
    ndarray (target group, source group)
        Weights per voxel: the W of any two voxels of these groups. Zero where
        no experiment was injected into the source group or observed in the
        target group. With fewer experiments than injected source groups the
        minimiser is not unique; one with few nonzero weights is returned.

    Raises
    ------
    DataError
        Data that cannot be fitted.
    """
    x = np.asarray(injection, dtype=np.float64)
    omega = np.asarray(observed)
    raw = np.asarray(projection, dtype=np.float64)
    check_data(x, raw, omega)
    y = np.where(omega, raw, 0.0)
    sources, targets = np.asarray(source_group), np.asarray(target_group)
    if sources.shape != x.shape[:1] or targets.shape != y.shape[:1]:
        raise DataError(
            f"groups of {sources.shape} sources and {targets.shape} targets for "
            f"{x.shape[0]} and {y.shape[0]} voxels"
        )
    injected = sum_groups(x, sources)
    count = sum_groups(omega.astype(np.float64), targets)
    mean = sum_groups(y, targets) / np.maximum(count, 1.0)
    weights = np.zeros((len(count), len(injected)))
    for group in range(len(count)):
        root = np.sqrt(count[group])
        if root.any():
            weights[group] = nnls(root[:, None] * injected.T, root * mean[group])[0]
    return weights


def sum_groups(values: npt.NDArray[np.floating], group: npt.NDArray[np.integer]) -> Array:
    """Sum the rows of ``values`` that belong to the same group: (group, column)."""
    sums = np.zeros((int(group.max()) + 1, *values.shape[1:]))
    np.add.at(sums, group, values)
    return sums
