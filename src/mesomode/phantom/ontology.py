"""The few structures of the Allen ontology that the phantom's atlas is made of.

Ids, acronyms, names, parents, order and colours are those of the Allen Mouse
Brain Reference Atlas ontology (graph 1), so that the phantom's files name real
structures.
"""

from __future__ import annotations

from typing import Any

LAYERS = ("1", "2/3", "4", "5", "6a", "6b")
"""Cortical layers, from the surface to the white matter."""
LAYER_BOTTOMS = (0.14, 0.40, 0.52, 0.75, 0.93, 1.0)
"""Depth of each layer's lower border, as a fraction of the cortex's thickness."""

SUMMARY, OBSERVATORY = 167587189, 514166994
"""Structure sets: the connectivity atlas' summary structures; the observatory's targets."""

VISUAL_AREAS = (
    "VISp", "VISl", "VISal", "VISpl", "VISpm", "VISli", "VISpor", "VISam", "VISa", "VISrl",
)  # fmt: skip
"""The ten areas of the published voxel-scale connectome."""

# id, acronym, name, parent's id, order in the graph, colour
NODES = (
    (997, "root", "root", None, 0, "FFFFFF"),
    (8, "grey", "Basic cell groups and regions", 997, 1, "BFDAE3"),
    (567, "CH", "Cerebrum", 8, 2, "B0F0FF"),
    (688, "CTX", "Cerebral cortex", 567, 3, "B0FFB8"),
    (695, "CTXpl", "Cortical plate", 688, 4, "70FF70"),
    (315, "Isocortex", "Isocortex", 695, 5, "70FF71"),
    (500, "MO", "Somatomotor areas", 315, 12, "1F9D5A"),
    (453, "SS", "Somatosensory areas", 315, 30, "188064"),
    (322, "SSp", "Primary somatosensory area", 453, 37, "188064"),
    (247, "AUD", "Auditory areas", 315, 121, "019399"),
    (669, "VIS", "Visual areas", 315, 157, "08858C"),
    (254, "RSP", "Retrosplenial area", 315, 297, "1AA698"),
    (22, "PTLp", "Posterior parietal association areas", 315, 339, "009FAC"),
    (1089, "HPF", "Hippocampal formation", 695, 454, "7ED04B"),
    (1080, "HIP", "Hippocampal region", 1089, 455, "7ED04B"),
    (375, "CA", "Ammon's horn", 1080, 456, "7ED04B"),
    (382, "CA1", "Field CA1", 375, 457, "7ED04B"),
    (623, "CNU", "Cerebral nuclei", 567, 570, "98D6F9"),
    (477, "STR", "Striatum", 623, 571, "98D6F9"),
    (485, "STRd", "Striatum dorsal region", 477, 572, "98D6F9"),
    (672, "CP", "Caudoputamen", 485, 573, "98D6F9"),
    (343, "BS", "Brain stem", 8, 639, "FF7080"),
    (1129, "IB", "Interbrain", 343, 640, "FF7080"),
    (549, "TH", "Thalamus", 1129, 641, "FF7080"),
    (864, "DORsm", "Thalamus, sensory-motor cortex related", 549, 642, "FF8084"),
    (1008, "GENd", "Geniculate group, dorsal thalamus", 864, 657, "FF8084"),
    (170, "LGd", "Dorsal part of the lateral geniculate complex", 1008, 662, "FF8084"),
    (1097, "HY", "Hypothalamus", 1129, 715, "E64438"),
    (313, "MB", "Midbrain", 343, 806, "FF64FF"),
    (512, "CB", "Cerebellum", 8, 1014, "F0F080"),
    (1009, "fiber tracts", "fiber tracts", 997, 1101, "CCCCCC"),
    (73, "VS", "ventricular systems", 997, 1292, "AAAAAA"),
)
# id, acronym, name, parent's id, order in the graph, colour, ids of the layers (None: absent)
AREAS = (
    (985, "MOp", "Primary motor area", 500, 18, "1F9D5A", (320, 943, None, 648, 844, 882)),
    (993, "MOs", "Secondary motor area", 500, 24, "1F9D5A", (656, 962, None, 767, 1021, 1085)),
    (329, "SSp-bfd", "Primary somatosensory area, barrel field", 322, 51, "188064",
     (981, 201, 1047, 1070, 1038, 1062)),
    (361, "SSp-tr", "Primary somatosensory area, trunk", 322, 86, "188064",
     (1006, 670, 1086, 1111, 9, 461)),
    (1002, "AUDp", "Primary auditory area", 247, 136, "019399", (735, 251, 816, 847, 954, 1005)),
    (402, "VISal", "Anterolateral visual area", 669, 164, "08858C",
     (1074, 905, 1114, 233, 601, 649)),
    (394, "VISam", "Anteromedial visual area", 669, 171, "08858C",
     (281, 1066, 401, 433, 1046, 441)),
    (409, "VISl", "Lateral visual area", 669, 178, "08858C", (421, 973, 573, 613, 74, 121)),
    (385, "VISp", "Primary visual area", 669, 185, "08858C", (593, 821, 721, 778, 33, 305)),
    (425, "VISpl", "Posterolateral visual area", 669, 192, "08858C",
     (750, 269, 869, 902, 377, 393)),
    (533, "VISpm", "posteromedial visual area", 669, 199, "08858C", (805, 41, 501, 565, 257, 469)),
    (312782574, "VISli", "Laterointermediate area", 669, 206, "08858C",
     (312782578, 312782582, 312782586, 312782590, 312782594, 312782598)),
    (312782628, "VISpor", "Postrhinal area", 669, 213, "08858C",
     (312782632, 312782636, 312782640, 312782644, 312782648, 312782652)),
    (894, "RSPagl", "Retrosplenial area, lateral agranular part", 254, 298, "1AA698",
     (671, 965, None, 774, 906, 279)),
    (312782546, "VISa", "Anterior area", 22, 346, "009FAC",
     (312782550, 312782554, 312782558, 312782562, 312782566, 312782570)),
    (417, "VISrl", "Rostrolateral visual area", 22, 353, "009FAC",
     (312782604, 312782608, 312782612, 312782616, 312782620, 312782624)),
    (541, "TEa", "Temporal association areas", 315, 360, "15B0B3",
     (97, 1127, 234, 289, 729, 786)),
)  # fmt: skip


