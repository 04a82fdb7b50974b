"""Figure of the atlas: slices through the regions, and the source voxels from above."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mesomode.report.space import (
    Dorsal,
    dorsal_regions,
    draw_borders,
    label_regions,
    region_index,
)
from mesomode.report.style import new_figure, region_colours, styled

AXIS_NAMES = ("antero-posterior", "dorso-ventral", "medio-lateral")
MARGIN = 1.2
"""What is shown around the regions, in mm."""
PLANES = (("Coronal", 0, 1, 2), ("Sagittal", 2, 1, 0), ("Horizontal", 1, 0, 2))
"""Name, axis that is cut, axis drawn downwards, axis drawn rightwards."""


@styled
def draw_atlas(
    template: np.ndarray,
    source_voxel: np.ndarray,
    source_region: np.ndarray,
    target_voxel: np.ndarray,
    target_region: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
) -> Figure:
    """Draw three slices of the template with the regions, and the sources from above.

    Parameters
    ----------
    template : array (ap, dv, ml)
        Intensity of the average brain.
    source_voxel, target_voxel : int array (voxel, 3)
        Indices [ap, dv, ml].
    source_region, target_region : int array (voxel,)
        Structure id of each.
    regions : list of dict
        Table with ``id``, ``acronym``, ``rgb`` and ``sources``.
    resolution_um : float
        Edge of a voxel.

    Returns
    -------
    matplotlib.figure.Figure
    """
    volume = np.full(template.shape, -1, dtype=np.int64)
    volume[tuple(target_voxel.T)] = region_index(target_region, regions)
    volume[tuple(source_voxel.T)] = region_index(source_region, regions)
    figure = new_figure(
        10,
        8.2,
        f"{len(source_voxel):,} source and {len(target_voxel):,} target voxels of "
        f"{resolution_um:g} µm in {len(regions)} regions",
    )
    panels = figure.subplots(2, 2)
    brightest = np.percentile(template[template > 0], 99.5) if template.any() else 1
    for axes, (name, cut, down, right) in zip(panels.flat, PLANES, strict=False):
        counts = np.bincount(source_voxel[:, cut])
        _slice(axes, template, volume, regions, resolution_um, (cut, down, right), brightest,
               int(counts.argmax()), name)  # fmt: skip
    axes = panels[1, 1]
    view = Dorsal(source_voxel, resolution_um)
    dorsal_regions(axes, view, source_region, regions)
    axes.set_title(f"Sources from above (n = {len(source_voxel):,} voxels)")
    return figure


def _slice(
    axes: Axes,
    template: np.ndarray,
    volume: np.ndarray,
    regions: list[dict[str, Any]],
    resolution_um: float,
    plane: tuple[int, int, int],
    brightest: float,
    index: int,
    name: str,
) -> None:
    """Draw one slice, ``plane`` being the axes cut, downwards and rightwards."""
    cut, down, right = plane
    edge = resolution_um / 1000
    order = (cut, down, right)
    background = template.transpose(order)[index]
    inside = volume.transpose(order)[index]
    extent = (0.0, background.shape[1] * edge, background.shape[0] * edge, 0.0)
    colours = np.array([*region_colours(regions), (1.0, 1.0, 1.0)])
    overlay = np.concatenate([colours[inside], np.where(inside >= 0, 0.8, 0.0)[..., None]], axis=2)
    whole = axes.inset_axes((0.0, 0.0, 0.3, 0.3))
    for panel in (axes, whole):
        panel.imshow(background, cmap="gray", vmin=0, vmax=brightest, extent=extent)
        panel.imshow(overlay, extent=extent)
    draw_borders(axes, inside, edge, colors="white")
    label_regions(axes, inside, regions, edge, least=4)
    rows, columns = np.nonzero(inside >= 0)
    limits = []
    for pixels, end in ((columns, extent[1]), (rows, extent[2])):
        low, high = pixels.min() * edge - MARGIN, (pixels.max() + 1) * edge + MARGIN
        limits.append((max(low, 0.0), min(high, end)))
    (left, right_end), (top, bottom) = limits
    axes.set_xlim(left, right_end)
    axes.set_ylim(bottom, top)
    whole.set_xticks([])
    whole.set_yticks([])
    whole.add_patch(
        Rectangle((left, top), right_end - left, bottom - top, fill=False, ec="white", lw=0.8)
    )
    for spine in whole.spines.values():
        spine.set(visible=True, color="white")
    axes.set_xlabel(f"{AXIS_NAMES[right]} (mm)")
    axes.set_ylabel(f"{AXIS_NAMES[down]} (mm)")
    axes.set_title(f"{name}, {AXIS_NAMES[cut]} {(index + 0.5) * edge:.2f} mm")
