"""Random generators derived from the run's seed and the name of the job."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """Make the generator of one job.

    Parameters
    ----------
    seed : int
        The run's seed, nonnegative (config key ``seed``).
    *names : str
        What the numbers are for, for example ``"dynamics", "random_mode"``.

    Returns
    -------
    numpy.random.Generator
        Independent for different names; the same for the same seed and names
        on every machine.
    """
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4").tolist()
    return np.random.default_rng([seed, *words])
