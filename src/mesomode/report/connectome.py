"""Figures of the connectome: matrices, and how well they predict experiments held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from mesomode.report.space import region_index
from mesomode.report.style import INK, new_figure, styled

BLOCKS = 240
"""Most rows and columns of a matrix drawn; larger ones are averaged over blocks."""
ACROSS = 3
"""Most matrices beside each other."""
LETTERS = 0.042
"""Share of a matrix's edge that a name of a region needs beside others."""
RANGE = 1e3
"""Ratio of the largest to the smallest weight with a colour of its own."""


@dataclass(frozen=True)
class Blocks:
    """Rows or columns of a matrix, put in the order of the regions and grouped.

    Parameters
    ----------
    order : int array (voxel,)
        Voxels in the order drawn.
    starts : int array (block,)
        Place of the first voxel of each block; no block reaches into two regions.
    regions : int array (region,)
        Indices, into the table of regions, of the regions present.
    edges : int array (region + 1,)
        Places where they begin, and the end.
    """

    order: np.ndarray
    starts: np.ndarray
    regions: np.ndarray
    edges: np.ndarray

    @property
    def bounds(self) -> np.ndarray:
        """Places of the blocks' borders, the end included."""
        return np.append(self.starts, len(self.order))


def blocks_by_region(place: np.ndarray, most: int = BLOCKS) -> Blocks:
    """Group voxels into blocks of one region each.

    Parameters
    ----------
    place : int array (voxel,)
        Index of each voxel's region in the table of regions.
    most : int
        About the largest number of blocks.

    Returns
    -------
    Blocks
    """
    order = np.argsort(place, kind="stable")
    regions, first = np.unique(place[order], return_index=True)
    edges = np.append(first, len(place))
    size = -(-len(place) // most)
    starts = np.concatenate([np.arange(first, last, size) for first, last in pairwise(edges)])
    return Blocks(order, starts, regions, edges)


def block_means(matrix: Any, rows: Blocks, columns: Blocks, chunk: int = 512) -> np.ndarray:
    """Mean of a matrix over blocks of rows and columns.

    Parameters
    ----------
    matrix : array (target, source)
        Sliceable by rows; read ``chunk`` rows at a time. NaN is left out.
    rows, columns : Blocks
    chunk : int

    Returns
    -------
    float64 array (row block, column block)
        NaN where nothing is known.
    """
    total = np.zeros((len(rows.starts), len(columns.starts)))
    count = np.zeros_like(total)
    block = np.empty(len(rows.order), dtype=np.int64)
    block[rows.order] = np.repeat(np.arange(len(rows.starts)), np.diff(rows.bounds))
    for start in range(0, len(block), chunk):
        part = np.asarray(matrix[start : start + chunk], dtype=np.float64)[:, columns.order]
        known = np.isfinite(part)
        sums = np.add.reduceat(np.where(known, part, 0.0), columns.starts, axis=1)
        numbers = np.add.reduceat(known.astype(float), columns.starts, axis=1)
        np.add.at(total, block[start : start + chunk], sums)
        np.add.at(count, block[start : start + chunk], numbers)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan)


def whole_regions(blocks: Blocks) -> Blocks:
    """The same voxels with one block a region."""
    return Blocks(blocks.order, blocks.edges[:-1], blocks.regions, blocks.edges)


def apart(places: np.ndarray, least: float) -> np.ndarray:
    """Places moved as little as is needed to be ``least`` apart, in the same order.

    Parameters
    ----------
    places : float array (label,)
        Increasing.
    least : float
        Distance wanted.

    Returns
    -------
    float64 array (label,)
    """
    moved = np.array(places, dtype=np.float64)
    groups = [[i] for i in range(len(moved))]
    merged = True
    while merged:
        merged = False
        for one, two in pairwise(range(len(groups))):
            first, second = groups[one], groups[two]
            if moved[second[0]] - moved[first[-1]] < least * (1 - 1e-9):
                group = [*first, *second]
                centre = float(np.mean(np.asarray(places)[group]))
                moved[group] = centre + least * (np.arange(len(group)) - (len(group) - 1) / 2)
                groups[one : two + 1] = [group]
                merged = True
                break
    return moved


def weight_colours(*matrices: np.ndarray) -> Normalize:
    """One logarithmic colour scale for several matrices."""
    largest = max((float(np.nanmax(m)) for m in matrices if np.isfinite(m).any()), default=0.0)
    return LogNorm(largest / RANGE, largest, clip=True) if largest > 0 else Normalize(0, 1)


def draw_blocks(
    axes: Axes,
    means: np.ndarray,
    rows: Blocks,
    columns: Blocks,
    regions: list[dict[str, Any]],
    colours: Normalize,
) -> Any:
    """Draw block means at the voxels' places, with the borders of the regions."""
    shown = axes.pcolormesh(columns.bounds, rows.bounds, means, norm=colours, rasterized=True)
    axes.set_ylim(rows.bounds[-1], 0)
    axes.set_aspect("equal" if rows.bounds[-1] == columns.bounds[-1] else "auto")
    for edge in columns.edges[1:-1]:
        axes.axvline(edge, color="white", lw=0.5)
    for edge in rows.edges[1:-1]:
        axes.axhline(edge, color="white", lw=0.5)
    for axis, blocks in ((axes.xaxis, columns), (axes.yaxis, rows)):
        middle = (blocks.edges[:-1] + blocks.edges[1:]) / 2
        axis.set_ticks(
            apart(middle, blocks.edges[-1] * LETTERS),
            [regions[i]["acronym"] for i in blocks.regions],
        )
        axis.set_tick_params(length=0, labelsize=7 if len(middle) <= 1 / LETTERS else 4)
    axes.tick_params(axis="x", rotation=90)
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.set_xlabel(f"source voxels (n = {len(columns.order):,})")
    axes.set_ylabel(f"target voxels (n = {len(rows.order):,})")
    return shown


