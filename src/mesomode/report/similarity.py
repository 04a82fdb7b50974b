"""Figure of dynamical similarity: distances of all systems, their map, and the noise floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesomode.network.names import variant_name
from mesomode.report.comparison import system_colours
from mesomode.report.network import variant_colour
from mesomode.report.style import GREY, INK, counted, new_figure, nothing_to_show, number, styled

if TYPE_CHECKING:
    import xarray as xr

COPY_WORDS = {
    "whole": "",
    "first_half": "first half",
    "second_half": "second half",
    "phase_randomised": "phases randomised",
    "shuffled": "frames shuffled",
}
MARKERS = dict(zip(COPY_WORDS, "o<>sX", strict=True))
MOST_LABELLED = 60
"""Items above which halves and surrogates have no label of their own in the matrix."""

MOST_BESIDE = 24
"""Systems above which the legend of the map has two columns."""

MOST_TOLD = 4
"""Recordings whose closest network is told in words; the table has all."""

UNITS = {"angular": "rad", "euclidean": "1", "wasserstein": "1"}


@styled
def draw_similarity(store: xr.Dataset, copies: tuple[str, ...]) -> Figure:
    """Draw the distances between the dynamics of recordings and networks.

    Parameters
    ----------
    store : xarray.Dataset
        ``comparison/similarity.zarr``.
    copies : tuple of str
        Names of the copies of a system, by their codes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    systems = store.attrs["systems"]
    recordings = [s["name"] for s in systems if s["kind"] == "recording"]
    networks = [s["name"] for s in systems if s["kind"] == "network"]
    kinds = [(system["name"], system["kind"] == "recording") for system in systems]
    names = [f"session {name}" if recorded else variant_name(name) for name, recorded in kinds]
    colours = system_colours(kinds)
    of = store["system"].values
    kind = [copies[code] for code in store["copy"].values]
    title = (
        f"Dynamical distances of {counted(len(recordings), 'recording')} and "
        f"{counted(len(networks), 'network')} at rank {int(store['rank'])}"
    )
    rows = max(len(recordings), 1)
    each = 0.9 if rows <= MOST_TOLD else 0.4
    told = 0.15 * min(rows, MOST_TOLD)
    figure = new_figure(12.0, 6.2 + told + each * rows, title)
    grid = figure.add_gridspec(2, 2, height_ratios=(5.0, 0.9 + each * rows))
    unit = UNITS[store.attrs["metric"]]
    matrix = figure.add_subplot(grid[0, 0])
    _matrix(matrix, store["distance"].values, of, kind, names, unit)
    if store.attrs["rank_limited_by"]:
        of_kind, name = store.attrs["rank_limited_by"].split(maxsplit=1)
        limit = f"session {name}" if of_kind == "recording" else variant_name(name)
        matrix.set_xlabel(f"columns: as the rows; rank limited by {limit}")
    _map(figure.add_subplot(grid[0, 1]), store, of, kind, names, colours, unit)
    below = figure.add_subplot(grid[1, :])
    if recordings and networks:
        _floors(below, store, recordings, networks, colours, unit)
    else:
        nothing_to_show(below, "recordings and networks are both needed for a comparison")
    return figure


def _matrix(
    axes: Axes, distance: np.ndarray, of: np.ndarray, kind: list[str], names: list[str], unit: str
) -> None:
    image = axes.imshow(distance, cmap="viridis_r", vmin=0)
    axes.figure.colorbar(image, ax=axes, label=f"distance ({unit})", shrink=0.8)
    starts = [int(np.flatnonzero(of == system)[0]) for system in np.unique(of)]
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="white", lw=1)
        axes.axvline(start - 0.5, color="white", lw=1)
    ticks = range(len(of))
    labels = [
        names[system] if copy == "whole" else COPY_WORDS[copy] * (len(of) <= MOST_LABELLED)
        for system, copy in zip(of, kind, strict=True)
    ]
    axes.set_yticks(ticks, labels, fontsize=7)
    axes.set_xticks([])
    axes.set_xlabel("columns: as the rows")
    axes.tick_params(length=2)
    axes.set_title(f"All pairs (n = {len(of)} × {len(of)})")
    for side in axes.spines.values():
        side.set_visible(False)


def _map(
    axes: Axes,
    store: xr.Dataset,
    of: np.ndarray,
    kind: list[str],
    names: list[str],
    colours: list[str],
    unit: str,
) -> None:
    points = store["map"].values
    for place, (x, y) in enumerate(points):
        whole = kind[place] == "whole"
        axes.plot(
            x,
            y,
            MARKERS[kind[place]],
            color=colours[of[place]],
            ms=9 if whole else 6,
            mfc=colours[of[place]] if whole else "white",
            label=names[of[place]] if whole else None,
        )
    for copy in dict.fromkeys(kind):
        if copy != "whole":
            words = COPY_WORDS[copy]
            axes.plot([], [], MARKERS[copy], color=INK, mfc="white", label=words)
    long = len(names) > MOST_BESIDE
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=5 if long else 7,
        title="whole: filled", title_fontsize=7, ncols=2 if long else 1,
    )  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    of_unit = f" ({unit})" if unit != "1" else ""
    axes.set_xlabel(f"first axis of the map{of_unit}")
    axes.set_ylabel(f"second axis of the map{of_unit}")
    axes.set_title(
        f"Map; it keeps {100 * float(store['explained']):.0f} % of the squared distances"
    )
    axes.margins(0.15)


def _floors(
    axes: Axes,
    store: xr.Dataset,
    recordings: list[str],
    networks: list[str],
    colours: list[str],
    unit: str,
) -> None:
    surrogate = store["to_surrogate"].values
    others = store["to_recording"].values
    for row, _ in enumerate(recordings):
        axes.plot(
            [store["floor"].values[row]] * 2, [row - 0.35, row + 0.35], color=colours[row], lw=3
        )
        for column, network in enumerate(networks):
            axes.plot(
                store["to_network"].values[row, column],
                row,
                "o",
                color=variant_colour(network),
                ms=8,
                label=variant_name(network) if row == 0 else None,
            )
        for column, marker in enumerate(("s", "X")):
            axes.plot(surrogate[row, column], row, marker, color=GREY, mfc="white", ms=7)
        for column in range(len(recordings)):
            if column != row:
                axes.plot(others[row, column], row, "D", color=colours[column], mfc="white", ms=7)
    axes.plot([], [], color=INK, lw=3, label="between its halves (floor)")
    axes.plot([], [], "s", color=GREY, mfc="white", label="its phases randomised")
    axes.plot([], [], "X", color=GREY, mfc="white", label="its frames shuffled")
    axes.plot([], [], "D", color=INK, mfc="white", label="another recording")
    axes.set_yticks(range(len(recordings)), [f"session {name}" for name in recordings])
    axes.set_ylim(len(recordings) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"distance ({unit})")
    closest = store["closest"].values
    words = [
        f"{name}: {variant_name(networks[closest[row]])}, "
        f"{number(float(store['margin'].values[row]), 2)} nearer than the next "
        f"(floor {number(float(store['floor'].values[row]), 2)})"
        for row, name in enumerate(recordings[:MOST_TOLD])
    ]
    if len(recordings) > MOST_TOLD:
        words.append("the others are in the table of closest networks")
    axes.set_title("Closest network of session " + ";\n".join(words), fontsize=9)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7)
