"""What the Allen Institute has: its lists, what their records mean, and where its files are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
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
