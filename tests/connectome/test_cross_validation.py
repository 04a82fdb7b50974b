"""Nested cross-validation against a plain double loop, and how folds are dealt."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from mesomode.connectome import KernelConnectome, RegionalConnectome
from mesomode.connectome.cross_validation import (
    FoldErrors,
    InnerErrors,
    Measured,
    assign_folds,
    choose,
    cross_validate,
    cross_validate_fold,
    inner_errors,
    model_path,
    nested_folds,
    path_of,
    summarise,
)
from mesomode.errors import DataError


@settings(deadline=None)
@given(
    strata=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    folds=st.integers(1, 8),
    seed=st.integers(0, 1000),
)
def test_folds_are_balanced(strata, folds, seed):
    strata = np.array(strata)
    if folds > len(strata):
        with pytest.raises(DataError, match=f"{len(strata)} experiments cannot be dealt to"):
            assign_folds(strata, folds, np.random.default_rng(seed))
        return
    fold = assign_folds(strata, folds, np.random.default_rng(seed))
    sizes = np.bincount(fold, minlength=folds)
    assert len(sizes) == folds
    assert np.ptp(sizes) <= 1
    for stratum in np.unique(strata):
        assert np.ptp(np.bincount(fold[strata == stratum], minlength=folds)) <= 1
    assert_array_equal(fold, assign_folds(strata, folds, np.random.default_rng(seed)))


def test_every_experiment_comes_to_every_fold_and_every_pair_apart_and_together():
    strata = np.repeat([1, 2, 3], [5, 2, 1])
    drawn = np.array([assign_folds(strata, 3, np.random.default_rng(s)) for s in range(300)])
    for fold in range(3):
        share = (drawn == fold).mean(axis=0)
        assert share.min() > 0.22
        assert share.max() < 0.45
    together = (drawn[:, :, None] == drawn[:, None]).mean(axis=0)
    assert together[0, 1] > 0.05
    assert together[5, 6] == 0, "two of a stratum are never in the same of three folds"
    assert 0.1 < together[5, 7] < 0.5


def test_nested_folds_leave_the_test_experiments_out():
    strata = np.random.default_rng(0).integers(0, 4, 28)
    folds = nested_folds(strata, 5, 4, np.random.default_rng(1))
    assert folds.inner.shape == (5, 28)
    for number, inner in enumerate(folds.inner):
        assert_array_equal(inner == -1, folds.outer == number)
        assert np.ptp(np.bincount(inner[inner >= 0], minlength=4)) <= 1
    assert any((a != b).any() for a, b in pairwise(folds.inner))


def test_few_experiments_get_as_many_folds_as_there_are():
    with pytest.warns(UserWarning, match="4 experiments are too few for 5 x 5 folds: 4 x 3"):
        folds = nested_folds([1, 1, 2, 3], 5, 5, np.random.default_rng(0))
    assert sorted(folds.outer) == [0, 1, 2, 3]
    assert all(sorted(inner) == [-1, 0, 1, 2] for inner in folds.inner)
    with pytest.warns(UserWarning, match="2 x 3 are used"):
        nested_folds([1] * 7, 2, 5, np.random.default_rng(0))
    with pytest.raises(DataError, match="2 experiments are too few for nested"):
        nested_folds([1, 2], 2, 2, np.random.default_rng(0))
    with pytest.raises(DataError, match="5 x 1 folds: two or more"):
        nested_folds([1] * 9, 5, 1, np.random.default_rng(0))


@pytest.fixture
def problem():
    generator = np.random.default_rng(3)
    place = generator.uniform(0, 1000, (20, 3))
    X = generator.uniform(size=(13, 20)) * (generator.uniform(size=(13, 20)) > 0.7)
    X[:, 0] += 0.1
    Y = X @ np.exp(-np.linalg.norm(place[:, None] - place, axis=2) / 300)
    Y += 0.1 * generator.uniform(size=Y.shape)
    observed = generator.uniform(size=Y.shape) > 0.2
    region = generator.permutation(np.arange(20) % 3)
    folds = nested_folds(X.argmax(1) % 3, 3, 4, generator)
    return X, Y, observed, place, region, folds


def mse(prediction, projection, observed, group=None):
    """MSE_rel, entry by entry or region by region."""
    difference = size = 0.0
    for e in range(prediction.shape[1]):
        seen = np.flatnonzero(observed[:, e])
        parts = [[t] for t in seen]
        if group is not None:
            parts = [seen[group[seen] == g] for g in np.unique(group)]
        for part in parts:
            p, y = prediction[part, e].sum(), projection[part, e].sum()
            difference += (p - y) ** 2
            size += p**2 + y**2
    return 2 * difference / size


def test_cross_validation_equals_the_double_loop(problem):
    X, Y, observed, place, region, folds = problem
    candidates = [30.0, 150.0, 400.0, 5000.0]

    def predict(train, bandwidth):
        model = KernelConnectome(bandwidth)
        model.fit(X[train], Y[train], observed[train], source_position=place)
        return model.predict(X).T

    y, omega = Y.T, observed.T
    holes = np.where(omega, y, np.nan)
    measured = Measured(holes, omega, region)
    found = cross_validate(path_of(predict), measured, folds, candidates)
    along = model_path(KernelConnectome(), X, holes.T, observed, "bandwidth", source_position=place)
    for number, result in enumerate(found):
        errors = np.zeros((4, 4, 4))
        for i in range(4):
            test = folds.inner[number] == i
            train = (folds.inner[number] != i) & (folds.outer != number)
            for c, candidate in enumerate(candidates):
                p = predict(train, candidate)
                for k, (part, group) in enumerate(
                    [(test, None), (train, None), (test, region), (train, region)]
                ):
                    errors[k, c, i] = mse(p[:, part], y[:, part], omega[:, part], group)
        inner = result.inner
        names = "test_voxel", "train_voxel", "test_regional", "train_regional"
        for k, name in enumerate(names):
            assert getattr(inner, name) == pytest.approx(errors[k])
        best = int(errors[0].mean(axis=1).argmin())
        assert result.chosen == best
        assert result.fold == number
        test = folds.outer == number
        p = predict(~test, candidates[best])
        parts = [(test, None), (~test, None), (test, region), (~test, region)]
        for name, (part, group) in zip(names, parts, strict=True):
            expected = mse(p[:, part], y[:, part], omega[:, part], group)
            assert getattr(result, name) == pytest.approx(expected)
        for e in range(13):
            if test[e]:
                expected = mse(p[:, [e]], y[:, [e]], omega[:, [e]])
                assert result.experiment_error[e] == pytest.approx(expected)
            else:
                assert np.isnan(result.experiment_error[e])
        again = cross_validate_fold(along, measured, folds, number, candidates)
        assert_array_equal(again.inner.test_voxel, inner.test_voxel)
        assert again.test_regional == result.test_regional
        # In jobs of their own.
        parts = [
            inner_errors(along, measured, folds.inner[number], candidates, i) for i in range(4)
        ]
        joined = InnerErrors(*np.concatenate([list(vars(p).values()) for p in parts], axis=2))
        assert_array_equal(joined.train_regional, inner.train_regional)
        later = cross_validate_fold(along, measured, folds, number, candidates, joined)
        assert later.test_voxel == result.test_voxel
    summary = summarise(found)
    values = [result.test_voxel for result in found]
    assert summary["test_voxel"] == pytest.approx(
        (np.mean(values), np.std(values, ddof=1) / 3**0.5)
    )


def test_test_experiments_do_not_influence_the_fit(problem):
    """The outer test data may be anything without changing what is fitted or chosen."""
    X, Y, observed, place, region, folds = problem
    candidates = [100.0, 1000.0]
    results = []
    for spoil in (False, True):
        y = Y.copy()
        if spoil:
            y[folds.outer == 0] = 1e6
        path = model_path(KernelConnectome(), X, y, observed, "bandwidth", source_position=place)
        measured = Measured(y.T, observed.T, region)
        results.append(cross_validate_fold(path, measured, folds, 0, candidates))
    first, second = results
    assert_array_equal(first.inner.test_voxel, second.inner.test_voxel)
    assert first.train_voxel == second.train_voxel
    assert first.test_voxel != second.test_voxel


def test_a_single_candidate_needs_no_inner_folds(problem):
    X, Y, observed, _, region, folds = problem
    grid = {"source_region": region, "target_region": region}
    path = model_path(RegionalConnectome(), X, Y, observed, **grid)
    calls = []

    def counted(train, candidates):
        calls.append(train)
        return path(train, candidates)

    measured = Measured(Y.T, observed.T, region)
    results = cross_validate(counted, measured, folds, [None])
    assert len(calls) == 3
    assert all(r.chosen == 0 and r.inner.test_voxel.shape == (1, 0) for r in results)


def test_a_path_may_start_from_the_fit_before_and_weight_experiments(problem):
    X, Y, observed, *_ = problem
    seen = []

    class Recorder(KernelConnectome):
        def fit(self, X, Y, observed=None, *, experiment_weight=None, start=None):
            seen.append((self.bandwidth, start, experiment_weight))
            self.weights_ = np.full((20, 20), self.bandwidth)
            return self

    train = np.arange(13) < 9
    weight = np.arange(13.0)
    path = model_path(Recorder(), X, Y, observed, "bandwidth", warm=True, experiment_weight=weight)
    predictions = list(path(train, [3.0, 1.0]))
    assert [p.shape for p in predictions] == [(20, 13), (20, 13)]
    assert seen[0][:2] == (3.0, None)
    assert seen[1][0] == 1.0
    assert (seen[1][1] == 3.0).all()
    assert_array_equal(seen[1][2], weight[:9])


def test_choice():
    assert choose(np.array([[2.0, 2], [1, 2], [2, 1]])) == 1, "the first of equals"
    assert choose(np.array([[np.nan, 2], [0, 1]])) == 1, "a fold that is not defined for all"
    assert choose(np.array([[1.0, np.nan], [2.0, 0.0]])) == 0
    assert choose(np.empty((1, 0))) == 0
    with pytest.raises(DataError, match="no candidate"):
        choose(np.empty((0, 3)))
    with pytest.raises(DataError, match="no inner fold"):
        choose(np.array([[np.nan, 1], [1, np.nan]]))


def test_what_does_not_fit_is_refused(problem):
    _, Y, observed, _, region, folds = problem
    measured = Measured(Y.T, observed.T, region)
    path = path_of(lambda train, candidate: Y.T)
    with pytest.raises(DataError, match="no outer fold 3: there are 3"):
        cross_validate_fold(path, measured, folds, 3, [1])
    for count in (1, 3):
        with pytest.raises(DataError, match="one prediction for each of 2"):
            inner_errors(lambda *_, n=count: iter([Y.T] * n), measured, folds.inner[0], [1, 2])


def test_summary_leaves_out_what_is_undefined():
    inner = InnerErrors(*np.empty((4, 1, 0)))
    results = [
        FoldErrors(k, inner, 0, value, 1.0, np.nan, 2.0 if k else np.nan, np.empty(0))
        for k, value in enumerate([1.0, 3.0])
    ]
    summary = summarise(results)
    assert summary["test_voxel"] == pytest.approx((2.0, 1.0))
    assert summary["train_voxel"] == (1.0, 0.0)
    assert np.isnan(summary["test_regional"]).all()
    assert summary["train_regional"][0] == 2.0
    assert np.isnan(summary["train_regional"][1])
