"""Intrinsic dimension of states along trajectories."""

import numpy as np
import pytest

from mesomode.comparison.state_dimension import FEWEST, MOST, apart, state_dimension


def slow(channels: int, trials: int = 30, frames: int = 400, keep: float = 0.9) -> np.ndarray:
    """Trajectories with a correlation time of ten frames."""
    draw = np.random.default_rng(0)
    result = np.zeros((trials, frames, channels))
    state = draw.standard_normal((trials, channels))
    for frame in range(frames):
        kick = draw.standard_normal((trials, channels))
        state = keep * state + np.sqrt(1 - keep**2) * kick
        result[:, frame] = state
    return result


def test_a_plane_in_many_channels_has_two_dimensions():
    """Found 2.0; participation ratio 2; shuffled apart, the six channels have more."""
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 6)))[0]
    trials = slow(2) @ turn[:2]
    states, spacing = apart(trials, 10.0)
    assert spacing == 20 and states.shape == (600, 6)
    found = state_dimension(states, np.random.default_rng(2))
    assert found["two_nearest"] == pytest.approx(2, abs=0.25)
    assert found["levina_bickel"] == pytest.approx(2, abs=0.25)
    assert found["local_components"] == pytest.approx(2, abs=0.1)
    assert found["participation_ratio"] == pytest.approx(2, abs=0.2)
    assert found["two_nearest_shuffled"] > 3.5
    assert abs(found["two_nearest_slope"]) < 0.1
    assert found["scale_states"].tolist() == [600, 300, 150, 75, 37]
    assert np.abs(found["scale_dimension"] - 2).max() < 0.6


def test_states_close_in_time_would_be_seen_as_a_line():
    trials = slow(6, trials=4, keep=0.995)
    near, spacing = apart(trials, 0.4)
    far, _ = apart(slow(6), 10.0)
    assert spacing == 1
    draw = np.random.default_rng(3)
    along = state_dimension(near, draw)["two_nearest"]
    across = state_dimension(far, draw)["two_nearest"]
    assert along < 0.7 * across


def test_few_states_have_no_dimension_and_many_are_thinned():
    few = np.random.default_rng(0).standard_normal((FEWEST - 1, 3))
    found = state_dimension(few, np.random.default_rng(0))
    assert all(np.isnan(value).all() for value in found.values())
    some = np.random.default_rng(0).standard_normal((FEWEST + 20, 3))
    found = state_dimension(some, np.random.default_rng(0))
    assert np.isfinite(found["two_nearest"]) and np.isnan(found["two_nearest_slope"])
    assert found["scale_states"][0] == FEWEST + 20 and np.isnan(found["scale_states"][1:]).all()
    assert len(apart(slow(2, trials=30), 0.1)[0]) == MOST
    assert apart(slow(2, trials=3), np.nan)[1] == 400
