"""The steps of the stage ``connectome`` on stores."""

import h5py
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from mesomode.atlas.stage import SCHEMA as ATLAS
from mesomode.connectome import stage as connectome_stage
from mesomode.connectome.factored import FactoredWeights
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.linear import LinearConnectome
from mesomode.connectome.models import experiment_weights
from mesomode.connectome.objective import Objective
from mesomode.connectome.schemas import (
    COVERAGE_SCHEMA,
    CROSS_VALIDATION_SCHEMA,
    EIGENMODES_SCHEMA,
    FOLD_SCHEMA,
    RANKS_SCHEMA,
    SCHEMA,
    TRUTH_SCHEMA,
)
from mesomode.connectome.scores import relative_error
from mesomode.connectome.settings import Settings
from mesomode.connectome.spectral import SpectralBasis
from mesomode.connectome.stage import connectome_model, connectome_voxel
from mesomode.connectome.stage_data import read
from mesomode.connectome.stage_eigenmodes import connectome_eigenmodes
from mesomode.connectome.stage_reference import connectome_file, connectome_truth
from mesomode.connectome.stage_validation import (
    connectome_coverage,
    connectome_cross_validation,
    connectome_fold,
    connectome_ranks,
)
from mesomode.connectome.stage_weights import open_weights
from mesomode.errors import DataError
from mesomode.report.summary import connectome_rows
from mesomode.steps import Provenance, run_step
from mesomode.store import open_store, verify_store, write_store
from mesomode.tracing.stage import SCHEMA as TRACING

SHAPE = (6, 4, 12)
CONTRALATERAL = 0.25


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A brain of 6 x 4 x 12 voxels with two regions, targets on both sides, known weights."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = np.random.default_rng(1)
    right = np.array([(a, d, m) for a in range(6) for d in range(3) for m in range(7, 11)])
    left = right * [1, 1, -1] + [0, 0, SHAPE[2] - 1]
    region = np.where(right[:, 0] < 3, 385, 409)
    near = np.exp(-np.sum((right[:, None] - right) ** 2, axis=2) / 8.0)
    ipsilateral = (0.2 * near * (near > 0.05)).astype(np.float32)
    truth = np.concatenate([ipsilateral, np.float32(CONTRALATERAL) * ipsilateral])
    centre = right[np.linspace(2, len(right) - 3, 8).astype(int)]
    injection = np.clip(1.3 - np.linalg.norm(right[:, None] - centre, axis=2) / 2, 0, 1).astype(
        np.float32
    )
    projection = truth @ injection + 0.01 * generator.standard_normal((2 * len(right), 8))
    observed = np.concatenate([injection == 0, np.ones_like(injection, bool)])
    projection = np.where(observed, projection, np.nan).astype(np.float32)

    regions = [
        {"id": 385, "acronym": "VISp", "name": "Primary visual area", "rgb": [8, 133, 140]},
        {"id": 409, "acronym": "VISl", "name": "Lateral visual area", "rgb": [8, 133, 140]},
    ]
    target = np.concatenate([right, left])
    atlas = {
        "annotation": (("ap", "dv", "ml"), np.zeros(SHAPE, np.uint32)),
        "template": (("ap", "dv", "ml"), np.zeros(SHAPE, np.uint16)),
        "source_voxel": (("source", "axis"), right.astype(np.int32)),
        "source_position": (("source", "axis"), right.astype(np.float32)),
        "source_region": ("source", region),
        "target_voxel": (("target", "axis"), target.astype(np.int32)),
        "target_position": (("target", "axis"), target.astype(np.float32)),
        "target_region": ("target", np.tile(region, 2)),
        "target_hemisphere": ("target", np.repeat(np.array([1, 2], np.int8), len(right))),
    }
    axes = dict(
        zip(("ap", "dv", "ml"), (np.arange(n, dtype=np.float32) for n in SHAPE), strict=True)
    )
    record = Provenance(step="test")
    attributes = {"regions": regions, "resolution_um": 100}
    write_store(folder / "atlas.zarr", xr.Dataset(atlas, axes, attributes), ATLAS, record)
    experiments, nothing = 8, np.zeros(8, np.float32)
    tracing = {
        "injection_density": (("source", "experiment"), injection),
        "projection_density": (("target", "experiment"), projection),
        "observed": (("target", "experiment"), observed),
        "injection_centroid": (("experiment", "axis"), centre.astype(np.float32)),
        "injection_volume": ("experiment", nothing),
        "fraction_inside": ("experiment", nothing),
        "primary_region": ("experiment", np.where(centre[:, 0] < 3, 385, 409)),
        "flipped": ("experiment", np.zeros(experiments, bool)),
        "candidate_reason": ("candidate", np.zeros(experiments, np.int8)),
        "candidate_fraction_inside": ("candidate", nothing),
        "candidate_volume": ("candidate", nothing),
    }
    ids = np.arange(experiments, dtype=np.int64) + 100
    dataset = xr.Dataset(tracing, {"experiment": ids, "candidate": ids})
    write_store(folder / "tracing.zarr", dataset, TRACING, record)
    order = generator.permutation(len(right))
    with h5py.File(folder / "truth.h5", "w") as file:
        file["weights"] = ipsilateral[np.ix_(order, order)]
        file["source_voxels"] = file["target_voxels"] = right[order].astype(np.int16)
        file.attrs["contralateral"] = CONTRALATERAL
    return folder, truth


