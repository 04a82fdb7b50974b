"""Which experiments are kept, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

REASONS = (
    "kept",
    "not_fetched",
    "excluded_by_config",
    "other_transgenic_line",
    "injection_too_large",
    "empty_injection",
    "outside_the_regions",
    "too_few_voxels",
)
"""Outcomes, in the order in which they are tried; the index is what stores hold."""


def reason_by_record(
    record: Mapping[str, Any],
    *,
    fetched: bool,
    exclude: Sequence[int],
    transgenic_lines: str | Sequence[str],
    maximum_injection_volume: float,
) -> str:
    """Decide by an experiment's record alone.

    Parameters
    ----------
    record : mapping
        With ``id``, ``transgenic_line`` (name or None) and ``injection_volume`` in mm³.
    fetched : bool
        Whether its volumes are at hand.
    exclude : sequence of int
        Ids to leave out.
    transgenic_lines : "wild type", "any", or sequence of str
        Lines wanted.
    maximum_injection_volume : float
        In mm³.

    Returns
    -------
    str
        One of :data:`REASONS`; ``"kept"`` if nothing speaks against it so far.
    """
    line = record["transgenic_line"]
    if record["id"] in exclude:
        return "excluded_by_config"
    wanted = (
        transgenic_lines == "any"
        or (transgenic_lines == "wild type" and line is None)
        or (not isinstance(transgenic_lines, str) and line in transgenic_lines)
    )
    if not wanted:
        return "other_transgenic_line"
    if not fetched:
        return "not_fetched"
    if record["injection_volume"] > maximum_injection_volume:
        return "injection_too_large"
    return "kept"


def reason_by_injection(
    total: float,
    inside: float,
    voxels: int,
    *,
    minimum_fraction_inside: float,
    minimum_injection_voxels: int,
) -> str:
    """Decide by where the injection lies.

    Parameters
    ----------
    total, inside : float
        Injection fraction summed over the brain and over the source voxels.
    voxels : int
        Source voxels with a positive injection density.
    minimum_fraction_inside : float
    minimum_injection_voxels : int

    Returns
    -------
    str
        One of :data:`REASONS`.
    """
    if total <= 0:
        return "empty_injection"
    if inside < minimum_fraction_inside * total:
        return "outside_the_regions"
    if voxels < minimum_injection_voxels:
        return "too_few_voxels"
    return "kept"
