"""Small tracing problems with known answers, and slow, obvious twins of the solver's pieces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse

from mesomode.connectome.laplacian import graph_laplacian


class Problem(NamedTuple):
    """The arguments of ``fit_spline`` in order, without lambda."""

    injection: np.ndarray
    projection: np.ndarray
    observed: np.ndarray
    source_laplacian: sparse.csr_array
    target_laplacian: sparse.csr_array


def one_dimensional(
    seed: int,
    points: int = 200,
    injections: str = "random",
    noise: float = 0.1,
) -> tuple[Problem, np.ndarray]:
    """The test problem of Harris et al. (2016, section 4) and its W_true (target, source).

    W_true(x, y) is drawn in their figure 2 with x, the source, to the right:
    the bump is at source 0.8 and target 0.1. The injections' widths, 0.12 +
    0.1 U(0, 1), are full widths: those of the figure are 0.15 to 0.22. Of the
    draw of the figure the paper says that it covers the bump well, "otherwise
    there is no information about that feature".

    Parameters
    ----------
    seed : int
        Of the injections and the noise.
    points : int
        n_x = n_y.
    injections : {"random", "covering", "figure"}
        Centres uniform such that each injection lies inside [0, 1]; the same,
        drawn anew until the centre of the bump and a point within 0.1 on
        either side of it (sources 0.7, 0.8, 0.9) are injected; or the five of
        the figure, measured from its black bars.
    noise : float
        Standard deviation of the noise of Y.
    """
    generator = np.random.default_rng(seed)
    x = np.linspace(0, 1, points)
    target, source = np.meshgrid(x, x, indexing="ij")
    truth = np.exp(-(((source - target) / 0.4) ** 2))
    truth += 0.9 * np.exp(-((source - 0.8) ** 2 + (target - 0.1) ** 2) / 0.2**2)
    edges = FIGURE_2
    while injections != "figure":
        width = 0.12 + 0.1 * generator.uniform(size=5)
        centre = generator.uniform(width / 2, 1 - width / 2)
        edges = np.stack([centre - width / 2, centre + width / 2], axis=1)
        bump = np.array([[0.7], [0.8], [0.9]])
        covers = ((bump >= edges[:, 0]) & (bump <= edges[:, 1])).any(axis=1).all()
        if injections == "random" or covers:
            break
    injection = ((x[:, None] >= edges[:, 0]) & (x[:, None] <= edges[:, 1])).astype(float)
    observed = injection == 0
    noisy = truth @ injection + noise * generator.standard_normal((points, 5))
    projection = np.where(observed, noisy, 0.0)
    laplacian = graph_laplacian(np.arange(points)[:, None])
    return Problem(injection, projection, observed, laplacian, laplacian), truth


# Ends of the injections in figure 2 of Harris et al. (2016), read from the vector graphics.
FIGURE_2 = np.array(
    [[0.621, 0.772], [0.185, 0.393], [0.086, 0.304], [0.765, 0.942], [0.589, 0.768]]
)


def blob(shape: tuple[int, ...], fraction: float, generator: np.random.Generator) -> np.ndarray:
    """Indices of a random, mostly connected part of a lattice, in random order."""
    index = np.argwhere(np.ones(shape, bool))
    distance = np.linalg.norm((index - np.array(shape) / 2) / np.array(shape), axis=1)
    score = distance + 0.15 * generator.standard_normal(len(index))
    return generator.permutation(index[np.argsort(score)[: int(fraction * len(index))]])


def random_problem(
    seed: int,
    shape: tuple[int, ...] = (4, 4, 3),
    experiments: int = 4,
    targets: tuple[int, ...] | None = None,
) -> Problem:
    """Random lattice masks, contiguous injections, noisy smooth projections with zeros."""
    generator = np.random.default_rng(seed)
    source = blob(shape, 0.7, generator)
    target = source if targets is None else blob(targets, 0.7, generator)
    centre = source[generator.choice(len(source), experiments, replace=False)]
    distance = np.linalg.norm(source[:, None] - centre, axis=2)
    injection = np.clip(1.4 - distance / 1.5, 0, 1)
    place = target[:, None, :2] / np.array(shape[:2]) if len(shape) > 1 else target[:, None] / shape
    other = source[None, :, :2] / np.array(shape[:2]) if len(shape) > 1 else source[None] / shape
    truth = np.exp(-(((place - other) / 0.3) ** 2).sum(-1))
    projection = truth @ injection + 0.3 * generator.standard_normal((len(target), experiments))
    observed = generator.uniform(size=projection.shape) > 0.25
    return Problem(
        injection,
        projection,
        observed,
        graph_laplacian(source),
        graph_laplacian(target),
    )


def dense_system(problem: Problem, smoothing: float) -> tuple[np.ndarray, np.ndarray]:
    """H/2 and -G(0)/2 for W flattened row by row: the normal equations, written out."""
    x, y, omega, source, target = problem
    targets, sources = len(y), len(x)
    data = np.zeros((targets * sources, targets * sources))
    right = np.zeros(targets * sources)
    for i in range(targets):
        block = slice(i * sources, (i + 1) * sources)
        seen = x[:, omega[i]]
        data[block, block] = seen @ seen.T
        right[block] = seen @ y[i, omega[i]]
    operator = np.kron(target.toarray(), np.eye(sources)) + np.kron(
        np.eye(targets), source.toarray()
    )
    weight = smoothing * x.shape[1] / sources
    return data + weight * operator.T @ operator, right


def objective_of(problem: Problem, smoothing: float, weights: np.ndarray) -> float:
    """The objective of (P1), as it is written in the paper."""
    x, y, omega, source, target = problem
    misfit = np.sum((weights @ x - y)[omega] ** 2)
    rough = target.toarray() @ weights + weights @ source.toarray().T
    return float(misfit + smoothing * x.shape[1] / x.shape[0] * np.sum(rough**2))
