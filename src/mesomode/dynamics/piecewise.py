"""Piecewise linear nonlinearities, for simulation only.

φ(x) = max(x, 0) does not saturate and is not odd. With couplings of mean zero its activity has
a positive mean in every unit, which gives the others a constant input of variance
g² ⟨φ⟩²; the covariances are those around the mean of each unit
(:func:`mesomode.dynamics.measures.without_mean`). It has no scale: without noise activity dies
below g = √2 and grows without bound above it (Kadmon & Sompolinsky, Phys. Rev. X 5, 041030
(2015), for couplings of mean zero), so that it needs noise and a gain below √2. The theory of
this package takes φ to be odd and does not cover it.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from mesomode.errors import ConfigError


class SimulationOnly:
    """A nonlinearity whose Gaussian averages are not provided."""

    name: str

    def primitive_variance(self, variance: float) -> NoReturn:
        """Refuse: there is no theory for it."""
        raise self._refusal()

    def averages(self, variance: float) -> NoReturn:
        """Refuse: there is no theory for it."""
        raise self._refusal()

    def _refusal(self) -> ConfigError:
        return ConfigError(
            f"there is no mean-field theory for the nonlinearity {self.name!r}",
            why="the theory is that of odd functions that saturate",
            remedy="use erf or tanh, or the simulation alone",
        )


class ThresholdLinear(SimulationOnly):
    """φ(x) = max(x, 0)."""

    name = "threshold_linear"
    odd = False

    def __call__(self, states: NDArray, out: NDArray | None = None) -> NDArray:
        """φ of each element."""
        return np.maximum(states, states.dtype.type(0), out=out)

    def derivative(self, states: NDArray) -> NDArray:
        """φ' of each element, zero at the threshold."""
        return (states > 0).astype(states.dtype)


class Linear(SimulationOnly):
    """φ(x) = x, whose stationary covariance solves a Lyapunov equation."""

    name = "linear"
    odd = True

    def __call__(self, states: NDArray, out: NDArray | None = None) -> NDArray:
        """φ of each element."""
        if out is None:
            return states.copy()
        np.copyto(out, states)
        return out

    def derivative(self, states: NDArray) -> NDArray:
        """φ' of each element: one."""
        return np.ones_like(states)
