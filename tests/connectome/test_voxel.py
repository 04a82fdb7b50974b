"""The voxel model as an estimator: pinned names, hard cases, and the ends of the smoothness."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls

from mesomode.connectome import VoxelConnectome, limits
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.errors import DataError
from tests.connectome.problems import Problem, objective_of, random_problem


def fit(problem: Problem, smoothness: float = 1.0, tolerance: float = 1e-6, **options):
    """Fit through the estimator; a problem is in the paper's order."""
    keywords = {k: options.pop(k) for k in ("experiment_weight", "start") if k in options}
    return VoxelConnectome(smoothness, tolerance, **options).fit(
        problem.injection.T,
        problem.projection.T,
        problem.observed.T,
        source_laplacian=problem.source_laplacian,
        target_laplacian=problem.target_laplacian,
        **keywords,
    )


def chosen(problem: Problem, index) -> Problem:
    """Some of the experiments."""
    x, y, omega, source, target = problem
    return Problem(x[:, index], y[:, index], omega[:, index], source, target)


def test_pinned_call():
    problem = random_problem(1, targets=(5, 4, 3))
    X, Y, Omega = problem.injection.T, problem.projection.T, problem.observed.T
    model = VoxelConnectome(smoothness=100.0, tolerance=1e-6).fit(
        X,
        Y,
        observed=Omega,
        source_laplacian=problem.source_laplacian,
        target_laplacian=problem.target_laplacian,
    )
    assert model.weights_.shape == (Y.shape[1], X.shape[1])
    assert (model.weights_ >= 0).all()
    assert model.converged_
    assert 0 <= model.relative_gap_ <= 1e-6
    assert model.kkt_residual_ <= 1e-6
    assert_allclose(model.objective_, objective_of(problem, 100.0, model.weights_), rtol=1e-12)
    assert_allclose(model.predict(X), X @ model.weights_.T, rtol=1e-14)


def test_clones_like_any_estimator():
    base = pytest.importorskip("sklearn.base")
    model = VoxelConnectome(smoothness=7.0, certificate=False)
    assert base.clone(model).get_params() == model.get_params()
    assert "smoothness=7.0" in repr(model)


@pytest.mark.parametrize("smoothness", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-8])
def test_proven_gap_is_within_the_tolerance_and_true(smoothness, tolerance):
    problem = random_problem(21, experiments=6)
    model = fit(problem, smoothness, tolerance)
    assert model.converged_
    assert model.relative_gap_ <= tolerance
    best = fit(problem, smoothness, 1e-10).objective_
    assert model.objective_ * (1 - model.relative_gap_) <= best * (1 + 1e-12)


def test_unreached_tolerance_is_admitted():
    model = fit(random_problem(19), 0.01, 1e-9, maximum_iterations=1)
    assert not model.converged_


# Hard cases


def test_one_experiment():
    problem = chosen(random_problem(22), [1])
    model = fit(problem)
    assert model.converged_
    assert model.weights_.any()


def test_duplicate_experiments_equal_a_weight():
    """Twice the same experiment is one of twice the weight, and half the lambda."""
    problem = random_problem(23, experiments=3)
    doubled = fit(chosen(problem, [0, 1, 2, 2]), 3.0, 1e-10)
    # the penalty carries n_inj, which is 4 here and 3 there
    weighted = fit(problem, 4.0, 1e-10, experiment_weight=[1.0, 1.0, 2.0])
    assert_allclose(weighted.weights_, doubled.weights_, atol=1e-6 * doubled.weights_.max())


def test_zero_weight_leaves_an_experiment_out():
    problem = random_problem(23, experiments=3)
    out = fit(problem, 1.0, 1e-10, experiment_weight=[1.0, 0.0, 1.0])
    base = fit(chosen(problem, [0, 2]), 1.0, 1e-10)
    assert_array_equal(out.weights_, base.weights_)


