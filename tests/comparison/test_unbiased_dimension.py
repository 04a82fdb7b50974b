"""Dimension from few samples and from noisy trials: brute force, known answers, bias."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesomode.comparison import dimension
from mesomode.comparison.unbiased_dimension import mean_of_four, sample_moments, signal_dimension
from mesomode.errors import DataError


def as_array(moments):
    return np.array([moments.trace_squared, moments.square_trace, moments.diagonal_square])


def of_differences(one, two, three, four):
    """(tr C)², tr C² and Σ Cᵢᵢ² from x₁ − x₂ and x₃ − x₄, twice (for two noisy measurements)."""
    (left, left_again), (right, right_again) = (one - two), (three - four)
    return np.array(
        [
            (left @ left_again) * (right @ right_again) / 4,
            (left @ right) * (left_again @ right_again) / 4,
            np.sum(left * left_again * right * right_again) / 4,
        ]
    )


def test_samples_equal_the_average_over_quadruples():
    samples = np.random.default_rng(0).normal(size=(6, 3)) + 5
    twice = np.stack([samples, samples], axis=1)
    expected = [of_differences(*four) for four in itertools.permutations(twice, 4)]
    found = as_array(sample_moments(samples))
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-9)


def test_samples_equal_blocks_of_one_sample():
    samples = np.random.default_rng(1).normal(size=(15, 8)) * np.arange(1, 9)
    blocks = dimension.BlockMoments([row[None] for row in samples]).moments()
    np.testing.assert_allclose(as_array(sample_moments(samples)), as_array(blocks), rtol=1e-9)


@pytest.mark.parametrize("samples", [20, 80])
def test_few_samples_of_many_units_have_the_right_dimension(samples):
    """60 units in 20 flat directions; the plain estimate from 20 samples is half of that."""
    rng = np.random.default_rng(2)
    mixing = np.linalg.qr(rng.normal(size=(60, 20)))[0].T
    found, plain = [], []
    for _ in range(200):
        data = rng.normal(size=(samples, 20)) @ mixing + 3
        found.append(as_array(sample_moments(data)))
        plain.append(dimension.plain_moments(data).participation_ratio)
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(200)
    assert mean[0] == pytest.approx(400, abs=4 * error[0])
    assert mean[1] == pytest.approx(20, abs=4 * error[1])
    assert mean[0] / mean[1] == pytest.approx(20, rel=0.05)
    assert np.mean(plain) == pytest.approx(20 / (1 + 20 / samples), rel=0.05)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.integers(2, 12), st.integers(5, 30), st.integers(0, 10**6))
def test_invariances_of_samples(units, count, seed):
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(count, units)) * rng.uniform(0.1, 3, units)
    reference = as_array(sample_moments(samples))
    turn = np.linalg.qr(rng.normal(size=(units, units)))[0]
    scale = reference[0]
    for changed in (
        samples[rng.permutation(count)],
        samples[:, rng.permutation(units)],
        samples + rng.normal(size=units),
        np.hstack([samples, np.zeros((count, 4))]),
    ):
        found = as_array(sample_moments(changed))
        np.testing.assert_allclose(found, reference, rtol=1e-8, atol=1e-10 * scale)
    found = as_array(sample_moments(-2 * samples @ turn))
    np.testing.assert_allclose(found[:2], 16 * reference[:2], rtol=1e-8, atol=1e-9 * scale)


@pytest.mark.parametrize("images", ["drawn", "shown"])
@pytest.mark.parametrize("repeats", [4, 5])
def test_trials_equal_the_average_over_quadruples(images, repeats):
    """Different repeats in all four places; of drawn images different images too."""
    rng = np.random.default_rng(3)
    trials = rng.normal(size=(repeats, 5, 3)) + rng.normal(size=(5, 3)) + 2
    centred = trials - trials.mean(axis=1, keepdims=True)
    terms = []
    for a, b, c, d in itertools.permutations(range(repeats), 4):
        if images == "drawn":
            for p, q, r, s in itertools.permutations(range(5), 4):
                left = trials[[a, b], p] - trials[[a, b], q]
                right = trials[[c, d], r] - trials[[c, d], s]
                terms.append(
                    [
                        (left[0] @ left[1]) * (right[0] @ right[1]) / 4,
                        np.nan,
                        np.sum(left[0] * left[1] * right[0] * right[1]) / 4,
                    ]
                )
                left = trials[[a, c], p] - trials[[a, c], q]
                right = trials[[b, d], r] - trials[[b, d], s]
                terms[-1][1] = (left[0] @ right[0]) * (left[1] @ right[1]) / 4
        else:
            one, two = (centred[i].T @ centred[j] / 5 for i, j in ((a, b), (c, d)))
            one, two = (one + one.T) / 2, (two + two.T) / 2
            terms.append(
                [
                    np.trace(one) * np.trace(two),
                    np.sum(one * two),
                    np.sum(np.diag(one) * np.diag(two)),
                ]
            )
    found = signal_dimension(trials, images)
    np.testing.assert_allclose(as_array(found.moments), np.mean(terms, axis=0), rtol=1e-8)


def test_without_noise_it_is_the_dimension_of_the_images():
    rng = np.random.default_rng(4)
    signal = rng.normal(size=(30, 12)) * np.arange(1, 13)
    trials = np.stack([signal] * 6)
    shown = signal_dimension(trials, "shown")
    plain = dimension.plain_moments(signal)
    np.testing.assert_allclose(as_array(shown.moments), as_array(plain), rtol=1e-9)
    drawn = signal_dimension(trials, "drawn")
    np.testing.assert_allclose(as_array(drawn.moments), as_array(sample_moments(signal)), rtol=1e-8)
    assert shown.plain == pytest.approx(plain.participation_ratio)
    assert drawn.signal_fraction == pytest.approx(1)
    assert drawn.standard_error == pytest.approx(0, abs=1e-6)


def noisy_trials(rng, shared, repeats=8, images=40, units=40, dims=6, noise=1.5):
    """A code of six flat dimensions, noise in all units, and noise shared by all images."""
    mixing = np.linalg.qr(rng.normal(size=(units, dims)))[0].T * np.sqrt(units / dims)
    signal = rng.normal(size=(images, dims)) @ mixing
    common = shared * rng.normal(size=(repeats, 1, units))
    gain = 1 + 0.2 * rng.normal(size=(repeats, 1, 1))
    return signal * gain + noise * rng.normal(size=(repeats, images, units)) + common


@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_noise_is_removed(shared):
    rng = np.random.default_rng(5)
    found, plain, fraction = [], [], []
    for _ in range(40):
        result = signal_dimension(noisy_trials(rng, shared))
        found.append(as_array(result.moments))
        plain.append(result.plain)
        fraction.append(result.signal_fraction)
    mean = np.mean(found, axis=0)
    assert mean[0] / mean[1] == pytest.approx(6, rel=0.05)
    assert np.mean(plain) > 7
    assert np.mean(fraction) == pytest.approx(1 / (1 + 1.5**2), rel=0.05)


def test_correlated_noise_within_a_repeat_does_no_harm():
    """The same deviation for neighbouring images, as in a film; products of one repeat would."""
    rng = np.random.default_rng(6)
    signal = rng.normal(size=(40, 4)) @ rng.normal(size=(4, 20))
    truth = dimension.plain_moments(signal).participation_ratio
    found = []
    for _ in range(30):
        slow = np.repeat(rng.normal(size=(8, 10, 20)), 4, axis=1)
        found.append(as_array(signal_dimension(signal + 2 * slow, "shown").moments))
    mean = np.mean(found, axis=0)
    assert mean[0] / mean[1] == pytest.approx(truth, rel=0.05)


def test_the_standard_error_is_the_scatter_between_recordings():
    rng = np.random.default_rng(7)
    signal = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 30))
    results = [
        signal_dimension(signal + 4 * rng.normal(size=(10, 40, 30)), "shown") for _ in range(60)
    ]
    scatter = np.std([result.participation_ratio for result in results])
    assert np.mean([result.standard_error for result in results]) == pytest.approx(scatter, rel=0.3)


def test_leaving_a_repeat_out_equals_starting_without_it():
    rng = np.random.default_rng(8)
    trials = noisy_trials(rng, 0.5, repeats=6, images=8, units=5, dims=3)
    for images in ("drawn", "shown"):
        left = [
            signal_dimension(np.delete(trials, r, axis=0), images).participation_ratio
            for r in range(6)
        ]
        expected = np.sqrt(5 * np.mean((left - np.mean(left)) ** 2))
        assert signal_dimension(trials, images).standard_error == pytest.approx(expected, rel=1e-8)
    assert np.isnan(signal_dimension(trials[:4]).standard_error)


def test_the_mean_of_four_equals_the_loop():
    rng = np.random.default_rng(9)
    table = rng.normal(size=(5, 5, 2))
    table += table.transpose(1, 0, 2)
    expected = [table[a, b] * table[c, d] for a, b, c, d in itertools.permutations(range(5), 4)]
    np.testing.assert_allclose(mean_of_four(table), np.mean(expected, axis=0))


def test_principal_components_for_a_part_of_the_variance():
    values = np.array([6.0, 3.0, 0.9, 0.1, 0.0])
    for variance, count in ((0.5, 1), (0.6, 1), (0.61, 2), (0.9, 2), (0.95, 3), (1.0, 4)):
        assert dimension.components_for(values, variance) == count
    assert dimension.components_for(np.zeros(3), 0.9) == 0
    assert dimension.components_for(np.ones(20), 0.95) == 19
    with pytest.raises(ValueError, match="0 of the variance"):
        dimension.components_for(values, 0)


def test_too_few_samples_and_repeats_are_refused():
    rng = np.random.default_rng(10)
    with pytest.raises(DataError, match="3 samples are too few"):
        sample_moments(rng.normal(size=(3, 5)))
    with pytest.raises(DataError, match=r"(?s)3 repeats of 10 images.*4 repeats of 4 images"):
        signal_dimension(rng.normal(size=(3, 10, 5)))
    with pytest.raises(DataError, match=r"(?s)filled array.*1 values not finite"):
        trials = rng.normal(size=(5, 10, 5))
        trials[1, 2, 3] = np.nan
        signal_dimension(trials)
    with pytest.raises(ValueError, match="drawn or shown"):
        signal_dimension(rng.normal(size=(5, 10, 5)), "fixed")
