"""Sessions of the phantom: timetables, the network, the indicator, tuned cells."""

import numpy as np
import pytest
from scipy.stats import f_oneway

from mesomode.phantom.cells import draw_cells, screen_input
from mesomode.phantom.recordings import (
    DECAY,
    NOISE,
    coupling_of,
    indicator,
    make_recordings,
    simulate,
)
from mesomode.phantom.settings import Settings
from mesomode.phantom.stimulus import (
    EPOCHS,
    FRAME_RATE,
    LENGTHS,
    make_timetable,
    on_screen,
)
from mesomode.phantom.tracing import make_brain


@pytest.fixture(scope="module")
def brain():
    return make_brain(Settings(size="tiny"), 2)


@pytest.fixture(scope="module")
def sessions(brain):
    _, _, region, wiring = brain
    return make_recordings(
        Settings(size="tiny", session_length="tiny", sessions=4), 2, region, wiring
    )


@pytest.mark.parametrize("session_type", list(EPOCHS))
@pytest.mark.parametrize("length", list(LENGTHS))
def test_presentations_follow_each_other_in_the_real_order(session_type, length):
    timetable = make_timetable(session_type, LENGTHS[length], np.random.default_rng(0))
    assert set(timetable.stimuli) == set(EPOCHS[session_type])
    shown = np.zeros(timetable.length, dtype=int)
    order = []
    for name, stimulus in timetable.stimuli.items():
        frames = stimulus.frames
        assert frames.dtype == np.int64 and len(frames) == len(stimulus.data)
        assert frames.min() >= 0 and frames.max() <= timetable.length
        if name == "spontaneous":
            frames = frames[::2] * [1, 0] + frames[1::2] * [0, 1]
        # the SDK tells epochs apart by gaps of more than 39 (A), 15 (B) or 7 (C, C2) frames
        gaps = frames[1:, 0] - frames[:-1, 1]
        limit = {"three_session_A": 39, "three_session_B": 15}.get(session_type, 7)
        starts = np.concatenate([[0], 1 + np.flatnonzero(gaps > limit)])
        assert len(starts) == EPOCHS[session_type].count(name)
        order += [(int(frames[start, 0]), name) for start in starts]
        for start, end in frames:
            shown[start:end] += 1
    assert shown.max() == 1  # nothing overlaps
    assert tuple(name for _, name in sorted(order)) == EPOCHS[session_type]


