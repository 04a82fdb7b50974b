"""Settings of the stage ``dynamics``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import model_validator

from mesomode.settings import Field, SettingsBase

Units = Annotated[int, Field(ge=50, le=20_000)]
Rank = Annotated[float, Field(gt=0.001, le=1)]


class Settings(SettingsBase):
    """Simulation of the networks; times are in units of the units' time constant."""

    nonlinearity: Literal["erf", "tanh", "threshold_linear"] = "erf"
    """Input–output function of the units: erf(√π x/2), tanh(x), or max(x, 0). With erf the theory
    is exact and faster at any gain. max(x, 0) is simulated only, around the mean of every unit; it
    does not saturate and needs noise and a network.gain below 1.4."""

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

    lyapunov_exponents: int = Field(default=10, ge=0, le=1000)
    """Number of largest Lyapunov exponents measured, 0 to 1,000; the time grows in proportion."""

    lyapunov_duration: float = Field(default=40.0, ge=4, le=100_000)
    """Time over which Lyapunov exponents are averaged, 4 to 100,000 time constants."""

    scaling_units: list[Units] = Field(default=[250, 500, 1000], max_length=20)
    """Sizes of the networks simulated to see how the theory is approached, 50 to 20,000 units
    each; [500, 1000, 2000, 4000] takes minutes. Empty: none."""

    scaling_draws: int = Field(default=2, ge=2, le=100)
    """Networks drawn at each of these sizes, 2 to 100; from them comes the spread from one network
    to another."""

    scaling_duration: float = Field(default=60.0, gt=0, le=100_000)
    """Time sampled in each of these networks and those of ``effective_ranks``, above 0, at most
    100,000 time constants; not shorter than longest_lag."""

    effective_ranks: list[Rank] = Field(default=[0.03, 0.1, 0.3, 1.0], max_length=20)
    """Effective ranks PR_D of networks of the largest of these sizes with an exponential spectrum,
    beside independent couplings (PR_D = ∞): each above 0, at most 1. They show that the dimension
    depends on the effective rank and the autocovariance does not. Empty: none."""

    example_units: int = Field(default=20, ge=1, le=1000)
    """Units whose activity in one trajectory is stored for figures, 1 to 1,000."""

    components: int = Field(default=20, ge=2, le=1000)
    """Principal components of the activity that are stored, 2 to 1,000; the comparison with
    recordings uses up to so many."""

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.longest_lag > self.duration / 2:
            raise ValueError(
                f"longest_lag {self.longest_lag} is more than half the duration {self.duration}"
            )
        if self.longest_lag > self.scaling_duration:
            raise ValueError(
                f"longest_lag {self.longest_lag} is more than scaling_duration "
                f"{self.scaling_duration}"
            )
        if self.sampling_interval > self.longest_lag:
            raise ValueError(
                f"sampling_interval {self.sampling_interval} is longer than longest_lag "
                f"{self.longest_lag}"
            )
        return self
