"""The steps of the report, on stores that the other stages wrote from small data."""

from __future__ import annotations

import csv
from importlib import import_module

import h5py
import numpy as np
import pytest
import xarray as xr

from mesomode.cli import find_steps
from mesomode.comparison.settings import Settings as ComparisonSettings
from mesomode.comparison.stage import comparison
from mesomode.connectome.schemas import COVERAGE_SCHEMA, CROSS_VALIDATION_SCHEMA, RANKS_SCHEMA
from mesomode.connectome.settings import Settings as ConnectomeSettings
from mesomode.connectome.stage import connectome_model, connectome_voxel
from mesomode.connectome.stage_reference import connectome_truth
from mesomode.dynamics.settings import Settings as DynamicsSettings
from mesomode.dynamics.stage import dynamics
from mesomode.errors import DataError
from mesomode.network.settings import Settings as NetworkSettings
from mesomode.recordings.settings import Settings as RecordingsSettings
from mesomode.recordings.stage import recordings
from mesomode.report.settings import Settings
from mesomode.report.stage import summary
from mesomode.report.stage_connectome import figure_residual
from mesomode.report.stage_projection import figure_projection
from mesomode.steps import Provenance, run_step
from mesomode.store import open_store, write_store
from tests.network.making import network_independent, network_random_mode
from tests.recordings.conftest import write_session
from tests.report import stores
from tests.report.conftest import REGIONS

