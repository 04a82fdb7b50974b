"""Uninterrupted pieces, usable units, bins."""

import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.recordings import frames


def test_interruptions_are_found_in_the_time_stamps():
    time = np.r_[np.arange(10), 12 + np.arange(5), 100.0] / 30
    assert frames.uninterrupted(time) == [(0, 10), (10, 15), (15, 16)]
    assert frames.frame_period(time) == pytest.approx(1 / 30)


@pytest.mark.parametrize(
    ("time", "where"),
    [([0.0, 1, 1, 2], "frame 2"), ([0.0, 1, np.nan, 2], "frame 2"), ([1.0], "1 frames")],
)
def test_time_stamps_that_do_not_increase_are_refused(time, where):
    with pytest.raises(DataError, match=f"(?s)do not increase.*{where}"):
        frames.frame_period(np.array(time))


def test_unmeasured_frames_and_faulty_units_are_told_apart():
    rng = np.random.default_rng(0)
    traces = rng.normal(size=(30, 4))
    traces[10:12] = np.nan
    traces[20, 1] = np.nan
    traces[:, 2] = np.where(np.isfinite(traces[:, 2]), 7, np.nan)
    pieces, status = frames.usable(traces, [(0, 25)])
    assert pieces == [(0, 10), (12, 25)]
    assert [frames.STATUS[s] for s in status] == ["used", "gaps", "constant", "used"]
    assert frames.usable(traces[:, 1:2], [(25, 30)])[1][0] == 0
    pieces, status = frames.usable(np.full((5, 2), np.nan), [(0, 5)])
    assert pieces == []
    assert (status == frames.STATUS.index("gaps")).all()


def test_pieces_intersect():
    assert frames.intersection([(0, 10), (20, 30)], [(5, 25), (29, 40)]) == [
        (5, 10),
        (20, 25),
        (29, 30),
    ]


def test_bins_are_means_and_never_span_an_interruption():
    traces = np.arange(22.0)[:, None]
    values, places = frames.binned(traces, [(0, 7), (8, 10), (12, 22)], 3)
    np.testing.assert_array_equal(values[:, 0], [1, 4, 13, 16, 19])
    assert places == [(0, 2), (2, 5)]
    values, places = frames.binned(traces, [(0, 2)], 3)
    assert values.shape == (0, 1)
    assert places == []


def test_unequal_steps_are_refused_and_both_are_named():
    rng = np.random.default_rng(0)
    even = np.cumsum(np.r_[np.full(500, 0.1), 30.0, np.full(500, 0.1 + 0.005)])
    frames.check_even(even)
    uneven = np.cumsum(np.where(rng.random(500) < 0.4, 0.07, 0.1))
    with pytest.raises(DataError, match=r"(?s)not sampled at equal.*0\.07 and 0\.1 s.*resample"):
        frames.check_even(uneven)


def test_another_clock_is_brought_onto_the_frames():
    times = np.r_[np.arange(0, 2, 0.1), np.arange(3, 4, 0.1)]
    values = np.column_stack([np.sin(times), 2 * times])
    values[5] = np.nan
    stamps = np.r_[-0.01, np.arange(0, 4.2, 0.03)]
    found = frames.onto_frames(values, times, stamps)
    for frame, now in enumerate(stamps):
        after = np.searchsorted(times, now, side="right")
        inside = 0 < after < len(times) and times[after] - times[after - 1] < 0.2
        if not inside:
            assert np.isnan(found[frame]).all() or now == times[-1]
            continue
        share = (now - times[after - 1]) / (times[after] - times[after - 1])
        expected = (
            values[after - 1]
            if share == 0
            else ((1 - share) * values[after - 1] + share * values[after])
        )
        np.testing.assert_allclose(found[frame], expected, atol=1e-6)
    assert np.isnan(frames.onto_frames(values[:1], times[:1], stamps)).all()
