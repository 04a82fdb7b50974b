"""The low-rank model at the size of the isocortex, and how time and memory grow towards the brain.

Run ``OMP_NUM_THREADS=2 NUMBA_NUM_THREADS=2 python benchmarks/whole_brain.py``; it writes
``whole_brain.txt`` beside itself (about ten minutes on 2 cores, less than 8 GB).

The problem: a slab of voxels in each of two hemispheres. Sources are voxels of the right one,
targets those of both, ipsi- and contralateral together. The truth is smooth, nonnegative and of
low rank, never formed; injections are blobs, ipsilateral targets inside them are not observed,
and the projections have noise. Each run is a process of its own, so that its peak memory is its.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mesomode.connectome import low_rank_block
from mesomode.connectome.factored import FactoredWeights
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.low_rank import LowRankConnectome, memory_needed

TRUE_RANK = 40
DEPTH = 8  # voxels from the surface to the white matter
NOISE = 0.05  # standard deviation, of the mean projection density where it is not zero
SMOOTHNESS = 10.0
TARGET, SOURCE, EXPERIMENTS, RANK = 120_000, 15_000, 120, 50
FLOOR = {"n": 1.0, "n_inj": 0.0, "r": 2.0}  # of the powers that are extrapolated with
WHOLE = (448_962, 226_346, 428)
"""Targets, sources and wild-type experiments of the whole brain in Knox et al. (2018)."""
NO_BLOCKS = """
Why there is no array of jobs over blocks of W: in (P1) only rows in different connected
components of the target grid are independent (a test holds this: the two hemispheres could be
fitted apart, each again a problem of its own); in (P2) not even these, since all rows share V.
What a cluster can spread are models and folds, which are jobs already.
"""


def slab(voxels: int, depth: int = DEPTH) -> np.ndarray:
    """Lattice indices of about ``voxels`` voxels in an elliptic sheet: (voxel, 3)."""
    width = int(np.ceil(np.sqrt(voxels / depth * 4 / np.pi))) + 2
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (width, width, depth)), indexing="ij"), -1)
    radius = np.linalg.norm(grid[..., :2] - (width - 1) / 2, axis=-1)
    chosen = np.argsort(radius.ravel(), kind="stable")[:voxels]
    return grid.reshape(-1, 3)[np.sort(chosen)]


def bumps(place: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Gaussian bumps over the sheet: (voxel, bump)."""
    square = ((place[:, None, :2] - centre[:, :2]) ** 2).sum(-1)
    return np.exp(-square / (2 * width**2))


