"""Made-up stores of the cross-validation and the coverage."""

from __future__ import annotations

import numpy as np
import xarray as xr

LEVELS = {"voxel": 0.3, "linear": 0.32, "low_rank": 0.35, "regional": 0.9, "kernel": 0.6,
          "distance": 1.2}  # fmt: skip
BANDWIDTHS = (100.0, 200.0, 500.0, 1200.0)
SMOOTHNESS = (1e-1, 1e0, 1e1, 1e2, 1e3)


def candidates_of(model, ranks=(20,)):
    """(λ, rank, bandwidth) of each candidate."""
    nan = np.nan
    if model in ("voxel", "linear"):
        return [(value, nan, nan) for value in SMOOTHNESS]
    if model == "low_rank":
        return [(value, rank, nan) for rank in ranks for value in SMOOTHNESS]
    if model == "kernel":
        return [(nan, nan, value) for value in BANDWIDTHS]
    return [(nan, nan, nan)]


def cross_validation(
    models=tuple(LEVELS), folds=5, experiments=12, prediction=None, targets=40, ranks=(20,)
):
    """A dataset as the step ``connectome-cross-validation`` writes it."""
    rng = np.random.default_rng(5)
    levels = np.array([LEVELS[m] for m in models])[:, None]
    errors = {
        f"{part}_{kind}_error": (
            ("model", "fold"),
            levels * size * rng.uniform(0.8, 1.2, (len(models), folds)),
        )
        for part, kind, size in (
            ("test", "voxel", 1.0), ("train", "voxel", 0.4), ("test", "regional", 0.5),
            ("train", "regional", 0.1),
        )
    }  # fmt: skip
    summaries = {}
    for name, (_, values) in errors.items():
        pair = name.removesuffix("_error")
        summaries[f"{pair}_mean"] = ("model", values.mean(axis=1))
        spread = values.std(axis=1, ddof=1) / np.sqrt(folds) if folds > 1 else levels[:, 0] * np.nan
        summaries[f"{pair}_standard_error"] = ("model", spread)
    tried = [candidates_of(model, ranks) for model in models]
    most = max(map(len, tried))
    table = np.full((3, len(models), most), np.nan)
    inner = np.full((len(models), folds, most), np.nan)
    chosen = np.zeros((len(models), folds), np.int64)
    for place, rows in enumerate(tried):
        count = len(rows)
        table[:, place, :count] = np.array(rows).T
        if count > 1:
            valley = 0.05 * (np.arange(count) % 5 - 2.2) ** 2
            inner[place, :, :count] = levels[place] * (1 + valley) + rng.normal(
                0, 0.03, (folds, count)
            )
            chosen[place] = inner[place, :, :count].argmin(axis=1)
    if prediction is None:
        prediction = rng.random((targets, experiments))
    return xr.Dataset(
        {
            **errors,
            **summaries,
            "inner_test_error": (("model", "fold", "candidate"), inner),
            "chosen": (("model", "fold"), chosen),
            "smoothness": (("model", "candidate"), table[0]),
            "rank": (("model", "candidate"), table[1]),
            "bandwidth": (("model", "candidate"), table[2]),
            "experiment_fold": ("experiment", np.arange(experiments) % folds),
            "experiment_error": (
                ("model", "experiment"),
                levels * rng.uniform(0.3, 2, (len(models), experiments)),
            ),
            "prediction": (
                ("model", "target", "experiment"),
                np.stack([prediction] * len(models)).astype(np.float32),
            ),
        },
        coords={"experiment": np.arange(experiments)},
        attrs={"models": list(models)},
    )


def coverage(voxel, region, injection, resolution_um=100.0, bootstrap=0):
    """A dataset as the step ``connectome-coverage`` writes it."""
    rng = np.random.default_rng(6)
    reached = injection.sum(axis=1) > 0
    distance = np.linalg.norm(voxel[:, None] - voxel[None, reached], axis=2).min(axis=1)
    reduction = np.exp(-distance / 2) * rng.uniform(0.8, 1, len(voxel))
    code = np.where(distance * resolution_um > 200, 1, 0)
    code[:3] = 2
    code[-2:] = 3
    ids = np.unique(region)
    groups = {
        "source_group_region": ("source_group", ids),
        "target_group_region": ("target_group", ids),
        "target_group_hemisphere": ("target_group", np.ones(len(ids), np.int8)),
    }
    if bootstrap:
        groups["bootstrap_regional_weights"] = (
            ("replicate", "target_group", "source_group"),
            rng.exponential(1e-3, (bootstrap, len(ids), len(ids))),
        )
    return xr.Dataset(
        {
            "source_voxel": (("source", "axis"), voxel.astype(np.int32)),
            "source_region": ("source", region.astype(np.int64)),
            "coverage": ("source", code.astype(np.int8)),
            "injections": ("source", (injection > 0).sum(axis=1).astype(np.int64)),
            "distance_to_injection": ("source", distance * resolution_um),
            "observed_fraction": ("source", rng.uniform(0.9, 1, len(voxel))),
            "posterior_variance": ("source", 1e-4 * (1 - reduction)),
            "variance_reduction": ("source", reduction),
            "informed_patterns": ("source", 0.5 * reduction),
            "noise_variance": ((), np.float64(1e-3)),
            "reach": ((), np.float64(200.0)),
            **groups,
        }
    )
