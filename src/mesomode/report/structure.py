"""Figure of a connectome's structure: spectrum, overlaps and scales, each beside chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesomode.report.network import draw_table
from mesomode.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    RED,
    new_figure,
    number,
    styled,
)

if TYPE_CHECKING:
    import xarray as xr

NULL_NAMES = {
    "shuffled": "weights shuffled",
    "degrees": "degrees kept",
    "distance": "distances kept",
}
NULL_COLOURS = {"shuffled": GREY, "degrees": ORANGE, "distance": PURPLE}


@dataclass(frozen=True)
class Measured:
    """Structure of a connectome to be drawn.

    Parameters
    ----------
    name : str
    read, centred : float array (mode,)
        Singular values with the signs, and after centring.
    inverse_rank, corrected : float
        1/PR_D after centring, as it is and corrected for finite size and heavy tails.
    overlap : float array (mode,)
        u·v of each mode; NaN where not defined.
    significant : bool array (mode,)
        Overlaps that are not chance.
    overlap_size, overlap_p_value : float
        Root mean square of √N u·v, and its chance.
    target_scale, source_scale : float array (unit,)
        Scales of rows and columns.
    variation : tuple of two float
        Their coefficients of variation.
    nulls : dict
        Name → (singular values, corrected 1/PR_D of each draw, coefficients of variation
        (2, draw), top mode share of each draw).
    facts : dict of str to float
        Density, isolated units, share of the largest mode before and after, and so on.
    """

    name: str
    read: np.ndarray
    centred: np.ndarray
    inverse_rank: float
    corrected: float
    overlap: np.ndarray
    significant: np.ndarray
    overlap_size: float
    overlap_p_value: float
    target_scale: np.ndarray
    source_scale: np.ndarray
    variation: tuple[float, float]
    nulls: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
    facts: dict[str, float]

    @property
    def units(self) -> int:
        """Number of units N."""
        return len(self.target_scale)

    @classmethod
    def of(cls, store: xr.Dataset, name: str) -> Measured:
        """From a store ``structure.zarr``."""
        nulls = {}
        for index, null in enumerate(store.attrs["nulls"]):
            drawn = store.isel(null=index)
            nulls[null] = (
                drawn["null_singular_value"].values,
                drawn["null_inverse_effective_rank"].values,
                np.stack([drawn[f"null_{s}_variation"].values for s in ("target", "source")]),
                drawn["null_top_mode_share"].values,
            )
        return cls(
            name=name,
            read=store["connectome_singular_value"].values,
            centred=store["centred_singular_value"].values,
            inverse_rank=float(store["inverse_effective_rank"]),
            corrected=float(store["unbiased_inverse_effective_rank"]),
            overlap=store["overlap"].values,
            significant=store["overlap_significant"].values,
            overlap_size=float(store["overlap_root_mean_square"]),
            overlap_p_value=float(store["overlap_permutation_p_value"]),
            target_scale=store["target_scale"].values,
            source_scale=store["source_scale"].values,
            variation=(float(store["target_variation"]), float(store["source_variation"])),
            nulls=nulls,
            facts={
                key: float(store[key])
                for key in (
                    *("density", "isolated", "top_mode_share", "centred_top_mode_share"),
                    *("mean_share", "kurtosis", "reciprocity"),
                )
            },
        )


@styled
def draw_structure(measured: Measured) -> Figure:
    """Draw spectrum, effective rank, overlaps and scales of a connectome beside chance.

    Parameters
    ----------
    measured : Measured

    Returns
    -------
    matplotlib.figure.Figure
    """
    title = f"Structure of the connectome {measured.name}".rstrip()
    draws = max((len(null[1]) for null in measured.nulls.values()), default=0)
    if draws:
        title += f", beside {draws} random ones of each kind"
    figure = new_figure(11, 8.2, f"{title} (N = {measured.units:,} units)")
    grid = figure.add_gridspec(3, 6, height_ratios=(3, 3, 1.5))
    _spectrum(figure.add_subplot(grid[0, :4]), measured)
    _rank(figure.add_subplot(grid[0, 4:]), measured)
    _overlaps(figure.add_subplot(grid[1, :4]), measured)
    _scales(figure.add_subplot(grid[1, 4:]), measured)
    _facts(figure.add_subplot(grid[2, :]), measured)
    return figure


def _spectrum(axes: Axes, measured: Measured) -> None:
    scale = np.sqrt(np.mean(measured.centred**2))
    curves = [
        ("as read", measured.read / scale, GREEN, "--"),
        ("centred", measured.centred / scale, BLUE, "-"),
    ]
    curves += [
        (NULL_NAMES[name], null[0] / np.sqrt(np.mean(null[0] ** 2)), NULL_COLOURS[name], "-")
        for name, null in measured.nulls.items()
    ]
    for label, values, colour, style in curves:
        shown = values[values > 1e-4 * values[0]]
        axes.plot(np.arange(1, len(shown) + 1), shown, style, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("mode")
    axes.set_ylabel("singular value / root mean square")
    axes.set_title("Spectrum and random connectomes")
    axes.legend(loc="lower left")


def _rank(axes: Axes, measured: Measured) -> None:
    labels = ["connectome"]
    labels += [
        NULL_NAMES[name].replace(" ", "\n") + f"\nn = {len(null[1])}"
        for name, null in measured.nulls.items()
    ]
    axes.plot(0, measured.corrected, "o", color=BLUE)
    for place, (name, null) in enumerate(measured.nulls.items(), start=1):
        drawn = null[1]
        axes.plot(np.full(len(drawn), place), drawn, "_", color=NULL_COLOURS[name], ms=12)
    axes.axhline(0, color=PALE, lw=0.8, zorder=0)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylabel(r"1/PR$_\mathrm{D}$, corrected")
    axes.set_title("Inverse effective rank")


def _overlaps(axes: Axes, measured: Measured) -> None:
    scaled = np.sqrt(measured.units) * measured.overlap
    mode = np.arange(1, len(scaled) + 1)
    axes.axhspan(-1.96, 1.96, color=PALE, lw=0, zorder=0, label="95 % of random modes")
    for chosen, colour, label in (
        (~measured.significant, INK, "may be chance"),
        (measured.significant, RED, "not chance"),
    ):
        axes.plot(mode[chosen], scaled[chosen], ".", ms=4, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("mode")
    axes.set_ylabel("overlap √N u·v")
    known = np.isfinite(measured.overlap).sum()
    axes.set_title(
        "Overlaps of modes: "
        + (
            f"root mean square {number(measured.overlap_size)} "
            f"(random modes 1, p = {number(measured.overlap_p_value, 2)})"
            if known
            else "no mode has a direction of its own"
        )
    )
    axes.legend(loc="lower left")


def _scales(axes: Axes, measured: Measured) -> None:
    rank = (np.arange(measured.units) + 0.5) / measured.units
    for index, (label, scale, colour) in enumerate(
        (("received, u", measured.target_scale, BLUE), ("sent, v", measured.source_scale, RED))
    ):
        chance = [null[2][index].mean() for n, null in measured.nulls.items() if n == "shuffled"]
        text = f"{label}: variation {number(measured.variation[index], 2)}"
        if chance:
            text += f" (shuffled {number(chance[0], 2)})"
        axes.plot(rank, np.sort(scale)[::-1], color=colour, label=text)
    axes.axhline(1, color=PALE, lw=0.8, zorder=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of the units")
    axes.set_ylabel("scale")
    axes.set_title("Scales of the units")
    axes.legend(loc="lower left", handlelength=1, fontsize=7.5)


def _facts(axes: Axes, measured: Measured) -> None:
    facts = measured.facts
    modes = measured.units / measured.corrected if measured.corrected > 0 else np.inf
    row = [
        "connectome",
        f"{measured.units:,}",
        f"{100 * facts['density']:.3g} %",
        f"{facts['isolated']:.0f}",
        f"{100 * facts['mean_share']:.3g} %",
        f"{100 * facts['top_mode_share']:.3g} %",
        f"{100 * facts['centred_top_mode_share']:.3g} %",
        number(measured.inverse_rank),
        number(measured.corrected),
        number(modes),
        number(facts["kurtosis"]),
        number(facts["reciprocity"], 2),
    ]
    header = [
        "", "units", "connected", "isolated", "mean", "first\nmode", "centred",
        r"1/PR$_\mathbf{D}$", "corrected", r"N · PR$_\mathbf{D}$", "kurtosis", "reci-\nprocity",
    ]  # fmt: skip
    rows = [row]
    for name, (_, inverse, _, share) in measured.nulls.items():
        mean = float(inverse.mean())
        cells = dict.fromkeys(header, "") | {
            "": NULL_NAMES[name],
            "first\nmode": f"{100 * share.mean():.3g} %",
            "corrected": number(mean),
            header[9]: number(measured.units / mean if mean > 0 else np.inf),
        }
        rows.append(list(cells.values()))
    colours = [BLUE, *(NULL_COLOURS[name] for name in measured.nulls)]
    draw_table(axes, header, rows, first=0.14, colours=colours)
