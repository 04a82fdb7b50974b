"""Settings of the stage ``dynamics``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from mesomode.settings import Field, SettingsBase


class Settings(SettingsBase):
    """Simulation of the networks; times are in units of the units' time constant."""

    nonlinearity: Literal["erf", "tanh"] = "erf"
    """Input–output function of the units, erf(√π x/2) or tanh(x); with erf the theory is exact
    and faster at any gain."""

    noise: float = Field(default=1.0, ge=0, le=1000)
    """Variance σ² of independent white noise in the input of every unit, 0 to 1,000, such that
    (1 + ω²) C_x(ω) = g² C_φ(ω) + σ²: a unit without coupling has the variance σ²/2. With 1, at
    network.gain 1, the theory holds for thousands of units even at an effective rank of 0.05. 0:
    the network is autonomous, and active only at network.gain above 1; with a low effective rank
    it then mostly comes to rest at fixed points, far from the theory."""

    trajectories: int = Field(default=32, ge=2, le=1024)
    """Random initial states, 2 to 1,024, simulated at once. More give smaller errors; below 32
    the time hardly falls."""

    time_step: float = Field(default=0.2, gt=0, le=0.5)
    """Longest integration step, above 0, at most 0.5 time constants (exponential Heun method
    with noise; Runge–Kutta, fourth order, without). The error against half the step is
    stored."""

    burn_in: float = Field(default=60.0, ge=0, le=10_000)
    """Time before the first sample, 0 to 10,000 time constants, to forget the initial state."""

    duration: float = Field(default=200.0, gt=0, le=100_000)
    """Time sampled, above 0, at most 100,000 time constants. Longer gives smaller errors."""

    sampling_interval: float = Field(default=0.4, gt=0, le=10)
    """Time between samples, above 0, at most 10 time constants; also the spacing of lags."""

    longest_lag: float = Field(default=20.0, gt=0, le=1000)
    """Longest lag of the autocovariance, above 0, at most 1,000 time constants and half the
    duration."""

    example_units: int = Field(default=20, ge=1, le=1000)
    """Units whose activity in one trajectory is stored for figures, 1 to 1,000."""

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.longest_lag > self.duration / 2:
            raise ValueError(
                f"longest_lag {self.longest_lag} is more than half the duration {self.duration}"
            )
        if self.sampling_interval > self.longest_lag:
            raise ValueError(
                f"sampling_interval {self.sampling_interval} is longer than longest_lag "
                f"{self.longest_lag}"
            )
        return self
