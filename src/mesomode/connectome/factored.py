"""Weights U V^T that are never formed: sliced, multiplied and summarised through their factors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from mesomode.connectome.factored_index import split_index
from mesomode.connectome.scores import sum_groups
from mesomode.errors import DataError
from mesomode.memory import require_memory

Factor = npt.NDArray[np.floating]
BLOCK = 2**24  # entries of W that are formed at once where all of them must be seen


class FactoredWeights:
    """W = U V^T as an array-like of shape (target, source) that is never formed whole.

    Indexing follows numpy, and computes only what is asked for: an integer
    and a slice give a row, column or block; boolean masks, integer arrays and
    ``np.ix_`` work as for an array (two integer arrays are paired), and
    negative indices count from the end. Rows and columns can also be found by
    lattice indices where the voxels are given, see :meth:`locate`.

    Parameters
    ----------
    target_factor, source_factor : (target, rank) and (source, rank)
        U and V, float32 or float64, finite.
    target_voxels, source_voxels : (voxel, 3) of int, optional
        Lattice indices [ap, dv, ml] of the rows of U and of V.
    target_hemisphere, source_hemisphere : (voxel,), optional
        Label of the hemisphere of each voxel, such as "left" and "right"
        (where two hemispheres are described by the same lattice indices).

    Raises
    ------
    DataError
        The factors are not two matrices of the same rank, or labels do not
        fit to them.
    """

    __array_priority__ = 20.0  # v @ W is ours, for ndarrays v

    def __init__(
        self,
        target_factor: npt.ArrayLike,
        source_factor: npt.ArrayLike,
        *,
        target_voxels: npt.ArrayLike | None = None,
        source_voxels: npt.ArrayLike | None = None,
        target_hemisphere: npt.ArrayLike | None = None,
        source_hemisphere: npt.ArrayLike | None = None,
    ) -> None:
        u, v = np.asarray(target_factor), np.asarray(source_factor)
        if u.ndim != 2 or v.ndim != 2 or u.shape[1] != v.shape[1]:
            raise DataError(
                f"factors of shapes {u.shape} and {v.shape} have no product",
                why="(target, rank) and (source, rank) are needed",
            )
        kind = np.result_type(u, v, np.float32)
        self.target_factor: Factor = u.astype(kind, copy=False)
        self.source_factor: Factor = v.astype(kind, copy=False)
        self.target_voxels = _labels(target_voxels, len(u), "target voxels", 3)
        self.source_voxels = _labels(source_voxels, len(v), "source voxels", 3)
        self.target_hemisphere = _labels(target_hemisphere, len(u), "target hemispheres")
        self.source_hemisphere = _labels(source_hemisphere, len(v), "source hemispheres")
        self._places: dict[str, dict[tuple[Any, ...], int]] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """(target, source)."""
        return len(self.target_factor), len(self.source_factor)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the factors, and of what is computed from them."""
        return self.target_factor.dtype

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    @property
    def size(self) -> int:
        """Number of weights."""
        return self.shape[0] * self.shape[1]

    @property
    def rank(self) -> int:
        """Columns of the factors."""
        return self.target_factor.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the two factors."""
        return self.target_factor.nbytes + self.source_factor.nbytes

    @property
    def T(self) -> FactoredWeights:
        """The transpose, sharing memory with this."""
        return FactoredWeights(
            self.source_factor,
            self.target_factor,
            target_voxels=self.source_voxels,
            source_voxels=self.target_voxels,
            target_hemisphere=self.source_hemisphere,
            source_hemisphere=self.target_hemisphere,
        )

    def __repr__(self) -> str:
        return (
            f"FactoredWeights({self.shape[0]} targets x {self.shape[1]} sources, rank {self.rank}, "
            f"{self.dtype}, {self.nbytes / 1e9:.3g} GB)"
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Weights at an index, as a numpy array (or scalar)."""
        rows, columns = split_index(key, self.shape)
        u, v = self.target_factor, self.source_factor
        paired = [np.ndim(k) > 0 for k in (rows, columns) if not isinstance(k, slice)]
        if len(paired) == 2 and any(paired):  # two arrays, or one and a number: broadcast
            if np.ndim(rows) == np.ndim(columns) == 2 and 1 == np.shape(rows)[1] == len(columns):
                self._require(np.size(rows) * np.size(columns))  # as from np.ix_: a block
                return u[np.ravel(rows)] @ v[np.ravel(columns)].T
            i, j = np.broadcast_arrays(rows, columns)
            self._require(2 * i.size * self.rank)
            return np.einsum("...k,...k->...", u[i], v[j])
        a, b = u[rows], v[columns]
        self._require((a.size // self.rank) * (b.size // self.rank) if self.rank else 0)
        if a.ndim <= 1 or b.ndim <= 1:
            return a @ b if b.ndim <= 1 else a @ b.T
        product = a.reshape(-1, self.rank) @ b.reshape(-1, self.rank).T
        return product.reshape(a.shape[:-1] + b.shape[:-1])

    def _require(self, count: int) -> None:
        require_memory(
            count * self.dtype.itemsize,
            f"{count:,} of the {self.shape[0]:,} x {self.shape[1]:,} weights",
            "take a smaller block, or multiply by the factors instead",
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All weights, refused (MemoryLimitError) where memory does not suffice."""
        if copy is False:
            raise ValueError("weights in factors cannot become an array without a copy")
        self._require(self.size)
        full = self.target_factor @ self.source_factor.T
        return full if dtype is None else full.astype(dtype, copy=False)

    def __matmul__(self, other: npt.ArrayLike) -> npt.NDArray[Any]:
        """W v, or W M for a matrix (source, column)."""
        return self.target_factor @ (self.source_factor.T @ np.asarray(other))

    def __rmatmul__(self, other: npt.ArrayLike) -> npt.NDArray[Any]:
        """V W, or M W for a matrix (row, target)."""
        return (np.asarray(other) @ self.target_factor) @ self.source_factor.T

    def singular_values(self) -> npt.NDArray[np.float64]:
        """Nonzero candidates, descending: at most ``rank`` many, exact up to rounding.

        From QR decompositions of both factors; all other singular values are 0.
        """
        triangles = [
            scipy.linalg.qr(f.astype(np.float64), mode="r")[0][: min(f.shape)]
            for f in (self.target_factor, self.source_factor)
        ]
        return np.asarray(scipy.linalg.svdvals(triangles[0] @ triangles[1].T))

    def frobenius_norm(self) -> float:
        """|W|_F, from the Gram matrices of the factors."""
        u, v = (f.astype(np.float64, copy=False) for f in (self.target_factor, self.source_factor))
        return float(np.sqrt(max(0.0, float(np.sum((u.T @ u) * (v.T @ v))))))

    def relative_distance(self, weights: npt.ArrayLike | FactoredWeights) -> float:
        """|U V^T - W|_F / |W|_F without forming U V^T: some rows at a time.

        Parameters
        ----------
        weights : (target, source)
            Dense weights, or others in factors.

        Raises
        ------
        DataError
            Another shape, or W is zero everywhere.
        """
        if isinstance(weights, FactoredWeights):
            other: Any = weights
        else:
            other = np.asarray(weights)
        if other.shape != self.shape:
            raise DataError(f"weights {self.shape} cannot be compared with weights {other.shape}")
        square = total = 0.0
        step = max(1, BLOCK // max(1, self.shape[1]))
        for start in range(0, self.shape[0], step):
            reference = np.asarray(other[start : start + step], dtype=np.float64)
            total += float(np.vdot(reference, reference))
            difference = self[start : start + step] - reference
            square += float(np.vdot(difference, difference))
        if total == 0.0:
            raise DataError("the weights to compare with are zero everywhere")
        return float(np.sqrt(square / total))

    def region_means(
        self, target_group: npt.NDArray[np.integer], source_group: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float64]:
        """Mean weight from each source region to each target region.

        Parameters
        ----------
        target_group, source_group : (target,) and (source,) of int
            Region of each voxel, numbered from 0.

        Returns
        -------
        ndarray (target region, source region)
            NaN for regions without voxels.
        """
        means = []
        for factor, group in (
            (self.target_factor, np.asarray(target_group)),
            (self.source_factor, np.asarray(source_group)),
        ):
            if group.shape != (len(factor),):
                raise DataError(f"{group.shape} regions were given for {len(factor)} voxels")
            count = np.bincount(group).astype(np.float64)[:, None]
            total = sum_groups(factor.astype(np.float64, copy=False), group)
            means.append(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))
        return np.asarray(means[0] @ means[1].T)

    def locate(
        self, voxels: npt.ArrayLike, axis: str = "source", hemisphere: Any = None
    ) -> npt.NDArray[np.int64]:
        """Rows (``axis="target"``) or columns (``"source"``) of voxels by their lattice indices.

        Parameters
        ----------
        voxels : (3,) or (voxel, 3) of int
            Lattice indices [ap, dv, ml].
        axis : {"source", "target"}
            Of which axis.
        hemisphere : scalar, optional
            Needed where the axis has labels of hemispheres.

        Returns
        -------
        ndarray of int64, () or (voxel,)
            Positions, so that ``W[:, W.locate(v)]`` is the projection of v.

        Raises
        ------
        DataError
            No lattice indices were given for that axis, or a voxel is not in it.
        """
        if axis not in ("source", "target"):
            raise DataError(f"the axis is {axis!r}", remedy="say 'source' or 'target'")
        labels = self.source_voxels if axis == "source" else self.target_voxels
        side = self.source_hemisphere if axis == "source" else self.target_hemisphere
        if labels is None:
            raise DataError(
                f"the {axis} voxels have no lattice indices", remedy=f"give {axis}_voxels"
            )
        if (side is None) != (hemisphere is None):
            raise DataError(
                f"hemisphere is {hemisphere!r}",
                why=f"the {axis} voxels have {'no ' if side is None else ''}labels of hemispheres",
            )
        if axis not in self._places:
            keys: list[tuple[Any, ...]] = [tuple(voxel) for voxel in labels.tolist()]
            if side is not None:
                keys = [(*key, s) for key, s in zip(keys, side.tolist(), strict=True)]
            self._places[axis] = {key: i for i, key in enumerate(keys)}
        wanted = np.asarray(voxels)
        if wanted.ndim not in (1, 2) or wanted.shape[-1] != 3:
            raise DataError(
                f"the voxel indices have shape {wanted.shape}", why="[ap, dv, ml] is needed"
            )
        found = []
        for voxel in map(tuple, np.atleast_2d(wanted).tolist()):
            key = voxel if hemisphere is None else (*voxel, hemisphere)
            place = self._places[axis].get(key, -1)
            if place < 0:
                raise DataError(f"voxel {key} is not among the {len(labels)} {axis} voxels")
            found.append(place)
        return np.array(found, dtype=np.int64).reshape(wanted.shape[:-1])


def _labels(values: Any, count: int, name: str, width: int | None = None) -> Any:
    if values is None:
        return None
    labels = np.asarray(values)
    if labels.shape != ((count,) if width is None else (count, width)):
        raise DataError(f"{name} of shape {labels.shape} do not fit to a factor of {count} rows")
    return labels
