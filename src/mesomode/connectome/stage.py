"""The stage ``connectome``: atlas and tracing → ``connectome/<model>.zarr``."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mesomode.connectome.schemas import (
    COVERAGE_SCHEMA,
    CROSS_VALIDATION_SCHEMA,
    FOLD_SCHEMA,
    SCHEMA,
    TRUTH_SCHEMA,
)
from mesomode.connectome.settings import Settings
from mesomode.files import Progress, atomic_file
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import open_store, write_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from mesomode.connectome.experiments import Experiments
    from mesomode.connectome.models import Grid
    from mesomode.connectome.spline import SplineFit

GRID = ("source_voxel", "source_region", "target_voxel", "target_region", "target_hemisphere")
"""Variables that a fitted connectome takes over from the atlas."""

HOLDOUT_TOLERANCE = 1e-4
"""Tolerance of the fit whose errors on the hold-out are measured: far below their scatter."""


@step
def connectome_voxel(
    *,
    atlas: Input,
    tracing: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Fit the voxel connectome by nonnegative spline regression.

    Parameters
    ----------
    atlas, tracing : Path
        ``atlas.zarr`` and ``tracing.zarr``.
    out : Path
        ``connectome/voxel.zarr``.

    Raises
    ------
    DataError
        The data do not determine a fit.
    MemoryLimitError
        The matrix of weights is too large for this machine.
    """
    import numpy as np

    from mesomode.connectome.models import experiment_weights
    from mesomode.connectome.spline import fit_spline, memory_needed
    from mesomode.connectome.truth import region_means
    from mesomode.seeds import generator

    _limit_threads(threads)
    grid, data, inherited = _read(atlas, tracing, settings)
    groups = data.groups
    source, target = grid.laplacians
    weights = experiment_weights(data.injection, settings.experiment_weight)
    smoothing = settings.resolved()["smoothing"]
    needed = memory_needed(len(groups.target), len(groups.source))
    logger.info("lambda %g; %.2f GB of memory for the matrices", smoothing, needed / 1e9)

    def fit(chosen: np.ndarray, label: str, tolerance: float, bound: bool) -> SplineFit:
        injection, projection, observed = data.select(chosen)
        root = 1.0 if weights is None else np.sqrt(weights[chosen])
        result = fit_spline(
            root * injection,
            root * projection,
            observed,
            source,
            target,
            smoothing,
            tolerance=tolerance,
            maximum_steps=settings.maximum_iterations,
            bound=bound,
            progress=_progress_lines(label),
        )
        _log_fit(label, result, tolerance)
        return result

    loose = max(settings.tolerance, HOLDOUT_TOLERANCE)
    held = data.hold_out(
        lambda chosen: fit(chosen, "hold-out fit", loose, False).weights @ data.injection,
        settings.holdout_fraction,
        generator(seed, "connectome", "holdout"),  # the same experiments for every model
    )
    result = fit(np.ones(data.count, np.bool_), "fit", settings.tolerance, True)
    prediction = result.weights @ data.injection
    means = region_means(result.weights, groups.target, groups.source)
    history = result.history
    variables = {
        "weights": (("target", "source"), result.weights.astype(np.float32)),
        "regional_weights": (("target_group", "source_group"), means),
        "experiment_error": data.experiment_errors(prediction),
        **data.errors(prediction),
        **held,
        "objective": ((), result.terms.total),
        "misfit": ((), result.terms.misfit),
        "penalty": ((), result.terms.penalty),
        "kkt_residual": ((), result.kkt_residual),
        "gap_estimate": ((), result.gap_estimate),
        "gap_bound": ((), result.gap_bound),
        "converged": ((), np.bool_(result.converged)),
        "products": ((), np.int64(result.products)),
        "free_fraction": ((), result.free_fraction),
        "undetermined_fraction": ((), result.undetermined),
        "step": ("step", np.array([r.step for r in history], np.int64)),
        "step_objective": ("step", np.array([r.objective for r in history])),
        "step_kkt_residual": ("step", np.array([r.kkt_residual for r in history])),
        "step_gap_estimate": ("step", np.array([r.gap_estimate for r in history])),
        "step_products": ("step", np.array([r.products for r in history], np.int64)),
    }
    _write(out, "voxel", variables, inherited, provenance, smoothing=smoothing)


