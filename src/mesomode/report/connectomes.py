"""Table of connectomes: structure beside chance, dimension of matched networks."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from mesomode.network.names import VARIANT_NAMES, variant_name
from mesomode.report.network import draw_table, variant_colour
from mesomode.report.structure import Measured
from mesomode.report.style import GREY, INK, new_figure, number, styled

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Simulated:
    """Dimension of the activity of one network.

    Parameters
    ----------
    connectome, variant : str
    units : int
    dimension, error : float
        Simulated, with the error over initial states.
    theory : float
        Predicted; NaN where there is no theory or no activity.
    feedback : float
        Largest d ρ ⟨φ'⟩ of its modes, above one if one condenses; NaN: not known.
    """

    connectome: str
    variant: str
    units: int
    dimension: float
    error: float
    theory: float
    feedback: float

    @classmethod
    def of(cls, store: xr.Dataset, connectome: str) -> Simulated:
        """From a store of the stage ``dynamics``."""
        units = int(store.attrs["units"])
        return cls(
            connectome,
            str(store.attrs["variant"]),
            units,
            float(store["participation_ratio"]),
            float(store["participation_ratio_error"]),
            units * float(store["mean_field_participation_ratio_per_unit"]),
            float(store["feedback"]),
        )


@styled
def draw_connectomes(measured: Sequence[Measured], simulated: Sequence[Simulated]) -> Figure:
    """Draw the table of connectomes and the dimensions of their matched networks.

    Parameters
    ----------
    measured : sequence of Measured
        One a connectome, in the order wanted.
    simulated : sequence of Simulated
        Their networks.

    Returns
    -------
    matplotlib.figure.Figure
    """
    ladder = list(VARIANT_NAMES)
    variants = sorted({s.variant for s in simulated}, key=ladder.index)
    names = [m.name for m in measured]
    figure = new_figure(11, 5.6 + 0.56 * len(names), "Connectomes, structure and activity")
    table = 0.6 + 0.3 * len(names)
    grid = figure.add_gridspec(3, 1, height_ratios=(3.4, table, table))
    axes = figure.add_subplot(grid[0])
    width = 0.8 / len(variants)
    found = {(s.connectome, s.variant): s for s in simulated}
    for index, variant in enumerate(variants):
        shown = [(k, found[name, variant]) for k, name in enumerate(names)
                 if (name, variant) in found]  # fmt: skip
        place = np.array([k for k, _ in shown]) + (index - (len(variants) - 1) / 2) * width
        dimension, error, theory = (
            np.array([getattr(s, key) / s.units for _, s in shown])
            for key in ("dimension", "error", "theory")
        )
        axes.bar(place, dimension, 0.9 * width, yerr=error, ecolor=GREY,
                 color=variant_colour(variant), label=variant_name(variant))  # fmt: skip
        axes.plot(place, theory, "D", ms=5, mfc="white", mec=INK, zorder=3,
                  label="theory" if index == len(variants) - 1 else None)  # fmt: skip
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("dimension / number of units")
    axes.set_title("Dimension of matched networks")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(variants) + 1,
                columnspacing=1, handlelength=1.2)  # fmt: skip
    _structure_table(figure.add_subplot(grid[1]), measured)
    _dimension_table(figure.add_subplot(grid[2]), names, variants, simulated)
    return figure


def _structure_table(axes, measured: Sequence[Measured]) -> None:
    header = [
        "structure", "units", "first\nmode", r"1/PR$_\mathbf{D}$", "corrected", "weights\nshuffled",
        "degrees\nkept", "distances\nkept", "overlaps\nrms", "p", "not\nchance",
        "variation\nreceived", "variation\nsent",
    ]  # fmt: skip
    rows = [
        [
            m.name,
            f"{m.units:,}",
            f"{100 * m.facts['top_mode_share']:.3g} %",
            number(m.inverse_rank),
            number(m.corrected),
            *(
                number(float(m.nulls[null][1].mean())) if null in m.nulls else "–"
                for null in ("shuffled", "degrees", "distance")
            ),
            number(m.overlap_size),
            number(m.overlap_p_value, 2),
            f"{m.significant.sum()}",
            *(number(value, 2) for value in m.variation),
        ]
        for m in measured
    ]
    draw_table(axes, header, rows, first=0.13)


def _dimension_table(
    axes, names: Sequence[str], variants: Sequence[str], simulated: Sequence[Simulated]
) -> None:
    found = {(s.connectome, s.variant): s for s in simulated}
    header = [
        "dimension (theory)", "feedback\n" + r"d ρ ⟨φ′⟩",
        *(variant_name(v).replace(" ", "\n") for v in variants),
    ]  # fmt: skip
    rows = []
    for name in names:
        own = found.get((name, "connectome"))
        feedback = np.nan if own is None else own.feedback
        cells = [name, number(feedback) + (" (> 1)" if feedback > 1 else "")]
        for variant in variants:
            s = found.get((name, variant))
            cells.append(
                "" if s is None else f"{_dimension(s.dimension, s.error)} ({_dimension(s.theory)})"
            )
        rows.append(cells)
    draw_table(axes, header, rows, first=0.16)


def _dimension(value: float, error: float = np.nan) -> str:
    """A dimension as short as its cell: one decimal below 100; the error alike."""
    if not np.isfinite(value):
        return number(value)
    form = ",.1f" if value < 100 else ",.0f"
    return f"{value:{form}}" + (f" ± {error:{form}}" if np.isfinite(error) else "")


def as_csv(measured: Sequence[Measured], simulated: Sequence[Simulated]) -> str:
    """The table with full precision: one row a connectome and quantity."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["connectome", "network", "quantity", "value", "error"])
    for m in measured:
        for key, value in {
            "units": m.units,
            **m.facts,
            "inverse_effective_rank": m.inverse_rank,
            "unbiased_inverse_effective_rank": m.corrected,
            "overlap_root_mean_square": m.overlap_size,
            "overlap_permutation_p_value": m.overlap_p_value,
            "significant_overlaps": int(m.significant.sum()),
            "target_variation": m.variation[0],
            "source_variation": m.variation[1],
        }.items():
            writer.writerow([m.name, "", key, value, ""])
        for null, (_, inverse, _, _) in m.nulls.items():
            quantity = "unbiased_inverse_effective_rank"
            writer.writerow([m.name, null, quantity, np.mean(inverse), np.std(inverse)])
        for s in simulated:
            if s.connectome == m.name:
                writer.writerow([m.name, s.variant, "dimension", s.dimension, s.error])
                writer.writerow([m.name, s.variant, "dimension_theory", s.theory, ""])
                writer.writerow([m.name, s.variant, "feedback", s.feedback, ""])
    return out.getvalue()
