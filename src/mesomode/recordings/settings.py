"""Settings of the stage ``recordings``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from mesomode.settings import Field, SettingsBase

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""Name of a recording of one's own; it must not look like the id of a session."""


class RecordingFile(SettingsBase):
    """A recording of one's own; the schema is in workflow/reference/own_recordings.md."""

    path: str = Field(
        min_length=1,
        description="The file, or the folder of a zarr store; relative paths start where the "
        "pipeline is started.",
    )
    kind: Literal["auto", "hdf5", "npz", "zarr", "nwb"] = Field(
        default="auto", description="Kind of the file; 'auto': by the ending of its name."
    )
    names: dict[str, str] = Field(
        default_factory=dict,
        description="Names in the schema, such as dff, and what they are called in the file.",
    )
    transposed: bool = Field(
        default=False, description="Whether the signals are (unit, time) in the file."
    )
    period_s: float | None = Field(
        default=None, gt=0, description="Time between frames in s, where the file has no times."
    )
    tables: dict[str, str] = Field(
        default_factory=dict,
        description="Stimulus tables outside the file: name of the stimulus and a CSV file.",
    )
    presentation_s: float | None = Field(
        default=None, gt=0, description="Length of a presentation in s, for tables without an end."
    )
    citation: str = Field(default="", description="What has to be cited where these data are used.")


class Settings(SettingsBase):
    """Two-photon sessions: which signal, how trials are cut, how dimension is measured."""

    files: dict[Name, RecordingFile] = Field(
        default_factory=dict,
        description="Recordings of one's own beside the sessions: a name (letters, digits, _ "
        "and -), and `path` with, where needed, `kind`, `names`, `transposed`, `period_s`, "
        "`tables`, `presentation_s` and `citation`, as in workflow/reference/own_recordings.md. "
        "HDF5, npz, zarr and NWB 2.",
    )
    signal: Literal["dff", "events"] = Field(
        default="dff",
        description="What is analysed: relative fluorescence change 'dff' or detected 'events'. "
        "Events are free of the slow decay of the indicator, but not every session has them.",
    )
    stimuli: tuple[str, ...] = Field(
        default=(
            "drifting_gratings",
            "static_gratings",
            "natural_scenes",
            "natural_movie_one",
            "natural_movie_two",
            "natural_movie_three",
        ),
        description="Stimuli whose responses are averaged and tested, where a session has them. "
        "All stimuli are listed in the store in any case.",
    )
    missing_stimulus: Literal["skip", "error"] = Field(
        default="skip",
        description="What to do when a session lacks one of `stimuli`: 'skip' says so in the "
        "store; 'error' stops, for analyses that need every one.",
    )
    response_delay_s: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="Start of the response window after the onset, in s. Raise it to leave out "
        "the latency of the response.",
    )
    shortest_response_s: float = Field(
        default=0.5,
        ge=0,
        le=5,
        description="Least length of the response window, in s. A window lasts as long as its "
        "presentation, but static gratings and scenes (0.25 s) are shorter than the indicator's "
        "response.",
    )
    baseline_s: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Length of the window before the onset whose mean is subtracted from the "
        "response, in s; 0: none. A baseline adds its own noise.",
    )
    movie_clip_s: float = Field(
        default=1.0,
        gt=0,
        le=30,
        description="Length of the clips that movies are cut into, each a condition of its own, "
        "in s.",
    )
    include_blank: bool = Field(
        default=True,
        description="Whether the blank screen counts as one of the conditions.",
    )
    significance: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="A unit counts as tuned where the one-way analysis of variance over "
        "conditions has a smaller p-value.",
    )
    aligned_before_s: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="Time before the onset in the mean course of responses, in s.",
    )
    aligned_after_s: float = Field(
        default=2.5,
        ge=0,
        le=60,
        description="Time after the onset in the mean course of responses, in s; with both 0 no "
        "courses are kept.",
    )
    splits: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="Number of random splits of the trials of a condition into halves (for the "
        "reliability) and quarters (for the dimension of what repeats).",
    )
    receptive_fields: bool = Field(
        default=True,
        description="Whether receptive fields are measured in sessions with sparse noise.",
    )
    epoch: str = Field(
        default="all",
        min_length=1,
        description="Part of the session that dimension and time-scales are measured in: 'all', "
        "or a stimulus such as 'spontaneous' or 'drifting_gratings'.",
    )
    bin_s: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Width of the time bins in which dimension is measured, in s; 0: every "
        "frame. Use 0.1 to 1 with events, which are too sparse frame by frame.",
    )
    events_bin_s: float = Field(
        default=0.5,
        gt=0,
        le=10,
        description="The same for events where both signals are compared, in s.",
    )
    block_s: float = Field(
        default=30.0,
        gt=0,
        le=600,
        description="Length of the blocks of time that the unbiased dimension is made of, in s. "
        "It must be much longer than the correlation time; shorter blocks give more of them.",
    )
    gap_s: float = Field(
        default=5.0,
        ge=0,
        le=120,
        description="Time left out between blocks, in s: longer than the correlation time.",
    )
    longest_lag_s: float = Field(
        default=20.0,
        gt=0,
        le=300,
        description="Longest lag of the autocorrelation, in s.",
    )
