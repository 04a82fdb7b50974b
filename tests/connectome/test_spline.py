"""The nonnegative spline regression: solutions, certificates and invariances."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from mesomode.connectome import preconditioner, spline
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.limits import fit_without_smoothing
from mesomode.connectome.newton import SINGLE_ABOVE
from mesomode.connectome.objective import Objective
from mesomode.connectome.spline import fit_spline
from mesomode.errors import MemoryLimitError, SolverError
from mesomode.memory import require_memory
from tests.connectome.problems import (
    Problem,
    dense_system,
    objective_of,
    one_dimensional,
    random_problem,
)


@pytest.fixture
def two_levels(monkeypatch):
    """Use the coarse grid on small problems, too."""
    monkeypatch.setattr(preconditioner, "EXACT_BELOW", 10)


def fit(problem, smoothing, **options):
    return fit_spline(*problem, smoothing, **{"tolerance": 1e-9, **options})


@pytest.mark.parametrize("smoothing", [0.03, 0.3, 3.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_agrees_with_a_generic_convex_solver(seed, smoothing):
    cvxpy = pytest.importorskip("cvxpy")
    problem = random_problem(seed, shape=(4, 4, 2), experiments=3)
    assert len(problem.injection) > 19
    x, y, omega, source, target = problem
    weights = cvxpy.Variable((len(y), len(x)), nonneg=True)
    misfit = cvxpy.sum_squares(cvxpy.multiply(omega, weights @ x - y))
    rough = cvxpy.sum_squares(target.toarray() @ weights + weights @ source.toarray())
    cvxpy.Problem(cvxpy.Minimize(misfit + smoothing * 3 / len(x) * rough)).solve(
        solver="CLARABEL", tol_gap_rel=1e-12, tol_gap_abs=1e-12, tol_feas=1e-12
    )
    result = fit(problem, smoothing)
    expected = weights.value
    assert np.linalg.norm(result.weights - expected) < 1e-6 * np.linalg.norm(expected)
    assert (result.weights == 0).any(), "the constraint must bind for this to be a test"


@pytest.mark.parametrize("targets", [None, (5, 5, 3)])
def test_agrees_with_quasi_newton(targets, two_levels):
    problem = random_problem(4, shape=(5, 5, 3), targets=targets)
    objective = Objective(*problem, 1.0)

    def value_and_gradient(flat):
        terms, gradient = objective.value_and_gradient(flat.reshape(objective.shape))
        return terms.total, gradient.ravel()

    size = objective.shape[0] * objective.shape[1]
    twin = minimize(
        value_and_gradient,
        np.zeros(size),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * size,
        options={"maxiter": 20000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 30},
    )
    result = fit(problem, 1.0)
    assert result.converged
    assert_allclose(result.terms.total, twin.fun, rtol=1e-8)
    assert result.terms.total <= twin.fun * (1 + 1e-10)
    distance = np.linalg.norm(result.weights.ravel() - twin.x) / np.linalg.norm(twin.x)
    assert distance < 1e-3


@pytest.mark.parametrize("smoothing", [0.1, 10.0])
def test_linear_solution_solves_the_normal_equations(smoothing, two_levels):
    problem = random_problem(6, targets=(4, 5, 3))
    half, right = dense_system(problem, smoothing)
    expected = np.linalg.solve(half, right)
    result = fit(problem, smoothing, nonnegative=False, tolerance=1e-10)
    distance = np.linalg.norm(result.weights.ravel() - expected)
    assert distance < 1e-5 * np.linalg.norm(expected)
    assert (result.weights < 0).any()
    assert np.isnan(result.gap_bound)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("smoothing", [0.01, 1.0, 1e4])
def test_certificate(seed, smoothing, two_levels):
    problem = random_problem(10 + seed, experiments=5)
    result = fit(problem, smoothing, tolerance=1e-8)
    assert result.converged
    assert (result.weights >= 0).all()
    again = Objective(*problem, smoothing)
    assert_allclose(result.kkt_residual, again.kkt_residual(result.weights), rtol=1e-9, atol=1e-14)
    assert result.kkt_residual < 1e-8
    total = objective_of(problem, smoothing, result.weights)
    assert_allclose(result.terms.total, total, rtol=1e-12)
    assert -1e-10 < result.gap_bound < 1e-6
    # the bound holds for a rough fit, too: no better solution lies below it
    rough = fit(problem, smoothing, tolerance=1e-2, maximum_steps=1)
    lower = rough.terms.total * (1 - rough.gap_bound)
    assert lower <= result.terms.total * (1 + 1e-12)


@pytest.mark.parametrize("smoothing", [0.1, 10.0])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_one_proof_is_enough_and_costs_less_than_the_fit(smoothing, precision, two_levels):
    problem = random_problem(14, shape=(8, 8, 5), experiments=6)
    result = fit(problem, smoothing, tolerance=1e-4, precision=precision)
    best = fit(problem, smoothing, tolerance=1e-8, bound=False).terms.total
    assert result.converged
    assert best >= result.terms.total * (1 - result.gap_bound)
    assert result.gap_bound <= 1e-4
    before = result.history[-1].products
    assert before < result.products < 2 * before


def test_permuting_experiments_and_voxels_changes_nothing(two_levels):
    generator = np.random.default_rng(8)
    problem = random_problem(8, targets=(5, 4, 3))
    base = fit(problem, 2.0, tolerance=1e-11).weights
    e = generator.permutation(problem.injection.shape[1])
    s = generator.permutation(len(problem.injection))
    t = generator.permutation(len(problem.projection))
    permuted = Problem(
        problem.injection[s][:, e],
        problem.projection[t][:, e],
        problem.observed[t][:, e],
        problem.source_laplacian[s][:, s],
        problem.target_laplacian[t][:, t],
    )
    result = fit(permuted, 2.0, tolerance=1e-11).weights
    assert np.linalg.norm(result - base[t][:, s]) < 1e-5 * np.linalg.norm(base)


@pytest.mark.parametrize("factor", [1e-6, 7.0, 1e5])
def test_scaling_the_projections_scales_the_weights(factor):
    problem = random_problem(9)
    base = fit(problem, 2.0).weights
    scaled = fit(problem._replace(projection=factor * problem.projection), 2.0).weights
    assert np.linalg.norm(scaled / factor - base) < 1e-9 * np.linalg.norm(base)


def test_large_lambda_makes_the_weights_constant():
    problem = random_problem(11)
    problem = problem._replace(projection=np.abs(problem.projection))
    weights = fit(problem, 1e9).weights
    x, y, omega = problem[:3]
    total = x.sum(0)
    constant = (omega * y * total).sum() / (omega * total**2).sum()
    assert_allclose(weights, constant, rtol=1e-5)


def test_small_lambda_interpolates_separable_experiments():
    generator = np.random.default_rng(12)
    injection = np.zeros((12, 3))
    for k in range(3):
        injection[4 * k : 4 * k + 3, k] = generator.uniform(0.5, 1, 3)
    projection = generator.uniform(0, 1, (12, 3))
    observed = generator.uniform(size=(12, 3)) > 0.3
    laplacian = graph_laplacian(np.arange(12)[:, None])
    weights = fit_spline(injection, projection, observed, laplacian, laplacian, 1e-7).weights
    assert_allclose((weights @ injection)[observed], projection[observed], atol=1e-4)


def test_unobserved_projections_may_be_anything():
    problem = random_problem(13)
    base = fit(problem, 1.0).weights
    for garbage in (np.nan, np.inf, -1e300):
        dirty = np.where(problem.observed, problem.projection, garbage)
        np.testing.assert_array_equal(fit(problem._replace(projection=dirty), 1.0).weights, base)


def test_a_target_that_was_never_observed_is_interpolated():
    problem = random_problem(14)
    observed = problem.observed.copy()
    observed[3] = False
    result = fit(problem._replace(observed=observed), 1.0)
    assert result.converged
    assert result.undetermined == fit(problem, 1.0).undetermined
    assert np.isfinite(result.weights).all()
    assert result.weights[3].any()


def test_disconnected_grids(two_levels):
    """Two pieces: what experiments reach is fitted, what none reaches is zero and said so."""
    piece = np.array([*np.ndindex(6, 3)])
    voxels = np.concatenate([piece, piece + np.array([9, 0])])
    laplacian = graph_laplacian(voxels)
    generator = np.random.default_rng(15)
    first = np.arange(18)
    injection = np.zeros((36, 3))
    injection[first] = generator.uniform(size=(18, 3))
    projection = generator.uniform(0.2, 1, (36, 3))
    observed = np.ones((36, 3), bool)
    problem = Problem(injection, projection, observed, laplacian, laplacian)
    result = fit(problem, 1.0)
    assert result.converged
    assert result.undetermined == 0.5
    assert (result.weights[:, 18:] == 0).all()
    assert result.weights[:, :18].any(axis=0).all()
    assert abs(result.gap_bound) < 1e-6
    half, right = dense_system(problem, 1.0)
    linear = fit(problem, 1.0, nonnegative=False, tolerance=1e-10).weights.ravel()
    assert_allclose(half @ linear, right, atol=1e-6)


def test_parts_of_the_target_grid_are_problems_of_their_own():
    """Rows of W in different components may be fitted apart; other blocks may not."""
    voxels = np.array([*np.ndindex(6, 5)])
    region = voxels[:, 0] // 2
    generator = np.random.default_rng(4)
    injection = generator.uniform(size=(30, 4)) * (generator.uniform(size=(30, 4)) > 0.6)
    projection = generator.uniform(size=(30, 4)) * (voxels[:, :1] + 1)
    whole = graph_laplacian(voxels)
    data = (injection, projection, injection == 0)
    apart = np.concatenate(
        [
            fit(Problem(injection, *(v[those] for v in data[1:]), whole,
                        graph_laplacian(voxels[those])), 0.5).weights
            for those in (region == part for part in range(3))
        ]
    )  # fmt: skip
    cut = fit(Problem(*data, whole, graph_laplacian(voxels, region)), 0.5)
    assert_allclose(apart, cut.weights, atol=1e-6)
    coupled = fit(Problem(*data, whole, whole), 0.5)
    assert abs(apart - coupled.weights).max() > 1e-2


def test_nothing_projected_anywhere():
    problem = random_problem(16)
    result = fit(problem._replace(projection=np.zeros_like(problem.projection)), 1.0)
    assert result.converged
    assert not result.weights.any()
    assert result.terms.total == 0.0


def test_a_start_of_ones_own_leads_to_the_same_weights():
    problem = random_problem(17)
    base = fit(problem, 1.0, tolerance=1e-11).weights
    start = np.random.default_rng(0).uniform(0, 3, base.shape)
    again = fit(problem, 1.0, tolerance=1e-11, start=start)
    assert again.converged
    assert np.linalg.norm(again.weights - base) < 1e-5 * np.linalg.norm(base)


def test_progress_and_history():
    states = []
    result = fit(random_problem(18), 1.0, progress=states.append)
    assert [r.step for r in result.history] == list(range(result.steps + 1))
    assert result.history[-1].kkt_residual == result.kkt_residual
    assert len(states) >= result.history[-1].products
    assert all(b.products >= a.products for a, b in pairwise(states))


def test_too_few_steps_are_admitted():
    result = fit(random_problem(19), 0.01, tolerance=1e-12, maximum_steps=1)
    assert not result.converged


@pytest.mark.parametrize("targets", [None, (5, 4, 3)])
@pytest.mark.parametrize("factor", [1e-30, 1.0, 1e30])
def test_single_precision_steps_lead_to_the_same_weights(two_levels, factor, targets):
    """And the certificate, calculated in float64, is as good."""
    problem = random_problem(20, targets=targets)
    problem = problem._replace(projection=factor * problem.projection)
    double = fit(problem, 2.0, precision="float64")
    single = fit(problem, 2.0, precision="float32")
    assert single.converged
    assert np.linalg.norm(single.weights - double.weights) < 1e-6 * np.linalg.norm(double.weights)
    assert_allclose(single.terms.total, double.terms.total, rtol=1e-9)
    assert 0 <= single.gap_bound < 1e-8
    linear = [
        fit(problem, 2.0, precision=p, nonnegative=False, tolerance=1e-8).weights
        for p in ("float32", "float64")
    ]
    assert np.linalg.norm(linear[0] - linear[1]) < 1e-5 * np.linalg.norm(linear[1])


def test_numbers_beyond_double_precision():
    problem = random_problem(3)
    with pytest.raises(SolverError, match="not finite"), np.errstate(all="ignore"):
        fit(problem._replace(projection=1e200 * problem.projection), 1.0)


def test_memory_is_stated_before_it_is_taken():
    with pytest.raises(MemoryLimitError, match=r"2.22 GB are needed and 1 GB are available"):
        require_memory(spline.memory_needed(7500, 7500, 28), "fitting", "use less", available=10**9)


@pytest.mark.slow
def test_memory_taken_is_the_memory_stated():
    """Proof included, less than six matrices where conjugate gradients are in float32."""
    problem = random_problem(32, shape=(13, 13, 10), experiments=6)
    problem = problem._replace(observed=np.ones_like(problem.observed))
    size = len(problem.injection) * len(problem.projection)
    assert size > SINGLE_ABOVE
    fit(problem, 1e3, tolerance=1e-2)  # compile first
    tracemalloc.start()
    result = fit(problem, 1e3, tolerance=1e-3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 <= result.gap_bound <= 1e-3
    stated = spline.memory_needed(len(problem.projection), *problem.injection.shape)
    assert 8 * 3 * size < stated < 8 * 5 * size
    assert peak < 8 * 6 * size


# The paper's one-dimensional problem


def relative_error(weights: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(weights - truth) / np.linalg.norm(truth))


def errors(seeds: range, injections: str, **options) -> list[float]:
    """Relative errors of the fits at the paper's lambda."""
    found = []
    for seed in seeds:
        problem, truth = one_dimensional(seed, injections=injections)
        result = fit(problem, 100.0, tolerance=1e-4, bound=False, **options)
        assert result.converged
        found.append(relative_error(result.weights, truth))
    return found


