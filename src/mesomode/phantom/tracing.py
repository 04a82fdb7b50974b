"""Tracer experiments on the true weights, as volumes and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mesomode.phantom.connectivity import (
    CONTRALATERAL,
    Wiring,
    draw_wiring,
    weights_in_blocks,
)
from mesomode.phantom.geometry import RESOLUTION_UM, Atlas, synthetic_brain
from mesomode.phantom.injection import VOXEL_MM3, Plan, Site, draw_plans, make_site, raw_row
from mesomode.phantom.ontology import VISUAL_AREAS
from mesomode.phantom.presets import PRESETS, Preset
from mesomode.phantom.region import Region, region_of_annotation
from mesomode.phantom.settings import Settings
from mesomode.seeds import generator

FIRST_IDENTIFIER = 990000001
"""Ids of the phantom's experiments start here, far from the real ones."""


@dataclass(frozen=True)
class Damage:
    """A ball of bad tissue: centre [ap, dv, ml] and radius in voxels, before mirroring."""

    centre: np.ndarray
    radius: float


@dataclass(frozen=True)
class Experiment:
    """One tracer experiment.

    Parameters
    ----------
    record : dict
        Raw row as Allen serves it.
    plan : Plan
        What was meant, with the kind that says whether it is usable.
    site : Site
        The injection, before mirroring.
    damage : Damage or None
    """

    record: dict[str, Any]
    plan: Plan
    site: Site
    damage: Damage | None


@dataclass(frozen=True)
class PhantomTracing:
    """The phantom brain, its true weights and its tracer experiments.

    Parameters
    ----------
    atlas : Atlas
    region : Region
        Source voxels, also the ipsilateral targets, all in the right hemisphere.
    wiring : Wiring
    weights : float32 array (target, source)
        The true ipsilateral weights; the contralateral ones are these times
        ``connectivity.CONTRALATERAL``, to the mirrored target.
    experiments : tuple of Experiment
    injection : float32 array (source, experiment)
        X: injection density in the source voxels.
    projection : float64 array (target, experiment)
        Expected projection density W X without noise, before saturation.
    noise : float
    seed : int
    """

    atlas: Atlas
    region: Region
    wiring: Wiring
    weights: np.ndarray
    experiments: tuple[Experiment, ...]
    injection: np.ndarray
    projection: np.ndarray
    noise: float
    seed: int

    def volumes(self, number: int) -> dict[str, np.ndarray]:
        """The four volumes of an experiment, mirrored if it was made in the left hemisphere.

        Parameters
        ----------
        number : int
            Its place among the experiments.

        Returns
        -------
        dict of float32 arrays (ap, dv, ml)
            ``projection_density``, ``injection_density``, ``injection_fraction``
            and ``data_mask``, all within [0, 1].
        """
        experiment = self.experiments[number]
        rng = generator(self.seed, "phantom", "noise", str(experiment.plan.identifier))
        shape = self.atlas.annotation.shape
        at = tuple(experiment.site.voxels.T)
        here = tuple(self.region.voxels.T)
        there = (here[0], here[1], shape[2] - 1 - here[2])

        projection = np.zeros(shape)
        speckle = rng.random(shape) < 0.02 * (self.noise > 0)
        speckle &= self.atlas.annotation > 0
        projection[speckle] = rng.exponential(0.5 * self.noise, int(speckle.sum()))
        expected = self.projection[:, number]
        for places, share in ((here, 1.0), (there, CONTRALATERAL)):
            density = share * expected
            spread = self.noise * (0.3 + np.sqrt(density))
            projection[places] = density + spread * rng.standard_normal(len(density))
        projection[at] += experiment.site.density
        mask = np.ones(shape)
        if experiment.damage is not None:
            distance = _distance(shape, experiment.damage.centre) - experiment.damage.radius
            mask = np.clip(np.rint(10 * (distance + 0.5)) / 10, 0.0, 1.0)
            damaged = mask < 1
            sound, garbage = mask[damaged], rng.random(int(damaged.sum()))
            projection[damaged] = sound * projection[damaged] + (1 - sound) * garbage
        volumes = {
            "projection_density": np.round(np.clip(projection, 0, 1), 6),
            "injection_density": _scattered(shape, at, experiment.site.density),
            "injection_fraction": _scattered(shape, at, experiment.site.fraction),
            "data_mask": mask,
        }
        flip = slice(None, None, -1 if experiment.plan.left else 1)
        return {
            name: np.ascontiguousarray(volume[:, :, flip], dtype=np.float32)
            for name, volume in volumes.items()
        }


def make_brain(
    settings: Settings,
    seed: int,
    *,
    atlas: Atlas | None = None,
    areas: Sequence[str] = VISUAL_AREAS,
) -> tuple[Preset, Atlas, Region, Wiring]:
    """Make the brain that tracings and recordings of one seed share.

    Parameters
    ----------
    settings, seed, atlas, areas
        See :func:`make_tracing`.

    Returns
    -------
    Preset, Atlas, Region, Wiring
    """
    preset = PRESETS[settings.size if atlas is None else "visual"]
    if atlas is None:
        atlas, region = synthetic_brain(preset)
    else:
        region = region_of_annotation(atlas.annotation, atlas.structures, areas)
    rng = generator(seed, "phantom", "wiring")
    typical = round(preset.volume / VOXEL_MM3)
    return preset, atlas, region, draw_wiring(region, preset.width, typical, rng)


