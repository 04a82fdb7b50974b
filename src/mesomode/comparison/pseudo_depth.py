"""Pseudo-depth: the layer of a model that a population resembles most.

Shi, Shea-Brown and Buice (NeurIPS 2019). The similarity of the population to every layer is a
profile; the pseudo-depth is the index of its maximum. Its uncertainty comes from drawing the
population's units anew, with replacement. What concerns the layers alone is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mesomode.comparison.canonical_correlation import canonical_correlations, principal_scores
from mesomode.comparison.representations import as_representation, ranked_similarity
from mesomode.errors import DataError

Profile = Callable[[np.ndarray], np.ndarray]
"""From responses (image, unit) of a population to its similarity (layer,) to every layer."""


def similarity_profile(layers: Sequence[np.ndarray], measure: str = "pearson") -> Profile:
    """Similarity of similarity matrices (SSM) to every layer, by ranks computed once.

    Parameters
    ----------
    layers : sequence of float arrays (image, unit)
        The same images in the same order; the numbers of units may differ.
    measure : "pearson" or "cosine"
        See `mesomode.comparison.representations.similarity_matrix`.
    """
    images = _common_images(layers)
    ranks = np.array([ranked_similarity(layer, measure) for layer in layers])

    def profile(population: np.ndarray) -> np.ndarray:
        _require_images(population, images)
        return ranks @ ranked_similarity(population, measure)

    return profile


def canonical_profile(
    layers: Sequence[np.ndarray], variance: float = 0.99, components: int | None = None
) -> Profile:
    """Mean canonical correlation (SVCCA) with every layer.

    Layers of more components have a higher value by chance: give ``components`` far below the
    number of images, or compare with the profile of shuffled images.

    Parameters
    ----------
    layers : sequence of float arrays (image, unit)
    variance, components
        As for `mesomode.comparison.canonical_correlation.svcca`.
    """
    images = _common_images(layers)
    scores = [principal_scores(layer, variance, components) for layer in layers]

    def profile(population: np.ndarray) -> np.ndarray:
        _require_images(population, images)
        own = principal_scores(population, variance, components)
        return np.array([canonical_correlations(layer, own).mean() for layer in scores])

    return profile


@dataclass(frozen=True)
class PseudoDepth:
    """Similarity of a population to the layers of a model.

    Parameters
    ----------
    similarity : float array (layer,)
        Of the whole population.
    bootstrapped : float array (bootstrap, layer)
        With units drawn anew.
    """

    similarity: np.ndarray
    bootstrapped: np.ndarray

    @property
    def depth(self) -> int:
        """Index, from 0, of the layer that is most similar; the first of several."""
        return int(np.argmax(self.similarity))

    @property
    def depths(self) -> np.ndarray:
        """Pseudo-depth, int array (bootstrap,), with units drawn anew."""
        return np.argmax(self.bootstrapped, axis=1)

    @property
    def probability(self) -> np.ndarray:
        """Float64 array (layer,): part of the bootstraps in which the layer is the depth."""
        counts = np.bincount(self.depths, minlength=len(self.similarity))
        return counts / len(self.bootstrapped)

    @property
    def standard_error(self) -> np.ndarray:
        """Float64 array (layer,): standard deviation of the similarity over bootstraps."""
        return self.bootstrapped.std(axis=0, ddof=1)

    def interval(self, coverage: float = 0.95) -> tuple[float, float]:
        """Percentiles of the pseudo-depth over bootstraps that enclose ``coverage`` of it."""
        tail = 50 * (1 - coverage)
        low, high = np.percentile(self.depths, [tail, 100 - tail])
        return float(low), float(high)


def pseudo_depth(
    profile: Profile,
    population: np.ndarray,
    *,
    generator: np.random.Generator,
    bootstraps: int = 200,
) -> PseudoDepth:
    """Find the layer that a population resembles most, with a bootstrap over its units.

    Parameters
    ----------
    profile : callable
        As `similarity_profile` or `canonical_profile` returns it, or any other.
    population : float array (image, unit)
    generator : numpy Generator
    bootstraps : int
        At least 2.

    Raises
    ------
    DataError
        The images do not match those of the layers; or a draw of few units leaves an image
        without similarity to others.
    """
    if bootstraps < 2:
        raise ValueError(f"{bootstraps} bootstraps give no uncertainty")
    values = as_representation(population)
    units = values.shape[1]
    drawn = [profile(values[:, generator.integers(units, size=units)]) for _ in range(bootstraps)]
    return PseudoDepth(profile(values), np.array(drawn))


def recorded_from(
    layer: np.ndarray, units: int, reliability: float, *, generator: np.random.Generator
) -> np.ndarray:
    """A layer of a model as a recording would show it: some units, with noise.

    The pseudo-depth of such a recording shows what the method can find at all with as many units
    and as much noise as there are in an experiment.

    Parameters
    ----------
    layer : float array (image, unit)
    units : int
        Drawn without replacement from those that respond differently to some images.
    reliability : float
        Part of the variance over images that is signal, in every unit; above 0, at most 1. See
        `mesomode.comparison.noise_ceiling.reliability` for that of a recording.
    generator : numpy Generator

    Returns
    -------
    float64 array (image, unit)

    Raises
    ------
    DataError
        The layer has fewer units that can be used.
    """
    if not 0 < reliability <= 1 or units < 1:
        raise ValueError(f"{units} units of the reliability {reliability}")
    values = as_representation(layer)
    deviation = values.std(axis=0)
    usable = np.flatnonzero(deviation > 0)
    if len(usable) < units:
        raise DataError(
            f"{units} units cannot be drawn from a layer with {len(usable)} that can be used",
            why=f"{len(deviation) - len(usable)} of its units respond to all images alike",
            remedy="draw fewer units",
        )
    chosen = generator.choice(usable, units, replace=False)
    noise = deviation[chosen] * np.sqrt(1 / reliability - 1)
    return values[:, chosen] + noise * generator.normal(size=(len(values), units))


@dataclass(frozen=True)
class HierarchyAgreement:
    """Rank correlation of pseudo-depths with an anatomical hierarchy.

    Parameters
    ----------
    correlation : float
        Spearman's ρ over populations; NaN if all have the same pseudo-depth.
    p_value : float
        Part of the orders of populations that reach |ρ|, all or a random sample of them.
    bootstrapped : float array (bootstrap,)
        ρ with units drawn anew; NaN where all have the same pseudo-depth.
    """

    correlation: float
    p_value: float
    bootstrapped: np.ndarray


def hierarchy_agreement(
    populations: Sequence[PseudoDepth],
    hierarchy: np.ndarray,
    *,
    generator: np.random.Generator,
    permutations: int = 5000,
) -> HierarchyAgreement:
    """Compare pseudo-depths of several populations with their place in a hierarchy.

    Parameters
    ----------
    populations : sequence of PseudoDepth
        At least 3, with the same number of bootstraps.
    hierarchy : float array (population,)
        For example the level of the area in a hierarchy from the connectome.
    generator : numpy Generator
    permutations : int
        Orders of the populations; with 7 populations or fewer all orders are used instead.
    """
    from itertools import permutations as all_orders

    places = np.asarray(hierarchy, dtype=np.float64)
    count = len(populations)
    if count < 3 or places.shape != (count,) or not np.isfinite(places).all():
        raise DataError(
            "the hierarchy does not give a place for each of at least three populations",
            why=f"there are {count} populations and places of the shape {places.shape}",
            remedy="leave out populations without a place",
        )
    depths = np.array([float(population.depth) for population in populations])
    ranks = _ranks(places)
    correlation = float(ranks @ _ranks(depths))
    drawn = np.array([population.depths for population in populations], dtype=np.float64)
    bootstrapped = np.array([ranks @ _ranks(column) for column in drawn.T])
    if count <= 7:
        orders = np.array(list(all_orders(range(count))))
    else:
        orders = np.array([generator.permutation(count) for _ in range(permutations)])
    null = np.abs(ranks[orders] @ _ranks(depths))
    reached = float(np.sum(null >= abs(correlation) - 1e-9))
    sampled = count > 7
    p_value = (reached + sampled) / (len(orders) + sampled)
    return HierarchyAgreement(
        correlation, p_value if np.isfinite(correlation) else float("nan"), bootstrapped
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of mean zero and norm one; NaN if all values are the same."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    ranks = ranks - ranks.mean()
    norm = float(np.linalg.norm(ranks))
    return ranks / norm if norm > 0 else np.full(len(ranks), np.nan)


def _common_images(layers: Sequence[np.ndarray]) -> int:
    counts = {len(layer) for layer in layers}
    if len(counts) != 1:
        raise DataError(
            "the layers of the model do not share their images",
            why=f"they have {sorted(counts)} images" if counts else "there is no layer",
            remedy="give every layer the same images in the same order",
        )
    return counts.pop()


def _require_images(population: np.ndarray, images: int) -> None:
    if len(population) != images:
        raise DataError(
            f"a population with {len(population)} images and a model with {images} cannot be"
            " compared",
            why="they must be of the same images in the same order",
            remedy="keep the images that both were shown",
        )
