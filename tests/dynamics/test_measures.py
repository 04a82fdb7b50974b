"""Measures of activity against their definitions and data with a known answer."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.dynamics.measures import (
    autocovariance,
    correlation_time,
    dimensionality,
    frozen_fraction,
    leading_projection,
    population_autocovariance,
    standardised,
    without_mean,
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


def correlated(trajectories, times, units, seed=0):
    """Autoregressive activity that is mixed over units: slow in a few directions."""
    generator = np.random.default_rng(seed)
    memory = np.linspace(0.95, 0.2, units)
    latent = np.zeros((trajectories, times, units))
    latent[:, 0] = generator.standard_normal((trajectories, units))
    for t in range(1, times):
        kick = generator.standard_normal((trajectories, units))
        latent[:, t] = memory * latent[:, t - 1] + np.sqrt(1 - memory**2) * kick
    mixing = np.linalg.qr(generator.standard_normal((units, units)))[0]
    return latent @ mixing, memory


def test_the_averages_give_the_ratio():
    samples, _ = correlated(4, 30, 6)
    found = dimensionality(samples, eigenvalues=False)
    assert_allclose(found.squared_trace / found.squared_covariance, found.participation_ratio)
    assert_allclose(found.participation_ratio, dimensionality(samples).participation_ratio)
    assert found.covariance_eigenvalue.size == 0
    traces = [np.mean(np.sum(x**2, axis=1)) for x in samples]
    pairs = [traces[a] * traces[b] for a in range(4) for b in range(4) if a != b]
    assert_allclose(found.squared_trace, np.mean(pairs))


def test_the_naive_estimate_is_biased_by_the_correlation_time_over_the_duration():
    """1/PR_naive = 1/PR + τ_2/T_total, whatever the true dimension."""
    samples, memory = correlated(24, 200, 60)
    found = dimensionality(samples)
    time = np.mean((1 + memory**2) / (1 - memory**2))  # Σ over lags of the squared curves
    assert_allclose(found.participation_ratio, 60, rtol=0.03)
    excess = 1 / found.naive_participation_ratio - 1 / 60
    shared = np.mean(1 / (1 - np.outer(memory, memory)) * (1 + np.outer(memory, memory)))
    assert_allclose(excess, shared / (24 * 200), rtol=0.1)
    assert shared < time


def test_the_population_autocovariance_equals_the_loop_over_pairs():
    samples, _ = correlated(5, 12, 4)
    lags = [0, 1, 3]

    def covariance(x, lag):
        return np.mean([np.outer(x[t + lag], x[t]) for t in range(12 - lag)], axis=0)

    def curve(pairs):
        total = [
            sum(np.sum(covariance(samples[a], k) * covariance(samples[b], k)) for a, b in pairs)
            for k in lags
        ]
        return np.array(total) / total[0]

    pairs = [(b, (b + step) % 5) for step in (1, 2) for b in range(5)]
    ratio, error = population_autocovariance(samples, lags, partners=2)
    assert_allclose(ratio, curve(pairs))
    without = [curve([p for p in pairs if b not in p]) for b in range(5)]
    assert_allclose(error, np.sqrt(4 * np.var(without, axis=0)), atol=1e-12)


def test_the_population_autocovariance_of_independent_processes():
    """ψ(τ, τ)/ψ(0, 0) = Σ m^2τ/N in any orthogonal mixture; the square of C(τ) is smaller."""
    samples, memory = correlated(24, 300, 30, seed=1)
    lags = np.array([0, 1, 2, 5, 10])
    ratio, error = population_autocovariance(samples, lags)
    exact = np.mean(memory[None, :] ** (2 * lags[:, None]), axis=1)
    assert (np.abs(ratio - exact)[1:] < 4 * error[1:]).all()
    assert (error[1:] < 0.05).all()
    assert error[0] == 0
    curve, _ = autocovariance(samples, 11)
    assert ((curve[lags] / curve[0])[1:] ** 2 < ratio[1:]).all()


def test_the_population_autocovariance_is_undefined_without_activity():
    ratio, error = population_autocovariance(np.zeros((3, 8, 4)), [0, 2])
    assert np.isnan(ratio).all()
    assert np.isnan(error).all()


@pytest.mark.parametrize(
    ("trajectories", "lags"), [(2, [0, 1]), (3, [1, 2]), (3, [0, 8]), (3, [0, -1]), (3, [])]
)
def test_impossible_lags_of_the_population_are_refused(trajectories, lags):
    with pytest.raises(DataError, match="autocovariance of the population cannot be measured"):
        population_autocovariance(np.ones((trajectories, 8, 4)), lags)


def test_standardised_units_have_equal_power_and_the_dimension_of_correlations():
    samples, _ = correlated(6, 400, 5)
    scaled = samples * np.array([1.0, 10.0, 0.1, 3.0, 0.0])
    found = standardised(scaled.astype(np.float32))
    assert found.dtype == np.float32
    assert_allclose(np.mean(found[..., :4] ** 2, axis=(0, 1)), 1.0, rtol=1e-5)
    assert not found[..., 4].any()
    assert_allclose(found[..., :4], standardised(samples)[..., :4], rtol=1e-4)
    correlation = np.corrcoef(samples[..., :4].reshape(-1, 4).T)
    assert_allclose(
        dimensionality(found[..., :4]).participation_ratio, 16 / np.sum(correlation**2), rtol=0.02
    )


def test_the_mean_of_each_unit_is_removed():
    samples, _ = correlated(3, 50, 5)
    offset = samples + np.arange(5.0)
    assert_allclose(without_mean(offset), samples - samples.mean(axis=(0, 1)), atol=1e-12)
    assert without_mean(offset.astype(np.float32)).dtype == np.float32


def test_projection_is_that_of_the_correlation_matrix():
    generator = np.random.default_rng(8)
    latent = generator.standard_normal((4, 60, 3)) @ np.diag([3.0, 2.0, 1.0])
    samples = latent @ generator.standard_normal((3, 12)) + 0.1 * generator.standard_normal(
        (4, 60, 12)
    )
    samples = np.concatenate([samples, np.full((4, 60, 1), 0.7)], axis=2)  # one never changes
    found = leading_projection(samples, 2)
    flat = samples.reshape(-1, 13)[:, :12]
    standard = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    left, values, _ = np.linalg.svd(standard, full_matrices=False)
    expected = (left[:, :2] * values[:2]).reshape(4, 60, 2)
    assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)
    assert found.dtype == np.float32
    assert leading_projection(samples, 50).shape == (4, 60, 6)


def test_more_units_than_samples_are_measured_without_their_covariance():
    """Known answer: the same quantities from covariances of units by units, formed plainly."""
    generator = np.random.default_rng(4)
    count, times, units = 4, 6, 80
    samples = generator.standard_normal((count, times, 5)) @ generator.standard_normal((5, units))
    samples += 0.3 * generator.standard_normal(samples.shape) + 0.2
    each = np.array([x.T @ x / times for x in samples])
    found = dimensionality(samples)
    squares = pairs = 0.0
    for a in range(count):
        for b in range(count):
            if a != b:
                squares += np.trace(each[a]) * np.trace(each[b])
                pairs += np.trace(each[a] @ each[b])
    assert_allclose(found.participation_ratio, squares / pairs)
    assert_allclose(found.squared_covariance, pairs / (count * (count - 1)))
    pooled = each.mean(axis=0)
    assert_allclose(
        found.naive_participation_ratio, np.trace(pooled) ** 2 / np.trace(pooled @ pooled)
    )
    assert_allclose(
        found.covariance_eigenvalue, np.linalg.eigvalsh(pooled)[::-1], atol=1e-10 * units
    )
    assert dimensionality(samples, eigenvalues=False).covariance_eigenvalue.size == 0
    flat = samples.reshape(-1, units)
    scored = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    left, values, right = np.linalg.svd(scored, full_matrices=False)
    shown = left[:, :3] * values[:3]
    shown *= np.sign(right[np.arange(3), np.abs(right[:3]).argmax(axis=1)])
    projected = leading_projection(samples, 3)
    assert_allclose(projected.reshape(-1, 3), shown, atol=1e-4 * values[0])
