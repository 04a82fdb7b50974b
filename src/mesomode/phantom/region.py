"""Visual cortex as coordinates: sheet, depth, soft areas and retinotopy of each voxel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from mesomode import ccf
from mesomode.errors import DataError
from mesomode.phantom.ontology import LAYER_BOTTOMS, LAYERS

PARENT = {
    "VISl": "VISp", "VISal": "VISp", "VISpl": "VISp", "VISpm": "VISp", "VISam": "VISp",
    "VISrl": "VISp", "VISli": "VISl", "VISpor": "VISl", "VISa": "VISam",
}  # fmt: skip
"""The area across whose border an area's map of the visual field is mirrored."""
AZIMUTH_SPAN = 90.0
"""Degrees of azimuth across VISp."""
CENTRE_OF_GAZE = np.array([45.0, 5.0])
"""Azimuth and altitude, in degrees, at the middle of VISp."""
MEMBERSHIP_WIDTH = 1.2
"""Standard deviation, in voxels, of the blur that softens the areas' borders."""


@dataclass(frozen=True)
class Border:
    """A straight border on the sheet: a point on it and the unit normal into the child area."""

    point: np.ndarray
    normal: np.ndarray


@dataclass(frozen=True)
class Region:
    """Voxels of the visual areas of the right hemisphere and what their wiring depends on.

    Parameters
    ----------
    areas : tuple of str
        Acronyms; an area's index is its place here.
    voxels : int64 array (voxel, 3)
        Indices [ap, dv, ml] at 100 µm, in the order of the flattened volume.
    area : int64 array (voxel,)
        Index of the area.
    sheet : float64 array (voxel, 2)
        Lateral and posterior coordinate along the cortical sheet, in voxels.
    depth : float64 array (voxel,)
        0 at the surface, 1 at the white matter.
    membership : float64 array (voxel, area)
        Soft membership, rows sum to 1; few nonzero entries a row.
    retinotopy : float64 array (voxel, area, 2)
        Azimuth and altitude in degrees under each area's map.
    """

    areas: tuple[str, ...]
    voxels: np.ndarray
    area: np.ndarray
    sheet: np.ndarray
    depth: np.ndarray
    membership: np.ndarray
    retinotopy: np.ndarray

    def __len__(self) -> int:
        return len(self.voxels)

    def take(self, which: np.ndarray | slice) -> Region:
        """The same region with only some of its voxels."""
        names = ("voxels", "area", "sheet", "depth", "membership", "retinotopy")
        return replace(self, **{name: getattr(self, name)[which] for name in names})

    def visual_field(self) -> np.ndarray:
        """Azimuth and altitude of each voxel under its own area's map, float64 (voxel, 2)."""
        return self.retinotopy[np.arange(len(self)), self.area]


