"""Singular value decompositions: of a matrix, of a product of factors, and of the largest modes.

Sources: QR of both factors of U Vᵀ and the decomposition of the small core is exact; the
randomised range finder with power iterations is algorithm 4.4 of Halko, Martinsson & Tropp,
SIAM Review 53, 217 (2011).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError
from mesomode.memory import require_memory
from mesomode.network.coupling import Network
from mesomode.network.spectrum import checked_matrix, singular_values

Product = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Decomposition:
    """W = U diag(σ) Vᵀ, or its largest modes.

    Parameters
    ----------
    left : (target, mode) ndarray of float64
        Orthonormal columns u_a.
    values : (mode,) ndarray of float64
        Singular values, descending.
    right : (source, mode) ndarray of float64
        Orthonormal columns v_a.
    """

    left: NDArray[np.float64]
    values: NDArray[np.float64]
    right: NDArray[np.float64]


def decompose(weights: ArrayLike) -> Decomposition:
    """All modes of a matrix.

    Parameters
    ----------
    weights : (target, source) array_like

    Raises
    ------
    DataError
        Not a finite matrix other than zero.
    MemoryLimitError
        The decomposition would not fit.
    """
    matrix = checked_matrix(weights)
    rows, columns = matrix.shape
    require_memory(
        56.0 * rows * columns,
        f"the singular modes of a {rows:,} × {columns:,} matrix",
        "use a coarser connectome, or a machine with more memory",
    )
    left, values, right = scipy.linalg.svd(
        matrix.astype(np.float64), full_matrices=False, overwrite_a=True, check_finite=False
    )
    return Decomposition(left, values, right.T)


def decompose_factored(left: ArrayLike, right: ArrayLike) -> Decomposition:
    """All modes of W = A Bᵀ, which is never formed: O(N R²) for R columns.

    Parameters
    ----------
    left, right : (target, column) and (source, column) array_like
        Factors A and B.

    Returns
    -------
    Decomposition
        At most R modes; all others have the singular value zero.

    Raises
    ------
    DataError
        The factors are not two finite matrices of as many columns, or their product is zero.
    """
    a, b = (checked_matrix(factor, what="factors").astype(np.float64) for factor in (left, right))
    if a.shape[1] != b.shape[1]:
        raise DataError(f"factors of shapes {a.shape} and {b.shape} have no product")
    basis, triangle = zip(*(scipy.linalg.qr(f, mode="economic") for f in (a, b)), strict=True)
    core = decompose(triangle[0] @ triangle[1].T)
    return Decomposition(basis[0] @ core.left, core.values, basis[1] @ core.right)


def network_singular_values(network: Network) -> NDArray[np.float64]:
    """All singular values of a network's couplings, descending, through the factors if cheaper.

    Parameters
    ----------
    network : Network

    Returns
    -------
    (unit,) ndarray of float64
        Zero beyond the rank.

    Raises
    ------
    MemoryLimitError
        The decomposition would not fit.
    """
    factors = network.factors()
    if factors is None or 2 * factors[0].shape[1] >= network.units:
        return singular_values(network.dense())
    values = np.zeros(network.units)
    found = decompose_factored(*factors).values
    values[: len(found)] = found
    return values


def largest_modes(
    multiply: Product,
    multiply_transposed: Product,
    shape: tuple[int, int],
    count: int,
    *,
    generator: np.random.Generator,
    power: int = 4,
    excess: int = 20,
) -> Decomposition:
    """Largest modes of a matrix that is known by its products alone.

    Parameters
    ----------
    multiply, multiply_transposed : callable
        W X for X (source, column), and Wᵀ Y for Y (target, column).
    shape : (int, int)
        (target, source).
    count : int
        Number of modes wanted.
    generator : numpy.random.Generator
        Source of the test vectors.
    power : int
        Power iterations: the error falls as (σ_beyond/σ_a)^(2·power + 1).
    excess : int
        Test vectors above ``count``.

    Returns
    -------
    Decomposition
        Exact if ``count + excess`` reaches the rank, otherwise accurate where the spectrum
        falls.

    Raises
    ------
    DataError
        No modes are wanted, or more than the matrix can have.
    MemoryLimitError
        The test vectors would not fit.
    """
    most = min(shape)
    if not 1 <= count <= most:
        raise DataError(f"{count} modes were asked for of a matrix that has at most {most}")
    width = min(count + excess, most)
    require_memory(
        32.0 * width * sum(shape),
        f"{width:,} modes of a {shape[0]:,} × {shape[1]:,} matrix",
        "ask for fewer modes",
    )
    basis = _orthonormal(multiply(generator.standard_normal((shape[1], width))))
    for _ in range(power):
        basis = _orthonormal(multiply(_orthonormal(multiply_transposed(basis))))
    core = scipy.linalg.svd(multiply_transposed(basis), full_matrices=False)
    right, values, left = core[0], core[1], basis @ core[2].T
    return Decomposition(left[:, :count], values[:count], right[:, :count])


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(scipy.linalg.qr(columns, mode="economic", overwrite_a=True)[0])
