"""Matrices sent as factors or as a profile are those of the store; others are not sent so."""

from __future__ import annotations

import numpy as np
import pytest

from mesomode.connectome.distance import DistanceConnectome
from mesomode.explorer.factors import factor_error, low_rank_factors
from mesomode.explorer.profile import profile_error


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(4).standard_normal(shape)


@pytest.mark.parametrize("rank", [1, 5, 12])
def test_factors_of_a_matrix_of_low_rank(rank):
    matrix = (random(700, rank) @ random(rank, 300)).astype(np.float32)
    found = low_rank_factors(matrix, 20, np.random.default_rng(0))
    assert found is not None
    target, source = found
    assert target.shape[1] <= 20 and target.dtype == np.float32
    assert np.abs(target @ source.T - matrix).max() <= 1e-5 * np.abs(matrix).max()
    assert factor_error(matrix, *found) <= 1e-5


def test_one_weight_for_each_pair_of_regions_is_of_low_rank():
    table = np.abs(random(7, 5))
    matrix = table[np.arange(210) % 7][:, np.arange(90) % 5]
    found = low_rank_factors(matrix, 30, np.random.default_rng(0))
    assert found is not None and found[0].shape[1] == 5


def test_matrices_of_higher_rank_are_not_approximated():
    assert low_rank_factors(random(200, 150), 40, np.random.default_rng(0)) is None


def test_a_matrix_of_zeros_has_factors():
    found = low_rank_factors(np.zeros((30, 20)), 5, np.random.default_rng(0))
    assert found is not None and not (found[0] @ found[1].T).any()


def test_error_of_factors_is_that_of_the_largest_entry():
    matrix = np.zeros((600, 4))
    matrix[555, 2] = 2.0
    assert factor_error(matrix, np.zeros((600, 1)), np.zeros((4, 1))) == 1.0


def test_profile_of_the_distance_model():
    places = np.argwhere(np.ones((5, 4, 6))) * 100.0
    injection = np.abs(random(3, len(places))) * (random(3, len(places)) > 0.8)
    model = DistanceConnectome().fit(
        injection, np.abs(random(3, len(places))), source_position=places, target_position=places
    )
    weights = model.weights_
    error = profile_error(weights, places, places, model.distance_, model.profile_)
    assert error < 1e-12
    weights[3, 5] += 0.5 * weights.max()
    assert profile_error(weights, places, places, model.distance_, model.profile_) > 0.1
