"""What the Allen Institute has: its lists, what their records mean, and where its files are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mesomode.ccf import StructureTree
from mesomode.errors import ConfigError, DataError
from mesomode.fetch.rma import Query, Row

IMAGES = ("injection_density", "injection_fraction", "projection_density", "data_mask")
"""The volumes of an experiment that are needed."""

# Paged and ordered in the forms that the Institute's own tools use (allensdk's ecephys
# RmaEngine, the Brain Observatory Toolbox); what a record must have is what allensdk needs.
STRUCTURES = Query(
    model="Structure",
    key="id",
    order="structures.graph_order",
    criteria="[graph_id$in1]",
    include="structure_sets",
    required=(
        "acronym",
        "color_hex_triplet",
        "graph_id",
        "graph_order",
        "name",
        "structure_id_path",
    ),
)
EXPERIMENTS = Query(
    model="ApiConnectivity",
    key="data_set_id",
    required=(
        "injection_structures",
        "injection_volume",
        "injection_x",
        "injection_y",
        "injection_z",
        "storage_directory",
        "structure_id",
    ),
)
CONTAINERS = Query(
    model="ExperimentContainer",
    key="id",
    order="id",
    include="ophys_experiments,isi_experiment,specimen(donor(conditions,age,transgenic_lines)),"
    "targeted_structure",
)
SESSIONS = Query(
    model="OphysExperiment",
    key="id",
    order="id",
    include="experiment_container,well_known_files(well_known_file_type),targeted_structure,"
    "specimen(donor(age,transgenic_lines))",
    required=("experiment_container_id", "stimulus_name"),
)
CELLS = Query(
    model="ApiCamCellMetric",
    key="cell_specimen_id",
    order="cell_specimen_id",
    page_rows=2000,  # a record takes 7 kB
    required=("experiment_container_id",),
)
STIMULUS_MAPPINGS = Query(model="ApiCamStimulusMapping", required=("item", "item_type", "level"))
FEWEST_AT_ALLEN = {
    "ApiConnectivity": 2900,
    "Structure": 1300,
    "ExperimentContainer": 450,
    "OphysExperiment": 1500,
    "ApiCamCellMetric": 63000,
}
"""Records that the Institute's own server had in 2023, rounded down: fewer cannot be all."""


def fewest_rows(query: Query, api_url: str) -> int:
    """The least number of records to believe from a server."""
    host = urlsplit(api_url).hostname or ""
    known = FEWEST_AT_ALLEN.get(query.model, 1) if host.endswith("brain-map.org") else 1
    return max(query.fewest, known)


def clean_structure(row: Row) -> Row:
    """A structure as allensdk keeps it: numbers instead of text, ids instead of sets.

    Raises
    ------
    DataError
        The colour or the path from the root cannot be right.
    """
    colour, path = row["color_hex_triplet"], row["structure_id_path"]
    try:
        rgb = [int(colour.removeprefix("#")[i : i + 2], 16) for i in (0, 2, 4)]
        ids = [int(part) for part in path.split("/") if part]
        sound = ids[-1] == row["id"]
    except (ValueError, IndexError, AttributeError):
        sound = False
    if not sound:
        raise DataError(
            f"the record of structure {row['id']} cannot be right",
            where="structures.json",
            why=f"colour {colour!r}, path {path!r}",
        )
    return {
        **{name: row[name] for name in ("acronym", "graph_id", "graph_order", "id", "name")},
        "rgb_triplet": rgb,
        "structure_id_path": ids,
        "structure_set_ids": sorted({item["id"] for item in row.get("structure_sets", ())}),
    }


def check_ontology(records: Sequence[Mapping[str, Any]]) -> None:
    """Check that each structure's path to the root is made of known structures.

    Raises
    ------
    DataError
        Some structures are missing.
    """
    known = {record["id"] for record in records}
    unknown = {step for record in records for step in record["structure_id_path"]} - known
    if unknown:
        raise DataError(
            f"{len(unknown)} structures are missing from the ontology",
            where="structures.json",
            why=f"ids {sorted(unknown)[:10]} are parents of others",
            remedy="delete structures.json and fetch it again",
        )


def injected_structures(row: Row) -> list[int]:
    """Ids of the structures that an experiment (a raw record) injected.

    Raises
    ------
    DataError
        The text of the ids cannot be read.
    """
    try:
        return [int(part) for part in row["injection_structures"].split("/")]
    except (ValueError, AttributeError) as error:
        raise DataError(
            f"the record of experiment {row.get('data_set_id')} cannot be right",
            where="experiments.json",
            why=f"injection_structures {row.get('injection_structures')!r}",
        ) from error


def check_experiment(row: Row) -> Row:
    """Check that allensdk can read a raw record of an experiment, and return it unchanged."""
    injected_structures(row)
    line = row.get("transgenic_line")
    if line and not (isinstance(line, dict) and "name" in line):
        raise DataError(
            f"the record of experiment {row['data_set_id']} cannot be right",
            where="experiments.json",
            why=f"transgenic_line {line!r}",
        )
    return row


