"""What is measured of representations in the stage: of one population, of two, and of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mesomode.comparison.canonical_correlation import AgainstNull, svcca
from mesomode.comparison.decimation import dimension_report
from mesomode.comparison.kernel_alignment import linear_alignment
from mesomode.comparison.noise_ceiling import (
    ceiling_over_trials,
    ceiling_over_units,
    extrapolated_reliability,
    reliability,
)
from mesomode.comparison.populations import Population, in_common
from mesomode.comparison.pseudo_depth import (
    PseudoDepth,
    pseudo_depth,
    recorded_from,
    similarity_profile,
)
from mesomode.comparison.representations import MIN_IMAGES, similarity_of_similarities
from mesomode.comparison.shape_distance import procrustes_distance

EXTRAPOLATED = 6
"""Trials from which on the ceiling is also extrapolated."""

FEW = 10
"""Images for each component of SVCCA: with more components chance alone comes near 1."""


def _canonical(one: np.ndarray, two: np.ndarray) -> float:
    return svcca(one, two, components=max(2, len(one) // FEW))


def _alignment(one: np.ndarray, two: np.ndarray) -> float:
    return linear_alignment(one, two, debiased=True)


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "ssm": similarity_of_similarities,
    "cka": _alignment,
    "svcca": _canonical,
    "shape": procrustes_distance,
}


def against_shuffled_images(
    compare: Callable[[np.ndarray, np.ndarray], float],
    one: np.ndarray,
    two: np.ndarray,
    *,
    generator: np.random.Generator,
    shuffles: int,
) -> AgainstNull:
    """A similarity beside that with the images of the second in random order.

    Parameters
    ----------
    compare : callable
        From two representations to a number.
    one, two : float array (image, unit)
    generator : numpy Generator
    shuffles : int
        At least 2.
    """
    null = [compare(one, two[generator.permutation(len(two))]) for _ in range(shuffles)]
    return AgainstNull(compare(one, two), np.array(null), (one.shape[1], two.shape[1]))


def of_population(
    population: Population, *, generator: np.random.Generator, splits: int
) -> dict[str, float]:
    """Noise ceilings and dimensions of a population's mean responses.

    Returns
    -------
    dict of str to float
        ``ceiling_halves``: SSM of the means over halves of the trials; ``ceiling``: that of all
        trials (Spearman and Brown); ``ceiling_extrapolated``: the same with products of noise
        taken into account, NaN with fewer than six trials; ``ceiling_units``: SSM of halves of the
        units; ``reliability``: median over units; ``participation_ratio``, ``two_nearest``,
        ``two_nearest_low``, ``two_nearest_high``, ``components_90`` of the mean responses. NaN
        where a population is too small.

    Raises
    ------
    DataError
        All units are silent for some image.
    """
    trials, mean = population.trials, population.mean
    compare = similarity_of_similarities
    nan = float("nan")
    halves = ceiling_over_trials(trials, compare, generator=generator, splits=splits)
    found = {
        "ceiling_halves": halves.raw,
        "ceiling": halves.corrected,
        "ceiling_extrapolated": nan,
        "ceiling_units": nan,
        "reliability": float(np.nanmedian(reliability(trials, generator=generator, splits=splits))),
    }
    if len(trials) >= EXTRAPOLATED:
        found["ceiling_extrapolated"] = extrapolated_reliability(
            trials, compare, generator=generator, splits=splits
        )
    if mean.shape[1] >= 8:
        found["ceiling_units"] = ceiling_over_units(
            mean, compare, generator=generator, splits=splits
        ).raw
    report = dimension_report(mean, generator=generator)
    names = ("participation_ratio", "two_nearest", "components_90")
    return found | {name: report[name] for name in (*names, "two_nearest_low", "two_nearest_high")}


def of_pair(
    one: Population, two: Population, *, generator: np.random.Generator, shuffles: int
) -> dict[str, float]:
    """Similarities of two populations that were shown the same images, with nulls.

    Returns
    -------
    dict of str to float
        ``images``, and of each of `MEASURES` the value, ``_null`` (mean over shuffled images) and
        ``_null_deviation``; NaN with fewer than four images in common.
    """
    first, second = in_common([one, two])
    found: dict[str, float] = {"images": float(len(first.condition))}
    for name, compare in MEASURES.items():
        keys = (name, f"{name}_null", f"{name}_null_deviation")
        if found["images"] < MIN_IMAGES:
            found |= dict.fromkeys(keys, float("nan"))
            continue
        null = against_shuffled_images(
            compare, first.mean, second.mean, generator=generator, shuffles=shuffles
        )
        values = (null.value, float(np.nanmean(null.null)), float(np.nanstd(null.null, ddof=1)))
        found |= dict(zip(keys, values, strict=True))
    return found


def of_layers(
    population: Population,
    layers: Sequence[np.ndarray],
    *,
    generator: np.random.Generator,
    bootstraps: int,
) -> PseudoDepth:
    """Similarity (SSM) of a population to each layer of a model, with a bootstrap over units."""
    return pseudo_depth(
        similarity_profile(layers),
        population.mean,
        generator=generator,
        bootstraps=bootstraps,
    )


def recovered_layers(
    layers: Sequence[np.ndarray],
    units: int,
    reliability: float,
    *,
    generator: np.random.Generator,
    draws: int,
) -> np.ndarray:
    """How often a noisy recording of some units of a layer is found to be of that layer.

    What the pseudo-depth of a population of that size and noise can be trusted to tell.

    Returns
    -------
    float64 array (layer, layer)
        Part of the draws of the layer in the row whose pseudo-depth is that in the column.
    """
    profile = similarity_profile(layers)
    found = np.zeros((len(layers), len(layers)))
    for row, layer in enumerate(layers):
        size = min(units, int(np.sum(layer.std(axis=0) > 0)))
        for _ in range(draws):
            seen = recorded_from(layer, size, reliability, generator=generator)
            found[row, int(np.argmax(profile(seen)))] += 1 / draws
    return found
