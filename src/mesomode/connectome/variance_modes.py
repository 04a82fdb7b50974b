"""Variances of the linear model mode by mode of the target grid, summed over the modes."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from mesomode.connectome.linear_problem import LinearProblem
from mesomode.connectome.representer import Array, ComponentSystem, inverse_penalty
from mesomode.connectome.spectral import SpectralBasis

NODES = 20  # of the interpolation between target modes, on each interval of log eigenvalues
INTERVAL = 2.0  # longest such interval
BLOCK_BYTES = 2e8


def component_variance(
    problem: LinearProblem, system: ComponentSystem, rho: float
) -> tuple[Array, Array, Array, Array]:
    """Sums over the modes of a target component, in units of sigma^2, for each source voxel.

    Posterior variance; the same with the constants known; prior variance
    without the constants; 1 - posterior / prior.
    """
    source = problem.source
    injection = problem.injection_modes[:, system.used]
    values = system.component.eigenvalues[1:]
    prior = _square_times(
        source, inverse_penalty(system.component.eigenvalues, source).sum(axis=0)[:, None] / rho
    )[:, 0]
    constant, constant_known, constant_prior = _constant_variance(source, injection, rho)
    # Where a source is an island, the constant has no proper part.
    share = 1.0 - np.divide(
        constant_known, constant_prior, out=np.ones_like(prior), where=constant_prior > 0
    )
    nodes, weights = interpolation_nodes(values)
    sums = np.zeros((2, source.count))
    if len(nodes):
        before = _square_times(source, inverse_penalty(nodes, source).T / rho)
        for number, (node, weight) in enumerate(zip(nodes, weights, strict=True)):
            scale = 1.0 / (rho * (node + source.eigenvalues) ** 2)
            after = before[:, number] - _reduction(source, injection, scale)
            sums[0] += weight * after
            sums[1] += weight * (1.0 - after / before[:, number])
    return sums[0] + constant, sums[0] + constant_known, prior, sums[1] + share


def _reduction(source: SpectralBasis, injection: Array, scale: Array) -> Array:
    """Diagonal of K X (I + X^T K X)^-1 X^T K for K = Q_x diag(scale) Q_x^T: (source,)."""
    scaled = scale[:, None] * injection
    factor = np.linalg.cholesky(np.eye(injection.shape[1]) + injection.T @ scaled)
    half = scipy.linalg.solve_triangular(factor, source.from_modes(scaled).T, lower=True)
    return np.einsum("ix,ix->x", half, half)


def _constant_variance(
    source: SpectralBasis, injection: Array, rho: float
) -> tuple[Array, Array, Array]:
    """Posterior variance of the constant target mode; with known constants; prior without them."""
    scale = inverse_penalty(np.zeros(1), source)[0] / rho
    prior = _square_times(source, scale[:, None])[:, 0]
    scaled = scale[:, None] * injection
    factor = np.linalg.cholesky(np.eye(injection.shape[1]) + injection.T @ scaled)
    half = scipy.linalg.solve_triangular(factor, source.from_modes(scaled).T, lower=True)
    known = np.maximum(prior - np.einsum("ix,ix->x", half, half), 0.0)
    # Generalised least squares of the constants: what their own uncertainty adds (kriging).
    loads = scipy.linalg.solve_triangular(factor, injection[source.starts].T, lower=True)
    deviation = -(half.T @ loads)
    voxels = np.arange(source.count)
    deviation[voxels, source.labels] += 1.0 / np.sqrt(source.sizes[source.labels])
    values, axes = np.linalg.eigh(loads.T @ loads)
    kept = values > 1e-12 * max(float(values[-1]), 1e-300)
    parts = deviation @ axes
    added = (parts[:, kept] ** 2) @ (1.0 / values[kept])
    lost = (parts[:, ~kept] ** 2).sum(axis=1) > 1e-16 / source.sizes[source.labels]
    return np.where(lost, np.inf, known + added), known, prior


def _square_times(source: SpectralBasis, table: Array) -> Array:
    """(Q_x o Q_x) C for C (source mode, column): (source, column)."""
    result = np.empty((source.count, table.shape[1]))
    for part, modes in zip(source.components, source.slices(), strict=True):
        at_once = max(1, int(BLOCK_BYTES / (8 * len(part.voxels))))
        for first in range(0, len(part.voxels), at_once):
            rows = slice(first, first + at_once)
            result[part.voxels[rows]] = part.eigenvectors[rows] ** 2 @ table[modes]
    return result


def interpolation_nodes(values: Array) -> tuple[Array, Array]:
    """Nodes and weights with sum_a f(values_a) = sum_k weight_k f(node_k) for smooth f(log nu).

    Parameters
    ----------
    values : (mode,)
        Positive eigenvalues, ascending.

    Returns
    -------
    nodes, weights : (node,)
        Chebyshev nodes on intervals of log nu no longer than ``INTERVAL``;
        on an interval with no more eigenvalues than nodes, these themselves.
    """
    if not len(values):
        return values, values
    logs = np.log(values)
    pieces = max(1, int(np.ceil((logs[-1] - logs[0]) / INTERVAL)))
    edges = np.linspace(logs[0], logs[-1], pieces + 1)
    piece = np.clip(np.searchsorted(edges, logs, side="right") - 1, 0, pieces - 1)
    nodes, weights = [], []
    angle = (2 * np.arange(NODES) + 1) * np.pi / (2 * NODES)
    unit, barycentric = np.cos(angle), np.sin(angle) * (-1.0) ** np.arange(NODES)
    for number in range(pieces):
        inside = logs[piece == number]
        if len(inside) <= NODES:
            nodes.append(np.exp(inside))
            weights.append(np.ones(len(inside)))
            continue
        middle, half = inside.min() / 2 + inside.max() / 2, (inside.max() - inside.min()) / 2
        place = middle + half * unit
        distance = inside[:, None] - place
        exact = np.abs(distance) < 1e-14
        ratio = barycentric / np.where(exact, 1.0, distance)
        ratio[exact.any(axis=1)] = exact[exact.any(axis=1)]
        nodes.append(np.exp(place))
        weights.append((ratio / ratio.sum(axis=1, keepdims=True)).sum(axis=0))
    return np.concatenate(nodes), np.concatenate(weights)
