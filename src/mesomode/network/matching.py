"""Networks that share more and more with a connectome, up to the connectome itself.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), whose ensembles
have spectra, overlaps and scales.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesomode.errors import DataError
from mesomode.network.blocks import draw_blocks
from mesomode.network.coupling import (
    DenseNetwork,
    FactoredNetwork,
    IndependentNetwork,
    Network,
)
from mesomode.network.decomposition import Decomposition
from mesomode.network.modes import Modes
from mesomode.network.preparation import resampled_spectrum, spectrum_of_rank
from mesomode.network.random_mode import RandomModeNetwork
from mesomode.network.structure import Modes as ConnectomeModes
from mesomode.network.structure import Structure

VARIANTS = ("independent", "blocks", "random_mode", "overlaps", "heterogeneous", "connectome")


def matched_network(
    variant: str,
    structure: Structure,
    *,
    generator: np.random.Generator,
    gain: float = 1.0,
    units: int | None = None,
    modes: Modes = "gaussian",
) -> Network:
    """Draw a network that shares some properties with a connectome.

    Parameters
    ----------
    variant : str
        ``"independent"``: couplings of the same variance. ``"blocks"``: independent, with
        the variances between groups of units. ``"random_mode"``: random modes with the
        connectome's spectrum. ``"overlaps"``: and with those overlaps of output and input
        modes that are not chance. ``"heterogeneous"``: the spectrum and overlaps of what is
        left without the scales of rows and columns, and these scales. ``"connectome"``: the
        connectome, signed and centred, scaled to the gain.
    structure : Structure
        Of the connectome.
    generator : numpy.random.Generator
        Source of the random modes or couplings.
    gain : float
        Coupling gain g of all variants.
    units : int, optional
        Number of units; that of the connectome if not given. The connectome itself loses
        units drawn by chance if there are to be fewer, and never has more.
    modes : {"gaussian", "orthogonal"}
        Kind of random modes. Gaussian ones get strengths with which their effective rank is
        that of the connectome's spectrum; where that is above one per unit, or where modes
        overlap, orthogonal or gaussian ones, respectively, are used instead.

    Returns
    -------
    Network

    Raises
    ------
    DataError
        An unknown variant, or a spectrum that so few units cannot have.
    MemoryLimitError
        The network would not fit.
    """
    count = structure.units if units is None else units
    if variant not in VARIANTS:
        raise DataError(
            f"there is no network variant {variant!r}", remedy=f"use one of {', '.join(VARIANTS)}"
        )
    if variant == "independent":
        return IndependentNetwork.draw(count, gain, generator=generator)
    if variant == "blocks":
        group = _spread(np.sort(structure.group), count)
        if count == structure.units:
            group = structure.group
        profile = structure.block_variance
        return draw_blocks(count, gain, profile, group, generator=generator)
    if variant == "connectome":
        return _itself(structure, gain, min(count, structure.units), generator)
    if variant == "heterogeneous":
        chosen = _chosen_units(structure.units, count, generator)
        u, v = (
            scale[chosen] / np.sqrt(np.mean(scale[chosen] ** 2))
            for scale in (structure.scales.target, structure.scales.source)
        )
        inverse = max(-1.0, structure.modes.unbiased_inverse_effective_rank)
        return _of_modes(structure.bulk, inverse, count, gain, modes, True, generator, u, v)
    inverse = structure.modes.inverse_effective_rank
    overlapping = variant == "overlaps"
    return _of_modes(structure.modes, inverse, count, gain, modes, overlapping, generator)


def _of_modes(
    found: ConnectomeModes,
    inverse: float,
    count: int,
    gain: float,
    modes: Modes,
    overlapping: bool,
    generator: np.random.Generator,
    target_scale: NDArray[np.float64] | None = None,
    source_scale: NDArray[np.float64] | None = None,
) -> RandomModeNetwork:
    """Random modes with a connectome's spectrum, effective rank and perhaps overlaps."""
    values = resampled_spectrum(found.values, count)
    overlap = None
    if overlapping and found.significant.any():
        overlap = _spread(np.where(found.significant, found.overlap, 0.0), count)
        overlap = np.clip(overlap, -1.0, 1.0)
    if overlap is not None:
        modes = "gaussian"
    elif inverse < 1.0:
        modes = "orthogonal"
    # κ₄/g⁴ of orthogonal modes is m_4/m_2² − 2, of gaussian ones m_4/m_2²
    values = spectrum_of_rank(values, max(inverse, 1.0) if modes == "gaussian" else inverse + 2.0)
    return RandomModeNetwork.from_spectrum(
        values,
        units=count,
        gain=gain,
        modes=modes,
        overlap=overlap,
        target_scale=target_scale,
        source_scale=source_scale,
        generator=generator,
    )


def _itself(
    structure: Structure, gain: float, count: int, generator: np.random.Generator
) -> DenseNetwork | FactoredNetwork:
    """The connectome at the gain, as the ensemble with its scales and bulk effective rank."""
    chosen = _chosen_units(structure.units, count, generator)
    couplings = structure.couplings
    if isinstance(couplings, Decomposition):
        outputs, inputs = couplings.left[chosen] * couplings.values, couplings.right[chosen]
        square = np.sum((outputs.T @ outputs) * (inputs.T @ inputs)) / count
    else:
        part = couplings[np.ix_(chosen, chosen)]
        square = np.sum(part**2) / count
    if not square > 0:
        raise DataError(
            f"no two of the {count} units drawn are connected",
            why=f"the connectome has {structure.units} units and {structure.density:.2g} of the "
            "possible connections",
            remedy="use all units (network.units: null)",
        )
    u, v = (
        scale[chosen] / np.sqrt(np.mean(scale[chosen] ** 2))
        for scale in (structure.scales.target, structure.scales.source)
    )
    inverse = max(-1.0, structure.modes.unbiased_inverse_effective_rank)
    to_gain = gain / np.sqrt(square)
    if isinstance(couplings, Decomposition):
        outputs = (outputs * to_gain).astype(np.float32)
        return FactoredNetwork(outputs, inputs.astype(np.float32), gain, inverse, u, v)
    return DenseNetwork((part * to_gain).astype(np.float32), gain, inverse, u, v)


def _chosen_units(available: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """All units, or some, or all and some of them again."""
    if count == available:
        return np.arange(available)
    times, rest = divmod(count, available)
    some = np.sort(generator.permutation(available)[:rest])
    return np.sort(np.concatenate([*[np.arange(available)] * times, some]).astype(np.int64))


def _spread(values: NDArray, count: int) -> NDArray:
    """Values at ``count`` evenly spaced places among those given."""
    place = (np.arange(count) + 0.5) * len(values) / count
    return values[place.astype(np.int64)]
