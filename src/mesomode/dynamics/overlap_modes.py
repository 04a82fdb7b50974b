"""Averages over modes whose input and output directions overlap.

J = L diag(d) Rᵀ with correlations ρ_a of L_ia and R_ia. A mode responds to itself,
σ_a(ω) = 1/(1 − d_a ρ_a S(ω)) with the linear response S of units. All averages that the theory
needs are of functions of θ = dρ, with the weights 1, d² and d⁴.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError

NODES = 40
"""Values of θ at which averages over more different modes are interpolated."""
EXTREME = 8
"""Modes of largest θ, near condensation, that are kept as they are."""

_POWERS = (0, 2, 4)


@dataclass(frozen=True)
class OverlapModes:
    """Strengths and overlaps of the modes, as weighted values of θ = dρ.

    Parameters
    ----------
    theta : (node,) ndarray
    zeroth, second, fourth : (node,) ndarray
        Weights for (1/N) Σ_a h(θ_a), (1/N) Σ_a d_a² h(θ_a) and (1/N) Σ_a d_a⁴ h(θ_a).
    """

    theta: NDArray[np.float64]
    zeroth: NDArray[np.float64]
    second: NDArray[np.float64]
    fourth: NDArray[np.float64]

    @classmethod
    def of(cls, strength: ArrayLike, overlap: ArrayLike, units: int) -> OverlapModes:
        """From strengths d and overlaps ρ of the modes of a network of N units.

        Raises
        ------
        DataError
            Not one finite strength and one overlap from −1 to 1 a mode, nothing but zero
            strengths, or no units.
        """
        d = np.asarray(strength, dtype=np.float64)
        rho = np.asarray(overlap, dtype=np.float64)
        if d.ndim != 1 or not np.isfinite(d).all() or not d.any() or units < 1:
            raise DataError(
                "the strengths of the modes are not possible",
                why="they must be one finite number a mode, not all zero",
                remedy="give the strengths d of J = L diag(d) Rᵀ and the number of units",
            )
        if rho.shape != d.shape or not (np.abs(rho) <= 1).all():
            raise DataError(
                "the overlaps of the modes are not possible",
                why=f"{rho.size} numbers up to {np.abs(rho).max(initial=0):.3g} for {d.size} modes",
                remedy="give a correlation from −1 to 1 for each mode",
            )
        theta = d * rho
        node, place = np.unique(theta, return_inverse=True)
        if len(node) <= NODES + EXTREME:
            sums = [np.bincount(place, d**power).astype(np.float64) for power in _POWERS]
            return cls(node, *sums)._per(units)
        top = place >= len(node) - EXTREME
        extreme = cls.of(d[top], rho[top], 1)
        # Chebyshev polynomials that are one at a node and zero at the others
        low, high = node[0], node[-EXTREME - 1]
        angle = np.pi * (np.arange(NODES) + 0.5) / NODES
        orders = np.arange(NODES)
        position = np.clip(2 * (theta[~top] - low) / (high - low) - 1, -1, 1)
        scale = np.where(orders == 0, 1.0, 2.0) / NODES
        polynomials = np.cos(orders * np.arccos(position)[:, None]) * scale
        basis = polynomials @ np.cos(orders[:, None] * angle)
        bulk = cls(
            low + (np.cos(angle) + 1) / 2 * (high - low),
            *((d[~top] ** power) @ basis for power in _POWERS),
        )
        names = ("theta", "zeroth", "second", "fourth")
        both = (np.append(getattr(bulk, one), getattr(extreme, one)) for one in names)
        return cls(*both)._per(units)

    def _per(self, units: int) -> OverlapModes:
        """With weights divided by the number of units."""
        return OverlapModes(
            self.theta, self.zeroth / units, self.second / units, self.fourth / units
        )

    @property
    def gain(self) -> float:
        """Coupling gain g."""
        return float(np.sqrt(self.second.sum()))

    @property
    def effective_rank(self) -> float:
        """PR_D per unit, (1/N) (Σd²)²/Σd⁴."""
        return float(self.second.sum() ** 2 / self.fourth.sum())

    @property
    def self_coupling(self) -> float:
        """Mean coupling (1/N) Σ dρ of units to themselves."""
        return float(self.zeroth @ self.theta)

    def responses(self, response: NDArray) -> NDArray[np.complex128]:
        """σ(ω) of the nodes, (…, node), from S(ω)."""
        return 1.0 / (1.0 - np.asarray(response, dtype=np.complex128)[..., None] * self.theta)

    def largest(self, response: float) -> float:
        """Largest dρS; at one a mode sustains itself."""
        return float(np.max(self.theta * response))


def pair_factor(
    modes: OverlapModes, first: NDArray, second: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Factor that turns products of unit spectra into the four-point function.

    Parameters
    ----------
    modes : OverlapModes
    first, second : (pair,) ndarray of complex
        Linear responses S(ω_1), S(ω_2) of units.

    Returns
    -------
    factor : (pair,) ndarray
        ψ_φ = C_φ1 C_φ2 · factor, with factor = [f − 1 + 2 Re U]/|1 − p|² and
        p = ⟨d²σ_1σ_2⟩S_1S_2, f = ⟨d⁴|σ_1σ_2|²⟩|S_1S_2|², U = (1 + t_1)(1 + t_2)/(1 − q),
        t_1 = ⟨d³ρ|σ_1|²σ_2*⟩|S_1|²S_2*, t_2 = ⟨d³ρ|σ_2|²σ_1⟩|S_2|²S_1,
        q = ⟨d²ρ²σ_1σ_2*⟩S_1S_2*, sums over modes divided by N.
    loop : (pair,) ndarray of complex
        p.

    Notes
    -----
    Planar diagrams, derived and checked on random matrices for this project; it depends on
    the joint distribution of d and ρ, as Clark et al., PRX 15, 041019 (2025) state.
    """
    one, two = modes.responses(first), modes.responses(second)
    square_one, square_two = np.abs(one) ** 2, np.abs(two) ** 2
    loop = (one * two) @ modes.second * first * second
    modal = (square_one * square_two) @ modes.fourth * np.abs(first * second) ** 2
    cubic = modes.second * modes.theta
    left = (square_one * two.conj()) @ cubic * np.abs(first) ** 2 * second.conj()
    right = (square_two * one) @ cubic * np.abs(second) ** 2 * first
    own = (one * two.conj()) @ (modes.zeroth * modes.theta**2) * first * second.conj()
    aligned = (1 + left) * (1 + right) / (1 - own)
    return (modal - 1 + 2 * aligned.real) / np.abs(1 - loop) ** 2, loop
