"""Dynamical similarity: what it tells apart, its distances beside dsa-metric's, its cost.

Run ``OMP_NUM_THREADS=1 python benchmarks/dynamical_similarity.py --peer PYTHON``, PYTHON being the
interpreter of an environment of its own with dsa-metric 2.0 (``pip install torch dsa-metric``);
without ``--peer`` its columns are left out. It writes ``dynamical_similarity.txt`` beside itself.
``--models 0`` leaves out all but the cost of all pairs, ``--systems 0`` that alone; the whole takes
about five minutes of two idle cores, and a minute more with the peer.

Systems are those of ``mesomode.comparison.attractors`` at full length: bistable, line and point
attractors whose averages over trials are the same. Both implementations are given the same
matrices (20 delays, rank 15), scaled to norm 1, as the peer scales what it is given. The peer
runs its default 1,500 iterations; it is random, so that its column is one draw. CPU seconds, one
thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mesomode.comparison import dynamical_distances, fit_delay_dynamics
from mesomode.comparison.attractors import attractor_trials, reversing_drive, ring_trials
from mesomode.comparison.dynamical_similarity import distance_matrix, pairs_of
from mesomode.comparison.orthogonal_similarity import random_orthogonal
from tests.comparison.shapes import kernel_alignment, neighbour_accuracy, procrustes

DELAYS, RANK, TRIALS = 20, 15, 40

PEER = """
import sys, time, json
import numpy as np, torch
torch.set_num_threads(1)
torch.manual_seed(0)
from DSA.simdist import SimilarityTransformDist
data = np.load(sys.argv[1])
out = []
for a, b in zip(data["a"], data["b"]):
    start = time.process_time()
    fit = SimilarityTransformDist(iters=1500, lr=0.01, score_method="euclidean")
    score = fit.fit_score(torch.tensor(a).float(), torch.tensor(b).float())
    out.append((float(score), time.process_time() - start))
print(json.dumps(out))
"""


def clock(action: Callable[[], Any]) -> tuple[float, float, Any]:
    """CPU seconds of all threads, wall seconds, and the result."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = action()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def fits(trials: np.ndarray, delays: int, rank: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array([fit_delay_dynamics(t, delays, rank).matrix for t in trials])


def same_shape(models: int) -> tuple[list[str], np.ndarray]:
    """Three-nearest-neighbour accuracy, and the matrices."""
    seconds, _, (responses, _) = clock(
        lambda: attractor_trials(models, TRIALS, np.random.default_rng(0))
    )
    systems = responses.reshape(3 * models, *responses.shape[2:])
    fit_seconds, _, matrices = clock(lambda: fits(systems, DELAYS, RANK))
    pairs, labels = pairs_of(3 * models), np.repeat(np.arange(3), models)
    averages = systems.reshape(3 * models, 2, TRIALS, -1, 2).mean(axis=2)
    found = dynamical_distances(matrices, "angular")
    values = {
        "angular": found.distance,
        "wasserstein": dynamical_distances(matrices, "wasserstein").distance,
        "Procrustes, condition averages": np.array(
            [procrustes(averages[a], averages[b]) for a, b in pairs]
        ),
        "1 - CKA, condition averages": np.array(
            [kernel_alignment(averages[a], averages[b]) for a, b in pairs]
        ),
    }
    lines = [
        f"Same shape, different dynamics: {models} systems each of bistable, line and point "
        f"attractors, {2 * TRIALS} trials",
        f"simulation {seconds:.1f} s; a fit with its check of the rank "
        f"{fit_seconds / len(systems):.3f} s ({2 * TRIALS} x {systems.shape[2]} x 2)",
        f"  {'3-NN accuracy (chance 0.33)':32} {'accuracy':>8} {'within':>8} {'between':>8}",
    ]
    for name, value in values.items():
        matrix = distance_matrix(3 * models, pairs, value)
        same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
        lines.append(
            f"  {name:32} {neighbour_accuracy(matrix, labels):8.2f} {value[same].mean():8.4f} "
            f"{value[~same].mean():8.4f}"
        )
    ratio = found.lower / found.distance
    lines.append(
        f"  lower over upper bound, angular: median {np.median(ratio):.2f}, least {ratio.min():.2f}"
    )
    return lines, matrices


def components(states: np.ndarray) -> np.ndarray:
    """Fifteen principal components."""
    flat = states.reshape(-1, states.shape[-1])
    flat = flat - flat.mean(axis=0)
    axes = np.linalg.eigh(flat.T @ flat)[1][:, ::-1][:, :15]
    return (flat @ axes).reshape(*states.shape[:2], 15)


