"""What the dynamics need of a network, and networks whose couplings are kept as a matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mesomode.errors import DataError
from mesomode.memory import require_memory


class Network(Protocol):
    """What the dynamics need of a network, J = diag(u) B diag(v) with bulk couplings B."""

    @property
    def units(self) -> int:
        """Number of units, N."""

    @property
    def gain(self) -> float:
        """Coupling gain g of the ensemble: N times the mean square of a coupling is g²."""

    @property
    def inverse_effective_rank(self) -> float:
        """1/PR_D of the ensemble of B, without the scales u and v."""

    @property
    def target_scale(self) -> NDArray | None:
        """Scale u of what each unit receives, (unit,) with mean square one; None: all one."""

    @property
    def source_scale(self) -> NDArray | None:
        """Scale v of what each unit sends, (unit,) with mean square one; None: all one."""

    @property
    def strength(self) -> NDArray | None:
        """Component strengths d (mode,); None for networks that are not made of modes."""

    @property
    def overlap(self) -> NDArray | None:
        """Correlation ρ of each mode's output and input direction (mode,); None: none."""

    def multiply(self, rates: NDArray, out: NDArray | None = None) -> NDArray:
        """Input that ``rates`` (unit,) or (unit, trajectory) give to every unit."""

    def dense(self) -> NDArray:
        """Couplings (target, source)."""

    def factors(self) -> tuple[NDArray, NDArray] | None:
        """A and B (unit, component) of J = A Bᵀ; None for networks kept as a matrix."""

    def astype(self, dtype: DTypeLike) -> Network:
        """Return the same network with couplings of another precision."""


@dataclass(frozen=True, eq=False)
class DenseNetwork:
    """Couplings J given as a matrix, and the ensemble that theory takes it for.

    Parameters
    ----------
    coupling : (target, source) ndarray
        Couplings J, scales included.
    gain : float
        Gain g of the ensemble.
    inverse_effective_rank : float
        1/PR_D of the ensemble without the scales; 0 for independent couplings.
    target_scale, source_scale : (unit,) ndarray of float64, optional
        Scales u and v that J contains, of mean square one.

    Raises
    ------
    DataError
        Not a square matrix of finite numbers, or scales that do not fit.
    """

    coupling: NDArray
    gain: float
    inverse_effective_rank: float = 0.0
    target_scale: NDArray | None = None
    source_scale: NDArray | None = None

    def __post_init__(self) -> None:
        shape = self.coupling.shape
        if len(shape) != 2 or shape[0] != shape[1] or not shape[0]:
            raise DataError(
                "the couplings are not a square matrix",
                why=f"their shape is {shape}",
                remedy="give (target, source) with the same units in the same order",
            )
        if not np.isfinite(self.coupling).all():
            raise DataError("the couplings are not all finite")
        check_scales(shape[0], self.target_scale, self.source_scale)

    @property
    def units(self) -> int:
        """Number of units, N."""
        return self.coupling.shape[0]

    @property
    def effective_rank(self) -> float:
        """PR_D of the ensemble, infinite for independent couplings."""
        return 1.0 / self.inverse_effective_rank if self.inverse_effective_rank else np.inf

    @property
    def strength(self) -> None:
        """None: the matrix is not made of modes."""

    @property
    def overlap(self) -> None:
        """None: the matrix is not made of modes."""

    def multiply(self, rates: NDArray, out: NDArray | None = None) -> NDArray:
        """Input that ``rates`` (unit,) or (unit, trajectory) give to every unit, J @ rates."""
        return np.matmul(self.coupling, rates, out=out)

    def dense(self) -> NDArray:
        """Couplings J (target, source)."""
        return self.coupling

    def factors(self) -> None:
        """None: the matrix is kept whole."""

    def astype(self, dtype: DTypeLike) -> Self:
        """Return the same network with couplings of another precision."""
        return replace(self, coupling=self.coupling.astype(dtype, copy=False))