def fitted(step, folder, out, model=None, **settings):
    run_step(
        step,
        **({} if model is None else {"model": model, "seed": 1}),
        atlas=folder / "atlas.zarr",
        tracing=folder / "tracing.zarr",
        out=out,
        settings=Settings(**settings),
        threads=1,
    )
    assert verify_store(out) == []
    with open_store(out, SCHEMA) as dataset:
        return dataset.load()


@pytest.fixture(scope="module")
def voxel(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("voxel") / "voxel.zarr"
    return out, fitted(connectome_voxel, inputs[0], out, smoothing=1e-3)


@pytest.fixture(scope="module")
def regional(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("regional") / "regional.zarr"
    return out, fitted(connectome_model, inputs[0], out, "regional")


def test_voxel_model_carries_its_certificate(inputs, voxel):
    found = voxel[1]
    with open_store(inputs[0] / "tracing.zarr") as tracing:
        objective = Objective(
            tracing["injection_density"].values,
            tracing["projection_density"].values,
            tracing["observed"].values,
            graph_laplacian(found["source_voxel"].values),
            graph_laplacian(found["target_voxel"].values),
            1e-3,
        )
    weights = found["weights"].values.astype(float)
    assert (weights >= 0).all()
    assert found["converged"]
    assert_allclose(found["objective"], objective.value_and_residual(weights)[0].total, rtol=1e-5)
    assert_allclose(found["objective"], found["misfit"] + found["penalty"], rtol=1e-12)
    assert found["kkt_residual"] <= 1e-6
    assert found["gap_estimate"] <= 1e-5
    assert found["gap_bound"] <= 1e-5
    assert found["undetermined_fraction"] == 0
    assert found["step_kkt_residual"][-1] == found["kkt_residual"]
    assert found.attrs["model"] == "voxel"
    assert found.attrs["smoothing"] == 1e-3


def test_voxels_describe_the_experiments_better_than_regions(voxel, regional):
    fine, coarse = voxel[1], regional[1]
    assert fine["voxel_error"] < 0.5 * coarse["voxel_error"]
    for found in (fine, coarse):
        assert_array_equal(found["experiment"], np.arange(8) + 100)
        assert np.isfinite(found["experiment_error"]).all()


def test_regional_model_is_constant_on_regions(regional):
    found = regional[1]
    assert found.attrs["model"] == "regional"
    assert len(np.unique(found["weights"].values)) <= 8
    rows = (found["target_region"] == 385) & (found["target_hemisphere"] == 2)
    block = found["weights"].values[np.ix_(rows.values, (found["source_region"] == 409).values)]
    group = (found["target_group_region"] == 385) & (found["target_group_hemisphere"] == 2)
    mean = found["regional_weights"][group.values][0, found["source_group_region"] == 409]
    assert_allclose(block, mean.item(), rtol=1e-6)


def test_truth_is_aligned_by_voxel_and_hemisphere(inputs, voxel, regional, tmp_path):
    folder, truth = inputs
    run_step(
        connectome_truth,
        truth=folder / "truth.h5",
        atlas=folder / "atlas.zarr",
        models=[voxel[0], regional[0]],
        out=tmp_path / "truth.zarr",
        threads=1,
    )
    with open_store(tmp_path / "truth.zarr", TRUTH_SCHEMA) as found:
        assert found.attrs["models"] == ["voxel", "regional"]
        assert_allclose(found["weights"], truth, rtol=1e-6)
        weights = voxel[1]["weights"].values
        error = np.linalg.norm(weights - truth) / np.linalg.norm(truth)
        assert_allclose(found["relative_error"][0], error, rtol=1e-5)
        assert found["relative_error"][0] < 0.7 * found["relative_error"][1]
        assert found["correlation"][0] > 0.9
        values = np.linalg.svd(truth.astype(float), compute_uv=False)
        assert_allclose(found["true_singular_value"], values, rtol=1e-6, atol=1e-6)


def test_boundaries(inputs, tmp_path):
    found = fitted(
        connectome_voxel,
        inputs[0],
        tmp_path / "v.zarr",
        smoothing=1e9,
        boundaries="regional",
    )
    blocks = found["regional_weights"].values
    expected = blocks[
        np.ix_(
            2 * (found["target_hemisphere"].values == 2) + (found["target_region"].values == 409),
            (found["source_region"].values == 409).astype(int),
        )
    ]
    assert_allclose(found["weights"], expected, rtol=1e-3)
    assert np.ptp(blocks) > 0.1 * blocks.max(), "the regions differ"


def test_same_seed_same_store(inputs, tmp_path):
    runs = [
        fitted(connectome_voxel, inputs[0], tmp_path / f"{i}.zarr", smoothing=0.1) for i in range(2)
    ]
    assert runs[0].attrs["mesomode"]["digests"] == runs[1].attrs["mesomode"]["digests"]


def test_a_fit_that_did_not_converge_says_so(inputs, tmp_path, caplog):
    found = fitted(
        connectome_voxel,
        inputs[0],
        tmp_path / "v.zarr",
        smoothing=1e-3,
        maximum_iterations=1,
        tolerance=1e-10,
    )
    assert not found["converged"]
    assert "raise connectome.maximum_iterations" in caplog.text


def test_file_of_ones_own(tmp_path):
    np.savez(tmp_path / "c.npz", a=np.array([[0.0, 2.0], [1.0, 0.0]]))
    settings = Settings(source="file", file=str(tmp_path / "c.npz"))
    run_step(
        connectome_file, file=tmp_path / "c.npz", out=tmp_path / "file.zarr", settings=settings
    )
    with open_store(tmp_path / "file.zarr", SCHEMA) as found:
        assert_array_equal(found["weights"], [[0, 1], [2, 0]])
        assert found.attrs["model"] == "file"
    wrong = Settings(source="file", file="c.npz", file_key="b")
    with pytest.raises(DataError, match="'b'"):
        run_step(connectome_file, file=tmp_path / "c.npz", out=tmp_path / "f.zarr", settings=wrong)


def test_settings_that_contradict_each_other():
    with pytest.raises(ValidationError, match=r"set connectome\.file"):
        Settings(source="file")
    with pytest.raises(ValidationError, match="set one of them"):
        Settings(file_key="a", file_edge_keys=("a", "b", "c"))


@pytest.fixture(scope="module")
def folds(inputs, tmp_path_factory):
    """Folds of two models: stores by model and number."""
    folder = tmp_path_factory.mktemp("folds")
    settings = Settings(outer_folds=3, inner_folds=2, bandwidth_grid=(100.0, 400.0))
    paths = {}
    for model in ("kernel", "regional"):
        for fold in range(3):
            paths[model, fold] = folder / f"{model}_{fold}.zarr"
            run_step(
                connectome_fold,
                model=model,
                fold=fold,
                atlas=inputs[0] / "atlas.zarr",
                tracing=inputs[0] / "tracing.zarr",
                out=paths[model, fold],
                settings=settings,
                seed=1,
                threads=1,
            )
    return paths


def test_every_experiment_is_tested_once_and_alike_for_all_models(folds):
    tests = {}
    for (model, fold), path in folds.items():
        with open_store(path, FOLD_SCHEMA) as found:
            tests[model, fold] = found["test"].values
            assert (found.attrs["model"], found.attrs["fold"]) == (model, fold)
            inner = found["inner_test_error"]
            assert inner.sizes["inner_fold"] == (2 if model == "kernel" else 0)
            if model == "kernel":
                assert found["chosen"] == np.argmin(inner.values.mean(axis=1))
                assert_array_equal(found["bandwidth"], [100, 400])
    for model in ("kernel", "regional"):
        assert_array_equal(sum(tests[model, fold].astype(int) for fold in range(3)), np.ones(8))
    for fold in range(3):
        assert_array_equal(tests["kernel", fold], tests["regional", fold])


def test_a_fold_is_the_fit_without_it(inputs, folds):
    """Slow twin: the regional model fitted by hand to the training experiments."""
    from mesomode.connectome import RegionalConnectome

    with open_store(folds["regional", 1], FOLD_SCHEMA) as found:
        found.load()
    with (
        open_store(inputs[0] / "tracing.zarr") as tracing,
        open_store(inputs[0] / "atlas.zarr") as atlas,
    ):
        x = tracing["injection_density"].values.astype(float).T
        y = tracing["projection_density"].values.astype(float).T
        omega = tracing["observed"].values.T
        target = (
            1000 * atlas["target_hemisphere"].values.astype(int) + atlas["target_region"].values
        )
        source = atlas["source_region"].values
    train = ~found["test"].values
    number = [np.unique(region, return_inverse=True)[1] for region in (source, target)]
    model = RegionalConnectome().fit(
        x[train], y[train], omega[train], source_region=number[0], target_region=number[1]
    )
    assert_allclose(found["prediction"], model.predict(x).T, rtol=1e-5, atol=1e-7)
    test = ~train
    error = relative_error(model.predict(x)[test].T, y[test].T, omega[test].T)
    assert_allclose(found["test_voxel_error"], error, rtol=1e-6)


def test_the_folds_are_collected(folds, tmp_path):
    run_step(
        connectome_cross_validation,
        folds=list(folds.values()),
        out=tmp_path / "cross_validation.zarr",
        table=tmp_path / "table.csv",
    )
    assert verify_store(tmp_path / "cross_validation.zarr") == []
    with open_store(tmp_path / "cross_validation.zarr", CROSS_VALIDATION_SCHEMA) as found:
        found.load()
    assert found.attrs["models"] == ["kernel", "regional"]
    for i, model in enumerate(found.attrs["models"]):
        errors = []
        for fold in range(3):
            with open_store(folds[model, fold], FOLD_SCHEMA) as one:
                errors.append(float(one["test_voxel_error"]))
                test = one["test"].values
                assert_array_equal(found["experiment_fold"][test], fold)
                assert_array_equal(
                    found["prediction"][i][:, test], one["prediction"].values[:, test]
                )
                assert_array_equal(
                    found["experiment_error"][i][test], one["experiment_error"][test]
                )
        assert_allclose(found["test_voxel_error"][i], errors)
        assert_allclose(found["test_voxel_mean"][i], np.mean(errors))
        spread = np.sqrt(np.sum((errors - np.mean(errors)) ** 2) / 2) / np.sqrt(3)
        assert_allclose(found["test_voxel_standard_error"][i], spread)
    assert np.isnan(found["bandwidth"][1]).all()
    assert np.isnan(found["inner_test_error"][1]).all()
    header, *rows = (tmp_path / "table.csv").read_text().splitlines()
    assert header.startswith("model,test voxel MSE_rel %,test voxel standard error %")
    assert [row.split(",")[0] for row in rows] == ["kernel", "regional"]
    assert rows[0].split(",")[1] == f"{100 * float(found['test_voxel_mean'][0]):.2f}"


def test_the_linear_model_may_choose_lambda_for_the_voxel_model(inputs, tmp_path):
    found = {}
    for model, search in (("linear", "model"), ("voxel", "linear"), ("voxel", "model")):
        out = tmp_path / f"{model}_{search}.zarr"
        run_step(
            connectome_fold,
            model=model,
            fold=1,
            atlas=inputs[0] / "atlas.zarr",
            tracing=inputs[0] / "tracing.zarr",
            out=out,
            settings=Settings(
                outer_folds=3, inner_folds=2, smoothing_grid=(1e-3, 10.0), search_with=search
            ),
            seed=1,
            threads=1,
        )
        with open_store(out, FOLD_SCHEMA) as store:
            found[model, search] = store.load()
    linear, chosen_by_it, own = found.values()
    assert_allclose(linear["inner_test_error"], chosen_by_it["inner_test_error"], rtol=1e-6)
    assert not np.allclose(linear["inner_test_error"], own["inner_test_error"], rtol=1e-6)
    assert chosen_by_it["chosen"] == own["chosen"]
    assert_allclose(chosen_by_it["prediction"], own["prediction"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scheme", ["equal", "inverse_injection"])
def test_each_experiment_is_predicted_from_all_others(inputs, tmp_path, scheme):
    """Slow twin: the linear model fitted anew without each of them."""
    found = fitted(
        connectome_model, inputs[0], tmp_path / "linear.zarr", "linear",
        smoothing=0.1, tolerance=1e-9, experiment_weight=scheme,
    )  # fmt: skip
    paths = (inputs[0] / name for name in ("atlas.zarr", "tracing.zarr"))
    grid, data, _ = read(*paths, Settings())
    weights = experiment_weights(data.injection, scheme)
    prediction = np.empty_like(data.projection)
    for left_out in range(data.count):
        others = np.arange(data.count) != left_out
        x, y, omega = (values.T for values in data.select(others))
        alone = LinearConnectome(0.1, 1e-9).fit(
            x, y, omega,
            experiment_weight=None if weights is None else weights[others],
            **grid.keywords("linear"),
        )  # fmt: skip
        prediction[:, left_out] = alone.predict(data.injection[:, [left_out]].T)[0]
    expected = relative_error(prediction, data.projection, data.observed, axis=0)
    assert_allclose(found["left_out_experiment_error"], expected, rtol=1e-3)
    assert (found["left_out_experiment_error"] > found["experiment_error"]).all()
    for name, (_, value) in data.errors(prediction).items():
        assert_allclose(found[f"left_out_{name}"], value, rtol=1e-3)
    shown = {row.quantity: row.value for row in connectome_rows(found, "linear")}
    value = shown["MSE_rel of each from all others, voxels"]
    assert value == float(found["left_out_voxel_error"])


def decomposed(folder, out, **settings):
    run_step(
        connectome_eigenmodes,
        atlas=folder / "atlas.zarr",
        out=out,
        settings=Settings(**settings),
        threads=1,
    )
    assert verify_store(out) == []
    return out


LINEAR_FITS = {
    "model": (connectome_model, {"model": "linear"}, {}, SCHEMA),
    "fold": (connectome_fold, {"model": "linear", "fold": 1}, {}, FOLD_SCHEMA),
    "search": (
        connectome_fold, {"model": "voxel", "fold": 1}, {"search_with": "linear"}, FOLD_SCHEMA
    ),
    "coverage": (connectome_coverage, {}, {"bootstrap": 3}, COVERAGE_SCHEMA),
}  # fmt: skip


@pytest.mark.parametrize("boundaries", ["none", "regional"])
@pytest.mark.parametrize("name", LINEAR_FITS)
def test_stored_eigenmodes_change_no_number(inputs, tmp_path, monkeypatch, name, boundaries):
    step, arguments, keys, schema = LINEAR_FITS[name]
    settings = {
        "boundaries": boundaries, "smoothing": 0.1, "smoothing_grid": (1e-3, 10.0),
        "outer_folds": 3, "inner_folds": 2, **keys,
    }  # fmt: skip
    made = decomposed(inputs[0], tmp_path / "eigenmodes.zarr", boundaries=boundaries)
    found = []
    for eigenmodes in (None, made):
        if eigenmodes is not None:
            monkeypatch.setattr(SpectralBasis, "of", None)  # nothing is computed again
        run_step(
            step,
            **arguments,
            atlas=inputs[0] / "atlas.zarr",
            tracing=inputs[0] / "tracing.zarr",
            eigenmodes=eigenmodes,
            out=tmp_path / "out.zarr",
            settings=Settings(**settings),
            seed=1,
            threads=1,
        )
        with open_store(tmp_path / "out.zarr", schema) as store:
            found.append(store.load())
    computed, read = found
    assert set(computed.variables) == set(read.variables)
    for variable in computed.variables:
        assert_array_equal(computed[variable], read[variable], err_msg=str(variable))


def test_coverage_beside_the_low_rank_model_alone_needs_no_eigenmodes(
    inputs, tmp_path, monkeypatch
):
    found = {}
    for models in (("voxel",), ("low_rank",)):
        if models == ("low_rank",):
            monkeypatch.setattr(SpectralBasis, "of", None)
        run_step(
            connectome_coverage,
            atlas=inputs[0] / "atlas.zarr",
            tracing=inputs[0] / "tracing.zarr",
            out=tmp_path / "coverage.zarr",
            settings=Settings(smoothing=0.1, models=models),
            seed=1,
            threads=1,
        )
        with open_store(tmp_path / "coverage.zarr", COVERAGE_SCHEMA) as store:
            found[models[0]] = store.load()
    absent = {"posterior_variance", "variance_reduction", "informed_patterns", "noise_variance"}
    assert set(found["voxel"].variables) - set(found["low_rank"].variables) == absent
    for name in found["low_rank"].variables:
        assert_array_equal(found["voxel"][name], found["low_rank"][name], err_msg=str(name))


def test_eigenmodes_of_equal_grids_are_stored_once(inputs, tmp_path):
    """Targets on both sides are another grid; those of one side are the sources."""
    with open_store(inputs[0] / "atlas.zarr") as atlas:
        both = atlas.load()
    one = both.isel(target=slice(0, both.sizes["source"]))
    one.attrs.pop("mesomode")
    write_store(tmp_path / "atlas.zarr", one, ATLAS, Provenance(step="test"))
    names = {}
    for where, folder in (("both", inputs[0]), ("one", tmp_path)):
        made = decomposed(folder, tmp_path / f"{where}.zarr")
        with open_store(made, EIGENMODES_SCHEMA) as found:
            names[where] = {n for n in found.variables if str(n).startswith("target")}
            laplacian = graph_laplacian(found["source_voxel"].values).toarray()
            vectors = found["source_eigenvector"].values
            assert_allclose(vectors.T @ vectors, np.eye(len(vectors)), atol=1e-13)
            assert_allclose(
                -(vectors * found["source_eigenvalue"].values) @ vectors.T, laplacian, atol=1e-12
            )
    assert names["one"] == {"target_voxel"}
    assert names["both"] == {str(n) for n in EIGENMODES_SCHEMA.variables if n.startswith("target")}
    for made, folder, settings in (
        ("one", inputs[0], {}),
        ("both", tmp_path, {}),
        ("both", inputs[0], {"boundaries": "regional"}),
    ):
        with pytest.raises(DataError, match="not those of the"):
            read(
                folder / "atlas.zarr",
                inputs[0] / "tracing.zarr",
                Settings(**settings),
                tmp_path / f"{made}.zarr",
            )


def test_a_fold_that_does_not_exist(inputs, tmp_path):
    with pytest.raises(DataError, match="there is no outer fold 7"):
        run_step(
            connectome_fold,
            model="regional",
            fold=7,
            atlas=inputs[0] / "atlas.zarr",
            tracing=inputs[0] / "tracing.zarr",
            out=tmp_path / "fold.zarr",
            settings=Settings(),
            seed=1,
            threads=1,
        )
    assert not (tmp_path / "fold.zarr").exists()


@pytest.mark.parametrize("model", ["linear", "kernel", "distance"])
def test_each_model_writes_its_store(inputs, tmp_path, model):
    found = fitted(connectome_model, inputs[0], tmp_path / "m.zarr", model, smoothing=1e-3)
    assert found.attrs["model"] == model
    assert np.isfinite(found["weights"]).all()
    assert 0 < found["voxel_error"] < 2
    assert ("profile" in found) == (model == "distance")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"models": []}, "at least one model"),
        ({"models": ["voxel", "voxel"]}, "each once"),
        ({"outer_folds": 1}, "choose 0"),
        ({"models": ["voxels"]}, "voxel"),
    ],
)
def test_settings_that_make_no_sense(values, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**values)


