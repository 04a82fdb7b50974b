"""The Nadaraya-Watson model against a loop, and its limits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.connectome import KernelConnectome
from mesomode.connectome.kernel import kernel_weights
from mesomode.errors import DataError

SHAPES = ["gaussian", "exponential", 0, 1, 2.5]


def height(distance, bandwidth, shape):
    ratio = distance / bandwidth
    if shape == "gaussian":
        return np.exp(-(ratio**2) / 2)
    if shape == "exponential":
        return np.exp(-ratio)
    return (1 - ratio**2) ** shape if ratio < 1 else 0.0


def slow_weights(X, Y, observed, place, region, bandwidth, shape, weight):
    """Entry by entry, as the formula stands in the docstring."""
    result = np.zeros((Y.shape[1], X.shape[1]))
    for s in range(X.shape[1]):
        for t in range(Y.shape[1]):
            above = below = 0.0
            for e in range(len(X)):
                held = {r: X[e, region == r].sum() for r in np.unique(region)}
                if max(held, key=held.get) != region[s] or not observed[e, t]:
                    continue
                centroid = X[e] @ place / X[e].sum()
                k = weight[e] * height(np.linalg.norm(place[s] - centroid), bandwidth, shape)
                above += k * Y[e, t] / X[e].sum()
                below += k
            result[t, s] = above / below if below else 0.0
    return result


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    place = generator.uniform(0, 1000, (15, 3))
    region = generator.permutation(np.arange(15) % 3)
    X = generator.uniform(size=(8, 15)) * (generator.uniform(size=(8, 15)) > 0.6)
    X[:, 0] += 0.1
    Y = generator.uniform(size=(8, 11))
    return X, Y, generator.uniform(size=Y.shape) > 0.4, place, region


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bandwidth", [150.0, 800.0])
def test_weights_equal_the_loop(shape, bandwidth, data, monkeypatch):
    monkeypatch.setattr("mesomode.connectome.kernel.BLOCK", 4)
    X, Y, observed, place, region = data
    weight = np.array([1, 2, 0, 0.5, 1, 1, 3, 1])
    expected = slow_weights(*data, bandwidth, shape, weight)
    model = KernelConnectome(bandwidth, shape).fit(
        X, np.where(observed, Y, np.nan), observed,
        source_position=place, source_region=region, experiment_weight=weight,
    )  # fmt: skip
    assert_allclose(model.weights_, expected, atol=1e-12)
    known = slow_weights(X, np.ones_like(Y), observed, place, region, bandwidth, shape, weight) > 0
    assert model.undetermined_ == pytest.approx(1 - known.mean())
    one = KernelConnectome(bandwidth, shape).fit(X, Y, observed, source_position=place)
    zero = np.zeros(15, int)
    expected = slow_weights(X, Y, observed, place, zero, bandwidth, shape, np.ones(8))
    assert_allclose(one.weights_, expected, atol=1e-12)


def test_narrow_kernels_take_the_nearest_and_wide_ones_the_mean(data):
    X, Y, _, place, _ = data
    per_unit = Y / X.sum(1, keepdims=True)
    centroid = X @ place / X.sum(1, keepdims=True)
    nearest = np.linalg.norm(place[:, None] - centroid, axis=2).argmin(1)
    narrow = KernelConnectome(1e-3).fit(X, Y, source_position=place)
    assert_allclose(narrow.weights_, per_unit[nearest].T)
    assert_allclose(narrow.centroid_, centroid)
    wide = KernelConnectome(1e9).fit(X, Y, source_position=place)
    assert_allclose(wide.weights_, np.repeat(per_unit.mean(0)[:, None], 15, 1))
    uniform = KernelConnectome(1e9, 0).fit(X, Y, source_position=place)
    assert_allclose(uniform.weights_, wide.weights_)
    assert wide.undetermined_ == 0


def test_a_point_injection_is_reproduced():
    place = np.array([[0.0, 0, 0], [3000, 0, 0]])
    X = np.array([[0.5, 0], [0, 0.25]])
    W = np.array([[1.0, 2], [3, 0], [0, 5]])
    model = KernelConnectome(100.0).fit(X, X @ W.T, source_position=place)
    assert_allclose(model.weights_, W, atol=1e-12)


def test_regions_without_experiments_get_nothing(data):
    X, Y, _, place, region = data
    X = X * (region != 2)
    X[:, region == 0] += 0.5
    model = KernelConnectome(300.0).fit(X, Y, source_position=place, source_region=region)
    assert not model.weights_[:, region != 0].any()
    assert model.weights_[:, region == 0].all()
    assert model.undetermined_ == pytest.approx(np.mean(region != 0))


def test_rows_of_excluded_experiments_are_zero():
    distance = np.array([[np.inf, np.inf], [1.0, np.inf]])
    for shape in SHAPES:
        weights = kernel_weights(distance, 2.0, shape)
        assert_array_equal(weights[0], [0, 0])
        assert weights[1, 0] > 0
        assert weights[1, 1] == 0


def test_kernels_that_do_not_exist_are_refused(data):
    X, Y, _, place, _ = data
    for model, match in (
        (KernelConnectome(0.0), "bandwidth 0.0 is not a positive"),
        (KernelConnectome(np.nan), "bandwidth nan"),
        (KernelConnectome(1.0, "box"), "no kernel 'box'"),
        (KernelConnectome(1.0, -1), "exponent -1"),
    ):
        with pytest.raises(DataError, match=match):
            model.fit(X, Y, source_position=place)
