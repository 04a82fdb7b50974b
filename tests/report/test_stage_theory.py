"""The steps that draw theory and simulation, on stores made by the steps before them."""

import csv

import numpy as np
import pytest
import xarray as xr

from mesomode.dynamics.settings import Settings as DynamicsSettings
from mesomode.dynamics.stage import dynamics
from mesomode.dynamics.stage_scaling import (
    dynamics_effective_rank,
    dynamics_scaling,
    dynamics_size,
)
from mesomode.network.random_mode import IndependentNetwork
from mesomode.report.settings import Settings
from mesomode.report.stage_theory import (
    figure_chaos,
    figure_effective_rank,
    figure_scaling,
    theory_table,
)
from mesomode.steps import Provenance, run_step
from mesomode.store import Schema, Variable, write_store

NETWORK = Schema(
    "network",
    {
        "gain": Variable((), "float64", "1", "g"),
        "effective_rank": Variable((), "float64", "1", "PR_D"),
        "coupling": Variable(("target", "source"), "float32", "1", "J"),
    },
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with the stores of a network of 60 units and of networks drawn anew."""
    folder = tmp_path_factory.mktemp("theory")
    drawn = IndependentNetwork.draw(60, 1.0, generator=np.random.default_rng(0))
    dataset = xr.Dataset(
        {
            "gain": ((), 1.0),
            "effective_rank": ((), np.inf),
            "coupling": (("target", "source"), drawn.coupling),
        },
        attrs={"variant": "independent", "units": 60},
    )
    network = folder / "network.zarr"
    write_store(network, dataset, NETWORK, Provenance(step="test"))
    settings = DynamicsSettings(
        trajectories=8, burn_in=5, duration=20, scaling_duration=10, longest_lag=5,
        lyapunov_duration=5, scaling_units=[50, 60], effective_ranks=[0.3],
    )  # fmt: skip
    common = {"settings": settings, "seed": 1, "threads": 1}
    run_step(dynamics, network=network, out=folder / "dynamics.zarr", **common)
    sizes = [folder / f"{units}.zarr" for units in settings.scaling_units]
    for units, out in zip(settings.scaling_units, sizes, strict=True):
        run_step(dynamics_size, units=units, networks=[network], out=out, **common)
    run_step(dynamics_scaling, sizes=sizes, out=folder / "scaling.zarr")
    run_step(dynamics_effective_rank, network=network, out=folder / "rank.zarr", **common)
    return folder


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (figure_scaling, {"scaling": "scaling"}),
        (figure_effective_rank, {"ranks": "rank"}),
        (figure_chaos, {"dynamics": ["dynamics"]}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_figures_are_written_and_equal_stores_give_equal_bytes(run, tmp_path, function, inputs):
    paths = {
        key: [run / f"{name}.zarr" for name in names]
        if isinstance(names, list)
        else run / f"{names}.zarr"
        for key, names in inputs.items()
    }
    written = []
    for number in range(2):
        png, svg = tmp_path / f"{number}.png", tmp_path / f"{number}.svg"
        run_step(function, **paths, png=png, svg=svg, settings=Settings(dpi=50))
        written.append((png.read_bytes(), svg.read_bytes()))
    assert written[0] == written[1]
    assert written[0][0].startswith(b"\x89PNG") and b"<svg" in written[0][1]


def test_the_table_is_written_with_the_spread_of_draws(run, tmp_path):
    paths = {"csv": tmp_path / "table.csv", "html": tmp_path / "table.html"}
    run_step(
        theory_table, dynamics=[run / "dynamics.zarr"], scaling=[run / "scaling.zarr"], **paths
    )
    (row,) = csv.DictReader(paths["csv"].read_text(encoding="utf-8").splitlines())
    assert row["network"] == "independent" and float(row["units"]) == 60
    assert float(row["effective rank"]) == np.inf
    assert abs(float(row["C_φ(0) z with draws"])) < abs(float(row["C_φ(0) z"]))
    assert "Theory beside simulation" in paths["html"].read_text(encoding="utf-8")
    run_step(theory_table, dynamics=[run / "dynamics.zarr"], scaling=[], **paths)
    (row,) = csv.DictReader(paths["csv"].read_text(encoding="utf-8").splitlines())
    assert row["C_φ(0) z with draws"] == "" and row["C_φ(0) z"] != ""
