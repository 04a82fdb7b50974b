"""Cross-validation of the linear model along the whole lambda path, with its exact shortcuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mesomode.connectome.linear_problem import LinearProblem
from mesomode.connectome.representer import Array, Mask
from mesomode.connectome.scores import relative_error
from mesomode.errors import DataError

Smoothness = Sequence[float] | npt.NDArray[np.floating]
SINGULAR = 1e-9  # diagonal of R below which an experiment alone determines something


def held_out_predictions(
    problem: LinearProblem,
    test: npt.ArrayLike,
    smoothness: Smoothness,
    training: npt.ArrayLike | None = None,
    tolerance: float = 1e-8,
) -> Array:
    """Predict experiments from fits to others, for all lambda.

    Every prediction is that of a refit to the training experiments alone
    (n_inj in lambda n_inj / n_x is their number), whatever was observed. The
    refits share the bases and the responses of the modes with the problem of
    all experiments; one eigenvalue decomposition (mode by mode) serves the
    whole path, each lambda starts from the one before, and W is never formed.

    Parameters
    ----------
    problem : LinearProblem
        Of all experiments.
    test : (experiment,) of bool
        Experiments to predict.
    smoothness : sequence of float
        lambda.
    training : (experiment,) of bool, optional
        Experiments to fit; all that are not in ``test`` if not given.
    tolerance : float
        Relative duality gap of the fits.

    Returns
    -------
    ndarray (smoothness, target, test experiment)

    Raises
    ------
    DataError
        An experiment is in both, or nothing to fit remains.
    """
    chosen = np.asarray(test, dtype=np.bool_)
    train = ~chosen if training is None else np.asarray(training, dtype=np.bool_)
    if (chosen & train).any():
        raise DataError("an experiment is in the training and in the test set")
    part = problem.subset(train)
    return np.stack([fit.fitted[:, chosen] for fit in part.path(smoothness, tolerance)])


def leave_one_out(problem: LinearProblem, smoothness: Smoothness, tolerance: float = 1e-8) -> Array:
    """Predict each experiment from a fit to all others, for all lambda.

    The result is always that of refits with n_inj - 1 experiments (which also
    enters lambda n_inj / n_x). Where the targets of a connected component
    were observed in all experiments it comes in closed form from the fit to
    all of them, mode by mode: y_i - prediction_i = alpha_i / R_ii (Allen
    1974, PRESS), R = (I + G_a / rho)^-1. Where something is unobserved the
    closed form does not hold, because the fill-in would still know the
    experiment left out; then each experiment's reduced problem is solved
    (:func:`held_out_predictions`). That is also done for an experiment which
    alone determines a constant.

    Parameters
    ----------
    problem : LinearProblem
        Of all experiments.
    smoothness : sequence of float
        lambda.
    tolerance : float
        Relative duality gap of the fits that are needed.

    Returns
    -------
    ndarray (smoothness, target, experiment)
        NaN for an experiment without which nothing was observed.

    Raises
    ------
    DataError
        There is one experiment only.
    """
    training = problem.training
    count = int(training.sum())
    if count < 2 or not training.all():
        raise DataError(
            f"leave-one-out of {count} out of {len(training)} experiments",
            why="it needs two experiments or more, all of them in the problem",
        )
    values = np.asarray(smoothness, dtype=np.float64)
    result = np.empty((len(values), *problem.projection.shape))
    refit = np.zeros(count, np.bool_)
    if problem.observed.all():
        for number, value in enumerate(values):
            rho = problem.weight_of_penalty(value) * (count - 1) / count
            for system in problem.systems:
                voxels = system.component.voxels
                matrices = system.smoother(rho).matrices
                modes = system.vectors.T @ problem.projection[voxels]
                dual = np.matmul(matrices, modes[:, :, None])[:, :, 0]
                diagonal = np.einsum("aii->ai", matrices)
                poor = diagonal < SINGULAR
                refit |= poor.any(axis=0)
                error = np.divide(dual, diagonal, out=np.zeros_like(dual), where=~poor)
                result[number, voxels] = problem.projection[voxels] - system.vectors @ error
    else:
        refit[:] = True
    for left_out in np.flatnonzero(refit):
        test = np.arange(count) == left_out
        if problem.observed[:, ~test].any():
            predicted = held_out_predictions(problem, test, values, tolerance=tolerance)
        else:
            predicted = np.full((len(values), len(result[0]), 1), np.nan)
        result[:, :, test] = predicted
    return result


@dataclass(frozen=True)
class PathErrors:
    """MSE_rel of the test experiments of each fold along the lambda path.

    Attributes
    ----------
    voxel : (fold, smoothness)
        Voxel by voxel; NaN where prediction and data are zero.
    regional : (fold, smoothness) or None
        After summing over the groups of targets.
    """

    voxel: Array
    regional: Array | None


def linear_path_errors(
    problem: LinearProblem,
    folds: npt.ArrayLike,
    smoothness: Smoothness,
    *,
    training: npt.ArrayLike | None = None,
    target_group: npt.NDArray[np.integer] | None = None,
    tolerance: float = 1e-8,
) -> PathErrors:
    """Cross-validated errors of the linear model for all folds and lambda; exact refits.

    Parameters
    ----------
    problem : LinearProblem
        Of all experiments.
    folds : (fold, experiment) of bool
        Test experiments of each fold.
    smoothness : sequence of float
        lambda.
    training : (fold, experiment) of bool, optional
        Training experiments of each fold (the inner folds of a nested
        cross-validation); all the others if not given.
    target_group : (target,) of int, optional
        Regions, numbered from 0, for the regional error.
    tolerance : float
        Relative duality gap of the fits.
    """
    tests: Mask = np.asarray(folds, dtype=np.bool_)
    trains: Mask = ~tests if training is None else np.asarray(training, dtype=np.bool_)
    voxel = np.empty((len(tests), len(smoothness)))
    regional = np.empty_like(voxel)
    for fold, (test, train) in enumerate(zip(tests, trains, strict=True)):
        predictions = held_out_predictions(problem, test, smoothness, train, tolerance)
        data = problem.projection[:, test], problem.observed[:, test]
        for number, prediction in enumerate(predictions):
            voxel[fold, number] = relative_error(prediction, *data)
            if target_group is not None:
                regional[fold, number] = relative_error(prediction, *data, group=target_group)
    return PathErrors(voxel, None if target_group is None else regional)
