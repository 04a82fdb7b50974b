"""Families of random-mode networks against closed forms and the moments of what is drawn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import zeta

from mesomode.errors import DataError
from mesomode.network import RandomModeNetwork, inverse_effective_rank


def geometric_rank(decay: float, count: int) -> float:
    """(Σd²)²/Σd⁴ of d = exp(−a/(βM)): geometric sums."""
    step = np.exp(-2 / (decay * count))
    first = (1 - step**count) / (1 - step)
    second = (1 - step ** (2 * count)) / (1 - step**2)
    return first**2 / second


def power_rank(exponent: float, count: int) -> float:
    """(Σd²)²/Σd⁴ of d = a^(−k): differences of Hurwitz zeta functions."""
    first, second = (zeta(s, 1) - zeta(s, count + 1) for s in (2 * exponent, 4 * exponent))
    return first**2 / second


CASES = [
    ({"spectrum": "flat"}, 300, 300.0),
    ({"spectrum": "flat"}, 60, 60.0),
    ({"spectrum": "exponential", "decay": 0.3}, 300, geometric_rank(0.3, 300)),
    ({"spectrum": "exponential", "decay": 0.1}, 150, geometric_rank(0.1, 150)),
    ({"spectrum": "power_law", "exponent": 0.8}, 300, power_rank(0.8, 300)),
    ({"spectrum": [3.0, 1.0, 2.0]}, None, 14.0**2 / 98),
]


@pytest.mark.parametrize(("family", "count", "modes_worth"), CASES)
def test_families_have_their_known_effective_rank(family, count, modes_worth):
    network = RandomModeNetwork.draw(
        300, count, gain=2.5, generator=np.random.default_rng(0), dtype=np.float64, **family
    )
    assert_allclose(network.gain, 2.5)
    assert_allclose(network.effective_rank * 300, modes_worth)
    assert (np.diff(network.strength) <= 0).all()


def test_an_exponential_with_as_many_modes_as_units_is_that_of_the_paper():
    for decay in (0.05, 0.2, 0.8):
        network = RandomModeNetwork.draw(
            2000, spectrum="exponential", decay=decay, generator=np.random.default_rng(0)
        )
        assert_allclose(network.effective_rank, decay * np.tanh(1 / decay), rtol=1e-3)


@pytest.mark.parametrize(
    "family",
    [
        {"spectrum": "flat"},
        {"spectrum": "exponential", "decay": 0.2},
        {"spectrum": "power_law", "exponent": 0.4},
    ],
)
def test_moments_of_what_is_drawn_give_back_the_effective_rank(family):
    inverses, gains = [], []
    for seed in range(6):
        network = RandomModeNetwork.draw(
            800, gain=2.0, generator=np.random.default_rng(seed), **family
        )
        coupling = network.dense().astype(np.float64)
        inverses.append(inverse_effective_rank(coupling))
        gains.append(np.sqrt(800 * np.mean(coupling**2)))
    assert_allclose(np.mean(inverses), network.inverse_effective_rank, rtol=0.02)
    assert_allclose(np.mean(gains), 2.0, rtol=0.01)


@pytest.mark.parametrize("rho", [0.6, -0.3, 0.0, 1.0])
def test_overlapping_modes_have_their_correlation_and_variance(rho):
    units, count = 900, 200
    network = RandomModeNetwork.draw(
        units, count, overlap=rho, generator=np.random.default_rng(0), dtype=np.float64
    )
    products = units * network.left * network.right
    error = np.sqrt((1 + rho**2) / products.size)
    assert abs(products.mean() - rho) < 4 * error
    for factor in (network.left, network.right):
        assert_allclose(units * factor.var(), 1, atol=4 * np.sqrt(2 / factor.size))
    assert_array_equal(network.overlap, np.full(count, rho))
    cross = units * network.left[:, 1:] * network.right[:, :-1]
    assert abs(cross.mean()) < 4 / np.sqrt(cross.size)


def test_overlaps_follow_their_strengths():
    network = RandomModeNetwork.draw(
        4000,
        spectrum=[1.0, 0.0, 3.0, 2.0],
        overlap=[0.1, 0.2, 0.3, -0.9],
        generator=np.random.default_rng(0),
    )
    assert_array_equal(network.overlap, [0.3, -0.9, 0.1])
    assert_allclose(np.sum(network.left * network.right, axis=0), network.overlap, atol=0.08)
    assert_allclose(network.astype(np.float64).overlap, network.overlap)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spectrum": "exponential"}, r"decay is None(.|\n)*positive"),
        ({"spectrum": "exponential", "decay": 0.0}, "decay is 0"),
        ({"spectrum": "power_law", "decay": 1.0, "exponent": 1.0}, "power_law spectra have none"),
        ({"spectrum": "flat", "exponent": 1.0}, "flat spectra have none"),
        ({"spectrum": "cubic"}, "no family of spectra 'cubic'"),
        ({"count": 0}, "rank 0"),
        ({"spectrum": [1.0, 2.0], "count": 3}, "2 strengths were given for 3 modes"),
        ({"count": 60, "modes": "orthogonal"}, "more orthogonal modes than units"),
        ({"modes": "orthogonal", "overlap": 0.1}, "orthogonal modes cannot be given overlaps"),
        ({"overlap": 1.5}, "overlaps of the modes are not possible"),
        ({"overlap": [0.5, 0.5]}, "overlaps of the modes are not possible"),
        ({"gain": 0.0}, "coupling gain of 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        RandomModeNetwork.draw(50, generator=np.random.default_rng(0), **arguments)
