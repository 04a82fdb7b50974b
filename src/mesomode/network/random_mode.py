"""Random-mode networks J = diag(u) L diag(d) Rᵀ diag(v), kept in factors.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

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
from mesomode.network.modes import Family, Modes, check_overlap, directions, strengths_of

__all__ = ["DenseNetwork", "IndependentNetwork", "Modes", "Network", "RandomModeNetwork"]


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
        overlap: ArrayLike | None = None,
        target_scale: NDArray | None = None,
        source_scale: NDArray | None = None,
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
        overlap : array_like, optional
            Correlation ρ of corresponding entries of L and R, −1 to 1, one for each strength
            or one for all; gaussian modes only.
        target_scale, source_scale : (unit,) ndarray of float64, optional
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
        strength = np.asarray(spectrum, dtype=np.float64).ravel()
        if not strength.size or not np.isfinite(strength).all() or strength.min() < 0:
            raise DataError(
                "the spectrum is not a set of strengths",
                why="they must be finite, nonnegative and at least one",
                remedy="give singular values",
            )
        count = len(strength) if units is None else int(units)
        order = np.argsort(-strength, kind="stable")
        order = order[strength[order] > 1e-12 * strength[order[0]]]
        if not len(order):
            raise DataError("the spectrum is all zero", why="a network of rank 0 has no modes")
        rho = None
        if overlap is not None:
            rho = np.asarray(overlap, dtype=np.float64)
            rho = np.full(len(strength), rho) if rho.ndim == 0 else rho
            check_overlap(rho, len(strength))
            rho = rho[order]
        strength = strength[order]
        check_size(count, gain)
        size = np.dtype(dtype).itemsize + 8
        require_memory(
            2.0 * size * count * len(strength) + (8.0 * count**2 if modes == "orthogonal" else 0),
            f"two sets of {len(strength):,} modes of {count:,} units",
            "use fewer units (network.units)",
        )
        if gain is not None:
            strength = strength * (gain / np.sqrt(np.sum(strength**2) / count))
        left, right = directions(count, len(strength), generator, modes, rho)
        return cls(
            left.astype(dtype),
            strength.astype(dtype),
            right.astype(dtype),
            modes,
            target_scale,
            source_scale,
            rho,
        )

    @classmethod
    def draw(
        cls,
        units: int,
        count: int | None = None,
        *,
        generator: np.random.Generator,
        spectrum: Family | ArrayLike = "flat",
        decay: float | None = None,
        exponent: float | None = None,
        gain: float = 1.0,
        modes: Modes = "gaussian",
        overlap: ArrayLike | None = None,
        dtype: DTypeLike = np.float32,
    ) -> RandomModeNetwork:
        """Draw a network of a family of spectra.

        Parameters
        ----------
        units : int
            Number of units, N.
        count : int, optional
            Number of modes, M; as many as units, or as strengths, if not given.
        generator : numpy.random.Generator
            Source of the modes.
        spectrum : {"flat", "exponential", "power_law"} or (mode,) array_like
            Strengths: all equal, exp(−a/(βM)), a^(−k), or those given, for example a
            connectome's singular values.
        decay : float, optional
            β of the exponential; with M = N the effective rank is β tanh(1/β).
        exponent : float, optional
            k of the power law.
        gain : float
            Coupling gain g.
        modes, overlap, dtype
            As for :meth:`from_spectrum`.

        Returns
        -------
        RandomModeNetwork

        Raises
        ------
        DataError
            As for :meth:`from_spectrum`; a family without its parameter, or another number
            of strengths than modes.
        MemoryLimitError
            The factors would not fit.
        """
        check_size(units, gain)
        if isinstance(spectrum, str):
            strengths = strengths_of(
                spectrum, units if count is None else count, decay=decay, exponent=exponent
            )
        else:
            strengths = np.asarray(spectrum, dtype=np.float64).ravel()
            if count is not None and count != len(strengths):
                raise DataError(f"{len(strengths)} strengths were given for {count} modes")
        return cls.from_spectrum(
            strengths,
            generator=generator,
            units=units,
            gain=gain,
            modes=modes,
            overlap=overlap,
            dtype=dtype,
        )

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
            outputs, inputs = self.factors()
            return np.ascontiguousarray(inputs.T), outputs
        return (self.dense(),)

    def factors(self) -> tuple[NDArray, NDArray]:
        """diag(u) L diag(d) and diag(v) R, whose product is J."""
        outputs, inputs = self.left, self.right
        if self.target_scale is not None:
            outputs = outputs * self.target_scale[:, None].astype(outputs.dtype)
        if self.source_scale is not None:
            inputs = inputs * self.source_scale[:, None].astype(inputs.dtype)
        return outputs * self.strength, inputs

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
        outputs, inputs = self.factors()
        return outputs @ inputs.T

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
