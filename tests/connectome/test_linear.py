"""The exact linear solution: against the normal equations written out, and its shortcuts."""

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from mesomode.connectome import representer
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.linear import LinearConnectome, LinearProblem, SpectralBasis
from mesomode.connectome.linear_validation import (
    held_out_predictions,
    leave_one_out,
    linear_path_errors,
)
from mesomode.connectome.model import training_data
from mesomode.connectome.objective import Objective
from mesomode.connectome.scores import relative_error
from mesomode.connectome.truth import region_means
from mesomode.errors import DataError, MemoryLimitError
from mesomode.memory import require_memory
from tests.connectome.problems import (
    Problem,
    dense_system,
    objective_of,
    one_dimensional,
    random_problem,
)


@pytest.fixture
def iterative(monkeypatch):
    """Solve for the unobserved entries by conjugate gradients on small problems, too."""
    monkeypatch.setattr(representer, "DIRECT_LIMIT", 0)
    monkeypatch.setattr(representer, "BLOCK_LIMIT", 4)


def prepare(problem):
    return LinearProblem(
        *problem[:3],
        SpectralBasis.of(problem.source_laplacian),
        SpectralBasis.of(problem.target_laplacian),
    )


def dense_solution(problem, smoothing):
    """Least-norm solution of the normal equations."""
    half, right = dense_system(problem, smoothing)
    size = np.linalg.norm(half, 2)
    return np.linalg.lstsq(half / size, right / size, rcond=1e-13)[0].reshape(
        len(problem.projection), -1
    )


def pieces(seed=0, experiments=4):
    """Sources in 2 pieces and an island, targets in 2 pieces and 2 islands; partial Omega."""
    generator = np.random.default_rng(seed)
    square, line = np.argwhere(np.ones((2, 2))), np.argwhere(np.ones((3, 1)))
    away = np.array([7, 0])
    source = np.array([*np.ndindex(3, 2), *(square + away), [20, 20]])
    target = np.array([*np.ndindex(2, 4), *(line + away), [20, 0], [0, 9]])
    source, target = generator.permutation(source), generator.permutation(target)
    injection = generator.uniform(size=(len(source), experiments))
    injection *= generator.uniform(size=injection.shape) > 0.5
    injection[0] += 0.1
    projection = generator.standard_normal((len(target), experiments))
    observed = generator.uniform(size=projection.shape) > 0.3
    return Problem(
        injection, projection, observed, graph_laplacian(source), graph_laplacian(target)
    )


# The eigenmodes


def test_eigenmodes():
    laplacian = pieces().source_laplacian
    basis = SpectralBasis.of(laplacian)
    vectors = basis.eigenvectors
    assert_allclose(vectors.T @ vectors, np.eye(basis.count), atol=1e-13)
    assert_allclose((vectors * -basis.eigenvalues) @ vectors.T, laplacian.toarray(), atol=1e-12)
    assert (basis.eigenvalues >= 0).all()
    assert (basis.eigenvalues == 0).sum() == len(basis.components) == 3
    for number, start in enumerate(basis.starts):
        inside = basis.labels == number
        assert len(np.unique(vectors[inside, start])) == 1
        assert not vectors[~inside, start].any()
    values = np.random.default_rng(0).standard_normal((basis.count, 2))
    assert_allclose(basis.to_modes(values), vectors.T @ values, atol=1e-14)
    assert_allclose(basis.from_modes(values), vectors @ values, atol=1e-14)
    assert_allclose(basis.mode_values([4, 0, 4]), vectors.T[:, [4, 0, 4]], atol=0)


def test_a_basis_is_made_again_from_its_arrays():
    for laplacian in (pieces().source_laplacian, random_problem(3).source_laplacian):
        basis = SpectralBasis.of(laplacian)
        again = SpectralBasis.of_arrays(basis.labels, basis.eigenvalues, basis.eigenvectors)
        assert len(again.components) == len(basis.components)
        for one, other in zip(again.components, basis.components, strict=True):
            assert_array_equal(one.voxels, other.voxels)
            assert_array_equal(one.eigenvalues, other.eigenvalues)
            assert_array_equal(one.eigenvectors, other.eigenvectors)
    with pytest.raises(DataError, match="as many modes as voxels"):
        SpectralBasis.of_arrays(basis.labels, basis.eigenvalues, basis.eigenvectors[:, 1:])


