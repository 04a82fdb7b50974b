"""Integration of dx = (−x + Jφ(x)) dt + σ dW for many trajectories of one network at once.

Without noise, the classical Runge–Kutta method of fourth order. With noise, the exponential
Heun method: decay and noise together are an Ornstein–Uhlenbeck process, stepped exactly,

    x̃  = e^−h x + (1 − e^−h) F(x) + Z,              F = Jφ,  Var Z = σ² (1 − e^−2h)/2,
    x' = x̃ + (e^−h − 1 + h)/h · (F(x̃) − F(x)),

so that without coupling x has its exact law at any step h. The noise is additive: the strong
order is one, the order of averages two.

Source: Cox & Matthews, J. Comput. Phys. 176, 430 (2002), for the method without noise;
Kloeden & Platen, Numerical Solution of Stochastic Differential Equations (1992), chapters 10
and 15, for the orders.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mesomode.dynamics.nonlinearity import Nonlinearity
from mesomode.network.coupling import Network


class Integrator(Protocol):
    """Steps of the states (unit, trajectory) in place."""

    def advance(self, states: NDArray, step: float, count: int) -> None:
        """Make ``count`` steps."""

    def compare(self, coarse: NDArray, fine: NDArray, step: float, count: int) -> None:
        """Make ``count`` steps of ``coarse`` and twice as many half steps of ``fine``.

        Both see the same noise.
        """

    def accompany(
        self, states: NDArray, other: Integrator, exact: NDArray, step: float, count: int
    ) -> None:
        """Make ``count`` steps of ``states``, and with ``other`` of ``exact``.

        Both see the same noise; ``other`` is an integrator of the same kind and of its own
        precision.
        """


def integrator(
    network: Network,
    phi: Nonlinearity,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    noise: float,
    generator: np.random.Generator,
) -> Integrator:
    """Integrator for a network, its variance of the noise σ², and states of a shape."""
    if noise:
        return ExponentialHeun(network, phi, shape, dtype, noise, generator)
    return RungeKutta(network, phi, shape, dtype)


class RungeKutta:
    """Steps without noise, with their working arrays."""

    def __init__(
        self, network: Network, phi: Nonlinearity, shape: tuple[int, ...], dtype: DTypeLike
    ) -> None:
        self._network, self._phi = network, phi
        self._rates, self._slope, self._trial, self._sum = (
            np.empty(shape, dtype) for _ in range(4)
        )

    def advance(self, states: NDArray, step: float, count: int) -> None:
        """Make ``count`` steps."""
        slope, trial, total = self._slope, self._trial, self._sum
        kind = states.dtype.type
        for _ in range(count):
            self._evaluate(states)
            np.copyto(total, slope)
            for reach, weight in ((step / 2, 2), (step / 2, 2), (step, 1)):
                np.multiply(slope, kind(reach), out=trial)
                trial += states
                self._evaluate(trial)
                np.multiply(slope, kind(weight), out=trial)
                total += trial
            total *= kind(step / 6)
            states += total

    def compare(self, coarse: NDArray, fine: NDArray, step: float, count: int) -> None:
        """Make ``count`` steps of ``coarse`` and twice as many half steps of ``fine``."""
        self.advance(coarse, step, count)
        self.advance(fine, step / 2, 2 * count)

    def accompany(
        self, states: NDArray, other: Integrator, exact: NDArray, step: float, count: int
    ) -> None:
        """Make ``count`` steps of ``states``, and with ``other`` of ``exact``."""
        self.advance(states, step, count)
        other.advance(exact, step, count)

    def _evaluate(self, states: NDArray) -> None:
        self._phi(states, out=self._rates)
        self._network.multiply(self._rates, out=self._slope)
        self._slope -= states


class ExponentialHeun:
    """Steps with noise, with their working arrays."""

    def __init__(
        self,
        network: Network,
        phi: Nonlinearity,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        noise: float,
        generator: np.random.Generator,
    ) -> None:
        self._network, self._phi, self._noise, self._generator = network, phi, noise, generator
        self._rates, self._first, self._second, self._kick = (
            np.empty(shape, dtype) for _ in range(4)
        )

    def advance(self, states: NDArray, step: float, count: int) -> None:
        """Make ``count`` steps."""
        for _ in range(count):
            self._draw(self._kick, step)
            self._step(states, step, self._kick)

    def compare(self, coarse: NDArray, fine: NDArray, step: float, count: int) -> None:
        """Make ``count`` steps of ``coarse`` and twice as many half steps of ``fine``.

        Both see the same noise: that of a step is what decay leaves of that of its first
        half, and that of its second.
        """
        whole = np.empty_like(coarse)
        for _ in range(count):
            whole.fill(0.0)
            for _ in range(2):
                self._draw(self._kick, step / 2)
                self._step(fine, step / 2, self._kick)
                whole *= whole.dtype.type(np.exp(-step / 2))
                whole += self._kick
            self._step(coarse, step, whole)

    def accompany(
        self, states: NDArray, other: Integrator, exact: NDArray, step: float, count: int
    ) -> None:
        """Make ``count`` steps of ``states``, and with ``other`` of ``exact``.

        Both see the noise drawn in the precision of ``states``.
        """
        if not isinstance(other, ExponentialHeun):
            raise TypeError("the other integrator is not of the same kind")
        for _ in range(count):
            self._draw(self._kick, step)
            self._step(states, step, self._kick)
            other._step(exact, step, self._kick.astype(exact.dtype))

    def _draw(self, out: NDArray, step: float) -> None:
        self._generator.standard_normal(dtype=out.dtype.type, out=out)
        out *= out.dtype.type(np.sqrt(-self._noise * np.expm1(-2 * step) / 2))

    def _step(self, states: NDArray, step: float, kick: NDArray) -> None:
        first, second = self._first, self._second
        kind = states.dtype.type
        growth = -np.expm1(-step)  # 1 − e^−h
        self._input(states, first)
        states *= kind(1.0 - growth)
        states += kick
        np.multiply(first, kind(growth), out=second)
        states += second
        self._input(states, second)
        second -= first
        second *= kind(1.0 - growth / step)
        states += second

    def _input(self, states: NDArray, out: NDArray) -> None:
        self._phi(states, out=self._rates)
        self._network.multiply(self._rates, out=out)
