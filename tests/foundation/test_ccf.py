"""Axes, hemispheres and structures; landmarks of the real atlas."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from mesomode import ccf
from mesomode.errors import DataError

RECORDS = [
    {"id": 997, "acronym": "root", "structure_id_path": [997]},
    {"id": 669, "acronym": "VIS", "structure_id_path": [997, 669]},
    {"id": 385, "acronym": "VISp", "structure_id_path": [997, 669, 385]},
    {"id": 593, "acronym": "VISp1", "structure_id_path": [997, 669, 385, 593]},
    {"id": 409, "acronym": "VISl", "structure_id_path": [997, 669, 409]},
]


def test_shapes_of_all_resolutions() -> None:
    assert ccf.SHAPES == {
        10: (1320, 800, 1140),
        25: (528, 320, 456),
        50: (264, 160, 228),
        100: (132, 80, 114),
    }


def test_flipping_twice_is_the_identity_and_swaps_hemispheres() -> None:
    volume = np.random.default_rng(0).random(ccf.SHAPES[100])
    np.testing.assert_array_equal(ccf.flip_hemispheres(ccf.flip_hemispheres(volume)), volume)
    ml = np.arange(114)
    right = ccf.is_right(ml, 100)
    assert right.sum() == 57
    np.testing.assert_array_equal(right[::-1], ~right)


def test_positions_are_voxel_centres() -> None:
    found = ccf.voxel_positions(np.array([[0, 1, 113]]), 100)
    np.testing.assert_array_equal(found, [[50, 150, 11350]])


def test_regions_own_their_descendants() -> None:
    tree = ccf.StructureTree(RECORDS)
    np.testing.assert_array_equal(tree.descendants(385), [385, 593])
    assert tree.region_of(["VISp", "VISl"]) == {385: 385, 593: 385, 409: 409}


def test_unknown_and_overlapping_regions_are_refused() -> None:
    tree = ccf.StructureTree(RECORDS)
    with pytest.raises(DataError, match="'VISpp'") as caught:
        tree["VISpp"]
    assert "did you mean VISp" in str(caught.value)
    assert "atlas.regions" in str(caught.value)
    with pytest.raises(DataError, match="'VIS' and 'VISp' overlap"):
        tree.region_of(["VIS", "VISp"])


def real_atlas(shared_data: Path) -> tuple[np.ndarray, ccf.StructureTree]:
    import nrrd

    annotation, _ = nrrd.read(str(shared_data / "ccf2017/annotation_100.nrrd"), index_order="F")
    with gzip.open(shared_data / "ccf2017/structure_graph.json.gz") as file:
        root = json.load(file)["msg"][0]
    records, queue = [], [(root, [])]
    while queue:
        node, above = queue.pop()
        path = [*above, node["id"]]
        records.append({**node, "structure_id_path": path, "children": None})
        queue += [(child, path) for child in node["children"]]
    return annotation, ccf.StructureTree(records)


@pytest.mark.parametrize(
    ("acronym", "axis", "low", "high"),
    [
        ("VISp", "ap", 0.55, 0.80),  # visual cortex is posterior
        ("MOp", "ap", 0.20, 0.50),  # motor cortex is anterior of it
        ("MOB", "ap", 0.00, 0.25),  # the olfactory bulb is in front
        ("CB", "ap", 0.70, 1.00),  # the cerebellum is behind
        ("VISp", "dv", 0.05, 0.35),  # cortex is superior
        ("HY", "dv", 0.60, 0.95),  # the hypothalamus is inferior
    ],
)
def test_known_structures_lie_where_they_should(shared_data, acronym, axis, low, high) -> None:
    annotation, tree = real_atlas(shared_data)
    assert annotation.shape == ccf.SHAPES[100]
    inside = np.isin(annotation, tree.descendants(tree[acronym]["id"]))
    number = ccf.AXES.index(axis)
    centre = np.argwhere(inside)[:, number].mean() / annotation.shape[number]
    assert low < centre < high


def test_the_real_atlas_is_symmetric_about_the_midline(shared_data) -> None:
    annotation, _ = real_atlas(shared_data)
    left, right = annotation[:, :, :57] > 0, annotation[:, :, 57:] > 0
    assert abs(left.sum() / right.sum() - 1) < 0.02
