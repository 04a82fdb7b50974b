"""Figure of one voxel's connections: where it projects to, and what projects to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from mesomode.errors import DataError
from mesomode.report.flatmap import Flatmap
from mesomode.report.space import Dorsal, draw_borders, region_index
from mesomode.report.style import INK, PALE, new_figure, styled
from mesomode.report.truth import example_sources

AXES = ("antero-posterior", "dorso-ventral", "medio-lateral")
SHORT = ("ap", "dv", "ml")
SECTIONS = {"coronal": (0, 1, 2), "sagittal": (2, 1, 0), "horizontal": (1, 0, 2)}
"""Axes normal to each section, along its rows and along its columns."""


@dataclass(frozen=True)
class Connections:
    """Connections of one voxel by one model.

    Parameters
    ----------
    title : str
        ``"voxel model"``, ``"truth"``.
    outgoing : float array (target,)
        Weights from the source voxel.
    incoming : float array (source,) or None
        Weights to the target at the same place; None: there is no target there.
    """

    title: str
    outgoing: np.ndarray
    incoming: np.ndarray | None


class Section:
    """Voxels that lie in one plane of the grid.

    Parameters
    ----------
    voxel : int array (voxel, 3)
        Indices [ap, dv, ml]; all of them set the part of the plane that is shown.
    resolution_um : float
        Edge of a voxel.
    name : str
        A key of :data:`SECTIONS`.
    place : int
        Index of the plane along the axis normal to it.
    margin : int
        Empty voxels around.
    """

    def __init__(
        self, voxel: np.ndarray, resolution_um: float, name: str, place: int, margin: int = 1
    ) -> None:
        self.normal, self.row, self.column = SECTIONS[name]
        self.edge = resolution_um / 1000
        millimetres = (place + 0.5) * self.edge
        self.title = f"{name.capitalize()} at {SHORT[self.normal]} {millimetres:.2f} mm"
        plane = np.asarray(voxel)[:, [self.row, self.column]]
        self.inside = np.flatnonzero(np.asarray(voxel)[:, self.normal] == place)
        self.first = plane.min(axis=0) - margin
        self.shape = tuple(plane.max(axis=0) - self.first + 1 + margin)
        self.place = tuple((plane[self.inside] - self.first).T)
        top, left = self.first * self.edge
        height, width = np.array(self.shape) * self.edge
        self.extent = (left, left + width, top + height, top)

    def image(self, values: np.ndarray, outside: float = np.nan) -> np.ndarray:
        """Values of the voxels in the plane: (row, column); ``outside`` where there is none."""
        image = np.full(self.shape, outside, dtype=np.asarray(values).dtype)
        image[self.place] = np.asarray(values)[self.inside]
        return image

    def show(self, axes: Axes, image: np.ndarray, **named: Any) -> AxesImage:
        """Draw an image (row, column) with the axes in mm."""
        drawn = axes.imshow(image, extent=self.extent, origin="upper", **named)
        axes.set_xlabel(f"{AXES[self.column]} (mm)")
        axes.set_ylabel(f"{AXES[self.row]} (mm)")
        return drawn

    def outline(self, axes: Axes, index: np.ndarray, **named: Any) -> None:
        """Draw the borders between regions, given each voxel's place in their table."""
        left, right, bottom, top = self.extent
        draw_borders(axes, self.image(index, -1), self.edge, (top, left), **named)
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)


def source_at(
    wanted: Sequence[int] | None,
    voxel: np.ndarray,
    region: np.ndarray,
    regions: list[dict[str, Any]],
) -> int:
    """The source voxel to be shown.

    Parameters
    ----------
    wanted : (ap, dv, ml) or None
        Indices of a voxel; None: the most central one of the largest region.
    voxel : int array (source, 3)
    region : int array (source,)
        Structure ids.
    regions : list of dict
        Table with ``id``.

    Raises
    ------
    DataError
        The voxel is not a source; the nearest one is named.
    """
    if wanted is None:
        return int(example_sources(voxel, region, regions, 1)[0])
    distance = np.sum((np.asarray(voxel) - np.asarray(wanted)) ** 2, axis=1)
    nearest = int(distance.argmin())
    if distance[nearest]:
        raise DataError(
            f"the voxel {list(wanted)} is not a source voxel",
            why="it lies outside the regions of the atlas",
            remedy=f"set report.source_voxel to one of them (the nearest is "
            f"{np.asarray(voxel)[nearest].tolist()}), or to null",
        )
    return nearest


def target_at(source: int, source_voxel: np.ndarray, target_voxel: np.ndarray) -> int | None:
    """The target voxel at the place of a source voxel; None if there is none."""
    same = np.flatnonzero((target_voxel == source_voxel[source]).all(axis=1))
    return int(same[0]) if same.size else None


def sides(contralateral: np.ndarray | None, count: int) -> list[tuple[np.ndarray, str]]:
    """Targets of each hemisphere that has some, and what to add to a title.

    Between the hemispheres of cortex lies so much that both in one picture are small.
    """
    other = np.zeros(count, dtype=bool) if contralateral is None else np.asarray(contralateral)
    both = [(~other, ""), (other, ", other hemisphere")]
    return [(side, words) for side, words in both if side.any()]


