"""The step: a session with a known answer, absent parts, refusals."""

import csv
import json

import h5py
import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.recordings.settings import Settings
from mesomode.recordings.stage import SCHEMA, STIMULI, recordings
from mesomode.recordings.stage_table import session_table
from mesomode.steps import run_step
from mesomode.store import open_store, verify_store
from tests.recordings.conftest import write_session


def analysed(tmp_path, session, **settings):
    out = tmp_path / "out.zarr"
    run_step(recordings, raw=session, out=out, settings=Settings(**settings), threads=1)
    assert verify_store(out) == []
    with open_store(out, SCHEMA) as store:
        return store.load()


@pytest.fixture
def store(tmp_path, made_session):
    return analysed(tmp_path, made_session(gap_in_time=True))


def test_the_tuned_units_are_found(store):
    p_value = store["tuning_p_value"].values[0]
    assert (p_value[:10] < 1e-6).all()
    assert (p_value[10:] > 0.001).all()
    assert 0.5 <= store["tuned_fraction"].item() < 0.6
    assert [STIMULI[i] for i in store["tested_stimulus"].values] == ["drifting_gratings"]


def test_average_responses_are_the_built_in_ones(store):
    angle = store["condition_orientation"].values
    np.testing.assert_array_equal(angle, [0, 90, 180, 270, np.nan])
    expected = 1.5 + np.cos(np.deg2rad(angle[:4, None] - 36 * np.arange(10)))
    np.testing.assert_allclose(store["response_mean"].values[:4, :10], expected, atol=0.15)
    np.testing.assert_allclose(store["response_mean"].values[:, 10:], 0, atol=0.15)
    assert store["response_trials"].values[:, 0].sum() == store.sizes["trial"] == 160


def test_what_is_absent_is_said_and_nothing_fails(store):
    pupil = ["pupil_size", "pupil_location", "pupil_location_spherical"]
    assert store.attrs["absent"] == ["events", "running_speed", *pupil]
    assert "events" not in store
    assert "running_speed" not in store
    assert "natural_scenes" in store.attrs["stimuli_absent"]
    assert store["presentation_frame"].isnull().all()


def test_dimension_and_its_parts_agree(store):
    ratio = store["participation_ratio"].item()
    assert ratio == pytest.approx(
        store["trace_squared"].item() / store["square_trace"].item(), rel=1e-12
    )
    assert store["participation_ratio_subset"].values[-1] == pytest.approx(ratio)
    assert store["participation_ratio_subset"].values[0] == pytest.approx(1)
    assert store["participation_ratio_plain"].item() < 20
    assert store["covariance_eigenvalue"].values[0] > store["covariance_eigenvalue"].values[-1]


def test_events_and_running_speed_are_kept_where_they_are(tmp_path, made_session):
    rng = np.random.default_rng(1)
    frames = 30 + 90 * 159 + 120
    events = (rng.random((frames, 20)) < 0.02).astype("f4")
    events[:, 3] = 0
    speed = np.r_[np.full(3, np.nan), rng.normal(size=frames - 3)].astype("f4")
    session = made_session(events=events, running_speed=speed)
    store = analysed(tmp_path, session, signal="events", bin_s=0.5, longest_lag_s=2.0)
    np.testing.assert_array_equal(store["events"].values, events)
    np.testing.assert_array_equal(store["running_speed"].values, speed)
    assert list(store["unit_status"].values) == [2 * (u == 3) for u in range(20)]
    assert not {"dff", "events", "running_speed"} & set(store.attrs["absent"])
    assert np.isnan(store["unit_exponential_time"].values[3])
    # events drawn at random are white: as many dimensions as active units
    assert store["participation_ratio"].item() == pytest.approx(19, rel=0.15)


def test_a_short_session_has_no_unbiased_dimension_and_it_is_said(tmp_path, made_session, caplog):
    with caplog.at_level("INFO", logger="mesomode"):
        store = analysed(tmp_path, made_session(trials=30), longest_lag_s=5.0)
    assert np.isnan(store["participation_ratio"].item())
    assert np.isfinite(store["participation_ratio_plain"].item())
    assert "recordings.block_s" in caplog.text


