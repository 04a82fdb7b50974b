"""The stage ``connectome``, weights from elsewhere: a file of one's own, the phantom's truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesomode.connectome.schemas import SCHEMA, TRUTH_SCHEMA
from mesomode.connectome.settings import Settings
from mesomode.connectome.stage_data import GRID
from mesomode.errors import DataError
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import open_store, write_store

if TYPE_CHECKING:
    import numpy as np


@step
def connectome_file(
    *, file: Input, out: Output, settings: Settings, provenance: Provenance
) -> None:
    """Read a connectome of your own, a matrix or an edge list.

    Parameters
    ----------
    file : Path
        An .npz, .csv or .zarr file; the keys of the section say what is in it.
    out : Path
        ``connectome/file.zarr``.

    Raises
    ------
    DataError
        The file does not hold what the settings say, or weights that are not
        finite and nonnegative.
    """
    import xarray as xr

    from mesomode.connectome.sources import import_connectome

    read = import_connectome(
        file,
        key=settings.file_key,
        edge_keys=settings.file_edge_keys,
        mask_key=settings.file_mask_key,
        orientation=settings.file_orientation,
    )
    connections = int((read.weights > 0).sum())
    logger.info(
        "%d targets, %d sources, %d connections (%.2g %%)",
        *read.weights.shape,
        connections,
        100 * connections / read.weights.size,
    )
    dataset = xr.Dataset(
        {
            "weights": (("target", "source"), read.weights),
            "target_unit": ("target", read.target_unit),
            "source_unit": ("source", read.source_unit),
        },
        attrs={"model": "file"},
    )
    write_store(out, dataset, SCHEMA, provenance)


@step
def connectome_truth(
    *,
    truth: Input,
    atlas: Input,
    models: list[Input],
    out: Output,
    threads: int,
    provenance: Provenance,
) -> None:
    """Compare connectomes with the true weights of the phantom.

    Parameters
    ----------
    truth : Path
        ``truth.h5`` of the phantom.
    atlas : Path
        ``atlas.zarr``, whose voxels are used.
    models : list of Path
        Connectome stores.
    out : Path
        ``connectome/truth.zarr``.

    Raises
    ------
    DataError
        The truth does not cover the voxels of the atlas.
    """
    import numpy as np
    import xarray as xr

    from mesomode.connectome.experiments import Groups
    from mesomode.connectome.truth import compare, region_means, singular_values

    with open_store(atlas) as store:
        grid = {name: store[name].values for name in GRID}
        regions = store.attrs["regions"]
        shape = store["annotation"].shape
    true = _true_weights(truth, grid, shape)
    groups = Groups.of(grid)
    names, agreements, spectra, means = [], [], [], []
    for path in models:
        with open_store(path, SCHEMA) as store:
            name = str(store.attrs.get("model", path.stem))
            if "weights" not in store:
                raise DataError(
                    f"the weights of the model {name} are kept in factors only",
                    where=path,
                    why="there are too many of them to be set beside the true ones one by one",
                    remedy=f"leave {name} out of connectome.models, or choose fewer atlas.regions",
                )
            weights = store["weights"].values
        agreement = compare(weights, true, groups.target, groups.source)
        logger.info(
            "%s: relative error %.4f, correlation %.4f, MSE_rel %.4f, regional error %.4f",
            name,
            agreement.relative_error,
            agreement.correlation,
            agreement.mean_squared_error,
            agreement.regional_error,
        )
        names.append(name)
        agreements.append(agreement)
        means.append(region_means(weights, groups.target, groups.source))
        spectra.append(singular_values(weights))
    quantities = ("relative_error", "correlation", "mean_squared_error", "regional_error")
    dataset = xr.Dataset(
        {
            "weights": (("target", "source"), true),
            "singular_value": (("model", "mode"), np.stack(spectra)),
            "true_singular_value": ("mode", singular_values(true)),
            "regional_weights": (("model", "target_group", "source_group"), np.stack(means)),
            "true_regional_weights": (
                ("target_group", "source_group"),
                region_means(true, groups.target, groups.source),
            ),
            **{q: ("model", np.array([getattr(a, q) for a in agreements])) for q in quantities},
            **groups.table,
        },
        attrs={"models": names, "regions": regions},
    )
    write_store(out, dataset, TRUTH_SCHEMA, provenance)


def _true_weights(path: Input, grid: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """True weights of the phantom on the voxels of the atlas; the other side is mirrored."""
    import h5py
    import numpy as np

    from mesomode.connectome.truth import align

    with h5py.File(path, "r") as file:
        weights = file["weights"][:]
        source, target = file["source_voxels"][:], file["target_voxels"][:]
        contralateral = np.float32(file.attrs["contralateral"])
    wanted = grid["target_voxel"].copy()
    other = grid["target_hemisphere"] == 2
    wanted[other, 2] = shape[2] - 1 - wanted[other, 2]
    weights = align(align(weights, target, wanted, 0), source, grid["source_voxel"], 1)
    weights[other] *= contralateral
    return weights.astype(np.float32)
