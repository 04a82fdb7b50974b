"""Variance components, ceilings and split halves: slow twins and known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesomode.recordings import reliability
from mesomode.recordings.tuning import one_way_anova


def made(seed, conditions=12, trials=8, units=40, signal=1.0, noise=2.0):
    """Responses with known variances of signal and noise, in a random order of trials."""
    rng = np.random.default_rng(seed)
    condition = rng.permutation(np.repeat(np.arange(conditions), trials))
    mean = np.sqrt(signal) * rng.normal(size=(conditions, units))
    return mean[condition] + np.sqrt(noise) * rng.normal(size=(len(condition), units)), condition


def slow_components(values, condition):
    groups = [values[condition == c] for c in np.unique(condition)]
    groups = [g[np.isfinite(g)] for g in groups]
    groups = [g for g in groups if len(g)]
    noise = sum(((g - g.mean()) ** 2).sum() for g in groups) / sum(len(g) - 1 for g in groups)
    of_means = np.var([g.mean() for g in groups], ddof=1)
    return of_means - noise * np.mean([1 / len(g) for g in groups]), noise, of_means


def test_components_equal_the_loop_also_with_gaps_and_unequal_numbers():
    response, condition = made(0)
    rng = np.random.default_rng(1)
    response[rng.random(response.shape) < 0.3] = np.nan
    response[condition == 3, 5] = np.nan
    found = reliability.variance_components(response, condition, 14)  # two without a trial
    for unit in range(response.shape[1]):
        expected = slow_components(response[:, unit], condition)
        np.testing.assert_allclose([part[unit] for part in found], expected, rtol=1e-10)


def test_components_and_ceiling_are_without_bias():
    """Over 4,000 units the means are the built-in 1, 2 and 1/(1 + 2/8), within the errors."""
    response, condition = made(2, conditions=30, units=4000)
    signal, noise, of_means = reliability.variance_components(response, condition, 30)
    assert noise.mean() == pytest.approx(2.0, rel=0.01)
    assert signal.mean() == pytest.approx(1.0, rel=0.02)
    averaged, single = reliability.noise_ceiling(signal, noise, of_means)
    assert np.median(averaged) == pytest.approx(0.8, abs=0.02)
    assert np.median(single) == pytest.approx(1 / 3, abs=0.02)
    nothing = reliability.variance_components(response[:, :1] * 0 + 4, condition, 30)
    assert np.isnan(reliability.noise_ceiling(*nothing)).all()


def test_no_signal_gives_ceilings_around_zero():
    response, condition = made(4, conditions=20, units=5000, signal=0.0)
    signal, *_ = reliability.variance_components(response, condition, 20)
    error = signal.std() / np.sqrt(len(signal))
    assert abs(signal.mean()) < 4 * error


def test_the_ceiling_is_one_less_the_inverse_of_f():
    response, condition = made(5)
    averaged, _ = reliability.noise_ceiling(
        *reliability.variance_components(response, condition, 12)
    )
    statistic, _ = one_way_anova(response, condition, 12)
    np.testing.assert_allclose(averaged, 1 - 1 / statistic, rtol=1e-9)


def test_what_cannot_be_known_is_nan():
    response = np.arange(6.0)[:, None] * np.ones((6, 2))
    once = np.arange(6)
    signal, noise, of_means = reliability.variance_components(response, once, 6)
    assert np.isnan(signal).all() and np.isnan(noise).all() and (of_means > 0).all()
    together = reliability.variance_components(response, once * 0, 1)
    assert np.isnan(together[0]).all() and np.isfinite(together[1]).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 60))
def test_parts_are_balanced_in_every_condition(seed, parts, trials):
    rng = np.random.default_rng(seed)
    condition = rng.integers(0, 4, trials)
    part = reliability.random_parts(condition, parts, rng)
    for c in np.unique(condition):
        sizes = np.bincount(part[condition == c], minlength=parts)
        assert len(sizes) == parts and sizes.max() - sizes.min() <= 1


def test_parts_differ_from_draw_to_draw_and_every_trial_changes_sides():
    condition = np.repeat(np.arange(3), 5)
    rng = np.random.default_rng(0)
    draws = np.array([reliability.random_parts(condition, 2, rng) for _ in range(400)])
    np.testing.assert_allclose(draws.mean(axis=0), 0.5, atol=0.12)
    # also which half gets the fifth trial
    assert 0.3 < (draws[:, :5].sum(axis=1) == 3).mean() < 0.7


def slow_split_half(response, condition, generator, splits):
    found = []
    for _ in range(splits):
        part = reliability.random_parts(condition, 2, generator)
        kept, halves = [], ([], [])
        for c in np.unique(condition):
            sides = [response[(condition == c) & (part == p)] for p in range(2)]
            sides = [s[np.isfinite(s)] for s in sides]
            if all(len(s) for s in sides):
                kept.append(c)
                for half, side in zip(halves, sides, strict=True):
                    half.append(side.mean())
        found.append(np.corrcoef(halves)[0, 1])
    return np.mean(found)


def test_split_halves_equal_the_loop_also_with_gaps():
    response, condition = made(6, trials=4, units=5)
    response[np.random.default_rng(0).random(response.shape) < 0.1] = np.nan
    half, whole = reliability.split_half(response, condition, 12, np.random.default_rng(7), 3)
    for unit in range(5):
        slow = slow_split_half(response[:, unit], condition, np.random.default_rng(7), 3)
        assert half[unit] == pytest.approx(slow, rel=1e-10)
    np.testing.assert_allclose(whole, 2 * half / (1 + half))


def test_reliability_is_the_ceiling():
    """Spearman–Brown from halves and the ratio of variances estimate the same R²."""
    response, condition = made(8, conditions=60, trials=10, units=300)
    _, whole = reliability.split_half(response, condition, 60, np.random.default_rng(0), 10)
    ceiling, _ = reliability.noise_ceiling(
        *reliability.variance_components(response, condition, 60)
    )
    assert np.mean(whole) == pytest.approx(1 / (1 + 2 / 10), abs=0.01)
    assert np.corrcoef(whole, ceiling)[0, 1] > 0.9
    assert np.abs(whole - ceiling).mean() < 0.03


def test_constant_units_and_single_trials_have_no_reliability():
    response, condition = made(9, units=3)
    response[:, 1] = 0.1
    half, whole = reliability.split_half(response, condition, 12, np.random.default_rng(0), 2)
    assert np.isnan(half[1]) and np.isnan(whole[1]) and np.isfinite(half[[0, 2]]).all()
    alone, _ = reliability.split_half(response[:12], np.arange(12), 12, np.random.default_rng(0), 2)
    assert np.isnan(alone).all()
    two, _ = reliability.split_half(response[:8], np.arange(8) % 2, 2, np.random.default_rng(0), 2)
    assert np.isnan(two).all()
    none, _ = reliability.split_half(response[:0], condition[:0], 0, np.random.default_rng(0), 2)
    assert np.isnan(none).all()
