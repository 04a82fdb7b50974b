"""Recordings of one's own: every kind of file gives the same session; what is wrong is said."""

import csv
import json

import h5py
import numpy as np
import pytest
import zarr

from mesomode.errors import DataError
from mesomode.recordings.own_files import csv_table, read_own
from mesomode.recordings.settings import RecordingFile, Settings
from mesomode.recordings.stage import SCHEMA, STIMULI, recordings
from mesomode.recordings.stage_files import own_recording
from mesomode.steps import run_step
from mesomode.store import open_store

FRAMES, UNITS, PERIOD = 900, 7, 0.1


def made(seed=0):
    """Arrays of the schema: two of seven units follow the condition of 40 trials."""
    rng = np.random.default_rng(seed)
    start = 20 + 20 * np.arange(40)
    condition = rng.integers(0, 4, 40)
    dff = rng.normal(size=(FRAMES, UNITS)).astype("f4")
    for onset, kind in zip(start, condition, strict=True):
        dff[onset : onset + 8, :2] += 2.0 * kind
    return {
        "dff": dff,
        "time": PERIOD * np.arange(FRAMES),
        "unit": 100 + np.arange(UNITS),
        "running_speed": rng.normal(size=FRAMES),
        "pieces": np.array([[0, 400], [400, FRAMES]]),
        "stimulus/trials/start": start,
        "stimulus/trials/end": start + 8,
        "stimulus/trials/condition": condition,
    }


def as_file(folder, kind, arrays):
    path = folder / f"own.{'h5' if kind == 'hdf5' else kind}"
    if kind == "hdf5":
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
    elif kind == "npz":
        np.savez(path, **arrays)
    else:
        group = zarr.open_group(str(path), mode="w")
        for name, values in arrays.items():
            group.create_array(name, data=values)
    return path


def as_nwb(path, arrays, **changes):
    """An NWB 2 file as pynwb lays it out: typed groups, a table of regions, intervals in s."""

    def typed(group, kind):
        group.attrs["neurodata_type"] = kind
        return group

    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = changes.get("version", "2.6.0")
        ophys = file.create_group("processing/ophys")
        regions = typed(ophys.create_group("ImageSegmentation/PlaneSegmentation"),
                        "PlaneSegmentation")  # fmt: skip
        regions["id"] = np.r_[arrays["unit"][::-1], 5]
        for plane in range(changes.get("planes", 1)):
            container = typed(ophys.create_group(f"DfOverF{plane}"), "DfOverF")
            series = typed(container.create_group("RoiResponseSeries"), "RoiResponseSeries")
            series["data"] = arrays["dff"]
            series["timestamps"] = arrays["time"]
            series["rois"] = np.arange(UNITS)[::-1]
            series["rois"].attrs["table"] = regions.ref
        neuropil = typed(ophys.create_group("Fluorescence/Neuropil"), "RoiResponseSeries")
        neuropil["data"] = arrays["dff"] * 0
        if "events" in arrays:
            events = typed(ophys.create_group("event_detection"), "RoiResponseSeries")
            events["data"] = arrays["events"]
            rate = changes.get("rate", 1 / PERIOD)
            events["starting_time"] = 0.0
            events["starting_time"].attrs["rate"] = rate
        speed = typed(file.create_group("processing/behavior/running_speed"), "TimeSeries")
        # twice as often as the frames, on the same clock
        speed["data"] = np.repeat(arrays["running_speed"], 2)
        speed["timestamps"] = 0.5 * PERIOD * np.arange(2 * FRAMES)
        table = typed(file.create_group("intervals/trials"), "TimeIntervals")
        table["id"] = np.arange(40)
        table["start_time"] = PERIOD * arrays["stimulus/trials/start"] - 1e-9
        table["stop_time"] = PERIOD * arrays["stimulus/trials/end"] - 1e-9
        words = np.array([f"picture {c}" for c in arrays["stimulus/trials/condition"]], "S")
        table["picture"] = words
        typed(file.create_group("intervals/epochs"), "TimeIntervals")["start_time"] = [0.0]
    return path


@pytest.mark.parametrize("kind", ["hdf5", "npz", "zarr"])
def test_every_kind_of_file_gives_what_was_written(tmp_path, kind):
    arrays = made()
    own = read_own(as_file(tmp_path, kind, arrays))
    np.testing.assert_array_equal(own.signals["dff"], arrays["dff"])
    for name in ("time", "unit", "running_speed", "pieces"):
        np.testing.assert_array_equal(getattr(own, name), arrays[name])
    for column in ("start", "end", "condition"):
        np.testing.assert_array_equal(
            own.stimuli["trials"][column], arrays[f"stimulus/trials/{column}"]
        )
    assert own.said == [] and own.pupil_size is None and own.templates == {}


