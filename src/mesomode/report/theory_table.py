"""Table of theory and simulation of all networks."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mesomode.network.names import variant_name
from mesomode.report.style import number, with_error
from mesomode.report.summary import STYLE

if TYPE_CHECKING:
    import xarray as xr

Row = dict[str, Any]


def theory_rows(stores: Sequence[xr.Dataset], ensembles: Sequence[xr.Dataset] = ()) -> list[Row]:
    """Theory and simulation of every network, a row each.

    Parameters
    ----------
    stores : sequence of xarray.Dataset
        Stores of the stage ``dynamics``.
    ensembles : sequence of xarray.Dataset
        None, or the store of the step ``dynamics-scaling``, which says how much quantities
        differ from one draw of a network to the next: s/N, taken from the ensemble of the
        same name.

    Returns
    -------
    list of dict
        Name of the column → text or number; NaN where something is not known. ``z`` is the
        deviation from theory in standard errors over initial states, ``z with draws`` in
        those and the spread between draws together.
    """
    spreads: dict[str, tuple[float, float]] = {}
    for store in ensembles:
        for place, variant in enumerate(store.attrs["ensembles"]):
            spreads[variant] = (
                float(store["variance_spread"][place]),
                float(store["participation_ratio_spread"][place]),
            )
    rows = []
    for store in stores:
        units, variant = int(store.attrs["units"]), str(store.attrs["variant"])
        of = str(store.attrs.get("name", ""))
        spread = spreads.get(variant, (np.nan, np.nan)) if not of else (np.nan, np.nan)
        dimension = {
            name: float(store[f"participation_ratio{name}"])
            for name in ("", "_error", "_standardised", "_standardised_error")
        }
        theory = units * float(store["mean_field_participation_ratio_per_unit"])
        scaled = units * float(store["mean_field_participation_ratio_standardised_per_unit"])
        variance = [
            float(store[name][0])
            for name in (
                "activity_autocovariance",
                "activity_autocovariance_error",
                "mean_field_activity_autocovariance",
            )
        ]
        exponent = store["lyapunov_exponent"].values if "lyapunov_exponent" in store else [np.nan]
        error = (
            store["lyapunov_exponent_error"].values if "lyapunov_exponent_error" in store else [0]
        )
        radius = np.nan
        if "eigenvalue_real" in store:
            radius = float(np.hypot(store["eigenvalue_real"][0], store["eigenvalue_imaginary"][0]))
        rows.append(
            {
                "connectome": of,
                "network": variant,
                "units": units,
                "gain": float(store.attrs["gain"]),
                "noise": float(store.attrs["noise"]),
                "effective rank": float(store["effective_rank"]),
                "C_φ(0)": variance[0],
                "C_φ(0) s.e.": variance[1],
                "C_φ(0) theory": variance[2],
                "C_φ(0) z": _score(variance[0], variance[1], variance[2], 0.0),
                "C_φ(0) z with draws": _score(
                    variance[0], variance[1], variance[2], spread[0] / units
                ),
                "dimension": dimension[""],
                "dimension s.e.": dimension["_error"],
                "dimension theory": theory,
                "dimension z": _score(dimension[""], dimension["_error"], theory, 0.0),
                # of the dimension per unit s/N, of the dimension s
                "dimension z with draws": _score(
                    dimension[""], dimension["_error"], theory, spread[1]
                ),
                "dimension of z-scores": dimension["_standardised"],
                "dimension of z-scores s.e.": dimension["_standardised_error"],
                "dimension of z-scores theory": scaled,
                "τ₂": float(store["correlation_time"]),
                "τ₂ theory": float(store["mean_field_correlation_time"]),
                "λ₁": float(exponent[0]),
                "λ₁ s.e.": float(error[0]),
                "λ₁ theory": float(store["mean_field_lyapunov_exponent"]),
                "radius of J": radius,
                "N·PR_D·(1 − g²⟨φ'⟩²)²": float(store["asymptotic_size"]),
                "step error": float(store["step_error"]),
                "float32 error": float(store["precision_error"]),
                "feedback d ρ ⟨φ'⟩": float(store["feedback"]),
                "theory of": str(store.attrs.get("theory", "")),
            }
        )
    return rows


def _score(value: float, error: float, theory: float, spread: float) -> float:
    """Deviation over the error and the spread together; NaN without either."""
    total = float(np.hypot(error, spread))
    return (value - theory) / total if total > 0 else float("nan")


def table_csv(rows: Sequence[Row]) -> str:
    """The table as CSV with full precision; an empty field for NaN."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            "" if isinstance(value, float) and math.isnan(value) else value
            for value in row.values()
        )
    return text.getvalue()


