"""Made-up stores of every stage, as the schemas declare them, small enough to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mesomode.comparison.stage import SCHEMA as COMPARISON
from mesomode.comparison.stage_similarity import COPIES, SIMILARITY_SCHEMA
from mesomode.connectome.schemas import (
    COVERAGE_SCHEMA,
    CROSS_VALIDATION_SCHEMA,
    SCHEMA,
    TRUTH_SCHEMA,
)
from mesomode.dynamics.stage import SCHEMA as DYNAMICS
from mesomode.network.schemas import SCHEMA as NETWORK
from mesomode.network.schemas import STRUCTURE_SCHEMA
from mesomode.steps import Provenance
from mesomode.store import Schema, write_store
from mesomode.tracing.stage import SCHEMA as TRACING

REGIONS = [
    {"id": 385, "acronym": "VISp", "name": "Primary visual area", "rgb": [8, 133, 140]},
    {"id": 409, "acronym": "VISl", "name": "Lateral visual area", "rgb": [8, 133, 140]},
    {"id": 394, "acronym": "VISam", "name": "Anteromedial visual area", "rgb": [0, 159, 172]},
]
EXPERIMENTS = np.array([990000001, 990000002, 990000005, 990000007])
MODELS = ("voxel", "low_rank", "regional", "distance")
SYSTEMS = [
    {"name": "981000001", "kind": "recording"},
    {"name": "random_mode", "kind": "network"},
    {"name": "independent", "kind": "network"},
]
VARIANTS = ("random_mode", "independent")
SHAPE = (20, 10, 24)


def put(
    path: Path, schema: Schema, values: dict[str, Any], sizes: dict[str, int], **attrs: Any
) -> Path:
    """Write a store: given values, and random ones for all else that the schema asks for."""
    rng = np.random.default_rng(len(path.name))
    data = {}
    for name, variable in schema.variables.items():
        if name in values:
            data[name] = (variable.dims, np.asarray(values[name], variable.dtype))
        elif not variable.optional:
            shape = tuple(sizes[dimension] for dimension in variable.dims)
            if variable.dtype.startswith("float"):
                data[name] = (variable.dims, rng.uniform(0.1, 1, shape).astype(variable.dtype))
            else:
                data[name] = (variable.dims, np.zeros(shape, variable.dtype))
    write_store(path, xr.Dataset(data, attrs=attrs), schema, Provenance(step="made-up"))
    return path


UNCERTAINTY = ("posterior_variance", "variance_reduction", "informed_patterns")


def places() -> dict[str, np.ndarray]:
    """A slab of 9 × 3 × 7 source voxels in three regions; targets there and on the other side."""
    source = np.argwhere(np.ones((9, 3, 7))) + np.array([5, 3, 15])
    other = source * [1, 1, -1] + [0, 0, SHAPE[2] - 1]
    target = np.concatenate([source, other])
    mirrored = np.where(target[:, 2] < SHAPE[2] // 2, SHAPE[2] - 1 - target[:, 2], target[:, 2])
    region = np.where(mirrored > 18, 409, 385)
    region[target[:, 0] < 7] = 394
    side = np.repeat([1, 2], len(source))
    return {
        "source_voxel": source,
        "source_region": region[: len(source)],
        "target_voxel": target,
        "target_region": region,
        "target_hemisphere": side,
    }


def weights_of(name: str, grid: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights (target, source) of a model, of the kind that the model has."""
    rng = np.random.default_rng(7)
    source, target = grid["source_voxel"], grid["target_voxel"]
    if name == "low_rank":
        factors = rng.random((len(target), 4)) ** 3, rng.random((len(source), 4)) ** 3
        return {
            "weights": factors[0] @ factors[1].T,
            "target_factor": factors[0],
            "source_factor": factors[1],
        }
    if name == "regional":
        ids = np.array([r["id"] for r in REGIONS])
        table = rng.random((3, 3)) * 1e-3
        rows = np.argmax(grid["target_region"][:, None] == ids, axis=1)
        columns = np.argmax(grid["source_region"][:, None] == ids, axis=1)
        return {"weights": table[rows][:, columns]}
    apart = np.linalg.norm((target[:, None] - source[None]) * 100.0, axis=2)
    knots = np.linspace(0, 1500, 9)
    profile = 5e-3 * np.exp(-knots / 400)
    smooth = np.interp(apart, knots, profile)
    if name == "distance":
        return {"weights": smooth, "distance": knots, "profile": profile}
    return {"weights": smooth * rng.uniform(0.2, 1, smooth.shape)}


