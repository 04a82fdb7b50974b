"""What the variants of networks are called where people read it."""

from __future__ import annotations

VARIANT_NAMES = {
    "random_mode": "random modes",
    "independent": "independent couplings",
    "blocks": "blocks",
    "overlaps": "overlapping modes",
    "heterogeneous": "uneven units",
    "connectome": "connectome",
}
"""Variant, as in the configuration and in names of files → its name in figures and pages."""


def variant_name(variant: str) -> str:
    """What a variant is called; of an unknown one, its own name without underscores."""
    return VARIANT_NAMES.get(variant, variant.replace("_", " "))
