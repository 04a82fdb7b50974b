"""The stage ``explorer``, its curves: spectrum, networks and recordings → one script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.steps import Input, Output, logger, step
from mesomode.store import open_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

MODES = 400
"""Modes of a spectrum that are shown: all of a small one, the first and thinned ones of others."""
EIGENVALUES = 800
STRUCTURE = (
    "connectome_singular_value",
    "centred_singular_value",
    "bulk_singular_value",
    "null_singular_value",
    "overlap",
    "null_inverse_effective_rank",
)
CURVES = (
    *("lag", "population_lag"),
    *("autocovariance", "autocovariance_error", "mean_field_autocovariance"),
    *("activity_autocovariance", "activity_autocovariance_error"),
    "mean_field_activity_autocovariance",
    *("population_autocovariance", "population_autocovariance_error"),
    "mean_field_population_autocovariance",
    *("covariance_eigenvalue", "eigenvalue_real", "eigenvalue_imaginary"),
    *("lyapunov_exponent", "lyapunov_exponent_error"),
)
COMPARED = (
    *("units", "participation_ratio", "participation_ratio_error", "participation_ratio_common"),
    *("half_width", "noise_fraction", "subset", "participation_ratio_subset", "common_units"),
    *("scaled_lag", "autocorrelation"),
)
SIMILARITY = (
    *("copy", "system", "distance", "lower_bound", "map", "explained", "rank", "floor"),
    *("network_floor", "to_network", "to_surrogate", "to_recording", "closest", "margin"),
)


@step
def explorer_networks(
    *,
    structures: list[Input],
    networks: list[Input],
    dynamics: list[Input],
    comparison: Input,
    similarity: Input,
    truth: Input | None = None,
    out: Output,
) -> None:
    """Put spectra, theory and simulation, and recordings beside networks into a script.

    Parameters
    ----------
    structures : list of Path
        ``network/structure.zarr``, of further connectomes too.
    networks : list of Path
        ``network/<variant>.zarr``.
    dynamics : list of Path
        ``dynamics/<variant>.zarr``, in the same order.
    comparison : Path
        ``comparison.zarr``.
    similarity : Path
        ``comparison/similarity.zarr``.
    truth : Path
        ``connectome/truth.zarr``.
    out : Path
        Folder of the script.
    """
    from mesomode.explorer.container import pack, script
    from mesomode.explorer.folders import whole_folder
    from mesomode.network.names import VARIANT_NAMES

    arrays: dict[str, np.ndarray] = {}
    description: dict[str, Any] = {
        "names": VARIANT_NAMES,
        "structures": [_structure(path, k, arrays) for k, path in enumerate(structures)],
        "networks": [
            _network(pair, k, arrays) for k, pair in enumerate(zip(networks, dynamics, strict=True))
        ],
        "comparison": _gathered(comparison, "comparison", COMPARED, arrays),
        "similarity": _gathered(similarity, "similarity", SIMILARITY, arrays),
    }
    if truth is not None:
        with open_store(truth) as store:
            description["truth_models"] = list(store.attrs["models"])
            _keep(store, ("singular_value", "true_singular_value"), "truth", arrays)
    with whole_folder(out) as folder:
        file = folder / "networks.js"
        file.write_text(script("networks/networks", pack(description, arrays)))
        logger.info("%d networks, %.2f MB", len(networks), file.stat().st_size / 1e6)


def _structure(path: Path, number: int, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    with open_store(path) as store:
        _keep(store, STRUCTURE, f"structure{number}", arrays)
        return {"facts": _facts(store), "attributes": _attributes(store)}


def _network(pair: tuple[Path, Path], number: int, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    network, simulation = pair
    with open_store(network) as store:
        built = {"facts": _facts(store), "attributes": _attributes(store)}
        _keep(store, ("singular_value",), f"network{number}", arrays)
    with open_store(simulation) as store:
        _keep(store, CURVES, f"network{number}", arrays)
        return {
            "built": built,
            "facts": _facts(store),
            "attributes": _attributes(store),
            "units": {n: store[n].attrs["units"] for n in CURVES if n in store},
        }


def _gathered(
    path: Path, prefix: str, names: tuple[str, ...], arrays: dict[str, np.ndarray]
) -> dict[str, Any]:
    with open_store(path) as store:
        _keep(store, names, prefix, arrays)
        flags = {
            n: v.attrs["flag_meanings"].split()
            for n, v in store.variables.items()
            if "flag_meanings" in v.attrs
        }
        return {
            "systems": store.attrs["systems"],
            "facts": _facts(store),
            "attributes": _attributes(store),
            "flags": flags,
        }


def _keep(
    store: xr.Dataset, names: tuple[str, ...], prefix: str, arrays: dict[str, np.ndarray]
) -> None:
    """Take arrays over, long spectra thinned; the places of their entries are kept beside them."""
    import numpy as np

    from mesomode.explorer.thinning import thinned

    for name in names:
        if name not in store.variables or store[name].dims == ():
            continue
        values = store[name].values
        if values.dtype.kind in "bi" or values.dtype.itemsize > 8:
            values = values.astype(np.int32)
        key = f"{prefix} {name}"
        most = EIGENVALUES if name.startswith("eigenvalue") else MODES
        dimension = store[name].dims[-1]
        if dimension in ("mode", "eigenvalue", "connectome_mode") and values.shape[-1] > most:
            place = thinned(values.shape[-1], most)
            arrays[f"{key} place"] = place
            values = values[..., place]
        arrays[key] = values


def _facts(store: xr.Dataset) -> dict[str, Any]:
    return {str(n): v.values.item() for n, v in store.variables.items() if v.dims == ()}


def _attributes(store: xr.Dataset) -> dict[str, Any]:
    kept: dict[str, Any] = {
        n: v for n, v in store.attrs.items() if isinstance(v, int | float | str)
    }
    kept["nulls"] = list(store.attrs.get("nulls", []))
    return kept | {
        "settings": store.attrs["mesomode"]["settings"],
        "seed": store.attrs["mesomode"]["seed"],
    }
