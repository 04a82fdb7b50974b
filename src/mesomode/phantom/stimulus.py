"""Two-photon sessions as the Allen Brain Observatory ran them: epochs, tables, templates."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

FRAME_RATE = 30.0918
"""Frames of the microscope per second."""
EPOCHS = {
    "three_session_A": (
        "drifting_gratings", "natural_movie_three", "natural_movie_one", "drifting_gratings",
        "spontaneous", "natural_movie_three", "drifting_gratings",
    ),
    "three_session_B": (
        "static_gratings", "natural_scenes", "spontaneous", "natural_scenes", "static_gratings",
        "natural_movie_one", "natural_scenes", "static_gratings",
    ),
    "three_session_C": (
        "locally_sparse_noise", "spontaneous", "natural_movie_one", "locally_sparse_noise",
        "natural_movie_two", "spontaneous", "locally_sparse_noise",
    ),
    "three_session_C2": (
        "locally_sparse_noise_4deg", "locally_sparse_noise_8deg", "natural_movie_one",
        "locally_sparse_noise_8deg", "spontaneous", "locally_sparse_noise_4deg",
        "natural_movie_two", "spontaneous", "locally_sparse_noise_8deg",
        "locally_sparse_noise_4deg",
    ),
}  # fmt: skip
"""Order of the epochs in a session of each type."""
FEATURES = {
    "drifting_gratings": ("temporal_frequency", "orientation", "blank_sweep"),
    "static_gratings": ("orientation", "spatial_frequency", "phase"),
}
"""Names of the columns of a stimulus' data; other stimuli have one column, the frame shown."""
TEMPLATE_SHAPE = (24, 48)
"""Height and width of the movies' and scenes' images, in pixels."""
SPARSE_NOISE = {
    "locally_sparse_noise": ((16, 28), 11),
    "locally_sparse_noise_4deg": ((16, 28), 11),
    "locally_sparse_noise_8deg": ((8, 14), 4),
}
"""Height and width of the sparse noise's images, and how many of the pixels are not grey."""
DIRECTIONS = np.arange(0.0, 360.0, 45.0)
ORIENTATIONS = np.arange(0.0, 180.0, 30.0)
SPATIAL_FREQUENCIES = np.array([0.02, 0.04, 0.08, 0.16, 0.32])
PHASES = np.array([0.0, 0.25, 0.5, 0.75])


@dataclass(frozen=True)
class Length:
    """How much of everything a session shows.

    Parameters
    ----------
    temporal_frequencies : tuple of float
        Of the drifting gratings, in Hz.
    drifting, drifting_blanks : int
        Trials of each drifting grating; blank trials.
    static, static_blanks : int
        Presentations of each static grating; blank ones.
    scenes, scene_repeats : int
        Natural scenes, and presentations of each and of the blank.
    movie_one, movie_three, movie_repeats : int
        Frames of the movies and how often each is shown; the second is as long as the first.
    noise, noise_sizes : int
        Images of the sparse noise of session C, and of each size of it in C2, each shown once.
    spontaneous : int
        Frames of the grey screen.
    gap : int
        Frames between epochs; more than 39, by which the SDK tells epochs apart.
    """

    temporal_frequencies: tuple[float, ...]
    drifting: int
    drifting_blanks: int
    static: int
    static_blanks: int
    scenes: int
    scene_repeats: int
    movie_one: int
    movie_three: int
    movie_repeats: int
    noise: int
    noise_sizes: int
    spontaneous: int
    gap: int


LENGTHS = {
    "tiny": Length((1.0, 4.0), 2, 2, 1, 4, 20, 4, 60, 60, 6, 300, 200, 600, 60),
    "short": Length(
        (1.0, 2.0, 4.0, 8.0, 15.0), 3, 6, 6, 24, 118, 6, 90, 120, 10, 1800, 1200, 1500, 120
    ),
    "real": Length(
        (1.0, 2.0, 4.0, 8.0, 15.0), 15, 28, 48, 240, 118, 50, 900, 3600, 10, 8880, 5698, 9000, 905
    ),
}


@dataclass(frozen=True)
class Stimulus:
    """All presentations of one stimulus in a session.

    Parameters
    ----------
    data : float64 array (presentation, column) or int64 array (presentation,)
        What was shown (see :data:`FEATURES`); NaN, or frame -1, is the blank.
    frames : int64 array (presentation, 2)
        First frame and the one after the last.
    template : uint8 array (frame, height, width) or None
        The images that ``data`` counts.
    """

    data: np.ndarray
    frames: np.ndarray
    template: np.ndarray | None


@dataclass(frozen=True)
class Timetable:
    """What is shown when in a session.

    Parameters
    ----------
    session_type : str
    stimuli : dict of str to Stimulus
    length : int
        Frames of the whole session.
    """

    session_type: str
    stimuli: dict[str, Stimulus]
    length: int


