"""What the linear connectome does not know: posterior variance, read as a Gaussian process.

The minimiser of (P1) without W >= 0 is the posterior mean for noise of variance sigma^2 on the
observed projections and the prior precision (rho / sigma^2) T^2, T W = L_y W + W L_x, which says
nothing about the constants of the pairs of components (an improper prior; Kimeldorf & Wahba
1970). Its covariance does not depend on Y but through sigma^2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mesomode.connectome.coverage import Coverage, coverage, smoothing_length
from mesomode.connectome.linear_fit import LinearFit, Representation
from mesomode.connectome.linear_problem import LinearProblem
from mesomode.connectome.representer import Array, inverse_penalty
from mesomode.connectome.variance_modes import component_variance
from mesomode.errors import DataError
from mesomode.memory import require_memory

__all__ = [
    "Coverage",
    "NoiseEstimate",
    "PosteriorVariance",
    "coverage",
    "noise_variance",
    "posterior_samples",
    "posterior_variance_map",
    "smoothing_length",
]

BLOCK_BYTES = 2e8
STATED_ABOVE = 1e9
SAMPLING_TOLERANCE = 1e-12  # relative duality gap of the fits to simulated data


@dataclass(frozen=True)
class NoiseEstimate:
    """Variance of the noise of the projections.

    Attributes
    ----------
    variance : float
        sigma^2 = |Omega o (W X - Y)|^2 / (n_observed - degrees of freedom).
    degrees_of_freedom : float
        Trace of the matrix that takes the observed Y to their fit.
    standard_error : float
        Of ``degrees_of_freedom``; 0 where it was not estimated from probes.
    """

    variance: float
    degrees_of_freedom: float
    standard_error: float


def noise_variance(
    fit: LinearFit, generator: np.random.Generator | None = None, probes: int = 16
) -> NoiseEstimate:
    """Estimate the noise from the residual of a linear fit and its degrees of freedom.

    The estimate of Wahba (1983): without bias if W is a draw from the prior
    that belongs to lambda; too small if W is smoother than that.

    Parameters
    ----------
    fit : LinearFit
        The fit.
    generator : numpy.random.Generator, optional
        For Hutchinson's estimate of the trace, on target components with more
        than ``representer.TRACE_LIMIT`` unobserved entries; it is exact on
        the others.
    probes : int
        Random vectors for that, at least 2.

    Returns
    -------
    NoiseEstimate

    Raises
    ------
    DataError
        The trace has to be estimated and no generator was given, or all
        degrees of freedom are used up.
    """
    problem = fit.problem
    rho = problem.weight_of_penalty(fit.smoothness)
    rest = spread = 0.0
    count = 0
    for system in problem.systems:
        if not len(system.used):
            continue
        count += int(system.observed.sum())
        smoother = system.smoother(rho)
        exact = smoother.trace()
        if exact is not None:
            rest += exact
            continue
        if generator is None:
            raise DataError(
                "the degrees of freedom have to be estimated by random probes",
                why=f"{len(system.holes)} entries were not observed",
                remedy="pass a generator",
            )
        values = np.empty(max(2, probes))
        for number in range(len(values)):
            probe = system.mask * generator.choice([-1.0, 1.0], size=system.mask.shape)
            modes = system.vectors.T @ probe
            small = 1e-6 * float(np.linalg.norm(probe))
            _, dual, _ = smoother.fill(modes, None, small)
            values[number] = np.sum(modes * dual)  # <probe, alpha of the probe>
        rest += float(values.mean())
        spread += float(values.var(ddof=1)) / len(values)
    if not rest > 1e-9 * count:
        raise DataError(
            "the fit uses up all degrees of freedom of the data",
            why="nothing is left to tell the noise from",
            remedy="choose a larger smoothness",
        )
    return NoiseEstimate(fit.terms.misfit / rest, count - rest, float(np.sqrt(spread)))


@dataclass(frozen=True)
class PosteriorVariance:
    """Variance of W for every source voxel, averaged over targets.

    Attributes
    ----------
    posterior : (source,)
        Mean posterior variance of W[y, x] over the targets y whose component
        was observed for an injection into the component of x; inf where
        there are none, or where the data cannot tell the constants of
        several components apart.
    prior : (source,)
        The same of the prior, apart from the constants of the pairs of
        components (and so of proper priors only).
    reduction : (source,)
        1 - posterior / prior, both apart from the constants: share of the
        prior variance that the data take away, 0 (nothing) to 1 (all); 0
        where ``posterior`` is inf. Weighted by prior variance: smooth patterns count most.
    informed_patterns : (source,)
        Mean over the modes of the target grid of 1 - posterior / prior: share
        of the projection patterns, the fine ones included, of which the
        data say something.
    standard_error : (source,)
        Of ``posterior`` from the samples; 0 where it is exact.
    complete : bool
        Whether all that was unobserved was accounted for: False if it was
        treated as observed, and ``posterior`` is then too small.
    """

    posterior: Array
    prior: Array
    reduction: Array
    informed_patterns: Array
    standard_error: Array
    complete: bool


def posterior_variance_map(
    problem: LinearProblem,
    smoothness: float,
    noise: float,
    *,
    generator: np.random.Generator | None = None,
    samples: int = 0,
) -> PosteriorVariance:
    """Posterior variance of the linear model for every source voxel, averaged over targets.

    With everything observed the target modes separate: mode a has the
    covariance sigma^2 (rho (nu_a + M)^2 + X X^T)^-1 over the sources, M =
    -L_x, and its diagonal, an analytic function of log nu, is interpolated
    between Chebyshev nodes (to 1e-9; evaluated at every mode where these are
    fewer). Experiments never observed in a target component are left out of
    its covariance; single unobserved entries are treated as observed, unless
    ``samples`` are asked for: they add, in expectation exactly, the variance
    of what the fit fills in there,

        Var(W | Y_seen) = Var(W | Y_all) + Var(E[W | Y_all] | Y_seen),

    the second term from simulated fill-ins.

    Parameters
    ----------
    problem : LinearProblem
        Grids, X and Omega; Y plays no part.
    smoothness : float
        lambda, positive and finite.
    noise : float
        sigma^2, see :func:`noise_variance`.
    generator : numpy.random.Generator, optional
        Needed for samples.
    samples : int
        Simulated fill-ins; 0 for the approximation.

    Raises
    ------
    DataError
        lambda or sigma^2 cannot be used, or a generator is missing.
    """
    rho = problem.weight_of_penalty(smoothness)
    if np.isinf(rho) or not (np.isfinite(noise) and noise >= 0):
        raise DataError(
            f"no posterior variance for lambda = {smoothness} and a noise variance of {noise}",
            why="both must be finite, lambda positive",
        )
    if samples and generator is None:
        raise DataError("samples of the posterior need a random generator")
    shape = (problem.source.count,)
    total, known, prior, patterns, targets = (np.zeros(shape) for _ in range(5))
    unseen = problem.unobserved_pairs()
    for number, system in enumerate(problem.systems):
        seen = ~unseen[number][problem.source.labels]
        if not seen.any():
            continue
        part = component_variance(problem, system, rho)
        targets += len(system.component.voxels) * seen
        for sum_, value in zip((total, known, prior, patterns), part, strict=True):
            sum_[seen] += value[seen]
    count = np.maximum(targets, 1.0)
    posterior = np.where(targets > 0, total / count, np.inf)
    error = np.zeros(shape)
    holes = any(len(system.holes) for system in problem.systems)
    if samples and holes and generator is not None:
        extra = np.stack([_fill_in_square(problem, smoothness, generator) for _ in range(samples)])
        posterior += extra.mean(axis=0) / count
        known += extra.mean(axis=0)
        if samples > 1:
            error = noise * extra.std(axis=0, ddof=1) / count / np.sqrt(samples)
        else:
            error = np.full(shape, np.nan)
    reduction = 1.0 - np.divide(known, prior, out=np.ones(shape), where=prior > 0)
    reduction[~np.isfinite(posterior)] = 0.0
    return PosteriorVariance(
        posterior=noise * posterior,
        prior=noise * prior / count,
        reduction=np.clip(reduction, 0.0, 1.0),
        informed_patterns=np.clip(patterns / count, 0.0, 1.0),
        standard_error=error,
        complete=bool(samples) or not holes,
    )


def posterior_samples(
    problem: LinearProblem,
    smoothness: float,
    noise: float,
    count: int,
    generator: np.random.Generator,
) -> Iterator[Array]:
    """Draw W from the posterior of the linear model, by perturbing and fitting.

    A draw W_0 from the prior and its simulated noisy data Y_0, then W_0 plus
    the fit to Y - Y_0: exact in distribution whatever was observed
    (Papandreou & Yuille 2010; kriging calls it conditional simulation).
    Constants that no data determine are not varied.

    Parameters
    ----------
    problem : LinearProblem
        The data.
    smoothness, noise : float
        lambda (finite) and sigma^2.
    count : int
        Number of draws.
    generator : numpy.random.Generator
        Draws them.

    Yields
    ------
    ndarray (target, source)
        W, of any sign.

    Raises
    ------
    DataError
        lambda or sigma^2 cannot be used.
    MemoryLimitError
        No room for three matrices of the size of W.
    """
    rho = problem.weight_of_penalty(smoothness)
    if np.isinf(rho) or not (np.isfinite(noise) and noise >= 0):
        raise DataError(f"no posterior for lambda = {smoothness} and a noise variance of {noise}")
    source, target = problem.source, problem.target
    needed = 24.0 * source.count * target.count
    if needed > STATED_ABOVE:
        require_memory(
            needed,
            f"samples of {target.count} x {source.count} weights",
            "use posterior_variance_map, which does not form them",
        )
    for _ in range(count):
        modes = generator.standard_normal((target.count, source.count))
        at_once = max(1, int(BLOCK_BYTES / (8 * source.count)))
        for first in range(0, target.count, at_once):
            rows = slice(first, first + at_once)
            scale = inverse_penalty(target.eigenvalues[rows], source)
            modes[rows] *= np.sqrt(noise / rho * scale)
        data = target.from_modes(modes @ problem.injection_modes)
        data += np.sqrt(noise) * generator.standard_normal(data.shape)
        perturbed = problem.with_projection(problem.projection - data)
        weights = perturbed.solve(smoothness, SAMPLING_TOLERANCE).weights()
        weights += target.from_modes(source.from_modes(modes.T).T)
        yield weights


def _fill_in_square(
    problem: LinearProblem, smoothness: float, generator: np.random.Generator
) -> Array:
    """Sum over targets of the squared change of W by one simulated error of the fill-in.

    In units of sigma^2, (source,). The error of the filled-in data is
    N(0, sigma^2 R_oo^-1): simulated data less what is filled in for them.
    """
    rho = problem.weight_of_penalty(smoothness)
    dual = np.zeros(problem.projection.shape)
    null = np.zeros((len(problem.systems), len(problem.source.components)))
    for number, system in enumerate(problem.systems):
        if not len(system.holes):
            continue
        smoother = system.smoother(rho)
        noise = generator.standard_normal(system.values.shape)
        root = np.sqrt(np.where(smoother.shrinkage > 0, smoother.shrinkage, 1.0))
        modes = np.matmul(system.axes, (noise / root)[:, :, None])[:, :, 0]
        data = system.mask * (system.vectors @ modes)
        seen = system.vectors.T @ data
        f, _, _ = smoother.fill(seen, None, 1e-8 * float(np.linalg.norm(noise)))
        change = system.holes.put(system.holes.take(modes) - f)
        dual_modes = smoother.apply(change)
        dual[np.ix_(system.component.voxels, system.used)] = system.vectors @ dual_modes
        null[number] = system.null_coefficients(change[0], dual_modes[0], rho)
    return Representation(problem, smoothness, dual, null).column_squares()
