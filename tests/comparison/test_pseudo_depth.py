"""Pseudo-depth: a noisy copy of a layer is found to be that layer, and at what cost."""

import time

import numpy as np
import pytest

from mesomode.comparison.canonical_correlation import svcca
from mesomode.comparison.pseudo_depth import (
    PseudoDepth,
    canonical_profile,
    hierarchy_agreement,
    pseudo_depth,
    recorded_from,
    similarity_profile,
)
from mesomode.comparison.representations import similarity_of_similarities
from mesomode.errors import DataError

IMAGES = 118


def ladder(rng, layers=12, units=300):
    """Layers of random weights, each a rectified mixture of the one before."""
    found = [np.maximum(rng.normal(size=(IMAGES, units)), 0)]
    for _ in range(layers - 1):
        weights = rng.normal(size=(units, units)) * np.sqrt(2 / units)
        found.append(np.maximum(found[-1] @ weights, 0))
    return found


def noisy_copy(rng, layer, units, noise):
    chosen = layer[:, rng.choice(layer.shape[1], units, replace=False)]
    return chosen + noise * layer.std() * rng.normal(size=chosen.shape)


def test_profiles_equal_the_similarities_one_by_one():
    rng = np.random.default_rng(0)
    layers = ladder(rng, 4, 40)
    population = noisy_copy(rng, layers[2], 20, 1)
    for measure in ("pearson", "cosine"):
        expected = [similarity_of_similarities(layer, population, measure) for layer in layers]
        found = similarity_profile(layers, measure)(population)
        np.testing.assert_allclose(found, expected, atol=1e-12)
    expected = [svcca(layer, population, components=8) for layer in layers]
    np.testing.assert_allclose(canonical_profile(layers, components=8)(population), expected)


def test_the_ladder_is_recovered():
    """The peak is at layer 5 in 200 of 200 bootstraps, and the profile falls to both ends."""
    rng = np.random.default_rng(1)
    layers = ladder(rng)
    found = pseudo_depth(
        similarity_profile(layers), noisy_copy(rng, layers[5], 300, 0.6), generator=rng
    )
    assert found.depth == 5
    assert np.all(found.depths == 5)
    assert found.probability[5] == 1
    assert found.interval() == (5, 5)
    assert found.similarity[5] > 0.6
    assert np.all(np.diff(found.similarity[:6]) > 0)
    assert np.all(np.diff(found.similarity[5:]) < 0)
    # resampled units bear more noise, so that the bootstraps lie below but not far
    assert found.bootstrapped.shape == (200, 12)
    assert 0 < found.similarity[5] - found.bootstrapped[:, 5].mean() < 0.15
    assert 0 < found.standard_error[5] < 0.05


@pytest.mark.parametrize("true", [0, 3, 7, 11])
def test_every_rung_is_recovered_also_by_canonical_correlations(true):
    rng = np.random.default_rng(true)
    layers = ladder(rng)
    population = noisy_copy(rng, layers[true], 300, 0.3)
    assert (
        pseudo_depth(
            similarity_profile(layers), population, generator=rng, bootstraps=5
        ).depths.tolist()
        == [true] * 5
    )
    found = pseudo_depth(
        canonical_profile(layers, components=20), population, generator=rng, bootstraps=5
    )
    assert abs(found.depth - true) <= 1


def test_the_uncertainty_of_a_poor_recording_is_told():
    rng = np.random.default_rng(2)
    layers = ladder(rng)
    poor = pseudo_depth(
        similarity_profile(layers), noisy_copy(rng, layers[5], 25, 1.5), generator=rng
    )
    low, high = poor.interval()
    assert low < high
    assert poor.probability.max() < 0.9
    assert poor.probability.sum() == pytest.approx(1)


def test_the_standard_error_is_the_scatter_between_populations():
    rng = np.random.default_rng(3)
    layers = ladder(rng, 3, 1000)
    profile = similarity_profile(layers)
    populations = [noisy_copy(rng, layers[1], 60, 0.5) for _ in range(40)]
    scatter = np.std([profile(population)[1] for population in populations], ddof=1)
    errors = [
        pseudo_depth(profile, population, generator=rng, bootstraps=40).standard_error[1]
        for population in populations[:8]
    ]
    assert np.mean(errors) == pytest.approx(scatter, rel=0.5)


