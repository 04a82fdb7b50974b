"""The phantom's raw folder, laid out and recorded as a download from Allen is."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mesomode import ccf
from mesomode.citations import data_terms
from mesomode.files import atomic_file, canonical_json, sha256_of, write_json
from mesomode.hdf5 import new_hdf5
from mesomode.phantom.connectivity import CONTRALATERAL
from mesomode.phantom.geometry import RESOLUTION_UM
from mesomode.phantom.nrrd_writer import nrrd_bytes
from mesomode.phantom.nwb import write_nwb
from mesomode.phantom.observatory import observatory_lists
from mesomode.phantom.recordings import Session
from mesomode.phantom.tracing import PhantomTracing
from mesomode.progress import Progress

logger = logging.getLogger("mesomode")


def write_tracing(directory: Path, tracing: PhantomTracing) -> dict[str, Any]:
    """Write the tracing part of the raw folder.

    The files of ``directory/connectivity`` are those that Allen serves, each
    with its record ``<file>.fetch.json``; ``directory/truth.h5`` holds the true
    weights (see :func:`write_truth`).

    Parameters
    ----------
    directory : Path
        The raw folder.
    tracing : PhantomTracing

    Returns
    -------
    dict
        The manifest: ``format``, ``source``, ``citation``, ``terms``,
        ``resolution_um``, ``regions``, ``transgenic_lines``, ``experiments``
        (ids) and ``files`` (``path``, ``bytes``, ``sha256``, ``url``, sorted by
        path). The same phantom gives the same bytes.
    """
    writer = RawWriter(directory)
    folder = "connectivity"
    records = [experiment.record for experiment in tracing.experiments]
    writer.json(f"{folder}/experiments.json", records)
    writer.json(f"{folder}/structures.json", list(tracing.atlas.structures))
    writer.volume(f"{folder}/annotation/ccf_2017/annotation_100.nrrd", tracing.atlas.annotation)
    writer.volume(f"{folder}/average_template_100.nrrd", tracing.atlas.template)
    progress = Progress(logger, "phantom experiments", len(records))
    for number, record in enumerate(records):
        for image, volume in tracing.volumes(number).items():
            name = f"{folder}/experiment_{record['data_set_id']}/{image}_100.nrrd"
            writer.volume(name, volume)
        progress.update()
    with writer.file("truth.h5") as path:
        write_truth(path, tracing)
    return {
        **writer.manifest(),
        "resolution_um": RESOLUTION_UM,
        "regions": list(tracing.region.areas),
        "transgenic_lines": "any",
        "experiments": sorted(record["data_set_id"] for record in records),
    }


def write_truth(path: Path, tracing: PhantomTracing) -> None:
    """Write the known answer.

    HDF5 with ``weights`` float32 (target, source), the true ipsilateral weights;
    ``target_voxels`` and ``source_voxels`` int16 (voxel, 3), indices [ap, dv, ml]
    in the order of the flattened volume; ``target_hemisphere`` and
    ``source_hemisphere`` int8 (``ccf.RIGHT``); ``area_id`` (structure id of each
    voxel's area); ``visual_field``
    float32 (voxel, 2), azimuth and altitude in degrees; ``injection`` float32
    (source, experiment) with ``experiment_id``, and ``projection`` float32
    (target, experiment), the expected density before noise and saturation.
    Attributes: ``format``, ``resolution_um``, ``contralateral`` (weights to the
    mirrored target relative to the ipsilateral ones) and ``kinds``, which
    experiments are usable and why not (JSON).
    """
    region = tracing.region
    id_of = {s["acronym"]: s["id"] for s in tracing.atlas.structures}
    areas = np.array([id_of[name] for name in region.areas], dtype=np.int64)
    voxels = region.voxels.astype(np.int16)
    kinds = {str(e.plan.identifier): e.plan.kind for e in tracing.experiments}
    compact: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    with new_hdf5(path) as file:
        file.attrs["format"] = 1
        file.attrs["resolution_um"] = RESOLUTION_UM
        file.attrs["contralateral"] = CONTRALATERAL
        file.attrs["kinds"] = np.bytes_(canonical_json(kinds))
        for side in ("target", "source"):
            file[f"{side}_voxels"] = voxels
            file[f"{side}_hemisphere"] = np.full(len(voxels), ccf.RIGHT, dtype=np.int8)
        file["area_id"] = areas[region.area]
        file["visual_field"] = region.visual_field().astype(np.float32)
        file["experiment_id"] = np.array([e.plan.identifier for e in tracing.experiments])
        file.create_dataset("injection", data=tracing.injection, **compact)
        file.create_dataset("projection", data=tracing.projection.astype(np.float32), **compact)
        file.create_dataset(
            "weights",
            data=tracing.weights,
            chunks=(min(256, len(voxels)), min(1024, len(voxels))),
            **compact,
        )


def write_recordings(
    directory: Path, sessions: Sequence[Session], structures: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Write the recordings part of the raw folder.

    The files of ``directory/observatory`` are those that Allen serves, each with
    its record; ``directory/truth_recordings.h5`` holds the networks that were
    recorded (see :func:`write_networks`).

    Parameters
    ----------
    directory : Path
        The raw folder.
    sessions : sequence of Session
    structures : sequence of mapping
        Cleaned structure records.

    Returns
    -------
    dict
        The manifest: ``format``, ``source``, ``citation``, ``terms``, ``files``
        and ``sessions`` (``experiment_id``, ``container_id``, ``session_type``,
        ``nwb``, ``events``).
    """
    writer = RawWriter(directory)
    folder = "observatory"
    for name, rows in observatory_lists(sessions, structures).items():
        writer.json(f"{folder}/{name}.json", rows)
    entries = []
    progress = Progress(logger, "phantom sessions", len(sessions))
    for session in sessions:
        recording = f"{folder}/ophys_experiment_data/{session.identifier}.nwb"
        events = f"{folder}/ophys_experiment_events/{session.identifier}_events.npz"
        with writer.file(recording) as path:
            write_nwb(path, session)
        with writer.file(events) as path:
            np.savez_compressed(path, ev=session.events)
        entries.append(
            {
                "experiment_id": session.identifier,
                "container_id": session.container.identifier,
                "session_type": session.timetable.session_type,
                "nwb": recording,
                "events": events,
            }
        )
        progress.update()
    with writer.file("truth_recordings.h5") as path:
        write_networks(path, sessions)
    return {**writer.manifest(), "sessions": entries}


def write_networks(path: Path, sessions: Sequence[Session]) -> None:
    """Write the networks that the sessions recorded.

    HDF5 with a group ``container_<id>`` for each container: ``coupling`` float32
    (target unit, source unit), J; ``voxels`` int16 (unit, 3), [ap, dv, ml];
    ``visual_field`` float32 (unit, 2), degrees; ``direction``,
    ``temporal_frequency``, ``spatial_frequency`` and ``drive`` float32 (unit,),
    the tuning; ``cell_specimen_ids`` int64, of the first units.
    """
    containers = {s.container.identifier: s.container for s in sessions}
    with new_hdf5(path) as file:
        for identifier, container in containers.items():
            group = file.create_group(f"container_{identifier}")
            units = container.units
            group["coupling"] = container.coupling.astype(np.float32)
            group["voxels"] = units.where.voxels.astype(np.int16)
            group["visual_field"] = units.where.visual_field().astype(np.float32)
            group["cell_specimen_ids"] = container.cell_specimen_ids
            for name in ("direction", "temporal_frequency", "spatial_frequency", "drive"):
                group[name] = getattr(units, name).astype(np.float32)


class RawWriter:
    """Writes files into a raw folder, each whole and with its record beside it.

    Parameters
    ----------
    directory : Path
        The raw folder; made if missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.entries: list[dict[str, Any]] = []

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """Yield the path to write the file ``name`` to; record it afterwards."""
        with atomic_file(self.directory / name) as temporary:
            yield temporary
            size, digest = temporary.stat().st_size, sha256_of(temporary)
        self._record(name, size, digest)

    def bytes(self, name: str, content: bytes) -> None:
        """Write bytes to the file ``name``."""
        with atomic_file(self.directory / name) as temporary:
            temporary.write_bytes(content)
        self._record(name, len(content), hashlib.sha256(content).hexdigest())

    def json(self, name: str, value: Any) -> None:
        """Write JSON as the SDK's caches hold it."""
        self.bytes(name, canonical_json(value).encode())

    def volume(self, name: str, volume: np.ndarray) -> None:
        """Write a volume of 100 µm as an NRRD."""
        self.bytes(name, nrrd_bytes(volume, RESOLUTION_UM))

    def manifest(self) -> dict[str, Any]:
        """The part of a manifest that lists the files; no times, so that it is reproducible."""
        terms = data_terms("phantom")
        return {
            "format": 1,
            "source": "phantom",
            "citation": terms["data_citation"],
            "terms": terms["data_terms"],
            "files": sorted(self.entries, key=lambda entry: entry["path"]),
        }

    def _record(self, name: str, size: int, digest: str) -> None:
        entry = {"path": name, "bytes": size, "sha256": digest, "url": f"phantom:{name}"}
        record = {key: entry[key] for key in ("bytes", "sha256", "url")}
        path = self.directory / name
        sidecar = path.with_name(path.name + ".fetch.json")
        write_json(sidecar, {**record, "etag": None, "fetched": None})
        self.entries.append(entry)
