"""What the stores of the stage ``network`` hold."""

from __future__ import annotations

from mesomode.store import Schema, Variable

RANK = "effective rank PR_D per unit, m2²/(m4 − 2 m2²) of singular values;"


def _optional(dims: tuple[str, ...], dtype: str, unit: str, meaning: str) -> Variable:
    return Variable(dims, dtype, unit, meaning, optional=True)


def _number(meaning: str, dtype: str = "float64") -> Variable:
    return Variable((), dtype, "1", meaning)


def _per(dimension: str, meaning: str, dtype: str = "float64", unit: str = "1") -> Variable:
    return Variable((dimension,), dtype, unit, meaning)


SCHEMA = Schema(
    "network",
    {
        "gain": _number("coupling gain g of the ensemble"),
        "effective_rank": _number("PR_D per unit of the ensemble, without the scales u and v"),
        "measured_inverse_effective_rank": _number(
            "1/PR_D from the singular values of the couplings drawn"
        ),
        "singular_value": _per("mode", "of the couplings drawn, J"),
        "left": _optional(("unit", "component"), "float32", "1", "L of J = L diag(d) Rᵀ"),
        "strength": _optional(("component",), "float32", "1", "d of J"),
        "right": _optional(("unit", "component"), "float32", "1", "R of J"),
        "overlap": _optional(
            ("component",), "float64", "1", "correlation ρ of L and R of each mode"
        ),
        "target_scale": _optional(
            ("unit",), "float64", "1", "u of J = diag(u) L diag(d) Rᵀ diag(v)"
        ),
        "source_scale": _optional(("unit",), "float64", "1", "v of J"),
        "feedback": _optional(
            (),
            "float64",
            "1",
            "largest d ρ ⟨uv⟩ of the modes of J; times ⟨φ'⟩ above 1 one condenses",
        ),
        "coupling": _optional(
            ("target", "source"), "float32", "1", "J, the scales u and v included"
        ),
        "output_factor": _optional(
            ("unit", "component"), "float32", "1", "A of J = A Bᵀ, the scales u and v included"
        ),
        "input_factor": _optional(("unit", "component"), "float32", "1", "B of the same"),
        "connectome_singular_value": _optional(
            ("connectome_mode",), "float64", "weight", "of the square connectome as read"
        ),
        "centred_singular_value": _optional(
            ("connectome_mode",),
            "float64",
            "weight",
            "of the square connectome, signed and centred: the spectrum the network has",
        ),
        "connectome_effective_rank": _optional((), "float64", "1", f"{RANK} connectome as read"),
        "centred_effective_rank": _optional((), "float64", "1", f"{RANK} connectome, centred"),
        "connectome_top_mode_share": _optional(
            (), "float64", "1", "σ_1²/Σσ² of the connectome as read"
        ),
        "centred_top_mode_share": _optional(
            (), "float64", "1", "σ_1²/Σσ² of the connectome, centred"
        ),
        "connectome_modes_95": _optional(
            (), "int64", "1", "modes with 95 % of Σσ² of the connectome as read"
        ),
        "connectome_modes_99": _optional(
            (), "int64", "1", "modes with 99 % of Σσ² of the connectome as read"
        ),
    },
)

