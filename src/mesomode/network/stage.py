"""The stage ``network``: connectome → ``network/structure.zarr`` → ``network/<variant>.zarr``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mesomode.network.schemas import OTHER_SCHEMA, SCHEMA, STRUCTURE_SCHEMA
from mesomode.network.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import open_store, write_store

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import xarray as xr

    from mesomode.network.coupling import Network
    from mesomode.network.structure import Structure

UNITS_AT_MOST = 2000
"""Units of a network where the settings leave their number to the connectome."""
IN_FACTORS = ("random_mode", "overlaps", "heterogeneous", "connectome")
"""Networks that have few modes if the connectome has: then all its units cost little."""
FACTORED_ABOVE = 4000
"""Units above which a connectome that has factors is measured through them alone."""
RESEMBLING = 4
"""Groups of the control with blocks where the regions of the units are not known."""


@step
def network_file(
    *, file: Input, out: Output, name: str, settings: Settings, provenance: Provenance
) -> None:
    """Read one of the further connectomes.

    Parameters
    ----------
    file : Path
        An .npz, .csv or .zarr file; the entry of ``network.others`` says what is in it.
    out : Path
        ``connectome/others/<name>.zarr``.
    name : str
        Its name in ``network.others``.

    Raises
    ------
    DataError
        The file does not hold what the settings say, or weights that are not
        finite and nonnegative.
    """
    import xarray as xr

    from mesomode.connectome.sources import import_connectome, import_positions

    entry = settings.others[name]
    read = import_connectome(
        file,
        key=entry.key,
        edge_keys=entry.edge_keys,
        mask_key=entry.mask_key,
        orientation=entry.orientation,
    )
    dataset = xr.Dataset(
        {
            "weights": (("target", "source"), read.weights),
            "target_unit": ("target", read.target_unit),
            "source_unit": ("source", read.source_unit),
        },
        attrs={"model": "file", "name": name},
    )
    if entry.position_key is not None:
        positions = import_positions(file, entry.position_key, read.target_unit)
        dataset["position"] = (("target", "axis"), positions)
    logger.info("%s: %d targets, %d sources", name, *read.weights.shape)
    write_store(out, dataset, OTHER_SCHEMA, provenance)


@step
def network_structure(
    *,
    connectome: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Measure a connectome: spectrum, overlaps and scales, each beside chance.

    Parameters
    ----------
    connectome : Path
        ``connectome/<model>.zarr``.
    out : Path
        ``network/structure.zarr``.

    Raises
    ------
    DataError
        The connectome is not square after restriction, not finite, zero, or of rank one.
    MemoryLimitError
        The decompositions would not fit.
    """
    from functools import partial

    import numpy as np

    from mesomode.network.factored_structure import NULL_UNITS, structure_of_factors
    from mesomode.network.signs import presynaptic_signs
    from mesomode.network.structure import OWN_DECOMPOSITIONS, structure_of
    from mesomode.network.structure_store import structure_dataset
    from mesomode.progress import Progress
    from mesomode.seeds import generator

    with open_store(connectome) as dataset:
        name = str(dataset.attrs.get("name", ""))
        target, source = _common(dataset, connectome)
        position, region = _places(dataset, target, source)
        factored = _in_factors(dataset, len(source))
        measure: Callable[..., Structure]
        if factored:
            factors = _square_factors(dataset, connectome, target, source)
            _report_factors(*factors, settings.self_connections)
            measure = partial(structure_of_factors, *factors)
        else:
            weights = _square_weights(dataset, connectome, target, source)
            if not settings.self_connections:
                np.fill_diagonal(weights, 0.0)
            measure = partial(structure_of, weights)
    units = len(source)
    drawn = generator(seed, *["network", "structure", name][: 3 if name else 2])
    sign = np.ones(units)
    if settings.sign == "presynaptic":
        sign = presynaptic_signs(units, settings.inhibitory_fraction, drawn)
    kinds = 2 + (position is not None)
    decompositions = OWN_DECOMPOSITIONS + kinds * settings.null_draws
    progress = Progress(logger, "the connectome and random ones", decompositions, "decompositions")
    structure = measure(
        generator=drawn,
        centring=settings.centring,
        inhibitory=sign,
        position=position,
        group=region if settings.blocks is None else None,
        blocks=settings.blocks or RESEMBLING,
        draws=settings.null_draws,
        progress=progress.update,
    )
    _report(structure)
    dataset = structure_dataset(structure, sign)
    dataset.attrs = {
        "name": name,
        "units": structure.units,
        "centring": settings.centring,
        "sign": settings.sign,
        "nulls": list(structure.nulls),
        "null_units": min(units, NULL_UNITS) if factored else units,
        "self_connections": settings.self_connections or factored,
        "groups": "regions" if settings.blocks is None and region is not None else "connections",
    }
    write_store(out, dataset, STRUCTURE_SCHEMA, provenance)


