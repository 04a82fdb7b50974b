"""The table of key numbers of the stage ``report``; figures are drawn in ``stage_*.py``."""

from __future__ import annotations

from mesomode.report.stage_drawing import write_texts
from mesomode.steps import Input, Output, logger, step
from mesomode.store import open_store


@step
def summary(
    *,
    atlas: Input,
    tracing: Input,
    connectome: list[Input],
    network: list[Input],
    dynamics: list[Input],
    recordings: list[Input],
    comparison: Input,
    csv: Output,
    html: Output,
) -> None:
    """Collect the key numbers of the run from all stores.

    Parameters
    ----------
    atlas, tracing, connectome, network, dynamics, recordings, comparison : Path or list of Path
        The stores.
    csv, html : Path
        The table, with full precision and as people read it.
    """
    from mesomode.report import summary as table

    rows = []
    for paths, rows_of in (
        ([atlas], table.atlas_rows),
        ([tracing], table.tracing_rows),
        (connectome, table.connectome_rows),
        (network, table.network_rows),
        (dynamics, table.dynamics_rows),
        (recordings, table.recordings_rows),
        ([comparison], table.comparison_rows),
    ):
        for path in paths:
            with open_store(path) as data:
                rows += rows_of(data, path.stem)
    title = f"Key numbers of {csv.parent.name}"
    write_texts({csv: table.as_csv(rows), html: table.as_html(rows, title)})
    for line in filter(None, [*table.as_text(rows), table.recovery(rows)]):
        logger.info("%s", line)
