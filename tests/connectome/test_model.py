"""What all models share: parameters, checked data, prediction; and bad input to the baselines."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import mesomode.connectome as connectome
from mesomode.connectome.model import ConnectomeModel, training_data
from mesomode.connectome.scores import relative_error
from mesomode.errors import DataError

NAMES = [name for name in dir(connectome) if name != "ConnectomeModel"]
BASELINES = ["RegionalConnectome", "KernelConnectome", "DistanceConnectome"]
# A value for each parameter of each model that is not its default.
SOME = {"rank": 3, "smoothness": 7.0, "bandwidth": 900.0, "bins": 6, "shape": 2.0, "seed": 5}


def make(name):
    model = getattr(connectome, name)
    names = inspect.signature(model).parameters
    return model(**{key: value for key, value in SOME.items() if key in names})


class Data:
    """A small problem in the order of users, with positions and regions."""

    def __init__(self, seed=0, experiments=7, sources=18, targets=24):
        generator = np.random.default_rng(seed)
        self.X = generator.uniform(size=(experiments, sources))
        self.X *= generator.uniform(size=self.X.shape) > 0.4
        self.X[:, 0] += 0.1
        self.Y = generator.uniform(size=(experiments, targets))
        self.observed = generator.uniform(size=self.Y.shape) > 0.25
        self.source_region = generator.permutation(np.arange(sources) % 3) * 10 + 4
        self.target_region = generator.permutation(np.arange(targets) % 4) - 1
        self.source_position = generator.uniform(0, 1000, (sources, 3))
        self.target_position = generator.uniform(0, 1000, (targets, 3))

    def grid(self, name):
        wanted = inspect.signature(getattr(connectome, name).fit).parameters
        keys = "source_region", "target_region", "source_position", "target_position"
        return {key: getattr(self, key) for key in keys if key in wanted}

    def fit(self, name, **more):
        return make(name).fit(self.X, self.Y, self.observed, **self.grid(name), **more)

    def permuted(self, experiments, sources, targets):
        other = Data.__new__(Data)
        other.X = self.X[experiments][:, sources]
        other.Y = self.Y[experiments][:, targets]
        other.observed = self.observed[experiments][:, targets]
        other.source_region = self.source_region[sources]
        other.source_position = self.source_position[sources]
        other.target_region = self.target_region[targets]
        other.target_position = self.target_position[targets]
        return other


@pytest.fixture
def data():
    return Data()


@pytest.mark.parametrize("name", NAMES)
def test_models_are_estimators(name):
    model = make(name)
    assert isinstance(model, ConnectomeModel)
    parameters = model.get_params()
    assert list(parameters) == list(inspect.signature(type(model)).parameters)
    for key, value in SOME.items():
        if key in parameters:
            assert parameters[key] == value
            assert f"{key}={value!r}" in repr(model)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == parameters
    for key, value in parameters.items():
        assert model.set_params(**{key: value}) is model
    with pytest.raises(ValueError, match="has no parameter 'nonsense'"):
        model.set_params(nonsense=1)
    assert model.get_params() == parameters
    with pytest.raises(TypeError, match="unexpected keyword"):
        model.fit(np.ones((1, 1)), np.ones((1, 1)), nonsense=1)
    with pytest.raises(DataError, match="not fitted"):
        model.predict(np.ones((1, 1)))


def test_a_model_without_parameters_has_none():
    class Plain(ConnectomeModel):
        pass

    assert Plain().get_params() == {}
    assert repr(clone(Plain())) == "Plain()"


def test_the_package_imports_its_models_when_they_are_asked_for():
    code = "import sys, mesomode.connectome as c; assert 'numpy' not in sys.modules; c.Kernel"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "has no attribute 'Kernel'" in done.stderr


def test_training_data_are_in_the_order_of_the_paper(data):
    data.Y[~data.observed] = np.nan
    x, y, omega = training_data(data.X, data.Y, data.observed)
    assert_array_equal(x, data.X.T)
    assert_array_equal(y, np.where(data.observed, data.Y, 0).T)
    assert_array_equal(omega, data.observed.T)
    assert all(array.flags.c_contiguous for array in (x, y, omega))
    everything = training_data(data.X, np.nan_to_num(data.Y)).observed
    assert everything.all()


def test_weights_multiply_squared_residuals(data):
    weight = np.array([1, 0, 4, 2, 0.5, 1, 0])
    x, y, omega = training_data(data.X, data.Y, data.observed, weight)
    w = np.random.default_rng(1).uniform(size=(24, 18))
    plain = np.where(data.observed, data.X @ w.T - data.Y, 0)
    assert np.sum((w @ x - y)[omega] ** 2) == pytest.approx(np.sum(weight[:, None] * plain**2))
    assert x.shape[1] == 5, "experiments of weight zero are left out"


def refused(match, X=None, Y=None, observed=None, weight=None):
    with pytest.raises(DataError, match=match):
        training_data(X, Y, observed, weight)


def test_data_that_cannot_be_fitted_are_named():
    X, Y = np.ones((3, 4)), np.ones((3, 5))

    def spoilt(array, row, column, value):
        copy = array.copy()
        copy[row, column] = value
        return copy

    bad = spoilt(spoilt(Y, 1, 3, np.nan), 2, 0, np.inf)
    refused("Y is not finite where observed: experiment 1, target voxel 3, and 1 other", X, bad)
    refused("X is not finite: experiment 2, source voxel 1, and 0", spoilt(X, 2, 1, np.nan), Y)
    refused("X is negative: experiment 0, source voxel 2", spoilt(X, 0, 2, -1e-9), Y)
    refused("1 of 3 experiments have no injection.*first experiment 1", spoilt(X, 1, ..., 0), Y)
    refused(r"X of shape \(4,\)", X[0], Y)
    refused(r"X of shape \(0, 4\)", X[:0], Y[:0])
    refused(r"Y of shape \(2, 5\) does not fit to X of 3", X, Y[:2])
    refused("observed is float64", X, Y, Y)
    refused(r"observed is bool of shape \(3, 4\)", X, Y, X > 0)
    refused("no projection was observed", X, Y, Y < 0)
    refused("no projection was observed", X, Y, None, np.zeros(3))
    refused(r"experiment_weight \(2,\) for 3", X, Y, None, np.ones(2))
    refused("experiment_weight of experiment 1 is -1.0", X, Y, None, [1, -1, 1])
    refused("experiment_weight of experiment 2 is nan", X, Y, None, [1, 1, np.nan])


@pytest.mark.parametrize("name", BASELINES)
def test_prediction_and_score_by_their_definitions(name, data):
    model = data.fit(name)
    w = model.weights_
    assert w.shape == (24, 18)
    assert w.min() >= 0
    assert_allclose(model.predict(data.X), data.X @ w.T, atol=1e-13)
    error = relative_error(w @ data.X.T, data.Y.T, data.observed.T)
    assert model.score(data.X, data.Y, data.observed) == pytest.approx(1 - error)
    with pytest.raises(DataError, match="does not fit to 18 source voxels"):
        model.predict(data.X[:, 1:])
    with pytest.raises(DataError, match="X is not finite: experiment 0, source voxel 0"):
        model.predict(data.X * np.nan)
    with pytest.raises(DataError, match="Y has 23 target voxels, the fitted model 24"):
        model.score(data.X, data.Y[:, 1:])


@pytest.mark.parametrize("name", BASELINES)
def test_what_was_not_observed_does_not_matter(name, data):
    expected = data.fit(name).weights_
    for value in (np.nan, np.inf, -7.0):
        data.Y[~data.observed] = value
        assert_array_equal(data.fit(name).weights_, expected)
    data.observed[2, 3] = True
    data.Y[2, 3] = np.nan
    with pytest.raises(DataError, match="experiment 2, target voxel 3, and 0 other"):
        data.fit(name)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_experiments_and_voxels_does_not_matter(name, seed):
    data = Data(seed, experiments=30)
    order = [np.random.default_rng(seed).permutation(n) for n in (30, 18, 24)]
    expected = data.fit(name).weights_[np.ix_(order[2], order[1])]
    assert_allclose(data.permuted(*order).fit(name).weights_, expected, atol=1e-11)


@pytest.mark.parametrize("name", BASELINES)
def test_weights_scale_with_the_projection(name, data):
    expected = data.fit(name).weights_
    data.Y *= 1e-3
    assert_allclose(data.fit(name).weights_, 1e-3 * expected, atol=1e-12)


@pytest.mark.parametrize("name", BASELINES)
def test_nothing_projected_gives_no_weights(name, data):
    data.Y[:] = 0
    model = data.fit(name)
    assert not model.weights_.any()
    assert np.isnan(model.score(data.X, data.Y, data.observed))


@pytest.mark.parametrize("name", BASELINES)
def test_weights_of_experiments_are_checked(name, data):
    with pytest.raises(DataError, match="no projection was observed"):
        data.fit(name, experiment_weight=np.zeros(7))
    with pytest.raises(DataError, match="experiment_weight of experiment 3 is -2"):
        data.fit(name, experiment_weight=[1, 1, 1, -2, 1, 1, 1])


@pytest.mark.parametrize("name", BASELINES)
def test_one_experiment_is_enough(name, data):
    data.X, data.Y, data.observed = data.X[:1], data.Y[:1], data.observed[:1]
    w = data.fit(name).weights_
    assert np.isfinite(w).all()
    assert w.any()


@pytest.mark.parametrize("name", BASELINES)
def test_duplicates_count_like_weights(name, data):
    weight = np.array([1, 2, 1, 3, 0, 1, 1])
    expected = data.fit(name, experiment_weight=weight).predict(data.X)
    repeated = data.permuted(np.repeat(np.arange(7), weight), np.arange(18), np.arange(24))
    assert_allclose(repeated.fit(name).predict(data.X), expected, atol=1e-10)


@pytest.mark.parametrize("name", BASELINES)
def test_an_injection_may_cover_a_whole_region(name, data):
    region = data.source_region == 14
    data.X[3] = region
    data.X[0] = 1.0  # and all there is
    data.observed[3, :8] = False
    w = data.fit(name).weights_
    assert np.isfinite(w).all()
    data.observed[0] = False
    assert np.isfinite(data.fit(name).weights_).all()


@pytest.mark.parametrize("name", BASELINES)
def test_grids_that_do_not_fit_are_refused(name, data):
    for key, value in data.grid(name).items():
        for wrong in (value[1:], value.astype(str) if "region" in key else value[:, :2]):
            with pytest.raises((DataError, ValueError), match=key):
                make(name).fit(data.X, data.Y, **{**data.grid(name), key: wrong})
