"""Recordings of one's own: HDF5, npz or zarr by a small schema, and NWB 2, as neutral sessions.

The schema: arrays of these names, or of others that `names` says; everything but one of the
signals, and a time, may be absent.

==========================  =====================================================================
``dff``                     (time, unit), or (unit, time) with `transposed`: a fluorescence trace
``events``                  the same: event sizes, spike counts or rates
``spike_frame``             (spike,) and ``spike_unit`` (spike,), ``shape`` (2,): events, sparse
``time``                    (time,) s, in equal steps but for interruptions; or ``period_s``, ()
``unit``                    (unit,) whole numbers that identify the units; else 1, 2, 3, …
``pieces``                  (piece, 2) frames [start, end) without interruption, or (piece + 1,)
                            the frames where pieces begin, and the last one's end
``running_speed``           (time,) cm/s; ``pupil_size`` (time,); NaN: not measured
``stimulus/<name>/start``   (presentation,) first frame of each, and ``end``, the frame after the
                            last; or ``start_time`` and ``end_time`` in s
``stimulus/<name>/<more>``  (presentation,) what was shown: ``orientation`` and
                            ``temporal_frequency`` of drifting_gratings, ``condition`` of trials, …
``template/<name>``         (image, row, column) images that ``stimulus/<name>/frame`` counts
==========================  =====================================================================
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mesomode.errors import DataError
from mesomode.recordings.archives import arrays_of, kind_of

SIGNALS = ("dff", "events")
SINGLE = (
    *SIGNALS,
    *("spike_frame", "spike_unit", "shape", "time", "period_s", "unit", "pieces"),
    *("running_speed", "pupil_size"),
)
"""Names of the schema beside those that begin with ``stimulus/`` and ``template/``."""


@dataclass
class OwnRecording:
    """A recording as the schema describes it.

    Parameters
    ----------
    time : float64 array (time,)
        s.
    unit : int64 array (unit,)
    signals : dict of float32 arrays (time, unit)
        ``dff``, ``events`` or both.
    running_speed, pupil_size : float64 array (time,), optional
    pieces : int64 array (piece, 2), optional
    stimuli : dict of dict of arrays (presentation,)
        ``start``, ``end`` in frames, and what was shown.
    templates : dict of arrays (image, row, column)
    said : list of str
        What was noticed.
    """

    time: np.ndarray
    unit: np.ndarray
    signals: dict[str, np.ndarray]
    running_speed: np.ndarray | None = None
    pupil_size: np.ndarray | None = None
    pieces: np.ndarray | None = None
    stimuli: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    templates: dict[str, np.ndarray] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


def read_own(
    path: Path,
    *,
    kind: str = "auto",
    names: Mapping[str, str] | None = None,
    transposed: bool = False,
    period_s: float | None = None,
    tables: Mapping[str, Path] | None = None,
    presentation_s: float | None = None,
) -> OwnRecording:
    """Read a recording of one's own.

    Parameters
    ----------
    path : Path
        HDF5, npz, zarr (a folder) or NWB 2.
    kind : str
        ``"hdf5"``, ``"npz"``, ``"zarr"``, ``"nwb"``, or ``"auto"``: by the ending of the name.
    names : mapping of str to str
        Name in the schema → name in the file, for arrays and for columns of tables.
    transposed : bool
        Whether the signals are (unit, time).
    period_s : float, optional
        Time between frames, where the file has no times.
    tables : mapping of stimulus to path of a CSV file
        Stimulus tables outside the file; a word instead of a number is NaN: the blank screen.
    presentation_s : float, optional
        Length of a presentation, for tables without an end.

    Raises
    ------
    DataError
        Something is missing or does not fit; the message names what the file has.
    """
    names = dict(names or {})
    if kind_of(path, kind) == "nwb":
        from mesomode.recordings.nwb2 import nwb2_arrays

        arrays = nwb2_arrays(path, names)
        names = {}
    else:
        arrays = arrays_of(path, kind_of(path, kind))
    check_names(names, arrays, path)

    def get(name: str) -> np.ndarray | None:
        array = arrays.get(names.get(name, name))
        return None if array is None else array()

    said: list[str] = []
    signals = _signals(get, transposed, path, list(arrays))
    frames, units = next(iter(signals.values())).shape
    time = _time(get, frames, period_s, path)
    found = OwnRecording(
        time=time,
        unit=_units(get("unit"), units, path, said),
        signals=signals,
        pieces=_pieces(get("pieces"), frames, path),
        said=said,
    )
    for name, values in signals.items():
        if values.shape != (frames, units):
            raise _misfit(path, name, f"{values.shape}, the other signal has {(frames, units)}")
        odd = ~np.isfinite(values)
        if odd.any():
            values[odd] = np.nan
            said.append(f"{name}: {odd.sum()} values are not finite and count as not measured")
    found.running_speed = _alongside(get("running_speed"), "running_speed", frames, path)
    found.pupil_size = _alongside(get("pupil_size"), "pupil_size", frames, path)
    columns = _columns(arrays, names, get, tables or {})
    for stimulus, table in columns.items():
        found.stimuli[stimulus] = _table(stimulus, table, time, presentation_s, path)
    for name, array in arrays.items():
        if name.startswith("template/"):
            found.templates[name.removeprefix("template/")] = array()
    return found


def check_names(names: Mapping[str, str], arrays: Mapping[str, object], path: Path) -> None:
    """Refuse names that the schema does not know or the file does not have."""
    for ours, theirs in names.items():
        known = ours in SINGLE or ours.startswith(("stimulus/", "template/"))
        if not known:
            raise DataError(
                f"the schema of recordings has no {ours!r}",
                where="config key recordings.files, `names`",
                why=f"it has {', '.join(SINGLE)}, stimulus/<name>/<column> and template/<name>",
            )
        if ours.startswith("stimulus/"):
            continue  # may be a column of a table outside the file
        if theirs not in arrays:
            raise DataError(
                f"the recording has no array {theirs!r}, which is to be {ours}",
                where=path,
                why=f"it has {', '.join(arrays) or 'none'}",
                remedy="correct `names` in `recordings.files`",
            )


def _signals(
    get: Callable[[str], np.ndarray | None], transposed: bool, path: Path, present: list[str]
) -> dict[str, np.ndarray]:
    found = {}
    for name in SIGNALS:
        values = get(name)
        if values is not None:
            if values.ndim != 2 or values.dtype.kind not in "biuf" or 0 in values.shape:
                raise _misfit(path, name, f"{values.dtype} of shape {values.shape}")
            found[name] = np.ascontiguousarray(values.T if transposed else values, np.float32)
    frame, unit, shape = (get(name) for name in ("spike_frame", "spike_unit", "shape"))
    if frame is not None and unit is not None and "events" not in found:
        if len(frame) != len(unit):
            raise _misfit(path, "spike_frame", f"{len(frame)} frames, {len(unit)} units of spikes")
        size = [int(number) for number in shape] if shape is not None else None
        if size is None:
            size = [int(frame.max(initial=-1)) + 1, int(unit.max(initial=-1)) + 1]
        elif transposed:
            size = size[::-1]
        if frame.max(initial=0) >= size[0] or unit.max(initial=0) >= size[1]:
            raise _misfit(path, "shape", f"{size} frames and units, but spikes beyond it")
        counts = np.zeros(size, dtype=np.float32)
        np.add.at(counts, (frame.astype(np.int64), unit.astype(np.int64)), 1)
        found["events"] = counts
    if not found:
        raise DataError(
            "the recording has no signal",
            where=path,
            why=f"neither dff nor events, but {', '.join(present) or 'nothing'}",
            remedy="say in `recordings.files` which array it is, e.g. `names: {dff: traces}`",
        )
    return found


def _time(
    get: Callable[[str], np.ndarray | None], frames: int, period_s: float | None, path: Path
) -> np.ndarray:
    time, own = get("time"), get("period_s")
    if time is not None:
        if time.shape != (frames,):
            why = f"{time.shape}, the signal has {frames} frames"
            raise _misfit(path, "time", why, "set `transposed: true` if it is (unit, time)")
        return np.asarray(time, dtype=np.float64)
    period = float(own) if own is not None and period_s is None else period_s
    if period is None or not period > 0:
        raise DataError(
            "the time between the frames of a recording is not known",
            where=path,
            why="it has neither an array `time` nor `period_s`",
            remedy="set `period_s` in `recordings.files`",
        )
    return np.arange(frames) * period


def _units(ids: np.ndarray | None, units: int, path: Path, said: list[str]) -> np.ndarray:
    if ids is None:
        return np.arange(1, units + 1)
    if ids.shape != (units,) or ids.dtype.kind not in "iu":
        why = f"{ids.dtype} of shape {ids.shape} for {units} units"
        raise _misfit(path, "unit", why, "set `transposed: true` if the signal is (unit, time)")
    if len(np.unique(ids)) < units:
        said.append("the numbers of the units are not unique: 1, 2, 3, … instead")
        return np.arange(1, units + 1)
    return ids.astype(np.int64)


def _pieces(values: np.ndarray | None, frames: int, path: Path) -> np.ndarray | None:
    if values is None:
        return None
    if values.ndim == 1:
        values = np.column_stack([values[:-1], values[1:]])
    bad = values.ndim != 2 or values.shape[1] != 2 or values.dtype.kind not in "iu"
    if bad or np.any(values[:, 0] >= values[:, 1]) or values.min() < 0 or values.max() > frames:
        raise _misfit(path, "pieces", f"frames [start, end) within {frames} are needed")
    return values.astype(np.int64)


def _alongside(values: np.ndarray | None, name: str, frames: int, path: Path) -> np.ndarray | None:
    if values is None:
        return None
    if values.shape != (frames,):
        raise _misfit(path, name, f"{values.shape}, the signal has {frames} frames")
    return values.astype(np.float64)


def _columns(
    arrays: Mapping[str, Callable[[], np.ndarray]],
    names: Mapping[str, str],
    get: Callable[[str], np.ndarray | None],
    tables: Mapping[str, Path],
) -> dict[str, dict[str, np.ndarray]]:
    """Columns of every stimulus, by their names in the schema."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name in dict.fromkeys([*arrays, *names]):
        parts = name.split("/")
        values = get(name) if parts[0] == "stimulus" and len(parts) == 3 else None
        if values is not None:
            found.setdefault(parts[1], {})[parts[2]] = values
    for stimulus, path in tables.items():
        table = csv_table(Path(path))
        for name, theirs in names.items():
            parts = name.split("/")
            if parts[:2] == ["stimulus", stimulus] and len(parts) == 3:
                if theirs not in table:
                    raise DataError(
                        f"the table of {stimulus} has no column {theirs!r}",
                        where=path,
                        why=f"it has {', '.join(table)}",
                        remedy="correct `names` in `recordings.files`",
                    )
                table[parts[2]] = table[theirs]
        found[stimulus] = found.get(stimulus, {}) | table
    return found


