"""Eigenvalues of the couplings: those of the dense matrix, in the circle of radius g."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.dynamics.eigenvalues import coupling_eigenvalues
from mesomode.errors import DataError, MemoryLimitError
from mesomode.network.random_mode import IndependentNetwork, RandomModeNetwork


def random_modes(strength, units, gain=2.0, **named):
    return RandomModeNetwork.from_spectrum(
        strength, units=units, gain=gain, generator=np.random.default_rng(0), **named
    )


def matched(first, second):
    """Largest distance of each value to the nearest of the other set."""
    distances = np.abs(first[:, None] - second[None, :])
    return max(distances.min(axis=0).max(), distances.min(axis=1).max())


def test_few_modes_give_the_eigenvalues_of_the_dense_matrix():
    network = random_modes(np.linspace(1, 2, 12), 50, dtype=np.float64)
    found = coupling_eigenvalues(network)
    assert found.shape == (50,)
    assert (found[12:] == 0).all()
    assert (np.diff(np.abs(found)) <= 0).all()
    assert matched(found, np.linalg.eigvals(network.dense())) < 1e-8


def test_scales_of_rows_and_columns_enter():
    plain = random_modes(np.ones(12), 50, dtype=np.float64)
    generator = np.random.default_rng(1)
    scales = generator.lognormal(0, 0.5, (2, 50))
    scales /= np.sqrt(np.mean(scales**2, axis=1, keepdims=True))
    network = RandomModeNetwork(plain.left, plain.strength, plain.right, "gaussian", *scales)
    assert matched(coupling_eigenvalues(network), np.linalg.eigvals(network.dense())) < 1e-8
    assert matched(coupling_eigenvalues(network), coupling_eigenvalues(plain)) > 0.01


@pytest.mark.parametrize("kind", ["independent", "flat", "decaying"])
def test_the_radius_is_the_gain_whatever_the_strengths(kind):
    """Circular law: also, of independent couplings, r/g squared is uniform."""
    units, gain = 600, 2.0
    if kind == "independent":
        network = IndependentNetwork.draw(units, gain, generator=np.random.default_rng(0))
    else:
        decay = np.inf if kind == "flat" else 0.3
        network = random_modes(np.exp(-np.arange(units) / (decay * units)), units, gain)
    radius = np.abs(coupling_eigenvalues(network)) / gain
    assert_allclose(radius.max(), 1.0, atol=0.06 if kind != "decaying" else 0.12)
    inside = np.mean(radius < np.sqrt(0.5))
    if kind == "independent":
        assert_allclose(inside, 0.5, atol=0.03)
    else:
        assert inside > 0.6  # fewer modes: denser near zero


def test_matrices_that_do_not_fit_are_refused_with_the_numbers(monkeypatch):
    network = random_modes(np.ones(60), 60)
    monkeypatch.setattr("mesomode.memory.available_memory", lambda: 1000)
    with pytest.raises(MemoryLimitError, match="eigenvalues of 60 × 60"):
        coupling_eigenvalues(network)


def test_couplings_that_are_not_finite_have_no_eigenvalues():
    network = IndependentNetwork.draw(5, 1.0, generator=np.random.default_rng(0))
    network.coupling[2, 3] = np.nan
    with pytest.raises(DataError, match="the couplings are not finite"):
        coupling_eigenvalues(network)
