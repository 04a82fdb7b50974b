"""Trials, conditions and averages against loops and by hand."""

import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.recordings import trials


def table(start, length, **columns):
    start = np.asarray(start)
    return {"start": start, "end": start + length, **columns}


def test_gratings_make_one_condition_for_each_combination_and_one_for_the_blank():
    nan = np.nan
    made = trials.cut_trials(
        "drifting_gratings",
        table(
            [0, 90, 180, 270, 360],
            60,
            orientation=np.array([90, nan, 0, 90, 90.0]),
            temporal_frequency=np.array([2, nan, 1, 2, 1.0]),
            blank_sweep=np.array([0, 1, 0, 0, 0.0]),
        ),
    )
    np.testing.assert_array_equal(made.condition, [2, 3, 0, 2, 1])
    np.testing.assert_array_equal(made.parameters["orientation"], [0, 90, 90, nan])
    np.testing.assert_array_equal(made.parameters["temporal_frequency"], [1, 1, 2, nan])
    assert made.conditions == 4


def test_the_blank_can_be_left_out():
    scenes = table(np.arange(4) * 7, 7, frame=np.array([3, -1, 0, 3.0]))
    with_blank = trials.cut_trials("natural_scenes", scenes)
    without = trials.cut_trials("natural_scenes", scenes, include_blank=False)
    np.testing.assert_array_equal(with_blank.parameters["frame"], [0, 3, np.nan])
    np.testing.assert_array_equal(without.parameters["frame"], [0, 3])
    np.testing.assert_array_equal(without.start, [0, 14, 21])
    np.testing.assert_array_equal(without.condition, [1, 0, 1])


def test_movies_become_clips_and_their_showings_trials():
    """Ten movie frames in clips of four, shown twice in a row and once after a pause."""
    frame = np.tile(np.arange(10.0), 3)
    start = np.r_[np.arange(20), 100 + np.arange(10)]
    made = trials.cut_trials("natural_movie_one", table(start, 1, frame=frame), clip_frames=4)
    np.testing.assert_array_equal(made.parameters["clip"], [0, 1, 2])
    np.testing.assert_array_equal(made.condition, [0, 1, 2] * 3)
    np.testing.assert_array_equal(made.start, [0, 4, 8, 10, 14, 18, 100, 104, 108])
    np.testing.assert_array_equal(made.end, [4, 8, 10, 14, 18, 20, 104, 108, 110])


def test_a_movie_in_one_clip_is_one_trial_a_showing():
    frame = np.tile(np.arange(5.0), 3)
    made = trials.cut_trials("natural_movie_two", table(np.arange(15), 1, frame=frame))
    np.testing.assert_array_equal(made.start, [0, 5, 10])


def test_unusable_tables_are_refused():
    with pytest.raises(DataError, match=r"(?s)natural_scenes lacks columns.*frame"):
        trials.cut_trials("natural_scenes", table([0], 7))
    bad = {"start": np.array([5, 9]), "end": np.array([8, 3]), "frame": np.zeros(2)}
    with pytest.raises(DataError, match=r"(?s)1 presentations.*row 1"):
        trials.cut_trials("natural_scenes", bad)


def test_which_stimuli_have_conditions():
    assert trials.has_conditions("natural_movie_three")
    assert trials.has_conditions("static_gratings")
    assert not trials.has_conditions("spontaneous")


def test_responses_are_window_means_minus_the_baseline():
    traces = np.arange(40.0).reshape(20, 2)
    made = trials.Trials(
        np.array([4, 10, 18]), np.array([6, 14, 22]), np.zeros(3, np.int32), {"frame": np.zeros(1)}
    )
    found = trials.responses(traces, made, delay=1, shortest=3, baseline=2)
    expected = [
        traces[5:8].mean(axis=0) - traces[2:4].mean(axis=0),
        traces[11:14].mean(axis=0) - traces[8:10].mean(axis=0),
        [np.nan, np.nan],
    ]
    np.testing.assert_allclose(found, expected)


def test_averages_equal_the_loop_and_leave_out_what_was_not_measured():
    rng = np.random.default_rng(0)
    response = rng.normal(size=(50, 6))
    response[rng.random(response.shape) < 0.2] = np.nan
    condition = rng.integers(0, 4, 50)
    response[condition == 2, 0] = np.nan
    mean, deviation, count = trials.averages(response, condition, 5)
    for c in range(5):
        for unit in range(6):
            values = response[condition == c, unit]
            values = values[np.isfinite(values)]
            assert count[c, unit] == len(values)
            if len(values):
                assert mean[c, unit] == pytest.approx(values.mean())
            else:
                assert np.isnan(mean[c, unit])
            if len(values) > 1:
                assert deviation[c, unit] == pytest.approx(values.std(ddof=1))
            else:
                assert np.isnan(deviation[c, unit])


def test_epochs_join_presentations_across_short_pauses():
    start, end = np.array([100, 10, 190, 400]), np.array([160, 70, 250, 460])
    assert trials.epoch_pieces(start, end, 30) == [(10, 250), (400, 460)]
    assert trials.epoch_pieces(start, end, 0) == [(10, 70), (100, 160), (190, 250), (400, 460)]
    assert trials.epoch_pieces(start[:0], end[:0], 30) == []