def csv_table(path: Path) -> dict[str, np.ndarray]:
    """Columns of a CSV file with a header, float64; NaN for words.

    Raises
    ------
    DataError
        It cannot be read, or its rows differ in length.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise DataError("a stimulus table cannot be read", where=path, why=str(error)) from error
    uneven = [number for number, row in enumerate(rows, start=2) if len(row) != len(header)]
    if uneven:
        raise DataError(
            "the rows of a stimulus table differ in length",
            where=f"{path}, line {uneven[0]}",
            why=f"{len(header)} columns in the header",
        )
    return {
        name.strip(): np.array([_number(row[place]) for row in rows])
        for place, name in enumerate(header)
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _table(
    stimulus: str,
    table: dict[str, np.ndarray],
    time: np.ndarray,
    presentation_s: float | None,
    path: Path,
) -> dict[str, np.ndarray]:
    """A stimulus table with ``start`` and ``end`` in frames."""
    table = {name: np.atleast_1d(values) for name, values in table.items()}
    for edge in ("start", "end"):
        seconds = table.pop(f"{edge}_time", None)
        if edge not in table and seconds is not None:
            table[edge] = np.searchsorted(time, np.asarray(seconds, np.float64))
    if "start" in table and "end" not in table and presentation_s is not None:
        period = float(np.median(np.diff(time)))
        table["end"] = table["start"] + max(1, round(presentation_s / period))
    lacking = [name for name in ("start", "end") if name not in table]
    lengths = {len(values) for values in table.values()}
    if lacking or len(lengths) > 1:
        raise DataError(
            f"the stimulus table of {stimulus} cannot be used",
            where=path,
            why=f"no {' or '.join(lacking)}; it has {', '.join(table)}"
            if lacking
            else f"its columns have {sorted(lengths)} rows",
            remedy="name the columns in `names`, e.g. `stimulus/trials/start: onset`; "
            "`presentation_s` gives the end",
        )
    if not all(np.isfinite(table[edge]).all() for edge in ("start", "end")):
        raise _misfit(path, f"stimulus/{stimulus}", "some presentations have no start or end")
    if stimulus == "trials" and "condition" not in table:
        table["condition"] = _conditions(table)
    return {name: values for name, values in table.items() if values.dtype.kind in "biuf"}


def _conditions(table: Mapping[str, np.ndarray]) -> np.ndarray:
    """Number of the condition of each trial: equal rows of all other columns are one."""
    others = [values for name, values in sorted(table.items()) if name not in ("start", "end")]
    code = np.zeros(len(table["start"]), dtype=np.int64)
    for values in others:
        _, place = np.unique(values, return_inverse=True)
        _, code = np.unique(code * (place.max(initial=0) + 1) + place, return_inverse=True)
    return code


def _misfit(path: Path, name: str, why: str, remedy: str = "") -> DataError:
    return DataError(
        f"the array {name} of a recording does not fit",
        where=path,
        why=why,
        remedy=remedy or "see the schema in workflow/reference/own_recordings.md",
    )
