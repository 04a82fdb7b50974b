"""A small NWB 1 file laid out as those of Visual Coding (pipeline 3.0)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

PIPELINE = "processing/brain_observatory_pipeline"
EPOCHS = (
    "drifting_gratings",
    "natural_movie_three",
    "natural_movie_one",
    "drifting_gratings",
    "spontaneous",
    "natural_movie_three",
    "drifting_gratings",
)
"""Order of the stimuli of session A."""
GRATINGS, MOVIE_FRAMES, MOVIE_REPEATS, SPONTANEOUS = 48, 12, 4, 300


def write_nwb(
    path: Path, experiment_id: int, container_id: int, cells: Sequence[int], seed: int = 0
) -> None:
    """Write a session A with invented traces.

    Strings are fixed-length bytes: allensdk cannot read others.
    """
    rng = np.random.default_rng([seed, experiment_id])
    stimuli, frames = _stimuli(rng)
    times = 9.35 + np.arange(frames) / 30.0918
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        _metadata(file, experiment_id, container_id)
        _traces(file, cells, times, rng)
        _segmentation(file, cells)
        _behaviour(file, times, rng)
        for name, (data, durations, features) in stimuli.items():
            group = f"stimulus/presentation/{name}_stimulus/"
            _put(file, group + "data", data)
            _put(file, group + "frame_duration", durations)
            _put(file, group + "timestamps", times[durations[:, 0]])
            _put(file, group + "num_samples", np.int32(len(data)))
            if features:
                _put(file, group + "features", features)


def _stimuli(
    rng: np.random.Generator,
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray, list[str]]], int]:
    """Data, [start, end) frames and columns of each stimulus; number of frames."""
    gratings = np.column_stack(
        [
            rng.choice([1.0, 2.0, 4.0, 8.0, 15.0], GRATINGS),
            rng.choice(np.arange(0.0, 360.0, 45.0), GRATINGS),
            np.zeros(GRATINGS),
        ]
    )
    gratings[[5, 30]] = np.nan, np.nan, 1.0
    movie = np.tile(np.arange(MOVIE_FRAMES), MOVIE_REPEATS)
    plans: dict[str, np.ndarray] = {
        "drifting_gratings": gratings,
        "natural_movie_one": movie,
        "natural_movie_three": movie,
    }
    pieces: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in EPOCHS}
    now = 743
    for name in EPOCHS:
        if name == "spontaneous":
            ends = np.array([[now, now], [now + SPONTANEOUS, now + SPONTANEOUS]])
            pieces[name].append((np.array([1, -1]), ends))
            now += SPONTANEOUS + 150
            continue
        share, done = EPOCHS.count(name), len(pieces[name])
        total = len(plans[name])
        rows = plans[name][total * done // share : total * (done + 1) // share]
        shown, period = (60, 90) if name == "drifting_gratings" else (1, 1)
        starts = now + period * np.arange(len(rows))
        pieces[name].append((rows, np.column_stack([starts, starts + shown])))
        now = int(starts[-1]) + shown + 905
    columns = {"drifting_gratings": ["temporal_frequency", "orientation", "blank_sweep"]}
    stimuli = {
        name: (
            np.concatenate([rows for rows, _ in parts]),
            np.concatenate([ends for _, ends in parts]).astype("i8"),
            columns.get(name, []),
        )
        for name, parts in pieces.items()
    }
    return stimuli, now + 400


def _metadata(file: h5py.File, experiment_id: int, container_id: int) -> None:
    for group in ("acquisition/timeseries", "analysis", "epochs", "stimulus/templates"):
        file.require_group(group)
    texts = {
        "identifier": f"Synthetic test session {experiment_id}",
        "nwb_version": "NWB-1.0.6",
        "session_description": "synthetic",
        "session_start_time": "Thu Feb  4 10:25:24 2016",
        "general/session_id": str(experiment_id),
        "general/experiment_container_id": str(container_id),
        "general/ophys_experiment_id": str(experiment_id),
        "general/ophys_experiment_name": "222426_20160204_3StimA",
        "general/session_type": "three_session_A",
        "general/specimen_name": "Cux2-CreERT2;Camk2a-tTA;Ai93-222426",
        "general/fov": "400x400 microns (512 x 512 pixels)",
        "general/pixel_size": "0.78 microns",
        "general/targeted_structure": "VISp",
        "general/institution": "none: synthetic",
        "general/devices/2-photon microscope": "Nikon A1R-MP multiphoton microscope. CAM2P.2 "
        "Please see website for more information",
        "general/subject/age": "104 days",
        "general/subject/sex": "male",
        "general/subject/species": "Mus musculus",
        "general/subject/subject_id": "222426",
        "general/subject/description": "synthetic",
        "general/subject/genotype": "Cux2-CreERT2/wt;Camk2a-tTA/wt;Ai93(TITL-GCaMP6f)",
        "general/optophysiology/imaging_plane_1/imaging depth": "175 microns",
        "general/optophysiology/imaging_plane_1/location": "VISp",
        "general/optophysiology/imaging_plane_1/excitation_lambda": "910 nanometers",
        "general/optophysiology/imaging_plane_1/indicator": "GCaMP6f",
    }
    for name, text in texts.items():
        _put(file, name, text)
    _put(file, "file_create_date", ["Thu Mar  2 10:10:10 2017"])
    _put(file, "general/generated_by", ["pipeline", "mesomode test", "version", "3.0"])


def _traces(
    file: h5py.File, cells: Sequence[int], times: np.ndarray, rng: np.random.Generator
) -> None:
    count, names = len(cells), _names(cells)
    noise = rng.normal(0, 1, (count, times.size)).astype("f4")
    base = rng.normal(100, 5, (count, 1)).astype("f4")
    fluorescence = f"{PIPELINE}/Fluorescence/"
    _put(file, "acquisition/timeseries/2p_image_series/timestamps", times)
    for group, data in (
        ("imaging_plane_1", base + 4 * noise),
        ("imaging_plane_1_neuropil_response", 0.6 * base + 0 * noise),
        ("imaging_plane_1_demixed_signal", 0.98 * base + 4 * noise),
    ):
        _put(file, f"{fluorescence}{group}/data", data)
        _put(file, f"{fluorescence}{group}/timestamps", times)
        _put(file, f"{fluorescence}{group}/roi_names", names)
        _put(file, f"{fluorescence}{group}/num_samples", np.int32(times.size))
        _put(file, f"{fluorescence}{group}/r", rng.uniform(0, 1, count))
        _put(file, f"{fluorescence}{group}/rmse", rng.uniform(0, 0.01, count))
    _put(file, f"{fluorescence}imaging_plane_1/neuropil_traces", 0.6 * base + 0 * noise)
    _put(file, f"{PIPELINE}/DfOverF/imaging_plane_1/data", 0.05 * noise)
    _put(file, f"{PIPELINE}/DfOverF/imaging_plane_1/timestamps", times)
    _put(file, f"{PIPELINE}/DfOverF/imaging_plane_1/roi_names", names)


def _segmentation(file: h5py.File, cells: Sequence[int]) -> None:
    group, names = f"{PIPELINE}/ImageSegmentation/", _names(cells)
    _put(file, group + "cell_specimen_ids", np.asarray(cells, "i8"))
    _put(file, group + "roi_ids", [str(cell % 100000) for cell in cells])
    _put(file, group + "imaging_plane_1/roi_list", names)
    for index, name in enumerate(names):
        mask = np.zeros((512, 512), "u1")
        mask[20 + 37 * index :, 20:][:8, :9] = 1
        rows, columns = np.nonzero(mask)
        _put(file, f"{group}imaging_plane_1/{name}/img_mask", mask)
        _put(file, f"{group}imaging_plane_1/{name}/pix_mask", np.column_stack([columns, rows]))
        _put(file, f"{group}imaging_plane_1/{name}/pix_mask_weight", np.ones(len(rows)))


def _behaviour(file: h5py.File, times: np.ndarray, rng: np.random.Generator) -> None:
    group = f"{PIPELINE}/BehavioralTimeSeries/running_speed"
    _put(file, f"{group}/data", np.abs(rng.normal(0, 8, times.size - 5)))
    _put(file, f"{group}/timestamps", times[3:-2])
    group = f"{PIPELINE}/MotionCorrection/2p_image_series/xy_translation"
    _put(file, f"{group}/data", rng.normal(0, 1, (times.size, 2)))
    _put(file, f"{group}/timestamps", times)
    _put(file, f"{group}/feature_description", ["x_motion", "y_motion"])


def _names(cells: Sequence[int]) -> list[str]:
    return [f"roi_{index:04d}" for index in range(len(cells))]


def _put(file: h5py.File, name: str, value: Any) -> None:
    if isinstance(value, str):
        value = np.bytes_(value)
    elif isinstance(value, list):
        value = np.array([text.encode() for text in value])
    compressed = isinstance(value, np.ndarray) and value.ndim >= 2 and value.size > 4096
    options = {"compression": "gzip", "shuffle": True} if compressed else {}
    file.create_dataset(name, data=value, track_times=False, **options)
