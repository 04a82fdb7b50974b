"""Driven dynamics: identification and distance."""

from __future__ import annotations

import numpy as np
import pytest

from mesomode.comparison.input_dynamics import (
    InputDynamics,
    fit_input_dynamics,
    identify_input_dynamics,
    input_dynamical_distance,
)
from mesomode.comparison.orthogonal_similarity import random_orthogonal
from mesomode.errors import DataError


def driven(seed: int, n: int = 4, inputs: int = 2) -> InputDynamics:
    generator = np.random.default_rng(seed)
    a = generator.standard_normal((n, n))
    a *= 0.9 / np.abs(np.linalg.eigvals(a)).max()
    return InputDynamics(a, generator.standard_normal((n, inputs)))


def simulate(
    system: InputDynamics, trials: int = 6, frames: int = 80
) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(9)
    inputs = generator.standard_normal((trials, frames, system.input_matrix.shape[1]))
    states = np.zeros((trials, frames, len(system.state_matrix)))
    for t in range(frames - 1):
        states[:, t + 1] = states[:, t] @ system.state_matrix.T
        states[:, t + 1] += inputs[:, t] @ system.input_matrix.T
    return states, inputs


@pytest.mark.parametrize("metric", ["euclidean", "angular"])
def test_zero_in_other_coordinates(metric):
    one = driven(0)
    for q in random_orthogonal(4, 4, np.random.default_rng(1)):
        two = InputDynamics(q @ one.state_matrix @ q.T, q @ one.input_matrix)
        assert input_dynamical_distance(one, two, metric) < 1e-12
    assert input_dynamical_distance(one, driven(1), metric) > 0.1


def test_the_residual_is_the_least():
    """Transposing the rotation, or stacking powers of Aᵀ, would not give it."""
    one, two = driven(0, 3), driven(1, 3)
    found = input_dynamical_distance(one, two, horizon=5)
    first, second = one.controllability(5), two.controllability(5)
    assert first.shape == (3, 10)
    np.testing.assert_allclose(
        first[:, 4:6], one.state_matrix @ one.state_matrix @ one.input_matrix
    )
    samples = random_orthogonal(3, 20000, np.random.default_rng(0))
    residuals = np.linalg.norm(samples @ first - second, axis=(1, 2))
    assert found <= residuals.min() < 1.02 * found
    assert found == pytest.approx(input_dynamical_distance(two, one, horizon=5), rel=1e-12)
    left = np.linalg.norm(first) ** 2 + np.linalg.norm(second) ** 2
    nuclear = np.linalg.svd(second @ first.T, compute_uv=False).sum()
    assert found == pytest.approx(np.sqrt(left - 2 * nuclear), rel=1e-9)


def test_observed_states_are_identified():
    system = driven(2)
    states, inputs = simulate(system)
    found = fit_input_dynamics(states, inputs)
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(found.state_matrix)),
        np.sort_complex(np.linalg.eigvals(system.state_matrix)), atol=1e-9,
    )  # fmt: skip
    turned = fit_input_dynamics(
        states @ random_orthogonal(4, 2, np.random.default_rng(0))[1], inputs
    )
    assert input_dynamical_distance(found, turned) < 1e-9


def test_partly_observed_states_are_identified():
    """Two of four states: what one input does to the other after any time is right."""
    system = driven(3)
    states, inputs = simulate(system, trials=20)
    found = identify_input_dynamics(states[..., :2], inputs, order=4, horizon=6)
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(found.state_matrix)),
        np.sort_complex(np.linalg.eigvals(system.state_matrix)), atol=1e-6,
    )  # fmt: skip
    # Another view of the same states: the same system up to the whitening of what is seen.
    change = states @ np.random.default_rng(0).standard_normal((4, 2))
    other = identify_input_dynamics(change, inputs, order=4, horizon=6)
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(other.state_matrix)),
        np.sort_complex(np.linalg.eigvals(system.state_matrix)), atol=1e-6,
    )  # fmt: skip
    with pytest.raises(DataError, match="fewer than 6 states"):
        identify_input_dynamics(states[..., :2], inputs, order=6, horizon=6)


def test_gaps_are_left_out():
    system = driven(4)
    states, inputs = simulate(system)
    states[2, 40, 1] = np.nan
    inputs[3, 10] = np.nan
    found = fit_input_dynamics(states, inputs)
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(found.state_matrix)),
        np.sort_complex(np.linalg.eigvals(system.state_matrix)), atol=1e-9,
    )  # fmt: skip


def test_refusals():
    states, inputs = simulate(driven(5))
    with pytest.raises(DataError, match=r"same numbers[\s\S]*\(80, 4\) and \(79, 2\)"):
        fit_input_dynamics(states, inputs[:, 1:])
    with pytest.raises(DataError, match="81 consecutive frames are needed"):
        fit_input_dynamics(states, inputs, delays=80)
    with pytest.raises(DataError, match="rank 5 is not between 1 and the 4"):
        fit_input_dynamics(states, inputs, rank=5)
    with pytest.raises(DataError, match="121 consecutive frames are needed"):
        identify_input_dynamics(states, inputs, 4, 60)
    with pytest.raises(DataError, match="order 9 is not between 1 and"):
        identify_input_dynamics(states, inputs, 9, 2)
    with pytest.raises(DataError, match="different sizes"):
        input_dynamical_distance(driven(0, 3), driven(0, 4))
    with pytest.raises(DataError, match="unknown metric"):
        input_dynamical_distance(driven(0), driven(1), "wasserstein")
