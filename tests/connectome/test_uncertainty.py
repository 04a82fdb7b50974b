"""Posterior variance against the dense Gaussian posterior; coverage against its definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.connectome import representer, variance_modes
from mesomode.connectome.coverage import coverage, smoothing_length
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.linear import LinearProblem, SpectralBasis
from mesomode.connectome.uncertainty import (
    noise_variance,
    posterior_samples,
    posterior_variance_map,
)
from mesomode.connectome.variance_modes import interpolation_nodes
from mesomode.errors import DataError
from tests.connectome.problems import Problem, dense_system, random_problem


def prepare(problem):
    return LinearProblem(
        *problem[:3],
        SpectralBasis.of(problem.source_laplacian),
        SpectralBasis.of(problem.target_laplacian),
    )


def small(seed=1, complete=True, experiments=3):
    problem = random_problem(seed, shape=(4, 4, 1), targets=(5, 3, 1), experiments=experiments)
    if complete:
        problem = problem._replace(observed=np.ones_like(problem.observed))
    return problem


def dense_variance(problem, smoothing, noise):
    """Diagonal of the posterior covariance, (target, source)."""
    half, _ = dense_system(problem, smoothing)
    return noise * np.diag(np.linalg.inv(half)).reshape(len(problem.projection), -1)


def two_sheets(seed, experiments=6):
    """Sources and targets in two components each, everything observed."""
    generator = np.random.default_rng(seed)
    square, away = np.argwhere(np.ones((3, 2))), np.array([9, 0])
    source = np.concatenate([square, square[:4] + away])
    target = np.concatenate([square[:, ::-1], square[:3] + away])
    return Problem(
        generator.uniform(size=(len(source), experiments)),
        generator.standard_normal((len(target), experiments)),
        np.ones((len(target), experiments), bool),
        graph_laplacian(source),
        graph_laplacian(target),
    )


@pytest.mark.parametrize("smoothing", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("make", [small, two_sheets])
def test_variance_is_that_of_the_dense_posterior(smoothing, make):
    problem = make(1)
    result = posterior_variance_map(prepare(problem), smoothing, 0.3)
    expected = dense_variance(problem, smoothing, 0.3).mean(axis=0)
    assert_allclose(result.posterior, expected, rtol=1e-8)
    assert result.complete
    assert not result.standard_error.any()
    assert ((result.reduction > 0) & (result.reduction <= 1)).all()
    assert ((result.informed_patterns > 0) & (result.informed_patterns <= 1)).all()


def test_prior_and_reduction_are_those_with_known_constants():
    """Constrain the constants by a very large precision and compare with the dense covariances."""
    problem, smoothing, noise = two_sheets(2), 0.5, 2.0
    source, target = (SpectralBasis.of(g) for g in problem[3:])
    half, _ = dense_system(problem, smoothing)
    nothing = dense_system(problem._replace(observed=~problem.observed), smoothing)[0]
    constants = [
        np.outer(target.labels == t, source.labels == s).ravel() for t in (0, 1) for s in (0, 1)
    ]
    pin = sum(1e7 * np.outer(c, c) / c.sum() for c in constants)
    shape = (target.count, source.count)
    known, prior = (
        np.diag(np.linalg.inv(m + pin)).reshape(shape).mean(axis=0) for m in (half, nothing)
    )
    result = posterior_variance_map(prepare(problem), smoothing, noise)
    assert_allclose(result.prior, noise * prior, rtol=1e-5)
    assert_allclose(result.reduction, 1 - known / prior, rtol=1e-4)


@pytest.mark.parametrize("direct", [True, False])
def test_unobserved_entries_by_simulated_fill_in(direct, monkeypatch):
    if not direct:
        monkeypatch.setattr(representer, "DIRECT_LIMIT", 0)
    problem = small(3, complete=False)
    linear = prepare(problem)
    expected = dense_variance(problem, 0.5, 0.3).mean(axis=0)
    plain = posterior_variance_map(linear, 0.5, 0.3)
    assert not plain.complete
    assert (plain.posterior <= expected * (1 + 1e-9)).all()
    assert plain.posterior.sum() < 0.97 * expected.sum()
    result = posterior_variance_map(
        linear, 0.5, 0.3, generator=np.random.default_rng(0), samples=400
    )
    assert result.complete
    assert (result.standard_error > 0).all()
    assert (np.abs(result.posterior - expected) < 4 * result.standard_error).all()
    assert_allclose(result.posterior, expected, rtol=0.25)


def test_posterior_samples_have_the_posterior_mean_and_covariance():
    problem = small(4, complete=False)
    linear = prepare(problem)
    mean = linear.solve(0.5).weights()
    half, _ = dense_system(problem, 0.5)
    covariance = 0.2 * np.linalg.inv(half)
    draws = np.stack(
        [w.ravel() for w in posterior_samples(linear, 0.5, 0.2, 600, np.random.default_rng(1))]
    )
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (draws - mean.ravel()).T)
    count = whitened.size
    assert abs(whitened.mean()) < 4 / np.sqrt(count)
    assert abs((whitened**2).mean() - 1) < 4 * np.sqrt(2 / count)
    # each direction on its own, the smooth and poorly determined ones included
    spread = (whitened**2).mean(axis=1)
    assert (np.abs(spread - 1) < 5 * np.sqrt(2 / 600)).all()
    correlation = whitened @ whitened.T / 600
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 6 / np.sqrt(600)


def test_samples_repeat_with_the_same_seed():
    linear = prepare(small(5, complete=False))
    one, other = (
        next(posterior_samples(linear, 1.0, 0.1, 1, np.random.default_rng(7))) for _ in range(2)
    )
    assert_array_equal(one, other)


def test_unobserved_pairs_do_not_spoil_the_map():
    problem = two_sheets(3)
    source, target = (SpectralBasis.of(g) for g in problem[3:])
    observed = problem.observed.copy()
    observed[target.labels == 1] = False
    injection = problem.injection.copy()
    injection[source.labels == 1] = 0.0
    linear = LinearProblem(injection, problem.projection, observed, source, target)
    result = posterior_variance_map(linear, 1.0, 0.5)
    seen, there = source.labels == 0, target.labels == 0
    part = Problem(
        injection[seen],
        problem.projection[there],
        observed[there],
        problem.source_laplacian[seen][:, seen],
        problem.target_laplacian[there][:, there],
    )
    # n_x of the whole problem is in rho
    expected = dense_variance(part, 1.0 * seen.sum() / len(seen), 0.5).mean(axis=0)
    assert_allclose(result.posterior[seen], expected, rtol=1e-8)
    assert np.isinf(result.posterior[~seen]).all()
    assert not result.reduction[~seen].any()
    assert not result.informed_patterns[~seen].any()


def test_constants_that_cannot_be_told_apart_have_infinite_variance():
    problem = two_sheets(4, experiments=1)  # one experiment, two source components
    result = posterior_variance_map(prepare(problem), 1.0, 0.5)
    assert np.isinf(result.posterior).all()
    assert not result.reduction.any()


def test_more_experiments_never_add_variance():
    problem = small(6, experiments=5)
    linear = prepare(problem)
    before = None
    for count in (1, 3, 5):
        chosen = np.arange(5) < count
        # n_inj enters the weight of the penalty: keep it
        result = posterior_variance_map(linear.subset(chosen), 1.0 / count, 1.0)
        if before is not None:
            assert (result.posterior <= before * (1 + 1e-9)).all()
        before = result.posterior


def test_interpolation_between_target_modes():
    values = SpectralBasis.of(graph_laplacian(np.argwhere(np.ones((30, 20))))).eigenvalues[1:]
    nodes, weights = interpolation_nodes(values)
    assert len(nodes) < len(values) / 3
    for shift, level in ((0.0, 1e-3), (1e-2, 10.0), (2.0, 1.0)):
        expected = (1 / ((values + shift) ** 2 + level)).sum()
        assert_allclose(weights @ (1 / ((nodes + shift) ** 2 + level)), expected, rtol=1e-8)
    few = np.array([0.1, 0.2, 5.0])
    assert_allclose(interpolation_nodes(few)[0], few)
    assert len(interpolation_nodes(few[:0])[0]) == 0


def test_variance_with_interpolated_modes(monkeypatch):
    source = graph_laplacian(np.argwhere(np.ones((5, 4))))
    target = graph_laplacian(np.argwhere(np.ones((20, 17))))
    generator = np.random.default_rng(8)
    data = generator.uniform(size=(20, 3)), generator.uniform(size=(340, 3))
    linear = prepare(Problem(*data, np.ones((340, 3), bool), source, target))
    result = posterior_variance_map(linear, 0.5, 0.3)
    assert len(interpolation_nodes(linear.target.eigenvalues[1:])[0]) < 100
    monkeypatch.setattr(variance_modes, "NODES", 1000)
    exact = posterior_variance_map(linear, 0.5, 0.3)
    assert_allclose(result.posterior, exact.posterior, rtol=1e-8)
    assert_allclose(result.informed_patterns, exact.informed_patterns, rtol=1e-8)


# The noise


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("make", [small, two_sheets])
def test_degrees_of_freedom(complete, make):
    problem = make(9)
    if not complete:
        observed = np.random.default_rng(0).uniform(size=problem.observed.shape) > 0.3
        problem = problem._replace(observed=observed)
    half, _ = dense_system(problem, 0.5)
    covariance = np.linalg.inv(half)
    design = np.stack(
        [
            np.outer(np.arange(len(problem.projection)) == y, problem.injection[:, i]).ravel()
            for y, i in np.argwhere(problem.observed)
        ]
    )
    expected = np.trace(design @ covariance @ design.T)
    fit = prepare(problem).solve(0.5)
    result = noise_variance(fit)
    assert_allclose(result.degrees_of_freedom, expected, rtol=1e-8)
    assert_allclose(result.variance, fit.terms.misfit / (problem.observed.sum() - expected))
    assert result.standard_error == 0


def test_degrees_of_freedom_by_probes(monkeypatch):
    problem = small(10, complete=False)
    fit = prepare(problem).solve(0.5)
    exact = noise_variance(fit)
    monkeypatch.setattr(representer, "TRACE_LIMIT", 0)
    with pytest.raises(DataError, match="random probes"):
        noise_variance(fit)
    result = noise_variance(fit, np.random.default_rng(0), probes=200)
    assert 0 < result.standard_error < 1
    difference = abs(result.degrees_of_freedom - exact.degrees_of_freedom)
    assert difference < 4 * result.standard_error


def test_noise_is_recovered_where_the_truth_is_a_draw_from_the_prior():
    problem = random_problem(11, shape=(6, 5, 1), experiments=4)
    linear = prepare(problem)
    nothing = linear.with_projection(np.zeros_like(problem.projection))
    generator = np.random.default_rng(11)
    penalty = (linear.target.eigenvalues[:, None] + linear.source.eigenvalues) ** 2
    free = penalty == 0  # the constants
    root = np.where(free, 5.0, 0.2 / np.sqrt(linear.weight_of_penalty(1.0) * (penalty + free)))
    estimates = []
    for _ in range(40):
        modes = root * generator.standard_normal(root.shape)
        data = linear.target.from_modes(modes @ linear.injection_modes)
        data += 0.2 * generator.standard_normal(data.shape)
        estimates.append(noise_variance(nothing.with_projection(data).solve(1.0)).variance)
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - 0.04) < 4 * error
    assert error < 0.004


def test_settings_that_cannot_be_used():
    linear = prepare(small())
    for smoothing, noise in ((np.inf, 1.0), (1.0, np.nan), (1.0, -1.0)):
        with pytest.raises(DataError, match="no posterior variance"):
            posterior_variance_map(linear, smoothing, noise)
        with pytest.raises(DataError, match="no posterior"):
            next(posterior_samples(linear, smoothing, noise, 1, np.random.default_rng(0)))
    with pytest.raises(DataError, match="generator"):
        posterior_variance_map(linear, 1.0, 1.0, samples=3)


# The coverage


def test_coverage_codes():
    # a line of ten voxels, an island of two, an island of one
    position = np.array([[100.0 * i] for i in [*range(10), 20, 21, 40]])
    component = np.array([0] * 10 + [1] * 2 + [2])
    injection = np.zeros((13, 3))
    injection[[1, 2], 0] = 0.5
    injection[[2, 3], 1] = 0.5
    injection[8, 2] = 1.0
    injection[10, 1] = 0.1
    observed = np.zeros((4, 3), bool)
    observed[0, 0] = observed[1:3, 1] = True
    result = coverage(injection, observed, position, component, 100.0)
    assert_array_equal(result.code, [0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 0, 0, 3])
    assert_array_equal(result.injections, [0, 1, 2, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0])
    assert_array_equal(result.distance, [100, 0, 0, 0, 100, 200, 200, 100, 0, 100, 0, 100, np.inf])
    fraction = [0.25, 0.75, 0.75, 0.75, 0.5, 0, 0, 0, 0, 0, 0.5, 0.5, 0]
    assert_allclose(result.observed_fraction, fraction)
    strict = coverage(
        injection, observed, position, component, 100.0, least_injection=0.2, least_observed=0.5
    )
    assert_array_equal(strict.code, [2, 0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3])


def test_smoothing_length():
    injection = np.zeros((50, 2))
    injection[:4, 0] = injection[9:13, 1] = 1.0
    assert_allclose(smoothing_length(injection, 4 * 5.0**4, 100.0), 500.0)
    assert smoothing_length(injection, 1e-9, 100.0) == 100.0
    assert smoothing_length(injection, np.inf, 100.0) == np.inf
    with pytest.raises(DataError, match="smoothing length"):
        smoothing_length(injection, 0.0, 100.0)
    with pytest.raises(DataError, match="smoothing length"):
        smoothing_length(0 * injection, 1.0, 100.0)


def test_coverage_refuses_what_does_not_fit():
    with pytest.raises(DataError, match="do not fit together"):
        coverage(np.ones((3, 2)), np.ones((4, 2)), np.ones((3, 3)), np.zeros(3, int), 1.0)
    with pytest.raises(DataError, match="reach is -1"):
        coverage(np.ones((3, 2)), np.ones((4, 2), bool), np.ones((3, 3)), np.zeros(3, int), -1)
