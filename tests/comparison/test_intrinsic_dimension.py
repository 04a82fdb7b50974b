"""Intrinsic dimension: slow twins, known clouds, invariances, and an independent package."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from mesomode.comparison import neighbours
from mesomode.comparison.dimension import components_for, covariance_eigenvalues, plain_moments
from mesomode.comparison.intrinsic_dimension import (
    levina_bickel,
    local_components,
    two_nearest_neighbours,
)
from mesomode.errors import DataError


def rotation(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def embedded(rng, points, coordinates=50):
    """Points turned into a space of more coordinates."""
    return points @ rotation(rng, coordinates)[: points.shape[1]]


def sorted_distances(points):
    """All distances from every point to the others, ascending."""
    table = np.array([[np.linalg.norm(a - b) for b in points] for a in points])
    return np.sort(table, axis=1)[:, 1:]


# slow twins


@pytest.mark.parametrize("coordinates", [3, 20])
@pytest.mark.parametrize("block", [64e6, 3e4])
def test_neighbours_equal_the_sorted_distances(coordinates, block, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", block)
    points = np.random.default_rng(0).normal(size=(60, coordinates))
    distances, indices = neighbours.nearest_neighbours(points, 7)
    np.testing.assert_allclose(distances, sorted_distances(points)[:, :7], rtol=1e-12)
    again = np.linalg.norm(points[indices] - points[:, None], axis=2)
    np.testing.assert_allclose(distances, again, rtol=1e-12)
    assert not np.any(indices == np.arange(60)[:, None])
    every, _ = neighbours.nearest_neighbours(points, 59)
    np.testing.assert_allclose(every, sorted_distances(points), rtol=1e-12)


def test_close_points_keep_their_order_where_inner_products_lose_it():
    """Groups of three, 1e-9 and 3e-9 apart: differences of 1e-18 of squares of about one."""
    rng = np.random.default_rng(1)
    points, step = rng.normal(size=(50, 30)), rng.normal(size=(50, 30))
    groups = np.vstack([points, points + 1e-9 * step, points + 4e-9 * step])
    groups /= np.abs(groups).max()
    found = neighbours.nearest_neighbours(groups, 1)[1][:, 0]
    expected = np.concatenate([np.arange(50) + 50, np.arange(50), np.arange(50) + 50])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("coordinates", [3, 20])
def test_neighbours_in_time_are_left_out(coordinates):
    rng = np.random.default_rng(5)
    points, times = rng.normal(size=(40, coordinates)), np.sort(rng.permutation(80)[:40])
    distances, indices = neighbours.nearest_neighbours(points, 3, times, 10)
    for point in range(40):
        allowed = np.flatnonzero(np.abs(times - times[point]) > 10)
        expected = np.sort(np.linalg.norm(points[allowed] - points[point], axis=1))[:3]
        np.testing.assert_allclose(distances[point], expected, rtol=1e-12)
        assert np.isin(indices[point], allowed).all()
    with pytest.raises(DataError, match=r"(?s)3 neighbours.*more than 39 frames away.*has"):
        neighbours.nearest_neighbours(points, 3, times, 39)


def test_two_nearest_neighbours_equal_their_formulas():
    points = np.random.default_rng(2).normal(size=(80, 4))
    distances = sorted_distances(points)
    ratio = distances[:, 1] / distances[:, 0]
    found = two_nearest_neighbours(points)
    assert found.dimension == pytest.approx(79 / np.sum(np.log(ratio)), rel=1e-9)
    x = np.log(np.sort(ratio)[:72])
    y = -np.log(1 - np.arange(1, 73) / 80)
    slope = np.linalg.lstsq(x[:, None], y, rcond=None)[0][0]
    assert two_nearest_neighbours(points, "regression").dimension == pytest.approx(slope, rel=1e-9)
    everything = two_nearest_neighbours(points, "regression", discard=0)
    assert np.isfinite(everything.dimension)  # the last one, where F is 1, is left out


def test_levina_and_bickel_equal_their_formula():
    points = np.random.default_rng(3).normal(size=(50, 3))
    distances = sorted_distances(points)
    of_scale, inverse = [], np.zeros(50)
    for k in range(4, 8):
        terms = [
            sum(np.log(row[k - 1] / row[j - 1]) for j in range(1, k)) / (k - 1) for row in distances
        ]
        of_scale.append(1 / np.mean(terms))
        inverse += np.array(terms) / 4
    found = levina_bickel(points, 4, 7)
    assert found.dimension == pytest.approx(np.mean(of_scale), rel=1e-9)
    np.testing.assert_allclose(found.local, 1 / inverse, rtol=1e-9)


@pytest.mark.parametrize("variance", [0.8, 0.95, 1.0])
def test_local_components_equal_the_loop_over_neighbourhoods(variance):
    points = np.random.default_rng(4).normal(size=(60, 6)) * [3, 2, 1, 0.5, 0.3, 0.1]
    found = local_components(points, 12, variance)
    expected = []
    for point in points:
        order = np.argsort(np.linalg.norm(points - point, axis=1))[:13]
        values = covariance_eigenvalues(points[order])
        expected.append(components_for(values, variance))
    np.testing.assert_array_equal(found.local, expected)
    assert found.dimension == pytest.approx(np.mean(expected))


# known clouds


@pytest.mark.parametrize(
    ("true", "nearest", "bickel"),
    [(1, 0.06, 0.06), (2, 0.06, 0.06), (5, 0.09, 0.11), (10, 0.2, 0.2), (20, 0.3, 0.3)],
)
def test_cubes(true, nearest, bickel):
    """In high dimensions all are too low, as most of a cube is near its faces."""
    rng = np.random.default_rng(true)
    points = embedded(rng, rng.random((2500, true)))
    found = two_nearest_neighbours(points).dimension
    fitted = two_nearest_neighbours(points, "regression").dimension
    assert true * (1 - nearest) < found < true * 1.06
    assert fitted == pytest.approx(found, rel=0.05)
    assert true * (1 - bickel) < levina_bickel(points).dimension < true * 1.03
    assert plain_moments(points).participation_ratio == pytest.approx(true, rel=0.02)


@pytest.mark.parametrize(("true", "tolerance"), [(5, 0.06), (10, 0.2)])
def test_gaussian_clouds(true, tolerance):
    rng = np.random.default_rng(10 + true)
    points = embedded(rng, rng.normal(size=(2500, true)))
    assert two_nearest_neighbours(points).dimension == pytest.approx(true, rel=tolerance)
    assert levina_bickel(points).dimension == pytest.approx(true, rel=tolerance)
    assert plain_moments(points).participation_ratio == pytest.approx(true, rel=0.02)


def test_curved_sheets_have_fewer_dimensions_locally_than_globally():
    rng = np.random.default_rng(20)
    angle = 1.5 * np.pi * (1 + 2 * rng.random(5000))
    roll = np.column_stack([angle * np.cos(angle), 21 * rng.random(5000), angle * np.sin(angle)])
    assert two_nearest_neighbours(roll).dimension == pytest.approx(2, rel=0.06)
    assert levina_bickel(roll).dimension == pytest.approx(2, rel=0.06)
    assert local_components(roll).dimension == pytest.approx(2, rel=0.06)
    assert local_components(roll, variance=None).dimension == pytest.approx(2, rel=0.06)
    assert plain_moments(roll).participation_ratio == pytest.approx(2.95, abs=0.03)
    sphere = rng.normal(size=(2500, 6))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    sphere = embedded(rng, sphere)
    assert two_nearest_neighbours(sphere).dimension == pytest.approx(5, rel=0.06)
    assert levina_bickel(sphere).dimension == pytest.approx(5, rel=0.06)
    assert local_components(sphere, variance=None).dimension == pytest.approx(5, rel=0.06)
    assert plain_moments(sphere).participation_ratio == pytest.approx(6, rel=0.01)


def lorenz(steps, step=0.02):
    """Trajectory on the attractor, by the method of Runge and Kutta."""

    def speed(state):
        x, y, z = state
        return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    state, found = np.array([1.0, 1.0, 20.0]), np.empty((steps, 3))
    for index in range(-500, steps):
        one = speed(state)
        two = speed(state + step / 2 * one)
        three = speed(state + step / 2 * two)
        state = state + step / 6 * (one + 2 * two + 2 * three + speed(state + step * three))
        if index >= 0:
            found[index] = state
    return found


def test_the_attractor_of_lorenz_is_a_sheet_but_only_outside_a_window_of_time():
    states = lorenz(4000)
    assert levina_bickel(states, window=40).dimension == pytest.approx(2.05, abs=0.15)
    assert two_nearest_neighbours(states, window=40).dimension == pytest.approx(2.05, abs=0.2)
    assert local_components(states, window=40).dimension == pytest.approx(2, abs=0.2)
    fine = lorenz(4000, 0.002)
    # without a window only the even spacing of frames and the line through them are seen
    assert two_nearest_neighbours(fine).dimension > 10
    assert levina_bickel(fine).dimension < 1.6


def test_handwritten_digits():
    points = load_digits().data
    assert two_nearest_neighbours(points).dimension == pytest.approx(8.8, rel=0.04)
    assert levina_bickel(points).dimension == pytest.approx(7.1, rel=0.01)
    assert plain_moments(points).participation_ratio == pytest.approx(13.2, rel=0.01)


def test_the_local_dimension_tells_parts_of_different_dimension_apart():
    rng = np.random.default_rng(21)
    line, ball = np.zeros((600, 5)), rng.normal(size=(600, 5))
    line[:, 0] = 60 * rng.random(600)
    line[:, 1] = 40
    points = embedded(rng, np.vstack([line, ball]), 15)
    for found in (levina_bickel(points).local, local_components(points, variance=0.95).local):
        assert np.median(found[:600]) == pytest.approx(1, rel=0.1)
        assert np.median(found[600:]) > 4


def test_intervals_hold_the_dimension_about_as_often_as_they_say():
    rng = np.random.default_rng(22)
    inside, found = 0, None
    for _ in range(300):
        angle = 2 * np.pi * rng.random((118, 2))
        found = two_nearest_neighbours(np.hstack([np.cos(angle), np.sin(angle)]))
        assert found.points == 118
        inside += found.interval[0] < 2 < found.interval[1]
    assert 0.9 < inside / 300 < 0.99
    low, high = found.interval
    assert (high - low) / found.dimension == pytest.approx(2 * 1.96 * np.sqrt(1.65 / 118), rel=0.05)
    narrow = two_nearest_neighbours(rng.normal(size=(118, 2)), coverage=0.5)
    assert narrow.interval[0] < narrow.dimension < narrow.interval[1]
    wide = levina_bickel(rng.normal(size=(118, 2)))
    assert wide.interval[0] < wide.dimension < wide.interval[1]


# properties


def estimates(points):
    return np.array(
        [
            two_nearest_neighbours(points).dimension,
            two_nearest_neighbours(points, "regression").dimension,
            levina_bickel(points, 5, 8).dimension,
            local_components(points, 10, 0.9).dimension,
            local_components(points, 10, None).dimension,
        ]
    )


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.integers(2, 20), st.integers(0, 10**6))
def test_isometry_scale_and_order_change_nothing(coordinates, seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(60, coordinates)) * rng.uniform(0.3, 2, coordinates)
    reference = estimates(points)
    for changed in (
        points @ rotation(rng, coordinates) + rng.normal(size=coordinates),
        1e-3 * points,
        1e200 * points,
        points[rng.permutation(60)],
        np.hstack([points, np.zeros((60, 15))]),
        np.vstack([points, points[:20]]),
    ):
        np.testing.assert_allclose(estimates(changed), reference, rtol=1e-6)


def test_independent_noise_dimensions_raise_all_estimates():
    rng = np.random.default_rng(30)
    points = rng.random((500, 2))
    noisy = np.hstack([points, 0.3 * rng.random((500, 3))])
    assert np.all(estimates(noisy) > estimates(points) + 0.3)


def test_duplicates_are_left_out_and_counted():
    rng = np.random.default_rng(31)
    points = rng.normal(size=(100, 3))
    found = two_nearest_neighbours(np.repeat(points, 3, axis=0))
    assert (found.points, found.dropped) == (100, 200)
    assert found.dimension == pytest.approx(two_nearest_neighbours(points).dimension, rel=1e-9)
    assert len(levina_bickel(np.repeat(points, 2, axis=0)).local) == 100


def test_what_has_no_dimension_is_refused():
    rng = np.random.default_rng(32)
    for estimate in (two_nearest_neighbours, levina_bickel, local_components):
        with pytest.raises(DataError, match=r"(?s)all 50 points are the same.*no dimension"):
            estimate(np.full((50, 3), 0.1))
        with pytest.raises(DataError, match=r"(?s)1 of 50 points.*first at point 7"):
            estimate(np.where(np.arange(50)[:, None] == 7, np.nan, rng.normal(size=(50, 3))))
        with pytest.raises(DataError, match=r"(?s)filled table.*\(50,\)"):
            estimate(np.ones(50))
    with pytest.raises(DataError, match="3 distinct points are too few"):
        two_nearest_neighbours(np.repeat(rng.normal(size=(3, 2)), 5, axis=0))
    with pytest.raises(DataError, match=r"(?s)20 distinct points.*20 neighbours.*has 19"):
        levina_bickel(rng.normal(size=(20, 3)))
    lattice = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)
    with pytest.raises(DataError, match=r"(?s)equally far.*lattice"):
        two_nearest_neighbours(lattice)
    with pytest.raises(DataError, match=r"(?s)equally far.*lattice"):
        levina_bickel(lattice, 2, 3)
    with pytest.raises(ValueError, match="no method 'mle'"):
        two_nearest_neighbours(lattice, "mle")
    with pytest.raises(ValueError, match="1 … 5 neighbours"):
        levina_bickel(lattice, 1, 5)
    with pytest.raises(ValueError, match="of 2 neighbours"):
        local_components(lattice, 2)
    with pytest.raises(ValueError, match="0 neighbours"):
        neighbours.nearest_neighbours(lattice, 0)


# an independent implementation


@pytest.fixture(scope="module")
def skdim():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "skdim",
            reason="scikit-dimension, the independent implementation, is not installed",
            exc_type=ImportError,
        )


@pytest.mark.parametrize(("true", "coordinates"), [(2, 8), (5, 8), (10, 30)])
def test_scikit_dimension_finds_the_same(skdim, true, coordinates):
    rng = np.random.default_rng(40 + true)
    points = embedded(rng, rng.normal(size=(400, true)), coordinates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations are not ours
        linear = skdim.id.TwoNN(discard_fraction=0.1).fit(points).dimension_
        likelihood = skdim.id.TwoNN(discard_fraction=0.0, method="mle").fit(points).dimension_
        bickel = skdim.id.MLE().fit(points, n_neighbors=20, comb="mle")
        components = skdim.id.lPCA(ver="ratio", alphaRatio=0.95, fit_explained_variance=False)
        components = components.fit(points).dimension_
    found = two_nearest_neighbours(points, "regression")
    assert found.dimension == pytest.approx(linear, rel=0.03)
    assert two_nearest_neighbours(points).dimension == pytest.approx(likelihood, rel=0.03)
    ours = levina_bickel(points, 20, 20)
    assert ours.dimension == pytest.approx(bickel.dimension_, rel=0.03)
    np.testing.assert_allclose(ours.local, bickel.dimension_pw_, rtol=0.03)
    assert components_for(covariance_eigenvalues(points), 0.95) == components
