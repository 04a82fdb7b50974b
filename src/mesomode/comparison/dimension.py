"""Dimension of population activity: the participation ratio and its unbiased estimate.

The participation ratio of a covariance C with eigenvalues λ is

    PR = (Σ λ)² / Σ λ² = (tr C)² / tr C²,

the number of directions that carry the variance: r for a flat spectrum of rank r. From T
frames it comes out too low, since tr C² of a sample covariance is too large by about
(tr C)² τ₂ / T, with τ₂ the integral of the squared autocorrelation (Clark et al., PRX 15, 041019,
2025). Here both traces are estimated without bias from products of *different* blocks of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesomode.errors import DataError

MIN_BLOCKS = 4
"""Unbiased products of two covariances about an unknown mean need four independent blocks."""


@dataclass(frozen=True)
class Moments:
    """The sums over a covariance matrix C that participation ratios are made of.

    Parameters
    ----------
    units : int
        Number of units N.
    trace_squared : float
        (Σᵢ Cᵢᵢ)².
    square_trace : float
        tr C² = Σᵢⱼ Cᵢⱼ².
    diagonal_square : float
        Σᵢ Cᵢᵢ².
    """

    units: int
    trace_squared: float
    square_trace: float
    diagonal_square: float

    @property
    def participation_ratio(self) -> float:
        """(tr C)² / tr C²; NaN where the estimate of tr C² is not positive."""
        return _ratio(self.trace_squared, self.square_trace)

    def subsampled(self, units: int) -> float:
        """Participation ratio expected for a random subset of the units.

        Ratio of the means, over all subsets of size n, of (tr C)² and tr C²:
        Σᵢ Cᵢᵢ² enters with weight n/N, all other products with n(n−1)/(N(N−1)).

        Parameters
        ----------
        units : int
            Size n of the subset, 1 … N.

        Raises
        ------
        ValueError
            n is not between 1 and N.
        """
        if not 1 <= units <= self.units:
            raise ValueError(f"a subset of {units} out of {self.units} units")
        if units == self.units:
            return self.participation_ratio
        once = units / self.units
        twice = once * (units - 1) / (self.units - 1)
        alone = once * self.diagonal_square
        return _ratio(
            alone + twice * (self.trace_squared - self.diagonal_square),
            alone + twice * (self.square_trace - self.diagonal_square),
        )


def covariance_eigenvalues(traces: np.ndarray) -> np.ndarray:
    """Eigenvalues of the covariance over time, largest first.

    The smaller of the covariance and its dual, the Gram matrix over frames, is diagonalised.

    Parameters
    ----------
    traces : float array (time, unit)
        Finite.

    Returns
    -------
    float64 array (mode,)
        min(T, N) eigenvalues of Σₜ (x − x̄)(x − x̄)ᵀ / T, in squared units of the traces.
    """
    centred = _centred(traces)
    frames, units = centred.shape
    square = centred.T @ centred if units <= frames else centred @ centred.T
    return np.clip(np.linalg.eigvalsh(square / frames)[::-1], 0.0, None)


def participation_ratio(eigenvalues: np.ndarray) -> float:
    """Participation ratio (Σ λ)² / Σ λ² of a spectrum; NaN if all are zero."""
    values = np.asarray(eigenvalues, dtype=np.float64)
    largest = values.max(initial=0.0)
    if largest == 0:
        return float("nan")
    values = values / largest
    return _ratio(float(values.sum() ** 2), float(np.sum(values**2)))


def components_for(eigenvalues: np.ndarray, variance: float) -> int:
    """Number of principal components that hold a part of the variance.

    Parameters
    ----------
    eigenvalues : float array (mode,)
        Largest first.
    variance : float
        Part of their sum, above 0 and at most 1.

    Returns
    -------
    int
        0 if all eigenvalues are zero.
    """
    if not 0 < variance <= 1:
        raise ValueError(f"{variance} of the variance")
    held = np.cumsum(np.asarray(eigenvalues, dtype=np.float64))
    if not held.size or held[-1] <= 0:
        return 0
    return int(np.searchsorted(held, variance * held[-1] * (1 - 1e-12))) + 1


def plain_moments(traces: np.ndarray) -> Moments:
    """Moments of the sample covariance itself, biased by the finite number of frames.

    Parameters
    ----------
    traces : float array (time, unit)
        Finite.
    """
    centred = _centred(traces)
    frames, units = centred.shape
    square = centred.T @ centred if units <= frames else centred @ centred.T
    variance = np.mean(centred**2, axis=0)
    return Moments(
        units,
        float(variance.sum() ** 2),
        float(np.sum((square / frames) ** 2)),
        float(np.sum(variance**2)),
    )


def zscored(traces: np.ndarray) -> np.ndarray:
    """Every unit shifted to mean zero and scaled to variance one over the whole time.

    Raises
    ------
    DataError
        Some unit never changes.
    """
    centred = _centred(traces)
    deviation = centred.std(axis=0)
    constant = np.flatnonzero(deviation == 0)
    if constant.size:
        raise DataError(
            f"{constant.size} of {centred.shape[1]} units never change",
            where=f"units {constant[:5].tolist()}{' …' if constant.size > 5 else ''}",
            why="they cannot be scaled to variance one",
            remedy="drop them first",
        )
    return centred / deviation


class BlockMoments:
    """Unbiased moments of the covariance, from products of different blocks of time.

    With x₁ … x₄ taken from four different blocks,

        tr C²   = E[(x₁·x₂)²] − 2 E[(x₁·x₂)(x₂·x₃)] + E[(x₁·x₂)(x₃·x₄)],
        (tr C)² = E[(x₁·x₁)(x₂·x₂)] − 2 E[(x₁·x₁)(x₂·x₃)] + E[(x₁·x₂)(x₃·x₄)],

    and likewise for every unit by itself; all combinations of blocks are averaged (a
    U-statistic). The mean is nowhere estimated. The result is unbiased when blocks are
    independent: they must be longer than the correlation time, best with a gap between them.

    Parameters
    ----------
    blocks : sequence of float arrays (time, unit)
        At least four, of any lengths. Memory: 8 N² bytes, and a copy of the blocks.

    Raises
    ------
    DataError
        Fewer than four blocks, or values that are not finite.
    """

    def __init__(self, blocks: list[np.ndarray]) -> None:
        if len(blocks) < MIN_BLOCKS:
            raise DataError(
                f"{len(blocks)} blocks of time are too few to estimate the dimension",
                why=f"products of two covariances about an unknown mean need {MIN_BLOCKS}",
                remedy="use shorter blocks or a longer recording",
            )
        for block in blocks:
            _check(block)
        centre = np.mean([np.mean(block, axis=0, dtype=np.float64) for block in blocks], axis=0)
        centred = [np.asarray(block, dtype=np.float64) - centre for block in blocks]
        self.units = centred[0].shape[1]
        self.means = np.array([block.mean(axis=0) for block in centred])
        self.squares = np.array([np.mean(block**2, axis=0) for block in centred])
        count, total_mean = len(blocks), self.means.sum(axis=0)
        total = np.zeros((self.units, self.units))
        for block in centred:
            total += block.T @ block / len(block)
        # with M_b the second moments of block b, m_a the mean of block a and totals M, m:
        self.overlap, self.norm = np.empty(count), np.empty(count)  # tr M M_b, tr M_b M_b
        self.same = np.empty((count, count))  # m_a M_b m_a at [b, a]
        self.summed = np.empty((count, count))  # m_a M_b m at [b, a]
        self.own = np.empty((count, count))  # m_b M_b m_a at [b, a]
        for b, block in enumerate(centred):
            moment = block.T @ block / len(block)
            self.overlap[b], self.norm[b] = np.sum(total * moment), np.sum(moment**2)
            half = self.means @ moment
            self.same[b] = np.sum(half * self.means, axis=1)
            self.summed[b] = half @ total_mean
            self.own[b] = self.means @ half[b]

    def moments(self, left_out: int | None = None) -> Moments:
        """Unbiased moments of all blocks, or of all but one.

        Parameters
        ----------
        left_out : int, optional
            Index of the block to leave out.
        """
        kept = np.delete(np.arange(len(self.means)), [] if left_out is None else [left_out])
        means, squares = self.means[kept], self.squares[kept]
        count = len(kept)
        gram = means @ means.T
        four = _four(gram)
        traces = squares.sum(axis=1)
        trace_squared = (traces.sum() ** 2 - np.sum(traces**2)) / (count * (count - 1))
        trace_squared += four - 2 * _three_of_product(traces, gram)
        square_trace = self._two(left_out, kept) + four - 2 * self._three(left_out, kept)
        return Moments(
            self.units, float(trace_squared), float(square_trace), _diagonal(means, squares)
        )

    def _two(self, left_out: int | None, kept: np.ndarray) -> float:
        """Mean of tr M_a M_b over a ≠ b."""
        total = self.overlap.sum()
        if left_out is not None:
            total -= 2 * self.overlap[left_out] - self.norm[left_out]
        return float(total - self.norm[kept].sum()) / (len(kept) * (len(kept) - 1))

    def _three(self, left_out: int | None, kept: np.ndarray) -> float:
        """Mean of m_a M_b m_c over distinct a, b, c."""
        pairs = np.ix_(kept, kept)
        total = self.summed[kept].sum()
        own = np.diag(self.summed)[kept].sum()
        if left_out is not None:
            total += np.sum(self.same[kept, left_out] - 2 * self.summed[kept, left_out])
            own -= self.own[kept, left_out].sum()
        total -= self.same[pairs].sum() + 2 * (own - np.diag(self.same)[kept].sum())
        count = len(kept)
        return float(total) / (count * (count - 1) * (count - 2))

    def standard_error(self) -> float:
        """Jackknife standard error of the participation ratio; NaN with four blocks."""
        count = len(self.means)
        if count <= MIN_BLOCKS:
            return float("nan")
        left = np.array([self.moments(block).participation_ratio for block in range(count)])
        return float(np.sqrt((count - 1) * np.mean((left - left.mean()) ** 2)))


def time_blocks(pieces: list[tuple[int, int]], length: int, gap: int) -> list[tuple[int, int]]:
    """Cut pieces of continuous time into blocks of equal length with gaps between them.

    Parameters
    ----------
    pieces : list of (start, end)
        Frames [start, end) that were recorded without interruption.
    length, gap : int
        Frames of a block, and frames left out between blocks of the same piece.

    Returns
    -------
    list of (start, end)
        As many whole blocks as fit.
    """
    if length < 1 or gap < 0:
        raise ValueError(f"blocks of {length} frames with gaps of {gap}")
    return [
        (first, first + length)
        for start, end in pieces
        for first in range(start, end - length + 1, length + gap)
    ]


def subsampled_participation_ratio(units: int, population: int, ratio: float) -> float:
    """Participation ratio of n of N statistically alike units (random-mode theory, §1.4e).

    Parameters
    ----------
    units : int
        Number n of units recorded.
    population : int
        Number N of units of the network.
    ratio : float
        Participation ratio of the whole network, a number of dimensions (not per unit).

    Returns
    -------
    float
        n / [1 + ((n − 1)/(N − 1))(N/ratio − 1)], with N − 1 where the theory for large N has N,
        so that n = N gives ``ratio``. It differs from `Moments.subsampled` as far as the
        variances of the units are unequal.
    """
    if units == 1:
        return 1.0
    return units / (1 + (units - 1) / (population - 1) * (population / ratio - 1))


def _three_of_product(weight: np.ndarray, gram: np.ndarray) -> float:
    """Mean of w[b] G[a, c] over distinct a, b, c, with G symmetric."""
    count = len(gram)
    off = gram - np.diag(np.diag(gram))
    total = np.sum(weight * (off.sum() - 2 * off.sum(axis=1)))
    return float(total / (count * (count - 1) * (count - 2)))


def _four(gram: np.ndarray) -> float:
    """Mean of G[a, b] G[c, d] over distinct a, b, c, d, with G symmetric."""
    count = len(gram)
    off = gram - np.diag(np.diag(gram))
    total = off.sum() ** 2 - 4 * np.sum(off.sum(axis=1) ** 2) + 2 * np.sum(off**2)
    return float(total / (count * (count - 1) * (count - 2) * (count - 3)))


def _diagonal(means: np.ndarray, squares: np.ndarray) -> float:
    """Unbiased Σᵢ Cᵢᵢ²: the same three averages for every unit by itself, by power sums."""
    count = len(means)
    pairs = squares.sum(axis=0) ** 2 - np.sum(squares**2, axis=0)
    sums = [np.sum(means**power, axis=0) for power in range(1, 5)]
    one, two, three, four = sums
    weighted = [np.sum(squares * means**power, axis=0) for power in (1, 2)]
    triples = squares.sum(axis=0) * (one**2 - two) - 2 * (weighted[0] * one - weighted[1])
    quadruples = one**4 - 6 * one**2 * two + 3 * two**2 + 8 * one * three - 6 * four
    total = pairs / (count * (count - 1))
    total = total - 2 * triples / (count * (count - 1) * (count - 2))
    total = total + quadruples / (count * (count - 1) * (count - 2) * (count - 3))
    return float(total.sum())


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("nan")


def _centred(traces: np.ndarray) -> np.ndarray:
    _check(traces)
    values = np.asarray(traces, dtype=np.float64)
    return values - values.mean(axis=0)


def _check(traces: np.ndarray) -> None:
    if np.ndim(traces) != 2 or 0 in np.shape(traces):
        raise DataError(
            "the traces are not a filled table (time, unit)",
            why=f"their shape is {np.shape(traces)}",
            remedy="check the recording for missing frames or units",
        )
    bad = np.flatnonzero(~np.isfinite(traces).all(axis=1))
    if bad.size:
        raise DataError(
            f"{bad.size} of {len(traces)} frames hold values that are not finite",
            where=f"first at frame {bad[0]}",
            why="a covariance needs every unit in every frame",
            remedy="leave out the frames or the units with gaps",
        )
