"""What all connectome models share: parameters, predictions, scores, and checked training data."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from mesomode.connectome.scores import relative_error
from mesomode.errors import DataError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class TrainingData(NamedTuple):
    """Checked data in the order of the paper, as the solvers take them.

    Attributes
    ----------
    injection : (source, experiment) float64
        X, finite and nonnegative; columns scaled by the roots of the weights.
    projection : (target, experiment) float64
        Y, scaled alike; zero where not observed.
    observed : (target, experiment) bool
        Omega.
    """

    injection: Array
    projection: Array
    observed: Mask


class ConnectomeModel:
    """Base of the connectome models, estimators in the manner of scikit-learn.

    Parameters of ``__init__`` are stored unchanged under their names and
    checked by ``fit`` only; what ``fit`` finds is stored under names that end
    in an underscore. Arrays are (experiment, source) and (experiment, target).
    """

    @classmethod
    def _parameter_names(cls) -> list[str]:
        names = list(inspect.signature(cls.__init__).parameters)[1:]
        return [] if cls.__init__ is object.__init__ else names

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; ``deep`` is there for scikit-learn and changes nothing."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name.

        Raises
        ------
        ValueError
            The model has no such parameter.
        """
        names = self._parameter_names()
        for name in parameters:
            if name not in names:
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}; it has: {', '.join(names)}"
                )
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Name and parameters, as one would write them."""
        inner = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({inner})"

    def predict(self, X: npt.ArrayLike) -> Array:
        """Projection densities of injections, X W^T.

        Parameters
        ----------
        X : (experiment, source)
            Injection densities, finite.

        Returns
        -------
        ndarray (experiment, target)

        Raises
        ------
        DataError
            The model is not fitted, or X does not fit to it.
        """
        weights: Array | None = getattr(self, "weights_", None)
        if weights is None:
            raise not_fitted(self)
        product: Array = prediction_input(X, weights.shape[1]) @ weights.T
        return product

    def score(
        self, X: npt.ArrayLike, Y: npt.ArrayLike, observed: npt.ArrayLike | None = None
    ) -> float:
        """1 - MSE_rel of the prediction: 1 is perfect, -1 that of no connections.

        Parameters
        ----------
        X, Y, observed
            As for ``fit``.

        Returns
        -------
        float
            NaN where prediction and data are both zero.
        """
        prediction = self.predict(X)
        y, omega = checked_projection(Y, observed, len(prediction))
        if y.shape != prediction.shape:
            raise DataError(
                f"Y has {y.shape[1]} target voxels, the fitted model {prediction.shape[1]}"
            )
        return 1.0 - float(relative_error(prediction.T, y.T, omega.T))


def not_fitted(model: ConnectomeModel) -> DataError:
    """Error to raise where a model is used before it was fitted."""
    return DataError(f"this {type(model).__name__} is not fitted yet", remedy="call fit first")


def prediction_input(X: npt.ArrayLike, sources: int) -> Array:
    """X for a prediction: (experiment, source) float64, finite.

    Raises
    ------
    DataError
        Not two-dimensional, other than ``sources`` columns, or not finite.
    """
    x = np.asarray(X, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != sources:
        raise DataError(
            f"X of shape {x.shape} does not fit to {sources} source voxels",
            why="it has to be (experiment, source)",
        )
    _refuse(~np.isfinite(x), "X is not finite", "source voxel", None)
    return x


def training_data(
    X: npt.ArrayLike,
    Y: npt.ArrayLike,
    observed: npt.ArrayLike | None = None,
    experiment_weight: npt.ArrayLike | None = None,
) -> TrainingData:
    """Check X, Y and Omega as users give them, and bring them into the paper's order.

    Parameters
    ----------
    X : (experiment, source)
        Injection density, finite and nonnegative, some in every experiment.
    Y : (experiment, target)
        Projection density, finite where observed; anything elsewhere, NaN
        included.
    observed : (experiment, target) of bool, optional
        Omega; all observed if not given.
    experiment_weight : (experiment,), optional
        Finite and nonnegative; multiplies each experiment's squared residual
        in the data term. An experiment of weight zero is left out as if it
        had not been given.

    Returns
    -------
    TrainingData

    Raises
    ------
    DataError
        Shapes that do not fit together, entries that cannot be used (the
        first is named, and they are counted), or nothing left to fit.
    """
    x = np.asarray(X, dtype=np.float64)
    if x.ndim != 2 or 0 in x.shape:
        raise DataError(
            f"X of shape {x.shape} cannot be fitted", why="it has to be (experiment, source)"
        )
    y, omega = checked_projection(Y, observed, len(x))
    _refuse(
        ~np.isfinite(x),
        "X is not finite",
        "source voxel",
        "the injection density must be known in every source voxel",
    )
    _refuse(x < 0, "X is negative", "source voxel", "it is a fraction of segmented pixels")
    empty = np.flatnonzero(~x.any(axis=1))
    if len(empty):
        raise DataError(
            f"{len(empty)} of {len(x)} experiments have no injection in the source voxels, "
            f"first experiment {empty[0]}",
            why="they say nothing about any weight",
            remedy="drop them",
        )
    if experiment_weight is not None:
        weight = checked_weight(experiment_weight, len(x))
        kept = weight > 0
        root = np.sqrt(weight[kept])[:, None]
        x, y, omega = root * x[kept], root * y[kept], omega[kept]
    if not omega.any():
        raise DataError(
            "no projection was observed",
            remedy="check the observed mask and the weights of the experiments",
        )
    return TrainingData(
        np.ascontiguousarray(x.T), np.ascontiguousarray(y.T), np.ascontiguousarray(omega.T)
    )


def checked_projection(
    Y: npt.ArrayLike, observed: npt.ArrayLike | None, experiments: int
) -> tuple[Array, Mask]:
    """Y and Omega, (experiment, target); Y is set to zero where it was not observed.

    Raises
    ------
    DataError
        As :func:`training_data`.
    """
    y = np.asarray(Y, dtype=np.float64)
    if y.ndim != 2 or 0 in y.shape or len(y) != experiments:
        raise DataError(
            f"Y of shape {y.shape} does not fit to X of {experiments} experiments",
            why="they have to be (experiment, target) and (experiment, source)",
        )
    omega = np.ones(y.shape, np.bool_) if observed is None else np.asarray(observed)
    if omega.dtype != np.bool_ or omega.shape != y.shape:
        raise DataError(
            f"observed is {omega.dtype} of shape {omega.shape}, for Y of shape {y.shape}",
            why="it has to be bool, one for each entry of Y",
        )
    _refuse(
        omega & ~np.isfinite(y),
        "Y is not finite where observed",
        "target voxel",
        "only entries that were not observed may be missing",
        "set observed to False there",
    )
    return np.where(omega, y, 0.0), omega


def checked_weight(experiment_weight: npt.ArrayLike | None, experiments: int) -> Array:
    """Weights of the experiments, (experiment,) float64; ones if not given.

    Raises
    ------
    DataError
        Other than one for each experiment, not finite, or negative.
    """
    if experiment_weight is None:
        return np.ones(experiments)
    weight = np.asarray(experiment_weight, dtype=np.float64)
    if weight.shape != (experiments,):
        raise DataError(f"experiment_weight {weight.shape} for {experiments} experiments")
    bad = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if len(bad):
        raise DataError(
            f"experiment_weight of experiment {bad[0]} is {weight[bad[0]]}",
            why="weights have to be finite and nonnegative",
        )
    return weight


def checked_regions(
    region: npt.ArrayLike, voxels: int, name: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids of the regions in ascending order, and each voxel's number among them.

    Raises
    ------
    DataError
        Other than one integer for each voxel.
    """
    label = np.asarray(region)
    if label.shape != (voxels,) or not np.issubdtype(label.dtype, np.integer):
        raise DataError(
            f"{name} is {label.dtype} of shape {label.shape}, for {voxels} voxels",
            why="it has to be one integer for each voxel",
        )
    ids, group = np.unique(label.astype(np.int64), return_inverse=True)
    return ids, group.astype(np.int64)


def checked_positions(position: npt.ArrayLike, voxels: int, name: str) -> Array:
    """Positions of voxels in micrometres, (voxel, 3) float64.

    Raises
    ------
    DataError
        Another shape, or not finite.
    """
    place = np.asarray(position, dtype=np.float64)
    if place.shape != (voxels, 3) or not np.isfinite(place).all():
        raise DataError(
            f"{name} of shape {place.shape} does not give finite positions of {voxels} voxels",
            why="it has to be (voxel, 3) in micrometres",
        )
    return place


def _refuse(
    bad: Mask, what: str, voxel: str, why: str | None = None, remedy: str | None = None
) -> None:
    """Raise a DataError that counts the bad entries and names the first."""
    if bad.any():
        row, column = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{what}: experiment {row}, {voxel} {column}, and {bad.sum() - 1} other entries",
            why=why,
            remedy=remedy,
        )
