"""The whole stage on real two-photon data, against figures found independently."""

import csv

import h5py
import numpy as np
import pytest

from mesomode.comparison import dimension, timescales
from mesomode.recordings import frames
from mesomode.recordings.settings import Settings
from mesomode.recordings.stage import SCHEMA, recordings
from mesomode.steps import run_step
from mesomode.store import open_store
from tests.recordings.conftest import write_session


def gratings_table(rows, length=60):
    def number(text):
        return np.nan if text == "blank" else float(text)

    onset = np.array([int(row["onset"]) for row in rows])
    return {
        "orientation": [number(row["orientation"]) for row in rows],
        "temporal_frequency": [number(row["temporal_frequency"]) for row in rows],
        "blank_sweep": [float(row["orientation"] == "blank") for row in rows],
        "start": onset,
        "end": onset + length,
    }


def analysed(tmp_path, session, **settings):
    out = tmp_path / "session.zarr"
    run_step(recordings, raw=session, out=out, settings=Settings(**settings), threads=1)
    with open_store(out, SCHEMA) as store:
        return store.load()


@pytest.fixture(scope="module")
def gratings_session(shared_data, tmp_path_factory):
    """Container 527550471: 254 cells, drifting gratings in six uninterrupted pieces."""
    folder = shared_data / "allen_bo_2p"
    with h5py.File(folder / "drifting_gratings.h5") as file:
        dff = file["dff"][:].astype("f4").T
        bounds = file["segment_bounds"][:]
    with open(folder / "drifting_gratings_stimulus_table.csv") as file:
        rows = [dict(row, onset=row["onset_frame_global"]) for row in csv.DictReader(file)]
    time = np.arange(len(dff)) / 30.0
    time += 300.0 * np.searchsorted(bounds[1:-1], np.arange(len(dff)), side="right")
    path = tmp_path_factory.mktemp("real") / "session_527745328.h5"
    return write_session(path, dff, time, {"drifting_gratings": gratings_table(rows)})


@pytest.mark.slow
def test_tuning_and_dimension_of_real_gratings_are_the_published_figures(
    gratings_session, tmp_path
):
    """76 % of the cells are tuned at p < 0.01; participation ratio of the traces 14.6.

    Both are reproduced: 76.4 % (194 of 254) with the mean of the 60 frames shown, without
    baseline, the blank screen being a condition; 14.60 by the plain covariance over all frames.
    The unbiased dimension is higher, as theory says: slow traces make the plain one too small.
    """
    store = analysed(tmp_path, gratings_session)
    assert store["tuned_fraction"].item() == pytest.approx(194 / 254)
    assert store["participation_ratio_plain"].item() == pytest.approx(14.60, abs=0.01)
    assert store.sizes["condition"] == 41
    assert np.isnan(store["condition_orientation"].values).sum() == 1
    assert set(np.unique(store["response_trials"])) == {14, 15, 29}
    plain, unbiased = store["participation_ratio_plain"].item(), store["participation_ratio"].item()
    error = store["participation_ratio_error"].item()
    assert plain < unbiased < plain + 5 * error
    assert 0 < error < 0.3 * unbiased
    assert (store["unit_status"] == 0).all()
    assert store.attrs["absent"][:2] == ["events", "running_speed"]
    # the indicator decays within about a second; the responses last two
    assert 0.1 < store["half_width"].item() < 2


