"""Figure 2 of Harris et al. (2016), drawn anew: what Omega, smoothness and low rank are for.

A brain of one dimension, 200 points, whose true weights are a band along the diagonal and a bump.
Five injections, noise, and nothing seen where tracer was injected: nonnegative spline regression
finds the weights again. Without Omega, or without smoothness, it does not.

Run ``python workflow/gallery/figure_2.py``; the picture is ``results/gallery/figure_2.png``.
``--draws 20`` repeats it with other injections and noise, and prints the means.

The paper's errors, 11.1 % and 9.6 % at rank 20, are those of one draw. Over 20 draws in which the
bump is covered, as in the paper's, they are 10.9 +- 1.0 % (6.0 to 22.6) and 10.9 +- 0.9 %; over any
20 draws 14.2 +- 1.4 % and 14.2 +- 1.5 %. The draw of this figure is one of 11 %.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

from mesomode.connectome import LowRankConnectome, VoxelConnectome
from mesomode.connectome.laplacian import graph_laplacian

POINTS, INJECTIONS, NOISE, SMOOTHNESS, RANK = 200, 5, 0.1, 100.0, 20
OUT = Path(__file__).resolve().parents[2] / "results" / "gallery" / "figure_2.png"


def make_problem(seed: int, covering: bool = True) -> tuple[np.ndarray, ...]:
    """The paper's test problem: truth (target, source), X, Y and Omega (experiment, point).

    The widths of the injections are 0.12 + 0.1 U(0, 1), their centres uniform with the whole
    injection inside [0, 1]. Of its draw the paper says that it covers the bump well, "otherwise
    there is no information about that feature": with ``covering`` the injections are drawn until
    the bump's centre and a point 0.1 to either side of it are injected.
    """
    generator = np.random.default_rng(seed)
    points = np.linspace(0, 1, POINTS)
    target, source = np.meshgrid(points, points, indexing="ij")
    truth = np.exp(-(((source - target) / 0.4) ** 2))
    truth += 0.9 * np.exp(-((source - 0.8) ** 2 + (target - 0.1) ** 2) / 0.2**2)
    while True:
        width = 0.12 + 0.1 * generator.uniform(size=INJECTIONS)
        centre = generator.uniform(width / 2, 1 - width / 2)
        left, right = (centre - width / 2)[:, None], (centre + width / 2)[:, None]
        bump = np.array([0.7, 0.8, 0.9])
        if not covering or ((left <= bump) & (bump <= right)).any(axis=0).all():
            break
    injection = ((left <= points) & (points <= right)).astype(float)
    observed = injection == 0
    noise = NOISE * generator.standard_normal((POINTS, INJECTIONS)).T
    projection = np.where(observed, injection @ truth.T + noise, 0.0)
    return truth, injection, projection, observed


def fits(seed: int, covering: bool = True, controls: bool = True) -> dict[str, np.ndarray]:
    """True weights and those of each fit, by the name of the panel."""
    truth, X, Y, Omega = make_problem(seed, covering)
    laplacian = graph_laplacian(np.arange(POINTS)[:, None])
    grids = {"source_laplacian": laplacian, "target_laplacian": laplacian}
    smooth = VoxelConnectome(SMOOTHNESS, tolerance=1e-4, certificate=False)
    low_rank = LowRankConnectome(RANK, SMOOTHNESS, maximum_iterations=10)
    best = smooth.fit(X, Y, Omega, **grids).weights_
    found = {"true": truth, "(P1)": best}
    found[f"(P2), rank {RANK}"] = low_rank.fit(X, Y, Omega, start=best, **grids).weights_
    if controls:
        # a hard problem, whose solution is wrong in every digit
        blind = VoxelConnectome(SMOOTHNESS, tolerance=1e-2, certificate=False)
        found["(P1) without Ω"] = blind.fit(X, Y, **grids).weights_
        found["(P1), λ = 0"] = VoxelConnectome(0.0).fit(X, Y, Omega, **grids).weights_
    return found


def relative_errors(panels: dict[str, np.ndarray]) -> dict[str, float]:
    """|W - W_true| / |W_true| of each fit."""
    truth = panels["true"]
    size = np.linalg.norm(truth)
    return {
        name: float(np.linalg.norm(weights - truth) / size)
        for name, weights in panels.items()
        if name != "true"
    }


def draw(seed: int, out: Path) -> None:
    """Fit and draw one problem."""
    panels = fits(seed)
    errors = relative_errors(panels)
    injected = make_problem(seed)[1] > 0
    figure, axes = plt.subplots(
        1, len(panels), figsize=(15, 3.9), layout="constrained", sharey=True
    )
    for axis, (name, weights) in zip(axes, panels.items(), strict=True):
        top = 1.0 if weights.max() < 3 else 6.0  # as in the paper
        image = axis.imshow(weights, origin="lower", extent=(0, 1, 0, 1), vmin=0, vmax=top)
        error = "" if name == "true" else f"\nerror {100 * errors[name]:.1f} %"
        axis.set_title(name + error)
        axis.set_xlabel("source")
        axis.set_ylim(-0.14, 1)
        axis.set_yticks(np.linspace(0, 1, 6))
        for row, inside in enumerate(injected):  # the injections, below
            ends = np.flatnonzero(inside)[[0, -1]] / (POINTS - 1)
            axis.plot(ends, [-0.025 * (row + 1)] * 2, color="black", linewidth=2.5)
        figure.colorbar(image, ax=axis, shrink=0.8, label="weight", extend="max")
    axes[0].set_ylabel("target")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)
    plt.close(figure)
    for name, error in errors.items():
        print(f"{name:16} relative error {100 * error:6.2f} %")


def repeat(draws: int) -> None:
    """Print mean and standard error over draws, of the fits that are not controls."""
    for covering in (True, False):
        every = [relative_errors(fits(seed, covering, controls=False)) for seed in range(draws)]
        for name in every[0]:
            values = 100 * np.array([errors[name] for errors in every])
            print(
                f"{'bump covered' if covering else 'any injections':14} {name:14} {draws} draws: "
                f"{values.mean():.1f} +- {values.std(ddof=1) / draws**0.5:.1f} % "
                f"({values.min():.1f} to {values.max():.1f})"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="PNG to write")
    parser.add_argument("--seed", type=int, default=9, help="of injections and noise")
    parser.add_argument("--draws", type=int, default=0, help="draws to average over, none if 0")
    arguments = parser.parse_args()
    draw(arguments.seed, arguments.out)
    if arguments.draws:
        repeat(arguments.draws)