def wanted_experiments(
    rows: Iterable[Row],
    tree: StructureTree,
    regions: Sequence[str],
    lines: str | Sequence[str],
) -> list[int]:
    """Ids of the experiments of certain lines that injected certain regions, sorted.

    Parameters
    ----------
    rows : iterable of dict
        Raw records of ApiConnectivity.
    tree : StructureTree
        The ontology.
    regions : sequence of str
        Acronyms. An experiment is wanted if any structure it injected is one of
        them or lies within one.
    lines : str or sequence of str
        ``"wild type"``, ``"any"`` or names of transgenic lines.

    Raises
    ------
    ConfigError
        A line is unknown.
    DataError
        A region is unknown, or no experiment is wanted.
    """
    rows = list(rows)
    names = {row["data_set_id"]: (row.get("transgenic_line") or {}).get("name") for row in rows}
    if not isinstance(lines, str):
        _check_lines(lines, {name for name in names.values() if name})
    within = {
        int(structure)
        for region in regions
        for structure in tree.descendants(int(tree[region]["id"]))
    }

    def of_line(name: str | None) -> bool:
        if isinstance(lines, str):
            return lines == "any" or name is None
        return name in lines

    found = sorted(
        row["data_set_id"]
        for row in rows
        if of_line(names[row["data_set_id"]]) and within.intersection(injected_structures(row))
    )
    if not found:
        raise DataError(
            "no tracer experiment fits",
            where="config keys fetch.regions, fetch.transgenic_lines",
            why=f"regions {list(regions)}, lines {lines}: none of {len(rows)} experiments",
            remedy="name larger regions, or set fetch.transgenic_lines: any",
        )
    return found


def _check_lines(lines: Sequence[str], known: set[str]) -> None:
    for line in lines:
        if line not in known:
            near = difflib.get_close_matches(line, known, n=3, cutoff=0.5)
            raise ConfigError(
                f"no tracer experiment is of the transgenic line {line!r}",
                where="config key fetch.transgenic_lines",
                remedy=f"did you mean {' or '.join(near)}?" if near else "see experiments.json",
            )


def wanted_session(rows: Iterable[Row], experiment_id: int) -> Row:
    """The record of a two-photon session of Visual Coding.

    Raises
    ------
    ConfigError
        There is none of that id, or it is of another project.
    """
    visual_coding = []
    for row in rows:
        if str(row["stimulus_name"]).startswith("three_session"):
            visual_coding.append(str(row["id"]))
            if row["id"] == experiment_id:
                return row
        elif row["id"] == experiment_id:
            raise ConfigError(
                f"session {experiment_id} is not of the Visual Coding project",
                where="config key fetch.sessions",
                why=f"its stimulus is {row['stimulus_name']!r}, and it has no NWB file here",
                remedy="choose a session with a stimulus named three_session_A, _B, _C or _C2",
            )
    near = difflib.get_close_matches(str(experiment_id), visual_coding, n=3)
    raise ConfigError(
        f"there is no two-photon session {experiment_id}",
        where="config key fetch.sessions",
        why=f"none of {len(visual_coding)} Visual Coding sessions",
        remedy=f"did you mean {' or '.join(near)}?" if near else "see ophys_experiments.json",
    )


SESSION_STIMULI = {
    "three_session_A": ("drifting_gratings", "natural_movie_one", "natural_movie_three"),
    "three_session_B": ("static_gratings", "natural_scenes", "natural_movie_one"),
    "three_session_C": ("locally_sparse_noise", "natural_movie_one", "natural_movie_two"),
    "three_session_C2": (
        "locally_sparse_noise_4deg",
        "locally_sparse_noise_8deg",
        "natural_movie_one",
        "natural_movie_two",
    ),
}
"""What the sessions of each type show, beside a grey screen (`spontaneous`)."""


@dataclass(frozen=True)
class SessionCriteria:
    """Which two-photon sessions are wanted; None: any.

    Parameters
    ----------
    areas : tuple of str, optional
        Acronyms of the areas that were imaged.
    depths_um : tuple of (least, most), optional
    lines : tuple of str, optional
        Names of driver lines, such as ``"Cux2-CreERT2"``.
    stimuli : tuple of str, optional
        Stimuli that the session must show, all of them.
    needs : tuple of str
        ``"events"``, ``"eye tracking"``: what must have been published of it.
    most : int, optional
        Number of sessions, those with the lowest ids.
    """

    areas: tuple[str, ...] | None = None
    depths_um: tuple[int, int] | None = None
    lines: tuple[str, ...] | None = None
    stimuli: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()
    most: int | None = None


