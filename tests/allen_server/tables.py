"""The service's tables, made from the lists in a folder of raw files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.allen_server.rma import ASSOCIATED, Record

ASSOCIATIONS = frozenset(
    {
        "age",
        "conditions",
        "donor",
        "experiment_container",
        "isi_experiment",
        "ophys_experiments",
        "specimen",
        "structure_sets",
        "targeted_structure",
        "transgenic_lines",
        "well_known_file_type",
        "well_known_files",
    }
)
"""Keys of raw records that are sent only if a query includes them."""
LISTS = {
    "ApiConnectivity": "connectivity/experiments.json",
    "ExperimentContainer": "observatory/experiment_containers.json",
    "OphysExperiment": "observatory/ophys_experiments.json",
    "ApiCamCellMetric": "observatory/cell_specimens.json",
    "ApiCamStimulusMapping": "observatory/stimulus_mappings.json",
}
FILES = {
    "NWBOphys": "observatory/ophys_experiment_data/{}.nwb",
    "ObservatoryEventsFile": "observatory/ophys_experiment_events/{}_events.npz",
}
"""Where the well-known files of a session are, by their type."""


def load_tables(raw: Path) -> dict[str, list[Record]]:
    """Records by model, each with its associations apart."""
    tables = {
        model: [_apart(record) for record in _read(raw / name)] for model, name in LISTS.items()
    }
    structures = _read(raw / "connectivity/structures.json")
    tables["Structure"] = [_apart(raw_structure(record)) for record in structures]
    sets = {i for record in structures for i in record["structure_set_ids"]}
    tables["StructureSet"] = [_structure_set(i) for i in sorted(sets)]
    tables["WellKnownFile"] = [
        file
        for session in tables["OphysExperiment"]
        for file in session[ASSOCIATED].get("well_known_files", [])
    ]
    return tables


def well_known_files(raw: Path, tables: dict[str, list[Record]]) -> dict[int, Path]:
    """Path of each well-known file by its id."""
    return {
        file["id"]: raw / FILES[kind].format(file["attachable_id"])
        for file in tables["WellKnownFile"]
        if (kind := file[ASSOCIATED]["well_known_file_type"]["name"]) in FILES
    }


def raw_structure(record: Record) -> Record:
    """A cleaned structure as the service sends it."""
    path = record["structure_id_path"]
    return {
        "acronym": record["acronym"],
        "atlas_id": None,
        "color_hex_triplet": "".join(f"{level:02X}" for level in record["rgb_triplet"]),
        "depth": len(path) - 1,
        "failed": False,
        "failed_facet": 734881840,
        "graph_id": record["graph_id"],
        "graph_order": record["graph_order"],
        "hemisphere_id": 3,
        "id": record["id"],
        "name": record["name"],
        "neuro_name_structure_id": None,
        "neuro_name_structure_id_path": None,
        "ontology_id": 1,
        "parent_structure_id": path[-2] if len(path) > 1 else None,
        "safe_name": record["name"].replace(",", ""),
        "sphinx_id": record["graph_order"] + 1,
        "st_level": None,
        "structure_id_path": "/" + "/".join(map(str, path)) + "/",
        "structure_name_facet": 1,
        "structure_sets": [_structure_set(i) for i in record["structure_set_ids"]],
        "weight": 8690,
    }


def _structure_set(identifier: int) -> Record:
    return {"description": "", "id": identifier, "name": f"structure set {identifier}"}


def _apart(value: Any, top: bool = True) -> Any:
    """Move the associations of a record, and of those within, under a key of their own."""
    if isinstance(value, list):
        return [_apart(item, False) for item in value]
    if not isinstance(value, dict):
        return value
    record = {key: item for key, item in value.items() if key not in ASSOCIATIONS}
    record[ASSOCIATED] = {
        key: _apart(item, False) for key, item in value.items() if key in ASSOCIATIONS
    }
    return record


def _read(path: Path) -> list[Record]:
    return json.loads(path.read_text()) if path.exists() else []
