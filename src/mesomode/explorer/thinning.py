"""Fewer places of a long spectrum that still draw it well on logarithmic axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def thinned(count: int, most: int) -> NDArray[np.int32]:
    """Ascending places, the first and last among them, dense at the beginning.

    Parameters
    ----------
    count : int
        Length of the spectrum.
    most : int
        Number of places wanted at most.
    """
    if count <= most:
        return np.arange(count, dtype=np.int32)
    places = np.concatenate(
        [np.geomspace(1, count, most - most // 2) - 1, np.linspace(0, count - 1, most // 2)]
    )
    return np.unique(np.rint(places)).astype(np.int32)
