"""Views from above agree with loops over voxels."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mesomode.report.space import Dorsal, borders, label_regions, region_centre, region_index
from tests.report.conftest import REGIONS


@pytest.fixture
def cloud():
    rng = np.random.default_rng(0)
    voxel = np.unique(rng.integers(0, 6, (80, 3)), axis=0)
    values = rng.normal(size=len(voxel))
    values[::7] = np.nan
    return voxel, values


def columns_of(view, voxel, values):
    """Values in each column, uppermost first, by the pixel of the view."""
    found = {}
    for place in np.argsort(voxel[:, 1], kind="stable"):
        pixel = tuple(voxel[place, [0, 2]] - view.first)
        found.setdefault(pixel, []).append(values[place])
    return found


@pytest.mark.parametrize("reduce, twin", [("mean", np.nanmean), ("maximum", np.nanmax)])
def test_reductions_over_depth(cloud, reduce, twin):
    voxel, values = cloud
    view = Dorsal(voxel, 100)
    image = getattr(view, reduce)(values)
    columns = columns_of(view, voxel, values)
    for pixel in np.ndindex(image.shape):
        column = np.array(columns.get(pixel, []))
        known = column[np.isfinite(column)]
        if known.size:
            assert image[pixel] == pytest.approx(twin(known))
        else:
            assert np.isnan(image[pixel])


def test_uppermost(cloud):
    voxel, _ = cloud
    view = Dorsal(voxel, 100)
    image = view.uppermost(np.arange(len(voxel)))
    columns = columns_of(view, voxel, np.arange(len(voxel)))
    for pixel in np.ndindex(image.shape):
        assert image[pixel] == (columns[pixel][0] if pixel in columns else -1)


def test_the_extent_is_in_mm():
    view = Dorsal(np.array([[10, 0, 20], [12, 5, 25]]), 100, margin=0)
    assert view.extent == pytest.approx((2.0, 2.6, 1.3, 1.0))
    assert view.shape == (3, 6)


def test_region_index():
    assert region_index(np.array([409, 385, 1]), REGIONS).tolist() == [1, 0, -1]


def test_borders_are_all_edges_between_different_pixels():
    rng = np.random.default_rng(1)
    index = rng.integers(-1, 3, (5, 7))
    found = {tuple(map(tuple, edge)) for edge in borders(index).tolist()}
    expected = set()
    for row in range(6):
        for column in range(8):

            def at(r, c):
                return index[r, c] if 0 <= r < 5 and 0 <= c < 7 else -1

            if column < 7 and at(row, column) != at(row - 1, column):
                expected.add(((column, row), (column + 1, row)))
            if row < 5 and at(row, column) != at(row, column - 1):
                expected.add(((column, row), (column, row + 1)))
    assert found == expected


def test_labels_keep_clear_of_markers_where_they_can():
    axes = Figure().add_subplot()
    index = np.full((18, 18), -1)
    index[2:16, 2:16] = 0
    marker = np.array([[0.9, 0.9, 0.15]])
    for avoid in (None, marker, np.array([[0.9, 0.9, 5.0]])):
        label_regions(axes, index, [{"acronym": "VISp"}], 0.1, avoid=avoid)
    alone, beside, covered = (np.array(text.get_position()) for text in axes.texts)
    assert np.abs(alone - 0.9).max() < 0.06 and (covered == alone).all(), "in the middle"
    away = np.abs(beside - 0.9) - 0.15
    assert away[0] > 0.1 or away[1] > 0.1 / 3
    assert beside.min() > 0.2 and beside.max() < 1.6, "in the region"
    assert all(text.get_zorder() > 3 for text in axes.texts), "above markers"


def test_a_label_lies_within_its_region():
    ring = np.ones((7, 7), bool)
    ring[1:6, 1:6] = False
    x, y = region_centre(ring, 1.0)
    assert ring[int(y), int(x)]
    assert region_centre(np.zeros((2, 2), bool), 1.0) is None


def test_a_label_of_a_region_in_both_hemispheres_lies_in_the_right_one():
    both = np.zeros((5, 20), bool)
    both[1:4, 1:4] = both[1:4, 16:19] = True
    both[0, 9] = True
    assert region_centre(both, 0.1, (2.0, 1.0)) == pytest.approx((1.0 + 1.75, 2.25))
