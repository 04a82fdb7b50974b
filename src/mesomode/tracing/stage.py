"""The stage ``tracing``: tracer experiments on the grids of the atlas → ``tracing.zarr``."""

from __future__ import annotations

import json

from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, open_store, write_store
from mesomode.tracing.selection import REASONS
from mesomode.tracing.settings import Settings

SCHEMA = Schema(
    "tracing",
    {
        "experiment": Variable(("experiment",), "int64", "1", "id of the experiment"),
        "injection_density": Variable(
            ("source", "experiment"), "float32", "1", "X: injected fraction of the voxel"
        ),
        "projection_density": Variable(
            ("target", "experiment"),
            "float32",
            "1",
            "Y: labelled fraction of the voxel; NaN where it was not observed",
        ),
        "observed": Variable(("target", "experiment"), "bool", "1", "Omega: whether Y is known"),
        "injection_centroid": Variable(
            ("experiment", "axis"), "float32", "um", "centre of the injection [ap, dv, ml]"
        ),
        "injection_volume": Variable(("experiment",), "float32", "mm3", "injected volume"),
        "fraction_inside": Variable(
            ("experiment",), "float32", "1", "part of the injection inside the source regions"
        ),
        "primary_region": Variable(
            ("experiment",), "int64", "1", "id of the region that holds most of the injection"
        ),
        "flipped": Variable(
            ("experiment",), "bool", "1", "injected in the left hemisphere and mirrored"
        ),
        "candidate": Variable(("candidate",), "int64", "1", "id of every experiment looked at"),
        "candidate_reason": Variable(
            ("candidate",), "int8", "1", "kept, or why not", flags=REASONS
        ),
        "candidate_fraction_inside": Variable(
            ("candidate",),
            "float32",
            "1",
            "part of the injection inside the source regions; NaN where it was not computed",
        ),
        "candidate_volume": Variable(("candidate",), "float32", "mm3", "injected volume"),
    },
)


@step
def tracing(
    *, raw: Input, atlas: Input, out: Output, settings: Settings, provenance: Provenance
) -> None:
    """Put the chosen tracer experiments on the voxel grids: X, Y and Ω.

    Parameters
    ----------
    raw : Path
        ``connectivity.h5`` of a reader.
    atlas : Path
        ``atlas.zarr``.
    out : Path
        ``tracing.zarr``.

    Raises
    ------
    DataError
        A volume holds NaN, has another shape than the atlas, or no experiment
        is left; the message counts the reasons.
    """
    import h5py
    import numpy as np
    import xarray as xr

    from mesomode import ccf
    from mesomode.errors import DataError
    from mesomode.progress import Progress
    from mesomode.tracing.sampling import VOLUMES, sample_experiment
    from mesomode.tracing.selection import reason_by_injection, reason_by_record

    with open_store(atlas) as grid:
        source_voxel = grid["source_voxel"].values
        target_voxel = grid["target_voxel"].values
        source_region = grid["source_region"].values
        resolution = int(grid.attrs["resolution_um"])
        regions = grid.attrs["regions"]
        shape = grid["annotation"].shape
    midline = ccf.EXTENT_UM[2] / 2
    kept, columns, reasons, inside = [], [], [], []
    with h5py.File(raw, "r") as file:
        records = sorted(json.loads(file["experiments"][()]), key=lambda record: record["id"])
        progress = Progress(logger, "experiments", len(records), "experiments")
        for record in records:
            progress.update()
            group = file["volumes"].get(str(record["id"]))
            reason = reason_by_record(
                record,
                fetched=group is not None,
                exclude=settings.exclude,
                transgenic_lines=settings.transgenic_lines,
                maximum_injection_volume=settings.maximum_injection_volume,
            )
            fraction = float("nan")
            if reason == "kept":
                volumes = {name: group[name][:] for name in VOLUMES}
                flip = record["injection_z"] < midline
                where = f"experiment {record['id']} in {raw}"
                for name, volume in volumes.items():
                    if volume.shape != shape:
                        raise DataError(
                            f"the volume {name!r} does not fit the atlas",
                            where=where,
                            why=f"its shape is {volume.shape}, the atlas has {shape}",
                            remedy="fetch both at the same resolution (fetch.resolution_um)",
                        )
                try:
                    column = sample_experiment(
                        volumes,
                        source_voxel,
                        target_voxel,
                        flip=flip,
                        injection_shell=settings.injection_shell,
                        data_mask_threshold=settings.data_mask_threshold,
                        resolution_um=resolution,
                    )
                except DataError as error:
                    raise DataError(error.what, where=where, remedy=error.remedy) from error
                reason = reason_by_injection(
                    column.injection_total,
                    column.injection_inside,
                    int(np.sum(column.injection_density > 0)),
                    minimum_fraction_inside=settings.minimum_fraction_inside,
                    minimum_injection_voxels=settings.minimum_injection_voxels,
                )
                if column.injection_total > 0:
                    fraction = column.injection_inside / column.injection_total
                if reason == "kept":
                    kept.append((record, flip, fraction))
                    columns.append(column)
                elif reason == "empty_injection":
                    logger.warning("experiment %d has an empty injection", record["id"])
            reasons.append(REASONS.index(reason))
            inside.append(fraction)
    counts = {name: reasons.count(i) for i, name in enumerate(REASONS) if i in reasons}
    summary = ", ".join(f"{count} {name}" for name, count in counts.items())
    logger.info("of %d experiments: %s", len(records), summary)
    if not kept:
        raise DataError(
            "no tracer experiment is left after the selection",
            where=raw,
            why=f"of {len(records)} experiments: {summary}",
            remedy="loosen the section tracing of the configuration "
            "(minimum_fraction_inside, maximum_injection_volume, transgenic_lines) or "
            "widen atlas.regions",
        )
    injection = np.stack([column.injection_density for column in columns], axis=1)
    ids = np.array([region["id"] for region in regions])
    mass = np.stack([injection[source_region == i].sum(axis=0) for i in ids])
    dataset = xr.Dataset(
        {
            "injection_density": (("source", "experiment"), injection),
            "projection_density": (
                ("target", "experiment"),
                np.stack([column.projection_density for column in columns], axis=1),
            ),
            "observed": (
                ("target", "experiment"),
                np.stack([column.observed for column in columns], axis=1),
            ),
            "injection_centroid": (
                ("experiment", "axis"),
                np.stack([column.centroid for column in columns]),
            ),
            "injection_volume": (
                "experiment",
                np.array([record["injection_volume"] for record, _, _ in kept], np.float32),
            ),
            "fraction_inside": ("experiment", np.array([f for _, _, f in kept], np.float32)),
            "primary_region": ("experiment", ids[mass.argmax(axis=0)].astype(np.int64)),
            "flipped": ("experiment", np.array([flip for _, flip, _ in kept])),
            "candidate_reason": ("candidate", np.array(reasons, np.int8)),
            "candidate_fraction_inside": ("candidate", np.array(inside, np.float32)),
            "candidate_volume": (
                "candidate",
                np.array([record["injection_volume"] for record in records], np.float32),
            ),
        },
        coords={
            "experiment": np.array([record["id"] for record, _, _ in kept], np.int64),
            "candidate": np.array([record["id"] for record in records], np.int64),
        },
        attrs={"selection": counts, "regions": regions},
    )
    write_store(out, dataset, SCHEMA, provenance)
