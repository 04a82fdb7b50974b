"""Settings of the stage ``comparison``."""

from __future__ import annotations

from typing import Literal

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """Networks beside recordings: where they are compared."""

    common_units: int | None = Field(default=None, ge=2)
    """Number of units at which the dimensions of all systems are compared, at least 2; null: the
    number of units of the smallest system. Set it to compare across runs."""

    remove_frame_noise: bool = True
    """Whether the part of a recording's variance that is independent from frame to frame is left
    out of its time-scales: the autocovariance at lag 0 is then extrapolated from the next two
    lags. Networks have no such noise."""

    longest_lag_half_widths: float = Field(default=4.0, gt=1, le=20)
    """Longest lag at which the shapes of autocorrelations are compared, above 1, at most 20 half
    widths."""

    components: int = Field(default=10, ge=2, le=50)
    """Principal components of the standardised units, 2 to 50, whose dynamics are compared."""

    window_s: float = Field(default=1.0, gt=0, le=20)
    """Length of the delay window, above 0, at most 20 s. Longer windows see slower dynamics, and
    need more data."""

    trial_s: float = Field(default=20.0, gt=1, le=600)
    """Length of the pieces a recording is cut into, above 1, at most 600 s; every other piece
    makes one half, whose distance to the other is the noise floor."""

    ranks: tuple[int, ...] = (2, 4, 6, 8, 10, 15, 20)
    """Numbers of modes that are fitted. All systems are compared at the largest that is signal in
    each of them: modes beyond are noise, and would dominate the distance."""

    metric: Literal["angular", "euclidean", "wasserstein"] = "angular"
    """Distance of two dynamics: the least angle (0 to π) or Euclidean distance over all
    orthogonal changes of coordinates, or that of eigenvalues alone."""

    distance_jobs: int = Field(default=1, ge=1, le=1000)
    """Jobs that share the pairs of systems, 1 to 1,000; a cluster can spread them."""

    representation_stimuli: tuple[str, ...] = (
        "drifting_gratings",
        "static_gratings",
        "natural_scenes",
        "natural_movie_one",
        "natural_movie_two",
        "natural_movie_three",
    )
    """Stimuli by whose conditions the representations of recordings are compared, where two were
    shown the same. Add 'trials' if the conditions of recordings of your own mean the same in all
    of them."""

    representation_clip_s: float = Field(default=0.25, gt=0, le=30)
    """Length of the clips of a movie that are conditions of representations, above 0, at most
    30 s."""

    shuffles: int = Field(default=50, ge=2, le=10000)
    """Random orders of the images for the chance level of similarities, and random halves of the
    trials for noise ceilings, 2 to 10,000."""

    bootstraps: int = Field(default=200, ge=2, le=100000)
    """Draws of the units for the uncertainty of the layer that a population resembles most, 2 to
    100,000."""