def test_nwb_gives_the_same(tmp_path):
    arrays = made()
    own = read_own(as_nwb(tmp_path / "own.nwb", arrays))
    np.testing.assert_array_equal(own.signals["dff"], arrays["dff"])
    np.testing.assert_allclose(own.time, arrays["time"])
    np.testing.assert_array_equal(own.unit, arrays["unit"])
    np.testing.assert_allclose(own.running_speed, arrays["running_speed"], atol=1e-6)
    for column in ("start", "end", "condition"):
        np.testing.assert_array_equal(
            own.stimuli["trials"][column], arrays[f"stimulus/trials/{column}"]
        )
    assert list(own.stimuli) == ["trials"]


def test_nwb_that_leaves_a_choice_is_refused_and_the_choice_is_named(tmp_path):
    arrays = made()
    two = as_nwb(tmp_path / "two.nwb", arrays, planes=2)
    with pytest.raises(DataError, match=r"(?s)several planes.*DfOverF0.*DfOverF1.*names"):
        read_own(two)
    own = read_own(two, names={"dff": "processing/ophys/DfOverF1/RoiResponseSeries"})
    assert list(own.signals) == ["dff"]
    with pytest.raises(DataError, match=r"(?s)does not hold the traces.*no nothing.*DfOverF0"):
        read_own(two, names={"dff": "nothing"})
    arrays["events"] = np.abs(arrays["dff"])
    both = as_nwb(tmp_path / "both.nwb", arrays)
    assert set(read_own(both).signals) == {"dff", "events"}
    uneven = as_nwb(tmp_path / "uneven.nwb", arrays, rate=7.0)
    with pytest.raises(DataError, match=r"(?s)different times.*every 0\.1 s.*every 0\.1429 s"):
        read_own(uneven)
    old = as_nwb(tmp_path / "old.nwb", arrays, version="NWB-1.0.6")
    with pytest.raises(DataError, match=r"(?s)no NWB 2.*NWB-1\.0\.6.*kind: hdf5"):
        read_own(old)


def test_other_names_axes_and_tables(tmp_path):
    arrays = made()
    path = tmp_path / "a.npz"
    np.savez(path, F=arrays["dff"].T, bounds=np.array([0, 400, FRAMES]))
    table = tmp_path / "t.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["onset", "orientation", "temporal_frequency"])
        for onset, kind in zip(
            arrays["stimulus/trials/start"], arrays["stimulus/trials/condition"], strict=True
        ):
            writer.writerow([onset, *(["blank"] * 2 if kind == 3 else [90 * kind, 2])])
    own = read_own(
        path,
        names={"dff": "F", "pieces": "bounds", "stimulus/drifting_gratings/start": "onset"},
        transposed=True,
        period_s=PERIOD,
        tables={"drifting_gratings": table},
        presentation_s=0.8,
    )
    np.testing.assert_array_equal(own.signals["dff"], arrays["dff"])
    np.testing.assert_array_equal(own.pieces, arrays["pieces"])
    np.testing.assert_array_equal(own.unit, np.arange(1, UNITS + 1))
    gratings = own.stimuli["drifting_gratings"]
    np.testing.assert_array_equal(gratings["end"] - gratings["start"], 8)
    blank = arrays["stimulus/trials/condition"] == 3
    np.testing.assert_array_equal(np.isnan(gratings["orientation"]), blank)


def test_sparse_spikes_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.05, (200, 4))
    frame, unit = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0).T
    path = tmp_path / "s.npz"
    np.savez(path, f=frame, u=unit, shape=[4, 200], period_s=0.05)
    own = read_own(path, names={"spike_frame": "f", "spike_unit": "u"}, transposed=True)
    np.testing.assert_array_equal(own.signals["events"], counts)
    assert own.time[1] == 0.05
    np.savez(path, f=frame, u=unit, shape=[4, 100], period_s=0.05)
    with pytest.raises(DataError, match=r"(?s)shape.*spikes beyond"):
        read_own(path, names={"spike_frame": "f", "spike_unit": "u"}, transposed=True)


