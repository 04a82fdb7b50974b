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
