"""Signal and noise correlations: slow twins, known answers, what the correction is for."""

import numpy as np
import pytest

from mesomode.recordings import correlations


def made(seed, conditions=40, trials=6, units=5, shared=0.6, signal=1.0):
    """Trials whose noise is shared between units, and whose signals are independent."""
    rng = np.random.default_rng(seed)
    condition = rng.permutation(np.repeat(np.arange(conditions), trials))
    mean = signal * rng.normal(size=(conditions, units))
    common = rng.normal(size=(len(condition), 1))
    private = rng.normal(size=(len(condition), units))
    return mean[condition] + np.sqrt(shared) * common + np.sqrt(1 - shared) * private, condition


def test_both_covariances_equal_the_loop_with_unequal_numbers_of_trials():
    response, condition = made(0)
    response, condition = response[:-17], condition[:-17]
    noise = correlations.noise_covariance(response, condition, 42)
    measured, corrected = correlations.signal_covariance(response, condition, 42)
    kinds = np.unique(condition)
    groups = [response[condition == c] for c in kinds]
    slow = sum((g - g.mean(axis=0)).T @ (g - g.mean(axis=0)) for g in groups)
    slow = slow / (len(response) - len(kinds))
    np.testing.assert_allclose(noise, slow, rtol=1e-10)
    means = np.array([g.mean(axis=0) for g in groups])
    np.testing.assert_allclose(measured, np.cov(means.T), rtol=1e-10)
    inverse = np.mean([1 / len(g) for g in groups])
    np.testing.assert_allclose(corrected, np.cov(means.T) - slow * inverse, rtol=1e-10)


def test_shared_noise_is_found_and_does_not_look_like_shared_signal():
    """Measured means correlate because of the noise they carry: 0.6/6 of 1 + 1/6."""
    plain, corrected, noise = [], [], []
    for seed in range(30):
        response, condition = made(seed, conditions=60)
        matrix = correlations.noise_covariance(response, condition, 60)
        noise.append(correlations.pair_mean(correlations.correlation_of(matrix)))
        pair = correlations.signal_covariance(response, condition, 60)
        for found, values in zip(pair, (plain, corrected), strict=True):
            values.append(correlations.pair_mean(correlations.correlation_of(found)))
    assert np.mean(noise) == pytest.approx(0.6, abs=0.01)
    assert np.mean(plain) == pytest.approx(0.6 / 6 / (1 + 1 / 6), abs=0.03)
    assert np.mean(corrected) == pytest.approx(0.0, abs=0.03)


def test_units_and_trials_with_gaps_are_left_out():
    response, _ = made(1)
    response[:, 4] = 3.0
    response[7] = np.nan
    response[9, 2] = np.nan
    trials, units = correlations.complete(response)
    assert trials.sum() == len(response) - 1 and not trials[7]
    assert units.tolist() == [True, True, False, True, False]
    trials, units = correlations.complete(np.full((4, 2), np.nan))
    assert not trials.any() and not units.any()
    assert correlations.complete(np.empty((0, 3)))[1].tolist() == [False] * 3


def test_what_cannot_be_known_is_nan():
    response, _ = made(2)
    alone = np.arange(len(response))
    assert np.isnan(correlations.noise_covariance(response, alone, len(alone))).all()
    measured, corrected = correlations.signal_covariance(response, alone * 0, 1)
    assert np.isnan(measured).all() and np.isnan(corrected).all()
    odd = correlations.correlation_of(np.array([[1.0, 0.5], [0.5, -0.1]]))
    assert odd[0, 0] == 1 and np.isnan(odd[0, 1]) and np.isnan(odd[1, 1])
    assert np.isnan(correlations.pair_mean(odd))
    assert np.isnan(correlations.pair_mean(np.ones((1, 1))))
