"""Nonnegative factors to start from: smoothed injections, weights already known, or chance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse as sparse

from mesomode.connectome.low_rank_problem import Factor, LowRankProblem
from mesomode.connectome.low_rank_solver import solve

LEAST_DIFFUSION, MOST_DIFFUSION = 20, 400  # steps
FITTING = 60  # sweeps, at most, that fit factors to given weights
FILLING = 10  # steps of diffusion that fill unobserved targets


def diffusion(laplacian: sparse.csr_array) -> sparse.csr_array:
    """One step of a lazy random walk, I + L / (2 max degree): nonnegative, rows sum to one."""
    degree = max(1.0, -float(laplacian.diagonal().min()))
    step = sparse.eye_array(laplacian.shape[0]) + laplacian / (2.0 * degree)
    return sparse.csr_array(step, dtype=laplacian.dtype)


def kernel_factors(problem: LowRankProblem) -> tuple[Factor, Factor]:
    """A smoother's weights, of rank n_inj and nonnegative: (target, .) and (source, .).

    W = P K^T: P are the projections per unit injection, unobserved targets
    filled from their neighbours; K (rows sum to one) the injections diffused
    over the source grid until they reach every voxel that they can, as in
    the Nadaraya-Watson estimate of Knox et al. (2018) but along the tissue.
    """
    injection = problem.injection.toarray()
    amount = injection.sum(axis=0)
    kernel = diffused(problem.source_laplacian, injection)
    walk = diffusion(problem.target_laplacian)
    filled = np.maximum(problem.projection, 0)
    if not problem.observed.all():
        spread, weight = filled, problem.observed.astype(problem.precision)
        for _ in range(FILLING):
            spread, weight = walk @ spread, walk @ weight
        guess = np.divide(spread, weight, out=np.zeros_like(spread), where=weight > 0)
        filled = np.where(problem.observed, filled, guess)
    return filled / amount, kernel


def truncated(
    target_factor: Factor, source_factor: Factor, rank: int
) -> tuple[Factor, npt.NDArray[np.float64], Factor]:
    """Singular vectors and values of U V^T: (target, k), (k,), (source, k), k at most ``rank``."""
    left, left_triangle = scipy.linalg.qr(target_factor, mode="economic")
    right, right_triangle = scipy.linalg.qr(source_factor, mode="economic")
    a, values, b = scipy.linalg.svd(left_triangle @ right_triangle.T)
    kept = min(rank, int(np.count_nonzero(values > 1e-12 * values.max(initial=1e-300))))
    return left @ a[:, :kept], values[:kept], right @ b[:kept].T


def nonnegative_factors(
    left: Factor, values: npt.NDArray[np.float64], right: Factor, rank: int
) -> tuple[Factor, Factor]:
    """Nonnegative factors from singular vectors (Boutsidis & Gallopoulos 2008, NNDSVD).

    Each pair of vectors gives the positive or the negative parts of both,
    whichever product is larger; where ``rank`` asks for more columns, the
    other parts follow in the order of their size.
    """
    chosen, others = [], []
    for u, value, v in zip(left.T, values, right.T, strict=True):
        parts = []
        for sign in (1, -1):
            a, b = np.maximum(sign * u, 0), np.maximum(sign * v, 0)
            size_a, size_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
            if size_a * size_b > 0:
                root = np.sqrt(value * size_a * size_b)
                parts.append((root, a * (root / size_a), b * (root / size_b)))
        parts.sort(key=lambda part: -part[0])
        chosen += parts[:1]
        others += parts[1:]
    columns = (chosen + sorted(others, key=lambda part: -part[0]))[:rank]
    target = np.zeros((len(left), rank), left.dtype)
    source = np.zeros((len(right), rank), left.dtype)
    for k, (_, a, b) in enumerate(columns):
        target[:, k], source[:, k] = a, b
    return target, source


def bump_factors(
    problem: LowRankProblem, rank: int, generator: np.random.Generator
) -> tuple[Factor, Factor]:
    """The smoother's weights averaged over ``rank`` bumps that cover the source grid.

    V is a partition of unity around voxels drawn at random, U what the
    smoother of :func:`kernel_factors` projects from them. With as many bumps
    as voxels V is the identity, and (P2) in U is (P1); further columns have
    nothing to add and are zero.
    """
    projection, kernel = kernel_factors(problem)
    source = bumps(problem, rank, generator)
    return projection @ (kernel.T @ means(source)), source


def weight_factors(
    problem: LowRankProblem,
    weights: npt.NDArray[np.floating],
    rank: int,
    generator: np.random.Generator,
    sweeps: int = FITTING,
) -> tuple[Factor, Factor]:
    """Nonnegative factors of given dense weights, smooth by the penalty of the problem.

    Starts from the weights averaged over bumps, and minimises
    s |U V^T - W|^2 + the penalty of (P2) with s = |X|^2 / n_x: (P2) itself for
    experiments that each inject one voxel. Plain factors of W are of no use
    as a start: what they miss of W is little but rough.
    """
    targets, sources = problem.shape
    root = float(np.sqrt(problem.injection.multiply(problem.injection).sum() / sources))
    positive = np.maximum(weights, 0).astype(problem.precision)
    every = LowRankProblem(
        sparse.csr_array(sparse.eye_array(sources) * root),
        positive * root,
        np.ones((targets, sources), np.bool_),
        problem.source_laplacian,
        problem.target_laplacian,
        problem.weight,
        problem.precision,
    )
    source = bumps(problem, rank, generator)
    found = solve(
        every, positive @ means(source), source, tolerance=1e-3, maximum_iterations=sweeps
    )
    return found.target_factor, found.source_factor


def bumps(problem: LowRankProblem, rank: int, generator: np.random.Generator) -> Factor:
    """A partition of unity of the source grid around random voxels: (source, rank)."""
    count = min(rank, problem.shape[1])
    seeds = generator.choice(problem.shape[1], count, replace=False)
    source = np.zeros((problem.shape[1], rank), problem.precision)
    source[seeds, np.arange(count)] = 1
    return diffused(problem.source_laplacian, source) if count < problem.shape[1] else source


def means(source: Factor) -> Factor:
    """Bumps divided by their sums, so that they take means."""
    amount = source.sum(axis=0)
    return source / np.where(amount > 0, amount, 1)


def diffused(laplacian: sparse.csr_array, densities: Factor) -> Factor:
    """Densities spread over the grid until they reach every voxel they can; rows sum to one.

    Voxels that none can reach get the mean of all.
    """
    walk = diffusion(laplacian)
    kernel = densities / densities.sum(axis=0)
    for step in range(MOST_DIFFUSION):
        if step >= LEAST_DIFFUSION and (kernel.sum(axis=1) > 0).all():
            break
        kernel = walk @ kernel
    total = kernel.sum(axis=1, keepdims=True)
    level = np.full_like(kernel, 1.0 / kernel.shape[1])
    return np.divide(kernel, total, out=level, where=total > 0)