SMALL = Settings(dpi=60)
MODELS = ["voxel", "regional", "linear", "kernel", "distance"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with one store of every kind."""
    folder = tmp_path_factory.mktemp("run")
    _grids(folder)
    fit = ConnectomeSettings(smoothing=1.0, tolerance=1e-3)
    made = {"atlas": folder / "atlas.zarr", "tracing": folder / "tracing.zarr", "settings": fit}
    run_step(connectome_voxel, **made, out=folder / "voxel.zarr", threads=1)
    for model in MODELS[1:]:
        out = folder / f"{model}.zarr"
        run_step(connectome_model, **made, model=model, out=out, seed=1, threads=1)
    models = [folder / f"{model}.zarr" for model in MODELS]
    _made_up(folder)
    run_step(
        connectome_truth,
        truth=folder / "truth.h5",
        atlas=folder / "atlas.zarr",
        models=models,
        out=folder / "truth.zarr",
        **_threads(connectome_truth),
    )
    settings = NetworkSettings(units=60, gain=3.0)
    for variant, built in (
        ("random_mode", network_random_mode),
        ("independent", network_independent),
    ):
        out = folder / f"network_{variant}.zarr"
        run_step(built, connectome=models[0], out=out, settings=settings, seed=1, **_threads(built))
        run_step(
            dynamics,
            network=out,
            out=folder / f"dynamics_{variant}.zarr",
            settings=DynamicsSettings(duration=40, burn_in=10, trajectories=4),
            seed=1,
            **_threads(dynamics),
        )
    run_step(
        recordings,
        raw=_session(folder / "session_7.h5"),
        out=folder / "7.zarr",
        settings=RecordingsSettings(block_s=4, gap_s=0.5, longest_lag_s=2),
        **_threads(recordings),
    )
    run_step(
        comparison,
        dynamics=[folder / f"dynamics_{v}.zarr" for v in ("random_mode", "independent")],
        recordings=[folder / "7.zarr"],
        out=folder / "comparison.zarr",
        settings=ComparisonSettings(),
        **_threads(comparison),
    )
    return folder


def _threads(function):
    import inspect

    return {"threads": 1} if "threads" in inspect.signature(function).parameters else {}


def _grids(folder):
    """Atlas, five experiments with a known W, and that W as the phantom writes it."""
    from mesomode.atlas.stage import SCHEMA as ATLAS
    from mesomode.tracing.stage import SCHEMA as TRACING

    rng = np.random.default_rng(0)
    voxel = (np.argwhere(np.ones((8, 2, 6), bool)) + np.array([70, 10, 70])).astype(np.int32)
    region = np.where(voxel[:, 2] > 72, 409, 385).astype(np.int64)
    shape = (132, 80, 114)
    annotation = np.zeros(shape, np.uint32)
    annotation[tuple(voxel.T)] = region
    position = ((voxel + 0.5) * 100).astype(np.float32)
    regions = [dict(r, sources=int((region == r["id"]).sum())) for r in REGIONS[:2]]
    attributes = {"resolution_um": 100, "regions": regions}
    kinds = {
        "voxel": (("axis",), voxel), "position": (("axis",), position), "region": ((), region)
    }  # fmt: skip
    variables = {
        f"{side}_{name}": ((side, *dims), values)
        for side in ("source", "target")
        for name, (dims, values) in kinds.items()
    }
    axes = {
        name: ((np.arange(size) + 0.5) * 100).astype(np.float32)
        for name, size in zip(("ap", "dv", "ml"), shape, strict=True)
    }
    atlas = xr.Dataset(
        {
            **variables,
            "annotation": (("ap", "dv", "ml"), annotation),
            "template": (("ap", "dv", "ml"), (annotation > 0).astype(np.uint16)),
            "target_hemisphere": ("target", np.ones(len(voxel), np.int8)),
        },
        coords=axes,
        attrs=attributes,
    )
    write_store(folder / "atlas.zarr", atlas, ATLAS, Provenance("test"))
    distance = np.sum((voxel[:, None] - voxel) ** 2, axis=2)
    weights = np.exp(-distance / 8).astype(np.float32)
    centres = rng.choice(len(voxel), 5, replace=False)
    injection = (distance[:, centres] <= 2).astype(np.float32)
    observed = injection == 0
    projection = np.where(observed, weights @ injection / 10, np.nan).astype(np.float32)
    mass = np.stack([injection[region == r["id"]].sum(axis=0) for r in regions])
    tracing = xr.Dataset(
        {
            "injection_density": (("source", "experiment"), injection),
            "projection_density": (("target", "experiment"), projection),
            "observed": (("target", "experiment"), observed),
            "injection_centroid": (("experiment", "axis"), position[centres]),
            "injection_volume": ("experiment", np.full(5, 0.1, np.float32)),
            "fraction_inside": ("experiment", np.ones(5, np.float32)),
            "primary_region": (
                "experiment",
                np.array([r["id"] for r in regions])[mass.argmax(axis=0)],
            ),
            "flipped": ("experiment", np.arange(5) == 0),
            "candidate_reason": ("candidate", np.array([0] * 5 + [4], np.int8)),
            "candidate_fraction_inside": (
                "candidate",
                np.array([1, 1, 1, 1, 1, np.nan], np.float32),
            ),
            "candidate_volume": ("candidate", np.array([0.1] * 5 + [0.9], np.float32)),
        },
        coords={"experiment": np.arange(5), "candidate": np.arange(6)},
        attrs={"regions": regions},
    )
    chosen = {"maximum_injection_volume": 0.7, "minimum_fraction_inside": 0.95}
    write_store(folder / "tracing.zarr", tracing, TRACING, Provenance("test", settings=chosen))
    with h5py.File(folder / "truth.h5", "w") as file:
        file.attrs["contralateral"] = 0.1
        file["weights"] = weights / 10
        for side in ("source", "target"):
            file[f"{side}_voxels"] = voxel.astype(np.int16)


def _made_up(folder):
    """Stores of the cross-validation and the coverage, with the numbers of a made-up one."""
    with open_store(folder / "atlas.zarr") as grid, open_store(folder / "tracing.zarr") as data:
        voxel, region = grid["source_voxel"].values, grid["source_region"].values
        injection = data["injection_density"].values
    validation = stores.cross_validation(("voxel", "regional"), 2, 5, targets=len(voxel))
    write_store(
        folder / "cross_validation.zarr", validation, CROSS_VALIDATION_SCHEMA, Provenance("test")
    )
    distance = np.array([[0.5, 0.6], [0.2, 0.3]])
    ranks = xr.Dataset(
        {
            "rank": ("rank", [2, 9]),
            "distance": (("rank", "start"), distance),
            "truncated_distance": ("rank", distance.min(axis=1) / 2),
            "objective": (("rank", "start"), 1 + distance),
            "voxel_objective": ((), 1.0),
            "iterations": (("rank", "start"), np.full((2, 2), 7)),
        },
        attrs={"smoothing": 1.0},
    )
    write_store(folder / "ranks.zarr", ranks, RANKS_SCHEMA, Provenance("test"))
    made = stores.coverage(voxel, region, injection, bootstrap=3)
    write_store(folder / "coverage.zarr", made, COVERAGE_SCHEMA, Provenance("test"))


def _session(path):
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.normal(size=(3000, 12)), axis=0)
    start = 20 + 40 * np.arange(60)
    table = {
        "orientation": np.tile([0.0, 90.0], 30), "temporal_frequency": np.full(60, 2.0),
        "blank_sweep": np.zeros(60), "start": start, "end": start + 20,
    }  # fmt: skip
    dff = smooth - np.apply_along_axis(np.convolve, 0, smooth, np.ones(60) / 60, "same")
    speed = np.abs(rng.normal(size=3000))
    return write_session(
        path, dff, np.arange(3000) / 30, {"drifting_gratings": table}, running_speed=speed
    )


VARIANTS = ("random_mode", "independent")
INPUTS = {
    "atlas": {"atlas": "atlas"},
    "injections": {"atlas": "atlas", "tracing": "tracing"},
    "coverage": {"atlas": "atlas", "tracing": "tracing"},
    "connectome": {"models": MODELS},
    "fit": {"tracing": "tracing", "models": MODELS},
    "truth": {"atlas": "atlas", "truth": "truth", "models": MODELS},
    "cross_validation": {
        **{name: name for name in ("atlas", "tracing", "coverage", "cross_validation")},
        "linear": [],
    },
    "ranks": {"ranks": "ranks"},
    "projection": {"atlas": "atlas", "models": ["voxel", "truth"], "flatmap": []},
    "residual": {
        "atlas": "atlas",
        "tracing": "tracing",
        "model": "voxel",
        "cross_validation": ["cross_validation"],
    },
    "informed": {"atlas": "atlas", "coverage": "coverage"},
    "network": {"network": [f"network_{v}" for v in VARIANTS]},
    "dynamics": {"dynamics": [f"dynamics_{v}" for v in VARIANTS]},
    "session": {"session": "7"},
    "comparison": {"comparison": "comparison"},
}


def step_named(name):
    return getattr(import_module(find_steps()[name.replace("_", "-")][0]), name)


def paths(folder, names):
    if isinstance(names, list):
        return [folder / f"{name}.zarr" for name in names]
    return folder / f"{names}.zarr"


@pytest.mark.slow
@pytest.mark.parametrize("name", INPUTS)
def test_every_figure_is_drawn_from_stores_and_twice_the_same(run, tmp_path, name):
    for copy in "ab":
        run_step(
            step_named(f"figure_{name}"),
            **{key: paths(run, names) for key, names in INPUTS[name].items()},
            png=tmp_path / f"{copy}.png",
            svg=tmp_path / f"{copy}.svg",
            **({"gif": tmp_path / f"{copy}.gif"} if name == "projection" else {}),
            settings=SMALL,
        )
    for suffix in ("png", "svg", *(["gif"] if name == "projection" else [])):
        first, second = ((tmp_path / f"{copy}.{suffix}").read_bytes() for copy in "ab")
        assert first == second
        assert len(first) > 5000
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


@pytest.mark.slow
def test_the_table_equals_the_stores(run, tmp_path, caplog):
    caplog.set_level("INFO", "mesomode")
    run_step(
        summary,
        atlas=run / "atlas.zarr",
        tracing=run / "tracing.zarr",
        connectome=paths(run, ["voxel", "regional", "truth", "cross_validation", "coverage"]),
        network=paths(run, [f"network_{v}" for v in VARIANTS]),
        dynamics=paths(run, [f"dynamics_{v}" for v in VARIANTS]),
        recordings=paths(run, ["7"]),
        comparison=run / "comparison.zarr",
        csv=tmp_path / "summary.csv",
        html=tmp_path / "summary.html",
    )
    with open(tmp_path / "summary.csv", encoding="utf-8") as file:
        rows = {(r["stage"], r["what"], r["quantity"]): r for r in csv.DictReader(file)}
    expected = [
        ("truth", ("truth", "voxel", "relative error |W − W_true|/|W_true|"), "relative_error", 0),
        ("truth", ("truth", "regional", "MSE_rel of the weights"), "mean_squared_error", 1),
        ("voxel", ("connectome", "voxel", "MSE_rel fitted to all, voxels"), "voxel_error", None),
        ("voxel", ("connectome", "voxel", "KKT residual"), "kkt_residual", None),
        ("network_random_mode", ("network", "random_mode", "effective rank PR_D per unit"),
         "effective_rank", None),
        ("dynamics_independent", ("dynamics", "independent", "participation ratio"),
         "participation_ratio", None),
        ("7", ("recordings", "7", "participation ratio"), "participation_ratio", None),
        ("comparison", ("comparison", "7", "half width"), "half_width", 0),
        ("cross_validation", ("cross-validation", "regional", "MSE_rel test part, voxels"),
         "test_voxel_mean", 1),
        ("cross_validation", ("cross-validation", "voxel", "MSE_rel training part, regions"),
         "train_regional_mean", 0),
    ]  # fmt: skip
    for store, key, name, place in expected:
        with open_store(run / f"{store}.zarr") as data:
            value = float(data[name] if place is None else data[name][place])
        assert float(rows[key]["value"]) == value, key
    with open_store(run / "cross_validation.zarr") as data:
        spread = float(data["test_voxel_standard_error"][0])
    row = rows["cross-validation", "voxel", "MSE_rel test part, voxels"]
    assert float(row["standard_error"]) == spread
    with open_store(run / "coverage.zarr") as data:
        without = int((data["coverage"] > 0).sum())
    assert float(rows["coverage", "", "source voxels not informed"]["value"]) == without
    error = float(rows["truth", "voxel", "relative error |W − W_true|/|W_true|"]["value"])
    assert f"truth voxel: relative error |W − W_true|/|W_true| {error:.4g}" in caplog.text
    assert f"true one: voxel: relative error {error:.4g}, MSE_rel" in caplog.text
    assert f"{error:.4g}" in (tmp_path / "summary.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_residuals_without_cross_validation_are_those_of_the_fit(run, tmp_path):
    from mesomode.report.residual import Prediction

    with open_store(run / "voxel.zarr") as data, open_store(run / "tracing.zarr") as tracing:
        injection = tracing["injection_density"].values
        fitted = Prediction.of_fit(data, injection)
        assert not fitted.held_out
        assert np.allclose(fitted.values, data["weights"].values @ injection)
    run_step(
        figure_residual,
        atlas=run / "atlas.zarr",
        tracing=run / "tracing.zarr",
        model=run / "voxel.zarr",
        cross_validation=[],
        png=tmp_path / "a.png",
        svg=tmp_path / "a.svg",
        settings=SMALL,
    )
    assert (tmp_path / "a.png").stat().st_size > 5000


@pytest.mark.slow
def test_a_source_voxel_of_ones_own(run, tmp_path):
    arguments = {
        "atlas": run / "atlas.zarr", "models": [run / "regional.zarr"], "flatmap": [],
        "png": tmp_path / "a.png",
        "svg": tmp_path / "a.svg", "gif": tmp_path / "a.gif",
    }  # fmt: skip
    chosen = Settings(dpi=60, source_voxel=(71, 10, 74), svg_text="editable")
    run_step(figure_projection, **arguments, settings=chosen)
    assert "[71, 10, 74] in VISl (+): regional model" in (tmp_path / "a.svg").read_text()
    wrong = Settings(source_voxel=(0, 0, 0))
    with pytest.raises(DataError, match="not a source voxel"):
        run_step(figure_projection, **arguments, settings=wrong)


@pytest.mark.slow
def test_connections_on_a_flatmap_of_ones_own(run, tmp_path):
    arguments = {
        "atlas": run / "atlas.zarr", "models": [run / "regional.zarr"], "png": tmp_path / "a.png",
        "svg": tmp_path / "a.svg", "gif": tmp_path / "a.gif", "flatmap": [tmp_path / "f.h5"],
        "settings": Settings(dpi=60, svg_text="editable"),
    }  # fmt: skip
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["paths"] = np.ones((1, 1), np.int32)
    with pytest.raises(DataError, match="no view lookup"):
        run_step(figure_projection, **arguments)
    with h5py.File(tmp_path / "f.h5", "a") as file:
        file["view lookup"] = np.zeros((1, 1), np.int32)
    run_step(figure_projection, **arguments)
    assert "Flatmap, maximum" in (tmp_path / "a.svg").read_text()
