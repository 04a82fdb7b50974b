"""Mean-field theory against simulation over many networks and sizes, with standard errors.

Run ``python benchmarks/theory_and_simulation.py``; it takes about 40 minutes of CPU time on two
processes of one thread, and writes ``theory_and_simulation.txt`` and ``.png`` beside itself.
``--measured FILE`` keeps what each network gave, so that a run that was stopped goes on. Larger
networks of one case: ``--cases "power law, g = 3" --sizes 4000 8000 --networks 8 --out FILE``.

Couplings: independent; random modes of equal strengths (flat, PR_D = 1); random modes whose
strengths fall by a power law, d_a ∝ (a/N + 0.02)^(−1/2) (PR_D = 0.315 at any N). Autonomous at
g = 2 and 3, and driven by noise at g = 1. Every network is simulated from 32 random initial
states; the standard errors are over networks. Where a deviation from theory is more than three
of them, the dimension is extrapolated in 1/N from four sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mesomode.dynamics.ensemble import extrapolate, mean_and_error, measure, ratio_and_error
from mesomode.dynamics.theory import MeanField, mean_field
from mesomode.network.random_mode import IndependentNetwork, Network, RandomModeNetwork

SPECTRA = ("independent", "flat", "power law")
REGIMES = ((2.0, 0.0), (3.0, 0.0), (1.0, 1.0))
"""Gain g and variance σ² of the noise."""
SEEDS = {2000: 8, 1000: 16, 500: 24, 4000: 3}
STEPS = {1.0: 0.1, 2.0: 0.5, 3.0: 0.25}
"""Time step at each gain: its error is well below the errors over networks."""
TIMES = {1.0: (20.0, 60.0), 2.0: (100.0, 100.0), 3.0: (60.0, 80.0)}
"""Burn-in and time sampled at each gain."""
LAGS = (1.0, 2.0, 5.0, 10.0)
SAMPLING = 0.5
TRAJECTORIES = 32


@dataclass(frozen=True)
class Case:
    """Couplings of a kind at one gain and noise."""

    spectrum: str
    gain: float
    noise: float

    @property
    def name(self) -> str:
        """How the tables call it."""
        driven = f", σ² = {self.noise:g}" if self.noise else ""
        return f"{self.spectrum}, g = {self.gain:g}{driven}"

    def network(self, units: int, seed: int) -> Network:
        """One network of so many units."""
        generator = np.random.default_rng([SPECTRA.index(self.spectrum), units, seed])
        if self.spectrum == "independent":
            return IndependentNetwork.draw(units, self.gain, generator=generator)
        return RandomModeNetwork.from_spectrum(
            self.strengths(units), units=units, gain=self.gain, generator=generator
        )

    def strengths(self, units: int) -> np.ndarray:
        """Strengths d of the modes, up to their scale."""
        if self.spectrum == "flat":
            return np.ones(units)
        return ((np.arange(units) + 0.5) / units + 0.02) ** -0.5

    def theory(self, units: int) -> MeanField:
        """What theory says for the effective rank of so many units."""
        rank = np.inf
        if self.spectrum != "independent":
            squares = self.strengths(units) ** 2
            rank = np.sum(squares) ** 2 / np.sum(squares**2) / units
        return mean_field(self.gain, rank, "erf", self.noise)


def measured(case: Case, units: int, seed: int, burn_in: float, duration: float) -> dict[str, Any]:
    """Simulate one network and measure what theory predicts."""
    start = time.process_time()
    draw = measure(
        case.network(units, seed),
        [0.0, *LAGS],
        generator=np.random.default_rng([7, units, seed]),
        noise=case.noise,
        trajectories=TRAJECTORIES,
        time_step=STEPS[case.gain],
        burn_in=burn_in,
        duration=duration,
        sampling_interval=SAMPLING,
        checks=True,
    )
    return {
        "case": case.name,
        "units": units,
        "seed": seed,
        "variance": draw.variance,
        "variance_x": draw.variance_x,
        "curve": draw.curve[1:].tolist(),
        "squared_trace": draw.squared_trace,
        "squared_covariance": draw.squared_covariance,
        "frozen": draw.frozen,
        "step_error": draw.step_error,
        "seconds": time.process_time() - start,
    }


@dataclass(frozen=True)
class Deviation:
    """A quantity measured in several networks beside theory."""

    measured: float
    error: float
    theory: float

    @property
    def score(self) -> float:
        """Deviation in standard errors."""
        return (self.measured - self.theory) / self.error


def deviations(case: Case, rows: Sequence[dict[str, Any]]) -> dict[str, Deviation]:
    """Compare networks of one case and size with theory.

    The dimension is (tr C)²/tr C² with both averaged over networks; its error is the jackknife
    over networks.
    """
    theory = case.theory(rows[0]["units"])
    _, curve = theory.at(LAGS)
    traces = [row["squared_trace"] for row in rows]
    energies = [row["squared_covariance"] for row in rows]
    return {
        "C_φ(0)": Deviation(
            *mean_and_error([row["variance"] for row in rows]), theory.activity_variance
        ),
        "C_x(0)": Deviation(*mean_and_error([row["variance_x"] for row in rows]), theory.variance),
        **{
            f"C_φ({lag:g})": Deviation(
                *mean_and_error([row["curve"][place] for row in rows]), float(curve[place])
            )
            for place, lag in enumerate(LAGS)
        },
        "PR/N": Deviation(*ratio_and_error(traces, energies), theory.participation_ratio),
    }


def extrapolated(sizes: Sequence[int], found: Sequence[Deviation]) -> tuple[float, float]:
    """Relative deviation from theory at N → ∞ and its error, by a weighted line in 1/N."""
    limit = extrapolate(
        sizes,
        [d.measured / d.theory - 1.0 for d in found],
        [d.error / d.theory for d in found],
    )
    return limit.value, limit.error


def jobs(cases: Sequence[Case], seeds: dict[int, int]) -> Iterator[tuple[Case, int, int]]:
    """All networks to simulate; of a run that is stopped every case has about as many."""
    for units, count in seeds.items():
        for seed in range(count):
            for case in cases:
                yield case, units, seed


def tables(cases: Sequence[Case], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Two tables: everything at the size of most interest, and the dimension at all sizes."""
    main = 2000 if any(r["units"] == 2000 for r in rows) else max(r["units"] for r in rows)
    lines = [
        f"N = {main:,}: simulated ± standard error over networks, theory, z = deviation in "
        "standard errors",
        f"{'':30s} {'quantity':>10s} {'networks':>8s} {'simulated':>10s} {'± s.e.':>8s} "
        f"{'theory':>8s} {'ratio':>6s} {'z':>6s}",
    ]
    scaling = [
        "Dimension PR/N over theory at all sizes, and at N → ∞ by a line in 1/N; size = "
        "N·PR_D·(1 − g²⟨φ'⟩²)² (below 10: too few units)",
    ]
    verdicts: list[str] = []
    for case in cases:
        by_size: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            if row["case"] == case.name:
                by_size.setdefault(row["units"], []).append(row)
        sizes = sorted(n for n in by_size if len(by_size[n]) > 1)
        each = {n: deviations(case, by_size[n]) for n in sizes}
        for name, d in each[main].items():
            lines.append(
                f"{case.name:30s} {name:>10s} {len(by_size[main]):8d} {d.measured:10.5f} "
                f"{d.error:8.5f} {d.theory:8.5f} {d.measured / d.theory:6.3f} {d.score:+6.1f}"
            )
            if abs(d.score) > 3:
                verdicts.append(_verdict(case, name, d, main, each))
        scaling.append("")
        for n in sizes:
            d = each[n]["PR/N"]
            scaling.append(
                f"{case.name:30s} N = {n:5d}: {d.measured:8.5f} ± {d.error:.5f} / {d.theory:.5f} = "
                f"{d.measured / d.theory:5.3f} ± {d.error / d.theory:.3f}, z {d.score:+5.1f}, size "
                f"{case.theory(n).asymptotic_size(n):.3g}"
            )
        if len(sizes) > 2:
            limit, error = extrapolated(sizes, [each[n]["PR/N"] for n in sizes])
            scaling.append(
                f"{case.name:30s} N → ∞  : {1 + limit:5.3f} ± {error:.3f}, z {limit / error:+5.1f}"
            )
    missed = verdicts or ["None."]
    return [*lines, "", *scaling, "", f"More than 3 standard errors at N = {main:,}:", *missed]


