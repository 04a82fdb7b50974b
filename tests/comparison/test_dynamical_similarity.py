"""Distances between linear dynamics: closed forms, invariances, bounds, a slow twin, refusals."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, minimize

from mesomode.comparison import DelayDynamics, dynamical_distance, dynamical_distances
from mesomode.comparison.dynamical_similarity import distance_matrix, pairs_of
from mesomode.comparison.orthogonal_similarity import (
    align_matrices,
    equivariant_frames,
    lower_bounds,
    mirrors_of,
    random_orthogonal,
)
from mesomode.errors import DataError

METRICS = ("euclidean", "angular", "wasserstein")


def orthogonal(n: int, determinant: int, generator: np.random.Generator) -> np.ndarray:
    return random_orthogonal(n, 2, generator)[(1 - determinant) // 2]


def twin(a: np.ndarray, b: np.ndarray, restarts: int = 40) -> float:
    """|A - C B Cᵀ| by scipy from many random starts: C a Cayley transform, or that reflected."""
    n = len(a)
    lower = np.tril_indices(n, -1)
    generator = np.random.default_rng(0)
    best = np.inf
    for trial in range(restarts):
        base = orthogonal(n, 1 - 2 * (trial % 2), generator)

        def loss(parameters, base=base):
            skew = np.zeros((n, n))
            skew[lower] = parameters
            skew -= skew.T
            c = np.linalg.solve(np.eye(n) + skew, np.eye(n) - skew) @ base
            return np.sum((a - c @ b @ c.T) ** 2)

        found = minimize(loss, np.zeros(len(lower[0])), method="BFGS", tol=1e-10)
        best = min(best, found.fun)
    return float(np.sqrt(best))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_minimum_is_that_of_the_slow_twin(n):
    generator = np.random.default_rng(n)
    for _ in range(3):
        a, b = generator.standard_normal((2, n, n))
        found = dynamical_distance(a, b)
        assert found == pytest.approx(twin(a, b, restarts=16), rel=1e-5)


def test_two_by_two_has_a_closed_form():
    """Trace and rotation part are invariant up to sign, the rest is a vector that can be turned."""
    generator = np.random.default_rng(5)
    for _ in range(20):
        a, b = generator.standard_normal((2, 2, 2))
        trace = (np.trace(a) - np.trace(b)) ** 2 / 2
        spin = (abs(a[0, 1] - a[1, 0]) - abs(b[0, 1] - b[1, 0])) ** 2 / 2
        strain = [np.hypot(m[0, 0] - m[1, 1], m[0, 1] + m[1, 0]) for m in (a, b)]
        expected = np.sqrt(trace + spin + (strain[0] - strain[1]) ** 2 / 2)
        assert dynamical_distance(a, b) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("determinant", [1, -1])
@pytest.mark.parametrize("n", [2, 5, 10, 15, 30])
def test_zero_in_other_coordinates(n, determinant):
    generator = np.random.default_rng(n)
    a = generator.standard_normal((n, n)) / np.sqrt(n)
    q = orthogonal(n, determinant, generator)
    assert np.linalg.det(q) == pytest.approx(determinant)
    for metric in METRICS:
        assert dynamical_distance(a, q @ a @ q.T, metric) < 1e-7, metric
    assert dynamical_distance(a, a) == 0


def test_symmetric_matrices_differ_by_sorted_eigenvalues():
    generator = np.random.default_rng(2)
    a, b = generator.standard_normal((2, 12, 12))
    a, b = a + a.T, b + b.T
    expected = np.linalg.norm(np.linalg.eigvalsh(a) - np.linalg.eigvalsh(b))
    found = dynamical_distances([a, b])
    assert found.distance[0] == pytest.approx(expected, rel=1e-9)
    assert found.lower[0] == pytest.approx(expected, rel=1e-9)  # the bound is tight here


def normal_matrix(generator: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A normal matrix with n / 2 conjugate pairs of eigenvalues, and these."""
    values = generator.uniform(0.3, 1, n // 2) * np.exp(1j * generator.uniform(0.2, 3, n // 2))
    matrix = np.zeros((n, n))
    for k, value in enumerate(values):
        block = np.array([[value.real, -value.imag], [value.imag, value.real]])
        matrix[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = block
    q = random_orthogonal(n, 1, generator)[0]
    return q @ matrix @ q.T, np.concatenate([values, values.conj()])


def test_normal_matrices_differ_by_the_assignment_of_eigenvalues():
    generator = np.random.default_rng(3)
    for _ in range(4):
        (a, one), (b, two) = normal_matrix(generator, 8), normal_matrix(generator, 8)
        squares = np.abs(one[:, None] - two) ** 2
        least = squares[linear_sum_assignment(squares)]
        assert dynamical_distance(a, b) == pytest.approx(np.sqrt(least.sum()), rel=1e-6)
        found = dynamical_distance(a, b, "wasserstein")
        assert found == pytest.approx(np.sqrt(least.mean()), rel=1e-9)


def test_eigenvalues_alone_do_not_see_transients():
    a, b = np.diag([0.9, 0.5]), np.array([[0.9, 3.0], [0, 0.5]])
    assert dynamical_distance(a, b, "wasserstein") == pytest.approx(0, abs=1e-12)
    assert dynamical_distance(a, b) > 2


def test_angles_run_from_zero_to_pi():
    generator = np.random.default_rng(4)
    a = generator.standard_normal((5, 5))
    assert dynamical_distance(a, 7 * a, "angular") < 1e-7
    assert dynamical_distance(np.eye(5), -np.eye(5), "angular") == pytest.approx(np.pi)
    b = generator.standard_normal((5, 5))
    unit = [m / np.linalg.norm(m) for m in (a, b)]
    chord = dynamical_distance(*unit)
    found = dynamical_distance(a, b, "angular")
    assert np.cos(found) == pytest.approx(1 - chord**2 / 2, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_symmetric_seeded_and_without_side_effects(metric):
    generator = np.random.default_rng(6)
    a, b = generator.standard_normal((2, 9, 9))
    copies = a.copy(), b.copy()
    one = dynamical_distance(a, b, metric, 3)
    assert one == dynamical_distance(b, a, metric, 3)
    np.random.seed(1)  # noqa: NPY002 - the global generator must not matter
    assert one == dynamical_distance(a, b, metric, 3)
    assert (a == copies[0]).all() and (b == copies[1]).all()


@pytest.mark.parametrize("metric", METRICS)
def test_a_batch_gives_what_single_pairs_give_and_a_metric(metric, monkeypatch):
    monkeypatch.setattr("mesomode.comparison.dynamical_similarity.CHUNK", 10)
    generator = np.random.default_rng(7)
    systems = generator.standard_normal((9, 6, 6)) / np.sqrt(6)
    found = dynamical_distances(systems, metric, 5, threads=2)
    pairs = pairs_of(9)
    single = [dynamical_distance(systems[a], systems[b], metric, 5) for a, b in pairs]
    assert found.distance.tolist() == single
    assert (found.lower <= found.distance).all()
    jobs = [pairs_of(9, job, 4) for job in range(4)]
    assert sorted(map(tuple, np.concatenate(jobs).tolist())) == sorted(map(tuple, pairs.tolist()))
    values = [dynamical_distances(systems, metric, 5, pairs=p).distance for p in jobs]
    matrix = distance_matrix(9, np.concatenate(jobs), np.concatenate(values))
    np.testing.assert_array_equal(matrix, distance_matrix(9, pairs, found.distance))
    sides = matrix[:, :, None] + matrix[None]  # (a, b, c): d(a, b) + d(b, c)
    assert (matrix[:, None] <= sides + 1e-7).all(), "triangle inequality"


def test_bounds_enclose_and_the_alignment_is_orthogonal():
    generator = np.random.default_rng(8)
    systems = generator.standard_normal((8, 10, 10))
    systems[4:] = systems[:4] + 0.1 * generator.standard_normal((4, 10, 10))
    first, second = pairs_of(8).T
    found = align_matrices(systems, first, second)
    c = found.rotation
    np.testing.assert_allclose(c @ np.swapaxes(c, 1, 2), np.broadcast_to(np.eye(10), c.shape),
                               atol=1e-13)  # fmt: skip
    aligned = systems[first] - c @ systems[second] @ np.swapaxes(c, 1, 2)
    np.testing.assert_allclose(np.linalg.norm(aligned, axis=(1, 2)), found.distance, rtol=1e-12)
    assert (found.lower <= found.distance).all() and (found.lower > 0).all()
    any_start = np.linalg.norm(systems[first] - systems[second], axis=(1, 2))
    assert (found.distance <= any_start).all()
    assert found.last_turn.max() < 1e-4


def test_the_lower_bound_is_not_below_the_simpler_ones():
    """Those of singular values, and of symmetric and antisymmetric parts by themselves."""
    generator = np.random.default_rng(9)
    a, b = generator.standard_normal((2, 7, 7))
    (bound,) = lower_bounds(np.stack([a, b]), np.array([0]), np.array([1]))
    singular = np.linalg.norm(
        np.linalg.svd(a, compute_uv=False) - np.linalg.svd(b, compute_uv=False)
    )
    even = np.linalg.eigvalsh(a + a.T) - np.linalg.eigvalsh(b + b.T)
    odd = [np.linalg.svd(m - m.T, compute_uv=False) for m in (a, b)]
    parts = np.sqrt(np.sum(even**2) + np.sum((odd[0] - odd[1]) ** 2)) / 2
    assert bound >= max(singular, parts) - 1e-9
    for c in random_orthogonal(7, 200, generator):
        assert bound <= np.linalg.norm(a - c @ b @ c.T)


def test_frames_turn_with_the_matrix_and_mirrors_are_orthonormal():
    generator = np.random.default_rng(10)
    a = generator.standard_normal((6, 6))
    q = random_orthogonal(6, 1, generator)[0]
    frames = equivariant_frames(np.stack([a, q @ a @ q.T]), 8, np.random.default_rng(0))
    same = np.abs(np.einsum("fij,fij->fj", q @ frames[0], frames[1]))
    np.testing.assert_allclose(same, 1, atol=1e-8)
    mirrors = mirrors_of(a[None])[0]
    gram = np.swapaxes(mirrors, 1, 2) @ mirrors
    np.testing.assert_allclose(gram**2, gram, atol=1e-12)
    assert mirrors.any(axis=(1, 2)).sum() == 6 + 6 - (np.linalg.eigvals(a).imag > 0).sum()


def test_few_starts_give_an_upper_bound_still():
    a, b = np.random.default_rng(11).standard_normal((2, 8, 8))
    least = dynamical_distance(a, b)
    for starts in (1, 2, 5):
        found = dynamical_distances([a, b], starts=starts)
        assert least - 1e-9 <= found.distance[0] <= np.linalg.norm(a - b)
        assert found.lower[0] <= least


def test_matrices_without_a_search():
    assert dynamical_distance(np.zeros((3, 3)), np.eye(3)) == pytest.approx(np.sqrt(3))
    assert dynamical_distance([[2.0]], [[0.5]]) == pytest.approx(1.5)
    assert dynamical_distance(np.zeros((2, 2)), np.zeros((2, 2))) == 0


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (np.eye(3), np.eye(4), {}, "different sizes[\\s\\S]*3, 4[\\s\\S]*same rank"),
        (np.ones((3, 4)), np.eye(3), {}, "square matrices"),
        (np.eye(3) * np.nan, np.eye(3), {}, "NaN"),
        (np.eye(3) * 1j, np.eye(3), {}, "real numbers"),
        (np.eye(3), np.eye(3), {"metric": "cosine"}, "unknown metric 'cosine'"),
        (np.zeros((3, 3)), np.eye(3), {"metric": "angular"}, "zeros"),
        (np.eye(3), np.eye(3), {"sampling_rates": (30.0, 31.0)}, "30 and 31 frames per second"),
        (np.eye(3), np.eye(3), {"sampling_rates": (30.0, -1.0)}, "must be positive"),
    ],
)
def test_refusals(a, b, options, message):
    with pytest.raises(DataError, match=message):
        dynamical_distance(a, b, **options)


def test_sampling_rates_of_fits_are_compared():
    def fitted(rate: float | None) -> DelayDynamics:
        nothing = np.empty(0)
        return DelayDynamics(np.eye(2), np.eye(2), np.ones(2), nothing, 1, 1, rate)

    assert dynamical_distance(fitted(30.0), fitted(30.1)) == 0
    assert dynamical_distance(fitted(None), fitted(30.1)) == 0
    with pytest.raises(DataError, match="unequal sampling rates: 10 and 30 frames per second"):
        dynamical_distance(fitted(30.0), fitted(10.0))


def test_the_package_stays_light():
    code = (
        "import sys, mesomode.comparison as c\n"
        "assert not {'numpy', 'numba', 'scipy'} & set(sys.modules)\n"
        "assert callable(c.dynamical_distance) and callable(c.fit_dynamics)\n"
        "assert not hasattr(c, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
