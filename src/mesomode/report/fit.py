"""Figure of the fits to all experiments: predictions, errors of experiments, certificate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesomode.report.connectome import density_of, draw_density
from mesomode.report.models import model_colour, model_marker, model_name, model_title
from mesomode.report.network import draw_table
from mesomode.report.style import (
    BLUE,
    GREY,
    INK,
    RED,
    counted,
    new_figure,
    nothing_to_show,
    number,
    styled,
)

if TYPE_CHECKING:
    import xarray as xr

ACROSS = 3
"""Most panels beside each other."""


@dataclass(frozen=True)
class Fit:
    """One model's predictions of what it was fitted to.

    MSE_rel is 2|P − Y|²/(|P|² + |Y|²) where observed.

    Parameters
    ----------
    name : str
    prediction : float array (target, experiment)
    voxel, regional : float
        MSE_rel, of voxels and summed over regions.
    experiment_error : float array (experiment,)
        MSE_rel of each experiment.
    """

    name: str
    prediction: np.ndarray
    voxel: float
    regional: float
    experiment_error: np.ndarray

    @classmethod
    def of(cls, store: xr.Dataset, injection: np.ndarray) -> Fit:
        """What a store of a fitted connectome holds, with X (source, experiment)."""
        return cls(
            name=str(store.attrs["model"]),
            prediction=store["weights"].values @ injection,
            voxel=float(store["voxel_error"]),
            regional=float(store["regional_error"]),
            experiment_error=store["experiment_error"].values,
        )


@dataclass(frozen=True)
class Certificate:
    """How near the fit is to the optimum.

    Parameters
    ----------
    products : int array (step,)
        Hessian products so far.
    gap, residual : float array (step,)
        Estimated relative distance of the objective from its minimum; KKT residual.
    bound : float
        Proven bound on the gap; NaN or infinite: none.
    tolerance : float
    converged : bool
    misfit, penalty : float
        The two terms of the objective.
    free : float
        Share of the weights above zero.
    """

    products: np.ndarray
    gap: np.ndarray
    residual: np.ndarray
    bound: float
    tolerance: float
    converged: bool
    misfit: float
    penalty: float
    free: float

    @classmethod
    def of(cls, store: xr.Dataset) -> Certificate:
        """What the store of the voxel model holds."""
        return cls(
            products=store["step_products"].values,
            gap=store["step_gap_estimate"].values,
            residual=store["step_kkt_residual"].values,
            bound=float(store["gap_bound"]),
            tolerance=float(store.attrs["mesomode"]["settings"]["tolerance"]),
            converged=bool(store["converged"]),
            misfit=float(store["misfit"]),
            penalty=float(store["penalty"]),
            free=float(store["free_fraction"]),
        )


@styled
def draw_fit(
    fits: Sequence[Fit],
    projection: np.ndarray,
    observed: np.ndarray,
    certificate: Certificate | None,
) -> Figure:
    """Draw observed against predicted projections, errors of experiments, and convergence.

    Parameters
    ----------
    fits : sequence of Fit
    projection : float array (target, experiment)
        Y.
    observed : bool array (target, experiment)
        Ω.
    certificate : Certificate or None
        Of the voxel model; None: it was not fitted.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = max(2, min(ACROSS, len(fits)))
    rows = -(-len(fits) // columns)
    tall = 4.4 if columns == 2 else 3.7
    heights = (tall * rows, 3.6, 0.75 + 0.26 * len(fits))
    figure = new_figure(
        11 if columns == 2 else 12.5, 0.4 + sum(heights),
        "How well the connectomes describe the experiments that they were fitted to",
    )  # fmt: skip
    parts: Any = figure.subfigures(3, 1, height_ratios=heights)
    above, below, foot = parts
    panels = above.subplots(rows, columns, squeeze=False).ravel()
    for axes, fit in zip(panels, fits, strict=False):
        counts, edges = density_of(projection[observed], fit.prediction[observed])
        labels = ("observed projection density", "predicted projection density")
        shown = draw_density(axes, counts, edges, labels)
        above.colorbar(shown, ax=axes, label="pairs of voxel and experiment", shrink=0.8)
        axes.set_title(
            f"{model_title(fit.name)} model, {counted(observed.shape[1], 'experiment')} fitted"
        )
        axes.text(0.04, 0.96, f"MSE_rel {number(fit.voxel)}\nn = {counts.sum():,.0f}", va="top",
                  transform=axes.transAxes)  # fmt: skip
    for axes in panels[len(fits) :]:
        axes.set_axis_off()
    left, right = below.subplots(1, 2)
    _experiments(left, fits)
    if certificate is None:
        nothing_to_show(right, "the voxel model was not fitted")
    else:
        _convergence(right, certificate)
    _table(foot.subplots(), fits)
    return figure


def _experiments(axes: Axes, fits: Sequence[Fit]) -> None:
    order = np.argsort(fits[0].experiment_error, kind="stable")
    for fit in fits:
        errors, colour = fit.experiment_error[order], model_colour(fit.name)
        axes.plot(errors, model_marker(fit.name), ms=4, mfc="none", color=colour,
                  label=model_name(fit.name))  # fmt: skip
    largest = np.nanmax([np.nanmax(fit.experiment_error, initial=0) for fit in fits])
    axes.set_ylim(0, (1.25 + 0.1 * (len(fits) > 3)) * largest or 1)
    axes.set_xlabel(f"experiment, by error of the {model_name(fits[0].name)} model")
    axes.set_ylabel("MSE_rel of the experiment")
    axes.set_title(f"Error of each experiment (n = {len(order)})")
    axes.legend(
        ncols=4, loc="upper left", columnspacing=1, handletextpad=0.2, frameon=True,
        framealpha=0.9, edgecolor="none",
    )  # fmt: skip


def _convergence(axes: Axes, certificate: Certificate) -> None:
    for values, colour, text in (
        (certificate.gap, BLUE, "relative gap, estimated"),
        (certificate.residual, RED, "KKT residual"),
    ):
        values = np.asarray(values, dtype=np.float64)
        known = np.isfinite(values) & (values > 0)
        axes.plot(certificate.products[known], values[known], "o-", ms=3, color=colour, label=text)
    axes.axhline(certificate.tolerance, color=GREY, lw=0.8, ls="--", label="tolerance")
    if np.isfinite(certificate.bound) and certificate.bound > 0:
        axes.plot(certificate.products[-1:], [certificate.bound], "v", color=INK,
                  label="relative gap, proven bound")  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("Hessian products")
    axes.set_ylabel("relative gap, residual")
    state = "converged" if certificate.converged else "not converged"
    axes.set_title(f"Certificate of the voxel model: {state}")
    axes.legend(loc="lower left")
    text = (
        f"gap ≤ {number(certificate.bound, 2)} (proven)\n"
        f"objective {number(certificate.misfit + certificate.penalty)}\n"
        f"= misfit {number(certificate.misfit)} + penalty {number(certificate.penalty)}\n"
        f"{certificate.free:.1%} of the weights not held at 0"
    )
    axes.text(0.98, 0.96, text, transform=axes.transAxes, ha="right", va="top")


def _table(axes: Axes, fits: Sequence[Fit]) -> None:
    header = ["MSE_rel of the model", "voxels", "regions"]
    rows = [[model_name(fit.name), number(fit.voxel), number(fit.regional)] for fit in fits]
    draw_table(axes, header, rows, first=0.2, colours=[model_colour(fit.name) for fit in fits])
