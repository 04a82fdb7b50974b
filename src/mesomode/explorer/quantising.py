"""Real vectors as small integers of which the error is known, arranged so that they pack well."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesomode.errors import DataError

BITS = (8, 16)


def quantise(
    vectors: NDArray[np.floating], bits: int
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.float64], NDArray[np.int32]]:
    """Round each vector to multiples of a step of its own, so that zero stays zero.

    value = (code - zero) * step, within :func:`bound`.

    Parameters
    ----------
    vectors : float array (vector, item)
        Finite.
    bits : int
        8 or 16.

    Returns
    -------
    codes : uint8 or uint16 array (vector, item)
    step : float64 array (vector,)
        0 where a vector is all zero.
    zero : int32 array (vector,)
        Code of the value 0.

    Raises
    ------
    DataError
        A value is not finite, or there is no such number of bits.
    """
    if bits not in BITS:
        raise DataError(f"codes of {bits} bits are not known", remedy="8 or 16")
    values = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError("values that are not finite cannot be rounded to codes")
    low = np.minimum(values.min(axis=1, initial=0.0), 0.0)
    high = np.maximum(values.max(axis=1, initial=0.0), 0.0)
    step = (high - low) / (2**bits - 3)
    known = np.where(step > 0, step, 1.0)
    zero = np.ceil(-low / known).astype(np.int32)
    codes = np.rint(values / known[:, None]) + zero[:, None]
    return codes.astype(f"uint{bits}"), step, zero


def restore(
    codes: NDArray[np.unsignedinteger], step: NDArray[np.float64], zero: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Values of codes; see :func:`quantise`."""
    return (codes.astype(np.float64) - zero[:, None]) * step[:, None]


def bound(bits: int) -> float:
    """Largest error of a restored value, as a fraction of the range of its vector (0 included)."""
    return 0.5 / (2**bits - 3)


def arrange(codes: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """Differences in both directions, high bytes before low bytes: smooth vectors pack well.

    Each code less that before it, less the same difference in the vector before, modulo the range
    of the codes.

    Parameters
    ----------
    codes : uint8 or uint16 array (vector, item)
        Vectors of neighbours beside each other.

    Returns
    -------
    uint8 array (bytes,)
    """
    nothing = codes.dtype.type(0)
    along = np.diff(codes, axis=1, prepend=nothing)
    differences = np.diff(along, axis=0, prepend=nothing)
    if codes.dtype == np.uint8:
        return differences.ravel()
    high, low = differences >> 8, differences & 0xFF
    return np.concatenate([high.ravel(), low.ravel()]).astype(np.uint8)


def rearrange(content: NDArray[np.uint8], items: int, bits: int) -> NDArray[np.unsignedinteger]:
    """Codes (vector, item) that :func:`arrange` made into bytes."""
    if bits == 8:
        return _summed(content.reshape(-1, items), np.uint8)
    high, low = content.reshape(2, -1, items).astype(np.uint16)
    return _summed((high << 8) | low, np.uint16)


def _summed(differences: NDArray[Any], dtype: type) -> NDArray[np.unsignedinteger]:
    return np.cumsum(np.cumsum(differences, axis=0, dtype=dtype), axis=1, dtype=dtype)
