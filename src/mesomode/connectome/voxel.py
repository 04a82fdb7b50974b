"""The voxel connectome: nonnegative spline regression (P1) as an estimator."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from mesomode.connectome import limits
from mesomode.connectome.model import Array, ConnectomeModel, TrainingData, training_data
from mesomode.connectome.spline import fit_spline
from mesomode.connectome.threads import threads_worth
from mesomode.errors import DataError


class VoxelConnectome(ConnectomeModel):
    """Smooth nonnegative weights between voxels, (P1) of Harris et al. (2016).

    Minimises |Omega o (W X - Y)|^2 + lambda (n_inj/n_x) |L_y W + W L_x|^2
    over W >= 0, here with X (source, experiment) and Y (target, experiment).

    Parameters
    ----------
    smoothness : float
        lambda. ``0`` is the fit of least norm among those of least misfit,
        see :func:`~mesomode.connectome.limits.fit_without_smoothing`: it
        interpolates nothing and is there for comparison. ``inf`` makes W
        constant on every pair of connected pieces of the grids.
    tolerance : float
        For the relative gap of the objective and for the KKT residual.
    maximum_iterations : int
        Most Newton steps.
    certificate : bool
        Prove the gap by duality, and go on until the proven gap is within
        the tolerance. False, for cross-validation: the gap is estimated.

    Attributes
    ----------
    weights_ : (target, source) float64
        W.
    relative_gap_ : float
        Bound on (f(W) - min f) / f(W), proven by duality up to rounding if
        ``certificate``, estimated otherwise.
    kkt_residual_ : float
        |W - max(W - G/s, 0)|_F / |W|_F, s the largest diagonal curvature;
        NaN at the two ends of the smoothness.
    objective_ : float
        f(W).
    converged_ : bool
        Whether relative gap and KKT residual are within the tolerance.
    n_iter_ : int
        Newton steps; 0 at the two ends.
    """

    weights_: Array
    relative_gap_: float
    kkt_residual_: float
    objective_: float
    converged_: bool
    n_iter_: int

    def __init__(
        self,
        smoothness: float = 100.0,
        tolerance: float = 1e-6,
        maximum_iterations: int = 100,
        certificate: bool = True,
    ) -> None:
        self.smoothness = smoothness
        self.tolerance = tolerance
        self.maximum_iterations = maximum_iterations
        self.certificate = certificate

    def fit(
        self,
        X: npt.ArrayLike,
        Y: npt.ArrayLike,
        observed: npt.ArrayLike | None = None,
        *,
        source_laplacian: sparse.sparray,
        target_laplacian: sparse.sparray,
        experiment_weight: npt.ArrayLike | None = None,
        start: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit the weights.

        Parameters
        ----------
        X : (experiment, source)
            Injection density.
        Y : (experiment, target)
            Projection density; anything where not observed, NaN included.
        observed : (experiment, target) of bool, optional
            Omega; all observed if not given.
        source_laplacian, target_laplacian : sparse arrays
            L_x and L_y, from :func:`~mesomode.connectome.laplacian.graph_laplacian`.
        experiment_weight : (experiment,), optional
            Multiplies each experiment's squared residual.
        start : (target, source), optional
            A W to start from, such as the fit at a neighbouring smoothness.

        Raises
        ------
        DataError
            Data or parameters that cannot be used.
        MemoryLimitError
            W and the work arrays do not fit into memory.
        SolverError
            Numbers that are not finite came up.
        """
        data = training_data(X, Y, observed, experiment_weight)
        self._check(data, source_laplacian, target_laplacian, start)
        smoothness, tolerance = float(self.smoothness), float(self.tolerance)
        if smoothness == 0.0:
            return self._keep_limit(limits.fit_without_smoothing(*data))
        if np.isposinf(smoothness):
            return self._keep_limit(limits.fit_constant(*data, source_laplacian, target_laplacian))
        with threads_worth(source_laplacian.shape[0] * target_laplacian.shape[0]):
            result = fit_spline(
                *data,
                source_laplacian,
                target_laplacian,
                smoothness,
                tolerance=tolerance,
                maximum_steps=int(self.maximum_iterations),
                bound=bool(self.certificate),
                start=start,
            )
        self.weights_ = result.weights
        self.relative_gap_ = result.gap_bound if self.certificate else result.gap_estimate
        self.kkt_residual_ = result.kkt_residual
        self.objective_ = result.terms.total
        self.converged_ = bool(result.converged and self.relative_gap_ <= tolerance)
        self.n_iter_ = result.steps
        return self

    def _keep_limit(self, result: limits.LimitFit) -> Self:
        self.weights_ = result.weights
        self.relative_gap_ = result.relative_gap
        self.kkt_residual_ = float("nan")
        self.objective_ = result.misfit
        self.converged_ = bool(result.relative_gap <= self.tolerance)
        self.n_iter_ = 0
        return self

    def _check(
        self,
        data: TrainingData,
        source_laplacian: sparse.sparray,
        target_laplacian: sparse.sparray,
        start: npt.ArrayLike | None,
    ) -> None:
        if not float(self.smoothness) >= 0.0:
            raise DataError(
                f"smoothness is {self.smoothness}",
                why="lambda weighs a penalty",
                remedy="give a number >= 0; 1e5 in the paper, for 100 um voxels",
            )
        if not 0.0 < float(self.tolerance) < 1.0:
            raise DataError(f"tolerance is {self.tolerance}", remedy="give a number in (0, 1)")
        if int(self.maximum_iterations) < 1:
            raise DataError(f"maximum_iterations is {self.maximum_iterations}", remedy="give >= 1")
        shape = (len(data.projection), len(data.injection))
        for name, count, laplacian in (
            ("source", shape[1], source_laplacian),
            ("target", shape[0], target_laplacian),
        ):
            if laplacian.shape != (count, count):
                raise DataError(
                    f"the {name} Laplacian has shape {laplacian.shape} for {count} {name} voxels"
                )
        if start is not None:
            given = np.asarray(start)
            if given.shape != shape or not np.isfinite(given).all():
                raise DataError(
                    f"start of shape {given.shape} is not a finite array of shape {shape}",
                    why="it has to be (target, source)",
                )
