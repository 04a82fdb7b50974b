"""Figures of the structure of connectomes, and the table of several."""

import csv
import io

import numpy as np
import pytest
import xarray as xr

from mesomode.network.settings import Settings as NetworkSettings
from mesomode.network.stage import network_structure
from mesomode.report.connectomes import Simulated, as_csv, draw_connectomes
from mesomode.report.settings import Settings
from mesomode.report.stage_network import figure_connectomes, figure_structure
from mesomode.report.structure import Measured, draw_structure
from mesomode.steps import Provenance, run_step
from mesomode.store import Schema, Variable, write_store
from tests.report.conftest import check, texts, titled


def measured(name="worm", **changed):
    rng = np.random.default_rng(0)
    values = np.geomspace(10, 0.01, 40)
    overlap = np.r_[0.9, 0.8, rng.normal(size=38) / np.sqrt(40)]
    overlap[-1] = np.nan
    return Measured(
        **{
            "name": name, "read": np.r_[20, values[:-1]], "centred": values,
            "inverse_rank": 8.5, "corrected": 4.0, "overlap": overlap,
            "significant": np.arange(40) < 2, "overlap_size": 2.9, "overlap_p_value": 0.005,
            "target_scale": rng.lognormal(size=40), "source_scale": np.ones(40),
            "variation": (0.92, 0.0),
            "nulls": {
                "shuffled": (values**0.5, np.array([0.1, -0.1]), np.full((2, 2), 0.3),
                             np.array([0.02, 0.04])),
                "distance": (values, np.array([3.8, 4.4]), np.full((2, 2), 0.3),
                             np.array([0.5, 0.5])),
            },
            "facts": {
                "density": 0.041, "isolated": 3.0, "top_mode_share": 0.6,
                "centred_top_mode_share": 0.2, "mean_share": 0.5, "kurtosis": 311.0,
                "reciprocity": 0.14,
            },
            **changed,
        }
    )  # fmt: skip


def test_structure_is_drawn_beside_chance():
    figure = draw_structure(measured())
    check(figure)
    spectra = titled(figure, "Spectrum").lines
    assert len(spectra) == 4, "as read, centred, two kinds of random connectomes"
    scale = np.sqrt(np.mean(np.geomspace(10, 0.01, 40) ** 2))
    assert spectra[0].get_ydata()[0] == pytest.approx(20 / scale)
    assert spectra[1].get_ydata()[0] == pytest.approx(10 / scale)
    ranks = titled(figure, "Inverse effective rank").lines
    assert list(ranks[0].get_ydata()) == [4.0]
    assert list(ranks[2].get_ydata()) == [3.8, 4.4]
    chance, other = titled(figure, "Overlaps").lines
    assert list(other.get_ydata()) == pytest.approx(np.sqrt(40) * np.array([0.9, 0.8]))
    assert len(chance.get_ydata()) == 38
    text = texts(figure)
    for expected in ("4.1 %", "60 %", "20 %", "8.5", "N · PR", "10", "distances kept", "2.9"):
        assert expected in text
    assert "received, u: variation 0.92 (shuffled 0.3)" in text


def test_structure_without_null_models_or_directions():
    nothing = np.full(40, np.nan)
    figure = draw_structure(
        measured(nulls={}, overlap=nothing, significant=np.zeros(40, bool), corrected=-1.0)
    )
    check(figure)
    assert "no mode has a direction of its own" in texts(figure)
    assert "∞" in texts(figure), "no finite number of modes"


def simulated(connectome, variant, dimension, theory):
    feedback = 1.71 if variant == "connectome" else np.nan
    return Simulated(connectome, variant, 40, dimension, 0.5, theory, feedback)


NETWORKS = [
    simulated("worm", "independent", 30.0, 29.0),
    simulated("worm", "overlaps", 2.7, np.nan),
    simulated("worm", "connectome", 13.6, 20.0),
    simulated("fly", "independent", 31.0, 29.0),
]


def test_connectomes_beside_each_other():
    figure = draw_connectomes([measured(), measured("fly", overlap_size=1.04)], NETWORKS)
    check(figure)
    axes = titled(figure, "Dimension of matched networks")
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([0.75, 0.775, 0.0675, 0.34])
    diamonds = [line.get_ydata() for line in axes.lines if line.get_marker() == "D"]
    assert np.allclose(diamonds[0], 29 / 40)
    assert np.isnan(diamonds[1]).all()
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["theory", "independent couplings", "overlapping modes", "connectome"]
    text = texts(figure)
    assert "30.0 ± 0.5 (29.0)" in text
    assert "2.7 ± 0.5 (–)" in text
    assert "1.04" in text
    assert "1.71 (> 1)" in text, "a mode of the worm condenses"


