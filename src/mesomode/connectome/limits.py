"""The two ends of the smoothness of (P1): no penalty at all, and nothing but its null space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sparse
from scipy.optimize import nnls

from mesomode.connectome.laplacian import component_labels
from mesomode.connectome.objective import check_data
from mesomode.connectome.scores import sum_groups
from mesomode.errors import SolverError
from mesomode.memory import require_memory

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

RIDGE = 1e-11  # of the largest squared norm of an experiment's injection
NEWTON_LIMIT = 200
FLOOR = 1e-13  # of |Y|^2: an objective below it is rounding


@dataclass(frozen=True)
class LimitFit:
    """A fit at lambda = 0 or lambda = infinity.

    Attributes
    ----------
    weights : (target, source) float64
        W, nonnegative.
    misfit : float
        |Omega o (W X - Y)|^2, which is the whole objective.
    relative_gap : float
        Proven bound on (misfit - smallest misfit) / misfit; 0 where the
        misfit is nothing but rounding.
    """

    weights: Array
    misfit: float
    relative_gap: float


def fit_without_smoothing(
    injection: npt.ArrayLike, projection: npt.ArrayLike, observed: npt.ArrayLike
) -> LimitFit:
    """Fit of least norm among the W >= 0 of least misfit: (P1) at lambda = 0.

    Without the penalty W is not determined by the data. Harris et al. (2016,
    figure 2) show what a quasi-Newton method finds from W = 0; this is what
    such methods tend to, made definite: row by row the minimum of
    |Omega o (w X - y)|^2 + eps |w|^2 over w >= 0, eps being 1e-11 of the
    largest squared norm of an injection. Its dual has one unknown an
    experiment; semismooth Newton steps solve it.

    Parameters
    ----------
    injection : (source, experiment)
        X.
    projection : (target, experiment)
        Y.
    observed : (target, experiment) of bool
        Omega.

    Returns
    -------
    LimitFit
        W is zero at sources without injection: nothing is interpolated.

    Raises
    ------
    DataError
        Data that cannot be fitted.
    SolverError
        The Newton steps do not end.
    """
    x, y, omega = _checked(injection, projection, observed)
    weights = np.zeros((len(y), len(x)))
    reached = x.any(axis=1)
    design = np.ascontiguousarray(x[reached])
    ridge = RIDGE * float((x**2).sum(axis=0).max())
    rows = np.zeros((len(y), len(design)))
    for i in range(len(y)):
        if omega[i].any():
            rows[i] = _row_of_least_norm(design[:, omega[i]], y[i, omega[i]], ridge)
    weights[:, reached] = rows
    residual = np.where(omega, rows @ design - y, 0.0)
    gradient = residual @ design.T
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = (omega @ design.T) if len(design) else gradient
        lift = np.where(rise > 0, -gradient / rise, 0.0).max(axis=1, initial=0.0)
    dual = residual + lift[:, None] * omega
    return _with_gap(weights, y, residual, dual)


def fit_constant(
    injection: npt.ArrayLike,
    projection: npt.ArrayLike,
    observed: npt.ArrayLike,
    source_laplacian: sparse.sparray,
    target_laplacian: sparse.sparray,
) -> LimitFit:
    """Least squares over W >= 0 constant on pairs of components: (P1) at lambda = infinity.

    The penalty vanishes exactly on such W, the components being the connected
    pieces of the two grids.

    Parameters
    ----------
    injection, projection, observed, source_laplacian, target_laplacian
        As for :func:`~mesomode.connectome.spline.fit_spline`.

    Returns
    -------
    LimitFit
        W is zero on pairs of components that nothing observed depends on.

    Raises
    ------
    DataError
        Data that cannot be fitted.
    """
    x, y, omega = _checked(injection, projection, observed)
    source, target = component_labels(source_laplacian), component_labels(target_laplacian)
    injected = sum_groups(x, source)
    level = np.zeros((target.max() + 1, len(injected)))
    lift = np.zeros(len(level))
    for label in range(len(level)):
        seen = omega[target == label]
        root = np.sqrt(seen.sum(axis=0))
        sums = y[target == label].sum(axis=0, where=seen)
        design = (injected * root).T
        values = np.divide(sums, root, out=np.zeros_like(sums), where=root > 0)
        used = design.any(axis=0)
        if used.any():
            level[label, used], _ = nnls(design[:, used], values)
            gradient = design[:, used].T @ (design @ level[label] - values)
            lift[label] = (-gradient / (design[:, used].T @ root)).max(initial=0.0)
    weights = level[target][:, source]
    residual = np.where(omega, (level @ injected)[target] - y, 0.0)
    return _with_gap(weights, y, residual, residual + lift[target, None] * omega)


def _checked(
    injection: npt.ArrayLike, projection: npt.ArrayLike, observed: npt.ArrayLike
) -> tuple[Array, Array, Mask]:
    x = np.asarray(injection, dtype=np.float64)
    y = np.asarray(projection, dtype=np.float64)
    omega = np.asarray(observed)
    check_data(x, y, omega)
    require_memory(
        3 * 8 * len(x) * len(y), f"{len(y)} x {len(x)} voxel weights", "choose fewer voxels"
    )
    return x, np.where(omega, y, 0.0), omega


def _with_gap(weights: Array, projection: Array, residual: Array, dual: Array) -> LimitFit:
    """Weak duality: min f >= -2 <alpha, Y> - |alpha|^2 for alpha with alpha X^T >= 0."""
    misfit = float(np.sum(residual**2))
    lower = float(-2.0 * np.vdot(dual, projection) - np.sum(dual**2))
    rounding = misfit <= FLOOR * float(np.sum(projection**2))
    gap = 0.0 if rounding else (misfit - max(lower, 0.0)) / misfit
    return LimitFit(weights, misfit, gap)


def _row_of_least_norm(design: Array, values: Array, ridge: float) -> Array:
    """Minimum over w >= 0 of |design^T w - values|^2 + ridge |w|^2.

    With w = max(design a, 0) and ridge a = values - design^T w, a minimises
    |max(design a, 0)|^2 / 2 + ridge |a|^2 / 2 - <a, values>, a convex function
    with piecewise constant Hessian.
    """
    scale = float(np.abs(values).max())
    if scale == 0.0:
        return np.zeros(len(design))
    right = values / scale
    dual = np.zeros(len(right))
    reach = design @ dual

    def value(dual: Array, reach: Array) -> float:
        weights = np.maximum(reach, 0.0)
        return float(0.5 * weights @ weights + 0.5 * ridge * dual @ dual - dual @ right)

    now = value(dual, reach)
    free = np.ones(len(design), dtype=np.bool_)
    for _ in range(NEWTON_LIMIT):
        gradient = design.T @ np.maximum(reach, 0.0) + ridge * dual - right
        part = design[free]
        hessian = part.T @ part
        hessian.flat[:: len(hessian) + 1] += ridge
        step = -scipy.linalg.solve(hessian, gradient, assume_a="pos")
        slope, move, length = float(gradient @ step), design @ step, 1.0
        while (
            trial := value(dual + length * step, reach + length * move)
        ) > now + 1e-4 * length * slope and length > 1e-12:
            length *= 0.5
        dual, reach = dual + length * step, reach + length * move
        before, free = free, reach > 0.0
        done = length == 1.0 and np.array_equal(before, free)
        small = -slope <= 1e-15 * max(abs(trial), ridge)
        now = trial
        if done or small:
            return scale * np.maximum(reach, 0.0)
    raise SolverError(
        "the fit without smoothing did not end",
        why=f"{NEWTON_LIMIT} Newton steps did not settle which weights are zero",
        remedy="use a small positive smoothness instead of 0",
    )
