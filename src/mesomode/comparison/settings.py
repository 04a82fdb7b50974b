"""Settings of the stage ``comparison``."""

from __future__ import annotations

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
