"""Responses aligned to onsets, against loops."""

import numpy as np

from mesomode.recordings.aligned import aligned_means, aligned_trials


def test_windows_equal_slices_and_are_nan_beyond_the_recording():
    traces = np.random.default_rng(0).normal(size=(50, 3)).astype("f4")
    start = np.array([0, 5, 20, 44, 49])
    found = aligned_trials(traces, start, 2, 4)
    assert found.shape == (5, 6, 3)
    for trial, onset in enumerate(start):
        if 2 <= onset <= 46:
            np.testing.assert_array_equal(found[trial], traces[onset - 2 : onset + 4])
        else:
            assert np.isnan(found[trial]).all()


def test_means_leave_out_gaps_unit_by_unit():
    rng = np.random.default_rng(1)
    traces = rng.normal(size=(300, 4))
    traces[33, 1] = np.nan
    start = np.arange(10, 280, 10)
    condition = rng.integers(0, 3, len(start))
    found = aligned_means(traces, start, condition, 4, 3, 8)
    assert found.shape == (4, 11, 4) and found.dtype == np.float32
    for c in range(4):
        for unit in range(4):
            rows = [traces[s - 3 : s + 8, unit] for s in start[condition == c]]
            rows = [row for row in rows if np.isfinite(row).all()]
            if rows:
                np.testing.assert_allclose(found[c, :, unit], np.mean(rows, axis=0), rtol=1e-5)
            else:
                assert np.isnan(found[c, :, unit]).all()
    assert aligned_means(traces, start, condition, 3, 0, 0).shape == (3, 0, 4)
