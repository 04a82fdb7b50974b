"""Figures of the recordings, and of networks beside them."""

from __future__ import annotations

from mesomode.report.settings import Settings
from mesomode.report.stage_drawing import Figure, Store, drawn
from mesomode.steps import Input, step
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
