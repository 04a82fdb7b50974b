"""Scores of held-out predictions against predictions made window by window."""

from __future__ import annotations

import numpy as np
import pytest

from mesomode.comparison.dynamic_mode_decomposition import fit_delay_dynamics
from mesomode.comparison.embedding import delay_windows
from mesomode.comparison.prediction import held_out_scores


def slow_errors(fit, test, delays, rank):
    """Squared errors and variance, one window after another."""
    found = fit_delay_dynamics(fit, delays, rank, check=False)
    channels = test.shape[2]
    scale = found.singular_values[:rank]
    squared, seen = 0.0, []
    for trial in test:
        windows = delay_windows(trial, delays)
        for t in range(len(windows) - 1):
            whitened = (found.directions.T @ windows[t]) / scale
            following = found.directions @ (scale * (found.matrix @ whitened))
            truth = windows[t + 1][:channels]
            squared += np.sum((following[:channels] - truth) ** 2)
            seen.append(truth)
    seen = np.array(seen)
    return squared, np.sum((seen - seen.mean(axis=0)) ** 2)


@pytest.mark.parametrize("delays, ranks", [(1, [1, 3]), (4, [2, 5, 12])])
def test_scores_equal_predictions_one_by_one(delays, ranks):
    generator = np.random.default_rng(0)
    trials = np.cumsum(generator.standard_normal((8, 30, 3)), axis=1)
    one, two = trials[::2], trials[1::2]
    expected = []
    for rank in ranks:
        parts = [slow_errors(a, b, delays, rank) for a, b in ((one, two), (two, one))]
        expected.append(1 - sum(p[0] for p in parts) / sum(p[1] for p in parts))
    np.testing.assert_allclose(held_out_scores(one, two, delays, ranks), expected, atol=1e-9)


def test_noise_cannot_be_predicted_and_a_rotation_can():
    generator = np.random.default_rng(1)
    noise = generator.standard_normal((40, 50, 2))
    assert abs(held_out_scores(noise[::2], noise[1::2], 2, [4])[0]) < 0.02
    phase = generator.random((20, 1)) * 2 * np.pi + 0.3 * np.arange(40)
    turn = np.stack([np.cos(phase), np.sin(phase)], axis=2)
    assert held_out_scores(turn[::2], turn[1::2], 1, [2])[0] == pytest.approx(1, abs=1e-9)
