"""Bootstrap over experiments: how much the weights depend on which experiments were made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mesomode.connectome.linear_problem import LinearProblem

Array = npt.NDArray[np.float64]


def bootstrap_regional_weights(
    problem: LinearProblem,
    smoothness: float,
    target_group: npt.NDArray[np.integer],
    source_group: npt.NDArray[np.integer],
    replicates: int,
    generator: np.random.Generator,
    tolerance: float = 1e-4,
) -> Iterator[Array]:
    """Refit the linear model to experiments drawn with replacement.

    An experiment drawn c times counts c times in the data term; n_inj stays
    the number of draws (Efron 1979, resampling of cases).

    Parameters
    ----------
    problem : LinearProblem
        All experiments.
    smoothness : float
        lambda.
    target_group, source_group : (target,) and (source,) of int
        Region of each voxel, numbered from 0.
    replicates : int
        How many times.
    generator : numpy.random.Generator
        Draws the experiments.
    tolerance : float
        Relative gap of the fits.

    Yields
    ------
    ndarray (target group, source group)
        Mean weights between regions.
    """
    count = problem.injection.shape[1]
    for _ in range(replicates):
        times = np.bincount(generator.integers(count, size=count), minlength=count)
        fit = problem.weighted(times, count=count).solve(smoothness, tolerance)
        yield fit.group_means(target_group, source_group)
