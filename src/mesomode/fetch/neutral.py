"""The neutral HDF5 files that both readers write and later stages read.

Only the standard library, NumPy and h5py: the allensdk environment imports this file, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
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
TEMPLATE_BYTES = 8 << 20
"""Largest size of the images of one stimulus as kept; larger ones are averaged over blocks."""
BYTES_AT_ONCE = 1 << 26
PUPIL = {"pupil_size": 0, "pupil_location": 2, "pupil_location_spherical": 2}
"""What an eye camera gives, with its number of columns (0: a plain array)."""
CELL_LIST = "observatory/cell_specimens.json"
"""List of all recorded cells with their published metrics; not always fetched."""
COMPACT: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}

Volume = Callable[[], np.ndarray]
Traces = Callable[[int, int], np.ndarray]
Template = tuple[tuple[int, ...], Traces]
"""Shape (image, row, column), and what gives the images [first, last)."""


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
    pupil: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    templates: Mapping[str, Template] | None = None,
    templates_from: str = "",
    metrics: Mapping[str, np.ndarray] | None = None,
    regions: np.ndarray | None = None,
    pieces: np.ndarray | None = None,
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
    pupil : mapping, optional
        For each name of `PUPIL` that was recorded: times in s, and values (sample, …); the
        camera has its own clock rate. NaN: not seen.
    templates : mapping, optional
        Images that the column ``frame`` of a stimulus counts; see `write_template`.
    templates_from : str
        Where the originals are: a file, relative to the folder of the raw data.
    metrics : mapping, optional
        Published measures of the cells, float (unit,); NaN: not measured.
    regions : float array (unit, 3), optional
        Column and row of the centre of a cell's region of interest, and its pixels.
    pieces : int array (piece, 2), optional
        Frames [start, end) recorded without interruption, where time stamps do not say so.

    Raises
    ------
    Unreadable
        Parts that do not fit together.
    """
    units, frames = len(cell_specimen_ids), len(timestamps)
    absent = [name for name, rows in traces.items() if rows is None]
    pupil, templates, metrics = pupil or {}, templates or {}, metrics or {}
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
        absent += _write_pupil(file, pupil)
        if not metrics:
            absent.append("metrics")
        for name in sorted(metrics):
            file[f"metrics/{name}"] = np.asarray(metrics[name], dtype=np.float64)
        if regions is not None:
            file["regions"] = np.asarray(regions, dtype=np.float64)
        if pieces is not None:
            file["pieces"] = np.asarray(pieces, dtype=np.int64)
        file.attrs["absent"] = json.dumps(absent)
        if absent:
            say(f"the session has no {', '.join(absent)}")
        for name in sorted(stimuli):
            group = file.create_group(f"stimulus/{name}")
            for column in sorted(stimuli[name]):
                kind = np.int64 if column in ("start", "end") else np.float64
                group[column] = np.asarray(stimuli[name][column]).astype(kind)
        file.require_group("stimulus")
        for name in sorted(templates):
            write_template(file, name, templates[name], templates_from)


def write_template(file: h5py.File, name: str, template: Template, origin: str) -> None:
    """Keep the images of a stimulus, if need be as averages over square blocks of pixels.

    Attributes of ``template/<name>`` say what the original is: ``block`` (pixels along the edge
    of a block, 1: nothing was averaged), ``original_shape``, ``original_type``, ``sha256`` of its
    bytes, and ``original``, where it is.
    """
    shape, images = template
    if len(shape) != 3 or 0 in shape:
        raise Unreadable("the images of a stimulus are no stack", name, f"shape {shape}")
    block = 1
    while shape[0] * (shape[1] // block) * (shape[2] // block) > TEMPLATE_BYTES:
        block += 1
    kept = (shape[0], shape[1] // block, shape[2] // block)
    result = np.empty(kept, dtype=np.float32)
    digest, kind = hashlib.sha256(), ""
    step = max(1, BYTES_AT_ONCE // (8 * shape[1] * shape[2]))
    for first in range(0, shape[0], step):
        part = np.ascontiguousarray(images(first, min(first + step, shape[0])))
        kind = part.dtype.str
        digest.update(part.tobytes())
        part = part[:, : kept[1] * block, : kept[2] * block].astype(np.float32)
        part = part.reshape(len(part), kept[1], block, kept[2], block)
        result[first : first + len(part)] = part.mean(axis=(2, 4))
    if result.min() >= 0 and result.max() <= 255:
        result = np.rint(result).astype(np.uint8)
    stored = file.create_dataset(f"template/{name}", data=result, **COMPACT)
    stored.attrs["block"] = block
    stored.attrs["original_shape"] = shape
    stored.attrs["original_type"] = kind
    stored.attrs["sha256"] = digest.hexdigest()
    stored.attrs["original"] = f"{origin}:/stimulus/templates/{name}_image_stack/data"


def _write_pupil(file: h5py.File, pupil: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    """Write what the eye camera saw; the names of what it did not."""
    for name, (times, values) in pupil.items():
        columns = PUPIL[name]
        times, values = np.ravel(times), np.asarray(values, dtype=np.float32)
        values = values.reshape(len(values), columns) if columns else np.ravel(values)
        if len(times) != len(values) or not np.all(np.diff(times) > 0):
            raise Unreadable(
                "the eye camera's samples do not fit their time stamps",
                name,
                f"{len(values)} samples, {len(times)} time stamps, which must increase",
            )
        file.create_dataset(f"{name}/values", data=values, **COMPACT)
        file[f"{name}/time"] = np.asarray(times, dtype=np.float64)
    return [name for name in PUPIL if name not in pupil]


def published_metrics(path: Path, cells: np.ndarray) -> dict[str, np.ndarray]:
    """Published measures of some cells, from the list of all cells, which is read by pieces.

    Parameters
    ----------
    path : Path
        ``cell_specimens.json``: an array of records, hundreds of MB long.
    cells : int array (unit,)
        Ids wanted.

    Returns
    -------
    dict of str to float64 array (unit,)
        The columns that hold a number for at least one of the cells; NaN: none for this one.

    Raises
    ------
    Unreadable
        The list cannot be read.
    """
    place = {int(cell): row for row, cell in enumerate(cells)}
    columns: dict[str, np.ndarray] = {}
    try:
        for record in _records_of(path):
            row = place.get(int(record["cell_specimen_id"]))
            if row is None:
                continue
            for name, value in record.items():
                plain = isinstance(value, (int, float)) and not isinstance(value, bool)
                if plain and not name.endswith(("_id", "_name")):
                    columns.setdefault(name, np.full(len(cells), np.nan))[row] = value
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unreadable("the list of cells cannot be read", path, str(error)) from error
    return columns


def _records_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON array, one at a time."""
    decoder, text, begun = json.JSONDecoder(), "", False
    with open(path, encoding="utf-8") as file:
        while piece := file.read(1 << 20):
            text += piece
            place = 0
            while True:
                while place < len(text) and text[place] in " \n\r\t,":
                    place += 1
                if not begun and place < len(text):
                    if text[place] != "[":
                        raise ValueError("it does not begin with [")
                    place, begun = place + 1, True
                    continue
                if text[place : place + 1] == "]":
                    return
                try:
                    record, place = decoder.raw_decode(text, place)
                except ValueError:
                    break  # cut off: more has to be read
                yield record
            text = text[place:]
    raise ValueError("it is cut off")


def region_of(mask: np.ndarray) -> tuple[float, float, float]:
    """Column and row of the centre of a mask (row, column), and its number of pixels."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return float("nan"), float("nan"), 0.0
    return float(columns.mean()), float(rows.mean()), float(len(rows))


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