def made_up_run(folder: Path) -> Path:
    """Write the stores that the explorer reads into a folder."""
    grid = places()
    sizes = {
        "source": len(grid["source_voxel"]), "target": len(grid["target_voxel"]), "axis": 3,
        "experiment": len(EXPERIMENTS), "candidate": 5, "model": len(MODELS), "fold": 2,
        "source_group": 3, "target_group": 6, "replicate": 30,
    }  # fmt: skip
    rng = np.random.default_rng(1)
    _atlas(folder, grid)
    injection = (rng.random((sizes["source"], len(EXPERIMENTS))) > 0.8) * 0.5
    observed = rng.random((sizes["target"], len(EXPERIMENTS))) > 0.1
    projection = np.where(observed, rng.random(observed.shape) * 0.3, np.nan)
    put(
        folder / "tracing.zarr", TRACING,
        {"experiment": EXPERIMENTS, "injection_density": injection, "observed": observed,
         "projection_density": projection, "primary_region": [385, 409, 394, 385]},
        sizes, selection={"kept": 4, "empty_injection": 1}, regions=REGIONS,
    )  # fmt: skip
    for name in MODELS:
        values = weights_of(name, grid) | {"experiment_error": rng.random(len(EXPERIMENTS))}
        values |= {"experiment": EXPERIMENTS, "regional_weights": rng.random((6, 3)) * 1e-3}
        put(folder / f"connectome/{name}.zarr", SCHEMA, values, sizes, model=name)
    put(
        folder / "connectome/truth.zarr", TRUTH_SCHEMA,
        {"weights": weights_of("voxel", grid)["weights"] * 1.2,
         "singular_value": np.geomspace(1, 1e-4, 30) * np.ones((len(MODELS), 1)),
         "true_singular_value": np.geomspace(1, 1e-5, 30)},
        sizes | {"mode": 30}, models=list(MODELS),
    )  # fmt: skip
    groups = {
        "source_group_region": [385, 394, 409],
        "target_group_region": [385, 394, 409] * 2,
        "target_group_hemisphere": [1, 1, 1, 2, 2, 2],
    }
    put(
        folder / "connectome/coverage.zarr", COVERAGE_SCHEMA,
        groups | {"coverage": np.arange(sizes["source"]) % 25 == 3, "reach": 200.0,
                  "distance_to_injection": np.full(sizes["source"], np.inf),
                  **{name: rng.random(sizes["source"]) for name in UNCERTAINTY},
                  "bootstrap_regional_weights": rng.random((30, 6, 3)) * 1e-3},
        sizes,
    )  # fmt: skip
    put(
        folder / "connectome/cross_validation.zarr", CROSS_VALIDATION_SCHEMA,
        {"experiment": EXPERIMENTS}, sizes | {"candidate": 2}, models=list(MODELS),
    )  # fmt: skip
    _networks(folder)
    return folder


def _atlas(folder: Path, grid: dict[str, np.ndarray]) -> None:
    from mesomode.atlas.stage import SCHEMA as ATLAS

    table = [
        r | {"sources": int((grid["source_region"] == r["id"]).sum()),
             "targets": int((grid["target_region"] == r["id"]).sum())}
        for r in REGIONS
    ]  # fmt: skip
    values = grid | {
        f"{n}_position": (grid[f"{n}_voxel"] + 0.5) * 100 for n in ("source", "target")
    }
    values |= {n: np.arange(s) * 100.0 for n, s in zip(("ap", "dv", "ml"), SHAPE, strict=True)}
    sizes = dict(zip(("ap", "dv", "ml"), SHAPE, strict=True))
    put(folder / "atlas.zarr", ATLAS, values, sizes, resolution_um=100, regions=table,
        data_source="made up")  # fmt: skip


def _networks(folder: Path) -> None:
    lag, shift = np.arange(30) * 0.5, np.arange(8) * 2.0
    decay = 0.4 * np.exp(-lag / 3)
    sizes = {
        "lag": 30, "population_lag": 8, "time": 5, "unit": 6, "trajectory": 2, "component": 2,
        "mode": 900, "exponent": 2, "eigenvalue": 900, "permutation": 3, "null": 2, "draw": 4,
        "target_group": 2, "source_group": 2, "target": 6, "connectome_mode": 6,
    }  # fmt: skip
    spectrum = np.geomspace(1, 1e-3, 900)
    put(folder / "network/structure.zarr", STRUCTURE_SCHEMA,
        dict.fromkeys(("connectome_singular_value", "centred_singular_value"), spectrum)
        | {"null_singular_value": np.ones((2, 1)) * spectrum}, sizes | {"source": 6},
        name="", nulls=["shuffled", "degrees"])  # fmt: skip
    for place, variant in enumerate(VARIANTS):
        put(folder / f"network/{variant}.zarr", NETWORK, {"singular_value": spectrum}, sizes,
            variant=variant)  # fmt: skip
        put(
            folder / f"dynamics/{variant}.zarr", DYNAMICS,
            {"lag": lag, "population_lag": shift, "activity_autocovariance": decay,
             "mean_field_activity_autocovariance": decay * 1.05, "autocovariance": 2 * decay,
             "mean_field_autocovariance": 2 * decay, "participation_ratio": 40.0 + 9 * place,
             "activity_autocovariance_error": 0.02 + 0 * lag,
             "lyapunov_exponent": [0.2, 0.1], "lyapunov_exponent_error": [0.01, 0.01],
             "eigenvalue_real": spectrum, "eigenvalue_imaginary": spectrum},
            sizes, variant=variant, units=500, gain=2.0, noise=0.0, trajectories=8,
        )  # fmt: skip
    put(
        folder / "comparison.zarr", COMPARISON,
        {"half_width": [0.4, 0.9, np.nan],
         "kind": [0, 1, 1], "units": [120, 500, 500], "common_units": 120,
         "subset": [1, 10, 100, 500], "mode": np.arange(5), "scaled_lag": np.arange(9) / 3},
        {"system": 3, "subset": 4, "mode": 5, "scaled_lag": 9, "recording": 1, "network": 2},
        systems=SYSTEMS,
    )  # fmt: skip
    items = [(0, k) for k in range(5)] + [(s, k) for s in (1, 2) for k in range(3)]
    points = np.random.default_rng(3).random((len(items), 2))
    put(
        folder / "comparison/similarity.zarr", SIMILARITY_SCHEMA,
        {"system": [s for s, _ in items], "copy": [k for _, k in items], "map": points,
         "distance": np.linalg.norm(points[:, None] - points, axis=2), "rank": 10,
         "closest": [1]},
        {"item": len(items), "item_to": len(items), "axis": 2, "recording": 1, "network": 2,
         "surrogate": 2, "recording_to": 1},
        systems=[{"kind": s["kind"], "name": s["name"]} for s in SYSTEMS], metric="euclidean",
    )  # fmt: skip
    assert max(k for _, k in items) < len(COPIES)
