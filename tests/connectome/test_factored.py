"""Weights in factors: the same answers as from the matrix that is never formed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mesomode import memory
from mesomode.connectome.factored import FactoredWeights
from mesomode.connectome.truth import region_means
from mesomode.errors import DataError, MemoryLimitError

GENERATOR = np.random.default_rng(5)
U, V = GENERATOR.random((7, 3)), GENERATOR.random((5, 3))
FULL = U @ V.T
ROWS, COLUMNS = FULL.sum(axis=1) > FULL.sum(axis=1).mean(), np.array([1, 0, 1, 1, 0], bool)


@pytest.fixture
def weights() -> FactoredWeights:
    return FactoredWeights(U, V)


@pytest.mark.parametrize(
    "key",
    [
        3, -1, (2, 4), (-2, -1), slice(1, 4), (slice(None), 2), (slice(5, None, -2), slice(1, 4)),
        ..., (..., 1), (1, ...), (slice(2, 3), ...), [0, 6, 3], ([0, 6, 3], slice(None)),
        (slice(None), [4, 4, 0]), ([1, 2], [3, 4]), ([1, 2], 3), (3, [0, 1]),
        ([[1, 2], [3, 4]], [0, 1]), ([[1, 2], [3, 4]], slice(1, 3)), (slice(2), [[1, 2], [3, 4]]),
        ROWS, (ROWS, COLUMNS.nonzero()[0][0]), (slice(None), COLUMNS), (2, COLUMNS),
        np.ix_(ROWS, COLUMNS), np.ix_([1, 2, 3], [0]), FULL > 1.0, [], (slice(3, 3), 1),
        (np.int64(2), np.array(1)), np.zeros(7, bool),
    ],
)  # fmt: skip
def test_indexing_is_that_of_the_array(weights, key):
    found, expected = weights[key], FULL[key]
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@given(key=hnp.basic_indices(FULL.shape, allow_newaxis=False))
@settings(max_examples=150, deadline=None)
def test_any_basic_index(key):
    found = FactoredWeights(U, V)[key]
    assert np.shape(found) == FULL[key].shape
    np.testing.assert_allclose(found, FULL[key], rtol=1e-13)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_integer_arrays(data):
    shape = st.just(data.draw(hnp.array_shapes(max_dims=2, max_side=4)))
    rows = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-7, 6)))
    columns = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-5, 4)))
    found = FactoredWeights(U, V)[rows, columns]
    np.testing.assert_allclose(found, FULL[rows, columns], rtol=1e-13)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (7, "target index out of bounds for 7"),
        ((0, -6), "source index out of bounds for 5"),
        ((0, 0, 0), "too many indices"),
        (None, "too many indices"),
        (1.0, "integers, slices or masks"),
        (np.ones(6, bool), "mask of shape"),
        ((..., ...), "only one ellipsis"),
    ],
)
def test_indices_that_do_not_exist(weights, key, message):
    with pytest.raises(IndexError, match=message):
        weights[key]


def test_array_properties_and_products(weights):
    v, w = GENERATOR.random(5), GENERATOR.random((2, 7))
    assert (weights.shape, weights.size, weights.ndim, len(weights)) == ((7, 5), 35, 2, 7)
    assert (weights.dtype, weights.rank, weights.nbytes) == (np.float64, 3, 36 * 8)
    assert "7 targets x 5 sources, rank 3" in repr(weights)
    np.testing.assert_allclose(weights @ v, FULL @ v)
    np.testing.assert_allclose(w @ weights, w @ FULL)
    np.testing.assert_allclose(w[0] @ weights, w[0] @ FULL)
    np.testing.assert_allclose(weights.T[1:3], FULL.T[1:3])
    np.testing.assert_allclose(np.asarray(weights), FULL)
    assert np.asarray(weights, dtype=np.float32).dtype == np.float32
    assert FactoredWeights(U.astype(np.float32), V.astype(np.float32))[1:3].dtype == np.float32
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(weights, copy=False)


def test_too_large_to_be_formed(monkeypatch):
    huge = FactoredWeights(np.zeros((400_000, 2)), np.zeros((200_000, 2)))
    monkeypatch.setattr(memory, "available_memory", lambda: 8 * 10**9)
    with pytest.raises(MemoryLimitError, match="400,000 x 200,000") as error:
        np.asarray(huge)
    assert "640 GB are needed" in str(error.value)
    assert huge[5, :3].shape == (3,)
    with pytest.raises(MemoryLimitError, match="80,000,000 of the"):
        monkeypatch.setattr(memory, "available_memory", lambda: 10**8)
        huge[:400]


@pytest.mark.parametrize("rank", [1, 3, 9])
def test_spectrum_and_norm(rank):
    u, v = GENERATOR.random((7, rank)), GENERATOR.standard_normal((5, rank))
    weights = FactoredWeights(u, v)
    values = np.linalg.svd(u @ v.T, compute_uv=False)
    found = weights.singular_values()
    np.testing.assert_allclose(found, values[: len(found)], atol=1e-12)
    assert len(found) == min(rank, 5)
    assert weights.frobenius_norm() == pytest.approx(np.linalg.norm(u @ v.T), rel=1e-12)


def test_distance_to_dense_and_to_factored_weights(weights, monkeypatch):
    other = GENERATOR.random(FULL.shape)
    expected = np.linalg.norm(FULL - other) / np.linalg.norm(other)
    monkeypatch.setattr("mesomode.connectome.factored.BLOCK", 10)  # several blocks of rows
    assert weights.relative_distance(other) == pytest.approx(expected, rel=1e-12)
    assert weights.relative_distance(FactoredWeights(2 * U, V)) == pytest.approx(0.5, rel=1e-12)
    with pytest.raises(DataError, match="cannot be compared"):
        weights.relative_distance(other.T)
    with pytest.raises(DataError, match="zero everywhere"):
        weights.relative_distance(0 * other)


def test_means_over_regions(weights):
    target, source = np.array([0, 0, 1, 1, 1, 3, 3]), np.array([1, 0, 0, 1, 1])
    found = weights.region_means(target, source)
    assert np.isnan(found[2]).all()
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found, region_means(FULL, target, source))
    with pytest.raises(DataError, match="regions were given for 7 voxels"):
        weights.region_means(source, target)


def test_voxels_are_found_by_their_indices():
    source = GENERATOR.permutation(np.argwhere(np.ones((5, 1, 1))))
    target = np.vstack([np.argwhere(np.ones((3, 1, 1)))] * 2 + [[[9, 9, 9]]])
    side = np.array(["left"] * 3 + ["right"] * 4)
    weights = FactoredWeights(
        U, V, source_voxels=source, target_voxels=target, target_hemisphere=side
    )
    assert weights.locate(source[3]) == 3 and weights.locate(source[3]).shape == ()
    assert weights.locate(source[[4, 0]]).tolist() == [4, 0]
    assert weights.locate([2, 0, 0], "target", "right") == 5
    assert weights.T.locate([2, 0, 0], "source", "left") == 2
    np.testing.assert_allclose(weights[:, weights.locate(source[1])], FULL[:, 1])
    with pytest.raises(DataError, match=r"voxel \(7, 0, 0\) is not among the 5 source"):
        weights.locate([7, 0, 0])
    with pytest.raises(DataError, match="labels of hemispheres"):
        weights.locate([2, 0, 0], "target")
    with pytest.raises(DataError, match="no labels of hemispheres"):
        weights.locate([2, 0, 0], "source", "left")
    with pytest.raises(DataError, match="say 'source' or 'target'"):
        weights.locate([2, 0, 0], "row")
    with pytest.raises(DataError, match="give target_voxels"):
        FactoredWeights(U, V).locate([2, 0, 0], "target")
    with pytest.raises(DataError, match=r"\[ap, dv, ml\] is needed"):
        weights.locate([2, 0])


def test_factors_that_do_not_fit():
    with pytest.raises(DataError, match="have no product"):
        FactoredWeights(U, V[:, :2])
    with pytest.raises(DataError, match="source voxels of shape"):
        FactoredWeights(U, V, source_voxels=np.zeros((7, 3), int))
