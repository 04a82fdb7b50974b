"""Session files as the readers write them, from real or made-up traces."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest


def write_session(path: Path, dff, timestamps, stimuli, **extra) -> Path:
    """Write ``session_<id>.h5`` in the neutral layout (frames along the first axis)."""
    units = dff.shape[1]
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": 1, "source": "phantom", "reader": "test"})
        file["cell_specimen_ids"] = 1000 + np.arange(units)
        file["roi_ids"] = 10 + np.arange(units)
        file["timestamps"] = np.asarray(timestamps, "f8")
        file["dff"] = np.asarray(dff, "f4")
        file["fluorescence"] = np.asarray(dff, "f4")
        for name, values in extra.items():
            file[name] = values
        file.create_group("stimulus")
        for name, table in stimuli.items():
            for column, values in table.items():
                kind = "i8" if column in ("start", "end") else "f8"
                file[f"stimulus/{name}/{column}"] = np.asarray(values, kind)
    return path


@pytest.fixture
def made_session(tmp_path):
    """Build a session with known tuning: units 0-9 follow the orientation, 10-19 do not."""

    def build(trials=160, seed=0, period=1 / 30, gap_in_time=False, **extra):
        rng = np.random.default_rng(seed)
        orientation = rng.choice([0.0, 90.0, 180.0, 270.0], trials)
        blank = np.arange(trials) % 10 == 0
        start = 30 + 90 * np.arange(trials)
        frames = int(start[-1] + 120)
        dff = rng.normal(size=(frames, 20))
        for onset, angle, empty in zip(start, orientation, blank, strict=True):
            if not empty:
                gain = np.cos(np.deg2rad(angle - 36 * np.arange(10)))
                dff[onset : onset + 60, :10] += 1.5 + gain
        table = {
            "orientation": np.where(blank, np.nan, orientation),
            "temporal_frequency": np.where(blank, np.nan, 2.0),
            "blank_sweep": blank.astype(float),
            "start": start,
            "end": start + 60,
        }
        time = np.arange(frames) * period
        if gap_in_time:
            time[frames // 2 :] += 60
        path = tmp_path / "session_1.h5"
        return write_session(path, dff, time, {"drifting_gratings": table}, **extra)

    return build
