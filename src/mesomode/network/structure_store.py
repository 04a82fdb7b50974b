"""The structure of a connectome as variables of a store, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mesomode.network.decomposition import Decomposition
from mesomode.network.scales import Scales
from mesomode.network.spectrum import (
    components_for,
    inverse_effective_rank_of_spectrum,
    top_mode_share,
)
from mesomode.network.structure import Modes, Structure

if TYPE_CHECKING:
    import xarray as xr


def structure_dataset(structure: Structure, sign: NDArray[np.floating]) -> xr.Dataset:
    """What a store of the structure holds.

    Parameters
    ----------
    structure : Structure
    sign : (unit,) ndarray
        Sign of what each unit sends.
    """
    import xarray as xr

    modes, bulk, test = structure.modes, structure.bulk, structure.modes.test
    arrays = _couplings(structure.couplings) | {
        "connectome_singular_value": ("mode", structure.connectome_values),
        "centred_singular_value": ("mode", modes.values),
        "bulk_singular_value": ("mode", bulk.values),
        "overlap": ("mode", modes.overlap),
        "overlap_significant": ("mode", modes.significant),
        "bulk_overlap": ("mode", bulk.overlap),
        "bulk_overlap_significant": ("mode", bulk.significant),
        "permutation_root_mean_square": (
            "permutation",
            np.full(1, np.nan) if test is None else test.permutation_root_mean_square,
        ),
        "target_scale": ("unit", structure.scales.target),
        "source_scale": ("unit", structure.scales.source),
        "sign": ("unit", sign.astype(np.int8)),
        "group": ("unit", structure.group),
        "block_variance": (("target_group", "source_group"), structure.block_variance),
    }
    numbers = {
        "overlap_root_mean_square": np.nan if test is None else test.root_mean_square,
        "overlap_distribution_p_value": np.nan if test is None else test.distribution_p_value,
        "overlap_largest_p_value": np.nan if test is None else test.largest_p_value,
        "overlap_permutation_p_value": np.nan if test is None else test.permutation_p_value,
        "target_variation": structure.scales.target_variation,
        "source_variation": structure.scales.source_variation,
        "inverse_effective_rank": modes.inverse_effective_rank,
        "unbiased_inverse_effective_rank": modes.unbiased_inverse_effective_rank,
        "bulk_inverse_effective_rank": bulk.inverse_effective_rank,
        "bulk_unbiased_inverse_effective_rank": bulk.unbiased_inverse_effective_rank,
        "kurtosis": structure.kurtosis,
        "mean_share": structure.mean_share,
        "top_mode_share": top_mode_share(structure.connectome_values),
        "centred_top_mode_share": top_mode_share(modes.values),
        "density": structure.density,
        "isolated": structure.isolated,
        "parts": structure.parts,
        "self_coupling": structure.self_coupling,
        "reciprocity": structure.reciprocity,
    }
    dataset = xr.Dataset(arrays | {name: ((), value) for name, value in numbers.items()})
    drawn = list(structure.nulls.values())
    if drawn:
        dataset["null_singular_value"] = (("null", "mode"), np.stack([n.values for n in drawn]))
        for name in (
            *("inverse_effective_rank", "top_mode_share", "target_variation"),
            "source_variation",
        ):
            values = np.stack([getattr(n, name) for n in drawn])
            dataset[f"null_{name}"] = (("null", "draw"), values)
    return dataset


def _couplings(couplings: NDArray[np.float64] | Decomposition) -> dict[str, Any]:
    if isinstance(couplings, Decomposition):
        return {
            "output_mode": (("unit", "component"), couplings.left.astype(np.float32)),
            "input_mode": (("unit", "component"), couplings.right.astype(np.float32)),
        }
    return {"coupling": (("target", "source"), couplings.astype(np.float32))}


def spectra_of_connectome(structure: Structure) -> dict[str, Any]:
    """The connectome's spectrum and what follows from it, as variables of a network's store."""
    found: dict[str, Any] = {}
    for name, values in (
        ("connectome", structure.connectome_values),
        ("centred", structure.modes.values),
    ):
        inverse = inverse_effective_rank_of_spectrum(values)
        found[f"{name}_singular_value"] = ("connectome_mode", values)
        found[f"{name}_effective_rank"] = ((), 1 / inverse if inverse else np.inf)
        found[f"{name}_top_mode_share"] = ((), top_mode_share(values))
    for share in (95, 99):
        count = components_for(structure.connectome_values, share / 100)
        found[f"connectome_modes_{share}"] = ((), count)
    return found


def structure_from_store(dataset: xr.Dataset) -> Structure:
    """What was measured of a connectome, from its store.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``network/structure.zarr``, opened.

    Returns
    -------
    Structure
        Without the tests of the overlaps and the null models, which the networks do not need.
    """

    def modes(prefix: str, values: str) -> Modes:
        return Modes(
            values=dataset[values].values,
            inverse_effective_rank=float(dataset[f"{prefix}inverse_effective_rank"]),
            unbiased_inverse_effective_rank=float(
                dataset[f"{prefix}unbiased_inverse_effective_rank"]
            ),
            overlap=dataset[f"{prefix}overlap"].values,
            significant=dataset[f"{prefix}overlap_significant"].values,
            test=None,
        )

    couplings: NDArray[np.float64] | Decomposition
    if "coupling" in dataset:
        couplings = dataset["coupling"].values.astype(np.float64)
    else:
        left, right = (
            dataset[name].values.astype(np.float64) for name in ("output_mode", "input_mode")
        )
        count = left.shape[1]
        couplings = Decomposition(left, dataset["centred_singular_value"].values[:count], right)
    return Structure(
        couplings=couplings,
        connectome_values=dataset["connectome_singular_value"].values,
        modes=modes("", "centred_singular_value"),
        scales=Scales(dataset["target_scale"].values, dataset["source_scale"].values),
        bulk=modes("bulk_", "bulk_singular_value"),
        kurtosis=float(dataset["kurtosis"]),
        mean_share=float(dataset["mean_share"]),
        density=float(dataset["density"]),
        isolated=int(dataset["isolated"]),
        parts=int(dataset["parts"]),
        group=dataset["group"].values,
        block_variance=dataset["block_variance"].values,
        self_coupling=float(dataset["self_coupling"]),
        reciprocity=float(dataset["reciprocity"]),
    )
