"""Steps of the stage ``report`` on representations, intrinsic dimension and closest networks."""

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
def figure_representations(
    *, representations: Input, png: Output, svg: Output, settings: Settings
) -> None:
    """Draw what populations make of the stimuli that they share.

    Parameters
    ----------
    representations : Path
        ``comparison/representations.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.representations import draw_representations

    with open_store(representations) as store:
        figure = draw_representations(store)
    _save(figure, png, svg, settings)


@step
def figure_intrinsic_dimension(
    *, systems: list[Input], comparison: Input, png: Output, svg: Output, settings: Settings
) -> None:
    """Draw the intrinsic dimension of recordings and networks, at several scales.

    Parameters
    ----------
    systems : list of Path
        ``comparison/systems/<kind>/<name>.zarr``.
    comparison : Path
        ``comparison.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.intrinsic import States, draw_intrinsic

    with ExitStack() as stack:
        compared = stack.enter_context(open_store(comparison))
        stores = [stack.enter_context(open_store(path)) for path in systems]
        found = [States.of(store, compared) for store in stores]
        components = int(stores[0].attrs["mesomode"]["settings"]["components"])
    _save(draw_intrinsic(found, components), png, svg, settings)


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
    from mesomode.files import atomic_file
    from mesomode.report.closest import closest_html, closest_rows, conclusions
    from mesomode.report.theory_table import table_csv

    with open_store(similarity) as near, open_store(comparison) as compared:
        rows = closest_rows(near, compared)
        metric = str(near.attrs["metric"])
    for path, text in (
        (csv, table_csv(rows) if rows else "recording,network\n"),
        (html, closest_html(rows, metric)),
    ):
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for line in conclusions(rows):
        logger.info("%s", line)


def _save(figure: Figure, png: Path, svg: Path, settings: Settings) -> None:
    """Write a figure in both formats, each whole or not at all."""
    from mesomode.files import atomic_file
    from mesomode.report.style import save_figure

    for path in (png, svg):
        with atomic_file(path) as temporary:
            save_figure(figure, temporary, dpi=settings.dpi, svg_text=settings.svg_text)
