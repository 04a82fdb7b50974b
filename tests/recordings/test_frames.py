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
