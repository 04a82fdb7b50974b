"""Figures of single source voxels: what they connect to, and whether the data inform them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.errors import DataError
from mesomode.report.settings import Settings
from mesomode.report.stage_drawing import (
    CONTRALATERAL,
    Figure,
    Store,
    drawn,
    places_of,
    sources_of,
)
from mesomode.steps import Input, Output, step

if TYPE_CHECKING:
    from mesomode.report.flatmap import Flatmap


@step
@drawn
def figure_projection(
    *, atlas: Store, models: list[Store], flatmap: list[Input], gif: Output, settings: Settings
) -> Figure:
    """Draw the connections of one voxel, and a film of a source that crosses the largest region.

    Parameters
    ----------
    atlas : Store
        ``atlas.zarr``.
    models : list of Store
        ``connectome/<model>.zarr``; beside it ``connectome/truth.zarr`` where the truth is known.
    flatmap : list of Path
        The file of the setting ``flatmap``, or none.
    gif : Path
        The film.

    Raises
    ------
    DataError
        The setting ``source_voxel`` does not name a source voxel, or the flatmap is not one of
        this atlas.
    """
    from mesomode.report import projection
    from mesomode.report.models import weights_name

    places = places_of(atlas)
    spread = _flatmap(flatmap[0], atlas["annotation"].shape) if flatmap else None
    voxel, region = places["source_voxel"], places["source_region"]
    source = projection.source_at(settings.source_voxel, voxel, region, places["regions"])
    target = projection.target_at(source, voxel, places["target_voxel"])
    connections = [
        projection.Connections(
            weights_name(store.attrs),
            store["weights"][:, source].values,
            None if target is None else store["weights"][target].values,
        )
        for store in models
    ]
    other = atlas["target_hemisphere"].values == CONTRALATERAL
    _write_film(gif, places, models, other)
    return projection.draw_projection(
        connections, source, contralateral=other, flatmap=spread, **places
    )


def _write_film(gif: Path, places: dict[str, Any], models: list[Store], other: Any) -> None:
    """The film of the voxels of the largest region, and what they project to on their own side."""
    import numpy as np

    from mesomode.files import atomic_file
    from mesomode.report.models import weights_name
    from mesomode.report.movie import draw_sweep, save_film, sweep
    from mesomode.report.projection import source_at

    voxel, region = places["source_voxel"], places["source_region"]
    members = np.flatnonzero(region == region[source_at(None, voxel, region, places["regions"])])
    crossed = members[sweep(voxel[members])]
    films = [
        (weights_name(store.attrs).capitalize(), store["weights"][:, crossed].values[~other])
        for store in models
    ]
    near = {name: places[name][~other] for name in ("target_voxel", "target_region")}
    figure, show = draw_sweep(films, crossed, **{**places, **near})
    with atomic_file(gif) as temporary:
        save_film(figure, show, len(crossed), temporary)


def _flatmap(path: Path, shape: tuple[int, ...]) -> Flatmap:
    import h5py

    from mesomode.report.flatmap import Flatmap

    with h5py.File(path, "r") as file:
        if not {"view lookup", "paths"} <= set(file):
            raise DataError(
                "the flatmap has no view lookup or no paths",
                where=path,
                why=f"it holds {sorted(file)}",
                remedy="give report.flatmap a file of cortical coordinates, "
                "dorsal_flatmap_paths_100.h5 or top_view_paths_100.h5",
            )
        return Flatmap(file["view lookup"][:], file["paths"][:], shape)


@step
@drawn
def figure_informed(*, atlas: Store, coverage: Store, settings: Settings) -> Figure:
    """Draw which source voxels the experiments inform, why others not, and how much.

    Parameters
    ----------
    atlas, coverage : Store
        ``atlas.zarr``, ``connectome/coverage.zarr``.

    Raises
    ------
    DataError
        The setting ``source_voxel`` does not name a source voxel.
    """
    from mesomode.report.informed import Informed, draw_informed
    from mesomode.report.projection import source_at

    places = sources_of(atlas)
    regions = places["regions"]
    source = source_at(
        settings.source_voxel, places["source_voxel"], places["source_region"], regions
    )
    return draw_informed(Informed.of(coverage, regions), source, **places)
