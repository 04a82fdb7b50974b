"""Figure 2 of Harris et al. (2016), drawn anew: what Omega, smoothness and low rank are for.

Run ``python benchmarks/figure_2.py figure_2.png`` from the root of the project. The injections
are those of the paper's figure; ``--seed`` changes the noise.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt

from mesomode.connectome import LowRankConnectome, VoxelConnectome
from tests.connectome.problems import FIGURE_2, one_dimensional


def main() -> None:
    """Fit and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="PNG to write")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    problem, truth = one_dimensional(arguments.seed, injections="figure")
    X, Y, Omega = problem.injection.T, problem.projection.T, problem.observed.T
    grids = {
        "source_laplacian": problem.source_laplacian,
        "target_laplacian": problem.target_laplacian,
    }
    voxel = VoxelConnectome(smoothness=100.0, tolerance=1e-4, certificate=False)
    panels = {
        "true": truth,
        "(P1)": voxel.fit(X, Y, Omega, **grids).weights_,
        "(P1) without Ω": voxel.fit(X, Y, **grids).weights_,
        "(P1), λ = 0": VoxelConnectome(smoothness=0.0).fit(X, Y, Omega, **grids).weights_,
        "(P2), rank 20": LowRankConnectome(rank=20, smoothness=100.0)
        .fit(X, Y, Omega, **grids)
        .weights_,
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(17, 3.9), layout="constrained")
    for axis, (name, weights) in zip(axes, panels.items(), strict=True):
        error = np.linalg.norm(weights - truth) / np.linalg.norm(truth)
        top = 1.0 if name != "(P1) without Ω" else 6.0  # as in the paper
        image = axis.imshow(weights, origin="lower", extent=(0, 1, 0, 1), vmin=0, vmax=top)
        axis.set_title(name if name == "true" else f"{name}: error {100 * error:.1f} %")
        axis.set_xlabel("source")
        axis.set_ylim(-0.12, 1)
        axis.set_yticks(np.linspace(0, 1, 6))
        for row, (left, right) in enumerate(FIGURE_2):
            axis.plot([left, right], [-0.02 * (row + 1)] * 2, color="black", linewidth=2.5)
        figure.colorbar(image, ax=axis, shrink=0.75)
        print(f"{name:16} relative error {100 * error:6.2f} %")
    axes[0].set_ylabel("target")
    figure.savefig(arguments.out, dpi=110)


if __name__ == "__main__":
    main()
