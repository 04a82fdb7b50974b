"""Power spectra of autocovariances that are known at equidistant lags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct, next_fast_len
from scipy.interpolate import CubicSpline

STEP = 0.05
"""Distance of the lags that are transformed, in time constants."""
NOISE_BOUND = 1000.0
"""Frequency up to which the spectra with noise are integrated; the rest is below 1e-8."""


@dataclass(frozen=True)
class Spectrum:
    """Power spectrum: power/(1 + ω²) and a spline for the rest, zero above its last knot.

    Parameters
    ----------
    power : float or (curve,) ndarray
    rest : CubicSpline
        Of one curve or of several.
    """

    power: float | NDArray[np.float64]
    rest: CubicSpline

    def __call__(self, frequency: ArrayLike) -> NDArray[np.float64]:
        """Power at angular frequencies ω ≥ 0: (frequency,) or (frequency, curve)."""
        frequency = np.asarray(frequency, dtype=np.float64)
        last = self.rest.x[-1]
        rest = self.rest(np.minimum(frequency, last))
        inside, tail = frequency <= last, 1.0 / (1.0 + frequency**2)
        if np.ndim(self.power):
            inside, tail = inside[..., None], tail[..., None]
        return np.where(inside, rest, 0.0) + self.power * tail

    def part(self, index: int) -> Spectrum:
        """Spectrum of one of several curves."""
        coefficients = self.rest.c[..., index]
        return Spectrum(
            float(np.asarray(self.power)[index]),
            CubicSpline.construct_fast(coefficients, self.rest.x),
        )


def spectral_lags(last_lag: float) -> NDArray[np.float64]:
    """Lags from zero to the last one that :func:`power_spectra` takes curves at."""
    return STEP * np.arange(int(np.ceil(last_lag / STEP)) + 1, dtype=np.float64)


def power_spectra(
    curves: NDArray[np.float64], powers: NDArray[np.float64], decay_rate: float
) -> Spectrum:
    """Transform autocovariances, ∫C(τ) exp(−iωτ) dτ.

    Parameters
    ----------
    curves : (lag, curve) ndarray
        At :func:`spectral_lags`, up to where they vanish.
    powers : (curve,) ndarray
        Kinks at lag zero, −2 C'(0+), as white noise leaves them.
    decay_rate : float
        Slowest rate of decay, per time constant: the spectra vary over it.

    Returns
    -------
    Spectrum
        Of all curves.

    Notes
    -----
    An Ornstein–Uhlenbeck curve exp(−|τ|) with the same kink is subtracted and transformed
    analytically.
    """
    count = len(curves)
    finest = decay_rate / 40
    padded = next_fast_len(max(2 * count, int(np.ceil(np.pi / (finest * STEP)))))
    frequency = np.arange(padded + 1) * (np.pi / (padded * STEP))
    lag = np.arange(count) * STEP
    extended = np.zeros((padded + 1, curves.shape[1]))
    extended[:count] = curves - np.exp(-lag)[:, None] * (powers / 2)
    values = STEP * dct(extended, type=1, axis=0)
    last = padded
    if not np.any(powers):
        visible = (np.abs(values) > 1e-13 * np.abs(values[0])).any(axis=1)
        last = min(int(np.flatnonzero(visible)[-1]) + 2, padded)
    return Spectrum(powers, CubicSpline(frequency[: last + 1], values[: last + 1]))


def last_frequency(spectrum: Spectrum) -> float:
    """Last frequency at which the spline of a spectrum without noise is not zero."""
    return float(spectrum.rest.x[-1])
