"""Figures of the recordings, and of networks beside them."""

from __future__ import annotations

from mesomode.report.settings import Settings
from mesomode.report.stage_drawing import Figure, Store, drawn, write_texts
from mesomode.steps import Input, Output, logger, step
from mesomode.store import open_store


@step
@drawn
def figure_session(*, session: Input, settings: Settings) -> Figure:
    """Draw traces, stimuli, tuning, dimension and time-scales of one session.

    Parameters
    ----------
    session : Path
        ``recordings/<session>.zarr``.
    """
    from mesomode.report.recordings import draw_session
    from mesomode.report.session import Session

    with open_store(session) as data:
        return draw_session(Session.of(data, session.stem), settings.example_units)


@step
@drawn
def figure_comparison(*, comparison: Store) -> Figure:
    """Draw dimension and time-scales of recordings beside those of networks.

    Parameters
    ----------
    comparison : Store
        ``comparison.zarr``.
    """
    from mesomode.report.comparison import Compared, draw_comparison

    return draw_comparison(
        Compared.all_of(comparison),
        common_units=int(comparison["common_units"]),
        subset=comparison["subset"].values,
        scaled_lag=comparison["scaled_lag"].values,
        time_constant=comparison["implied_time_constant"].values,
    )


@step
@drawn
def figure_similarity(*, similarity: Store) -> Figure:
    """Draw the distances between the dynamics of recordings and networks, and their floor.

    Parameters
    ----------
    similarity : Store
        ``comparison/similarity.zarr``.
    """
    from mesomode.report.similarity import draw_similarity

    return draw_similarity(similarity, tuple(similarity["copy"].attrs["flag_meanings"].split()))


@step
@drawn
def figure_representations(*, representations: Store) -> Figure:
    """Draw what populations make of the stimuli that they share.

    Parameters
    ----------
    representations : Store
        ``comparison/representations.zarr``.
    """
    from mesomode.report.representations import draw_representations

    return draw_representations(representations)


@step
@drawn
def figure_intrinsic_dimension(*, systems: list[Store], comparison: Store) -> Figure:
    """Draw the intrinsic dimension of recordings and networks, at several scales.

    Parameters
    ----------
    systems : list of Store
        ``comparison/systems/<kind>/<name>.zarr``.
    comparison : Store
        ``comparison.zarr``.
    """
    from mesomode.report.intrinsic import States, draw_intrinsic

    components = int(systems[0].attrs["mesomode"]["settings"]["components"])
    return draw_intrinsic([States.of(store, comparison) for store in systems], components)


@step
def closest_networks(*, similarity: Input, comparison: Input, csv: Output, html: Output) -> None:
    """List the networks by their distance to each recording, and which differences are real.

    Parameters
    ----------
    similarity : Path
        ``comparison/similarity.zarr``.
    comparison : Path
        ``comparison.zarr``.
    csv, html : Path
        The table, with full precision and as people read it.
    """
    from mesomode.report.closest import closest_html, closest_rows, conclusions
    from mesomode.report.theory_table import table_csv

    with open_store(similarity) as near, open_store(comparison) as compared:
        rows = closest_rows(near, compared)
        metric = str(near.attrs["metric"])
    table = table_csv(rows) if rows else "recording,network\n"
    write_texts({csv: table, html: closest_html(rows, metric)})
    for line in conclusions(rows):
        logger.info("%s", line)
