"""One-step predictions of data that a fit did not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mesomode.comparison.dynamic_mode_decomposition import whitened_dynamics, whitening
from mesomode.comparison.embedding import segments, window_products


def held_out_scores(
    one: np.ndarray, two: np.ndarray, delays: int, ranks: Sequence[int]
) -> np.ndarray:
    """R² of predicting the next frame, each half by the dynamics of the other.

    Parameters
    ----------
    one, two : float array (trial, time, channel)
        Halves of the data.
    delays : int
        Frames in a window.
    ranks : sequence of int
        Numbers of modes.

    Returns
    -------
    float64 array (rank,)
        1 - Σ|x_{t+1} - x̂_{t+1}|² / Σ|x_{t+1} - mean|², over the frames of both halves; below 0
        where the mean is better.
    """
    products = [window_products(segments(half), delays) for half in (one, two)]
    channels = one.shape[2]
    error, variance = np.zeros(len(ranks)), 0.0
    for fit, test in (products, products[::-1]):
        values, directions = whitening(fit)
        variance += np.trace(test.target) - test.total @ test.total / test.pairs
        for place, rank in enumerate(ranks):
            scale, basis = values[:rank], directions[:, :rank]
            matrix = whitened_dynamics(fit, scale, basis)
            # newest frame of U S A S⁻¹ Uᵀ h
            step = (basis[:channels] * scale) @ matrix @ (basis / scale).T
            error[place] += (
                np.trace(test.target)
                - 2 * np.sum(step * test.cross[:, :channels].T)
                + np.sum((step @ test.minus) * step)
            )
    return 1 - error / variance
