"""Figure of the dynamics: simulation beside mean-field theory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mesomode.network.names import variant_name
from mesomode.report.network import variant_colour
from mesomode.report.style import (
    GREY,
    INK,
    darker,
    new_figure,
    nothing_to_show,
    number,
    styled,
    with_error,
)

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Activity:
    """What was measured in the activity of one network, and what theory says.

    Parameters
    ----------
    variant : str
    units, trajectories : int
    gain, noise : float
        g, and the variance σ² of the white noise.
    lag : float array (lag,)
        In time constants.
    states, states_error, states_theory : float array (lag,)
        C_x(τ); its standard error over trajectories; in theory.
    rates, rates_error, rates_theory : float array (lag,)
        C_φ(τ), likewise.
    eigenvalue : float array (mode,)
        Of the covariance of φ(x), descending.
    dimension, dimension_error, dimension_theory : float
        Participation ratio, a number of dimensions; NaN: no activity.
    correlation_time, correlation_time_theory : float
        τ₂ = ∫(C_φ(τ)/C_φ(0))² dτ in time constants; NaN: no activity.
    time : float array (time,)
    example : float array (time, unit)
        φ(x) of a few units.
    frozen : float
        Share of trajectories at a fixed point.
    asymptotic : bool
        Whether the network has enough units for the dimension in theory.
    feedback : float
        Largest d ρ ⟨φ'⟩ of its modes; above one, one condenses; NaN: not known.
    """

    variant: str
    units: int
    trajectories: int
    gain: float
    noise: float
    lag: np.ndarray
    states: np.ndarray
    states_error: np.ndarray
    states_theory: np.ndarray
    rates: np.ndarray
    rates_error: np.ndarray
    rates_theory: np.ndarray
    eigenvalue: np.ndarray
    dimension: float
    dimension_error: float
    dimension_theory: float
    correlation_time: float
    correlation_time_theory: float
    time: np.ndarray
    example: np.ndarray
    frozen: float
    asymptotic: bool
    feedback: float = float("nan")

    @classmethod
    def of(cls, store: xr.Dataset) -> Activity:
        """What a store of the stage ``dynamics`` holds."""
        units = int(store.attrs["units"])
        return cls(
            variant=str(store.attrs["variant"]),
            units=units,
            trajectories=int(store.attrs["trajectories"]),
            gain=float(store.attrs["gain"]),
            noise=float(store.attrs["noise"]),
            lag=store["lag"].values,
            states=store["autocovariance"].values,
            states_error=store["autocovariance_error"].values,
            states_theory=store["mean_field_autocovariance"].values,
            rates=store["activity_autocovariance"].values,
            rates_error=store["activity_autocovariance_error"].values,
            rates_theory=store["mean_field_activity_autocovariance"].values,
            eigenvalue=store["covariance_eigenvalue"].values,
            dimension=float(store["participation_ratio"]),
            dimension_error=float(store["participation_ratio_error"]),
            dimension_theory=units * float(store["mean_field_participation_ratio_per_unit"]),
            correlation_time=float(store["correlation_time"]),
            correlation_time_theory=float(store["mean_field_correlation_time"]),
            time=store["time"].values,
            example=store["example_activity"].values,
            frozen=float(store["frozen_fraction"]),
            asymptotic=bool(store.attrs["asymptotic"]),
            feedback=float(store["feedback"]),
        )


FAR_APART = 20
"""Ratio of variances above which networks do not share a linear axis."""


@styled
def draw_dynamics(networks: Sequence[Activity], example_units: int = 6) -> Figure:
    """Draw autocovariance, dimension and example activity of networks, with theory.

    Parameters
    ----------
    networks : sequence of Activity
    example_units : int
        Number of traces of each.

    Returns
    -------
    matplotlib.figure.Figure
    """
    conditions: dict[str, list[str]] = {}
    for n in networks:
        text = (
            f"{n.units:,} units, g = {n.gain:.4g}, σ² = {n.noise:g}, {n.trajectories} trajectories"
        )
        conditions.setdefault(text, []).append(variant_name(n.variant))
    title = "\n".join(
        text if len(conditions) == 1 else f"{', '.join(names)}: {text}"
        for text, names in conditions.items()
    )
    figure = new_figure(11, 7 + 1.7 * len(networks), "Simulation beside mean-field theory")
    grid = figure.add_gridspec(
        2 + len(networks), 2, height_ratios=(2.6, 2.6, *[1.5] * len(networks))
    )
    figure.supxlabel(title, fontsize=8, color=GREY)
    _autocovariance(
        figure.add_subplot(grid[0, 0]), networks, "rates", r"$C_\varphi(\tau)$ of the activity φ(x)"
    )
    _autocovariance(
        figure.add_subplot(grid[0, 1]), networks, "states", r"$C_x(\tau)$ of the states x"
    )
    _spectrum(figure.add_subplot(grid[1, 0]), networks)
    _dimension(figure.add_subplot(grid[1, 1]), networks)
    for place, network in enumerate(networks):
        axes = figure.add_subplot(grid[2 + place, :])
        _traces(axes, network, example_units)
        if place < len(networks) - 1:
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
    return figure


def _autocovariance(axes: Axes, networks: Sequence[Activity], what: str, title: str) -> None:
    longest, handles = 0.0, []
    for place, network in enumerate(networks):
        mean, error = getattr(network, what), getattr(network, f"{what}_error")
        theory = getattr(network, f"{what}_theory")
        colour, name = variant_colour(network.variant), variant_name(network.variant)
        if what == "rates":
            name += (
                f": τ₂ = {number(network.correlation_time)}, "
                f"theory {number(network.correlation_time_theory)}"
            )
        handles.append(Line2D([], [], color=colour, lw=2.4, alpha=0.65, label=name))
        axes.plot(network.lag, mean, color=colour, lw=2.4, alpha=0.65)
        if np.isfinite(error).any():
            axes.fill_between(
                network.lag, mean - error, mean + error, color=colour, alpha=0.25, lw=0
            )
        dashes = (4 * place, (4, 4 * max(len(networks) - 1, 1)))
        axes.plot(network.lag, theory, color=darker(colour), lw=1.3, ls=dashes, zorder=3)
        longest = max(longest, *(last_above(network.lag, curve) for curve in (mean, theory)))
    axes.axhline(0, color=GREY, lw=0.6)
    axes.set_xlim(0, longest)
    axes.set_xlabel("lag τ (time constants)")
    axes.set_ylabel("autocovariance")
    axes.set_title(title)
    starts = [float(getattr(n, what)[0]) for n in networks if getattr(n, what)[0] > 0]
    if starts and max(starts) > FAR_APART * min(starts):
        # saturated networks beside moving ones: linear below the least variance, logarithmic above
        axes.set_yscale("symlog", linthresh=min(starts))
        axes.set_ylim(-0.3 * min(starts), 30 * max(starts))
        axes.set_yticks([0, *(10.0**k for k in range(6) if min(starts) < 10**k < 30 * max(starts))])
    handles += [
        Line2D([], [], color=GREY, lw=2.4, alpha=0.65, label="wide: simulated ± s.e."),
        Line2D([], [], color=INK, lw=1.3, ls="--", label="dashed, darker: theory"),
    ]
    axes.legend(handles=handles, fontsize=7, loc="center right")


def last_above(lag: np.ndarray, curve: np.ndarray, share: float = 0.01) -> float:
    """One and a half times the last lag at which a curve is above a share of its start.

    At most the longest lag, which is also the answer for a curve that is zero.
    """
    above = np.flatnonzero(np.abs(curve) > share * np.abs(curve[0]))
    return float(min(1.5 * lag[above[-1]], lag[-1]) if above.size and above[-1] else lag[-1])


def _spectrum(axes: Axes, networks: Sequence[Activity]) -> None:
    drawn = False
    for network in networks:
        values = np.asarray(network.eigenvalue, dtype=np.float64)
        if not values.size or not values.sum() > 0:
            continue
        share = values / values.sum()
        shown = share > 1e-8
        rank = np.arange(1, len(values) + 1)
        axes.plot(
            rank[shown], share[shown], color=variant_colour(network.variant),
            label=f"{variant_name(network.variant)} (N = {network.units:,})",
        )  # fmt: skip
        drawn = True
    if not drawn:
        nothing_to_show(axes, "no activity")
        return
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rank")
    axes.set_ylabel("share of the variance of φ(x)")
    axes.set_title("Spectrum of the covariance")
    axes.legend()


def _dimension(axes: Axes, networks: Sequence[Activity]) -> None:
    for place, network in enumerate(networks):
        colour = variant_colour(network.variant)
        if np.isfinite(network.dimension):
            error = network.dimension_error if np.isfinite(network.dimension_error) else 0.0
            axes.bar(place - 0.2, network.dimension, 0.36, color=colour, yerr=error)
        if np.isfinite(network.dimension_theory):
            axes.bar(place + 0.2, network.dimension_theory, 0.36, fc="none", ec=colour, hatch="///")
        text = (
            f"{with_error(network.dimension, network.dimension_error)}\n"
            f"theory {number(network.dimension_theory)}"
        )
        if network.feedback > 1:
            text += "\n(a mode\ncondenses:\nno theory)"
        elif not network.asymptotic:
            text += "\n(too few\nunits for\ntheory)"
        if network.frozen > 0:
            text += f"\n{network.frozen:.0%} of\ntrajectories\nat rest"
        highest = np.nanmax([network.dimension, network.dimension_theory, 0])
        small = 7 if len(networks) > 3 else 8
        axes.text(place, highest, text + "\n", ha="center", va="bottom", fontsize=small)
    axes.set_xticks(
        range(len(networks)),
        ["\n".join([*variant_name(n.variant).split(" ", 1), f"N = {n.units:,}"]) for n in networks],
    )
    axes.set_xlim(-0.6, len(networks) - 0.4)
    dimensions = [d for n in networks for d in (n.dimension, n.dimension_theory)]
    axes.set_ylim(0, 2.0 * max([1.0, *(d for d in dimensions if np.isfinite(d))]))
    axes.set_ylabel("participation ratio (dimensions)")
    axes.set_title("Dimension of the activity")
    kinds = [
        Patch(fc=GREY, label="simulated ± s.e."),
        Patch(fc="none", ec=GREY, hatch="///", label="theory, N → ∞"),
    ]
    axes.legend(handles=kinds, loc="upper center", ncols=2, handlelength=1.2)


def _traces(axes: Axes, network: Activity, units: int) -> None:
    shown = network.example[:, :units]
    span = float(np.nanpercentile(np.abs(shown), 99.5)) or 1.0
    bar = float(f"{span:.1g}")
    for place in range(shown.shape[1]):
        axes.plot(network.time, shown[:, place] - 2.1 * span * place, color=INK, lw=0.8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    right = axes.get_yaxis_transform()
    axes.plot([1.005, 1.005], [0, bar], transform=right, color=INK, lw=1.5, clip_on=False)
    axes.text(1.01, bar / 2, number(bar), transform=right, va="center", fontsize=8)
    axes.set_xlim(network.time[0], network.time[-1])
    axes.set_xlabel("time (time constants)")
    axes.set_ylabel(f"φ(x), {shown.shape[1]} units")
    axes.set_title(
        f"Example activity: {variant_name(network.variant)}", color=variant_colour(network.variant)
    )