def test_eigenvalues_of_a_line_are_known():
    basis = SpectralBasis.of(graph_laplacian(np.arange(30)[:, None]))
    expected = 4 * np.sin(np.pi * np.arange(30) / 60) ** 2
    assert_allclose(basis.eigenvalues, expected, atol=1e-13)


def test_only_laplacians_have_eigenmodes_here():
    laplacian = graph_laplacian(np.arange(4)[:, None])
    with pytest.raises(DataError, match="not a Laplacian"):
        SpectralBasis.of(laplacian.tolil()[:3, :3].tocsr())
    with pytest.raises(DataError, match="square"):
        SpectralBasis.of(laplacian[:3])


# Against the normal equations


@pytest.mark.parametrize("smoothing", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("targets", [None, (4, 4, 2)])
@pytest.mark.parametrize("complete", [True, False])
def test_normal_equations(smoothing, targets, complete):
    problem = random_problem(3, shape=(4, 3, 2), targets=targets)
    if complete:
        problem = problem._replace(observed=np.ones_like(problem.observed))
    expected = dense_solution(problem, smoothing)
    fit = prepare(problem).solve(smoothing)
    weights = fit.weights()
    assert_allclose(weights, expected, atol=1e-10 * np.abs(expected).max())
    assert not fit.dual[~problem.observed].any()
    residual = problem.projection - weights @ problem.injection
    assert_allclose(fit.dual, problem.observed * residual, atol=1e-10)
    assert fit.converged
    assert fit.relative_gap < 1e-14


def test_conjugate_gradients_reach_the_gap_asked_for(iterative):
    problem = random_problem(5, shape=(4, 4, 2))
    objective = Objective(*problem, 0.1)
    best = objective.value_and_residual(dense_solution(problem, 0.1))[0].total
    linear = prepare(problem)
    counts = []
    for tolerance in (1e-2, 1e-6, 1e-12):
        fit = linear.solve(0.1, tolerance)
        weights = fit.weights()
        true = objective.value_and_residual(weights)[0].total
        assert fit.converged
        assert_allclose(fit.terms.total, true, rtol=1e-12)
        assert (true - best) / true <= fit.relative_gap * (1 + 1e-6) + 1e-13
        assert fit.relative_gap <= tolerance
        counts.append(fit.iterations)
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("direct", [True, False])
def test_certificates(direct, monkeypatch):
    if not direct:
        monkeypatch.setattr(representer, "DIRECT_LIMIT", 0)
    problem = random_problem(7, shape=(4, 4, 2), targets=(5, 4, 2))
    linear = prepare(problem)
    for tolerance in (1e-3, 1e-9):
        fit = linear.solve(0.3, tolerance)
        weights = fit.weights()
        objective = Objective(*problem, 0.3)
        terms, gradient = objective.value_and_gradient(weights)
        first = objective.value_and_gradient(np.zeros_like(weights))[1]
        expected = np.linalg.norm(gradient) / np.linalg.norm(first)
        assert_allclose(fit.gradient_residual, expected, rtol=1e-6, atol=1e-12)
        assert_allclose(fit.terms.misfit, terms.misfit, rtol=1e-10)
        assert_allclose(fit.terms.penalty, terms.penalty, rtol=1e-10)
        assert_allclose(objective_of(problem, 0.3, weights), fit.terms.total, rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("direct", [True, False])
def test_several_components_and_islands(seed, direct, monkeypatch):
    if not direct:
        monkeypatch.setattr(representer, "DIRECT_LIMIT", 0)
    problem = pieces(seed, experiments=3 + seed)
    fit = prepare(problem).solve(0.5, 1e-13)
    weights = fit.weights()
    half, right = dense_system(problem, 0.5)
    assert_allclose(half @ weights.ravel(), right, atol=1e-6 if not direct else 1e-10)
    unseen = fit.unobserved_pairs[fit.problem.target.labels][:, fit.problem.source.labels]
    assert not weights[unseen].any()
    if seed == 3:  # enough experiments for a unique solution
        expected = dense_solution(problem, 0.5)
        assert_allclose(weights, expected, atol=1e-6 if not direct else 1e-10)


def test_pairs_that_nothing_observes_are_zero_and_counted():
    problem = pieces(1)
    source, target = (SpectralBasis.of(g) for g in problem[3:])
    injection = problem.injection.copy()
    injection[source.labels == 1] = 0.0
    observed = problem.observed.copy()
    observed[target.labels == 2] = False
    linear = LinearProblem(injection, problem.projection, observed, source, target)
    fit = linear.solve(1.0)
    assert fit.unobserved_pairs[:, 1].all()
    assert fit.unobserved_pairs[2].all()
    weights = fit.weights()
    rounding = 1e-13 * np.abs(weights).max()
    assert weights[0].any()
    for values in (
        weights[:, source.labels == 1], weights[target.labels == 2],
        fit.fitted[target.labels == 2],
    ):  # fmt: skip
        assert np.abs(values).max() <= rounding


def test_rows_columns_and_predictions_are_those_of_the_weights(monkeypatch):
    from mesomode.connectome import linear_fit

    monkeypatch.setattr(linear_fit, "BLOCK_BYTES", 16 * 11 * 3)  # several blocks
    problem = pieces(2, 6)
    fit = prepare(problem).solve(2.0)
    weights = fit.weights()
    assert_allclose(fit.rows([5, 0, 5]), weights[[5, 0, 5]], atol=1e-13)
    assert_allclose(fit.columns([3, 10]), weights[:, [3, 10]], atol=1e-13)
    assert_allclose(fit.fitted, weights @ problem.injection, atol=1e-12)
    new = np.random.default_rng(0).uniform(size=(len(problem.injection), 2))
    assert_allclose(fit.predict(new), weights @ new, atol=1e-12)
    with pytest.raises(DataError, match="source voxels"):
        fit.predict(new[:3])


def test_infinite_lambda_is_the_best_constant_on_each_pair():
    problem = pieces(3, 7)
    linear = prepare(problem)
    fit = linear.solve(np.inf)
    weights = fit.weights()
    source, target = linear.source.labels, linear.target.labels
    expected = np.zeros_like(weights)
    for block in range(target.max() + 1):
        rows = np.flatnonzero(target == block)
        total = np.stack([problem.injection[source == s].sum(0) for s in range(source.max() + 1)])
        where = np.argwhere(problem.observed[rows])
        design = total[:, where[:, 1]].T
        values = problem.projection[rows[where[:, 0]], where[:, 1]]
        expected[rows] = np.linalg.lstsq(design, values, rcond=None)[0][source]
    assert_allclose(weights, expected, atol=1e-12)
    assert_allclose(linear.solve(1e9).weights(), expected, atol=1e-6)
    assert fit.terms.penalty == 0.0
    assert fit.converged


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_lambda_must_be_positive(value):
    with pytest.raises(DataError, match="without a penalty the voxel weights are not determined"):
        prepare(random_problem(1)).solve(value)


# Properties


def test_path_equals_single_solutions(iterative):
    problem = random_problem(8)
    linear = prepare(problem)
    values = 10.0 ** np.arange(2, -3, -1)
    cold = [prepare(problem).solve(v, 1e-12) for v in values]
    warm = list(linear.path(values, 1e-12))
    for one, other in zip(cold, warm, strict=True):
        assert_allclose(one.fitted, other.fitted, atol=1e-4)
        assert other.relative_gap <= 1e-12
    assert sum(f.iterations for f in warm) <= sum(f.iterations for f in cold)


def test_small_lambda_interpolates():
    generator = np.random.default_rng(12)
    injection = np.kron(np.eye(3), np.ones((4, 1))) * generator.uniform(0.5, 1, (12, 1))
    projection = generator.uniform(0, 1, (12, 3))
    observed = generator.uniform(size=(12, 3)) > 0.3
    laplacian = graph_laplacian(np.arange(12)[:, None])
    fit = prepare(Problem(injection, projection, observed, laplacian, laplacian)).solve(1e-9)
    assert_allclose(fit.fitted[observed], projection[observed], atol=1e-5)


def test_permutation_scaling_and_garbage():
    generator = np.random.default_rng(8)
    problem = random_problem(8, targets=(5, 4, 3))
    base = prepare(problem).solve(2.0).weights()
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
    assert_allclose(prepare(permuted).solve(2.0).weights(), base[t][:, s], atol=1e-10)
    scaled = problem._replace(projection=-1e5 * problem.projection)
    assert_allclose(prepare(scaled).solve(2.0).weights() / -1e5, base, atol=1e-10)
    dirty = problem._replace(projection=np.where(problem.observed, problem.projection, np.nan))
    np.testing.assert_array_equal(prepare(dirty).solve(2.0).weights(), base)


def test_nothing_projected_anywhere(iterative):
    problem = random_problem(16)
    fit = prepare(problem._replace(projection=np.zeros_like(problem.projection))).solve(1.0)
    assert fit.converged
    assert fit.relative_gap == fit.gradient_residual == fit.terms.total == 0.0
    assert not fit.weights().any()


def test_one_experiment():
    problem = random_problem(17, shape=(4, 4, 2), experiments=1)
    fit = prepare(problem).solve(0.7)
    expected = dense_solution(problem, 0.7)
    assert_allclose(fit.weights(), expected, atol=1e-9)
    with pytest.raises(DataError, match="two experiments"):
        leave_one_out(fit.problem, [1.0])


@pytest.mark.parametrize("direct", [True, False])
def test_duplicate_experiments(direct, monkeypatch):
    if not direct:
        monkeypatch.setattr(representer, "DIRECT_LIMIT", 0)
    x, y, omega, source, target = random_problem(18, shape=(4, 4, 2))
    doubled = Problem(*(np.concatenate([m, m], axis=1) for m in (x, y, omega)), source, target)
    fit = prepare(doubled).solve(0.2, 1e-13)
    expected = dense_solution(doubled, 0.2)
    assert_allclose(fit.weights(), expected, atol=1e-6 if not direct else 1e-9)
    # the misfit counts twice, and so does n_inj in the weight of the penalty
    assert_allclose(expected, dense_solution(Problem(x, y, omega, source, target), 0.2), atol=1e-9)


def test_an_injection_that_covers_a_whole_component():
    problem = pieces(5, 5)
    basis = SpectralBasis.of(problem.source_laplacian)
    injection = problem.injection.copy()
    injection[:, 0] = basis.labels == 0
    problem = problem._replace(injection=injection)
    half, right = dense_system(problem, 1.0)
    weights = prepare(problem).solve(1.0).weights()
    assert_allclose(half @ weights.ravel(), right, atol=1e-10)


def test_an_experiment_that_was_not_observed_at_all_changes_only_the_count():
    problem = random_problem(20, shape=(4, 4, 2), experiments=4)
    observed = problem.observed.copy()
    observed[:, 2] = False
    problem = problem._replace(observed=observed)
    assert_allclose(prepare(problem).solve(1.0).weights(), dense_solution(problem, 1.0), atol=1e-10)


def test_wrong_basis_and_memory():
    problem = random_problem(1)
    basis = SpectralBasis.of(problem.source_laplacian)
    other = SpectralBasis.of(graph_laplacian(np.arange(5)[:, None]))
    with pytest.raises(DataError, match=f"a target basis of 5 voxels for {basis.count} voxels"):
        LinearProblem(*problem[:3], basis, other)
    with pytest.raises(MemoryLimitError):
        require_memory(1e12, "eigenmodes", "less", available=10**9)


# Cross-validation


def refit(problem, train, smoothing):
    """Prediction of all experiments by the dense solution for the training experiments."""
    part = Problem(
        problem.injection[:, train],
        problem.projection[:, train],
        problem.observed[:, train],
        problem.source_laplacian,
        problem.target_laplacian,
    )
    return dense_solution(part, smoothing) @ problem.injection


@pytest.mark.parametrize("complete", [True, False])
def test_leave_one_out_equals_refits(complete):
    problem = random_problem(21, shape=(3, 4, 2), experiments=5)
    if complete:
        problem = problem._replace(observed=np.ones_like(problem.observed))
    values = [0.01, 1.0, np.inf]
    result = leave_one_out(prepare(problem), values)
    for left_out in range(5):
        train = np.arange(5) != left_out
        for number, value in enumerate(values[:2]):
            expected = refit(problem, train, value)[:, left_out]
            assert_allclose(result[number, :, left_out], expected, atol=1e-9)
        expected = prepare(problem).subset(train).solve(np.inf).fitted[:, left_out]
        assert_allclose(result[2, :, left_out], expected, atol=1e-9)


def test_what_a_refit_takes_is_freed_with_it():
    problem = prepare(random_problem(21, shape=(3, 4, 2), experiments=5))
    gc.collect()
    gc.disable()  # a cycle would be left to it, and seldom comes to it among large arrays
    try:
        part = problem.subset([True, True, True, True, False])
        part.solve(1.0)
        kept = [weakref.ref(part.systems[0]), weakref.ref(part.systems[0].smoother(1.0))]
        del part
        assert [reference() for reference in kept] == [None, None]
    finally:
        gc.enable()


def test_leave_one_out_is_unknown_where_nothing_else_was_observed():
    problem = random_problem(22, experiments=2)
    observed = problem.observed.copy()
    observed[:, 1] = False
    first, second = leave_one_out(prepare(problem._replace(observed=observed)), [1.0])[0].T
    assert np.isnan(first).all()
    only = prepare(problem._replace(observed=observed)).subset([True, False]).solve(1.0)
    assert_allclose(second, only.fitted[:, 1], atol=1e-9)


def test_leave_one_out_of_the_only_experiment_in_a_component():
    problem = pieces(4, 5)
    basis = SpectralBasis.of(problem.source_laplacian)
    injection = problem.injection.copy()
    injection[basis.labels == 1, 1:] = 0.0
    injection[basis.labels == 1, 0] = 0.5
    problem = problem._replace(injection=injection, observed=np.ones_like(problem.observed))
    result = leave_one_out(prepare(problem), [0.3])[0]
    for left_out in range(5):
        train = np.arange(5) != left_out
        expected = prepare(problem).subset(train).solve(0.3).fitted[:, left_out]
        assert_allclose(result[:, left_out], expected, atol=1e-9)
    assert_allclose(result[:, 0], refit(problem, np.arange(5) != 0, 0.3)[:, 0], atol=1e-9)


def test_folds_equal_refits():
    problem = random_problem(22, shape=(3, 4, 2), experiments=6)
    folds = np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 0, 1, 0]], bool)
    inner = np.array([[0, 0, 1, 1, 1, 0], [1, 1, 0, 1, 0, 1]], bool)
    values = [0.1, 10.0]
    group = np.arange(len(problem.projection)) % 3
    linear = prepare(problem)
    errors = linear_path_errors(linear, folds, values, training=inner, target_group=group)
    for fold, (test, train) in enumerate(zip(folds, inner, strict=True)):
        predicted = held_out_predictions(linear, test, values, train)
        for number, value in enumerate(values):
            expected = refit(problem, train, value)[:, test]
            assert_allclose(predicted[number], expected, atol=1e-9)
            data = problem.projection[:, test], problem.observed[:, test]
            assert_allclose(errors.voxel[fold, number], relative_error(expected, *data), rtol=1e-8)
            expected = relative_error(expected, *data, group=group)
            assert_allclose(errors.regional[fold, number], expected, rtol=1e-8)
    assert linear_path_errors(linear, folds, values).regional is None


