"""A matrix cut into tiles of whole rows and of whole columns, of which a click loads one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mesomode.explorer.quantising import arrange, quantise

TILE_BYTES = 192 * 1024
"""Size of a tile before it is packed: read and unpacked in a few milliseconds."""
PRECISE_PAIRS = 4_000_000
"""Matrices of at most so many entries get codes of 16 bits, larger ones 8."""


def bits_of(pairs: int) -> int:
    """Bits of the codes of a matrix with so many entries."""
    return 16 if pairs <= PRECISE_PAIRS else 8


def vectors_per_tile(items: int, bits: int) -> int:
    """How many vectors of so many items one tile holds."""
    return max(1, TILE_BYTES // max(1, items * bits // 8))


def tiles_of(
    vectors: NDArray[np.floating], bits: int
) -> Iterator[tuple[int, dict[str, NDArray[np.generic]]]]:
    """Cut vectors into tiles.

    Parameters
    ----------
    vectors : float array (vector, item)
        Finite; read tile by tile.
    bits : int
        Of the codes.

    Yields
    ------
    number : int
        Of the tile; vector v is in tile v // :func:`vectors_per_tile`.
    arrays : dict
        ``codes`` (uint8, see :func:`~mesomode.explorer.quantising.arrange`), ``step`` and ``zero``.
    """
    count, items = vectors.shape
    size = vectors_per_tile(items, bits)
    for number, begin in enumerate(range(0, count, size)):
        codes, step, zero = quantise(vectors[begin : begin + size], bits)
        yield number, {"codes": arrange(codes), "step": step, "zero": zero}