def test_injection_that_covers_a_whole_grid():
    """Nothing is observed where the injection is: that experiment says nothing on local targets."""
    problem = random_problem(24)
    x, omega = problem.injection.copy(), problem.observed.copy()
    x[:, 0], omega[:, 0] = 1.0, False
    model = fit(problem._replace(injection=x, observed=omega))
    assert model.converged_
    assert np.isfinite(model.weights_).all()
    x[:, 0], omega[:, 0] = 1.0, True  # as for contralateral targets
    assert fit(problem._replace(injection=x, observed=omega)).converged_


def test_islands():
    """Voxels without neighbours: no smoothing can fill them, which is not an error."""
    voxels = np.array([[0], [1], [2], [10], [20], [21]])
    laplacian = graph_laplacian(voxels)
    generator = np.random.default_rng(3)
    x = generator.uniform(size=(6, 4))
    x[3] = 0.0  # an island no experiment reached
    problem = Problem(
        x, generator.uniform(size=(6, 4)), np.ones((6, 4), bool), laplacian, laplacian
    )
    model = fit(problem, 1.0, 1e-8)
    assert model.converged_
    assert (model.weights_[:, 3] == 0).all()
    assert model.weights_[3].any()


def test_no_projection_at_all():
    problem = random_problem(25)
    for smoothness in (0.0, 1.0, np.inf):
        with np.errstate(all="raise"):
            model = fit(problem._replace(projection=np.zeros_like(problem.projection)), smoothness)
        assert model.converged_
        assert model.relative_gap_ == 0.0
        assert not model.weights_.any()


@pytest.mark.parametrize("smoothness", [0.0, 1.0, np.inf])
@pytest.mark.parametrize("garbage", [np.nan, np.inf, -1e300])
def test_what_was_not_observed_does_not_matter(smoothness, garbage):
    problem = random_problem(26)
    base = fit(problem, smoothness).weights_
    dirty = np.where(problem.observed, problem.projection, garbage)
    assert_array_equal(fit(problem._replace(projection=dirty), smoothness).weights_, base)


