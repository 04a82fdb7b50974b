"""Speed of the simulator: factored against dense couplings, and the cost of a whole step.

Run ``OMP_NUM_THREADS=1 python benchmarks/simulation.py``; it writes ``simulation.txt`` beside
itself. Times are the best of several repetitions, in CPU time of one thread. torch is compared
with where it is installed (``pip install torch==2.13.0`` in an environment of the benchmark's own).
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mesomode.dynamics.integration import integrator
from mesomode.dynamics.nonlinearity import NONLINEARITIES
from mesomode.dynamics.theory import mean_field
from mesomode.network.random_mode import IndependentNetwork, RandomModeNetwork

TRAJECTORIES = 32
STEPS = 20
CACHE = 16e6
"""Bytes of couplings that may stay in the cache of a thread."""


def best_time(function: Callable[[], object], repetitions: int = 5, least: float = 0.05) -> float:
    """Seconds of CPU time a call takes, in the best of several batches of calls."""
    function()
    start = time.process_time()
    function()
    calls = max(1, int(least / max(time.process_time() - start, 1e-6)))
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        for _ in range(calls):
            function()
        times.append((time.process_time() - start) / calls)
    return min(times)


def products() -> list[str]:
    """Milliseconds of one product of the couplings with 32 rate vectors."""
    lines = [
        f"Product with {TRAJECTORIES} vectors of rates, float32, ms",
        f"{'units':>6} {'modes':>6} {'numpy dense':>12} {'multiply':>9} {'faster':>7}  how",
    ]
    for units, modes in (
        (1000, 50),
        (1000, 400),
        (1000, 1000),
        (2000, 100),
        (2000, 800),
        (4000, 100),
    ):
        network = RandomModeNetwork.from_spectrum(
            np.ones(modes), units=units, gain=3.0, generator=np.random.default_rng(0)
        )
        dense = network.dense()
        rates = np.random.default_rng(1).standard_normal((units, TRAJECTORIES), dtype=np.float32)
        out = np.empty_like(rates)
        reference = best_time(partial(np.matmul, dense, rates))
        ours = best_time(partial(network.multiply, rates, out=out))
        how = "factored" if 2 * modes < units else "dense, as it is cheaper"
        lines.append(
            f"{units:6d} {modes:6d} {1e3 * reference:12.3f} {1e3 * ours:9.3f}"
            f" {reference / ours:6.1f}×  {how}"
        )
    return lines


@dataclass(frozen=True)
class Machine:
    """What one thread of this machine can do at most, measured.

    Parameters
    ----------
    flops : float
        Floating point operations a second in a product of large float32 matrices.
    bandwidth : float
        Bytes a second read from memory in a product of a large matrix with a vector.
    """

    flops: float
    bandwidth: float

    @classmethod
    def measured(cls) -> Machine:
        """Measure it."""
        generator = np.random.default_rng(0)
        square = generator.standard_normal((2048, 2048), dtype=np.float32)
        out = np.empty_like(square)
        flops = 2 * 2048**3 / best_time(partial(np.matmul, square, square, out=out), 3)
        large = np.ones((8192, 8192), np.float32)  # 268 MB, larger than any cache
        bandwidth = large.nbytes / best_time(partial(np.matmul, large, large[0]), 3)
        return cls(flops, bandwidth)

    def floor(self, units: int, modes: int) -> float:
        """Least seconds of a Runge–Kutta step: operations of the products, or reading J.

        Of two factors if they are cheaper than J; the nonlinearity is not counted. A matrix
        that fits into the cache (16 MB) need not be read from memory.
        """
        numbers = min(2 * units * modes, units**2)
        reading = 4.0 * numbers / self.bandwidth if 4 * numbers > CACHE else 0.0
        return 4 * max(2.0 * numbers * TRAJECTORIES / self.flops, reading)


def simulations(machine: Machine) -> list[str]:
    """Unit-steps a second of the simulator beside the same method with dense couplings."""
    torch_step = with_torch()
    lines = [
        f"Runge–Kutta steps of {TRAJECTORIES} trajectories, erf, float32, one thread; the same "
        "method written plainly with dense J in numpy"
        + (" and torch" if torch_step else " (torch is not installed)"),
        f"one thread: {machine.flops / 1e9:.0f} GFLOP/s in large products, "
        f"{machine.bandwidth / 1e9:.1f} GB/s from memory; floor: the larger of operations and "
        "reading, without φ; with φ: and four evaluations of φ as fast as ours",
        f"{'units':>6} {'modes':>6} {'ms numpy':>9} {'ms torch':>9} {'ms ours':>9} {'× numpy':>8}"
        f" {'× torch':>8} {'unit-steps/s':>13} {'ms floor':>9} {'of floor':>8} {'with φ':>7}  how",
    ]
    for units in (1000, 4000, 16000):
        generator = np.random.default_rng(0)
        coupling = generator.standard_normal((units, units), dtype=np.float32)
        coupling *= np.float32(3.0 / np.sqrt(units))
        states = generator.standard_normal((units, TRAJECTORIES), dtype=np.float32)
        repetitions = 3 if units < 16000 else 1
        plain = best_time(partial(plain_step, coupling, states), repetitions)
        torch_time = np.nan
        if torch_step:
            torch_time = best_time(partial(torch_step, coupling, states), repetitions)
        rates = np.empty_like(states)
        phi = best_time(partial(NONLINEARITIES["erf"], states, out=rates))
        for modes in (50, 500, units):
            network: RandomModeNetwork | IndependentNetwork
            if modes < units:
                network = RandomModeNetwork.from_spectrum(
                    np.ones(modes), units=units, gain=3.0, generator=generator
                )
            else:
                network = IndependentNetwork(coupling, 3.0)
            steps = STEPS if units < 16000 or modes < units else 2
            seconds = time_of_a_step(network, states, steps, repetitions)
            floor = machine.floor(units, modes)
            how = "factored" if 2 * modes < units else "dense"
            lines.append(
                f"{units:6d} {modes:6d} {1e3 * plain:9.2f} {1e3 * torch_time:9.2f}"
                f" {1e3 * seconds:9.2f} {plain / seconds:7.1f}× {torch_time / seconds:7.1f}×"
                f" {units * TRAJECTORIES / seconds:13.3g} {1e3 * floor:9.2f}"
                f" {floor / seconds:8.0%} {(floor + 4 * phi) / seconds:7.0%}  {how}"
            )
            print(lines[-1], flush=True)
    return lines


def time_of_a_step(
    network: RandomModeNetwork | IndependentNetwork,
    states: np.ndarray,
    steps: int,
    repetitions: int,
) -> float:
    """Seconds of CPU time a Runge–Kutta step of the simulator takes."""
    stepper = integrator(
        network, NONLINEARITIES["erf"], states.shape, np.float32, 0.0, np.random.default_rng(0)
    )
    moved = states.copy()
    return best_time(partial(stepper.advance, moved, 0.2, steps), repetitions) / steps


def with_torch() -> Callable[[np.ndarray, np.ndarray], object] | None:
    """The plain step in torch, where that is installed; its tensors share numpy's memory."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    scale, h = float(np.sqrt(np.pi) / 2), 0.2

    def step(coupling: np.ndarray, x: np.ndarray) -> object:
        matrix, state = torch.from_numpy(coupling), torch.from_numpy(x)

        def slope(value):  # type: ignore[no-untyped-def]
            return matrix @ torch.erf(scale * value) - value

        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return step


