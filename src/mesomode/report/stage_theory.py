"""Steps of the stage ``report`` on theory and simulation: figures and the table."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mesomode.report.settings import Settings
from mesomode.steps import Input, Output, logger, step
from mesomode.store import open_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@step
def figure_scaling(*, scaling: Input, png: Output, svg: Output, settings: Settings) -> None:
    """Draw how networks of more and more units approach the theory.

    Parameters
    ----------
    scaling : Path
        ``dynamics/scaling.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.theory import Ensemble, draw_scaling

    with open_store(scaling) as store:
        figure = draw_scaling(Ensemble.all_of(store))
    _save(figure, png, svg, settings)


@step
def figure_effective_rank(*, ranks: Input, png: Output, svg: Output, settings: Settings) -> None:
    """Draw that the effective rank changes the dimension and not the autocovariance.

    Parameters
    ----------
    ranks : Path
        ``dynamics/effective_rank.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.theory import Ranks, draw_effective_rank

    with open_store(ranks) as store:
        figure = draw_effective_rank(Ranks.of(store))
    _save(figure, png, svg, settings)


@step
def figure_chaos(*, dynamics: list[Input], png: Output, svg: Output, settings: Settings) -> None:
    """Draw Lyapunov exponents, the autocovariance of the population, and eigenvalues.

    Parameters
    ----------
    dynamics : list of Path
        ``dynamics/<variant>.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.chaos import Chaos, draw_chaos

    networks = []
    for path in dynamics:
        with open_store(path) as store:
            networks.append(Chaos.of(store))
    _save(draw_chaos(networks), png, svg, settings)


@step
def theory_table(*, dynamics: list[Input], scaling: list[Input], csv: Output, html: Output) -> None:
    """Put theory and simulation of all networks into one table, with z-scores.

    Parameters
    ----------
    dynamics : list of Path
        ``dynamics/<variant>.zarr``, also of further connectomes.
    scaling : list of Path
        ``dynamics/scaling.zarr``, for the spread between draws, or none.
    csv, html : Path
        The table, with full precision and as people read it.
    """
    from mesomode.files import atomic_file
    from mesomode.report.theory_table import table_csv, table_html, theory_rows

    with ExitStack() as stack:
        rows = theory_rows(
            [stack.enter_context(open_store(path)) for path in dynamics],
            [stack.enter_context(open_store(path)) for path in scaling],
        )
    for path, text in (
        (csv, table_csv(rows)),
        (html, table_html(rows, "Theory beside simulation")),
    ):
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for row in rows:
        logger.info(
            "%s: C_φ(0) %.4f, theory %.4f, z %+.1f; dimension %.4g, theory %.4g, z %+.1f",
            " ".join(filter(None, [row["connectome"], row["network"]])),
            row["C_φ(0)"],
            row["C_φ(0) theory"],
            row["C_φ(0) z"],
            row["dimension"],
            row["dimension theory"],
            row["dimension z"],
        )


def _save(figure: Figure, png: Path, svg: Path, settings: Settings) -> None:
    """Write a figure in both formats, each whole or not at all."""
    from mesomode.files import atomic_file
    from mesomode.report.style import save_figure

    for path in (png, svg):
        with atomic_file(path) as temporary:
            save_figure(figure, temporary, dpi=settings.dpi, svg_text=settings.svg_text)
