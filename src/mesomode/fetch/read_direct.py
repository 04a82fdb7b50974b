"""The reader ``direct``: raw files → neutral files with pynrrd and h5py alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import nrrd
import numpy as np

from mesomode.fetch.neutral import (
    CELL_LIST,
    IMAGES,
    PUPIL,
    Template,
    Traces,
    Unreadable,
    aligned_running_speed,
    published_metrics,
    region_of,
    write_connectivity,
    write_session,
)
from mesomode.files import read_json

PIPELINE = "processing/brain_observatory_pipeline"
MOVIES = ("natural_movie_one", "natural_movie_two", "natural_movie_three")
FEATURES = ("drifting_gratings", "static_gratings")
INDEXED = (
    "natural_scenes",
    "locally_sparse_noise",
    "locally_sparse_noise_4deg",
    "locally_sparse_noise_8deg",
)
METADATA = {
    "sex": "general/subject/sex",
    "targeted_structure": "general/optophysiology/imaging_plane_1/location",
    "excitation_lambda": "general/optophysiology/imaging_plane_1/excitation_lambda",
    "indicator": "general/optophysiology/imaging_plane_1/indicator",
    "fov": "general/fov",
    "genotype": "general/subject/genotype",
    "session_type": "general/session_type",
    "specimen_name": "general/specimen_name",
}


def read_connectivity(
    root: Path, manifest: Mapping[str, Any], out: Path | BinaryIO, say: Callable[[str], None]
) -> None:
    """Read the tracer experiments of a manifest into the file ``out``.

    Parameters
    ----------
    root : Path
        Folder of the raw data.
    manifest : mapping
        ``tracing.json``.
    out : Path or binary file
        File to write; see `mesomode.fetch.neutral`.
    say : callable
        Told what was noticed.
    """
    folder, resolution = root / "connectivity", int(manifest["resolution_um"])
    write_connectivity(
        out,
        source=manifest["source"],
        reader="direct",
        resolution_um=resolution,
        structures=read_json(folder / "structures.json"),
        experiments=[_experiment(row) for row in read_json(folder / "experiments.json")],
        annotation=partial(
            read_volume, folder / f"annotation/ccf_2017/annotation_{resolution}.nrrd"
        ),
        template=partial(read_volume, folder / f"average_template_{resolution}.nrrd"),
        volumes={
            identifier: {
                image: partial(
                    read_volume, folder / f"experiment_{identifier}" / f"{image}_{resolution}.nrrd"
                )
                for image in IMAGES
            }
            for identifier in manifest["experiments"]
        },
        say=say,
    )


def read_volume(path: Path) -> np.ndarray:
    """Read a NRRD volume, indexed [ap, dv, ml].

    Raises
    ------
    Unreadable
        It is missing, cut off or no NRRD.
    """
    try:
        values: np.ndarray = nrrd.read(str(path), index_order="F")[0]
    except Exception as error:  # pynrrd raises many kinds, zlib.error and EOFError among them
        raise Unreadable("a volume cannot be read", path, f"{error}") from error
    return values


def _experiment(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the query as ``MouseConnectivityCache.get_experiments()`` returns it."""
    record = {k: v for k, v in row.items() if k not in ("data_set_id", "storage_directory")}
    line = row.get("transgenic_line")
    if line:
        record["transgenic_line"] = line["name"]
    record["id"] = row["data_set_id"]
    record["injection_structures"] = [int(text) for text in row["injection_structures"].split("/")]
    record["primary_injection_structure"] = row["structure_id"]
    return record


def read_session(
    root: Path,
    manifest: Mapping[str, Any],
    session: int,
    out: Path | BinaryIO,
    say: Callable[[str], None],
) -> None:
    """Read one two-photon session into the file ``out``.

    Parameters
    ----------
    root : Path
        Folder of the raw data.
    manifest : mapping
        ``recordings.json``.
    session : int
        Id of the ophys experiment.
    out : Path or binary file
        File to write; see `mesomode.fetch.neutral`.
    say : callable
        Told what was noticed.

    Raises
    ------
    Unreadable
        The file is damaged or lacks what every session has.
    """
    entry = next(e for e in manifest["sessions"] if e["experiment_id"] == session)
    path = root / entry["nwb"]
    try:
        with h5py.File(path, "r") as file:
            _write_session(file, root, entry, manifest, out, say)
    except (OSError, KeyError, ValueError) as error:
        raise Unreadable("the recording cannot be read", path, str(error)) from error


