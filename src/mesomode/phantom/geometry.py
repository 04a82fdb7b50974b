"""A synthetic brain: a curved cortical sheet carved into retinotopic areas.

Everything is made in the right hemisphere (high index along ml) and mirrored
into the left one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from mesomode import ccf
from mesomode.phantom.ontology import LAYER_BOTTOMS, layer_ids, structure_records
from mesomode.phantom.presets import PRESETS as PRESETS
from mesomode.phantom.presets import Preset
from mesomode.phantom.region import Border, Region, complete_region, tangent_coordinates

RESOLUTION_UM = 100
SHAPE = ccf.SHAPES[RESOLUTION_UM]
MIDLINE = SHAPE[2] // 2
CENTRE = np.array([66.0, 40.0, 57.0])
"""Centre of the brain's ellipsoid, in voxels."""
SEMI_AXES = np.array([63.0, 35.0, 50.0])
"""Its semi-axes along ap, dv, ml, in voxels."""
ORIGIN_DIRECTION = np.array([88.0, 13.0, 83.0]) - CENTRE
"""From the brain's centre towards the origin of the sheet coordinates, where VISp lies."""

# centre of each area on the sheet (lateral, posterior; voxels at size "visual") and the weight
# of its cell in the power diagram that carves the sheet
LAYOUT = {
    "VISp": (0.0, 1.0, 130.0),
    "VISl": (13.5, 1.5, 12.0),
    "VISal": (12.5, -7.5, -30.0),
    "VISpl": (10.0, 12.5, 0.0),
    "VISpm": (-13.0, 0.5, 20.0),
    "VISli": (19.5, 0.0, -10.0),
    "VISpor": (19.0, 9.0, 15.0),
    "VISam": (-10.5, -9.0, 5.0),
    "VISa": (-4.0, -16.5, 60.0),
    "VISrl": (5.5, -13.5, 5.0),
}
OUTLINE_CENTRE = np.array([3.5, -1.0])
OUTLINE_SEMI_AXES = np.array([20.2, 18.2])
# cortex around the visual areas: nearest centre wins, in voxels at size "visual"
SURROUND = {
    "SSp-bfd": (14.0, -30.0),
    "SSp-tr": (-8.0, -30.0),
    "RSPagl": (-26.0, 0.0),
    "AUDp": (32.0, -9.0),
    "TEa": (33.0, 6.0),
    "MOp": (2.0, -52.0),
    "MOs": (-14.0, -52.0),
}


@dataclass(frozen=True)
class Atlas:
    """An annotated reference volume with its ontology.

    Parameters
    ----------
    annotation : uint32 array (ap, dv, ml)
        Structure id of each voxel of 100 µm, 0 outside the brain.
    template : uint16 array (ap, dv, ml)
        Average template, for display.
    structures : list of dict
        Cleaned structure records (see :func:`mesomode.phantom.ontology.structure_records`).
    """

    annotation: np.ndarray
    template: np.ndarray
    structures: Sequence[Mapping[str, Any]]


def synthetic_brain(preset: Preset) -> tuple[Atlas, Region]:
    """Build the phantom's atlas and the region of its visual areas.

    Parameters
    ----------
    preset : Preset
        Dimensions.

    Returns
    -------
    Atlas
        Mirror symmetric about the midline.
    Region
        The visual voxels of the right hemisphere with their coordinates on the
        sheet, depth, areas and retinotopy.
    """
    index = np.indices((SHAPE[0], SHAPE[1], SHAPE[2] - MIDLINE)).astype(np.float64)
    position = np.moveaxis(index, 0, -1) + 0.5 + np.array([0.0, 0.0, MIDLINE])
    scaled = (position - CENTRE) / SEMI_AXES
    radius = np.sqrt((scaled**2).sum(-1))
    # first-order distance to the ellipsoid's surface, in voxels
    depth = (1 - radius) * radius / np.sqrt(((scaled / SEMI_AXES) ** 2).sum(-1))
    surface = CENTRE + (position - CENTRE) / radius[..., None]
    direction = ORIGIN_DIRECTION / SEMI_AXES
    direction = direction / np.sqrt((direction**2).sum())
    sheet = tangent_coordinates(surface, CENTRE + SEMI_AXES * direction, direction / SEMI_AXES)

    centres, weights = area_layout(preset)
    owner = power_cell(sheet, centres, weights)
    semi_axes = OUTLINE_SEMI_AXES * preset.scale
    outline = (((sheet - OUTLINE_CENTRE * preset.scale) / semi_axes) ** 2).sum(-1) <= 1
    cortex = (depth >= 0) & (depth < preset.thickness)
    visual = cortex & outline

    right = np.zeros(depth.shape, dtype=np.uint32)
    _label_interior(right, position, depth, preset.thickness)
    around = cortex & (position[..., 0] < 108) & (position[..., 1] < 58)
    nearest = power_cell(sheet, np.array(list(SURROUND.values())), np.zeros(len(SURROUND)))
    fraction = np.clip(depth / preset.thickness, 0, 1 - 1e-9)
    layer = np.searchsorted(LAYER_BOTTOMS, fraction, side="right")
    for mask, names, label in (
        (around & ~visual, tuple(SURROUND), nearest),
        (visual, preset.areas, owner),
    ):
        for number, name in enumerate(names):
            ids = layer_ids(name)
            # agranular areas have no layer 4: layer 5 takes its place
            table = np.array([ids[3] if i is None else i for i in ids], dtype=np.uint32)
            chosen = mask & (label == number)
            right[chosen] = table[layer[chosen]]
    annotation = np.concatenate([right[:, :, ::-1], right], axis=2)

    voxels = np.argwhere(visual)
    at = tuple(voxels.T)
    region = complete_region(
        areas=preset.areas,
        voxels=voxels + np.array([0, 0, MIDLINE]),
        area=owner[at],
        sheet=sheet[at],
        depth=fraction[at],
        border=lambda child, parent: power_border(centres, weights, child, parent),
    )
    structures = structure_records()
    return Atlas(annotation, _template(annotation, structures), structures), region


