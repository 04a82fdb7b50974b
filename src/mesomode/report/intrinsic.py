"""Figure of intrinsic dimension: local and global dimension of the states of every system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mesomode.network.names import variant_name
from mesomode.report.comparison import system_colours
from mesomode.report.style import GREY, counted, new_figure, nothing_to_show, number, styled

if TYPE_CHECKING:
    import xarray as xr

ESTIMATES = (
    ("levina_bickel", "s", "Levina–Bickel, 10 to 20 neighbours"),
    ("local_components", "^", "local components, 95 % (30 neighbours)"),
    ("participation_ratio", "D", "participation ratio of the same states"),
    ("two_nearest_shuffled", "x", "TwoNN, channels shuffled apart"),
)


@dataclass(frozen=True)
class States:
    """Dimensions of the states of one recording or network.

    Parameters
    ----------
    name : str
    recording : bool
    states, spacing_s : int, float
        How many states, and s between them.
    frame : float
        s.
    estimates : dict of str to float
        ``two_nearest``, its ``_low`` and ``_high``, and `ESTIMATES`; NaN: too few states.
    scale_states, scale_dimension : float arrays (scale,)
        TwoNN of fewer and fewer states; NaN: too few.
    unbiased, components_90 : float
        Participation ratio of all units, and components for 90 % of their variance.
    """

    name: str
    recording: bool
    states: int
    spacing_s: float
    estimates: dict[str, float]
    scale_states: np.ndarray
    scale_dimension: np.ndarray
    unbiased: float
    components_90: float

    @classmethod
    def of(cls, store: xr.Dataset, comparison: xr.Dataset) -> States:
        """What is drawn of a store of the step ``comparison-dynamics``."""
        about = store.attrs
        key = {"name": about["system"], "kind": about["kind"]}
        place = [{k: s[k] for k in key} for s in comparison.attrs["systems"]].index(key)
        names = ["two_nearest", "two_nearest_low", "two_nearest_high"]
        names += [name for name, _, _ in ESTIMATES]
        return cls(
            name=str(about["system"]),
            recording=about["kind"] == "recording",
            states=int(store["states"]),
            spacing_s=float(store["spacing"]) * float(store["frame"]),
            estimates={name: float(store[name]) for name in names},
            scale_states=store["scale_states"].values,
            scale_dimension=store["scale_dimension"].values,
            unbiased=float(comparison["participation_ratio"][place]),
            components_90=float(comparison["components_90"][place]),
        )

    @property
    def title(self) -> str:
        """What it is called in the figure."""
        return f"session {self.name}" if self.recording else variant_name(self.name)


@styled
def draw_intrinsic(systems: Sequence[States], components: int) -> Figure:
    """Draw the intrinsic dimension of systems, at several scales, beside the global one.

    Parameters
    ----------
    systems : sequence of States
        Recordings first.
    components : int
        Principal components that the states are seen through.
    """
    recordings = sum(system.recording for system in systems)
    title = (
        f"Intrinsic dimension of {counted(recordings, 'recording')} and "
        f"{counted(len(systems) - recordings, 'network')}"
    )
    figure = new_figure(12.0, 4.6 + 0.3 * len(systems), title)
    colours = system_colours([(system.name, system.recording) for system in systems])
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    _scales(left, systems, colours)
    _estimates(right, systems, colours, components)
    return figure


def _scales(axes: Axes, systems: Sequence[States], colours: Sequence[str]) -> None:
    drawn = 0
    for system, colour in zip(systems, colours, strict=True):
        known = np.isfinite(system.scale_dimension)
        drawn += int(known.sum())
        axes.plot(
            system.scale_states[known],
            system.scale_dimension[known],
            "o-" if system.recording else "s--",
            ms=4,
            color=colour,
            label=system.title if known.any() else None,
        )
        found = system.estimates
        if np.isfinite(found["two_nearest"]):
            middle, low, high = (found[f"two_nearest{end}"] for end in ("", "_low", "_high"))
            axes.errorbar(
                [system.states], [middle], [[middle - low], [high - middle]], fmt="none",
                ecolor=colour, lw=1,
            )  # fmt: skip
    if not drawn:
        nothing_to_show(axes, "too few independent states for an intrinsic dimension")
        return
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("number of states (fewer: larger scale)")
    axes.set_ylabel("TwoNN dimension (bars: 95 % interval of all states)")
    axes.set_ylim(bottom=0)
    axes.set_title("A plateau tells a dimension; a rise, noise or too few states")
    axes.legend(fontsize=7)


def _estimates(
    axes: Axes, systems: Sequence[States], colours: Sequence[str], components: int
) -> None:
    for row, (system, colour) in enumerate(zip(systems, colours, strict=True)):
        found = system.estimates
        middle = found["two_nearest"]
        if np.isfinite(middle):
            reach = [[middle - found["two_nearest_low"]], [found["two_nearest_high"] - middle]]
            axes.errorbar([middle], [row], xerr=reach, fmt="o", ms=8, color=colour)
        else:
            axes.text(0.3, row, "too few independent states", va="center", color=GREY)
        for name, marker, _ in ESTIMATES:
            axes.plot(found[name], row, marker, ms=6, color=colour, mfc="white")
    axes.plot([], [], "o", color=GREY, ms=8, label="TwoNN (95 %)")
    for _, marker, label in ESTIMATES:
        axes.plot([], [], marker, color=GREY, mfc="white", label=label)
    axes.axvline(components, color=GREY, lw=0.8, ls=":")
    axes.set_yticks(
        range(len(systems)),
        [
            f"{s.title}: {s.states:,} states, {number(s.spacing_s)} s apart\n"
            f"all units: PR {number(s.unbiased)}, 90 % in {s.components_90:,.0f}"
            for s in systems
        ],
        fontsize=7,
    )
    axes.set_ylim(len(systems) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"dimension (dotted: the {components} components seen)")
    axes.set_title("Local and global dimension of the states")
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.4, -0.14), ncols=2)
