"""Two-photon sessions of a network whose coupling comes from the true weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from mesomode.phantom.cells import Cells, draw_cells, screen_input
from mesomode.phantom.connectivity import Wiring, weights
from mesomode.phantom.presets import FIRST_SESSION
from mesomode.phantom.region import Region
from mesomode.phantom.settings import Settings
from mesomode.phantom.stimulus import FRAME_RATE, LENGTHS, Timetable, make_timetable
from mesomode.seeds import generator

FIRST_CONTAINER, FIRST_CELL = 980000001, 982000001
SHARED_CELLS = 0.85
"""Part of a container's cells that one session finds."""
TIME_CONSTANT = 0.1
"""Of a unit of the network, in s."""
NOISE = 0.5
"""Standard deviation of an uncoupled unit's state."""
EVENT_SIZE = 0.15
"""Peak dF/F of one event."""
RISE, DECAY = 0.05, 0.5
"""Time constants of the indicator (GCaMP6f) in s."""
EYE_RATE = 29.97
"""Images of the eye camera per second; its clock is not that of the microscope."""


@dataclass(frozen=True)
class Container:
    """One field of view, seen in a few sessions, and the network it is part of.

    Parameters
    ----------
    identifier : int
    area : str
        Acronym.
    depth_um : int
        Imaging depth.
    cell_specimen_ids : int64 array (cell,)
        The cells that can be found: the network's first units.
    units : Cells
        All units of the network.
    coupling : float64 array (unit, unit)
        J (target, source).
    """

    identifier: int
    area: str
    depth_um: int
    cell_specimen_ids: np.ndarray
    units: Cells
    coupling: np.ndarray


@dataclass(frozen=True)
class Eye:
    """What an eye camera saw.

    Parameters
    ----------
    timestamps : float64 array (sample,)
        In s.
    size : float64 array (sample,)
        Area of the pupil in pixels; NaN: the eye was closed.
    location : float64 array (sample, 2)
        Where the mouse looks on the screen: x, y in cm; NaN likewise.
    angle : float64 array (sample, 2)
        Altitude and azimuth in degrees; NaN likewise.
    """

    timestamps: np.ndarray
    size: np.ndarray
    location: np.ndarray
    angle: np.ndarray


@dataclass(frozen=True)
class Session:
    """One recorded session.

    Parameters
    ----------
    identifier : int
        Id of the ophys experiment.
    container : Container
    found : int64 array (unit,)
        Which cells of the container were found, ascending.
    timetable : Timetable
    timestamps : float64 array (time,)
        In s.
    running_speed : float64 array (time,)
        In cm/s.
    events : float32 array (unit, time)
        Size of the calcium events, in dF/F.
    dff : float32 array (unit, time)
    neuropil : float32 array (unit, time)
    neuropil_weight : float64 array (unit,)
        Part of the neuropil that contaminates a cell.
    baseline : float64 array (unit,)
        Fluorescence of a silent cell.
    eye : Eye or None
        What the eye camera saw; None: it was not used.
    """

    identifier: int
    container: Container
    found: np.ndarray
    timetable: Timetable
    timestamps: np.ndarray
    running_speed: np.ndarray
    events: np.ndarray
    dff: np.ndarray
    neuropil: np.ndarray
    neuropil_weight: np.ndarray
    baseline: np.ndarray
    eye: Eye | None = None

    @property
    def cell_specimen_ids(self) -> np.ndarray:
        """Ids of the cells found, int64 (unit,)."""
        return self.container.cell_specimen_ids[self.found]

    def fluorescence(self) -> np.ndarray:
        """Measured fluorescence with neuropil, float32 (unit, time)."""
        cell = self.baseline[:, None] * (1 + self.dff.astype(np.float64))
        return (cell + self.neuropil_weight[:, None] * self.neuropil).astype(np.float32)


