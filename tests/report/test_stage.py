"""The steps of the report, on stores that the other stages wrote from small data."""

from __future__ import annotations

import csv

import h5py
import numpy as np
import pytest
import xarray as xr

from mesomode.comparison.settings import Settings as ComparisonSettings
from mesomode.comparison.stage import comparison
from mesomode.connectome.settings import Settings as ConnectomeSettings
from mesomode.connectome.stage import connectome_regional, connectome_truth, connectome_voxel
from mesomode.dynamics.settings import Settings as DynamicsSettings
from mesomode.dynamics.stage import dynamics
from mesomode.network.settings import Settings as NetworkSettings
from mesomode.network.stage import network_independent, network_random_mode
from mesomode.recordings.settings import Settings as RecordingsSettings
from mesomode.recordings.stage import recordings
from mesomode.report import stage
from mesomode.report.settings import Settings
from mesomode.steps import Provenance, run_step
from mesomode.store import open_store, write_store
from tests.recordings.conftest import write_session
from tests.report.conftest import REGIONS

SMALL = Settings(dpi=60)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with one store of every kind."""
    folder = tmp_path_factory.mktemp("run")
    _grids(folder)
    fit = ConnectomeSettings(smoothing=1.0, tolerance=1e-3, holdout_fraction=0.4)
    made = {"atlas": folder / "atlas.zarr", "tracing": folder / "tracing.zarr", "settings": fit}
    for model, fitted in (("voxel", connectome_voxel), ("regional", connectome_regional)):
        run_step(fitted, **made, out=folder / f"{model}.zarr", seed=1, **_threads(fitted))
    models = [folder / "voxel.zarr", folder / "regional.zarr"]
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
    "connectome": {"models": ["voxel", "regional"]},
    "fit": {"tracing": "tracing", "models": ["voxel", "regional"]},
    "truth": {"atlas": "atlas", "truth": "truth", "models": ["voxel", "regional"]},
    "network": {"network": [f"network_{v}" for v in VARIANTS]},
    "dynamics": {"dynamics": [f"dynamics_{v}" for v in VARIANTS]},
    "session": {"session": "7"},
    "comparison": {"comparison": "comparison"},
}


def paths(folder, names):
    if isinstance(names, list):
        return [folder / f"{name}.zarr" for name in names]
    return folder / f"{names}.zarr"


@pytest.mark.slow
@pytest.mark.parametrize("name", INPUTS)
def test_every_figure_is_drawn_from_stores_and_twice_the_same(run, tmp_path, name):
    for copy in "ab":
        run_step(
            getattr(stage, f"figure_{name}"),
            **{key: paths(run, names) for key, names in INPUTS[name].items()},
            png=tmp_path / f"{copy}.png",
            svg=tmp_path / f"{copy}.svg",
            settings=SMALL,
        )
    for suffix in ("png", "svg"):
        first, second = ((tmp_path / f"{copy}.{suffix}").read_bytes() for copy in "ab")
        assert first == second
        assert len(first) > 5000
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


@pytest.mark.slow
def test_the_table_equals_the_stores(run, tmp_path, caplog):
    caplog.set_level("INFO", "mesomode")
    run_step(
        stage.summary,
        atlas=run / "atlas.zarr",
        tracing=run / "tracing.zarr",
        connectome=paths(run, ["voxel", "regional", "truth"]),
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
        ("voxel", ("connectome", "voxel", "MSE_rel held out, voxels"), "test_voxel_error", None),
        ("voxel", ("connectome", "voxel", "KKT residual"), "kkt_residual", None),
        ("network_random_mode", ("network", "random_mode", "effective rank PR_D per unit"),
         "effective_rank", None),
        ("dynamics_independent", ("dynamics", "independent", "participation ratio"),
         "participation_ratio", None),
        ("7", ("recordings", "7", "participation ratio"), "participation_ratio", None),
        ("comparison", ("comparison", "7", "half width"), "half_width", 0),
    ]  # fmt: skip
    for store, key, name, place in expected:
        with open_store(run / f"{store}.zarr") as data:
            value = float(data[name] if place is None else data[name][place])
        assert float(rows[key]["value"]) == value, key
    error = float(rows["truth", "voxel", "relative error |W − W_true|/|W_true|"]["value"])
    assert f"truth voxel: relative error |W − W_true|/|W_true| {error:.4g}" in caplog.text
    assert f"true one: voxel: relative error {error:.4g}, MSE_rel" in caplog.text
    assert f"{error:.4g}" in (tmp_path / "summary.html").read_text(encoding="utf-8")
