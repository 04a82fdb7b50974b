"""Dimension of what repeats: exact without noise, unbiased with it, where the plain one is not."""

import itertools

import numpy as np
import pytest

from mesomode.comparison.dimension import participation_ratio
from mesomode.recordings import signal_dimension
from mesomode.recordings.reliability import group_means, random_parts


def made(seed, rank=3, conditions=40, trials=8, units=60, noise=0.0, shared=0.0):
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(conditions, rank)) @ rng.normal(size=(rank, units))
    condition = np.repeat(np.arange(conditions), trials)
    kicks = rng.normal(size=(len(condition), units))
    kicks += shared * rng.normal(size=(len(condition), 1))
    return mean, mean[condition] + noise * kicks, condition


def true_ratio(mean):
    return participation_ratio(np.linalg.svd(mean - mean.mean(axis=0), compute_uv=False) ** 2)


def test_without_noise_it_is_the_participation_ratio_of_the_means():
    mean, response, condition = made(0)
    ratio, error = signal_dimension.signal_participation_ratio(
        response, condition, 40, np.random.default_rng(0), 2
    )
    assert ratio == pytest.approx(true_ratio(mean), rel=1e-9)
    assert 0 < error < 1
    spectrum = signal_dimension.cross_validated_spectrum(
        response, condition, 40, np.random.default_rng(0), 2
    )
    expected = np.linalg.svd(mean - mean.mean(axis=0), compute_uv=False) ** 2 / 40
    assert len(spectrum) == 39
    np.testing.assert_allclose(spectrum[:3], expected[:3], rtol=1e-9)
    np.testing.assert_allclose(spectrum[3:], 0, atol=1e-9)


def slow_ratio(response, condition, conditions, generator, splits):
    """The same with the covariance matrices themselves."""
    product, square = [], []
    for _ in range(splits):
        part = random_parts(condition, 4, generator)
        means = [
            group_means(response[part == p], condition[part == p], conditions) for p in range(4)
        ]
        means = [m - m.mean(axis=0) for m in means]
        for a in range(4):
            for b in range(4):
                for c in range(4):
                    for d in range(4):
                        if len({a, b, c, d}) == 4:
                            one, two = means[a].T @ means[b], means[c].T @ means[d]
                            product.append(np.trace(one) * np.trace(two))
                            square.append(np.sum(one * two))
    return np.mean(product) / np.mean(square)


def test_it_equals_the_loop_over_covariance_matrices():
    _, response, condition = made(1, noise=1.0, units=7)
    found, _ = signal_dimension.signal_participation_ratio(
        response, condition, 40, np.random.default_rng(5), 2
    )
    slow = slow_ratio(response, condition, 40, np.random.default_rng(5), 2)
    assert found == pytest.approx(slow, rel=1e-9)


def test_its_error_is_the_jackknife_over_conditions():
    """The same splits of the same trials, with each condition left out by hand."""
    _, response, condition = made(2, noise=1.0, units=6, conditions=9, trials=5)
    splits = 3
    _, error = signal_dimension.signal_participation_ratio(
        response, condition, 9, np.random.default_rng(4), splits
    )
    generator, parts = np.random.default_rng(4), []
    for _ in range(splits):
        parts.append(random_parts(condition, 4, generator))
    left = []
    for k in range(9):
        sums = np.zeros(2)
        for part in parts:
            means = [group_means(response[part == p], condition[part == p], 9) for p in range(4)]
            means = [np.delete(m, k, axis=0) for m in means]
            means = [m - m.mean(axis=0) for m in means]
            for a, b, c, d in itertools.permutations(range(4)):
                one, two = means[a].T @ means[b], means[c].T @ means[d]
                sums += [np.trace(one) * np.trace(two), np.sum(one * two)]
        left.append(sums[0] / sums[1])
    left = np.array(left)
    expected = np.sqrt(8 * np.mean((left - left.mean()) ** 2))
    assert error == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("noise", "shared"), [(2.0, 0.0), (1.0, 1.5)])
def test_noise_moves_the_plain_dimension_but_not_this_one(noise, shared):
    """Ten draws: private noise raises the plain dimension, shared noise lowers it."""
    gap, plain_gap, errors = [], [], []
    for seed in range(10):
        mean, response, condition = made(seed, rank=4, noise=noise, shared=shared)
        found, error = signal_dimension.signal_participation_ratio(
            response, condition, 40, np.random.default_rng(seed), 4
        )
        gap.append(found - true_ratio(mean))
        plain_gap.append(true_ratio(group_means(response, condition, 40)) - true_ratio(mean))
        errors.append(error)
    assert abs(np.mean(gap)) < 0.15
    assert abs(np.mean(plain_gap)) > 3 * abs(np.mean(gap))
    assert np.std(gap) < 2 * np.mean(errors)


def test_pure_noise_has_a_spectrum_around_zero():
    rng = np.random.default_rng(0)
    condition = np.repeat(np.arange(50), 6)
    response = rng.normal(size=(300, 80))
    spectrum = signal_dimension.cross_validated_spectrum(response, condition, 50, rng, 8)
    assert abs(spectrum.sum()) < 1.0  # the variance of the measured means is 80/6
    ratio, _ = signal_dimension.signal_participation_ratio(response, condition, 50, rng, 4)
    assert np.isnan(ratio) or not 2 < ratio < 50


def test_too_few_trials_or_conditions_give_nan():
    rng = np.random.default_rng(0)
    response = rng.normal(size=(30, 5))
    nothing = signal_dimension.signal_participation_ratio(response, np.arange(30) % 10, 10, rng)
    assert np.isnan(nothing).all()
    nothing = signal_dimension.signal_participation_ratio(response, np.arange(30) % 2, 2, rng)
    assert np.isnan(nothing).all()
    nothing = signal_dimension.signal_participation_ratio(
        response[:, :0], np.arange(30) % 3, 3, rng
    )
    assert np.isnan(nothing).all()
    assert signal_dimension.cross_validated_spectrum(response, np.arange(30), 30, rng).size == 0
    # conditions with fewer trials are left out, not the whole
    some = np.r_[np.arange(28) % 4, [4, 5]]
    assert np.isfinite(signal_dimension.cross_validated_spectrum(response, some, 6, rng)).all()