def make_recordings(
    settings: Settings, seed: int, region: Region, wiring: Wiring
) -> tuple[Session, ...]:
    """Record sessions from networks on the true weights.

    Each container is a network of rate units in voxels of all areas: τ dx/dt =
    −x + J φ(x) + input + noise, with φ = tanh and τ = 0.1 s. J is made of the
    true weights between the units' voxels (see :func:`coupling_of`).

    Parameters
    ----------
    settings : Settings
    seed : int
    region : Region
    wiring : Wiring

    Returns
    -------
    tuple of Session
        As many sessions a container as there are types, with most cells in common. The eye
        was filmed in the first of each container only.
    """
    sessions: list[Session] = []
    container: Container | None = None
    count = settings.cells or (24 if settings.session_length == "tiny" else 80)
    for number in range(settings.sessions):
        which, turn = divmod(number, len(settings.session_types))
        if container is None or turn == 0:
            rng = generator(seed, "phantom", "container", str(which))
            container = _make_container(which, count, settings.gain, region, wiring, rng)
        rng = generator(seed, "phantom", "session", str(number))
        kind = settings.session_types[turn]
        timetable = make_timetable(kind, LENGTHS[settings.session_length], rng)
        found = np.sort(rng.choice(len(container.cell_specimen_ids), count, replace=False))
        eye = generator(seed, "phantom", "eye", str(number)) if turn == 0 else None
        sessions.append(_record(FIRST_SESSION + number, container, found, timetable, rng, eye))
    return tuple(sessions)


def coupling_of(wiring: Wiring, units: Region, gain: float) -> np.ndarray:
    """Coupling of rate units from the true weights between their voxels.

    The weights are nonnegative, which would drive all units into saturation
    together; the product of row and column means divided by the mean is
    subtracted, so that units excite those they project to most and inhibit the
    others. The diagonal is 0, and the whole is scaled so that the largest real
    part of its eigenvalues is ``gain``.

    Returns
    -------
    float64 array (target, source)
    """
    coupling = weights(wiring, units, units).astype(np.float64)
    coupling -= np.outer(coupling.mean(1), coupling.mean(0)) / coupling.mean()
    np.fill_diagonal(coupling, 0.0)
    return coupling * (gain / np.linalg.eigvals(coupling).real.max())


def simulate(
    coupling: np.ndarray, drive: np.ndarray, rng: np.random.Generator, steps: int = 2
) -> np.ndarray:
    """Run the network once through a session.

    Parameters
    ----------
    coupling : float64 array (unit, unit)
    drive : float32 array (time, unit)
        Input in each frame.
    rng : numpy.random.Generator
    steps : int
        Euler–Maruyama steps a frame.

    Returns
    -------
    float32 array (time, unit)
        Rates φ(x) in [−1, 1] at the end of each frame.
    """
    frames, units = drive.shape
    coupling = coupling.astype(np.float32)
    step = np.float32(1 / FRAME_RATE / steps / TIME_CONSTANT)
    spread = np.float32(NOISE * np.sqrt(2 * step))
    state = np.asarray(NOISE * rng.standard_normal(units), dtype=np.float32)
    rates = np.empty((frames, units), dtype=np.float32)
    for start in range(0, frames, 500):
        block = drive[start : start + 500]
        kicks = spread * rng.standard_normal((len(block), steps, units), dtype=np.float32)
        for offset, external in enumerate(block):
            for kick in kicks[offset]:
                state += step * (coupling @ np.tanh(state) + external - state) + kick
            rates[start + offset] = np.tanh(state)
    return rates


def indicator(events: np.ndarray) -> np.ndarray:
    """Relative fluorescence change that events evoke: fast rise, slow decay, peak as large.

    Parameters
    ----------
    events : float array (unit, time)
        Sizes in dF/F.

    Returns
    -------
    float64 array (unit, time)
    """
    fast = np.exp(-1 / FRAME_RATE * (1 / RISE + 1 / DECAY))
    slow = np.exp(-1 / FRAME_RATE / DECAY)
    time = np.arange(200)
    peak = (slow**time - fast**time).max()
    trace = lfilter([1.0], [1.0, -slow], events) - lfilter([1.0], [1.0, -fast], events)
    return trace / peak


