"""Products with the injection density X, which is zero in most source voxels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from mesomode.connectome import kernels

SPARSE_BELOW = 0.05  # share of nonzero entries; above it dense products are faster


class InjectionProducts:
    """M X and C X^T, in one precision.

    Parameters
    ----------
    injection : (source, experiment)
        X.
    dtype : dtype
        Of the matrices, float32 or float64.
    """

    def __init__(self, injection: npt.NDArray[np.float64], dtype: npt.DTypeLike) -> None:
        self.dense = injection.astype(dtype)
        self.sparse = np.count_nonzero(injection) < SPARSE_BELOW * injection.size
        by_experiment = sparse.csr_array(self.dense.T)
        self.experiment_start = by_experiment.indptr.astype(np.intp)
        self.source = by_experiment.indices.astype(np.uint32)
        self.density = by_experiment.data

    def gather(self, matrix: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """M X, (target, experiment), for an M (target, source)."""
        if not self.sparse:
            product: npt.NDArray[np.floating] = matrix @ self.dense
            return product
        out = np.empty((len(matrix), self.dense.shape[1]), self.dense.dtype)
        kernels.gather(matrix, self.experiment_start, self.source, self.density, out)
        return out

    def spread(self, coefficients: npt.NDArray[np.floating], out: npt.NDArray[np.floating]) -> None:
        """Set out = C X^T, (target, source), for a C (target, experiment)."""
        if self.sparse:
            kernels.spread(coefficients, self.experiment_start, self.source, self.density, out)
        else:
            np.matmul(coefficients, self.dense.T, out=out)
