"""Figure of chaos: Lyapunov exponents, the slow population, eigenvalues of the couplings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesomode.network.names import variant_name
from mesomode.report.dynamics import last_above
from mesomode.report.network import variant_colour
from mesomode.report.style import (
    GREY,
    INK,
    darker,
    new_figure,
    nothing_to_show,
    number,
    styled,
)

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Chaos:
    """Lyapunov exponents, eigenvalues and the slowness of the population of one network.

    Parameters
    ----------
    variant : str
    gain : float
    exponent, exponent_error : float array (exponent,)
        Empty: not measured.
    exponent_theory : float
    eigenvalue : complex array (eigenvalue,)
        Of J; empty: not computed.
    lag : float array (lag,)
    population, population_error, population_theory : float array (lag,)
        ψ(τ, τ)/ψ(0, 0).
    single : float array (lag,)
        (C_φ(τ)/C_φ(0))² at the same lags.
    """

    variant: str
    gain: float
    exponent: np.ndarray
    exponent_error: np.ndarray
    exponent_theory: float
    eigenvalue: np.ndarray
    lag: np.ndarray
    population: np.ndarray
    population_error: np.ndarray
    population_theory: np.ndarray
    single: np.ndarray

    @classmethod
    def of(cls, store: xr.Dataset) -> Chaos:
        """What a store of the stage ``dynamics`` holds."""
        none = np.empty(0)

        def values(name: str) -> np.ndarray:
            return store[name].values if name in store else none

        lag = store["population_lag"].values
        curve = store["activity_autocovariance"].values
        return cls(
            variant=str(store.attrs["variant"]),
            gain=float(store.attrs["gain"]),
            exponent=values("lyapunov_exponent"),
            exponent_error=values("lyapunov_exponent_error"),
            exponent_theory=float(store["mean_field_lyapunov_exponent"]),
            eigenvalue=values("eigenvalue_real") + 1j * values("eigenvalue_imaginary"),
            lag=lag,
            population=store["population_autocovariance"].values,
            population_error=store["population_autocovariance_error"].values,
            population_theory=store["mean_field_population_autocovariance"].values,
            single=np.interp(lag, store["lag"].values, curve / curve[0]) ** 2
            if curve[0] > 0
            else np.full(len(lag), np.nan),
        )


@styled
def draw_chaos(networks: Sequence[Chaos]) -> Figure:
    """Draw Lyapunov exponents, the autocovariance of the population, and eigenvalues of J.

    Parameters
    ----------
    networks : sequence of Chaos

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = max(len(networks), 2)
    figure = new_figure(max(11, 2.75 * columns), 8.4, "Chaos, slowness and eigenvalues")
    grid = figure.add_gridspec(2, 2 * columns, height_ratios=(1.15, 1))
    _exponents(figure.add_subplot(grid[0, :columns]), networks)
    _population(figure.add_subplot(grid[0, columns:]), networks)
    for place, network in enumerate(networks):
        _eigenvalues(figure.add_subplot(grid[1, 2 * place : 2 * place + 2]), network)
    return figure


def _exponents(axes: Axes, networks: Sequence[Chaos]) -> None:
    drawn = [network for network in networks if network.exponent.size]
    if not drawn:
        nothing_to_show(axes, "no Lyapunov exponents were asked for")
        return
    for place, network in enumerate(drawn):
        colour = variant_colour(network.variant)
        rank = np.arange(1, len(network.exponent) + 1) + 0.08 * (place - (len(drawn) - 1) / 2)
        label = f"{variant_name(network.variant)}: {number(network.exponent[0])}"
        if np.isfinite(network.exponent_theory):
            label += f", theory {number(network.exponent_theory)}"
            axes.plot([0.2, 0.8], [network.exponent_theory] * 2, color=darker(colour), lw=1.3,
                      ls=(4 * place, (4, 4)))  # fmt: skip
        axes.errorbar(
            rank, network.exponent, network.exponent_error, fmt="o", ms=4, color=colour,
            label=label,
        )  # fmt: skip
    axes.axhline(0, color=GREY, lw=0.8)
    axes.set_xlim(0, None)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + (0.08 + 0.06 * len(drawn)) * (high - low))
    axes.set_xlabel("rank (dashes: the largest in theory)")
    axes.set_ylabel("λ (1/time constant)")
    axes.set_title("Largest Lyapunov exponents (± s.e.)")
    axes.legend(loc="upper right", title="the largest of all")


def _population(axes: Axes, networks: Sequence[Chaos]) -> None:
    active = [network for network in networks if np.isfinite(network.population).any()]
    if not active:
        nothing_to_show(axes, "no activity")
        return
    for place, network in enumerate(active):
        colour = variant_colour(network.variant)
        axes.errorbar(
            network.lag, network.population, network.population_error, fmt="o", ms=4,
            color=colour, label=f"{variant_name(network.variant)}: ψ(τ, τ)/ψ(0, 0)",
        )  # fmt: skip
        axes.plot(
            network.lag, network.population_theory, color=darker(colour), lw=1.3,
            ls=(4 * place, (4, 4)),
        )  # fmt: skip
        axes.plot(network.lag, network.single, color=colour, lw=0.9, ls=":")
    axes.plot([], [], color=INK, ls="--", label="theory")
    axes.plot([], [], color=INK, ls=":", label=r"of a unit: $(C_\varphi(\tau)/C_\varphi(0))^2$")
    longest = max(last_above(network.lag, network.population) for network in active)
    axes.set_xlim(-0.02 * longest, longest)
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlabel("lag τ (time constants)")
    axes.set_ylabel("relative to lag zero")
    axes.set_title("Autocovariance of the population (± s.e.)")
    axes.legend()


def _eigenvalues(axes: Axes, network: Chaos) -> None:
    title = variant_name(network.variant).capitalize()
    if not network.eigenvalue.size:
        axes.set_title(title)
        nothing_to_show(axes, "too many units for their eigenvalues")
        return
    colour = variant_colour(network.variant)
    values = network.eigenvalue
    axes.plot(values.real, values.imag, ".", ms=2, color=colour, rasterized=True)
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(network.gain * np.cos(angle), network.gain * np.sin(angle), color=INK, lw=1, ls="--")
    axes.axvline(1, color=GREY, lw=0.8, ls=":")
    reach = 1.1 * max(network.gain, float(np.abs(values).max()), 1.0)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xlabel("Re λ(J)")
    axes.set_ylabel("Im λ(J)")
    radius = number(float(np.abs(values).max()))
    axes.set_title(f"{title}\nradius {radius}\nN = {len(values):,}, g = {network.gain:.3g}")
