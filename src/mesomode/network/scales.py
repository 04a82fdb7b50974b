"""How unevenly connections are spread over units: scales of rows and columns, and what is left.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025), heterogeneous
networks J = diag(u) B diag(v).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.network.spectrum import checked_matrix


@dataclass(frozen=True)
class Scales:
    """Scales of rows and columns, J_ij² ≈ u_i² v_j² mean(J²).

    Parameters
    ----------
    target : (unit,) ndarray of float64
        u, the root mean square of each row relative to that of all, of mean square one; zero
        for units without input.
    source : (unit,) ndarray of float64
        v, the same for columns.
    """

    target: NDArray[np.float64]
    source: NDArray[np.float64]

    @property
    def target_variation(self) -> float:
        """Coefficient of variation of u."""
        return float(np.std(self.target) / np.mean(self.target))

    @property
    def source_variation(self) -> float:
        """Coefficient of variation of v."""
        return float(np.std(self.source) / np.mean(self.source))

    @property
    def isolated(self) -> NDArray[np.bool_]:
        """Units that neither receive nor send anything."""
        return (self.target == 0) & (self.source == 0)


def scales_of(couplings: ArrayLike) -> Scales:
    """Scales of rows and columns from their sums of squares.

    The rank-one variance u_i² v_j² with these scales has the sums of squares of all rows
    and columns exactly.

    Parameters
    ----------
    couplings : (unit, unit) array_like

    Raises
    ------
    DataError
        Not a square finite matrix other than zero.
    """
    matrix = checked_matrix(couplings, square=True, what="couplings").astype(np.float64)
    squares = np.square(matrix / np.abs(matrix).max())
    target, source = (np.sqrt(squares.mean(axis=axis) / squares.mean()) for axis in (1, 0))
    return Scales(target, source)


def without_scales(couplings: ArrayLike, scales: Scales) -> NDArray[np.float64]:
    """Bulk couplings B = diag(1/u) J diag(1/v).

    Rows and columns of zeros stay zero.

    Parameters
    ----------
    couplings : (unit, unit) array_like
    scales : Scales

    Returns
    -------
    (unit, unit) ndarray of float64
    """
    rows, columns = (
        np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
        for scale in (scales.target, scales.source)
    )
    return rows[:, None] * np.asarray(couplings, dtype=np.float64) * columns


def entry_kurtosis(couplings: ArrayLike) -> float:
    """N² ΣJ⁴/(ΣJ²)² of the couplings: 3 for normal ones, large for sparse and heavy-tailed."""
    squares = np.square(np.asarray(couplings, dtype=np.float64))
    return float(np.mean(squares**2) / np.mean(squares) ** 2)
