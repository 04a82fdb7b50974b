"""The models of the connectome under one hand: what each needs, its candidates, its predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mesomode.connectome.cross_validation import Path
    from mesomode.connectome.experiments import Experiments
    from mesomode.connectome.grid import Grid

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Candidate = dict[str, Any]


def experiment_weights(injection: Array, scheme: str) -> Array | None:
    """Weight of each experiment in the data term; X is (source, experiment).

    ``"inverse_injection"`` gives 1 / (sum of X)^2, scaled to mean one: then
    an experiment's residual counts relative to the amount injected.
    """
    if scheme == "equal":
        return None
    weight = 1.0 / injection.sum(axis=0) ** 2
    return weight / weight.mean()


def candidates(model: str, settings: Mapping[str, Any]) -> list[Candidate]:
    """Parameters of the model among which cross-validation chooses.

    Parameters
    ----------
    model : str
        Name of the model.
    settings : mapping
        Settings of the stage, ``smoothing_grid`` resolved.
    """
    if model in ("voxel", "linear"):
        values = sorted(settings["smoothing_grid"], reverse=True)  # fitted from large to small
        return [{"smoothness": value} for value in values]
    if model == "low_rank":
        ranks = settings["rank_grid"] or (settings["rank"],)
        pairs = product(sorted(ranks), sorted(settings["smoothing_grid"]))
        return [{"rank": rank, "smoothness": value} for rank, value in pairs]
    if model == "kernel":
        return [{"bandwidth": value} for value in sorted(settings["bandwidth_grid"])]
    return [{}]


def chosen_parameters(model: str, settings: Mapping[str, Any]) -> Candidate:
    """Parameters of the model for the fit to all experiments."""
    parameters: Candidate = {}
    if model in ("voxel", "linear", "low_rank"):
        parameters["smoothness"] = settings["smoothing"]
    if model == "low_rank":
        parameters["rank"] = settings["rank"]
    if model == "kernel":
        parameters["bandwidth"] = settings["bandwidth"]
    return parameters


def estimator(model: str, parameters: Candidate, settings: Mapping[str, Any], seed: int) -> Any:
    """Unfitted estimator of a model, a :class:`~mesomode.connectome.model.ConnectomeModel`.

    Parameters
    ----------
    model : str
        Name of the model.
    parameters : dict
        A candidate, or what :func:`chosen_parameters` gives.
    settings : mapping
        Settings of the stage.
    seed : int
        Of the random starts of the low-rank model.
    """
    # Imported by name, so that the fingerprint of the code covers them.
    if model == "voxel":
        from mesomode.connectome.voxel import VoxelConnectome

        limits = {name: settings[name] for name in ("tolerance", "maximum_iterations")}
        return VoxelConnectome(**parameters, **limits, certificate=False)
    if model == "linear":
        from mesomode.connectome.linear import LinearConnectome

        return LinearConnectome(**parameters, tolerance=settings["tolerance"])
    if model == "low_rank":
        from mesomode.connectome.low_rank import LowRankConnectome

        limits = {name: settings[name] for name in ("tolerance", "maximum_iterations", "restarts")}
        return LowRankConnectome(**parameters, **limits, seed=seed)
    if model == "regional":
        from mesomode.connectome.regional import RegionalConnectome

        return RegionalConnectome()
    if model == "kernel":
        from mesomode.connectome.kernel import KernelConnectome

        return KernelConnectome(**parameters)
    from mesomode.connectome.distance import DistanceConnectome

    return DistanceConnectome()


def prediction_path(
    model: str, data: Experiments, grid: Grid, settings: Mapping[str, Any], seed: int
) -> Path:
    """Fits of a model to some of the experiments, for cross-validation.

    Parameters
    ----------
    model : str
        Name of the model.
    data : Experiments
        All experiments.
    grid : Grid
        Voxels.
    settings : mapping
        Settings of the stage; ``search_tolerance`` takes the place of
        ``tolerance``, and there is one start of the low-rank model only.
    seed : int
        Of that start.

    Returns
    -------
    callable
        A path of :mod:`mesomode.connectome.cross_validation`.
    """
    tolerance = settings["search_tolerance"]
    loose = dict(settings) | {"tolerance": tolerance, "restarts": 1}
    weights = experiment_weights(data.injection, settings["experiment_weight"])
    if model == "linear":
        return _linear_path(data, grid, weights, tolerance)
    if model == "voxel":
        return _voxel_path(data, grid, weights, loose)
    keywords = grid.keywords(model)

    def path(train: Mask, tried: Sequence[Candidate]) -> Iterator[Array]:
        injection, projection, observed = data.select(train)
        for candidate in tried:
            fitted = estimator(model, candidate, loose, seed).fit(
                injection.T,
                projection.T,
                observed.T,
                experiment_weight=None if weights is None else weights[train],
                **keywords,
            )
            yield fitted.predict(data.injection.T).T

    return path


def _linear_path(data: Experiments, grid: Grid, weights: Array | None, tolerance: float) -> Path:
    """As :func:`prediction_path`; the eigenmodes serve all folds and all lambda."""
    from mesomode.connectome.linear_problem import LinearProblem

    problem = LinearProblem(data.injection, data.projection, data.observed, *grid.bases)
    if weights is not None:
        problem = problem.weighted(weights)

    def path(train: Mask, tried: Sequence[Candidate]) -> Iterator[Array]:
        values = [candidate["smoothness"] for candidate in tried]
        for fit in problem.subset(train).path(values, tolerance):
            yield fit.predict(data.injection)

    return path


def _voxel_path(
    data: Experiments, grid: Grid, weights: Array | None, settings: Mapping[str, Any]
) -> Path:
    """As :func:`prediction_path`; each fit starts from that of the next larger lambda."""
    from mesomode.connectome.path import fit_path

    root = np.ones(data.count) if weights is None else np.sqrt(weights)

    def path(train: Mask, tried: Sequence[Candidate]) -> Iterator[Array]:
        injection, projection, observed = data.select(train)
        fits = fit_path(
            root[train] * injection,
            root[train] * projection,
            observed,
            *grid.laplacians,
            [candidate["smoothness"] for candidate in tried],
            tolerance=settings["tolerance"],
            maximum_steps=settings["maximum_iterations"],
        )
        for _, fit in fits:
            yield fit.weights @ data.injection

    return path
