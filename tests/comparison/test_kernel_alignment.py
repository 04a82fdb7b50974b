"""Centred kernel alignment: slow twins, invariances, and its bias for many units."""

import itertools

import numpy as np
import pytest

from mesomode.comparison.kernel_alignment import linear_alignment, unbiased_product
from mesomode.errors import DataError


def rotation(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def slow_alignment(one, two):
    """By centred kernels with the centring matrix written out."""
    images = len(one)
    centre = np.eye(images) - 1 / images
    first, second = (centre @ values @ values.T @ centre for values in (one, two))
    return np.trace(first @ second) / np.sqrt(np.trace(first @ first) * np.trace(second @ second))


@pytest.mark.parametrize("units", [(5, 8), (40, 8), (50, 60)])
def test_it_equals_the_definition(units):
    rng = np.random.default_rng(0)
    one, two = (rng.normal(size=(20, n)) + 3 for n in units)
    two[:, :5] += one[:, :5]
    found = linear_alignment(one, two)
    assert found == pytest.approx(slow_alignment(one, two), rel=1e-10)
    assert found == pytest.approx(linear_alignment(two, one), rel=1e-10)


@pytest.mark.parametrize("debiased", [False, True])
def test_orthogonal_maps_scale_and_offsets_leave_it_unchanged(debiased):
    rng = np.random.default_rng(1)
    one, two = rng.gamma(2, 1, size=(118, 40)), rng.gamma(2, 1, size=(118, 30))
    two += one[:, :30]
    reference = linear_alignment(one, two, debiased)
    assert linear_alignment(one, one, debiased) == pytest.approx(1, abs=1e-12)
    for changed in (one @ rotation(rng, 40), -1e100 * one, one + rng.normal(size=40)):
        assert linear_alignment(changed, two, debiased) == pytest.approx(reference, rel=1e-10)
    assert abs(linear_alignment(one * rng.uniform(0.2, 5, 40), two, debiased) - reference) > 0.01


def test_the_product_equals_the_average_over_quadruples_of_images():
    """Song et al.: E[k(1,2) (l(1,2) + l(3,4) − 2 l(1,3))] over distinct images."""
    rng = np.random.default_rng(2)
    one, two = rng.normal(size=(6, 3)) + 2, rng.normal(size=(6, 4))
    first, second = one @ one.T, two @ two.T
    terms = [
        first[a, b] * (second[a, b] + second[c, d] - 2 * second[a, c])
        for a, b, c, d in itertools.permutations(range(6), 4)
    ]
    assert unbiased_product(first, second) == pytest.approx(np.mean(terms), rel=1e-10)


def test_only_the_debiased_form_is_zero_for_unrelated_populations():
    rng = np.random.default_rng(3)
    pairs = rng.normal(size=(60, 2, 30, 200))
    plain = [linear_alignment(one, two) for one, two in pairs]
    debiased = [linear_alignment(one, two, debiased=True) for one, two in pairs]
    assert np.mean(plain) > 0.8
    assert np.mean(debiased) == pytest.approx(0, abs=4 * np.std(debiased) / np.sqrt(60))
    assert np.std(debiased) < 0.1


def test_unusable_responses_are_refused():
    table = np.random.default_rng(4).normal(size=(10, 3))
    with pytest.raises(DataError, match="10 and of 8 images"):
        linear_alignment(table, table[:8])
    with pytest.raises(DataError, match="responds to all images alike"):
        linear_alignment(table, np.full((10, 3), 0.1))
    # images that are all equally far from each other: nothing is left without the diagonal
    assert np.isnan(linear_alignment(np.eye(5), table[:5], debiased=True))
