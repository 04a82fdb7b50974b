"""Fill the cache folders of allensdk with whole, verified files, so that it never downloads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mesomode.access.network import Access
from mesomode.access.parts import record_of
from mesomode.ccf import SHAPES, StructureTree
from mesomode.citations import ALLEN_CITATION, ALLEN_TERMS
from mesomode.download import Resource, download_all
from mesomode.fetch import catalogue
from mesomode.fetch.catalogue import IMAGES
from mesomode.fetch.checks import check_events, check_nrrd, check_nwb
from mesomode.fetch.rma import Query, Row, download_rows
from mesomode.files import read_json

ATLAS = {
    "annotation/ccf_2017/annotation_{}.nrrd": ("annotation/ccf_2017/annotation_{}.nrrd", "int"),
    "average_template_{}.nrrd": ("average_template/average_template_{}.nrrd", "short"),
}
"""Volumes of the atlas: path in the cache → path in the archive, type without `unsigned`."""


def prime_connectivity(
    access: Access,
    root: Path,
    resolution_um: int,
    regions: Sequence[str],
    lines: str | Sequence[str],
) -> dict[str, Any]:
    """Fill ``root/connectivity`` as allensdk's MouseConnectivityCache lays it out.

    Parameters
    ----------
    access : Access
        Leave to use the network.
    root : Path
        Folder of the raw data.
    resolution_um : int
        Edge of the voxels.
    regions, lines
        See :func:`mesomode.fetch.catalogue.wanted_experiments`.

    Returns
    -------
    dict
        The manifest.
    """
    folder = root / "connectivity"
    api, shape = access.settings.api_url, SHAPES[resolution_um]
    lists = [folder / "structures.json", folder / "experiments.json"]
    _rows(access, catalogue.STRUCTURES, lists[0], catalogue.clean_structure)
    structures = read_json(lists[0])
    catalogue.check_ontology(structures)
    _rows(access, catalogue.EXPERIMENTS, lists[1], catalogue.check_experiment)
    tree = StructureTree(structures)
    experiments = catalogue.wanted_experiments(read_json(lists[1]), tree, regions, lines)
    resources = [
        Resource(
            folder / kept.format(resolution_um),
            (catalogue.atlas_url(access.settings.archive_url, served.format(resolution_um)),),
            partial(check_nrrd, shape=shape, types=(f"unsigned {kind}",)),
        )
        for kept, (served, kind) in ATLAS.items()
    ] + [
        Resource(
            folder / f"experiment_{experiment}" / f"{image}_{resolution_um}.nrrd",
            (catalogue.volume_url(api, experiment, image, resolution_um),),
            partial(check_nrrd, shape=shape),
        )
        for experiment in experiments
        for image in IMAGES
    ]
    download_all(access, resources, "tracing")
    return {
        **_manifest(root, [*lists, *(resource.path for resource in resources)]),
        "resolution_um": resolution_um,
        "regions": list(regions),
        "transgenic_lines": lines if isinstance(lines, str) else list(lines),
        "experiments": experiments,
    }


def prime_observatory(
    access: Access,
    root: Path,
    sessions: Sequence[int] | catalogue.SessionCriteria,
    cell_specimens: bool = False,
) -> dict[str, Any]:
    """Fill ``root/observatory`` as allensdk's BrainObservatoryCache lays it out.

    Parameters
    ----------
    access : Access
        Leave to use the network.
    root : Path
        Folder of the raw data.
    sessions : sequence of int, or SessionCriteria
        Ids of the ophys experiments wanted, or what they must be like.
    cell_specimens : bool
        Whether to fetch the list of all cells, too.

    Returns
    -------
    dict
        The manifest; a session without a file of events has ``null`` there. ``judged`` holds
        each session that was considered, with the reason why it is left out, if any.
    """
    folder = root / "observatory"
    lists = {
        folder / "experiment_containers.json": catalogue.CONTAINERS,
        folder / "ophys_experiments.json": catalogue.SESSIONS,
        folder / "stimulus_mappings.json": catalogue.STIMULUS_MAPPINGS,
    }
    if cell_specimens:
        lists[folder / "cell_specimens.json"] = catalogue.CELLS
    for path, query in lists.items():
        _rows(access, query, path)
    rows = read_json(folder / "ophys_experiments.json")
    judged: list[dict[str, Any]] = []
    if isinstance(sessions, catalogue.SessionCriteria):
        judged = catalogue.select_sessions(rows, sessions)
        sessions = [fact["experiment_id"] for fact in judged if not fact["reason"]]
    resources, entries = [], []
    for experiment in dict.fromkeys(sessions):
        row = catalogue.wanted_session(rows, experiment)
        recording = _recording(access, folder, row)
        events = _events(access, folder, row)
        resources += [recording] if events is None else [recording, events]
        entries.append(
            {
                "experiment_id": experiment,
                "container_id": row["experiment_container_id"],
                "session_type": row["stimulus_name"],
                "nwb": _relative(recording.path, root),
                "events": None if events is None else _relative(events.path, root),
            }
        )
    download_all(access, resources, "recordings")
    return {
        **_manifest(root, [*lists, *(resource.path for resource in resources)]),
        "sessions": entries,
        **({"judged": judged} if judged else {}),
    }


def _rows(access: Access, query: Query, path: Path, *prepare: Any) -> None:
    """Fetch a list, believing no fewer records than the server is known to have."""
    api = access.settings.api_url
    query = replace(query, fewest=catalogue.fewest_rows(query, api))
    download_rows(access, api, query, path, *prepare)


def _recording(access: Access, folder: Path, row: Row) -> Resource:
    name = f"ophys_experiment_data/{row['id']}.nwb"
    link = catalogue.well_known_file(row, "NWBOphys")
    bucket = access.settings.observatory_url
    urls = [catalogue.recording_url(bucket, name)] if bucket else []
    if link is not None:
        urls.append(access.settings.api_url + link)
    return Resource(folder / name, tuple(urls), partial(check_nwb, experiment_id=row["id"]))


def _events(access: Access, folder: Path, row: Row) -> Resource | None:
    link = catalogue.well_known_file(row, "ObservatoryEventsFile")
    if link is None:
        return None
    path = folder / "ophys_experiment_events" / f"{row['id']}_events.npz"
    return Resource(path, (access.settings.api_url + link,), check_events)


def _manifest(root: Path, paths: Sequence[Path]) -> dict[str, Any]:
    """The part of a manifest that lists files: no times, so that it changes only with them."""
    files = []
    for path in sorted(paths):
        record = record_of(path)
        kept = {name: record[name] for name in ("bytes", "sha256", "url")}
        files.append({"path": _relative(path, root), **kept})
    return {
        "format": 1,
        "source": "allen",
        "citation": ALLEN_CITATION,
        "terms": ALLEN_TERMS,
        "files": files,
    }


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