@dataclass(frozen=True, eq=False)
class FactoredNetwork:
    """Couplings J = A Bᵀ that are never formed, and the ensemble that theory takes them for.

    Parameters
    ----------
    output_factor, input_factor : (unit, component) ndarray
        A and B, scales included.
    gain, inverse_effective_rank, target_scale, source_scale
        As of :class:`DenseNetwork`.

    Raises
    ------
    DataError
        Not two finite factors of the same shape, or scales that do not fit.
    """

    output_factor: NDArray
    input_factor: NDArray
    gain: float
    inverse_effective_rank: float = 0.0
    target_scale: NDArray | None = None
    source_scale: NDArray | None = None

    def __post_init__(self) -> None:
        shape = self.output_factor.shape
        if len(shape) != 2 or 0 in shape or self.input_factor.shape != shape:
            raise DataError(
                "the factors of the couplings do not fit together",
                why=f"their shapes are {shape} and {self.input_factor.shape}",
                remedy="give (unit, component) twice",
            )
        if not (np.isfinite(self.output_factor).all() and np.isfinite(self.input_factor).all()):
            raise DataError("the factors of the couplings are not all finite")
        check_scales(shape[0], self.target_scale, self.source_scale)

    @property
    def units(self) -> int:
        """Number of units, N."""
        return self.output_factor.shape[0]

    @property
    def effective_rank(self) -> float:
        """PR_D of the ensemble, infinite for independent couplings."""
        return 1.0 / self.inverse_effective_rank if self.inverse_effective_rank else np.inf

    @property
    def strength(self) -> None:
        """None: the factors are not random modes."""

    @property
    def overlap(self) -> None:
        """None: the factors are not random modes."""

    def multiply(self, rates: NDArray, out: NDArray | None = None) -> NDArray:
        """Input that ``rates`` (unit,) or (unit, trajectory) give to every unit, J @ rates."""
        return np.matmul(self.output_factor, self.input_factor.T @ rates, out=out)

    def dense(self) -> NDArray:
        """Couplings J (target, source), if they fit into memory."""
        require_memory(
            float(self.output_factor.dtype.itemsize) * self.units**2,
            f"{self.units:,} × {self.units:,} couplings",
            "use fewer units (network.units)",
        )
        return self.output_factor @ self.input_factor.T

    def factors(self) -> tuple[NDArray, NDArray]:
        """A and B of J = A Bᵀ."""
        return self.output_factor, self.input_factor

    def astype(self, dtype: DTypeLike) -> Self:
        """Return the same network with factors of another precision."""
        return replace(
            self,
            output_factor=self.output_factor.astype(dtype, copy=False),
            input_factor=self.input_factor.astype(dtype, copy=False),
        )


class IndependentNetwork(DenseNetwork):
    """Control: independent normal couplings of variance g²/N."""

    @classmethod
    def draw(
        cls,
        units: int,
        gain: float,
        *,
        generator: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> Self:
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
        check_size(units, gain)
        require_memory(
            (np.dtype(dtype).itemsize + 8.0) * units**2,
            f"{units:,} × {units:,} couplings",
            "use fewer units (network.units)",
        )
        coupling = generator.standard_normal((units, units)) * (gain / np.sqrt(units))
        return cls(coupling.astype(dtype), float(gain))


def check_size(units: int, gain: float | None) -> None:
    """Refuse numbers of units and gains that are not possible."""
    if units < 1:
        raise DataError(f"a network of {units} units is not possible", remedy="use at least one")
    if gain is not None and not (np.isfinite(gain) and gain > 0):
        raise DataError(
            f"a coupling gain of {gain} is not possible",
            remedy="use a positive number; activity is chaotic above one",
        )


def check_scales(units: int, *scales: NDArray | None) -> None:
    """Refuse scales that are not nonnegative numbers of mean square one, one a unit."""
    for scale in scales:
        if scale is None:
            continue
        if scale.shape != (units,) or not np.isfinite(scale).all() or (scale < 0).any():
            raise DataError(
                "the scales of the units are not possible",
                why=f"an array of shape {scale.shape} for {units} units",
                remedy="give one finite nonnegative number a unit",
            )
        square = float(np.mean(np.square(scale, dtype=np.float64)))
        if abs(square - 1) > 1e-4:
            raise DataError(
                "the scales of the units change the gain",
                why=f"their mean square is {square:.6g}",
                remedy="divide them by their root mean square",
            )
