"""Compiled inner loops of the mean-field theory."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Compiled code is kept beside this file, never in a hidden folder elsewhere; where this folder
# is read-only it is compiled anew by each process.
OPTIONS = {
    "cache": os.access(Path(__file__).parent, os.W_OK),
    "fastmath": {"reassoc", "contract", "nsz"},
}


@njit(**OPTIONS)
def last_phase(values: NDArray, step: float) -> float:
    """Integrate θ' = sin²θ − W cos²θ from θ = 0 by Runge–Kutta, W given at half steps."""
    phase = 0.0
    for index in range(0, len(values) - 2, 2):
        first = np.sin(phase) ** 2 - values[index] * np.cos(phase) ** 2
        middle = phase + step / 2 * first
        second = np.sin(middle) ** 2 - values[index + 1] * np.cos(middle) ** 2
        middle = phase + step / 2 * second
        third = np.sin(middle) ** 2 - values[index + 1] * np.cos(middle) ** 2
        last = phase + step * third
        fourth = np.sin(last) ** 2 - values[index + 2] * np.cos(last) ** 2
        phase += step / 6 * (first + 2 * second + 2 * third + fourth)
    return phase


@njit(**OPTIONS)
def feedback_paths(
    driven: NDArray, kernel: NDArray, step: float, steep: bool, burn: int
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Paths of units that feed back on themselves, and their response to the drive.

    x(t) = w(t) + ∫_0^∞ k(τ) φ(x(t − τ)) dτ by the trapezoidal rule, with w periodic.

    Parameters
    ----------
    driven : (time, path) ndarray
        One period of w.
    kernel : (lag,) ndarray
        k at lags 0, step, 2 step, …; shorter than the period.
    step : float
    steep : bool
        φ is tanh; else erf(√π x/2).
    burn : int
        Steps before the period that is returned, at least as many as lags.

    Returns
    -------
    states, activity : (time, path) ndarray
        x and φ(x).
    slope : (time, path) ndarray
        φ'(x).
    response : (lag,) ndarray
        Average of φ'(x(t)) δx(t)/δw(t − τ), without the immediate δ(τ) φ'(x(t)); at lag 0
        its limit for τ > 0.
    """
    steps, paths = driven.shape
    lags = len(kernel)
    states = np.empty((burn + steps, paths))
    activity = np.zeros((burn + steps, paths))
    slope = np.empty((burn + steps, paths))
    total = np.empty(paths)
    half = kernel[0] * step / 2
    root = np.sqrt(np.pi) / 2
    for time in range(burn + steps):
        total[:] = driven[(time - burn) % steps]
        for lag in range(1, min(lags, time + 1)):
            weight = step * kernel[lag]
            for path in range(paths):
                total[path] += weight * activity[time - lag, path]
        for path in range(paths):
            value = activity[time - 1, path] if time else 0.0
            for _ in range(3):
                x = total[path] + half * value
                value = np.tanh(x) if steep else math.erf(root * x)
            states[time, path] = x
            activity[time, path] = value
            slope[time, path] = 1 - value * value if steep else np.exp(-((root * x) ** 2))

    # one impulse per window of as many steps as the kernel has lags
    response = np.zeros(lags)
    windows = steps // lags
    for window in range(windows):
        first = burn + window * lags
        moved = np.zeros((lags, paths))
        for path in range(paths):
            response[0] += kernel[0] * slope[first, path] ** 2
        for lag in range(1, lags):
            for path in range(paths):
                total[path] = kernel[lag] * slope[first, path]
            # the trapezoid of the convolution k * (φ' δx) from 0+ to here
            for earlier in range(1, lag):
                weight = step * kernel[lag - earlier]
                for path in range(paths):
                    total[path] += weight * moved[earlier, path]
            weight = step / 2 * kernel[lag] * kernel[0]
            for path in range(paths):
                total[path] += weight * slope[first, path] ** 2
                value = total[path] / (1 - half * slope[first + lag, path])
                moved[lag, path] = slope[first + lag, path] * value
                response[lag] += moved[lag, path]
    response /= windows * paths
    return states[burn:], activity[burn:], slope[burn:], response


@njit(**OPTIONS)
def hermite_squares(
    values: NDArray, nodes: NDArray, weights: NDArray, limit: int, tolerance: float
) -> NDArray:
    """Squares of the coefficients of an odd function in orthonormal Hermite polynomials.

    Parameters
    ----------
    values, nodes, weights : (node,) ndarray
        The function at nodes of a quadrature over the standard normal distribution.
    limit : int
        Highest order that is tried.
    tolerance : float
        Share of the mean square that may be left out.

    Returns
    -------
    (order,) ndarray
        Of the odd orders; empty if the limit is reached.
    """
    count = len(nodes)
    # Hermite polynomials times the root of the weight stay bounded at any order
    previous, current, scaled = np.empty(count), np.empty(count), np.empty(count)
    total = 0.0
    for i in range(count):
        previous[i] = np.sqrt(weights[i])
        current[i] = nodes[i] * previous[i]
        scaled[i] = values[i] * previous[i]
        total += scaled[i] ** 2
    squares = np.empty(limit // 2 + 1)
    left = total
    for order in range(1, limit):
        if order % 2:
            coefficient = 0.0
            for i in range(count):
                coefficient += current[i] * scaled[i]
            squares[order // 2] = coefficient**2
            left -= coefficient**2
            if left < tolerance * total:
                return squares[: order // 2 + 1].copy()
        down, up = np.sqrt(order), 1.0 / np.sqrt(order + 1)
        for i in range(count):
            following = (nodes[i] * current[i] - down * previous[i]) * up
            previous[i] = current[i]
            current[i] = following
    return squares[:0].copy()


@njit(**OPTIONS)
def power_series(coefficients: NDArray, argument: NDArray) -> NDArray:
    """Σ_k c_k x^k of each element of a flat array, by Horner's rule."""
    result = np.empty(len(argument))
    block = 64
    for begin in range(0, len(argument), block):
        end = min(begin + block, len(argument))
        for i in range(begin, end):
            result[i] = coefficients[-1]
        for k in range(len(coefficients) - 2, -1, -1):
            for i in range(begin, end):
                result[i] = result[i] * argument[i] + coefficients[k]
    return result
