"""The stage ``network``: connectome → ``network/<variant>.zarr``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mesomode.network.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, open_store, write_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from mesomode.network.random_mode import Network

UNITS_AT_MOST = 2000
"""Units of a network where the settings leave their number to the connectome."""

RANK = "effective rank PR_D per unit, m2²/(m4 − 2 m2²) of singular values;"
SCHEMA = Schema(
    "network",
    {
        "gain": Variable((), "float64", "1", "coupling gain g of the ensemble"),
        "effective_rank": Variable(
            (), "float64", "1", "PR_D per unit of the ensemble, without the scales u and v"
        ),
        "measured_inverse_effective_rank": Variable(
            (), "float64", "1", "1/PR_D from the singular values of the couplings drawn"
        ),
        "singular_value": Variable(("mode",), "float64", "1", "of the couplings drawn, J"),
        "left": Variable(
            ("unit", "component"), "float32", "1", "L of J = L diag(d) Rᵀ", optional=True
        ),
        "strength": Variable(("component",), "float32", "1", "d of J", optional=True),
        "right": Variable(("unit", "component"), "float32", "1", "R of J", optional=True),
        "overlap": Variable(
            ("component",), "float64", "1", "correlation ρ of L and R of each mode", optional=True
        ),
        "target_scale": Variable(
            ("unit",), "float64", "1", "u of J = diag(u) L diag(d) Rᵀ diag(v)", optional=True
        ),
        "source_scale": Variable(("unit",), "float64", "1", "v of J", optional=True),
        "coupling": Variable(
            ("target", "source"), "float32", "1", "J, the scales u and v included", optional=True
        ),
        "connectome_singular_value": Variable(
            ("connectome_mode",),
            "float64",
            "weight",
            "of the square connectome as read",
            optional=True,
        ),
        "centred_singular_value": Variable(
            ("connectome_mode",),
            "float64",
            "weight",
            "of the square connectome, centred: the spectrum the network has",
            optional=True,
        ),
        "connectome_effective_rank": Variable(
            (), "float64", "1", f"{RANK} connectome as read", optional=True
        ),
        "centred_effective_rank": Variable(
            (), "float64", "1", f"{RANK} connectome, centred", optional=True
        ),
        "connectome_top_mode_share": Variable(
            (), "float64", "1", "σ_1²/Σσ² of the connectome as read", optional=True
        ),
        "centred_top_mode_share": Variable(
            (), "float64", "1", "σ_1²/Σσ² of the connectome, centred", optional=True
        ),
        "connectome_modes_95": Variable(
            (), "int64", "1", "modes with 95 % of Σσ² of the connectome as read", optional=True
        ),
        "connectome_modes_99": Variable(
            (), "int64", "1", "modes with 99 % of Σσ² of the connectome as read", optional=True
        ),
    },
)


@step
def network_random_mode(
    *,
    connectome: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Build a random-mode network with the connectome's singular spectrum.

    Parameters
    ----------
    connectome : Path
        ``connectome/<model>.zarr``.
    out : Path
        ``network/random_mode.zarr``.

    Raises
    ------
    DataError
        The connectome is not square after restriction, not finite, or too degenerate.
    MemoryLimitError
        The spectrum or the network would not fit.
    """
    import numpy as np

    from mesomode.network import preparation
    from mesomode.network import spectrum as spectra
    from mesomode.network.random_mode import RandomModeNetwork
    from mesomode.seeds import generator

    weights = _square_weights(connectome, settings.self_connections)
    read = spectra.singular_values(weights)
    centred = preparation.centred_singular_values(weights, read, settings.centring)
    units = _units(len(weights), settings)
    strengths = preparation.resampled_spectrum(centred, units)
    network = RandomModeNetwork.from_spectrum(
        strengths,
        units=units,
        gain=settings.gain,
        modes=settings.modes,
        generator=generator(seed, "network", "random_mode"),
    )
    inverses = [spectra.inverse_effective_rank_of_spectrum(v) for v in (read, centred)]
    ranks = [1 / inverse if inverse else np.inf for inverse in inverses]
    logger.info(
        "connectome: %d units, top mode %.1f %% of the energy (%.1f %% after centring), "
        "effective rank %.4g (%.4g), %d modes for 95 %%, %d for 99 %%",
        len(weights),
        100 * spectra.top_mode_share(read),
        100 * spectra.top_mode_share(centred),
        *ranks,
        spectra.components_for(read, 0.95),
        spectra.components_for(read, 0.99),
    )
    dataset = _described(network, "random_mode")
    dataset = dataset.assign(
        left=(("unit", "component"), network.left),
        strength=("component", network.strength),
        right=(("unit", "component"), network.right),
        connectome_singular_value=("connectome_mode", read),
        centred_singular_value=("connectome_mode", centred),
        connectome_effective_rank=((), ranks[0]),
        centred_effective_rank=((), ranks[1]),
        connectome_top_mode_share=((), spectra.top_mode_share(read)),
        centred_top_mode_share=((), spectra.top_mode_share(centred)),
        connectome_modes_95=((), spectra.components_for(read, 0.95)),
        connectome_modes_99=((), spectra.components_for(read, 0.99)),
    )
    dataset.attrs |= {
        "modes": settings.modes,
        "centring": settings.centring,
        "connectome_units": len(weights),
        "resampled": units != len(weights),
    }
    write_store(out, dataset, SCHEMA, provenance)


