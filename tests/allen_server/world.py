"""A small invented world, written as raw files: for tests of fetching, not of science."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mesomode.ccf import SHAPES
from mesomode.fetch.catalogue import IMAGES
from mesomode.phantom.nrrd_writer import nrrd_bytes
from mesomode.phantom.nwb import write_nwb
from mesomode.phantom.recordings import Container, Session
from mesomode.phantom.stimulus import LENGTHS, make_timetable

Record = dict[str, Any]
RESOLUTION = 100
# id, acronym, name, parent, order in the graph, colour; ids and names are those of the atlas
STRUCTURES = (
    (997, "root", "root", None, 0, "FFFFFF"),
    (8, "grey", "Basic cell groups and regions", 997, 1, "BFDAE3"),
    (567, "CH", "Cerebrum", 8, 2, "B0F0FF"),
    (688, "CTX", "Cerebral cortex", 567, 3, "B0FFB8"),
    (695, "CTXpl", "Cortical plate", 688, 4, "70FF70"),
    (315, "Isocortex", "Isocortex", 695, 5, "70FF71"),
    (500, "MO", "Somatomotor areas", 315, 12, "1F9D5A"),
    (985, "MOp", "Primary motor area", 500, 18, "1F9D5A"),
    (993, "MOs", "Secondary motor area", 500, 24, "1F9D5A"),
    (669, "VIS", "Visual areas", 315, 157, "08858C"),
    (402, "VISal", "Anterolateral visual area", 669, 164, "08858C"),
    (409, "VISl", "Lateral visual area", 669, 178, "08858C"),
    (385, "VISp", "Primary visual area", 669, 185, "08858C"),
    (343, "BS", "Brain stem", 8, 639, "FF7080"),
    (549, "TH", "Thalamus", 343, 641, "FF7080"),
    (170, "LGd", "Dorsal part of the lateral geniculate complex", 549, 662, "FF909F"),
)
LEAVES = (985, 993, 402, 409, 385, 170)
SUMMARY, OBSERVATORY_SET = 167587189, 514166994
# id, structures injected, volume in mm3, centre in um, transgenic line
EXPERIMENTS = (
    (180296424, (385,), 0.2211, (8990, 1240, 8650), None),
    (307297141, (385, 409), 0.3052, (9210, 1530, 8910), None),
    (180719293, (993,), 1.047, (5400, 1200, 7000), None),
    (166218353, (170,), 0.0412, (7450, 3310, 7930), None),
    (297231636, (402,), 0.0872, (8020, 1410, 9020), ("Tlx3-Cre_PL56", 177835595)),
    (122642490, (985, 993), 0.151071, (4300, 2690, 7050), ("Syt6-Cre_KI148", 177839216)),
)
# id, container, stimulus, whether it has a file of events
SESSIONS = (
    (501271265, 511509529, "three_session_A", True),
    (501704220, 511510736, "three_session_A", False),
    (991852000, 991913675, "OPHYS_1_images_A", False),
)
CELLS_PER_SESSION, CELLS_PER_CONTAINER = 6, 1100
FILE_TYPES = {"NWBOphys": 514173063, "ObservatoryEventsFile": 749164223}


def write_world(raw: Path) -> Path:
    """Write the raw files of the world, 100 µm volumes of the true shape; return the folder."""
    _write_lists(raw)
    _write_volumes(raw / "connectivity")
    for session, container, stimulus, has_events in SESSIONS:
        cells = [cell["cell_specimen_id"] for cell in _cells(container)[:CELLS_PER_SESSION]]
        if stimulus.startswith("three"):
            file = raw / f"observatory/ophys_experiment_data/{session}.nwb"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_nwb(file, _recording(session, container, cells))
        if has_events:
            file = raw / f"observatory/ophys_experiment_events/{session}_events.npz"
            file.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(session)
            events = rng.gamma(2, 0.1, (len(cells), 500)) * (rng.random((len(cells), 500)) > 0.99)
            np.savez(file, ev=events)
    return raw


def _write_lists(raw: Path) -> None:
    lists = {
        "connectivity/structures.json": _structures(),
        "connectivity/experiments.json": _experiments(),
        "observatory/experiment_containers.json": [
            _container(c, [s for s in SESSIONS if s[1] == c]) for c in _containers()
        ],
        "observatory/ophys_experiments.json": [_session(*session) for session in SESSIONS],
        "observatory/cell_specimens.json": [c for i in _containers()[:2] for c in _cells(i)],
        "observatory/stimulus_mappings.json": [
            {"id": 1, "item": "dg_thumbnail", "item_type": "T", "level": "R", "stimulus": "dg"},
            {"id": 2, "item": "osi_dg", "item_type": "M", "level": "C", "stimulus": "dg"},
        ],
    }
    for name, rows in lists.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text(json.dumps(rows))


def _structures() -> list[Record]:
    parents = {row[0]: row[3] for row in STRUCTURES}

    def path(identifier: int | None) -> list[int]:
        return [] if identifier is None else [*path(parents[identifier]), identifier]

    return [
        {
            "acronym": acronym,
            "graph_id": 1,
            "graph_order": order,
            "id": identifier,
            "name": name,
            "rgb_triplet": [int(colour[i : i + 2], 16) for i in (0, 2, 4)],
            "structure_id_path": path(identifier),
            "structure_set_ids": [SUMMARY] * (identifier in LEAVES)
            + [OBSERVATORY_SET] * acronym.startswith("VIS"),
        }
        for identifier, acronym, name, _, order, colour in STRUCTURES
    ]


def _experiments() -> list[Record]:
    names = {row[0]: row for row in STRUCTURES}
    rows = []
    for identifier, injected, volume, (x, y, z), line in EXPERIMENTS:
        _, acronym, name, *_ = names[injected[0]]
        rows.append(
            {
                "data_set_id": identifier,
                "gender": "M",
                "injection_structures": "/".join(map(str, injected)),
                "injection_volume": volume,
                "injection_x": x,
                "injection_y": y,
                "injection_z": z,
                "product_id": 5,
                "specimen_name": f"378-{identifier % 10000}",
                "storage_directory": f"/external/aibssan/production32/{identifier}/",
                "strain": "C57BL/6J",
                "structure_abbrev": acronym,
                "structure_id": injected[0],
                "structure_name": name,
                "transgenic_line": None if line is None else _line(*line),
                "transgenic_line_id": None if line is None else line[1],
            }
        )
    return rows


def _line(name: str, identifier: int, kind: str = "driver") -> Record:
    return {
        "description": "",
        "id": identifier,
        "name": name,
        "originating_lab": "",
        "stock_number": None,
        "transgenic_line_source_name": "",
        "transgenic_line_type_code": kind[0].upper(),
        "transgenic_line_type_name": kind,
        "url_prefix": None,
        "url_suffix": None,
    }


def _containers() -> list[int]:
    return list(dict.fromkeys(session[1] for session in SESSIONS))


def _container(identifier: int, sessions: list[tuple[Any, ...]], bare: bool = False) -> Record:
    record: Record = {
        "failed": False,
        "failed_facet": 734881840,
        "id": identifier,
        "imaging_depth": 175,
        "isi_experiment_id": identifier + 3,
        "specimen_id": identifier + 5,
        "targeted_structure_id": 385,
        "weight": 8690,
    }
    if bare:
        return record
    isi = {"experiment_container_id": identifier, "id": identifier + 3}
    return record | {
        "isi_experiment": isi,
        "ophys_experiments": [_session(*session, bare=True) for session in sessions],
        "specimen": _specimen(identifier, {"conditions": []}),
        "targeted_structure": _target(),
    }


def _session(
    identifier: int, container: int, stimulus: str, has_events: bool, bare: bool = False
) -> Record:
    record: Record = {
        "date_of_acquisition": "2016-02-05T18:09:05Z",
        "experiment_container_id": container,
        "fail_eye_tracking": True,
        "id": identifier,
        "imaging_depth": 175,
        "name": f"{stimulus}_{identifier}",
        "specimen_id": container + 5,
        "stimulus_name": stimulus,
        "storage_directory": "/external/neurobiology/prod0/",
        "targeted_structure_id": 385,
    }
    if bare:
        return record
    kinds = ["NWBOphys"] * stimulus.startswith("three") + ["ObservatoryEventsFile"] * has_events
    return record | {
        "experiment_container": _container(container, [], bare=True),
        "specimen": _specimen(container),
        "targeted_structure": _target(),
        "well_known_files": [_file(identifier, kind) for kind in kinds],
    }


def _file(session: int, kind: str) -> Record:
    identifier = session * 10 + len(kind)
    return {
        "attachable_id": session,
        "attachable_type": "OphysExperiment",
        "download_link": f"/api/v2/well_known_file_download/{identifier}",
        "id": identifier,
        "path": f"/external/neurobiology/prod0/{session}",
        "well_known_file_type": {"id": FILE_TYPES[kind], "name": kind},
        "well_known_file_type_id": FILE_TYPES[kind],
    }


def _specimen(container: int, donor_also: Record | None = None) -> Record:
    donor = {
        **(donor_also or {}),
        "age": {"days": 60, "description": None, "embryonic": False, "id": 15, "name": "P56"},
        "age_id": 15,
        "external_donor_name": "222426",
        "id": container + 7,
        "sex": "M",
        "transgenic_lines": [
            _line("Cux2-CreERT2", 1770001),
            _line("Camk2a-tTA", 1770002),
            _line("Ai93(TITL-GCaMP6f)", 1770003, "reporter"),
        ],
    }
    return {
        "donor": donor,
        "donor_id": donor["id"],
        "external_specimen_name": "222426",
        "id": container + 5,
        "name": "Cux2-CreERT2;Camk2a-tTA;Ai93-222426",
        "structure_id": None,
    }


def _recording(identifier: int, container: int, cells: list[int]) -> Session:
    """A session A of noise; it has no network, unlike the phantom's."""
    rng = np.random.default_rng(identifier)
    timetable = make_timetable("three_session_A", LENGTHS["tiny"], rng)
    shape = (len(cells), timetable.length)
    return Session(
        identifier=identifier,
        container=Container(container, "VISp", 175, np.array(cells), None, None),  # type: ignore[arg-type]
        found=np.arange(len(cells)),
        timetable=timetable,
        timestamps=9.35 + np.arange(timetable.length) / 30.0918,
        running_speed=np.abs(rng.normal(0, 8, timetable.length)),
        events=np.zeros(shape, "f4"),
        dff=rng.normal(0, 0.05, shape).astype("f4"),
        neuropil=rng.normal(60, 1, shape).astype("f4"),
        neuropil_weight=rng.uniform(0, 1, len(cells)),
        baseline=rng.normal(100, 5, len(cells)),
    )


