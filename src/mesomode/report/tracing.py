"""Figures of the tracer experiments: what was kept, where they are, what they cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mesomode.report.space import Dorsal, dorsal_regions, region_index
from mesomode.report.style import BLUE, GREY, INK, PALE, new_figure, region_colours, styled

LARGEST_MARKER = 260.0
"""Area of the marker of the largest injection, in square points."""


@styled
def draw_injections(
    *,
    source_voxel: np.ndarray,
    source_region: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
    centroid: np.ndarray,
    volume: np.ndarray,
    primary_region: np.ndarray,
    flipped: np.ndarray,
    injection_density: np.ndarray,
    observed: np.ndarray,
    reasons: Sequence[str],
    candidate_reason: np.ndarray,
    candidate_volume: np.ndarray,
    candidate_fraction_inside: np.ndarray,
    limits: Mapping[str, float],
) -> Figure:
    """Draw where the injections are, how large X and Y are, and what was dropped.

    Parameters
    ----------
    source_voxel : int array (source, 3)
    source_region : int array (source,)
    regions : list of dict
    resolution_um : float
    centroid : float array (experiment, 3)
        Centres of the injections [ap, dv, ml] in µm, all in the right hemisphere.
    volume : float array (experiment,)
        Injected volumes in mm³.
    primary_region : int array (experiment,)
    flipped : bool array (experiment,)
        Whether an experiment was mirrored.
    injection_density : float array (source, experiment)
        X.
    observed : bool array (target, experiment)
        Ω.
    reasons : sequence of str
        Meanings of the codes.
    candidate_reason : int array (candidate,)
        Code of every experiment looked at.
    candidate_volume, candidate_fraction_inside : float array (candidate,)
        NaN: not computed.
    limits : mapping
        ``maximum_injection_volume`` and ``minimum_fraction_inside``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    kept, looked_at = len(volume), len(candidate_reason)
    figure = new_figure(
        11,
        8.4,
        f"{kept} of {looked_at} tracer experiments kept, {int(flipped.sum())} of them mirrored",
    )
    panels = figure.subplots(2, 2, width_ratios=(1.1, 1))
    colours = region_colours(regions)
    place = region_index(primary_region, regions)
    view = Dorsal(source_voxel, resolution_um)
    _where(panels[0, 0], view, source_region, regions, centroid, volume, place, flipped)
    _reasons(panels[0, 1], reasons, candidate_reason)
    _sizes(panels[1, 0], injection_density, observed, place, colours)
    _selection(
        panels[1, 1], candidate_reason, candidate_volume, candidate_fraction_inside, reasons, limits
    )
    return figure


def _where(
    axes: Axes,
    view: Dorsal,
    source_region: np.ndarray,
    regions: list[dict[str, Any]],
    centroid: np.ndarray,
    volume: np.ndarray,
    place: np.ndarray,
    flipped: np.ndarray,
) -> None:
    area = np.maximum(LARGEST_MARKER * np.asarray(volume) / max(float(np.max(volume)), 1e-9), 6)
    # about how many mm a point is, the panel being four inches high
    radius = np.sqrt(area / np.pi) * view.shape[0] * view.edge / (4.0 * 72)
    markers = np.column_stack([centroid[:, [2, 0]] / 1000, radius])
    dorsal_regions(axes, view, source_region, regions, alpha=0.25, avoid=markers)
    axes.set_xlabel("medio-lateral (mm)")
    axes.set_ylabel("antero-posterior (mm)")
    colours = np.array(region_colours(regions))
    for side, marker in ((False, "o"), (True, "D")):
        chosen = np.asarray(flipped) == side
        axes.scatter(
            centroid[chosen, 2] / 1000,
            centroid[chosen, 0] / 1000,
            s=area[chosen],
            c=colours[place[chosen]],
            marker=marker,
            edgecolors=INK,
            linewidths=0.8,
            alpha=0.85,
            zorder=3,
        )
    largest = float(np.max(volume))
    handles = [
        Line2D([], [], ls="", marker=m, mfc="white", mec=INK, ms=7, label=text)
        for m, text in (("o", "injected right"), ("D", "injected left, mirrored"))
    ]
    handles += [
        Line2D([], [], ls="", marker="o", mfc=PALE, mec=INK, ms=np.sqrt(LARGEST_MARKER * f),
               label=f"{largest * f:.2g} mm³")
        for f in (0.25, 1.0)
    ]  # fmt: skip
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, columnspacing=1
    )
    axes.set_title(f"Injections from above (n = {len(volume)})")


def _reasons(axes: Axes, reasons: Sequence[str], candidate_reason: np.ndarray) -> None:
    counts = np.bincount(candidate_reason, minlength=len(reasons))
    shown = [code for code in range(len(reasons)) if counts[code]]
    bars = axes.barh(
        [reasons[code].replace("_", " ") for code in shown],
        counts[shown],
        color=[BLUE if reasons[code] == "kept" else GREY for code in shown],
    )
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("experiments")
    axes.set_title(f"Why kept or dropped (n = {len(candidate_reason)})")