def changed(**changes):
    arrays = made() | {name.replace("__", "/"): values for name, values in changes.items()}
    return {name: values for name, values in arrays.items() if values is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dff": None}, r"no signal.*neither dff nor events, but time.*names: \{dff"),
        ({"dff": np.zeros(5)}, r"array dff.*float64 of shape \(5,\)"),
        ({"time": None}, r"time between the frames.*period_s"),
        ({"time": np.arange(9.0)}, r"array time.*\(9,\), the signal has 900 frames.*transposed"),
        ({"unit": np.arange(900)}, r"array unit.*for 7 units.*transposed"),
        ({"pieces": np.array([[0, 1000]])}, r"array pieces.*within 900"),
        ({"running_speed": np.zeros(9)}, r"running_speed.*\(9,\), the signal has 900"),
        ({"stimulus__trials__end": None}, r"table of trials.*no end; it has.*presentation_s"),
        ({"stimulus__trials__end": np.arange(3)}, r"table of trials.*columns have \[3, 40\] rows"),
        ({"events": np.zeros((900, 3))}, r"array events.*\(900, 3\), the other signal"),
    ],
)
def test_what_does_not_fit_is_refused_and_said(tmp_path, changes, message):
    path = as_file(tmp_path, "npz", changed(**changes))
    with pytest.raises(DataError, match=f"(?s){message}"):
        read_own(path)


def test_wrong_names_and_files_are_said(tmp_path):
    path = as_file(tmp_path, "npz", made())
    with pytest.raises(DataError, match=r"(?s)no array 'F', which is to be dff.*it has dff, time"):
        read_own(path, names={"dff": "F"})
    with pytest.raises(DataError, match=r"(?s)schema.*no 'traces'.*it has dff, events"):
        read_own(path, names={"traces": "dff"})
    with pytest.raises(DataError, match=r"(?s)cannot be opened.*as hdf5.*kind"):
        read_own(path, kind="hdf5")
    with pytest.raises(DataError, match=r"(?s)does not exist.*recordings\.files"):
        read_own(tmp_path / "absent.h5")
    with pytest.raises(DataError, match=r"(?s)NWB file cannot be read"):
        read_own(path, kind="nwb")
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n3\n")
    with pytest.raises(DataError, match=r"(?s)differ in length.*line 3"):
        csv_table(table)
    with pytest.raises(DataError, match="cannot be read"):
        csv_table(tmp_path / "absent.csv")
    table.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"(?s)no column 'onset'.*it has a, b"):
        read_own(path, names={"stimulus/trials/start": "onset"}, tables={"trials": table})


