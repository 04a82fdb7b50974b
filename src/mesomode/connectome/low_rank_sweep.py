"""How near the low-rank model (P2) comes to the voxel model (P1), rank by rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mesomode.connectome.low_rank import LowRankConnectome
from mesomode.connectome.truth import singular_values
from mesomode.errors import DataError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RankFits:
    """Fits of one rank from several starts.

    Attributes
    ----------
    rank : int
        r.
    distance : (start,)
        |U V^T - W|_F / |W|_F.
    objective : (start,)
        Of (P2), which is that of (P1) at U V^T.
    iterations : (start,) int64
        Sweeps.
    """

    rank: int
    distance: Array
    objective: Array
    iterations: npt.NDArray[np.int64]


def rank_sweep(
    fit: Callable[[int, int], LowRankConnectome],
    weights: npt.NDArray[np.floating],
    ranks: Sequence[int],
    starts: int,
) -> Iterator[RankFits]:
    """Fit every rank from every start and compare with given weights.

    Parameters
    ----------
    fit : callable
        Gives the fitted model of a rank and a number of the start.
    weights : (target, source)
        W of the voxel model, not zero everywhere.
    ranks : sequence of int
        In the order in which they are fitted.
    starts : int
        Fits of each rank.

    Yields
    ------
    RankFits

    Raises
    ------
    DataError
        W is zero everywhere or of another shape.
    """
    for rank in ranks:
        fits = [fit(rank, start) for start in range(starts)]
        yield RankFits(
            rank,
            np.array([model.distance_to(weights) for model in fits]),
            np.array([model.objective_ for model in fits]),
            np.array([model.n_iter_ for model in fits], np.int64),
        )


def truncation_distances(weights: npt.NDArray[np.floating], ranks: Sequence[int]) -> Array:
    """|W_r - W|_F / |W|_F of the best W_r of each rank, signs free (Eckart & Young 1936).

    No factors of that rank come nearer to W, nonnegative or not.

    Parameters
    ----------
    weights : (target, source)
        W.
    ranks : sequence of int
        r, from 1; distances are zero from min(target, source) on.

    Returns
    -------
    (rank,) float64

    Raises
    ------
    DataError
        W is zero everywhere.
    """
    energy = singular_values(weights) ** 2
    if not energy.sum() > 0:
        raise DataError("the weights are zero everywhere: distances to them mean nothing")
    rest = np.concatenate([np.cumsum(energy[::-1])[::-1], [0.0]])
    place = np.minimum(np.asarray(ranks, np.int64), len(energy))
    distances: Array = np.sqrt(rest[place] / rest[0])
    return distances
