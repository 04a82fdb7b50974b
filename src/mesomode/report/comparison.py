"""Figure of recordings beside networks: dimension and time-scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mesomode.network.names import variant_name
from mesomode.report.network import draw_table, variant_colour
from mesomode.report.style import GREY, counted, hues, new_figure, number, styled, with_error

if TYPE_CHECKING:
    import xarray as xr

SESSION_COLOURS = ("#117733", "#882255", "#999933", "#332288", "#44AA99", "#AA4499", "#777777")
"""Of Tol's muted colours, those that can be read as text and are not those of the networks."""


@dataclass(frozen=True)
class Compared:
    """One recording or network.

    Parameters
    ----------
    name : str
    recording : bool
        A recording (times in s) or a network (times in time constants).
    units : int
    dimension, dimension_error, dimension_plain, dimension_common : float
        Participation ratio: unbiased, its standard error, of the sample covariance, and
        expected for the common number of units; NaN: unknown.
    half_width, integrated_time : float
        NaN: unknown.
    noise_fraction : float
        Part of the variance that is independent from frame to frame.
    subset_dimension : float array (subset,)
        Dimension expected for subsets of units; NaN: larger than the system.
    variance_explained : float array (mode,)
        Part of the variance in so many directions; NaN: beyond the last.
    autocorrelation : float array (scaled_lag,)
        NaN: beyond the lags.
    """

    name: str
    recording: bool
    units: int
    dimension: float
    dimension_error: float
    dimension_plain: float
    dimension_common: float
    half_width: float
    integrated_time: float
    noise_fraction: float
    subset_dimension: np.ndarray
    variance_explained: np.ndarray
    autocorrelation: np.ndarray

    @classmethod
    def all_of(cls, store: xr.Dataset) -> list[Compared]:
        """The systems in a store of the stage ``comparison``."""
        numbers = {
            "dimension": "participation_ratio",
            "dimension_error": "participation_ratio_error",
            "dimension_plain": "participation_ratio_plain",
            "dimension_common": "participation_ratio_common",
            "half_width": "half_width",
            "integrated_time": "integrated_time",
            "noise_fraction": "noise_fraction",
        }
        return [
            cls(
                name=str(system["name"]),
                recording=system["kind"] == "recording",
                units=int(store["units"][i]),
                subset_dimension=store["participation_ratio_subset"][i].values,
                variance_explained=store["variance_explained"][i].values,
                autocorrelation=store["autocorrelation"][i].values,
                **{field: float(store[name][i]) for field, name in numbers.items()},
            )
            for i, system in enumerate(store.attrs["systems"])
        ]

    @property
    def title(self) -> str:
        """What it is called in the figure."""
        return f"session {self.name}" if self.recording else variant_name(self.name)


def system_colours(systems: Sequence[tuple[str, bool]]) -> list[str]:
    """Colours of recordings, muted while there are few; networks have theirs in all figures.

    Parameters
    ----------
    systems : sequence of (str, bool)
        Name, and whether it is a recording.

    Returns
    -------
    list of str
        No two recordings have the same.
    """
    sessions = [name for name, recording in systems if recording]
    few = len(sessions) <= len(SESSION_COLOURS)
    colours = dict(zip(sessions, SESSION_COLOURS if few else hues(len(sessions)), strict=False))
    return [colours[name] if recording else variant_colour(name) for name, recording in systems]


@styled
def draw_comparison(
    systems: Sequence[Compared],
    *,
    common_units: int,
    subset: np.ndarray,
    scaled_lag: np.ndarray,
    time_constant: np.ndarray,
) -> Figure:
    """Draw dimension and time-scales of recordings beside those of networks.

    Parameters
    ----------
    systems : sequence of Compared
        Recordings first.
    common_units : int
        Number of units at which dimensions are compared.
    subset : int array (subset,)
        Numbers of units of subsets.
    scaled_lag : float array (scaled_lag,)
        Lag in half widths.
    time_constant : float array (recording, network)
        Time constant in s with which a network's half width is a recording's.

    Returns
    -------
    matplotlib.figure.Figure
    """
    recordings = sum(system.recording for system in systems)
    title = (
        f"{counted(recordings, 'recording')} beside {counted(len(systems) - recordings, 'network')}"
    )
    figure = new_figure(11.5, 8.2 + 0.26 * len(systems), title)
    grid = figure.add_gridspec(3, 2, height_ratios=(3, 3, 0.7 + 0.27 * len(systems)))
    colours = system_colours([(system.name, system.recording) for system in systems])
    _subsets(figure.add_subplot(grid[0, 0]), systems, colours, subset, common_units)
    _dimension(figure.add_subplot(grid[0, 1]), systems, colours, common_units)
    _variance(figure.add_subplot(grid[1, 0]), systems, colours)
    _shape(figure.add_subplot(grid[1, 1]), systems, colours, scaled_lag)
    _table(figure.add_subplot(grid[2, :]), systems, colours, common_units, time_constant)
    return figure


