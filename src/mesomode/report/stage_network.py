"""Figures of what was measured of connectomes, and the table of several connectomes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from mesomode.report.settings import Settings
from mesomode.steps import Input, Output, step
from mesomode.store import open_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@step
def figure_structure(*, structure: Input, png: Output, svg: Output, settings: Settings) -> None:
    """Draw spectrum, overlaps and scales of a connectome beside random ones.

    Parameters
    ----------
    structure : Path
        ``network/structure.zarr``.
    png, svg : Path
        The figure.
    """
    from mesomode.report.structure import Measured, draw_structure

    with open_store(structure) as store:
        figure = draw_structure(Measured.of(store, str(store.attrs["name"])))
    _save(figure, png, svg, settings)


@step
def figure_connectomes(
    *,
    structure: list[Input],
    dynamics: list[Input],
    png: Output,
    svg: Output,
    csv: Output,
    settings: Settings,
) -> None:
    """Draw the table of several connectomes and the dimension of their matched networks.

    Parameters
    ----------
    structure : list of Path
        ``network/structure.zarr`` and ``network/<name>/structure.zarr``.
    dynamics : list of Path
        ``dynamics/<variant>.zarr`` and ``dynamics/<name>/<variant>.zarr``.
    png, svg : Path
        The figure.
    csv : Path
        The table with full precision.
    """
    from mesomode.files import atomic_file
    from mesomode.report.connectomes import Simulated, as_csv, draw_connectomes
    from mesomode.report.structure import Measured

    with ExitStack() as stack:

        def opened(path: Path):
            return stack.enter_context(open_store(path))

        measured = [Measured.of(opened(p), _name(p, "network")) for p in structure]
        simulated = [Simulated.of(opened(p), _name(p, "dynamics")) for p in dynamics]
    _save(draw_connectomes(measured, simulated), png, svg, settings)
    with atomic_file(csv) as temporary:
        temporary.write_text(as_csv(measured, simulated), encoding="utf-8")


def _name(path: Path, stage: str) -> str:
    """Name of a connectome by the folder its store is in."""
    return "this run" if path.parent.name == stage else path.parent.name


def _save(figure: Figure, png: Path, svg: Path, settings: Settings) -> None:
    """Write a figure in both formats, each whole or not at all."""
    from mesomode.files import atomic_file
    from mesomode.report.style import save_figure

    for path in (png, svg):
        with atomic_file(path) as temporary:
            save_figure(figure, temporary, dpi=settings.dpi, svg_text=settings.svg_text)
