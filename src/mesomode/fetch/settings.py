"""Settings of the section ``fetch``: what is downloaded."""

from __future__ import annotations

from typing import Literal

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """Which data are downloaded from the Allen Institute when ``source`` is ``allen``."""

    resolution_um: Literal[100, 50, 25] = Field(
        default=100,
        description="Edge of the voxels of all volumes, in µm. 50 takes 8 times and 25 takes 64 "
        "times the space and memory of 100.",
    )
    regions: tuple[str, ...] | None = Field(
        default=None,
        description="Acronyms of the regions whose tracer experiments are wanted: those that "
        "injected any structure within one of them. null: the same as atlas.regions.",
    )
    transgenic_lines: Literal["wild type", "any"] | tuple[str, ...] = Field(
        default="wild type",
        description="Lines of mice whose tracer experiments are wanted: 'wild type' (label all "
        "neurons), 'any', or a list of names such as [Rbp4-Cre_KL100] (label a class of neurons).",
    )
    sessions: tuple[int, ...] = Field(
        default=(501271265,),
        description="Ids of the Brain Observatory two-photon sessions (ophys experiments) to "
        "download, each a few hundred MB.",
    )
    cell_specimens: bool = Field(
        default=False,
        description="Whether to download the list of all recorded cells with their published "
        "metrics too (about 460 MB). No stage needs it; the SDK's get_cell_specimens() does.",
    )