def tangent_coordinates(surface: np.ndarray, origin: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Coordinates along a curved surface around a point.

    Parameters
    ----------
    surface : float64 array (..., 3)
        Points on the surface, [ap, dv, ml].
    origin : float64 array (3,)
        Point of the surface where both coordinates are 0.
    normal : float64 array (3,)
        Outward normal there, of any length.

    Returns
    -------
    float64 array (..., 2)
        Lateral and posterior coordinate: the direction in the tangent plane
        times the straight distance, in the units of the points.
    """
    normal = normal / np.sqrt((normal**2).sum())
    posterior = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    posterior /= np.sqrt((posterior**2).sum())
    lateral = np.cross(normal, posterior)
    lateral *= np.sign(lateral[2])
    step = surface - origin
    flat = np.stack([step @ lateral, step @ posterior], axis=-1)
    along = np.sqrt((flat**2).sum(-1))
    whole = np.sqrt((step**2).sum(-1))
    return flat * (whole / np.maximum(along, 1e-12))[..., None]


def complete_region(
    *,
    areas: tuple[str, ...],
    voxels: np.ndarray,
    area: np.ndarray,
    sheet: np.ndarray,
    depth: np.ndarray,
    border: Callable[[int, int], Border],
) -> Region:
    """Add soft memberships and retinotopic maps to voxels placed on the sheet.

    VISp has a linear map. Every other area's map is its parent's map of the
    point mirrored across their border and stretched, so that maps agree at the
    border and run in opposite directions on its two sides, as between visual
    areas.

    Parameters
    ----------
    areas, voxels, area, sheet, depth
        As in :class:`Region`.
    border : callable
        ``border(child, parent)`` gives the border of two areas, by their indices.

    Returns
    -------
    Region
    """
    membership = _soft_membership(voxels, area, len(areas))
    centre, spread = {}, {}
    for number in range(len(areas)):
        mine = sheet[area == number]
        centre[number], spread[number] = mine.mean(0), mine.std(0)
    root = areas.index("VISp")
    degrees_per_voxel = AZIMUTH_SPAN / (np.sqrt(12.0) * spread[root][0])

    def map_of(number: int, points: np.ndarray) -> np.ndarray:
        if number == root:
            from_middle = points - centre[root]
            return CENTRE_OF_GAZE + degrees_per_voxel * from_middle * np.array([-1.0, 1.0])
        name = PARENT[areas[number]]
        parent = areas.index(name if name in areas else "VISp")
        edge = border(number, parent)
        across = (points - edge.point) @ edge.normal
        widths = [np.sqrt(((spread[k] * edge.normal) ** 2).sum()) for k in (parent, number)]
        stretch = np.clip(widths[0] / widths[1], 1.0, 1.6)
        mirrored = points - (1 + stretch) * across[:, None] * edge.normal
        return map_of(parent, mirrored)

    retinotopy = np.stack([map_of(number, sheet) for number in range(len(areas))], axis=1)
    return Region(areas, voxels, area, sheet, depth, membership, retinotopy)


def region_of_annotation(
    annotation: np.ndarray, structures: Sequence[Mapping[str, Any]], acronyms: Sequence[str]
) -> Region:
    """Find visual areas in any annotation, such as the real one, and give them coordinates.

    The sheet is the sphere that fits the voxels best; depth comes from the layer
    a voxel's structure is named after.

    Parameters
    ----------
    annotation : uint32 array (ap, dv, ml)
        At 100 µm.
    structures : sequence of mapping
        Cleaned structure records.
    acronyms : sequence of str
        The areas; VISp must be among them.

    Returns
    -------
    Region

    Raises
    ------
    DataError
        An area is unknown or has no voxels in the right hemisphere.
    """
    areas = tuple(acronyms)
    tree = ccf.StructureTree(structures)
    owner = tree.region_of(areas)
    number_of = {int(tree[name]["id"]): number for number, name in enumerate(areas)}
    label = np.full(annotation.shape, -1, dtype=np.int64)
    depth_volume = np.zeros(annotation.shape)
    middles = {
        layer: (top + bottom) / 2
        for layer, top, bottom in zip(LAYERS, (0.0, *LAYER_BOTTOMS), LAYER_BOTTOMS, strict=False)
    }
    for structure, region in owner.items():
        acronym = tree.by_id[structure]["acronym"]
        layer = acronym.removeprefix(areas[number_of[region]])
        here = annotation == structure
        label[here] = number_of[region]
        depth_volume[here] = middles.get(layer, 0.5)
    label[:, :, : annotation.shape[2] // 2] = -1
    inside = label >= 0
    voxels = np.argwhere(inside)
    area = label[inside]
    for number, name in enumerate(areas):
        if not (area == number).any():
            raise DataError(
                f"the area {name!r} has no voxels in the right hemisphere",
                why="the annotation does not contain it",
                remedy="leave it out of the list of areas",
            )
    depth = _blurred(depth_volume * inside, inside)[inside]

    position = voxels + 0.5
    centre, radius = _fitted_sphere(position)
    outward = position - centre
    direction = outward / np.sqrt((outward**2).sum(-1, keepdims=True))
    middle = direction[area == areas.index("VISp")].mean(0)
    middle /= np.sqrt((middle**2).sum())
    sheet = tangent_coordinates(centre + radius * direction, centre + radius * middle, middle)

    def border(child: int, parent: int) -> Border:
        centres = [sheet[area == number].mean(0) for number in (parent, child)]
        normal = centres[1] - centres[0]
        normal /= np.sqrt((normal**2).sum())
        across = sheet @ normal
        edge = (across[area == parent].max() + across[area == child].min()) / 2
        touching = _touching(voxels, area, parent, child)
        if touching.any():
            edge = across[touching].mean()
        return Border(point=edge * normal, normal=normal)

    return complete_region(
        areas=areas, voxels=voxels, area=area, sheet=sheet, depth=depth, border=border
    )


def _soft_membership(voxels: np.ndarray, area: np.ndarray, count: int) -> np.ndarray:
    low = voxels.min(0)
    shape = voxels.max(0) - low + 1
    at = tuple((voxels - low).T)
    inside = np.zeros(shape, dtype=bool)
    inside[at] = True
    membership = np.empty((len(voxels), count))
    for number in range(count):
        volume = np.zeros(shape)
        volume[at] = area == number
        membership[:, number] = _blurred(volume, inside)[at]
    membership = np.maximum(membership - 0.02, 0.0)  # compact: most entries are exactly 0
    return membership / membership.sum(1, keepdims=True)


def _blurred(volume: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Gaussian blur within a mask: what lies outside does not count."""
    weight = gaussian_filter(inside.astype(np.float64), MEMBERSHIP_WIDTH)
    return gaussian_filter(volume, MEMBERSHIP_WIDTH) / np.maximum(weight, 1e-9)


def _fitted_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and radius of the least-squares sphere through points."""
    design = np.column_stack([2 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(design, (points**2).sum(1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + (solution[:3] ** 2).sum()))


def _touching(voxels: np.ndarray, area: np.ndarray, first: int, second: int) -> np.ndarray:
    """Which voxels of two areas have a face in common with the other area."""
    low = voxels.min(0) - 1
    label = np.full(voxels.max(0) - low + 2, -1, dtype=np.int64)
    label[tuple((voxels - low).T)] = area
    touching = np.zeros(len(voxels), dtype=bool)
    for mine, other in ((first, second), (second, first)):
        for axis in range(3):
            for step in (-1, 1):
                neighbour = voxels - low
                neighbour[:, axis] += step
                touching |= (area == mine) & (label[tuple(neighbour.T)] == other)
    return touching
