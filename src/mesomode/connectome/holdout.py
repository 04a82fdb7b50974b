"""Experiments set aside to measure the prediction error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mesomode.errors import DataError


def split_experiments(
    strata: npt.ArrayLike, fraction: float, generator: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Choose test experiments, spread over the strata in proportion to their sizes.

    Parameters
    ----------
    strata : (experiment,)
        Stratum of each experiment: its primary injected region.
    fraction : float
        Wanted fraction of test experiments, between 0 and 1. Their number is
        rounded to the nearest, with at least one in test and in training.
    generator : numpy.random.Generator
        Draws the experiments.

    Returns
    -------
    ndarray of bool, (experiment,)
        True for test. A stratum loses all its experiments to the test only if
        there is no other way.

    Raises
    ------
    DataError
        Fewer than two experiments.
    """
    label, stratum = np.unique(np.asarray(strata), return_inverse=True)
    total = len(stratum)
    if total < 2:
        raise DataError(
            f"{total} experiment cannot be split into training and test",
            remedy="set connectome.holdout_fraction to 0 or loosen the selection of experiments",
        )
    wanted = min(max(1, round(fraction * total)), total - 1)
    # In random order, rank the experiments of each stratum by the share of it already
    # chosen; the last of a stratum comes only after all that leave one behind.
    order = generator.permutation(total)
    tie = generator.permutation(len(label))
    size = np.bincount(stratum)
    rank = np.empty(total)
    for k in range(len(label)):
        members = order[stratum[order] == k]
        rank[members] = (np.arange(len(members)) + 0.5) / len(members)
        rank[members[-1]] += 1.0
    chosen = np.lexsort((tie[stratum], -size[stratum], rank))[:wanted]
    test = np.zeros(total, dtype=np.bool_)
    test[chosen] = True
    return test
