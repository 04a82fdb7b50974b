"""Stores of atlas and tracing, and the truth, on a coarser grid: cubes of voxels averaged."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from mesomode import ccf
from mesomode.atlas.stage import SCHEMA as ATLAS_SCHEMA
from mesomode.hdf5 import new_hdf5
from mesomode.steps import Provenance
from mesomode.store import open_store, write_store
from mesomode.tracing.stage import SCHEMA as TRACING_SCHEMA


class Pooling:
    """Voxels averaged over cubes of ``factor`` voxels to the edge.

    A cube is kept if half of its voxels or more lie in the regions; its region is that of most.
    """

    def __init__(self, voxels: np.ndarray, region: np.ndarray, factor: int) -> None:
        self.cubes, cube, count = np.unique(
            voxels // factor, axis=0, return_inverse=True, return_counts=True
        )
        kept = 2 * count >= factor**3
        number = np.where(kept, np.cumsum(kept) - 1, -1)[cube.reshape(-1)]
        self.cubes = self.cubes[kept].astype(np.int32)
        self.child = np.flatnonzero(number >= 0)
        self.parent = number[self.child]
        names, index = np.unique(region[self.child], return_inverse=True)
        votes = np.zeros((len(self.cubes), len(names)))
        np.add.at(votes, (self.parent, index), 1)
        self.region = names[votes.argmax(axis=1)]

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Sum over the voxels of each cube, along the first axis."""
        total = np.zeros((len(self.cubes), *values.shape[1:]))
        np.add.at(total, self.parent, values[self.child])
        return total

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over the voxels of each cube, along the first axis."""
        return self.sum(values) / np.bincount(self.parent)[:, None]


def pool(fine: Path, coarse: Path, factor: int) -> None:
    """Average grids, X, Y and the truth over cubes; a cube is observed where half of it is.

    W_true becomes the mean over the targets of a cube and the sum over its sources, so that
    W X is what is measured there as long as X is the same within a cube.
    """
    with open_store(fine / "atlas.zarr", ATLAS_SCHEMA) as grid:
        grid = grid.load()
    pooling = Pooling(grid["source_voxel"].values, grid["source_region"].values, factor)
    with h5py.File(fine / "raw/truth.h5") as file:
        place = {tuple(v): k for k, v in enumerate(file["source_voxels"][:].tolist())}
        order = [place[tuple(v)] for v in grid["source_voxel"].values.tolist()]
        weights = file["weights"][:][order][:, order]
    (coarse / "raw").mkdir(parents=True, exist_ok=True)
    with new_hdf5(coarse / "raw/truth.h5") as file:
        file.attrs["contralateral"] = 0.0
        file["source_voxels"] = file["target_voxels"] = pooling.cubes.astype(np.int16)
        file["weights"] = pooling.sum(pooling.mean(weights).T).T.astype(np.float32)

    edge = factor * int(grid.attrs["resolution_um"])
    position = ((pooling.cubes + 0.5) * edge).astype(np.float32)
    table = [
        {**row, "sources": int(n), "targets": int(n)}
        for row in grid.attrs["regions"]
        if (n := (pooling.region == row["id"]).sum())
    ]
    every = {axis: slice(None, None, factor) for axis in grid["annotation"].dims}
    volumes = grid[["annotation", "template"]].isel(every)
    cubes = {
        f"{side}_{name}": ((side, "axis") if values.ndim == 2 else (side,), values)
        for side in ("source", "target")
        for name, values in (
            ("voxel", pooling.cubes), ("position", position), ("region", pooling.region),
        )
    }  # fmt: skip
    cubes["target_hemisphere"] = ("target", np.full(len(pooling.cubes), ccf.RIGHT, np.int8))
    kept = {k: v for k, v in grid.attrs.items() if k.startswith("data_")}
    attributes = {**kept, "resolution_um": edge, "regions": table, "ome": grid.attrs["ome"]}
    provenance = Provenance("pool", {"factor": factor}, None, "", {}, ())
    dataset = xr.Dataset({**volumes.data_vars, **cubes}, coords=volumes.coords, attrs=attributes)
    write_store(coarse / "atlas.zarr", dataset, ATLAS_SCHEMA, provenance)

    with open_store(fine / "tracing.zarr", TRACING_SCHEMA) as data:
        data = data.load()
    seen = data["observed"].values
    share = pooling.mean(seen.astype(float))
    observed = share >= 0.5
    total = pooling.mean(np.where(seen, data["projection_density"].values, 0.0))
    projection = np.where(observed, total / np.where(observed, share, 1.0), np.nan)
    dims = ("target", "experiment")
    rest = data.drop_dims(["source", "target"])
    dataset = rest.assign(
        injection_density=(
            ("source", "experiment"),
            pooling.mean(data["injection_density"].values).astype(np.float32),
        ),
        projection_density=(dims, projection.astype(np.float32)),
        observed=(dims, observed),
    )
    write_store(coarse / "tracing.zarr", dataset, TRACING_SCHEMA, provenance)
