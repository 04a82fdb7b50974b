"""Random-mode networks J = L diag(d) Rᵀ and networks of independent couplings.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mesomode.errors import DataError
from mesomode.memory import require_memory

Modes = Literal["gaussian", "orthogonal"]


class Network(Protocol):
    """What the dynamics need of a network."""

    @property
    def units(self) -> int:
        """Number of units, N."""

    @property
    def gain(self) -> float:
        """Coupling gain g: N times the variance of a coupling is g²."""

    @property
    def inverse_effective_rank(self) -> float:
        """1/PR_D of the ensemble the network was drawn from."""

    def multiply(self, rates: NDArray, out: NDArray | None = None) -> NDArray:
        """Input that ``rates`` (unit,) or (unit, trajectory) give to every unit."""

    def dense(self) -> NDArray:
        """Couplings (target, source)."""

    def astype(self, dtype: DTypeLike) -> Network:
        """Return the same network with couplings of another precision."""


@dataclass(frozen=True, eq=False)
class RandomModeNetwork:
    """Couplings J = L diag(d) Rᵀ, kept as factors.

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
        singular values of J.

    Raises
    ------
    DataError
        Shapes that do not fit together, or values that are not finite.
    """

    left: NDArray
    strength: NDArray
    right: NDArray
    modes: Modes = "gaussian"

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
        _check_size(count, gain)
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
        """Coupling gain g = √(Σd²/N)."""
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
            return np.ascontiguousarray(self.right.T), self.left * self.strength
        return (self.dense(),)

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
        return (self.left * self.strength) @ self.right.T

    def astype(self, dtype: DTypeLike) -> RandomModeNetwork:
        """Return the same network with factors of another precision."""
        if self.left.dtype == dtype:
            return self
        return RandomModeNetwork(
            self.left.astype(dtype),
            self.strength.astype(dtype),
            self.right.astype(dtype),
            self.modes,
        )


@dataclass(frozen=True, eq=False)
class IndependentNetwork:
    """Control: independent normal couplings of variance g²/N.

    Parameters
    ----------
    coupling : (target, source) ndarray
        Couplings J.
    gain : float
        Gain g of the ensemble.
    """

    coupling: NDArray
    gain: float

    @classmethod
    def draw(
        cls,
        units: int,
        gain: float,
        *,
        generator: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> IndependentNetwork:
        """Draw the couplings.

        Parameters
        ----------
        units : int
            Number of units, N.
        gain : float
            Coupling gain g.
        generator : numpy.random.Generator
            Source of the couplings.
        dtype : dtype
            Precision of the couplings.

        Raises
        ------
        DataError
            No units, or a gain that is not positive.
        MemoryLimitError
            The couplings would not fit.
        """
        _check_size(units, gain)
        require_memory(
            (np.dtype(dtype).itemsize + 8.0) * units**2,
            f"{units:,} × {units:,} couplings",
            "use fewer units (network.units)",
        )
        coupling = generator.standard_normal((units, units)) * (gain / np.sqrt(units))
        return cls(coupling.astype(dtype), float(gain))

    @property
    def units(self) -> int:
        """Number of units, N."""
        return self.coupling.shape[0]

    @property
    def inverse_effective_rank(self) -> float:
        """1/PR_D of the ensemble: zero."""
        return 0.0

    @property
    def effective_rank(self) -> float:
        """PR_D of the ensemble: infinite."""
        return np.inf

    def multiply(self, rates: NDArray, out: NDArray | None = None) -> NDArray:
        """Input that ``rates`` (unit,) or (unit, trajectory) give to every unit, J @ rates."""
        return np.matmul(self.coupling, rates, out=out)

    def dense(self) -> NDArray:
        """Couplings J (target, source)."""
        return self.coupling

    def astype(self, dtype: DTypeLike) -> IndependentNetwork:
        """Return the same network with couplings of another precision."""
        return IndependentNetwork(self.coupling.astype(dtype, copy=False), self.gain)


def _check_size(units: int, gain: float | None) -> None:
    if units < 1:
        raise DataError(f"a network of {units} units is not possible", remedy="use at least one")
    if gain is not None and not (np.isfinite(gain) and gain > 0):
        raise DataError(
            f"a coupling gain of {gain} is not possible",
            remedy="use a positive number; activity is chaotic above one",
        )


def _gaussian_modes(units: int, count: int, generator: np.random.Generator) -> NDArray:
    return generator.standard_normal((units, count)) / np.sqrt(units)


def _orthogonal_modes(units: int, count: int, generator: np.random.Generator) -> NDArray:
    """Haar-distributed orthonormal columns: QR of a normal matrix with the signs fixed."""
    basis, triangle = np.linalg.qr(generator.standard_normal((units, count)))
    return basis * np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
