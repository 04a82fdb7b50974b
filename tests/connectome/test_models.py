"""Models under one hand: candidates, weights of experiments, paths of predictions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.connectome.experiments import Experiments, Groups
from mesomode.connectome.grid import Grid
from mesomode.connectome.models import (
    candidates,
    chosen_parameters,
    estimator,
    experiment_weights,
    prediction_path,
)
from mesomode.connectome.settings import FIT_KEYS, MODELS, SEARCH_KEYS, Settings, keys_of

SEARCHED = {"voxel", "linear", "low_rank", "kernel"}


@pytest.fixture(scope="module")
def data():
    """Seven experiments on a sheet of 30 voxels in two regions."""
    generator = np.random.default_rng(2)
    voxel = np.array([(a, 0, m) for a in range(6) for m in range(5)])
    region = np.where(voxel[:, 0] < 3, 10, 20)
    near = np.exp(-np.sum((voxel[:, None] - voxel) ** 2, axis=2) / 4.0)
    centre = voxel[generator.choice(30, 7, replace=False)]
    distance = np.linalg.norm(voxel[:, None] - centre, axis=2)
    injection = np.clip(1.0 - distance / 2.5, 0.0, 1.0)
    projection = 0.3 * near @ injection + 0.01 * generator.standard_normal((30, 7))
    groups = Groups.of(
        {"source_region": region, "target_region": region, "target_hemisphere": np.ones(30, int)}
    )
    experiments = Experiments(
        injection, projection, injection == 0, np.where(centre[:, 0] < 3, 10, 20), groups
    )
    return experiments, Grid(voxel, voxel, groups.source, groups.target, 100.0)


@pytest.mark.parametrize("scheme", ["equal", "inverse_injection"])
@pytest.mark.parametrize("model", MODELS)
def test_a_path_predicts_as_fits_one_by_one(data, model, scheme):
    """Slow twin: each candidate fitted on its own, without a start or a shared basis."""
    experiments, grid = data
    values = Settings(
        smoothing_grid=(0.01, 1.0), rank=3, experiment_weight=scheme, search_tolerance=1e-9
    ).resolved()
    tried = candidates(model, values)
    train = np.arange(7) != 4
    found = list(prediction_path(model, experiments, grid, values, 1)(train, tried))
    assert len(found) == len(tried) == {"kernel": 6}.get(model, 2 if model in SEARCHED else 1)
    weights = experiment_weights(experiments.injection, scheme)
    x, y, omega = (a.T[train] for a in experiments.select(np.ones(7, bool)))
    for candidate, prediction in zip(tried, found, strict=True):
        alone = estimator(model, candidate, values | {"tolerance": 1e-9}, 1).fit(
            x,
            y,
            omega,
            experiment_weight=None if weights is None else weights[train],
            **grid.keywords(model),
        )
        expected = alone.predict(experiments.injection.T).T
        assert_allclose(prediction, expected, rtol=1e-3, atol=1e-4)


def test_small_injections_count_as_much_as_large_ones():
    injection = np.array([[1.0, 0.1], [1.0, 0.0]])
    weights = experiment_weights(injection, "inverse_injection")
    assert experiment_weights(injection, "equal") is None
    assert_allclose(weights * injection.sum(axis=0) ** 2, np.full(2, 4 * weights[0]))
    assert_allclose(weights.mean(), 1.0)


def test_candidates_are_the_grids():
    values = Settings(rank_grid=(5, 2), smoothing_grid=(10.0, 1.0)).resolved()
    assert candidates("voxel", values) == [{"smoothness": 10.0}, {"smoothness": 1.0}]
    assert [c["rank"] for c in candidates("low_rank", values)] == [2, 2, 5, 5]
    assert candidates("regional", values) == [{}]
    published = candidates("linear", Settings().resolved())
    assert [c["smoothness"] for c in published] == [10.0**power for power in range(12, 2, -1)]
    assert chosen_parameters("voxel", Settings().resolved()) == {"smoothness": 1e5}
    assert chosen_parameters("kernel", Settings().resolved()) == {"bandwidth": 500.0}


def test_keys_exist_and_every_model_has_some():
    assert set(FIT_KEYS) == set(MODELS)
    assert set(SEARCH_KEYS) == SEARCHED
    for model in MODELS:
        assert set(keys_of(model)) < set(keys_of(model, cross_validation=True))
        assert set(keys_of(model, cross_validation=True)) <= set(Settings.model_fields)


def test_regional_boundaries_cut_the_laplacians(data):
    _, grid = data
    cut = Grid(*list(vars(grid).values())[:5], cut=True)
    whole = grid.laplacians[0]
    assert (whole.nnz - cut.laplacians[0].nnz) == 2 * 5  # five pairs of voxels across the border