def layer_ids(acronym: str) -> tuple[int | None, ...]:
    """Ids of a cortical area's layers 1, 2/3, 4, 5, 6a, 6b; None where it has no such layer."""
    return next(area[6] for area in AREAS if area[1] == acronym)


def structure_records() -> list[dict[str, Any]]:
    """All structures of the phantom, as Allen's cleaned records.

    Returns
    -------
    list of dict
        Keys ``acronym``, ``graph_id``, ``graph_order``, ``id``, ``name``,
        ``rgb_triplet``, ``structure_id_path`` (from the root to the structure
        itself) and ``structure_set_ids``; sorted by ``graph_order``.
    """
    rows = list(NODES)
    for identifier, acronym, name, parent, order, colour, layers in AREAS:
        rows.append((identifier, acronym, name, parent, order, colour))
        present = [(i, layer) for i, layer in zip(layers, LAYERS, strict=True) if i is not None]
        for step, (layer_id, layer) in enumerate(present, start=1):
            title = f"{name}, layer {layer}"
            rows.append((layer_id, acronym + layer, title, identifier, order + step, colour))
    parents = {row[0]: row[3] for row in rows}
    areas = {area[0] for area in AREAS}
    whole = areas | {382, 672, 170, 1097, 313, 512, 1009}
    observatory = {area[0] for area in AREAS if area[1] in VISUAL_AREAS}
    records = []
    for identifier, acronym, name, _, order, colour in rows:
        path = [identifier]
        while (above := parents[path[0]]) is not None:
            path.insert(0, above)
        sets = [SUMMARY] * (identifier in whole) + [OBSERVATORY] * (identifier in observatory)
        records.append(
            {
                "acronym": acronym,
                "graph_id": 1,
                "graph_order": order,
                "id": identifier,
                "name": name,
                "rgb_triplet": [int(colour[k : k + 2], 16) for k in (0, 2, 4)],
                "structure_id_path": path,
                "structure_set_ids": sets,
            }
        )
    return sorted(records, key=lambda record: record["graph_order"])
