"""Similarity of similarity matrices: slow twins, what leaves it unchanged, and what does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, pearsonr, spearmanr

from mesomode.comparison import representations
from mesomode.comparison.representations import similarity_of_similarities
from mesomode.errors import DataError

IMAGES = 118


def rotation(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def sparse_rates(rng, units, images=IMAGES):
    return np.maximum(rng.normal(size=(images, units)) - 1, 0) * rng.gamma(2, 1, units)


def slow_similarity(one, two, measure, correlation):
    """Every pair of images by itself."""
    triangles = []
    for values in (one, two):
        triangle = []
        for i in range(len(values)):
            for j in range(i + 1, len(values)):
                if measure == "pearson":
                    triangle.append(pearsonr(values[i], values[j]).statistic)
                else:
                    product = values[i] @ values[j]
                    triangle.append(
                        product / np.sqrt(values[i] @ values[i] * values[j] @ values[j])
                    )
        triangles.append(triangle)
    return (spearmanr if correlation == "spearman" else kendalltau)(*triangles).statistic


@pytest.mark.parametrize("measure", ["pearson", "cosine"])
@pytest.mark.parametrize("correlation", ["spearman", "kendall"])
def test_it_equals_the_loop_over_pairs_of_images(measure, correlation):
    rng = np.random.default_rng(0)
    one, two = rng.gamma(2, 1, size=(12, 7)), rng.gamma(2, 1, size=(12, 9))
    two[:, :7] += one
    found = similarity_of_similarities(one, two, measure, correlation)
    assert found == pytest.approx(slow_similarity(one, two, measure, correlation), abs=1e-10)
    assert found == pytest.approx(similarity_of_similarities(two, one, measure, correlation))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(3, 30), st.integers(6, 40), st.integers(0, 10**6))
def test_invariances(units, images, seed):
    rng = np.random.default_rng(seed)
    one = rng.gamma(1, 1, size=(images, units)) + 0.1
    two = rng.gamma(1, 1, size=(images, 2 * units)) + 0.1
    for measure in ("pearson", "cosine"):
        reference = similarity_of_similarities(one, two, measure)
        assert similarity_of_similarities(one, one, measure) == pytest.approx(1, abs=1e-12)
        changed = [one[:, rng.permutation(units)], 3.7 * one, np.hstack([one, one])]
        gain = rng.uniform(0.5, 2, (images, 1))
        if measure == "pearson":
            changed += [3.7 * one + 12, gain * one + rng.normal(size=(images, 1))]
        else:
            changed += [gain * one, one @ rotation(rng, units)]
        for other in changed:
            assert similarity_of_similarities(other, two, measure) == pytest.approx(
                reference, abs=1e-9
            )


def test_orthogonal_maps_leave_the_cosines_but_not_the_correlations():
    rng = np.random.default_rng(1)
    rates, turn = sparse_rates(rng, 200), rotation(rng, 200)
    assert similarity_of_similarities(rates, rates @ turn, "cosine") == pytest.approx(1, abs=1e-9)
    centred = rates - rates.mean(axis=0)
    plain = similarity_of_similarities(rates, rates @ turn)
    after = similarity_of_similarities(centred, centred @ turn)
    assert 0.9 < plain < 0.98  # 0.963 in the specification's example
    assert plain + 0.01 < after < 0.9999  # 0.9985
    # a turn that keeps the direction (1, …, 1) changes nothing
    basis = np.linalg.qr(np.column_stack([np.ones(200), rng.normal(size=(200, 199))]))[0]
    inner = np.eye(200)
    inner[1:, 1:] = rotation(rng, 199)
    kept = rates @ basis @ inner @ basis.T
    assert similarity_of_similarities(rates, kept) == pytest.approx(1, abs=1e-9)


def test_gains_of_units_change_it():
    rng = np.random.default_rng(2)
    rates = sparse_rates(rng, 200)
    scaled = similarity_of_similarities(rates, rates * rng.uniform(0.5, 1.5, 200))
    assert 0.9 < scaled < 0.999  # 0.987 in the specification's example


@pytest.mark.parametrize("units", [50, 200, 1000])
def test_unrelated_populations_have_none_however_many_units(units):
    rng = np.random.default_rng(units)
    found = [
        similarity_of_similarities(*rng.normal(size=(2, IMAGES, units)), measure)
        for measure in ("pearson", "cosine")
    ]
    assert np.abs(found).max() < 0.05  # 4 standard deviations of a correlation of 6,903 pairs


def test_pairs_without_a_shared_unit_tie_whatever_the_rounding():
    rng = np.random.default_rng(3)
    rates = np.kron(np.eye(5), rng.uniform(1, 2, (4, 6)))
    found = similarity_of_similarities(rates, rates @ rotation(rng, 30), "cosine")
    assert found == pytest.approx(1, abs=1e-12)


def test_a_subsample_of_units_resembles_the_whole_the_more_the_larger_it_is():
    """A code of 20 dimensions with mild noise; 0.55, 0.77, 0.93, 0.98 in the specification."""
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(IMAGES, 20)) @ rng.normal(size=(20, 3000))
    noisy = truth + 0.1 * truth.std() * rng.normal(size=truth.shape)
    for size, expected in ((10, 0.55), (30, 0.77), (100, 0.93), (300, 0.98)):
        found = [
            similarity_of_similarities(noisy[:, rng.choice(3000, size, replace=False)], truth)
            for _ in range(5)
        ]
        assert np.mean(found) == pytest.approx(expected, abs=0.05 if size < 100 else 0.02)


def test_the_diagonal_is_left_out():
    """With it, unrelated populations would look alike."""
    rng = np.random.default_rng(5)
    one, two = rng.normal(size=(2, 30, 10))
    matrices = [representations.similarity_matrix(values) for values in (one, two)]
    np.testing.assert_allclose(np.diag(matrices[0]), 1)
    whole = pearsonr(matrices[0].ravel(), matrices[1].ravel()).statistic
    assert whole - similarity_of_similarities(one, two) > 0.1
    triangle = representations.upper_triangle(np.arange(9).reshape(3, 3))
    np.testing.assert_array_equal(triangle, [1, 2, 5])


def test_unusable_responses_are_refused_with_the_place():
    rng = np.random.default_rng(6)
    table = rng.normal(size=(10, 5))
    with pytest.raises(DataError, match=r"(?s)10 and of 9 images.*same order"):
        similarity_of_similarities(table, table[:9])
    for shape in ((3, 5), (10,), (10, 0)):
        with pytest.raises(DataError, match=r"(?s)table \(image, unit\).*shape"):
            similarity_of_similarities(np.ones(shape), table)
    holed = table.copy()
    holed[2, [1, 3]] = np.nan
    with pytest.raises(DataError, match=r"(?s)2 of 5 units.*the second, first at unit 1"):
        similarity_of_similarities(table, holed)
    silent = table.copy()
    silent[[4, 7]] = 0
    with pytest.raises(DataError, match=r"(?s)2 of 10 images.*first image 4.*no unit responds"):
        similarity_of_similarities(silent, table, "cosine")
    silent[[4, 7]] = 0.1
    with pytest.raises(DataError, match=r"(?s)2 of 10 images.*all units respond to it alike"):
        similarity_of_similarities(silent, table)
    with pytest.raises(DataError, match="all pairs of images are equally similar"):
        similarity_of_similarities(np.ones((10, 5)), table, "cosine")
    with pytest.raises(ValueError, match="none of pearson, cosine"):
        similarity_of_similarities(table, table, "angle")
    with pytest.raises(ValueError, match="neither spearman nor kendall"):
        similarity_of_similarities(table, table, "pearson", "pearson")


def test_very_large_and_very_small_responses_do_no_harm():
    rng = np.random.default_rng(7)
    table, other = rng.normal(size=(2, 20, 8))
    reference = similarity_of_similarities(table, other)
    for scale in (1e-200, 1e200):
        assert similarity_of_similarities(scale * table, other) == pytest.approx(reference)