def test_real_length_has_the_real_row_counts():
    a = make_timetable("three_session_A", LENGTHS["real"], np.random.default_rng(0))
    b = make_timetable("three_session_B", LENGTHS["real"], np.random.default_rng(0))
    rows = {name: len(s.data) for t in (a, b) for name, s in t.stimuli.items()}
    assert rows == {
        "drifting_gratings": 628, "natural_movie_three": 36000, "natural_movie_one": 9000,
        "static_gratings": 6000, "natural_scenes": 5950, "spontaneous": 2,
    }  # fmt: skip
    assert 105_000 < a.length < 120_000 and 105_000 < b.length < 125_000
    c = make_timetable("three_session_C", LENGTHS["real"], np.random.default_rng(0))
    c2 = make_timetable("three_session_C2", LENGTHS["real"], np.random.default_rng(0))
    # rows of the SDK's master tables, in which each pair of spontaneous rows is one
    master = [
        sum(len(s.data) // (2 if n == "spontaneous" else 1) for n, s in t.stimuli.items())
        for t in (a, b, c, c2)
    ]
    assert master == [45629, 20951, 26882, 29398]


def test_sparse_noise_has_the_real_shapes_and_few_pixels():
    for kind, names in (("C", [""]), ("C2", ["_4deg", "_8deg"])):
        made = make_timetable(f"three_session_{kind}", LENGTHS["tiny"], np.random.default_rng(0))
        for ending in names:
            stimulus = made.stimuli[f"locally_sparse_noise{ending}"]
            shape = (8, 14) if ending == "_8deg" else (16, 28)
            assert stimulus.template.shape == (len(stimulus.data), *shape)
            assert set(np.unique(stimulus.template)) == {0, 127, 255}
            lit = (stimulus.template != 127).sum(axis=(1, 2))
            assert len(set(lit)) == 1 and lit[0] < 0.05 * np.prod(shape)


def test_every_grating_is_shown_equally_often():
    timetable = make_timetable("three_session_A", LENGTHS["short"], np.random.default_rng(1))
    data = timetable.stimuli["drifting_gratings"].data
    blank = data[:, 2] == 1
    assert blank.sum() == 6 and np.isnan(data[blank, :2]).all()
    _, counts = np.unique(data[~blank, :2], axis=0, return_counts=True)
    assert len(counts) == 40 and (counts == 3).all()
    movie = timetable.stimuli["natural_movie_one"].data
    assert (np.bincount(movie) == 10).all()


def test_templates_are_the_same_in_every_session():
    pair = [
        make_timetable("three_session_B", LENGTHS["tiny"], np.random.default_rng(k)) for k in (1, 2)
    ]
    scenes = [t.stimuli["natural_scenes"].template for t in pair]
    np.testing.assert_array_equal(*scenes)
    assert scenes[0].dtype == np.uint8 and scenes[0].std() > 20
    assert not np.array_equal(*[t.stimuli["natural_scenes"].data for t in pair])


def test_cells_are_driven_most_by_the_grating_they_prefer(brain):
    _, _, region, _ = brain
    cells = draw_cells(region.take(np.arange(0, len(region), 9)), np.random.default_rng(3))
    timetable = make_timetable("three_session_A", LENGTHS["short"], np.random.default_rng(4))
    gratings = timetable.stimuli["drifting_gratings"]
    drive = screen_input(cells, timetable)
    assert drive.min() >= 0 and np.isfinite(drive).all()
    mean = np.stack([drive[a:b].mean(0) for a, b in gratings.frames])
    blank = gratings.data[:, 2] == 1
    assert (mean[blank] == 0).all()
    for cell in np.flatnonzero(cells.drive > 0):
        best = gratings.data[np.argmax(mean[:, cell])]
        gap = np.abs((best[1] - cells.direction[cell] + 180) % 360 - 180)
        assert gap <= 22.5
        shown = np.array([1, 2, 4, 8, 15])
        octaves = np.abs(np.log2(shown / cells.temporal_frequency[cell]))
        assert octaves[shown == best[0]] <= octaves.min() + 0.2
    grey = on_screen(timetable.stimuli["spontaneous"], timetable.length) >= 0
    assert (drive[grey] == 0).all()
    assert (drive[:, cells.drive == 0] == 0).all()


def test_images_drive_cells_by_their_place_in_the_visual_field(brain):
    """Cells that look at the same place and stripes respond alike; others do not."""
    _, _, region, _ = brain
    cells = draw_cells(region.take(np.array([100, 100, 5])), np.random.default_rng(0))
    for name in ("direction", "spatial_frequency", "phase"):
        getattr(cells, name)[:] = {"direction": 30, "spatial_frequency": 0.04, "phase": 0.2}[name]
    cells.drive[:] = 1
    timetable = make_timetable("three_session_B", LENGTHS["short"], np.random.default_rng(0))
    frames = timetable.stimuli["natural_scenes"].frames[:, 0]
    response = screen_input(cells, timetable)[frames]
    correlation = np.corrcoef(response.T)
    assert correlation[0, 1] == pytest.approx(1)
    assert abs(correlation[0, 2]) < 0.5
    blank = timetable.stimuli["natural_scenes"].data == -1
    assert (response[blank] == 0).all() and (response > 0).any(0).all()


def test_coupling_has_the_gain_asked_for_and_no_mean(brain):
    _, _, region, wiring = brain
    units = region.take(np.arange(0, len(region), 4))
    for gain in (0.0, 0.5, 1.3):
        coupling = coupling_of(wiring, units, gain)
        assert np.linalg.eigvals(coupling).real.max() == pytest.approx(gain, abs=1e-9)
        assert (np.diag(coupling) == 0).all()
    assert abs(coupling.mean()) < 0.1 * np.abs(coupling).mean()
    # units excite those they project to most
    from mesomode.phantom.connectivity import weights

    true = weights(wiring, units, units)
    off = ~np.eye(len(units), dtype=bool)
    assert np.corrcoef(true[off], coupling[off])[0, 1] > 0.5


def test_a_uncoupled_network_is_the_process_it_should_be():
    """Without coupling each unit is an Ornstein–Uhlenbeck process of known spread and time."""
    units, frames = 200, 2000
    drive = np.zeros((frames, units), dtype=np.float32)
    rates = simulate(np.zeros((units, units)), drive, np.random.default_rng(0), steps=8)
    state = np.arctanh(rates.astype(float))
    assert state.std() == pytest.approx(NOISE, rel=0.03)
    lag = (state[3:] * state[:-3]).mean() / (state**2).mean()
    assert lag == pytest.approx(np.exp(-3 / FRAME_RATE / 0.1), abs=0.03)


def test_a_constant_input_moves_the_state_there():
    drive = np.full((300, 400), 0.7, dtype=np.float32)
    rates = simulate(np.zeros((400, 400)), drive, np.random.default_rng(1))
    assert np.arctanh(rates[100:].astype(float)).mean() == pytest.approx(0.7, abs=0.02)


def test_indicator_of_one_event():
    events = np.zeros((1, 300))
    events[0, 10] = 0.2
    trace = indicator(events)[0]
    assert trace.max() == pytest.approx(0.2)
    assert (trace[:10] == 0).all() and 10 < np.argmax(trace) < 16
    later = trace[60] / trace[30]
    assert later == pytest.approx(np.exp(-30 / FRAME_RATE / DECAY), rel=0.02)


def test_sessions_of_a_container_share_cells(sessions):
    assert [s.timetable.session_type[-1] for s in sessions] == ["A", "B", "A", "B"]
    assert sessions[0].container is sessions[1].container
    assert sessions[2].container.identifier == sessions[0].container.identifier + 1
    assert sessions[2].container.area != sessions[0].container.area
    first, second = (set(s.cell_specimen_ids.tolist()) for s in sessions[:2])
    assert len(first) == len(second) == 24 and 12 < len(first & second) < 24
    everyone = [c for s in sessions for c in s.container.cell_specimen_ids.tolist()]
    assert len(set(everyone)) == len(everyone) // 2


def test_the_eye_is_filmed_in_the_first_session_of_a_container(sessions):
    assert [s.eye is None for s in sessions] == [False, True, False, True]
    eye = sessions[0].eye
    assert np.isnan(eye.size).any() and np.isfinite(eye.size).mean() > 0.95
    assert np.array_equal(np.isnan(eye.angle[:, 0]), np.isnan(eye.size))
    assert eye.timestamps[-1] <= sessions[0].timestamps[-1]
    speed = np.interp(eye.timestamps, sessions[0].timestamps, sessions[0].running_speed)
    seen = np.isfinite(eye.size)
    assert np.corrcoef(eye.size[seen], speed[seen])[0, 1] > 0.5


def test_traces_are_plausible(sessions):
    for session in sessions:
        assert session.dff.shape == session.events.shape == (24, session.timetable.length)
        assert 2000 < session.timetable.length < 6000
        assert session.dff.dtype == session.events.dtype == np.float32
        assert session.events.min() >= 0
        rate = (session.events > 0).mean() * FRAME_RATE
        assert 0.05 < rate < 2
        assert session.running_speed.min() >= 0 and session.running_speed.max() < 120
        assert session.fluorescence().min() > 0
        area = session.container.units.where.area[session.found]
        assert set(np.array(session.container.units.where.areas)[area]) == {session.container.area}


def test_same_seed_same_recordings(brain, sessions):
    _, _, region, wiring = brain
    settings = Settings(size="tiny", session_length="tiny", sessions=1)
    again = make_recordings(settings, 2, region, wiring)[0]
    np.testing.assert_array_equal(again.dff, sessions[0].dff)
    other = make_recordings(settings, 3, region, wiring)[0]
    assert not np.array_equal(other.dff, sessions[0].dff)


@pytest.mark.slow
def test_cells_are_tuned_and_depend_on_running():
    _, _, region, wiring = make_brain(Settings(size="small"), 1)
    session = make_recordings(Settings(sessions=1), 1, region, wiring)[0]
    assert session.dff.shape[0] == 80 and 13_000 < session.dff.shape[1] < 17_000
    gratings = session.timetable.stimuli["drifting_gratings"]
    shown = gratings.data[:, 2] == 0
    response = np.stack([session.dff[:, a:b].mean(1) for a, b in gratings.frames[shown]])
    condition = np.unique(gratings.data[shown], axis=0, return_inverse=True)[1]
    groups = [response[condition == k] for k in range(40)]
    tuned = f_oneway(*groups, axis=0).pvalue < 0.01
    assert 0.4 < tuned.mean() < 0.95  # 76 % in a real session with five times the trials
    # the direction with the largest mean response is the preferred one, where the input is strong
    units = session.container.units
    directions = np.unique(gratings.data[shown, 1])
    mean = np.stack([response[gratings.data[shown, 1] == d].mean(0) for d in directions])
    strong = units.drive[session.found] > 1.5
    gap = directions[mean.argmax(0)] - units.direction[session.found]
    gap = np.abs((gap + 180) % 360 - 180)[strong]
    assert strong.sum() > 10 and (gap < 46).mean() > 0.7
