"""Measures of activity against their definitions and data with a known answer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.dynamics.measures import (
    autocovariance,
    correlation_time,
    dimensionality,
    frozen_fraction,
)
from mesomode.errors import DataError


def test_autocovariance_equals_the_double_loop():
    samples = np.random.default_rng(0).standard_normal((3, 20, 300))
    mean, error = autocovariance(samples, 6)
    curves = np.array(
        [
            [np.mean([np.mean(x[t] * x[t + lag]) for t in range(20 - lag)]) for lag in range(6)]
            for x in samples
        ]
    )
    assert_allclose(mean, curves.mean(axis=0), atol=1e-12)
    assert_allclose(error, curves.std(axis=0, ddof=1) / np.sqrt(3), atol=1e-12)


def test_autocovariance_of_one_trajectory_has_no_error():
    _, error = autocovariance(np.ones((1, 5, 2)), 3)
    assert np.isnan(error).all()


def test_more_lags_than_samples_are_refused():
    with pytest.raises(DataError, match="11 lags cannot be measured in 10 samples"):
        autocovariance(np.ones((2, 10, 3)), 11)


def test_dimension_equals_the_loop_over_pairs_of_trajectories():
    generator = np.random.default_rng(1)
    samples = generator.standard_normal((5, 30, 8)) @ generator.standard_normal((8, 8))
    covariances = [x.T @ x / 30 for x in samples]

    def unbiased(kept):
        pairs = [(a, b) for a in kept for b in kept if a != b]
        traces = np.mean([np.trace(covariances[a]) * np.trace(covariances[b]) for a, b in pairs])
        return traces / np.mean([np.sum(covariances[a] * covariances[b]) for a, b in pairs])

    found = dimensionality(samples)
    assert_allclose(found.participation_ratio, unbiased(range(5)))
    without = [unbiased([a for a in range(5) if a != b]) for b in range(5)]
    assert_allclose(found.participation_ratio_error, np.sqrt(4 * np.var(without)))
    pooled = np.mean(covariances, axis=0)
    assert_allclose(found.naive_participation_ratio, np.trace(pooled) ** 2 / np.sum(pooled**2))
    assert_allclose(found.covariance_eigenvalue, np.linalg.eigvalsh(pooled)[::-1])
    single = dimensionality(samples.astype(np.float32))
    assert_allclose(single.participation_ratio, found.participation_ratio, rtol=1e-5)


@pytest.mark.parametrize("times", [5, 50, 500])
def test_white_data_have_full_dimension_for_any_duration(times):
    """Each unit one dimension; the naive estimate misses all that are not sampled."""
    units, trajectories = 60, 24
    samples = np.random.default_rng(2).standard_normal((trajectories, times, units))
    found = dimensionality(samples)
    assert abs(found.participation_ratio / units - 1) < max(4 / times, 0.01)
    total = times * trajectories
    assert_allclose(
        units / found.naive_participation_ratio, 1 + units / total, rtol=max(2 / times, 0.01)
    )


def test_the_jackknife_error_is_the_spread_over_repetitions():
    generator = np.random.default_rng(3)
    mixing = generator.standard_normal((12, 12))
    repeated = [
        dimensionality(generator.standard_normal((16, 20, 12)) @ mixing) for _ in range(100)
    ]
    spread = np.std([r.participation_ratio for r in repeated])
    assert_allclose(np.mean([r.participation_ratio_error for r in repeated]), spread, rtol=0.25)


def test_dimension_without_activity_or_with_one_trajectory_is_undefined():
    assert np.isnan(dimensionality(np.zeros((3, 5, 4))).participation_ratio)
    single = dimensionality(np.random.default_rng(0).standard_normal((1, 50, 4)))
    assert np.isnan(single.participation_ratio)
    assert single.naive_participation_ratio > 1


def test_correlation_time_of_an_exponential():
    lag = np.arange(0, 40, 0.01)
    assert_allclose(correlation_time(3 * np.exp(-lag / 2), 0.01), 2.0, rtol=1e-4)
    assert np.isnan(correlation_time(np.zeros(5), 0.1))


def test_frozen_trajectories_are_counted():
    samples = np.random.default_rng(0).standard_normal((4, 10, 6))
    samples[0] = samples[0, 0]
    assert frozen_fraction(samples) == 0.25
