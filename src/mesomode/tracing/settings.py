"""Settings of the stage ``tracing``."""

from __future__ import annotations

from typing import Literal

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """Which tracer experiments are used, and what of them counts as observed."""

    transgenic_lines: Literal["wild type", "any"] | tuple[str, ...] = "wild type"
    """'wild type' (anterograde tracing of all cells), 'any', or a list of names of Cre lines.
    The lines must have been fetched (fetch.transgenic_lines)."""

    minimum_fraction_inside: float = Field(default=0.95, ge=0, le=1)
    """Least fraction of the injected volume inside the source regions. Lower it to keep more
    experiments at the price of projections that start elsewhere."""

    maximum_injection_volume: float = Field(default=0.7, gt=0)
    """Largest injection, in mm³. Large injections say little about where a projection starts."""

    minimum_injection_voxels: int = Field(default=3, ge=1)
    """Least number of source voxels an injection must reach."""

    injection_shell: int = Field(default=0, ge=0, le=10)
    """Voxels around the injection that are treated as unobserved besides the injection itself,
    where local axons cannot be told from cell bodies."""

    data_mask_threshold: float = Field(default=0.5, ge=0, le=1)
    """Least fraction of valid tissue (data mask) for a voxel to count as observed."""

    exclude: tuple[int, ...] = ()
    """Ids of experiments to leave out, for example because a file of theirs is bad."""
