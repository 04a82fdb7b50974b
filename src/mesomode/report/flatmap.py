"""Cortex spread out: voxels along the paths from pia to white matter, on a plane."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from mesomode.errors import DataError
from mesomode.report.space import draw_borders

SHAPE = (132, 80, 114)
"""Grid of the Common Coordinate Framework at 100 µm, to which the paths of the Allen Institute's
cortical coordinates (``dorsal_flatmap_paths_100.h5``, ``top_view_paths_100.h5``) refer."""
MARGIN = 3


class Flatmap:
    """Pixels, each with a path through the voxels of cortex.

    Parameters
    ----------
    lookup : int array (row, column)
        Number of the pixel's path; −1: none.
    paths : int array (path, step)
        Voxels along each path from the surface down, as places in the grid laid out row by row
        (ap, dv, ml); 0 fills up.
    shape : (int, int, int)
        Of the atlas that the voxels are of.

    Raises
    ------
    DataError
        The atlas is not the Common Coordinate Framework at 100 µm.
    """

    def __init__(self, lookup: np.ndarray, paths: np.ndarray, shape: tuple[int, ...]) -> None:
        if tuple(shape) != SHAPE:
            raise DataError(
                f"the flatmap does not fit an atlas of {' x '.join(map(str, shape))} voxels",
                where="report.flatmap",
                why=f"its paths are those of the real mouse brain at 100 um, {SHAPE}",
                remedy="use it with source: allen and fetch.resolution_um: 100, or set it to null",
            )
        self.lookup, self.paths = np.asarray(lookup), np.asarray(paths, dtype=np.int64)

    def _along(self, values: np.ndarray, voxel: np.ndarray, nothing: float) -> np.ndarray:
        """Values of the voxels on each path: (path, step); ``nothing`` where there is none."""
        grid = np.full(np.prod(SHAPE), nothing, dtype=np.asarray(values).dtype)
        grid[np.ravel_multi_index(tuple(np.asarray(voxel, dtype=np.int64).T), SHAPE)] = values
        along = grid[self.paths]
        along[self.paths == 0] = nothing
        return along

    def maximum(self, values: np.ndarray, voxel: np.ndarray) -> np.ndarray:
        """Largest value along each pixel's path.

        Parameters
        ----------
        values : float array (voxel,)
        voxel : int array (voxel, 3)
            Indices [ap, dv, ml].

        Returns
        -------
        float64 array (row, column)
            NaN where the path meets no voxel.
        """
        along = self._along(np.asarray(values, dtype=np.float64), voxel, -np.inf)
        largest = np.append(along.max(axis=1), -np.inf)[self.lookup]
        return np.where(np.isfinite(largest), largest, np.nan)

    def uppermost(self, index: np.ndarray, voxel: np.ndarray) -> np.ndarray:
        """Value of the first voxel on each pixel's path, (row, column); −1 where there is none."""
        along = self._along(np.asarray(index, dtype=np.int64), voxel, -1)
        first = np.argmax(along >= 0, axis=1)
        found = along[np.arange(len(along)), first]
        return np.append(found, -1)[self.lookup]

    def pixel_of(self, place: np.ndarray) -> tuple[float, float] | None:
        """Mean column and row of the pixels whose paths go through a voxel; None: none does."""
        wanted = int(np.ravel_multi_index(tuple(int(i) for i in place), SHAPE))
        on = np.append((self.paths == wanted).any(axis=1), False)[self.lookup]
        rows, columns = np.nonzero(on)
        return (float(columns.mean() + 0.5), float(rows.mean() + 0.5)) if rows.size else None

    def show(self, axes: Axes, image: np.ndarray, index: np.ndarray, **named: Any) -> AxesImage:
        """Draw an image (row, column) with the borders of regions, cut to what is in it."""
        height, width = image.shape
        drawn = axes.imshow(image, extent=(0, width, height, 0), origin="upper", **named)
        draw_borders(axes, index, 1.0, colors="white")
        rows, columns = np.nonzero(index >= 0)
        if rows.size:
            axes.set_xlim(columns.min() - MARGIN, columns.max() + 1 + MARGIN)
            axes.set_ylim(rows.max() + 1 + MARGIN, rows.min() - MARGIN)
        axes.set_xticks([])
        axes.set_yticks([])
        return drawn
