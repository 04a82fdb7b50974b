"""Simulation of rate networks: many trajectories of one network at once.

dx = (−x + Jφ(x)) dt + σ dW, time in units of the time constant, W independent for every unit
and trajectory. All trajectories advance together, so that a step is four matrix–matrix
products, or two with noise; below about 32 trajectories these lose speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mesomode.dynamics.integration import Integrator, integrator
from mesomode.dynamics.measures import without_mean
from mesomode.dynamics.nonlinearity import Nonlinearity, nonlinearity_named
from mesomode.errors import DataError, SolverError
from mesomode.memory import require_memory
from mesomode.network.coupling import Network

DIVERGED = 1e12
"""Magnitude of a state, no state of a bounded network, at which the simulation is given up."""


@dataclass(frozen=True)
class Trajectories:
    """Samples of the states of all units.

    Parameters
    ----------
    states : (trajectory, time, unit) ndarray
        x.
    sampling_interval : float
        Time between samples, in time constants.
    nonlinearity : str
        Name of φ.
    step_error : float
        Root mean square difference, relative to that of the states, which halving the
        time step makes to the states one time constant after the burn-in, for the same
        noise; NaN if not measured.
    precision_error : float
        Root mean square difference, relative to that of the states, of the states from those
        computed in double precision, three time constants after the burn-in, for the same
        noise; zero in double precision, NaN if not measured.
    """

    states: NDArray
    sampling_interval: float
    nonlinearity: str
    step_error: float
    precision_error: float = float("nan")

    def activity(self) -> NDArray:
        """φ(x), in the same shape as the states."""
        return nonlinearity_named(self.nonlinearity)(self.states)

    def fluctuations(self) -> tuple[NDArray, NDArray]:
        """φ(x) and x, around the mean of every unit if φ is not odd."""
        activity, states = self.activity(), self.states
        if not nonlinearity_named(self.nonlinearity).odd:
            activity, states = without_mean(activity), without_mean(states)
        return activity, states


def simulate(
    network: Network,
    *,
    generator: np.random.Generator,
    nonlinearity: str = "erf",
    noise: float = 0.0,
    trajectories: int = 32,
    time_step: float = 0.2,
    burn_in: float = 100.0,
    duration: float = 200.0,
    sampling_interval: float = 0.4,
    initial: NDArray | None = None,
    dtype: DTypeLike = np.float32,
    checks: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Trajectories:
    """Simulate a network from independent random initial states.

    Parameters
    ----------
    network : Network
        Couplings.
    generator : numpy.random.Generator
        Source of the initial states, independent normal numbers of variance one, and of
        the noise.
    nonlinearity : {"erf", "tanh", "threshold_linear", "linear"}
        φ.
    noise : float
        Variance σ² of the white noise: without coupling, x has the variance σ²/2.
    trajectories : int
        Number of initial states.
    time_step : float
        Step of the integration, in time constants; it is shortened a little where that
        makes the sampling interval a whole number of steps.
    burn_in : float
        Time before the first sample.
    duration : float
        Time sampled.
    sampling_interval : float
        Time between samples.
    initial : (unit, trajectory) ndarray, optional
        Initial states to use instead of random ones.
    dtype : {float32, float64}
        Precision of states, couplings and noise.
    checks : bool
        Whether the errors of the time step and of the precision are measured.
    progress : callable, optional
        Called with the number of sampling intervals done since the last call; there are
        :func:`intervals` of them.

    Returns
    -------
    Trajectories
        Deterministic for the same network, generator and arguments on the same machine.

    Raises
    ------
    DataError
        Times, numbers or a noise that are not possible, or initial states of another shape.
    MemoryLimitError
        The samples would not fit.
    SolverError
        The states did not stay finite.
    """
    phi = nonlinearity_named(nonlinearity)
    _check_times(time_step, burn_in, duration, sampling_interval, trajectories)
    if not (np.isfinite(noise) and noise >= 0):
        raise DataError(
            f"a noise of {noise} is not possible",
            why="it is a variance",
            remedy="use 0 for an autonomous network, or about 1",
        )
    burning, sampled = intervals(burn_in, duration, sampling_interval)
    units = network.units
    samples_shape = (trajectories, sampled, units)
    require_memory(
        3.0 * np.dtype(dtype).itemsize * np.prod(samples_shape, dtype=float),
        f"{sampled:,} samples of {trajectories:,} trajectories of {units:,} units",
        "use a shorter dynamics.duration, a longer dynamics.sampling_interval, fewer "
        "trajectories, or fewer units",
    )
    states = first_states(initial, (units, trajectories), dtype, generator)
    steps = int(np.ceil(sampling_interval / time_step - 1e-9))
    stepper = integrator(network.astype(dtype), phi, states.shape, dtype, noise, generator)
    samples = np.empty(samples_shape, dtype=dtype)
    step = sampling_interval / steps
    for _ in range(burning):
        stepper.advance(states, step, steps)
        check_bounded(states, step)
        _report(progress)
    step_error = precision_error = float("nan")
    if checks:
        step_error = _step_error(stepper, states, step)
        precision_error = _precision_error(stepper, network, phi, states, step, noise)
    for index in range(sampled):
        stepper.advance(states, step, steps)
        check_bounded(states, step)
        samples[:, index, :] = states.T
        _report(progress)
    return Trajectories(samples, sampling_interval, nonlinearity, step_error, precision_error)


def intervals(burn_in: float, duration: float, sampling_interval: float) -> tuple[int, int]:
    """Numbers of sampling intervals of the burn-in and of the time sampled."""
    return (
        int(np.ceil(burn_in / sampling_interval - 1e-9)),
        int(np.floor(duration / sampling_interval + 1e-9)),
    )


def first_states(
    initial: NDArray | None,
    shape: tuple[int, int],
    dtype: DTypeLike,
    generator: np.random.Generator,
) -> NDArray:
    """Initial states (unit, trajectory) given, or normal ones of variance one; a copy."""
    if initial is None:
        initial = generator.standard_normal(shape)
    if initial.shape != shape:
        raise DataError(
            "the initial states do not fit the network",
            why=f"their shape is {initial.shape}, (unit, trajectory) is {shape}",
        )
    return np.array(initial, dtype=dtype, order="C")


def check_bounded(states: NDArray, step: float) -> None:
    """Stop before numbers overflow."""
    if not (np.abs(states).max() < DIVERGED):
        raise SolverError(
            "the simulation diverged",
            why=f"states grew beyond {DIVERGED:g} with a time step of {step:.3g}",
            remedy="use a smaller dynamics.time_step or a smaller network.gain (below 1.4 with "
            "threshold_linear)",
        )


def _step_error(stepper: Integrator, states: NDArray, step: float) -> float:
    count = max(1, round(1.0 / step))
    coarse, fine = states.copy(), states.copy()
    stepper.compare(coarse, fine, step, count)
    return _difference(coarse, fine)


def _precision_error(
    stepper: Integrator,
    network: Network,
    phi: Nonlinearity,
    states: NDArray,
    step: float,
    noise: float,
) -> float:
    if states.dtype == np.float64:
        return 0.0
    double = np.float64
    other = integrator(
        network.astype(double), phi, states.shape, double, noise, np.random.default_rng(0)
    )
    single, exact = states.copy(), states.astype(double)
    stepper.accompany(single, other, exact, step, max(1, round(3.0 / step)))
    return _difference(single, exact)


def _difference(states: NDArray, exact: NDArray) -> float:
    """Root mean square difference, relative to that of the exact states."""
    scale = float(np.sqrt(np.mean(np.square(exact, dtype=np.float64))))
    error = float(np.sqrt(np.mean(np.square(states - exact, dtype=np.float64))))
    return error / scale if scale > 0 else 0.0


def _report(progress: Callable[[int], None] | None) -> None:
    if progress is not None:
        progress(1)


def _check_times(
    time_step: float, burn_in: float, duration: float, interval: float, trajectories: int
) -> None:
    fine = (
        np.isfinite([time_step, burn_in, duration, interval]).all()
        and time_step > 0
        and 0 < interval <= duration
        and burn_in >= 0
        and trajectories >= 1
    )
    if not fine:
        raise DataError(
            "the times of a simulation do not fit together",
            why=f"time step {time_step}, burn-in {burn_in}, duration {duration}, sampling "
            f"interval {interval}, {trajectories} trajectories",
            remedy="give positive numbers, the duration longer than the sampling interval",
        )
