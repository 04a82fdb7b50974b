"""What of a connectome can matter for dynamics: spectrum, overlaps, scales, each beside chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.memory import require_memory
from mesomode.network import nulls, scales, signs
from mesomode.network.blocks import block_variance, groups_of_modes
from mesomode.network.decomposition import Decomposition, decompose, largest_modes
from mesomode.network.overlaps import OverlapTest, mode_overlaps, overlap_test
from mesomode.network.preparation import Centring, centred, nothing_left, top_mode
from mesomode.network.spectrum import (
    checked_matrix,
    inverse_effective_rank_of_spectrum,
    singular_values,
    singular_values_by_gram,
    unbiased_inverse_effective_rank,
)

ALL_MODES = 4000
"""Units up to which all modes are computed; of larger connectomes all singular values, but the
directions of the largest modes alone."""
LARGEST = 300
"""Modes computed of larger connectomes."""
OWN_DECOMPOSITIONS = 2
"""Of the connectome as read and without its scales; those of null models come after them."""
TIED = 1e-9
"""Singular values as close as this, relative to the largest, count as equal."""


@dataclass(frozen=True)
class Modes:
    """Singular values of a matrix and the overlaps of its modes.

    Parameters
    ----------
    values : (unit,) ndarray of float64
        All singular values, descending.
    inverse_effective_rank : float
        1/PR_D = m_4/m_2² − 2.
    unbiased_inverse_effective_rank : float
        1/PR_D corrected for finitely many and uneven units and heavy tails.
    overlap : (unit,) ndarray of float64
        u_a·v_a; NaN for modes that were not computed or are not defined: of equal singular
        values, or of zero.
    significant : (unit,) ndarray of bool
        Overlaps that are not chance.
    test : OverlapTest or None
        None if no mode is defined.
    """

    values: NDArray[np.float64]
    inverse_effective_rank: float
    unbiased_inverse_effective_rank: float
    overlap: NDArray[np.float64]
    significant: NDArray[np.bool_]
    test: OverlapTest | None

    @property
    def defined(self) -> NDArray[np.bool_]:
        """Modes whose overlap is known."""
        return np.isfinite(self.overlap)

    @property
    def feedback(self) -> float:
        """Largest d ρ of the modes at gain one: what a mode feeds back on itself."""
        strength = self.values / np.sqrt(np.mean(self.values**2))
        return float(np.max(strength * np.nan_to_num(self.overlap)))


@dataclass(frozen=True)
class Null:
    """Random connectomes that keep one property, prepared as the connectome was.

    Parameters
    ----------
    values : (unit,) ndarray of float64
        Singular values of the first one drawn.
    inverse_effective_rank, top_mode_share : (draw,) ndarray of float64
        1/PR_D, corrected, after centring; share of the largest mode before it.
    target_variation, source_variation : (draw,) ndarray of float64
        Coefficient of variation of the scales of rows and columns.
    """

    values: NDArray[np.float64]
    inverse_effective_rank: NDArray[np.float64]
    top_mode_share: NDArray[np.float64]
    target_variation: NDArray[np.float64]
    source_variation: NDArray[np.float64]


@dataclass(frozen=True)
class Structure:
    """What of a connectome can matter for dynamics.

    Parameters
    ----------
    couplings : (unit, unit) ndarray of float64, or Decomposition
        The connectome with its signs, centred; any scale. Its modes, if it came in factors.
    connectome_values : (unit,) ndarray of float64
        Singular values with the signs, before centring.
    modes : Modes
        Of ``couplings``.
    scales : mesomode.network.scales.Scales
        Of the rows and columns of ``couplings``.
    bulk : Modes
        Of the couplings divided by their scales.
    kurtosis : float
        Of the entries of ``couplings``.
    mean_share : float
        Share of the sum of squares that the mean coupling has before centring.
    density : float
        Share of pairs of different units that are connected.
    isolated : int
        Units without any connection.
    parts : int
        Groups of several units that no connection joins, in either direction; 1 if all
        connected units hang together.
    group : (unit,) ndarray of int64
        Groups of the control with blocks.
    block_variance : (target group, source group) ndarray of float64
        Mean squares of the couplings between groups, relative to that of all.
    self_coupling : float
        Mean coupling of a unit to itself at gain one, tr J/N.
    reciprocity : float
        Correlation of the couplings of a pair in both directions, tr J²/N at gain one.
    nulls : dict of str to Null
    """

    couplings: NDArray[np.float64] | Decomposition
    connectome_values: NDArray[np.float64]
    modes: Modes
    scales: scales.Scales
    bulk: Modes
    kurtosis: float
    mean_share: float
    density: float
    isolated: int
    parts: int
    group: NDArray[np.int64]
    block_variance: NDArray[np.float64]
    self_coupling: float
    reciprocity: float
    nulls: dict[str, Null] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """Number of units, N."""
        return len(self.group)

    @property
    def mean_square(self) -> float:
        """ΣJ²/N of ``couplings``, to be replaced by g²."""
        return float(np.sum(self.modes.values**2) / self.units)


def structure_of(
    weights: ArrayLike,
    *,
    generator: np.random.Generator,
    centring: Centring = "top_mode",
    inhibitory: ArrayLike | None = None,
    position: ArrayLike | None = None,
    group: ArrayLike | None = None,
    blocks: int = 4,
    draws: int = 5,
    permutations: int = 200,
    progress: Callable[[int], None] | None = None,
) -> Structure:
    """Measure a connectome and its null models.

    Parameters
    ----------
    weights : (target, source) array_like
        Square, nonnegative.
    generator : numpy.random.Generator
        Source of null models and permutations.
    centring : {"top_mode", "rank_one_mean", "none"}
        What is removed once the units have their signs.
    inhibitory : (unit,) array_like, optional
        Sign of what each unit sends, ±1.
    position : (unit, axis) array_like, optional
        Where the units are, for the null model that keeps the decay with distance.
    group : (unit,) array_like of int, optional
        Group of each unit; found in the connections if not given.
    blocks : int
        Number of groups to find.
    draws : int
        Random connectomes of each kind; 0 for none.
    permutations : int
        Permutations in the test of the overlaps.
    progress : callable, optional
        Called with 1 after each decomposition: ``OWN_DECOMPOSITIONS`` of the connectome itself,
        then one of each random connectome.

    Returns
    -------
    Structure

    Raises
    ------
    DataError
        Not a square finite matrix other than zero, or nothing is left after centring.
    MemoryLimitError
        The decompositions would not fit.
    """
    read = checked_matrix(weights, square=True).astype(np.float64)
    units = len(read)
    require_memory(
        90.0 * units**2,
        f"the modes and null models of {units:,} × {units:,} couplings",
        "use a coarser connectome, or a machine with more memory",
    )
    sign = np.ones(units) if inhibitory is None else np.asarray(inhibitory, dtype=np.float64)
    signed = read * sign
    report = progress or (lambda done: None)
    values, directions = _modes(signed, generator)
    report(1)
    member = groups_of(directions, sign, group, blocks, generator)
    if centring == "top_mode":
        left, top, right = directions.left[:, 0], directions.values[0], directions.right[:, 0]
        couplings = signed - top * np.outer(left, right)
        rest = np.append(values[1:], 0.0)
        if rest[0] < 1e-7 * values[0]:
            raise nothing_left()
        kept = Decomposition(directions.left[:, 1:], directions.values[1:], directions.right[:, 1:])
    elif centring == "none":
        couplings, rest, kept = signed, values, directions
    else:
        couplings = centred(signed, centring)
        rest, kept = _modes(couplings, generator)
    found = scales.scales_of(couplings)
    bulk = scales.without_scales(couplings, found)
    bulk_values, bulk_directions = _modes(bulk, generator)
    report(1)
    mean_square = float(np.sum(couplings**2)) / units
    return Structure(
        couplings=couplings,
        connectome_values=values,
        modes=describe_modes(
            rest, kept, unbiased_inverse_effective_rank(couplings), generator, permutations
        ),
        scales=found,
        bulk=describe_modes(
            bulk_values,
            bulk_directions,
            unbiased_inverse_effective_rank(bulk),
            generator,
            permutations,
        ),
        kurtosis=scales.entry_kurtosis(couplings),
        mean_share=signs.mean_share(signed),
        density=float(np.mean(read[~np.eye(units, dtype=bool)] != 0)) if units > 1 else 0.0,
        isolated=int(np.sum(~(read.any(axis=0) | read.any(axis=1)))),
        parts=parts_of(read),
        group=member,
        block_variance=block_variance(couplings, member)[0],
        self_coupling=float(np.trace(couplings) / units / np.sqrt(mean_square)),
        reciprocity=float(np.einsum("ij,ji->", couplings, couplings) / units / mean_square),
        nulls=null_models(read, sign, centring, position, draws, generator, report),
    )


def _modes(
    matrix: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.float64], Decomposition]:
    """All singular values, and all modes or the largest."""
    if len(matrix) <= ALL_MODES:
        modes = decompose(matrix)
        return modes.values, modes
    modes = largest_modes(
        lambda x: matrix @ x, lambda y: matrix.T @ y, matrix.shape, LARGEST, generator=generator
    )
    return singular_values(matrix), modes


def parts_of(weights: NDArray[np.float64]) -> int:
    """Number of groups of several units that no connection joins, in either direction."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    _, member = connected_components(csr_array(weights != 0), directed=False)
    return int(np.sum(np.bincount(member) > 1))


