"""Panels of a session's figure: what repeats over trials, correlations, receptive fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from mesomode.report.style import GREY, INK, PALETTE, nothing_to_show, number

if TYPE_CHECKING:
    import xarray as xr

FIELDS_SHOWN = 8


@dataclass(frozen=True)
class Variability:
    """What repeats in the responses to one stimulus, and what does not.

    Parameters
    ----------
    stimulus : str
    reliability, ceiling : float arrays (unit,)
        R² expected between averages over all trials, and that the true means reach; NaN: unknown.
    tuned : bool array (unit,)
    noise_correlation : float array (pair,)
        Over trials about the condition's mean, of all pairs of units.
    noise_mean, signal_mean, signal_plain : float
        Mean noise correlation; mean signal correlation of tuned pairs without the noise, and as
        measured.
    """

    stimulus: str
    reliability: np.ndarray
    ceiling: np.ndarray
    tuned: np.ndarray
    noise_correlation: np.ndarray
    noise_mean: float
    signal_mean: float
    signal_plain: float


@dataclass(frozen=True)
class FieldShown:
    """A receptive field, on minus off, in standard errors: float array (row, column)."""

    unit: int
    p_value: float
    score: np.ndarray


def variability_of(store: xr.Dataset, stimuli: Sequence[str], alpha: float) -> list[Variability]:
    """What a store of the stage ``recordings`` holds, for each stimulus that was tested."""
    found = []
    for place, code in enumerate(store["tested_stimulus"].values):
        pairs = np.empty(0)
        if "noise_correlation" in store:
            matrix = store["noise_correlation"].values[place]
            pairs = matrix[np.triu_indices(len(matrix), 1)]
        found.append(
            Variability(
                stimulus=stimuli[code].replace("_", " "),
                reliability=store["reliability"].values[place],
                ceiling=store["noise_ceiling"].values[place],
                tuned=store["tuning_p_value"].values[place] < alpha,
                noise_correlation=pairs[np.isfinite(pairs)],
                noise_mean=float(store["noise_correlation_mean"][place]),
                signal_mean=float(store["signal_correlation_mean"][place]),
                signal_plain=float(store["signal_correlation_plain"][place]),
            )
        )
    return found


def fields_of(store: xr.Dataset) -> list[FieldShown]:
    """The clearest receptive fields, by the noise with the most of them."""
    best: list[FieldShown] = []
    for ending in ("", "_8deg"):
        if f"receptive_field_score{ending}" not in store:
            continue
        for place in range(store.sizes[f"field{ending}"]):
            p_value = store[f"receptive_field_p_value{ending}"].values[place]
            known = np.flatnonzero(np.isfinite(p_value))
            order = known[np.argsort(p_value[known], kind="stable")][:FIELDS_SHOWN]
            score = store[f"receptive_field_score{ending}"].values[place]
            shown = [
                FieldShown(int(u), float(p_value[u]), score[0, ..., u] - score[1, ..., u])
                for u in order
            ]
            if not best or (shown and shown[0].p_value < best[0].p_value):
                best = shown
    return best


def draw_reliability(axes: Axes, tests: Sequence[Variability]) -> None:
    """Reliability against the noise ceiling: on the diagonal where both are right."""
    shown = [(t, np.isfinite(t.reliability) & np.isfinite(t.ceiling)) for t in tests]
    if not any(known.any() for _, known in shown):
        nothing_to_show(axes, "the reliability is unknown:\ntoo few conditions or trials")
        return
    for place, (test, known) in enumerate(shown):
        if not known.any():
            continue
        chosen = known & test.tuned
        middle = float(np.median(test.ceiling[chosen])) if chosen.any() else float("nan")
        axes.plot(
            np.clip(test.ceiling[known], -0.5, 1),
            np.clip(test.reliability[known], -0.5, 1),
            "o",
            ms=2.5,
            alpha=0.6,
            mew=0,
            color=PALETTE[place % len(PALETTE)],
            label=f"{test.stimulus}: {number(middle, 2)} (n = {int(chosen.sum())})",
        )
    axes.plot([-0.5, 1], [-0.5, 1], color=GREY, lw=0.7, ls=":")
    axes.set_xlim(-0.55, 1.05)
    axes.set_ylim(-0.55, 1.05 + 0.19 * sum(known.any() for _, known in shown))  # the legend's
    axes.set_yticks(np.arange(-0.4, 1.01, 0.2))
    axes.set_xlabel("noise ceiling (R²; units below −0.5 are drawn at −0.5)")
    axes.set_ylabel("reliability (correlation)")
    axes.set_title("What repeats over trials (median ceiling of n tuned units)")
    axes.legend(loc="upper left", markerscale=2)


def draw_correlations(axes: Axes, tests: Sequence[Variability]) -> None:
    """Distribution of the noise correlations of pairs, with the means of both kinds."""
    drawn = [(place, t) for place, t in enumerate(tests) if t.noise_correlation.size]
    if not drawn:
        nothing_to_show(axes, "correlations are unknown:\ntoo few units, conditions or trials")
        return
    widest = max(float(np.percentile(np.abs(t.noise_correlation), 99.5)) for _, t in drawn)
    edges = np.linspace(-min(1.0, widest), min(1.0, widest), 61)
    for place, test in drawn:
        weight = np.full(test.noise_correlation.size, 100 / test.noise_correlation.size)
        axes.hist(
            np.clip(test.noise_correlation, edges[0], edges[-1]),
            list(edges),
            weights=weight,
            histtype="step",
            lw=1.3,
            color=PALETTE[place % len(PALETTE)],
            label=f"{test.stimulus}: noise {number(test.noise_mean, 2)}{_signal(test)}",
        )
    axes.axvline(0, ymax=0.68, color=GREY, lw=0.6)
    axes.set_ylim(0, 1.45 * axes.get_ylim()[1])
    axes.set_xlabel("noise correlation")
    axes.set_ylabel("pairs of units (%)")
    pairs = sorted({t.noise_correlation.size for _, t in drawn})
    n = " to ".join(f"{count:,}" for count in dict.fromkeys((pairs[0], pairs[-1])))
    axes.set_title(f"Correlations between units (means; n = {n} pairs)")
    axes.legend(loc="upper left")


def _signal(test: Variability) -> str:
    """Mean signal correlation in words; nothing where too few units are tuned."""
    if not np.isfinite(test.signal_mean):
        return ""
    return f", signal {number(test.signal_mean, 2)} ({number(test.signal_plain, 2)} measured)"


def draw_fields(figure: Figure, place: SubplotSpec, fields: Sequence[FieldShown]) -> None:
    """The clearest receptive fields as images, bright: on, dark: off."""
    grid = place.subgridspec(1, FIELDS_SHOWN, wspace=0.08)
    for number_shown, field in enumerate(fields):
        axes = figure.add_subplot(grid[number_shown])
        limit = float(np.abs(field.score).max()) or 1.0
        axes.imshow(field.score, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"unit {field.unit}: p = {field.p_value:.1g}", fontsize=7, color=INK)
        if number_shown == 0:
            axes.set_ylabel("receptive\nfields", fontsize=8)
