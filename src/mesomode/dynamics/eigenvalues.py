"""Eigenvalues of the couplings, and the circle that random ones fill.

Independent couplings of variance g²/N have eigenvalues in the disc of radius g (Girko's
circular law), as have random modes L diag(d) Rᵀ with independent L and R of any strengths: the
radius depends on g alone, the density inside on the strengths. Overlaps of L and R and a mean
of the couplings put eigenvalues outside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesomode.errors import DataError
from mesomode.memory import require_memory
from mesomode.network.coupling import Network


def coupling_eigenvalues(network: Network) -> NDArray[np.complex128]:
    """All eigenvalues of J.

    Parameters
    ----------
    network : Network
        With fewer modes than units, those of a matrix of modes by modes and zeros: the
        products AB and BA have the same eigenvalues other than zero.

    Returns
    -------
    (unit,) ndarray of complex128
        By descending magnitude.

    Raises
    ------
    DataError
        The couplings are not finite.
    MemoryLimitError
        The matrix would not fit.
    """
    units = network.units
    factors = network.factors()
    size = units if factors is None else min(units, factors[0].shape[1])
    require_memory(
        24.0 * size**2 + 8.0 * units**2 * (size == units),
        f"the eigenvalues of {size:,} × {size:,} numbers",
        "use fewer units (network.units)",
    )
    if factors is not None and size < units:
        outputs, inputs = (factor.astype(np.float64) for factor in factors)
        matrix = inputs.T @ outputs
    else:
        matrix = network.dense().astype(np.float64)
    if not np.isfinite(matrix).all():
        raise DataError(
            "the couplings are not finite",
            why="some are NaN or infinite, so that there are no eigenvalues",
            remedy="check the connectome the network was made from",
        )
    values = np.zeros(units, dtype=np.complex128)
    values[:size] = np.linalg.eigvals(matrix)
    return values[np.argsort(-np.abs(values), kind="stable")]
