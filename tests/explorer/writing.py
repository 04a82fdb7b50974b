"""The data of the explorer from the stores of a made-up run."""

from __future__ import annotations

from pathlib import Path

from mesomode.explorer.stage import explorer_model, explorer_tracing
from mesomode.explorer.stage_networks import explorer_networks
from tests.explorer.making import MODELS, VARIANTS


def write_data(run: Path) -> Path:
    """Write all but the list of the data; returns the folder ``data``."""
    data = run / "explorer/data"
    for name in (*MODELS, "truth"):
        explorer_model(
            connectome=run / f"connectome/{name}.zarr",
            atlas=run / "atlas.zarr",
            out=data / "models" / name,
            seed=1,
        )
    explorer_tracing(
        atlas=run / "atlas.zarr",
        tracing=run / "tracing.zarr",
        coverage=run / "connectome/coverage.zarr",
        validation=run / "connectome/cross_validation.zarr",
        truth=run / "connectome/truth.zarr",
        models=[run / f"connectome/{name}.zarr" for name in MODELS],
        out=data / "tracing",
    )
    explorer_networks(
        structures=[run / "network/structure.zarr"],
        networks=[run / f"network/{v}.zarr" for v in VARIANTS],
        dynamics=[run / f"dynamics/{v}.zarr" for v in VARIANTS],
        comparison=run / "comparison.zarr",
        similarity=run / "comparison/similarity.zarr",
        truth=run / "connectome/truth.zarr",
        out=data / "networks",
    )
    return data
