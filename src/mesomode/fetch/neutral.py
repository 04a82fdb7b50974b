"""The neutral HDF5 files that both readers write and later stages read.

Only the standard library, NumPy and h5py: the allensdk environment imports this file, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

FORMAT = 1
IMAGES = ("injection_density", "injection_fraction", "projection_density", "data_mask")
"""Volumes of an experiment; the mask comes last, for it also takes up the faults of the others."""
STRUCTURE_FIELDS = (
    "acronym",
    "graph_id",
    "graph_order",
    "id",
    "name",
    "rgb_triplet",
    "structure_id_path",
    "structure_set_ids",
)
EXTENT_UM = (13200, 8000, 11400)
LARGEST_EXCESS = 0.01
"""Densities above 1 by no more than this are rounding and set to 1."""
UNITS_AT_ONCE = 64
COMPACT: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}

Volume = Callable[[], np.ndarray]
Traces = Callable[[int, int], np.ndarray]


class Unreadable(Exception):
    """Raw data that cannot be used: what, where, why, and what to do."""

    def __init__(self, what: str, where: object = "", why: str = "", remedy: str = "") -> None:
        self.parts = {
            "what": what,
            "where": str(where),
            "why": why,
            "remedy": remedy or "delete this file and fetch again; if it persists, leave it out",
        }
        super().__init__(what)


def write_connectivity(
    path: str | Path | BinaryIO,
    *,
    source: str,
    reader: str,
    resolution_um: int,
    structures: Iterable[Mapping[str, Any]],
    experiments: Iterable[Mapping[str, Any]],
    annotation: Volume,
    template: Volume,
    volumes: Mapping[int, Mapping[str, Volume]],
    say: Callable[[str], None],
) -> None:
    """Write ``connectivity.h5``, one volume in memory at a time.

    Parameters
    ----------
    path : str, Path or binary file
        File to write.
    source, reader : str
        Where the data come from, and who read them.
    resolution_um : int
        Edge of the voxels.
    structures, experiments : iterable of records
        As the SDK's structure tree and ``get_experiments()`` give them.
    annotation, template : callable
        Give a volume of integers [ap, dv, ml].
    volumes : mapping of experiment id to mapping of image name to callable
        Give the volumes of the experiments.
    say : callable
        Told what was repaired, and how far it is.

    Raises
    ------
    Unreadable
        A volume has the wrong shape or type, or values that are no densities.
    """
    shape = tuple(-(-extent // resolution_um) for extent in EXTENT_UM)
    with h5py.File(path, "w", track_order=False) as file:
        file.attrs["format"] = FORMAT
        file.attrs["source"] = source
        file.attrs["reader"] = reader
        file.attrs["resolution_um"] = resolution_um
        file["structures"] = _records(_structure(record) for record in structures)
        file["experiments"] = _records(experiments)
        for name, volume, kind in (
            ("annotation", annotation, np.uint32),
            ("template", template, np.uint16),
        ):
            values = _checked(volume(), shape, name)
            if values.dtype.kind not in "ui" or values.min() < 0:
                raise Unreadable(f"the {name} does not hold unsigned integers", name)
            file.create_dataset(name, data=np.ascontiguousarray(values, kind), **COMPACT)
        group = file.create_group("volumes")
        for number, identifier in enumerate(sorted(volumes), start=1):
            _write_experiment(group, identifier, volumes[identifier], shape, say)
            if number % 25 == 0 or number == len(volumes):
                say(f"read {number} of {len(volumes)} experiments")


def _write_experiment(
    group: h5py.Group,
    identifier: int,
    volumes: Mapping[str, Volume],
    shape: tuple[int, ...],
    say: Callable[[str], None],
) -> None:
    experiment = group.create_group(str(identifier))
    unmeasured = np.zeros(shape, dtype=bool)
    clipped = 0
    for image in IMAGES:
        where = f"experiment {identifier}, {image}"
        values = _checked(volumes[image](), shape, where).astype(np.float32)
        if not np.nanmax(values, initial=0) <= 1 + LARGEST_EXCESS:
            raise Unreadable(
                "a volume holds values that are no densities",
                where,
                f"the largest is {np.nanmax(values):g}, where at most 1 is possible",
                "exclude the experiment with the config key `tracing.exclude`, after a look at "
                "it; or delete the file and fetch again",
            )
        excess = values > 1
        clipped += int(excess.sum())
        values[excess] = 1
        unmeasured |= ~(values >= 0)  # true for NaN, too
        values[~(values >= 0)] = 0
        if image == "data_mask":
            values[unmeasured] = 0
        experiment.create_dataset(image, data=np.ascontiguousarray(values), **COMPACT)
    experiment.attrs["unmeasured"] = int(unmeasured.sum())
    experiment.attrs["clipped"] = clipped
    if unmeasured.any():
        say(
            f"experiment {identifier}: {unmeasured.sum()} voxels with NaN or negative values "
            "count as not measured (data_mask 0)"
        )
    if clipped:
        say(f"experiment {identifier}: {clipped} values just above 1 were set to 1")


def write_session(
    path: str | Path | BinaryIO,
    *,
    source: str,
    reader: str,
    metadata: Mapping[str, Any],
    cell_specimen_ids: np.ndarray,
    roi_ids: np.ndarray,
    timestamps: np.ndarray,
    traces: Mapping[str, Traces | None],
    running_speed: np.ndarray | None,
    stimuli: Mapping[str, Mapping[str, np.ndarray]],
    say: Callable[[str], None],
) -> None:
    """Write ``session_<id>.h5``.

    Parameters
    ----------
    path : str, Path or binary file
        File to write.
    source, reader : str
        Where the data come from, and who read them.
    metadata : mapping
        Strings and numbers; entries that are None are left out.
    cell_specimen_ids, roi_ids : int arrays (unit,)
    timestamps : float array (time,)
        In s.
    traces : mapping of name to callable or None
        Gives the rows [first, last) of a table (unit, time); None: absent.
    running_speed : float array (time,), optional
        In cm/s; NaN: not measured.
    stimuli : mapping of name to columns
        ``start``, ``end`` and the stimulus' own columns.
    say : callable
        Told what is absent.

    Raises
    ------
    Unreadable
        Parts that do not fit together.
    """
    units, frames = len(cell_specimen_ids), len(timestamps)
    absent = [name for name, rows in traces.items() if rows is None]
    with h5py.File(path, "w", track_order=False) as file:
        file.attrs["format"] = FORMAT
        file.attrs["source"] = source
        file.attrs["reader"] = reader
        for key in sorted(metadata):
            value = metadata[key]
            if value is not None:
                file.attrs[key] = value.isoformat() if isinstance(value, datetime) else value
        file["cell_specimen_ids"] = np.asarray(cell_specimen_ids, dtype=np.int64)
        file["roi_ids"] = np.array([int(text) for text in roi_ids], dtype=np.int64)
        file["timestamps"] = np.asarray(timestamps, dtype=np.float64)
        if len(file["roi_ids"]) != units:
            raise Unreadable("cells and regions of interest differ in number", "roi_ids")
        for name, rows in traces.items():
            if rows is not None:
                table = _table(rows, units, frames, name, say)
                file.create_dataset(
                    name, data=table, chunks=(min(frames, 4096), min(units, 64)), **COMPACT
                )
        if running_speed is None:
            absent.append("running_speed")
        else:
            if len(running_speed) != frames:
                raise Unreadable(
                    "the running speed does not fit the frames",
                    "running_speed",
                    f"{len(running_speed)} values for {frames} frames",
                )
            speed = np.asarray(running_speed, dtype=np.float32)
            file.create_dataset("running_speed", data=speed, **COMPACT)
        file.attrs["absent"] = json.dumps(absent)
        if absent:
            say(f"the session has no {', '.join(absent)}")
        for name in sorted(stimuli):
            group = file.create_group(f"stimulus/{name}")
            for column in sorted(stimuli[name]):
                kind = np.int64 if column in ("start", "end") else np.float64
                group[column] = np.asarray(stimuli[name][column]).astype(kind)
        file.require_group("stimulus")


def aligned_running_speed(
    speed: np.ndarray, times: np.ndarray, timestamps: np.ndarray
) -> np.ndarray:
    """Running speed at every frame, NaN before and after it was measured, as the SDK aligns it.

    Raises
    ------
    Unreadable
        It does not start at the time of a frame, or lasts longer than the frames.
    """
    speed = speed[:, 0] if speed.ndim == 2 else speed
    first = np.flatnonzero(timestamps == times[:1]) if len(times) else np.empty(0, int)
    if not len(first) or first[0] + len(speed) > len(timestamps):
        raise Unreadable(
            "the running speed cannot be aligned with the frames",
            "running_speed",
            "its time stamps are not among those of the frames",
        )
    result = np.full(len(timestamps), np.nan)
    result[first[0] : first[0] + len(speed)] = speed
    return result


def _table(
    rows: Traces, units: int, frames: int, name: str, say: Callable[[str], None]
) -> np.ndarray:
    """Rows (unit, time) as a table (time, unit); a frame more or less is cut off or NaN."""
    table = np.full((frames, units), np.nan, dtype=np.float32)
    for first in range(0, units, UNITS_AT_ONCE):
        last = min(first + UNITS_AT_ONCE, units)
        block = rows(first, last)
        if block.ndim != 2 or len(block) != last - first or abs(block.shape[1] - frames) > 1:
            raise Unreadable(
                f"the {name} does not fit the cells and frames",
                name,
                f"rows {first} to {last} have shape {block.shape}; there are {frames} frames",
            )
        kept = min(frames, block.shape[1])
        table[:kept, first:last] = block[:, :kept].T
        if first == 0 and block.shape[1] != frames:
            what = "the last is cut off" if kept < block.shape[1] else "the last is NaN"
            say(f"{name} has {block.shape[1]} frames instead of {frames}: {what}")
    return table


def _checked(volume: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    if volume.shape != shape:
        raise Unreadable(
            "a volume has the wrong shape", where, f"{volume.shape} instead of {shape}"
        )
    return volume


def _structure(record: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: record[name] for name in STRUCTURE_FIELDS if name in record}
    kept["structure_set_ids"] = sorted(set(kept.get("structure_set_ids", [])))
    return {k: list(v) if isinstance(v, tuple) else v for k, v in kept.items()}


def _records(records: Iterable[Mapping[str, Any]]) -> np.bytes_:
    """Records as JSON text, sorted by id and key, so that equal records give equal text."""
    ordered = sorted(records, key=lambda record: int(record["id"]))
    return np.bytes_(json.dumps(ordered, sort_keys=True, separators=(",", ":")))
