"""The true weights: local and long-range bumps between matching retinotopic positions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mesomode.phantom.region import Region

LEVEL = {
    "VISp": 0, "VISl": 1, "VISrl": 2, "VISal": 2, "VISpl": 2, "VISli": 2,
    "VISpm": 3, "VISa": 3, "VISam": 4, "VISpor": 4,
}  # fmt: skip
"""Level in the hierarchy: projections upwards end in the middle layers, others outside them."""
LONG_RANGE = 0.5
"""Height of a long-range bump between neighbouring areas, relative to the local one."""
CONTRALATERAL = 0.12
"""Weights to the mirrored target in the other hemisphere, relative to the ipsilateral ones."""
PEAK_DENSITY = 0.6
"""Largest projection density that the reference injection evokes outside itself."""
SMALLEST = 1e-3
"""Weights below this fraction of the largest possible one are taken down to 0."""


@dataclass(frozen=True)
class Wiring:
    """Parameters of the true weights.

    Parameters
    ----------
    strength : float64 array (target area, source area)
        Height of the bump from one area to another; 0 on the diagonal.
    upward : bool array (target area, source area)
        Whether the projection ascends the hierarchy.
    width : float
        Standard deviation of all bumps, in voxels of VISp's sheet.
    degrees_per_voxel : float
        Visual angle per voxel of the sheet in VISp.
    scale : float
        Projection density per unit injection density of one voxel.
    """

    strength: np.ndarray
    upward: np.ndarray
    width: float
    degrees_per_voxel: float
    scale: float


def draw_wiring(
    region: Region, width: float, reference_voxels: int, rng: np.random.Generator
) -> Wiring:
    """Draw the strengths of all area-to-area projections and set the scale.

    Strengths fall off with the distance of the areas' centres and vary by a
    log-normal factor. The scale is such that an injection that fills the
    ``reference_voxels`` voxels nearest to the middle of VISp evokes a largest
    density of 0.6 outside itself.

    Parameters
    ----------
    region : Region
    width : float
        Standard deviation of the bumps in voxels.
    reference_voxels : int
        Size of the reference injection.
    rng : numpy.random.Generator

    Returns
    -------
    Wiring
    """
    count = len(region.areas)
    centres = np.array([region.sheet[region.area == k].mean(0) for k in range(count)])
    distance = np.sqrt(((centres[:, None] - centres) ** 2).sum(-1))
    decay = np.exp(-distance / (2 * distance.mean()))
    strength = LONG_RANGE * decay * rng.lognormal(0.0, 0.4, (count, count))
    np.fill_diagonal(strength, 0.0)
    level = np.array([LEVEL.get(name, 2) for name in region.areas])

    primary = region.area == region.areas.index("VISp")
    sheet, field = region.sheet[primary], region.visual_field()[primary]
    degrees = float(field[:, 0].std() / sheet[:, 0].std())
    wiring = Wiring(strength, level[:, None] > level, width, degrees, 1.0)

    middle = np.column_stack([sheet, 6.0 * region.depth[primary]])
    nearest = np.argsort(((middle - middle.mean(0)) ** 2).sum(1), kind="stable")
    source = np.flatnonzero(primary)[nearest[:reference_voxels]]
    density = weights(wiring, region, region.take(source)).sum(1)
    density[source] = 0.0
    return replace(wiring, scale=PEAK_DENSITY / float(density.max()))


def weights(wiring: Wiring, target: Region, source: Region) -> np.ndarray:
    """Expected projection density in target voxels per unit injection in source voxels.

    A pure function of the voxels' coordinates: any set of voxels may be asked
    for, in any order.

    Parameters
    ----------
    wiring : Wiring
    target, source : Region
        Voxels of the same hemisphere (see ``Region.take``).

    Returns
    -------
    float32 array (target, source)
        Nonnegative; exactly 0 below 0.1 % of the largest possible weight.
    """
    spread = np.float32(np.sqrt(2.0) * wiring.width)
    total = _bump(target.sheet / spread, source.sheet / spread)
    total *= _depth_of_target(target.depth, "local")[:, None]
    # a map's own coordinates in voxels of VISp's sheet
    spread_degrees = spread * np.float32(wiring.degrees_per_voxel)
    of_target = target.retinotopy / spread_degrees
    of_source = source.retinotopy / spread_degrees
    for i in range(len(wiring.strength)):
        rows = np.flatnonzero(target.membership[:, i])
        if not rows.size:
            continue
        for upward in (False, True):
            height = np.where(wiring.upward[i] == upward, wiring.strength[i], 0.0)
            profile = _depth_of_target(target.depth[rows], "up" if upward else "down")
            factor = (target.membership[rows, i] * profile).astype(np.float32)
            for j in np.flatnonzero(height):
                columns = np.flatnonzero(source.membership[:, j])
                bump = _bump(of_target[rows, i], of_source[columns, j])
                bump *= factor[:, None]
                bump *= (height[j] * source.membership[columns, j]).astype(np.float32)
                total[np.ix_(rows, columns)] += bump
    total *= (0.6 + 0.4 * _peak(source.depth, 0.5, 0.35)).astype(np.float32)
    total -= np.float32(SMALLEST)
    np.maximum(total, 0, out=total)
    total *= np.float32(wiring.scale)
    return total


def weights_in_blocks(wiring: Wiring, region: Region, rows: int = 512) -> np.ndarray:
    """All weights within a region, computed a block of targets at a time.

    Returns
    -------
    float32 array (target, source)
        4 n² bytes for n voxels; temporary arrays stay below 5 × ``rows`` × n × 4.
    """
    whole = np.empty((len(region), len(region)), dtype=np.float32)
    for start in range(0, len(region), rows):
        block = slice(start, start + rows)
        whole[block] = weights(wiring, region.take(block), region)
    return whole


def _bump(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """exp(−|t − s|²) of 2-D points, float32 (target, source)."""
    t, s = target.astype(np.float32), source.astype(np.float32)
    exponent = t[:, :1] - s[:, 0]
    exponent *= exponent
    other = t[:, 1:] - s[:, 1]
    other *= other
    exponent += other
    np.negative(exponent, out=exponent)
    return np.exp(exponent, out=exponent)


def _peak(depth: np.ndarray, at: float, width: float) -> np.ndarray:
    return np.exp(-(((depth - at) / width) ** 2))


def _depth_of_target(depth: np.ndarray, kind: str) -> np.ndarray:
    profile = {
        "local": lambda: 0.6 + 0.4 * _peak(depth, 0.55, 0.5),
        "up": lambda: 0.4 + 0.6 * _peak(depth, 0.45, 0.4),
        "down": lambda: 0.4 + 0.6 * (_peak(depth, 0.0, 0.4) + _peak(depth, 1.0, 0.4)),
    }[kind]()
    return profile.astype(np.float32)
