"""Singular vector canonical correlation (SVCCA), with the null that it needs.

Raghu, Gilmer, Yosinski and Sohl-Dickstein, NIPS 2017. Each population is reduced to the principal
components that hold 99 % of its variance; SVCCA is the mean of the canonical correlations
between the two sets of components. It is unchanged by orthogonal maps of the units and nearly so
by invertible linear maps.

With few images it says next to nothing by itself: at 118 images two *unrelated* populations of
200 units have 0.93. So it is given beside the value with the images of one population shuffled,
and can be computed from few components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesomode.comparison.representations import as_pair, as_representation, centred_and_scaled
from mesomode.errors import DataError


def principal_scores(
    responses: np.ndarray, variance: float = 0.99, components: int | None = None
) -> np.ndarray:
    """Orthonormal scores of the images on the leading principal components.

    Parameters
    ----------
    responses : float array (image, unit)
    variance : float
        Part of the variance that the components hold together, at most 1.
    components : int, optional
        At most that many of them.

    Returns
    -------
    float64 array (image, component)
        Orthonormal columns of mean zero: left singular vectors of the centred responses.
    """
    if not 0 < variance <= 1 or (components is not None and components < 1):
        raise ValueError(f"{variance} of the variance in at most {components} components")
    values = centred_and_scaled(as_representation(responses))
    left, singular, _ = np.linalg.svd(values, full_matrices=False)
    rank = int(np.sum(singular > singular[0] * max(values.shape) * np.finfo(float).eps))
    held = np.cumsum(singular[:rank] ** 2)
    count = int(np.searchsorted(held, variance * held[-1] * (1 - 1e-12))) + 1
    return left[:, : min(count, rank, components or rank)]


def canonical_correlations(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Canonical correlations between two sets of orthonormal scores.

    Parameters
    ----------
    one, two : float array (image, component)
        As `principal_scores` returns them.

    Returns
    -------
    float64 array (correlation,)
        As many as the smaller set has components, largest first, 0 … 1.
    """
    return np.clip(np.linalg.svd(one.T @ two, compute_uv=False), 0.0, 1.0)


def svcca(
    one: np.ndarray, two: np.ndarray, variance: float = 0.99, components: int | None = None
) -> float:
    """Mean canonical correlation of two representations of the same images.

    Parameters
    ----------
    one, two : float array (image, unit)
        The same images in the same order; the numbers of units may differ.
    variance : float
        Part of the variance of each that is kept.
    components : int, optional
        At most that many components of each, best far fewer than images.

    Returns
    -------
    float
        0 … 1, not to be read without its null; see `svcca_with_null`.

    Raises
    ------
    DataError
        The images do not match, or a population responds to all of them alike.
    """
    pair = [principal_scores(values, variance, components) for values in as_pair(one, two)]
    return float(canonical_correlations(pair[0], pair[1]).mean())


@dataclass(frozen=True)
class AgainstNull:
    """A similarity beside what it is for shuffled images.

    Parameters
    ----------
    value : float
        Of the two representations as they are.
    null : float array (shuffle,)
        With the images of the second in random order.
    components : tuple of int
        Components kept of the first and of the second.
    """

    value: float
    null: np.ndarray
    components: tuple[int, int]

    @property
    def corrected(self) -> float:
        """(value − mean null) / (1 − mean null): 0 by chance, 1 at best; NaN if the null is 1."""
        chance = float(self.null.mean())
        return (self.value - chance) / (1 - chance) if chance < 1 - 1e-9 else float("nan")

    @property
    def standardised(self) -> float:
        """Distance from the mean of the null in its standard deviations; NaN if that is zero."""
        deviation = float(self.null.std(ddof=1))
        return (self.value - float(self.null.mean())) / deviation if deviation > 0 else float("nan")

    @property
    def p_value(self) -> float:
        """Part of all orders of images, the true one counted in, that reach the value."""
        return float(1 + np.sum(self.null >= self.value)) / (1 + len(self.null))


def svcca_with_null(
    one: np.ndarray,
    two: np.ndarray,
    *,
    generator: np.random.Generator,
    shuffles: int = 100,
    variance: float = 0.99,
    components: int | None = None,
) -> AgainstNull:
    """Mean canonical correlation beside that of shuffled images.

    Parameters
    ----------
    one, two : float array (image, unit)
        The same images in the same order; the numbers of units may differ.
    generator : numpy Generator
    shuffles : int
        Random orders of the images of the second, at least 2.
    variance, components
        As for `svcca`.

    Raises
    ------
    DataError
        As for `svcca`, or nothing can be learnt since either population has as many components
        as images less one, so that the value is 1 in any order.
    """
    if shuffles < 2:
        raise ValueError(f"{shuffles} shuffles give no null distribution")
    pair = [principal_scores(values, variance, components) for values in as_pair(one, two)]
    images, (first, second) = len(pair[0]), pair
    counts = (first.shape[1], second.shape[1])
    if max(counts) >= images - 1:
        raise DataError(
            f"SVCCA of {counts[0]} and {counts[1]} components over {images} images means nothing",
            why="the components of one span all images, so that any order of them gives 1",
            remedy="ask for far fewer components than images",
        )
    value = float(canonical_correlations(first, second).mean())
    null = np.array(
        [
            canonical_correlations(first, second[generator.permutation(images)]).mean()
            for _ in range(shuffles)
        ]
    )
    return AgainstNull(value, null, counts)
