"""The table of a run's key numbers: rows from each store, as CSV, HTML and text."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

RELATIVE_ERROR = "relative error |W − W_true|/|W_true|"
MSE_OF_WEIGHTS = "MSE_rel of the weights"
HEADER = ("stage", "what", "quantity", "value", "standard_error", "unit")


@dataclass(frozen=True)
class Row:
    """One number of the table.

    Parameters
    ----------
    stage, what, quantity : str
        Where it comes from, of what (a model, variant or session), and what it is.
    value : float
        NaN: unknown.
    error : float
        Standard error; NaN: none.
    unit : str
        ``"1"`` for pure numbers.
    """

    stage: str
    what: str
    quantity: str
    value: float
    error: float = math.nan
    unit: str = "1"


def atlas_rows(store: xr.Dataset, name: str) -> list[Row]:
    """Size of the grids."""
    return [
        Row("atlas", "", "source voxels", store.sizes["source"]),
        Row("atlas", "", "target voxels", store.sizes["target"]),
        Row("atlas", "", "regions", len(store.attrs["regions"])),
        Row("atlas", "", "edge of a voxel", float(store.attrs["resolution_um"]), unit="µm"),
    ]


def tracing_rows(store: xr.Dataset, name: str) -> list[Row]:
    """What was kept, and how much it covers."""
    reached = (store["injection_density"] > 0).any("experiment")
    return [
        Row("tracing", "", "experiments looked at", store.sizes["candidate"]),
        Row("tracing", "", "experiments kept", store.sizes["experiment"]),
        Row("tracing", "", "experiments mirrored", int(store["flipped"].sum())),
        Row("tracing", "", "source voxels reached", 100 * float(reached.mean()), unit="%"),
        Row("tracing", "", "target entries observed", 100 * float(store["observed"].mean()),
            unit="%"),
    ]  # fmt: skip


def connectome_rows(store: xr.Dataset, name: str) -> list[Row]:
    """Errors and certificate of a model, its distance from the truth, or what all share."""
    if "inner_test_error" in store:
        return [
            Row("cross-validation", str(model), f"MSE_rel {part} part, {what}",
                float(store[f"{pair}_mean"][place]),
                float(store[f"{pair}_standard_error"][place]))
            for place, model in enumerate(store.attrs["models"])
            for part in ("test", "training")
            for what, kind in (("voxels", "voxel"), ("regions", "regional"))
            for pair in (f"{part.replace('training', 'train')}_{kind}",)
        ]  # fmt: skip
    if "coverage" in store:
        state = store["coverage"].values
        meanings = store["coverage"].attrs["flag_meanings"].split()
        return [
            Row("coverage", "", "source voxels not informed", int((state > 0).sum())),
            *(
                Row("coverage", meaning, "source voxels", int((state == code).sum()))
                for code, meaning in enumerate(meanings)
            ),
        ]
    if "models" in store.attrs:
        return [
            Row("truth", str(model), quantity, float(store[variable][place]))
            for place, model in enumerate(store.attrs["models"])
            for quantity, variable in (
                (RELATIVE_ERROR, "relative_error"),
                (MSE_OF_WEIGHTS, "mean_squared_error"),
                ("correlation with the true weights", "correlation"),
                ("relative error of means over regions", "regional_error"),
            )
        ]
    found = (
        ("MSE_rel fitted to all, voxels", "voxel_error"),
        ("MSE_rel fitted to all, regions", "regional_error"),
        ("MSE_rel of each from all others, voxels", "left_out_voxel_error"),
        ("MSE_rel of each from all others, regions", "left_out_regional_error"),
        ("KKT residual", "kkt_residual"),
        ("relative gap, estimated", "gap_estimate"),
        ("relative gap, proven bound", "gap_bound"),
    )
    rows = [
        Row("connectome", str(store.attrs["model"]), quantity, float(store[variable]))
        for quantity, variable in found
        if variable in store
    ]
    if not rows:
        weights = store["weights"]
        rows = [
            Row("connectome", name, "targets", weights.sizes["target"]),
            Row("connectome", name, "sources", weights.sizes["source"]),
            Row("connectome", name, "connections", int((weights > 0).sum())),
        ]
    return rows


def network_rows(store: xr.Dataset, name: str) -> list[Row]:
    """Effective rank and gain of a network and of the connectome it was made from."""
    variant = str(store.attrs["variant"])
    rows = []
    if "connectome_effective_rank" in store:
        rows += [
            Row("network", "connectome", quantity, float(store[variable]))
            for quantity, variable in (
                ("effective rank PR_D per unit", "connectome_effective_rank"),
                ("effective rank PR_D per unit, centred", "centred_effective_rank"),
                ("modes with 95 % of the energy", "connectome_modes_95"),
                ("modes with 99 % of the energy", "connectome_modes_99"),
            )
        ]
    return [
        *rows,
        Row("network", variant, "units", int(store.attrs["units"])),
        Row("network", variant, "gain g", float(store["gain"])),
        Row("network", variant, "effective rank PR_D per unit", float(store["effective_rank"])),
    ]


def dynamics_rows(store: xr.Dataset, name: str) -> list[Row]:
    """Variance, dimension and time-scale of a simulation, each beside theory."""
    variant = str(store.attrs["variant"])
    units = int(store.attrs["units"])
    error = float(store["activity_autocovariance_error"][0])
    theory = units * float(store["mean_field_participation_ratio_per_unit"])
    return [
        Row("dynamics", variant, "variance C_φ(0)", float(store["activity_autocovariance"][0]),
            error),
        Row("dynamics", variant, "variance C_φ(0), theory",
            float(store["mean_field_activity_autocovariance"][0])),
        Row("dynamics", variant, "participation ratio", float(store["participation_ratio"]),
            float(store["participation_ratio_error"])),
        Row("dynamics", variant, "participation ratio, theory", theory),
        Row("dynamics", variant, "correlation time τ₂", float(store["correlation_time"]),
            unit="time constants"),
        Row("dynamics", variant, "correlation time τ₂, theory",
            float(store["mean_field_correlation_time"]), unit="time constants"),
        Row("dynamics", variant, "trajectories at rest", 100 * float(store["frozen_fraction"]),
            unit="%"),
    ]  # fmt: skip


def recordings_rows(store: xr.Dataset, name: str) -> list[Row]:
    """Units, tuning, reliability, dimension and time-scales of a session."""
    stimuli = store["tested_stimulus"].attrs["flag_meanings"].split()
    significance = store.attrs["mesomode"]["settings"]["significance"]
    repeats = [
        Row("recordings", name, f"median {meaning} of units tuned to "
            f"{stimuli[int(code)].replace('_', ' ')}",
            _median(store[measure].values[place],
                    store["tuning_p_value"].values[place] < significance))
        for place, code in enumerate(store["tested_stimulus"].values)
        for measure, meaning in (("reliability", "reliability"), ("noise_ceiling", "noise ceiling"))
    ]  # fmt: skip
    tuned = [
        Row("recordings", name, f"units tuned to {stimuli[int(code)].replace('_', ' ')}",
            100 * float(fraction), unit="%")
        for code, fraction in zip(
            store["tested_stimulus"].values, store["tuned_fraction"].values, strict=True
        )
    ]  # fmt: skip
    return [
        Row("recordings", name, "units", store.sizes["unit"]),
        *tuned,
        *repeats,
        Row("recordings", name, "participation ratio", float(store["participation_ratio"]),
            float(store["participation_ratio_error"])),
        Row("recordings", name, "participation ratio, plain",
            float(store["participation_ratio_plain"])),
        Row("recordings", name, "half width of the autocorrelation",
            float(store["half_width"]), unit="s"),
        Row("recordings", name, "integrated time", float(store["integrated_time"]), unit="s"),
    ]  # fmt: skip


def _median(values: np.ndarray, chosen: np.ndarray) -> float:
    """Median over the chosen that are known; NaN: none is."""
    known = values[chosen & np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def comparison_rows(store: xr.Dataset, name: str) -> list[Row]:
    """Dimension at a common number of units, and half widths, of all systems."""
    common = int(store["common_units"])
    rows = []
    for place, system in enumerate(store.attrs["systems"]):
        unit = "s" if system["kind"] == "recording" else "time constants"
        of = str(system["name"])
        rows += [
            Row("comparison", of, f"participation ratio of {common} units",
                float(store["participation_ratio_common"][place])),
            Row("comparison", of, "half width", float(store["half_width"][place]), unit=unit),
        ]  # fmt: skip
    return rows


def shown(value: float, digits: int = 4) -> str:
    """A number as people read it: four digits, whole numbers whole, an en dash for NaN."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def as_csv(rows: Sequence[Row]) -> str:
    """The table as CSV with full precision; an empty field for NaN."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for row in rows:
        numbers = ["" if math.isnan(v) else repr(v) for v in (row.value, row.error)]
        writer.writerow([row.stage, row.what, row.quantity, *numbers, row.unit])
    return text.getvalue()


def as_text(rows: Sequence[Row]) -> list[str]:
    """The table as lines of text."""
    lines = []
    for row in rows:
        name = " ".join(part for part in (row.stage, row.what.replace("_", " ")) if part)
        error = "" if math.isnan(row.error) else f" ± {shown(row.error, 2)}"
        unit = "" if row.unit == "1" else f" {row.unit}"
        lines.append(f"{name}: {row.quantity} {shown(row.value)}{error}{unit}")
    return lines


def recovery(rows: Sequence[Row]) -> str:
    """How near the connectomes are to the true one, in one line; empty without a truth."""
    found = {(row.what, row.quantity): row.value for row in rows if row.stage == "truth"}
    parts = [
        f"{model}: relative error {shown(value)}, MSE_rel {shown(found[model, MSE_OF_WEIGHTS])}"
        for (model, quantity), value in found.items()
        if quantity == RELATIVE_ERROR
    ]
    return "the connectome against the true one: " + "; ".join(parts) if parts else ""


STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 1.5em; }
table { border-collapse: collapse; }
caption { text-align: left; font-weight: bold; padding-bottom: .6em; }
th, td { padding: .22em 1em .22em 0; text-align: left; vertical-align: top; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th { border-bottom: 1.5px solid #222; }
tr.first td { border-top: 1px solid #bbb; }
td.s { font-weight: bold; }
"""


