"""Populations that were shown the same: trials in the same order, units of several pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mesomode.comparison.noise_ceiling import trials_by_image
from mesomode.comparison.representations import MIN_IMAGES

MEASURED = 0.9
"""Part of the trials that a unit must be measured in to be kept."""


@dataclass(frozen=True)
class Population:
    """Responses of units to the conditions of one stimulus.

    Parameters
    ----------
    name : str
    condition : float64 array (image, parameter)
        What was shown, rows sorted; NaN: a parameter that the stimulus does not have.
    trials : float64 array (repeat, image, unit)
        Finite.
    unit : int64 array (unit,)
        Ids, by which a cell that was recorded twice is recognised.
    """

    name: str
    condition: np.ndarray
    trials: np.ndarray
    unit: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean response over trials, (image, unit)."""
        return np.asarray(self.trials.mean(axis=0))


def population_of(
    name: str,
    response: np.ndarray,
    condition: np.ndarray,
    parameters: np.ndarray,
    unit: np.ndarray,
) -> Population | None:
    """Arrange the trials of one stimulus; None where too little is left to compare.

    The blank screen, units with gaps in more than a tenth of the trials, and conditions with
    fewer than two complete trials are left out; of the others all have as many trials as the one
    with the fewest.

    Parameters
    ----------
    name : str
    response : float array (trial, unit)
        NaN: not measured.
    condition : int array (trial,)
        Row of ``parameters``.
    parameters : float array (condition, parameter)
        All NaN: the blank screen.
    unit : int array (unit,)

    Returns
    -------
    Population or None
        None: fewer than four conditions, or no unit.
    """
    values = np.asarray(response, dtype=np.float64)
    kept = np.isfinite(values).mean(axis=0) >= MEASURED if len(values) else np.zeros(0, bool)
    values = values[:, kept]
    complete = np.isfinite(values).all(axis=1)
    counts = np.bincount(condition[complete], minlength=len(parameters))
    shown = np.flatnonzero(~np.isnan(parameters).all(axis=1) & (counts >= 2))
    if len(shown) < MIN_IMAGES or not kept.any():
        return None
    place = np.full(len(parameters), -1)
    place[shown] = np.arange(len(shown))
    return Population(
        name,
        np.round(parameters[shown], 6),
        trials_by_image(values, place[condition], len(shown)),
        np.asarray(unit)[kept],
    )


def in_common(populations: Sequence[Population]) -> list[Population]:
    """The conditions that all populations were shown, in the same order; may be none.

    Parameters
    ----------
    populations : sequence of Population
        Of the same stimulus, so with the same parameters.
    """
    rows = [{tuple(_filled(row)): k for k, row in enumerate(p.condition)} for p in populations]
    shared = sorted(set.intersection(*(set(row) for row in rows)))
    found = []
    for population, row in zip(populations, rows, strict=True):
        places = [row[key] for key in shared]
        found.append(
            Population(
                population.name,
                population.condition[places],
                population.trials[:, places],
                population.unit,
            )
        )
    return found


def pooled(name: str, populations: Sequence[Population]) -> Population:
    """The units of several populations as one, each cell once.

    Trials are numbered in each by itself, so what units of different recordings share within a
    trial is not kept; means are what they are.

    Parameters
    ----------
    name : str
    populations : sequence of Population
        Of the same stimulus.
    """
    parts = in_common(populations)
    repeats = min(len(part.trials) for part in parts)
    trials = np.concatenate([part.trials[:repeats] for part in parts], axis=2)
    unit = np.concatenate([part.unit for part in parts])
    first = np.sort(np.unique(unit, return_index=True)[1])
    return Population(name, parts[0].condition, trials[:, :, first], unit[first])


def _filled(row: np.ndarray) -> np.ndarray:
    """NaN is not equal to itself: infinity stands for it in a key."""
    return np.where(np.isnan(row), np.inf, row)