def test_large_and_tight_dimensions_stay_in_their_cells():
    ladder = ("random_mode", "independent", "blocks", "overlaps", "heterogeneous", "connectome")
    networks = [
        Simulated("larva", variant, 2952, dimension, error, 1320.4, 4.8)
        for variant, dimension, error in zip(
            ladder, (434.2, 1321.7, 752.0, 1.1312, 75.3, 99.96), (10, 2.3, 12, 1.7e-4, 3.6, 0.04),
            strict=True,
        )
    ]  # fmt: skip
    figure = draw_connectomes([measured("larva")], networks)
    check(figure)
    assert "1,322 ± 2 (1,320)" in texts(figure) and "1.1 ± 0.0 (1,320)" in texts(figure)


def test_the_table_has_every_number():
    rows = list(csv.DictReader(io.StringIO(as_csv([measured(), measured("fly")], NETWORKS))))
    found = {(r["connectome"], r["network"], r["quantity"]): r for r in rows}
    assert float(found["worm", "overlaps", "dimension"]["value"]) == 2.7
    assert float(found["worm", "overlaps", "dimension"]["error"]) == 0.5
    assert found["worm", "overlaps", "dimension_theory"]["value"] == "nan"
    assert float(found["worm", "", "kurtosis"]["value"]) == 311
    null = found["fly", "distance", "unbiased_inverse_effective_rank"]
    assert float(null["value"]) == pytest.approx(4.1)
    assert found["worm", "", "significant_overlaps"]["value"] == "2"


def test_networks_are_read_from_their_stores():
    store = xr.Dataset(
        {
            "participation_ratio": 12.0,
            "participation_ratio_error": 0.25,
            "mean_field_participation_ratio_per_unit": 0.2,
            "feedback": 0.6,
        },
        attrs={"variant": "connectome", "units": 50},
    )
    assert Simulated.of(store, "x") == Simulated("x", "connectome", 50, 12.0, 0.25, 10.0, 0.6)


def test_the_steps_draw_from_stores_and_twice_the_same(tmp_path):
    weights = np.random.default_rng(0).lognormal(0, 1, (30, 30)).astype("f4")
    schema = Schema("any", {"weights": Variable(("target", "source"), "float32", "1", "W")})
    connectome = tmp_path / "c.zarr"
    dataset = xr.Dataset({"weights": (("target", "source"), weights)})
    write_store(connectome, dataset, schema, Provenance(step="test"))
    structures = [tmp_path / f"network/{name}structure.zarr" for name in ("", "fly/")]
    for out in structures:
        chosen = NetworkSettings(null_draws=1)
        run_step(
            network_structure, connectome=connectome, out=out, settings=chosen, seed=1, threads=1
        )
    names = ("participation_ratio", "participation_ratio_error")
    names = (*names, "mean_field_participation_ratio_per_unit", "feedback")
    schema = Schema("any", {name: Variable((), "float64", "1", name) for name in names})
    simulations = [tmp_path / f"dynamics/{name}connectome.zarr" for name in ("", "fly/")]
    for value, out in enumerate(simulations, start=3):
        dataset = xr.Dataset(dict.fromkeys(names, value / 10))
        dataset.attrs = {"variant": "connectome", "units": 30}
        write_store(out, dataset, schema, Provenance(step="test"))
    settings = Settings(dpi=50)
    for copy in "ab":
        made = {"png": tmp_path / f"{copy}.png", "svg": tmp_path / f"{copy}.svg"}
        run_step(figure_structure, structure=structures[1], **made, settings=settings)
        table = {"png": tmp_path / f"{copy}t.png", "svg": tmp_path / f"{copy}t.svg"}
        run_step(
            figure_connectomes,
            structure=structures,
            dynamics=simulations,
            **table,
            csv=tmp_path / f"{copy}.csv",
            settings=settings,
        )
    for suffix in (".png", ".svg", "t.png", "t.svg", ".csv"):
        first, second = ((tmp_path / f"{copy}{suffix}").read_bytes() for copy in "ab")
        assert first == second
        assert len(first) > 1000
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    found = {(r["connectome"], r["quantity"]): r["value"] for r in rows if r["network"]}
    assert float(found["this run", "dimension"]) == 0.3
    assert float(found["fly", "dimension"]) == 0.4
