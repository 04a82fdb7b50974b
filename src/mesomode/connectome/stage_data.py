"""The stage ``connectome``, what its steps share: the reading of atlas, tracing and eigenmodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mesomode.connectome.schemas import EIGENMODES_SCHEMA, SCHEMA
from mesomode.connectome.settings import Settings
from mesomode.errors import DataError
from mesomode.steps import Input, logger
from mesomode.store import open_store

if TYPE_CHECKING:
    from mesomode.connectome.experiments import Experiments, Groups
    from mesomode.connectome.grid import Grid

GRID = ("source_voxel", "source_region", "target_voxel", "target_region", "target_hemisphere")
"""Variables that a fitted connectome takes over from the atlas."""


def read_grid(atlas: Input, settings: Settings) -> tuple[Grid, Groups, dict[str, Any]]:
    """Voxels, their groups, and what else a connectome's store takes over from the atlas."""
    from mesomode.connectome.experiments import Groups
    from mesomode.connectome.grid import Grid

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
    dims = {name: SCHEMA.variables[name].dims for name in GRID}
    variables = {**{name: (dims[name], taken[name]) for name in GRID}, **groups.table}
    return grid, groups, {"variables": variables, "attrs": {"regions": regions}}


def with_eigenmodes(grid: Grid, eigenmodes: Input) -> Grid:
    """The grid with the eigenmodes that the step ``connectome_eigenmodes`` stored.

    Raises
    ------
    DataError
        They are those of another grid.
    """
    import numpy as np

    from mesomode.connectome.laplacian import component_labels
    from mesomode.connectome.spectral import SpectralBasis

    bases: list[SpectralBasis] = []
    with open_store(eigenmodes, EIGENMODES_SCHEMA) as store:
        for side, laplacian in zip(("source", "target"), grid.laplacians, strict=True):
            same = f"{side}_component" not in store  # as the source grid
            labels = store[f"{'source' if same else side}_component"].values
            voxels = getattr(grid, f"{side}_voxel")
            # voxels and their components say which of the edges between neighbours there are
            if not (
                np.array_equal(store[f"{side}_voxel"].values, voxels)
                and np.array_equal(labels, component_labels(laplacian))
            ):
                raise DataError(
                    f"the eigenmodes are not those of the {side} voxels of the atlas",
                    where=eigenmodes,
                    why="the voxels, or the boundaries between them, are others",
                    remedy="make them anew with connectome-eigenmodes, from the same atlas and "
                    "with the same connectome.boundaries",
                )
            if same:
                bases.append(bases[0])
            else:
                parts = (store[f"{side}_{what}"].values for what in ("eigenvalue", "eigenvector"))
                bases.append(SpectralBasis.of_arrays(labels, *parts))
    return replace(grid, eigenmodes=(bases[0], bases[1]))


def read(
    atlas: Input, tracing: Input, settings: Settings, eigenmodes: Input | None = None
) -> tuple[Grid, Experiments, dict[str, Any]]:
    """Voxels, experiments, and what else a connectome's store takes over."""
    import numpy as np

    from mesomode.connectome.experiments import Experiments

    grid, groups, inherited = read_grid(atlas, settings)
    if eigenmodes is not None:
        grid = with_eigenmodes(grid, eigenmodes)
    with open_store(tracing) as store:
        experiments = Experiments(
            store["injection_density"].values.astype(np.float64),
            store["projection_density"].values.astype(np.float64),
            store["observed"].values.astype(np.bool_),
            store["primary_region"].values,
            groups,
        )
        inherited["variables"]["experiment"] = store["experiment"].values
    logger.info(
        "%d target voxels, %d source voxels, %d experiments",
        len(groups.target),
        len(groups.source),
        experiments.count,
    )
    return grid, experiments, inherited


def limit_threads(threads: int) -> None:
    """Let the compiled loops use no more threads than the job has."""
    import numba

    numba.set_num_threads(max(1, min(threads, numba.config.NUMBA_NUM_THREADS)))