@pytest.mark.slow
def test_the_plain_dimension_of_the_real_recording_is_too_low_by_a_few_parts_in_a_hundred(
    gratings_session,
):
    """On the same frames 1/PR(plain) − 1/PR is τ₂/T or some times that.

    Theory has 1/PR(plain) ≈ 1/PR + τ₂/T where all directions are equally fast (random-mode theory,
    §1.5). Here the strong directions are the slow ones: the difference is 2.1 times τ₂/T.
    """
    with h5py.File(gratings_session) as file:
        traces, time = dimension.zscored(file["dff"][:]), file["timestamps"][:]
    pieces = frames.uninterrupted(time)
    assert len(pieces) == 6
    blocks = [traces[start:end] for start, end in dimension.time_blocks(pieces, 900, 150)]
    unbiased = dimension.BlockMoments(blocks).moments().participation_ratio
    plain = dimension.plain_moments(np.concatenate(blocks)).participation_ratio
    correlation = timescales.normalised(timescales.autocovariance(traces, 600, pieces).mean(axis=1))
    expected = timescales.integrated_square(correlation, 1 / 30) / (len(blocks) * 30)
    assert plain < unbiased < 1.05 * plain
    assert 1 < (1 / plain - 1 / unbiased) / expected < 4


def test_the_small_real_cut_goes_through_quickly(shared_data, tmp_path):
    """60 of those cells for 200 s: two trials a condition, yet the tuned ones stand out."""
    with np.load(shared_data / "ci_small" / "allen_dff_dg_60x6000.npz", allow_pickle=False) as file:
        dff = file["dff"].astype("f4").T
        rows = [
            {"onset": o, "orientation": a, "temporal_frequency": f}
            for o, a, f in zip(
                file["onset_frame"], file["orientation"], file["temporal_frequency"], strict=True
            )
        ]
    session = write_session(
        tmp_path / "session_1.h5",
        dff,
        np.arange(len(dff)) * 0.033,
        {"drifting_gratings": gratings_table(rows)},
    )
    store = analysed(tmp_path, session, block_s=15.0, gap_s=2.0)
    assert store.sizes["trial"] == 66
    assert 0.1 < store["tuned_fraction"].item() < 0.6
    assert store["participation_ratio_plain"].item() < store["participation_ratio"].item() < 60


@pytest.fixture(scope="module")
def raster(shared_data):
    """Spikes of a whole session: 242 cells, 64 min; 628 gratings whose kind is not known."""
    file = shared_data / "allen_bo_raster242" / "raster242.npz"
    with np.load(file, allow_pickle=False) as data:
        spikes = np.zeros(tuple(data["shape"][::-1]), "f4")
        spikes[data["frame"], data["cell"]] = 1
        return spikes, float(data["dt"]), data["dg_trial_counts"].astype(float)


@pytest.mark.slow
def test_spikes_of_a_whole_real_session_as_events(raster, tmp_path):
    """The trial counts that came with the data are the stage's responses times the window.

    Their source says that windows of 60 frames from frame 738 on, every 90.5 frames, reproduce
    99.5 % of the counts of the first block of gratings; so they do here.
    """
    spikes, period, counts = raster
    # the first block of gratings, before the first movie
    start = np.rint(738 + 90.5 * np.arange(100)).astype(int)
    table = {
        "orientation": np.arange(100) % 8 * 45.0,
        "temporal_frequency": np.ones(100),
        "start": start,
        "end": start + 60,
    }
    session = write_session(
        tmp_path / "session_2.h5",
        np.zeros_like(spikes),
        np.arange(len(spikes)) * period,
        {"drifting_gratings": table},
        events=spikes,
    )
    store = analysed(tmp_path, session, signal="events", bin_s=1.0, longest_lag_s=10.0)
    found = store["trial_response"].values * 60
    assert np.mean(np.rint(found) == counts[:100]) > 0.98
    assert spikes.mean() / period == pytest.approx(0.215, abs=0.001)
    used = (store["unit_status"] == 0).sum().item()
    assert used == (spikes.sum(axis=0) > 0).sum()
    plain, unbiased = store["participation_ratio_plain"].item(), store["participation_ratio"].item()
    assert 5 < plain < unbiased < used
    # spikes are nearly white: what is shared is far smaller than what each cell does alone
    assert store["unit_autocorrelation"].values[1:].max() < 0.9
    assert store.attrs["signal"] == "events"