HEADER = (
    "network",
    "N",
    "PR<sub>D</sub>",
    "C<sub>φ</sub>(0)",
    "theory",
    "z",
    "z, draws",
    "dimension",
    "theory",
    "z",
    "z, draws",
    "of z-scores",
    "theory",
    "τ₂",
    "theory",
    "λ₁",
    "theory",
    "radius of J",
    "size",
    "feedback",
    "step error",
    "float32 error",
    "theory of",
)
NOTE = """
Each network beside mean-field theory of infinitely many units. ± is the standard error over
initial states of one network (of λ₁ also over time); z the deviation from theory in these errors;
“z, draws” in these and the spread from one draw of the network to the next together, where that was
measured (independent couplings and random modes). Dimension: participation ratio of φ(x), without
the bias of finite time; of z-scores: of units divided by their standard deviations. λ₁: the largest
Lyapunov exponent per time constant. Size: N·PR<sub>D</sub>·(1 − g²⟨φ'⟩²)²; below 10 the network
has too few units for the dimension in theory. Feedback: the largest d ρ ⟨φ'⟩ of the modes where
these overlap; above 1 a mode condenses, beyond the theory. Step error: relative change of the
states within one time constant if the step is halved (with noise of the path, of which averages
have the square or less); float32 error: the same within three time constants in double precision.
"""


def table_html(rows: Sequence[Row], title: str) -> str:
    """The table as a page of its own, without anything from outside.

    Parameters
    ----------
    rows : sequence of dict
        As from :func:`theory_rows`.
    title : str

    Returns
    -------
    str
    """
    body = []
    of = ""
    for row in rows:
        if row["connectome"] != of:
            of = row["connectome"]
            cell = f'<td class="s" colspan="{len(HEADER)}">{html.escape(of)}</td>'
            body.append(f'<tr class="first">{cell}</tr>')
        cells = [
            f"{row['units']:,}",
            number(row["effective rank"]),
            with_error(row["C_φ(0)"], row["C_φ(0) s.e."], 4),
            number(row["C_φ(0) theory"], 4),
            _signed(row["C_φ(0) z"]),
            _signed(row["C_φ(0) z with draws"]),
            with_error(row["dimension"], row["dimension s.e."]),
            number(row["dimension theory"]),
            _signed(row["dimension z"]),
            _signed(row["dimension z with draws"]),
            with_error(row["dimension of z-scores"], row["dimension of z-scores s.e."]),
            number(row["dimension of z-scores theory"]),
            number(row["τ₂"]),
            number(row["τ₂ theory"]),
            with_error(row["λ₁"], row["λ₁ s.e."]),
            number(row["λ₁ theory"]),
            number(row["radius of J"]),
            number(row["N·PR_D·(1 − g²⟨φ'⟩²)²"], 2),
            number(row["feedback d ρ ⟨φ'⟩"], 2),
            f"{row['step error']:.1e}",
            f"{row['float32 error']:.1e}",
        ]
        body.append(
            f"<tr><td>{html.escape(variant_name(row['network']))}</td>"
            + "".join(f'<td class="n">{cell}</td>' for cell in cells)
            + f"<td>{html.escape(row['theory of'])}</td></tr>"
        )
    header = "".join(f"<th{' class=n' if place else ''}>{name}</th>" for place, name in
                     enumerate(HEADER))  # fmt: skip
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{STYLE}p {{ max-width: 60em; }}</style></head>"
        f"\n<body><table><caption>{html.escape(title)}</caption>\n<thead><tr>{header}</tr></thead>"
        "\n<tbody>\n" + "\n".join(body) + f"\n</tbody></table><p>{NOTE}</p></body></html>\n"
    )


def _signed(score: float) -> str:
    return "–" if math.isnan(score) else f"{score:+.1f}".replace("-", "−")