def _subsets(
    axes: Axes,
    systems: Sequence[Compared],
    colours: Sequence[str],
    subset: np.ndarray,
    common_units: int,
) -> None:
    for system, colour in zip(systems, colours, strict=True):
        line = "-" if system.recording else "--"
        known = subset < system.units
        units = np.append(subset[known], system.units)
        dimensions = np.append(system.subset_dimension[known], system.dimension)
        axes.plot(units, dimensions, line, color=colour, label=system.title)
        if np.isfinite(system.dimension):
            error = system.dimension_error if np.isfinite(system.dimension_error) else 0.0
            axes.errorbar([system.units], [system.dimension], [error], fmt="o", ms=4, color=colour)
    axes.axvline(common_units, color=GREY, lw=0.8, ls=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(f"number of units (dotted: {common_units}, common to all)")
    axes.set_ylabel("participation ratio (dimensions)")
    axes.set_title("Dimension against the number of units (all ± s.e.)")
    axes.legend(loc="upper left")


def _dimension(
    axes: Axes, systems: Sequence[Compared], colours: Sequence[str], common_units: int
) -> None:
    kinds = (
        ("dimension_plain", "of the sample covariance", "v"),
        ("dimension", "unbiased ± s.e.", "o"),
        ("dimension_common", f"unbiased, for {common_units} units", "s"),
    )
    for place, (system, colour) in enumerate(zip(systems, colours, strict=True)):
        for shift, (name, _, marker) in enumerate(kinds):
            value = getattr(system, name)
            error = system.dimension_error if name == "dimension" else np.nan
            if np.isfinite(value):
                axes.errorbar(
                    [place + 0.2 * (shift - 1)], [value], [error] if np.isfinite(error) else None,
                    fmt=marker, ms=4, capsize=4, color=colour,
                    mfc=colour if name == "dimension" else "white",
                )  # fmt: skip
    handles = [
        Line2D([], [], ls="", marker=marker, ms=4, color=GREY, label=text,
               mfc=GREY if name == "dimension" else "white")
        for name, text, marker in kinds
    ]  # fmt: skip
    axes.legend(handles=handles, loc="upper left")
    small = len(systems) > 7
    axes.set_xticks(
        range(len(systems)),
        [
            f"{s.title}, N = {s.units:,}"
            if small
            else f"{s.title.replace(' ', chr(10), 1)}\nN = {s.units:,}"
            for s in systems
        ],
        rotation=90 if small else 0,
    )
    axes.set_xlim(-0.6, len(systems) - 0.4)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.8), 8 * high)
    axes.set_ylabel("participation ratio (dimensions)")
    axes.set_title("Dimension, with its corrections (N: units)")


def _variance(axes: Axes, systems: Sequence[Compared], colours: Sequence[str]) -> None:
    for system, colour in zip(systems, colours, strict=True):
        modes = np.arange(1, len(system.variance_explained) + 1)
        axes.plot(
            modes,
            100 * system.variance_explained,
            "-" if system.recording else "--",
            color=colour,
            label=system.title,
        )
    axes.set_xscale("log")
    axes.set_xlim(1, 100)
    axes.set_ylim(0, 103)
    axes.set_xlabel("number of directions")
    axes.set_ylabel("variance explained (%)")
    axes.set_title("Spectra of the covariances (all units)")


def _shape(
    axes: Axes, systems: Sequence[Compared], colours: Sequence[str], scaled_lag: np.ndarray
) -> None:
    for system, colour in zip(systems, colours, strict=True):
        unit = "s" if system.recording else "time constants"
        axes.plot(
            scaled_lag,
            system.autocorrelation,
            "-" if system.recording else "--",
            color=colour,
            label=f"{system.title}: {number(system.half_width)} {unit}"
            if np.isfinite(system.half_width)
            else f"{system.title}: no decay to a half",
        )
    axes.axhline(0, color=GREY, lw=0.6)
    axes.plot([1], [0.5], "o", ms=4, color=GREY)
    axes.set_xlabel("lag / half width")
    axes.set_ylabel("autocorrelation")
    axes.set_title("Shape of the autocorrelation, and half width")
    axes.legend()


def _table(
    axes: Axes,
    systems: Sequence[Compared],
    colours: Sequence[str],
    common_units: int,
    time_constant: np.ndarray,
) -> None:
    networks = [system for system in systems if not system.recording]
    # a network without a half width has no time constant that could be set
    timed = [k for k in range(len(networks)) if np.isfinite(time_constant[:, k]).any()]
    header = [
        "",
        "units",
        "PR ± s.e.",
        f"PR of {common_units}",
        "half width",
        "integral",
        "frame noise",
        *(f"τ by\n{variant_name(networks[k].name).replace(' ', chr(10), 1)}" for k in timed),
    ]
    rows = []
    for place, system in enumerate(systems):
        unit = " s" if system.recording else " τ"
        times = (system.half_width, system.integrated_time)
        row = [
            system.title,
            f"{system.units:,}",
            with_error(system.dimension, system.dimension_error),
            number(system.dimension_common),
            *(number(time) + unit * bool(np.isfinite(time)) for time in times),
            f"{100 * system.noise_fraction:.0f} %" if system.recording else "",
        ]
        if system.recording:
            row += [number(t) + " s" * bool(np.isfinite(t)) for t in time_constant[place, timed]]
        else:
            row += [""] * len(timed)
        rows.append(row)
    draw_table(axes, header, rows, first=0.18, colours=colours)