def _sizes(
    axes: Axes,
    injection_density: np.ndarray,
    observed: np.ndarray,
    place: np.ndarray,
    colours: list[tuple[float, float, float]],
) -> None:
    reached = np.sum(injection_density > 0, axis=0)
    order = np.argsort(-reached, kind="stable")
    position = np.arange(len(order))
    axes.bar(position, reached[order], color=[colours[i] for i in place[order]], width=0.8)
    axes.set_xlabel("experiment, by size")
    axes.set_ylabel("source voxels reached")
    axes.set_xlim(-0.7, len(order) - 0.3)
    sources, experiments = injection_density.shape
    axes.set_title(f"Size of the injections (n = {experiments})")
    text = (
        f"X: {sources:,} × {experiments}, {np.mean(injection_density > 0):.1%} not zero\n"
        f"Y: {observed.shape[0]:,} × {experiments}, {observed.mean():.1%} observed"
    )
    axes.text(0.98, 0.95, text, transform=axes.transAxes, ha="right", va="top")


def _selection(
    axes: Axes,
    reason: np.ndarray,
    volume: np.ndarray,
    fraction: np.ndarray,
    reasons: Sequence[str],
    limits: Mapping[str, float],
) -> None:
    known = np.isfinite(fraction)
    kept = reason == list(reasons).index("kept")
    for chosen, colour, text in ((kept, BLUE, "kept"), (~kept, GREY, "dropped")):
        shown = chosen & known
        axes.scatter(
            volume[shown], fraction[shown], s=18, c=colour, label=f"{text} (n = {shown.sum()})"
        )
    axes.axvline(limits["maximum_injection_volume"], color=INK, ls="--", lw=0.8)
    axes.axhline(limits["minimum_fraction_inside"], color=INK, ls="--", lw=0.8)
    axes.set_xlabel("injected volume (mm³)")
    axes.set_ylabel("fraction inside the regions")
    axes.set_ylim(-0.03, 1.05)
    axes.set_xlim(left=0)
    title = "Limits of the selection"
    if not known.all():
        title += f" ({np.sum(~known)} not measured)"
    axes.set_title(title)
    axes.legend(loc="lower center")


@styled
def draw_coverage(
    *,
    source_voxel: np.ndarray,
    source_region: np.ndarray,
    target_voxel: np.ndarray,
    target_region: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
    injection_density: np.ndarray,
    observed: np.ndarray,
) -> Figure:
    """Draw how many experiments reach each source voxel and observe each target voxel.

    Parameters
    ----------
    source_voxel, target_voxel : int array (voxel, 3)
    source_region, target_region : int array (voxel,)
    regions : list of dict
    resolution_um : float
    injection_density : float array (source, experiment)
        X.
    observed : bool array (target, experiment)
        Ω.

    Returns
    -------
    matplotlib.figure.Figure
    """
    reach = np.sum(injection_density > 0, axis=1)
    experiments = injection_density.shape[1]
    seen = observed.mean(axis=1)
    uncovered = int(np.sum(reach == 0))
    figure = new_figure(
        11,
        8,
        f"{np.mean(reach > 0):.0%} of the source voxels are reached by an injection, "
        f"{uncovered:,} are not",
    )
    panels = figure.subplots(2, 2)
    for axes, voxel, region, values, label, title in (
        (panels[0, 0], source_voxel, source_region, reach, "experiments, mean over depth",
         "Sources: injections that reach them"),
        (panels[0, 1], target_voxel, target_region, 100 * seen, "observed (% of experiments)",
         "Targets: how often observed"),
    ):  # fmt: skip
        view = Dorsal(voxel, resolution_um)
        image = view.show(axes, view.mean(values), vmin=0)
        if title.startswith("Targets"):
            image.set_clim(0, 100)
        dorsal_regions(axes, view, region, regions, filled=False)
        figure.colorbar(image, ax=axes, label=label, shrink=0.85)
        axes.set_title(f"{title} (n = {len(voxel):,})")
    axes = panels[1, 0]
    counts = np.bincount(reach)
    axes.bar(np.arange(len(counts)), counts, color=[GREY, *[BLUE] * (len(counts) - 1)])
    axes.set_xlabel("injections that reach a source voxel")
    axes.set_ylabel("source voxels")
    axes.set_title(f"Coverage (n = {len(reach):,} voxels, {experiments} experiments)")
    axes = panels[1, 1]
    place = region_index(source_region, regions)
    shares = [100 * np.mean(reach[place == i] > 0) if (place == i).any() else np.nan
              for i in range(len(regions))]  # fmt: skip
    axes.bar(range(len(regions)), shares, color=region_colours(regions))
    axes.set_xticks(
        range(len(regions)),
        [f"{r['acronym']}, n = {np.sum(place == i):,}" for i, r in enumerate(regions)],
        rotation=90,
        fontsize=8 if len(regions) <= 16 else 5,
    )
    axes.set_ylim(0, 105)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("source voxels reached (%)")
    axes.set_title("Coverage of the regions (n: source voxels)")
    return figure