@pytest.mark.slow
def test_the_low_rank_model_comes_nearer_with_every_rank(inputs, voxel, tmp_path):
    out = tmp_path / "ranks.zarr"
    run_step(
        connectome_ranks,
        voxel=voxel[0],
        atlas=inputs[0] / "atlas.zarr",
        tracing=inputs[0] / "tracing.zarr",
        out=out,
        settings=Settings(smoothing=1e-3, rank_sweep=(6, 1, 72), search_tolerance=1e-5),
        seed=1,
        threads=1,
    )
    assert verify_store(out) == []
    with open_store(out, RANKS_SCHEMA) as found:
        assert_array_equal(found["rank"], [1, 6, 72])
        distance, least = found["distance"].values, found["truncated_distance"].values
        weights = voxel[1]["weights"].values.astype(float)
        u, s, v = np.linalg.svd(weights, full_matrices=False)
        twin = [np.linalg.norm((u[:, :r] * s[:r]) @ v[:r] - weights) for r in (1, 6, 72)]
        assert_allclose(least, twin / np.linalg.norm(weights), atol=1e-6)
        assert (distance >= least[:, None] - 1e-6).all()
        assert (np.diff(distance.mean(axis=1)) < 0).all()
        assert (found["objective"] >= found["voxel_objective"] * (1 - 1e-5)).all()
        assert (found["objective"][2] <= 1.01 * found["voxel_objective"]).all(), "(P2) is (P1)"