def _target() -> Record:
    return {"acronym": "VISp", "graph_id": 1, "id": 385, "name": "Primary visual area"}


def _cells(container: int) -> list[Record]:
    first = 517394843 + 10_000 * (container % 100)
    return [
        {
            "all_stim": True,
            "area": "VISp",
            "cell_specimen_id": first + index,
            "dg_thumbnail": f"/tn/{first + index}.png",
            "experiment_container_id": container,
            "failed_experiment_container": False,
            "imaging_depth": 175,
            "osi_dg": (index * 37 % 101) / 101,
            "specimen_id": container + 5,
            "tld1_name": "Cux2-CreERT2",
            "tlr1_name": "Ai93(TITL-GCaMP6f)",
        }
        for index in range(CELLS_PER_CONTAINER)
    ]


def _write_volumes(folder: Path) -> None:
    shape = SHAPES[RESOLUTION]
    axes = [RESOLUTION * (np.arange(count, dtype="f4") + 0.5) for count in shape]
    slabs = np.minimum(np.arange(shape[0]) * len(LEAVES) // shape[0], len(LEAVES) - 1)
    labels = np.array(LEAVES, "u4")[slabs][:, None, None] * np.ones(shape, "u4")
    labels[:, :8] = 0
    _write(folder / f"annotation/ccf_2017/annotation_{RESOLUTION}.nrrd", labels)
    template = (120 * (labels > 0)).astype("u2")
    _write(folder / f"average_template_{RESOLUTION}.nrrd", template)

    def blob(centre: tuple[float, float, float], width: float) -> np.ndarray:
        profiles = [
            np.exp(-0.5 * ((axis - middle) / width) ** 2)
            for axis, middle in zip(axes, centre, strict=True)
        ]
        return np.einsum("i,j,k->ijk", *profiles).astype("f4")

    for identifier, _, _, (x, y, z), _ in EXPERIMENTS:
        injection = blob((x, y, z), 220.0)
        injection[injection < 0.05] = 0
        projection = np.clip(injection + 0.3 * blob((x, y, 11400 - z), 380.0), 0, 1)
        mask = np.ones(shape, "f4")
        mask[40:42, :4, :4] = 0.5
        volumes = (injection, (injection > 0).astype("f4"), projection, mask)
        for image, volume in zip(IMAGES, volumes, strict=True):
            file = folder / f"experiment_{identifier}/{image}_{RESOLUTION}.nrrd"
            _write(file, volume.astype("f4"))


def _write(path: Path, volume: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(nrrd_bytes(volume, RESOLUTION))
