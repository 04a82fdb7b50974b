"""Procrustes shape distance: brute force, invariances, and that it is a metric."""

import numpy as np
import pytest
from scipy.spatial import procrustes

from mesomode.comparison.shape_distance import procrustes_distance
from mesomode.errors import DataError


def rotation(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def normalised(values):
    centred = values - values.mean(axis=0)
    return centred / np.linalg.norm(centred)


def test_it_is_the_minimum_over_all_orthogonal_maps_of_the_plane():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 15, 2))
    angles = np.linspace(0, 2 * np.pi, 20001)
    first, second = normalised(one), normalised(two)
    best = np.inf
    for mirrored in (second, second * [1, -1]):
        turned = np.linalg.det(np.stack([first, mirrored], axis=1)).sum(), np.sum(first * mirrored)
        overlap = np.max(turned[1] * np.cos(angles) + turned[0] * np.sin(angles))
        best = min(best, np.sqrt(2 - 2 * overlap))
    euclidean = procrustes_distance(one, two, "euclidean")
    assert euclidean == pytest.approx(best, abs=1e-7)
    assert procrustes_distance(one, two) == pytest.approx(np.arccos(1 - best**2 / 2), abs=1e-6)


def test_it_agrees_with_the_analysis_of_scipy_which_also_fits_the_scale():
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(2, 30, 6))
    two += 2 * one
    squared = procrustes(one, two)[2]  # 1 − (Σ singular values)²
    assert np.sin(procrustes_distance(one, two)) ** 2 == pytest.approx(squared, rel=1e-9)


@pytest.mark.parametrize("units", [4, 40])
def test_invariances_and_small_distances(units):
    rng = np.random.default_rng(2)
    one = rng.normal(size=(20, units))
    mirror = rotation(rng, units)
    mirror[0] *= -np.linalg.det(mirror)  # determinant −1
    for changed in (
        one @ mirror,
        1e-150 * one + 0,
        one + rng.normal(size=units),
        np.hstack([one, np.zeros((20, 3))]),
        np.hstack([one, one]),
    ):
        assert procrustes_distance(one, changed) < 1e-13
    nudge = rng.normal(size=one.shape)
    small, large = (procrustes_distance(one, one + step * nudge) for step in (1e-9, 1e-7))
    assert large / small == pytest.approx(100, rel=1e-3)


def test_it_is_a_metric_also_between_different_numbers_of_units():
    rng = np.random.default_rng(3)
    shapes = [rng.normal(size=(12, n)) for n in (2, 3, 5, 20, 30)]
    for kind in ("angular", "euclidean"):
        table = np.array([[procrustes_distance(a, b, kind) for b in shapes] for a in shapes])
        np.testing.assert_allclose(table, table.T, atol=1e-12)
        for middle in range(5):
            assert np.all(table <= table[:, [middle]] + table[[middle]] + 1e-12)


def test_more_units_bring_unrelated_populations_nearer():
    rng = np.random.default_rng(4)
    found = [procrustes_distance(*rng.normal(size=(2, 118, n))) for n in (50, 200, 1000)]
    np.testing.assert_allclose(found, [1.02, 0.55, 0.24], atol=0.03)


def test_unusable_input_is_refused():
    table = np.random.default_rng(5).normal(size=(10, 3))
    with pytest.raises(DataError, match="10 and of 8 images"):
        procrustes_distance(table, table[:8])
    with pytest.raises(DataError, match="responds to all images alike"):
        procrustes_distance(table, np.ones((10, 3)))
    with pytest.raises(ValueError, match="none of angular, euclidean"):
        procrustes_distance(table, table, "cosine")
