"""Figures of simulation beside theory, and their table."""

from __future__ import annotations

from contextlib import ExitStack

from mesomode.report.settings import Settings
from mesomode.report.stage_drawing import Figure, Store, drawn, write_texts
from mesomode.steps import Input, Output, logger, step
from mesomode.store import open_store


@step
@drawn
def figure_dynamics(*, dynamics: list[Store], settings: Settings) -> Figure:
    """Draw the simulated activity of the networks beside mean-field theory.

    Parameters
    ----------
    dynamics : list of Store
        ``dynamics/<variant>.zarr``.
    """
    from mesomode.report.dynamics import Activity, draw_dynamics

    return draw_dynamics([Activity.of(store) for store in dynamics], settings.example_units)


@step
@drawn
def figure_scaling(*, scaling: Store) -> Figure:
    """Draw how networks of more and more units approach the theory.

    Parameters
    ----------
    scaling : Store
        ``dynamics/scaling.zarr``.
    """
    from mesomode.report.theory import Ensemble, draw_scaling

    return draw_scaling(Ensemble.all_of(scaling))


@step
@drawn
def figure_effective_rank(*, ranks: Store) -> Figure:
    """Draw that the effective rank changes the dimension and not the autocovariance.

    Parameters
    ----------
    ranks : Store
        ``dynamics/effective_rank.zarr``.
    """
    from mesomode.report.theory import Ranks, draw_effective_rank

    return draw_effective_rank(Ranks.of(ranks))


@step
@drawn
def figure_chaos(*, dynamics: list[Store]) -> Figure:
    """Draw Lyapunov exponents, the autocovariance of the population, and eigenvalues.

    Parameters
    ----------
    dynamics : list of Store
        ``dynamics/<variant>.zarr``.
    """
    from mesomode.report.chaos import Chaos, draw_chaos

    return draw_chaos([Chaos.of(store) for store in dynamics])


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
    from mesomode.report.theory_table import table_csv, table_html, theory_rows

    with ExitStack() as stack:
        rows = theory_rows(
            [stack.enter_context(open_store(path)) for path in dynamics],
            [stack.enter_context(open_store(path)) for path in scaling],
        )
    title = "Theory beside simulation"
    write_texts({csv: table_csv(rows), html: table_html(rows, title)})
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
