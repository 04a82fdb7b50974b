"""Names, colours and markers of the connectome models, the same in all figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mesomode.report.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY

MODEL_COLOURS = {
    "voxel": BLUE,
    "linear": SKY,
    "low_rank": PURPLE,
    "regional": ORANGE,
    "kernel": GREEN,
    "distance": GREY,
}
MODEL_MARKERS = {
    "voxel": "o",
    "linear": "D",
    "low_rank": "v",
    "regional": "s",
    "kernel": "^",
    "distance": "X",
}


def model_name(name: str) -> str:
    """What a model is called in figures."""
    return {"low_rank": "low-rank"}.get(name, name.replace("_", " "))


def weights_name(attributes: Mapping[str, Any]) -> str:
    """What the weights of a store with these attributes are called."""
    return "truth" if "models" in attributes else f"{model_name(attributes['model'])} model"


def model_title(name: str) -> str:
    """The same at the beginning of a title."""
    text = model_name(name)
    return f"{text[:1].upper()}{text[1:]}"


def model_colour(name: str) -> str:
    """Colour of a model."""
    return MODEL_COLOURS.get(name, RED)


def model_marker(name: str) -> str:
    """Marker of a model, so that colour is not the only thing that tells it from others."""
    return MODEL_MARKERS.get(name, "P")
