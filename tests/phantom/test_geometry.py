"""The synthetic brain: areas and their borders, symmetry, mirror-reversed maps."""

import csv

import numpy as np
import pytest

from mesomode import ccf
from mesomode.phantom.geometry import (
    SHAPE,
    area_layout,
    power_border,
    power_cell,
    synthetic_brain,
)
from mesomode.phantom.ontology import VISUAL_AREAS, layer_ids, structure_records
from mesomode.phantom.presets import PRESETS
from mesomode.phantom.region import PARENT, tangent_coordinates


@pytest.fixture(scope="module")
def small():
    return synthetic_brain(PRESETS["small"])


@pytest.mark.parametrize(
    ("size", "low", "high"),
    [("tiny", 200, 300), ("small", 1300, 1700), ("medium", 3000, 4000), ("visual", 7000, 8000)],
)
def test_size_and_areas_of_each_preset(size, low, high):
    atlas, region = synthetic_brain(PRESETS[size])
    assert atlas.annotation.shape == SHAPE == (132, 80, 114)
    assert low <= len(region) <= high
    counts = np.bincount(region.area, minlength=len(region.areas))
    assert (counts >= 20).all()
    assert region.areas[int(np.argmax(counts))] == "VISp"
    assert 0.35 < counts.max() / len(region) < 0.6  # VISp is 45 % of the real visual cortex


def test_ids_and_paths_are_those_of_the_real_ontology(shared_data):
    with open(shared_data / "ccf2017" / "structures.csv", newline="") as file:
        real = {int(row["id"]): row for row in csv.DictReader(file)}
    for record in structure_records():
        row = real[record["id"]]
        assert record["acronym"] == row["acronym"]
        path = "/" + "/".join(map(str, record["structure_id_path"])) + "/"
        assert path == row["structure_id_path"]
        assert record["graph_order"] == int(row["graph_order"])
        assert "{:02X}{:02X}{:02X}".format(*record["rgb_triplet"]) == row["rgb_hex"]


def test_ontology_is_a_tree_with_the_ten_areas():
    records = structure_records()
    tree = ccf.StructureTree(records)
    assert len(tree.by_id) == len(tree.by_acronym) == len(records)
    owner = tree.region_of(VISUAL_AREAS)
    assert len(owner) == 70  # each area and its six layers
    for record in records:
        assert set(record["structure_id_path"]) <= set(tree.by_id)
        assert record["structure_id_path"][-1] == record["id"]


