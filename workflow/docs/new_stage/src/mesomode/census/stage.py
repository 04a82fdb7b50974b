"""The stage ``census``: atlas → voxels a region."""

from mesomode.census.settings import Settings
from mesomode.steps import Input, Output, Provenance, step
from mesomode.store import Schema, Variable, open_store, write_store

SCHEMA = Schema(
    "census",
    {
        "region": Variable(("region",), "int64", "1", "id of the region"),
        "voxels": Variable(("region",), "int64", "1", "number of source voxels"),
    },
)


@step
def census(*, atlas: Input, out: Output, settings: Settings, provenance: Provenance) -> None:
    """Count the source voxels of each region."""
    import xarray as xr

    from mesomode.census.counting import counts

    with open_store(atlas) as grid:
        region, voxels = counts(grid["source_region"].values, settings.smallest)
    dataset = xr.Dataset({"voxels": ("region", voxels)}, coords={"region": region})
    write_store(out, dataset, SCHEMA, provenance)
