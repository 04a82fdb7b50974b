"""Figure of the networks: singular spectra, energy and effective rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesomode.network.names import variant_name
from mesomode.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    new_figure,
    number,
    styled,
)

if TYPE_CHECKING:
    import xarray as xr

WINE = MUTED[6]
VARIANT_COLOURS = {
    "random_mode": BLUE,
    "independent": RED,
    "blocks": WINE,
    "overlaps": PURPLE,
    "heterogeneous": SKY,
    "connectome": INK,
}
CONNECTOME_COLOURS = {"connectome": ORANGE, "centred": GREEN}


@dataclass(frozen=True)
class Spectrum:
    """A singular spectrum to be drawn.

    Parameters
    ----------
    name : str
    values : float array (mode,)
        Singular values, descending.
    effective_rank : float
        PR_D per unit; infinite for independent couplings.
    gain : float
        Coupling gain; NaN for a connectome, whose scale is arbitrary.
    """

    name: str
    values: np.ndarray
    effective_rank: float
    gain: float = float("nan")

    @property
    def energy(self) -> np.ndarray:
        """Cumulative share of the sum of squares, in per cent."""
        squares = np.square(self.values, dtype=np.float64)
        return 100 * np.cumsum(squares) / squares.sum()

    def modes_for(self, share: float) -> int:
        """Least number of modes with ``share`` per cent of the sum of squares."""
        return int(np.searchsorted(self.energy, share * (1 - 1e-12)) + 1)


def variant_colour(variant: str) -> str:
    """Colour of a variant of the networks in all figures."""
    return VARIANT_COLOURS.get(variant, GREEN)


def spectra_of(store: xr.Dataset) -> dict[str, Spectrum]:
    """Spectra in a store of the stage ``network``.

    Returns
    -------
    dict
        Colour → spectrum: of the network and, if the store has them, of the connectome it was
        made from, as read and centred.
    """
    spectra = {}
    if "connectome_singular_value" in store:
        centring = str(store.attrs["centring"]).replace("_", " ")
        for name, text in (
            ("connectome", "connectome"),
            ("centred", f"connectome, centred ({centring})"),
        ):
            values = store[f"{name}_singular_value"].values
            rank = float(store[f"{name}_effective_rank"])
            spectra[CONNECTOME_COLOURS[name]] = Spectrum(text, values, rank)
    variant = str(store.attrs["variant"])
    spectra[variant_colour(variant)] = Spectrum(
        f"network, {variant_name(variant)}",
        store["singular_value"].values,
        float(store["effective_rank"]),
        float(store["gain"]),
    )
    return spectra


@styled
def draw_network(spectra: Mapping[str, Spectrum]) -> Figure:
    """Draw singular spectra of the connectome and of the networks.

    Parameters
    ----------
    spectra : mapping
        Colour → spectrum.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(11, 6.6, "Singular spectra of the connectome and of the networks")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1))
    left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    for colour, spectrum in spectra.items():
        values = np.asarray(spectrum.values, dtype=np.float64)
        rank = np.arange(1, len(values) + 1)
        scaled = values / np.sqrt(np.mean(values**2))
        shown = scaled > 1e-9 * scaled[0]
        named: dict[str, Any] = {"color": colour, "label": f"{spectrum.name} (n = {len(values):,})"}
        if colour == CONNECTOME_COLOURS["centred"]:  # a network may have the very same spectrum
            named |= {"lw": 4.0, "alpha": 0.5}
        left.plot(rank[shown] / len(values), scaled[shown], **named)
        right.plot(rank, spectrum.energy, **named)
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_ylim(bottom=max(left.get_ylim()[0], 1e-6))
    left.set_xlabel("rank / number of modes")
    left.set_ylabel("singular value / root mean square")
    left.set_title("Singular values")
    right.set_xscale("log")
    right.set_ylim(0, 104)
    for share in (95, 99):
        right.axhline(share, color=GREY, lw=0.7, ls=":")
        right.text(1.0, share, f" {share} %", transform=right.get_yaxis_transform(), va="center",
                   color=GREY, fontsize=7)  # fmt: skip
    right.set_xlabel("number of modes")
    right.set_ylabel("cumulative energy Σσ² (%)")
    right.set_title("Energy")
    left.legend(loc="lower left")
    _table(figure.add_subplot(grid[1, :]), spectra)
    return figure


def _table(axes: Axes, spectra: Mapping[str, Spectrum]) -> None:
    axes.set_axis_off()
    rows = [
        [
            spectrum.name,
            f"{len(spectrum.values):,}",
            number(spectrum.gain),
            number(spectrum.effective_rank),
            number(len(spectrum.values) * spectrum.effective_rank),
            f"{spectrum.energy[0]:.1f} %",
            f"{spectrum.modes_for(95):,}",
            f"{spectrum.modes_for(99):,}",
        ]
        for spectrum in spectra.values()
    ]
    header = [
        "", "modes N", "gain g", r"PR$_\mathbf{D}$ per unit", r"N · PR$_\mathbf{D}$", "first mode",
        "95 % in", "99 % in",
    ]  # fmt: skip
    draw_table(axes, header, rows, first=0.26, colours=list(spectra))


def draw_table(
    axes: Axes,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    first: float = 0.3,
    colours: Sequence[str] = (),
) -> None:
    """Draw a plain table: a ruled header, the first column left, the others right-aligned.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    header : sequence of str
    rows : sequence of sequence of str
    first : float
        Share of the width for the first column.
    colours : sequence of str
        Colour of the first column's text, row by row.
    """
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    tall = 0.75 * max(text.count("\n") for text in header)
    axes.set_ylim(len(rows) + 0.5, -0.7 - tall)
    edges = first + (1 - first) * np.arange(1, len(header)) / (len(header) - 1)
    for place, row in enumerate([header, *rows]):
        level = place if place else -tall / 2
        bold = "bold" if place == 0 else "normal"
        colour = colours[place - 1] if place and colours else INK
        axes.text(0, level, row[0], color=colour, weight="bold", va="center", fontsize=8.5)
        for edge, text in zip(edges, row[1:], strict=True):
            axes.text(edge, level, text, ha="right", va="center", weight=bold, fontsize=8.5)
    for level in (-0.6 - tall, 0.5, len(rows) + 0.5):
        axes.axhline(level, color=INK if level == 0.5 else GREY, lw=0.7)
