"""A random-mode network from any matrix, theory beside simulation.

Any square matrix will do; here it is that of 800 units on a ring, with normal weights that fade
with distance and a few strong shared inputs (seed 1). Its singular values fix the effective rank
of the random-mode network; beside it stands a network of independent couplings with the same
variance. Both are simulated with φ = erf, gain g = 1, noise of variance σ² = 1 and 32 initial
states over 150 time constants, and set beside the mean-field theory of infinitely many units.
Single units cannot tell the two networks apart, the dimension of the population can. Bars:
standard errors over initial states.

Run ``python workflow/gallery/random_mode_network.py``; it writes
results/gallery/random_mode_network.svg and .png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mesomode.dynamics import MeanField, Trajectories, mean_field, simulate
from mesomode.dynamics.measures import autocovariance, dimensionality
from mesomode.network import IndependentNetwork, RandomModeNetwork, effective_rank
from mesomode.report.style import BLUE, RED, new_figure, save_figure, styled

UNITS, GAIN, NOISE = 800, 1.0, 1.0


def any_matrix(generator: np.random.Generator) -> np.ndarray:
    """Weights that fade with the distance on a ring, and shared inputs, (target, source)."""
    angle = np.arange(UNITS) * 2 * np.pi / UNITS
    fading = np.exp(2 * (np.cos(angle[:, None] - angle) - 1))
    weights = fading * generator.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    for strength in np.linspace(2.5, 1.0, 30):
        weights += strength * np.outer(*generator.standard_normal((2, UNITS))) / UNITS
    return weights


def main(out: Path) -> None:
    """Make both networks, simulate them, solve the theory, and draw."""
    generator = np.random.default_rng(1)
    matrix = any_matrix(generator)
    spectrum = np.linalg.svd(matrix, compute_uv=False)
    rank = effective_rank(matrix)  # PR_D, a share of the number of units
    networks = {
        "random modes": RandomModeNetwork.from_spectrum(
            spectrum, gain=GAIN, modes="orthogonal", generator=generator
        ),  # orthonormal modes keep the singular values, and so the effective rank
        "independent": IndependentNetwork.draw(UNITS, gain=GAIN, generator=generator),
    }
    ranks = {"random modes": rank, "independent": np.inf}
    results = {}
    for name, network in networks.items():
        run = simulate(
            network, generator=generator, noise=NOISE, time_step=0.1, burn_in=30.0, duration=150.0
        )
        theory = mean_field(gain=GAIN, effective_rank=ranks[name], noise=NOISE)
        results[name] = (run, theory)
    figure = draw(spectrum, rank, results)
    out.parent.mkdir(parents=True, exist_ok=True)
    for ending in (".svg", ".png"):
        save_figure(figure, out.with_suffix(ending), dpi=150)


@styled
def draw(
    spectrum: np.ndarray, rank: float, results: dict[str, tuple[Trajectories, MeanField]]
) -> Figure:
    """Spectrum, autocovariance and dimension."""
    figure = new_figure(11, 3.4)
    values, curves, dimensions = figure.subplots(1, 3, width_ratios=(1, 1.2, 0.9))
    values.plot(np.arange(1, UNITS + 1), spectrum / np.sqrt(np.mean(spectrum**2)), color=BLUE)
    values.set(xlabel="mode", ylabel="singular value / root mean square", xscale="log")
    values.set_title(f"Effective rank {rank:.2f} per unit (N = {UNITS})")
    for place, (name, (run, theory)) in enumerate(results.items()):
        colour = (BLUE, RED)[place]
        activity = run.activity()
        curve, error = autocovariance(activity, 16)
        lag = run.sampling_interval * np.arange(16)
        reach = theory.lag <= lag[-1]
        curves.plot(theory.lag[reach], theory.activity_autocovariance[reach], color=colour,
                    ls=("-", "--")[place], label=f"{name}, theory")  # fmt: skip
        curves.errorbar(lag, curve, error, fmt="os"[place], color=colour, markersize=4,
                        markerfacecolor="white", label=f"{name}, simulated")  # fmt: skip
        found = dimensionality(activity, eigenvalues=False)
        expected = UNITS * theory.participation_ratio
        dimensions.plot([place - 0.3, place + 0.3], [expected] * 2, color=colour)
        dimensions.errorbar(place, found.participation_ratio, found.participation_ratio_error,
                            fmt="o", color=colour, markerfacecolor="white")  # fmt: skip
        print(
            f"{name}: {found.participation_ratio:.0f} ± {found.participation_ratio_error:.0f} "
            f"dimensions simulated, {expected:.0f} by theory; C(0) {curve[0]:.4f} ± "
            f"{error[0]:.4f}, {theory.activity_variance:.4f} by theory"
        )
    curves.set(xlabel="lag (time constants)", ylabel="autocovariance of φ(x)")
    curves.set_title("Single units: alike")
    curves.legend()
    dimensions.set_xticks([0, 1], list(results))
    dimensions.set(xlim=(-0.6, 1.6), ylim=(0, None), ylabel="dimension (participation ratio)")
    dimensions.set_title("Population: not alike")
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path(f"results/gallery/{Path(__file__).stem}.png")
    )
    main(parser.parse_args().out)
