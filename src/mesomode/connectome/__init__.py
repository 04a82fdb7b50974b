"""Connectomes: nonnegative spline regression, baselines, and files of one's own."""

from typing import Any

_PLACES = {
    "ConnectomeModel": "model",
    "DistanceConnectome": "distance",
    "KernelConnectome": "kernel",
    "LinearConnectome": "linear",
    "LowRankConnectome": "low_rank",
    "RegionalConnectome": "regional",
    "VoxelConnectome": "voxel",
}


def __getattr__(name: str) -> Any:
    """Import a model when it is asked for, so that the package itself stays cheap."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_PLACES)
