"""Sums of products over delay windows, and what cannot be embedded."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesomode.comparison.embedding import delay_windows, segments, window_count, window_products
from mesomode.errors import DataError, MemoryLimitError


def twin(parts, delays, interval, history):
    """The windows one by one."""
    names = ("minus", "cross", "plus", "full", "target", "total", "pairs")
    sums = dict.fromkeys(names, 0)
    for part in parts:
        for trial in part:
            windows = [
                np.concatenate([trial[t - d * interval] for d in range(delays)])
                for t in range(history, len(trial))
            ]
            if len(windows) < 2:
                continue
            for now, then in pairwise(windows):
                frame = then[: trial.shape[1]]
                values = (np.outer(now, now), np.outer(now, then), np.outer(then, then))
                values += (np.outer(now, now), np.outer(frame, frame), frame, 1)
                for name, value in zip(names, values, strict=True):
                    sums[name] = sums[name] + value
            sums["full"] = sums["full"] + np.outer(windows[-1], windows[-1])
    return sums


@settings(deadline=None, max_examples=30)
@given(
    delays=st.integers(1, 5),
    interval=st.integers(1, 4),
    spare=st.integers(0, 6),
    extra=st.integers(0, 3),
    channels=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_products_are_those_of_the_windows(delays, interval, spare, extra, channels, seed):
    generator = np.random.default_rng(seed)
    history = (delays - 1) * interval + extra
    trials = [generator.standard_normal((history + 2 + spare + k % 2, channels)) for k in range(3)]
    parts = segments(trials)
    found = window_products(parts, delays, interval, history)
    expected = twin(parts, delays, interval, history)
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, atol=1e-12, err_msg=name)
    assert window_count(parts, history) == expected["pairs"]


def test_products_of_folds_add_up():
    trials = np.random.default_rng(0).standard_normal((4, 20, 2))
    whole = window_products(segments(trials), 3)
    part = window_products(segments(trials[:1]), 3)
    rest = window_products(segments(trials[1:]), 3)
    np.testing.assert_allclose((part + rest).cross, whole.cross, atol=1e-12)
    np.testing.assert_allclose((whole - part).full, rest.full, atol=1e-12)


def test_windows_have_the_newest_frame_first():
    trial = np.arange(7.0)[:, None]
    assert delay_windows(trial, 3, 2)[0].tolist() == [4, 2, 0]
    assert len(delay_windows(trial, 3, 2)) == 3


def test_no_window_reaches_over_a_gap():
    generator = np.random.default_rng(1)
    trial = generator.standard_normal((30, 2))
    with_gap = trial.copy()
    with_gap[12, 1] = np.nan
    found = window_products(segments(with_gap[None]), 3)
    expected = window_products(segments([trial[:12], trial[13:]]), 3)
    np.testing.assert_allclose(found.cross, expected.cross, atol=1e-12)
    assert found.pairs == expected.pairs == 9 + 14
    assert with_gap.shape == (30, 2) and np.isnan(with_gap).sum() == 1  # input left alone


def test_too_few_samples_state_the_number_needed():
    trials = np.random.default_rng(0).standard_normal((5, 20, 2))
    with pytest.raises(DataError, match=r"20 consecutive frames are needed") as caught:
        window_products(segments(trials[:, :19]), 10, 2)
    assert "has 19" in str(caught.value)
    assert window_products(segments(trials), 10, 2).pairs == 5


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        (np.zeros((10, 2)), "dimensions trial, time, channel"),
        ([np.zeros((10, 2)), np.zeros((10, 3))], "same channels"),
        (np.full((2, 10, 2), np.inf), "infinite"),
        (np.full((2, 10, 2), np.nan), "no frame"),
        (np.ones((2, 10, 2), dtype=complex), "real numbers"),
    ],
)
def test_what_is_no_set_of_trials_is_refused(trials, message):
    with pytest.raises(DataError, match=message):
        segments(trials)


def test_constant_channels_are_named():
    trials = np.random.default_rng(0).standard_normal((2, 30, 4))
    trials[..., 2] = 3.0
    with pytest.raises(DataError, match=r"1 of 4 channels are constant[\s\S]*channels 2 "):
        segments(trials)


def test_windows_beyond_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr("mesomode.memory.available_memory", lambda: 10**6)
    trials = np.random.default_rng(0).standard_normal((1, 60, 40))
    with pytest.raises(MemoryLimitError, match="20 delays × 40 channels"):
        window_products(segments(trials), 20)
