"""Figure of the low-rank model against its rank, beside the voxel model."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from mesomode.report.models import model_colour, model_marker
from mesomode.report.style import GREY, INK, new_figure, number, styled

PUBLISHED = (160, 0.13)
"""Rank and distance on the mouse visual system, Harris, Mihalas and Shea-Brown (2016)."""


@styled
def draw_ranks(
    rank: np.ndarray,
    distance: np.ndarray,
    truncated_distance: np.ndarray,
    objective: np.ndarray,
    voxel_objective: float,
    smoothing: float,
) -> Figure:
    """Draw distance to the voxel model and excess of the objective against the rank.

    Parameters
    ----------
    rank : int array (rank,)
    distance, objective : float array (rank, start)
        |U V^T − W|/|W|, and the objective of the regression.
    truncated_distance : float array (rank,)
        The least distance that any matrix of the rank can have.
    voxel_objective : float
        Objective of the voxel model.
    smoothing : float
        λ.

    Returns
    -------
    matplotlib.figure.Figure
    """
    nearest = int(np.argmin(distance.min(axis=1)))
    least = number(100 * distance[nearest].min())
    figure = new_figure(
        11, 4.6, f"The low-rank model comes within {least} % of the voxel model at rank "
        f"{rank[nearest]}",
    )  # fmt: skip
    left, right = figure.subplots(1, 2)
    colour, marker = model_colour("low_rank"), model_marker("low_rank")
    excess = (
        objective / voxel_objective - 1 if voxel_objective > 0 else np.full_like(objective, np.nan)
    )
    for axes, values in ((left, distance), (right, excess)):
        axes.plot(rank, 100 * values.mean(axis=1), color=colour, lw=1.2)
        for start in range(values.shape[1]):
            axes.plot(
                rank, 100 * values[:, start], marker, ms=5.5, color=colour, mec="white", mew=0.5,
                label=f"low-rank model (n = {values.shape[1]} starts)" if start == 0 else None,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks(rank, [f"{r}" for r in rank])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("rank")
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    left.plot(rank, 100 * truncated_distance, "--", color=INK, lw=1,
              label="best of that rank, signs free")  # fmt: skip
    left.set_ylabel("distance to the voxel model (%)")
    left.set_title("‖U Vᵀ − W‖/‖W‖")
    if rank.min() <= PUBLISHED[0] <= rank.max():
        left.plot([PUBLISHED[0]], [100 * PUBLISHED[1]], "x", color=GREY, ms=7, label="published")
    left.legend(loc="upper right")
    right.set_ylabel("excess over the voxel model (%)")
    right.set_title(f"Objective, λ = {number(smoothing)}")
    return figure