def session_facts(row: Row) -> dict[str, Any]:
    """What a raw record says of a two-photon session, in the terms of `SessionCriteria`."""
    lines = ((row.get("specimen") or {}).get("donor") or {}).get("transgenic_lines") or ()
    kind = str(row["stimulus_name"])
    return {
        "experiment_id": int(row["id"]),
        "session_type": kind,
        "area": (row.get("targeted_structure") or {}).get("acronym"),
        "depth_um": row.get("imaging_depth"),
        "lines": sorted(
            line["name"] for line in lines if line.get("transgenic_line_type_name") == "driver"
        ),
        "stimuli": [*SESSION_STIMULI.get(kind, ()), "spontaneous"],
    }


def select_sessions(rows: Iterable[Row], wanted: SessionCriteria) -> list[dict[str, Any]]:
    """Judge every two-photon session of Visual Coding.

    Parameters
    ----------
    rows : iterable of dict
        Raw records of OphysExperiment.
    wanted : SessionCriteria

    Returns
    -------
    list of dict
        `session_facts` and ``reason``, why it is not wanted; empty: it is. Sorted by id.

    Raises
    ------
    ConfigError
        An area, line or stimulus that no session has.
    DataError
        No session is wanted.
    """
    rows = sorted((r for r in rows if str(r["stimulus_name"]) in SESSION_STIMULI), key=_id_of)
    found = [session_facts(row) for row in rows]
    for key, names, has in (
        ("session_areas", wanted.areas, lambda fact: [fact["area"]]),
        ("session_lines", wanted.lines, lambda fact: fact["lines"]),
        ("session_stimuli", wanted.stimuli, lambda fact: fact["stimuli"]),
    ):
        _check_known(f"fetch.{key}", names or (), {name for fact in found for name in has(fact)})
    kept = 0
    for row, fact in zip(rows, found, strict=True):
        fact["reason"] = "; ".join(_objections(row, fact, wanted))
        if not fact["reason"] and wanted.most is not None and kept >= wanted.most:
            fact["reason"] = f"{wanted.most} others are enough"
        kept += not fact["reason"]
    if not kept:
        raise DataError(
            "no two-photon session fits",
            where="config keys fetch.session_areas, …_depths_um, …_lines, …_stimuli, …_needs",
            why=f"none of {len(found)}; e.g. {found[0]['experiment_id']}: {found[0]['reason']}"
            if found
            else "the list of sessions has none of Visual Coding",
            remedy="ask for less, or name sessions in fetch.sessions",
        )
    return found


def _id_of(row: Row) -> int:
    return int(row["id"])


def _objections(row: Row, fact: Mapping[str, Any], wanted: SessionCriteria) -> list[str]:
    """Why a session is not wanted."""
    against = []
    container = row.get("experiment_container") or {}
    if container.get("failed"):
        against.append("its container failed the quality control")
    if wanted.areas is not None and fact["area"] not in wanted.areas:
        against.append(f"area {fact['area']}")
    if wanted.depths_um is not None:
        least, most = wanted.depths_um
        if fact["depth_um"] is None or not least <= fact["depth_um"] <= most:
            against.append(f"depth {fact['depth_um']} um")
    if wanted.lines is not None and not set(wanted.lines) & set(fact["lines"]):
        against.append(f"line {', '.join(fact['lines']) or 'unknown'}")
    lacking = [name for name in wanted.stimuli or () if name not in fact["stimuli"]]
    if lacking:
        against.append(f"no {', '.join(lacking)}")
    if "events" in wanted.needs and well_known_file(row, "ObservatoryEventsFile") is None:
        against.append("no events")
    if "eye tracking" in wanted.needs and row.get("fail_eye_tracking") is not False:
        against.append("no eye tracking")
    return against


def _check_known(key: str, names: Iterable[str], known: set[str | None]) -> None:
    present = sorted(name for name in known if name)
    for name in names:
        if name not in present:
            near = difflib.get_close_matches(name, present, n=3, cutoff=0.5)
            raise ConfigError(
                f"no two-photon session has {name!r}",
                where=f"config key {key}",
                why=f"there are {', '.join(present)}",
                remedy=f"did you mean {' or '.join(near)}?" if near else "",
            )


def well_known_file(row: Row, kind: str) -> str | None:
    """Path, on the API server, of a session's file of a kind; None if it has none."""
    for file in row.get("well_known_files", ()):
        if file["well_known_file_type"]["name"] == kind:
            return str(file["download_link"])
    return None


def volume_url(api_url: str, experiment_id: int, image: str, resolution_um: int) -> str:
    """Address of a volume of a tracer experiment."""
    return (
        f"{api_url}/grid_data/download_file/{experiment_id}"
        f"?image={image}&resolution={resolution_um}"
    )


def atlas_url(archive_url: str, name: str) -> str:
    """Address of a volume of the atlas, such as ``annotation/ccf_2017/annotation_100.nrrd``."""
    return f"{archive_url}/informatics-archive/current-release/mouse_ccf/{name}"


def recording_url(observatory_url: str, name: str) -> str:
    """Address, in the public bucket, of a file of the Brain Observatory."""
    return f"{observatory_url}/visual-coding-2p/{name}"
