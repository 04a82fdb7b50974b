"""Single-unit mean-field theory of units that differ in the scales of their couplings.

J = diag(u) J_0 diag(v) with N Var(J_0) = g² and scales u of inputs (targets) and v of outputs
(sources) of mean square one. All units receive a field of the same statistics:
(1 + ω²) Δ(ω) = g² ⟨v² C_φ(ω)⟩, averaged over units, where x of a unit has the autocovariance
u² Δ(τ) + σ² exp(−|τ|)/2.

Source: derived and checked for this project, after Clark et al., PRX 15, 041019 (2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.dynamics.iteration import solve_by_iteration
from mesomode.dynamics.nonlinearity import Averages, Nonlinearity
from mesomode.dynamics.single_site import NEGLIGIBLE, Field, solve_single_site
from mesomode.errors import DataError

NODES = 24
"""Values of u at which averages over units are interpolated."""
SILENT = 1e-6
"""Scale of the inputs below which a unit counts as one without inputs."""


class Population:
    """Scales of the units, and averages over units of functions that are smooth in u.

    A function of u is interpolated by Chebyshev polynomials in log(u² + 1/100) between the
    smallest and the largest u, so that its average is a weighted sum over 24 nodes.

    Parameters
    ----------
    target_scale, source_scale : (unit,) array_like or None
        u and v, nonnegative; scaled to mean square one. None: all one.

    Raises
    ------
    DataError
        Scales that are negative, not finite, all zero or not as many of u as of v.
    """

    def __init__(
        self, target_scale: ArrayLike | None = None, source_scale: ArrayLike | None = None
    ) -> None:
        self.target_square = _squares(target_scale, "target")
        self.source_square = _squares(source_scale, "source")
        counts = {len(s) for s in (self.target_square, self.source_square) if len(s) > 1}
        if len(counts) > 1:
            raise DataError(
                "there are not as many target scales as source scales",
                why=f"{len(self.target_square)} and {len(self.source_square)} units",
                remedy="give both for the same units in the same order",
            )
        self.target_square, self.source_square = np.broadcast_arrays(
            self.target_square, self.source_square
        )
        self.node, self._basis = _chebyshev(self.target_square)

    @property
    def units(self) -> int:
        """Number of units that are averaged over."""
        return len(self.target_square)

    def weights(self, per_unit: NDArray | float = 1.0) -> NDArray[np.float64]:
        """Weights (node,) for averages over units of a function of u times ``per_unit``."""
        values = np.broadcast_to(per_unit, self.units)
        return values @ self._basis / self.units

    def pair_weights(self, per_unit: NDArray | float = 1.0) -> NDArray[np.float64]:
        """Weights (node, node) for averages of a product of two functions of u."""
        values = np.broadcast_to(per_unit, self.units)
        return (self._basis.T * values) @ self._basis / self.units

    def at_units(self, at_nodes: ArrayLike) -> NDArray[np.float64]:
        """Values of a function of u at every unit, from those at the nodes."""
        return self._basis @ np.asarray(at_nodes, dtype=np.float64)


class Mixture:
    """The nonlinearity that a single unit of the same mean-field theory would have.

    With it the potential method finds the field: C_φ is replaced by ⟨v² C_φ(u²Δ; u²Δ_0)⟩.

    Parameters
    ----------
    nonlinearity : Nonlinearity
        φ of the units.
    population : Population
    """

    def __init__(self, nonlinearity: Nonlinearity, population: Population) -> None:
        self._nonlinearity = nonlinearity
        self._node = population.node
        self._weight = population.weights(population.source_square)

    def primitive_variance(self, variance: float) -> float:
        """⟨(v²/u²) Φ(u²Δ_0; u²Δ_0)⟩ with Φ the integral of C_φ."""
        values = [self._nonlinearity.primitive_variance(u * variance) / u for u in self._node]
        return float(self._weight @ values)

    def averages(self, variance: float) -> MixtureAverages:
        """Averages over units and inputs at variance Δ_0 of the field."""
        averages = [self._nonlinearity.averages(u * variance) for u in self._node]
        return MixtureAverages(averages, self._node, self._weight)


class MixtureAverages:
    """Averages of :class:`Mixture` at one variance; the slope is that of the loop."""

    def __init__(self, averages: list[Averages], node: NDArray, weight: NDArray) -> None:
        self._averages, self._node, self._weight = averages, node, weight
        slopes = np.array([one.slope for one in averages])
        self.slope = float(np.sqrt(weight @ (node * slopes**2)))
        self.square_slope = float(weight @ (node * [one.square_slope for one in averages]))

    def covariance(self, delta: NDArray) -> NDArray:
        """⟨v² C_φ(u²Δ)⟩."""
        return self._sum(delta, "covariance", self._weight)

    def integral(self, delta: NDArray) -> NDArray:
        """⟨(v²/u²) Φ(u²Δ)⟩."""
        return self._sum(delta, "integral", self._weight / self._node)

    def slope_covariance(self, delta: NDArray) -> NDArray:
        """⟨v² u² C_φ'(u²Δ)⟩."""
        return self._sum(delta, "slope_covariance", self._weight * self._node)

    def _sum(self, delta: NDArray, name: str, weight: NDArray) -> NDArray:
        delta = np.asarray(delta)
        parts = zip(self._averages, self._node, weight, strict=True)
        return sum((w * getattr(one, name)(u * delta) for one, u, w in parts), np.zeros_like(delta))


