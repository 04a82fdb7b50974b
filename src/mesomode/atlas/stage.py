"""The stage ``atlas``: annotation and ontology → ``atlas.zarr``."""

from __future__ import annotations

import json

from mesomode.atlas.settings import VISUAL_AREAS, Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, write_store

POSITION = "centre of the voxel along ap, dv, ml"
SCHEMA = Schema(
    "atlas",
    {
        "ap": Variable(("ap",), "float32", "um", "anterior to posterior position"),
        "dv": Variable(("dv",), "float32", "um", "superior to inferior position"),
        "ml": Variable(("ml",), "float32", "um", "left to right position"),
        "annotation": Variable(("ap", "dv", "ml"), "uint32", "1", "structure id, 0 outside"),
        "template": Variable(("ap", "dv", "ml"), "uint16", "1", "average template intensity"),
        "source_voxel": Variable(("source", "axis"), "int32", "1", "index [ap, dv, ml]"),
        "source_position": Variable(("source", "axis"), "float32", "um", POSITION),
        "source_region": Variable(("source",), "int64", "1", "id of the region it lies in"),
        "target_voxel": Variable(("target", "axis"), "int32", "1", "index [ap, dv, ml]"),
        "target_position": Variable(("target", "axis"), "float32", "um", POSITION),
        "target_region": Variable(("target",), "int64", "1", "id of the region it lies in"),
        "target_hemisphere": Variable(
            ("target",),
            "int8",
            "1",
            "side relative to the injection",
            flags=("none", "ipsilateral", "contralateral"),
        ),
    },
)


@step
def atlas(*, raw: Input, out: Output, settings: Settings, provenance: Provenance) -> None:
    """Make the voxel grids of the source and target regions.

    Parameters
    ----------
    raw : Path
        ``connectivity.h5`` of a reader.
    out : Path
        ``atlas.zarr``.

    Raises
    ------
    DataError
        A region is unknown, overlaps another, or has no voxel.
    """
    import h5py
    import numpy as np
    import xarray as xr

    from mesomode import ccf
    from mesomode.atlas.grids import hemisphere_voxels, ome_metadata, region_volume
    from mesomode.citations import data_terms
    from mesomode.errors import DataError

    chosen = settings.regions or VISUAL_AREAS
    with h5py.File(raw, "r") as file:
        resolution = int(file.attrs["resolution_um"])
        tree = ccf.StructureTree(json.loads(file["structures"][()]))
        annotation = file["annotation"][:]
        template = file["template"][:]
        origin = data_terms(str(file.attrs["source"]))
    regions = region_volume(annotation, tree.region_of(chosen))
    source, source_region = hemisphere_voxels(regions, resolution, ccf.RIGHT)
    target, target_region = source, source_region
    hemisphere = np.full(len(source), ccf.RIGHT, np.int8)
    if settings.target_hemispheres == "both":
        left, left_region = hemisphere_voxels(regions, resolution, ccf.LEFT)
        target = np.concatenate([source, left])
        target_region = np.concatenate([source_region, left_region])
        hemisphere = np.concatenate([hemisphere, np.full(len(left), ccf.LEFT, np.int8)])
    table = []
    for acronym in chosen:
        record = tree[acronym]
        count = int(np.sum(source_region == record["id"]))
        if count == 0:
            raise DataError(
                f"the region {acronym!r} has no voxel in the right hemisphere",
                where="config key atlas.regions",
                why="the annotation at this resolution does not contain it",
                remedy="remove it from the list or choose a finer resolution",
            )
        table.append(
            {
                "id": int(record["id"]),
                "acronym": acronym,
                "name": record["name"],
                "rgb": [int(value) for value in record["rgb_triplet"]],
                "sources": count,
                "targets": int(np.sum(target_region == record["id"])),
            }
        )
    logger.info(
        "%d source voxels, %d target voxels in %d regions", len(source), len(target), len(table)
    )
    axis = {
        name: ((np.arange(size) + 0.5) * resolution).astype(np.float32)
        for name, size in zip(ccf.AXES, annotation.shape, strict=True)
    }
    dataset = xr.Dataset(
        {
            "annotation": (ccf.AXES, annotation),
            "template": (ccf.AXES, template),
            "source_voxel": (("source", "axis"), source),
            "source_position": (("source", "axis"), ccf.voxel_positions(source, resolution)),
            "source_region": ("source", source_region),
            "target_voxel": (("target", "axis"), target),
            "target_position": (("target", "axis"), ccf.voxel_positions(target, resolution)),
            "target_region": ("target", target_region),
            "target_hemisphere": ("target", hemisphere),
        },
        coords=axis,
        attrs={
            **origin,
            "resolution_um": resolution,
            "regions": table,
            "ome": ome_metadata(resolution, ("template", "annotation")),
        },
    )
    write_store(out, dataset, SCHEMA, provenance)
