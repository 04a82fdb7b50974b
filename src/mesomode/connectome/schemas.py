"""What the stores of the stage ``connectome`` hold."""

from __future__ import annotations

from mesomode.store import Schema, Variable


def _scalar(meaning: str, dtype: str = "float64", unit: str = "1") -> Variable:
    return Variable((), dtype, unit, meaning, optional=True)


def _per_step(meaning: str, dtype: str = "float64") -> Variable:
    return Variable(("step",), dtype, "1", meaning, optional=True)


def _grid(dims: tuple[str, ...], dtype: str, meaning: str, flags: tuple[str, ...] = ()) -> Variable:
    return Variable(dims, dtype, "1", meaning, flags=flags, optional=True)


MSE = "MSE_rel = 2 |Omega o (WX - Y)|^2 / (|Omega o WX|^2 + |Omega o Y|^2)"
SCHEMA = Schema(
    "connectome",
    {
        "weights": _grid(
            ("target", "source"),
            "float32",
            "W: projection density per unit of injection; absent where only factors are kept",
        ),
        "source_voxel": _grid(("source", "axis"), "int32", "index [ap, dv, ml]"),
        "source_region": _grid(("source",), "int64", "id of the region it lies in"),
        "source_unit": _grid(("source",), "int64", "number or id of the unit in the file read"),
        "target_voxel": _grid(("target", "axis"), "int32", "index [ap, dv, ml]"),
        "target_region": _grid(("target",), "int64", "id of the region it lies in"),
        "target_unit": _grid(("target",), "int64", "number or id of the unit in the file read"),
        "target_hemisphere": _grid(
            ("target",),
            "int8",
            "side relative to the injection",
            flags=("none", "ipsilateral", "contralateral"),
        ),
        "source_group_region": _grid(("source_group",), "int64", "id of a source region"),
        "target_group_region": _grid(("target_group",), "int64", "id of a target region"),
        "target_group_hemisphere": _grid(
            ("target_group",),
            "int8",
            "side of a target region",
            flags=("none", "ipsilateral", "contralateral"),
        ),
        "regional_weights": _grid(
            ("target_group", "source_group"), "float64", "mean weight between voxels of two regions"
        ),
        "target_factor": _grid(
            ("target", "mode"), "float32", "U of the low-rank model, nonnegative, W = U V^T"
        ),
        "source_factor": _grid(("source", "mode"), "float32", "V of the low-rank model"),
        "restart_objective": _grid(("restart",), "float64", "objective reached from each start"),
        "distance": _grid(("knot",), "float64", "distance between source and target, um"),
        "profile": _grid(("knot",), "float64", "weight at that distance"),
        "experiment": _grid(("experiment",), "int64", "id of the experiment"),
        "experiment_error": _grid(
            ("experiment",), "float64", f"{MSE} of the fit to all experiments, by experiment"
        ),
        "left_out_experiment_error": _grid(
            ("experiment",),
            "float64",
            "MSE_rel of each experiment predicted from all others, linear model, the same lambda; "
            "NaN: nothing else was observed",
        ),
        "left_out_voxel_error": _scalar("MSE_rel of these predictions, all experiments"),
        "left_out_regional_error": _scalar("the same, summed over the voxels of each region first"),
        "voxel_error": _scalar(f"{MSE} of the fit to all experiments"),
        "regional_error": _scalar("the same, summed over the voxels of each region first"),
        "objective": _scalar("objective of the regression at W"),
        "misfit": _scalar("its data term |Omega o (WX - Y)|^2"),
        "penalty": _scalar("its smoothness term"),
        "kkt_residual": _scalar("optimality |W - max(W - G/s, 0)|_F / |W|_F"),
        "gap_estimate": _scalar("estimate of (objective - minimum) / objective"),
        "gap_bound": _scalar("rigorous upper bound of the same, by duality; inf: none found"),
        "converged": _scalar("whether the tolerance was met", "bool"),
        "products": _scalar("Hessian products of the fit", "int64"),
        "free_fraction": _scalar("share of the weights not held at zero"),
        "undetermined_fraction": _scalar("share set to zero as no observation depends on them"),
        "step": _per_step("number of the Newton step", "int64"),
        "step_objective": _per_step("objective"),
        "step_kkt_residual": _per_step("optimality residual"),
        "step_gap_estimate": _per_step("estimated relative distance from the minimum"),
        "step_products": _per_step("Hessian products so far", "int64"),
    },
)