def make_timetable(session_type: str, length: Length, rng: np.random.Generator) -> Timetable:
    """Draw the order of all presentations of a session.

    Parameters
    ----------
    session_type : str
        A key of :data:`EPOCHS`.
    length : Length
    rng : numpy.random.Generator

    Returns
    -------
    Timetable
        Gratings last 2 s with 1 s between them; static gratings, scenes and
        sparse noise 0.25 s and movie frames 1/30 s without a gap.
    """
    epochs = EPOCHS[session_type]
    shown = {name: _order(name, length, rng) for name in dict.fromkeys(epochs)}
    templates = {name: _template(name, length) for name in shown}
    pieces: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in shown}
    now = length.gap
    for name in epochs:
        if name == "spontaneous":
            end = now + length.spontaneous
            # as in the real files: a pair of rows, whose first entries are start and end
            frames = np.array([[now, now], [end, end]])
            pieces[name].append((np.array([1, -1]), frames))
        else:
            total, done = epochs.count(name), len(pieces[name])
            rows = shown[name]
            part = rows[len(rows) * done // total : len(rows) * (done + 1) // total]
            frames = now + _presentation_frames(name, len(part))
            pieces[name].append((part, frames))
            end = int(frames[-1, 1])
        now = end + length.gap
    stimuli = {
        name: Stimulus(
            data=np.concatenate([data for data, _ in parts]),
            frames=np.concatenate([frames for _, frames in parts]).astype(np.int64),
            template=templates[name],
        )
        for name, parts in pieces.items()
    }
    return Timetable(session_type, stimuli, now)


def on_screen(stimulus: Stimulus, length: int) -> np.ndarray:
    """Which presentation is on the screen in each frame, int64 (frame,); -1: none."""
    shown = np.full(length, -1, dtype=np.int64)
    for number, (start, end) in enumerate(stimulus.frames):
        shown[start:end] = number
    return shown


def _presentation_frames(name: str, count: int) -> np.ndarray:
    number = np.arange(count)
    if name == "drifting_gratings":
        start, duration = 90 * number, 60
    elif name in ("static_gratings", "natural_scenes", *SPARSE_NOISE):
        start, duration = (15 * number) // 2, 7
    else:
        start, duration = number, 1
    return np.column_stack([start, start + duration])


def _order(name: str, length: Length, rng: np.random.Generator) -> np.ndarray:
    """Every presentation of a stimulus in the order shown."""
    if name == "drifting_gratings":
        conditions = itertools.product(length.temporal_frequencies, DIRECTIONS, [0.0])
        rows = np.repeat(np.array(list(conditions)), length.drifting, axis=0)
        blanks = np.tile([np.nan, np.nan, 1.0], (length.drifting_blanks, 1))
        return rng.permutation(np.concatenate([rows, blanks]))
    if name == "static_gratings":
        conditions = itertools.product(ORIENTATIONS, SPATIAL_FREQUENCIES, PHASES)
        rows = np.repeat(np.array(list(conditions)), length.static, axis=0)
        blanks = np.full((length.static_blanks, 3), np.nan)
        return rng.permutation(np.concatenate([rows, blanks]))
    if name == "natural_scenes":
        scenes = np.arange(-1, length.scenes, dtype=np.int64)
        return rng.permutation(np.repeat(scenes, length.scene_repeats))
    if name == "spontaneous":
        return np.array([1, -1])
    if name in SPARSE_NOISE:
        return np.arange(length.noise if name == "locally_sparse_noise" else length.noise_sizes)
    frames = length.movie_three if name == "natural_movie_three" else length.movie_one
    return np.tile(np.arange(frames, dtype=np.int64), length.movie_repeats)


def _template(name: str, length: Length) -> np.ndarray | None:
    """Smooth random images; the same in every session and phantom, as real movies are."""
    counts = {
        "natural_scenes": length.scenes,
        "natural_movie_one": length.movie_one,
        "natural_movie_three": length.movie_three,
        "natural_movie_two": length.movie_one,
    }
    if name in SPARSE_NOISE:
        return _sparse_noise(name, len(_order(name, length, np.random.default_rng())))
    if name not in counts:
        return None
    rng = np.random.default_rng([3, list(counts).index(name)])
    shape = (counts[name], *TEMPLATE_SHAPE)
    # scenes are unrelated; the frames of a movie follow each other smoothly, a third of a second
    blur = 0.0 if name == "natural_scenes" else 8.0
    images = np.zeros(shape)
    for width in (1.5, 4.0):
        layer = gaussian_filter(rng.standard_normal(shape), (blur, width, width))
        images += layer / layer.std()
    return np.clip(np.rint(128 + 40 * images), 0, 255).astype(np.uint8)


def _sparse_noise(name: str, images: int) -> np.ndarray:
    """Grey images with a few bright and dark pixels, the same in every session."""
    (height, width), lit = SPARSE_NOISE[name]
    rng = np.random.default_rng([4, list(SPARSE_NOISE).index(name)])
    flat = np.full((images, height * width), 127, dtype=np.uint8)
    places = rng.random(flat.shape).argpartition(lit, axis=1)[:, :lit]
    np.put_along_axis(flat, places, rng.choice(np.array([0, 255], np.uint8), places.shape), axis=1)
    return flat.reshape(images, height, width)