def problem(targets: int, sources: int, experiments: int, seed: int = 1) -> dict[str, Any]:
    """X, Y, Omega (experiment first), the Laplacians and the truth in factors."""
    generator = np.random.default_rng(seed)
    ipsi, contra = slab(targets // 2), slab(targets - targets // 2)
    source = slab(sources)
    span = ipsi[:, :2].max() / source[:, :2].max()  # the sources are coarser voxels of the sheet
    place = np.vstack([ipsi, contra + np.array([4 * ipsi[:, :2].max(), 0, 0])])
    scaled = source * [span, span, 1.0]
    size = ipsi[:, :2].max()
    centre = scaled[generator.choice(sources, TRUE_RANK)]
    v = bumps(scaled, centre, size * generator.uniform(0.06, 0.15, TRUE_RANK))
    u = np.zeros((targets, TRUE_RANK))
    half = len(ipsi)
    for rows, mirrored, strength in (
        (slice(0, half), ipsi, 1.0),
        (slice(half, None), contra, 0.3),  # weaker, and homotopic, as callosal projections are
    ):
        for share, shift in ((1.0, 0.0), (0.3, 0.25), (0.3, 0.25)):
            moved = centre + size * shift * generator.standard_normal(centre.shape)
            u[rows] += strength * share * bumps(mirrored, moved, size * np.full(TRUE_RANK, 0.1))
    u *= 1.0 / sources  # an injection of many voxels projects with a density below one
    injection = np.zeros((experiments, sources))
    middle = scaled[generator.choice(sources, experiments, replace=experiments > sources)]
    radius = size * generator.uniform(0.05, 0.08, experiments)
    for i in range(experiments):
        across = ((scaled[:, :2] - middle[i, :2]) ** 2).sum(1) / radius[i] ** 2
        deep = ((scaled[:, 2] - middle[i, 2]) / DEPTH) ** 2
        injection[i] = np.clip(1.15 * (1 - across - deep), 0, 1)
    projection = (injection @ v) @ u.T
    projection += (
        NOISE * projection[projection > 0].mean() * generator.standard_normal(projection.shape)
    )
    observed = np.ones(projection.shape, bool)
    for i in range(experiments):
        across = ((ipsi[:, :2] - middle[i, :2]) ** 2).sum(1) / radius[i] ** 2
        deep = ((ipsi[:, 2] - middle[i, 2]) / DEPTH) ** 2
        observed[i, :half] = across + deep >= 1
    return {
        "X": injection,
        "Y": np.maximum(projection, 0),
        "observed": observed,
        "source_laplacian": graph_laplacian(source),
        "target_laplacian": graph_laplacian(place),
        "truth": FactoredWeights(u, v),
    }


def peak() -> float:
    """Most memory this process has held, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def block_error(fitted: FactoredWeights, truth: FactoredWeights, seed: int = 0) -> float:
    """Relative error on 20 random blocks of 500 targets and 500 sources."""
    generator = np.random.default_rng(seed)
    square = total = 0.0
    for _ in range(20):
        rows = generator.choice(truth.shape[0], 500)
        columns = generator.choice(truth.shape[1], 500)
        true = truth[np.ix_(rows, columns)]
        square += float(((fitted[np.ix_(rows, columns)] - true) ** 2).sum())
        total += float((true**2).sum())
    return float(np.sqrt(square / total))


def run(
    targets: int,
    sources: int,
    experiments: int,
    rank: int,
    precision: str,
    sweeps: int,
    fixed_work: bool,
) -> dict[str, Any]:
    """One fit in this process; its measures as a dictionary.

    ``fixed_work`` leaves each sweep its conjugate gradients alone; else gradient steps follow
    them where the bound asks for it.
    """
    begin = time.perf_counter()
    data = problem(targets, sources, experiments)
    made, before = time.perf_counter() - begin, peak()
    truth = data.pop("truth")
    model = LowRankConnectome(
        rank, SMOOTHNESS, maximum_iterations=sweeps, tolerance=1e-4, precision=precision
    )
    if fixed_work:
        low_rank_block.GRADIENT_STEPS = 0
    spent: list[float] = []
    begin = time.perf_counter()
    model.fit(**data, progress=lambda sweep, terms: spent.append(time.process_time()))
    seconds = time.perf_counter() - begin
    steps = np.diff(model.seconds_)
    history = model.objective_history_
    return {
        "targets": targets, "sources": sources, "experiments": experiments, "rank": rank,
        "precision": precision, "generation": made, "seconds": seconds,
        "start": seconds - model.seconds_[-1] + model.seconds_[0],
        "sweep": float(np.median(steps)), "cpu": float(np.median(np.diff(spent))),
        "sweeps": model.n_iter_,
        "history": history, "times": model.seconds_,
        "objective": history[-1], "misfit": model.misfit_, "penalty": model.penalty_,
        "observed_square": float((data["Y"] ** 2)[data["observed"]].sum()),
        "error": block_error(model.factored_, truth), "data_gb": before, "peak_gb": peak(),
        "stated_gb": memory_needed(targets, sources, rank, experiments, precision) / 1e9,
    }  # fmt: skip


def elsewhere(*arguments: Any) -> dict[str, Any]:
    """The same in a new process."""
    command = [sys.executable, __file__, "--one", *map(str, arguments)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


GRID = {
    "n": [(15_000, 3_750, 60, 25), (30_000, 7_500, 60, 25), (60_000, 15_000, 60, 25)],
    "n_inj": [(30_000, 7_500, 30, 25), (30_000, 7_500, 60, 25), (30_000, 7_500, 120, 25)],
    "r": [(30_000, 7_500, 60, 25), (30_000, 7_500, 60, 50), (30_000, 7_500, 60, 100)],
}


def exponent(runs: list[dict[str, Any]], name: str, measure: str) -> float:
    """Slope of log(measure) on log(name)."""
    key = {"n": "targets", "n_inj": "experiments", "r": "rank"}[name]
    at = np.log([r[key] for r in runs])
    return float(np.polyfit(at, np.log([max(r[measure], 1e-9) for r in runs]), 1)[0])


def report() -> str:
    lines = [
        f"Python {platform.python_version()}, numpy {np.__version__}, "
        f"{os.environ.get('OMP_NUM_THREADS', 'all')} threads",
        "", "Isocortex: two hemispheres of targets, one of sources; W is never formed", "",
        _head(),
    ]  # fmt: skip
    for precision, sweeps in (("float64", 8), ("float32", 30)):
        large = elsewhere(TARGET, SOURCE, EXPERIMENTS, RANK, precision, sweeps, "free")
        lines.append(_row(large))
        share = large["misfit"] / large["observed_square"]
        lines.append(
            f"      start {large['start']:.0f} s; objective {large['history'][0]:.4g} -> "
            f"{large['objective']:.5g} (misfit {large['misfit']:.4g}, "
            f"{share:.2%} of |Y|^2; penalty "
            f"{large['penalty']:.4g}); W dense would be "
            f"{large['targets'] * large['sources'] * 8 / 1e9:.0f} GB"
        )
    lines += [
        "",
        "Scaling (float64, 6 sweeps of conjugate gradients alone, so that the work of a sweep",
        "does not depend on the data; r, n_inj and n doubled one at a time)",
        "",
        _head(),
    ]
    runs: dict[tuple[int, ...], dict[str, Any]] = {}
    for sizes in sorted({s for group in GRID.values() for s in group}):
        runs[sizes] = elsewhere(*sizes, "float64", 6, "fixed")
        lines.append(_row(runs[sizes]))
    lines.append("")
    powers = {}
    for name, group in GRID.items():
        chosen = [runs[s] for s in group]
        for r in chosen:
            r["fit_gb"] = r["peak_gb"] - r["data_gb"]
        powers[name] = exponent(chosen, name, "cpu"), exponent(chosen, name, "fit_gb")
        lines.append(
            f"CPU time per sweep ~ {name}^{powers[name][0]:.2f}, memory of the fit ~ "
            f"{name}^{powers[name][1]:.2f}"
        )
    base = large if large["precision"] == "float32" else runs[GRID["n"][0]]
    lines += ["", "Extrapolated to the whole brain, {} x {}, {} experiments".format(*WHOLE)]
    for rank in (50, 100, 500):
        factor = 1.0  # with at least the power that the products must reach in the end
        ratio = (WHOLE[0] + WHOLE[1]) / (base["targets"] + base["sources"])
        for name, by in (
            ("n", ratio), ("n_inj", WHOLE[2] / base["experiments"]), ("r", rank / base["rank"])
        ):  # fmt: skip
            factor *= by ** max(powers[name][0], FLOOR[name])
        lines.append(
            f"  rank {rank:4}: {base['cpu'] * factor / 3600:6.2f} CPU hours a sweep (float32), "
            f"{memory_needed(*WHOLE[:2], rank, WHOLE[2], 'float32') / 1e9:5.1f} "
            f"GB float32 or {memory_needed(*WHOLE[:2], rank, WHOLE[2]) / 1e9:5.1f} GB float64 "
            "stated for the fit"
        )
    lines.append(
        f"  the data X, Y and Omega in float64: "
        f"{(WHOLE[0] * 9 + WHOLE[1] * 8) * WHOLE[2] / 1e9:.1f} GB more"
    )
    return "\n".join(lines) + "\n" + NO_BLOCKS


def _head() -> str:
    return (
        " targets sources n_inj rank precision  s/sweep CPU s/sweep sweeps total s error vs truth "
        " data GB peak GB  stated for the fit"
    )


def _row(r: dict[str, Any]) -> str:
    return (
        f"{r['targets']:8} {r['sources']:7} {r['experiments']:5} {r['rank']:4} {r['precision']:>9} "
        f"{r['sweep']:8.2f} {r['cpu']:11.2f} {r['sweeps']:6} {r['seconds']:7.0f} "
        f"{r['error']:14.3f} {r['data_gb']:8.2f} {r['peak_gb']:7.2f} {r['stated_gb']:7.2f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=7, metavar=tuple("TSNRPIF"))
    arguments = parser.parse_args()
    with threadpool_limits(int(os.environ.get("OMP_NUM_THREADS", "2"))):
        if arguments.one:
            *sizes, kind, most, fixed = arguments.one
            print(json.dumps(run(*map(int, sizes), kind, int(most), fixed == "fixed")))
        else:
            text = report()
            print(text)
            Path(__file__).with_suffix(".txt").write_text(text)
