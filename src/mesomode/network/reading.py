"""From a store of the stage ``network`` back to the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mesomode.errors import DataError
from mesomode.network.coupling import DenseNetwork, FactoredNetwork, Network
from mesomode.network.random_mode import RandomModeNetwork

if TYPE_CHECKING:
    import xarray as xr


def network_from_store(dataset: xr.Dataset, where: str | Path | None = None) -> Network:
    """Network that a store holds, whatever its variant.

    Parameters
    ----------
    dataset : xarray.Dataset
        Store of the stage ``network``, opened.
    where : str or Path, optional
        What to call it in a message.

    Returns
    -------
    Network
        A random-mode network if the store has modes, a factored one if it has factors,
        otherwise a dense one.

    Raises
    ------
    DataError
        The store holds neither modes nor couplings.
    """

    def optional(name: str) -> np.ndarray | None:
        return np.asarray(dataset[name].values, dtype=np.float64) if name in dataset else None

    scales = optional("target_scale"), optional("source_scale")
    if "strength" in dataset:
        left, strength, right = (dataset[name].values for name in ("left", "strength", "right"))
        modes = dataset.attrs["modes"]
        return RandomModeNetwork(left, strength, right, modes, *scales, optional("overlap"))
    rank = float(dataset["effective_rank"]) if "effective_rank" in dataset else np.inf
    ensemble = (0.0 if np.isinf(rank) else 1.0 / rank, *scales)
    if "output_factor" in dataset:
        a, b = (dataset[name].values for name in ("output_factor", "input_factor"))
        return FactoredNetwork(a, b, float(dataset["gain"]), *ensemble)
    if "coupling" in dataset:
        return DenseNetwork(dataset["coupling"].values, float(dataset["gain"]), *ensemble)
    raise DataError(
        "the store holds neither factors nor couplings of a network",
        where=where,
        remedy="give a store of the stage network",
    )