def area_layout(preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """Centres and weights of the areas' cells on the sheet.

    Returns
    -------
    float64 array (area, 2), float64 array (area,)
        Lateral and posterior coordinate in voxels; weight in voxels².
    """
    rows = np.array([LAYOUT[name] for name in preset.areas])
    return rows[:, :2] * preset.scale, rows[:, 2] * preset.scale**2


def power_cell(points: np.ndarray, centres: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Which cell of a power diagram each point lies in: least |x − c|² − w.

    Parameters
    ----------
    points : array (..., 2)
    centres : array (area, 2)
    weights : array (area,)

    Returns
    -------
    int64 array (...)
        Index of the cell; its borders with its neighbours are straight lines.
    """
    best = np.full(points.shape[:-1], np.inf)
    cell = np.zeros(points.shape[:-1], dtype=np.int64)
    for number, (centre, weight) in enumerate(zip(centres, weights, strict=True)):
        distance = ((points - centre) ** 2).sum(-1) - weight
        closer = distance < best
        cell[closer] = number
        best[closer] = distance[closer]
    return cell


def power_border(centres: np.ndarray, weights: np.ndarray, child: int, parent: int) -> Border:
    """Straight border of two cells of a power diagram, its normal pointing into ``child``."""
    step = centres[child] - centres[parent]
    length = np.sqrt((step**2).sum())
    normal = step / length
    offset = (length**2 + weights[parent] - weights[child]) / (2 * length)
    return Border(point=centres[parent] + offset * normal, normal=normal)


def _label_interior(
    labels: np.ndarray, position: np.ndarray, depth: np.ndarray, thickness: float
) -> None:
    """Fill everything but the cortical areas, in place: later rules overwrite earlier ones."""
    ap, dv, ml = position[..., 0], position[..., 1], position[..., 2]
    inside = depth >= 0

    def ball(centre: tuple[float, float, float], semi_axes: tuple[float, float, float]) -> Any:
        scaled = (position - np.array(centre)) / np.array(semi_axes)
        return (scaled**2).sum(-1) <= 1

    labels[inside] = 1009
    labels[inside & (dv > 52)] = 1097
    labels[inside & (ap > 88) & (depth >= thickness + 2)] = 313
    labels[inside & (ap > 106)] = 512
    deep = depth >= thickness + 2
    labels[deep & ball((40, 38, 74), (20, 15, 13))] = 672
    labels[deep & ball((70, 40, 66), (16, 12, 16))] = 549
    labels[deep & ball((74, 36, 78), (6, 6, 5))] = 170
    labels[deep & (depth < thickness + 8) & (ap > 62) & (ap < 96) & (dv < 36)] = 382
    labels[deep & ball((62, 30, 59), (16, 4, 4))] = 73
    labels[(ml < MIDLINE + 1) & inside & (depth >= thickness) & (dv > 20) & (dv < 30)] = 1009


def _template(annotation: np.ndarray, structures: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """A smooth grey image: darker fibre tracts and ventricles, brighter cortex."""
    grey = np.zeros(annotation.shape, dtype=np.float32)
    grey[annotation > 0] = 150.0
    for record in structures:
        path = record["structure_id_path"]
        level = 220.0 if 315 in path else {1009: 90.0, 73: 30.0, 512: 190.0}.get(record["id"])
        if level is not None:
            grey[annotation == record["id"]] = level
    return np.rint(gaussian_filter(grey, 0.8)).astype(np.uint16)