def _make_container(
    number: int, count: int, gain: float, region: Region, wiring: Wiring, rng: np.random.Generator
) -> Container:
    """Draw a field of view in one area, the rest of its network in all of them."""
    pool = int(np.ceil(count / SHARED_CELLS))
    others = int(np.clip(4 * count, 100, 400))
    area = number % min(len(region.areas), 4)
    depth_um = (175, 275)[number // 4 % 2]
    level = np.abs(region.depth - depth_um / 700)
    view = np.flatnonzero((region.area == area) & (level < 0.15))
    where = np.concatenate([rng.choice(view, pool), rng.choice(len(region), others)])
    units = region.take(where)
    first = FIRST_CELL + 1000 * number
    return Container(
        identifier=FIRST_CONTAINER + number,
        area=region.areas[area],
        depth_um=depth_um,
        cell_specimen_ids=first + np.arange(pool, dtype=np.int64),
        units=draw_cells(units, rng),
        coupling=coupling_of(wiring, units, gain),
    )


def _record(
    identifier: int,
    container: Container,
    found: np.ndarray,
    timetable: Timetable,
    rng: np.random.Generator,
    eye: np.random.Generator | None,
) -> Session:
    """Simulate the network and look at the cells found through a microscope."""
    length, count = timetable.length, len(found)
    speed = _running(length, rng)
    effort = np.asarray(speed / (speed + 10.0), dtype=np.float32)[:, None]
    running = container.units.running.astype(np.float32)
    drive = screen_input(container.units, timetable)
    drive *= np.maximum(1 + running * effort, 0)
    drive += 0.15 * running * effort
    rates = simulate(container.coupling, drive, rng)[:, found].T

    per_second = 0.02 + 6.0 * np.maximum(rates - 0.3, 0.0) ** 1.5
    spikes = rng.poisson(per_second / FRAME_RATE)
    size = EVENT_SIZE * rng.gamma(10.0, 0.1, (count, 1))
    events = (spikes * size).astype(np.float32)
    noise = rng.uniform(0.02, 0.05, (count, 1)) * rng.standard_normal((count, length))
    dff = np.round(indicator(events) + noise, 4).astype(np.float32)
    baseline = rng.gamma(9.0, 40.0, count)
    crowd = dff.mean(0)
    haze = 1 + crowd + 0.01 * rng.standard_normal((count, length))
    neuropil = np.round(0.6 * baseline[:, None] * haze, 1).astype(np.float32)
    timestamps = 9.35 + np.arange(length) / FRAME_RATE
    return Session(
        identifier=identifier,
        container=container,
        found=found,
        timetable=timetable,
        timestamps=timestamps,
        running_speed=np.round(speed, 3),
        events=events,
        dff=dff,
        neuropil=neuropil,
        neuropil_weight=rng.uniform(0.2, 0.9, count),
        baseline=baseline,
        eye=None if eye is None else _eye(timestamps, speed, eye),
    )


def _eye(timestamps: np.ndarray, speed: np.ndarray, rng: np.random.Generator) -> Eye:
    """The pupil widens when the mouse runs; the eye wanders slowly and blinks."""
    time = np.arange(timestamps[0], timestamps[-1], 1 / EYE_RATE)
    effort = np.interp(time, timestamps, speed / (speed + 10.0))
    keep = np.exp(-1 / EYE_RATE / 2.0)
    kicks = np.sqrt(1 - keep**2) * rng.standard_normal((3, len(time)))
    slow = lfilter([1.0], [1.0, -keep], kicks)
    size = 900 * (1 + 0.8 * effort + 0.1 * slow[0])
    angle = 6.0 * slow[1:].T
    for start in rng.integers(0, len(time), 1 + len(time) // 600):
        blink = slice(start, start + 5)
        size[blink], angle[blink] = np.nan, np.nan
    # the screen is 15 cm away
    location = 15.0 * np.tan(np.deg2rad(angle[:, ::-1]))
    return Eye(time, np.round(size, 1), np.round(location, 3), np.round(angle, 3))


def _running(length: int, rng: np.random.Generator) -> np.ndarray:
    """Bouts of running, in cm/s: the positive part of a slow random process."""
    keep = np.exp(-1 / FRAME_RATE / 4.0)
    kicks = np.sqrt(1 - keep**2) * rng.standard_normal(length)
    slow = lfilter([1.0], [1.0, -keep], kicks)
    return np.maximum(18.0 * (slow - 0.3), 0.0) + 0.2 * np.abs(rng.standard_normal(length))
