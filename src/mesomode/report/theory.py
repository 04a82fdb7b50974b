"""Figures of theory and simulation: networks of finite size, and of different effective rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from mesomode.network.names import variant_name
from mesomode.report.dynamics import last_above
from mesomode.report.network import variant_colour
from mesomode.report.style import (
    GREY,
    INK,
    RED,
    darker,
    new_figure,
    number,
    styled,
    with_error,
)

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Ensemble:
    """Networks of several sizes drawn from one ensemble.

    Parameters
    ----------
    variant : str
    effective_rank : float
        PR_D; infinite for independent couplings.
    units : int array (size,)
    variance, dimension : float array (size, draw)
        C_φ(0) and dimension per unit of each network.
    variance_theory, dimension_theory : float
        For infinitely many units; NaN: none.
    variance_limit, dimension_limit : (float, float, float)
        Extrapolated to N → ∞, with the standard error and the slope in 1/N; NaN: not known.
    asymptotic : bool array (size,)
        Whether the theory of the dimension holds for so many units.
    """

    variant: str
    effective_rank: float
    units: np.ndarray
    variance: np.ndarray
    dimension: np.ndarray
    variance_theory: float
    dimension_theory: float
    variance_limit: tuple[float, float, float]
    dimension_limit: tuple[float, float, float]
    asymptotic: np.ndarray

    @classmethod
    def all_of(cls, store: xr.Dataset) -> list[Ensemble]:
        """What a store of the step ``dynamics-scaling`` holds."""

        def limit(name: str, place: int) -> tuple[float, float, float]:
            value, error, slope = (
                float(store[f"{name}_{end}"][place]) for end in ("limit", "limit_error", "slope")
            )
            return value, error, slope

        return [
            cls(
                variant=str(variant),
                effective_rank=float(store["effective_rank"][-1, place]),
                units=store["units"].values,
                variance=store["variance"].values[:, place],
                dimension=store["participation_ratio"].values[:, place],
                variance_theory=float(store["mean_field_variance"][-1, place]),
                dimension_theory=float(store["mean_field_participation_ratio"][-1, place]),
                variance_limit=limit("variance", place),
                dimension_limit=limit("participation_ratio", place),
                asymptotic=store["asymptotic_size"].values[:, place] >= 10,
            )
            for place, variant in enumerate(store.attrs["ensembles"])
        ]


@styled
def draw_scaling(ensembles: Sequence[Ensemble]) -> Figure:
    """Draw how networks of more and more units approach the theory.

    Parameters
    ----------
    ensembles : sequence of Ensemble

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(11, 5.2, "Networks of finite size approach the theory")
    left, right = figure.subplots(1, 2)
    _sizes(left, ensembles, "variance")
    left.set_ylabel(r"$C_\varphi(0)$")
    left.set_title("Variance of the activity")
    _sizes(right, ensembles, "dimension")
    right.set_ylabel("participation ratio / N")
    right.set_title("Dimension of the activity")
    handles, labels = right.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=3,
        title="Numbers: dimension of the activity per unit",
    )
    return figure


def _sizes(axes: Axes, ensembles: Sequence[Ensemble], what: str) -> None:
    for place, ensemble in enumerate(ensembles):
        colour = variant_colour(ensemble.variant)
        values = getattr(ensemble, what)
        theory = getattr(ensemble, f"{what}_theory")
        limit, error, slope = getattr(ensemble, f"{what}_limit")
        inverse = 1.0 / ensemble.units
        offset = 1 + 0.02 * (place - (len(ensembles) - 1) / 2)
        rank = f"{variant_name(ensemble.variant)}, PR$_D$ = {number(ensemble.effective_rank)}"
        known = np.isfinite(values).any(axis=1)
        label = f"{rank}: {values.shape[1]} networks each"
        if not known.all():
            label += f", none of {', '.join(f'{n:,}' for n in ensemble.units[~known])} units"
        axes.plot(
            np.repeat(inverse * offset, values.shape[1]), values.ravel(), "o", ms=4, mfc="none",
            color=colour, label=label,
        )  # fmt: skip
        axes.plot(inverse * offset, values.mean(axis=1), "_", ms=14, mew=2, color=colour)
        axes.axhline(theory, color=darker(colour), lw=1.2, ls=(4 * place, (4, 4)),
                     label=f"theory, N → ∞: {number(theory)}")  # fmt: skip
        if np.isfinite(limit):
            end = inverse[known].max()
            axes.plot([0, end], [limit, limit + slope * end], color=colour, lw=0.8)
            axes.errorbar(
                [0.012 * inverse.max() * place], [limit], [error], fmt="s", ms=5, color=colour,
                clip_on=False, label=f"extrapolated ± s.e.: {with_error(limit, error)}",
            )  # fmt: skip
    sizes = np.unique(np.concatenate([ensemble.units for ensemble in ensembles]))
    axes.set_xlim(0, 1.08 / sizes.min())
    axes.set_xticks([0, *(1.0 / sizes)], ["∞", *(f"{size:,}" for size in sizes)])
    axes.set_xlabel("number of units N (axis in 1/N)")


