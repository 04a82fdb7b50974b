"""The stage ``connectome``, its models fitted: atlas and tracing → ``connectome/<model>.zarr``.

Its other steps are in ``stage_validation.py`` and ``stage_reference.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mesomode.connectome.schemas import SCHEMA
from mesomode.connectome.settings import Settings
from mesomode.connectome.stage_data import limit_threads, read
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import write_store

if TYPE_CHECKING:
    import xarray as xr

    from mesomode.connectome.experiments import Array, Experiments
    from mesomode.connectome.linear_fit import LinearFit
    from mesomode.connectome.low_rank_problem import Terms
    from mesomode.connectome.newton import FitState
    from mesomode.connectome.spline import SplineFit

DENSE_LIMIT = 10**8
"""Most weights of the low-rank model that its store also holds as a matrix, for those who want
one; the factors say the same. Larger ones (whole brains) are never formed."""


@step
def connectome_voxel(
    *,
    atlas: Input,
    tracing: Input,
    out: Output,
    settings: Settings,
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

    limit_threads(threads)
    grid, data, inherited = read(atlas, tracing, settings)
    groups = data.groups
    source, target = grid.laplacians
    weights = experiment_weights(data.injection, settings.experiment_weight)
    smoothing = settings.resolved()["smoothing"]
    needed = memory_needed(len(groups.target), len(groups.source), data.injection.shape[1])
    logger.info("lambda %g; %.2f GB of memory for the matrices", smoothing, needed / 1e9)
    root = 1.0 if weights is None else np.sqrt(weights)
    result = fit_spline(
        root * data.injection,
        root * data.projection,
        data.observed,
        source,
        target,
        smoothing,
        tolerance=settings.tolerance,
        maximum_steps=settings.maximum_iterations,
        bound=True,
        progress=_following(settings.tolerance),
    )
    _log_fit(result, settings.tolerance)
    prediction = result.weights @ data.injection
    means = region_means(result.weights, groups.target, groups.source)
    history = result.history
    variables = {
        "weights": (("target", "source"), result.weights.astype(np.float32)),
        "regional_weights": (("target_group", "source_group"), means),
        "experiment_error": data.experiment_errors(prediction),
        **data.errors(prediction),
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
    eigenmodes: Input | None = None,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Fit one of the other models: linear, low_rank, regional, kernel or distance.

    The low-rank model is fitted, predicts and is averaged over regions in factors; above
    `DENSE_LIMIT` weights its store holds nothing else (see ``stage_weights.open_weights``).

    Parameters
    ----------
    model : str
        Which one.
    atlas, tracing : Path
        ``atlas.zarr`` and ``tracing.zarr``.
    eigenmodes : Path, optional
        ``connectome/eigenmodes.zarr``, for the linear model; computed if not given.
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

    limit_threads(threads)
    grid, data, inherited = read(atlas, tracing, settings, eigenmodes)
    weights = experiment_weights(data.injection, settings.experiment_weight)
    parameters = chosen_parameters(model, settings.resolved())
    logger.info("model %s: %s", model, parameters or "no parameters")
    followed = {"progress": _sweeps(settings)} if model == "low_rank" else {}

    fitted = estimator(model, parameters, settings.model_dump(), seed).fit(
        data.injection.T,
        data.projection.T,
        data.observed.T,
        experiment_weight=weights,
        **grid.keywords(model),
        **followed,
    )
    prediction = fitted.predict(data.injection.T).T
    groups = (data.groups.target, data.groups.source)
    dense = {}
    if model == "low_rank":
        means = fitted.factored_.region_means(*groups)
        found = fitted.factored_ if fitted.factored_.size <= DENSE_LIMIT else None
    else:
        found = fitted.weights_
        means = region_means(found, *groups)
    if found is not None:
        dense["weights"] = (("target", "source"), np.asarray(found, np.float32))
    variables = {
        **dense,
        "regional_weights": (("target_group", "source_group"), means),
        **_particulars(fitted),
        "experiment_error": data.experiment_errors(prediction),
        **data.errors(prediction),
    }
    if model == "linear" and data.count > 1:
        variables |= _left_out(fitted.fit_, data, weights, settings.tolerance)
    _write(out, model, variables, inherited, provenance, **parameters)


def _left_out(
    fit: LinearFit, data: Experiments, weights: Array | None, tolerance: float
) -> dict[str, Any]:
    """Errors of each experiment predicted from the linear fit to all others, as variables."""
    import numpy as np

    from mesomode.connectome.linear_validation import leave_one_out

    logger.info("predicting each of %d experiments from the others", data.count)
    root = 1.0 if weights is None else np.sqrt(weights)  # the problem is of X and Y times this
    prediction = leave_one_out(fit.problem, [fit.smoothness], tolerance)[0] / root
    errors = {"experiment_error": data.experiment_errors(prediction), **data.errors(prediction)}
    return {f"left_out_{name}": variable for name, variable in errors.items()}


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


def _log_fit(result: SplineFit, tolerance: float) -> None:
    """How good a fit is and what it cost; warnings where something has to be known."""
    logger.info(
        "fit: objective %.6g, KKT residual %.1e, relative gap about %.1e%s, "
        "%d steps, %d Hessian products, %.1f s",
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
            "the fit did not reach the tolerance %.1e in %d steps: raise "
            "connectome.maximum_iterations or connectome.tolerance",
            tolerance,
            result.steps,
        )
    if result.undetermined:
        logger.warning(
            "%.2g %% of the weights are set to zero: no experiment was injected into the source's "
            "and observed in the target's connected part of the grid",
            100 * result.undetermined,
        )


def _following(tolerance: float) -> Callable[[FitState], None]:
    """Progress callback of the fit."""
    from mesomode.progress import Convergence

    progress = Convergence(logger, "fitting the voxel model", tolerance, "Hessian products")

    def report(state: FitState) -> None:
        note = "unconstrained start"
        if not math.isnan(state.objective):
            note = (
                f"step {state.step}, objective {state.objective:.6g}, "
                f"relative gap about {state.gap_estimate:.1e}"
            )
        progress.reach(state.products, state.gap_estimate, note)

    return report


def _sweeps(settings: Settings) -> Callable[[int, Terms], None]:
    """Progress callback of the fits of factors, which end by themselves before the last sweep."""
    from mesomode.progress import Progress

    most = settings.restarts * settings.maximum_iterations
    progress = Progress(logger, "fitting the factors", most, "sweeps at most")

    def report(sweep: int, terms: Terms) -> None:
        progress.update(1, f"sweep {sweep}, objective {terms.total:.6g}")

    return report
