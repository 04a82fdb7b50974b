"""Values along the paths of a flatmap, by hand and on the real paths."""

import h5py
import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.report.flatmap import SHAPE, Flatmap
from mesomode.report.projection import Connections, draw_projection
from tests.report.conftest import check, texts, titled


def place(*voxel):
    return np.ravel_multi_index(voxel, SHAPE)


@pytest.fixture
def bent():
    """Two paths that bend towards each other, one pixel without."""
    paths = [[place(5, 1, 3), place(5, 2, 4), place(5, 3, 5)], [place(5, 1, 7), place(5, 2, 6), 0]]
    return Flatmap(np.array([[0, -1, 1], [0, -1, -1]]), np.array(paths), SHAPE)


def test_the_largest_and_the_first_along_a_path(bent):
    voxel = np.array([[5, 2, 4], [5, 3, 5], [5, 2, 6], [9, 9, 9]])
    found = bent.maximum(np.array([0.5, 2.0, -1.0, 7.0]), voxel)
    np.testing.assert_array_equal(found, [[2, np.nan, -1], [2, np.nan, np.nan]])
    first = bent.uppermost(np.array([3, 4, 0, 8]), voxel)
    np.testing.assert_array_equal(first, [[3, -1, 0], [3, -1, -1]])
    assert bent.pixel_of(np.array([5, 3, 5])) == (0.5, 1.0)
    assert bent.pixel_of(np.array([0, 0, 1])) is None


def test_the_fill_of_short_paths_is_no_voxel(bent):
    corner = bent.maximum(np.array([9.0]), np.array([[0, 0, 0]]))
    assert np.isnan(corner).all()


def test_other_atlases_are_refused():
    with pytest.raises(DataError, match="does not fit an atlas of 10 x 9 x 8"):
        Flatmap(np.zeros((1, 1)), np.zeros((1, 1)), (10, 9, 8))


def test_it_stands_beside_the_view_from_above(grid):
    voxel = grid["source_voxel"]
    paths = np.array([[place(*v), 0] for v in voxel])
    image = np.arange(360).reshape(18, 20)
    flat = Flatmap(image, paths, SHAPE)
    targets = {"target_voxel": voxel, "target_region": grid["source_region"]}
    weights = np.arange(360.0)
    figure = draw_projection(
        [Connections("voxel model", weights, weights)], 45, **grid, **targets, flatmap=flat
    )
    check(figure)
    assert "Flatmap, maximum" in texts(figure)
    axes = titled(figure.subfigs[0], "Flatmap")
    np.testing.assert_array_equal(axes.images[0].get_array(), image)
    assert axes.lines[-1].get_xdata()[0] == 5.5 and axes.lines[-1].get_ydata()[0] == 2.5


def test_the_real_paths_show_the_visual_areas_apart(shared_data):
    nrrd = pytest.importorskip("nrrd")
    file = shared_data / "ccf2017" / "annotation_100.nrrd"
    annotation, _ = nrrd.read(str(file), index_order="F")
    with h5py.File(shared_data / "cortical_coordinates" / "dorsal_flatmap_paths_100.h5") as paths:
        flat = Flatmap(paths["view lookup"][:], paths["paths"][:], annotation.shape)
    layers = {385: [593, 821, 721, 778, 33, 305], 409: [421, 973, 573, 613, 74, 121]}
    voxel, index = [], []
    for number, of in enumerate(layers.values()):
        inside = np.argwhere(np.isin(annotation, of))
        inside = inside[inside[:, 2] >= 57]
        voxel.append(inside)
        index.append(np.full(len(inside), number))
    shown = flat.uppermost(np.concatenate(index), np.concatenate(voxel))
    primary, lateral = (np.argwhere(shown == number) for number in range(2))
    assert len(primary) > 2 * len(lateral) > 100, "VISp is the larger area"
    centre = annotation.shape[2] // 2
    assert primary[:, 1].min() > 100 and centre > 0, "the right hemisphere lies to the right"
    assert abs(primary.mean(axis=0) - lateral.mean(axis=0)).max() > 5, "the areas lie apart"