def test_annotation_carries_layer_leaves_of_the_ontology(small):
    atlas, region = small
    tree = ccf.StructureTree(atlas.structures)
    present = set(np.unique(atlas.annotation)) - {0}
    assert present <= set(tree.by_id)
    owner = tree.region_of(region.areas)
    at = atlas.annotation[tuple(region.voxels.T)]
    named = np.array([tree.by_id[owner[int(s)]]["acronym"] for s in at])
    assert (named == np.array(region.areas)[region.area]).all()
    for name in region.areas:
        assert not (at == int(tree[name]["id"])).any()  # leaves only
    # the right hemisphere of the areas is the region, nothing more
    mask = np.isin(atlas.annotation, list(owner))
    assert mask[:, :, SHAPE[2] // 2 :].sum() == len(region)
    others = {tree.by_id[int(s)]["acronym"] for s in present - set(owner)}
    assert {"fiber tracts", "CP", "TH", "HY", "MB", "CB", "VS"} <= others


def test_hemispheres_mirror_each_other(small):
    atlas, _ = small
    for volume in (atlas.annotation, atlas.template):
        np.testing.assert_array_equal(volume, ccf.flip_hemispheres(volume))
    assert atlas.template.dtype == np.uint16 and atlas.annotation.dtype == np.uint32


def test_region_lies_where_the_mouse_has_its_visual_cortex(small):
    _, region = small
    assert ccf.is_right(region.voxels[:, 2], 100).all()
    ap, dv, ml = region.voxels.mean(0)
    assert 75 < ap < 100 and dv < 25 and 70 < ml < 100
    # in the order of the flattened volume
    flat = np.ravel_multi_index(region.voxels.T, SHAPE)
    assert (np.diff(flat) > 0).all()


def test_layers_lie_in_order_below_each_other(small):
    atlas, region = small
    at = atlas.annotation[tuple(region.voxels.T)]
    primary = region.area == 0
    mean_depth = [region.depth[primary & (at == leaf)].mean() for leaf in layer_ids("VISp")]
    assert (np.diff(mean_depth) > 0).all()
    assert region.depth.min() >= 0 and region.depth.max() < 1


def test_borders_are_where_the_power_diagram_puts_them(small):
    _, region = small
    centres, weights = area_layout(PRESETS["small"])
    for number in range(1, len(region.areas)):
        edge = power_border(centres, weights, number, 0)
        child = (region.sheet[region.area == number] - edge.point) @ edge.normal
        parent = (region.sheet[region.area == 0] - edge.point) @ edge.normal
        assert child.min() >= 0 and parent.max() <= 0


def test_power_cell_without_weights_is_the_nearest_centre():
    rng = np.random.default_rng(3)
    points, centres = rng.normal(size=(200, 2)), rng.normal(size=(6, 2))
    distance = ((points[:, None] - centres) ** 2).sum(-1)
    np.testing.assert_array_equal(power_cell(points, centres, np.zeros(6)), distance.argmin(1))


def test_maps_agree_at_the_border_and_reverse_across_it(small):
    """VISl's map is VISp's of the mirrored point: equal at the border, opposite handedness."""
    _, region = small
    centres, weights = area_layout(PRESETS["small"])
    child, parent = region.areas.index("VISl"), region.areas.index("VISp")
    edge = power_border(centres, weights, child, parent)
    across = (region.sheet - edge.point) @ edge.normal
    near = (np.abs(across) < 0.25) & np.isin(region.area, (child, parent))
    assert near.sum() >= 3
    gap = region.retinotopy[near, child] - region.retinotopy[near, parent]
    slope = np.abs(np.gradient(region.retinotopy[:, parent, 0])).max()
    assert np.abs(gap).max() < 0.25 * 3 * slope

    def handedness(number):
        mine = region.area == number
        design = np.column_stack([region.sheet[mine], np.ones(mine.sum())])
        jacobian = np.linalg.lstsq(design, region.retinotopy[mine, number], rcond=None)[0][:2]
        return np.sign(np.linalg.det(jacobian))

    for number, name in enumerate(region.areas):
        generation, up = 0, name
        while up != "VISp":
            generation, up = generation + 1, PARENT[up]
        assert handedness(number) == handedness(parent) * (-1) ** generation


def test_visual_field_is_covered_smoothly(small):
    _, region = small
    field = region.visual_field()[region.area == 0]
    assert 60 < np.ptp(field[:, 0]) < 130
    # neighbouring voxels see neighbouring places
    voxels = region.voxels[region.area == 0]
    step = np.abs(voxels[:, None] - voxels).sum(-1) == 1
    i, j = np.nonzero(step)
    assert np.abs(field[i] - field[j]).max() < 20


def test_soft_membership_is_a_partition(small):
    _, region = small
    np.testing.assert_allclose(region.membership.sum(1), 1)
    assert region.membership.min() == 0
    own = region.membership[np.arange(len(region)), region.area]
    assert np.median(own) > 0.6


def test_tangent_coordinates_of_a_sphere():
    """Around the top of a sphere: direction kept, straight distance as the length."""
    angle = np.linspace(0.1, 1.0, 5)
    points = 10 * np.column_stack([np.sin(angle), -np.cos(angle), np.zeros(5)])
    top = np.array([0.0, -10.0, 0.0])
    sheet = tangent_coordinates(points, top, np.array([0.0, -2.0, 0.0]))
    np.testing.assert_allclose(sheet[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(sheet[:, 1], 20 * np.sin(angle / 2))
