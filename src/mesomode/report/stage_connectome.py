"""Figures of the fitted connectomes: matrices, errors, folds, ranks and the truth."""

from __future__ import annotations

from mesomode.report.stage_drawing import CONTRALATERAL, Figure, Store, drawn, places_of
from mesomode.steps import logger, step

LEFT_OUT = "left_out_experiment_error"
"""Variable of the linear model; absent where it was fitted to one experiment only."""


@step
@drawn
def figure_connectome(*, models: list[Store]) -> Figure:
    """Draw the connectomes as matrices, by voxel and region by region.

    Parameters
    ----------
    models : list of Store
        ``connectome/<model>.zarr``.
    """
    from mesomode.report.connectome import draw_connectome
    from mesomode.report.models import weights_name

    first = models[0]
    return draw_connectome(
        [(weights_name(data.attrs), data["weights"]) for data in models],
        first["target_region"].values,
        first["target_hemisphere"].values == CONTRALATERAL,
        first["source_region"].values,
        first.attrs["regions"],
    )


@step
@drawn
def figure_fit(*, tracing: Store, models: list[Store]) -> Figure:
    """Draw predicted projections, the errors of the experiments, and the certificate.

    Parameters
    ----------
    tracing : Store
        ``tracing.zarr``.
    models : list of Store
        ``connectome/<model>.zarr``.
    """
    from mesomode.report.fit import Certificate, Fit, draw_fit

    injection = tracing["injection_density"].values
    return draw_fit(
        [Fit.of(store, injection) for store in models],
        tracing["projection_density"].values,
        tracing["observed"].values,
        next((Certificate.of(s) for s in models if s.attrs["model"] == "voxel"), None),
    )


@step
@drawn
def figure_truth(*, atlas: Store, truth: Store, models: list[Store]) -> Figure:
    """Draw the fitted connectomes against the true one of the phantom.

    Parameters
    ----------
    atlas, truth : Store
        ``atlas.zarr``, ``connectome/truth.zarr``.
    models : list of Store
        ``connectome/<model>.zarr``, in the order in which they were compared.
    """
    from mesomode.report.truth import Model, draw_truth

    return draw_truth(
        Model.all_of(truth, models),
        truth["weights"].values,
        truth["true_regional_weights"].values,
        truth["true_singular_value"].values,
        **places_of(atlas),
    )


@step
@drawn
def figure_cross_validation(
    *, atlas: Store, tracing: Store, coverage: Store, cross_validation: Store, linear: list[Store]
) -> Figure:
    """Draw the errors of all models in the same folds, what was chosen, and the table.

    Parameters
    ----------
    atlas, tracing : Store
        ``atlas.zarr`` and ``tracing.zarr``.
    coverage, cross_validation : Store
        ``connectome/coverage.zarr``, ``connectome/cross_validation.zarr``.
    linear : list of Store
        ``connectome/linear.zarr``, or none: it was not fitted.
    """
    from mesomode.report.cross_validation import CrossValidated, draw_cross_validation, verdict
    from mesomode.report.order import Facts, explanation

    models = CrossValidated.all_of(cross_validation)
    facts = Facts.of(
        tracing["injection_density"].values,
        tracing["primary_region"].values,
        atlas["source_region"].values,
        coverage["coverage"].values,
    )
    for line in (verdict(models), *explanation(models, facts)):
        logger.info("%s", line)
    left_out = [s[LEFT_OUT].values for s in linear if LEFT_OUT in s]
    return draw_cross_validation(models, facts, left_out[0] if left_out else None)


@step
@drawn
def figure_residual(
    *, atlas: Store, tracing: Store, model: Store, cross_validation: list[Store]
) -> Figure:
    """Draw observed and predicted projections of the experiments with the largest errors.

    Parameters
    ----------
    atlas, tracing : Store
        ``atlas.zarr``, ``tracing.zarr``.
    model : Store
        ``connectome/<model>.zarr``.
    cross_validation : list of Store
        ``connectome/cross_validation.zarr``, or none: then the fit to all is shown.
    """
    from mesomode.report.residual import Prediction, draw_residual

    places = places_of(atlas)
    del places["source_region"]
    injection = tracing["injection_density"].values
    if cross_validation:
        prediction = Prediction.out_of_fold(cross_validation[0], str(model.attrs["model"]))
    else:
        prediction = Prediction.of_fit(model, injection)
    return draw_residual(
        prediction,
        experiment=tracing["experiment"].values,
        projection_density=tracing["projection_density"].values,
        observed=tracing["observed"].values,
        injection_density=injection,
        contralateral=atlas["target_hemisphere"].values == CONTRALATERAL,
        **places,
    )


@step
@drawn
def figure_ranks(*, ranks: Store) -> Figure:
    """Draw how near the low-rank model comes to the voxel model, against its rank.

    Parameters
    ----------
    ranks : Store
        ``connectome/ranks.zarr``.
    """
    from mesomode.report.ranks import draw_ranks

    return draw_ranks(
        rank=ranks["rank"].values,
        distance=ranks["distance"].values,
        truncated_distance=ranks["truncated_distance"].values,
        objective=ranks["objective"].values,
        voxel_objective=float(ranks["voxel_objective"]),
        smoothing=float(ranks.attrs["smoothing"]),
    )