def test_sets_that_cannot_be_used():
    linear = prepare(random_problem(22, experiments=3))
    test = np.array([True, False, False])
    with pytest.raises(DataError, match="in the training and in the test"):
        held_out_predictions(linear, test, [1.0], training=test)
    with pytest.raises(DataError, match="no projection was observed"):
        held_out_predictions(linear, ~test & ~test, [1.0], training=test & ~test)


# The estimator


def arguments(problem):
    x, y, omega, source, target = problem
    return (x.T, y.T, omega.T), {"source_laplacian": source, "target_laplacian": target}


def test_estimator():
    problem = random_problem(23, shape=(4, 4, 2), targets=(4, 3, 2))
    data, grids = arguments(problem)
    model = LinearConnectome(smoothness=0.4)
    with pytest.raises(DataError, match="not fitted"):
        model.predict(data[0])
    with pytest.raises(DataError, match="not fitted"):
        _ = model.weights_
    assert model.fit(*data, **grids) is model
    expected = dense_solution(problem, 0.4)
    assert_allclose(model.weights_, expected, atol=1e-10)
    assert model.most_negative_ == model.weights_.min() < 0
    assert_allclose(model.predict(data[0]), data[0] @ expected.T, atol=1e-10)
    assert_allclose(model.dual_, data[2] * (data[1] - data[0] @ expected.T), atol=1e-10)
    assert model.converged_
    assert model.relative_gap_ < 1e-12
    assert_allclose(model.objective_, objective_of(problem, 0.4, expected), rtol=1e-10)
    assert 0 < model.score(*data) < 1
    assert clone(model).get_params() == {"smoothness": 0.4, "tolerance": 1e-8}
    with pytest.raises(TypeError):
        model.fit(*data, source_region=None, **grids)
    with pytest.raises(DataError, match="target Laplacian"):
        model.fit(*data, source_laplacian=grids["source_laplacian"], target_laplacian=np.eye(3))
    with pytest.raises(DataError, match="tolerance"):
        LinearConnectome(tolerance=0.0).fit(*data, **grids)