def draw_regions(
    axes: Axes,
    means: np.ndarray,
    rows: Blocks,
    columns: Blocks,
    regions: list[dict[str, Any]],
    colours: Normalize,
) -> AxesImage:
    """Draw a region-by-region matrix with equal cells."""
    shown = axes.imshow(means, norm=colours, aspect="equal")
    for axis, blocks in ((axes.xaxis, columns), (axes.yaxis, rows)):
        sizes = np.diff(blocks.edges)
        axis.set_ticks(
            range(len(sizes)),
            [
                f"{regions[i]['acronym']} ({n:,})"
                for i, n in zip(blocks.regions, sizes, strict=True)
            ],
        )
        axis.set_tick_params(length=0, labelsize=7 if len(sizes) <= 1 / LETTERS else 4)
    axes.tick_params(axis="x", rotation=90)
    axes.set_xlabel("source region (n voxels)")
    axes.set_ylabel("target region (n voxels)")
    return shown


@styled
def draw_connectome(
    models: Sequence[tuple[str, Any]],
    target_region: np.ndarray,
    contralateral: np.ndarray,
    source_region: np.ndarray,
    regions: list[dict[str, Any]],
) -> Figure:
    """Draw connectomes as matrices in the order of the regions, and region by region.

    Parameters
    ----------
    models : sequence of (name, weights)
        Weights (target, source), sliceable by rows.
    target_region : int array (target,)
        Structure ids.
    contralateral : bool array (target,)
        Whether a target lies in the other hemisphere; such targets have rows of their own.
    source_region : int array (source,)
        Structure ids.
    regions : list of dict
        Table with ``id`` and ``acronym``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    place = region_index(target_region, regions) + len(regions) * contralateral
    rows = blocks_by_region(place)
    regions = [*regions, *({**r, "acronym": f"{r['acronym']} contra"} for r in regions)]
    columns = blocks_by_region(region_index(source_region, regions[: len(regions) // 2]))
    fine = [block_means(weights, rows, columns) for _, weights in models]
    coarse = [block_means(w, whole_regions(rows), whole_regions(columns)) for _, w in models]
    across = min(ACROSS, len(models))
    lines = -(-len(models) // across)
    width = 5.4 if across < ACROSS else 4.6
    figure = new_figure(
        width * across, 0.4 + 1.7 * width * lines, "Weights from source (column) to target (row)"
    )
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    for part, means, draw, what in (
        (parts[0], fine, draw_blocks, "voxels"),
        (parts[1], coarse, draw_regions, "region by region"),
    ):
        # a model that is far off does not set the scale of the others
        colours = weight_colours(means[0])
        panels = part.subplots(lines, across, squeeze=False).ravel()
        for axes in panels[len(models) :]:
            axes.set_axis_off()
        for axes, values, (name, _) in zip(panels, means, models, strict=False):
            shown = draw(axes, values, rows, columns, regions, colours)
            axes.set_title(f"{name}: {what}")
        bar = part.colorbar(shown, ax=list(panels), shrink=0.8, extend="both", pad=0.02)
        bar.set_label("mean weight\n(projection density per injected voxel)")
    return figure


def density_of(
    horizontal: np.ndarray, vertical: np.ndarray, bins: int = 80
) -> tuple[np.ndarray, np.ndarray]:
    """Count pairs on a square logarithmic grid; values below the range are in the first bin.

    Parameters
    ----------
    horizontal, vertical : float array
        Equally long; NaN is left out.
    bins : int

    Returns
    -------
    counts : float64 array (vertical bin, horizontal bin)
    edges : float64 array (bin + 1,)
        The same for both axes.
    """
    x, y = np.ravel(horizontal), np.ravel(vertical)
    known = np.isfinite(x) & np.isfinite(y)
    largest = max(float(x[known].max(initial=0.0)), float(y[known].max(initial=0.0)), 1e-12)
    edges = np.geomspace(largest / 1e4, largest * (1 + 1e-9), bins + 1)
    counts = np.zeros((bins, bins))
    logarithm = np.log(edges)
    step = logarithm[1] - logarithm[0]
    for start in range(0, len(x), 1 << 20):
        part = slice(start, start + (1 << 20))
        chosen = known[part]
        columns, rows = (
            np.clip(
                ((np.log(np.maximum(v[part][chosen], edges[0])) - logarithm[0]) / step).astype(int),
                0,
                bins - 1,
            )
            for v in (x, y)
        )
        np.add.at(counts, (rows, columns), 1.0)
    return counts, edges


def draw_density(
    axes: Axes,
    counts: np.ndarray,
    edges: np.ndarray,
    labels: tuple[str, str],
    most: float | None = None,
) -> Any:
    """Draw counts on a logarithmic grid with the line of equality; ``most`` ends the colours."""
    shown = axes.pcolormesh(
        edges, edges, np.where(counts > 0, counts, np.nan),
        norm=LogNorm(1, max(most or counts.max(), 2)), rasterized=True,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot(edges[[0, -1]], edges[[0, -1]], color=INK, lw=0.8, ls="--")
    axes.set_aspect("equal")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    return shown