UNBIASED = "1/PR_D corrected for finitely many and uneven units and heavy tails;"
CHANCE = "chance that random modes overlap so:"
STRUCTURE_SCHEMA = Schema(
    "network_structure",
    {
        "coupling": Variable(
            ("target", "source"),
            "float32",
            "weight",
            "the square connectome, signed and centred; any scale; absent if it came in factors",
            optional=True,
        ),
        "output_mode": _optional(
            ("unit", "component"),
            "float32",
            "1",
            "u_a of the coupling U diag(centred_singular_value) Vᵀ that came in factors",
        ),
        "input_mode": _optional(("unit", "component"), "float32", "1", "v_a of the same"),
        "connectome_singular_value": _per(
            "mode", "of the square connectome with its signs, not centred", unit="weight"
        ),
        "centred_singular_value": _per("mode", "of the coupling", unit="weight"),
        "bulk_singular_value": _per("mode", "of the coupling divided by its scales"),
        "overlap": _per(
            "mode", "u_a·v_a of the modes of the coupling; NaN: not defined or not computed"
        ),
        "overlap_significant": _per(
            "mode", "whether it is not chance (false discovery rate 5 %)", "bool"
        ),
        "bulk_overlap": _per("mode", "the same of the coupling divided by its scales"),
        "bulk_overlap_significant": _per("mode", "the same", "bool"),
        "overlap_root_mean_square": _number("of √N u_a·v_a; 1 for random modes"),
        "overlap_distribution_p_value": _number(f"{CHANCE} Kolmogorov–Smirnov, all modes"),
        "overlap_largest_p_value": _number(f"{CHANCE} the largest, Bonferroni"),
        "overlap_permutation_p_value": _number(f"{CHANCE} root mean square, units permuted"),
        "permutation_root_mean_square": _per(
            "permutation", "of √N u_a·v_a after the units of the input modes were permuted"
        ),
        "target_scale": _per("unit", "u: root mean square of each row, relative to all"),
        "source_scale": _per("unit", "v: root mean square of each column, relative to all"),
        "target_variation": _number("coefficient of variation of u"),
        "source_variation": _number("coefficient of variation of v"),
        "inverse_effective_rank": _number("1/PR_D = m4/m2² − 2 of the coupling"),
        "unbiased_inverse_effective_rank": _number(f"{UNBIASED} the coupling"),
        "bulk_inverse_effective_rank": _number("1/PR_D of the coupling divided by its scales"),
        "bulk_unbiased_inverse_effective_rank": _number(f"{UNBIASED} divided by its scales"),
        "kurtosis": _number("N² ΣJ⁴/(ΣJ²)² of the coupling; 3 for normal entries"),
        "mean_share": _number("share of ΣJ² that the mean coupling has, before centring"),
        "top_mode_share": _number("σ_1²/Σσ² with the signs, before centring"),
        "centred_top_mode_share": _number("σ_1²/Σσ² of the coupling"),
        "density": _number("share of pairs of different units that are connected"),
        "isolated": _number("units without any connection", "int64"),
        "parts": _number("groups of several units that no connection joins", "int64"),
        "self_coupling": _number("tr J/N at gain one"),
        "reciprocity": _number("tr J²/N at gain one"),
        "sign": _per("unit", "sign of all that the unit sends", "int8"),
        "group": _per("unit", "group of the unit in the control with blocks", "int64"),
        "block_variance": Variable(
            ("target_group", "source_group"),
            "float64",
            "1",
            "mean square of the coupling between groups, relative to that of all",
        ),
        "null_singular_value": _optional(
            ("null", "mode"), "float64", "weight", "of one random connectome, signed and centred"
        ),
        "null_inverse_effective_rank": _optional(
            ("null", "draw"), "float64", "1", f"{UNBIASED} random connectomes"
        ),
        "null_top_mode_share": _optional(
            ("null", "draw"), "float64", "1", "σ_1²/Σσ² of random connectomes, before centring"
        ),
        "null_target_variation": _optional(
            ("null", "draw"), "float64", "1", "coefficient of variation of their u"
        ),
        "null_source_variation": _optional(
            ("null", "draw"), "float64", "1", "coefficient of variation of their v"
        ),
    },
)
OTHER_SCHEMA = Schema(
    "connectome",
    {
        "weights": Variable(("target", "source"), "float32", "weight", "as in the file"),
        "target_unit": _per("target", "number or id of the unit in the file", "int64"),
        "source_unit": _per("source", "number or id of the unit in the file", "int64"),
        "position": _optional(
            ("target", "axis"), "float64", "as in the file", "coordinates of the units"
        ),
    },
)
