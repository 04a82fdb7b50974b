"""The stage ``connectome``, its models judged: cross-validation, coverage and uncertainty."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mesomode.connectome.schemas import (
    COVERAGE_SCHEMA,
    CROSS_VALIDATION_SCHEMA,
    FOLD_SCHEMA,
    RANKS_SCHEMA,
    SCHEMA,
)
from mesomode.connectome.settings import Settings
from mesomode.connectome.stage_data import limit_threads, read
from mesomode.files import atomic_file
from mesomode.progress import Progress
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import open_store, write_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from mesomode.connectome.experiments import Experiments
    from mesomode.connectome.grid import Grid
    from mesomode.connectome.low_rank import LowRankConnectome

STARTS = 2
"""Fits of each rank in the sweep over ranks, so that their spread is seen."""


@step
def connectome_fold(
    *,
    model: str,
    fold: int,
    atlas: Input,
    tracing: Input,
    eigenmodes: Input | None = None,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Cross-validate a model in one outer fold: choose by the inner folds, refit, predict.

    Parameters
    ----------
    model : str
        Which one.
    fold : int
        Number of the outer fold, from 0.
    atlas, tracing : Path
        ``atlas.zarr`` and ``tracing.zarr``.
    eigenmodes : Path, optional
        ``connectome/eigenmodes.zarr``, for linear fits; computed if not given.
    out : Path
        ``connectome/folds/<model>_<fold>.zarr``.

    Raises
    ------
    DataError
        Fewer experiments than folds, or data that do not determine a fit.
    """
    import numpy as np
    import xarray as xr

    from mesomode.connectome.cross_validation import (
        Measured,
        cross_validate_fold,
        inner_errors,
        nested_folds,
    )
    from mesomode.connectome.models import candidates, prediction_path
    from mesomode.seeds import generator

    limit_threads(threads)
    grid, data, inherited = read(atlas, tracing, settings, eigenmodes)
    folds = nested_folds(  # the same for every model
        data.primary_region,
        settings.outer_folds,
        settings.inner_folds,
        generator(seed, "connectome", "folds"),
    )
    values = settings.resolved()
    tried = candidates(model, values)
    substitute = model == "voxel" and settings.search_with == "linear" and len(tried) > 1
    total = settings.inner_folds * len(tried) * (len(tried) > 1) + 1
    progress = Progress(logger, f"{model}, fold {fold}", total, unit="fits")
    prediction = np.empty(0)

    def path_of(model: str) -> Callable[[np.ndarray, Sequence[Any]], Iterator[np.ndarray]]:
        path = prediction_path(model, data, grid, values, seed)

        def followed(train: np.ndarray, those: Sequence[Any]) -> Iterator[np.ndarray]:
            nonlocal prediction
            for prediction in path(train, those):
                progress.update()
                yield prediction

        return followed

    measured = Measured(data.projection, data.observed, data.groups.target)
    inner = None
    if substitute:
        inner = inner_errors(path_of("linear"), measured, folds.within(fold), tried)
    result = cross_validate_fold(path_of(model), measured, folds, fold, tried, inner)
    test = folds.outer == fold
    logger.info(
        "%s, fold %d: %s chosen of %d; test voxel %.3f, regional %.3f; training %.3f, %.3f",
        model,
        fold,
        tried[result.chosen] or "no parameters",
        len(tried),
        result.test_voxel,
        result.test_regional,
        result.train_voxel,
        result.train_regional,
    )
    parameters = {
        name: ("candidate", np.array([t[name] for t in tried], FOLD_SCHEMA.variables[name].dtype))
        for name in tried[0]
    }
    dataset = xr.Dataset(
        {
            **parameters,
            "inner_test_error": (("candidate", "inner_fold"), result.inner.test_voxel),
            "inner_train_error": (("candidate", "inner_fold"), result.inner.train_voxel),
            "chosen": ((), np.int64(result.chosen)),
            "experiment": inherited["variables"]["experiment"],
            "test": ("experiment", test),
            "prediction": (("target", "experiment"), prediction.astype(np.float32)),
            "experiment_error": data.experiment_errors(prediction),
            "test_voxel_error": ((), result.test_voxel),
            "test_regional_error": ((), result.test_regional),
            "train_voxel_error": ((), result.train_voxel),
            "train_regional_error": ((), result.train_regional),
        },
        attrs={"model": model, "fold": fold},
    )
    write_store(out, dataset, FOLD_SCHEMA, provenance)


