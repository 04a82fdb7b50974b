"""Fit a connectome in ten lines.

A square sheet of 14 × 14 voxels, in which every voxel projects to its neighbours and to a second
place, is injected 20 times (seed 1). What an injection covers is not observed, as axons cannot be
told from cell bodies there, and projections carry noise of standard deviation 0.05. From these
20 experiments the nonnegative spline regression (λ = 0.1) finds the 38,416 weights, with a proof of
how far from the optimum they are at most. Left: the injections. Middle: weights from the voxel
marked by a cross, true and fitted, in one colour scale. Right: all pairs of voxels, fitted against
true. Where nothing was injected near, the fit can only carry on smoothly: most of its error is
there.

Run ``python workflow/gallery/fit_connectome.py``; it writes results/gallery/fit_connectome.svg
and .png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from mesomode.connectome import VoxelConnectome
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.report.style import GREY, RED, new_figure, save_figure, styled

SIDE, EXPERIMENTS, NOISE, SMOOTHNESS = 14, 20, 0.05, 0.1


def experiments(
    seed: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Voxels (voxel, axis), true W (target, source), X, Y and Omega (experiment, voxel)."""
    generator = np.random.default_rng(seed)
    voxels = np.argwhere(np.ones((SIDE, SIDE), bool))
    place = voxels / (SIDE - 1)
    elsewhere = place[:, ::-1] * [0.8, -0.8] + [0.1, 0.9]  # where a source projects besides
    truth = np.exp(-((distance(place, place) / 0.25) ** 2))
    truth += 0.7 * np.exp(-((distance(place, elsewhere) / 0.22) ** 2))
    centre = generator.uniform(0.03, 0.97, (EXPERIMENTS, 2))
    X = np.clip(1.6 - distance(centre, place) / 0.08, 0, 1)
    Y = X @ truth.T + NOISE * generator.standard_normal(X.shape)
    observed = X == 0
    Y[~observed] = np.nan  # whatever stands there does not matter
    return voxels, truth, X, Y, observed


def distance(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Distance between each two points, (one, two)."""
    return np.linalg.norm(one[:, None] - two, axis=2)


def main(out: Path) -> None:
    """Fit, say how good it is, and draw."""
    voxels, truth, X, Y, observed = experiments(seed=1)
    # the ten lines
    laplacian = graph_laplacian(voxels)
    model = VoxelConnectome(smoothness=SMOOTHNESS, tolerance=1e-5).fit(
        X,
        Y,
        observed=observed,
        source_laplacian=laplacian,
        target_laplacian=laplacian,
    )
    weights = model.weights_  # (target, source), nonnegative
    error = np.linalg.norm(weights - truth) / np.linalg.norm(truth)
    print(f"relative error {error:.3f}; proven within {model.relative_gap_:.1e} of the optimum")
    figure = draw(voxels, truth, weights, X, source=7 * SIDE + 1, error=error)
    out.parent.mkdir(parents=True, exist_ok=True)
    for ending in (".svg", ".png"):
        save_figure(figure, out.with_suffix(ending), dpi=150)


@styled
def draw(
    voxels: np.ndarray,
    truth: np.ndarray,
    weights: np.ndarray,
    X: np.ndarray,
    source: int,
    error: float,
) -> Figure:
    """Injections, one voxel's projections, and all weights."""
    figure = new_figure(12, 2.9)
    injected, true_map, fitted_map, all_weights = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1.1))
    sheet(injected, X.sum(axis=0), f"{len(X)} injections", "injection density, summed")
    top = max(truth[:, source].max(), weights[:, source].max())
    for axes, values, title in (
        (true_map, truth, "True weights from +"),
        (fitted_map, weights, "Fitted weights from +"),
    ):
        sheet(axes, values[:, source], title, "weight", top)
        axes.plot(*voxels[source][::-1], "+", color=RED, markersize=9, markeredgewidth=2)
    *_, image = all_weights.hist2d(
        truth.ravel(), weights.ravel(), bins=60, cmap="viridis", norm=LogNorm()
    )
    all_weights.axline((0, 0), slope=1, color=GREY, linewidth=1)
    all_weights.set(
        xlabel=f"true weight (n = {truth.size:,})", ylabel="fitted weight", box_aspect=1
    )
    all_weights.set_title(f"All weights: error {100 * error:.0f} %")
    figure.colorbar(image, ax=all_weights, label="pairs of voxels", shrink=0.78)
    return figure


def sheet(axes: Axes, values: np.ndarray, title: str, unit: str, top: float | None = None) -> None:
    """Draw values on the sheet of voxels."""
    image = axes.imshow(values.reshape(SIDE, SIDE), vmin=0, vmax=top)
    axes.set(title=title, xlabel="voxel", ylabel="voxel")
    axes.figure.colorbar(image, ax=axes, label=unit, shrink=0.78)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path(f"results/gallery/{Path(__file__).stem}.png")
    )
    main(parser.parse_args().out)