def as_html(rows: Sequence[Row], title: str) -> str:
    """The table as a page of its own, without anything from outside."""
    body = []
    before: tuple[str, str] = ("", "")
    for row in rows:
        stage = "" if row.stage == before[0] else row.stage
        what = "" if (row.stage, row.what) == before else row.what.replace("_", " ")
        error = "" if math.isnan(row.error) else f"± {shown(row.error, 2)}"
        unit = "" if row.unit == "1" else row.unit
        cells = [
            f'<td class="s">{html.escape(stage)}</td>',
            f"<td>{html.escape(what)}</td>",
            f"<td>{html.escape(row.quantity)}</td>",
            f'<td class="n">{shown(row.value)}</td>',
            f'<td class="n">{error}</td>',
            f"<td>{html.escape(unit)}</td>",
        ]
        body.append(f"<tr{' class=first' if stage else ''}>{''.join(cells)}</tr>")
        before = (row.stage, row.what)
    header = "".join(
        f"<th{' class=n' if name in ('value', '± s.e.') else ''}>{name}</th>"
        for name in ("stage", "", "quantity", "value", "± s.e.", "unit")
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body><table>"
        f"<caption>{html.escape(title)}</caption>\n<thead><tr>{header}</tr></thead>\n<tbody>\n"
        + "\n".join(body)
        + "\n</tbody></table></body></html>\n"
    )
