"""Random-mode networks and their controls, and what a connectome's spectrum says about them."""

from typing import Any

_PLACES = {
    "DenseNetwork": "coupling",
    "IndependentNetwork": "coupling",
    "RandomModeNetwork": "random_mode",
    "effective_rank": "spectrum",
    "inverse_effective_rank": "spectrum",
    "network_from_store": "reading",
}

__all__ = [
    "DenseNetwork",
    "IndependentNetwork",
    "RandomModeNetwork",
    "effective_rank",
    "inverse_effective_rank",
    "network_from_store",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: the package itself stays light."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
