"""Settings of the phantom, the synthetic data with a known answer."""

from __future__ import annotations

from typing import Literal

from mesomode.settings import Field, SettingsBase

SessionType = Literal["three_session_A", "three_session_B", "three_session_C", "three_session_C2"]


class Settings(SettingsBase):
    """The phantom: a synthetic mouse brain region with a known answer (with source: phantom)."""

    size: Literal["tiny", "small", "medium", "visual"] = "small"
    """How large the synthetic visual cortex is, in voxels of 100 µm in one hemisphere: 'tiny'
    about 275 (four areas only: VISp, VISl, VISal, VISpm; seconds, for trying things out),
    'small' about 1,500, 'medium' about 3,500, 'visual' about 7,500 as in the real mouse (ten
    areas each)."""

    experiments: int | None = Field(default=None, ge=3, le=500)
    """Number of tracer injections within the areas; null: 8 for 'tiny', 28 otherwise, as in the
    published data. Four more that a sound selection must drop are always added: outside the
    areas, too large, in a Cre line, and too small."""

    noise: float = Field(default=0.1, ge=0, le=0.5)
    """Standard deviation of the projection density's noise where the density is about 0.5; it is
    a third of that where the density is 0. 0 makes the volumes follow the true weights exactly."""

    left_fraction: float = Field(default=0.25, ge=0, le=1)
    """Fraction of the injections made in the left hemisphere, which the stage tracing has to
    mirror."""

    bad_tissue: bool = True
    """Whether a third of the experiments have a lump of damaged tissue, where the projection
    density is garbage and the data mask says so."""

    sessions: int = Field(default=2, ge=1, le=12)
    """Number of two-photon sessions, of the types below in turn."""

    session_types: tuple[SessionType, ...] = Field(
        default=("three_session_A", "three_session_B"), min_length=1, max_length=4
    )
    """Types of the sessions in which the same cells are recorded, in turn: three_session_A
    (drifting gratings, movies), three_session_B (static gratings, natural scenes),
    three_session_C (sparse noise, movies) and three_session_C2 (sparse noise of two sizes,
    movies)."""

    cells: int | None = Field(default=None, ge=4, le=500)
    """Recorded cells of a session; null: 24 for the session length 'tiny', 80 otherwise."""

    session_length: Literal["tiny", "short", "real"] = "short"
    """Length of a session at 30 frames a second: 'tiny' a few thousand frames, 'short' about
    15,000 with three trials of every grating, 'real' about 115,000 with the trial counts of the
    real experiment (hundreds of MB a session)."""

    gain: float = Field(default=0.9, ge=0, le=2)
    """Strength of the recurrent coupling of the recorded network: largest real part of the
    coupling's eigenvalues. 0 leaves stimulus and noise only; from 1 on activity sustains
    itself."""
