"""Comparing an estimated connectome with the true one, where that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from mesomode.connectome.regional import sum_groups
from mesomode.errors import DataError

Array = npt.NDArray[np.float64]
DENSE_LIMIT = 3000  # above it, singular values come from the Gram matrix


@dataclass(frozen=True)
class Agreement:
    """How close weights are to the true ones.

    Attributes
    ----------
    relative_error : float
        |W - W_true|_F / |W_true|_F.
    correlation : float
        Pearson correlation of all entries; NaN if either is constant.
    mean_squared_error : float
        2 |W - W_true|^2 / (|W|^2 + |W_true|^2).
    regional_error : float
        Relative Frobenius error of the matrices of means over pairs of regions.
    """

    relative_error: float
    correlation: float
    mean_squared_error: float
    regional_error: float


def compare(
    weights: npt.NDArray[np.floating],
    truth: npt.NDArray[np.floating],
    target_group: npt.NDArray[np.integer],
    source_group: npt.NDArray[np.integer],
) -> Agreement:
    """Compare weights with the true ones, entry by entry and region by region.

    Parameters
    ----------
    weights, truth : (target, source)
        W and W_true on the same voxels.
    target_group, source_group : (target,) and (source,) of int
        Region of each voxel, numbered from 0.

    Raises
    ------
    DataError
        Different shapes, or a truth that is zero everywhere.
    """
    if weights.shape != truth.shape:
        raise DataError(f"weights {weights.shape} cannot be compared with truth {truth.shape}")
    product = square = square_truth = 0.0
    for w, t in zip(weights, truth, strict=True):  # row by row: no copies in float64
        row, true_row = w.astype(np.float64), t.astype(np.float64)
        product += row @ true_row
        square += row @ row
        square_truth += true_row @ true_row
    if square_truth == 0.0:
        raise DataError("the true weights are zero everywhere")
    count = weights.size
    total = float(weights.sum(dtype=np.float64))
    total_truth = float(truth.sum(dtype=np.float64))
    distance = max(0.0, square - 2.0 * product + square_truth)
    variance = (square - total**2 / count) * (square_truth - total_truth**2 / count)
    covariance = product - total * total_truth / count
    regional = region_means(weights, target_group, source_group)
    regional_truth = region_means(truth, target_group, source_group)
    difference = np.linalg.norm(regional - regional_truth)
    return Agreement(
        relative_error=float(np.sqrt(distance / square_truth)),
        correlation=float(covariance / np.sqrt(variance)) if variance > 0 else float("nan"),
        mean_squared_error=2.0 * distance / (square + square_truth),
        regional_error=float(difference / np.linalg.norm(regional_truth)),
    )


def region_means(
    weights: npt.NDArray[np.floating],
    target_group: npt.NDArray[np.integer],
    source_group: npt.NDArray[np.integer],
) -> Array:
    """Mean weight from each source region to each target region: (target, source) region."""
    rows = sum_groups(weights, target_group)
    sums = sum_groups(rows.T, source_group).T
    return sums / np.outer(np.bincount(target_group), np.bincount(source_group))


def singular_values(matrix: npt.NDArray[np.floating]) -> Array:
    """All singular values in descending order.

    Above 3,000 rows or columns they are square roots of eigenvalues of the
    Gram matrix: values below 1e-7 of the largest are then rounding.
    """
    full = np.asarray(matrix, dtype=np.float64)
    if min(full.shape) <= DENSE_LIMIT:
        return scipy.linalg.svdvals(full)
    gram = full @ full.T if full.shape[0] <= full.shape[1] else full.T @ full
    values = scipy.linalg.eigvalsh(gram, overwrite_a=True)[::-1]
    return np.sqrt(np.maximum(values, 0.0))


def align(
    truth: npt.NDArray[np.floating],
    voxels: npt.NDArray[np.integer],
    wanted: npt.NDArray[np.integer],
    axis: int,
) -> npt.NDArray[np.floating]:
    """Reorder an axis of the truth to the voxels of the fit, found by their indices.

    Parameters
    ----------
    truth : ndarray
        The true weights, one row (axis 0) or column (axis 1) a voxel.
    voxels, wanted : (voxel, 3) of int
        Lattice indices of the truth and of the fit.
    axis : int
        Which axis of ``truth``.

    Raises
    ------
    DataError
        A wanted voxel is not in the truth.
    """
    place = {voxel: i for i, voxel in enumerate(map(tuple, voxels.tolist()))}
    order = [place.get(voxel, -1) for voxel in map(tuple, wanted.tolist())]
    lost = order.count(-1)
    if lost:
        raise DataError(
            f"{lost} of {len(order)} voxels are not among those of the true weights",
            remedy="use the atlas that was made from this phantom",
        )
    return np.take(truth, order, axis=axis)
