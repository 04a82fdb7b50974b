"""The objective of (P1), its derivatives and its optimality residual."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.objective import Objective
from mesomode.errors import DataError
from tests.connectome.problems import dense_system, objective_of, random_problem

SMOOTHING = 3.0


@pytest.fixture(params=[None, (5, 4, 4)], ids=["square", "rectangular"])
def problem(request):
    return random_problem(3, targets=request.param)


@pytest.fixture
def weights(problem):
    return np.random.default_rng(5).standard_normal(
        (len(problem.projection), len(problem.injection))
    )


def test_value_is_the_papers(problem, weights):
    objective = Objective(*problem, SMOOTHING)
    terms, _ = objective.value_and_residual(weights)
    assert_allclose(terms.total, objective_of(problem, SMOOTHING, weights), rtol=1e-12)
    assert_allclose(terms.misfit + terms.penalty, terms.total, rtol=1e-14)


def test_gradient_equals_finite_differences(problem, weights):
    objective = Objective(*problem, SMOOTHING)
    _, gradient = objective.value_and_gradient(weights)
    generator = np.random.default_rng(6)
    for _ in range(20):
        i, j = generator.integers(weights.shape)
        move = np.zeros_like(weights)
        move[i, j] = 1e-3  # exact for a quadratic, up to rounding
        difference = (
            objective_of(problem, SMOOTHING, weights + move)
            - objective_of(problem, SMOOTHING, weights - move)
        ) / 2e-3
        assert_allclose(gradient[i, j], difference, rtol=1e-7, atol=1e-7)


def test_hessian_and_curvatures_equal_the_dense_ones(problem, weights):
    objective = Objective(*problem, SMOOTHING)
    half, _ = dense_system(problem, SMOOTHING)
    out, work = np.empty_like(weights), np.empty_like(weights)
    curvature = objective.hessian_product(weights, out, work)
    assert_allclose(out.ravel(), 2 * half @ weights.ravel(), rtol=1e-10, atol=1e-10)
    assert_allclose(curvature, 2 * weights.ravel() @ half @ weights.ravel(), rtol=1e-12)
    assert_allclose(objective.largest_curvature(), 2 * np.diag(half).max(), rtol=1e-12)
    assert objective.curvature_bound() >= 2 * np.linalg.eigvalsh(half)[-1]
    free = np.random.default_rng(7).uniform(size=weights.shape) > 0.3
    objective.hessian_product(weights * free, out, work, free)
    assert_allclose(
        out.ravel(), free.ravel() * (2 * half @ (weights * free).ravel()), rtol=1e-10, atol=1e-10
    )


def test_kkt_residual_by_its_definition(problem, weights):
    objective = Objective(*problem, SMOOTHING)
    feasible = np.maximum(weights, 0)
    _, gradient = objective.value_and_gradient(feasible)
    half, _ = dense_system(problem, SMOOTHING)
    step = feasible - np.maximum(feasible - gradient / (2 * np.diag(half).max()), 0)
    expected = np.linalg.norm(step) / np.linalg.norm(feasible)
    assert_allclose(objective.kkt_residual(feasible), expected, rtol=1e-12)


def test_unobserved_entries_are_never_looked_at(problem, weights):
    garbage = np.where(problem.observed, problem.projection, np.nan)
    clean = Objective(*problem, SMOOTHING).value_and_gradient(weights)
    dirty = Objective(*problem._replace(projection=garbage), SMOOTHING).value_and_gradient(weights)
    assert clean[0] == dirty[0]
    np.testing.assert_array_equal(clean[1], dirty[1])


def without(array, index, value):
    copy = array.copy()
    copy[index] = value
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"injection": without(p.injection, (slice(None), 2), 0.0)}, r"positions \[2\]"),
        (lambda p: {"injection": without(p.injection, (0, 0), np.nan)}, "not all finite"),
        (lambda p: {"injection": without(p.injection, (0, 0), -0.1)}, "nonnegative"),
        (lambda p: {"injection": p.injection[:, :3]}, "3 injections for 4 projections"),
        (lambda p: {"projection": p.projection * np.nan}, "not finite at observed"),
        (lambda p: {"observed": p.observed & False}, "no projection was observed"),
        (lambda p: {"observed": p.observed.astype(int)}, "not bool"),
        (lambda p: {"observed": p.observed[1:]}, "do not fit together"),
        (lambda p: {"source_laplacian": graph_laplacian([[0], [1]])}, "source Laplacian"),
    ],
)
def test_bad_data_are_refused(change, message):
    problem = random_problem(3)
    with pytest.raises(DataError, match=message):
        Objective(*problem._replace(**change(problem)), SMOOTHING)


@pytest.mark.parametrize("smoothing", [0.0, -1.0, np.nan, np.inf])
def test_lambda_must_be_positive(smoothing):
    with pytest.raises(DataError, match="smoothing lambda"):
        Objective(*random_problem(3), smoothing)


def test_no_voxels_or_experiments():
    problem = random_problem(3)
    with pytest.raises(DataError, match="nothing to fit"):
        Objective(
            problem.injection[:, :0],
            problem.projection[:, :0],
            problem.observed[:, :0],
            *problem[3:],
            1.0,
        )
