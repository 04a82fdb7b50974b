"""Speed and memory of the voxel fit beside scipy's L-BFGS-B with the same exact gradients.

Run ``OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/connectome_solver.py``; for 500 and
2,000 voxels it writes ``connectome_solver_500.txt`` and ``connectome_solver_2000.txt`` beside
itself (half an hour). ``--voxels 500`` does one of them, ``--smoothing 100`` adds a lambda to its
table. With ``--large`` it fits 7,500 voxels, and writes ``connectome_solver_7500.txt`` (half an
hour). There the path of lambda is added by ``--large --path``, and L-BFGS-B by ``--large
--smoothing 1e3 --quasi-newton``: 50 evaluations, over a quarter of an hour, 16 GB of memory.

The authors' C++ (L-BFGS-B) on problems of this kind, 28 injections, on another machine: 500
voxels 9.5, 18.8 and 29.5 CPU-s for lambda 10, 1e3 and 1e5 (204, 388 and 600 evaluations, the last
not converged; the others stopped at gaps of 6e-5 and 2.4e-4); 2,037 voxels, lambda 100: 251 CPU-s,
295 evaluations; 7,503 voxels: 13 GB and unfinished after ten CPU-minutes.

The problem: a curved sheet of voxels, as the mouse visual cortex is, 28 injections, weights with
local and long-range bumps. Both methods run in the same process, on the same Objective, until the
optimality residual and the distance of the objective from the lower bound (proven by duality from
the fit) are both below the tolerance, or L-BFGS-B has used the evaluations it is given.

Costs are CPU seconds, and those divided by the time of one float64 gradient ("gradients"). That
counts everything: conjugate gradients, preconditioner, its setup, line searches, checks. The
gradient of this unit takes X as dense: the floor is the time of its two matrix products, 4 n_y n_x
n_inj flops. Both methods leave the zeros of X out; their gradient is given, too. The seconds of
this fit are those until its own estimate met the tolerance, then those with the proof. Memory is
the peak of what numpy allocated, proof included, in dense float64 n_y x n_x matrices.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, minimize
from threadpoolctl import threadpool_limits

from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.newton import FitState
from mesomode.connectome.objective import Objective
from mesomode.connectome.path import fit_path
from mesomode.connectome.spline import fit_spline

TOLERANCES = (1e-4, 1e-6)
# Voxel edge (mm), evaluations L-BFGS-B may use, and lambda, for each size. The error of W against
# the true one is least near lambda 0.1 (500 voxels), 10 (2,000) and 300 (7,500): the others are
# too small or too large.
SIZES = {
    500: (0.245, 1500, (0.01, 0.1, 10.0, 1e3, 1e5)),
    2000: (0.155, 150, (1.0, 10.0, 1e3, 1e5)),
    7500: (0.1, 50, (1e5, 1e3, 1e2)),
}
HEADER = (
    f"  {'method':10} {'within':>7} {'CPU s':>8} {'gradients':>9} {'evals':>6} {'gap':>9} "
    f"{'KKT':>9} {'memory':>7}"
)


def sheet(spacing: float, experiments: int = 28, seed: int = 1) -> tuple[tuple, np.ndarray]:
    """(X, Y, Omega, L) of a curved sheet and W_true; ``spacing`` is the voxel edge in mm."""
    generator = np.random.default_rng(seed)
    across = np.arange(-2.6, 2.6 + spacing, spacing)
    grid = np.stack(np.meshgrid(across, across, np.arange(2.6, 5.2, spacing), indexing="ij"), -1)
    radius = np.linalg.norm(grid, axis=-1)
    u = np.arctan2(grid[..., 0], grid[..., 2]) * 4.5
    v = np.arctan2(grid[..., 1], np.hypot(grid[..., 0], grid[..., 2])) * 4.5
    inside = (radius >= 4.15) & (radius < 4.85) & ((u / 1.96) ** 2 + (v / 1.76) ** 2 < 1)
    voxels, place = np.argwhere(inside), grid[inside]
    surface = np.stack([u[inside], v[inside]], axis=1)
    truth = np.exp(-_squares(surface, surface) / (2 * 0.42**2))
    for centre in ((-1.3, 0.35), (1.25, 0.45), (0.1, 1.25)):  # areas that mirror the middle one
        area = np.exp(-((np.sum((surface - centre) ** 2, axis=1) / 0.2) ** 2))
        mirrored = (surface - centre) * [-2.0, 2.0]
        truth += 0.25 * area[:, None] * np.exp(-_squares(mirrored, surface) / (2 * 0.4**2))
    truth *= 0.003 * (spacing / 0.1) ** 3
    centre = place[generator.choice(len(place), experiments, replace=False)]
    size = generator.uniform(0.28, 0.5, experiments)
    injection = np.clip(1.15 * (1 - _squares(place, centre) / size**2), 0, 1)
    clean = truth @ injection
    noise = generator.standard_normal(clean.shape) * (0.3 + np.sqrt(clean))
    projection = np.maximum(clean + 0.02 * noise, 0)
    return (injection, projection, injection == 0, graph_laplacian(voxels)), truth


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of all pairs of rows."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)


def clock(action: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds, and the result."""
    gc.collect()
    start = time.process_time()
    result = action()
    return time.process_time() - start, result


