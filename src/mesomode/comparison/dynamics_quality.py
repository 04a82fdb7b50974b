"""Whether fitted dynamics can be trusted: prediction of held-out trials, residuals, halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mesomode.comparison.dynamic_mode_decomposition import (
    above_rounding,
    fit_dynamics,
    halves,
    whitened_dynamics,
    whitening,
)
from mesomode.comparison.dynamical_similarity import dynamical_distance
from mesomode.comparison.embedding import WindowProducts, segments, window_count, window_products
from mesomode.errors import DataError


@dataclass(frozen=True)
class Selection:
    """Prediction of held-out frames by dynamics of several delays and ranks.

    Parameters
    ----------
    delays, ranks : int arrays (delay,), (rank,)
        What was tried.
    error : float64 array (fold, delay, rank)
        Mean squared error of the next frame over its variance about the training mean: 1 - R².
        NaN: more modes than there are.
    persistence : float64 array (fold,)
        The same of the prediction that nothing changes; error over persistence below 1: the model
        is of use (squared MASE).
    akaike : float64 array (delay, rank)
        Akaike's criterion of the fit to all data, rank² parameters.
    best : (int, int)
        Delays and rank of the smallest mean error.
    chosen : (int, int)
        The lowest rank, and of those the fewest delays, within one standard error of the best.
    """

    delays: np.ndarray
    ranks: np.ndarray
    error: np.ndarray
    persistence: np.ndarray
    akaike: np.ndarray
    best: tuple[int, int]
    chosen: tuple[int, int]


def select_delays_and_rank(
    trials: np.ndarray | Sequence[np.ndarray],
    delays: Sequence[int],
    ranks: Sequence[int],
    *,
    interval: int = 1,
    folds: int = 5,
) -> Selection:
    """Choose delays and rank by the prediction of held-out trials.

    All choices predict the same frames. Sums of products of folds are subtracted from their
    total, so that the windows are visited once for each number of delays.

    Parameters
    ----------
    trials
        See `fit_dynamics`. Fewer trials than folds are cut into stretches of time.
    delays, ranks : sequences of int
        To try.
    interval : int
        Frames between delays.
    folds : int
        At least 2.

    Raises
    ------
    DataError
        Too few samples, or no rank is possible.
    """
    parts = segments(trials)
    history = (max(delays) - 1) * interval
    if window_count(parts, history) == 0:
        window_products(parts, max(delays), interval)  # says how many are needed
    groups = _folds(parts, folds, history + 2)
    shape = (len(groups), len(delays), len(ranks))
    error, persistence = np.full(shape, np.nan), np.full(len(groups), np.nan)
    akaike = np.full(shape[1:], np.nan)
    for place, q in enumerate(delays):
        products = [window_products(group, q, interval, history) for group in groups]
        total = products[0]
        for other in products[1:]:
            total = total + other
        channels = len(total.target)
        for fold, held_out in enumerate(products):
            training = total - held_out
            centre = training.total / training.pairs
            spread = (
                np.trace(held_out.target)
                - 2 * centre @ held_out.total
                + held_out.pairs * centre @ centre
            )
            error[fold, place] = _errors(training, held_out, ranks) / spread
            newest = slice(channels)
            change = (
                held_out.target - 2 * held_out.cross[newest, newest]
                + held_out.minus[newest, newest]
            )  # fmt: skip
            persistence[fold] = np.trace(change) / spread
        count = total.pairs * channels
        residual = np.maximum(_errors(total, total, ranks) / count, np.finfo(float).tiny)
        akaike[place] = count * np.log(residual) + 2 * np.square(ranks)
    mean = error.mean(axis=0)
    if np.isnan(mean).all():
        raise DataError(
            "no rank that was asked for is possible",
            why="the windows have fewer modes above rounding",
            remedy="try lower ranks or more delays",
        )
    least, lowest = divmod(int(np.nanargmin(mean)), len(ranks))
    standard_error = error[:, least, lowest].std(ddof=1) / np.sqrt(len(groups))
    good = np.argwhere(mean <= mean[least, lowest] + standard_error)
    chosen = min(good.tolist(), key=lambda at: (ranks[at[1]], delays[at[0]]))
    return Selection(
        np.array(delays),
        np.array(ranks),
        error,
        persistence,
        akaike,
        (delays[least], ranks[lowest]),
        (delays[chosen[0]], ranks[chosen[1]]),
    )


def _folds(parts: list[np.ndarray], folds: int, shortest: int) -> list[list[np.ndarray]]:
    """Trials in turn, or stretches of time if there are fewer trials than folds."""
    if folds < 2:
        raise DataError(f"at least 2 folds are needed, not {folds}")
    single = [part[k : k + 1] for part in parts for k in range(len(part))]
    single = [s for s in single if s.shape[1] >= shortest]
    if len(single) < folds:
        pieces = -(-folds // len(single))
        single = [
            s[:, begin:end]
            for s in single
            for begin, end in _edges(s.shape[1], pieces)
            if end - begin >= shortest
        ]
    if len(single) < folds:
        raise DataError(
            f"too few samples for {folds} folds: {folds * shortest} frames are needed",
            why=f"each fold must have {shortest} consecutive frames; there is room for "
            f"{len(single)}",
            remedy="use fewer delays or fewer folds",
        )
    return [single[fold::folds] for fold in range(folds)]


def _edges(frames: int, pieces: int) -> list[tuple[int, int]]:
    edges = np.linspace(0, frames, pieces + 1).astype(int).tolist()
    return list(pairwise(edges))


def _errors(training: WindowProducts, held_out: WindowProducts, ranks: Sequence[int]) -> np.ndarray:
    """Summed squared errors of the next frame, (rank,); NaN: more modes than there are."""
    values, directions = whitening(training)
    known = above_rounding(values)
    channels = len(held_out.target)
    result = np.full(len(ranks), np.nan)
    for place, rank in enumerate(ranks):
        if not 1 <= rank <= known:
            continue
        s, u = values[:rank], directions[:, :rank]
        forward = (u[:channels] * s) @ whitened_dynamics(training, s, u) @ (u / s).T
        result[place] = (
            np.trace(held_out.target)
            - 2 * np.sum(forward.T * held_out.cross[:, :channels])
            + np.sum((forward @ held_out.minus) * forward)
        )
    return result


def mode_residuals(
    trials: np.ndarray | Sequence[np.ndarray], delays: int, rank: int, *, interval: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """How well each eigenvalue's function of the window really obeys φ_{t+1} = λ φ_t.

    Returns
    -------
    eigenvalues : complex128 array (mode,)
        Of A, by falling modulus.
    residuals : float64 array (mode,)
        Root mean square of φ_{t+1} - λ φ_t over that of φ_t, φ = wᴴ v of a left eigenvector w
        (residual dynamic mode decomposition, Colbrook and Townsend 2024, eq. 3.5). Large:
        the eigenvalue is spurious.
    """
    products = window_products(segments(trials), delays, interval)
    values, directions = whitening(products)
    if not 1 <= rank <= above_rounding(values):
        raise DataError(
            f"rank {rank} is not between 1 and the {above_rounding(values)} modes above rounding"
        )
    scaled = directions[:, :rank] / values[:rank]
    minus, cross, plus = (
        scaled.T @ getattr(products, name) @ scaled for name in ("minus", "cross", "plus")
    )
    eigenvalues, left = np.linalg.eig(np.linalg.solve(minus, cross))  # Aᵀ
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    eigenvalues, left = eigenvalues[order], left[:, order]

    def form(matrix: np.ndarray) -> np.ndarray:
        """wᵀ M w* of each eigenvector."""
        return np.einsum("ij,ik,kj->j", left, matrix, left.conj())

    now, later = form(minus).real, form(plus).real
    both = form(cross.T)
    square = later - 2 * (eigenvalues.conj() * both).real + np.abs(eigenvalues) ** 2 * now
    return eigenvalues, np.sqrt(np.maximum(square / now, 0))


def split_half_distance(
    trials: np.ndarray | Sequence[np.ndarray],
    delays: int,
    rank: int,
    metric: str = "euclidean",
    seed: int = 0,
    *,
    interval: int = 1,
) -> float:
    """Distance between the dynamics of two halves of the data: what noise alone amounts to.

    Raises
    ------
    DataError
        Too few samples for two halves.
    """
    parts = segments(trials)
    shortest = (delays - 1) * interval + 2
    both = halves(parts, shortest)
    if not both[0] or not both[1]:
        raise DataError(
            f"too few samples for two halves: {4 * shortest} frames are needed",
            why=f"a window pair of {delays} delays takes {shortest} frames",
            remedy="use fewer delays",
        )
    one, two = (
        fit_dynamics([t for p in half for t in p], delays, rank, interval=interval, check=False)
        for half in both
    )
    return dynamical_distance(one, two, metric, seed)
