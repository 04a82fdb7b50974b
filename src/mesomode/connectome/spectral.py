"""Eigenmodes of a grid's Laplacian, in which the penalty of the spline regression is diagonal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sparse

from mesomode.connectome.laplacian import component_labels
from mesomode.errors import DataError
from mesomode.memory import require_memory

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
STATED_ABOVE = 1e9  # bytes from which the memory needed is checked beforehand
EIGH_COPIES = 4  # matrices of the component's size that the eigensolver holds at its peak


@dataclass(frozen=True)
class Component:
    """Eigenmodes of one connected component of a grid.

    Attributes
    ----------
    voxels : (voxel,) int64
        Its voxels, in ascending order.
    eigenvalues : (mode,) float64
        Of -L, ascending, per squared voxel; the first is exactly 0.
    eigenvectors : (voxel, mode) float64
        Orthonormal columns; the first is exactly constant.
    """

    voxels: Index
    eigenvalues: Array
    eigenvectors: Array


@dataclass(frozen=True)
class SpectralBasis:
    """Orthonormal eigenmodes of -L = Q diag(mu) Q^T, component by component.

    The modes of a component are contiguous and vanish outside it, so that Q
    is stored and applied block by block. Modes are ordered by component, and
    by eigenvalue within it.

    Attributes
    ----------
    components : tuple of Component
        One for each connected component of the grid (islands of one voxel
        included).
    """

    components: tuple[Component, ...]

    @classmethod
    def of(cls, laplacian: sparse.sparray) -> SpectralBasis:
        """Eigenmodes of a Laplacian, by a dense symmetric decomposition of each component.

        Parameters
        ----------
        laplacian : sparse array, (voxel, voxel)
            L, symmetric and negative semidefinite with rows that sum to zero
            (:func:`~mesomode.connectome.laplacian.graph_laplacian`).

        Returns
        -------
        SpectralBasis
            The null space is exact: eigenvalue 0 and a constant mode for each
            component.

        Raises
        ------
        DataError
            The matrix is not symmetric or its rows do not sum to zero.
        MemoryLimitError
            The decomposition of the largest component does not fit.
        """
        matrix = sparse.csr_array(laplacian, dtype=np.float64)
        size = max(1.0, float(abs(matrix).max()) if matrix.nnz else 1.0)
        if matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
            raise DataError(f"the Laplacian has shape {matrix.shape}", why="it must be square")
        lopsided = abs(matrix - matrix.T)
        uneven = np.abs(matrix.sum(axis=1)).max()
        if (lopsided.nnz and lopsided.max() > 1e-12 * size) or uneven > 1e-9 * size:
            raise DataError(
                "the matrix is not a Laplacian",
                why="it must be symmetric with rows that sum to zero",
                remedy="make it with graph_laplacian",
            )
        labels = component_labels(matrix)
        counts = np.bincount(labels)
        needed = 8.0 * (
            float((counts.astype(float) ** 2).sum()) + EIGH_COPIES * float(counts.max()) ** 2
        )
        if needed > STATED_ABOVE:
            require_memory(
                needed,
                f"the eigenmodes of a grid of {len(labels)} voxels",
                "choose fewer regions, one hemisphere or a coarser resolution, or use the "
                "low-rank model, which needs no eigenmodes of the fine grid",
            )
        return cls(tuple(_component(matrix, part) for part in _parts(labels)))

    @classmethod
    def of_arrays(
        cls, labels: npt.NDArray[np.integer], eigenvalues: Array, eigenvectors: Array
    ) -> SpectralBasis:
        """The basis with these ``labels``, ``eigenvalues`` and ``eigenvectors``, bit by bit.

        Parameters
        ----------
        labels : (voxel,) of int
            Component of each voxel, numbered from 0.
        eigenvalues : (mode,) float64
            Of -L, per squared voxel.
        eigenvectors : (voxel, mode) float64
            Q; not copied if the grid has but one component.

        Raises
        ------
        DataError
            The shapes do not fit each other.
        """
        count = len(labels)
        if eigenvalues.shape != (count,) or eigenvectors.shape != (count, count):
            raise DataError(
                f"{eigenvalues.shape} eigenvalues and {eigenvectors.shape} eigenvectors were "
                f"given for {count} voxels",
                why="a basis has as many modes as voxels",
            )
        components, start = [], 0
        for voxels in _parts(labels):
            modes = slice(start, start + len(voxels))
            block = eigenvectors if len(voxels) == count else eigenvectors[voxels, modes]
            components.append(Component(voxels, eigenvalues[modes], np.ascontiguousarray(block)))
            start = modes.stop
        return cls(tuple(components))

    @cached_property
    def count(self) -> int:
        """Number of voxels, which is the number of modes."""
        return sum(len(part.voxels) for part in self.components)

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of -L, (mode,), in the order of the modes."""
        return np.concatenate([part.eigenvalues for part in self.components])

    @cached_property
    def starts(self) -> Index:
        """First mode of each component, (component,): its constant, the null space of L."""
        sizes = [len(part.voxels) for part in self.components]
        return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

    @cached_property
    def labels(self) -> npt.NDArray[np.int32]:
        """Component of each voxel, (voxel,)."""
        labels = np.empty(self.count, dtype=np.int32)
        for number, part in enumerate(self.components):
            labels[part.voxels] = number
        return labels

    @cached_property
    def sizes(self) -> Index:
        """Number of voxels of each component, (component,)."""
        return np.array([len(part.voxels) for part in self.components], dtype=np.int64)

    @property
    def eigenvectors(self) -> Array:
        """All modes as one dense matrix, (voxel, mode): made anew at each call."""
        result = np.zeros((self.count, self.count))
        for part, modes in zip(self.components, self.slices(), strict=True):
            result[part.voxels, modes] = part.eigenvectors
        return result

    def slices(self) -> list[slice]:
        """Modes of each component."""
        return [slice(a, a + n) for a, n in zip(self.starts, self.sizes, strict=True)]

    def to_modes(self, values: npt.NDArray[np.floating]) -> Array:
        """Q^T V: coefficients (mode, column) of the columns of ``values`` (voxel, column)."""
        result = np.empty((self.count, values.shape[1]))
        for part, modes in zip(self.components, self.slices(), strict=True):
            np.matmul(part.eigenvectors.T, values[part.voxels], out=result[modes])
        return result

    def from_modes(self, coefficients: npt.NDArray[np.floating]) -> Array:
        """Q C: values (voxel, column) of the columns of ``coefficients`` (mode, column)."""
        result = np.empty((self.count, coefficients.shape[1]))
        for part, modes in zip(self.components, self.slices(), strict=True):
            result[part.voxels] = part.eigenvectors @ coefficients[modes]
        return result

    def mode_values(self, voxels: npt.ArrayLike) -> Array:
        """Values of all modes at some voxels, (mode, chosen voxel)."""
        chosen = np.asarray(voxels, dtype=np.int64)
        result = np.zeros((self.count, len(chosen)))
        for number, (part, modes) in enumerate(zip(self.components, self.slices(), strict=True)):
            here = np.flatnonzero(self.labels[chosen] == number)
            place = np.searchsorted(part.voxels, chosen[here])
            result[modes, here] = part.eigenvectors[place].T
        return result


def _parts(labels: npt.NDArray[np.integer]) -> list[Index]:
    """Voxels of each component, in ascending order."""
    order = np.argsort(labels, kind="stable").astype(np.int64)
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _component(laplacian: sparse.csr_array, voxels: Index) -> Component:
    """Eigenmodes of one component, with the null space made exact."""
    count = len(voxels)
    if count == 1:
        return Component(voxels, np.zeros(1), np.ones((1, 1)))
    dense = -laplacian[voxels][:, voxels].toarray()
    values, vectors = scipy.linalg.eigh(dense, overwrite_a=True, driver="evd")
    # The lowest mode is constant up to rounding; what rounding mixed of it into the
    # others would be divided by the square of a small eigenvalue later on.
    vectors[:, 1:] -= vectors[:, 1:].mean(axis=0)
    vectors[:, 1:] /= np.linalg.norm(vectors[:, 1:], axis=0)
    vectors[:, 0] = 1.0 / np.sqrt(count)
    values[0] = 0.0
    return Component(voxels, values, np.ascontiguousarray(vectors))
