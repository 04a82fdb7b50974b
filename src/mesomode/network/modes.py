"""Strengths and directions of random modes.

Source: Clark, Marschall, van Meegen & Litwin-Kumar, PRX 15, 041019 (2025): strengths
d_a ∝ exp(−a/(βM)), and overlapping directions L = √(1−|ρ|) X + √|ρ| Z,
R = √(1−|ρ|) Y + sgn(ρ) √|ρ| Z with independent normal X, Y, Z of variance 1/N.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesomode.errors import DataError

Modes = Literal["gaussian", "orthogonal"]
Family = Literal["flat", "exponential", "power_law"]


def strengths_of(
    family: str, count: int, *, decay: float | None = None, exponent: float | None = None
) -> NDArray[np.float64]:
    """Component strengths of a family, the largest one.

    Parameters
    ----------
    family : {"flat", "exponential", "power_law"}
        d_a = 1, exp(−a/(βM)) for a = 0 … M−1, or a^(−k) for a = 1 … M.
    count : int
        Number of modes, M.
    decay : float, optional
        β, for ``"exponential"``. With as many modes as units PR_D is β tanh(1/β).
    exponent : float, optional
        k, for ``"power_law"``.

    Returns
    -------
    (mode,) ndarray of float64
        Descending.

    Raises
    ------
    DataError
        No modes, an unknown family, or a parameter that is missing, not positive, or
        another family's.
    """
    if count < 1:
        raise DataError(
            f"a network of {count} modes is not possible",
            why="a network of rank 0 has no modes",
            remedy="use at least one",
        )
    parameters = {"exponential": decay, "power_law": exponent}
    if family not in ("flat", *parameters):
        raise DataError(
            f"there is no family of spectra {family!r}",
            remedy="use 'flat', 'exponential' (decay), 'power_law' (exponent) or an array",
        )
    for name, value, of in (
        ("decay", decay, "exponential"),
        ("exponent", exponent, "power_law"),
    ):
        wanted = family == of
        if wanted and not (value is not None and np.isfinite(value) and value > 0):
            raise DataError(f"{name} is {value}", why=f"{of} spectra need a positive number")
        if not wanted and value is not None:
            raise DataError(f"{name} is {value}", why=f"{family} spectra have none")
    if family == "exponential":
        assert decay is not None
        return np.exp(-np.arange(count) / (decay * count))
    if family == "power_law":
        assert exponent is not None
        return np.arange(1.0, count + 1.0) ** -exponent
    return np.ones(count)


def directions(
    units: int,
    count: int,
    generator: np.random.Generator,
    modes: Modes = "gaussian",
    overlap: ArrayLike | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw output and input directions L and R.

    Parameters
    ----------
    units, count : int
        Number of units N and of modes M.
    generator : numpy.random.Generator
        Source of the directions.
    modes : {"gaussian", "orthogonal"}
        Independent normal entries of variance 1/N, or Haar-distributed orthonormal columns.
    overlap : (mode,) array_like, optional
        Correlation ρ_a of L_ia and R_ia, −1 to 1; gaussian modes only.

    Returns
    -------
    left, right : (unit, mode) ndarray of float64

    Raises
    ------
    DataError
        Overlaps of orthogonal modes, more orthogonal modes than units, or overlaps that
        are not correlations.
    """
    if modes == "orthogonal":
        if count > units:
            raise DataError(
                "there are more orthogonal modes than units",
                why=f"{count} strengths for {units} units",
                remedy="resample the spectrum (resampled_spectrum) or use gaussian modes",
            )
        if overlap is not None:
            raise DataError(
                "orthogonal modes cannot be given overlaps",
                why="the published construction and its theory have gaussian modes",
                remedy="use gaussian modes, or no overlaps",
            )
        return _orthogonal(units, count, generator), _orthogonal(units, count, generator)
    left, right = (generator.standard_normal((units, count)) / np.sqrt(units) for _ in range(2))
    if overlap is None:
        return left, right
    rho = np.asarray(overlap, dtype=np.float64)
    check_overlap(rho, count)
    shared = generator.standard_normal((units, count)) * np.sqrt(np.abs(rho) / units)
    alone = np.sqrt(1.0 - np.abs(rho))
    return left * alone + shared, right * alone + shared * np.sign(rho)


def check_overlap(overlap: NDArray, count: int) -> None:
    """Refuse overlaps that are not correlations, one a mode."""
    if overlap.shape != (count,) or not (np.abs(overlap) <= 1).all():
        raise DataError(
            "the overlaps of the modes are not possible",
            why=f"{overlap.shape} numbers up to {np.abs(overlap).max(initial=0):g} for {count} "
            "modes",
            remedy="give one correlation a mode, between -1 and 1",
        )


def _orthogonal(units: int, count: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Haar-distributed orthonormal columns: QR of a normal matrix with the signs fixed."""
    basis, triangle = np.linalg.qr(generator.standard_normal((units, count)))
    return basis * np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
