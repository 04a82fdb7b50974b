"""The stage ``connectome``, its weights opened from a store: whole, or in factors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mesomode.connectome.schemas import SCHEMA
from mesomode.errors import DataError
from mesomode.store import open_store

if TYPE_CHECKING:
    from mesomode.connectome.factored import FactoredWeights


def open_weights(path: Path | str) -> FactoredWeights:
    """Weights of the low-rank model as an array-like that is never formed whole.

    Rows, columns, blocks and products are computed from the factors when they are asked for, so
    that this works for a whole brain; voxels are found by their lattice indices and hemisphere.

    Parameters
    ----------
    path : Path
        ``connectome/low_rank.zarr``.

    Returns
    -------
    FactoredWeights (target, source) float32
        Hemispheres of the targets are labelled 1 (ipsilateral to the injection) and 2
        (contralateral).

    Raises
    ------
    DataError
        The store holds no factors.

    Examples
    --------
    >>> weights = open_weights("results/default/connectome/low_rank.zarr")  # doctest: +SKIP
    >>> weights[:, weights.locate((85, 20, 80))]  # doctest: +SKIP
    >>> weights @ activity  # doctest: +SKIP
    """
    from mesomode.connectome.factored import FactoredWeights

    with open_store(Path(path), SCHEMA) as store:
        if "target_factor" not in store:
            raise DataError(
                f"the model {store.attrs.get('model')} has no factors",
                where=path,
                remedy="open low_rank.zarr, or read the matrix 'weights' with xarray.open_zarr",
            )
        return FactoredWeights(
            store["target_factor"].values,
            store["source_factor"].values,
            target_voxels=store["target_voxel"].values,
            source_voxels=store["source_voxel"].values,
            target_hemisphere=store["target_hemisphere"].values,
        )
