"""Signals of systems made alike before their dynamics are compared: frames, channels, trials."""

from __future__ import annotations

import numpy as np

from mesomode.errors import DataError


def averaged(signal: np.ndarray, step: float, frame: float) -> np.ndarray:
    """Average a signal over longer frames.

    Parameters
    ----------
    signal : float array (…, time, channel)
        Evenly sampled; each sample stands for the interval of one step that begins with it.
    step : float
        Time between samples.
    frame : float
        Length of the frames, at least ``step``; need not be a multiple of it.

    Returns
    -------
    float64 array (…, frame, channel)
        Means over whole frames; what is left at the end is dropped. NaN where any part of the
        frame is NaN.

    Raises
    ------
    DataError
        The frames are shorter than the samples, or none fits.
    """
    values = np.asarray(signal, dtype=np.float64)
    ratio = frame / step
    if not ratio >= 1 - 1e-9:
        raise DataError(
            f"frames of {frame:.4g} s cannot be made of samples {step:.4g} s apart",
            why="averages need at least one sample in a frame",
            remedy="use frames as long as the coarsest sampling of all systems, or longer",
        )
    count = int(np.floor(values.shape[-2] / ratio + 1e-9))
    if count < 1:
        raise DataError(
            f"the signal is shorter than one frame of {frame:.4g} s",
            why=f"it has {values.shape[-2]} samples of {step:.4g} s",
        )
    edges = np.minimum(np.arange(count + 1) * ratio, values.shape[-2])
    whole = np.minimum(np.floor(edges + 1e-9).astype(int), values.shape[-2] - 1)
    part = (edges - whole)[:, None]
    gap = np.isnan(values)
    sums = _integral(np.where(gap, 0.0, values), whole, part)
    missing = _integral(gap.astype(np.float64), whole, part)
    return np.where(np.diff(missing, axis=-2) > 1e-9, np.nan, np.diff(sums, axis=-2) / ratio)


def _integral(values: np.ndarray, whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Integral of a step function up to sample ``whole`` and a part of it."""
    sums = np.cumsum(values, axis=-2)
    before = np.concatenate([np.zeros_like(sums[..., :1, :]), sums], axis=-2)
    return before[..., whole, :] + part * values[..., whole, :]


def principal_components(activity: np.ndarray, count: int) -> np.ndarray:
    """Leading principal components of standardised units.

    Parameters
    ----------
    activity : float array (time, unit)
        Finite. Units that never change are left out.
    count : int
        Number of components.

    Returns
    -------
    float64 array (time, component)
        Largest variance first; the sign of each such that its skewness, or else its first
        value other than zero, is positive.

    Raises
    ------
    DataError
        Fewer units that change, or fewer times, than components.
    """
    values = np.asarray(activity, dtype=np.float64)
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    standard = centred[:, spread > 0] / spread[spread > 0]
    if min(standard.shape) < count:
        raise DataError(
            f"{count} principal components cannot be had",
            why=f"{standard.shape[1]} units change, in {standard.shape[0]} frames",
            remedy="lower comparison.components",
        )
    if standard.shape[1] <= standard.shape[0]:
        directions = np.linalg.eigh(standard.T @ standard)[1][:, ::-1][:, :count]
        components = standard @ directions
    else:
        squares, times = np.linalg.eigh(standard @ standard.T)
        components = times[:, ::-1][:, :count] * np.sqrt(np.maximum(squares[::-1][:count], 0))
    skewness = np.sum(components**3, axis=0)
    first = components[np.argmax(components != 0, axis=0), np.arange(count)]
    sign = np.where(skewness != 0, np.sign(skewness), np.sign(first))
    return components * sign


def blocks(signal: np.ndarray, frames: int) -> np.ndarray:
    """Cut a continuous signal (time, channel) into trials (trial, frame, channel).

    Raises
    ------
    DataError
        The signal is shorter than one trial.
    """
    count = len(signal) // frames
    if count < 1:
        raise DataError(
            f"the signal has {len(signal)} frames, fewer than a trial of {frames}",
            remedy="use shorter trials (comparison.trial_s)",
        )
    return signal[: count * frames].reshape(count, frames, signal.shape[1])


def phase_randomised(trials: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Surrogates with the power spectrum of each channel, but no relation between channels.

    Phases are drawn for each trial and channel apart. (Phases common to all channels would keep
    every covariance at every lag, and so, exactly, the linear dynamics.)

    Parameters
    ----------
    trials : float array (trial, time, channel)
        Finite.
    generator : numpy.random.Generator

    Returns
    -------
    float64 array (trial, time, channel)
    """
    values = np.asarray(trials, dtype=np.float64)
    frames = values.shape[1]
    spectrum = np.fft.rfft(values, axis=1)
    turn = np.exp(2j * np.pi * generator.random(spectrum.shape))
    turn[:, 0] = 1.0
    if frames % 2 == 0:
        turn[:, -1] = np.where(generator.random(turn[:, -1].shape) < 0.5, -1.0, 1.0)
    return np.fft.irfft(spectrum * turn, n=frames, axis=1)


def shuffled(trials: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Surrogates without dynamics: the frames of all trials in random order."""
    values = np.asarray(trials, dtype=np.float64)
    frames = values.reshape(-1, values.shape[-1])
    return generator.permutation(frames, axis=0).reshape(values.shape)


def classical_scaling(distance: np.ndarray, count: int = 2) -> np.ndarray:
    """Points whose distances are near those given (classical multidimensional scaling).

    Parameters
    ----------
    distance : float array (item, item)
        Symmetric.
    count : int
        Number of coordinates.

    Returns
    -------
    float64 array (item, coordinate)
        Centred, largest extent first; zero beyond what the distances have of Euclidean directions.
    """
    squares = np.asarray(distance, dtype=np.float64) ** 2
    centred = squares - squares.mean(axis=0) - squares.mean(axis=1)[:, None] + squares.mean()
    values, directions = np.linalg.eigh(-centred / 2)
    points = np.zeros((len(squares), count))
    kept = min(count, len(squares))
    points[:, :kept] = directions[:, ::-1][:, :kept] * np.sqrt(np.maximum(values[::-1][:kept], 0.0))
    largest = np.abs(points).argmax(axis=0)
    return points * np.where(points[largest, np.arange(count)] < 0, -1.0, 1.0)
