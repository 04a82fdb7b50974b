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
from mesomode.report.models import model_colour, model_marker, model_name, model_title
from mesomode.report.network import Spectrum, draw_table
from mesomode.report.space import Dorsal, dorsal_regions, region_index
from mesomode.report.style import GREY, INK, new_figure, number, styled

if TYPE_CHECKING:
    import xarray as xr

EXAMPLES = 2
SHARES = (95, 99)
"""Shares of the energy, in per cent, for which modes are counted."""
SHOWN_ACROSS = 4
"""Most projections beside each other."""


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
    panels_wanted = len(models) + 3
    across = 4 if panels_wanted in (4, 7, 8) else 3
    lines = -(-panels_wanted // across)
    view = Dorsal(target_voxel, resolution_um)
    count = EXAMPLES if len(models) < SHOWN_ACROSS else 1
    sources = example_sources(source_voxel, source_region, regions, count)
    beside = min(SHOWN_ACROSS, 1 + len(models))
    deep = len(sources) * -(-(1 + len(models)) // beside)
    heights = (0.85 + 0.25 * len(models), (3.0 if across == 4 else 3.7) * lines,
               (3.4 if beside < SHOWN_ACROSS else 2.9) * deep)  # fmt: skip
    figure = new_figure(
        12.5,
        0.4 + sum(heights),
        f"{model_title(best.name)} model against the truth: relative error "
        f"{number(best.relative_error)}, MSE_rel {number(best.mean_squared_error)}",
    )
    parts: Any = figure.subfigures(3, 1, height_ratios=heights)
    tables, above, below = parts
    _table(tables.subplots(), models, true_singular_value)
    panels = above.subplots(lines, across, squeeze=False).ravel()
    counted = [density_of(truth, model.weights) for model in models]
    most = max(float(counts.max()) for counts, _ in counted)
    for axes, model, (counts, edges) in zip(panels, models, counted, strict=False):
        labels = (f"true weight (n = {counts.sum():,.0f})",
                  f"weight, {model_name(model.name)} model")  # fmt: skip
        shown = draw_density(axes, counts, edges, labels, most)
        axes.set_title(f"{model_title(model.name)} model, r = {number(model.correlation)}")
    place = len(models)
    _regional(panels[place], models, true_regional_weights)
    _spectra(panels[place + 1], models, true_singular_value)
    _energy(panels[place + 2], models, true_singular_value)
    for axes in panels[panels_wanted:]:
        axes.set_axis_off()
    above.colorbar(shown, ax=list(panels), label="pairs of voxels (counts)", shrink=0.6, pad=0.01)
    _examples(below, view, sources, models, truth, source_voxel, source_region, target_region,
              regions)  # fmt: skip
    return figure


def _regional(axes: Axes, models: Sequence[Model], truth: np.ndarray) -> None:
    for model in models:
        axes.plot(
            truth.ravel(), model.regional_weights.ravel(), model_marker(model.name), ms=4,
            alpha=0.7, color=model_colour(model.name), label=model_name(model.name),
        )  # fmt: skip
    positive = truth[truth > 0]
    if positive.size:
        low = 10 ** np.floor(np.log10(positive.min()))
        high = 10 ** np.ceil(np.log10(1.01 * truth.max()))
        axes.plot([low, high], [low, high], color=INK, lw=0.8, ls="--")
        axes.set_xscale("log")
        axes.set_yscale("log")
        fitted = max(float(np.max(m.regional_weights, initial=0.0)) for m in models)
        axes.set_xlim(low, high)
        axes.set_ylim(low, max(high, 1.3 * fitted))
    axes.set_box_aspect(1)
    axes.set_xlabel("true mean weight")
    axes.set_ylabel("fitted mean weight")
    axes.set_title(f"Pairs of regions (n = {truth.size})")
    axes.legend(loc="lower right", handletextpad=0.1, labelspacing=0.3)


def _curves(models: Sequence[Model], truth: np.ndarray) -> list[tuple[str, np.ndarray, str]]:
    """Name, singular values and colour of the truth and of each model."""
    fitted = [(model_name(m.name), m.singular_value, model_colour(m.name)) for m in models]
    return [("true", truth, INK), *fitted]


def _spectra(axes: Axes, models: Sequence[Model], truth: np.ndarray) -> None:
    axes.set_box_aspect(1)
    for name, values, colour in _curves(models, truth):
        shown = values > 1e-6 * values[0]
        axes.plot(np.arange(1, len(values) + 1)[shown], values[shown], color=colour, label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rank")
    axes.set_ylabel("singular value (of the weights)")
    axes.set_title("Singular values")
    axes.legend()


def _energy(axes: Axes, models: Sequence[Model], truth: np.ndarray) -> None:
    """Cumulative energy, with the numbers of modes that hold 95 and 99 per cent marked."""
    axes.set_box_aspect(1)
    for name, values, colour in _curves(models, truth):
        spectrum = Spectrum(name, values, float("nan"))
        energy = spectrum.energy
        counts = [spectrum.modes_for(share) for share in SHARES]
        axes.plot(np.arange(1, len(energy) + 1), energy, color=colour,
                  label=f"{name}: {counts[0]}, {counts[1]}")  # fmt: skip
        axes.plot(counts, energy[np.array(counts) - 1], "o", ms=4, color=colour, mec="white",
                  mew=0.6, zorder=3)  # fmt: skip
    for share in SHARES:
        axes.axhline(share, color=GREY, lw=0.7, ls=":", zorder=0)
    axes.set_xscale("log")
    axes.set_ylim(0, 104)
    axes.set_xlabel("number of modes")
    axes.set_ylabel("cumulative energy Σσ² (%)")
    axes.set_title("Cumulative energy")
    axes.legend(loc="lower right", labelspacing=0.3, title="modes for 95 %, 99 %",
                title_fontsize=8, frameon=True, framealpha=0.85, edgecolor="none")  # fmt: skip


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
    acronyms = {record["id"]: record["acronym"] for record in regions}
    columns = [("true", truth), *((f"{model_name(m.name)} model", m.weights) for m in models)]
    rows = np.ravel(figure.subfigures(len(sources), 1, squeeze=False))
    beside = min(SHOWN_ACROSS, len(columns))
    for part, source in zip(rows, sources, strict=True):
        panels = part.subplots(-(-len(columns) // beside), beside, squeeze=False).ravel()
        images = [view.mean(weights[:, source]) for _, weights in columns]
        # the truth and the first model set the scale: one that is far off does not
        scale = Normalize(0, max(float(np.nanmax(image)) for image in images[:2]) or 1.0)
        name = acronyms[int(source_region[source])]
        for axes, image, (title, _) in zip(panels, images, columns, strict=False):
            shown = view.show(axes, image, norm=scale)
            dorsal_regions(axes, view, target_region, regions, filled=False, names=False)
            place = (source_voxel[source][[2, 0]] + 0.5) * view.edge
            axes.plot(*place, "+", ms=9, mew=1.6, color="white")
            axes.set_title(f"From {name} (+): {title}")
        for axes in panels[len(columns) :]:
            axes.set_axis_off()
        label = "mean over depth of the weight\n(projection density per injected voxel)"
        part.colorbar(shown, ax=list(panels), label=label, shrink=0.85, extend="max")


def _table(axes: Axes, models: Sequence[Model], truth: np.ndarray) -> None:
    header = ["", "relative error", "MSE_rel", "correlation", "regional error",
              *(f"{share} % of the energy in" for share in SHARES)]  # fmt: skip
    rows = [
        [
            f"{model_name(m.name)} model",
            *(
                f"{value:.3f}" if np.isfinite(value) else number(value)
                for value in (
                    m.relative_error,
                    m.mean_squared_error,
                    m.correlation,
                    m.regional_error,
                )
            ),
        ]
        for m in models
    ]
    rows.append(["truth", *["–"] * 4])
    for row, (name, values, _) in zip(rows, _curves(models, truth)[1:] + _curves([], truth),
                                      strict=True):  # fmt: skip
        spectrum = Spectrum(name, values, float("nan"))
        row += [f"{spectrum.modes_for(share):,} modes" for share in SHARES]
    colours = [*(model_colour(m.name) for m in models), INK]
    draw_table(axes, header, rows, first=0.14, colours=colours)