def make_tracing(
    settings: Settings,
    seed: int,
    *,
    atlas: Atlas | None = None,
    injections: Sequence[Mapping[str, Any]] | None = None,
    areas: Sequence[str] = VISUAL_AREAS,
) -> PhantomTracing:
    """Make the phantom's brain, true weights and tracer experiments.

    Parameters
    ----------
    settings : Settings
    seed : int
        The same seed gives the same phantom.
    atlas : Atlas, optional
        A real atlas to use in place of the synthetic one; ``settings.size`` then
        says nothing and the dimensions are those of size ``visual``.
    injections : sequence of mapping, optional
        Experiments whose ids, centroids and volumes to use: keys ``id``,
        ``injection_x``, ``injection_y``, ``injection_z`` (µm) and
        ``injection_volume`` (mm³). Those further than 0.3 mm from the areas count
        as outside. No experiment is added to them.
    areas : sequence of str
        Acronyms of the areas, with ``atlas`` only.

    Returns
    -------
    PhantomTracing
    """
    preset, atlas, region, wiring = make_brain(settings, seed, atlas=atlas, areas=areas)
    true_weights = weights_in_blocks(wiring, region)
    rng = generator(seed, "phantom", "tracing")
    if injections is None:
        usable = preset.experiments if settings.experiments is None else settings.experiments
        plans = draw_plans(
            region, atlas, preset, usable, settings.left_fraction, FIRST_IDENTIFIER, rng
        )
    else:
        plans = [_plan_of(record, region) for record in injections]

    source_of = np.full(atlas.annotation.shape, -1, dtype=np.int64)
    source_of[tuple(region.voxels.T)] = np.arange(len(region))
    injection = np.zeros((len(region), len(plans)), dtype=np.float32)
    projection = np.zeros((len(region), len(plans)))
    experiments = []
    for number, plan in enumerate(plans):
        site = make_site(plan, region, atlas.annotation, rng)
        source = source_of[tuple(site.voxels.T)]
        within = source >= 0
        injection[source[within], number] = site.density[within]
        used = true_weights[:, source[within]].astype(np.float64)
        projection[:, number] = used @ site.density[within].astype(np.float64)
        damage = None
        if settings.bad_tissue and rng.random() < 1 / 3:
            damage = _draw_damage(region, site, preset.width, atlas.annotation.shape[2], rng)
        experiments.append(Experiment(raw_row(plan, site, atlas), plan, site, damage))
    return PhantomTracing(
        atlas=atlas,
        region=region,
        wiring=wiring,
        weights=true_weights,
        experiments=tuple(experiments),
        injection=injection,
        projection=projection,
        noise=settings.noise,
        seed=seed,
    )


def _plan_of(record: Mapping[str, Any], region: Region) -> Plan:
    """Plan an injection at the place of a real one, in the right hemisphere."""
    centre = np.array([record[f"injection_{axis}"] for axis in "xyz"]) / RESOLUTION_UM
    width = 2 * 57.0
    left = bool(centre[2] < width / 2)
    if left:
        centre[2] = width - centre[2]
    gaps = np.sqrt(((region.voxels + 0.5 - centre) ** 2).sum(1))
    nearest = int(np.argmin(gaps))
    inside = gaps[nearest] <= 3.0
    if inside:
        centre = region.voxels[nearest] + 0.5
    kind = "usable" if inside else "outside"
    return Plan(int(record["id"]), kind, centre, float(record["injection_volume"]), left)


def _draw_damage(
    region: Region, site: Site, width: float, length: int, rng: np.random.Generator
) -> Damage | None:
    """A ball of bad tissue in the visual cortex of either side that spares the injection."""
    radius = width * rng.uniform(0.6, 1.2)
    for _ in range(50):
        centre = region.voxels[rng.integers(len(region))] + 0.5
        if rng.random() < 0.3:
            centre[2] = length - centre[2]
        nearest = np.sqrt(((site.voxels + 0.5 - centre) ** 2).sum(1)).min()
        if nearest > radius + 1.5:
            return Damage(centre, radius)
    return None


def _scattered(shape: tuple[int, ...], at: tuple[np.ndarray, ...], value: np.ndarray) -> np.ndarray:
    volume = np.zeros(shape, dtype=np.float32)
    volume[at] = value
    return volume


def _distance(shape: tuple[int, ...], centre: np.ndarray) -> np.ndarray:
    """Distance of each voxel's centre from a point, in voxels."""
    axes = [np.arange(n) + 0.5 - c for n, c in zip(shape, centre, strict=True)]
    return np.sqrt(
        axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2
    )
