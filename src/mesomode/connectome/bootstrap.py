"""Bootstrap over experiments: how much the weights depend on which experiments were made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mesomode.connectome.linear_problem import LinearProblem
from mesomode.connectome.spectral import SpectralBasis
from mesomode.connectome.truth import region_means

Array = npt.NDArray[np.float64]


def bootstrap_regional_weights(
    injection: Array,
    projection: Array,
    observed: npt.NDArray[np.bool_],
    bases: tuple[SpectralBasis, SpectralBasis],
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
    injection, projection, observed
        X (source, experiment), Y and Omega (target, experiment).
    bases : pair of SpectralBasis
        Eigenmodes of the source and of the target grid.
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
    count = injection.shape[1]
    for _ in range(replicates):
        times = np.bincount(generator.integers(count, size=count), minlength=count)
        drawn = times > 0
        root = np.sqrt(times[drawn])
        problem = LinearProblem(
            root * injection[:, drawn], root * projection[:, drawn], observed[:, drawn], *bases
        )
        # The weight of the penalty is lambda n_inj / n_x, n_inj with repetitions.
        fit = problem.solve(smoothness * count / int(drawn.sum()), tolerance)
        yield region_means(fit.weights(), target_group, source_group)
