"""The table of key numbers says what the stores say."""

import csv
import io
import math

import numpy as np
import pytest
import xarray as xr

from mesomode.report import summary
from mesomode.report.summary import Row


def number_of(rows, quantity, what=None):
    (row,) = [r for r in rows if r.quantity == quantity and what in (None, r.what)]
    return row.value, row.error


def test_tracing_rows():
    store = xr.Dataset(
        {
            "injection_density": (("source", "experiment"), [[0.0, 0.5], [0.0, 0.0]]),
            "observed": (("target", "experiment"), [[True, True], [False, True]]),
            "flipped": ("experiment", [True, False]),
            "candidate_reason": ("candidate", [0, 0, 3]),
        }
    )
    rows = summary.tracing_rows(store, "tracing")
    assert number_of(rows, "experiments looked at")[0] == 3
    assert number_of(rows, "experiments kept")[0] == 2
    assert number_of(rows, "experiments mirrored")[0] == 1
    assert number_of(rows, "source voxels reached")[0] == 50
    assert number_of(rows, "target entries observed")[0] == 75


def test_connectome_rows():
    fitted = xr.Dataset(
        {"weights": (("target", "source"), np.ones((2, 2))), "voxel_error": 0.1,
         "kkt_residual": 1e-7}, attrs={"model": "voxel"},
    )  # fmt: skip
    rows = summary.connectome_rows(fitted, "voxel")
    assert [(r.what, r.value) for r in rows] == [("voxel", 0.1), ("voxel", 1e-7)]
    read = xr.Dataset(
        {"weights": (("target", "source"), [[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])},
        attrs={"model": "file"},
    )
    assert [r.value for r in summary.connectome_rows(read, "file")] == [3, 2, 2]
    truth = xr.Dataset(
        {name: ("model", [0.4, 1.5]) for name in
         ("relative_error", "mean_squared_error", "correlation", "regional_error")},
        attrs={"models": ["voxel", "regional"]},
    )  # fmt: skip
    rows = summary.connectome_rows(truth, "truth")
    assert summary.recovery(rows) == (
        "the connectome against the true one: voxel: relative error 0.4, MSE_rel 0.4; "
        "regional: relative error 1.5, MSE_rel 1.5"
    )
    assert summary.recovery(ROWS) == ""
    assert number_of(rows, "relative error |W − W_true|/|W_true|", "regional")[0] == 1.5


def test_dynamics_rows_are_numbers_of_dimensions():
    store = xr.Dataset(
        {
            "activity_autocovariance": ("lag", [0.7, 0.1]),
            "activity_autocovariance_error": ("lag", [0.01, 0.01]),
            "mean_field_activity_autocovariance": ("lag", [0.71, 0.1]),
            "participation_ratio": 9.0,
            "participation_ratio_error": 0.5,
            "mean_field_participation_ratio_per_unit": 0.05,
            "correlation_time": 3.0,
            "mean_field_correlation_time": 3.1,
            "frozen_fraction": 0.25,
        },
        attrs={"variant": "random_mode", "units": 200},
    )
    rows = summary.dynamics_rows(store, "random_mode")
    assert number_of(rows, "variance C_φ(0)") == (0.7, 0.01)
    assert number_of(rows, "participation ratio") == (9.0, 0.5)
    assert number_of(rows, "participation ratio, theory")[0] == pytest.approx(10)
    assert number_of(rows, "trajectories at rest")[0] == 25


ROWS = [
    Row("atlas", "", "voxels", 1500),
    Row("dynamics", "random_mode", "C & D", 0.123456789, 0.01234),
    Row("dynamics", "random_mode", "time", math.nan, unit="s"),
    Row("network", "independent", "rank", math.inf),
]


def test_csv_keeps_full_precision():
    table = list(csv.DictReader(io.StringIO(summary.as_csv(ROWS))))
    assert [row["value"] for row in table] == ["1500", "0.123456789", "", "inf"]
    assert float(table[1]["standard_error"]) == 0.01234
    assert table[0]["standard_error"] == ""
    assert table[2]["unit"] == "s"


def test_text_is_what_people_read():
    assert summary.as_text(ROWS) == [
        "atlas: voxels 1,500",
        "dynamics random mode: C & D 0.1235 ± 0.012",
        "dynamics random mode: time – s",
        "network independent: rank ∞",
    ]


def test_html_is_whole_and_names_each_stage_once():
    import xml.etree.ElementTree as ElementTree

    page = summary.as_html(ROWS, "Key numbers of <run>")
    assert "Key numbers of &lt;run&gt;" in page and "C &amp; D" in page
    assert page.count(">dynamics<") == 1 and page.count(">random mode<") == 1
    assert "http" not in page, "nothing from outside"
    body = page[page.index("<tbody>") : page.index("</tbody>") + 8].replace(" class=first", "")
    assert len(ElementTree.fromstring(body)) == len(ROWS)


def test_whole_numbers_and_small_ones():
    assert [summary.shown(v) for v in (0, -3.0, 12345678, 1.5e-7, 0.12346)] == [
        "0", "−3", "12,345,678", "1.5e−07", "0.1235",
    ]  # fmt: skip
