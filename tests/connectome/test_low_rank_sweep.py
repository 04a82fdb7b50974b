"""The least distances that ranks allow, and the order of a sweep over ranks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.connectome.low_rank_sweep import rank_sweep, truncation_distances
from mesomode.errors import DataError


def test_least_distances_are_those_of_the_truncated_decomposition():
    weights = np.random.default_rng(0).random((9, 6)) ** 2
    u, s, v = np.linalg.svd(weights, full_matrices=False)
    ranks = [1, 3, 5, 6, 40]
    twin = [np.linalg.norm((u[:, :r] * s[:r]) @ v[:r] - weights) for r in ranks]
    found = truncation_distances(weights, ranks)
    assert_allclose(found, twin / np.linalg.norm(weights), atol=1e-12)
    assert (found[3:] == 0).all(), "nothing is left at full rank"


def test_no_distances_to_nothing():
    with pytest.raises(DataError, match="zero everywhere"):
        truncation_distances(np.zeros((3, 3)), [1])


class Fitted:
    """What a sweep asks of a model; its numbers say which rank and start it was."""

    def __init__(self, rank, start):
        self.objective_, self.n_iter_ = 100.0 * rank + start, rank

    def distance_to(self, weights):
        return self.objective_ / weights.sum()


def test_every_rank_is_fitted_from_every_start():
    first, second = rank_sweep(Fitted, np.full((2, 2), 0.25), [2, 5], 3)
    assert (first.rank, second.rank) == (2, 5)
    assert_allclose(first.objective, [200, 201, 202])
    assert_allclose(second.distance, [500, 501, 502])
    assert second.iterations.tolist() == [5, 5, 5]