def groups_of(
    modes: Decomposition,
    sign: NDArray[np.float64],
    group: ArrayLike | None,
    blocks: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Groups given, numbered without gaps, or as many found in the largest modes."""
    if group is not None:
        return np.unique(np.asarray(group), return_inverse=True)[1].astype(np.int64)
    count = min(blocks, len(modes.values))
    return groups_of_modes(
        modes.left[:, :count] * modes.values[:count],
        sign[:, None] * modes.right[:, :count] * modes.values[:count],
        blocks,
        generator,
    )


def describe_modes(
    values: NDArray[np.float64],
    directions: Decomposition,
    unbiased: float,
    generator: np.random.Generator,
    permutations: int,
) -> Modes:
    """Describe singular values and the overlaps of those modes that are known and defined.

    Parameters
    ----------
    values : (unit,) ndarray of float64
        All singular values, descending.
    directions : Decomposition
        All modes, or the largest.
    unbiased : float
        1/PR_D corrected for finitely many and uneven units and heavy tails.
    generator : numpy.random.Generator
    permutations : int
        In the test of the overlaps.
    """
    overlap, significant = np.full(len(values), np.nan), np.zeros(len(values), dtype=bool)
    own = directions.values
    tied = np.diff(own, append=-1.0) > -TIED * own[0]
    tied[1:] |= tied[:-1].copy()
    (defined,) = np.nonzero(~tied & (own > TIED * own[0]))
    test = None
    if len(defined) and len(values) > 1:
        chosen = Decomposition(
            directions.left[:, defined], own[defined], directions.right[:, defined]
        )
        test = overlap_test(chosen, generator=generator, permutations=permutations)
        overlap[defined], significant[defined] = mode_overlaps(chosen), test.significant
    return Modes(
        values=values,
        inverse_effective_rank=inverse_effective_rank_of_spectrum(values),
        unbiased_inverse_effective_rank=unbiased,
        overlap=overlap,
        significant=significant,
        test=test,
    )


def null_models(
    read: NDArray[np.float64],
    sign: NDArray[np.float64],
    centring: Centring,
    position: ArrayLike | None,
    draws: int,
    generator: np.random.Generator,
    progress: Callable[[int], None],
) -> dict[str, Null]:
    """Random connectomes of every kind, by name; see :func:`structure_of`."""
    kinds: dict[str, Callable[[], NDArray[np.float64]]] = {
        "shuffled": lambda: nulls.shuffled(read, generator)
    }
    if (read >= 0).all():
        kinds["degrees"] = lambda: nulls.degree_preserving(read, generator)
    if position is not None:
        place = np.asarray(position, dtype=np.float64)
        kinds["distance"] = lambda: nulls.distance_preserving(read, place, generator)
    found = {}
    for name, draw in kinds.items() if draws else ():
        measured = np.empty((4, draws))
        values = np.empty(0)
        for index in range(draws):
            random = draw() * sign
            left, top, right = top_mode(random)
            measured[1, index] = top**2 / np.sum(random**2)
            if centring == "top_mode":
                random -= top * np.outer(left, right)
            elif centring == "rank_one_mean":
                random = centred(random, centring)
            if index == 0:
                values = singular_values_by_gram(random)
            own = scales.scales_of(random)
            measured[0, index] = unbiased_inverse_effective_rank(random)
            measured[2:, index] = own.target_variation, own.source_variation
            progress(1)
        found[name] = Null(values, *measured)
    return found
