"""The stage ``recordings``, table: sessions kept and left out, with what they have, and reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mesomode.recordings.schemas import STIMULI
from mesomode.steps import Input, Output, logger, step

if TYPE_CHECKING:
    import xarray as xr


@step
def session_table(*, manifest: Input, recordings: list[Input], out: Output) -> None:
    """List the sessions that were kept, with what they have, and those left out, with reasons.

    Parameters
    ----------
    manifest : Path
        ``recordings.json`` of the raw data.
    recordings : list of Path
        ``recordings/<session>.zarr``.
    out : Path
        ``recordings/sessions.csv``: a row a session, those kept first.
    """
    import csv

    from mesomode.files import atomic_file, read_json
    from mesomode.store import open_store

    rows = []
    for path in recordings:
        with open_store(path) as store:
            rows.append(_facts(path.stem, store))
    kept = {str(row["session"]) for row in rows}
    for judged in read_json(manifest).get("judged", ()):
        if str(judged["experiment_id"]) not in kept:
            rows.append(
                {
                    "session": judged["experiment_id"],
                    "kept": "no",
                    "reason": judged["reason"],
                    "session_type": judged["session_type"],
                    "area": judged["area"],
                    "depth_um": judged["depth_um"],
                    "line": " ".join(judged["lines"]),
                }
            )
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(out) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    logger.info("%d sessions kept, %d left out", len(kept), len(rows) - len(kept))


def _facts(name: str, store: xr.Dataset) -> dict[str, Any]:
    """A row of the table of sessions: what a store has and lacks."""
    import numpy as np

    from mesomode.recordings.variability import medians

    about = store.attrs
    status = store["unit_status"].values
    significance = about["mesomode"]["settings"]["significance"]
    lost = [f"{np.sum(status == n)} units with {why}" for n, why in ((1, "gaps"), (2, "no change"))
            if np.any(status == n)]  # fmt: skip
    lacks = [*about["absent"], *about["stimuli_absent"]]
    row = {
        "session": name,
        "kept": "yes",
        "reason": "; ".join(lost),
        "session_type": about.get("session_type", ""),
        "area": about.get("targeted_structure", ""),
        "depth_um": about.get("imaging_depth_um", ""),
        "line": about.get("cre_line", ""),
        "file": about.get("own_file", ""),
        "units": len(status),
        "units_used": int(np.sum(status == 0)),
        "minutes": round(float(np.ptp(store["time"].values)) / 60, 2),
        "period_s": round(float(about["frame_period_s"]), 5),
        "signal": about["signal"],
        "lacks": " ".join(lacks),
        "dimension": _short(store["participation_ratio"]),
        "half_width_s": _short(store["half_width"]),
    }
    for place, code in enumerate(store["tested_stimulus"].values):
        stimulus = STIMULI[code]
        tuned = store["tuning_p_value"].values[place] < significance
        row[f"{stimulus}_tuned"] = _short(store["tuned_fraction"][place])
        for measure in ("reliability", "noise_ceiling"):
            value = medians(store[measure].values[place], tuned)
            row[f"{stimulus}_{measure}"] = _short(value)
    return row


def _short(value: Any) -> str:
    """Four digits of a number; empty where it is not known."""
    return "" if value != value else f"{float(value):.4g}"
