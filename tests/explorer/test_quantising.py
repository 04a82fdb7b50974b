"""Codes: the error is within the bound that the page states, and zero stays zero."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mesomode.errors import DataError
from mesomode.explorer.quantising import arrange, bound, quantise, rearrange, restore
from mesomode.explorer.tiles import TILE_BYTES, bits_of, tiles_of, vectors_per_tile

VECTORS = arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 30)),
    elements=st.floats(-1e6, 1e6, width=32),
)


@pytest.mark.parametrize("bits", [8, 16])
@given(vectors=VECTORS)
def test_error_is_within_the_bound(bits, vectors):
    found = restore(*quantise(vectors, bits))
    reach = np.maximum(vectors.max(1), 0) - np.minimum(vectors.min(1), 0)
    error = np.abs(found - vectors).max(axis=1)
    assert (error <= reach * bound(bits) * (1 + 1e-6) + 1e-300).all()
    assert (found[vectors == 0] == 0).all(), "zero stays zero"


@given(vectors=VECTORS)
def test_slow_twin(vectors):
    """The nearest multiple of the step, found by trying every code."""
    codes, step, zero = quantise(vectors, 8)
    for row, vector in enumerate(vectors):
        values = (np.arange(256) - zero[row]) * step[row]
        nearest = np.abs(values[None] - vector[:, None]).min(axis=1)
        found = np.abs(values[codes[row]] - vector)
        np.testing.assert_allclose(found, nearest, atol=1e-9 * max(1.0, step[row]))


@pytest.mark.parametrize("bits", [8, 16])
def test_arranging_is_undone(bits):
    codes = np.random.default_rng(1).integers(0, 2**bits, (3, 50)).astype(f"uint{bits}")
    np.testing.assert_array_equal(rearrange(arrange(codes), 50, bits), codes)


def test_arranging_makes_smooth_vectors_small():
    smooth = np.sin(np.linspace(0, 20, 20000))[None]
    codes, _, _ = quantise(smooth, 16)
    assert len(gzip.compress(arrange(codes).tobytes())) < 0.7 * len(gzip.compress(codes.tobytes()))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(DataError, match="not finite"):
        quantise(np.array([[0.0, value]]), 8)


def test_other_codes_are_refused():
    with pytest.raises(DataError, match="12 bits"):
        quantise(np.ones((1, 2)), 12)


def test_all_zero_and_constant_vectors():
    vectors = np.array([[0.0, 0.0], [2.0, 2.0], [-3.0, -3.0]])
    np.testing.assert_allclose(restore(*quantise(vectors, 16)), vectors, rtol=1e-12)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiles_hold_every_vector_once(bits):
    matrix = np.random.default_rng(2).standard_normal((600, 900))
    size = vectors_per_tile(900, bits)
    tiles = dict(tiles_of(matrix, bits))
    assert sorted(tiles) == list(range(-(-600 // size)))
    for number, tile in tiles.items():
        assert len(tile["codes"]) <= TILE_BYTES
        found = restore(rearrange(tile["codes"], 900, bits), tile["step"], tile["zero"])
        part = matrix[number * size : (number + 1) * size]
        assert np.abs(found - part).max() <= bound(bits) * np.ptp(part, axis=1).max()


def test_larger_matrices_get_smaller_codes():
    assert bits_of(1500 * 1500) == 16 and bits_of(7500 * 7500) == 8
    assert vectors_per_tile(10**9, 8) == 1
