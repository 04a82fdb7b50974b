"""Representations of the same images by two populations, compared through their images.

A representation is a table (image, unit): what every unit of a population, or of a layer of a
model, answers to each of M images. The similarity of similarity matrices (SSM; Shi, Shea-Brown
and Buice, NeurIPS 2019) correlates, over pairs of images, how alike the two populations find
them. It needs no pairing of units and no fit.

What leaves the SSM unchanged depends on the matrix: for both measures the order of the units,
the scale, and the repetition of all units; for ``"pearson"`` also gain and offset of every image
by itself; for ``"cosine"`` also any orthogonal map of the units and the gain of every image.
Orthogonal maps change the ``"pearson"`` matrix unless they keep the direction (1, …, 1), and
gains of units change both.
"""

from __future__ import annotations

import numpy as np

from mesomode.errors import DataError

MEASURES = ("pearson", "cosine")
MIN_IMAGES = 4
"""Six pairs of images; with fewer a rank correlation says nothing."""

DECIMALS = 12
"""Similarities that agree to that many decimals tie, as rounding must not order equal ones."""


def as_representation(responses: np.ndarray, name: str = "the responses") -> np.ndarray:
    """Responses as float64 after a check.

    Parameters
    ----------
    responses : array (image, unit)
    name : str
        What they are called in an error.

    Raises
    ------
    DataError
        It is no filled table, has fewer than four images, or values that are not finite.
    """
    values = np.asarray(responses, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0 or len(values) < MIN_IMAGES:
        raise DataError(
            f"{name} are not a table (image, unit) of at least {MIN_IMAGES} images",
            why=f"their shape is {values.shape}",
            remedy="put images in rows and units in columns",
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if bad.size:
        raise DataError(
            f"{bad.size} of {values.shape[1]} units have responses that are not finite",
            where=f"{name}, first at unit {bad[0]}",
            why="every unit needs a response to every image",
            remedy="leave these units out, or the images that they were not shown",
        )
    return values


def as_pair(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two checked representations of the same number of images.

    Raises
    ------
    DataError
        As `as_representation`, or the numbers of images differ.
    """
    first, second = as_representation(one, "the first"), as_representation(two, "the second")
    if len(first) != len(second):
        raise DataError(
            f"representations of {len(first)} and of {len(second)} images cannot be compared",
            why="they must be of the same images in the same order",
            remedy="keep the images that both were shown",
        )
    return first, second


def centred_and_scaled(values: np.ndarray) -> np.ndarray:
    """Responses with mean zero over images and Frobenius norm one.

    Parameters
    ----------
    values : float64 array (image, unit)
        As `as_representation` returns them.

    Raises
    ------
    DataError
        The population responds to all images alike.
    """
    centred = values - values.mean(axis=0)
    largest = float(np.abs(centred).max())
    if largest <= 1e-14 * float(np.abs(values).max()):
        raise DataError(
            "a population responds to all images alike",
            why="nothing is left to compare once the mean over images is taken away",
            remedy="check the responses",
        )
    centred /= largest
    return centred / np.linalg.norm(centred)


def similarity_matrix(responses: np.ndarray, measure: str = "pearson") -> np.ndarray:
    """Similarity of the responses to each pair of images.

    Parameters
    ----------
    responses : float array (image, unit)
    measure : "pearson" or "cosine"
        Correlation over units of the two rows, or cosine of the angle between them.

    Returns
    -------
    float64 array (image, image)
        Symmetric, with ones on the diagonal up to rounding.

    Raises
    ------
    DataError
        An image has no similarity to others, as all units respond to it alike (``"pearson"``)
        or not at all (``"cosine"``).
    """
    values = as_representation(responses)
    if measure not in MEASURES:
        raise ValueError(f"the measure {measure!r} is none of {', '.join(MEASURES)}")
    size = np.abs(values).max(axis=1)
    if measure == "pearson":
        values = values - values.mean(axis=1, keepdims=True)
    # what is left of equal responses after the mean was taken away is rounding
    flat = np.flatnonzero(np.abs(values).max(axis=1) <= 1e-14 * size)
    if flat.size:
        cause = {
            "pearson": "all units respond to it alike, so that it correlates with nothing",
            "cosine": "no unit responds to it, so that it has no direction",
        }[measure]
        raise DataError(
            f"{flat.size} of {len(values)} images have no similarity to others",
            where=f"first image {flat[0]}",
            why=cause,
            remedy="leave these images out, or pool more units",
        )
    values = values / np.abs(values).max(axis=1, keepdims=True)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values @ values.T


def upper_triangle(matrix: np.ndarray) -> np.ndarray:
    """Elements strictly above the diagonal, row by row: each pair of images once."""
    return matrix[np.triu_indices(len(matrix), 1)]


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, ties averaged, with mean zero and norm one; their products are Spearman's ρ.

    Parameters
    ----------
    values : float array (pair,)
        Similarities −1 … 1; those that agree to 12 decimals tie.

    Raises
    ------
    DataError
        All values are the same.
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.round(values, DECIMALS))
    ranks -= ranks.mean()
    norm = float(np.linalg.norm(ranks))
    if norm == 0:
        raise DataError(
            "all pairs of images are equally similar",
            why="ranks need differences",
            remedy="check the responses; more than one unit must respond",
        )
    return ranks / norm


def ranked_similarity(responses: np.ndarray, measure: str = "pearson") -> np.ndarray:
    """Standard ranks of the pairs of images, to be multiplied with those of others.

    Parameters
    ----------
    responses : float array (image, unit)
    measure : "pearson" or "cosine"

    Returns
    -------
    float64 array (pair,)
        See `standard_ranks`; the SSM of two representations is the product of theirs.
    """
    return standard_ranks(upper_triangle(similarity_matrix(responses, measure)))


def similarity_of_similarities(
    one: np.ndarray, two: np.ndarray, measure: str = "pearson", correlation: str = "spearman"
) -> float:
    """Similarity of similarity matrices (SSM) of two representations of the same images.

    The rank correlation of the strictly upper triangles of the two matrices. The diagonal is
    left out, as its ones are the same for all and would make everything look alike.

    Parameters
    ----------
    one, two : float array (image, unit)
        The same images in the same order; the numbers of units may differ.
    measure : "pearson" or "cosine"
        See `similarity_matrix`, and the head of this module for the invariances.
    correlation : "spearman" or "kendall"
        Spearman's ρ, or Kendall's τ-b.

    Returns
    -------
    float
        −1 … 1; near zero for unrelated representations, for any number of units.

    Raises
    ------
    DataError
        The images do not match, or one of them has no similarity to others.
    """
    first, second = as_pair(one, two)
    if correlation == "spearman":
        product = ranked_similarity(first, measure) @ ranked_similarity(second, measure)
        return float(np.clip(product, -1, 1))
    if correlation != "kendall":
        raise ValueError(f"the correlation {correlation!r} is neither spearman nor kendall")
    from scipy.stats import kendalltau

    matrices = [similarity_matrix(values, measure) for values in (first, second)]
    triangles = [np.round(upper_triangle(matrix), DECIMALS) for matrix in matrices]
    return float(kendalltau(*triangles).statistic)
