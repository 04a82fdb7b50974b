"""NWB 2 files read with h5py: fluorescence, events, running, trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mesomode.errors import DataError
from mesomode.recordings.frames import onto_frames

RUNNING = ("running_speed", "speed", "velocity")
PUPIL = ("pupil_size", "pupil_area")
EVENT_WORDS = ("event", "deconvolved", "spike")
NO_STIMULUS = ("epochs", "invalid_times")
Arrays = dict[str, Callable[[], np.ndarray]]


def nwb2_arrays(path: Path, names: Mapping[str, str]) -> Arrays:
    """Arrays of an NWB 2 file under the names of the schema of one's own recordings.

    Traces are the groups of the type RoiResponseSeries: below a DfOverF they are ``dff``; with
    "event", "deconvolved" or "spike" in their path ``events``; a single other one is ``dff``.
    Running speed and pupil are time series of these names, brought onto the frames. Each table
    of intervals is a stimulus, ``_presentations`` at the end of its name left out.

    Parameters
    ----------
    path : Path
    names : mapping of str to str
        ``dff``, ``events``, ``running_speed``, ``pupil_size`` or ``stimulus/<name>`` → path of a
        group in the file, where the rules above do not find it.

    Raises
    ------
    DataError
        It is no NWB 2 file, or it is not clear which traces are meant.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            version = file.attrs.get("nwb_version", b"")
            version = version.decode() if isinstance(version, bytes) else str(version)
            if not version.startswith("2"):
                raise DataError(
                    "the recording is no NWB 2 file",
                    where=path,
                    why=f"its nwb_version is {version or 'absent'}",
                    remedy="set `kind: hdf5` in `recordings.files`, and name its arrays",
                )
            return _arrays(file, dict(names), path)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise DataError("an NWB file cannot be read", where=path, why=repr(error)) from error


def _arrays(file: Any, names: dict[str, str], path: Path) -> Arrays:
    groups = _groups(file)
    series = _series(groups, names, path)
    found: dict[str, np.ndarray] = {}
    for name, place in series.items():
        group = file[place]
        data = group["data"][()]
        data = data[:, None] if data.ndim == 1 else data
        found[name] = data
        time = _time(group, len(data))
        if "time" not in found:
            found["time"] = time
            found["unit"] = _units(file, group, data.shape[1])
        elif len(time) == len(found["time"]) and np.allclose(time, found["time"]):
            continue
        else:
            raise DataError(
                "dff and events are sampled at different times",
                where=path,
                why=f"{len(found['time'])} frames every {_step(found['time']):.4g} s and "
                f"{len(time)} every {_step(time):.4g} s",
                remedy="name only one of them in `names`, or resample the file",
            )
    for name, words in (("running_speed", RUNNING), ("pupil_size", PUPIL)):
        likely = [p for p in groups if p.rsplit("/", 1)[-1] in words and "data" in file[p]]
        for source in [names[name]] if name in names else likely[:1]:
            values = np.asarray(file[source]["data"][()], dtype=np.float64)
            times = _time(file[source], len(values))
            found[name] = onto_frames(values.reshape(len(values), -1)[:, 0], times, found["time"])
    for place in _intervals(groups, names):
        stimulus = next(
            (ours.split("/")[1] for ours, theirs in names.items() if theirs == place),
            place.rsplit("/", 1)[-1].removesuffix("_presentations"),
        )
        for column, values in _columns(file[place]).items():
            found[f"stimulus/{stimulus}/{column}"] = values
    return {name: lambda values=values: values for name, values in found.items()}  # type: ignore[misc]


def _groups(file: Any) -> dict[str, str]:
    """Type of every group that has one, by its path."""
    import h5py

    found = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and "neurodata_type" in item.attrs:
            kind = item.attrs["neurodata_type"]
            found[name] = kind.decode() if isinstance(kind, bytes) else str(kind)

    file.visititems(keep)
    return found