def basis(data: tuple, smoothing: float) -> tuple[Objective, float, float, float]:
    """The objective; seconds of a gradient with dense X, of its products alone, and as it is."""
    injection, projection, observed, laplacian = data
    objective = Objective(injection, projection, observed, laplacian, laplacian, smoothing)
    weights, gradient, work = (np.ones(objective.shape) for _ in range(3))

    def products() -> None:
        np.matmul(weights @ objective.injection, objective.injection.T, out=gradient)

    def whole() -> None:
        objective.value_and_gradient(weights, gradient, work)

    sparse = objective.products.sparse
    seconds = []
    for objective.products.sparse in (False, sparse):
        whole()
        seconds.append(min(clock(whole)[0] for _ in range(5)))
    return objective, seconds[0], min(clock(products)[0] for _ in range(5)), seconds[1]


def line(
    method: str,
    tolerance: float,
    seconds: float,
    gradient: float,
    count: int,
    rest: str = "",
) -> str:
    """One row of the table."""
    return (
        f"  {method:10} {tolerance:7.0e} {seconds:8.1f} {seconds / gradient:9.0f} {count:6d} {rest}"
    )


def newton(
    data: tuple, truth: np.ndarray, smoothing: float, gradient: float
) -> tuple[float, list[str], dict[float, float]]:
    """The best lower bound, the rows of the table, and the seconds to each tolerance."""
    injection, projection, observed, laplacian = data
    arguments = (injection, projection, observed, laplacian, laplacian, smoothing)
    rows, lower, spent = [], 0.0, {}
    for tolerance in TOLERANCES:
        found: list[tuple[float, int, float]] = []
        gc.collect()
        tracemalloc.start()
        start = time.process_time()

        def note(
            state: FitState,
            found: list = found,
            tolerance: float = tolerance,
            start: float = start,
        ) -> None:
            if not found and max(state.gap_estimate, state.kkt_residual) <= tolerance:
                found.append((time.process_time() - start, state.products, state.kkt_residual))
                print(
                    f"  {smoothing:g}, {tolerance:g}: {found[0][0]:.1f} s before the proof",
                    flush=True,
                )

        fit = fit_spline(*arguments, tolerance=tolerance, progress=note)
        total = time.process_time() - start
        memory = tracemalloc.get_traced_memory()[1] / (8.0 * truth.size)
        tracemalloc.stop()
        lower = max(lower, fit.terms.total * (1 - fit.gap_bound))
        error = np.linalg.norm(fit.weights - truth) / np.linalg.norm(truth)
        seconds, products, kkt = found[0] if found else (total, fit.products, fit.kkt_residual)
        rest = (
            f"{fit.gap_bound:9.1e} {kkt:9.1e} {memory:7.2f} {total:.1f} s with proof; "
            f"error {100 * error:.1f} %{'' if fit.converged else '; NOT CONVERGED'}"
        )
        rows.append(line("this fit", tolerance, seconds, gradient, products, rest))
        spent[tolerance] = seconds
    return lower, rows, spent


def quasi_newton(
    objective: Objective,
    lower: float,
    gradient_seconds: float,
    evaluations: int,
    spent: dict[float, float],
    corrections: int = 10,
) -> list[str]:
    """L-BFGS-B from zero, 10 corrections (the default) if not said otherwise."""
    curvature = objective.largest_curvature()
    work = np.empty(objective.shape)
    reached: dict[float, tuple[float, int]] = {}
    best = {"count": 0, "measure": np.inf, "gap": np.inf, "kkt": np.inf}
    judging = 0.0
    gc.collect()
    start = time.process_time()

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal judging
        weights = flat.reshape(objective.shape)
        terms, gradient = objective.value_and_gradient(weights, work=work)
        begun = time.process_time()
        gap = (terms.total - lower) / terms.total
        kkt = objective.kkt_residual(weights, gradient, curvature)
        best["count"] += 1
        if max(gap, kkt) < best["measure"]:
            best.update(measure=max(gap, kkt), gap=gap, kkt=kkt)
        judging += time.process_time() - begun  # judging is not the method's cost
        for tolerance in TOLERANCES:
            if max(gap, kkt) <= tolerance and tolerance not in reached:
                reached[tolerance] = (time.process_time() - start - judging, best["count"])
        return terms.total, gradient.ravel()

    def stop(intermediate_result: object) -> None:
        if best["measure"] <= min(spent) or best["count"] >= evaluations:
            raise StopIteration

    size = objective.shape[0] * objective.shape[1]
    minimize(
        value_and_gradient,
        np.zeros(size),
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(0.0, np.inf),  # a list of pairs would take gigabytes
        callback=stop,
        options={
            "maxfun": evaluations,
            "maxiter": evaluations,
            "ftol": 0.0,
            "gtol": 0.0,
            "maxcor": corrections,
        },
    )
    end = (time.process_time() - start - judging, best["count"])
    rows = []
    for tolerance in TOLERANCES:
        seconds, count = reached.get(tolerance, end)
        ratio = f"{seconds / spent[tolerance]:.1f} times this fit"
        if tolerance in reached:
            rest = f"{'':27} {ratio}"
        else:
            rest = f"{best['gap']:9.1e} {best['kkt']:9.1e} {'':7} NOT REACHED; over {ratio}"
        rows.append(line("L-BFGS-B", tolerance, seconds, gradient_seconds, count, rest))
    return rows


