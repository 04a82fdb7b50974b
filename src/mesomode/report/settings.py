"""Settings of the stage ``report``."""

from __future__ import annotations

from typing import Annotated, Literal

from mesomode.settings import Field, SettingsBase

VoxelIndex = Annotated[int, Field(ge=0)]


class Settings(SettingsBase):
    """How the figures are drawn; nothing here changes a number."""

    dpi: int = Field(default=150, ge=50, le=600)
    """Resolution of the PNG figures in pixels an inch. Raise it for printing; the report grows."""

    svg_text: Literal["paths", "editable"] = "paths"
    """Letters in the SVG figures: 'paths' look the same everywhere, 'editable' can be changed in
    a drawing program that has the font DejaVu Sans."""

    example_units: int = Field(default=6, ge=1, le=30)
    """Number of units whose traces are shown as examples."""

    flatmap: str | None = None
    """File of the Allen Institute's cortical coordinates at 100 um (dorsal_flatmap_paths_100.h5 or
    top_view_paths_100.h5) on which the connections of a voxel are shown besides; only for the real
    atlas at that resolution. null: only seen from above and in sections."""

    source_voxel: tuple[VoxelIndex, VoxelIndex, VoxelIndex] | None = None
    """Indices [ap, dv, ml] of the source voxel whose connections are shown. null: the most
    central one of the largest region."""