def test_weights_of_experiments():
    problem = random_problem(24, shape=(4, 4, 2), experiments=4)
    data, grids = arguments(problem)
    weight = np.array([1.0, 0.0, 4.0, 0.25])
    model = LinearConnectome(0.4).fit(*data, experiment_weight=weight, **grids)
    scaled = training_data(*data, weight)
    expected = dense_solution(Problem(*scaled, *problem[3:]), 0.4)
    assert_allclose(model.weights_, expected, atol=1e-10)
    error = data[2] * (data[1] - data[0] @ expected.T)
    assert_allclose(model.dual_, weight[:, None] * error, atol=1e-10)


def test_weighted_problems_and_group_means():
    problem = pieces(6, 6)
    times = np.array([2.0, 0.0, 1.0, 1.0, 2.0, 0.0])
    linear = prepare(problem)
    fit = linear.weighted(times, count=6).solve(0.4)
    repeated = np.repeat(np.arange(6), times.astype(int))
    drawn = Problem(*(m[:, repeated] for m in problem[:3]), *problem[3:])
    again = prepare(drawn).solve(0.4)
    assert_allclose(fit.weights(), again.weights(), atol=1e-10)
    assert_allclose(fit.terms.total, again.terms.total, rtol=1e-10)
    unscaled = linear.weighted(times).solve(0.6)  # 4 of 6 have a weight
    assert_allclose(unscaled.weights(), fit.weights(), atol=1e-10)
    target, source = np.arange(len(drawn.projection)) % 3, np.arange(len(drawn.injection)) % 2
    expected = region_means(fit.weights(), target, source)
    assert_allclose(fit.group_means(target, source), expected, atol=1e-12)
    with pytest.raises(DataError, match="positive weight"):
        linear.weighted(np.zeros(6))


