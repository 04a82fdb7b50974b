"""A solution of the linear spline regression, used without forming W."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mesomode.connectome.objective import Terms
from mesomode.connectome.regional import sum_groups
from mesomode.connectome.representer import Array, Mask, inverse_penalty
from mesomode.connectome.spectral import Component
from mesomode.errors import DataError
from mesomode.memory import require_memory

if TYPE_CHECKING:
    from mesomode.connectome.linear_problem import LinearProblem

BLOCK_BYTES = 2e8  # of work arrays
STATED_ABOVE = 1e9


@dataclass(frozen=True)
class Representation:
    """W = Q_y [(Q_y^T alpha X^T Q_x) o P^+ / rho] Q_x^T + constants, used without being formed.

    Attributes
    ----------
    problem : LinearProblem
        Grids and X.
    smoothness : float
        lambda.
    dual : (target, experiment) float64
        alpha.
    null_coefficients : (target component, source component) float64
        Coefficients of the normalised constants of the pairs.
    """

    problem: LinearProblem
    smoothness: float
    dual: Array
    null_coefficients: Array

    @property
    def shape(self) -> tuple[int, int]:
        """(target, source)."""
        return self.problem.target.count, self.problem.source.count

    def weights(self) -> Array:
        """W, (target, source) float64.

        Raises
        ------
        MemoryLimitError
            No room for two matrices of that size.
        """
        needed = 16.0 * self.shape[0] * self.shape[1]
        if needed > STATED_ABOVE:
            require_memory(
                needed,
                f"{self.shape[0]} x {self.shape[1]} weights",
                "use predict, rows or columns, which do not form all of W",
            )
        result = np.empty(self.shape)
        for part, coefficients in self._target_modes():
            result[part.voxels] = part.eigenvectors @ coefficients
        return result

    def rows(self, targets: npt.ArrayLike) -> Array:
        """W of some target voxels, (chosen target, source), without forming the rest."""
        chosen = np.asarray(targets, dtype=np.int64).reshape(-1)
        values = self.problem.target.mode_values(chosen)
        result = np.zeros((self.shape[1], len(chosen)))
        for modes, block in self._coefficients():
            result += block.T @ values[modes]
        return self.problem.source.from_modes(result).T

    def columns(self, sources: npt.ArrayLike) -> Array:
        """W of some source voxels, (target, chosen source), without forming the rest."""
        chosen = np.asarray(sources, dtype=np.int64).reshape(-1)
        return self._times_modes(self.problem.source.mode_values(chosen))

    def predict(self, injection: npt.ArrayLike) -> Array:
        """W X of new injections (source, experiment): (target, experiment)."""
        x = np.asarray(injection, dtype=np.float64)
        if x.ndim != 2 or len(x) != self.shape[1]:
            raise DataError(f"injections of shape {x.shape} for {self.shape[1]} source voxels")
        return self._times_modes(self.problem.source.to_modes(x))

    def group_means(
        self, target_group: npt.NDArray[np.integer], source_group: npt.NDArray[np.integer]
    ) -> Array:
        """Mean weights between groups of voxels (regions), without forming W.

        Parameters
        ----------
        target_group, source_group : (target,) and (source,) of int
            Group of each voxel, numbered from 0.

        Returns
        -------
        ndarray (target group, source group)
        """
        size = np.bincount(source_group)
        members = np.zeros((self.shape[1], len(size)))
        members[np.arange(self.shape[1]), source_group] = 1.0 / size[source_group]
        sums = sum_groups(self.predict(members), target_group)
        return sums / np.bincount(target_group)[:, None]

    def column_squares(self) -> Array:
        """Sum over targets of W^2, (source,), without forming W."""
        result = np.zeros(self.shape[1])
        for _, block in self._coefficients():
            values = self.problem.source.from_modes(block.T)
            result += np.einsum("xa,xa->x", values, values)
        return result

    def _times_modes(self, source_modes: Array) -> Array:
        """W Q_x C for C (source mode, column)."""
        result = np.empty((self.shape[0], source_modes.shape[1]))
        for modes, block in self._coefficients():
            result[modes] = block @ source_modes
        return self.problem.target.from_modes(result)

    def _coefficients(self) -> Iterator[tuple[slice, Array]]:
        """Q_y^T W Q_x, some target modes at a time: (target mode, source mode)."""
        problem = self.problem
        rho = problem.weight_of_penalty(self.smoothness)
        dual = problem.target.to_modes(self.dual[:, problem.training])
        injection = problem.injection_modes[:, problem.training].T / rho
        at_once = max(1, int(BLOCK_BYTES / (16 * self.shape[1])))
        starts = problem.target.starts
        for first in range(0, self.shape[0], at_once):
            modes = slice(first, min(first + at_once, self.shape[0]))
            block = dual[modes] @ injection
            block *= inverse_penalty(problem.target.eigenvalues[modes], problem.source)
            here = np.flatnonzero((starts >= modes.start) & (starts < modes.stop))
            block[np.ix_(starts[here] - first, problem.source.starts)] = self.null_coefficients[
                here
            ]
            yield modes, block

    def _target_modes(self) -> Iterator[tuple[Component, Array]]:
        """Q_y^T W of each target component: (component, (mode, source))."""
        matrix = np.empty(self.shape)
        for modes, block in self._coefficients():
            matrix[modes] = self.problem.source.from_modes(block.T).T
        target = self.problem.target
        for part, modes in zip(target.components, target.slices(), strict=True):
            yield part, matrix[modes]


@dataclass(frozen=True)
class LinearFit(Representation):
    """A solution of the linear problem.

    Attributes
    ----------
    problem : LinearProblem
        What was solved.
    smoothness : float
        lambda.
    dual : (target, experiment) float64
        alpha = Omega o (Y - W X), zero where not observed or not fitted.
    null_coefficients : (target component, source component) float64
        Coefficients of the normalised constants of the pairs; 0 where nothing
        was observed. Where the data do not determine all of them, those of
        least norm.
    fitted : (target, experiment) float64
        W X of all experiments, those not fitted included.
    terms : Terms
        Objective, misfit and weighted penalty.
    relative_gap : float
        (f(W) - lower bound of min f) / f(W) by duality; rigorous up to rounding.
    gradient_residual : float
        |gradient at W| / |gradient at 0|, Frobenius norms.
    converged : bool
        Whether the relative gap met the tolerance (or is rounding).
    iterations : int
        Of conjugate gradients, in the component that needed most.
    unobserved_pairs : (target component, source component) of bool
        Pairs whose weights are zero because nothing was observed.
    """

    fitted: Array
    terms: Terms
    relative_gap: float
    gradient_residual: float
    converged: bool
    iterations: int
    unobserved_pairs: Mask