def mirrored(place: np.ndarray, voxel: np.ndarray) -> np.ndarray:
    """The place of a voxel in the other hemisphere, given voxels that lie in both alike."""
    across = int(voxel[:, 2].min()) + int(voxel[:, 2].max())
    return np.array([place[0], place[1], across - place[2]])


def mark(axes: Axes, x: float, y: float) -> None:
    """Mark a position so that it is seen on any colour."""
    axes.plot(x, y, "+", ms=10, mew=3.4, color=INK, zorder=5)
    axes.plot(x, y, "+", ms=9, mew=1.6, color="white", zorder=6)


@styled
def draw_projection(
    connections: Sequence[Connections],
    source: int,
    *,
    source_voxel: np.ndarray,
    source_region: np.ndarray,
    target_voxel: np.ndarray,
    target_region: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
    contralateral: np.ndarray | None = None,
    flatmap: Flatmap | None = None,
) -> Figure:
    """Draw what a voxel projects to and what projects to it, from above and in three sections.

    Parameters
    ----------
    connections : sequence of Connections
        By one model, or by a model and the truth.
    source : int
        Number of the source voxel.
    source_voxel, target_voxel : int array (voxel, 3)
    source_region, target_region : int array (voxel,)
    regions : list of dict
    resolution_um : float
    contralateral : bool array (target,), optional
        Targets in the other hemisphere, which have rows of their own, through the mirrored place.
    flatmap : Flatmap, optional
        Cortex spread out, shown besides.

    Returns
    -------
    matplotlib.figure.Figure
    """
    acronyms = {record["id"]: record["acronym"] for record in regions}
    name = acronyms.get(int(source_region[source]), "?")
    place = source_voxel[source]
    rows: list[tuple[str, np.ndarray, np.ndarray, np.ndarray, float, np.ndarray]] = []
    for side, words in sides(contralateral, len(target_voxel)):
        outgoing = [(c.title, c.outgoing[side]) for c in connections]
        largest = max(float(np.max(v, initial=0.0)) for _, v in outgoing)
        at = place if not words else mirrored(place, target_voxel)
        rows += [
            (f"Projections of the voxel{words}: {by}", target_voxel[side], target_region[side],
             v, largest, at)
            for by, v in outgoing
        ]  # fmt: skip
    incoming = [(c.title, c.incoming) for c in connections if c.incoming is not None]
    largest = max((float(np.max(v)) for _, v in incoming), default=0.0)
    rows += [
        (f"Projections to the voxel: {by}", source_voxel, source_region, v, largest, place)
        for by, v in incoming
    ]
    figure = new_figure(
        13 if flatmap is None else 15.5,
        0.5 + 3.2 * len(rows),
        f"Connections of the voxel {place.tolist()} in {name} (+): "
        f"{' and '.join(c.title for c in connections)}",
    )
    parts: Any = np.ravel(figure.subfigures(len(rows), 1, squeeze=False))
    for part, (title, voxel, region, weights, largest, at) in zip(parts, rows, strict=True):
        heading = f"{title} (n = {len(voxel):,} voxels)"
        part.suptitle(heading, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
        _row(part, voxel, region, weights, largest, at, regions, resolution_um, flatmap)
    return figure


def _row(
    figure: Any,
    voxel: np.ndarray,
    region: np.ndarray,
    values: np.ndarray,
    largest: float,
    place: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
    flatmap: Flatmap | None = None,
) -> None:
    """Draw weights from above, on the flatmap and in three sections, on one scale."""
    index = region_index(region, regions)
    scale = Normalize(0, largest or 1.0)
    view = Dorsal(voxel, resolution_um)
    first = 1 if flatmap is None else 2
    panels = figure.subplots(1, first + 3)
    for axes in panels:
        axes.set_facecolor(PALE)
    values = np.asarray(values, dtype=np.float64)
    shown = view.show(panels[0], view.maximum(values), norm=scale)
    view.outline(panels[0], view.uppermost(index), colors="white")
    mark(panels[0], *((place[[2, 0]] + 0.5) * view.edge))
    panels[0].set_title("From above, maximum")
    if flatmap is not None:
        image, top = flatmap.maximum(values, voxel), flatmap.uppermost(index, voxel)
        flatmap.show(panels[1], image, top, norm=scale)
        pixel = flatmap.pixel_of(place)
        if pixel is not None:
            mark(panels[1], *pixel)
        panels[1].set_title("Flatmap, maximum")
    for axes, name in zip(panels[first:], SECTIONS, strict=True):
        section = Section(voxel, resolution_um, name, int(place[SECTIONS[name][0]]))
        section.show(axes, section.image(values), norm=scale)
        section.outline(axes, index, colors="white")
        mark(axes, *((place[[section.column, section.row]] + 0.5) * section.edge))
        axes.set_title(section.title)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_locator(MaxNLocator(4))
    label = "weight (projection\ndensity per injected voxel)"
    figure.colorbar(shown, ax=list(panels), label=label, shrink=0.85, pad=0.01)
