"""The linear connectome: spline regression without W >= 0, as an estimator."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from mesomode.connectome.linear_fit import LinearFit
from mesomode.connectome.linear_problem import LinearProblem
from mesomode.connectome.model import (
    ConnectomeModel,
    checked_weight,
    not_fitted,
    prediction_input,
    training_data,
)
from mesomode.connectome.spectral import SpectralBasis
from mesomode.errors import DataError

__all__ = ["LinearConnectome", "LinearFit", "LinearProblem", "SpectralBasis"]

Array = npt.NDArray[np.float64]


class LinearConnectome(ConnectomeModel):
    """Exact solution of (P1) without the constraint W >= 0.

    Minimises |Omega o (W X - Y)|^2 + lambda (n_inj / n_x) |L_y W + W L_x|^2
    over W of any sign (Harris, Mihalas & Shea-Brown 2016, who leave it as
    open work), by its representer: see
    :mod:`mesomode.connectome.representer`. W is formed only when
    ``weights_`` is asked for.

    Parameters
    ----------
    smoothness : float
        lambda, positive. Infinity makes W constant on each pair of connected
        components of the grids.
    tolerance : float
        Relative duality gap to be reached.

    Attributes
    ----------
    weights_ : (target, source)
        W; formed at first use and kept.
    most_negative_ : float
        Its least entry, or 0 if none is negative: what W >= 0 would change.
    dual_ : (experiment, target)
        alpha = weight o Omega o (Y - X W^T): zero where not observed, or the
        weight is zero.
    fit_ : LinearFit
        Rows, columns and predictions of W without forming it (in the order
        of the paper, source or target first).
    objective_, relative_gap_, converged_, n_iter_
        The certificate; see :class:`~mesomode.connectome.linear_fit.LinearFit`.
    """

    fit_: LinearFit

    def __init__(self, smoothness: float = 100.0, tolerance: float = 1e-8) -> None:
        self.smoothness = smoothness
        self.tolerance = tolerance

    def fit(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        observed: npt.ArrayLike | None = None,
        *,
        source_laplacian: sparse.sparray,
        target_laplacian: sparse.sparray,
        experiment_weight: npt.ArrayLike | None = None,
        source_basis: SpectralBasis | None = None,
        target_basis: SpectralBasis | None = None,
    ) -> Self:
        """Fit to tracing experiments.

        Parameters
        ----------
        X : (experiment, source)
            Injection density, finite and nonnegative.
        Y : (experiment, target)
            Projection density; anything where not observed.
        observed : (experiment, target) of bool, optional
            Omega; all if not given.
        source_laplacian, target_laplacian : sparse arrays
            L_x and L_y, from
            :func:`~mesomode.connectome.laplacian.graph_laplacian`.
        experiment_weight : (experiment,), optional
            Multiplies each experiment's squared residual; ones if not given.
        source_basis, target_basis : SpectralBasis, optional
            Eigenmodes of the Laplacians, if they are known already.

        Raises
        ------
        DataError
            Data or parameters that cannot be used.
        MemoryLimitError
            The eigenmodes of the grids do not fit into memory.
        """
        tolerance = float(self.tolerance)
        if not (np.isfinite(tolerance) and tolerance > 0):
            raise DataError(f"the tolerance is {self.tolerance}", why="it has to be positive")
        data = training_data(X, Y, observed, experiment_weight)
        count = len(np.asarray(X))
        weight = checked_weight(experiment_weight, count)
        for name, voxels, laplacian in (
            ("source", len(data.injection), source_laplacian),
            ("target", len(data.projection), target_laplacian),
        ):
            if laplacian.shape != (voxels, voxels):
                raise DataError(
                    f"the {name} Laplacian has shape {laplacian.shape} for {voxels} {name} voxels"
                )
        source = SpectralBasis.of(source_laplacian) if source_basis is None else source_basis
        if target_basis is not None:
            target = target_basis
        elif _same(source_laplacian, target_laplacian):
            target = source
        else:
            target = SpectralBasis.of(target_laplacian)
        self.fit_ = LinearProblem(*data, source, target).solve(self.smoothness, tolerance)
        self._weights: Array | None = None
        self.dual_ = np.zeros((count, target.count))
        self.dual_[weight > 0] = np.sqrt(weight[weight > 0])[:, None] * self.fit_.dual.T
        self.objective_ = self.fit_.terms.total
        self.relative_gap_ = self.fit_.relative_gap
        self.converged_ = self.fit_.converged
        self.n_iter_ = self.fit_.iterations
        return self

    def _fitted(self) -> LinearFit:
        if not hasattr(self, "fit_"):
            raise not_fitted(self)
        return self.fit_

    @property
    def weights_(self) -> Array:
        """W, (target, source) float64."""
        fit = self._fitted()
        if self._weights is None:
            self._weights = fit.weights()
        return self._weights

    @property
    def most_negative_(self) -> float:
        """The least entry of W, or 0 if none is negative."""
        return min(0.0, float(self.weights_.min()))

    def predict(self, X: npt.ArrayLike) -> Array:
        """Projection densities of injections, X W^T, without forming W.

        Parameters
        ----------
        X : (experiment, source)
            Injection densities, finite.

        Returns
        -------
        ndarray (experiment, target)

        Raises
        ------
        DataError
            The model is not fitted, or X does not fit to it.
        """
        fit = self._fitted()
        return fit.predict(prediction_input(X, fit.shape[1]).T).T


def _same(first: sparse.sparray, second: sparse.sparray) -> bool:
    """Whether two sparse matrices are equal."""
    if first is second:
        return True
    return first.shape == second.shape and abs(first - second).sum() == 0
