"""Nonnegative spline regression: the voxel-scale connectome (P1), solved with a certificate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse

from mesomode.connectome.duality import lower_bound
from mesomode.connectome.newton import SINGLE_ABOVE, FitState, Newton
from mesomode.connectome.objective import Array, Objective, Terms
from mesomode.connectome.splitting import matrices_needed
from mesomode.memory import require_memory

PROOFS = 4  # attempts, at most
PROVABLE = 0.03  # share of the tolerance to which the gap is estimated before it is proven
START_GAP = 1e-2  # relative gap to which the unconstrained start is solved


@dataclass
class SplineFit:
    """A fitted connectome and its certificate.

    Attributes
    ----------
    weights : (target, source) float64
        W, nonnegative. Zero on pairs of connected components of the target
        and source grids that no observation reaches (``undetermined``).
    terms : Terms
        The objective and its parts at W.
    kkt_residual : float
        |W - max(W - G/s, 0)|_F / |W|_F, s the largest diagonal curvature.
    gap_estimate : float
        Estimate of (f(W) - min f) / f(W): the decrement of a preconditioned
        Newton step on the free entries. Not a bound.
    gap_bound : float
        Rigorous (up to rounding) bound on (f(W) - min f) / f(W) by duality;
        NaN if it was not asked for, infinite if none was found.
    converged : bool
        Whether ``kkt_residual`` and ``gap_estimate`` met the tolerance.
    steps, products : int
        Newton steps, and Hessian products in all.
    free_fraction : float
        Share of the entries not held at zero.
    undetermined : float
        Share of the entries set to zero because nothing observed depends on them.
    history : list of FitState
        One record a Newton step.
    """

    weights: Array
    terms: Terms
    kkt_residual: float
    gap_estimate: float
    gap_bound: float
    converged: bool
    steps: int
    products: int
    free_fraction: float
    undetermined: float
    seconds: float
    history: list[FitState] = field(repr=False)


def memory_needed(targets: int, sources: int, experiments: int) -> int:
    """Most bytes that :func:`fit_spline` allocates, but for what is small beside W.

    Four float64 matrices of the size of W, one in float32 and three masks
    (three matrices and two masks more where all is done in float64), and a
    matrix (experiment, experiment) for each target.
    """
    entries, rows = targets * sources, matrices_needed(targets, sources, experiments)
    if entries >= SINGLE_ABOVE:
        return entries * (4 * 8 + 4 + 3) + rows * 4
    return entries * (7 * 8 + 3) + rows * 8


def fit_spline(
    injection: npt.ArrayLike,
    projection: npt.ArrayLike,
    observed: npt.ArrayLike,
    source_laplacian: sparse.sparray,
    target_laplacian: sparse.sparray,
    smoothing: float,
    *,
    tolerance: float = 1e-6,
    maximum_steps: int = 60,
    nonnegative: bool = True,
    bound: bool = True,
    start: npt.ArrayLike | None = None,
    progress: Callable[[FitState], None] | None = None,
    precision: str = "auto",
) -> SplineFit:
    """Fit W >= 0 by nonnegative spline regression, (P1) of Harris et al. (2016).

    Minimises |Omega o (W X - Y)|^2 + lambda (n_inj/n_x) |L_y W + W L_x|^2.
    Projected Newton steps: on the free entries {w > 0 or g < 0} the quadratic
    is minimised by conjugate gradients with a two-level preconditioner, and
    the step is projected onto W >= 0; a step that does not decrease the
    objective is shortened, so that the method converges from any start. The
    start is the (nearly exact) unconstrained solution.

    Targets in different connected components of L_y (hemispheres; regions
    where their boundaries are cut) are problems of their own with the same X,
    lambda, n_inj and n_x: their rows of W may be fitted in separate jobs and
    stacked. Within a component all targets are coupled by L_y, so that no
    other blocks are independent; in (P2) all are coupled by V.

    Parameters
    ----------
    injection, projection, observed, source_laplacian, target_laplacian, smoothing
        X, Y, Omega, L_x, L_y and lambda; see
        :class:`~mesomode.connectome.objective.Objective`.
    tolerance : float
        For the KKT residual and for the estimated relative gap, both.
    maximum_steps : int
        Most Newton steps. ``converged`` says whether they sufficed.
    nonnegative : bool
        False: the linear problem, W of any sign.
    bound : bool
        Compute ``gap_bound`` (adds some tens of Hessian products), and go on
        beyond the tolerance until it is proven, where rounding allows.
    start : (target, source), optional
        A nonnegative W to start from instead, such as the fit at another lambda.
    progress : callable, optional
        Called with a :class:`FitState` about once a Hessian product.
    precision : {"auto", "float32", "float64"}
        Of the conjugate gradients. W, objective, gradient and the certificate
        are float64 always.

    Returns
    -------
    SplineFit

    Raises
    ------
    DataError
        Data that cannot be fitted.
    MemoryLimitError
        Not enough memory, see :func:`memory_needed`.
    SolverError
        Numbers that are not finite came up.
    """
    objective = Objective(
        injection, projection, observed, source_laplacian, target_laplacian, smoothing
    )
    require_fit_memory(objective)
    solver = Newton(objective, tolerance, nonnegative, progress, precision)
    if start is None:
        solver.solve_unconstrained(START_GAP if nonnegative else max(tolerance, 1e-6))
    else:
        np.maximum(np.asarray(start, dtype=np.float64), 0.0, out=solver.weights)
    hold_to_constraints(solver)
    return finish(solver, maximum_steps, bound and nonnegative)


def require_fit_memory(objective: Objective) -> None:
    """Refuse a fit that the memory does not suffice for."""
    require_memory(
        memory_needed(*objective.shape, objective.injection.shape[1]),
        f"fitting {objective.shape[0]} x {objective.shape[1]} voxel weights",
        "choose fewer regions (atlas.regions), one hemisphere of targets, a coarser resolution, "
        "or a machine with more memory",
    )


def hold_to_constraints(solver: Newton) -> None:
    """Project W onto what is allowed: zero where undetermined, nonnegative if asked."""
    if solver.undetermined.any():
        solver.weights[solver.undetermined[solver.target_component]] = 0.0
    if solver.nonnegative:
        np.maximum(solver.weights, 0.0, out=solver.weights)


def finish(solver: Newton, maximum_steps: int, bound: bool) -> SplineFit:
    """Iterate from the solver's present W, prove the gap if asked, and collect the results."""
    solver.gap_tolerance = solver.tolerance * (PROVABLE if bound else 1.0)
    solver.iterate(maximum_steps)
    solver.converged |= solver.within(solver.tolerance)
    gap_bound = _prove(solver, maximum_steps) if bound else float("nan")
    last = solver.history[-1]
    return SplineFit(
        weights=solver.weights,
        terms=solver.terms,
        kkt_residual=last.kkt_residual,
        gap_estimate=last.gap_estimate,
        gap_bound=gap_bound,
        converged=solver.converged,
        steps=last.step,
        products=solver.products,
        free_fraction=last.free_fraction,
        undetermined=float(solver.undetermined[solver.target_component].mean()),
        seconds=time.monotonic() - solver.begun,
        history=solver.history,
    )


def _prove(solver: Newton, maximum_steps: int) -> float:
    """Bound the gap, iterating further while the bound is above the tolerance; returns it."""
    converged, tolerance = solver.converged, solver.tolerance
    lower, before = -np.inf, np.inf
    for _ in range(PROOFS):
        total = solver.terms.total
        if total <= solver.floor:
            return 0.0
        lower = max(lower, lower_bound(solver))
        gap = max((total - lower) / total, 0.0)
        hopeless = not solver.converged or gap > 0.5 * before or solver.steps >= maximum_steps
        if gap <= tolerance or hopeless or not np.isfinite(gap):
            break
        before = gap
        solver.gap_tolerance = 0.3 * tolerance / gap * solver.state.gap_estimate
        if solver.exact:  # the estimate says no more
            solver.tolerance = 0.1 * solver.state.kkt_residual
        solver.iterate(maximum_steps)
    solver.converged, solver.tolerance = converged, tolerance
    return gap
