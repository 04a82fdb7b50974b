"""Figures of the voxel grids and of the experiments."""

from __future__ import annotations

from mesomode.report.stage_drawing import Figure, Store, drawn, places_of, sources_of
from mesomode.steps import step


@step
@drawn
def figure_atlas(*, atlas: Store) -> Figure:
    """Draw slices through the regions, and the source voxels from above.

    Parameters
    ----------
    atlas : Store
        ``atlas.zarr``.
    """
    from mesomode.report.atlas import draw_atlas

    return draw_atlas(atlas["template"].values, **places_of(atlas))


@step
@drawn
def figure_injections(*, atlas: Store, tracing: Store) -> Figure:
    """Draw where the injections are, how large they are, and why others were dropped.

    Parameters
    ----------
    atlas, tracing : Store
        ``atlas.zarr``, ``tracing.zarr``.
    """
    from mesomode.report.tracing import draw_injections

    chosen = tracing.attrs["mesomode"]["settings"]
    return draw_injections(
        **sources_of(atlas),
        primary_region=tracing["primary_region"].values,
        flipped=tracing["flipped"].values,
        injection_density=tracing["injection_density"].values,
        observed=tracing["observed"].values,
        centroid=tracing["injection_centroid"].values,
        volume=tracing["injection_volume"].values,
        candidate_reason=tracing["candidate_reason"].values,
        candidate_volume=tracing["candidate_volume"].values,
        candidate_fraction_inside=tracing["candidate_fraction_inside"].values,
        reasons=tracing["candidate_reason"].attrs["flag_meanings"].split(),
        limits={
            name: float(chosen[name])
            for name in ("maximum_injection_volume", "minimum_fraction_inside")
        },
    )


@step
@drawn
def figure_coverage(*, atlas: Store, tracing: Store) -> Figure:
    """Draw how many experiments reach each source and observe each target.

    Parameters
    ----------
    atlas, tracing : Store
        ``atlas.zarr``, ``tracing.zarr``.
    """
    from mesomode.report.tracing import draw_coverage

    return draw_coverage(
        **places_of(atlas),
        injection_density=tracing["injection_density"].values,
        observed=tracing["observed"].values,
    )
