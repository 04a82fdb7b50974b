"""Distance of matrices up to an orthogonal change of coordinates, from below and from above.

d(A, B) = min over C in O(n) of |A - C B Cᵀ|_F (Procrustes analysis over vector fields, Ostrow et
al. 2023). The minimum is not convex: every C gives an upper bound, spectra give lower ones.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from scipy.linalg import schur

from mesomode.comparison.alignment_kernels import align_pairs

FRAMES = 12
"""Starting points from eigenvectors of symmetric polynomials in A and Aᵀ."""

FIELD_ANGLES = np.linspace(0, np.pi / 2, 17)
"""Directions at which numerical ranges are compared; the middle one is 45°."""


@dataclass(frozen=True)
class Alignment:
    """Orthogonal alignment of pairs of matrices.

    Parameters
    ----------
    distance : float64 array (pair,)
        |A - C B Cᵀ|_F: an upper bound of the minimum, and the least found.
    lower : float64 array (pair,)
        Proven lower bound of the minimum, less an allowance for rounding.
    rotation : float64 array (pair, n, n)
        C.
    agreement : float64 array (pair,)
        Part of the starts followed to the end that arrived at this distance; 0: only reflections
        of what the starts gave led to it.
    last_turn : float64 array (pair,)
        Largest angle in the last sweep, radians.
    """

    distance: np.ndarray
    lower: np.ndarray
    rotation: np.ndarray
    agreement: np.ndarray
    last_turn: np.ndarray


def align_matrices(
    matrices: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    seed: int = 0,
    *,
    starts: int = 24,
    coarse: int = 4,
    most: int = 600,
    threads: int | None = None,
) -> Alignment:
    """Align pairs of matrices.

    The search of a pair depends on its two matrices and the seed only, and not on their order:
    the smaller matrix in lexicographic order is held fixed.

    Parameters
    ----------
    matrices : float64 array (system, n, n)
    first, second : int arrays (pair,)
        Systems A and B of each pair.
    seed : int
        Of the random starting points.
    starts : int
        Starting points: eigenvector frames, the identity, and random ones of both determinants.
    coarse : int
        Sweeps over all pairs of coordinates, of every start, before the first selection.
    most : int
        Sweeps of those that are followed to the end.
    threads : int, optional
        Default: as many as numba uses. Results do not depend on it.
    """
    threads = numba.get_num_threads() if threads is None else threads
    n = matrices.shape[1]
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    order = _lexicographic_rank(matrices)
    swap = order[first] > order[second]
    a, b = np.where(swap, second, first), np.where(swap, first, second)

    # The trace is invariant and adds the same to every <A, C B Cᵀ>; so does the scale.
    trace = np.trace(matrices, axis1=1, axis2=2)
    centred = matrices - (trace / n)[:, None, None] * np.eye(n)
    norm = np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    centred = np.ascontiguousarray(centred / np.where(norm > 0, norm, 1))
    generator = np.random.default_rng([seed, n])
    frames = equivariant_frames(centred, min(FRAMES, max(starts - 1, 0)), generator)
    inner = np.swapaxes(frames, -1, -2) @ centred[:, None] @ frames
    random = random_orthogonal(n, max(starts - frames.shape[1], 1), generator)
    random[0] = np.eye(n)

    mirrors = mirrors_of(centred) if starts > 1 else np.zeros((len(matrices), 0, n, 2))

    ceiling = 1 - lower_bounds(centred, a, b) ** 2 / 2  # both have norm 1, or there is no search
    pairs = len(first)
    rotation = np.empty((pairs, n, n))
    agreement, turn = np.empty(pairs), np.empty(pairs)

    def work(part: slice) -> None:
        align_pairs(
            centred, frames, np.ascontiguousarray(inner), random, mirrors, a[part], b[part],
            ceiling[part], coarse, most, rotation[part], agreement[part], turn[part],
        )  # fmt: skip

    chunk = max(1, min(64, -(-pairs // threads)))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [slice(k, k + chunk) for k in range(0, pairs, chunk)]))
    difference = matrices[a] - rotation @ matrices[b] @ np.swapaxes(rotation, -1, -2)
    distance = np.linalg.norm(difference, axis=(1, 2))
    unmoved = np.linalg.norm(matrices[a] - matrices[b], axis=(1, 2))
    as_it_is = unmoved <= distance  # exactly 0 for equal matrices, without rounding of turns
    distance[as_it_is], rotation[as_it_is] = unmoved[as_it_is], np.eye(n)
    return Alignment(
        distance=distance,
        lower=np.minimum(lower_bounds(matrices, a, b), distance),
        rotation=np.where(swap[:, None, None], np.swapaxes(rotation, -1, -2), rotation),
        agreement=agreement,
        last_turn=turn,
    )


def _lexicographic_rank(matrices: np.ndarray) -> np.ndarray:
    """Place of each matrix in lexicographic order; equal ones share their place."""
    flat = matrices.reshape(len(matrices), -1)
    return np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1)


def random_orthogonal(n: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """Orthogonal matrices, uniform on O(n) but for determinants that alternate; (count, n, n)."""
    q, r = np.linalg.qr(generator.standard_normal((count, n, n)))
    q *= np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)[:, None, :]
    wrong = np.linalg.det(q) * np.where(np.arange(count) % 2, -1, 1) < 0
    q[wrong, :, 0] *= -1
    return np.ascontiguousarray(q)


def equivariant_frames(
    matrices: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Orthonormal frames that turn with the matrix: U(Q A Qᵀ) = Q U(A) up to signs.

    Eigenvectors of symmetric polynomials in A and Aᵀ, first alone and then mixed at random. If B
    is A in other coordinates, one of them is the answer.

    Returns
    -------
    float64 array (system, frame, n, n)
        Columns by rising eigenvalue.
    """
    transposed = np.swapaxes(matrices, -1, -2)
    s, k = matrices + transposed, matrices - transposed
    words = np.stack(
        [s, matrices @ transposed, transposed @ matrices, s @ k - k @ s, k @ k, s @ s], axis=1
    )
    norms = np.linalg.norm(words, axis=(2, 3), keepdims=True)
    words = words / np.where(norms > 1e-12, norms, 1)
    mixtures = generator.standard_normal((max(count - 4, 0), words.shape[1]))
    coefficients = np.concatenate([np.eye(words.shape[1])[:4], mixtures])[:count]
    symmetric = np.einsum("fw,swij->sfij", coefficients, words)
    return np.ascontiguousarray(np.linalg.eigh(symmetric)[1])


