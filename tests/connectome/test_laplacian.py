"""Graph Laplacians of voxel masks."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mesomode.connectome.laplacian import component_labels, graph_laplacian, neighbour_table
from mesomode.errors import DataError
from tests.connectome.problems import blob


def twin(voxels: np.ndarray, regions: np.ndarray | None = None) -> np.ndarray:
    """Dense, one pair at a time."""
    matrix = np.zeros((len(voxels), len(voxels)))
    for i, a in enumerate(voxels):
        for j, b in enumerate(voxels):
            if np.abs(a - b).sum() == 1 and (regions is None or regions[i] == regions[j]):
                matrix[i, j] += 1
                matrix[i, i] -= 1
    return matrix


@pytest.mark.parametrize("shape", [(30,), (7, 8), (5, 4, 5)])
@pytest.mark.parametrize("regional", [False, True])
def test_equals_its_dense_twin(shape, regional):
    generator = np.random.default_rng(1)
    voxels = blob(shape, 0.6, generator) - 3
    regions = generator.integers(0, 2, len(voxels)) if regional else None
    assert_array_equal(graph_laplacian(voxels, regions).toarray(), twin(voxels, regions))


def test_kills_constants_and_second_differences_of_a_line():
    laplacian = graph_laplacian(np.arange(6)[:, None])
    assert_array_equal(laplacian @ np.ones(6), 0)
    assert_array_equal(laplacian @ (np.arange(6.0) ** 2), [1, 2, 2, 2, 2, -9])


@pytest.mark.parametrize("shape", [(1,), (9,), (5, 5), (3, 4, 3)])
def test_neighbour_table_is_the_same_operator(shape):
    generator = np.random.default_rng(2)
    laplacian = graph_laplacian(blob(shape, 1.0, generator))
    table = neighbour_table(laplacian)
    w = generator.standard_normal(laplacian.shape[0])
    assert table.dtype == np.uint32
    assert len(table) % 6 == 0
    np.testing.assert_allclose(w[table].sum(0) - len(table) * w, laplacian @ w, atol=1e-13)


def test_components_of_a_cut_mask():
    voxels = np.array([[0], [1], [2], [4], [5]])
    assert_array_equal(component_labels(graph_laplacian(voxels)), [0, 0, 0, 1, 1])
    cut = graph_laplacian(voxels, [7, 7, 8, 8, 8])
    assert len(np.unique(component_labels(cut))) == 3


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (np.zeros((0, 3), int), "shape"),
        (np.zeros(3, int), "shape"),
        (np.zeros((2, 4), int), "shape"),
        (np.zeros((2, 3)), "not integers"),
        (np.zeros((2, 3), int), "more than once"),
    ],
)
def test_bad_voxels_are_refused(voxels, message):
    with pytest.raises(DataError, match=message):
        graph_laplacian(voxels)


def test_regions_must_fit():
    with pytest.raises(DataError, match="region ids"):
        graph_laplacian(np.arange(3)[:, None], [1, 2])


def test_a_matrix_that_is_no_laplacian_is_refused():
    with pytest.raises(DataError, match="Laplacian of an unweighted graph"):
        neighbour_table(2.0 * graph_laplacian(np.arange(3)[:, None]))