@dataclass(frozen=True)
class Ranks:
    """Networks of equal gain and different effective rank.

    Parameters
    ----------
    units, trajectories : int
    gain, noise : float
        Of all of them.
    effective_rank : float array (network,)
        Infinite: independent couplings.
    lag : float array (lag,)
    curve, curve_error : float array (network, lag)
        C_φ(τ).
    curve_theory : float array (lag,)
        The same for all.
    dimension, dimension_error : float array (network,)
        Per unit.
    point, point_theory : float array (point,)
        Effective ranks of the theoretical curve, and the dimension per unit there.
    independent_theory : float
        For independent couplings.
    """

    units: int
    trajectories: int
    gain: float
    noise: float
    effective_rank: np.ndarray
    lag: np.ndarray
    curve: np.ndarray
    curve_error: np.ndarray
    curve_theory: np.ndarray
    dimension: np.ndarray
    dimension_error: np.ndarray
    point: np.ndarray
    point_theory: np.ndarray
    independent_theory: float

    @classmethod
    def of(cls, store: xr.Dataset) -> Ranks:
        """What a store of the step ``dynamics-effective-rank`` holds."""
        return cls(
            units=int(store.attrs["units"]),
            trajectories=int(store.attrs["trajectories"]),
            gain=float(store.attrs["gain"]),
            noise=float(store.attrs["noise"]),
            effective_rank=store["effective_rank"].values,
            lag=store["lag"].values,
            curve=store["activity_autocovariance"].values,
            curve_error=store["activity_autocovariance_error"].values,
            curve_theory=store["mean_field_activity_autocovariance"].values,
            dimension=store["participation_ratio"].values,
            dimension_error=store["participation_ratio_error"].values,
            point=store["curve_effective_rank"].values,
            point_theory=store["mean_field_participation_ratio"].values,
            independent_theory=float(store["mean_field_independent"]),
        )


@styled
def draw_effective_rank(ranks: Ranks) -> Figure:
    """Draw that the effective rank changes the dimension of the activity and nothing of a unit.

    Parameters
    ----------
    ranks : Ranks

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(
        11, 4.6, "Few strong modes: the same units, fewer dimensions of their activity"
    )
    figure.supxlabel(
        f"a network of {ranks.units:,} units each, g = {ranks.gain:g}, σ² = {ranks.noise:g}, "
        f"{ranks.trajectories} initial states",
        fontsize=8,
        color=GREY,
    )
    left, right = figure.subplots(1, 2)
    finite = ranks.effective_rank[np.isfinite(ranks.effective_rank)]
    norm = LogNorm(min([*finite, 0.1]) / 1.5, max([*finite, 1.0]) * 1.5)
    colours = [
        RED if np.isinf(rank) else matplotlib.colormaps["viridis"](norm(rank))
        for rank in ranks.effective_rank
    ]
    highest = 1.25 * float(np.nanmax([*ranks.dimension, ranks.independent_theory, 0.0]))
    longest = 0.0
    for place, rank in enumerate(ranks.effective_rank):
        left.fill_between(
            ranks.lag,
            ranks.curve[place] - ranks.curve_error[place],
            ranks.curve[place] + ranks.curve_error[place],
            color=colours[place], alpha=0.25, lw=0,
        )  # fmt: skip
        left.plot(
            ranks.lag, ranks.curve[place], color=colours[place], lw=1.6,
            label=f"PR$_D$ = {number(rank)}",
        )  # fmt: skip
        longest = max(longest, last_above(ranks.lag, ranks.curve[place]))
    left.plot(ranks.lag, ranks.curve_theory, color=INK, ls="--", lw=1.2, label="theory, all PR$_D$")
    left.set_xlim(0, longest)
    left.axhline(0, color=GREY, lw=0.6)
    left.set_xlabel("lag τ (time constants)")
    left.set_ylabel(r"$C_\varphi(\tau)$")
    left.set_title("A unit: autocovariance of the activity (± s.e.)")
    left.legend()
    right.plot(ranks.point, ranks.point_theory, color=INK, lw=1.2, ls="--", label="theory, N → ∞")
    right.axhline(ranks.independent_theory, color=RED, lw=1.2, ls="--")
    edge = 2.2 * max([*finite, *ranks.point])
    for place, rank in enumerate(ranks.effective_rank):
        at = edge if np.isinf(rank) else rank
        right.errorbar(
            [at], [ranks.dimension[place]], [ranks.dimension_error[place]], fmt="o", ms=4,
            color=colours[place],
        )  # fmt: skip
    right.plot([], [], "o", color=GREY, label="simulated ± s.e. over initial states")
    right.set_xscale("log")
    right.set_xlim(min(ranks.point), 1.5 * edge)
    ticks = [*finite, edge]
    right.set_xticks(ticks, [*(number(rank, 2) for rank in finite), "∞\n(independent)"])
    right.minorticks_off()
    right.set_ylim(0, highest if highest > 0 else 1)
    right.set_xlabel("effective rank PR$_D$ of the couplings, per unit")
    right.set_ylabel("participation ratio / N")
    right.set_title("The population: dimension of the activity")
    right.legend(loc="upper left")
    return figure
