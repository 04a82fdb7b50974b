"""Figure of what a connectome misses: observed and predicted projections from above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mesomode.report.models import model_name
from mesomode.report.projection import sides
from mesomode.report.space import Dorsal, draw_borders, region_index
from mesomode.report.style import GREY, INK, PALE, RED, new_figure, styled

if TYPE_CHECKING:
    import xarray as xr

DIVERGING = "PRGn_r"
UNOBSERVED = "#b3b3b3"
LARGEST = 3
"""Number of experiments with the largest errors that are shown."""


@dataclass(frozen=True)
class Prediction:
    """Predictions of experiments by one model.

    Parameters
    ----------
    model : str
    values : float array (target, experiment)
        W X.
    error : float array (experiment,)
        Voxel MSE_rel of each; NaN: undefined.
    held_out : bool
        Whether each experiment was predicted from others.
    """

    model: str
    values: np.ndarray
    error: np.ndarray
    held_out: bool

    @classmethod
    def out_of_fold(cls, store: xr.Dataset, model: str) -> Prediction:
        """What a store of the cross-validation holds of a model."""
        place = list(store.attrs["models"]).index(model)
        values = store["prediction"][place].values
        return cls(model, values, store["experiment_error"][place].values, True)

    @classmethod
    def of_fit(cls, store: xr.Dataset, injection: np.ndarray) -> Prediction:
        """What a store of a fitted connectome holds, with X (source, experiment)."""
        model = str(store.attrs["model"])
        values = store["weights"].values @ injection
        return cls(model, values, store["experiment_error"].values, False)


def chosen_experiments(error: np.ndarray, largest: int = LARGEST) -> list[tuple[int, str]]:
    """Experiments of the largest errors and the one of median error.

    Parameters
    ----------
    error : float array (experiment,)
        NaN is left out.
    largest : int

    Returns
    -------
    list of (int, str)
        Number of the experiment and why it was chosen, the largest error first.
        The median one is the upper of two.
    """
    order = [int(i) for i in np.argsort(-error, kind="stable") if np.isfinite(error[i])]
    names = ["largest error", "second largest error", "third largest error"]
    chosen = [
        (i, names[place] if place < len(names) else f"error number {place + 1}")
        for place, i in enumerate(order[:largest])
    ]
    if len(order) > largest:
        median = order[(len(order) - 1) // 2]
        if median not in order[:largest]:
            chosen.append((median, "median error"))
    return chosen


@styled
def draw_residual(
    prediction: Prediction,
    *,
    experiment: np.ndarray,
    projection_density: np.ndarray,
    observed: np.ndarray,
    injection_density: np.ndarray,
    source_voxel: np.ndarray,
    target_voxel: np.ndarray,
    target_region: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
    contralateral: np.ndarray | None = None,
) -> Figure:
    """Draw observed and predicted projection densities and their difference, from above.

    Parameters
    ----------
    prediction : Prediction
    experiment : int array (experiment,)
        Ids.
    projection_density : float array (target, experiment)
        Y.
    observed : bool array (target, experiment)
        Ω.
    injection_density : float array (source, experiment)
        X.
    source_voxel, target_voxel : int array (voxel, 3)
    target_region : int array (target,)
    regions : list of dict
    resolution_um : float
    contralateral : bool array (target,), optional
        Targets in the other hemisphere, which have rows of their own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = [
        (place, why, side, words)
        for place, why in chosen_experiments(prediction.error)
        for side, words in sides(contralateral, len(target_voxel))
    ]
    how = "predicted from the others" if prediction.held_out else "fitted"
    name = model_name(prediction.model)
    figure = new_figure(
        11.5, 1.0 + 3.35 * max(len(rows), 1),
        f"What the {name} model misses: experiments {how}",
    )  # fmt: skip
    panels = figure.subplots(max(len(rows), 1), 3, squeeze=False)
    if not rows:
        for axes in panels[0]:
            axes.set_axis_off()
        panels[0, 1].text(0.5, 0.5, "no experiment has a defined error", ha="center", color=GREY)
        return figure
    for row, (place, why, side, words) in zip(panels, rows, strict=True):
        view = Dorsal(target_voxel[side], resolution_um)
        top = view.uppermost(region_index(target_region[side], regions))
        known = observed[side, place]
        data = np.where(known, projection_density[side, place], np.nan).astype(np.float64)
        fitted = np.where(known, prediction.values[side, place], np.nan).astype(np.float64)
        images = [view.mean(values) for values in (data, fitted, fitted - data)]
        largest = max(float(np.nanmax(image, initial=0)) for image in images[:2]) or 1.0
        reach = float(np.nanmax(np.abs(images[2]), initial=0)) or 1.0
        scales: list[dict[str, Any]] = [{"norm": Normalize(0, largest)}] * 2
        scales += [{"norm": Normalize(-reach, reach), "cmap": DIVERGING}]
        reached = source_voxel[injection_density[:, place] > 0]
        titles = (
            f"{experiment[place]}: {why}\nobserved{words}",
            f"MSE_rel {100 * prediction.error[place]:.3g} %, n = {known.sum():,} voxels\npredicted",
            "\npredicted − observed",
        )
        drawn = [
            _panel(axes, view, image, top, reached, scale, title)
            for axes, image, scale, title in zip(row, images, scales, titles, strict=True)
        ]
        figure.colorbar(drawn[1], ax=list(row[:2]), label="projection density", shrink=0.9)
        figure.colorbar(drawn[2], ax=row[2], label="difference of the densities", shrink=0.9)
    handles = [
        Line2D([], [], color=RED, lw=1.6, label="injection"),
        Patch(fc=UNOBSERVED, hatch="////", ec="white", label="not observed at any depth"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _panel(
    axes: Axes,
    view: Dorsal,
    image: np.ndarray,
    top: np.ndarray,
    reached: np.ndarray,
    scale: dict[str, Any],
    title: str,
) -> Any:
    left, _, _, upper = view.extent
    hidden = (top >= 0) & ~np.isfinite(image)
    view.show(axes, np.where(hidden, 1.0, np.nan), cmap=ListedColormap([UNOBSERVED]))
    if hidden.any():
        rows, columns = np.nonzero(hidden)
        axes.bar(
            left + (columns + 0.5) * view.edge, view.edge, view.edge,
            upper + rows * view.edge, fc="none", ec="white", hatch="/////", lw=0,
        )  # fmt: skip
    shown = view.show(axes, image, **scale)
    lines = {"colors": "white"} if "cmap" not in scale else {"colors": INK, "linewidths": 0.5}
    view.outline(axes, top, **lines)
    if len(reached):
        inside = np.full(view.shape, -1)
        plane = reached[:, [0, 2]] - view.first
        kept = ((plane >= 0) & (plane < view.shape)).all(axis=1)
        inside[tuple(plane[kept].T)] = 1
        draw_borders(axes, inside, view.edge, (upper, left), colors=RED, linewidths=1.6)
    axes.set_facecolor(PALE if "cmap" not in scale else "white")
    axes.set_title(title)
    return shown
