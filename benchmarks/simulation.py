"""Speed of the simulator: factored against dense couplings, and the cost of a whole step.

Run ``OMP_NUM_THREADS=1 python benchmarks/simulation.py``; it writes ``simulation.txt`` beside
itself. Times are the best of several repetitions, in CPU time of one thread.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mesomode.dynamics.nonlinearity import NONLINEARITIES
from mesomode.dynamics.simulation import simulate
from mesomode.dynamics.theory import mean_field
from mesomode.network.random_mode import IndependentNetwork, RandomModeNetwork

TRAJECTORIES = 32
STEPS = 20


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


def simulations() -> list[str]:
    """Unit-steps a second of the simulator beside the same method written plainly."""
    lines = [
        f"Runge–Kutta steps of {TRAJECTORIES} trajectories, erf, float32",
        f"{'units':>6} {'modes':>6} {'ms/step plain':>14} {'ms/step':>8} {'faster':>7}"
        f" {'unit-steps/s':>13}",
    ]
    for units, modes in ((500, 0), (1000, 0), (1500, 0), (1500, 100), (2000, 0), (4000, 100)):
        generator = np.random.default_rng(0)
        network: RandomModeNetwork | IndependentNetwork
        if modes:
            network = RandomModeNetwork.from_spectrum(
                np.ones(modes), units=units, gain=3.0, generator=generator
            )
        else:
            network = IndependentNetwork.draw(units, 3.0, generator=generator)
        run = partial(
            simulate,
            network,
            trajectories=TRAJECTORIES,
            burn_in=0,
            duration=0.2 * STEPS,
            sampling_interval=0.2 * STEPS,
        )
        seconds = best_time(lambda run=run: run(generator=np.random.default_rng(0)), 3)
        seconds /= STEPS + 15  # five steps and ten half ones measure the step's error
        coupling = network.dense()
        states = np.ones((units, TRAJECTORIES), np.float32)
        plain = best_time(partial(plain_step, coupling, states), 3)
        lines.append(
            f"{units:6d} {modes or 'all':>6} {1e3 * plain:14.2f} {1e3 * seconds:8.2f}"
            f" {plain / seconds:6.1f}× {units * TRAJECTORIES / seconds:13.3g}"
        )
    return lines


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
    return [
        "Other parts, ms",
        f"  erf of 1500 × {TRAJECTORIES} states, scipy: {1e3 * best_time(lambda: erf(states)):.3f}",
        f"  erf of the same, ours: "
        f"{1e3 * best_time(lambda: NONLINEARITIES['erf'](states, out=rates)):.3f}",
        f"  tanh of the same: "
        f"{1e3 * best_time(lambda: NONLINEARITIES['tanh'](states, out=rates)):.3f}",
        f"  mean_field(3.0, 0.1, 'erf'): {1e3 * best_time(lambda: mean_field()):.1f}",
        f"  mean_field(3.0, 0.1, 'tanh'): "
        f"{1e3 * best_time(lambda: mean_field(nonlinearity='tanh')):.1f}",
    ]


def main() -> None:
    """Measure everything and write the table."""
    with threadpool_limits(limits=1):
        blocks = [products(), simulations(), others()]
    head = f"Python {platform.python_version()}, numpy {np.__version__}, one thread, {processor()}"
    text = "\n\n".join(["\n".join(block) for block in [[head], *blocks]]) + "\n"
    print(text)
    Path(__file__).with_suffix(".txt").write_text(text)


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
