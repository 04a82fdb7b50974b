"""Signs for connectomes, which are measured as nonnegative amounts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError


def presynaptic_signs(
    units: int, inhibitory_fraction: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Draw which units are inhibitory, so that each sends one sign only (Dale's law).

    Parameters
    ----------
    units : int
    inhibitory_fraction : float
        Share of inhibitory units, 0 to 1; their number is rounded.
    generator : numpy.random.Generator
        Decides which.

    Returns
    -------
    (unit,) ndarray of float64
        +1 or −1, to multiply the columns with.

    Raises
    ------
    DataError
        A share that is not possible.
    """
    if not 0 <= inhibitory_fraction <= 1:
        raise DataError(
            f"a share of inhibitory units of {inhibitory_fraction} is not possible",
            remedy="use a number between 0 and 1 (network.inhibitory_fraction)",
        )
    signs = np.ones(units)
    signs[generator.permutation(units)[: round(inhibitory_fraction * units)]] = -1.0
    return signs


def mean_share(couplings: ArrayLike) -> float:
    """Share of ΣJ² that the mean coupling has, mean²/mean square: 0 for centred couplings."""
    matrix = np.asarray(couplings, dtype=np.float64)
    return float(matrix.mean() ** 2 / np.mean(matrix**2))