@pytest.mark.slow
def test_error_where_the_bump_is_covered():
    """The paper: 11.1 % on one draw, said to cover the bump well. Here the mean is 10.9 %."""
    found = errors(range(20), "covering")
    assert 0.10 < np.mean(found) < 0.12


@pytest.mark.slow
def test_error_for_any_injections():
    """Where the bump may be missed the mean is 14.2 %, and the spread wide."""
    found = errors(range(20), "random")
    assert 0.13 < np.mean(found) < 0.155
    assert min(found) < 0.06
    assert max(found) > 0.2


@pytest.mark.slow
def test_figure_2_of_the_paper():
    """With the injections of the figure: 7.1 % where the paper reports 11.1 %.

    Why lower is not known; a descent stopped early passes through all errors above.
    """
    found = errors(range(20), "figure")
    assert 0.068 < np.mean(found) < 0.074
    problem, truth = one_dimensional(0, injections="figure")
    blind = problem._replace(observed=np.ones_like(problem.observed))
    weights = fit(blind, 100.0, tolerance=1e-2, bound=False).weights
    assert relative_error(weights, truth) > 0.8
    assert 6 < weights.max() < 9  # the colours of the paper's panel end between 6 and 7
    rough = fit_without_smoothing(*problem[:3]).weights
    assert relative_error(rough, truth) > 0.7
    outside = ~problem.injection.any(axis=1)
    assert (rough[:, outside] == 0).all()  # nothing is interpolated


def test_one_dimensional_problem_without_smoothing():
    problem, truth = one_dimensional(2, points=60)
    good = fit(problem, 1.0, tolerance=1e-4, bound=False).weights
    bad = fit_without_smoothing(*problem[:3]).weights
    assert relative_error(bad, truth) > 1.5 * relative_error(good, truth)
