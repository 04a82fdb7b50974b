"""The cross-validated table of a run, as text: errors of every model, time, and why in this order.

Run ``python benchmarks/cross_validation.py results/<run>`` after a run of the pipeline; it writes
``cross_validation_<run>.txt`` beside itself. The table at the size of the mouse visual cortex
(7,500 voxels; the linear model chooses lambda for the voxel model) is that of::

    run: visual
    phantom: {size: visual}
    connectome: {search_with: linear, tolerance: 1.0e-4}

with ``snakemake --cores 2 --configfile visual.yaml -- results/visual/figures/cross_validation.png
results/visual/figures/truth.png``. CPU seconds are those that Snakemake measured of the jobs.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from mesomode.connectome.schemas import COVERAGE_SCHEMA, CROSS_VALIDATION_SCHEMA, TRUTH_SCHEMA
from mesomode.report.cross_validation import CrossValidated, per_cent, verdict
from mesomode.report.order import Facts, explanation
from mesomode.store import open_store

COLUMNS = ("test_voxel", "train_voxel", "test_regional", "train_regional")


def seconds(run: Path, pattern: str) -> list[float]:
    """CPU seconds of the jobs whose names match."""
    found = []
    for file in sorted((run / "benchmarks").glob(f"{pattern}.tsv")):
        with file.open() as lines:
            found += [float(row["cpu_time"]) for row in csv.DictReader(lines, delimiter="\t")]
    return found


def table(run: Path) -> list[str]:
    """The lines of the table and of what is said of it."""
    with open_store(run / "connectome/cross_validation.zarr", CROSS_VALIDATION_SCHEMA) as store:
        models = CrossValidated.all_of(store)
        targets = store.sizes["target"]
    with (
        open_store(run / "atlas.zarr") as grid,
        open_store(run / "tracing.zarr") as data,
        open_store(run / "connectome/coverage.zarr", COVERAGE_SCHEMA) as covered,
    ):
        facts = Facts.of(
            data["injection_density"].values,
            data["primary_region"].values,
            grid["source_region"].values,
            covered["coverage"].values,
        )
        sources = grid.sizes["source"]
    folds = len(models[0].chosen)
    lines = [
        f"{targets} target and {sources} source voxels, {facts.experiments} experiments, "
        f"{folds} outer folds; MSE_rel in %, mean +- standard error",
        "",
        f"{'model':10}" + "".join(f"{name.replace('_', ' '):>18}" for name in COLUMNS)
        + f"{'CPU s a fold':>14}  chosen",
    ]  # fmt: skip
    for model in models:
        spent = seconds(run, f"connectome_fold_{model.name}_*")
        values = getattr(model, model.parameter)[model.chosen] if model.parameter else []
        lines.append(
            f"{model.name:10}"
            + "".join(f"{per_cent(*model.summary[name]):>18}" for name in COLUMNS)
            + f"{np.mean(spent) if spent else np.nan:14.0f}  "
            + ", ".join(f"{value:g}" for value in values)
        )
    lines += ["", verdict(models), *explanation(models, facts)]
    truth = run / "connectome/truth.zarr"
    if truth.exists():
        with open_store(truth, TRUTH_SCHEMA) as store:
            error = dict(zip(store.attrs["models"], store["relative_error"].values, strict=True))
        lines += ["", "|W - W_true|/|W_true|: "
                  + ", ".join(f"{name} {value:.3f}" for name, value in error.items())]  # fmt: skip
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the run, results/<run>")
    arguments = parser.parse_args()
    text = "\n".join(table(arguments.run)) + "\n"
    print(text)
    name = f"{Path(__file__).stem}_{arguments.run.name}.txt"
    Path(__file__).with_name(name).write_text(text)