def plain_step(coupling: np.ndarray, x: np.ndarray) -> np.ndarray:
    """One step as one would write it down, with scipy's error function."""
    from scipy.special import erf

    scale = np.float32(np.sqrt(np.pi) / 2)
    h = np.float32(0.2)

    def slope(state: np.ndarray) -> np.ndarray:
        return coupling @ erf(scale * state) - state

    k1 = slope(x)
    k2 = slope(x + h / 2 * k1)
    k3 = slope(x + h / 2 * k2)
    k4 = slope(x + h * k3)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def others() -> list[str]:
    """Nonlinearities and theory."""
    from scipy.special import erf

    states = np.random.default_rng(0).standard_normal((1500, TRAJECTORIES), dtype=np.float32)
    rates = np.empty_like(states)
    scale = np.random.default_rng(1).lognormal(0, 0.5, 2000)
    different = best_time(lambda: mean_field(1.0, 0.1, "erf", 1.0, target_scale=scale), 2)
    return [
        "Other parts, ms",
        f"  erf of 1500 × {TRAJECTORIES} states, scipy: {1e3 * best_time(lambda: erf(states)):.3f}",
        f"  erf of the same, ours: "
        f"{1e3 * best_time(lambda: NONLINEARITIES['erf'](states, out=rates)):.3f}",
        f"  tanh of the same: "
        f"{1e3 * best_time(lambda: NONLINEARITIES['tanh'](states, out=rates)):.3f}",
        "Theory, single site and four-point function together, ms",
        *(
            f"  mean_field({gain:g}, 0.1, '{name}', {noise:g}): "
            f"{1e3 * best_time(lambda g=gain, n=name, s=noise: mean_field(g, 0.1, n, s)):.1f}"
            for name in ("erf", "tanh")
            for gain, noise in ((1.5, 0.0), (3.0, 0.0), (1.0, 1.0))
        ),
        f"  the same of 2,000 units that differ, g = 1, noise 1: {1e3 * different:.1f}",
    ]


def main() -> None:
    """Measure everything and write the table."""
    with threadpool_limits(limits=1):
        blocks = [simulations(Machine.measured()), products(), others()]
    head = (
        f"Python {platform.python_version()}, numpy {np.__version__}, {torch_version()}, one "
        f"thread, {processor()}; load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    )
    text = "\n\n".join(["\n".join(block) for block in [[head], *blocks]]) + "\n"
    print(text)
    Path(__file__).with_suffix(".txt").write_text(text)


def torch_version() -> str:
    """Version of torch, if it is installed."""
    try:
        import torch
    except ImportError:
        return "torch not installed"
    return f"torch {torch.__version__}"


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
