"""Systems with the same shape and different dynamics, and the other way round.

What dynamical similarity must tell apart, and what it must not: Ostrow et al., "Beyond geometry:
comparing the temporal structure of computation in neural circuits with dynamical similarity
analysis" (2023), Figs. 3 and 4.
"""

from __future__ import annotations

import numpy as np

ATTRACTORS = ("bistable", "line", "point")
PULSE = 100
"""Steps in which a bump is made."""


def attractor_trials(
    models: int,
    trials: int,
    generator: np.random.Generator,
    *,
    duration: float = 100.0,
    time_step: float = 0.01,
    every: int = 10,
    noise: float = 0.05,
    coherence: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate bistable, line- and point-attractor systems with the same condition averages.

    The bistable system is x' = a x³ + b x + h, y' = c y + h with h = ± ``coherence``; the two
    linear ones are given the input that makes their average over trials follow the bistable
    system's, so that their geometry says nothing about their dynamics (Galgali et al. 2023;
    parameters: Ostrow et al. 2023, Fig. 3).

    Parameters
    ----------
    models : int
        Systems of each class; parameters are drawn for each.
    trials : int
        Trials of each of the two conditions.
    generator : numpy Generator
    duration : float
        In units of time.
    time_step : float
        Of the Euler scheme.
    every : int
        Steps between two samples.
    noise : float
        Standard deviation of the random part of the velocity, in each step.
    coherence : float
        Size of the drive h.

    Returns
    -------
    responses : float64 array (3, model, 2 · trial, time, 2)
        In the order of `ATTRACTORS`; the first half of the trials is of condition +.
    velocity : float64 array (3, model, 2, 2)
        Jacobian at the origin of each system.
    """
    shape = (models, 1, 1)
    cubic, linear, decay = (
        generator.uniform(*span, shape) for span in ((-5, -3), (4, 7), (-4, -2))
    )
    line, first, second = (
        generator.uniform(*span, models) for span in ((-3, -1), (-5, -2), (-10, -8))
    )
    velocity = np.zeros((3, models, 2, 2))
    velocity[0, :, 0, 0], velocity[0, :, 1, 1] = linear[:, 0, 0], decay[:, 0, 0]
    slant = np.array([[1, 0], [0.5**0.5, 0.5**0.5]])
    turn = np.array([[1, -1], [1, 1]]) * 0.5**0.5
    modes = np.zeros((models, 2, 2))
    modes[:, 1, 1] = line
    velocity[1] = turn @ slant @ modes @ np.linalg.inv(slant)
    velocity[2, :, 0, 0], velocity[2, :, 1, 1] = first, second

    steps = round(duration / time_step)
    drive = coherence * np.array([1.0, -1.0])[:, None]
    state = np.zeros((3, models, 2, trials, 2))
    result = np.empty((3, models, 2, trials, -(-steps // every), 2))
    transposed = np.swapaxes(velocity[1:], -1, -2)[:, :, None]
    for step in range(steps):
        if step % every == 0:
            result[..., step // every, :] = state
        noisy = generator.normal(0, noise, state.shape)
        bistable, followers = state[0], state[1:]
        x, y = bistable[..., 0], bistable[..., 1]
        flow = np.stack([cubic * x**3 + linear * x + drive, decay * y + drive], -1)
        bistable = bistable + time_step * (flow + noisy[0])
        # Feedback linearisation: the followers' average jumps to the bistable system's average.
        deviation = followers - followers.mean(axis=3, keepdims=True)
        pulled = deviation + time_step * (deviation @ transposed + noisy[1:])
        state = np.concatenate([bistable[None], pulled + bistable.mean(axis=2, keepdims=True)])
    return result.reshape(3, models, 2 * trials, -1, 2), velocity


def ring_trials(
    trials: int,
    generator: np.random.Generator,
    *,
    neurons: int = 100,
    length: int = 60,
    cut: float = 0.0,
    drive: float | np.ndarray = 2.0,
    steps: int = 2000,
    noise: float = 0.01,
    settle: int = 1200,
) -> np.ndarray:
    """Simulate the moving bump of a ring network, which may be cut open to a line.

    Two populations inhibit each other by a cosine of the distance, shifted by two neurons to
    either side, so that a difference of drive moves the bump (Wang and Kang 2022; Ostrow et al.
    2023, Fig. 4).

    Parameters
    ----------
    trials : int
        Runs with random starting points.
    generator : numpy Generator
    neurons : int
        Of each population.
    length : int
        Range of inhibition in neurons.
    cut : float
        0: a ring; above: part of the ring, as a fraction of ``length``, that is left out, so that
        it is a line; 1: its ends do not see each other.
    drive : float, or float array (trial, settle + steps)
        Speed at which the bump is asked to move, about 1 for a tenth of the resting input. On a
        line the bump of a constant drive rests at an end: use `reversing_drive`.
    steps : int
        Samples of each trial, half a unit of time apart; time constant 10.
    noise : float
        Standard deviation of the input noise.
    settle : int
        Steps before the first sample, more than the 100 in which the bump is made.

    Returns
    -------
    float64 array (trial, time, neuron)
        Synaptic input of the right population.
    """
    shift, weight, step = 2, 8.0, 0.05
    around = neurons + int(cut * length)
    reach = 2 * length
    offset = np.arange(-reach, reach + 1)
    kernel = np.zeros(around)
    value = weight / neurons * (np.cos(np.pi * offset / length) - 1) / 2
    np.add.at(kernel, offset[abs(offset) < reach] % around, value[abs(offset) < reach])
    quadrant = np.stack([np.roll(kernel, i) for i in range(around)])
    left = np.roll(quadrant, -shift, 0)[:neurons, :neurons]
    right = np.roll(quadrant, shift, 0)[:neurons, :neurons]
    weights = np.block([[left, right], [left, right]]).T
    side = np.repeat([-0.1, 0.1], neurons)
    driven = np.broadcast_to(drive, (trials, settle + steps))

    state = 0.1 * generator.random((trials, 2 * neurons))
    pulse = np.zeros_like(state)
    places = generator.integers(neurons, size=trials)
    pulse[np.arange(trials), places] = pulse[np.arange(trials), neurons + places] = 1.0
    result = np.empty((trials, steps, neurons))
    for time in range(settle + steps):
        if time < PULSE:
            state = state + pulse
        resting = 1 + driven[:, time, None] * side
        inputs = np.maximum(state, 0) @ weights + resting
        random = noise * generator.standard_normal(state.shape)
        state = state + step * (inputs - state + random)
        if time >= settle:
            result[:, time - settle] = state[:, neurons:]
    return result


def reversing_drive(
    trials: int,
    steps: int,
    generator: np.random.Generator,
    *,
    magnitude: float = 1.0,
    noise: float = 0.5,
    shortest: int = 100,
    longest: int = 1000,
) -> np.ndarray:
    """Draw a drive that changes its sign at random times (Ostrow et al. 2023, Fig. 4).

    Parameters
    ----------
    trials, steps : int
    generator : numpy Generator
    magnitude : float
        Size of the drive.
    noise : float
        Standard deviation of what is added in each step.
    shortest, longest : int
        Steps between changes of the sign.

    Returns
    -------
    float64 array (trial, step)
    """
    sign = np.ones((trials, steps))
    for row in sign:
        change = 0
        while change < steps:
            change += int(generator.integers(shortest, longest))
            row[change:] *= -1
    return magnitude * sign + noise * generator.standard_normal(sign.shape)
