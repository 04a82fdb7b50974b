"""The preconditioner of (P1): symmetric, positive, as good for a small lambda as for a large."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.connectome import preconditioner
from mesomode.connectome.objective import Objective
from mesomode.connectome.preconditioner import TwoLevel
from mesomode.connectome.spline import fit_spline
from mesomode.connectome.splitting import InjectionSplitting, matrices_needed
from tests.connectome.problems import random_problem

SMALL = {"shape": (4, 4, 3), "experiments": 4}


@pytest.fixture(autouse=True)
def two_levels(monkeypatch):
    """Use the coarse grid on small problems, too."""
    monkeypatch.setattr(preconditioner, "EXACT_BELOW", 10)


def pinned(objective, share=0.1):
    free = np.random.default_rng(4).uniform(size=objective.shape) > share
    return np.ascontiguousarray(free)


def dense(matrix_of, shape, free):
    """The matrix of a linear map of (target, source) arrays, on the free entries."""
    columns = []
    for place in np.flatnonzero(free):
        unit = np.zeros(shape)
        unit.flat[place] = 1.0
        columns.append(matrix_of(unit)[free])
    return np.array(columns).T


def condition(smoothing):
    """Ratio of extreme eigenvalues of M H on the free entries; M is checked on the way."""
    objective = Objective(*random_problem(5, **SMALL), smoothing)
    free = pinned(objective)
    two = TwoLevel(objective)
    two.set_free(free, np.empty(objective.shape))
    out, work = np.empty(objective.shape), np.empty(objective.shape)

    def apply(unit):
        square = two.apply(unit, free, out, work)
        assert_allclose(square, np.vdot(unit, out), rtol=1e-9)
        assert not out[~free].any()
        return out

    def hessian(unit):
        objective.hessian_product(unit, out, work, free)
        return out

    approximate = dense(apply, objective.shape, free)
    assert_allclose(approximate, approximate.T, atol=1e-9 * np.abs(approximate).max())
    root = np.linalg.cholesky((approximate + approximate.T) / 2)  # fails if it is not positive
    values = np.linalg.eigvalsh(root.T @ dense(hessian, objective.shape, free) @ root)
    return values[-1] / values[0]


def test_it_is_as_good_for_a_small_lambda():
    limit = 2.0 * condition(10.0)
    assert condition(1e-1) < limit
    assert condition(1e-3) < limit


def test_without_splitting_it_is_not(monkeypatch):
    split = condition(1e-3)
    monkeypatch.setattr(preconditioner, "SPLIT_ABOVE", np.inf)
    assert condition(1e-3) > 10.0 * split


def test_the_splitting_is_what_it_says_row_by_row():
    problem = random_problem(6, **SMALL)
    objective = Objective(*problem, 1.0)
    free = pinned(objective)
    generator = np.random.default_rng(1)
    sigma = 0.3
    splitting = InjectionSplitting(objective, np.float64)
    splitting.prepare(free, sigma)
    residual = generator.standard_normal(objective.shape) * free
    middle = generator.standard_normal(objective.shape[1:] * 2)
    middle = middle @ middle.T  # S, the same in all rows
    out, work = np.empty(objective.shape), np.empty(objective.shape)
    seen = splitting.split(residual, free, out)
    split = out.copy()
    out[:] = (out @ middle) * free
    square = splitting.join(seen, free, out, work)
    for row in range(objective.shape[0]):
        x = objective.injection * free[row][:, None] * objective.mask[row]
        inverse = np.linalg.inv(x.T @ x + sigma * np.eye(x.shape[1]))
        f = np.eye(len(x)) - x @ inverse @ x.T
        n = x @ inverse @ inverse @ x.T
        mask = np.diag(free[row].astype(float))
        assert_allclose(split[row], f @ residual[row], atol=1e-12)
        expected = f @ mask @ middle @ f @ residual[row] + n @ residual[row]
        assert_allclose(out[row], expected, atol=1e-10)
        square -= residual[row] @ n @ residual[row]
    assert abs(square) < 1e-10


def test_the_gram_matrices_are_refused_where_they_outweigh_the_weights():
    assert matrices_needed(7449, 7449, 28) == 7449 * 28**2
    assert matrices_needed(50, 40, 100) == 0
    objective = Objective(*random_problem(7, shape=(3, 3, 2), experiments=12), 1e-4)
    assert TwoLevel(objective).splitting is None


@pytest.mark.parametrize("limit", [0, 10])
def test_many_unobserved_entries_are_taken_in_by_aggregates(limit, monkeypatch):
    """With no more than ``limit`` of them the coarse problem still is solved well enough."""
    problem = random_problem(14, shape=(8, 8, 5), experiments=6)
    assert np.count_nonzero(~problem.observed) > 40
    exact = fit_spline(*problem, 0.1, tolerance=1e-6)
    monkeypatch.setattr(preconditioner, "UNOBSERVED_LIMIT", 40)
    aggregated = fit_spline(*problem, 0.1, tolerance=1e-6)
    monkeypatch.setattr(preconditioner, "UNOBSERVED_LIMIT", limit)
    few = fit_spline(*problem, 0.1, tolerance=1e-6)
    assert exact.converged and aggregated.converged and few.converged
    assert_allclose(aggregated.terms.total, exact.terms.total, rtol=2e-6)
    assert_allclose(few.terms.total, exact.terms.total, rtol=2e-6)
    assert exact.products <= 1.5 * aggregated.products


def test_the_number_of_products_does_not_grow_as_lambda_falls():
    problem = random_problem(14, shape=(8, 8, 5), experiments=6)
    counts = [
        fit_spline(*problem, smoothing, tolerance=1e-4, bound=False).products
        for smoothing in (1.0, 0.1, 0.01)
    ]
    assert max(counts) < 2 * counts[0]