@step
def connectome_model(
    *,
    model: str,
    atlas: Input,
    tracing: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Fit one of the other models: linear, low_rank, regional, kernel or distance.

    Parameters
    ----------
    model : str
        Which one.
    atlas, tracing : Path
        ``atlas.zarr`` and ``tracing.zarr``.
    out : Path
        ``connectome/<model>.zarr``.

    Raises
    ------
    DataError
        The data do not determine a fit.
    MemoryLimitError
        The matrix of weights is too large for this machine.
    """
    import numpy as np

    from mesomode.connectome.models import chosen_parameters, estimator, experiment_weights
    from mesomode.connectome.truth import region_means
    from mesomode.seeds import generator

    _limit_threads(threads)
    grid, data, inherited = _read(atlas, tracing, settings)
    keywords = grid.keywords(model)
    weights = experiment_weights(data.injection, settings.experiment_weight)
    parameters = chosen_parameters(model, settings.resolved())
    logger.info("model %s: %s", model, parameters or "no parameters")

    def fit(chosen: np.ndarray) -> Any:
        injection, projection, observed = data.select(chosen)
        return estimator(model, parameters, settings.model_dump(), seed).fit(
            injection.T,
            projection.T,
            observed.T,
            experiment_weight=None if weights is None else weights[chosen],
            **keywords,
        )

    held = data.hold_out(
        lambda chosen: fit(chosen).predict(data.injection.T).T,
        settings.holdout_fraction,
        generator(seed, "connectome", "holdout"),
    )
    fitted = fit(np.ones(data.count, np.bool_))
    prediction = fitted.predict(data.injection.T).T
    found = fitted.weights_
    variables = {
        "weights": (("target", "source"), found.astype(np.float32)),
        "regional_weights": (
            ("target_group", "source_group"),
            region_means(found, data.groups.target, data.groups.source),
        ),
        **_particulars(fitted),
        "experiment_error": data.experiment_errors(prediction),
        **data.errors(prediction),
        **held,
    }
    _write(out, model, variables, inherited, provenance, **parameters)


@step
def connectome_fold(
    *,
    model: str,
    fold: int,
    atlas: Input,
    tracing: Input,
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

    _limit_threads(threads)
    grid, data, inherited = _read(atlas, tracing, settings)
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
def connectome_coverage(
    *,
    atlas: Input,
    tracing: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Map which source voxels the experiments inform, why not the others, and how well.

    Parameters
    ----------
    atlas, tracing : Path
        ``atlas.zarr`` and ``tracing.zarr``.
    out : Path
        ``connectome/coverage.zarr``.

    Raises
    ------
    DataError
        The data do not determine a fit.
    """
    import numpy as np
    import xarray as xr

    from mesomode.connectome.bootstrap import bootstrap_regional_weights
    from mesomode.connectome.coverage import CODES, coverage, smoothing_length
    from mesomode.connectome.laplacian import component_labels
    from mesomode.connectome.linear_problem import LinearProblem
    from mesomode.connectome.models import experiment_weights, grid_bases
    from mesomode.connectome.uncertainty import noise_variance, posterior_variance_map
    from mesomode.seeds import generator

    _limit_threads(threads)
    grid, data, inherited = _read(atlas, tracing, settings)
    smoothing = settings.resolved()["smoothing"]
    position = grid.resolution * (grid.source_voxel + 0.5)
    reach = smoothing_length(data.injection, smoothing, grid.resolution)
    labels = component_labels(grid.laplacians[0])
    covered = coverage(data.injection, data.observed, position, labels, reach)
    logger.info("the smoothing carries %.0f um beyond an injection", reach)
    for number, name in enumerate(CODES):
        logger.info("%s: %d of %d source voxels", name, np.sum(covered.code == number), len(labels))
    weights = experiment_weights(data.injection, settings.experiment_weight)
    root = np.ones(data.count) if weights is None else np.sqrt(weights)
    bases = grid_bases(grid)
    problem = LinearProblem(root * data.injection, root * data.projection, data.observed, *bases)
    fit = problem.solve(smoothing, settings.tolerance)
    noise = noise_variance(fit, generator(seed, "connectome", "noise"))
    logger.info(
        "noise of the projection densities: standard deviation %.3g, %.0f degrees of freedom used",
        np.sqrt(noise.variance),
        noise.degrees_of_freedom,
    )
    variance = posterior_variance_map(problem, smoothing, noise.variance)
    variables = {
        "coverage": ("source", covered.code),
        "injections": ("source", covered.injections),
        "distance_to_injection": ("source", covered.distance),
        "observed_fraction": ("source", covered.observed_fraction),
        "posterior_variance": ("source", variance.posterior),
        "variance_reduction": ("source", variance.reduction),
        "informed_patterns": ("source", variance.informed_patterns),
        "noise_variance": ((), noise.variance),
        "reach": ((), reach),
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
    kept = ("source_voxel", "source_region", *data.groups.table)
    dataset = xr.Dataset(
        variables | {name: inherited["variables"][name] for name in kept},
        attrs={"model": "linear", "smoothing": smoothing, **inherited["attrs"]},
    )
    write_store(out, dataset, COVERAGE_SCHEMA, provenance)


@step
def connectome_file(
    *, file: Input, out: Output, settings: Settings, provenance: Provenance
) -> None:
    """Read a connectome of your own, a matrix or an edge list.

    Parameters
    ----------
    file : Path
        An .npz, .csv or .zarr file; the keys of the section say what is in it.
    out : Path
        ``connectome/file.zarr``.

    Raises
    ------
    DataError
        The file does not hold what the settings say, or weights that are not
        finite and nonnegative.
    """
    import xarray as xr

    from mesomode.connectome.sources import import_connectome

    read = import_connectome(
        file,
        key=settings.file_key,
        edge_keys=settings.file_edge_keys,
        mask_key=settings.file_mask_key,
        orientation=settings.file_orientation,
    )
    connections = int((read.weights > 0).sum())
    logger.info(
        "%d targets, %d sources, %d connections (%.2g %%)",
        *read.weights.shape,
        connections,
        100 * connections / read.weights.size,
    )
    dataset = xr.Dataset(
        {
            "weights": (("target", "source"), read.weights),
            "target_unit": ("target", read.target_unit),
            "source_unit": ("source", read.source_unit),
        },
        attrs={"model": "file"},
    )
    write_store(out, dataset, SCHEMA, provenance)


@step
def connectome_truth(
    *,
    truth: Input,
    atlas: Input,
    models: list[Input],
    out: Output,
    threads: int,
    provenance: Provenance,
) -> None:
    """Compare connectomes with the true weights of the phantom.

    Parameters
    ----------
    truth : Path
        ``truth.h5`` of the phantom.
    atlas : Path
        ``atlas.zarr``, whose voxels are used.
    models : list of Path
        Connectome stores.
    out : Path
        ``connectome/truth.zarr``.

    Raises
    ------
    DataError
        The truth does not cover the voxels of the atlas.
    """
    import numpy as np
    import xarray as xr

    from mesomode.connectome.experiments import Groups
    from mesomode.connectome.truth import compare, region_means, singular_values

    with open_store(atlas) as store:
        grid = {name: store[name].values for name in GRID}
        regions = store.attrs["regions"]
        shape = store["annotation"].shape
    true = _true_weights(truth, grid, shape)
    groups = Groups.of(grid)
    names, agreements, spectra, means = [], [], [], []
    for path in models:
        with open_store(path, SCHEMA) as store:
            weights = store["weights"].values
            name = str(store.attrs.get("model", path.stem))
        agreement = compare(weights, true, groups.target, groups.source)
        logger.info(
            "%s: relative error %.4f, correlation %.4f, MSE_rel %.4f, regional error %.4f",
            name,
            agreement.relative_error,
            agreement.correlation,
            agreement.mean_squared_error,
            agreement.regional_error,
        )
        names.append(name)
        agreements.append(agreement)
        means.append(region_means(weights, groups.target, groups.source))
        spectra.append(singular_values(weights))
    quantities = ("relative_error", "correlation", "mean_squared_error", "regional_error")
    dataset = xr.Dataset(
        {
            "weights": (("target", "source"), true),
            "singular_value": (("model", "mode"), np.stack(spectra)),
            "true_singular_value": ("mode", singular_values(true)),
            "regional_weights": (("model", "target_group", "source_group"), np.stack(means)),
            "true_regional_weights": (
                ("target_group", "source_group"),
                region_means(true, groups.target, groups.source),
            ),
            **{q: ("model", np.array([getattr(a, q) for a in agreements])) for q in quantities},
            **groups.table,
        },
        attrs={"models": names, "regions": regions},
    )
    write_store(out, dataset, TRUTH_SCHEMA, provenance)


def _read(
    atlas: Input, tracing: Input, settings: Settings
) -> tuple[Grid, Experiments, dict[str, Any]]:
    """Voxels, experiments, and what else a connectome's store takes over."""
    import numpy as np

    from mesomode.connectome.experiments import Experiments, Groups
    from mesomode.connectome.models import Grid

    with open_store(atlas) as store:
        taken = {name: store[name].values for name in GRID}
        regions = store.attrs["regions"]
        resolution = float(store.attrs["resolution_um"])
    groups = Groups.of(taken)
    grid = Grid(
        taken["source_voxel"],
        taken["target_voxel"],
        groups.source,
        groups.target,
        resolution,
        settings.boundaries == "regional",
    )
    with open_store(tracing) as store:
        experiments = Experiments(
            store["injection_density"].values.astype(np.float64),
            store["projection_density"].values.astype(np.float64),
            store["observed"].values.astype(np.bool_),
            store["primary_region"].values,
            groups,
        )
        ids = store["experiment"].values
    dims = {name: SCHEMA.variables[name].dims for name in GRID}
    kept = {"experiment": ids, **{name: (dims[name], taken[name]) for name in GRID}, **groups.table}
    logger.info(
        "%d target voxels, %d source voxels, %d experiments",
        len(groups.target),
        len(groups.source),
        experiments.count,
    )
    return grid, experiments, {"variables": kept, "attrs": {"regions": regions}}


def _particulars(fitted: Any) -> dict[str, Any]:
    """What a model knows of itself besides its weights, as variables."""
    import numpy as np

    places = {
        "objective": ("objective_", ()),
        "converged": ("converged_", ()),
        "target_factor": ("target_factor_", ("target", "mode")),
        "source_factor": ("source_factor_", ("source", "mode")),
        "restart_objective": ("restart_objectives_", ("restart",)),
        "distance": ("distance_", ("knot",)),
        "profile": ("profile_", ("knot",)),
    }
    return {
        name: (dims, np.asarray(getattr(fitted, attribute), SCHEMA.variables[name].dtype))
        for name, (attribute, dims) in places.items()
        if hasattr(fitted, attribute)
    }


def _log_errors(variables: dict[str, Any]) -> None:
    value = {name: v[1] for name, v in variables.items() if name.endswith("_error") and v[0] == ()}
    logger.info(
        "MSE_rel of the fit to all experiments: voxel %.3f, regional %.3f",
        value["voxel_error"],
        value["regional_error"],
    )
    if "test" not in variables:
        logger.info("no hold-out: turned off, or fewer than three experiments")
        return
    logger.info(
        "hold-out of %d of %d experiments: voxel %.3f (training %.3f), "
        "regional %.3f (training %.3f)",
        variables["test"][1].sum(),
        len(variables["test"][1]),
        value["test_voxel_error"],
        value["train_voxel_error"],
        value["test_regional_error"],
        value["train_regional_error"],
    )


def _write(
    out: Output,
    model: str,
    variables: dict[str, Any],
    inherited: dict[str, Any],
    provenance: Provenance,
    **attributes: Any,
) -> None:
    """Write a fitted connectome with its grids and errors."""
    import xarray as xr

    _log_errors(variables)
    dataset: xr.Dataset = xr.Dataset(
        {**variables, **inherited["variables"]},
        attrs={"model": model, **inherited["attrs"], **attributes},
    )
    write_store(out, dataset, SCHEMA, provenance)


def _log_fit(label: str, result: SplineFit, tolerance: float) -> None:
    """How good a fit is and what it cost; warnings where something has to be known."""
    logger.info(
        "%s: objective %.6g, KKT residual %.1e, relative gap about %.1e%s, "
        "%d steps, %d Hessian products, %.1f s",
        label,
        result.terms.total,
        result.kkt_residual,
        result.gap_estimate,
        f" (proven: {result.gap_bound:.1e})" if result.gap_bound < float("inf") else "",
        result.steps,
        result.products,
        result.seconds,
    )
    if not result.converged:
        logger.warning(
            "%s did not reach the tolerance %.1e in %d steps: raise "
            "connectome.maximum_iterations or connectome.tolerance",
            label,
            tolerance,
            result.steps,
        )
    if result.undetermined:
        logger.warning(
            "%.2g %% of the weights are set to zero: no experiment was injected into the source's "
            "and observed in the target's connected part of the grid",
            100 * result.undetermined,
        )


def _progress_lines(label: str) -> Any:
    """Progress callback that writes a line to the log at most every five seconds."""
    last = 0.0

    def report(state: Any) -> None:
        nonlocal last
        if state.seconds - last >= 5.0:
            last = state.seconds
            if math.isnan(state.objective):
                logger.info("%s: unconstrained start, %d Hessian products", label, state.products)
                return
            logger.info(
                "%s: step %d, %d Hessian products, objective %.6g, relative gap about %.1e",
                label,
                state.step,
                state.products,
                state.objective,
                state.gap_estimate,
            )

    return report


def _limit_threads(threads: int) -> None:
    """Let the compiled loops use no more threads than the job has."""
    import numba

    numba.set_num_threads(max(1, min(threads, numba.config.NUMBA_NUM_THREADS)))


def _true_weights(path: Input, grid: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """True weights of the phantom on the voxels of the atlas; the other side is mirrored."""
    import h5py
    import numpy as np

    from mesomode.connectome.truth import align

    with h5py.File(path, "r") as file:
        weights = file["weights"][:]
        source, target = file["source_voxels"][:], file["target_voxels"][:]
        contralateral = np.float32(file.attrs["contralateral"])
    wanted = grid["target_voxel"].copy()
    other = grid["target_hemisphere"] == 2
    wanted[other, 2] = shape[2] - 1 - wanted[other, 2]
    weights = align(align(weights, target, wanted, 0), source, grid["source_voxel"], 1)
    weights[other] *= contralateral
    return weights.astype(np.float32)