@step
def connectome_cross_validation(
    *, folds: list[Input], out: Output, table: Output, provenance: Provenance
) -> None:
    """Collect the outer folds of all models: errors, mean and standard error, predictions.

    Parameters
    ----------
    folds : list of Path
        ``connectome/folds/<model>_<fold>.zarr``, the folds of a model in order.
    out : Path
        ``connectome/cross_validation.zarr``.
    table : Path
        ``connectome/table.csv``: a row for each model.
    """
    from mesomode.connectome.collecting import collect, rows

    stores: dict[str, list[xr.Dataset]] = {}
    for path in folds:
        with open_store(path, FOLD_SCHEMA) as store:
            stores.setdefault(str(store.attrs["model"]), []).append(store.load())
    dataset = collect(stores)
    header, *lines = rows(dataset)
    for line in lines:
        logger.info(
            "%s", ", ".join(f"{name} {value}" for name, value in zip(header, line, strict=True))
        )
    with atomic_file(table) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    write_store(out, dataset, CROSS_VALIDATION_SCHEMA, provenance)


@step
def connectome_ranks(
    *,
    voxel: Input,
    atlas: Input,
    tracing: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Fit the low-rank model at several ranks and measure how near it comes to the voxel model.

    Parameters
    ----------
    voxel : Path
        ``connectome/voxel.zarr``.
    atlas, tracing : Path
        ``atlas.zarr`` and ``tracing.zarr``.
    out : Path
        ``connectome/ranks.zarr``.

    Raises
    ------
    DataError
        The data do not determine a fit, or the voxel model's weights are zero.
    """
    import numpy as np
    import xarray as xr

    from mesomode.connectome.low_rank_sweep import rank_sweep, truncation_distances
    from mesomode.connectome.models import estimator, experiment_weights

    limit_threads(threads)
    grid, data, _ = read(atlas, tracing, settings)
    with open_store(voxel, SCHEMA) as store:
        weights = store["weights"].values
        voxel_objective = float(store["objective"])
    by_experiment = experiment_weights(data.injection, settings.experiment_weight)
    values = settings.resolved()
    loose = values | {"tolerance": settings.search_tolerance, "restarts": 1}
    ranks = sorted(settings.rank_sweep)
    progress = Progress(logger, "ranks", STARTS * len(ranks), unit="fits")

    def fit(rank: int, start: int) -> LowRankConnectome:
        parameters = {"rank": rank, "smoothness": values["smoothing"]}
        model = estimator("low_rank", parameters, loose, seed + start)
        fitted: LowRankConnectome = model.fit(
            data.injection.T,
            data.projection.T,
            data.observed.T,
            experiment_weight=by_experiment,
            **grid.keywords("low_rank"),
        )
        progress.update()
        return fitted

    found = list(rank_sweep(fit, weights, ranks, STARTS))
    best = truncation_distances(weights, ranks)
    for one, least in zip(found, best, strict=True):
        logger.info(
            "rank %d: distance to the voxel model %s (at least %.4f), objective %s of its",
            one.rank,
            ", ".join(f"{value:.4f}" for value in one.distance),
            least,
            ", ".join(f"{value / voxel_objective:.3f}" for value in one.objective),
        )
    dataset = xr.Dataset(
        {
            "rank": ("rank", np.array(ranks, np.int64)),
            "distance": (("rank", "start"), np.stack([one.distance for one in found])),
            "truncated_distance": ("rank", best),
            "objective": (("rank", "start"), np.stack([one.objective for one in found])),
            "voxel_objective": ((), voxel_objective),
            "iterations": (("rank", "start"), np.stack([one.iterations for one in found])),
        },
        attrs={"smoothing": values["smoothing"]},
    )
    write_store(out, dataset, RANKS_SCHEMA, provenance)


@step
def connectome_coverage(
    *,
    atlas: Input,
    tracing: Input,
    eigenmodes: Input | None = None,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Map which source voxels the experiments inform, why not the others, and how well.

    How well, which is the posterior variance of the linear model, needs the eigenmodes of the
    grids: it is left out where neither the voxel nor the linear model is fitted, so that the
    low-rank model reaches grids that are too large for them.

    Parameters
    ----------
    atlas, tracing : Path
        ``atlas.zarr`` and ``tracing.zarr``.
    eigenmodes : Path, optional
        ``connectome/eigenmodes.zarr``; computed if not given.
    out : Path
        ``connectome/coverage.zarr``.

    Raises
    ------
    DataError
        The data do not determine a fit.
    """
    import numpy as np
    import xarray as xr

    from mesomode.connectome.coverage import CODES, coverage, smoothing_length
    from mesomode.connectome.laplacian import component_labels

    limit_threads(threads)
    grid, data, inherited = read(atlas, tracing, settings, eigenmodes)
    smoothing = settings.resolved()["smoothing"]
    position = grid.resolution * (grid.source_voxel + 0.5)
    reach = smoothing_length(data.injection, smoothing, grid.resolution)
    labels = component_labels(grid.laplacians[0])
    covered = coverage(data.injection, data.observed, position, labels, reach)
    logger.info("the smoothing carries %.0f um beyond an injection", reach)
    for number, name in enumerate(CODES):
        logger.info("%s: %d of %d source voxels", name, np.sum(covered.code == number), len(labels))
    variables: dict[str, Any] = {
        "coverage": ("source", covered.code),
        "injections": ("source", covered.injections),
        "distance_to_injection": ("source", covered.distance),
        "observed_fraction": ("source", covered.observed_fraction),
        "reach": ((), reach),
    }
    if {"voxel", "linear"} & set(settings.models):
        variables |= _uncertainty(grid, data, smoothing, settings, seed)
    else:
        logger.info("neither the voxel nor the linear model is fitted: no posterior variance")
    kept = ("source_voxel", "source_region", *data.groups.table)
    dataset = xr.Dataset(
        variables | {name: inherited["variables"][name] for name in kept},
        attrs={"model": "linear", "smoothing": smoothing, **inherited["attrs"]},
    )
    write_store(out, dataset, COVERAGE_SCHEMA, provenance)


def _uncertainty(
    grid: Grid, data: Experiments, smoothing: float, settings: Settings, seed: int
) -> dict[str, Any]:
    """Variables of the coverage that need the linear model: noise, variance, bootstrap."""
    import numpy as np

    from mesomode.connectome.bootstrap import bootstrap_regional_weights
    from mesomode.connectome.linear_problem import LinearProblem
    from mesomode.connectome.models import experiment_weights
    from mesomode.connectome.uncertainty import noise_variance, posterior_variance_map
    from mesomode.seeds import generator

    weights = experiment_weights(data.injection, settings.experiment_weight)
    root = np.ones(data.count) if weights is None else np.sqrt(weights)
    problem = LinearProblem(
        root * data.injection, root * data.projection, data.observed, *grid.bases
    )
    fit = problem.solve(smoothing, settings.tolerance)
    noise = noise_variance(fit, generator(seed, "connectome", "noise"))
    logger.info(
        "noise of the projection densities: standard deviation %.3g, %.0f degrees of freedom used",
        np.sqrt(noise.variance),
        noise.degrees_of_freedom,
    )
    variance = posterior_variance_map(problem, smoothing, noise.variance)
    variables: dict[str, Any] = {
        "posterior_variance": ("source", variance.posterior),
        "variance_reduction": ("source", variance.reduction),
        "informed_patterns": ("source", variance.informed_patterns),
        "noise_variance": ((), noise.variance),
    }
    if settings.bootstrap:
        progress = Progress(logger, "bootstrap", settings.bootstrap, unit="fits")
        replicates = []
        for replicate in bootstrap_regional_weights(
            problem,
            smoothing,
            data.groups.target,
            data.groups.source,
            settings.bootstrap,
            generator(seed, "connectome", "bootstrap"),
        ):
            replicates.append(replicate)
            progress.update()
        variables["bootstrap_regional_weights"] = (
            ("replicate", "target_group", "source_group"),
            np.stack(replicates),
        )
    return variables
