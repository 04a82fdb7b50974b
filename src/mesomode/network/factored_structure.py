"""What of a connectome in factors W = A Bᵀ can matter for dynamics, with W never formed.

Everything that :mod:`mesomode.network.structure` measures of a matrix follows from two factors
of R columns in O(N R²), except two things that need the entries themselves: sums of fourth
powers and the density are taken from whole rows drawn by chance, and the null models from the
couplings among units drawn by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError
from mesomode.memory import require_memory
from mesomode.network.decomposition import Decomposition, decompose_factored
from mesomode.network.preparation import Centring, mean_is_zero, nothing_left
from mesomode.network.scales import Scales
from mesomode.network.spectrum import checked_matrix
from mesomode.network.structure import (
    Null,
    Structure,
    describe_modes,
    groups_of,
    null_models,
)

ROWS = 2000
"""Rows from which fourth powers and density are taken, if there are more."""
NULL_UNITS = 1500
"""Units among which null models are drawn, if there are more."""
BLOCK = 2**22
"""Entries of W formed at once."""
EMPTY = 1e-10
"""Scale of a row or column, relative to the mean, below which rounding is all there is."""


def structure_of_factors(
    left: ArrayLike,
    right: ArrayLike,
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
    """Measure a connectome W = A Bᵀ that is never formed.

    Parameters
    ----------
    left, right : (unit, column) array_like
        Factors A of the targets and B of the sources, the same units in the same order.
    generator, centring, inhibitory, position, group, blocks, draws, permutations, progress
        As of :func:`mesomode.network.structure.structure_of`.

    Returns
    -------
    Structure
        Its couplings are a :class:`mesomode.network.decomposition.Decomposition`. All N singular
        values are given, those beyond the rank as zero. The diagonal is that of the factors:
        it cannot be taken out without losing the low rank. Density and kurtosis are exact up to
        2,000 units, estimates from as many rows above. The null models are of 1,500 units drawn
        by chance if there are more: their 1/PR_D is multiplied by the ratio of the
        numbers of units, as 1/PR_D grows with them at given strengths, and their singular
        values are NaN.

    Raises
    ------
    DataError
        The factors are not two finite matrices of the same shape, their product is zero, or
        nothing is left after centring.
    MemoryLimitError
        The decompositions would not fit: about 100 bytes for each unit and column, and 0.2 GB
        for null models (measured: 0.6 GB and 25 s for 100,000 units and 50 columns).
    """
    a, b = (checked_matrix(f, what="factors").astype(np.float64) for f in (left, right))
    if a.shape != b.shape:
        raise DataError(
            "the factors do not belong to a square connectome",
            why=f"their shapes are {a.shape} and {b.shape}",
            remedy="give (unit, column) twice, for the same units in the same order",
        )
    units, columns = a.shape
    require_memory(
        100.0 * units * columns + 90.0 * min(units, NULL_UNITS) ** 2 + 24.0 * BLOCK,
        f"the modes of {units:,} units with factors of {columns:,} columns",
        "use a connectome of lower rank or fewer units, or a machine with more memory",
    )
    sign = np.ones(units) if inhibitory is None else np.asarray(inhibitory, dtype=np.float64)
    signed = b * sign[:, None]
    report = progress or (lambda done: None)
    read = decompose_factored(a, signed)
    report(1)
    member = groups_of(read, sign, group, blocks, generator)
    kept = _centred(a, signed, read, centring)
    found = scales_of_modes(kept)
    outputs, inputs = (
        factor * np.divide(1.0, scale, out=np.zeros(units), where=scale > 0)[:, None]
        for factor, scale in ((kept.left * kept.values, found.target), (kept.right, found.source))
    )
    bulk = decompose_factored(outputs, inputs)
    report(1)
    rows = np.arange(units)
    if units > ROWS:
        rows = np.sort(generator.permutation(units)[:ROWS])
    fourth = _fourth_power(kept, rows)
    mean_square = float(np.sum(kept.values**2)) / units
    return Structure(
        couplings=kept,
        connectome_values=_padded(read.values, units),
        modes=describe_modes(
            _padded(kept.values, units),
            kept,
            _unbiased_inverse_effective_rank(kept, fourth),
            generator,
            permutations,
        ),
        scales=found,
        bulk=describe_modes(
            _padded(bulk.values, units),
            bulk,
            _unbiased_inverse_effective_rank(bulk, _fourth_power(bulk, rows)),
            generator,
            permutations,
        ),
        kurtosis=fourth / mean_square**2,
        mean_share=float(
            (a.sum(axis=0) @ signed.sum(axis=0)) ** 2 / np.sum(read.values**2) / units**2
        ),
        density=_density(a, b, rows),
        isolated=int(np.sum(_unconnected(a, b) & _unconnected(b, a))),
        parts=_parts(a, b),
        group=member,
        block_variance=_block_variance(kept, member),
        self_coupling=float(
            np.einsum("ia,a,ia->", kept.left, kept.values, kept.right)
            / units
            / np.sqrt(mean_square)
        ),
        reciprocity=_reciprocity(kept),
        nulls=_sampled_nulls(a, b, sign, centring, position, draws, generator, report),
    )


def scales_of_modes(modes: Decomposition) -> Scales:
    """Scales of rows and columns of couplings that are given by their modes."""
    squares = np.square(modes.values)
    scales = []
    for directions in (modes.left, modes.right):
        scale = np.sqrt(np.square(directions) @ squares)
        scale /= np.sqrt(np.mean(np.square(scale)))
        scale[scale < EMPTY] = 0.0
        scales.append(scale)
    return Scales(*scales)


def self_connection_share(left: ArrayLike, right: ArrayLike) -> float:
    """Share of ΣW² on the diagonal of W = A Bᵀ."""
    a, b = (np.asarray(factor, dtype=np.float64) for factor in (left, right))
    total = np.sum((a.T @ a) * (b.T @ b))
    return float(np.sum(np.einsum("ia,ia->i", a, b) ** 2) / total)


def _centred(
    a: NDArray[np.float64], b: NDArray[np.float64], read: Decomposition, how: Centring
) -> Decomposition:
    """Modes of the centred connectome; see :func:`mesomode.network.preparation.centred`."""
    if how == "none":
        return read
    if how == "top_mode":
        kept = Decomposition(read.left[:, 1:], read.values[1:], read.right[:, 1:])
    else:
        received, sent = a @ b.sum(axis=0), b @ a.sum(axis=0)
        total, size = float(received.sum()), float(np.sqrt(np.sum(read.values**2)))
        if abs(total) < 1e-12 * size * len(a):
            raise mean_is_zero(total / len(a) ** 2, size / len(a))
        kept = decompose_factored(
            np.column_stack([a, -received / total]), np.column_stack([b, sent])
        )
    if not kept.values.size or kept.values[0] < 1e-7 * read.values[0]:
        raise nothing_left()
    return kept


def _padded(values: NDArray[np.float64], units: int) -> NDArray[np.float64]:
    return np.concatenate([values, np.zeros(max(0, units - len(values)))])[:units]


def _in_blocks(
    a: NDArray[np.float64], b: NDArray[np.float64], rows: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Some rows of A Bᵀ, a few at a time."""
    at_once = max(1, BLOCK // len(b))
    for start in range(0, len(rows), at_once):
        chosen = rows[start : start + at_once]
        yield chosen, a[chosen] @ b.T


def _fourth_power(modes: Decomposition, rows: NDArray[np.intp]) -> float:
    """N² times the mean of J⁴, from some rows."""
    total = sum(
        float(np.sum(np.square(np.square(block))))
        for _, block in _in_blocks(modes.left * modes.values, modes.right, rows)
    )
    return total * len(modes.left) / len(rows)


def _density(a: NDArray[np.float64], b: NDArray[np.float64], rows: NDArray[np.intp]) -> float:
    """Share of pairs of different units that are connected, from some rows."""
    units = len(a)
    if units < 2:
        return 0.0
    connected = 0
    for chosen, block in _in_blocks(a, b, rows):
        block[np.arange(len(chosen)), chosen] = 0.0
        connected += int(np.count_nonzero(block))
    return connected / (len(rows) * (units - 1))


def _unconnected(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Units whose row of A Bᵀ is zero as no column of the factors reaches any other."""
    return np.abs(a) @ np.abs(b).sum(axis=0) == 0


def _parts(a: NDArray[np.float64], b: NDArray[np.float64]) -> int:
    """As :func:`mesomode.network.structure.parts_of`: columns join the units they reach."""
    from scipy.sparse import block_array, csr_array
    from scipy.sparse.csgraph import connected_components

    # a column joins units only if it has both targets and sources
    both = a.any(axis=0) & b.any(axis=0)
    reached = csr_array((a[:, both] != 0) | (b[:, both] != 0))
    _, member = connected_components(block_array([[None, reached], [reached.T, None]]))
    return int(np.sum(np.bincount(member[: len(a)]) > 1))


def _unbiased_inverse_effective_rank(modes: Decomposition, fourth: float) -> float:
    """As :func:`mesomode.network.spectrum.unbiased_inverse_effective_rank`, of modes."""
    units, squares = len(modes.left), np.square(modes.values)
    rows, columns = (np.square(directions) @ squares for directions in (modes.left, modes.right))
    cycles = np.sum(squares**2) - rows @ rows - columns @ columns + fourth
    return float(units / (1 - 1 / units) ** 2 * cycles / squares.sum() ** 2)


def _reciprocity(modes: Decomposition) -> float:
    """Of couplings J, tr J²/ΣJ²."""
    crossed = (modes.right.T @ modes.left) * modes.values
    return float(np.sum(crossed * crossed.T) / np.sum(modes.values**2))


def _block_variance(modes: Decomposition, member: NDArray[np.int64]) -> NDArray[np.float64]:
    """As :func:`mesomode.network.blocks.block_variance`: Σ (A_i·B_j)² = tr AᵀA BᵀB."""
    size = np.bincount(member)
    grams = []
    for factor in (modes.left * modes.values, modes.right):
        gram = np.empty((len(size), factor.shape[1] ** 2))
        for index in range(len(size)):
            part = factor[member == index]
            gram[index] = (part.T @ part).ravel() / max(1, len(part))
        grams.append(gram)
    mean_square = np.sum(modes.values**2) / len(member) ** 2
    return np.maximum(grams[0] @ grams[1].T, 0.0) / mean_square


def _sampled_nulls(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    sign: NDArray[np.float64],
    centring: Centring,
    position: ArrayLike | None,
    draws: int,
    generator: np.random.Generator,
    progress: Callable[[int], None],
) -> dict[str, Null]:
    """Null models of the couplings among units drawn by chance."""
    units = len(a)
    if not draws:
        return {}
    chosen = np.arange(units)
    if units > NULL_UNITS:
        chosen = np.sort(generator.permutation(units)[:NULL_UNITS])
    place = None if position is None else np.asarray(position, dtype=np.float64)[chosen]
    drawn = null_models(
        a[chosen] @ b[chosen].T, sign[chosen], centring, place, draws, generator, progress
    )
    if len(chosen) == units:
        return drawn
    return {
        name: Null(
            np.full(units, np.nan),
            null.inverse_effective_rank * (units / len(chosen)),
            null.top_mode_share,
            null.target_variation,
            null.source_variation,
        )
        for name, null in drawn.items()
    }
