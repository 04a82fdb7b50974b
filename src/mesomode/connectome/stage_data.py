"""The stage ``connectome``, what its steps share: the reading of atlas and tracing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mesomode.connectome.schemas import SCHEMA
from mesomode.connectome.settings import Settings
from mesomode.steps import Input, logger
from mesomode.store import open_store

if TYPE_CHECKING:
    from mesomode.connectome.experiments import Experiments
    from mesomode.connectome.models import Grid

GRID = ("source_voxel", "source_region", "target_voxel", "target_region", "target_hemisphere")
"""Variables that a fitted connectome takes over from the atlas."""


def read(
    atlas: Input, tracing: Input, settings: Settings
) -> tuple[Grid, Experiments, dict[str, Any]]:
    """Voxels, experiments, and what else a connectome's store takes over."""
    import numpy as np

    from mesomode.connectome.experiments import Experiments, Groups
    from mesomode.connectome.models import Grid

    with open_store(atlas) as store:
        taken = {name: store[name].values for name in GRID}
        regions = store.attrs["regions"]
        resolution = float(store.attrs["resolution_um"])
    groups = Groups.of(taken)
    grid = Grid(
        taken["source_voxel"],
        taken["target_voxel"],
        groups.source,
        groups.target,
        resolution,
        settings.boundaries == "regional",
    )
    with open_store(tracing) as store:
        experiments = Experiments(
            store["injection_density"].values.astype(np.float64),
            store["projection_density"].values.astype(np.float64),
            store["observed"].values.astype(np.bool_),
            store["primary_region"].values,
            groups,
        )
        ids = store["experiment"].values
    dims = {name: SCHEMA.variables[name].dims for name in GRID}
    kept = {"experiment": ids, **{name: (dims[name], taken[name]) for name in GRID}, **groups.table}
    logger.info(
        "%d target voxels, %d source voxels, %d experiments",
        len(groups.target),
        len(groups.source),
        experiments.count,
    )
    return grid, experiments, {"variables": kept, "attrs": {"regions": regions}}


def limit_threads(threads: int) -> None:
    """Let the compiled loops use no more threads than the job has."""
    import numba

    numba.set_num_threads(max(1, min(threads, numba.config.NUMBA_NUM_THREADS)))
