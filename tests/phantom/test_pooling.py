"""Averaging over cubes of voxels keeps what the coarse problem is about."""

import numpy as np
import pytest

from tests.phantom.pooling import Pooling


@pytest.fixture
def voxels():
    """A block of 6 x 4 x 4 voxels, two regions, and three voxels that fill no cube by half."""
    block = np.argwhere(np.ones((6, 4, 4), bool)) + np.array([10, 2, 30])
    return np.concatenate([block, [[20, 2, 30], [20, 2, 31], [21, 3, 31]]])


def test_cubes_means_and_regions(voxels):
    region = np.where(voxels[:, 0] < 13, 385, 409)  # the middle cubes are half and half
    pooling = Pooling(voxels, region, 2)
    assert len(pooling.cubes) == 3 * 2 * 2
    assert len(pooling.child) == 6 * 4 * 4
    assert (pooling.cubes[:, 0] * 2 >= 10).all() and pooling.cubes[:, 0].max() == 7
    assert set(pooling.region[pooling.cubes[:, 0] == 5]) == {385}
    assert set(pooling.region[pooling.cubes[:, 0] == 7]) == {409}
    values = np.random.default_rng(0).random((len(voxels), 3))
    for k, cube in enumerate(pooling.cubes):
        inside = (voxels // 2 == cube).all(axis=1)
        np.testing.assert_allclose(pooling.mean(values)[k], values[inside].mean(axis=0))
        np.testing.assert_allclose(pooling.sum(values)[k], values[inside].sum(axis=0))


def test_pooled_weights_say_what_is_measured_there(voxels):
    """W X averaged over targets, for X that is the same within a cube."""
    pooling = Pooling(voxels, np.ones(len(voxels), int), 2)
    generator = np.random.default_rng(1)
    weights = generator.random((len(voxels), len(voxels)))
    coarse = generator.random((len(pooling.cubes), 4))
    fine = np.zeros((len(voxels), 4))
    fine[pooling.child] = coarse[pooling.parent]
    pooled = pooling.sum(pooling.mean(weights).T).T
    np.testing.assert_allclose(pooled @ coarse, pooling.mean(weights @ fine), rtol=1e-12)
    np.testing.assert_allclose(pooling.mean(fine), coarse)