def path_costs(data: tuple) -> list[str]:
    """Ten lambda from 10 to 1e6 to gap 1e-4, beside single fits of some of them."""
    injection, projection, observed, laplacian = data
    arguments = (injection, projection, observed, laplacian, laplacian)
    values = np.logspace(1, 6, 10)
    alone = values[:1] if len(injection) > 5000 else values[::3]  # the least is the dearest

    def follow() -> int:
        return sum(fit.products for _, fit in fit_path(*arguments, values))

    whole, products = clock(follow)
    rows = [f"  path of 10 lambda from 1e6 to 10 within 1e-4: {whole:.1f} s, {products} products;"]
    print(rows[0], flush=True)
    for proven in (False, True):
        seconds = [
            clock(lambda v=v, p=proven: fit_spline(*arguments, v, tolerance=1e-4, bound=p))[0]
            for v in alone
        ]
        rows.append(
            f"  {whole / max(seconds):.1f} times the dearest fit done alone, "
            f"{'proven' if proven else 'without proof'}: "
            f"{', '.join(f'{s:.1f}' for s in seconds)} s for lambda "
            f"{', '.join(f'{v:.3g}' for v in alone)}"
        )
    return rows


def measure(
    voxels: int,
    chosen: list[float] | None = None,
    path: bool = False,
    quasi: bool = True,
) -> None:
    """All of one size; writes its table as it grows. Chosen lambda, or the path, are added."""
    spacing, evaluations, smoothings = SIZES[voxels]
    out = Path(__file__).with_name(f"{Path(__file__).stem}_{voxels}.txt")
    lines = [
        f"Python {platform.python_version()}, numpy {np.__version__}, "
        f"{os.environ.get('NUMBA_NUM_THREADS', 'all')} thread(s)",
        *("The authors'" + __doc__.partition("The authors'")[2]).splitlines(),
    ]
    if (chosen or path) and out.exists():
        lines = out.read_text().splitlines()
    data, truth = sheet(spacing)

    def note(rows: list[str]) -> None:
        print("\n".join(rows), flush=True)
        lines.extend(rows)
        out.write_text("\n".join(lines) + "\n")

    if path:
        note(["", *path_costs(data)])
        return
    for smoothing in chosen or smoothings:
        objective, gradient, products, own = basis(data, smoothing)
        flops = 4.0 * truth.size * data[0].shape[1]
        lower, rows, spent = newton(data, truth, smoothing, gradient)
        note(
            [
                "",
                f"{len(data[0])} voxels, {data[0].shape[1]} experiments, lambda {smoothing:g}; one "
                f"gradient {gradient:.3g} s, floor {products:.3g} s ({flops / 1e9:.2g} Gflop); "
                f"without the zeros of X {own:.3g} s",
                HEADER,
                *rows,
            ]
        )
        if quasi:
            corrections = 10 if voxels < 5000 else 3
            note(quasi_newton(objective, lower, gradient, evaluations, spent, corrections))
    if voxels < 5000 and not chosen:
        note(["", *path_costs(data)])


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voxels", type=int, nargs="+", choices=[500, 2000], default=[500, 2000])
    parser.add_argument("--large", action="store_true", help="7,500 voxels, this fit alone")
    parser.add_argument("--quasi-newton", action="store_true", help="and L-BFGS-B, 16 GB")
    parser.add_argument("--smoothing", type=float, nargs="+", help="add these lambda to the table")
    parser.add_argument("--path", action="store_true", help="add the path of ten lambda alone")
    arguments = parser.parse_args()
    (x, y, omega, laplacian), _ = sheet(0.3, experiments=4)  # compile first
    for precision in ("float32", "float64"):
        fit_spline(x, y, omega, laplacian, laplacian, 10.0, precision=precision)
    for voxels in [7500] if arguments.large else arguments.voxels:
        quasi = arguments.quasi_newton or not arguments.large
        measure(voxels, arguments.smoothing, arguments.path, quasi)


if __name__ == "__main__":
    with threadpool_limits(limits=int(os.environ.get("NUMBA_NUM_THREADS", "1"))):
        main()
