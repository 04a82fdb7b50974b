"""The stage ``connectome``, what its linear fits share: the eigenmodes of the voxel grids."""

from __future__ import annotations

from typing import Any

from mesomode.connectome.schemas import EIGENMODES_SCHEMA
from mesomode.connectome.settings import Settings
from mesomode.connectome.stage_data import read_grid
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import write_store


@step
def connectome_eigenmodes(
    *, atlas: Input, out: Output, settings: Settings, threads: int, provenance: Provenance
) -> None:
    """Decompose the Laplacians of the grids, once for all linear fits and their folds.

    Parameters
    ----------
    atlas : Path
        ``atlas.zarr``.
    out : Path
        ``connectome/eigenmodes.zarr``.

    Raises
    ------
    MemoryLimitError
        The decomposition does not fit into memory.
    """
    import xarray as xr

    grid, _, _ = read_grid(atlas, settings)
    source, target = grid.bases
    variables: dict[str, Any] = {}
    for side, basis in (("source", source), ("target", target)):
        voxels = getattr(grid, f"{side}_voxel")
        variables[f"{side}_voxel"] = ((side, "axis"), voxels)
        logger.info(
            "%s: %d voxels, %d connected components", side, len(voxels), len(basis.components)
        )
        if side == "target" and target is source:
            logger.info("target: the grid is that of the sources")
            continue
        variables |= {
            f"{side}_component": (side, basis.labels),
            f"{side}_eigenvalue": (f"{side}_mode", basis.eigenvalues),
            f"{side}_eigenvector": ((side, f"{side}_mode"), basis.eigenvectors),
        }
    write_store(out, xr.Dataset(variables), EIGENMODES_SCHEMA, provenance)
