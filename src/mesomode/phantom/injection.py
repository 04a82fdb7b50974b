"""Tracer injections: where they are made and which voxels they fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter, label

from mesomode.phantom.geometry import RESOLUTION_UM, Atlas
from mesomode.phantom.presets import Preset
from mesomode.phantom.region import Region

VOXEL_MM3 = 1e-3
LARGEST_USABLE_MM3 = 0.65
CRE_LINE = {
    "description": "", "id": 177838877, "name": "Rbp4-Cre_KL100", "originating_lab": "",
    "stock_number": None, "transgenic_line_source_name": "", "transgenic_line_type_code": "D",
    "transgenic_line_type_name": "driver", "url_prefix": None, "url_suffix": None,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """An injection that shall be made.

    Parameters
    ----------
    identifier : int
        Id of the experiment.
    kind : str
        ``usable``, or why a selection must drop it: ``outside``, ``too_large``,
        ``cre_line`` or ``too_small``.
    centre : float64 array (3,)
        [ap, dv, ml] in voxels, in the right hemisphere.
    volume : float
        Integrated injection density wanted, in mm³.
    left : bool
        Whether it is made in the left hemisphere, at the mirrored place.
    """

    identifier: int
    kind: str
    centre: np.ndarray
    volume: float
    left: bool


@dataclass(frozen=True)
class Site:
    """Voxels of an injection, before mirroring.

    Parameters
    ----------
    voxels : int64 array (voxel, 3)
    density : float32 array (voxel,)
        Fraction of labelled pixels within the injection site, in (0, 1].
    fraction : float32 array (voxel,)
        Fraction of pixels within the injection site, at least the density.
    """

    voxels: np.ndarray
    density: np.ndarray
    fraction: np.ndarray


def draw_plans(
    region: Region,
    atlas: Atlas,
    preset: Preset,
    usable: int,
    left_fraction: float,
    first_identifier: int,
    rng: np.random.Generator,
) -> list[Plan]:
    """Draw the places and volumes of all injections.

    Half of the usable ones lie in VISp; centres keep apart as far as there is
    room. Four that a selection must drop are spread among them.

    Returns
    -------
    list of Plan
        ``usable`` + 4 of them.
    """
    kinds = ["usable"] * usable
    for kind in ("outside", "too_large", "cre_line", "too_small"):
        kinds.insert(int(rng.integers(len(kinds) + 1)), kind)
    middle = (region.depth > 0.25) & (region.depth < 0.75)
    primary = region.area == region.areas.index("VISp")
    elsewhere = _cortex_elsewhere(region, atlas)
    spacing = 0.6 * np.sqrt(len(region) / preset.thickness / len(kinds))
    centres: list[np.ndarray] = []
    plans = []
    for number, kind in enumerate(kinds):
        if kind == "outside":
            centre = elsewhere[rng.integers(len(elsewhere))] + 0.5
        else:
            in_primary = number % 2 == 0 or kind == "too_large"
            pool = region.voxels[middle & (primary == in_primary)] + 0.5
            centre = _kept_apart(pool, centres, spacing, rng)
            centres.append(centre)
        volume = {
            "too_small": VOXEL_MM3,
            "too_large": rng.uniform(0.8, 1.2),
        }.get(kind, preset.volume * np.clip(rng.lognormal(0.0, 0.6), 0.35, 3.0))
        if kind == "usable":
            volume = min(volume, LARGEST_USABLE_MM3)
        left = bool(rng.random() < left_fraction)
        plans.append(Plan(first_identifier + number, kind, centre, float(volume), left))
    return plans


def make_site(plan: Plan, region: Region, annotation: np.ndarray, rng: np.random.Generator) -> Site:
    """Fill voxels around the planned centre until the volume is reached.

    A randomly deformed ellipsoid, saturated at 1 in its core, in one piece.
    An injection meant for the region leaves at most 4 % of its injection
    fraction outside it, within 0.2 mm; one that is too large for the region, or made outside,
    spreads through the brain freely.

    Returns
    -------
    Site
    """
    wanted = plan.volume / VOXEL_MM3
    confined = plan.kind != "outside" and wanted < 0.6 * len(region)
    reach = int(np.ceil(3.0 * np.cbrt(wanted / 4.19) + (8 if confined else 4)))
    low = np.maximum(np.floor(plan.centre).astype(int) - reach, 0)
    high = np.minimum(np.floor(plan.centre).astype(int) + reach + 1, annotation.shape)
    low[2] = max(low[2], annotation.shape[2] // 2)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    brain = annotation[box] > 0
    in_region = np.zeros(brain.shape, dtype=bool)
    local = region.voxels - low
    local = local[((local >= 0) & (local < in_region.shape)).all(1)]
    in_region[tuple(local.T)] = True
    tissue = brain & binary_dilation(in_region, iterations=2) if confined else brain

    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    stretch = np.exp(0.15 * rng.standard_normal(3))
    deformation = gaussian_filter(rng.standard_normal(brain.shape), 2.0)
    deformation *= 0.2 / max(float(deformation.std()), 1e-12)
    leak = rng.uniform(0.0, 0.04)
    step = np.moveaxis(np.indices(brain.shape), 0, -1) + low + 0.5 - plan.centre
    square = (((step @ rotation) / stretch) ** 2).sum(-1) * np.exp(deformation)

    def fill(radius: float) -> tuple[np.ndarray, np.ndarray]:
        core = 1.6 * (1 - square / radius**2)
        fraction = np.clip(1.5 * core, 0, 1) * tissue
        density = np.clip(core, 0, 1) * tissue
        if confined:
            inside, outside = fraction[in_region].sum(), fraction[~in_region].sum()
            share = min(leak / (1 - leak) * inside / max(outside, 1e-12), 1.0)
            factor = np.where(in_region, 1.0, share)
            fraction, density = fraction * factor, density * factor
        return density, fraction

    smallest, largest = 0.0, float(reach)
    for _ in range(40):
        radius = (smallest + largest) / 2
        if fill(radius)[0].sum() < wanted:
            smallest = radius
        else:
            largest = radius
    density, fraction = fill(largest)
    pieces, count = label(density > 0)
    if count > 1:
        biggest = 1 + np.argmax(np.bincount(pieces.ravel(), weights=density.ravel())[1:])
        density = np.where(pieces == biggest, density, 0.0)
    keep = density.astype(np.float32) > 1e-6
    return Site(
        voxels=np.argwhere(keep) + low,
        density=density[keep].astype(np.float32),
        fraction=fraction[keep].astype(np.float32),
    )


def raw_row(plan: Plan, site: Site, atlas: Atlas) -> dict[str, Any]:
    """Row of the ApiConnectivity table for an injection, as Allen serves it.

    The volume is the integrated injection density, the place its centroid.
    """
    path_of = {int(s["id"]): s["structure_id_path"] for s in atlas.structures}
    record_of = {int(s["id"]): s for s in atlas.structures}
    found: dict[int, float] = {}
    for structure, density in zip(
        atlas.annotation[tuple(site.voxels.T)].tolist(), site.density.tolist(), strict=True
    ):
        name = record_of[structure]["name"].lower()
        area = path_of[structure][-2] if "layer" in name else structure
        found[area] = found.get(area, 0.0) + density
    primary = max(found, key=lambda area: found[area])
    weight = site.density.astype(np.float64)
    centroid = ((site.voxels + 0.5) * weight[:, None]).sum(0) / weight.sum()
    if plan.left:
        centroid[2] = atlas.annotation.shape[2] - centroid[2]
    x, y, z = (round(float(v) * RESOLUTION_UM) for v in centroid)
    line = CRE_LINE if plan.kind == "cre_line" else None
    name = "Rbp4-Cre_KL100" if line else "C57BL/6J"
    return {
        "data_set_id": plan.identifier,
        "gender": "MF"[plan.identifier % 2],
        "injection_structures": "/".join(str(area) for area in sorted(found)),
        "injection_volume": round(float(weight.sum()) * VOXEL_MM3, 9),
        "injection_x": x,
        "injection_y": y,
        "injection_z": z,
        "product_id": 5,
        "specimen_name": f"{name}-phantom-{plan.identifier}",
        "storage_directory": f"/phantom/image_series_{plan.identifier}/",
        "strain": "C57BL/6J",
        "structure_abbrev": record_of[primary]["acronym"],
        "structure_id": primary,
        "structure_name": record_of[primary]["name"],
        "transgenic_line": line,
        "transgenic_line_id": None if line is None else line["id"],
    }


def _cortex_elsewhere(region: Region, atlas: Atlas) -> np.ndarray:
    """Voxels of the right isocortex far from the region."""
    isocortex = [s["id"] for s in atlas.structures if 315 in s["structure_id_path"]]
    candidates = np.argwhere(np.isin(atlas.annotation, isocortex))
    candidates = candidates[candidates[:, 2] >= atlas.annotation.shape[2] // 2 + 4]
    low, high = region.voxels.min(0) - 8, region.voxels.max(0) + 8
    return candidates[((candidates < low) | (candidates > high)).any(1)]


def _kept_apart(
    pool: np.ndarray, others: list[np.ndarray], spacing: float, rng: np.random.Generator
) -> np.ndarray:
    """Pick a point at least ``spacing`` from all others; settle for less if there is no room."""
    while True:
        for _ in range(30):
            point = pool[rng.integers(len(pool))]
            gaps = [np.sqrt(((point - other) ** 2).sum()) for other in others]
            if not gaps or min(gaps) >= spacing:
                return point
        spacing *= 0.85