def test_the_epoch_limits_what_dimension_is_measured_in(tmp_path, made_session):
    session = made_session()
    whole = analysed(tmp_path, session)
    part = analysed(tmp_path, session, epoch="drifting_gratings")
    assert whole["participation_ratio"].item() == pytest.approx(
        part["participation_ratio"].item(), rel=0.1
    )
    with pytest.raises(DataError, match=r"(?s)no epoch 'spontaneous'.*drifting_gratings"):
        analysed(tmp_path, session, epoch="spontaneous")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"signal": "events"}, r"(?s)no events.*recordings\.signal"),
        ({"missing_stimulus": "error"}, r"(?s)lacks a stimulus.*static_gratings"),
        ({"stimuli": ("spontaneous",)}, r"(?s)without repeated conditions.*spontaneous"),
        ({"longest_lag_s": 300.0}, r"(?s)longest uninterrupted piece.*longest_lag_s"),
    ],
)
def test_refusals_name_the_key(tmp_path, made_session, settings, message):
    with pytest.raises(DataError, match=message):
        analysed(tmp_path, made_session(trials=60), **settings)


def test_parts_that_do_not_fit_are_refused(tmp_path, made_session):
    session = made_session(trials=40, running_speed=np.zeros(7, "f4"))
    with pytest.raises(DataError, match=r"(?s)do not fit together.*running_speed has shape \(7,\)"):
        analysed(tmp_path, session)
    silent = write_session(tmp_path / "session_9.h5", np.ones((3000, 4)), np.arange(3000.0), {})
    with pytest.raises(DataError, match=r"(?s)cannot be measured.*0 of 4 units"):
        analysed(tmp_path, silent)


def test_unmatched_cells_get_numbers_of_their_own(tmp_path, made_session):
    session = made_session()
    with h5py.File(session, "r+") as file:
        file["cell_specimen_ids"][3:5] = -1
    store = analysed(tmp_path, session)
    assert store["unit"].values[3:5].tolist() == [-4, -5]


def test_all_kinds_of_stimuli_go_through(tmp_path):
    """A made-up session B: scenes, static gratings, a movie, spontaneous activity."""
    rng = np.random.default_rng(4)
    scenes = np.repeat(np.arange(-1.0, 6), 10)
    rng.shuffle(scenes)
    start = 300 + 8 * np.arange(70)
    movie = np.tile(np.arange(60.0), 5)
    static = 1800 + 8 * np.arange(60)
    stimuli = {
        "natural_scenes": {"frame": scenes, "start": start, "end": start + 7},
        "natural_movie_one": {
            "frame": movie,
            "repeat": np.repeat(np.arange(5.0), 60),
            "start": 1000 + np.arange(300),
            "end": 1001 + np.arange(300),
        },
        "static_gratings": {
            "orientation": np.tile([0.0, 30, np.nan], 20),
            "spatial_frequency": np.tile([0.02, 0.04, np.nan], 20),
            "phase": np.tile([0.0, 0.5, np.nan], 20),
            "start": static,
            "end": static + 7,
        },
        "spontaneous": {"start": [0], "end": [290]},
    }
    traces = rng.normal(size=(2400, 6))
    session = write_session(tmp_path / "session_5.h5", traces, np.arange(2400) / 30, stimuli)
    store = analysed(tmp_path, session, block_s=10.0, gap_s=1.0, longest_lag_s=5.0)
    tested = [STIMULI[i] for i in store["tested_stimulus"].values]
    assert tested == ["static_gratings", "natural_scenes", "natural_movie_one"]
    assert store.sizes["condition"] == 3 + 7 + 2
    assert store.sizes["presentation"] == 70 + 300 + 60 + 1
    assert (np.diff(store["presentation_start"]) >= 0).all()
    assert store["condition_clip"].notnull().sum() == 2
    assert store.attrs["stimuli_absent"] == [
        "drifting_gratings",
        "natural_movie_two",
        "natural_movie_three",
    ]
    # scenes last 7 frames, but the response window 15 by default: half a second
    first = store.isel(trial=store["trial_stimulus"].values == STIMULI.index("natural_scenes"))
    expected = traces[start[0] : start[0] + 15].mean(axis=0)
    np.testing.assert_allclose(first["trial_response"].values[0], expected, atol=1e-6)


