"""Fits of (P1) along a sequence of lambda, each started from its neighbour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from mesomode.connectome.newton import Newton
from mesomode.connectome.objective import Objective
from mesomode.connectome.spline import (
    START_GAP,
    SplineFit,
    finish,
    hold_to_constraints,
    require_fit_memory,
)
from mesomode.errors import DataError


def fit_path(
    injection: npt.ArrayLike,
    projection: npt.ArrayLike,
    observed: npt.ArrayLike,
    source_laplacian: sparse.sparray,
    target_laplacian: sparse.sparray,
    smoothness_values: Sequence[float],
    *,
    tolerance: float = 1e-4,
    maximum_steps: int = 60,
    bound: bool = False,
    precision: str = "auto",
) -> Iterator[tuple[float, SplineFit]]:
    """Fit at several lambda, the largest first, each from the weights of the one before.

    The work arrays, the coarse grids of the preconditioner and their
    eigenbases serve all of them.

    Parameters
    ----------
    injection, projection, observed, source_laplacian, target_laplacian
        As for :func:`~mesomode.connectome.spline.fit_spline`.
    smoothness_values : sequence of float
        lambda, positive and finite, in any order.
    tolerance, maximum_steps, bound, precision
        As for :func:`~mesomode.connectome.spline.fit_spline`, for each fit.
        Here the default is loose and without proof, enough to choose lambda
        by cross-validation.

    Yields
    ------
    smoothness : float
        lambda, in descending order.
    fit : SplineFit
        ``fit.weights`` is overwritten as soon as the next fit is asked for:
        copy it to keep it.

    Raises
    ------
    DataError
        Data that cannot be fitted, no lambda, or one that is not positive.
    MemoryLimitError
        Not enough memory.
    """
    values = sorted((float(value) for value in smoothness_values), reverse=True)
    if not values or not all(np.isfinite(value) and value > 0.0 for value in values):
        raise DataError(
            f"{len(values)} values of lambda, not all positive and finite",
            why="a path needs at least one, and each fit a penalty",
            remedy="fit lambda = 0 and infinity by VoxelConnectome",
        )
    objective = Objective(
        injection, projection, observed, source_laplacian, target_laplacian, values[0]
    )
    require_fit_memory(objective)
    objective.set_smoothing(values[-1])  # decides on the precision
    solver = Newton(objective, tolerance, True, None, precision)
    for count, smoothness in enumerate(values):
        solver.change_smoothing(smoothness)
        if count == 0:
            solver.solve_unconstrained(START_GAP)
            hold_to_constraints(solver)
        yield smoothness, finish(solver, maximum_steps, bound)
