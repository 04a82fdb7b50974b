"""From the volumes of one experiment to a column of X, Y and Ω."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mesomode import ccf
from mesomode.errors import DataError

VOLUMES = ("injection_density", "injection_fraction", "projection_density", "data_mask")


@dataclass(frozen=True)
class Column:
    """One experiment on the voxel grids.

    Parameters
    ----------
    injection_density : float32 array (source,)
        Column of X.
    projection_density : float32 array (target,)
        Column of Y; NaN where unobserved.
    observed : bool array (target,)
        Column of Ω.
    injection_total, injection_inside : float
        Injection fraction summed over the brain and over the source voxels, in voxels.
    centroid : float32 array (3,)
        Injection-weighted mean position, µm; NaN if the injection is empty.
    """

    injection_density: np.ndarray
    projection_density: np.ndarray
    observed: np.ndarray
    injection_total: float
    injection_inside: float
    centroid: np.ndarray


def sample_experiment(
    volumes: Mapping[str, np.ndarray],
    source_voxel: np.ndarray,
    target_voxel: np.ndarray,
    *,
    flip: bool,
    injection_shell: int,
    data_mask_threshold: float,
    resolution_um: int,
) -> Column:
    """Sample an experiment's volumes on the grids, mirrored if it was injected on the left.

    A target voxel is observed unless it lies in the injection (or within
    ``injection_shell`` voxels of it), the tissue there is bad, or the
    projection density is negative (the service's mark for no data).

    Parameters
    ----------
    volumes : mapping of float arrays (ap, dv, ml)
        ``injection_density``, ``injection_fraction``, ``projection_density``, ``data_mask``.
    source_voxel, target_voxel : int array (voxel, 3)
        Grid indices [ap, dv, ml]; sources in the right hemisphere.
    flip : bool
        Whether the injection was in the left hemisphere.
    injection_shell : int
        Voxels by which the unobserved injection is widened (6-neighbourhood).
    data_mask_threshold : float
        Least valid fraction of a voxel.
    resolution_um : int
        Edge of a voxel.

    Returns
    -------
    Column

    Raises
    ------
    DataError
        A volume holds NaN or infinite values.
    """
    for name in VOLUMES:
        bad = int(np.size(volumes[name]) - np.isfinite(volumes[name]).sum())
        if bad:
            raise DataError(
                f"{bad} voxels of the volume {name!r} are not finite",
                remedy="delete the file so that it is fetched again, or leave the experiment "
                "out with the config key tracing.exclude",
            )
    if flip:
        volumes = {name: ccf.flip_hemispheres(volumes[name]) for name in VOLUMES}
    source, target = tuple(source_voxel.T), tuple(target_voxel.T)
    fraction = np.clip(volumes["injection_fraction"], 0, None)
    density = np.clip(volumes["injection_density"], 0, 1)
    injected = (fraction > 0) | (density > 0)
    if injection_shell:
        injected = ndimage.binary_dilation(injected, iterations=injection_shell)
    projection = volumes["projection_density"][target]
    valid = volumes["data_mask"][target] >= data_mask_threshold
    observed = ~injected[target] & valid & (projection >= 0)
    total = float(fraction.sum(dtype=np.float64))
    centroid = np.full(3, np.nan, np.float32)
    if total > 0:
        voxels = np.argwhere(fraction > 0)
        weights = fraction[tuple(voxels.T)].astype(np.float64)
        centroid = ((weights @ (voxels + 0.5)) / weights.sum() * resolution_um).astype(np.float32)
    return Column(
        injection_density=density[source].astype(np.float32),
        projection_density=np.where(observed, np.clip(projection, 0, 1), np.nan).astype(np.float32),
        observed=observed,
        injection_total=total,
        injection_inside=float(fraction[source].sum(dtype=np.float64)),
        centroid=centroid,
    )