@step
def network_variant(
    *,
    structure: Input,
    out: Output,
    variant: str,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Make a network that shares some properties with the connectome, or the connectome itself.

    Parameters
    ----------
    structure : Path
        ``network/structure.zarr``.
    out : Path
        ``network/<variant>.zarr``.
    variant : str
        One of those of the setting ``variants``; what stands before a slash is not looked at.

    Raises
    ------
    DataError
        So few units cannot have the connectome's spectrum.
    MemoryLimitError
        The network would not fit.
    """
    import numpy as np

    from mesomode.network.coupling import FactoredNetwork
    from mesomode.network.decomposition import Decomposition
    from mesomode.network.matching import matched_network
    from mesomode.network.random_mode import RandomModeNetwork
    from mesomode.network.structure_store import spectra_of_connectome, structure_from_store
    from mesomode.seeds import generator

    kind = variant.rpartition("/")[2]
    with open_store(structure, STRUCTURE_SCHEMA) as dataset:
        name = str(dataset.attrs["name"])
        centring, sign = str(dataset.attrs["centring"]), str(dataset.attrs["sign"])
        measured = structure_from_store(dataset)
    units = settings.units
    whole = IN_FACTORS if isinstance(measured.couplings, Decomposition) else ("connectome",)
    if units is None and kind not in whole:
        units = min(measured.units, UNITS_AT_MOST)
    network = matched_network(
        kind,
        measured,
        generator=generator(seed, *(["network", name, kind] if name else ["network", kind])),
        gain=settings.gain,
        units=units,
        modes=settings.modes,
    )
    result = _described(network, kind)
    if isinstance(network, RandomModeNetwork):
        result = result.assign(
            left=(("unit", "component"), network.left),
            strength=("component", network.strength),
            right=(("unit", "component"), network.right),
        )
        if network.overlap is not None:
            result["overlap"] = ("component", network.overlap)
            u, v = (1.0 if s is None else s for s in (network.target_scale, network.source_scale))
            feedback = np.max(network.strength * network.overlap) * np.mean(u * v)
            result["feedback"] = ((), feedback)
        result.attrs["modes"] = network.modes
    elif isinstance(network, FactoredNetwork):
        result["output_factor"] = (("unit", "component"), network.output_factor)
        result["input_factor"] = (("unit", "component"), network.input_factor)
    else:
        result["coupling"] = (("target", "source"), network.dense())
    if kind == "connectome":
        result["feedback"] = ((), settings.gain * measured.modes.feedback)
    for scale in ("target_scale", "source_scale"):
        values = getattr(network, scale)
        if values is not None:
            result[scale] = ("unit", values)
    result.attrs |= {
        "connectome": name,
        "connectome_units": measured.units,
        "resampled": network.units != measured.units,
        "centring": centring,
        "sign": sign,
    }
    if kind == "random_mode":
        result = result.assign(spectra_of_connectome(measured))
    write_store(out, result, SCHEMA, provenance)


def _report(structure: Structure) -> None:
    """Say in the log what was found."""
    from mesomode.network.spectrum import top_mode_share

    modes, test = structure.modes, structure.modes.test
    logger.info(
        "connectome: %d units, %.3g %% of the pairs connected, %d units without any connection",
        structure.units,
        100 * structure.density,
        structure.isolated,
    )
    if structure.isolated:
        logger.warning(
            "%d of %d units have no connection: they take part as they are, without input",
            structure.isolated,
            structure.units,
        )
    if structure.parts > 1:
        logger.warning(
            "the connectome falls into %d parts that no connection joins: they are measured and "
            "simulated as one network, whose dimension is the sum over parts; the theory takes "
            "them for one",
            structure.parts,
        )
    logger.info(
        "largest mode %.1f %% of the sum of squares, after centring %.1f %%; the mean coupling "
        "had %.1f %%",
        100 * top_mode_share(structure.connectome_values),
        100 * top_mode_share(modes.values),
        100 * structure.mean_share,
    )
    logger.info(
        "1/PR_D %.4g, corrected for finite size and heavy tails %.4g; %s",
        modes.inverse_effective_rank,
        modes.unbiased_inverse_effective_rank,
        ", ".join(
            f"{name} {null.inverse_effective_rank.mean():.4g}"
            for name, null in structure.nulls.items()
        )
        or "no random connectomes drawn",
    )
    undefined = int((~modes.defined).sum())
    if test is None:
        logger.warning(
            "no mode has a direction of its own: all singular values are equal or zero, so there "
            "is no dominant mode to remove and overlaps are not defined"
        )
    else:
        logger.info(
            "overlaps √N u·v: root mean square %.3g (random modes 1, p = %.2g), %d of %d not "
            "chance; %d modes not defined",
            test.root_mean_square,
            test.permutation_p_value,
            modes.significant.sum(),
            modes.defined.sum(),
            undefined,
        )
    logger.info(
        "scales of rows and columns vary by %.3g and %.3g of their mean; kurtosis of the "
        "couplings %.3g",
        structure.scales.target_variation,
        structure.scales.source_variation,
        structure.kurtosis,
    )


def _places(
    dataset: xr.Dataset, target: np.ndarray, source: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Coordinates and regions of the units, where they are known."""
    import numpy as np

    position = None
    if "position" in dataset:
        position = dataset["position"].values[target]
    elif "source_voxel" in dataset:
        position = dataset["source_voxel"].values[source].astype(np.float64)
    region = dataset["source_region"].values[source] if "source_region" in dataset else None
    return position, region


def _square_weights(
    dataset: xr.Dataset, path: Path, target: np.ndarray, source: np.ndarray
) -> np.ndarray:
    """Weights among the units that are both target and source."""
    import numpy as np

    from mesomode.memory import require_memory
    from mesomode.network.spectrum import checked_matrix

    require_memory(
        16.0 * dataset["weights"].size,
        f"weights of {dataset.sizes['target']:,} targets × {dataset.sizes['source']:,} sources",
        "choose fewer regions (atlas.regions) or a machine with more memory",
    )
    weights = dataset["weights"].values[np.ix_(target, source)]
    return checked_matrix(weights, square=True, what=f"weights of {path.name}")


def _in_factors(dataset: xr.Dataset, units: int) -> bool:
    """Whether a connectome is measured through its factors: it has no weights, or too many."""
    return "target_factor" in dataset and ("weights" not in dataset or units > FACTORED_ABOVE)


def _square_factors(
    dataset: xr.Dataset, path: Path, target: np.ndarray, source: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the weights among the units that are both target and source."""
    from mesomode.network.spectrum import checked_matrix

    left, right = (
        checked_matrix(dataset[name].values[chosen], what=f"{name} of {path.name}")
        for name, chosen in (("target_factor", target), ("source_factor", source))
    )
    return left, right


def _report_factors(left: np.ndarray, right: np.ndarray, self_connections: bool) -> None:
    """Say in the log that the weights are not formed, and what follows."""
    from mesomode.network.factored_structure import NULL_UNITS, self_connection_share

    logger.info(
        "the connectome of %d units is measured through its factors of %d columns; its weights "
        "are never formed",
        *left.shape,
    )
    say = logger.info if self_connections else logger.warning
    say(
        "its diagonal stays, as part of the factors: %.2g %% of the sum of squares",
        100 * self_connection_share(left, right),
    )
    if len(left) > NULL_UNITS:
        logger.info("random connectomes are of %d of its units, drawn by chance", NULL_UNITS)


def _common(dataset: xr.Dataset, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Positions of targets and sources that are the same units."""
    import numpy as np

    from mesomode.errors import DataError
    from mesomode.network.preparation import common_units

    weights = "weights" in dataset and dataset["weights"].dims == ("target", "source")
    if not weights and not {"target_factor", "source_factor"} <= set(dataset.variables):
        raise DataError(
            "the store holds neither weights (target, source) nor their factors",
            where=path,
            remedy="give a connectome store",
        )
    if "source_voxel" in dataset and "target_voxel" in dataset:
        target_voxel, source_voxel = dataset["target_voxel"].values, dataset["source_voxel"].values
        same_side = np.arange(len(target_voxel))
        if "target_hemisphere" in dataset:
            same_side = np.flatnonzero(dataset["target_hemisphere"].values == 1)
        target, source = common_units(target_voxel[same_side], source_voxel)
        return same_side[target], source
    targets, sources = dataset.sizes["target"], dataset.sizes["source"]
    if targets != sources:
        raise DataError(
            "the connectome is not square",
            where=path,
            why=f"{targets} targets and {sources} sources, and no coordinates to match them by",
            remedy="give a square matrix, the same units in the same order on both sides",
        )
    return np.arange(targets), np.arange(sources)


def _described(network: Network, variant: str) -> xr.Dataset:
    """What the stores of all networks have in common."""
    import numpy as np
    import xarray as xr

    from mesomode.network.decomposition import network_singular_values
    from mesomode.network.spectrum import inverse_effective_rank_of_spectrum

    values = network_singular_values(network)
    ensemble = network.inverse_effective_rank
    measured = inverse_effective_rank_of_spectrum(values)
    logger.info(
        "network: %d units, gain %.3g, 1/PR_D %.4g in the ensemble and %.4g in this draw",
        network.units,
        network.gain,
        ensemble,
        measured,
    )
    return xr.Dataset(
        {
            "gain": ((), network.gain),
            "effective_rank": ((), 1 / ensemble if ensemble else np.inf),
            "measured_inverse_effective_rank": ((), measured),
            "singular_value": ("mode", values),
        },
        attrs={"variant": variant, "units": network.units},
    )
