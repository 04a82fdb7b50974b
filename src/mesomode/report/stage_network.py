"""Figures of connectomes and networks as matrices, and the table of several connectomes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from mesomode.report.stage_drawing import Figure, Store, drawn, write_texts
from mesomode.steps import Input, Output, step
from mesomode.store import open_store


@step
@drawn
def figure_network(*, network: list[Store]) -> Figure:
    """Draw the singular spectra of the connectome and of the networks.

    Parameters
    ----------
    network : list of Store
        ``network/<variant>.zarr``.
    """
    from mesomode.report.network import Spectrum, draw_network, spectra_of

    spectra: dict[str, Spectrum] = {}
    for store in network:
        spectra |= spectra_of(store)
    return draw_network(spectra)


@step
@drawn
def figure_structure(*, structure: Store) -> Figure:
    """Draw spectrum, overlaps and scales of a connectome beside random ones.

    Parameters
    ----------
    structure : Store
        ``network/structure.zarr``.
    """
    from mesomode.report.structure import Measured, draw_structure

    return draw_structure(Measured.of(structure, str(structure.attrs["name"])))


@step
@drawn
def figure_connectomes(*, structure: list[Input], dynamics: list[Input], csv: Output) -> Figure:
    """Draw the table of several connectomes and the dimension of their matched networks.

    Parameters
    ----------
    structure : list of Path
        ``network/structure.zarr`` and ``network/<name>/structure.zarr``.
    dynamics : list of Path
        ``dynamics/<variant>.zarr`` and ``dynamics/<name>/<variant>.zarr``.
    csv : Path
        The table with full precision.
    """
    from mesomode.report.connectomes import Simulated, as_csv, draw_connectomes
    from mesomode.report.structure import Measured

    with ExitStack() as stack:

        def opened(path: Path):
            return stack.enter_context(open_store(path))

        measured = [Measured.of(opened(p), _name(p, "network")) for p in structure]
        simulated = [Simulated.of(opened(p), _name(p, "dynamics")) for p in dynamics]
    write_texts({csv: as_csv(measured, simulated)})
    return draw_connectomes(measured, simulated)


def _name(path: Path, stage: str) -> str:
    """Name of a connectome by the folder its store is in."""
    return "this run" if path.parent.name == stage else path.parent.name
