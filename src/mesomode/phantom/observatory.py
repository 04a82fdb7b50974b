"""Rows of the Allen Brain Observatory's lists, in the shapes its caches hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mesomode.phantom.recordings import Container, Session
from mesomode.phantom.stimulus import EPOCHS

LINES = (
    ("Cux2-CreERT2", "driver", "D"),
    ("Camk2a-tTA", "driver", "D"),
    ("Ai93(TITL-GCaMP6f)", "reporter", "R"),
)
METRICS = (
    "dsi_dg", "g_dsi_dg", "g_osi_dg", "g_osi_sg", "image_sel_ns", "osi_dg", "osi_sg", "p_dg",
    "p_ns", "p_run_mod_dg", "p_sg", "peak_dff_dg", "peak_dff_ns", "peak_dff_sg", "pref_dir_dg",
    "pref_image_ns", "pref_ori_sg", "pref_phase_sg", "pref_sf_sg", "pref_tf_dg", "reliability_dg",
    "reliability_nm1_a", "reliability_nm2", "rf_area_on_lsn", "rf_center_on_x_lsn",
    "rf_center_on_y_lsn", "run_mod_dg", "sfdi_sg", "tfdi_dg", "time_to_peak_ns",
)  # fmt: skip
"""Columns of the list of cells that hold measures of the responses."""
FILE_TYPES = {"NWBOphys": 514173063, "ObservatoryEventsFile": 749164223}


def observatory_lists(
    sessions: Sequence[Session], structures: Sequence[Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Make the lists of containers, sessions, cells and stimulus mappings.

    Parameters
    ----------
    sessions : sequence of Session
    structures : sequence of mapping
        Cleaned structure records.

    Returns
    -------
    dict
        ``experiment_containers``, ``ophys_experiments``, ``cell_specimens`` and
        ``stimulus_mappings``: rows as Allen's services give them. Of the measures
        of the responses the preferred direction and temporal frequency are the
        true ones; the others are null: nobody measured them.
    """
    containers = {s.container.identifier: s.container for s in sessions}
    structure_of = {s["acronym"]: s for s in structures}
    experiments = [_experiment(session, structure_of) for session in sessions]
    inner = ("date_of_acquisition", "experiment_container_id", "id", "stimulus_name")
    container_rows = [
        {
            **_container(container, structure_of),
            "isi_experiment": {
                "experiment_container_id": identifier,
                "id": identifier + 500_000,
            },
            "ophys_experiments": [
                {key: row[key] for key in inner}
                for row in experiments
                if row["experiment_container_id"] == identifier
            ],
            "specimen": _specimen(container),
            "targeted_structure": _structure(container, structure_of),
        }
        for identifier, container in containers.items()
    ]
    return {
        "experiment_containers": container_rows,
        "ophys_experiments": experiments,
        "cell_specimens": [row for c in containers.values() for row in _cells(c)],
        "stimulus_mappings": [
            {"id": number, "item": item, "item_type": "M", "level": "C", "stimulus": item[-2:]}
            for number, item in enumerate(("osi_dg", "dsi_dg", "osi_sg"), start=1)
        ],
    }


def _structure(container: Container, structures: Mapping[str, Any]) -> dict[str, Any]:
    record = structures[container.area]
    return {
        "acronym": record["acronym"],
        "color_hex_triplet": "{:02X}{:02X}{:02X}".format(*record["rgb_triplet"]),
        "graph_id": 1,
        "graph_order": record["graph_order"],
        "id": record["id"],
        "name": record["name"],
        "structure_id_path": "/" + "/".join(map(str, record["structure_id_path"])) + "/",
    }


def _specimen(container: Container) -> dict[str, Any]:
    donor = container.identifier + 100_000
    lines = [
        {
            "description": "", "id": 177_000_000 + number, "name": name, "originating_lab": "",
            "stock_number": None, "transgenic_line_source_name": "",
            "transgenic_line_type_code": code, "transgenic_line_type_name": kind,
            "url_prefix": None, "url_suffix": None,
        }
        for number, (name, kind, code) in enumerate(LINES)
    ]  # fmt: skip
    return {
        "donor_id": donor,
        "external_specimen_name": f"{donor}",
        "id": donor + 100_000,
        "name": f"Cux2-CreERT2;Camk2a-tTA;Ai93-phantom-{container.identifier}",
        "donor": {
            "age": {"days": 104, "description": None, "embryonic": False, "id": 15, "name": "P104"},
            "conditions": [],
            "date_of_birth": "2015-10-24T00:00:00Z",
            "external_donor_name": f"{donor}",
            "id": donor,
            "sex": "M",
            "sex_full_name": "Male",
            "transgenic_lines": lines,
        },
    }


def _container(container: Container, structures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "failed": False,
        "id": container.identifier,
        "imaging_depth": container.depth_um,
        "isi_experiment_id": container.identifier + 500_000,
        "specimen_id": _specimen(container)["id"],
        "targeted_structure_id": structures[container.area]["id"],
        "weight": 8690,
    }


def _experiment(session: Session, structures: Mapping[str, Any]) -> dict[str, Any]:
    container, identifier = session.container, session.identifier
    names = {
        "NWBOphys": f"{identifier}.nwb",
        "ObservatoryEventsFile": f"{identifier}_events.npz",
    }
    files = [
        {
            "attachable_id": identifier,
            "attachable_type": "OphysExperiment",
            "download_link": f"/api/v2/well_known_file_download/{10 * identifier + number}",
            "id": 10 * identifier + number,
            "path": f"/phantom/{name}",
            "well_known_file_type": {"id": FILE_TYPES[kind], "name": kind},
            "well_known_file_type_id": FILE_TYPES[kind],
        }
        for number, (kind, name) in enumerate(names.items())
    ]
    day = 4 + list(EPOCHS).index(session.timetable.session_type)
    return {
        "date_of_acquisition": f"2016-02-{day:02d}T18:25:24Z",
        "experiment_container": _container(container, structures),
        "experiment_container_id": container.identifier,
        "fail_eye_tracking": session.eye is None,
        "id": identifier,
        "imaging_depth": container.depth_um,
        "name": f"phantom_{identifier}",
        "specimen": _specimen(container),
        "specimen_id": _specimen(container)["id"],
        "stimulus_name": session.timetable.session_type,
        "storage_directory": "/phantom/",
        "targeted_structure": _structure(container, structures),
        "targeted_structure_id": structures[container.area]["id"],
        "well_known_files": files,
    }


def _cells(container: Container) -> list[dict[str, Any]]:
    return [
        {
            **dict.fromkeys(METRICS),
            "all_stim": False,
            "area": container.area,
            "cell_specimen_id": cell,
            "experiment_container_id": container.identifier,
            "failed_experiment_container": False,
            "imaging_depth": container.depth_um,
            "specimen_id": _specimen(container)["id"],
            "tld1_id": 177_000_000,
            "tld1_name": LINES[0][0],
            "tld2_id": 177_000_001,
            "tld2_name": LINES[1][0],
            "tlr1_id": 177_000_002,
            "tlr1_name": LINES[2][0],
            "pref_dir_dg": round(float(container.units.direction[number]), 1),
            "pref_tf_dg": round(float(container.units.temporal_frequency[number]), 3),
        }
        for number, cell in enumerate(container.cell_specimen_ids.tolist())
    ]