def _series(groups: Mapping[str, str], names: Mapping[str, str], path: Path) -> dict[str, str]:
    """Paths of the traces to take for dff and events."""
    chosen = {name: names[name].strip("/") for name in ("dff", "events") if name in names}
    traces = [place for place, kind in groups.items() if kind == "RoiResponseSeries"]
    unknown = [place for place in chosen.values() if place not in groups]
    if unknown or (not chosen and not traces):
        raise DataError(
            "the NWB file does not hold the traces",
            where=path,
            why=f"no {', '.join(unknown) or 'RoiResponseSeries'}; "
            f"it has {', '.join(traces) or 'none of that type'}",
            remedy="correct `names` in `recordings.files`",
        )
    if chosen:
        return chosen
    kinds: dict[str, list[str]] = {"dff": [], "events": [], "other": []}
    for place in traces:
        parent = groups.get(place.rsplit("/", 1)[0], "")
        if any(word in place.lower() for word in EVENT_WORDS):
            kinds["events"].append(place)
        elif parent == "DfOverF" or "dfoverf" in place.lower():
            kinds["dff"].append(place)
        else:
            kinds["other"].append(place)
    if not kinds["dff"] and not kinds["events"]:
        kinds["dff"] = kinds["other"]
    several = [places for name, places in kinds.items() if name != "other" and len(places) > 1]
    if several:
        raise DataError(
            "the NWB file holds several planes of traces",
            where=path,
            why=", ".join(several[0]),
            remedy="say which in `recordings.files`, e.g. "
            f"`names: {{dff: {several[0][0]}}}`; one entry for each plane",
        )
    return {name: kinds[name][0] for name in ("dff", "events") if kinds[name]}


def _time(group: Any, samples: int) -> np.ndarray:
    if "timestamps" in group:
        return np.asarray(group["timestamps"][()], dtype=np.float64)
    start = group["starting_time"]
    return float(start[()]) + np.arange(samples) / float(start.attrs["rate"])


def _step(time: np.ndarray) -> float:
    return float(np.median(np.diff(time))) if len(time) > 1 else float("nan")


def _units(file: Any, group: Any, units: int) -> np.ndarray:
    """Ids of the regions of interest, from the table that the traces refer to."""
    if "rois" not in group:
        return np.arange(1, units + 1)
    rows = group["rois"][()]
    table = group["rois"].attrs.get("table")
    if table is None:
        return np.asarray(rows, dtype=np.int64) + 1
    table = file[table]
    name = "cell_specimen_id" if "cell_specimen_id" in table else "id"
    return np.asarray(table[name][()], dtype=np.int64)[rows]


def _intervals(groups: Mapping[str, str], names: Mapping[str, str]) -> list[str]:
    """Paths of the tables of intervals that tell of stimuli."""
    named = [theirs for ours, theirs in names.items() if ours.startswith("stimulus/")]
    return [
        place
        for place, kind in groups.items()
        if place in named
        or (
            kind == "TimeIntervals"
            and place.startswith("intervals/")
            and place.rsplit("/", 1)[-1] not in NO_STIMULUS
        )
    ]


def _columns(table: Any) -> dict[str, np.ndarray]:
    """Columns of one value a row; words become numbers of equal words."""
    rows = len(table["start_time"])
    found = {}
    for name, item in table.items():
        values = item[()] if hasattr(item, "shape") else None
        if values is None or values.shape != (rows,) or name in ("id", "timeseries", "tags"):
            continue
        if values.dtype.kind in "OSU":
            words = [w.decode() if isinstance(w, bytes) else str(w) for w in values]
            try:
                values = np.array([float(word) if word else np.nan for word in words])
            except ValueError:
                values = np.unique(words, return_inverse=True)[1].astype(np.float64)
        elif values.dtype.kind not in "biuf":
            continue
        found[{"stop_time": "end_time"}.get(name, name)] = values
    return found
