"""Settings of the stage ``atlas``."""

from __future__ import annotations

from typing import Literal

from mesomode.settings import Field, SettingsBase

VISUAL_AREAS = (
    "VISp",
    "VISl",
    "VISal",
    "VISpl",
    "VISpm",
    "VISli",
    "VISpor",
    "VISam",
    "VISa",
    "VISrl",
)


class Settings(SettingsBase):
    """Which voxels of the brain are sources and targets."""

    regions: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Acronyms of the structures whose voxels are the sources (right hemisphere) and the
    targets, for example [VISp, VISl, SSp-bfd]. null: the ten visual areas of Harris et al. 2016,
    or those that a small phantom has."""

    target_hemispheres: Literal["ipsilateral", "both"] = "ipsilateral"
    """Targets in the injected hemisphere only, or in both; 'both' doubles the size of the
    connectome."""
