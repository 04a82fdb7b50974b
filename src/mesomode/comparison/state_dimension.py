"""Intrinsic dimension of the states that a system passes through, at several scales.

Consecutive states of a trajectory are close because little time has passed. So only states that
are a few correlation times apart are used: they are nearly independent, and leaving some of them
out looks at larger scales (see `mesomode.comparison.decimation`).
"""

from __future__ import annotations

import numpy as np

from mesomode.comparison.decimation import decimated, dimension_report
from mesomode.comparison.intrinsic_dimension import two_nearest_neighbours
from mesomode.errors import DataError

SCALES = 5
FEWEST = 32
"""States below which no dimension is given."""

MOST = 4000
"""States that are used at most, spread evenly: what a quadratic search affords in seconds."""

CORRELATION_TIMES = 2.0
"""Integrated correlation times between states."""

NAMES = (
    "two_nearest",
    "two_nearest_low",
    "two_nearest_high",
    "two_nearest_slope",
    "levina_bickel",
    "local_components",
    "participation_ratio",
)
"""What is taken from `mesomode.comparison.decimation.dimension_report`."""


def apart(trials: np.ndarray, correlation_time: float) -> tuple[np.ndarray, int]:
    """States of trials that are a few correlation times apart.

    Parameters
    ----------
    trials : float array (trial, time, channel)
    correlation_time : float
        Integrated, in frames; NaN: unknown, one state of each trial is taken.

    Returns
    -------
    states : float64 array (state, channel)
        At most `MOST`.
    spacing : int
        Frames between them.
    """
    frames = trials.shape[1]
    wanted = CORRELATION_TIMES * correlation_time
    spacing = int(np.ceil(wanted)) if np.isfinite(wanted) else frames
    spacing = max(1, min(spacing, frames))
    states = trials[:, ::spacing].reshape(-1, trials.shape[2])
    if len(states) > MOST:
        states = states[np.linspace(0, len(states) - 1, MOST).astype(int)]
    return np.asarray(states, dtype=np.float64), spacing


def state_dimension(states: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Intrinsic dimension of states, at several scales and beside independent channels.

    Parameters
    ----------
    states : float array (state, channel)
        As good as independent of each other.
    generator : numpy Generator
        For the decimation, and for channels shuffled independently of each other.

    Returns
    -------
    dict of str to array
        `NAMES`, each a number; ``two_nearest_shuffled``, the same of channels each in an order of
        its own, which have nothing to do with each other; ``scale_states`` and
        ``scale_dimension`` (`SCALES`,), TwoNN for fewer and fewer states; NaN: not enough.
    """
    nan = float("nan")
    found: dict[str, np.ndarray] = {
        **{name: np.array(nan) for name in (*NAMES, "two_nearest_shuffled")},
        "scale_states": np.full(SCALES, nan),
        "scale_dimension": np.full(SCALES, nan),
    }
    if len(states) < FEWEST:
        return found
    report = dimension_report(states, generator=generator)
    found |= {name: np.array(report[name]) for name in NAMES}
    found["two_nearest_shuffled"] = np.array(
        two_nearest_neighbours(generator.permuted(states, axis=0)).dimension
    )
    try:
        scales = decimated(
            states,
            lambda part: two_nearest_neighbours(part).dimension,
            generator=generator,
            scales=SCALES,
            smallest=FEWEST,
        )
    except DataError:  # too few for three scales
        found["scale_states"][0], found["scale_dimension"][0] = len(states), report["two_nearest"]
        return found
    found["scale_states"][: len(scales.size)] = scales.size
    found["scale_dimension"][: len(scales.size)] = scales.dimension
    return found