def _write_session(
    file: h5py.File,
    root: Path,
    entry: Mapping[str, Any],
    manifest: Mapping[str, Any],
    out: Path | BinaryIO,
    say: Callable[[str], None],
) -> None:
    fluorescence, segmentation = f"{PIPELINE}/Fluorescence", f"{PIPELINE}/ImageSegmentation"
    needed = (
        "general/session_id",
        "stimulus/presentation",
        f"{fluorescence}/imaging_plane_1/timestamps",
        f"{segmentation}/cell_specimen_ids",
        f"{segmentation}/roi_ids",
        f"{PIPELINE}/DfOverF/imaging_plane_1/data",
    )
    lacking = [name for name in needed if name not in file]
    if lacking:
        raise Unreadable("the recording lacks parts", file.filename, ", ".join(lacking))
    timestamps = file[f"{fluorescence}/imaging_plane_1/timestamps"][:]
    running = f"{PIPELINE}/BehavioralTimeSeries/running_speed"
    speed = None
    if running in file:
        speed = aligned_running_speed(
            file[f"{running}/data"][:], file[f"{running}/timestamps"][:], timestamps
        )
    version = _text(file["general/generated_by"][-1]) if "general/generated_by" in file else "0.9"
    events = None if entry["events"] is None else _events(root / entry["events"])
    dff = file[f"{PIPELINE}/DfOverF/imaging_plane_1/data"]
    cells = file[f"{segmentation}/cell_specimen_ids"][:]
    listed = any(record["path"] == CELL_LIST for record in manifest["files"])
    write_session(
        out,
        source=manifest["source"],
        reader="direct",
        metadata=_metadata(file, version),
        cell_specimen_ids=cells,
        roi_ids=np.array([_text(value) for value in file[f"{segmentation}/roi_ids"][:]]),
        timestamps=timestamps,
        traces={
            "dff": lambda first, last: dff[first:last],
            "fluorescence": _corrected(file[fluorescence], version),
            "events": events,
        },
        running_speed=speed,
        stimuli={
            name: _stimulus_table(name, group)
            for name, group in (
                (key.replace("_stimulus", ""), group)
                for key, group in file["stimulus/presentation"].items()
            )
        },
        say=say,
        pupil=_pupil(file[PIPELINE]),
        templates=_templates(file),
        templates_from=entry["nwb"],
        metrics=published_metrics(root / CELL_LIST, cells) if listed else None,
        regions=_regions(file[f"{segmentation}/imaging_plane_1"], len(cells)),
    )


