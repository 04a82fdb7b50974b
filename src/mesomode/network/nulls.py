"""Random connectomes that keep one property of a connectome: null models of its spectrum.

Sources: Maslov & Sneppen, Science 296, 910 (2002) for the exchange of targets; Sinkhorn &
Knopp, Pacific J. Math. 21, 343 (1967) for the balancing of rows and columns.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError
from mesomode.network.spectrum import checked_matrix

EXCHANGES = 10
"""Exchanges tried for each connection."""
SPARSE = 0.5
"""Share of connections below which the pattern itself is drawn anew."""
BALANCING = 200
"""Times that rows and columns are rescaled at most."""


def shuffled(weights: ArrayLike, generator: np.random.Generator) -> NDArray[np.float64]:
    """All weights between different units in random order; the diagonal stays.

    Parameters
    ----------
    weights : (target, source) array_like
        Square.
    generator : numpy.random.Generator

    Returns
    -------
    (target, source) ndarray of float64
    """
    matrix = _square(weights)
    elsewhere = ~np.eye(len(matrix), dtype=bool)
    result = matrix.copy()
    result[elsewhere] = generator.permutation(matrix[elsewhere])
    return result


def distance_preserving(
    weights: ArrayLike, position: ArrayLike, generator: np.random.Generator, bins: int = 50
) -> NDArray[np.float64]:
    """Weights shuffled among pairs of units about as far from each other; the diagonal stays.

    Parameters
    ----------
    weights : (target, source) array_like
        Square.
    position : (unit, axis) array_like
        Where the units are.
    generator : numpy.random.Generator
    bins : int
        Number of classes of distance, with as many pairs each as ties allow.

    Returns
    -------
    (target, source) ndarray of float64

    Raises
    ------
    DataError
        Not one finite position a unit.
    """
    matrix = _square(weights)
    place = np.asarray(position, dtype=np.float64)
    if place.ndim != 2 or len(place) != len(matrix) or not np.isfinite(place).all():
        raise DataError(
            "the positions do not fit to the units",
            why=f"an array of shape {place.shape} for {len(matrix)} units",
            remedy="give finite coordinates, one row a unit",
        )
    squares = np.sum(place**2, axis=1)
    distance = np.sqrt(np.maximum(squares[:, None] + squares - 2 * place @ place.T, 0.0))
    elsewhere = ~np.eye(len(matrix), dtype=bool)
    away = distance[elsewhere]
    edges = np.unique(np.quantile(away, np.linspace(0, 1, bins + 1)[1:-1]))
    group = np.searchsorted(edges, away, side="right")
    values = matrix[elsewhere]
    # a random order within each class, put in the places of the class
    before = np.argsort(group, kind="stable")
    after = np.lexsort((generator.random(len(group)), group))
    drawn = np.empty_like(values)
    drawn[before] = values[after]
    result = matrix.copy()
    result[elsewhere] = drawn
    return result


def degree_preserving(weights: ArrayLike, generator: np.random.Generator) -> NDArray[np.float64]:
    """Random weights with what each unit sends and receives as in the connectome.

    Sparse matrices: pairs of connections exchange their targets, so that the number of
    connections that each unit sends and receives, and the sum of the weights it sends,
    stay exactly. Others: the weights are shuffled, then rows and columns are rescaled in turn
    until they have their sums. The diagonal stays.

    Parameters
    ----------
    weights : (target, source) array_like
        Square, nonnegative.
    generator : numpy.random.Generator

    Returns
    -------
    (target, source) ndarray of float64

    Raises
    ------
    DataError
        Negative weights.
    """
    matrix = _square(weights)
    if (matrix < 0).any():
        raise DataError(
            "weights with signs have no degrees to be kept",
            why=f"the smallest is {matrix.min():g}",
            remedy="draw the null model before signs are given",
        )
    between = matrix.copy()
    np.fill_diagonal(between, 0.0)
    if np.count_nonzero(between) < SPARSE * matrix.size:
        result = _exchanged(between, generator)
    else:
        result = _balanced(shuffled(between, generator), between.sum(axis=1), between.sum(axis=0))
    np.fill_diagonal(result, np.diagonal(matrix))
    return result


def _square(weights: ArrayLike) -> NDArray[np.float64]:
    return checked_matrix(weights, square=True).astype(np.float64)


def _balanced(
    matrix: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rescale rows and columns in turn until their sums are those given, or nearly."""
    left, right = np.ones(len(rows)), np.ones(len(columns))
    for _ in range(BALANCING):
        received = matrix @ right
        left = np.divide(rows, received, out=np.zeros_like(rows), where=received > 0)
        sent = left @ matrix
        right = np.divide(columns, sent, out=np.zeros_like(columns), where=sent > 0)
        error = np.abs(left * (matrix @ right) - rows).sum()
        if error < 1e-6 * rows.sum():
            break
    return np.asarray(left[:, None] * matrix * right)


def _exchanged(matrix: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    target, source = (index.astype(np.int64) for index in np.nonzero(matrix))
    value = matrix[target, source]
    count = len(value)
    if count > 1:
        connected = matrix != 0
        pairs = generator.integers(0, count, (EXCHANGES * count, 2))
        _exchange(target, source, connected, pairs)
    result = np.zeros_like(matrix)
    result[target, source] = value
    return result


@njit(cache=os.access(Path(__file__).parent, os.W_OK))
def _exchange(target, source, connected, pairs):
    """Let pairs of connections exchange their targets where that makes no connection twice."""
    for k in range(len(pairs)):
        a, b = pairs[k]
        ta, tb, sa, sb = target[a], target[b], source[a], source[b]
        if ta == sb or tb == sa or connected[tb, sa] or connected[ta, sb]:
            continue
        connected[ta, sa] = connected[tb, sb] = False
        connected[tb, sa] = connected[ta, sb] = True
        target[a], target[b] = tb, ta