def test_pickles_are_never_opened(tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, dff=np.array([[{}]], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_own(path, period_s=1.0)


def through_the_stage(folder, path, analysis=None, **about):
    """Run both steps, as the pipeline does."""
    middle, out = folder / "read/own.h5", folder / "out/own.zarr"
    middle.parent.mkdir(exist_ok=True)
    about = RecordingFile(path=str(path), **about)
    run_step(own_recording, file=path, out=middle, settings=about)
    run_step(recordings, raw=middle, out=out, settings=Settings(**(analysis or {})), threads=1)
    with open_store(out, SCHEMA) as store:
        return store.load()


def test_constant_channels_gaps_and_unknown_stimuli_go_through_and_are_said(tmp_path, caplog):
    arrays = changed(stimulus__fireworks__start=np.arange(3), stimulus__fireworks__end=np.arange(3))
    arrays["dff"][:, 4] = 1.5
    arrays["dff"][100:105, 5] = np.nan
    arrays["dff"][7, 6] = np.inf
    path = as_file(tmp_path, "hdf5", arrays)
    with caplog.at_level("INFO", logger="mesomode"):
        store = through_the_stage(
            tmp_path,
            path,
            {"block_s": 5.0, "gap_s": 1.0, "longest_lag_s": 2.0, "aligned_after_s": 1.0},
            citation="Mine et al.",
        )
    assert store["unit_status"].values.tolist() == [0, 0, 0, 0, 2, 1, 1]
    assert "1 units are left out of dimension and time-scales: no change" in caplog.text
    assert "2 units are left out of dimension and time-scales: gaps" in caplog.text
    assert "6 values are not finite" in caplog.text
    assert "fireworks is not known and left out" in caplog.text
    assert store.attrs["data_citation"] == "Mine et al."
    assert [STIMULI[c] for c in store["tested_stimulus"].values] == ["trials"]
    p_value = store["tuning_p_value"].values[0]
    assert (p_value[:2] < 1e-6).all() and (p_value[2:4] > 0.001).all()
    assert (store["reliability"].values[0, :2] > 0.9).all()
    assert (store["noise_ceiling"].values[0, :2] > 0.9).all()
    assert np.isnan(store["noise_ceiling"].values[0, 4])
    # the gap lies outside most trials: only some responses are lost
    assert np.isfinite(store["tuning_p_value"].values[0, 5])
    assert store["condition_condition"].values.tolist() == [0, 1, 2, 3]
    assert json.loads(json.dumps(store.attrs["absent"]))[0] == "events"


def test_unequal_sampling_is_refused(tmp_path):
    steps = np.where(np.arange(FRAMES) % 3 == 0, 0.06, 0.1)
    path = as_file(tmp_path, "hdf5", changed(time=np.cumsum(steps)))
    with pytest.raises(DataError, match=r"(?s)not sampled at equal times.*0\.06 and 0\.1"):
        through_the_stage(tmp_path, path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("animal", "plain"),
    [("26-31", 8.43), ("26-38", 10.44), ("27-31", 6.50), ("27-38", 6.97), ("27-45", 12.32)],
)
def test_whole_brain_recordings_of_worms(shared_data, tmp_path, animal, plain):
    """Five worms, 135 to 146 neurons: 6 to 12 dimensions, plain, of z-scored traces.

    Without the bias of only eight minutes it is 8 to 16.
    """
    path = shared_data / "worm_wholebrain" / f"swf702_with_id_2022-07-{animal}.npz"
    if not path.exists():
        pytest.skip("not among the real data here")
    names = {"dff": "F_F20", "time": "t_confocal_s", "running_speed": "velocity"}
    store = through_the_stage(tmp_path, path, names=names)
    found = store["participation_ratio_zscored_plain"].item()
    assert found == pytest.approx(plain, abs=0.01)
    assert 6 < found < 12.5
    assert found < store["participation_ratio_zscored"].item() < 2 * found
    assert (store["unit_status"] == 0).all()
    assert store.sizes["test"] == 0 and store.attrs["frame_period_s"] == pytest.approx(
        0.6, abs=0.01
    )


@pytest.mark.slow
def test_real_gratings_as_a_file_of_ones_own(shared_data, tmp_path):
    """76 % tuned and 14.6 dimensions, reliability 0.73 and ceiling 0.71 of the tuned cells."""
    folder = shared_data / "allen_bo_2p"
    store = through_the_stage(
        tmp_path,
        folder / "drifting_gratings.h5",
        names={
            "pieces": "segment_bounds",
            "unit": "cell_specimen_ids",
            "stimulus/drifting_gratings/start": "onset_frame_global",
        },
        transposed=True,
        period_s=1 / 30,
        tables={"drifting_gratings": str(folder / "drifting_gratings_stimulus_table.csv")},
        presentation_s=2.0,
    )
    assert store["tuned_fraction"].item() == pytest.approx(194 / 254)
    assert store["participation_ratio_plain"].item() == pytest.approx(14.60, abs=0.01)
    tuned = store["tuning_p_value"].values[0] < 0.01
    ceiling, reliability = (store[n].values[0] for n in ("noise_ceiling", "reliability"))
    assert np.median(ceiling[tuned]) == pytest.approx(0.712, abs=0.002)
    assert np.median(reliability[tuned]) == pytest.approx(0.73, abs=0.02)
    assert np.corrcoef(ceiling, reliability)[0, 1] > 0.97
    assert np.median(store["noise_ceiling_single"].values[0]) == pytest.approx(0.099, abs=0.002)
    assert store["noise_correlation_mean"].item() == pytest.approx(0.230, abs=0.002)
    assert store["signal_correlation_mean"].item() == pytest.approx(0.168, abs=0.002)
    assert store["signal_correlation_plain"].item() == pytest.approx(0.180, abs=0.002)
    # what repeats has few dimensions: most of the 14.6 are noise, or what the mouse does
    assert 1 < store["signal_dimension"].item() < 6


@pytest.mark.slow
def test_a_real_spike_raster_as_a_file_of_ones_own(shared_data, tmp_path):
    """242 cells, 64 min of detected spikes, kept as places of spikes."""
    store = through_the_stage(
        tmp_path,
        shared_data / "allen_bo_raster242" / "raster242.npz",
        {"bin_s": 1.0, "longest_lag_s": 10.0},
        names={
            "spike_frame": "frame",
            "spike_unit": "cell",
            "period_s": "dt",
            "unit": "cell_specimen_ids",
        },
        transposed=True,
    )
    assert store.attrs["signal"] == "events" and "dff" not in store
    assert store["events"].sum().item() == 200905
    assert store["events"].mean().item() / 0.0333 == pytest.approx(0.215, abs=0.001)
    ratio = store["participation_ratio"].item()
    assert 5 < store["participation_ratio_plain"].item() < ratio < 242
