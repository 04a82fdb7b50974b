"""The regional baseline, prediction errors and comparison with the truth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls

from mesomode.connectome.nonnegative import nonnegative_solution
from mesomode.connectome.regional import (
    RegionalConnectome,
    fit_regional,
    injection_by_structure,
)
from mesomode.connectome.scores import relative_error, sum_groups
from mesomode.connectome.truth import align, compare, region_means, singular_values
from mesomode.errors import DataError, SolverError


@pytest.fixture
def data():
    generator = np.random.default_rng(1)
    source_group = generator.permutation(np.repeat([0, 1, 2], 5))
    target_group = generator.permutation(np.repeat([0, 1, 2, 3], 4))
    injection = generator.uniform(size=(15, 6)) * (generator.uniform(size=(15, 6)) > 0.5)
    projection = generator.standard_normal((16, 6)) + 1
    observed = generator.uniform(size=(16, 6)) > 0.3
    return injection, projection, observed, source_group, target_group


def test_regional_fit_equals_nnls_on_all_entries(data):
    """The twin has a column for each weight and a row for each observed entry."""
    injection, projection, observed, source_group, target_group = data
    rows, right = [], []
    for i, e in np.argwhere(observed):
        row = np.zeros((4, 3))
        for j in range(15):
            row[target_group[i], source_group[j]] += injection[j, e]
        rows.append(row.ravel())
        right.append(projection[i, e])
    expected = nnls(np.array(rows), np.array(right))[0].reshape(4, 3)
    assert_allclose(fit_regional(*data), expected, atol=1e-10)


def test_regional_fit_recovers_regional_weights(data):
    injection, _, observed, source_group, target_group = data
    weights = np.random.default_rng(2).uniform(size=(4, 3)) * [0, 1, 1]
    projection = (weights @ sum_groups(injection, source_group))[target_group]
    projection[~observed] = np.nan
    found = fit_regional(injection, projection, observed, source_group, target_group)
    assert_allclose(found, weights, atol=1e-12)


def test_regions_that_nothing_reaches_get_no_weight(data):
    injection, projection, observed, source_group, target_group = data
    injection = injection.copy()
    injection[source_group == 1] = 0
    injection[:, injection.sum(0) == 0] = 1.0
    observed = observed & (target_group != 2)[:, None]
    found = fit_regional(injection, projection, observed, source_group, target_group)
    assert not found[2].any()


def test_regional_fit_refuses_groups_that_do_not_fit(data):
    with pytest.raises(DataError, match="groups of"):
        fit_regional(*data[:3], data[3][1:], data[4])


def test_relative_error_by_hand():
    observed = np.array([[True, True], [False, True], [True, True]])
    prediction = np.array([[1.0, 0.0], [9.0, 2.0], [1.0, 0.0]])
    projection = np.array([[2.0, 0.0], [np.nan, 2.0], [0.0, 0.0]])
    # residuals -1, 1 | 0; predictions 1, 1 | 2; data 2, 0 | 2
    assert relative_error(prediction, projection, observed) == pytest.approx(2 * 2 / (6 + 8))
    assert_allclose(relative_error(prediction, projection, observed, axis=0), [4 / 6, 0])
    group = np.array([0, 0, 0])
    assert relative_error(prediction, projection, observed, group) == 0.0
    group = np.array([0, 1, 1])
    assert relative_error(prediction, projection, observed, group) == pytest.approx(4 / 14)


def test_relative_error_of_extremes():
    data = np.ones((3, 2))
    seen = np.ones((3, 2), bool)
    assert relative_error(data, data, seen) == 0
    assert relative_error(0 * data, data, seen) == 2
    assert relative_error(-data, data, seen) == 4
    assert np.isnan(relative_error(0 * data, 0 * data, seen))
    assert np.isnan(relative_error(data, data, ~seen))


def test_comparison_by_its_definitions():
    generator = np.random.default_rng(3)
    truth = generator.uniform(size=(8, 6)).astype(np.float32)
    weights = truth + 0.1 * generator.uniform(size=(8, 6)).astype(np.float32)
    rows, columns = np.repeat([0, 1], 4), np.array([0, 1, 2, 0, 1, 2])
    found = compare(weights, truth, rows, columns)
    distance = np.linalg.norm(weights - truth)
    assert found.relative_error == pytest.approx(distance / np.linalg.norm(truth), rel=1e-5)
    assert found.correlation == pytest.approx(np.corrcoef(weights.ravel(), truth.ravel())[0, 1])
    size = np.sum(weights**2) + np.sum(truth**2)
    assert found.mean_squared_error == pytest.approx(2 * distance**2 / size, rel=1e-5)
    means = region_means(truth, rows, columns)
    assert means[1, 2] == pytest.approx(truth[4:, [2, 5]].mean())
    exact = compare(truth, truth, rows, columns)
    assert exact.relative_error < 1e-7
    assert exact.regional_error == 0
    assert exact.correlation == pytest.approx(1)
    assert np.isnan(compare(0 * truth, truth, rows, columns).correlation)


def test_comparison_refuses():
    ones = np.ones((2, 2))
    group = np.array([0, 0])
    with pytest.raises(DataError, match="cannot be compared"):
        compare(ones, np.ones((2, 3)), group, group)
    with pytest.raises(DataError, match="zero everywhere"):
        compare(ones, 0 * ones, group, group)


@pytest.mark.parametrize("shape", [(7, 5), (5, 7)])
def test_singular_values_by_either_way(shape, monkeypatch):
    matrix = np.random.default_rng(4).standard_normal(shape)
    expected = np.linalg.svd(matrix, compute_uv=False)
    assert_allclose(singular_values(matrix), expected)
    monkeypatch.setattr("mesomode.connectome.truth.DENSE_LIMIT", 2)
    assert_allclose(singular_values(matrix), expected, rtol=1e-10)


def test_alignment_by_voxel_index():
    voxels = np.array([[0, 0, 0], [0, 0, 1], [2, 0, 0]])
    truth = np.arange(6.0).reshape(3, 2)
    assert_array_equal(align(truth, voxels, voxels[[2, 0]], 0), truth[[2, 0]])
    assert_array_equal(align(truth.T, voxels, voxels[[1]], 1), truth.T[:, [1]])
    with pytest.raises(DataError, match="1 of 2 voxels"):
        align(truth, voxels, np.array([[0, 0, 0], [5, 5, 5]]), 0)


@pytest.mark.parametrize("seed", range(6))
def test_nonnegative_solution_equals_that_of_scipy(seed):
    generator = np.random.default_rng(seed)
    rows, columns = (40, 25) if seed % 2 else (15, 30)
    matrix = generator.uniform(size=(rows, columns)) * (
        generator.uniform(size=(rows, columns)) > 0.6
    )
    if seed > 1:
        matrix[:, 5:8] = matrix[:, :3]  # copies,
        matrix[:, 9] = 0  # nothing,
        matrix[:, 10] = matrix[:, 11] + matrix[:, 12]  # and sums of others
    right = generator.standard_normal(rows) + 0.3
    found = nonnegative_solution(matrix.T @ matrix, matrix.T @ right)
    _, distance = nnls(matrix, right)
    assert np.linalg.norm(matrix @ found - right) == pytest.approx(distance, rel=1e-10, abs=1e-10)
    assert found.min() >= 0
    gradient = matrix.T @ (right - matrix @ found)
    assert gradient.max() < 1e-10
    assert_allclose(gradient[found > 0], 0, atol=1e-10)
    smaller = nonnegative_solution(matrix.T @ matrix, 1e-9 * (matrix.T @ right))
    assert_allclose(smaller, 1e-9 * found, atol=1e-20)


def test_nonnegative_solution_may_be_zero():
    assert not nonnegative_solution(np.eye(3), -np.ones(3)).any()
    assert not nonnegative_solution(np.zeros((3, 3)), np.zeros(3)).any()


def test_nonnegative_solution_that_does_not_end_is_an_error(monkeypatch):
    monkeypatch.setattr("mesomode.connectome.nonnegative._solve", lambda *data: data[2])
    with pytest.raises(SolverError, match="2 unknowns did not end in 30 steps"):
        nonnegative_solution(np.eye(2), np.ones(2))


def test_injection_by_names_of_structures():
    structures = ["MOs", "BLA", "AUDd", "AUDp", "AUDB", "SUM ", "SSp", "SSp-tr"]
    primary = ["MOs", "BLAa", "AUD", "SUMl", "SSp-tr6a"]
    secondary = [[], ["MOs", "AUD", "XX"], ["SSp"], ["YY"], ["SSp-tr", "MOs"]]
    injection, unknown = injection_by_structure(primary, secondary, structures, 0.6)
    assert unknown == ("XX", "YY")
    expected = np.zeros((5, 8))
    expected[0, 0] = expected[3, 5] = 1
    expected[1, [1, 0, 2, 3]] = 0.6, 0.2, 0.1, 0.1
    expected[2, [2, 3, 6]] = 0.3, 0.3, 0.4
    expected[4, [7, 0]] = 0.8, 0.2
    assert_allclose(injection, expected)
    only, _ = injection_by_structure(primary, secondary, structures, 1.0)
    assert_allclose(only.sum(1), 1)
    assert (only > 0).sum() == 6
    for share in (0.0, 1.1, np.nan):
        with pytest.raises(DataError, match="primary share"):
            injection_by_structure(primary, secondary, structures, share)
    with pytest.raises(DataError, match="experiment 1: the primary structure 'ZZ' is unknown"):
        injection_by_structure(["MOs", "ZZ"], [[], []], structures, 0.5)


def test_regional_model_has_the_regions_of_the_user():
    """Ids are kept; what no experiment says is marked; W repeats the regional weights."""
    source_region, target_region = np.array([7, 3, 7]), np.array([5, 5, -2, -2])
    X = np.array([[0.5, 0, 0.5], [0.0, 1, 0]])
    Y = np.array([[2.0, 2, np.nan, np.nan], [4, 4, 3, 3]])
    model = RegionalConnectome().fit(
        X, Y, np.isfinite(Y), source_region=source_region, target_region=target_region
    )
    assert_array_equal(model.source_region_id_, [3, 7])
    assert_array_equal(model.target_region_id_, [-2, 5])
    assert_array_equal(model.undetermined_, [[False, True], [False, False]])
    assert_allclose(model.regional_weights_, [[3, 0], [4, 2]])
    assert_allclose(model.weights_, [[2, 4, 2], [2, 4, 2], [0, 3, 0], [0, 3, 0]])
