"""Voxel grids of chosen regions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mesomode import ccf


def region_volume(annotation: np.ndarray, region_of: Mapping[int, int]) -> np.ndarray:
    """Replace each structure id of an annotation by the id of the chosen region it lies in.

    Parameters
    ----------
    annotation : unsigned integer array (ap, dv, ml)
        Structure id of each voxel, 0 outside the brain.
    region_of : mapping
        Structure id → id of the region it belongs to
        (:meth:`mesomode.ccf.StructureTree.region_of`).

    Returns
    -------
    int64 array (ap, dv, ml)
        Region ids; 0 where no chosen region is.
    """
    structures, inverse = np.unique(annotation, return_inverse=True)
    regions = np.array([region_of.get(int(s), 0) for s in structures], dtype=np.int64)
    return regions[inverse].reshape(annotation.shape)


def hemisphere_voxels(
    regions: np.ndarray, resolution_um: int, hemisphere: int = ccf.RIGHT
) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of the chosen regions in one hemisphere, in the order of their indices.

    Parameters
    ----------
    regions : int64 array (ap, dv, ml)
        As :func:`region_volume` gives them.
    resolution_um : int
        Edge of a voxel.
    hemisphere : int
        ``ccf.RIGHT`` or ``ccf.LEFT``.

    Returns
    -------
    voxels : int32 array (voxel, 3)
        Indices [ap, dv, ml].
    region : int64 array (voxel,)
        Region id of each.
    """
    voxels = np.argwhere(regions != 0)
    right = ccf.is_right(voxels[:, 2], resolution_um)
    voxels = voxels[right if hemisphere == ccf.RIGHT else ~right]
    return voxels.astype(np.int32), regions[tuple(voxels.T)]


def ome_metadata(resolution_um: int, arrays: tuple[str, ...]) -> dict[str, object]:
    """OME-Zarr 0.5 metadata that let napari and neuroglancer open volumes of a group.

    Parameters
    ----------
    resolution_um : int
        Edge of a voxel.
    arrays : tuple of str
        Names of the arrays (ap, dv, ml) to list, one image each.
    """
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in ccf.AXES]
    scale = {"type": "scale", "scale": [float(resolution_um)] * 3}
    shift = {"type": "translation", "translation": [resolution_um / 2] * 3}
    return {
        "version": "0.5",
        "multiscales": [
            {
                "name": name,
                "axes": axes,
                "datasets": [{"path": name, "coordinateTransformations": [scale, shift]}],
            }
            for name in arrays
        ],
    }
