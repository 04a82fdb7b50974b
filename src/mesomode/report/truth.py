"""Figure of fitted connectomes against the true one of the phantom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from mesomode.report.connectome import density_of, draw_density
from mesomode.report.fit import model_colour
from mesomode.report.network import draw_table
from mesomode.report.space import Dorsal, dorsal_regions, region_index
from mesomode.report.style import INK, new_figure, number, styled

if TYPE_CHECKING:
    import xarray as xr

EXAMPLES = 2


@dataclass(frozen=True)
class Model:
    """A fitted connectome and how near it is to the truth.

    Parameters
    ----------
    name : str
    weights : float array (target, source)
    relative_error, correlation, mean_squared_error, regional_error : float
        |W − W_true|/|W_true|; Pearson's; MSE_rel; relative error of means over regions.
    regional_weights : float array (target region, source region)
    singular_value : float array (mode,)
    """

    name: str
    weights: np.ndarray
    relative_error: float
    correlation: float
    mean_squared_error: float
    regional_error: float
    regional_weights: np.ndarray
    singular_value: np.ndarray

    @classmethod
    def all_of(cls, truth: xr.Dataset, stores: Sequence[xr.Dataset]) -> list[Model]:
        """The models that were compared with the truth, each with its own store."""
        numbers = ("relative_error", "correlation", "mean_squared_error", "regional_error")
        return [
            cls(
                name=str(name),
                weights=store["weights"].values,
                regional_weights=truth["regional_weights"][place].values,
                singular_value=truth["singular_value"][place].values,
                **{quantity: float(truth[quantity][place]) for quantity in numbers},
            )
            for place, (name, store) in enumerate(zip(truth.attrs["models"], stores, strict=True))
        ]


def example_sources(
    voxel: np.ndarray, region: np.ndarray, regions: list[dict[str, Any]], count: int = EXAMPLES
) -> np.ndarray:
    """The most central voxels of the largest regions.

    Parameters
    ----------
    voxel : int array (source, 3)
    region : int array (source,)
        Structure ids.
    regions : list of dict
        Table with ``id``.
    count : int

    Returns
    -------
    int array (example,)
        Indices of sources.
    """
    place = region_index(region, regions)
    sizes = np.bincount(place[place >= 0], minlength=len(regions))
    chosen = []
    for largest in np.argsort(-sizes, kind="stable")[:count]:
        members = np.flatnonzero(place == largest)
        if members.size:
            distance = np.sum((voxel[members] - voxel[members].mean(axis=0)) ** 2, axis=1)
            chosen.append(int(members[distance.argmin()]))
    return np.array(chosen, dtype=np.int64)


@styled
def draw_truth(
    models: Sequence[Model],
    truth: np.ndarray,
    true_regional_weights: np.ndarray,
    true_singular_value: np.ndarray,
    *,
    source_voxel: np.ndarray,
    source_region: np.ndarray,
    target_voxel: np.ndarray,
    target_region: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
) -> Figure:
    """Draw fitted against true weights, by voxel and by region, and example projections.

    Parameters
    ----------
    models : sequence of Model
    truth : float array (target, source)
    true_regional_weights : float array (target region, source region)
    true_singular_value : float array (mode,)
    source_voxel, target_voxel : int array (voxel, 3)
    source_region, target_region : int array (voxel,)
    regions : list of dict
    resolution_um : float

    Returns
    -------
    matplotlib.figure.Figure
    """
    best = models[0]
    figure = new_figure(
        12,
        11.5,
        f"{best.name.capitalize()} model against the truth: relative error "
        f"{number(best.relative_error)}, MSE_rel {number(best.mean_squared_error)}",
    )
    parts: Any = figure.subfigures(3, 1, height_ratios=(0.9, 3.2, 7.0))
    tables, above, below = parts
    _table(tables.subplots(), models)
    panels = above.subplots(1, 2 + len(models))
    for axes, model in zip(panels, models, strict=False):
        counts, edges = density_of(truth, model.weights)
        labels = (f"true weight (n = {counts.sum():,.0f})", f"weight, {model.name} model")
        draw_density(axes, counts, edges, labels)
        axes.set_title(f"{model.name.capitalize()} model, r = {number(model.correlation)}")
    _regional(panels[-2], models, true_regional_weights)
    _spectra(panels[-1], models, true_singular_value)
    view = Dorsal(target_voxel, resolution_um)
    sources = example_sources(source_voxel, source_region, regions)
    _examples(below, view, sources, models, truth, source_voxel, source_region, target_region,
              regions)  # fmt: skip
    return figure


def _regional(axes: Axes, models: Sequence[Model], truth: np.ndarray) -> None:
    for model in models:
        axes.plot(
            truth.ravel(), model.regional_weights.ravel(), "o", ms=4, alpha=0.7,
            color=model_colour(model.name),
            label=f"{model.name}: error {number(model.regional_error)}",
        )  # fmt: skip
    positive = truth[truth > 0]
    if positive.size:
        low = 10 ** np.floor(np.log10(positive.min()))
        high = 10 ** np.ceil(np.log10(1.01 * truth.max()))
        axes.plot([low, high], [low, high], color=INK, lw=0.8, ls="--")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel("true mean weight")
    axes.set_ylabel("fitted mean weight")
    axes.set_title(f"Pairs of regions (n = {truth.size})")
    axes.legend(loc="lower right", handletextpad=0.1)


def _spectra(axes: Axes, models: Sequence[Model], truth: np.ndarray) -> None:
    axes.set_box_aspect(1)
    curves = [("true", truth, INK)]
    curves += [(m.name, m.singular_value, model_colour(m.name)) for m in models]
    for name, values, colour in curves:
        shown = values > 1e-6 * values[0]
        axes.plot(np.arange(1, len(values) + 1)[shown], values[shown], color=colour, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rank")
    axes.set_ylabel("singular value")
    axes.set_title("Singular values")
    axes.legend()


def _examples(
    figure: Any,
    view: Dorsal,
    sources: np.ndarray,
    models: Sequence[Model],
    truth: np.ndarray,
    source_voxel: np.ndarray,
    source_region: np.ndarray,
    target_region: np.ndarray,
    regions: list[dict[str, Any]],
) -> None:
    """Draw projections of single sources, true and fitted, on one colour scale a row."""
    panels = figure.subplots(len(sources), 1 + len(models), squeeze=False)
    acronyms = {record["id"]: record["acronym"] for record in regions}
    for row, source in zip(panels, sources, strict=True):
        columns = [("true", truth), *((f"{m.name} model", m.weights) for m in models)]
        images = [view.mean(weights[:, source]) for _, weights in columns]
        scale = Normalize(0, max(float(np.nanmax(image)) for image in images) or 1.0)
        name = acronyms[int(source_region[source])]
        for axes, image, (title, _) in zip(row, images, columns, strict=True):
            shown = view.show(axes, image, norm=scale)
            dorsal_regions(axes, view, target_region, regions, filled=False, names=False)
            place = (source_voxel[source][[2, 0]] + 0.5) * view.edge
            axes.plot(*place, "+", ms=9, mew=1.6, color="white")
            axes.set_title(f"From {name} (+): {title}")
        figure.colorbar(shown, ax=list(row), label="mean weight over depth", shrink=0.85)


def _table(axes: Axes, models: Sequence[Model]) -> None:
    header = ["", "relative error |W − W_true|/|W_true|", "MSE_rel", "correlation",
              "regional relative error"]  # fmt: skip
    rows = [
        [
            f"{m.name} model",
            number(m.relative_error, 4),
            number(m.mean_squared_error, 4),
            number(m.correlation, 4),
            number(m.regional_error, 4),
        ]
        for m in models
    ]
    draw_table(axes, header, rows, first=0.14, colours=[model_colour(m.name) for m in models])
