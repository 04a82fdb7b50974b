"""The voxels of sources and targets, and what the models need to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.spectral import SpectralBasis

if TYPE_CHECKING:
    import scipy.sparse as sparse


@dataclass(frozen=True)
class Grid:
    """Voxels of sources and targets, and what the models need to know of them.

    Attributes
    ----------
    source_voxel, target_voxel : (voxel, 3) int
        Indices [ap, dv, ml].
    source_region, target_region : (voxel,) int
        Number of the region, and for targets of the hemisphere with it.
    resolution : float
        Edge of a voxel, um.
    cut : bool
        Whether the Laplacians have no edges between regions.
    eigenmodes : (SpectralBasis, SpectralBasis), optional
        Those of -L_x and -L_y, if they are known already.
    """

    source_voxel: npt.NDArray[np.integer]
    target_voxel: npt.NDArray[np.integer]
    source_region: npt.NDArray[np.integer]
    target_region: npt.NDArray[np.integer]
    resolution: float
    cut: bool = False
    eigenmodes: tuple[SpectralBasis, SpectralBasis] | None = None

    @cached_property
    def laplacians(self) -> tuple[sparse.csr_array, sparse.csr_array]:
        """L_x and L_y."""
        return (
            graph_laplacian(self.source_voxel, self.source_region if self.cut else None),
            graph_laplacian(self.target_voxel, self.target_region if self.cut else None),
        )

    @cached_property
    def bases(self) -> tuple[SpectralBasis, SpectralBasis]:
        """Eigenmodes of -L_x and -L_y; the same object if the grids are the same."""
        if self.eigenmodes is not None:
            return self.eigenmodes
        source, target = self.laplacians
        basis = SpectralBasis.of(source)
        same = source.shape == target.shape and abs(source - target).sum() == 0
        return basis, basis if same else SpectralBasis.of(target)

    def keywords(self, model: str) -> dict[str, Any]:
        """Keywords of the model's ``fit``."""
        if model in ("voxel", "linear", "low_rank"):
            source, target = self.laplacians
            found: dict[str, Any] = {"source_laplacian": source, "target_laplacian": target}
            if model == "linear" and self.eigenmodes is not None:
                found |= dict(zip(("source_basis", "target_basis"), self.eigenmodes, strict=True))
            return found
        if model == "regional":
            return {"source_region": self.source_region, "target_region": self.target_region}
        position = {"source_position": self.resolution * (self.source_voxel + 0.5)}
        if model == "kernel":
            return position | {"source_region": self.source_region}
        return position | {"target_position": self.resolution * (self.target_voxel + 0.5)}
