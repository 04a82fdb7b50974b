"""Figure of representations: what populations make of stimuli, beside chance and image features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from mesomode.report.style import (
    BLUE,
    GREY,
    INK,
    MUTED,
    PALE,
    RED,
    counted,
    new_figure,
    nothing_to_show,
    styled,
)

if TYPE_CHECKING:
    import xarray as xr

MOST_PAIRS, MOST_LADDERS, MOST_POPULATIONS = 24, 3, 40
PANELS = (
    ("ssm", "SSM"),
    ("cka", "CKA, debiased"),
    ("svcca", "SVCCA"),
    ("shape", "shape distance (rad)"),
)


@styled
def draw_representations(store: xr.Dataset) -> Figure:
    """Draw similarities of pairs of populations, their pseudo-depth, and their dimension.

    Parameters
    ----------
    store : xarray.Dataset
        ``comparison/representations.zarr``.
    """
    populations = store.attrs["populations"]
    pairs = store.sizes["pair"]
    title = (
        f"Representations of {counted(len(populations), 'population')}; "
        f"{counted(pairs, 'pair')} shown the same"
    )
    ladders = store.attrs["ladders"][:MOST_LADDERS]
    shown = [min(max(pairs, 2), MOST_PAIRS), min(len(populations), MOST_POPULATIONS)]
    heights = (1.1 + 0.24 * shown[0], 2.6, 2.0, 0.9 + 0.22 * shown[1])
    figure = new_figure(12.0, 1.6 + sum(heights), title)
    rows: Any = figure.subfigures(4, 1, height_ratios=heights)
    _pairs(rows[0], store, populations)
    columns = max(len(ladders), 1)
    above, below = (
        rows[1].subplots(1, columns, squeeze=False),
        rows[2].subplots(1, columns, squeeze=False),
    )
    if not ladders:
        nothing_to_show(above[0, 0], "no images of a stimulus are known, so there is no ladder")
        below[0, 0].set_axis_off()
    for place, stimulus in enumerate(ladders):
        _profile(above[0, place], store, populations, stimulus)
        _recovered(below[0, place], store, place)
    _dimensions(rows[3].subplots(), store, populations)
    return figure


def _name(population: dict[str, Any]) -> str:
    return ("all of " if population["kind"] == "pool" else "") + population["name"]


def _words(stimulus: str) -> str:
    return stimulus.replace("_", " ")


def _pairs(place: Any, store: xr.Dataset, populations: list[dict[str, Any]]) -> None:
    """A row a pair: value, chance, and the value without the noise."""
    count = store.sizes["pair"]
    if not count:
        nothing_to_show(place.subplots(), "no two recordings were shown the same stimulus")
        return
    order = np.argsort(-np.nan_to_num(store["ssm"].values), kind="stable")[:MOST_PAIRS]
    axes = place.subplots(1, len(PANELS), sharey=True)
    rows = np.arange(len(order))
    for panel, (name, title) in zip(axes, PANELS, strict=True):
        chance, width = (store[f"{name}_null{end}"].values[order] for end in ("", "_deviation"))
        panel.barh(
            rows, 4 * width, left=chance - 2 * width, height=0.6, color=PALE,
            label="chance: mean ± 2 s.d.",
        )  # fmt: skip
        panel.plot(chance, rows, "|", color=GREY, ms=9)
        panel.plot(store[name].values[order], rows, "o", color=BLUE, ms=6, label="measured")
        if name == "ssm":
            relative = store["ssm_relative"].values[order]
            panel.plot(
                relative,
                rows,
                "o",
                color=RED,
                mfc="white",
                ms=7,
                label="divided by the noise ceiling",
            )
        panel.set_xlabel(title)
        panel.set_ylim(len(order) - 0.4, -0.6)
        panel.axvline(0, color=GREY, lw=0.6)
    labels = []
    for pair in order:
        one, two = (populations[int(store[end][pair])] for end in ("first", "second"))
        images = int(store["images"][int(store["first"][pair])])
        labels.append(
            f"{_name(one)} – {_name(two)}\n{_words(one['stimulus'])}, n = {images} images"
        )
    axes[0].set_yticks(rows, labels, fontsize=7)
    place.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    if count > len(order):
        place.suptitle(
            f"The {len(order)} most similar of {count} pairs", fontsize=9, x=0.99, ha="right"
        )


def _profile(
    axes: Axes, store: xr.Dataset, populations: list[dict[str, Any]], stimulus: str
) -> None:
    """Similarity of populations to the layers of image features."""
    layers = store.attrs["layers"]
    places = [
        k
        for k, population in enumerate(populations)
        if population["stimulus"] == stimulus and np.isfinite(store["pseudo_depth"][k])
    ][: len(MUTED)]
    x = np.arange(len(layers))
    for turn, k in enumerate(places):
        values, errors = (store[f"layer_{n}"].values[k] for n in ("similarity", "error"))
        shift = 0.06 * (turn - (len(places) - 1) / 2)
        colour = MUTED[turn]
        ceiling = np.sqrt(max(float(store["ceiling"][k]), 0.0))
        axes.errorbar(
            x + shift,
            values,
            errors,
            fmt="o-",
            ms=4,
            lw=1,
            color=colour,
            label=f"{_name(populations[k])}: at most {ceiling:.2f}",
        )
        depth = int(store["pseudo_depth"][k])
        axes.plot(depth + shift, values[depth], "o", ms=9, mfc="none", color=colour)
    axes.axhline(0, color=GREY, lw=0.6)
    axes.set_xticks(x, layers)
    axes.set_ylabel("SSM with image features\n(± s.d. over draws of units)")
    images = f" (n = {int(store['images'][places[0]])} images)" if places else ""
    axes.set_title(f"{_words(stimulus).capitalize()}{images}")
    if places:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.45 * (high - low))
        axes.legend(fontsize=7, loc="upper left")


def _recovered(axes: Axes, store: xr.Dataset, ladder: int) -> None:
    """How often a layer is found in a noisy recording of some of its units."""
    layers = store.attrs["layers"]
    table = store["recovered"].values[ladder]
    axes.imshow(table, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row in range(len(layers)):
        for column in range(len(layers)):
            value = table[row, column]
            if value > 0:
                axes.text(
                    column,
                    row,
                    f"{100 * value:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if value > 0.6 else INK,
                )
    axes.set_xticks(range(len(layers)), layers, fontsize=7)
    axes.set_yticks(range(len(layers)), layers, fontsize=7)
    axes.set_xlabel("found to be")
    axes.set_ylabel("recording of")
    axes.set_title("Simulated recordings: layer found (%)")
    for side in axes.spines.values():
        side.set_visible(False)


def _dimensions(axes: Axes, store: xr.Dataset, populations: list[dict[str, Any]]) -> None:
    """Dimension of the mean responses of each population."""
    if not populations:
        nothing_to_show(axes, "no recording has a stimulus with conditions that repeat")
        return
    shown = list(range(len(populations)))[:MOST_POPULATIONS]
    rows = np.arange(len(shown))
    middle = store["two_nearest"].values[shown]
    reach = np.abs(
        np.stack([store[f"two_nearest_{end}"].values[shown] for end in ("low", "high")]) - middle
    )
    axes.errorbar(middle, rows, xerr=reach, fmt="o", color=BLUE, ms=5, label="TwoNN (95 %)")
    for name, marker, label in (
        ("participation_ratio", "D", "participation ratio"),
        ("components_90", "s", "components for 90 %"),
    ):
        axes.plot(store[name].values[shown], rows, marker, color=RED, mfc="white", label=label)
    labels = [
        f"{_name(populations[k])}, {_words(populations[k]['stimulus'])}: {int(store['units'][k])} "
        f"units, {int(store['images'][k])} images, ceiling {float(store['ceiling'][k]):.2f}"
        for k in shown
    ]
    axes.set_yticks(rows, labels, fontsize=7)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xscale("log")
    for ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        ticks(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes.set_xlabel("dimension of the mean responses (number of dimensions)")
    axes.set_title("Dimension of representations (noise included)")
    axes.legend(fontsize=7, loc="best")
