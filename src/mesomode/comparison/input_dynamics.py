"""Similarity of dynamics that are driven by known inputs: x_{t+1} = A x_t + B u_t.

Input DSA (arXiv 2510.25943): systems are compared by their controllability matrices
K = [B, A B, A² B, …], d = min over C in O(n) of |C K₁ - K₂|_F, a Procrustes problem with the
closed solution C = U Vᵀ, K₂ K₁ᵀ = U Σ Vᵀ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mesomode.comparison.dynamic_mode_decomposition import NULL
from mesomode.comparison.embedding import delay_windows, segments
from mesomode.errors import DataError


@dataclass(frozen=True)
class InputDynamics:
    """Linear dynamics with inputs.

    Parameters
    ----------
    state_matrix : float64 array (mode, mode)
        A.
    input_matrix : float64 array (mode, input)
        B.
    """

    state_matrix: np.ndarray
    input_matrix: np.ndarray

    def controllability(self, horizon: int) -> np.ndarray:
        """K = [B, A B, …, A^(horizon - 1) B], (mode, horizon · input)."""
        blocks = [self.input_matrix]
        for _ in range(horizon - 1):
            blocks.append(self.state_matrix @ blocks[-1])
        return np.concatenate(blocks, axis=1)


def fit_input_dynamics(
    trials: np.ndarray | Sequence[np.ndarray],
    inputs: np.ndarray | Sequence[np.ndarray],
    delays: int = 1,
    rank: int | None = None,
) -> InputDynamics:
    """Dynamics and inputs in whitened delay coordinates, by least squares.

    For fully observed states, or delays that make up for what is not observed. The windows reach
    back over inputs that they do not hold: where that matters, use `identify_input_dynamics`.

    Parameters
    ----------
    trials : float array (trial, time, channel), or a sequence of arrays (time, channel)
        NaN: gap.
    inputs : float array (trial, time, input), or a sequence of arrays (time, input)
        u_t acts on the frame after it.
    delays, rank
        As for `fit_dynamics`.

    Raises
    ------
    DataError
        Trials and inputs do not go together, too few samples, more modes than the data have.
    """
    parts, channels = _joined(trials, inputs)
    pairs = [(delay_windows(p[..., :channels], delays), p[:, delays - 1 :, channels:])
             for p in parts if p.shape[1] > delays]  # fmt: skip
    if not pairs:
        raise _too_short(parts, delays + 1)
    windows = np.concatenate([w.reshape(-1, w.shape[2]) for w, _ in pairs])
    squares, directions = np.linalg.eigh(windows.T @ windows)
    values = np.sqrt(np.maximum(squares[::-1], 0))
    known = int(np.count_nonzero(values > NULL * values[0]))
    rank = known if rank is None else rank
    if not 1 <= rank <= known:
        raise DataError(f"rank {rank} is not between 1 and the {known} modes above rounding")
    scaled = directions[:, ::-1][:, :rank] / values[:rank]
    states = [(w @ scaled, u) for w, u in pairs]
    return _regression(states)


def identify_input_dynamics(
    trials: np.ndarray | Sequence[np.ndarray],
    inputs: np.ndarray | Sequence[np.ndarray],
    order: int,
    horizon: int,
) -> InputDynamics:
    """Dynamics and inputs of partly observed states, by subspace identification.

    The part of the future observations that is predicted by the past of observations and inputs,
    given future inputs, is Γ x̂_t; its leading ``order`` directions give whitened states, whose
    dynamics follow by least squares (N4SID; Van Overschee and De Moor 1996, ch. 4).

    Parameters
    ----------
    trials, inputs
        See `fit_input_dynamics`.
    order : int
        Number of states n.
    horizon : int
        Frames of the past, and of the future; horizon · channels at least the order.

    Raises
    ------
    DataError
        As `fit_input_dynamics`; also where the inputs do not excite all states.
    """
    parts, channels = _joined(trials, inputs)
    length = 2 * horizon + 1
    parts = [p for p in parts if p.shape[1] >= length]
    if not parts:
        raise _too_short(_joined(trials, inputs)[0], length)
    if not 1 <= order <= horizon * channels:
        raise DataError(
            f"order {order} is not between 1 and horizon × channels = {horizon * channels}"
        )
    past, future, future_inputs = [], [], []
    for p in parts:
        both = delay_windows(p, horizon)  # newest first; window w ends at frame w + horizon - 1
        ahead = both[:, horizon:].reshape(len(p), -1, horizon, p.shape[2])
        past.append(both[:, : ahead.shape[1]])
        future.append(ahead[..., :channels].reshape(len(p), ahead.shape[1], -1))
        future_inputs.append(ahead[..., channels:].reshape(len(p), ahead.shape[1], -1))

    def stacked(blocks: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([b.reshape(-1, b.shape[2]) for b in blocks])

    before, targets = stacked(past), stacked(future)
    regressors = np.concatenate([before, stacked(future_inputs)], axis=1)
    if len(regressors) < regressors.shape[1]:
        raise DataError(
            f"too few samples: {regressors.shape[1]} windows of {2 * horizon} frames are needed",
            why=f"there are {len(regressors)}",
            remedy="use a shorter horizon or more trials",
        )
    slopes = np.linalg.lstsq(regressors, targets, rcond=1e-10)[0][: before.shape[1]]
    directions, values, _ = np.linalg.svd(slopes.T @ (before.T @ before) @ slopes)
    if values[order - 1] <= NULL**2 * values[0]:
        raise DataError(
            f"the data show fewer than {order} states",
            why="the inputs do not excite, or the channels do not see, all of them",
            remedy="use a lower order",
        )
    scaled = slopes @ (directions[:, :order] / np.sqrt(values[:order]))
    # The state before frame t is told by the frames up to t - 1; u_t then leads to the next.
    states = [(w @ scaled, p[:, horizon : horizon + w.shape[1], channels:])
              for w, p in zip(past, parts, strict=True)]  # fmt: skip
    return _regression(states)


def _joined(
    trials: np.ndarray | Sequence[np.ndarray], inputs: np.ndarray | Sequence[np.ndarray]
) -> tuple[list[np.ndarray], int]:
    """Segments of trials and inputs side by side, and the number of channels of the trials."""
    observed, driven = [np.asarray(t) for t in trials], [np.asarray(u) for u in inputs]
    shapes = [a.shape for a in observed], [a.shape for a in driven]
    if [s[:1] for s in shapes[0]] != [s[:1] for s in shapes[1]] or not observed:
        raise DataError(
            "trials and inputs must have the same numbers of trials and frames",
            why=f"{len(observed)} trials and {len(driven)} inputs, the first of "
            f"{shapes[0][0] if observed else ()} and {shapes[1][0] if driven else ()} frames and "
            "channels",
        )
    if any(a.ndim != 2 for a in observed + driven):
        raise DataError("trials and inputs must have the dimensions trial, time, channel")
    both = [np.concatenate([x, u], axis=1) for x, u in zip(observed, driven, strict=True)]
    return segments(both), observed[0].shape[1]


def _too_short(parts: list[np.ndarray], needed: int) -> DataError:
    return DataError(
        f"too few samples: {needed} consecutive frames are needed",
        why=f"the longest uninterrupted trial has {max(p.shape[1] for p in parts)}",
    )


def _regression(states: list[tuple[np.ndarray, np.ndarray]]) -> InputDynamics:
    """A and B from states and the inputs of the same frames, (segment, time, …) each."""
    now = np.concatenate(
        [np.concatenate([v, u], axis=2)[:, :-1].reshape(-1, v.shape[2] + u.shape[2])
         for v, u in states]
    )  # fmt: skip
    following = np.concatenate([v[:, 1:].reshape(-1, v.shape[2]) for v, _ in states])
    slopes = np.linalg.lstsq(now, following, rcond=None)[0].T
    modes = following.shape[1]
    return InputDynamics(slopes[:, :modes], slopes[:, modes:])


def input_dynamical_distance(
    one: InputDynamics, two: InputDynamics, metric: str = "euclidean", horizon: int | None = None
) -> float:
    """Distance between driven dynamics, whatever their orthogonal coordinates.

    Parameters
    ----------
    one, two : InputDynamics
        Of the same numbers of modes and inputs.
    metric : {"euclidean", "angular"}
        |C K₁ - K₂|_F, or the angle between C K₁ and K₂ in [0, π].
    horizon : int, optional
        Powers of A in K; default: the number of modes, after which nothing new can come.

    Returns
    -------
    float
        Exact. 0 if, and with this horizon and controllable systems only if, (A₂, B₂) is
        (C A₁ Cᵀ, C B₁).
    """
    if metric not in ("euclidean", "angular"):
        raise DataError(f"unknown metric {metric!r}", remedy="use euclidean or angular")
    shapes = one.input_matrix.shape, two.input_matrix.shape
    if shapes[0] != shapes[1]:
        raise DataError(
            "driven dynamics of different sizes cannot be compared",
            why=f"(modes, inputs) are {shapes[0]} and {shapes[1]}",
        )
    horizon = shapes[0][0] if horizon is None else horizon
    first, second = one.controllability(horizon), two.controllability(horizon)
    if metric == "angular":
        norms = np.linalg.norm(first), np.linalg.norm(second)
        if 0 in norms:
            raise DataError("the angle to dynamics without input is not defined")
        first, second = first / norms[0], second / norms[1]
    left, _, right = np.linalg.svd(second @ first.T)
    residual = float(np.linalg.norm(left @ right @ first - second))
    return residual if metric == "euclidean" else float(2 * np.arcsin(min(residual / 2, 1.0)))