EIGENMODES_SCHEMA = Schema(
    "connectome_eigenmodes",
    {
        f"{side}_{name}": Variable(
            dims,
            dtype,
            "1",
            meaning + ("; absent: the grid is that of the sources" if side == "target" else ""),
            optional=side == "target" and name != "voxel",
        )
        for side in ("source", "target")
        for name, dims, dtype, meaning in (
            ("voxel", (side, "axis"), "int32", "index [ap, dv, ml]"),
            ("component", (side,), "int32", "connected component of the grid"),
            (
                "eigenvalue",
                (f"{side}_mode",),
                "float64",
                "eigenvalues of -L, L the second differences, in 1 / voxel^2, by component",
            ),
            (
                "eigenvector",
                (side, f"{side}_mode"),
                "float64",
                "Q in -L = Q diag(eigenvalue) Q^T, orthonormal columns",
            ),
        )
    },
)

TRUTH_SCHEMA = Schema(
    "connectome_truth",
    {
        "weights": Variable(
            ("target", "source"), "float32", "1", "true weights on the voxels of the atlas"
        ),
        "relative_error": Variable(("model",), "float64", "1", "|W - W_true|_F / |W_true|_F"),
        "correlation": Variable(("model",), "float64", "1", "Pearson correlation of the entries"),
        "mean_squared_error": Variable(
            ("model",), "float64", "1", "MSE_rel 2 |W - W_true|^2 / (|W|^2 + |W_true|^2)"
        ),
        "regional_error": Variable(
            ("model",), "float64", "1", "relative error of the means over pairs of regions"
        ),
        "regional_weights": Variable(
            ("model", "target_group", "source_group"), "float64", "1", "means over pairs of regions"
        ),
        "true_regional_weights": Variable(
            ("target_group", "source_group"), "float64", "1", "the same of the true weights"
        ),
        "source_group_region": Variable(("source_group",), "int64", "1", "id of a source region"),
        "target_group_region": Variable(("target_group",), "int64", "1", "id of a target region"),
        "target_group_hemisphere": Variable(
            ("target_group",),
            "int8",
            "1",
            "side of a target region",
            flags=("none", "ipsilateral", "contralateral"),
        ),
        "singular_value": Variable(
            ("model", "mode"), "float64", "1", "singular values of each model, descending"
        ),
        "true_singular_value": Variable(("mode",), "float64", "1", "those of the true weights"),
    },
)

FOLD_SCHEMA = Schema(
    "connectome_fold",
    {
        "smoothness": Variable(("candidate",), "float64", "1", "lambda tried", optional=True),
        "rank": Variable(("candidate",), "int64", "1", "rank tried", optional=True),
        "bandwidth": Variable(("candidate",), "float64", "um", "bandwidth tried", optional=True),
        "inner_test_error": Variable(
            ("candidate", "inner_fold"), "float64", "1", "voxel MSE_rel on the inner test part"
        ),
        "inner_train_error": Variable(
            ("candidate", "inner_fold"), "float64", "1", "voxel MSE_rel on the inner training part"
        ),
        "chosen": Variable((), "int64", "1", "candidate with the least mean inner test error"),
        "experiment": Variable(("experiment",), "int64", "1", "id of the experiment"),
        "test": Variable(("experiment",), "bool", "1", "in the outer test part"),
        "prediction": Variable(
            ("target", "experiment"),
            "float32",
            "1",
            "W X of the chosen candidate, refitted to all but the test part",
        ),
        "experiment_error": Variable(
            ("experiment",), "float64", "1", "voxel MSE_rel of each experiment; NaN: undefined"
        ),
        **{
            f"{part}_{kind}_error": Variable((), "float64", "1", f"{kind} MSE_rel, {part} part")
            for part in ("test", "train")
            for kind in ("voxel", "regional")
        },
    },
)

