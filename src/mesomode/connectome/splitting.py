"""What experiments saw of a row of W, split from what they did not, for the preconditioner."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from mesomode.connectome import kernels
from mesomode.connectome.objective import Array, Objective

MATRICES = 4  # the Gram matrices of the rows may take at most so many times the memory of W
ROWS_AT_ONCE = 256


class InjectionSplitting:
    """F = I - X_i (G_i + sigma)^-1 X_i^T and N = X_i (G_i + sigma)^-2 X_i^T, in each row i of W.

    X_i is the injection density in the free entries of row i, of the
    experiments observed in target i, and G_i = X_i^T X_i. For a symmetric S
    that approximates the inverse of the penalty, F S F + N approximates that
    of penalty and data term X_i X_i^T: F takes the directions that X_i sees
    well out of S, N inverts the data term on them. With sigma the inverse of
    what S is on smooth directions, neither counts the data more than twice.

    Parameters
    ----------
    objective : Objective
        The problem.
    dtype : dtype
        Of the residuals, float32 or float64.
    """

    def __init__(self, objective: Objective, dtype: npt.DTypeLike) -> None:
        self.objective = objective
        self.sparse_injection = sparse.csr_array(objective.injection)
        self.gram = objective.injection.T @ objective.injection
        self.injection, _ = objective.cast(np.dtype(dtype))
        experiments = len(self.gram)
        self.inverse = np.empty((objective.shape[0], experiments, experiments), dtype)

    def prepare(self, free: npt.NDArray[np.bool_], sigma: float) -> None:
        """Take the free entries and sigma into account: (G_i + sigma)^-1 for every row."""
        injection, mask = self.sparse_injection, self.objective.mask
        grams = np.empty((min(ROWS_AT_ONCE, len(free)), *self.gram.shape))
        diagonal = np.arange(len(self.gram))
        for start in range(0, len(free), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            part = grams[: len(free[rows])]
            kernels.row_grams(
                self.gram, injection.indptr, injection.indices, injection.data,
                mask[rows], free[rows], part,
            )  # fmt: skip
            part[:, diagonal, diagonal] += sigma
            self.inverse[rows] = np.linalg.inv(part) * mask[rows, :, None]

    def split(self, residual: Array, free: npt.NDArray[np.bool_], out: Array) -> Array:
        """Set out = F R; returns (G_i + sigma)^-1 X_i^T R_i, (target, experiment)."""
        seen = self._solve(residual)
        self.injection.spread(seen, out)
        kernels.subtract_from(residual, free, out)
        return seen

    def join(self, seen: Array, free: npt.NDArray[np.bool_], out: Array, work: Array) -> float:
        """Add to out = S F R what makes it (F S F + N) R; returns <R, N R>."""
        self.injection.spread(self._solve(out, seen), work)
        kernels.add_free(work, free, out)
        return float(np.sum(seen * seen, dtype=np.float64))

    def _solve(self, matrix: Array, seen: Array | None = None) -> Array:
        """(G_i + sigma)^-1 X_i^T M_i, or (G_i + sigma)^-1 (seen_i - X_i^T M_i)."""
        right = self.injection.gather(matrix)
        right = right if seen is None else seen - right
        result: Array = np.matmul(self.inverse, right[:, :, None])[:, :, 0]
        return result


def matrices_needed(targets: int, sources: int, experiments: int) -> int:
    """Entries that an :class:`InjectionSplitting` holds, 0 where it would be too large."""
    entries = targets * experiments**2
    return entries if entries <= MATRICES * targets * sources else 0
