"""Which records are wanted, and what they mean."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mesomode.ccf import StructureTree
from mesomode.errors import ConfigError, DataError
from mesomode.fetch import catalogue
from tests.allen_server.tables import raw_structure


@pytest.fixture
def structures(world: Path) -> list[dict[str, Any]]:
    return json.loads((world / "connectivity/structures.json").read_text())


@pytest.fixture
def experiments(world: Path) -> list[dict[str, Any]]:
    return json.loads((world / "connectivity/experiments.json").read_text())


def test_structures_are_cleaned_as_allensdk_does(structures: list[dict[str, Any]]) -> None:
    row = {
        "acronym": "VISp",
        "color_hex_triplet": "08858C",
        "depth": 7,
        "graph_id": 1,
        "graph_order": 185,
        "id": 385,
        "name": "Primary visual area",
        "structure_id_path": "/997/8/567/688/695/315/669/385/",
        "structure_sets": [{"id": 9, "name": "b"}, {"id": 3, "name": "a"}, {"id": 9, "name": "b"}],
    }
    assert catalogue.clean_structure(row) == {
        "acronym": "VISp",
        "graph_id": 1,
        "graph_order": 185,
        "id": 385,
        "name": "Primary visual area",
        "rgb_triplet": [8, 133, 140],
        "structure_id_path": [997, 8, 567, 688, 695, 315, 669, 385],
        "structure_set_ids": [3, 9],
    }
    for record in structures:
        expected = record | {"structure_set_ids": sorted(record["structure_set_ids"])}
        assert catalogue.clean_structure(raw_structure(record)) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"color_hex_triplet": "0885"},
        {"color_hex_triplet": None},
        {"structure_id_path": "/997/8/"},
        {"structure_id_path": ""},
        {"structure_id_path": None},
    ],
)
def test_structures_that_cannot_be_right(
    wrong: dict[str, Any], structures: list[dict[str, Any]]
) -> None:
    row = raw_structure(structures[-1]) | wrong
    with pytest.raises(DataError, match="structure 170 cannot be right"):
        catalogue.clean_structure(row)


def test_an_ontology_with_a_gap(structures: list[dict[str, Any]]) -> None:
    catalogue.check_ontology(structures)
    with pytest.raises(DataError, match=r"1 structures are missing.*\n.*\n.*\[669\]"):
        catalogue.check_ontology([s for s in structures if s["id"] != 669])


@pytest.mark.parametrize(
    ("regions", "lines", "expected"),
    [
        (["VISp"], "wild type", [180296424, 307297141]),
        (["VISl"], "wild type", [307297141]),
        (["VIS"], "wild type", [180296424, 307297141]),
        (["VIS"], "any", [180296424, 297231636, 307297141]),
        (["VIS"], ["Tlx3-Cre_PL56"], [297231636]),
        (["MOp", "LGd"], "wild type", [166218353]),
        (["MOp", "LGd"], "any", [122642490, 166218353]),
        (["root"], "wild type", [166218353, 180296424, 180719293, 307297141]),
    ],
)
def test_wanted_experiments(
    regions: list[str],
    lines: Any,
    expected: list[int],
    structures: list[dict[str, Any]],
    experiments: list[dict[str, Any]],
) -> None:
    tree = StructureTree(structures)
    assert catalogue.wanted_experiments(experiments, tree, regions, lines) == expected


def test_wanted_experiments_that_are_none(
    structures: list[dict[str, Any]], experiments: list[dict[str, Any]]
) -> None:
    tree = StructureTree(structures)
    with pytest.raises(DataError, match="no tracer experiment fits") as caught:
        catalogue.wanted_experiments(experiments, tree, ["VISal"], "wild type")
    assert "fetch.transgenic_lines: any" in str(caught.value)
    with pytest.raises(ConfigError, match="did you mean Tlx3-Cre_PL56"):
        catalogue.wanted_experiments(experiments, tree, ["VIS"], ["Tlx3-Cre"])
    with pytest.raises(DataError, match="VISx"):
        catalogue.wanted_experiments(experiments, tree, ["VISx"], "any")


def test_records_of_experiments_that_allensdk_could_not_read(
    experiments: list[dict[str, Any]],
) -> None:
    assert catalogue.check_experiment(experiments[0]) is experiments[0]
    for wrong in ({"injection_structures": "/385/"}, {"injection_structures": None}):
        with pytest.raises(DataError, match="injection_structures"):
            catalogue.check_experiment(experiments[0] | wrong)
    with pytest.raises(DataError, match="transgenic_line 'Cre'"):
        catalogue.check_experiment(experiments[0] | {"transgenic_line": "Cre"})


def test_wanted_sessions(world: Path) -> None:
    rows = json.loads((world / "observatory/ophys_experiments.json").read_text())
    row = catalogue.wanted_session(rows, 501704220)
    assert row["experiment_container_id"] == 511510736
    link = catalogue.well_known_file(row, "NWBOphys")
    assert link == "/api/v2/well_known_file_download/5017042208"
    assert catalogue.well_known_file(row, "ObservatoryEventsFile") is None
    with pytest.raises(ConfigError, match="not of the Visual Coding project") as caught:
        catalogue.wanted_session(rows, 991852000)
    assert "OPHYS_1_images_A" in str(caught.value)
    with pytest.raises(ConfigError, match="there is no two-photon session 501271266") as caught:
        catalogue.wanted_session(rows, 501271266)
    assert "did you mean 501271265" in str(caught.value)


def test_fewest_rows_are_known_of_allen_only() -> None:
    query = catalogue.EXPERIMENTS
    assert catalogue.fewest_rows(query, "https://api.brain-map.org") == 2900
    assert catalogue.fewest_rows(query, "http://127.0.0.1:8000") == 1


def test_addresses() -> None:
    assert (
        catalogue.volume_url("https://api.brain-map.org", 180296424, "data_mask", 25)
        == "https://api.brain-map.org/grid_data/download_file/180296424?image=data_mask&resolution=25"
    )
    name = "annotation/ccf_2017/annotation_100.nrrd"
    assert catalogue.atlas_url("https://download.alleninstitute.org", name) == (
        "https://download.alleninstitute.org/informatics-archive/current-release/mouse_ccf/" + name
    )


def test_the_published_ontology_is_whole(shared_data: Path) -> None:
    with gzip.open(shared_data / "ccf2017/structure_graph.json.gz") as file:
        graph = json.load(file)
    waiting = [(node, "/") for node in (graph["msg"] if isinstance(graph, dict) else graph)]
    cleaned = []
    while waiting:
        node, above = waiting.pop()
        path = f"{above}{node['id']}/"
        waiting += [(child, path) for child in node["children"]]
        row = {**node, "graph_id": 1, "structure_id_path": path, "structure_sets": []}
        cleaned.append(catalogue.clean_structure(row))
    catalogue.check_ontology(cleaned)
    assert len(cleaned) >= 1300
    tree = StructureTree(cleaned)
    assert tree["VISp"]["rgb_triplet"] == [8, 133, 140]


def session_row(identifier: int, kind: str = "A", **changes: Any) -> dict[str, Any]:
    """A record of OphysExperiment, in VISp at 175 um, Cux2, with events."""
    drivers = changes.pop("lines", ["Cux2-CreERT2", "Camk2a-tTA"])
    lines = [{"name": name, "transgenic_line_type_name": "driver"} for name in drivers]
    lines.append({"name": "Ai93", "transgenic_line_type_name": "reporter"})
    events = {"well_known_file_type": {"name": "ObservatoryEventsFile"}, "download_link": "/x"}
    return {
        "id": identifier,
        "stimulus_name": f"three_session_{kind}" if len(kind) < 3 else kind,
        "experiment_container_id": 1,
        "experiment_container": {"failed": changes.pop("failed", False)},
        "imaging_depth": changes.pop("depth", 175),
        "targeted_structure": {"acronym": changes.pop("area", "VISp")},
        "specimen": {"donor": {"transgenic_lines": lines}},
        "well_known_files": [events] if changes.pop("events", True) else [],
        "fail_eye_tracking": changes.pop("blind", False),
    }


SESSIONS = [
    session_row(7, "C2"),
    session_row(1),
    session_row(2, "B"),
    session_row(3, area="VISl"),
    session_row(4, depth=375),
    session_row(5, lines=["Rorb-IRES2-Cre"]),
    session_row(6, events=False, blind=True),
    session_row(8, failed=True),
    session_row(9, "OPHYS_1_images_A"),
]


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"areas": ("VISl",)}, [3]),
        ({"depths_um": (300, 400)}, [4]),
        ({"depths_um": (175, 175), "areas": ("VISp",)}, [1, 2, 5, 6, 7]),
        ({"lines": ("Rorb-IRES2-Cre",)}, [5]),
        ({"stimuli": ("natural_scenes", "spontaneous")}, [2]),
        ({"stimuli": ("natural_movie_one",), "areas": ("VISp",), "most": 2}, [1, 2]),
        ({"stimuli": ("locally_sparse_noise_8deg",)}, [7]),
        ({"needs": ("events",)}, [1, 2, 3, 4, 5, 7]),
        ({"needs": ("eye tracking",), "most": 3}, [1, 2, 3]),
    ],
)
def test_sessions_are_selected_and_reasons_given(wanted: dict[str, Any], kept: list[int]) -> None:
    judged = catalogue.select_sessions(SESSIONS, catalogue.SessionCriteria(**wanted))
    assert [fact["experiment_id"] for fact in judged] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [fact["experiment_id"] for fact in judged if not fact["reason"]] == kept
    reasons = {fact["experiment_id"]: fact["reason"] for fact in judged}
    assert "failed the quality control" in reasons[8]


def test_all_reasons_against_a_session_are_named() -> None:
    wanted = catalogue.SessionCriteria(
        areas=("VISl",), depths_um=(100, 200), stimuli=("drifting_gratings",), needs=("events",)
    )
    odd = session_row(6, "B", depth=275, events=False)
    (*_, fact) = catalogue.select_sessions([SESSIONS[3], odd], wanted)
    assert fact["reason"] == "area VISp; depth 275 um; no drifting_gratings; no events"
    assert fact["session_type"] == "three_session_B" and fact["lines"] == [
        "Camk2a-tTA",
        "Cux2-CreERT2",
    ]
    enough = catalogue.select_sessions(SESSIONS, catalogue.SessionCriteria(most=1))
    assert enough[1]["reason"] == "1 others are enough"


def test_criteria_that_nothing_can_meet_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"(?s)'VISpp'.*session_areas.*did you mean VISp"):
        catalogue.select_sessions(SESSIONS, catalogue.SessionCriteria(areas=("VISpp",)))
    with pytest.raises(ConfigError, match=r"(?s)'natural_scene'.*did you mean natural_scenes"):
        catalogue.select_sessions(SESSIONS, catalogue.SessionCriteria(stimuli=("natural_scene",)))
    nobody = catalogue.SessionCriteria(areas=("VISl",), stimuli=("natural_scenes",))
    with pytest.raises(DataError, match=r"(?s)no two-photon session fits.*e\.g\. 1: area VISp"):
        catalogue.select_sessions(SESSIONS, nobody)
    with pytest.raises(DataError, match="none of Visual Coding"):
        catalogue.select_sessions(SESSIONS[-1:], catalogue.SessionCriteria())


def test_records_of_the_phantom_are_understood(world: Path) -> None:
    rows = json.loads((world / "observatory/ophys_experiments.json").read_text())
    judged = catalogue.select_sessions(rows, catalogue.SessionCriteria(lines=("Cux2-CreERT2",)))
    assert judged and all(fact["area"] and fact["depth_um"] for fact in judged)
