"""Film of a source voxel that moves across a region, with its projections from above."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image  # matplotlib brings it along

from mesomode.report.projection import mark
from mesomode.report.space import Dorsal, dorsal_regions, region_index
from mesomode.report.style import PALE, new_figure, styled

FRAMES = 36
PER_SECOND = 6
DPI = 80


def sweep(voxel: np.ndarray, frames: int = FRAMES) -> np.ndarray:
    """A path of voxels back and forth across a region, seen from above.

    Parameters
    ----------
    voxel : int array (voxel, 3)
        Indices [ap, dv, ml] of the region's voxels.
    frames : int
        Most voxels on the path.

    Returns
    -------
    int array (frame,)
        Numbers of voxels: rows of ap from front to back, every other one from the other side,
        at each place the voxel half-way down.
    """
    columns: dict[tuple[int, int], list[int]] = {}
    for number in np.argsort(voxel[:, 1], kind="stable"):
        columns.setdefault((int(voxel[number, 0]), int(voxel[number, 2])), []).append(int(number))
    rows = sorted({ap for ap, _ in columns})
    wanted = min(len(rows), max(1, round(frames**0.5)))
    kept = [rows[int((i + 0.5) * len(rows) / wanted)] for i in range(wanted)]
    path: list[int] = []
    for turn, ap in enumerate(kept):
        across = sorted((place for place in columns if place[0] == ap), reverse=turn % 2 == 1)
        path += [columns[place][len(columns[place]) // 2] for place in across]
    if len(path) > frames:
        path = [path[int((i + 0.5) * len(path) / frames)] for i in range(frames)]
    return np.array(path, dtype=np.int64)


@styled
def draw_sweep(
    panels: Sequence[tuple[str, np.ndarray]],
    path: np.ndarray,
    *,
    source_voxel: np.ndarray,
    source_region: np.ndarray,
    target_voxel: np.ndarray,
    target_region: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
) -> tuple[Figure, Any]:
    """Draw the first frame, and make what draws the others.

    Parameters
    ----------
    panels : sequence of (title, weights)
        Weights (target, frame) from the source voxels of the path, by a model or the truth.
    path : int array (frame,)
        Numbers of the source voxels.
    source_voxel, target_voxel : int array (voxel, 3)
    source_region, target_region : int array (voxel,)
    regions : list of dict
    resolution_um : float

    Returns
    -------
    matplotlib.figure.Figure
    callable
        Takes the number of a frame and changes the figure to it.
    """
    view = Dorsal(target_voxel, resolution_um)
    acronyms = {record["id"]: record["acronym"] for record in regions}
    films = [np.stack([view.maximum(w) for w in weights.T]) for _, weights in panels]
    largest = max(float(np.nanmax(film, initial=0.0)) for film in films) or 1.0
    figure = new_figure(0.9 + 4.0 * len(panels), 4.3, " ")
    images, crosses = [], []
    axes_of = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, _), film in zip(axes_of, panels, films, strict=True):
        axes.set_facecolor(PALE)
        image = view.show(axes, film[0], vmin=0, vmax=largest)
        dorsal_regions(
            axes, view, target_region, regions, filled=False,
            names=region_index(target_region, regions).max() < 12,
        )  # fmt: skip
        mark(axes, 0.0, 0.0)
        images.append(image)
        crosses.append(axes.lines[-2:])
        axes.set_title(title)
    figure.colorbar(images[-1], ax=list(axes_of), label="weight, largest over depth", shrink=0.85)

    def show(frame: int) -> None:
        source = int(path[frame])
        place = source_voxel[source]
        x, y = (place[[2, 0]] + 0.5) * view.edge
        for image, film, cross in zip(images, films, crosses, strict=True):
            image.set_data(film[frame])
            for line in cross:
                line.set_data([x], [y])
        name = acronyms.get(int(source_region[source]), "?")
        figure.suptitle(
            f"Projections of the voxel {place.tolist()} in {name} (+)", x=0.01, ha="left",
            fontweight="bold", fontsize=11,
        )  # fmt: skip

    show(0)
    return figure, show


@styled
def save_film(figure: Figure, show: Any, frames: int, path: Path, dpi: int = DPI) -> None:
    """Write the frames as a GIF that starts again at its end; equal frames give equal bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    show : callable
        Changes the figure to a frame.
    frames : int
    path : Path
    dpi : int
        Pixels an inch.
    """
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(dpi)
    canvas.draw()
    figure.set_layout_engine("none")  # laid out once: nothing may jump from frame to frame
    images = []
    for frame in range(frames):
        show(frame)
        canvas.draw()
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    images[0].save(
        path, format="GIF", save_all=True, append_images=images[1:], loop=0,
        duration=round(1000 / PER_SECOND),
    )  # fmt: skip