def mirrors_of(matrices: np.ndarray) -> np.ndarray:
    """Lines and planes in which alignments are reflected.

    Eigenvectors of the symmetric part, and the lines (real eigenvalues) and planes (complex pairs)
    of the real Schur form.

    Returns
    -------
    float64 array (system, mirror, n, 2)
        Orthonormal columns; 0 where there is none.
    """
    n = matrices.shape[1]
    result = np.zeros((len(matrices), 2 * n, n, 2))
    for system, matrix in enumerate(matrices):
        result[system, :n, :, 0] = np.linalg.eigh(matrix + matrix.T)[1].T
        triangular, frame = schur(matrix, output="real")
        pairs = np.flatnonzero(np.diagonal(triangular, -1))
        result[system, n:, :, 0] = frame.T
        result[system, n + pairs, :, 1] = frame[:, pairs + 1].T
        result[system, n + pairs + 1] = 0
    return result


def lower_bounds(matrices: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Lower bounds of the distances of pairs, from their spectra alone.

    With A = S + K, symmetric and antisymmetric, and ΔS, ΔK their differences after alignment,
    d² = |ΔS|² + |ΔK|² = x + y. The Hermitian matrices cos φ S + i sin φ K, whose largest
    eigenvalues outline the numerical range of A, differ by cos²φ x + sin²φ y, which is at least
    the squared difference h(φ) of their sorted eigenvalues (Hoffman and Wielandt). The least x + y
    under all these conditions is found at two of them; any two weights that add up to one in each
    of x and y prove a bound. Singular values give another (Mirsky).

    Parameters
    ----------
    matrices : float64 array (system, n, n)
    first, second : int arrays (pair,)

    Returns
    -------
    float64 array (pair,)
        Less an allowance for rounding of the eigenvalues.
    """
    n = matrices.shape[1]
    transposed = np.swapaxes(matrices, -1, -2)
    symmetric, antisymmetric = (matrices + transposed) / 2, (matrices - transposed) / 2
    fields = np.stack(
        [
            np.linalg.eigvalsh(np.cos(angle) * symmetric + 1j * np.sin(angle) * antisymmetric)
            for angle in FIELD_ANGLES
        ],
        axis=1,
    )
    singular = np.linalg.svd(matrices, compute_uv=False)
    size = np.linalg.norm(matrices, axis=(1, 2))
    c = np.cos(FIELD_ANGLES) ** 2
    middle = len(FIELD_ANGLES) // 2
    result = np.empty(len(first))
    for begin in range(0, len(first), 8192):
        part = slice(begin, begin + 8192)
        a, b = first[part], second[part]
        gaps = ((fields[a] - fields[b]) ** 2).sum(axis=2)
        best = np.maximum(((singular[a] - singular[b]) ** 2).sum(axis=1), 2 * gaps[:, middle])
        for low in range(middle + 1):
            for high in range(middle, len(c)):
                if low == high:
                    continue
                weight = (1 - 2 * c[high]) / (c[low] - c[high])
                np.maximum(best, weight * gaps[:, low] + (2 - weight) * gaps[:, high], out=best)
        rounding = 16 * n * np.finfo(float).eps * (size[a] + size[b])
        result[part] = np.maximum(np.sqrt(best) - rounding, 0)
    return result