def test_missing_where_observed_names_experiment_and_voxel():
    problem = random_problem(26)
    voxel, experiment = np.argwhere(problem.observed)[7]
    broken = problem.projection.copy()
    broken[voxel, experiment] = np.nan
    with pytest.raises(DataError, match=f"experiment {experiment}, target voxel {voxel}"):
        fit(problem._replace(projection=broken))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoothness": -1.0}, "smoothness is -1"),
        ({"smoothness": np.nan}, "smoothness is nan"),
        ({"tolerance": 0.0}, "tolerance is 0"),
        ({"maximum_iterations": 0}, "maximum_iterations is 0"),
        ({"start": np.zeros((2, 2))}, "start of shape"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(DataError, match=message):
        fit(random_problem(26), **options)


def test_laplacian_of_another_grid():
    problem = random_problem(26)
    for smoothness in (1.0, np.inf):
        with pytest.raises(DataError, match="source Laplacian has shape"):
            fit(problem._replace(source_laplacian=graph_laplacian([[0], [1]])), smoothness)


@pytest.mark.parametrize("smoothness", [0.0, 1.0, np.inf])
def test_permutations_change_nothing(smoothness):
    problem = random_problem(27, targets=(5, 4, 3))
    generator = np.random.default_rng(1)
    base = fit(problem, smoothness, 1e-12, certificate=False).weights_
    e, s, t = (
        generator.permutation(n)
        for n in (problem.injection.shape[1], len(problem.injection), len(problem.projection))
    )
    permuted = Problem(
        problem.injection[s][:, e],
        problem.projection[t][:, e],
        problem.observed[t][:, e],
        problem.source_laplacian[s][:, s],
        problem.target_laplacian[t][:, t],
    )
    weights = fit(permuted, smoothness, 1e-12, certificate=False).weights_
    assert np.linalg.norm(weights - base[t][:, s]) < 1e-8 * np.linalg.norm(base)


@pytest.mark.parametrize("smoothness", [0.0, 1.0, np.inf])
@pytest.mark.parametrize("factor", [1e-6, 7.0, 1e5])
def test_scaling_the_projections_scales_the_weights(smoothness, factor):
    problem = random_problem(28)
    base = fit(problem, smoothness, 1e-10, certificate=False).weights_
    scaled = problem._replace(projection=factor * problem.projection)
    weights = fit(scaled, smoothness, 1e-10, certificate=False).weights_ / factor
    assert np.linalg.norm(weights - base) < 1e-8 * np.linalg.norm(base)


# The ends of the smoothness


def test_no_smoothing_is_the_nonnegative_least_squares_of_least_norm():
    """Twin: nonnegative least squares with the ridge as further rows, target by target."""
    problem = random_problem(29, experiments=6)
    result = limits.fit_without_smoothing(*problem[:3])
    x, y, omega = problem[:3]
    for i in range(len(y)):
        seen = x[:, omega[i]].T
        plain, residual = nnls(seen, y[i, omega[i]])
        ridge = 1e-4 * np.eye(len(x))
        small, _ = nnls(np.vstack([seen, ridge]), np.r_[y[i, omega[i]], np.zeros(len(x))])
        own = np.linalg.norm(seen @ result.weights[i] - y[i, omega[i]])
        assert own <= residual + 1e-5  # the ridge
        assert np.linalg.norm(result.weights[i]) <= np.linalg.norm(plain) + 1e-5
        assert_allclose(result.weights[i], small, atol=1e-4)
    assert 0 <= result.relative_gap < 1e-6


def test_no_smoothing_leaves_holes_and_interpolates_data():
    generator = np.random.default_rng(12)
    x = np.zeros((12, 3))
    for k in range(3):
        x[4 * k : 4 * k + 3, k] = generator.uniform(0.5, 1, 3)
    y = generator.uniform(0, 1, (12, 3))
    omega = generator.uniform(size=(12, 3)) > 0.3
    laplacian = graph_laplacian(np.arange(12)[:, None])
    model = fit(Problem(x, y, omega, laplacian, laplacian), 0.0)
    assert_allclose((model.weights_ @ x)[omega], y[omega], atol=1e-7)
    assert (model.weights_[:, 3::4] == 0).all()
    assert model.converged_
    small = fit(Problem(x, y, omega, laplacian, laplacian), 1e-7, 1e-4, certificate=False)
    assert_allclose((small.weights_ @ x)[omega], y[omega], atol=1e-3)


def test_infinite_smoothness_is_the_limit_of_large_ones():
    problem = random_problem(11)
    limit = fit(problem, np.inf)
    assert np.ptp(limit.weights_) == 0.0
    assert limit.converged_
    large = fit(problem, 1e9)
    assert_allclose(large.weights_, limit.weights_, rtol=1e-5)
    assert_allclose(large.objective_, limit.objective_, rtol=1e-5)


def test_infinite_smoothness_on_pieces():
    """Twin: nonnegative least squares on indicator matrices of all pairs of pieces."""
    voxels = np.array([[0], [1], [2], [10], [11], [20]])
    laplacian = graph_laplacian(voxels)
    piece = np.array([0, 0, 0, 1, 1, 2])
    generator = np.random.default_rng(4)
    x, y = generator.uniform(size=(6, 5)), generator.standard_normal((6, 5))
    omega = generator.uniform(size=(6, 5)) > 0.3
    model = fit(Problem(x, y, omega, laplacian, laplacian), np.inf)
    columns, pairs = [], [(a, b) for a in range(3) for b in range(3)]
    for a, b in pairs:
        columns.append((np.outer(piece == a, piece == b) @ x)[omega])
    level, residual = nnls(np.stack(columns, axis=1), y[omega])
    expected = np.zeros((6, 6))
    for (a, b), value in zip(pairs, level, strict=True):
        expected += value * np.outer(piece == a, piece == b)
    assert_allclose(model.weights_, expected, atol=1e-12)
    assert_allclose(model.objective_, residual**2, rtol=1e-12)
    assert model.relative_gap_ < 1e-10
    assert (expected == 0).any(), "the constraint must bind for this to be a test"
