"""Speed of the low-rank fit beside accelerated projected gradient, as the paper used.

Run ``OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/low_rank.py``; it writes
``low_rank.txt`` beside itself (about ten minutes).

The problem: a curved sheet of some 2,000 voxels six to eight thick, 28 injections, weights with
local and long-range bumps. Both methods start from the same factors and share every product
(Gram matrices, sparse Laplacians, the entries that were not observed), this fit's within a step in
float32, the baseline's in float64 as published; a sweep of either ends with the evaluation of the
objective. The baseline alternates: a fixed number of Nesterov steps for U, then for V, each with
the step 1/L of its own convex quadratic (L by power iteration, warm-started from the last sweep),
the momentum restarted where it points uphill (O'Donoghue & Candes 2015). Of several such numbers
the one that is best in the end is shown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import time
from pathlib import Path

import numpy as np
from connectome_solver import sheet
from threadpoolctl import threadpool_limits

from mesomode.connectome.low_rank_problem import LowRankProblem, Quadratic
from mesomode.connectome.low_rank_solver import balance, solve
from mesomode.connectome.low_rank_start import bump_factors

INNER = (20, 80, 300)  # Nesterov steps per factor and sweep that are tried
TOLERANCES = (1e-2, 1e-3, 1e-4)


class Nesterov:
    """Projected gradient with Nesterov's momentum for the quadratic in one factor."""

    def __init__(self, shape: tuple[int, int], steps: int) -> None:
        self.vector = np.random.default_rng(0).random(shape)
        self.steps = steps

    def lipschitz(self, quadratic: Quadratic, iterations: int) -> float:
        """Largest eigenvalue of A by power iteration, with a margin of two per cent."""
        for _ in range(iterations):
            self.vector /= np.linalg.norm(self.vector)
            self.vector = quadratic.product(self.vector)
        return 1.02 * float(np.linalg.norm(self.vector))

    def improve(self, factor: np.ndarray, quadratic: Quadratic, first: bool) -> np.ndarray:
        """Some steps from ``factor``."""
        largest = self.lipschitz(quadratic, 30 if first else 3)
        ahead, weight = factor, 1.0
        for _ in range(self.steps):
            gradient = quadratic.product(ahead) - quadratic.right
            new = np.maximum(ahead - gradient / largest, 0)
            if np.vdot(ahead - new, new - factor) > 0:
                weight = 1.0
            next_weight = (1 + np.sqrt(1 + 4 * weight**2)) / 2
            ahead = new + (weight - 1) / next_weight * (new - factor)
            factor, weight = new, next_weight
        return factor


def accelerated(
    problem: LowRankProblem, u: np.ndarray, v: np.ndarray, steps: int, limit: float, goal: float
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and objective after each sweep, until ``goal`` or the limit of seconds."""
    begin = time.process_time()
    left, right = Nesterov(u.shape, steps), Nesterov(v.shape, steps)
    u, v = balance(u, v)
    seconds, history = [0.0], [problem.value(u, v).total]
    while seconds[-1] < limit and history[-1] > goal:
        u = left.improve(u, problem.target_quadratic(v), len(history) == 1)
        v = right.improve(v, problem.source_quadratic(u), len(history) == 1)
        u, v = balance(u, v)
        history.append(problem.value(u, v).total)
        seconds.append(time.process_time() - begin)
    return np.array(seconds), np.array(history)


def reached(seconds: np.ndarray, history: np.ndarray, goal: float) -> str:
    """When the objective first fell to ``goal``, or that it never did."""
    found = np.flatnonzero(history <= goal)
    return f"{seconds[found[0]]:10.1f}" if len(found) else f" > {seconds[-1]:7.0f}"


def compare(spacing: float, smoothing: float, rank: int, limit: float) -> list[str]:
    """The lines of one problem."""
    (injection, projection, observed, laplacian), _ = sheet(spacing)
    problem = LowRankProblem(injection, projection, observed, laplacian, laplacian, smoothing)
    start = bump_factors(problem, rank, np.random.default_rng(0))
    solve(problem, *start, maximum_iterations=1)  # compiles
    begin = time.process_time()

    class Enough(Exception):
        pass

    trace = [(0.0, problem.value(*balance(*start)).total)]

    def progress(sweep: int, terms) -> None:
        trace.append((time.process_time() - begin, terms.total))
        if trace[-1][0] > limit:
            raise Enough

    with contextlib.suppress(Enough):
        solve(problem, *start, tolerance=1e-6, maximum_iterations=100_000, progress=progress)
    ours = np.array(trace).T
    final = float(ours[1].min())
    others = {
        steps: accelerated(problem, *start, steps, limit, final * (1 + TOLERANCES[-1]))
        for steps in INNER
    }
    best = min(others, key=lambda steps: (others[steps][1].min(), others[steps][0][-1]))
    lines = [
        "",
        f"{problem.shape[0]} voxels, {problem.experiments} experiments, lambda {smoothing:g}, "
        f"rank {rank}; objective {ours[1][0]:.4g} at the start, {final:.6g} at the end",
        "  method                    sweeps  s/sweep   " + "".join(
            f"to {tolerance:6.0e}  " for tolerance in TOLERANCES
        ) + "   least objective",
    ]  # fmt: skip
    for name, (seconds, history) in {
        "this fit": ours,
        **{f"Nesterov, {s} steps{' *' if s == best else ''}": others[s] for s in INNER},
    }.items():
        cells = "".join(reached(seconds, history, final * (1 + t)) + "  " for t in TOLERANCES)
        lines.append(
            f"  {name:25} {len(history) - 1:6} {np.median(np.diff(seconds)):8.3f} {cells}"
            f"{history.min():12.6g}"
        )
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spacing", type=float, default=0.155, help="voxel edge, mm")
    parser.add_argument("--smoothing", type=float, default=100.0)
    parser.add_argument("--limit", type=float, default=60.0, help="CPU seconds for each fit")
    parser.add_argument("--rank", type=int, nargs="+", default=[20, 160])
    arguments = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    with threadpool_limits(threads):
        text = [
            f"Python {platform.python_version()}, numpy {np.__version__}, {threads} thread(s)",
            "CPU seconds until the objective is within 1e-2, 1e-3, 1e-4 of the least that this fit",
            "found from the same start (* the best of the baselines).",
        ]
        for r in arguments.rank:
            text += compare(arguments.spacing, arguments.smoothing, r, arguments.limit)
            print("\n".join(text), flush=True)
    Path(__file__).with_suffix(".txt").write_text("\n".join(text) + "\n")
