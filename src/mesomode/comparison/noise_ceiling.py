"""Noise ceilings: how similar to a noisy recording even a perfect model could look.

Trials are split into halves, each half is averaged, and the two means are compared like two
populations. The correlation r of the halves says how much of a measurement from half of the
trials is noise; r′ = 2r/(1 + r) (Spearman and Brown) that of all trials. A model free of noise
can at best reach √r′ (attenuation formula), so a similarity is given raw, relative to r′, and
relative to √r′. The formulas are exact for correlations of a signal with independent noise of
equal size. Similarity matrices hold products of noise with noise as well, which fall with the
square of the number of trials: where r is below some 0.7, r′ comes out too low for them, and
`extrapolated_reliability` gives the number that takes this into account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mesomode.errors import DataError

Comparison = Callable[[np.ndarray, np.ndarray], float]
"""From two representations (image, unit) to their similarity, 1 for the same."""


def spearman_brown(reliability: float, factor: float = 2.0) -> float:
    """Reliability of ``factor`` times as many trials or units: f r / (1 + (f − 1) r).

    NaN where the prediction has no meaning (r at or below −1/(f − 1)).
    """
    denominator = 1 + (factor - 1) * reliability
    return factor * reliability / denominator if denominator > 1e-12 else float("nan")


@dataclass(frozen=True)
class NoiseCeiling:
    """Similarity of halves, and what follows for comparisons with models.

    Parameters
    ----------
    halves : float array (split,)
        Similarity of the two halves in every random split.
    """

    halves: np.ndarray

    @property
    def raw(self) -> float:
        """Mean similarity of two halves."""
        return float(self.halves.mean())

    @property
    def corrected(self) -> float:
        """What two recordings with as many trials (or units) as this one would have."""
        return spearman_brown(self.raw)

    @property
    def explainable(self) -> float:
        """√ of the corrected value: the most a model free of noise reaches; NaN if negative."""
        return float(np.sqrt(self.corrected)) if self.corrected > 0 else float("nan")

    def normalised(self, similarity: float) -> dict[str, float]:
        """A similarity between a model and this recording in relation to the ceiling.

        Returns
        -------
        dict
            ``raw``: as given; ``relative``: divided by `corrected`, as for two recordings that
            are equally noisy; ``explained``: divided by `explainable`, as for a model free of
            noise. NaN where the ceiling is not positive. Values above 1 occur by chance.
        """
        positive = self.corrected > 0
        return {
            "raw": similarity,
            "relative": similarity / self.corrected if positive else float("nan"),
            "explained": similarity / self.explainable if positive else float("nan"),
        }


def trials_by_image(
    responses: np.ndarray, image: np.ndarray, images: int, trials: int | None = None
) -> np.ndarray:
    """Arrange single trials by image, keeping as many of each as all images have.

    Parameters
    ----------
    responses : float array (trial, unit)
        In the order of time. NaN: not measured; such trials are left out.
    image : int array (trial,)
        Number of the image shown, 0 … ``images`` − 1; negative: none of them.
    images : int
    trials : int, optional
        How many of each image to keep; by default as many as every image has.

    Returns
    -------
    float64 array (repeat, image, unit)
        The first trials of every image.

    Raises
    ------
    DataError
        An image has fewer trials than asked for, or fewer than 2.
    """
    values, shown = np.asarray(responses, dtype=np.float64), np.asarray(image)
    if values.ndim != 2 or shown.shape != values.shape[:1]:
        raise DataError(
            "the responses are not a table (trial, unit) with one image for each trial",
            why=f"their shape is {values.shape}, that of the images {shown.shape}",
            remedy="give one row and one image for each trial",
        )
    measured = np.isfinite(values).all(axis=1)
    of_image = [np.flatnonzero(measured & (shown == which)) for which in range(images)]
    counts = np.array([len(rows) for rows in of_image])
    wanted = int(counts.min(initial=len(values))) if trials is None else trials
    short = np.flatnonzero(counts < max(wanted, 2))
    if short.size:
        raise DataError(
            f"{short.size} of {images} images have fewer than {max(wanted, 2)} trials",
            where=f"first image {short[0]} with {counts[short[0]]}",
            why="every image needs the same number of complete trials",
            remedy="leave these images out, ask for fewer trials, or drop units with gaps",
        )
    return np.stack([values[rows[:wanted]] for rows in of_image], axis=1)


def ceiling_over_trials(
    trials: np.ndarray, compare: Comparison, *, generator: np.random.Generator, splits: int = 20
) -> NoiseCeiling:
    """Noise ceiling from the means over random halves of the trials of every image.

    Parameters
    ----------
    trials : float array (repeat, image, unit)
        Finite; see `trials_by_image`. With an odd number of repeats one is left out each time.
    compare : callable
        For example `mesomode.comparison.representations.similarity_of_similarities`.
    generator : numpy Generator
    splits : int
        Number of random splits, the same repeats for all images.

    Raises
    ------
    DataError
        Fewer than two repeats.
    """
    values = _trials(trials)
    half = len(values) // 2
    if half < 1:
        raise DataError(
            "one trial of each image cannot be split into halves",
            why="noise can be told from signal by repeats only",
            remedy="choose a stimulus that was repeated",
        )
    found = np.empty(_positive(splits))
    for split in range(splits):
        order = generator.permutation(len(values))
        one, two = (values[rows].mean(axis=0) for rows in (order[:half], order[half : 2 * half]))
        found[split] = compare(one, two)
    return NoiseCeiling(found)


def extrapolated_reliability(
    trials: np.ndarray, compare: Comparison, *, generator: np.random.Generator, splits: int = 20
) -> float:
    """Similarity of two recordings with all trials, extrapolated from fewer trials.

    The similarity r(m) of means over m trials each is fitted by 1/r(m) = 1 + α/m + β/m² with
    α, β ≥ 0 for several m up to half of the trials, and evaluated for all of them. With β = 0
    this is the formula of Spearman and Brown; β stands for products of noise with noise.

    Parameters
    ----------
    trials : float array (repeat, image, unit)
        At least six repeats, as two numbers of trials are needed.
    compare : callable
        For example `mesomode.comparison.representations.similarity_of_similarities`.
    generator : numpy Generator
    splits : int
        Random splits for each of at most five numbers of trials.

    Returns
    -------
    float
        To be used like `NoiseCeiling.corrected`; its root is the most a model free of noise
        reaches. NaN where the similarity of halves is not positive.

    Raises
    ------
    DataError
        Fewer than six repeats.
    """
    from scipy.optimize import nnls

    values = _trials(trials)
    repeats = len(values)
    if repeats < 6:
        raise DataError(
            f"{repeats} trials of each image are too few for an extrapolation",
            why="two different numbers of trials, of two trials or more, must fit in twice",
            remedy="use ceiling_over_trials, or choose a stimulus with at least six repeats",
        )
    half = repeats // 2
    sizes = np.unique(np.rint(np.geomspace(max(2, half // 5), half, 5)).astype(int))
    found = np.zeros(len(sizes))
    for _ in range(_positive(splits)):
        order = generator.permutation(repeats)
        for which, size in enumerate(sizes):
            one, two = (
                values[rows].mean(axis=0) for rows in (order[:size], order[size : 2 * size])
            )
            found[which] += compare(one, two) / splits
    usable = found > 0
    if not usable[-1]:
        return float("nan")
    sizes, found = sizes[usable], found[usable]
    # errors of r become errors of 1/r times 1/r²: hence the weights
    design = np.column_stack([1 / sizes, 1 / sizes**2]) * found[:, None] ** 2
    slope, curvature = nnls(design, (1 / found - 1) * found**2)[0]
    return float(1 / (1 + slope / repeats + curvature / repeats**2))


def ceiling_over_units(
    responses: np.ndarray, compare: Comparison, *, generator: np.random.Generator, splits: int = 20
) -> NoiseCeiling:
    """Ceiling from random halves of the units: what the sampling of units allows.

    Parameters
    ----------
    responses : float array (image, unit)
        Mean over trials. Noise that units share within a trial makes the halves more alike.
    compare : callable
        Of two different populations, so not one that pairs units.
    generator : numpy Generator
    splits : int
        Number of random splits.

    Raises
    ------
    DataError
        Fewer than four units.
    """
    values = np.asarray(responses, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 4:
        raise DataError(
            "halves of the units need a table (image, unit) of at least four units",
            why=f"the shape is {values.shape}",
            remedy="pool more units",
        )
    half = values.shape[1] // 2
    found = np.empty(_positive(splits))
    for split in range(splits):
        order = generator.permutation(values.shape[1])
        found[split] = compare(values[:, order[:half]], values[:, order[half : 2 * half]])
    return NoiseCeiling(found)


def reliability(
    trials: np.ndarray, *, generator: np.random.Generator, splits: int = 20
) -> np.ndarray:
    """Split-half reliability of every unit, corrected to all trials.

    Parameters
    ----------
    trials : float array (repeat, image, unit)
    generator : numpy Generator
    splits : int
        Number of random splits; correlations are averaged before the correction.

    Returns
    -------
    float64 array (unit,)
        2r/(1 + r) of the correlation r over images between halves; NaN for units that do not
        vary over images in some half.
    """
    values = _trials(trials)
    half = len(values) // 2
    if half < 1 or values.shape[1] < 3:
        raise DataError(
            "the reliability of units needs two trials of three images",
            why=f"there are {len(values)} trials of {values.shape[1]} images",
            remedy="choose a stimulus with more images and repeats",
        )
    total = np.zeros(values.shape[2])
    for _ in range(_positive(splits)):
        order = generator.permutation(len(values))
        parts = [values[rows].mean(axis=0) for rows in (order[:half], order[half : 2 * half])]
        one, two = (part - part.mean(axis=0) for part in parts)
        norm = np.sqrt(np.sum(one**2, axis=0) * np.sum(two**2, axis=0))
        with np.errstate(invalid="ignore", divide="ignore"):
            total += np.where(norm > 0, np.sum(one * two, axis=0) / norm, np.nan)
    return np.array([spearman_brown(float(value)) for value in total / splits])


def _positive(splits: int) -> int:
    if splits < 1:
        raise ValueError(f"{splits} splits")
    return splits


def _trials(trials: np.ndarray) -> np.ndarray:
    values = np.asarray(trials, dtype=np.float64)
    if values.ndim != 3 or 0 in values.shape or not np.isfinite(values).all():
        raise DataError(
            "the trials are not a filled array (repeat, image, unit)",
            why=f"the shape is {values.shape}, {np.sum(~np.isfinite(values))} values not finite",
            remedy="arrange them with trials_by_image, which leaves incomplete trials out",
        )
    return values
