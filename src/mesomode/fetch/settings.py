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
    sessions: tuple[int, ...] | None = Field(
        default=(501271265,),
        description="Ids of the Brain Observatory two-photon sessions (ophys experiments) to "
        "download, each a few hundred MB. null: all that fit the keys `session_…` below, at "
        "least one of which must then be set; `mesomode` writes who was left out, and why, "
        "to recordings/sessions.csv.",
    )
    session_areas: tuple[str, ...] | None = Field(
        default=None,
        description="With sessions: null, acronyms of the areas imaged, such as [VISp, VISl].",
    )
    session_depths_um: tuple[int, int] | None = Field(
        default=None,
        description="With sessions: null, least and largest imaging depth in µm, such as "
        "[175, 300].",
    )
    session_lines: tuple[str, ...] | None = Field(
        default=None,
        description="With sessions: null, driver lines, such as [Cux2-CreERT2].",
    )
    session_stimuli: tuple[str, ...] | None = Field(
        default=None,
        description="With sessions: null, stimuli all of which a session must show, such as "
        "[drifting_gratings] (session type A) or [natural_scenes] (B).",
    )
    session_needs: tuple[Literal["events", "eye tracking"], ...] = Field(
        default=(),
        description="With sessions: null, what must have been published of a session.",
    )
    most_sessions: int | None = Field(
        default=None,
        ge=1,
        description="With sessions: null, number of sessions, those with the lowest ids.",
    )
    cell_specimens: bool = Field(
        default=False,
        description="Whether to download the list of all recorded cells with their published "
        "metrics too (about 460 MB). No stage needs it; the SDK's get_cell_specimens() does.",
    )