@dataclass(frozen=True)
class HeterogeneousSite:
    """Solution for units that differ, at one gain and noise.

    Parameters
    ----------
    gain, noise : float
        g and σ².
    population : Population
    nonlinearity : Nonlinearity
    field : callable
        Δ(τ) of lags.
    decay_rate : float
        Rate √(1 − loop gain) at which Δ decays.
    last_lag : float
        Lag after which Δ is negligible.
    """

    gain: float
    noise: float
    population: Population
    nonlinearity: Nonlinearity
    field: Field
    decay_rate: float
    last_lag: float

    @cached_property
    def node_averages(self) -> list[Averages]:
        """Gaussian averages of φ at the nodes of u."""
        variance = float(self.field(np.zeros(1))[0])
        return [
            self.nonlinearity.averages(u * variance + self.noise / 2) for u in self.population.node
        ]

    @property
    def node_slope(self) -> NDArray[np.float64]:
        """⟨φ'⟩ at the nodes of u."""
        return np.array([one.slope for one in self.node_averages])

    @property
    def loop_gain(self) -> float:
        """g²⟨u²v²⟨φ'⟩²⟩."""
        return 1.0 - self.decay_rate**2

    def own(self, lag: NDArray) -> NDArray[np.float64]:
        """Autocovariance σ² exp(−|τ|)/2 of a unit's own noise."""
        return self.noise / 2 * np.exp(-np.abs(lag))

    def node_states(self, lag: NDArray) -> NDArray[np.float64]:
        """Autocovariance of x at the nodes of u, (lag, node)."""
        return self.field(lag)[..., None] * self.population.node + self.own(lag)[..., None]

    def node_activity(self, lag: NDArray) -> NDArray[np.float64]:
        """C_φ at the nodes of u, (lag, node)."""
        states = self.node_states(lag)
        parts = [one.covariance(states[..., k]) for k, one in enumerate(self.node_averages)]
        return np.stack(parts, axis=-1)

    def autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_x(τ), averaged over units."""
        lag = np.asarray(lag, dtype=np.float64)
        return np.mean(self.population.target_square) * self.field(lag) + self.own(lag)

    def activity_autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """C_φ(τ), averaged over units."""
        lag = np.asarray(lag, dtype=np.float64)
        return self.node_activity(lag) @ self.population.weights()

    def slope_autocovariance(self, lag: NDArray) -> NDArray[np.float64]:
        """⟨u²v² E[φ'(x(t)) φ'(x(t + τ))]⟩, by which perturbations grow."""
        states = self.node_states(np.asarray(lag, dtype=np.float64))
        parts = [one.slope_covariance(states[..., k]) for k, one in enumerate(self.node_averages)]
        weight = self.population.weights(self.population.source_square) * self.population.node
        return np.stack(parts, axis=-1) @ weight


def solve_heterogeneous(
    gain: float, population: Population, nonlinearity: Nonlinearity, noise: float = 0.0
) -> HeterogeneousSite:
    """Find the solution for units that differ.

    Parameters
    ----------
    gain : float
        Coupling gain g; without noise g²⟨u²v²⟩ is above one.
    population : Population
        Scales of the units.
    nonlinearity : Nonlinearity
        φ, odd and saturating.
    noise : float
        Variance σ² of the white noise of every unit, whatever its scales.

    Returns
    -------
    HeterogeneousSite

    Raises
    ------
    SolverError
        No solution is found.
    """
    node = population.node
    weight = population.weights(population.source_square)
    if not noise:
        site = solve_single_site(gain, Mixture(nonlinearity, population))
        return HeterogeneousSite(
            gain, 0.0, population, nonlinearity, site.autocovariance, site.decay_rate, site.last_lag
        )

    def activity(lag: NDArray, delta: NDArray) -> tuple[NDArray[np.float64], float]:
        own = noise / 2 * np.exp(-lag)
        curve, loop = np.zeros_like(lag), 0.0
        for u, w in zip(node, weight, strict=True):
            states = u * delta + own
            averages = nonlinearity.averages(float(states[0]))
            curve += w * averages.covariance(states)
            loop += w * u * (gain * averages.slope) ** 2
        return curve, loop

    # to begin with, as if a unit's own noise were scaled like its inputs
    guess = solve_single_site(gain, Mixture(nonlinearity, population), noise)

    def start(lag: NDArray) -> NDArray[np.float64]:
        return np.maximum(guess.autocovariance(lag) - noise / 2 * np.exp(-lag), 0.0)

    found = solve_by_iteration(gain, activity, start=start, rate=guess.decay_rate)
    negligible = float(np.log(1e-9 / NEGLIGIBLE) / found.decay_rate)
    small = found.values < 1e-9 * found.values[0]
    last = float(found.lag[int(np.argmax(small))]) + negligible
    return HeterogeneousSite(gain, noise, population, nonlinearity, found, found.decay_rate, last)


def _squares(scale: ArrayLike | None, name: str) -> NDArray[np.float64]:
    if scale is None:
        return np.ones(1)
    values = np.asarray(scale, dtype=np.float64)
    if (
        values.ndim != 1
        or not values.size
        or not np.isfinite(values).all()
        or values.min() < 0
        or not values.any()
    ):
        raise DataError(
            f"the {name} scales are not possible",
            why="they must be one finite number per unit, none negative and not all zero",
            remedy="give root mean squares of the rows (targets) or columns (sources) of J",
        )
    square = np.square(values / values.max())
    return square / square.mean()


def _chebyshev(square: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes u² and the values (unit, node) at the units of the polynomials that are one there."""
    square = np.maximum(square, SILENT**2)
    low, high = np.log(square.min() + 0.01), np.log(square.max() + 0.01)
    if high - low < 1e-9:
        return np.array([square.mean()]), np.ones((len(square), 1))
    angle = np.pi * (np.arange(NODES) + 0.5) / NODES
    node = np.cos(angle)
    position = 2 * (np.log(square + 0.01) - low) / (high - low) - 1
    orders = np.arange(NODES)
    polynomials = np.cos(orders * np.arccos(np.clip(position, -1, 1))[:, None])
    at_nodes = np.cos(orders[:, None] * angle)
    scale = np.where(orders == 0, 1.0, 2.0) / NODES
    values = np.exp(low + (node + 1) / 2 * (high - low)) - 0.01
    return np.maximum(values, SILENT**2), (polynomials * scale) @ at_nodes