def ring() -> list[str]:
    """Deformation and cutting of a ring attractor."""
    states = ring_trials(4, np.random.default_rng(1))
    steepness = (0.1, 0.6, 1.1, 2.1, 3.6)
    deformed = [1 / (1 + np.exp(-beta * states)) for beta in steepness]
    head = "  ".join(f"{beta:>7}" for beta in steepness)
    lines = [
        "Ring attractor seen through sigmoids, distance from the first (10 delays)",
        f"  {'steepness':20} {head}",
    ]
    shape = "  ".join(f"{procrustes(deformed[0], other):7.4f}" for other in deformed)
    lines.append(f"  {'Procrustes':20} {shape}")
    seen = [components(s) for s in deformed]
    for rank in (3, 5, 12, 15, 25):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            matrices = [fit_delay_dynamics(s, 10, rank).matrix for s in seen]
        pairs = np.array([(0, k) for k in range(len(matrices))])
        row = "  ".join(f"{d:7.4f}" for d in dynamical_distances(matrices, pairs=pairs).distance)
        note = f"  rank warning: {len(caught)} of {len(deformed)}" if caught else ""
        lines.append(f"  {f'dynamics, rank {rank}':20} {row}{note}")
    return [*lines, "", *closing()]


def closing(draws: int = 8) -> list[str]:
    """A line whose ends come nearer until it is a ring, moved by the same reversing drive.

    A rank separates what is compared from the rest where the singular values of the delay windows
    fall: between two equal ones (the harmonics of a ring come in pairs, those of a line one by one)
    noise decides which mode is kept.
    """
    cuts = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
    ranks, pairs = (3, 5, 7, 9, 12, 15), np.array([(0, k) for k in range(len(cuts))])
    shape, found, floor, gaps = [], [], [], []
    for seed in range(draws):
        drive = reversing_drive(12, 4000, np.random.default_rng([3, seed]))
        seen = [
            ring_trials(
                12, np.random.default_rng([5, seed]), cut=cut, drive=drive, steps=3000, settle=1000
            )
            for cut in cuts
        ]
        seen = [components(np.maximum(states, 0)) for states in seen]
        shape.append([procrustes(seen[0], other) for other in seen])
        full = [fit_delay_dynamics(states, 10, max(ranks), check=False) for states in seen]
        gaps.append(
            [[f.singular_values[r - 1] / f.singular_values[r] for r in ranks] for f in full]
        )
        found.append(
            [
                dynamical_distances(fits(np.array(seen), 10, rank), pairs=pairs).distance
                for rank in ranks
            ]
        )
        ends = np.array([half for k in (0, -1) for half in (seen[k][::2], seen[k][1::2])])
        floor.append(
            [
                dynamical_distances(fits(ends, 10, r), pairs=np.array([(0, 1), (2, 3)])).distance
                for r in ranks
            ]
        )
    lines = [
        "Line closed to a ring, moved by the same reversing drive: distance from the open line,",
        f"mean of {draws} drives (10 delays, 15 components). jump: least and largest ratio of the",
        "ring to the farthest of the lines. halves: largest distance between even and odd trials",
        "of line or ring. gap: least s_r/s_(r+1) of the singular values of the windows.",
        f"  {'part cut out':18} {'  '.join(f'{cut:>7}' for cut in cuts)}"
        f"  {'jump':>11}  {'halves':>7}  {'gap':>4}",
        f"  {'Procrustes':18} {'  '.join(f'{d:7.4f}' for d in np.mean(shape, axis=0))}",
    ]
    for place, rank in enumerate(ranks):
        values = np.array(found)[:, place]
        row = "  ".join(f"{d:7.5f}" for d in values.mean(axis=0))
        ratio = values[:, -1] / values[:, :-1].max(axis=1)
        halves, gap = np.array(floor)[:, place].max(), np.array(gaps)[..., place].min()
        lines.append(
            f"  {f'dynamics, rank {rank}':18} {row}  {ratio.min():3.1f} to {ratio.max():4.1f}  "
            f"{halves:.5f}  {gap:.2f}"
        )
    return lines


