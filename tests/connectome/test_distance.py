"""The distance model against nonnegative least squares on all entries."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls
from scipy.spatial.distance import cdist

from mesomode.connectome import DistanceConnectome
from mesomode.errors import DataError


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    source = generator.uniform(0, 1000, (15, 3))
    target = generator.uniform(0, 1000, (22, 3))
    X = generator.uniform(size=(6, 15)) * (generator.uniform(size=(6, 15)) > 0.5)
    X[:, 0] += 0.1
    Y = generator.standard_normal((6, 22)) + 2
    return X, Y, generator.uniform(size=Y.shape) > 0.3, source, target


def hats(distance, knots):
    """(..., knot): each hat by interpolation of a unit vector; constant beyond the ends."""
    return np.stack([np.interp(distance, knots, unit) for unit in np.eye(len(knots))], axis=-1)


@pytest.mark.parametrize("bins", [1, 7, [0, 100, 150, 700], [200.0, 400, 500]])
@pytest.mark.parametrize("weighted", [False, True])
def test_profile_equals_nnls_on_all_entries(bins, weighted, data, monkeypatch):
    monkeypatch.setattr("mesomode.connectome.distance.BLOCK", 4)
    X, Y, observed, source, target = data
    weight = np.array([1, 2, 0.5, 3, 1, 1]) if weighted else np.ones(6)
    model = DistanceConnectome(bins).fit(
        X, np.where(observed, Y, np.nan), observed, source_position=source,
        target_position=target, experiment_weight=weight if weighted else None,
    )  # fmt: skip
    distance = cdist(target, source)
    seen = observed.T.astype(int) @ (X > 0) > 0  # (target, source)
    shortest = distance[seen].min()
    knots = np.linspace(shortest, distance.max(), bins + 1) if isinstance(bins, int) else bins
    assert_allclose(model.distance_, knots)
    basis = hats(distance, model.distance_)
    assert_allclose(basis.sum(-1), 1)
    design = np.einsum("es,tsk->etk", X, basis)
    root = np.sqrt(weight)[:, None]
    rows, right = (root[..., None] * design)[observed], (root * Y)[observed]
    informed = rows.any(axis=0)
    assert_array_equal(model.informed_, informed)
    assert_allclose(model.profile_[informed], nnls(rows[:, informed], right)[0], atol=1e-9)
    assert_allclose(model.weights_, basis @ model.profile_, atol=1e-12)
    assert_allclose(model.predict(X), X @ model.weights_.T, atol=1e-12)


def test_a_piecewise_linear_profile_is_recovered(data):
    X, _, observed, source, target = data
    knots = np.array([0, 200, 500, 900, 1800.0])
    truth = np.interp(cdist(target, source), knots, [3, 1, 0, 0.5, 0.2])
    model = DistanceConnectome(knots).fit(
        X, X @ truth.T, observed, source_position=source, target_position=target
    )
    assert_allclose(model.weights_, truth, atol=1e-10)


def test_distances_never_observed_take_the_nearest_value():
    """Within the injection nothing is observed: the shortest distances are not informed."""
    place = np.arange(5.0)[:, None] * [100, 0, 0]
    X = np.array([[1.0, 0, 0, 0, 0]])
    observed = np.array([[False, False, True, True, False]])
    Y = np.array([[9.0, 9, 5, 4, 9]])
    model = DistanceConnectome([0, 100, 200, 300, 400]).fit(
        X, Y, observed, source_position=place, target_position=place
    )
    assert_array_equal(model.informed_, [False, False, True, True, False])
    assert_allclose(model.profile_, [5, 5, 5, 4, 4])


def test_all_voxels_in_one_place():
    place = np.zeros((3, 3))
    model = DistanceConnectome(4).fit(
        np.ones((2, 3)), np.full((2, 3), 6.0), source_position=place, target_position=place
    )
    assert_allclose(model.weights_, 2)


def test_knots_that_cannot_be_used_are_refused(data):
    X, Y, observed, source, target = data
    grid = {"source_position": source, "target_position": target}
    for bins, match in (
        (0, "neither a positive number"),
        (2.5, "neither a positive number"),
        ([1.0], "two or more finite, ascending"),
        ([0, 2, 2], "two or more finite, ascending"),
        ([-1, 2], "first knot -1.0 of bins is negative"),
    ):
        with pytest.raises(DataError, match=match):
            DistanceConnectome(bins).fit(X, Y, observed, **grid)


def test_memory_does_not_hold_all_pairs():
    """1,500 x 1,500 voxels and 20 bins: an array of pairs would be 18 MB, with bins 380 MB."""
    generator = np.random.default_rng(1)
    place = generator.uniform(0, 3000, (1500, 3))
    X = np.exp(-cdist(place[:10], place) / 100)
    X[X < 0.1] = 0
    X[:, :10] += np.eye(10)
    Y = generator.uniform(size=(10, 1500))
    model = DistanceConnectome()
    model.fit(X, Y, source_position=place, target_position=place)  # compiled now
    tracemalloc.start()
    model.fit(X, Y, source_position=place, target_position=place).predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6