CROSS_VALIDATION_SCHEMA = Schema(
    "connectome_cross_validation",
    {
        **{
            f"{part}_{kind}_error": Variable(
                ("model", "fold"), "float64", "1", f"{kind} MSE_rel, {part} part of each fold"
            )
            for part in ("test", "train")
            for kind in ("voxel", "regional")
        },
        **{
            f"{part}_{kind}_{statistic}": Variable(
                ("model",), "float64", "1", f"{statistic} over the folds of the same"
            )
            for part in ("test", "train")
            for kind in ("voxel", "regional")
            for statistic in ("mean", "standard_error")
        },
        "inner_test_error": Variable(
            ("model", "fold", "candidate"),
            "float64",
            "1",
            "voxel MSE_rel on the inner test parts, mean; NaN beyond the model's last candidate",
        ),
        "chosen": Variable(("model", "fold"), "int64", "1", "number of the chosen candidate"),
        "smoothness": Variable(
            ("model", "candidate"), "float64", "1", "lambda tried; NaN where it has none"
        ),
        "rank": Variable(("model", "candidate"), "float64", "1", "rank tried; NaN: none"),
        "bandwidth": Variable(("model", "candidate"), "float64", "um", "bandwidth; NaN: none"),
        "experiment": Variable(("experiment",), "int64", "1", "id of the experiment"),
        "experiment_fold": Variable(
            ("experiment",), "int64", "1", "fold in which it was in the test part"
        ),
        "experiment_error": Variable(
            ("model", "experiment"), "float64", "1", "voxel MSE_rel of the experiment in that fold"
        ),
        "prediction": Variable(
            ("model", "target", "experiment"), "float32", "1", "out-of-fold prediction W X"
        ),
    },
)

RANKS_SCHEMA = Schema(
    "connectome_ranks",
    {
        "rank": Variable(("rank",), "int64", "1", "rank of the factors"),
        "distance": Variable(
            ("rank", "start"), "float64", "1", "|U V^T - W|_F / |W|_F, W of the voxel model"
        ),
        "truncated_distance": Variable(
            ("rank",), "float64", "1", "the least possible, by the singular values of W"
        ),
        "objective": Variable(("rank", "start"), "float64", "1", "objective of the regression"),
        "voxel_objective": Variable((), "float64", "1", "that of the voxel model"),
        "iterations": Variable(("rank", "start"), "int64", "1", "sweeps of each fit"),
    },
)

COVERAGE_SCHEMA = Schema(
    "connectome_coverage",
    {
        "source_voxel": Variable(("source", "axis"), "int32", "1", "index [ap, dv, ml]"),
        "source_region": Variable(("source",), "int64", "1", "id of the region it lies in"),
        "coverage": Variable(
            ("source",),
            "int8",
            "1",
            "whether the experiments say something about a source voxel, or why not",
            flags=("informed", "out_of_reach", "targets_unobserved", "nothing_injected"),
        ),
        "injections": Variable(("source",), "int64", "1", "experiments that injected the voxel"),
        "distance_to_injection": Variable(
            ("source",), "float64", "um", "to the nearest injected voxel; inf: none"
        ),
        "observed_fraction": Variable(
            ("source",), "float64", "1", "share of the targets observed in those experiments"
        ),
        "posterior_variance": Variable(
            ("source",),
            "float64",
            "1",
            "of the weights of the linear model, mean over targets; single unobserved entries "
            "count as observed here, which makes it slightly too small",
            optional=True,
        ),
        "variance_reduction": Variable(
            ("source",),
            "float64",
            "1",
            "how much the data inform it: 0 not at all, 1 fully",
            optional=True,
        ),
        "informed_patterns": Variable(
            ("source",),
            "float64",
            "1",
            "share of the patterns over targets, fine ones too, of which the data say something",
            optional=True,
        ),
        "noise_variance": Variable(
            (), "float64", "1", "of the projection densities, estimated", optional=True
        ),
        "reach": Variable((), "float64", "um", "distance over which the smoothing carries"),
        "source_group_region": Variable(("source_group",), "int64", "1", "id of a source region"),
        "target_group_region": Variable(("target_group",), "int64", "1", "id of a target region"),
        "target_group_hemisphere": Variable(
            ("target_group",),
            "int8",
            "1",
            "side of a target region",
            flags=("none", "ipsilateral", "contralateral"),
        ),
        "bootstrap_regional_weights": Variable(
            ("replicate", "target_group", "source_group"),
            "float64",
            "1",
            "mean weights between regions, linear model, experiments drawn with replacement",
            optional=True,
        ),
    },
)
