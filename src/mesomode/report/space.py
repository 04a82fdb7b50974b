"""Voxels seen from above: values and regions on the plane of ap and ml."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from scipy import ndimage

from mesomode.report.style import INK, region_colours


def region_index(region: np.ndarray, regions: list[dict[str, Any]]) -> np.ndarray:
    """Place of each voxel's region in the table of regions.

    Parameters
    ----------
    region : int array (voxel,)
        Structure ids.
    regions : list of dict
        Table with ``id``.

    Returns
    -------
    int array (voxel,)
        −1 for an id that is not in the table.
    """
    place = {int(record["id"]): i for i, record in enumerate(regions)}
    return np.array([place.get(int(i), -1) for i in region], dtype=np.int64)


class Dorsal:
    """The part of the plane (ap, ml) that voxels lie in, seen from above.

    Parameters
    ----------
    voxel : int array (voxel, 3)
        Indices [ap, dv, ml].
    resolution_um : float
        Edge of a voxel.
    margin : int
        Empty voxels around.
    """

    def __init__(self, voxel: np.ndarray, resolution_um: float, margin: int = 2) -> None:
        self.voxel = np.asarray(voxel)
        self.edge = resolution_um / 1000
        plane = self.voxel[:, [0, 2]]
        self.first = plane.min(axis=0) - margin
        self.shape = tuple(plane.max(axis=0) - self.first + 1 + margin)
        self.place = tuple((plane - self.first).T)
        top, left = self.first * self.edge
        height, width = np.array(self.shape) * self.edge
        self.extent = (left, left + width, top + height, top)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over depth.

        Parameters
        ----------
        values : float array (voxel,)
            NaN: unknown, left out.

        Returns
        -------
        float64 array (ap, ml)
            NaN where there is no voxel or none is known.
        """
        known = np.isfinite(values)
        total, count = np.zeros(self.shape), np.zeros(self.shape)
        np.add.at(total, self.place, np.where(known, values, 0.0))
        np.add.at(count, self.place, known)
        with np.errstate(invalid="ignore"):
            return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def maximum(self, values: np.ndarray) -> np.ndarray:
        """Largest value over depth; like :meth:`mean`."""
        largest = np.full(self.shape, -np.inf)
        np.maximum.at(largest, self.place, np.where(np.isfinite(values), values, -np.inf))
        return np.where(np.isfinite(largest), largest, np.nan)

    def uppermost(self, index: np.ndarray) -> np.ndarray:
        """Value of the voxel nearest to the surface; −1 where there is none."""
        image = np.full(self.shape, -1, dtype=np.int64)
        for voxel in np.argsort(-self.voxel[:, 1], kind="stable"):
            image[self.place[0][voxel], self.place[1][voxel]] = index[voxel]
        return image

    def show(self, axes: Axes, image: np.ndarray, **named: Any) -> AxesImage:
        """Draw an image (ap, ml) with the axes in mm."""
        drawn = axes.imshow(image, extent=self.extent, origin="upper", **named)
        axes.set_xlabel("medio-lateral (mm)")
        axes.set_ylabel("antero-posterior (mm)")
        return drawn

    def outline(self, axes: Axes, index: np.ndarray, **named: Any) -> None:
        """Draw the borders between the regions of an image (ap, ml); see :func:`borders`."""
        left, right, bottom, top = self.extent
        draw_borders(axes, index, self.edge, (top, left), **named)
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)


def borders(index: np.ndarray) -> np.ndarray:
    """Edges between pixels of different values.

    Parameters
    ----------
    index : int array (row, column)

    Returns
    -------
    int array (edge, 2, 2)
        Both ends [column, row] of each edge, in pixels from the corner of the image.
    """
    padded = np.pad(index, 1, constant_values=-1)
    row, column = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.stack([np.stack([column, row], 1), np.stack([column + 1, row], 1)], 1)
    row, column = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([np.stack([column, row], 1), np.stack([column, row + 1], 1)], 1)
    return np.concatenate([level, upright])


def draw_borders(
    axes: Axes,
    index: np.ndarray,
    edge: float,
    origin: tuple[float, float] = (0.0, 0.0),
    **named: Any,
) -> None:
    """Draw the borders between pixels of different values; ``origin`` is (y, x) of the corner."""
    lines = borders(index) * edge + np.array([origin[1], origin[0]])
    axes.add_collection(
        LineCollection(lines, **{"colors": INK, "linewidths": 0.7, "capstyle": "round", **named}),
        autolim=False,
    )


