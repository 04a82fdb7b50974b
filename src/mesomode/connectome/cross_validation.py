"""Nested cross-validation over experiments, the same for every connectome model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mesomode.connectome.folds import Folds, Integers
from mesomode.connectome.folds import assign_folds as assign_folds
from mesomode.connectome.folds import nested_folds as nested_folds
from mesomode.connectome.model import Array, ConnectomeModel, Mask
from mesomode.connectome.scores import relative_error
from mesomode.errors import DataError

Path = Callable[[Mask, Sequence[Any]], Iterable[Array]]
"""Fit to the experiments of a mask with each of the candidates in turn, and predict all
experiments: (target, experiment). A path may start each fit from the one before."""


@dataclass(frozen=True)
class Measured:
    """What predictions are compared with.

    Attributes
    ----------
    projection : (target, experiment)
        Y; anything where not observed.
    observed : (target, experiment) of bool
        Omega.
    target_group : (target,) of int
        Region of each target voxel, numbered from 0, for the regional error.
    """

    projection: Array
    observed: Mask
    target_group: npt.NDArray[np.integer]

    def errors(self, prediction: Array, chosen: Mask) -> tuple[float, float]:
        """Voxel and regional MSE_rel of the chosen experiments; NaN where undefined."""
        part = (prediction[:, chosen], self.projection[:, chosen], self.observed[:, chosen])
        voxel, regional = relative_error(*part), relative_error(*part, group=self.target_group)
        return float(voxel), float(regional)

    def experiment_errors(self, prediction: Array, chosen: Mask) -> Array:
        """MSE_rel of each experiment, NaN for those not chosen: (experiment,)."""
        each = np.asarray(relative_error(prediction, self.projection, self.observed, axis=0))
        return np.where(chosen, each, np.nan)


@dataclass(frozen=True)
class InnerErrors:
    """Errors of all candidates in the inner folds of an outer fold.

    Attributes
    ----------
    test_voxel, train_voxel, test_regional, train_regional : (candidate, inner fold) float64
        MSE_rel. No columns if there is but one candidate: nothing is to be
        chosen.
    """

    test_voxel: Array
    train_voxel: Array
    test_regional: Array
    train_regional: Array


@dataclass(frozen=True)
class FoldErrors:
    """What an outer fold of the nested cross-validation yields.

    Attributes
    ----------
    fold : int
        Number of the outer fold.
    inner : InnerErrors
        From which the candidate was chosen.
    chosen : int
        Index of the candidate with the least mean inner ``test_voxel``.
    test_voxel, train_voxel, test_regional, train_regional : float
        MSE_rel of the fit of the chosen candidate to all training
        experiments of the outer fold.
    experiment_error : (experiment,) float64
        MSE_rel of each test experiment; NaN for the others.
    """

    fold: int
    inner: InnerErrors
    chosen: int
    test_voxel: float
    train_voxel: float
    test_regional: float
    train_regional: float
    experiment_error: Array


def path_of(fit_predict: Callable[[Mask, Any], Array]) -> Path:
    """Path of candidates that are fitted one by one.

    Parameters
    ----------
    fit_predict : callable
        Fits to the experiments of a mask with a candidate and predicts all:
        (target, experiment).
    """

    def path(train: Mask, candidates: Sequence[Any]) -> Iterator[Array]:
        for candidate in candidates:
            yield fit_predict(train, candidate)

    return path


def model_path(
    model: ConnectomeModel,
    X: npt.ArrayLike,
    Y: npt.ArrayLike,
    observed: npt.ArrayLike,
    parameter: str | None = None,
    *,
    warm: bool = False,
    experiment_weight: npt.ArrayLike | None = None,
    **grid: Any,
) -> Path:
    """Path of a model along one of its parameters.

    Parameters
    ----------
    model : ConnectomeModel
        Is changed: it takes the value of ``parameter`` from each candidate
        and keeps the last fit.
    X, Y, observed : (experiment, source), (experiment, target) twice
        As for its ``fit``.
    parameter : str, optional
        Name of the parameter the candidates are values of; without it they
        are ignored.
    warm : bool
        Pass ``start=`` the weights of the fit before to ``fit``.
    experiment_weight : (experiment,), optional
        As for ``fit``.
    **grid
        Other arguments of ``fit``.
    """
    x, y, omega = np.asarray(X), np.asarray(Y), np.asarray(observed)
    weight = np.ones(len(x)) if experiment_weight is None else np.asarray(experiment_weight)

    def path(train: Mask, candidates: Sequence[Any]) -> Iterator[Array]:
        start: dict[str, Any] = {}
        fit: Callable[..., Any] = model.fit  # type: ignore[attr-defined]
        for candidate in candidates:
            if parameter is not None:
                model.set_params(**{parameter: candidate})
            fit(
                x[train], y[train], omega[train],
                experiment_weight=weight[train], **grid, **start,
            )  # fmt: skip
            if warm:
                start = {"start": model.weights_}  # type: ignore[attr-defined]
            yield model.predict(x).T

    return path


def inner_errors(
    path: Path,
    measured: Measured,
    inner: Integers,
    candidates: Sequence[Any],
    only: int | None = None,
) -> InnerErrors:
    """Errors of all candidates in the inner folds.

    Parameters
    ----------
    path : callable
        See :data:`Path`.
    measured : Measured
        Y, Omega and the regions.
    inner : (experiment,) int64
        A row of ``Folds.inner``.
    candidates : sequence
        In the order of the path.
    only : int, optional
        Number of the one inner fold to do, for a job of its own; all if not
        given.

    Raises
    ------
    DataError
        The path yields more or fewer predictions than candidates.
    """
    numbers = range(int(inner.max()) + 1) if only is None else [only]
    errors = np.full((4, len(candidates), len(numbers)), np.nan)
    for column, number in enumerate(numbers):
        test, train = inner == number, (inner >= 0) & (inner != number)
        for row, prediction in _predictions(path, train, candidates):
            errors[[0, 2], row, column] = measured.errors(prediction, test)
            errors[[1, 3], row, column] = measured.errors(prediction, train)
    return InnerErrors(*errors)


def choose(errors: Array) -> int:
    """Candidate of least mean error over the inner folds.

    Parameters
    ----------
    errors : (candidate, inner fold)
        NaN in a column where an error is undefined: that inner fold does not
        count. With a single candidate there may be no columns.

    Returns
    -------
    int
        The first of equals.

    Raises
    ------
    DataError
        No candidate, or no inner fold in which all errors are defined.
    """
    if len(errors) == 0:
        raise DataError("there is no candidate to choose")
    if len(errors) == 1:
        return 0
    defined = errors[:, ~np.isnan(errors).any(axis=0)]
    if defined.shape[1] == 0:
        raise DataError(
            "no inner fold in which the errors of all candidates are defined",
            why="predictions and data are both zero, or nothing was observed",
            remedy="use fewer folds or loosen the selection of experiments",
        )
    return int(defined.mean(axis=1).argmin())


def cross_validate_fold(
    path: Path,
    measured: Measured,
    folds: Folds,
    fold: int,
    candidates: Sequence[Any],
    inner: InnerErrors | None = None,
) -> FoldErrors:
    """Choose a candidate by the inner folds, refit it, and test it: one outer fold.

    Parameters
    ----------
    path : callable
        See :data:`Path`.
    measured : Measured
        Y, Omega and the regions.
    folds : Folds
        The same for all models.
    fold : int
        Number of the outer fold.
    candidates : sequence
        In the order of the path. If there is but one, the inner folds are
        skipped.
    inner : InnerErrors, optional
        If already computed.

    Raises
    ------
    DataError
        No such fold, or as :func:`choose`.
    """
    within = folds.within(fold)
    if inner is None:
        if len(candidates) > 1:
            inner = inner_errors(path, measured, within, candidates)
        else:
            inner = InnerErrors(*np.empty((4, len(candidates), 0)))
    chosen = choose(inner.test_voxel)
    test = folds.outer == fold
    ((_, prediction),) = _predictions(path, ~test, [candidates[chosen]])
    test_voxel, test_regional = measured.errors(prediction, test)
    train_voxel, train_regional = measured.errors(prediction, ~test)
    return FoldErrors(
        fold=fold,
        inner=inner,
        chosen=chosen,
        test_voxel=test_voxel,
        train_voxel=train_voxel,
        test_regional=test_regional,
        train_regional=train_regional,
        experiment_error=measured.experiment_errors(prediction, test),
    )


def cross_validate(
    path: Path, measured: Measured, folds: Folds, candidates: Sequence[Any]
) -> list[FoldErrors]:
    """All outer folds, one after the other; see :func:`cross_validate_fold`."""
    return [
        cross_validate_fold(path, measured, folds, fold, candidates)
        for fold in range(len(folds.inner))
    ]


def summarise(results: Sequence[FoldErrors]) -> dict[str, tuple[float, float]]:
    """Mean and standard error over the outer folds.

    Returns
    -------
    dict
        ``test_voxel``, ``train_voxel``, ``test_regional`` and
        ``train_regional`` -> (mean, standard error). Folds in which an error
        is undefined (NaN) are left out of it; NaN if none is left, and the
        standard error of a single one is NaN.
    """
    summary = {}
    for name in ("test_voxel", "train_voxel", "test_regional", "train_regional"):
        values = np.array([getattr(result, name) for result in results], dtype=np.float64)
        values = values[~np.isnan(values)]
        count = len(values)
        mean = float(values.mean()) if count else float("nan")
        spread = float(values.std(ddof=1)) / count**0.5 if count > 1 else float("nan")
        summary[name] = (mean, spread)
    return summary


def _predictions(path: Path, train: Mask, candidates: Sequence[Any]) -> Iterator[tuple[int, Array]]:
    """Predictions of a path with their numbers; refuses if they are not as many as candidates."""
    count = 0
    for prediction in path(train, candidates):
        count += 1
        if count > len(candidates):
            break
        yield count - 1, prediction
    if count != len(candidates):
        raise DataError(f"the path does not yield one prediction for each of {len(candidates)}")
