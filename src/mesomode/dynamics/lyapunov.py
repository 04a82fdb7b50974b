"""Lyapunov exponents: the rates at which neighbouring states separate.

k tangent vectors v' = (−1 + J diag(φ'(x))) v are stepped together with the states by the very
method that steps the states, so that they follow the derivative of its map, and are made
orthonormal again at intervals; the logarithms of the lengths lost give the k largest exponents.
Independent noise is the same for neighbours and has no part in v.

Source: Benettin, Galgani, Giorgilli & Strelcyn, Meccanica 15, 9 (1980); for networks Engelken,
Wolf & Abbott, Phys. Rev. Research 5, 043044 (2023). The largest one in theory is in
:mod:`mesomode.dynamics.chaos`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mesomode.dynamics.integration import ExponentialHeun, Integrator, RungeKutta
from mesomode.dynamics.measures import standard_error
from mesomode.dynamics.nonlinearity import Nonlinearity, nonlinearity_named
from mesomode.dynamics.simulation import check_bounded, first_states
from mesomode.errors import DataError
from mesomode.memory import require_memory
from mesomode.network.coupling import Network

BLOCKS = 4
"""Parts of a trajectory whose exponents are taken as independent for the error."""


@dataclass(frozen=True)
class LyapunovExponents:
    """The largest exponents, per time constant.

    Parameters
    ----------
    exponent : (exponent,) ndarray
        Descending, averaged over trajectories and time.
    error : (exponent,) ndarray
        Standard error over trajectories and quarters of the time.
    """

    exponent: NDArray[np.float64]
    error: NDArray[np.float64]


def lyapunov_exponents(
    network: Network,
    *,
    generator: np.random.Generator,
    count: int = 10,
    nonlinearity: str = "erf",
    noise: float = 0.0,
    trajectories: int = 2,
    time_step: float = 0.2,
    burn_in: float = 100.0,
    alignment: float = 10.0,
    duration: float = 100.0,
    interval: float = 1.0,
    initial: NDArray | None = None,
    dtype: DTypeLike = np.float32,
) -> LyapunovExponents:
    """Measure the largest Lyapunov exponents of a network.

    Parameters
    ----------
    network : Network
        Couplings.
    generator : numpy.random.Generator
        Source of initial states, tangent vectors and noise.
    count : int
        Number k of exponents, at most the number of units.
    nonlinearity : str
        Name of φ.
    noise : float
        Variance σ² of the white noise.
    trajectories : int
        Number of trajectories, stepped together.
    time_step : float
        Step of the integration at most, in time constants.
    burn_in : float
        Time the states are given to forget where they began.
    alignment : float
        Time after it that the tangent vectors are given to turn into their directions.
    duration : float
        Time over which growth is averaged.
    interval : float
        Time between orthonormalisations.
    initial : (unit, trajectory) ndarray, optional
        Initial states to use instead of random ones.
    dtype : {float32, float64}
        Precision of states and tangent vectors.

    Returns
    -------
    LyapunovExponents

    Raises
    ------
    DataError
        Numbers or times that are not possible.
    MemoryLimitError
        The tangent vectors would not fit.
    SolverError
        The states did not stay finite.
    """
    units = network.units
    phi = nonlinearity_named(nonlinearity)
    intervals = max(BLOCKS, round(duration / interval)) if interval > 0 else 0
    possible = 1 <= count <= units and trajectories >= 1 and time_step > 0 and interval > 0
    if not (possible and min(burn_in, alignment, noise) >= 0 and duration >= BLOCKS * interval):
        raise DataError(
            f"{count} Lyapunov exponents of {units} units cannot be measured",
            why=f"{trajectories} trajectories, time step {time_step}, burn-in {burn_in}, alignment "
            f"{alignment}, duration {duration}, interval {interval}, noise {noise}",
            remedy=f"ask for at most {units} exponents, in a duration of at least {BLOCKS} "
            "intervals",
        )
    columns = trajectories * (1 + count)
    require_memory(
        7.0 * np.dtype(dtype).itemsize * units * columns,
        f"{count} tangent vectors of {units:,} units in {trajectories} trajectories",
        "ask for fewer exponents (dynamics.lyapunov_exponents)",
    )
    states = first_states(initial, (units, trajectories), dtype, generator)
    network = network.astype(dtype)
    steps = max(1, int(np.ceil(interval / time_step - 1e-9)))
    step = interval / steps
    _stepper(network, phi, states.shape, dtype, noise, generator, 0).advance(
        states, step, int(np.ceil(burn_in / step - 1e-9))
    )
    together = np.empty((units, trajectories, 1 + count), dtype=dtype)
    together[:, :, 0] = states
    together[:, :, 1:] = generator.standard_normal((units, trajectories, count))
    _orthonormalise(together)
    stepper = _stepper(network, phi, (units, columns), dtype, noise, generator, count)
    flat = together.reshape(units, columns)
    growth = np.empty((intervals, trajectories, count))
    for index in range(-round(alignment / interval), intervals):
        stepper.advance(flat, step, steps)
        check_bounded(flat, step)
        logarithm = _orthonormalise(together)
        if index >= 0:
            growth[index] = logarithm / interval
    blocks = np.array([part.mean(axis=0) for part in np.array_split(growth, BLOCKS)])
    separate = blocks.reshape(-1, count)
    order = np.argsort(-growth.mean(axis=(0, 1)), kind="stable")
    return LyapunovExponents(
        growth.mean(axis=(0, 1))[order], standard_error(separate)[order].astype(np.float64)
    )


def _orthonormalise(together: NDArray) -> NDArray[np.float64]:
    """Make the tangent vectors orthonormal in place; logarithms (trajectory, exponent)."""
    basis, triangle = np.linalg.qr(together[:, :, 1:].transpose(1, 0, 2))
    together[:, :, 1:] = basis.transpose(1, 0, 2)
    lengths = np.abs(np.diagonal(triangle, axis1=1, axis2=2)).astype(np.float64)
    return np.log(np.maximum(lengths, np.finfo(np.float64).tiny))


class _WithTangents:
    """φ of the states and φ'(x) v of their tangent vectors, side by side in columns."""

    def __init__(self, phi: Nonlinearity, vectors: int) -> None:
        self._phi, self._vectors = phi, vectors
        self.name, self.odd = phi.name, phi.odd

    def __call__(self, states: NDArray, out: NDArray) -> NDArray:
        view = states.reshape(len(states), -1, 1 + self._vectors)
        result = out.reshape(view.shape)
        x = np.ascontiguousarray(view[:, :, 0])
        result[:, :, 0] = self._phi(x)
        np.multiply(view[:, :, 1:], self._phi.derivative(x)[:, :, None], out=result[:, :, 1:])
        return out


class _NoiseOnStates(ExponentialHeun):
    """Steps whose noise enters the states and not their tangent vectors."""

    vectors = 0

    def _draw(self, out: NDArray, step: float) -> None:
        view = out.reshape(len(out), -1, 1 + self.vectors)
        kick = np.empty(view.shape[:2], out.dtype)
        super()._draw(kick, step)
        view[:, :, 1:] = 0
        view[:, :, 0] = kick


def _stepper(
    network: Network,
    phi: Nonlinearity,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    noise: float,
    generator: np.random.Generator,
    vectors: int,
) -> Integrator:
    flow = _WithTangents(phi, vectors)
    if not noise:
        return RungeKutta(network, flow, shape, dtype)  # type: ignore[arg-type]
    heun = _NoiseOnStates(network, flow, shape, dtype, noise, generator)  # type: ignore[arg-type]
    heun.vectors = vectors
    return heun
