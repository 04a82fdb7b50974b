"""Pixels of the flatmap and the voxels behind them, beside the flatmap of the figures."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.explorer.flatmap import SHAPE, flatmap_pixels
from mesomode.report.flatmap import Flatmap


@pytest.fixture
def spread():
    """Paths of four steps straight down through a block, and a lookup with holes."""
    rng = np.random.default_rng(3)
    top = np.argwhere(np.ones((6, 5)))
    steps = [
        np.ravel_multi_index((top[:, 0] + 80, np.full(30, 12 + k), top[:, 1] + 70), SHAPE)
        for k in range(4)
    ]
    paths = np.stack(steps, axis=1)
    paths[rng.random(paths.shape) < 0.15] = 0
    lookup = np.where(rng.random((9, 11)) < 0.3, -1, rng.integers(0, 30, (9, 11)))
    lookup[0], lookup[:, -1] = -1, -1
    voxel = np.argwhere(np.ones((6, 3, 4))) + np.array([80, 12, 70])
    return lookup, paths, voxel


def test_the_largest_along_each_path_is_that_of_the_figures(spread):
    lookup, paths, voxel = spread
    values = np.random.default_rng(4).random(len(voxel))
    pixels = flatmap_pixels(lookup, paths, SHAPE, voxel)
    start, members = pixels["flatmap_start"], pixels["flatmap_voxel"]
    found = np.array(
        [values[members[a:b]].max(initial=-1) for a, b in itertools.pairwise(start)]
    ).reshape(pixels["flatmap_shape"])
    drawn = Flatmap(lookup, paths, SHAPE).maximum(values, voxel)
    rows, columns = np.nonzero(np.isfinite(drawn))
    part = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    np.testing.assert_array_equal(np.nan_to_num(part, nan=-1), found)


def test_voxels_are_listed_from_the_surface_down(spread):
    pixels = flatmap_pixels(*spread[:2], SHAPE, spread[2])
    depth = spread[2][pixels["flatmap_voxel"], 1]
    start = pixels["flatmap_start"]
    assert all((np.diff(depth[a:b]) > 0).all() for a, b in itertools.pairwise(start))


def test_another_atlas_and_another_place_are_refused(spread):
    lookup, paths, voxel = spread
    with pytest.raises(DataError, match="atlas of 10 x 10 x 10"):
        flatmap_pixels(lookup, paths, (10, 10, 10), voxel)
    with pytest.raises(DataError, match="no path"):
        flatmap_pixels(lookup, paths, SHAPE, np.array([[3, 3, 3]]))
