"""Dynamics of rate networks: mean-field theory and simulation side by side."""

from typing import Any

_PLACES = {
    "MeanField": "theory",
    "Trajectories": "simulation",
    "critical_gain": "theory",
    "largest_lyapunov_exponent": "theory",
    "mean_field": "theory",
    "overlap_mean_field": "theory",
    "simulate": "simulation",
}

__all__ = [
    "MeanField",
    "Trajectories",
    "critical_gain",
    "largest_lyapunov_exponent",
    "mean_field",
    "overlap_mean_field",
    "simulate",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: the package itself stays light."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