def test_the_table_of_sessions_says_who_was_kept_what_is_lacking_and_why_others_were_not(
    tmp_path, made_session
):
    events = np.zeros((30 + 90 * 159 + 120, 20), "f4")
    events[::7, 1:] = np.random.default_rng(0).random((2066, 19))
    one = tmp_path / "one.zarr"
    run_step(recordings, raw=made_session(events=events), out=one, settings=Settings(), threads=1)
    manifest = tmp_path / "recordings.json"
    judged = {"session_type": "three_session_B", "area": "VISl", "depth_um": 350, "lines": ["Rorb"]}
    manifest.write_text(
        json.dumps(
            {
                "judged": [
                    {"experiment_id": "one", "reason": "", **judged},
                    {"experiment_id": 7, "reason": "area VISl; no events", **judged},
                ]
            }
        )
    )
    out = tmp_path / "sessions.csv"
    run_step(session_table, manifest=manifest, recordings=[one], out=out)
    with open(out, newline="") as file:
        kept, left = csv.DictReader(file)
    assert kept["session"] == "one" and kept["kept"] == "yes"
    assert "running_speed" in kept["lacks"] and "natural_scenes" in kept["lacks"]
    assert "events" not in kept["lacks"].split()
    assert kept["units"] == kept["units_used"] == "20" and kept["reason"] == ""
    assert 0.4 < float(kept["drifting_gratings_tuned"]) < 0.6
    assert float(kept["drifting_gratings_reliability"]) > 0.9
    assert left["kept"] == "no" and left["reason"] == "area VISl; no events"
    assert left["area"] == "VISl" and left["units"] == ""


def test_dff_and_events_are_summarised_side_by_side(tmp_path, made_session):
    rng = np.random.default_rng(3)
    frames = 30 + 90 * 159 + 120
    events = (rng.random((frames, 20)) < 0.05).astype("f4")
    both = analysed(tmp_path, made_session(events=events), longest_lag_s=2.0)
    assert both["trace"].values.tolist() == [0, 1]
    assert both["trace_participation_ratio"].values[0] == both["participation_ratio"].item()
    assert both["trace_tuned_fraction"].values[0, 0] == both["tuned_fraction"].item()
    # the events know nothing of the gratings
    assert both["trace_tuned_fraction"].values[1, 0] < 0.2
    assert both["trace_participation_ratio"].values[1] > 15
    alone = analysed(tmp_path, made_session(events=events), signal="events", longest_lag_s=2.0,
                     bin_s=0.5)  # fmt: skip
    for name in ("participation_ratio", "reliability", "noise_ceiling"):
        np.testing.assert_allclose(
            alone[f"trace_{name}"].values[1], both[f"trace_{name}"].values[1], rtol=1e-6
        )
    assert alone["tuned_fraction"].item() == both["trace_tuned_fraction"].values[1, 0]


def test_courses_around_the_onset_rise_with_the_response(store):
    offset = store["offset"].values
    assert offset[0] == pytest.approx(-0.5) and offset[15] == 0
    course = store["aligned_response"].values[0]  # 0 degrees: unit 0 prefers it
    before, during = course[offset < 0, 0].mean(), course[(offset >= 0) & (offset < 2), 0].mean()
    assert during - before == pytest.approx(2.5, abs=0.15)
    assert course[offset > 2.1, 0].mean() == pytest.approx(before, abs=0.15)


def test_noise_correlations_and_ceilings_of_a_session_with_a_known_answer(store):
    tuned = store["tuning_p_value"].values[0] < 0.01
    # 60 frames of noise of variance one are averaged in a trial
    np.testing.assert_allclose(store["noise_variance"].values[0], 1 / 60, rtol=0.35)
    assert store["noise_ceiling"].values[0, :10].min() > 0.97
    assert store["reliability"].values[0, :10].min() > 0.9
    assert abs(np.median(store["noise_ceiling"].values[0, ~tuned])) < 0.9
    assert abs(store["noise_correlation_mean"].item()) < 0.03
    # cosines of the angle and the same blank: two or three directions
    assert 1 < store["signal_dimension"].item() < 3.2
    matrix = store["signal_correlation"].values[0]
    assert matrix[0, 5] < matrix[0, 1]
