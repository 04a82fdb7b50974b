"""Dimensions of the phantom sizes."""

from __future__ import annotations

from dataclasses import dataclass

from mesomode.phantom.ontology import VISUAL_AREAS

FIRST_SESSION = 981000001
"""Id of the first two-photon session; the others follow."""


@dataclass(frozen=True)
class Preset:
    """Dimensions of one phantom size.

    Parameters
    ----------
    scale : float
        Size of the layout on the sheet; 1.05 is the real visual cortex.
    thickness : float
        Thickness of the cortex in voxels.
    areas : tuple of str
        Acronyms of the areas.
    experiments : int
        Usable tracer injections.
    volume : float
        Median volume of a usable injection in mm³.
    width : float
        Standard deviation of the bumps of the true weights, in voxels: as wide, relative to
        the areas, as those of the mouse.
    smoothing : float
        Lambda of the spline regression that suits this size; smaller bumps want less of it.
        Lowest error held out of those tried at "tiny" and "small", between the two best powers
        of 10 at "medium", chosen in every fold (of 1e4 to 1e7) at "visual"; published is 1e5.
    """

    scale: float
    thickness: float
    areas: tuple[str, ...]
    experiments: int
    volume: float
    width: float
    smoothing: float


PRESETS = {
    "tiny": Preset(0.215, 6.0, ("VISp", "VISl", "VISal", "VISpm"), 8, 0.018, 2.5, 1e2),
    "small": Preset(0.485, 6.5, VISUAL_AREAS, 28, 0.06, 2.0, 3e2),
    "medium": Preset(0.72, 7.0, VISUAL_AREAS, 28, 0.11, 3.0, 3e3),
    "visual": Preset(1.05, 7.0, VISUAL_AREAS, 28, 0.17, 4.0, 1e4),
}