@pytest.fixture(scope="module")
def low_rank(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("low_rank") / "low_rank.zarr"
    return out, fitted(connectome_model, inputs[0], out, "low_rank", smoothing=1e-3, rank=4)


def test_low_rank_weights_are_sliced_from_the_store(low_rank):
    out, store = low_rank
    full = store["weights"].values
    weights = open_weights(out)
    assert weights.shape == full.shape and weights.rank == 4
    tight = {"rtol": 1e-5, "atol": 1e-6 * full.max()}
    np.testing.assert_allclose(weights[3], full[3], **tight)
    np.testing.assert_allclose(weights[:, 5], full[:, 5], **tight)
    np.testing.assert_allclose(weights[2:9, ::3], full[2:9, ::3], **tight)
    vector = np.linspace(0, 1, full.shape[1])
    np.testing.assert_allclose(weights @ vector, full @ vector, **tight)
    place = 7
    voxel = store["source_voxel"].values[place]
    np.testing.assert_allclose(weights[:, weights.locate(voxel)], full[:, place], **tight)
    last = store["target_voxel"].values[-1]  # a contralateral one
    np.testing.assert_allclose(weights[weights.locate(last, "target", 2)], full[-1], **tight)


def test_large_low_rank_weights_are_never_formed(inputs, low_rank, tmp_path, monkeypatch):
    """Both hemispheres are targets here; above the limit only factors are written."""

    def refuse(*_, **__):
        raise AssertionError("the weights were formed")

    monkeypatch.setattr(connectome_stage, "DENSE_LIMIT", 10)
    monkeypatch.setattr(FactoredWeights, "__array__", refuse)
    out = tmp_path / "low_rank.zarr"
    store = fitted(connectome_model, inputs[0], out, "low_rank", smoothing=1e-3, rank=4)
    assert "weights" not in store
    for name in ("target_factor", "source_factor", "regional_weights", "experiment_error"):
        np.testing.assert_array_equal(store[name].values, low_rank[1][name].values)
    assert open_weights(out)[:, 0].shape == (store.sizes["target"],)
    with pytest.raises(DataError, match="kept in factors only"):
        run_step(
            connectome_truth,
            truth=inputs[0] / "truth.h5",
            atlas=inputs[0] / "atlas.zarr",
            models=[out],
            out=tmp_path / "truth.zarr",
            threads=1,
        )


def test_a_model_without_factors_says_so(voxel):
    with pytest.raises(DataError, match="the model voxel has no factors"):
        open_weights(voxel[0])
