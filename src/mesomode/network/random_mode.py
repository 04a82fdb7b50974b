"""Random-mode networks J = diag(u) L diag(d) Rᵀ diag(v), kept in factors.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mesomode.errors import DataError
from mesomode.memory import require_memory
from mesomode.network.coupling import (
    DenseNetwork,
    IndependentNetwork,
    Network,
    check_scales,
    check_size,
)

__all__ = ["DenseNetwork", "IndependentNetwork", "Modes", "Network", "RandomModeNetwork"]

Modes = Literal["gaussian", "orthogonal"]


@dataclass(frozen=True, eq=False)
class RandomModeNetwork:
    """Couplings J = diag(u) L diag(d) Rᵀ diag(v), kept as factors.

    Parameters
    ----------
    left : (unit, mode) ndarray
        Output directions L.
    strength : (mode,) ndarray
        Component strengths d, of order one.
    right : (unit, mode) ndarray
        Input directions R.
    modes : {"gaussian", "orthogonal"}
        How L and R were drawn: independent normal entries of variance 1/N (the paper's
        ensemble), or Haar-distributed orthonormal columns, in which case d are the
        singular values of L diag(d) Rᵀ.
    target_scale, source_scale : (unit,) ndarray of float64, optional
        Scales u of what each unit receives and v of what it sends, of mean square one.
    overlap : (mode,) ndarray of float64, optional
        Correlation ρ of corresponding entries of L and R in the ensemble, −1 to 1; None if
        they were drawn independently.

    Raises
    ------
    DataError
        Shapes that do not fit together, or values that are not finite.
    """

    left: NDArray
    strength: NDArray
    right: NDArray
    modes: Modes = "gaussian"
    target_scale: NDArray | None = None
    source_scale: NDArray | None = None
    overlap: NDArray | None = None

    def __post_init__(self) -> None:
        shapes = (self.left.shape, self.strength.shape, self.right.shape)
        fits = self.left.ndim == 2 and self.right.shape == self.left.shape
        if not fits or self.strength.shape != self.left.shape[1:]:
            raise DataError(
                "the factors of a random-mode network do not fit together",
                why=f"L, d, R have shapes {shapes}",
                remedy="give L and R as (unit, mode) and d as (mode,)",
            )
        for name, factor in (("L", self.left), ("d", self.strength), ("R", self.right)):
            if not np.isfinite(factor).all():
                raise DataError(f"factor {name} of a random-mode network is not finite")
        if not self.strength.any():
            raise DataError(
                "a random-mode network has no modes",
                why="all strengths are zero (rank 0)",
                remedy="give at least one strength that is not zero",
            )
        check_scales(self.units, self.target_scale, self.source_scale)
        if self.overlap is not None:
            check_overlap(self.overlap, self.strength.size)

    @classmethod
    def from_spectrum(
        cls,
        spectrum: ArrayLike,
        *,
        generator: np.random.Generator,
        units: int | None = None,
        gain: float | None = None,
        modes: Modes = "gaussian",
        dtype: DTypeLike = np.float32,
    ) -> RandomModeNetwork:
        """Draw random modes for given component strengths.

        Parameters
        ----------
        spectrum : (mode,) array_like
            Nonnegative strengths, for example a connectome's singular values. Zeros count
            in the averages but get no modes.
        generator : numpy.random.Generator
            Source of the modes.
        units : int, optional
            Number of units N; as many as strengths if not given.
        gain : float, optional
            Coupling gain g the strengths are scaled to, √(Σd²/N) = g; if not given, they
            are used as they are.
        modes : {"gaussian", "orthogonal"}
            See the class.
        dtype : dtype
            Precision of the factors.

        Returns
        -------
        RandomModeNetwork

        Raises
        ------
        DataError
            Strengths that are negative, not finite or all zero; more orthogonal modes
            than units; no units; a gain that is not positive.
        MemoryLimitError
            The factors would not fit.
        """
        strength = np.sort(np.asarray(spectrum, dtype=np.float64).ravel())[::-1]
        if not strength.size or not np.isfinite(strength).all() or strength[-1] < 0:
            raise DataError(
                "the spectrum is not a set of strengths",
                why="they must be finite, nonnegative and at least one",
                remedy="give singular values",
            )
        count = len(strength) if units is None else int(units)
        strength = strength[strength > 1e-12 * strength[0]]
        if not len(strength):
            raise DataError("the spectrum is all zero", why="a network of rank 0 has no modes")
        check_size(count, gain)
        if modes == "orthogonal" and len(strength) > count:
            raise DataError(
                "there are more orthogonal modes than units",
                why=f"{len(strength)} strengths for {count} units",
                remedy="resample the spectrum (resampled_spectrum) or use gaussian modes",
            )
        size = np.dtype(dtype).itemsize + 8
        require_memory(
            2.0 * size * count * len(strength) + (8.0 * count**2 if modes == "orthogonal" else 0),
            f"two sets of {len(strength):,} modes of {count:,} units",
            "use fewer units (network.units)",
        )
        if gain is not None:
            strength = strength * (gain / np.sqrt(np.sum(strength**2) / count))
        draw = _gaussian_modes if modes == "gaussian" else _orthogonal_modes
        left = draw(count, len(strength), generator).astype(dtype)
        right = draw(count, len(strength), generator).astype(dtype)
        return cls(left, strength.astype(dtype), right, modes)

    @property
    def units(self) -> int:
        """Number of units, N."""
        return self.left.shape[0]

    @property
    def gain(self) -> float:
        """Coupling gain g = √(Σd²/N); the scales of mean square one leave it."""
        return float(np.sqrt(np.sum(self.strength.astype(np.float64) ** 2) / self.units))

    @property
    def inverse_effective_rank(self) -> float:
        """1/PR_D of the ensemble, exactly: κ₄/g⁴ for the kind of modes."""
        squares = np.square(self.strength / self.strength.max(), dtype=np.float64)
        raw = float(self.units * np.sum(squares**2) / np.sum(squares) ** 2)
        return raw if self.modes == "gaussian" else raw - 2.0

    @property
    def effective_rank(self) -> float:
        """PR_D of the ensemble, per unit: (1/N)(Σd²)²/Σd⁴ for gaussian modes."""
        inverse = self.inverse_effective_rank
        return 1.0 / inverse if inverse else np.inf

    @cached_property
    def _product(self) -> tuple[NDArray, ...]:
        """Matrices to apply one after another: two factors if that is cheaper, else J."""
        if 2 * self.strength.size < self.units:
            return np.ascontiguousarray(self._inputs.T), self._outputs * self.strength
        return (self.dense(),)

    @property
    def _outputs(self) -> NDArray:
        """diag(u) L."""
        if self.target_scale is None:
            return self.left
        return self.left * self.target_scale[:, None].astype(self.left.dtype)

    @property
    def _inputs(self) -> NDArray:
        """diag(v) R."""
        if self.source_scale is None:
            return self.right
        return self.right * self.source_scale[:, None].astype(self.right.dtype)

    def multiply(self, rates: NDArray, out: NDArray | None = None) -> NDArray:
        """Input that ``rates`` give to every unit, J @ rates.

        Parameters
        ----------
        rates : (unit,) or (unit, trajectory) ndarray
        out : ndarray, optional
            Where to put the result; same shape.

        Returns
        -------
        ndarray
            Same shape as ``rates``.
        """
        *first, last = self._product
        for factor in first:
            rates = factor @ rates
        return np.matmul(last, rates, out=out)

    def dense(self) -> NDArray:
        """Couplings J (target, source)."""
        require_memory(
            float(self.left.dtype.itemsize) * self.units**2,
            f"{self.units:,} × {self.units:,} couplings",
            "use fewer units (network.units)",
        )
        return (self._outputs * self.strength) @ self._inputs.T

    def astype(self, dtype: DTypeLike) -> RandomModeNetwork:
        """Return the same network with factors of another precision."""
        if self.left.dtype == dtype:
            return self
        return replace(
            self,
            left=self.left.astype(dtype),
            strength=self.strength.astype(dtype),
            right=self.right.astype(dtype),
        )


def check_overlap(overlap: NDArray, count: int) -> None:
    """Refuse overlaps that are not correlations, one a mode."""
    if overlap.shape != (count,) or not (np.abs(overlap) <= 1).all():
        raise DataError(
            "the overlaps of the modes are not possible",
            why=f"{overlap.shape} numbers up to {np.abs(overlap).max(initial=0):g} for {count} "
            "modes",
            remedy="give one correlation a mode, between -1 and 1",
        )


def _gaussian_modes(units: int, count: int, generator: np.random.Generator) -> NDArray:
    return generator.standard_normal((units, count)) / np.sqrt(units)


def _orthogonal_modes(units: int, count: int, generator: np.random.Generator) -> NDArray:
    """Haar-distributed orthonormal columns: QR of a normal matrix with the signs fixed."""
    basis, triangle = np.linalg.qr(generator.standard_normal((units, count)))
    return basis * np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