def beside_peer(matrices: np.ndarray, count: int, peer: str | None) -> list[str]:
    """Distances and costs of single pairs."""
    generator = np.random.default_rng(3)
    unit = matrices / np.linalg.norm(matrices, axis=(1, 2), keepdims=True)
    chosen = pairs_of(len(unit))
    chosen = chosen[generator.choice(len(chosen), count, replace=False)]
    cases = [("attractors", unit[a], unit[b]) for a, b in chosen]
    for n in (10, 15):
        a = generator.standard_normal((n, n))
        for sign, q in zip("+-", random_orthogonal(n, 2, generator), strict=True):
            a /= np.linalg.norm(a)
            cases.append((f"A and QAQ', n = {n}, det {sign}1", a, q @ a @ q.T))
    a, b = (m / np.linalg.norm(m) for m in generator.standard_normal((2, 15, 15)))
    cases.append(("independent, n = 15", a, b))
    theirs: dict[int, tuple[float, float]] = {}
    if peer is not None:
        theirs = run_peer(cases, peer)
    lines = [
        "Pairs, norm 1: distance and CPU seconds",
        f"  {'':32} {'lower':>8} {'here':>9} {'CPU s':>7} {'peer':>9} {'CPU s':>7}",
    ]
    dynamical_distances(unit[:2])  # compiled
    above = 0
    for place, (name, a, b) in enumerate(cases):
        seconds, _, found = clock(lambda a=a, b=b: dynamical_distances([a, b], threads=1))
        distance, spent = theirs.get(place, (np.nan, np.nan))
        above += bool(found.distance[0] > distance + 1e-6)
        form = ".2g" if "QAQ" in name else ".5f"
        row = (
            f"  {name:32} {found.lower[0]:8.4f} {found.distance[0]:9{form}} {seconds:7.3f} "
            f"{distance:9{form}} {spent:7.2f}"
        )
        lines.append(row.replace("nan", "  -"))
    if theirs:
        lines.append(f"  pairs on which the peer's distance is smaller (by 1e-6): {above}")
    return lines


def run_peer(cases: list, peer: str) -> dict[int, tuple[float, float]]:
    """The peer's distances and CPU seconds, by pairs of equal size."""
    result = {}
    for n in sorted({len(a) for _, a, _ in cases}):
        places = [k for k, (_, a, _) in enumerate(cases) if len(a) == n]
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "pairs.npz"
            np.savez(data, a=[cases[k][1] for k in places], b=[cases[k][2] for k in places])
            done = subprocess.run(
                [peer, "-c", PEER, str(data)],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        values = json.loads(done.stdout.strip().splitlines()[-1])
        result.update(zip(places, map(tuple, values), strict=True))
    return result


def all_pairs(systems: int) -> list[str]:
    """Cost of all pairs of many systems."""
    per_class = -(-systems // 3)
    responses, _ = attractor_trials(per_class, 10, np.random.default_rng(4))
    flat = responses.reshape(3 * per_class, *responses.shape[2:])[:systems]
    matrices = fits(flat, DELAYS, RANK)
    pairs = pairs_of(systems)
    dynamical_distances(matrices[:2])  # compiled
    cpu, wall, _ = clock(lambda: dynamical_distances(matrices, threads=2))
    each = cpu / len(pairs)
    lines = [
        f"All pairs of {systems} systems, rank {RANK} ({len(pairs):,} pairs), two threads",
        f"  {wall:.0f} s wall, {cpu:.0f} CPU s, {1e3 * each:.1f} ms of CPU a pair",
        f"  1,000 systems (499,500 pairs) at that: {499500 * each / 3600:.1f} CPU h, "
        f"{499500 * each / 60 / 64:.1f} min on 64 cores",
    ]
    sample = np.random.default_rng(5).choice(len(pairs), min(200, len(pairs)), replace=False)
    many = dynamical_distances(matrices, pairs=pairs[sample], starts=200).distance
    for starts in (24, 8):
        cpu, _, few = clock(
            lambda s=starts: dynamical_distances(matrices, pairs=pairs[sample], starts=s, threads=1)
        )
        excess = few.distance / many - 1
        lines.append(
            f"  {starts:3d} starts on {len(sample)} of them: {1e3 * cpu / len(sample):.1f} ms; "
            f"above the distance of 200 starts by 1e-6 or more: {np.mean(excess > 1e-6):.1%}, "
            f"by {excess.max():.1%} at most"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="interpreter with dsa-metric")
    parser.add_argument("--models", type=int, default=30, help="systems of each class")
    parser.add_argument("--pairs", type=int, default=12, help="pairs beside the peer")
    parser.add_argument("--systems", type=int, default=200, help="systems compared with all")
    parser.add_argument("--ring", action="store_true", help="the ring attractor alone")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".txt"))
    options = parser.parse_args()
    blocks = []
    if options.ring:
        blocks.append(ring())
    elif options.models:
        first, matrices = same_shape(options.models)
        blocks = [first, ring(), beside_peer(matrices, options.pairs, options.peer)]
    if options.systems:
        blocks.append(all_pairs(options.systems))
    head = (
        f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    )
    text = "\n\n".join("\n".join(block) for block in [[head], *blocks]) + "\n"
    print(text)
    options.out.write_text(text)


if __name__ == "__main__":
    main()
