"""Receptive fields from sparse noise: average of the noise before activity, and regression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mesomode.errors import DataError
from mesomode.recordings.trials import window_means

POLARITIES = ("on", "off")


def polar_pixels(template: np.ndarray, grey: float = 127.0) -> np.ndarray:
    """Bright and dark pixels of each image as columns of zeros and ones.

    Parameters
    ----------
    template : array (image, row, column)
        Brightness; ``grey`` is the background.
    grey : float
        Brightness of the background; values within 2 of it count as grey.

    Returns
    -------
    float32 array (image, 2·row·column)
        First the pixels brighter than grey, then those darker.
    """
    flat = np.asarray(template, dtype=np.float32).reshape(len(template), -1) - grey
    return np.concatenate([flat > 2, flat < -2], axis=1).astype(np.float32)


def triggered_average(response: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean response while a pixel was lit, less the mean over all images.

    Parameters
    ----------
    response : float array (trial, unit)
        Finite.
    pixels : float array (trial, pixel)
        1 where a pixel was lit (or dark) in the image of the trial, otherwise 0.

    Returns
    -------
    average : float64 array (pixel, unit)
        In the unit of the response; 0 for pixels that never were lit.
    score : float64 array (pixel, unit)
        The same in standard errors of a mean over that many random trials; 0 for units that
        never change.
    """
    centred = np.asarray(response, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    count = pixels.sum(axis=0, dtype=np.float64)
    average = (pixels.T.astype(np.float64) @ centred) / np.maximum(count, 1)[:, None]
    deviation = centred.std(axis=0)
    trials = len(centred)
    # a sample of n out of T without return: its mean scatters with σ √((1 − n/T)/n)
    spread = np.sqrt(np.clip(1 - count / trials, 0, None) / np.maximum(count, 1))
    scale = spread[:, None] * deviation
    score = np.divide(average, scale, out=np.zeros_like(average), where=scale > 0)
    return average, score


def regression(response: np.ndarray, pixels: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Receptive fields by ridge regression on all pixels at once.

    Unlike the average, it is not blurred by pixels that happen to be lit together.

    Parameters
    ----------
    response : float array (trial, unit)
        Finite.
    pixels : float array (trial, pixel)
    ridge : float
        Penalty, as a multiple of the mean variance of the pixels times the number of trials,
        in per cent.

    Returns
    -------
    float64 array (pixel, unit)
        Change of the response when a pixel lights up.

    Raises
    ------
    DataError
        No pixel ever changes.
    """
    from scipy.linalg import cho_factor, cho_solve

    centred = np.asarray(response, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    design = np.asarray(pixels, dtype=np.float64)
    design = design - design.mean(axis=0)
    square = design.T @ design
    penalty = 0.01 * ridge * np.trace(square) / len(square)
    if not penalty > 0:
        raise DataError(
            "the sparse noise never changes",
            why=f"{len(pixels)} images of {pixels.shape[1] // 2} pixels are all alike",
            remedy="leave it out with the config key `recordings.receptive_fields`",
        )
    square[np.diag_indices_from(square)] += penalty
    return np.asarray(cho_solve(cho_factor(square), design.T @ centred))


def significance(
    response: np.ndarray,
    pixels: np.ndarray,
    generator: np.random.Generator,
    shifts: int = 50,
) -> np.ndarray:
    """Probability that the largest score of a unit is chance, over all its pixels.

    The responses are shifted against the images by random numbers of trials, in a circle, which
    keeps their skewness and what follows from overlapping windows; a Gumbel distribution, that
    of maxima, with the mean and variance of the largest |score| after the shifts gives the tail.
    (Scores themselves are far from normal where a pixel was lit a few times and activity is
    sparse.)

    Parameters
    ----------
    response : float array (trial, unit)
        Finite, in the order of time.
    pixels : float array (trial, pixel)
    generator : numpy.random.Generator
        Draws the shifts.
    shifts : int
        Number of shifts, at least 2.

    Returns
    -------
    float64 array (unit,)
        NaN for units that never change, or with fewer than four trials.
    """
    trials, units = response.shape
    if trials < 4:
        return np.full(units, np.nan)
    largest = np.abs(triggered_average(response, pixels)[1]).max(axis=0)
    null = np.empty((shifts, units))
    for place, shift in enumerate(generator.integers(1, trials, shifts)):
        score = triggered_average(np.roll(response, shift, axis=0), pixels)[1]
        null[place] = np.abs(score).max(axis=0)
    spread = null.std(axis=0, ddof=1) * np.sqrt(6) / np.pi
    usable = (largest > 0) & (spread > 0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mode = null.mean(axis=0) - np.euler_gamma * spread
        tail = -np.expm1(-np.exp(-(largest - mode) / spread))
    return np.where(usable, tail, np.nan)


def field_centre(field: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Centre of mass of the strongest part of a receptive field.

    Parameters
    ----------
    field : float array (polarity, row, column, unit)
    share : float
        Pixels below this part of the largest magnitude are left out.

    Returns
    -------
    float64 array (2, unit)
        Row and column, in pixels; NaN where the field is zero throughout.
    """
    strength = np.abs(field).max(axis=0)
    largest = strength.max(axis=(0, 1))
    weight = np.where(strength >= share * largest, strength, 0.0)
    total = weight.sum(axis=(0, 1))
    rows, columns = (np.arange(size, dtype=np.float64) for size in strength.shape[:2])
    with np.errstate(invalid="ignore", divide="ignore"):
        row = np.einsum("rcu,r->u", weight, rows) / total
        column = np.einsum("rcu,c->u", weight, columns) / total
    return np.where(total > 0, np.stack([row, column]), np.nan)


def field_tables(
    stimuli: Mapping[str, Mapping[str, np.ndarray]],
    templates: Mapping[str, np.ndarray],
    signal: np.ndarray,
    *,
    codes: Mapping[str, int],
    endings: Mapping[str, tuple[int, int]],
    delay: int,
    shortest: int,
    generator: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Receptive fields from all sparse noise that was shown.

    Parameters
    ----------
    stimuli : mapping of name to stimulus table
        With ``start``, ``end`` and ``frame``, the image shown.
    templates : mapping of name to array (image, row, column)
        Stimuli without one are left out.
    signal : float array (time, unit)
        NaN: not measured.
    codes : mapping of str to int
        Number that stands for each stimulus.
    endings : mapping of str to (rows, columns)
        Endings of the names of variables for noise of that size; other sizes are left out.
    delay, shortest : int
        In frames, see `mesomode.recordings.trials.responses`.
    generator : numpy.random.Generator
        Draws the shifts of `significance`.

    Returns
    -------
    dict of str to array
        Empty without sparse noise; otherwise ``receptive_field…`` with NaN for units with gaps.
    """
    parts: dict[str, list[np.ndarray]] = {}
    for name, table in stimuli.items():
        images = templates.get(name)
        if images is None or not name.startswith("locally_sparse_noise") or not len(table["start"]):
            continue
        ending = next((key for key, size in endings.items() if size == images.shape[1:]), None)
        if ending is None:
            continue
        start = table["start"] + delay
        response = window_means(signal, start, np.maximum(table["end"], start + shortest))
        field = _field(response, images[table["frame"].astype(np.int64)], generator)
        parts.setdefault(f"receptive_field_stimulus{ending}", []).append(np.array(codes[name]))
        for key, array in field.items():
            parts.setdefault(key + ending, []).append(array)
    return {key: np.stack(arrays) for key, arrays in parts.items()}


def _field(
    response: np.ndarray, images: np.ndarray, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """Receptive fields (polarity, row, column, unit), their p-values and centres."""
    finite = np.isfinite(response)
    shown = finite.any(axis=1)
    units = finite[shown].all(axis=0) if shown.any() else np.zeros(response.shape[1], bool)
    pixels = polar_pixels(images[shown])
    shape = (2, *images.shape[1:])
    found = {
        "receptive_field_score": np.full((*shape, len(units)), np.nan),
        "receptive_field": np.full((*shape, len(units)), np.nan),
        "receptive_field_p_value": np.full(len(units), np.nan),
        "receptive_field_centre": np.full((2, len(units)), np.nan),
    }
    if units.any():
        table = response[shown][:, units]
        _, score = triggered_average(table, pixels)
        fitted = regression(table, pixels)
        score_map = score.reshape(*shape, -1)
        found["receptive_field_score"][..., units] = score_map
        found["receptive_field"][..., units] = fitted.reshape(*shape, -1)
        found["receptive_field_p_value"][units] = significance(table, pixels, generator)
        found["receptive_field_centre"][:, units] = field_centre(score_map)
    return found
