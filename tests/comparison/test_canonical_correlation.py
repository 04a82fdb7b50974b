"""SVCCA: slow twin, invariances, and the null without which it says nothing."""

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA

from mesomode.comparison import canonical_correlation
from mesomode.comparison.canonical_correlation import svcca, svcca_with_null
from mesomode.errors import DataError

IMAGES = 118


def rotation(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def slow_correlations(one, two):
    """By the generalised eigenvalue problem of the covariances."""
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    cross = one.T @ two
    product = np.linalg.solve(one.T @ one, cross) @ np.linalg.solve(two.T @ two, cross.T)
    values = np.sort(np.linalg.eigvals(product).real)[::-1]
    return np.sqrt(values[: min(one.shape[1], two.shape[1])])


def test_all_components_give_the_canonical_correlations():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(60, 4)), rng.normal(size=(60, 6))
    two[:, :4] += one
    expected = slow_correlations(one, two)
    scores = [canonical_correlation.principal_scores(values, 1.0) for values in (one, two)]
    found = canonical_correlation.canonical_correlations(*scores)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert svcca(one, two, 1.0) == pytest.approx(expected.mean())
    first, second = CCA(n_components=1, max_iter=5000, tol=1e-12).fit_transform(one, two)
    assert abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) == pytest.approx(found[0], rel=1e-6)


def test_components_hold_the_variance_asked_for():
    rng = np.random.default_rng(1)
    turn, scores = rotation(rng, 8), np.linalg.qr(rng.normal(size=(50, 8)))[0]
    scores -= scores.mean(axis=0)
    scores = np.linalg.qr(scores)[0]
    table = scores * np.sqrt([50, 30, 15, 4, 1, 0, 0, 0]) @ turn + 7
    for variance, count in ((0.5, 1), (0.51, 2), (0.8, 2), (0.95, 3), (0.99, 4), (1.0, 5)):
        found = canonical_correlation.principal_scores(table, variance)
        assert found.shape == (50, count)
        np.testing.assert_allclose(found.T @ found, np.eye(count), atol=1e-12)
        np.testing.assert_allclose(
            found.T @ scores[:, :count] @ scores[:, :count].T @ found, np.eye(count), atol=1e-6
        )
    assert canonical_correlation.principal_scores(table, 1.0, 2).shape == (50, 2)


def test_orthogonal_maps_leave_it_and_linear_maps_nearly_so():
    rng = np.random.default_rng(2)
    one = np.maximum(rng.normal(size=(IMAGES, 10)) @ rng.normal(size=(10, 50)), 0)
    two = one[:, :40] + 2 * rng.normal(size=(IMAGES, 40))
    reference = svcca(one, two)
    for changed in (one @ rotation(rng, 50), 5 * one, one + rng.normal(size=50)):
        assert svcca(changed, two) == pytest.approx(reference, abs=1e-10)
        assert svcca(changed, one) == pytest.approx(1, abs=1e-10)
    mixed = one @ (np.eye(50) + 0.1 * rng.normal(size=(50, 50)))
    assert svcca(mixed, one) > 0.97  # the weakest of 99 % of the variance are others
    assert svcca(mixed, one, 1.0) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("units", "expected"), [(50, 0.57), (200, 0.93), (1000, 0.985)])
def test_unrelated_populations_look_alike_to_it_and_the_null_says_so(units, expected):
    rng = np.random.default_rng(units)
    one, two = rng.normal(size=(2, IMAGES, units))
    assert svcca(one, two) == pytest.approx(expected, abs=0.01)
    found = svcca_with_null(one, two, generator=rng, shuffles=20)
    assert found.value == pytest.approx(svcca(one, two))
    assert found.null.mean() == pytest.approx(expected, abs=0.01)
    assert abs(found.standardised) < 4
    assert abs(found.corrected) < 0.1
    assert found.p_value > 0.02
    few = svcca_with_null(one, two, generator=rng, shuffles=20, components=5)
    assert few.components == (5, 5)
    assert few.value < 0.3


def test_a_shared_code_stands_out_from_the_null():
    rng = np.random.default_rng(3)
    code = rng.normal(size=(IMAGES, 10))
    one, two = (code @ rng.normal(size=(10, 200)) + rng.normal(size=(IMAGES, 200)) for _ in "ab")
    found = svcca_with_null(one, two, generator=rng, shuffles=99, components=10)
    assert found.corrected > 0.9
    assert found.standardised > 10
    assert found.p_value == pytest.approx(0.01)
    same = svcca_with_null(one, one, generator=rng, shuffles=5, components=10)
    assert same.corrected == pytest.approx(1)
    again = svcca_with_null(one, two, generator=np.random.default_rng(8), shuffles=5)
    twice = svcca_with_null(one, two, generator=np.random.default_rng(8), shuffles=5)
    np.testing.assert_array_equal(again.null, twice.null)


def test_what_means_nothing_is_refused():
    rng = np.random.default_rng(4)
    one, two = rng.normal(size=(2, 20, 300))
    with pytest.raises(DataError, match=r"(?s)19 and 19 components over 20 images.*fewer"):
        svcca_with_null(one, two, generator=rng, variance=1.0)
    with pytest.raises(DataError, match="responds to all images alike"):
        svcca(one, np.ones((20, 3)))
    with pytest.raises(DataError, match="20 and of 19 images"):
        svcca(one, two[:19])
    with pytest.raises(ValueError, match=r"1\.5 of the variance"):
        svcca(one, two, 1.5)
    with pytest.raises(ValueError, match="1 shuffles"):
        svcca_with_null(one, two, generator=rng, shuffles=1)
