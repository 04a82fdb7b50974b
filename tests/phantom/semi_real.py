"""The semi-real case: real atlas, real injection sites and volumes, known weights.

Other stages' tests may use it: ``make_semi_real(shared_data)``.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import nrrd
import numpy as np

from mesomode.phantom.geometry import Atlas
from mesomode.phantom.ontology import VISUAL_AREAS
from mesomode.phantom.settings import Settings
from mesomode.phantom.tracing import PhantomTracing, make_tracing


def real_structures(shared_data: Path) -> list[dict[str, Any]]:
    """The real ontology as cleaned structure records."""
    with gzip.open(shared_data / "ccf2017" / "structure_graph.json.gz", "rt") as file:
        graph = json.load(file)
    records: list[dict[str, Any]] = []

    def add(node: dict[str, Any], path: list[int]) -> None:
        path = [*path, node["id"]]
        colour = node["color_hex_triplet"]
        records.append(
            {
                "acronym": node["acronym"],
                "graph_id": 1,
                "graph_order": node["graph_order"],
                "id": node["id"],
                "name": node["name"],
                "rgb_triplet": [int(colour[k : k + 2], 16) for k in (0, 2, 4)],
                "structure_id_path": path,
                "structure_set_ids": [],
            }
        )
        for child in node["children"]:
            add(child, path)

    for root in graph["msg"]:
        add(root, [])
    return records


def real_atlas(shared_data: Path) -> Atlas:
    """The real annotation and template at 100 µm."""
    folder = shared_data / "ccf2017"
    annotation, _ = nrrd.read(str(folder / "annotation_100.nrrd"), index_order="F")
    template, _ = nrrd.read(str(folder / "average_template_100.nrrd"), index_order="F")
    return Atlas(annotation, template.astype(np.uint16), real_structures(shared_data))


def real_injections(shared_data: Path, atlas: Atlas) -> list[dict[str, Any]]:
    """Wild-type experiments whose main injection lies in a visual area, below 0.7 mm³."""
    file = shared_data / "mca_experiments" / "experiments.json"
    areas = {s["id"] for s in atlas.structures if s["acronym"] in VISUAL_AREAS}
    return [
        {
            "id": record["id"],
            "injection_volume": record["injection_volume"],
            **{f"injection_{axis}": record[f"centroid_{axis}"] for axis in "xyz"},
        }
        for record in json.loads(file.read_text()).values()
        if record["structure_id"] in areas and record["injection_volume"] < 0.7
    ]


def make_semi_real(shared_data: Path, seed: int = 1, **settings: Any) -> PhantomTracing:
    """Tracer experiments at real places in the real atlas, on known weights.

    Parameters
    ----------
    shared_data : Path
        The fixture of that name.
    seed : int
    **settings
        Of the section ``phantom``, for example ``noise=0.0``.
    """
    atlas = real_atlas(shared_data)
    injections = real_injections(shared_data, atlas)
    return make_tracing(Settings(**settings), seed, atlas=atlas, injections=injections)
