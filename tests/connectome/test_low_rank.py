"""The low-rank model (P2): its quadratics, its descent, and its agreement with (P1)."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sparse
from sklearn.base import clone

from mesomode import memory
from mesomode.connectome import LowRankConnectome, low_rank_preconditioner
from mesomode.connectome.factored import FactoredWeights
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.low_rank import memory_needed
from mesomode.connectome.low_rank_block import FactorStep
from mesomode.connectome.low_rank_preconditioner import (
    FactorPreconditioner,
    coarse_grid,
    missing_cells,
)
from mesomode.connectome.low_rank_problem import LowRankProblem
from mesomode.connectome.low_rank_solver import solve
from mesomode.connectome.low_rank_start import (
    bump_factors,
    kernel_factors,
    nonnegative_factors,
    truncated,
)
from mesomode.connectome.spline import fit_spline
from mesomode.errors import DataError, MemoryLimitError
from tests.connectome.problems import (
    Problem,
    dense_system,
    objective_of,
    one_dimensional,
    random_problem,
)

LAMBDA = 3.0


def fit(problem: Problem, rank: int, smoothness: float = LAMBDA, start=None, **options):
    x, y, omega, source, target = problem
    model = LowRankConnectome(rank=rank, smoothness=smoothness, **options)
    return model.fit(
        x.T, y.T, omega.T, source_laplacian=source, target_laplacian=target, start=start
    )


def factors(problem: Problem, rank: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    u = generator.uniform(-0.5, 1, (len(problem.projection), rank))
    v = generator.uniform(-0.5, 1, (len(problem.injection), rank))
    return np.maximum(u, 0), np.maximum(v, 0)


def mostly_missing(problem: Problem) -> Problem:
    return problem._replace(observed=~problem.observed)


CASES = {
    "complement": random_problem(0, (4, 3, 3), 3, targets=(3, 3, 3)),
    "listed": mostly_missing(random_problem(0, (4, 3, 3), 3, targets=(3, 3, 3))),
    "all observed": random_problem(1, (4, 3), 3)._replace(observed=np.ones((8, 3), bool)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_objective_is_that_of_the_paper(case):
    problem = CASES[case]
    u, v = factors(problem, 4)
    found = LowRankProblem(*problem, LAMBDA).value(u, v)
    assert found.total == pytest.approx(objective_of(problem, LAMBDA, u @ v.T), rel=1e-12)
    assert found.total == found.misfit + found.penalty


@pytest.mark.parametrize("case", CASES)
def test_the_quadratics_are_those_of_the_dense_normal_equations(case):
    problem = CASES[case]
    u, v = factors(problem, 4)
    matrix, right = dense_system(problem, LAMBDA)
    low = LowRankProblem(*problem, LAMBDA)
    for factor, quadratic, lift in (
        (u, low.target_quadratic(v), np.kron(np.eye(len(u)), v)),
        (v, low.source_quadratic(u), np.kron(u, np.eye(len(v)))),
    ):
        if factor is v:  # from (rank, source) to (source, rank)
            lift = lift.reshape(len(right), u.shape[1], len(v)).transpose(0, 2, 1)
            lift = lift.reshape(len(right), -1)
        normal = lift.T @ matrix @ lift
        found = quadratic.product(factor)
        np.testing.assert_allclose(found.ravel(), normal @ factor.ravel(), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(quadratic.right.ravel(), lift.T @ right, rtol=1e-10, atol=1e-12)
        assert quadratic.curvature >= 0.999 * normal.diagonal().max()


def test_gradients_are_finite_differences():
    problem = CASES["complement"]
    u, v = factors(problem, 3)
    low = LowRankProblem(*problem, LAMBDA)
    generator = np.random.default_rng(1)
    d, e = generator.standard_normal(u.shape), generator.standard_normal(v.shape)
    eps = 1e-5
    for quadratic, at, move, value in (
        (low.target_quadratic(v), u, d, lambda t: low.value(u + t * d, v).total),
        (low.source_quadratic(u), v, e, lambda t: low.value(u, v + t * e).total),
    ):
        slope = 2 * np.vdot(quadratic.product(at) - quadratic.right, move)
        assert (value(eps) - value(-eps)) / (2 * eps) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("side", ["target", "source"])
@pytest.mark.parametrize("coarse", [10, 1000])
def test_the_preconditioner_is_symmetric_positive_and_close(side, coarse):
    problem = CASES["complement"]
    u, v = factors(problem, 3)
    low = LowRankProblem(*problem, 1e3)
    missing = ~problem.observed
    if side == "target":
        shape, quadratic = u.shape, low.target_quadratic(v)
        inverse = FactorPreconditioner(low.target_laplacian, low.weight, None, missing, coarse)
    else:
        shape, quadratic = v.shape, low.source_quadratic(u)
        inverse = FactorPreconditioner(
            low.source_laplacian, low.weight, low.injection, None, coarse
        )
    inverse.prepare(quadratic)
    unit = np.eye(shape[0] * shape[1]).reshape(-1, *shape)
    matrix = np.array([quadratic.product(e).ravel() for e in unit])
    approximate = np.array([inverse.apply(e).ravel() for e in unit])
    np.testing.assert_allclose(approximate, approximate.T, atol=1e-9 * abs(approximate).max())
    assert np.linalg.eigvalsh(approximate).min() > 0
    values = np.linalg.eigvals(approximate @ matrix).real
    assert values.min() > 0.03 and values.max() < 2.5


def test_unobserved_entries_do_not_spoil_the_preconditioner():
    """Where an experiment did not see, the target factor is far less curved."""
    problem, _ = one_dimensional(1, 60)
    low = LowRankProblem(*problem, 100.0)
    u, v = bump_factors(low, 4, np.random.default_rng(0))
    quadratic = low.target_quadratic(v)
    unit = np.eye(u.size).reshape(-1, *u.shape)
    matrix = np.array([quadratic.product(e).ravel() for e in unit])
    conditions = []
    for missing in (None, ~problem.observed):
        inverse = FactorPreconditioner(low.target_laplacian, low.weight, missing=missing)
        inverse.prepare(quadratic)
        approximate = np.array([inverse.apply(e).ravel() for e in unit])
        values = np.linalg.eigvals(approximate @ matrix).real
        conditions.append(values.max() / values.min())
    assert conditions[1] < 2.1 < 50 < conditions[0]


def test_cells_of_unobserved_entries(monkeypatch):
    """Single voxels while they are few, then groups that are wholly unobserved."""
    voxels = np.argwhere(np.ones((12, 12)))
    missing = np.zeros((144, 3), bool)
    missing[:, 0] = np.linalg.norm(voxels - 5, axis=1) < 4
    missing[7, 2] = True
    laplacian = graph_laplacian(voxels)
    grid = sparse.csr_array(sparse.eye_array(144)), np.eye(144)
    cells = missing_cells(laplacian, missing, *grid)
    assert [len(c) for c in cells] == [missing[:, 0].sum(), 0, 1]
    np.testing.assert_array_equal(cells[2], np.eye(144)[[7]])
    monkeypatch.setattr(low_rank_preconditioner, "MISSING_CELLS", 20)
    grouped = missing_cells(laplacian, missing, *grid)
    assert 0 < len(grouped[0]) <= 20
    assert missing[:, 0][grouped[0].any(axis=0)].all()
    np.testing.assert_allclose((grouped[0] ** 2).sum(axis=1), 1)


def test_steps_for_a_factor_reach_the_minimum_and_never_increase_it():
    problem = random_problem(2, (3, 3), 3)
    u, v = factors(problem, 2)
    low = LowRankProblem(*problem, LAMBDA)
    side = FactorStep(FactorPreconditioner(low.target_laplacian, low.weight))
    quadratic = low.target_quadratic(v)
    values = [low.value(u, v).total]
    for _ in range(40):
        u = side.improve(u, quadratic)
        assert (u >= 0).all()
        values.append(low.value(u, v).total)
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    cvxpy = pytest.importorskip("cvxpy")
    matrix, right = dense_system(problem, LAMBDA)
    lift = np.kron(np.eye(len(u)), v)
    root = np.linalg.cholesky(matrix + 1e-13 * np.trace(matrix) * np.eye(len(matrix)))
    x = cvxpy.Variable(lift.shape[1], nonneg=True)
    target = np.linalg.solve(root, right)
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(root.T @ lift @ x - target))).solve(
        solver=cvxpy.CLARABEL
    )
    best = low.value(x.value.reshape(u.shape).clip(0), v).total
    assert values[-1] <= best * (1 + 1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rank", [1, 3])
def test_the_objective_never_increases_and_factors_are_nonnegative(case, rank):
    model = fit(CASES[case], rank, tolerance=1e-9, maximum_iterations=40)
    history = np.array(model.objective_history_)
    assert (np.diff(history) <= 0).all() and history[-1] < history[0]
    assert (model.target_factor_ >= 0).all() and (model.source_factor_ >= 0).all()
    weights = model.weights_
    assert model.objective_ == pytest.approx(objective_of(CASES[case], LAMBDA, weights), rel=1e-10)
    assert model.objective_ == pytest.approx(model.misfit_ + model.penalty_)
    assert len(model.seconds_) == len(history) == model.n_iter_ + 1


def test_it_ends_at_a_stationary_point():
    model = fit(CASES["complement"], 2, tolerance=1e-13, maximum_iterations=3000)
    assert model.converged_ and model.kkt_residual_ < 1e-5
    norms = np.linalg.norm(model.target_factor_, axis=0)
    np.testing.assert_allclose(norms, np.linalg.norm(model.source_factor_, axis=0), rtol=1e-9)


@pytest.mark.parametrize("rank", ["full", "more"])
@pytest.mark.parametrize("seed", [0, 1])
def test_full_rank_attains_the_full_problem(seed, rank):
    problem = random_problem(seed, (5, 6), 4)  # 21 voxels
    count = len(problem.injection)
    best = fit_spline(*problem, LAMBDA, tolerance=1e-9, bound=False)
    model = fit(
        problem, count + (7 if rank == "more" else 0), tolerance=1e-12, maximum_iterations=4000
    )
    assert model.objective_ == pytest.approx(best.terms.total, rel=1e-6)
    assert model.distance_to(best.weights) < 1e-2


def test_distance_to_the_full_fit_falls_with_the_rank():
    problem = random_problem(3, (7, 6, 2), 6)
    best = fit_spline(*problem, LAMBDA, tolerance=1e-8, bound=False)
    models = [fit(problem, rank, start=best.weights, tolerance=1e-4) for rank in (1, 3, 6, 15)]
    distance = [model.distance_to(best.weights) for model in models]
    objective = [model.objective_ for model in models]
    assert (np.diff(distance) < 0).all() and (np.diff(objective) < 0).all()
    assert distance[-1] < 0.15 and objective[-1] < 1.01 * best.terms.total
    expected = np.linalg.norm(models[0].weights_ - best.weights) / np.linalg.norm(best.weights)
    assert distance[0] == pytest.approx(expected)


def test_scaling_the_projections_scales_the_weights():
    problem = random_problem(4, (5, 5), 4)
    once = fit(problem, 2, tolerance=1e-12, maximum_iterations=2000)
    more = fit(
        problem._replace(projection=7 * problem.projection),
        2,
        tolerance=1e-12,
        maximum_iterations=2000,
    )
    np.testing.assert_allclose(more.weights_, 7 * once.weights_, atol=1e-3 * more.weights_.max())


def test_what_was_not_observed_does_not_matter():
    problem = CASES["complement"]
    other = np.where(problem.observed, problem.projection, np.nan)
    model, same = fit(problem, 3), fit(problem._replace(projection=other), 3)
    np.testing.assert_array_equal(model.weights_, same.weights_)


def test_permuting_experiments_and_voxels():
    """From the same start; the inner solves are in float32, and sums in another order differ."""
    problem = CASES["complement"]
    u, v = factors(problem, 3)
    generator = np.random.default_rng(0)
    rows, columns = generator.permutation(len(u)), generator.permutation(len(v))
    order = generator.permutation(problem.injection.shape[1])
    moved = Problem(
        problem.injection[np.ix_(columns, order)],
        problem.projection[np.ix_(rows, order)],
        problem.observed[np.ix_(rows, order)],
        problem.source_laplacian[columns][:, columns],
        problem.target_laplacian[rows][:, rows],
    )
    one = solve(LowRankProblem(*problem, LAMBDA), u, v, maximum_iterations=20, tolerance=0)
    two = solve(
        LowRankProblem(*moved, LAMBDA), u[rows], v[columns], maximum_iterations=20, tolerance=0
    )
    np.testing.assert_allclose(
        two.target_factor @ two.source_factor.T,
        (one.target_factor @ one.source_factor.T)[np.ix_(rows, columns)],
        atol=3e-5,
    )


def test_single_precision_agrees():
    problem = random_problem(3, (7, 6, 2), 6)
    u, v = bump_factors(LowRankProblem(*problem, LAMBDA), 6, np.random.default_rng(0))
    double = solve(LowRankProblem(*problem, LAMBDA), u, v, maximum_iterations=50)
    single = solve(LowRankProblem(*problem, LAMBDA, "float32"), u, v, maximum_iterations=50)
    assert single.target_factor.dtype == np.float32
    assert single.terms.total == pytest.approx(double.terms.total, rel=1e-2)
    assert (np.diff(single.history) <= 0).all()


def test_experiment_weights_are_repetitions():
    problem = CASES["all observed"]
    x, y, omega, source, target = problem
    model = LowRankConnectome(rank=2, smoothness=LAMBDA, tolerance=1e-12, maximum_iterations=2000)
    grid = {"source_laplacian": source, "target_laplacian": target}
    weighted = model.fit(x.T, y.T, omega.T, experiment_weight=[2, 1, 1], **grid).objective_
    twice = [0, 0, 1, 2]
    model.set_params(smoothness=LAMBDA * 3 / 4)  # lambda n_inj stays what it was
    repeated = model.fit(x.T[twice], y.T[twice], omega.T[twice], **grid).objective_
    assert repeated == pytest.approx(weighted, rel=1e-4)


def test_restarts_report_their_spread_and_the_best_is_kept():
    problem = CASES["complement"]
    model = fit(problem, 3, restarts=4, seed=1)
    assert len(model.restart_objectives_) == 4
    assert model.objective_ == min(model.restart_objectives_)
    again = fit(problem, 3, restarts=4, seed=np.random.default_rng(1))
    assert again.restart_objectives_ == model.restart_objectives_


def test_as_an_estimator():
    problem = CASES["complement"]
    x, y, omega = problem[:3]
    model = fit(problem, 3)
    copy = clone(model)
    assert copy.get_params() == model.get_params() and not hasattr(copy, "target_factor_")
    assert model.target_factor_.shape == (len(y), 3) and model.source_factor_.shape == (len(x), 3)
    np.testing.assert_allclose(model.predict(x.T), x.T @ model.weights_.T, rtol=1e-12)
    assert model.score(x.T, y.T, omega.T) < 1
    np.testing.assert_allclose(model.factored_[:, 2], model.weights_[:, 2])
    with pytest.raises(DataError, match="not fitted"):
        copy.predict(x.T)
    with pytest.raises(DataError, match="not fitted"):
        copy.weights_  # noqa: B018
    with pytest.raises(TypeError):
        model.fit(x.T, y.T, source_region=[0])


# Unusual and bad input


def test_one_experiment():
    problem = random_problem(5, (5, 5), 1)
    model = fit(problem, 2, 1.0, tolerance=1e-10)
    best = fit_spline(*problem, 1.0, bound=False).terms.total
    assert best * (1 - 1e-6) <= model.objective_ < 1.2 * best


def test_duplicate_experiments_count_twice():
    x, y, omega, source, target = CASES["complement"]
    twice = Problem(np.hstack([x, x]), np.hstack([y, y]), np.hstack([omega, omega]), source, target)
    one = fit(CASES["complement"], 2, tolerance=1e-12, maximum_iterations=2000)
    two = fit(twice, 2, tolerance=1e-12, maximum_iterations=2000)
    assert two.objective_ == pytest.approx(2 * one.objective_, rel=1e-4)


def test_nothing_projected():
    problem = CASES["complement"]
    model = fit(problem._replace(projection=0 * problem.projection), 3)
    assert model.objective_ == 0 and not model.weights_.any() and model.converged_


def test_no_penalty_interpolates():
    """Where experiments do not overlap, in the limit: convergence is slow without the penalty."""
    x = np.kron(np.eye(3), np.ones((4, 1)))
    laplacian = graph_laplacian(np.arange(12)[:, None])
    y = np.random.default_rng(0).uniform(size=(12, 3))
    problem = Problem(x, y, x == 0, laplacian, laplacian)
    model = fit(problem, 5, 0.0, tolerance=1e-8, maximum_iterations=500)
    assert model.penalty_ == 0 and np.isfinite(model.weights_).all()
    assert model.misfit_ < 1e-6 * np.sum(y**2)


def test_an_enormous_penalty_gives_a_constant():
    model = fit(random_problem(1, (4, 4), 3), 3, 1e10, tolerance=1e-10, maximum_iterations=2000)
    constant = fit_spline(*random_problem(1, (4, 4), 3), 1e10, bound=False).weights
    np.testing.assert_allclose(model.weights_, constant.mean(), rtol=1e-2)


def test_islands_and_an_injection_over_a_whole_one():
    """A second island of targets that nothing observes, and of sources that one fills."""
    x, y, omega, _, _ = one_dimensional(2, 40)[0]
    laplacian = graph_laplacian(np.r_[0:20, 30:50][:, None])
    omega = omega.copy()
    x[20:, 1] = 1.0
    omega[20:] = False
    model = fit(Problem(x, y, omega, laplacian, laplacian), 4, 10.0)
    assert np.isfinite(model.weights_).all() and (np.diff(model.objective_history_) <= 0).all()


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("rank", 0, "rank is 0"),
        ("rank", 2.5, "positive integer"),
        ("restarts", 0, "restarts is 0"),
        ("maximum_iterations", -1, "maximum_iterations is -1"),
        ("tolerance", np.nan, "tolerance is nan"),
        ("smoothness", -1.0, "smoothing lambda is -1"),
        ("smoothness", np.inf, "smoothing lambda is inf"),
        ("precision", "float16", "choose 'float64' or 'float32'"),
    ],
)
def test_parameters_that_cannot_be(parameter, value, message):
    with pytest.raises(DataError, match=message):
        fit(CASES["complement"], **{"rank": 2, parameter: value})


def test_data_that_cannot_be():
    problem = CASES["complement"]
    i, j = np.argwhere(problem.observed)[5]
    bad = problem.projection.copy()
    bad[i, j] = np.nan
    with pytest.raises(DataError, match=f"experiment {j}, target voxel {i}"):
        fit(problem._replace(projection=bad), 2)
    with pytest.raises(DataError, match="target Laplacian has shape"):
        fit(problem._replace(target_laplacian=problem.source_laplacian), 2)
    with pytest.raises(DataError, match="the start has shape"):
        fit(problem, 2, start=np.ones((2, 2)))
    with pytest.raises(DataError, match="not all finite"):
        fit(problem, 2, start=np.full((len(problem.projection), len(problem.injection)), np.nan))


def test_memory_is_stated_beforehand(monkeypatch):
    assert memory_needed(448_962, 226_346, 100, 428) > 12 * (448_962 + 226_346) * 100 * 8
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    with pytest.raises(MemoryLimitError, match="factors of rank 2 to"):
        fit(CASES["complement"], 2)


# Starts and the coarse grid


def test_nonnegative_factors_of_a_nonnegative_matrix():
    generator = np.random.default_rng(0)
    u, v = generator.random((30, 3)), generator.random((20, 3))
    left, values, right = truncated(u, v, 10)
    assert len(values) == 3
    np.testing.assert_allclose((left * values) @ right.T, u @ v.T, atol=1e-12)
    for rank in (1, 2, 3, 5, 8):
        a, b = nonnegative_factors(left, values, right, rank)
        assert a.shape == (30, rank) and (a >= 0).all() and (b >= 0).all()
    one = nonnegative_factors(left, values, right, 1)
    np.testing.assert_allclose(one[0] @ one[1].T, values[0] * np.outer(left[:, 0], right[:, 0]))


def test_starts_are_nonnegative_and_reproduce_smooth_projections():
    problem, _ = one_dimensional(0, 60)
    low = LowRankProblem(*problem, 10.0)
    zero = low.value(np.zeros((60, 1)), np.zeros((60, 1))).total
    for u, v in (kernel_factors(low), bump_factors(low, 9, np.random.default_rng(0))):
        assert (u >= 0).all() and (v >= 0).all()
        np.testing.assert_allclose(v.sum(axis=1), 1)  # a partition of unity
        assert low.value(u, v).total < zero
    u, v = bump_factors(low, 64, np.random.default_rng(0))
    np.testing.assert_array_equal(v[:, :60] @ v[:, :60].T, np.eye(60))
    assert not u[:, 60:].any() and not v[:, 60:].any()


def test_starting_from_weights_in_factors():
    problem = CASES["complement"]
    u, v = factors(problem, 2)
    model = fit(problem, 3, start=FactoredWeights(u, v), maximum_iterations=5)
    before = LowRankProblem(*problem, LAMBDA).value(u, v).total
    assert model.objective_history_[0] < 1.5 * before and model.objective_ < before


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_from_the_full_solution_of_the_published_problem(seed):
    """Rank 20 recovers W_true about as well as full rank (in the paper 9.6 and 11.1 per cent)."""
    problem, truth = one_dimensional(seed)
    best = fit_spline(*problem, 100.0, bound=False).weights
    model = fit(problem, 20, 100.0, start=best, maximum_iterations=60)
    full = np.linalg.norm(best - truth) / np.linalg.norm(truth)
    assert model.distance_to(best) < 0.12
    assert model.distance_to(truth) < full + 0.05


def test_coarse_grids():
    laplacian = graph_laplacian(np.argwhere(np.ones((12, 11, 5))))
    for most in (300, 40, 5):
        grid = coarse_grid(laplacian, most)
        assert grid.shape[1] <= most
        np.testing.assert_allclose(grid.sum(axis=1), 1)
        assert grid.data.min() >= 0
    islands = sparse.csr_array((30, 30))
    assert coarse_grid(islands, 5).shape == (30, 30)


def test_extrapolation_makes_it_faster():
    """Where the descent is slow; both end in the same flat valley."""
    low = LowRankProblem(*random_problem(3, (9, 8, 2), 8), LAMBDA)
    u, v = bump_factors(low, 6, np.random.default_rng(0))
    plain = solve(low, u, v, maximum_iterations=60, tolerance=0, extrapolate=False)
    fast = solve(low, u, v, maximum_iterations=60, tolerance=0)
    assert (np.diff(plain.history) <= 0).all() and (np.diff(fast.history) <= 0).all()
    assert fast.terms.total < plain.terms.total
