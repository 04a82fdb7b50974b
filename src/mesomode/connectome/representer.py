"""The linear spline regression in its dual variables: one small problem for each target mode.

Without W >= 0 the minimiser of (P1) is W = Q_y [(Q_y^T alpha X^T Q_x) o P^+ / rho] Q_x^T plus a
constant on each pair of components, with rho = lambda n_inj / n_x, P_ab = (nu_a + mu_b)^2 and
dual variables alpha = Omega o (Y - W X). If all of Y was observed, the modes a of the target grid
separate: alpha_a = R_a y_a with R_a = (I + G_a / rho)^-1, G_a = X^T Q_x diag(1 / P_a) Q_x^T X,
and for the constant of a target component the limit in which the constants of the source
components have no penalty. R = I - S, S being the symmetric "hat" matrix of the complete problem.

What was not observed is filled in with what the fit itself predicts there (f), which is the
condition that alpha vanishes there: R_oo f = -(R Y)_o, a system as large as the number of the
unobserved entries, positive definite, and the only one that has to be solved.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.linalg

from mesomode.connectome.spectral import Component, SpectralBasis
from mesomode.memory import require_memory

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

DIRECT_LIMIT = 500  # unobserved entries up to which their system is factored as a whole
TRACE_LIMIT = 2500  # the same where a trace needs it
BLOCK_LIMIT = 800  # largest block of the preconditioner above that
ITERATION_LIMIT = 2000
CHUNK = 2e8  # bytes of work arrays
STATED_ABOVE = 1e9


def response_matrices(source: SpectralBasis, target: SpectralBasis, injection: Array) -> Array:
    """G_a = X^T Q_x diag(1 / P_a) Q_x^T X for every target mode: (mode, experiment, experiment).

    Parameters
    ----------
    source, target : SpectralBasis
        Eigenmodes of both grids.
    injection : (source mode, experiment)
        Q_x^T X.

    Returns
    -------
    ndarray
        Independent of lambda and Y. The pairs of constants, P = 0, are left out.

    Raises
    ------
    MemoryLimitError
        There is no room for them.
    """
    modes, experiments = target.count, injection.shape[1]
    needed = 8.0 * modes * experiments**2
    if needed > STATED_ABOVE:
        require_memory(
            needed,
            f"the responses of {modes} target modes between {experiments} experiments",
            "use fewer experiments or a coarser grid, or the low-rank model",
        )
    first, second = np.triu_indices(experiments)
    result = np.empty((modes, experiments, experiments))
    pairs_at_once = max(1, int(CHUNK / (8 * source.count)))
    rows_at_once = max(1, int(CHUNK / (8 * source.count)))
    for p in range(0, len(first), pairs_at_once):
        i, j = first[p : p + pairs_at_once], second[p : p + pairs_at_once]
        products = injection[:, i] * injection[:, j]
        for a in range(0, modes, rows_at_once):
            rows = slice(a, a + rows_at_once)
            block = inverse_penalty(target.eigenvalues[rows], source) @ products
            result[rows, i, j] = block
            result[rows, j, i] = block
    return result


def inverse_penalty(target_values: Array, source: SpectralBasis) -> Array:
    """P^+ = 1 / (nu + mu)^2, (target mode, source mode); 0 for pairs of constants."""
    inverse = target_values[:, None] + source.eigenvalues
    inverse *= inverse
    constant = np.flatnonzero(target_values == 0.0)
    inverse[np.ix_(constant, source.starts)] = np.inf
    return np.divide(1.0, inverse, out=inverse)


class ComponentSystem:
    """The problem of one connected component of the target grid, for all lambda.

    Parameters
    ----------
    component : Component
        Its modes.
    response : (mode, experiment, experiment)
        G_a of its modes, for all experiments.
    constants : (source component, experiment)
        Coefficients of the constants of the source components in X.
    observed : (voxel of the component, experiment) of bool
        Omega.
    training : (experiment,) of bool
        Experiments to fit. Those never observed in this component play no part.
    """

    def __init__(
        self,
        component: Component,
        response: Array,
        constants: Array,
        observed: Mask,
        training: Mask,
    ) -> None:
        self.component = component
        self.vectors = component.eigenvectors
        self.response = response
        self.constants = constants
        self.used: Index = np.flatnonzero(training & observed.any(axis=0))
        self.observed = observed[:, self.used]
        self.mask = self.observed.astype(np.float64)
        seen = constants[:, self.used]
        self.pseudo_inverse = np.linalg.pinv(seen, rcond=1e-12) if seen.size else seen.T
        self._decompose(seen)
        self.holes = Holes(~self.observed, self.vectors)
        self._smoother: Smoother | None = None

    def _decompose(self, seen: Array) -> None:
        """Eigenvalues (infinite for free constants) and eigenvectors of G for each mode."""
        part = self.response[:, self.used[:, None], self.used]
        self.values, self.axes = np.linalg.eigh(part)
        np.maximum(self.values, 0.0, out=self.values)
        if not seen.any():
            return
        _, size, right = np.linalg.svd(seen)
        rank = int((size > 1e-12 * size[0]).sum())
        free, rest = right[:rank].T, right[rank:].T
        value, axis = np.linalg.eigh(rest.T @ part[0] @ rest)
        self.values[0] = np.concatenate([np.maximum(value, 0.0), np.full(rank, np.inf)])
        self.axes[0] = np.concatenate([rest @ axis, free], axis=1)

    def smoother(self, rho: float) -> Smoother:
        """R at one rho; the last one is kept."""
        if self._smoother is None or self._smoother.rho != rho:
            self._smoother = Smoother(self.values, self.axes, self.holes, rho)
        return self._smoother

    def predict(self, dual_modes: Array, null: Array, rho: float) -> Array:
        """W X of all experiments, (voxel of the component, experiment).

        ``dual_modes`` is Q_y^T alpha (mode, used experiment), ``null`` the
        coefficients of the pairs of constants (source component,).
        """
        return self.vectors @ self.predicted_modes(dual_modes, null, rho)

    def predicted_modes(self, dual_modes: Array, null: Array, rho: float) -> Array:
        """Q_y^T W X of all experiments, (mode, experiment)."""
        if np.isinf(rho):
            modes = np.zeros((len(self.values), self.response.shape[2]))
        else:
            rows = self.response[:, self.used]
            modes = np.matmul(dual_modes[:, None, :], rows)[:, 0] / rho
        modes[0] += null @ self.constants
        return modes

    def null_coefficients(self, filled: Array, dual: Array, rho: float) -> Array:
        """Coefficients of the pairs of constants, least in norm: (source component,).

        From the coefficients of the component's own constant in the filled-in
        data and in alpha, (used experiment,) each.
        """
        rest = filled - dual
        if not np.isinf(rho):
            rest -= dual @ self.response[0][np.ix_(self.used, self.used)] / rho
        result: Array = rest @ self.pseudo_inverse
        return result

    def feasible(self, dual: Array) -> Array:
        """Make alpha orthogonal to the pairs of constants, where it was up to rounding."""
        seen = self.constants[:, self.used]
        if not seen.any():
            return dual
        root = np.sqrt(float(len(dual)))
        excess = (dual.sum(axis=0) / root) @ seen.T
        gram = (seen * (self.mask.sum(axis=0) / len(dual))) @ seen.T
        step = (excess @ np.linalg.pinv(gram)) @ seen / root
        return dual - self.mask * step


class Holes:
    """The unobserved entries of a component, sorted by experiment, then voxel.

    Parameters
    ----------
    unobserved : (voxel, experiment) of bool
        Which they are.
    vectors : (voxel, mode)
        Eigenvectors of the component.
    """

    def __init__(self, unobserved: Mask, vectors: Array) -> None:
        self.experiments = unobserved.shape[1]
        self.experiment, self.voxel = np.nonzero(unobserved.T)
        rows, self.place = np.unique(self.voxel, return_inverse=True)
        self.vectors = vectors[rows]

    def __len__(self) -> int:
        return len(self.voxel)

    def take(self, modes: Array) -> Array:
        """Values at the unobserved entries, (hole,), of coefficients (mode, experiment)."""
        return (self.vectors @ modes)[self.place, self.experiment]

    def put(self, values: Array) -> Array:
        """Coefficients (mode, experiment) of values at the unobserved entries."""
        scattered = np.zeros((len(self.vectors), self.experiments))
        scattered[self.place, self.experiment] = values
        return self.vectors.T @ scattered

    def matrix(self, holes: Index, matrices: Array) -> Array:
        """Symmetric matrices of the modes, (mode, experiment, experiment), between some of them."""
        result = np.empty((len(holes), len(holes)))
        runs = _runs(self.experiment[holes])
        for rows in runs:
            left = self.vectors[self.place[holes[rows]]]
            i = self.experiment[holes[rows.start]]
            for columns in runs:
                right = self.vectors[self.place[holes[columns]]]
                j = self.experiment[holes[columns.start]]
                result[rows, columns] = (left * matrices[:, i, j]) @ right.T
        return result


class Smoother:
    """R = I - S of a component at one rho, and its solution for given data.

    Parameters
    ----------
    values : (mode, used experiment)
        Eigenvalues of G for each mode, infinite for free constants.
    axes : (mode, used experiment, used experiment)
        Its eigenvectors.
    holes : Holes
        What was not observed.
    rho : float
        lambda n_inj / n_x, positive; infinity leaves the constants only.
    """

    # The system of the component, which keeps its last smoother, is not kept here: in a cycle
    # both would outlive their use, with as many numbers as unobserved entries times modes.
    def __init__(self, values: Array, axes: Array, holes: Holes, rho: float) -> None:
        self.holes = holes
        self.rho = rho
        self.shrinkage = (
            np.isfinite(values).astype(np.float64) if np.isinf(rho) else rho / (rho + values)
        )
        self.matrices = np.matmul(axes * self.shrinkage[:, None], axes.mT)
        self.exact = len(holes) <= DIRECT_LIMIT
        self.blocks = self._factor()

    def apply(self, modes: Array) -> Array:
        """R in the modes: (mode, used experiment)."""
        return np.matmul(self.matrices, modes[:, :, None])[:, :, 0]

    def _factor(self) -> list[tuple[Index, Array]]:
        """Cholesky factors of R between the unobserved entries: whole, or of blocks of it."""
        holes = np.arange(len(self.holes))
        if not len(holes):
            return []
        if self.exact:
            parts = [holes]
        else:
            parts = [
                piece
                for run in _runs(self.holes.experiment)
                for piece in np.array_split(holes[run], -(-(run.stop - run.start) // BLOCK_LIMIT))
            ]
        return [(part, _cholesky(self.holes.matrix(part, self.matrices))) for part in parts]

    def precondition(self, values: Array) -> Array:
        """Approximate inverse of R between the unobserved entries; exact where they are few."""
        result = np.empty_like(values)
        for part, factor in self.blocks:
            result[part] = scipy.linalg.cho_solve((factor, True), values[part])
        return result

    def fill(
        self, data_modes: Array, start: Array | None, small: float, limit: int = ITERATION_LIMIT
    ) -> tuple[Array, Array, int]:
        """Solve R_oo f = -(R Y)_o by preconditioned conjugate gradients.

        Parameters
        ----------
        data_modes : (mode, used experiment)
            Q_y^T Y, Y being zero where not observed.
        start : (hole,), optional
            Values to start from.
        small : float
            Largest norm of alpha at the unobserved entries.
        limit : int
            Most iterations.

        Returns
        -------
        filled : (hole,)
        modes : (mode, used experiment)
            Q_y^T alpha of the filled-in data.
        iterations : int
        """
        f = np.zeros(len(self.holes)) if start is None else start.copy()
        modes = self.apply(data_modes + self.holes.put(f) if len(f) else data_modes)
        if not len(f):
            return f, modes, 0
        residual = -self.holes.take(modes)
        direction = np.zeros_like(f)
        before = 1.0
        count = 0
        while np.linalg.norm(residual) > small and count < limit:
            step = self.precondition(residual)
            square = float(residual @ step)
            direction = step + (square / before if count else 0.0) * direction
            change = self.apply(self.holes.put(direction))
            product = self.holes.take(change)
            curvature = float(direction @ product)
            if not (square > 0.0 and curvature > 0.0):
                break
            length = square / curvature
            f += length * direction
            modes += length * change
            residual -= length * product
            before = square
            count += 1
        return f, modes, count

    def trace(self) -> float | None:
        """Trace of R in the observed entries: n_observed minus the degrees of freedom of the fit.

        Exact, with the whole matrix of the unobserved entries; None if these
        are more than ``TRACE_LIMIT``.
        """
        total = float(self.shrinkage.sum())
        holes = np.arange(len(self.holes))
        if not len(holes):
            return total
        if len(holes) > TRACE_LIMIT:
            return None
        factor = self.blocks[0][1] if self.exact else None
        if factor is None:
            factor = _cholesky(self.holes.matrix(holes, self.matrices))
        square = self.holes.matrix(holes, np.matmul(self.matrices, self.matrices))
        # tr (R_ss - R_so R_oo^-1 R_os), s being what was observed, is tr R - tr R_oo^-1 (R^2)_oo
        return total - float(np.trace(scipy.linalg.cho_solve((factor, True), square)))


def _runs(values: Index) -> list[slice]:
    """Slices of equal values that follow each other."""
    ends = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [slice(a, b) for a, b in pairwise(ends) if b > a]


def _cholesky(matrix: Array) -> Array:
    """Lower Cholesky factor, after adding what rounding took from positive definiteness."""
    extra = 0.0
    while True:
        try:
            factor: Array = scipy.linalg.cholesky(matrix + extra * np.eye(len(matrix)), lower=True)
            return factor
        except np.linalg.LinAlgError:
            extra = max(100.0 * extra, 1e-15)