@step
def network_independent(
    *,
    connectome: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Build the control: as many units, independent couplings of the same variance.

    Parameters
    ----------
    connectome : Path
        ``connectome/<model>.zarr``; only the number of its units enters.
    out : Path
        ``network/independent.zarr``.

    Raises
    ------
    DataError
        The connectome is not square after restriction.
    MemoryLimitError
        The couplings would not fit.
    """
    from mesomode.network.random_mode import IndependentNetwork
    from mesomode.seeds import generator

    with open_store(connectome) as dataset:
        count = len(_common(dataset, connectome)[1])
    network = IndependentNetwork.draw(
        _units(count, settings),
        settings.gain,
        generator=generator(seed, "network", "independent"),
    )
    dataset = _described(network, "independent")
    dataset = dataset.assign(coupling=(("target", "source"), network.coupling))
    write_store(out, dataset, SCHEMA, provenance)


def _square_weights(path: Path, keep_diagonal: bool) -> np.ndarray:
    """Weights among the units that are both target and source."""
    import numpy as np

    from mesomode.memory import require_memory
    from mesomode.network.spectrum import checked_matrix

    with open_store(path) as dataset:
        target, source = _common(dataset, path)
        require_memory(
            16.0 * dataset["weights"].size,
            f"weights of {dataset.sizes['target']:,} targets × {dataset.sizes['source']:,} sources",
            "choose fewer regions (atlas.regions) or a machine with more memory",
        )
        weights = dataset["weights"].values[np.ix_(target, source)]
    if not keep_diagonal:
        np.fill_diagonal(weights, 0.0)
    return checked_matrix(weights, square=True, what=f"weights of {path.name}")


def _common(dataset: xr.Dataset, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Positions of targets and sources that are the same units."""
    import numpy as np

    from mesomode.errors import DataError
    from mesomode.network.preparation import common_units

    if "weights" not in dataset or dataset["weights"].dims != ("target", "source"):
        raise DataError(
            "the store holds no weights (target, source)",
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


def _units(connectome_units: int, settings: Settings) -> int:
    return settings.units or min(connectome_units, UNITS_AT_MOST)


def _described(network: Network, variant: str) -> xr.Dataset:
    """What the stores of all networks have in common."""
    import numpy as np
    import xarray as xr

    from mesomode.network.spectrum import inverse_effective_rank_of_spectrum, singular_values

    values = singular_values(network.dense())
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
