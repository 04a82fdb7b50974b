"""Settings of the stage ``network``."""

from __future__ import annotations

from typing import Literal

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """Random-mode networks with the connectome's spectrum, and their control."""

    connectome: Literal["voxel", "linear", "low_rank", "regional", "kernel", "distance"] = "voxel"
    """Connectome whose singular spectrum the networks get; if connectome.source is 'file',
    that one is used and this key has no effect."""

    units: int | None = Field(default=None, ge=10, le=20_000)
    """Number of units, 10 to 20,000. null: as many as the connectome has, but at most 2,000;
    otherwise the spectrum is resampled so that gain and effective rank per unit are kept.
    More units follow the theory better; the cost grows with their square."""

    gain: float = Field(default=1.0, gt=0, le=30)
    """Coupling gain g, above 0, at most 30: N times the variance of a coupling is g². A
    connectome's scale is arbitrary, so it is set here. With dynamics.noise 1, a gain near 1
    shows the effect of the spectrum at sizes that can be simulated. With dynamics.noise 0, activity
    needs a gain above 1, where it is chaotic: slow and small near 1, clearly so from 2 to 5."""

    centring: Literal["top_mode", "rank_one_mean", "none"] = "top_mode"
    """What is removed from the nonnegative connectome, whose mean would only saturate the
    units: its largest singular mode, the product of its row and column means, or nothing."""

    self_connections: bool = False
    """Whether the connectome's diagonal is kept; the theory has none."""

    modes: Literal["gaussian", "orthogonal"] = "gaussian"
    """Random modes with independent normal entries (the published ensemble, whose effective
    rank is N m_2²/m_4 of the strengths), or orthonormal ones, which keep the connectome's singular
    values and so its effective rank exactly. They differ if the effective rank is not
    small."""
