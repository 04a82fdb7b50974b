"""Null models of a connectome's spectrum: what each keeps, and that it forgets the rest."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from mesomode.errors import DataError
from mesomode.network.nulls import degree_preserving, distance_preserving, shuffled


def sparse(units: int = 60, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    liking = generator.lognormal(0, 1, (2, units))
    chance = np.minimum(0.1 * np.outer(*liking), 0.9)
    weights = generator.poisson(3, (units, units)) + 1.0
    weights *= generator.random((units, units)) < chance
    np.fill_diagonal(weights, 0)
    return weights


def elsewhere(matrix: np.ndarray) -> np.ndarray:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def test_shuffled_weights_are_the_same_weights():
    weights = sparse() + np.diag(np.arange(60.0))
    drawn = shuffled(weights, np.random.default_rng(1))
    assert_array_equal(np.diagonal(drawn), np.arange(60))
    assert_array_equal(np.sort(elsewhere(drawn)), np.sort(elsewhere(weights)))
    assert abs(np.corrcoef(elsewhere(drawn), elsewhere(weights))[0, 1]) < 0.08


def test_exchanges_keep_all_degrees_and_what_units_send():
    weights = sparse()
    drawn = degree_preserving(weights, np.random.default_rng(1))
    assert_array_equal((drawn > 0).sum(axis=0), (weights > 0).sum(axis=0))
    assert_array_equal((drawn > 0).sum(axis=1), (weights > 0).sum(axis=1))
    assert_array_equal(drawn.sum(axis=0), weights.sum(axis=0))
    assert_array_equal(np.sort(drawn[drawn > 0]), np.sort(weights[weights > 0]))
    assert not np.diagonal(drawn).any()
    both = np.count_nonzero((drawn > 0) & (weights > 0)) / np.count_nonzero(weights)
    received, sent = (weights > 0).sum(axis=1), (weights > 0).sum(axis=0)
    chance = np.sum(np.outer(received, sent) * (weights > 0)) / weights.astype(bool).sum() ** 2
    assert abs(both - chance) < 0.12, "no more common connections than the degrees make"


def test_exchanges_reach_every_matrix_of_these_degrees_equally_often():
    """A ring of three, in two directions: the only matrices with one connection each way."""
    ring = np.roll(np.eye(4), 1, axis=1)
    counts = {}
    generator = np.random.default_rng(0)
    for _ in range(1800):
        key = degree_preserving(ring, generator).tobytes()
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 9, "permutations of four without a fixed point"
    assert_allclose(list(counts.values()), 200, atol=65)


def test_dense_weights_are_rescaled_to_their_sums():
    generator = np.random.default_rng(0)
    weights = generator.lognormal(0, 1, (40, 40)) * generator.lognormal(0, 1, 40)[:, None]
    drawn = degree_preserving(weights, np.random.default_rng(1))
    between, random = weights.copy(), drawn.copy()
    np.fill_diagonal(between, 0)
    np.fill_diagonal(random, 0)
    assert_allclose(random.sum(axis=1), between.sum(axis=1), rtol=1e-4)
    assert_allclose(random.sum(axis=0), between.sum(axis=0), rtol=1e-4)
    assert_array_equal(np.diagonal(drawn), np.diagonal(weights))
    expected = np.outer(between.sum(axis=1), between.sum(axis=0)) / between.sum()
    left = np.corrcoef(elsewhere(weights / expected), elsewhere(drawn / expected))[0, 1]
    assert abs(left) < 0.08


def test_the_decay_with_distance_is_kept_and_the_rest_is_not():
    generator = np.random.default_rng(0)
    position = generator.uniform(0, 1, (50, 2))
    distance = cdist(position, position)
    weights = np.exp(-distance / 0.2) * generator.lognormal(0, 0.5, (50, 50))
    drawn = distance_preserving(weights, position, np.random.default_rng(1), bins=10)
    edges = np.quantile(elsewhere(distance), np.linspace(0, 1, 11)[1:-1])
    group = np.searchsorted(edges, distance, side="right")
    for number in range(10):
        members = (group == number) & ~np.eye(50, dtype=bool)
        assert members.sum() > 200
        assert_array_equal(np.sort(drawn[members]), np.sort(weights[members]))
        assert abs(np.corrcoef(drawn[members], weights[members])[0, 1]) < 0.5
    assert_array_equal(np.diagonal(drawn), np.diagonal(weights))


def test_what_has_no_null_is_refused():
    generator = np.random.default_rng(0)
    with pytest.raises(DataError, match=r"signs have no degrees(.|\n)*-1"):
        degree_preserving(-np.ones((3, 3)), generator)
    with pytest.raises(DataError, match=r"positions do not fit(.|\n)*\(2, 2\) for 3 units"):
        distance_preserving(np.ones((3, 3)), np.ones((2, 2)), generator)
    with pytest.raises(DataError, match="positions do not fit"):
        distance_preserving(np.ones((3, 3)), np.full((3, 1), np.nan), generator)
    for null in (shuffled, degree_preserving):
        with pytest.raises(DataError, match="not square"):
            null(np.ones((2, 3)), generator)