def _pupil(group: h5py.Group) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the eye camera saw, as far as it was recorded."""
    folder = {name: "EyeTracking" if "location" in name else "PupilTracking" for name in PUPIL}
    found = {name: f"{folder[name]}/{name}" for name in PUPIL}
    return {
        name: (group[f"{path}/timestamps"][:], group[f"{path}/data"][:])
        for name, path in found.items()
        if path in group
    }


def _templates(file: h5py.File) -> dict[str, Template]:
    """The images shown, which are read when they are asked for."""

    def images(data: h5py.Dataset) -> Template:
        return data.shape, lambda first, last: data[first:last]

    stacks = file.get("stimulus/templates", {})
    return {
        name.removesuffix("_image_stack"): images(stacks[name]["data"])
        for name in stacks
        if name.endswith("_image_stack")
    }


def _regions(group: h5py.Group, cells: int) -> np.ndarray | None:
    """Centres and sizes of the regions of interest; None where a file lacks their masks."""
    names = [_text(name) for name in group["roi_list"][:]] if "roi_list" in group else []
    if len(names) < cells or any(f"{name}/img_mask" not in group for name in names[:cells]):
        return None
    return np.array([region_of(group[f"{name}/img_mask"][:]) for name in names[:cells]])


def _events(path: Path) -> Traces:
    try:
        with np.load(path, allow_pickle=False) as file:
            events = file["ev"]
    except Exception as error:
        raise Unreadable("the events cannot be read", path, str(error)) from error
    return lambda first, last: events[first:last]


def _corrected(group: h5py.Group, version: str) -> Traces | None:
    """Fluorescence minus r times the neuropil; some files lack the demixed fluorescence."""
    if int(version.split(".")[0]) >= 2:
        if "imaging_plane_1_demixed_signal" not in group:
            return None
        cells = group["imaging_plane_1_demixed_signal/data"]
        neuropil = group["imaging_plane_1_neuropil_response/data"]
        weight = group["imaging_plane_1_neuropil_response/r"][:]
    else:
        cells = group["imaging_plane_1/data"]
        neuropil = group["imaging_plane_1/neuropil_traces"]
        weight = group["imaging_plane_1/r"][:]
    return lambda first, last: (
        cells[first:last] - neuropil[first:last] * weight[first:last, np.newaxis]
    )


def _metadata(file: h5py.File, version: str) -> dict[str, Any]:
    """What the SDK's ``get_metadata()`` says about a session."""
    found = {name: _text(file[path][()]) for name, path in METADATA.items() if path in file}
    result: dict[str, Any] = {**found, "pipeline_version": version}
    result["experiment_id"] = int(_text(file["general/session_id"][()]))

    def text(path: str) -> str:
        return _text(file[path][()]) if path in file else ""

    if container := text("general/experiment_container_id"):
        result["container_id"] = int(container)
    if "genotype" in found:
        result["cre_line"] = found["genotype"].split(";")[0]
    if depth := text("general/optophysiology/imaging_plane_1/imaging depth"):
        result["imaging_depth_um"] = int(depth.split()[0])
    if age := re.match("(.*?) days", text("general/subject/age")):
        result["age_days"] = int(age[1])
    if device := re.match(r"(.*?)\.\s(.*?)\sPlease*", text("general/devices/2-photon microscope")):
        result["device"], result["device_name"] = device.groups()
    if start := text("session_start_time"):
        result["session_start_time"] = datetime.strptime(start, "%a %b %d %H:%M:%S %Y")
    return result


def _stimulus_table(name: str, group: h5py.Group) -> dict[str, np.ndarray]:
    """The SDK's stimulus table: one row a presentation, sorted by time."""
    needed = ("data", "frame_duration", *(["features"] if name in FEATURES else []))
    lacking = [part for part in needed if part not in group]
    if lacking:
        raise Unreadable(
            f"the stimulus {name} lacks {', '.join(lacking)}", group.file.filename, group.name
        )
    frames = group["frame_duration"][:].astype(np.int64)
    data = group["data"][:]
    if name == "spontaneous":
        start, end = frames[data == 1, 0], frames[data == -1, 0]
        columns: dict[str, np.ndarray] = {}
    else:
        start, end = frames[:, 0], frames[:, 1]
        if name in FEATURES:
            names = [_text(value) for value in group["features"][:]]
            columns = dict(zip(names, data.T, strict=True))
        elif name in (*INDEXED, *MOVIES):
            columns = {"frame": data}
        else:
            raise Unreadable(f"the stimulus {name!r} is not known", group.name)
    if len(start) != len(end):
        raise Unreadable(f"the presentations of {name} do not end as often as they start")
    order = np.lexsort((end, start))
    table = {key: values[order] for key, values in columns.items()}
    if name in MOVIES:
        shown = len(np.unique(data))
        if len(data) % shown:
            raise Unreadable(f"not all frames of {name} were shown equally often", group.name)
        table["repeat"] = np.repeat(np.arange(len(data) // shown), shown)
    return {**table, "start": start[order], "end": end[order]}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