def region_centre(
    inside: np.ndarray, edge: float, origin: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float] | None:
    """The middle of a region's largest connected part, where a label can be read.

    Parameters
    ----------
    inside : bool array (row, column)
    edge : float
        Edge of a pixel.
    origin : (float, float)
        Position (y, x) of the image's corner.

    Returns
    -------
    (x, y) or None
        Centre of the part's pixel nearest to its mean position; of two equal parts that on
        the right. None if the region is empty.
    """
    parts, count = ndimage.label(inside)
    if not count:
        return None
    pieces = [np.argwhere(parts == part) for part in range(1, count + 1)]
    pixels = max(pieces, key=lambda piece: (len(piece), piece[:, 1].mean()))
    row, column = pixels[np.argmin(np.sum((pixels - pixels.mean(axis=0)) ** 2, axis=1))]
    return origin[1] + (column + 0.5) * edge, origin[0] + (row + 0.5) * edge


def clear_of(
    markers: np.ndarray,
    shape: tuple[int, ...],
    edge: float,
    origin: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Pixels about which an acronym touches no marker.

    An acronym is taken to be as wide as a ninth of the image and a third as high.

    Parameters
    ----------
    markers : float array (marker, 3)
        Places x, y and radii, in the unit of ``edge``.
    shape : (int, int)
        Rows and columns of the image.
    edge : float
        Of a pixel.
    origin : (float, float)
        Upper and left border of the image.

    Returns
    -------
    bool array (row, column)
    """
    x = origin[1] + (np.arange(shape[1]) + 0.5) * edge
    y = origin[0] + (np.arange(shape[0]) + 0.5) * edge
    wide = shape[1] * edge / 18
    free = np.ones(shape, dtype=bool)
    for across, down, radius in markers:
        beside = np.abs(x - across) > wide + radius
        above = np.abs(y - down) > wide / 3 + radius
        free &= beside[None, :] | above[:, None]
    return free


def dorsal_regions(
    axes: Axes,
    view: Dorsal,
    region: np.ndarray,
    regions: list[dict[str, Any]],
    *,
    filled: bool = True,
    names: bool = True,
    alpha: float = 1.0,
    avoid: np.ndarray | None = None,
) -> None:
    """Draw the regions of voxels seen from above, filled or as outlines, with acronyms.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    view : Dorsal
    region : int array (voxel,)
        Structure id of each of the view's voxels.
    regions : list of dict
        Table with ``id``, ``acronym`` and ``rgb``.
    filled, names : bool
    alpha : float
        Opacity of the filling.
    avoid : float array (marker, 3), optional
        Places x, y and radii in mm of markers that the acronyms keep clear of where they can.
    """
    top = view.uppermost(region_index(region, regions))
    if filled:
        colours = np.array([*region_colours(regions), (1.0, 1.0, 1.0)])
        image = np.concatenate([colours[top], np.where(top >= 0, alpha, 0.0)[..., None]], axis=2)
        view.show(axes, image)
    view.outline(axes, top, **({} if filled else {"colors": "white"}))
    if names:
        origin = (view.extent[3], view.extent[0])
        label_regions(axes, top, regions, view.edge, origin, avoid=avoid)


def label_regions(
    axes: Axes,
    index: np.ndarray,
    regions: list[dict[str, Any]],
    edge: float,
    origin: tuple[float, float] = (0.0, 0.0),
    least: int = 1,
    avoid: np.ndarray | None = None,
) -> None:
    """Write acronyms in the regions that have ``least`` pixels of an image of indices.

    They lie above all markers, and in pixels away from those of ``avoid`` (see
    :func:`dorsal_regions`) where a region has such pixels.
    """
    free = np.ones(index.shape, dtype=bool)
    if avoid is not None:
        free = clear_of(avoid, index.shape, edge, origin)
    for place, record in enumerate(regions):
        inside = index == place
        if (inside & free).any():
            centre = region_centre(inside & free, edge, origin)
        else:
            centre = region_centre(inside, edge, origin)
        if centre is not None and inside.sum() >= least:
            axes.text(
                *centre,
                record["acronym"],
                ha="center",
                va="center",
                fontsize=7,
                color=INK,
                bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.7},
                clip_on=True,
                zorder=4,
            )