def _verdict(
    case: Case, name: str, d: Deviation, main: int, each: dict[int, dict[str, Deviation]]
) -> str:
    text = f"{case.name}, {name}: z = {d.score:+.1f}, {100 * (d.measured / d.theory - 1):+.2f} %"
    sizes = sorted(each)
    if len(sizes) < 3:
        return text
    series = ", ".join(
        f"{100 * (each[n][name].measured / each[n][name].theory - 1):+.2f} %" for n in sizes
    )
    limit, error = extrapolated(sizes, [each[n][name] for n in sizes])
    return (
        f"{text}; at N = {', '.join(map(str, sizes))}: {series}; at N → ∞ {100 * limit:+.2f} ± "
        f"{100 * error:.2f} % (z = {limit / error:+.1f})"
    )


def draw(cases: Sequence[Case], rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the dimension over theory against 1/N."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    regimes = list(dict.fromkeys((case.gain, case.noise) for case in cases))
    for axes, regime in zip(
        figure.subplots(1, len(regimes), squeeze=False)[0], regimes, strict=True
    ):
        for place, case in enumerate(c for c in cases if (c.gain, c.noise) == regime):
            mine = [r for r in rows if r["case"] == case.name]
            sizes = sorted({r["units"] for r in mine})
            found = [deviations(case, [r for r in mine if r["units"] == n])["PR/N"] for n in sizes]
            inverse = 1000.0 / np.array(sizes) * (1 + 0.02 * (place - 1))
            axes.errorbar(
                inverse, [d.measured / d.theory for d in found],
                [d.error / d.theory for d in found], fmt="o-", ms=4, lw=1, capsize=2,
                label=f"{case.spectrum}, PR_D = {case.theory(max(sizes)).effective_rank:.3g}",
            )  # fmt: skip
        axes.axhline(1, color="0.5", lw=0.8)
        axes.set(
            xlim=(0, 1080 / min(row["units"] for row in rows)),
            xlabel="1000/N",
            title=f"g = {regime[0]:g}, σ² = {regime[1]:g}",
        )
        axes.legend(fontsize=7, frameon=False)
    figure.axes[0].set_ylabel("dimension, simulated / theory")
    figure.savefig(path, dpi=80)


def main() -> None:
    """Simulate all networks in two processes and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measured", type=Path, help="file that keeps what was measured")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="*", help="numbers of units; all if not given")
    parser.add_argument("--tables-only", action="store_true", help="simulate nothing more")
    parser.add_argument("--cases", nargs="*", help="names of cases, as in the tables")
    parser.add_argument("--networks", type=int, help="networks of each case and size")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".txt"))
    arguments = parser.parse_args()
    cases = [Case(s, gain, noise) for gain, noise in REGIMES for s in SPECTRA]
    if arguments.cases:
        cases = [case for case in cases if case.name in arguments.cases]
    rows: list[dict[str, Any]] = []
    if arguments.measured and arguments.measured.exists():
        rows = [json.loads(line) for line in arguments.measured.read_text().splitlines()]
    known = {(r["case"], r["units"], r["seed"]) for r in rows}
    seeds = {n: arguments.networks or SEEDS.get(n, 4) for n in arguments.sizes or SEEDS}
    todo = [j for j in jobs(cases, seeds) if (j[0].name, *j[1:]) not in known]
    if arguments.tables_only:
        todo = []
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    with ProcessPoolExecutor(arguments.processes, initializer=_one_thread) as pool:
        waiting = {
            pool.submit(measured, case, units, seed, *TIMES[case.gain])
            for case, units, seed in todo
        }
        for done in as_completed(waiting):
            rows.append(done.result())
            print(f"{len(rows):4d}  {rows[-1]['case']:30s} N = {rows[-1]['units']}", flush=True)
            if arguments.measured:
                with arguments.measured.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    times = "; ".join(
        f"{burn_in:g} and {duration:g}, step {STEPS[gain]:g} at g = {gain:g}"
        for gain, (burn_in, duration) in TIMES.items()
    )
    largest = {
        name: max((row["step_error"] for row in rows if ("σ" in row["case"]) == driven), default=0)
        for name, driven in (("autonomous", False), ("driven, of the path", True))
    }
    head = [
        f"Python {platform.python_version()}, numpy {np.__version__}; φ = erf; {TRAJECTORIES} "
        f"initial states for each network, float32, sampled every {SAMPLING:g} time constants; "
        f"burn-in and time sampled: {times}",
        "spectra: independent couplings (PR_D = ∞); flat (PR_D = 1); power law d_a ∝ "
        "(a/N + 0.02)^(−1/2) (PR_D = 0.315)",
        f"{len(rows)} networks, {sum(row['seconds'] for row in rows) / 60:.0f} minutes of CPU "
        "time; largest error of the time step over one time constant: "
        + ", ".join(f"{value:.1e} ({name})" for name, value in largest.items()),
    ]
    text = "\n".join([*head, "", *tables(cases, rows)]) + "\n"
    print(text)
    arguments.out.write_text(text)
    draw(cases, rows, arguments.out.with_suffix(".png"))


def _one_thread() -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)


if __name__ == "__main__":
    main()