def test_two_hundred_bootstraps_of_thirteen_layers_are_quick():
    rng = np.random.default_rng(4)
    layers = ladder(rng, 13, 500)
    profile = similarity_profile(layers)
    start = time.process_time()
    pseudo_depth(profile, noisy_copy(rng, layers[5], 200, 1), generator=rng)
    assert time.process_time() - start < 3  # 0.3 s; slack for a busy machine


def test_the_same_seed_gives_the_same_bootstraps():
    layers = ladder(np.random.default_rng(5), 3, 30)
    one, two = (
        pseudo_depth(
            similarity_profile(layers), layers[1], generator=np.random.default_rng(6), bootstraps=4
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(one.bootstrapped, two.bootstrapped)


def test_known_counts():
    found = PseudoDepth(np.array([0.1, 0.5, 0.5]), np.array([[0, 1, 0], [0, 0, 1], [0, 2, 1.0]]))
    assert found.depth == 1
    np.testing.assert_array_equal(found.depths, [1, 2, 1])
    np.testing.assert_allclose(found.probability, [0, 2 / 3, 1 / 3])


def test_a_recording_of_a_layer_has_the_reliability_asked_for():
    rng = np.random.default_rng(8)
    layer = rng.normal(size=(4000, 30)) * rng.uniform(0.1, 10, 30)
    layer[:, 7] = 3
    found = recorded_from(layer, 29, 0.4, generator=rng)
    again = recorded_from(layer, 29, 1.0, generator=rng)
    np.testing.assert_allclose(np.sort(again.std(axis=0)), np.sort(np.delete(layer.std(axis=0), 7)))
    correlation = np.corrcoef(found.T, np.delete(layer, 7, axis=1).T)[:29, 29:]
    np.testing.assert_allclose(correlation.max(axis=1) ** 2, 0.4, atol=0.05)
    assert len(set(correlation.argmax(axis=1))) == 29
    with pytest.raises(DataError, match=r"(?s)30 units.*with 29.*1 of its units"):
        recorded_from(layer, 30, 0.4, generator=rng)
    with pytest.raises(ValueError, match="reliability 0"):
        recorded_from(layer, 3, 0, generator=rng)


def of_depths(*depths):
    """A population with its depth first and then those of its bootstraps, in ten layers."""
    rows = np.eye(10)[list(depths)]
    return PseudoDepth(rows[0], rows[1:])


def test_pseudo_depths_are_compared_with_a_hierarchy():
    rng = np.random.default_rng(9)
    populations = [of_depths(1, 1, 2), of_depths(3, 2, 2), of_depths(4, 4, 2), of_depths(8, 3, 2)]
    found = hierarchy_agreement(populations, np.array([0.1, 0.2, 0.5, 0.9]), generator=rng)
    assert found.correlation == pytest.approx(1)
    assert found.p_value == pytest.approx(2 / 24)  # in order, or in reverse
    np.testing.assert_allclose(found.bootstrapped, [0.8, np.nan])
    reverse = hierarchy_agreement(populations, np.array([4.0, 3, 2, 1]), generator=rng)
    assert reverse.correlation == pytest.approx(-1)
    many = hierarchy_agreement([of_depths(i, i) for i in range(8)], np.arange(8.0), generator=rng)
    assert many.p_value == pytest.approx(1 / 5001, abs=2 / 5001)
    same = hierarchy_agreement([of_depths(4, 4)] * 3, np.arange(3.0), generator=rng)
    assert np.isnan([same.correlation, same.p_value]).all()
    with pytest.raises(DataError, match=r"(?s)4 populations and places of the shape \(3,\)"):
        hierarchy_agreement(populations, np.arange(3.0), generator=rng)


def test_layers_and_populations_that_do_not_match_are_refused():
    rng = np.random.default_rng(7)
    layers = ladder(rng, 3, 30)
    with pytest.raises(DataError, match=r"(?s)do not share.*\[117, 118\]"):
        similarity_profile([layers[0], layers[1][:117]])
    with pytest.raises(DataError, match="there is no layer"):
        canonical_profile([])
    for profile in (similarity_profile(layers), canonical_profile(layers)):
        with pytest.raises(DataError, match="117 images and a model with 118"):
            pseudo_depth(profile, layers[0][:117], generator=rng)
    with pytest.raises(ValueError, match="1 bootstraps"):
        pseudo_depth(similarity_profile(layers), layers[0], generator=rng, bootstraps=1)
