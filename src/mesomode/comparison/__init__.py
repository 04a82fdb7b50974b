"""Networks beside recordings: dimension, time-scales and the similarity of dynamics."""

from typing import Any

_PLACES = {
    "DelayDynamics": "dynamic_mode_decomposition",
    "RankWarning": "dynamic_mode_decomposition",
    "dynamical_distance": "dynamical_similarity",
    "dynamical_distances": "dynamical_similarity",
    "fit_delay_dynamics": "dynamic_mode_decomposition",
    "fit_dynamics": "dynamic_mode_decomposition",
    "fit_input_dynamics": "input_dynamics",
    "identify_input_dynamics": "input_dynamics",
    "input_dynamical_distance": "input_dynamics",
}

__all__ = [
    "DelayDynamics",
    "RankWarning",
    "dynamical_distance",
    "dynamical_distances",
    "fit_delay_dynamics",
    "fit_dynamics",
    "fit_input_dynamics",
    "identify_input_dynamics",
    "input_dynamical_distance",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: the package itself stays light."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
