"""The Allen Common Coordinate Framework: axes, shapes, hemispheres and structures.

Arrays are indexed ``[ap, dv, ml]``: anterior → posterior, superior → inferior,
left → right, as ``nrrd.read(path, index_order="F")`` gives them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mesomode.errors import DataError

AXES = ("ap", "dv", "ml")
"""Names of the axes, in order."""
EXTENT_UM = (13200, 8000, 11400)
"""Size of the framework along each axis, in µm."""
SHAPES = {r: tuple(-(-extent // r) for extent in EXTENT_UM) for r in (10, 25, 50, 100)}
"""Shape of a volume at each resolution in µm, for example (132, 80, 114) at 100."""
RIGHT, LEFT = 1, 2
"""Hemisphere codes used in stores: the right one is the reference hemisphere."""


def is_right(ml: np.ndarray, resolution_um: int) -> np.ndarray:
    """Whether voxel indices along ``ml`` lie in the right hemisphere."""
    return np.asarray(ml) >= SHAPES[resolution_um][2] // 2


def flip_hemispheres(volume: np.ndarray) -> np.ndarray:
    """Mirror a volume about the midline; twice is the identity."""
    return volume[:, :, ::-1]


def voxel_positions(voxels: np.ndarray, resolution_um: int) -> np.ndarray:
    """Centres of voxels.

    Parameters
    ----------
    voxels : int array (voxel, 3)
        Indices [ap, dv, ml].
    resolution_um : int
        Edge of a voxel.

    Returns
    -------
    float32 array (voxel, 3)
        Positions in µm.
    """
    return ((np.asarray(voxels) + 0.5) * resolution_um).astype(np.float32)


class StructureTree:
    """The ontology: which structure lies in which, with names and colours.

    Parameters
    ----------
    records : sequence of mappings
        Each with ``id``, ``acronym``, ``name``, ``structure_id_path`` (ids from
        the root to the structure itself) and ``rgb_triplet``.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.by_id = {int(record["id"]): record for record in records}
        self.by_acronym = {record["acronym"]: record for record in records}

    def __getitem__(self, acronym: str) -> Mapping[str, Any]:
        """Record of a structure by its acronym.

        Raises
        ------
        DataError
            No structure has it; the nearest acronyms are named.
        """
        if acronym in self.by_acronym:
            return self.by_acronym[acronym]
        near = difflib.get_close_matches(acronym, self.by_acronym, n=3, cutoff=0.5)
        raise DataError(
            f"no structure of the atlas has the acronym {acronym!r}",
            where="config key atlas.regions (or another list of acronyms)",
            why=f"the ontology has {len(self.by_acronym)} structures",
            remedy=f"did you mean {' or '.join(near)}?" if near else "see structures.json",
        )

    def descendants(self, structure_id: int) -> np.ndarray:
        """Ids of a structure and of all structures within it, sorted."""
        return np.array(
            sorted(
                identifier
                for identifier, record in self.by_id.items()
                if structure_id in record["structure_id_path"]
            ),
            dtype=np.int64,
        )

    def region_of(self, acronyms: Iterable[str]) -> dict[int, int]:
        """Map each structure within the named regions to the region's id.

        Raises
        ------
        DataError
            An acronym is unknown, or one region lies within another.
        """
        regions = [self[acronym] for acronym in acronyms]
        owner: dict[int, int] = {}
        for region in regions:
            for structure in self.descendants(int(region["id"])):
                if int(structure) in owner:
                    other = self.by_id[owner[int(structure)]]["acronym"]
                    raise DataError(
                        f"the regions {other!r} and {region['acronym']!r} overlap",
                        where="config key atlas.regions",
                        why="one lies within the other, or it is named twice",
                        remedy="name one of the two",
                    )
                owner[int(structure)] = int(region["id"])
        return owner
