"""Fitted dynamics: known answers, invariances, the slow twin, ranks beyond the signal's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mesomode.comparison import RankWarning, dynamical_distance, fit_delay_dynamics, fit_dynamics
from mesomode.comparison.dynamic_mode_decomposition import halves
from mesomode.comparison.dynamics_quality import (
    mode_residuals,
    select_delays_and_rank,
    split_half_distance,
)
from mesomode.comparison.embedding import delay_windows
from mesomode.errors import DataError


def linear_trials(
    matrix: np.ndarray, trials: int, frames: int, noise: float, seed: int = 0
) -> np.ndarray:
    generator = np.random.default_rng(seed)
    state = generator.standard_normal((trials, len(matrix)))
    result = np.empty((trials, frames, len(matrix)))
    for t in range(frames):
        result[:, t] = state
        state = state @ matrix.T + noise * generator.standard_normal(state.shape)
    return result


def stable(n: int, seed: int = 0) -> np.ndarray:
    matrix = np.random.default_rng(seed).standard_normal((n, n))
    return 0.95 * matrix / np.abs(np.linalg.eigvals(matrix)).max()


def twin(trials: np.ndarray, delays: int, rank: int, interval: int = 1) -> np.ndarray:
    """By singular value decomposition of the windows and least squares."""
    windows = delay_windows(trials, delays, interval)
    flat = windows.reshape(-1, windows.shape[2])
    left = np.linalg.svd(flat, full_matrices=False)[0][:, :rank].reshape(*windows.shape[:2], rank)
    now, then = left[:, :-1].reshape(-1, rank), left[:, 1:].reshape(-1, rank)
    return np.linalg.lstsq(now, then, rcond=None)[0].T


@pytest.mark.parametrize(("delays", "rank", "interval"), [(1, 4, 1), (4, 6, 1), (3, 7, 2)])
def test_products_give_what_the_windows_give(delays, rank, interval):
    trials = linear_trials(stable(4), 8, 60, 0.3)
    found = fit_dynamics(trials, delays, rank, interval=interval, check=False)
    expected = twin(trials, delays, rank, interval)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)  # signs are free
    assert dynamical_distance(found, expected) < 1e-8


def test_eigenvalues_of_a_linear_system_are_found():
    matrix = stable(5)
    found = fit_dynamics(linear_trials(matrix, 6, 40, 0.0))
    expected = np.linalg.eigvals(matrix)
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(found)),
                               np.sort_complex(expected), atol=1e-8)  # fmt: skip
    # One channel of it, with delays for the others.
    partial = fit_dynamics(linear_trials(matrix, 6, 40, 0.0)[..., :1], delays=5, rank=5)
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(partial)),
                               np.sort_complex(expected), atol=1e-3)  # fmt: skip


def test_invariances_of_data():
    trials = linear_trials(stable(4), 10, 80, 0.2)
    generator = np.random.default_rng(1)
    turn = np.linalg.qr(generator.standard_normal((4, 4)))[0]
    mixing = generator.standard_normal((4, 4))
    fit = {q: fit_dynamics(trials, q, 4, check=False) for q in (1, 3)}
    for q, matrix in fit.items():
        assert dynamical_distance(matrix, fit_dynamics(trials @ turn, q, 4, check=False)) < 1e-6
        assert dynamical_distance(matrix, fit_dynamics(-3.5 * trials, q, 4, check=False)) < 1e-6
        shuffled = fit_dynamics(trials[::-1], q, 4, check=False)
        assert dynamical_distance(matrix, shuffled) < 1e-8
    # Whitening makes any mixing invisible, so long as no mode is left out.
    assert dynamical_distance(fit[1], fit_dynamics(trials @ mixing, 1)) < 1e-6
    assert dynamical_distance(fit[3], fit_dynamics(trials @ mixing, 3, 4, check=False)) > 0.05


def test_trials_are_not_coupled():
    """A jump from trial to trial would be seen as dynamics."""
    trials = linear_trials(stable(3), 4, 30, 0.0)
    apart = fit_dynamics(list(trials))
    np.testing.assert_allclose(apart, fit_dynamics(trials), atol=1e-12)
    joined = fit_dynamics(trials.reshape(1, -1, 3))
    assert np.abs(joined - apart).max() > 0.01


def test_input_is_left_alone_and_float32_is_calculated_in_float64():
    trials = linear_trials(stable(3), 4, 50, 0.1).astype(np.float32)
    before = trials.copy()
    found = fit_dynamics(trials, 2, 4, check=False)
    assert (trials == before).all() and trials.dtype == np.float32
    np.testing.assert_array_equal(found, fit_dynamics(trials.astype(np.float64), 2, 4, check=False))


def low_rank_trials(noise: float) -> np.ndarray:
    """Two rotations seen by 30 channels."""
    angle = np.array([0.3, 0.7])
    blocks = [np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angle]
    matrix = np.zeros((4, 4))
    matrix[:2, :2], matrix[2:, 2:] = blocks
    generator = np.random.default_rng(0)
    seen = linear_trials(matrix, 8, 100, 0.0) @ generator.standard_normal((4, 30))
    return seen + noise * generator.standard_normal(seen.shape)


@pytest.mark.parametrize(("noise", "reason"), [(0.0, "below 1e-07"), (0.1, "do not agree")])
def test_a_rank_above_the_signals_is_reported(noise, reason):
    trials = low_rank_trials(noise)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rank in (1, 2, 3, 4):  # also those that cut through a rotation
            assert fit_delay_dynamics(trials, 3, rank).signal_rank >= 4
    with pytest.warns(RankWarning, match=f"rank 9 exceeds the signal's, 4: .*{reason}"):
        found = fit_delay_dynamics(trials, 3, 9)
    assert found.signal_rank == 4
    if noise == 0:  # what is rounding is given no dynamics
        assert not found.matrix[4:].any() and not found.matrix[:, 4:].any()


def test_halves_share_conditions_evenly():
    """Conditions in blocks and in turn; and one trial alone is cut in time."""
    for order in (np.repeat([0, 1], 8), np.tile([0, 1], 8)):
        trials = np.random.default_rng(0).standard_normal((16, 5, 1)) + 100 * order[:, None, None]
        for half in halves([trials], 3):
            assert sum(len(h) for h in half) == 8
            assert np.round(np.concatenate(half).mean() / 100, 1) == 0.5
    one, two = halves([np.arange(80.0).reshape(1, 80, 1)], 3)
    assert sum(h.size for h in one) == sum(h.size for h in two) == 40
    assert halves([np.zeros((1, 2, 1))], 3) == ([], [])


def test_delays_and_rank_are_found_by_prediction():
    """One channel of three states: three delays are needed, and three modes enough."""
    c, s = np.cos(0.6), np.sin(0.6)
    matrix = np.array([[0.99 * c, -0.99 * s, 0], [0.99 * s, 0.99 * c, 0], [0, 0, 0.97]])
    trials = linear_trials(matrix, 20, 100, 0.0).sum(axis=2, keepdims=True)
    trials = trials + 1e-3 * np.random.default_rng(0).standard_normal(trials.shape)
    found = select_delays_and_rank(trials, [1, 2, 3, 6], [1, 2, 3, 4, 6])
    assert found.error.shape == (5, 4, 5) and found.chosen[1] <= found.best[1]
    mean = found.error.mean(axis=0)
    assert np.isnan(mean[0, 1:]).all() and np.isnan(mean[1, 2:]).all()  # more modes than windows
    assert found.chosen[0] >= 3 and found.chosen[1] >= 3
    assert mean[2, 2] < 0.2 * mean[1, 1] and mean[2, 2] < 0.5 * found.persistence.mean()
    assert np.isfinite(found.akaike[~np.isnan(mean)]).all()


def test_held_out_errors_are_those_of_predictions():
    trials = linear_trials(stable(2), 6, 30, 0.5)
    found = select_delays_and_rank(trials, [1, 2], [2], folds=3)
    for fold in range(3):
        held_out = np.arange(6) % 3 == fold
        now, then = (trials[:, 1:-1], trials[:, 2:])
        train = [a[~held_out].reshape(-1, 2) for a in (now, then)]
        test = [a[held_out].reshape(-1, 2) for a in (now, then)]
        slopes = np.linalg.lstsq(*train, rcond=None)[0]
        spread = np.sum((test[1] - train[1].mean(axis=0)) ** 2)
        assert found.error[fold, 0, 0] == pytest.approx(
            np.sum((test[1] - test[0] @ slopes) ** 2) / spread
        )
        assert found.persistence[fold] == pytest.approx(np.sum((test[1] - test[0]) ** 2) / spread)


def test_residuals_tell_true_from_spurious_modes():
    trials = low_rank_trials(0.05)
    values, residuals = mode_residuals(trials, 3, 4)
    np.testing.assert_allclose(np.sort(np.abs(np.angle(values))), [0.3, 0.3, 0.7, 0.7], atol=1e-2)
    assert residuals.max() < 0.05
    values, residuals = mode_residuals(trials, 3, 10)
    assert residuals[4:].min() > 10 * residuals[:4].max()
    with pytest.raises(DataError, match="rank 91 is not between 1 and the 90 modes"):
        mode_residuals(trials, 3, 91)


def test_halves_of_the_data_are_closer_than_other_systems():
    one, two = (linear_trials(stable(3, seed), 20, 60, 0.3) for seed in (0, 1))
    floor = split_half_distance(one, 1, 3)
    assert 0 < floor < 0.2 * dynamical_distance(fit_dynamics(one), fit_dynamics(two))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delays": 0}, "delays must be a whole number"),
        ({"rank": 2.5}, "rank must be a whole number"),
        ({"delays": 2, "rank": 7}, "rank 7 is more than the 6 delay coordinates"),
        ({"regularisation": -1.0}, "must not be negative"),
        ({"delays": 30}, "31 consecutive frames are needed"),
        ({"sampling_rate": 0.0}, "sampling rate must be positive"),
    ],
)
def test_refusals(options, message):
    trials = np.random.default_rng(0).standard_normal((2, 30, 3))
    with pytest.raises(DataError, match=message):
        fit_delay_dynamics(trials, **options)


def test_too_short_for_halves_or_folds():
    trials = np.random.default_rng(0).standard_normal((1, 10, 2))
    with pytest.raises(DataError, match="24 frames are needed"):
        split_half_distance(trials, 5, 3)
    with pytest.raises(DataError, match="30 frames are needed"):
        select_delays_and_rank(trials, [5], [3])
    assert len(fit_delay_dynamics(trials, 5, 3).reproducibility) == 0  # no halves, no warning