def test_the_same_grid_is_decomposed_once(monkeypatch):
    problem = random_problem(25)
    calls = []
    original = SpectralBasis.of
    monkeypatch.setattr(
        SpectralBasis, "of", lambda laplacian: calls.append(1) or original(laplacian)
    )
    data, grids = arguments(problem)
    LinearConnectome().fit(*data, **grids)
    assert len(calls) == 1
    basis = original(problem.source_laplacian)
    LinearConnectome().fit(*data, **grids, source_basis=basis, target_basis=basis)
    assert len(calls) == 1


# The paper's one-dimensional problem


@pytest.mark.slow
def test_one_dimensional_problem_of_the_paper():
    """The spec: relative error near 11 %; one draw of the linear solution had 0.1005."""
    errors, clipped = [], []
    for seed in range(20):
        problem, truth = one_dimensional(seed)
        fit = prepare(problem).solve(100.0)
        assert fit.converged
        weights = fit.weights()
        size = np.linalg.norm(truth)
        errors.append(np.linalg.norm(weights - truth) / size)
        clipped.append(np.linalg.norm(np.maximum(weights, 0) - truth) / size)
    assert 0.09 < np.mean(errors) < 0.17
    assert (np.array(clipped) <= np.array(errors)).all()
    assert min(errors) < 0.11 < max(errors)
