"""Nonlinearities φ of rate units and their averages over Gaussian inputs.

Those with a theory are odd, have slope one at zero and saturate at ±1; others
(:mod:`mesomode.dynamics.piecewise`) can be simulated. For jointly Gaussian inputs u, v
of variance Δ_0 and covariance Δ the theory needs C_φ(Δ) = E[φ(u) φ(v)], its integral over
Δ, the average slope E[φ'(u)], and the variance of the primitive of φ, which by Price's
theorem is that integral at Δ = Δ_0.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mesomode.dynamics.piecewise import Linear, ThresholdLinear
from mesomode.errors import ConfigError, SolverError

ERF_SCALE = math.sqrt(math.pi) / 2
# erf(√π x/2) ≈ x P(x²)/Q(x²) for |x| ≤ 4.2, where it is 1 − 1.4e-7: the best weighted
# rational fit has an error of 7e-9, which rounding in single precision raises to 3e-7.
ERF_RANGE = 4.2
ERF_NUMERATOR = (
    5.82369048e-07,
    9.74906683e-05,
    1.54492524e-03,
    2.85778165e-02,
    1.29104769e-01,
    9.99999941e-01,
)
ERF_DENOMINATOR = (
    1.1905052e-05,
    4.32385443e-04,
    7.08971328e-03,
    6.92329498e-02,
    3.90903538e-01,
    1.0,
)


class Averages(Protocol):
    """Gaussian averages of a nonlinearity at one variance Δ_0."""

    slope: float
    """Average slope E[φ'(u)]."""
    square_slope: float
    """Mean square slope E[φ'(u)²], the derivative of the covariance at Δ = Δ_0."""

    def covariance(self, delta: NDArray) -> NDArray:
        """E[φ(u) φ(v)] at covariances ``delta`` of u and v."""

    def integral(self, delta: NDArray) -> NDArray:
        """Integral of the covariance from zero to ``delta``."""

    def slope_covariance(self, delta: NDArray) -> NDArray:
        """E[φ'(u) φ'(v)], by Price's theorem the derivative of the covariance."""


class Nonlinearity(Protocol):
    """A nonlinearity φ."""

    name: str
    odd: bool
    """Whether φ(−x) = −φ(x), so that activity has mean zero."""

    def __call__(self, states: NDArray, out: NDArray | None = None) -> NDArray:
        """φ of each element."""

    def derivative(self, states: NDArray) -> NDArray:
        """φ' of each element."""

    def primitive_variance(self, variance: float) -> float:
        """Variance of ∫φ at a Gaussian input: the covariance's integral up to Δ_0."""

    def averages(self, variance: float) -> Averages:
        """Gaussian averages at input variance Δ_0."""


class Erf:
    """φ(x) = erf(√π x/2), whose Gaussian averages are elementary functions."""

    name = "erf"
    odd = True

    def __call__(self, states: NDArray, out: NDArray | None = None) -> NDArray:
        """φ of each element; in single precision by a rational function (error 3e-7)."""
        if states.dtype != np.float32:
            from scipy.special import erf

            return erf(ERF_SCALE * states, out=out)
        clipped = np.clip(states, -ERF_RANGE, ERF_RANGE)
        square = clipped * clipped
        numerator = _polynomial(ERF_NUMERATOR, square)
        numerator *= clipped
        return np.divide(numerator, _polynomial(ERF_DENOMINATOR, square), out=out)

    def derivative(self, states: NDArray) -> NDArray:
        """exp(−πx²/4) of each element."""
        return np.exp(states.dtype.type(-(ERF_SCALE**2)) * np.square(states))

    def primitive_variance(self, variance: float) -> float:
        """Variance of ∫φ at a Gaussian input of this variance."""
        return float(self.averages(variance).integral(np.array(variance)))

    def averages(self, variance: float) -> ErfAverages:
        """Gaussian averages at input variance Δ_0."""
        return ErfAverages(variance)


class ErfAverages:
    """Gaussian averages of the error function at variance Δ_0."""

    def __init__(self, variance: float) -> None:
        self.slope = 1.0 / math.sqrt(1.0 + math.pi * variance / 2)
        self.square_slope = 1.0 / math.sqrt(1.0 + math.pi * variance)
        self._scale = (math.pi / 2) * self.slope**2

    def covariance(self, delta: NDArray) -> NDArray:
        """(2/π) arcsin(kΔ), k = (π/2)/(1 + πΔ_0/2)."""
        return (2 / math.pi) * np.arcsin(self._scale * np.asarray(delta))

    def integral(self, delta: NDArray) -> NDArray:
        """(2/πk) [kΔ arcsin(kΔ) + √(1 − k²Δ²) − 1], free of cancellation at small Δ."""
        z = self._scale * np.asarray(delta)
        drop = z * z / (1.0 + np.sqrt(1.0 - z * z))
        return (2 / (math.pi * self._scale)) * (z * np.arcsin(z) - drop)

    def slope_covariance(self, delta: NDArray) -> NDArray:
        """(2k/π)/√(1 − k²Δ²)."""
        z = self._scale * np.asarray(delta)
        return (2 * self._scale / math.pi) / np.sqrt(1.0 - z * z)


class Tanh:
    """φ(x) = tanh(x)."""

    name = "tanh"
    odd = True

    def __call__(self, states: NDArray, out: NDArray | None = None) -> NDArray:
        """φ of each element."""
        return np.tanh(states, out=out)

    def derivative(self, states: NDArray) -> NDArray:
        """1 − tanh(x)² of each element."""
        return 1 - np.square(np.tanh(states))

    def primitive_variance(self, variance: float) -> float:
        """Variance of log cosh at a Gaussian input of this variance."""
        nodes, weights = _gaussian_quadrature(variance)
        states = np.abs(math.sqrt(variance) * nodes)
        small = np.log1p(2 * np.sinh(np.minimum(states, 1.0) / 2) ** 2)
        large = states + np.log1p(np.exp(-2 * states)) - math.log(2)
        values = np.where(states < 1.0, small, large)  # the same function, without cancellation
        values -= weights @ values
        return float(weights @ values**2)

    def averages(self, variance: float) -> HermiteAverages:
        """Gaussian averages at input variance Δ_0."""
        return HermiteAverages(self, variance)


class HermiteAverages:
    """Gaussian averages of an odd nonlinearity at variance Δ_0, by a Hermite series.

    E[φ(u) φ(v)] = Σ_k c_k² (Δ/Δ_0)^k with the coefficients c_k of φ(√Δ_0 z) in orthonormal
    Hermite polynomials of odd order, as many as carry all but 1e-12 of E[φ²].

    Raises
    ------
    SolverError
        More than ``LIMIT`` orders would be needed: the variance is too large.
    """

    LIMIT = 20_000
    TOLERANCE = 1e-12

    def __init__(self, nonlinearity: Nonlinearity, variance: float) -> None:
        from mesomode.dynamics.theory_kernels import hermite_squares

        self._variance = variance
        nodes, weights = _gaussian_quadrature(variance)
        values = nonlinearity(math.sqrt(variance) * nodes)
        squares = hermite_squares(values, nodes, weights, self.LIMIT, self.TOLERANCE)
        if not len(squares):
            raise SolverError(
                f"the Gaussian averages of {nonlinearity.name} did not converge",
                why=f"at input variance {variance:.4g} more than {self.LIMIT:,} orders are needed",
                remedy="use a smaller gain, or the nonlinearity erf, which is exact at any gain",
            )
        self._squares = squares
        self.slope = math.sqrt(squares[0] / variance)
        orders = 2.0 * np.arange(len(squares)) + 1.0
        self.square_slope = float(orders @ self._squares) / variance

    def covariance(self, delta: NDArray) -> NDArray:
        """Σ c_k² (Δ/Δ_0)^k."""
        ratio = np.asarray(delta) / self._variance
        return ratio * _series(self._squares, ratio * ratio)

    def integral(self, delta: NDArray) -> NDArray:
        """Σ c_k² Δ_0 (Δ/Δ_0)^(k+1)/(k+1)."""
        ratio = np.asarray(delta) / self._variance
        square = ratio * ratio
        orders = 2.0 * np.arange(1, len(self._squares) + 1)
        return self._variance * square * _series(self._squares / orders, square)

    def slope_covariance(self, delta: NDArray) -> NDArray:
        """Σ k c_k² (Δ/Δ_0)^(k−1)/Δ_0."""
        square = np.square(np.asarray(delta) / self._variance)
        orders = 2.0 * np.arange(len(self._squares)) + 1.0
        return _series(self._squares * orders, square) / self._variance


NONLINEARITIES: dict[str, Nonlinearity] = {
    phi.name: phi for phi in (Erf(), Tanh(), ThresholdLinear(), Linear())
}


def nonlinearity_named(name: str) -> Nonlinearity:
    """Nonlinearity of a name.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    try:
        return NONLINEARITIES[name]
    except KeyError:
        raise ConfigError(
            f"there is no nonlinearity {name!r}",
            remedy=f"use one of {', '.join(NONLINEARITIES)}",
        ) from None


def _polynomial(coefficients: NDArray | tuple[float, ...], argument: NDArray) -> NDArray:
    """Polynomial by Horner's rule, highest power first, in the precision of the argument."""
    kind = argument.dtype.type
    result = np.full_like(argument, coefficients[0])
    for coefficient in coefficients[1:]:
        result *= argument
        result += kind(coefficient)
    return result


def _series(coefficients: NDArray, argument: NDArray) -> NDArray[np.float64]:
    """Power series of an array of any shape, lowest power first."""
    from mesomode.dynamics.theory_kernels import power_series

    flat = np.ascontiguousarray(argument, dtype=np.float64).ravel()
    return power_series(coefficients, flat).reshape(np.shape(argument))


def _gaussian_quadrature(variance: float) -> tuple[NDArray, NDArray]:
    """Nodes and weights for averages over a standard normal z of functions of √Δ_0 z.

    An equidistant rule, whose error falls exponentially: fine enough for a saturating
    function of any steepness (Gauss–Hermite nodes are too coarse from gain 8 on).
    """
    spacing = 0.02 / max(1.0, math.sqrt(variance) / 4)
    nodes = np.arange(-round(13 / spacing), round(13 / spacing) + 1) * spacing
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()
