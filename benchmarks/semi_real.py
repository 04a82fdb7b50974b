"""Every model on the semi-real case: real atlas, real injection sites and volumes, known weights.

The visual areas of the real CCF at 100 um, the centroids and volumes of Allen's wild-type
experiments in them, and projections of known weights with noise and damaged tissue, taken through
the steps of the pipeline (reading, atlas, tracing, connectome). The errors of the nested
cross-validation in the same folds for all models, the errors against the true weights and the
singular spectra, as text: ``semi_real.txt`` beside this file, or ``semi_real_<regions>.txt``.

Run ``python benchmarks/semi_real.py`` from the root of the project; it needs the real atlas and
list of experiments (``MESOMODE_SHARED``, or ``../shared``). ``--regions VISp VISl`` takes some of
the areas only; ``--edge 200`` averages the data over voxels of 200 um first, an eighth as many.
What is finished is kept in ``results/semi_real*``, so that a run that was stopped goes on where it
was.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cross_validation import table

from mesomode.atlas.settings import VISUAL_AREAS
from mesomode.atlas.settings import Settings as AtlasSettings
from mesomode.atlas.stage import atlas as atlas_step
from mesomode.connectome import stage, stage_eigenmodes, stage_reference, stage_validation
from mesomode.connectome.schemas import SCHEMA, TRUTH_SCHEMA
from mesomode.connectome.settings import MODELS, Settings
from mesomode.fetch.stage import read_tracing
from mesomode.files import canonical_json, write_json
from mesomode.phantom.raw import write_tracing
from mesomode.steps import logger, run_step
from mesomode.store import open_store
from mesomode.tracing.settings import Settings as TracingSettings
from mesomode.tracing.stage import SCHEMA as TRACING_SCHEMA
from mesomode.tracing.stage import tracing as tracing_step
from tests.phantom.pooling import pool
from tests.phantom.semi_real import make_semi_real

ROOT = Path(__file__).resolve().parents[1]
SEED = 1
SHARES = (0.95, 0.99)


class Run:
    """A folder of results, as one run of the pipeline makes it; finished outputs are kept."""

    def __init__(self, folder: Path, regions: Sequence[str], settings: Settings) -> None:
        self.folder = folder
        self.regions = tuple(regions)
        self.settings = settings
        self.grid = {"atlas": folder / "atlas.zarr", "tracing": folder / "tracing.zarr"}
        self.common = {**self.grid, "settings": settings, "threads": 1}

    def step(self, name: str, function: Callable[..., None], out: str, **arguments: Any) -> Path:
        """Run a step unless its output is there; note its CPU seconds as Snakemake would."""
        path = self.folder / out
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            start = time.process_time()
            run_step(function, out=path, **arguments)
            timing = self.folder / "benchmarks" / f"{name}.tsv"
            timing.parent.mkdir(exist_ok=True)
            timing.write_text(f"cpu_time\n{time.process_time() - start:.2f}\n")
        return path

    def data(self, shared: Path) -> None:
        """Raw folder, grids, X, Y and Omega."""
        raw = self.folder / "raw"
        if not (raw / "tracing.json").exists():
            write_json(raw / "tracing.json", write_tracing(raw, make_semi_real(shared, SEED)))
        file = self.step(
            "read_tracing", read_tracing, "connectivity.h5", manifest=raw / "tracing.json"
        )
        self.step(
            "atlas", atlas_step, "atlas.zarr", raw=file,
            settings=AtlasSettings(regions=self.regions),
        )  # fmt: skip
        self.step(
            "tracing", tracing_step, "tracing.zarr", raw=file, atlas=self.grid["atlas"],
            settings=TracingSettings(),
        )  # fmt: skip

    def linear(self) -> dict[str, Any]:
        """Arguments of what fits the linear model: with the eigenmodes, found once for all."""
        modes = self.step(
            "connectome_eigenmodes",
            stage_eigenmodes.connectome_eigenmodes,
            "connectome/eigenmodes.zarr",
            atlas=self.grid["atlas"], settings=self.settings, threads=1,
        )  # fmt: skip
        return {**self.common, "eigenmodes": modes}

    def folds(self, models: Sequence[str]) -> list[Path]:
        """Cross-validate the models, all in the same folds."""
        special = dict.fromkeys(("voxel", "linear"), self.linear())
        return [
            self.step(
                f"connectome_fold_{model}_{fold}",
                stage_validation.connectome_fold,
                f"connectome/folds/{model}_{fold}.zarr",
                model=model, fold=fold, seed=SEED, **special.get(model, self.common),
            )
            for model in models
            for fold in range(self.settings.outer_folds)
        ]  # fmt: skip

    def fits(self, models: Sequence[str]) -> list[Path]:
        """Fit them to all experiments."""
        paths = []
        for model in models:
            if model == "voxel":
                function, more = stage.connectome_voxel, {}
            else:
                function, more = stage.connectome_model, {"model": model, "seed": SEED}
            paths.append(
                self.step(
                    f"connectome_{model}",
                    function,
                    f"connectome/{model}.zarr",
                    **more,
                    **(self.linear() if model == "linear" else self.common),
                )
            )
        return paths

    def judge(self, models: Sequence[str]) -> None:
        """Collect the folds, map the coverage, compare with the truth."""
        folds, fits = self.folds(models), self.fits(models)
        self.step(
            "connectome_cross_validation", stage_validation.connectome_cross_validation,
            "connectome/cross_validation.zarr", folds=folds,
            table=self.folder / "connectome/table.csv",
        )  # fmt: skip
        self.step(
            "connectome_coverage", stage_validation.connectome_coverage,
            "connectome/coverage.zarr", seed=SEED, **self.linear(),
        )  # fmt: skip
        self.step(
            "connectome_truth", stage_reference.connectome_truth, "connectome/truth.zarr",
            truth=self.folder / "raw/truth.h5", atlas=self.grid["atlas"], models=fits, threads=1,
        )  # fmt: skip


def components(values: np.ndarray) -> list[int]:
    """Least number of modes that hold each share of the energy, the sum of squares."""
    energy = np.cumsum(values**2)
    return [int(np.searchsorted(energy, share * energy[-1]) + 1) for share in SHARES]


def dropped(run: Path) -> str:
    """How many experiments there were, and why some were left out."""
    names = TRACING_SCHEMA.variables["candidate_reason"].flags
    with open_store(run / "tracing.zarr", TRACING_SCHEMA) as store:
        reason, count = np.unique(store["candidate_reason"].values, return_counts=True)
        observed = float(store["observed"].values.mean())
    said = ", ".join(
        f"{n} {names[k].replace('_', ' ')}" for k, n in zip(reason, count, strict=True)
    )
    return f"{count.sum()} real experiments: {said}; {observed:.1%} of the projections observed"


def spectra(run: Path) -> list[str]:
    """Components that hold 95 % and 99 % of the energy, of every model and the truth."""
    with open_store(run / "connectome/truth.zarr", TRUTH_SCHEMA) as store:
        rows = dict(zip(store.attrs["models"], store["singular_value"].values, strict=True))
        rows["truth"] = store["true_singular_value"].values
    lines = ["components for 95 % and 99 % of the energy (squared singular values):"]
    return [*lines, *(f"  {name:10} {a:5d} {b:5d}" for name, (a, b) in
                      ((name, components(values)) for name, values in rows.items()))]  # fmt: skip


def certificate(run: Path) -> str:
    """What is known of the fit of the voxel model to all experiments."""
    with open_store(run / "connectome/voxel.zarr", SCHEMA) as store:
        bound, gap = float(store["gap_bound"]), float(store["gap_estimate"])
        kkt, products = float(store["kkt_residual"]), int(store["products"])
        value = float(store.attrs["smoothing"])
    file = run / "benchmarks/connectome_voxel.tsv"
    with file.open() as lines:
        spent = float(next(csv.DictReader(lines))["cpu_time"])
    return (
        f"voxel model, all experiments, lambda {value:g}: KKT residual {kkt:.1e}, relative gap "
        f"about {gap:.1e}, proven {bound:.1e}; {products} Hessian products, {spent:.0f} CPU s"
    )


def main() -> None:
    """Run what is not yet there, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regions", nargs="+", default=list(VISUAL_AREAS))
    parser.add_argument("--outer-folds", type=int, default=5)
    parser.add_argument("--inner-folds", type=int, default=5)
    parser.add_argument("--powers", type=int, nargs="+", default=[3, 4, 5, 6],
                        help="lambda tried: 10 to these powers")  # fmt: skip
    parser.add_argument("--smoothing", type=float, default=1e4, help="lambda of the final fits")
    parser.add_argument("--edge", type=int, choices=[100, 200, 300], default=100,
                        help="edge of the voxels, um")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=MODELS, help="folds of these models only")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("MESOMODE_SHARED", ROOT.parent / "shared")) / "data"
    whole = set(arguments.regions) == set(VISUAL_AREAS)
    fine = "semi_real" if whole else "_".join(["semi_real", *arguments.regions])
    name = fine if arguments.edge == 100 else f"{fine}_{arguments.edge}um"
    settings = Settings(
        smoothing=arguments.smoothing,
        smoothing_grid=tuple(10.0**power for power in arguments.powers),
        search_with="linear",
        tolerance=1e-4,
        outer_folds=arguments.outer_folds,
        inner_folds=arguments.inner_folds,
    )
    run = Run(ROOT / "results" / name, arguments.regions, settings)
    source = Run(ROOT / "results" / fine, arguments.regions, settings)
    identity = json.loads(canonical_json([arguments.regions, settings.model_dump(mode="json")]))
    note = run.folder / "benchmark.json"
    if note.exists() and json.loads(note.read_text()) != identity:
        parser.error(f"{run.folder} holds a run with other options: remove it first")
    write_json(note, identity)
    source.data(shared)
    if run.folder != source.folder and not run.grid["tracing"].exists():
        pool(source.folder, run.folder, arguments.edge // 100)
    if arguments.only:
        run.folds(arguments.only)
        return
    run.judge(MODELS)
    lines = [
        f"Real CCF, voxels of {arguments.edge} um ({' '.join(arguments.regions)})",
        "Real injection sites and volumes, known weights. The linear model chooses lambda for the "
        "voxel model.",
        f"options: {' '.join(sys.argv[1:]) or 'none'}",
        dropped(run.folder),
        *table(run.folder),
        "",
        *spectra(run.folder),
        certificate(run.folder),
    ]
    text = "\n".join(textwrap.fill(line, 132) for line in lines) + "\n"
    print(text)
    Path(__file__).with_name(f"{name}.txt").write_text(text)


if __name__ == "__main__":
    import logging

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logger.setLevel(logging.INFO)
    main()
