"""Random-mode networks against their definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.errors import DataError, MemoryLimitError
from mesomode.network import IndependentNetwork, RandomModeNetwork, inverse_effective_rank


def exponential_spectrum(units: int, decay: float) -> np.ndarray:
    return np.exp(-np.arange(units) / (decay * units))


@pytest.mark.parametrize("modes", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("kept", [20, 100])
def test_factored_product_equals_the_dense_one(modes, kept):
    spectrum = np.r_[exponential_spectrum(kept, 0.3), np.zeros(100 - kept)]
    network = RandomModeNetwork.from_spectrum(
        spectrum, generator=np.random.default_rng(0), gain=2.0, modes=modes, dtype=np.float64
    )
    assert network.strength.size == kept
    dense = np.einsum("ia,a,ja->ij", network.left, network.strength, network.right)
    rates = np.random.default_rng(1).standard_normal((100, 7))
    assert_allclose(network.dense(), dense, atol=1e-13)
    assert_allclose(network.multiply(rates), dense @ rates, atol=1e-12)
    assert_allclose(network.multiply(rates[:, 0]), dense @ rates[:, 0], atol=1e-12)
    out = np.empty_like(rates)
    assert network.multiply(rates, out=out) is out
    assert_allclose(out, dense @ rates, atol=1e-12)


def test_effective_rank_of_exponential_strengths_has_a_closed_form():
    network = RandomModeNetwork.from_spectrum(
        exponential_spectrum(4000, 0.2), generator=np.random.default_rng(0), gain=3.0, units=4000
    )
    assert_allclose(network.effective_rank, 0.2 * np.tanh(5.0), rtol=1e-4)
    assert_allclose(network.gain, 3.0, rtol=1e-6)


@pytest.mark.parametrize("decay", [0.05, 0.2])
def test_moments_of_generated_couplings_give_back_the_effective_rank(decay):
    units = 800
    inverses, gains = [], []
    for seed in range(4):
        network = RandomModeNetwork.from_spectrum(
            exponential_spectrum(units, decay), generator=np.random.default_rng(seed), gain=3.0
        )
        coupling = network.dense()
        inverses.append(inverse_effective_rank(coupling))
        gains.append(np.sqrt(units * np.mean(coupling.astype(float) ** 2)))
    assert_allclose(np.mean(inverses), network.inverse_effective_rank, rtol=0.02)
    assert_allclose(np.mean(gains), 3.0, rtol=0.01)


def test_orthogonal_modes_keep_the_singular_values():
    spectrum = exponential_spectrum(60, 0.4)
    network = RandomModeNetwork.from_spectrum(
        spectrum, generator=np.random.default_rng(0), modes="orthogonal", dtype=np.float64
    )
    assert_allclose(np.linalg.svd(network.dense(), compute_uv=False), spectrum, atol=1e-12)
    assert_allclose(network.inverse_effective_rank, inverse_effective_rank(network.dense()))


def test_orthogonal_modes_are_haar_distributed():
    """The mean of a Haar column's entry is zero, and its fourth moment 3/(N(N+2))."""
    units, draws = 6, 4000
    generator = np.random.default_rng(0)
    entries = np.array(
        [
            RandomModeNetwork.from_spectrum(
                np.ones(units), generator=generator, modes="orthogonal", dtype=np.float64
            ).left
            for _ in range(draws)
        ]
    )
    spread = np.sqrt(1 / units / draws)
    assert abs(entries[:, 0, 0].mean()) < 4 * spread
    assert abs(entries[:, 5, 5].mean()) < 4 * spread
    assert_allclose(np.mean(entries**4), 3 / (units * (units + 2)), rtol=0.02)


def test_more_units_than_strengths_keep_the_gain():
    network = RandomModeNetwork.from_spectrum(
        np.ones(10), units=50, gain=2.0, generator=np.random.default_rng(0)
    )
    assert network.left.shape == (50, 10)
    assert_allclose(network.gain, 2.0, rtol=1e-6)
    assert_allclose(network.effective_rank, 0.2, rtol=1e-6)


def test_scaling_the_strengths_scales_the_gain_alone():
    network = RandomModeNetwork.from_spectrum(
        exponential_spectrum(50, 0.2), generator=np.random.default_rng(0), gain=1.0
    )
    scaled = RandomModeNetwork(network.left, 2 * network.strength, network.right)
    assert_allclose(scaled.gain, 2 * network.gain)
    assert_allclose(scaled.effective_rank, network.effective_rank)


def test_permuting_modes_changes_nothing_and_permuting_units_permutes():
    network = RandomModeNetwork.from_spectrum(
        exponential_spectrum(30, 0.5), generator=np.random.default_rng(0), dtype=np.float64
    )
    order = np.random.default_rng(1).permutation(30)
    modes = RandomModeNetwork(
        network.left[:, order], network.strength[order], network.right[:, order]
    )
    assert_allclose(modes.dense(), network.dense(), atol=1e-14)
    units = RandomModeNetwork(network.left[order], network.strength, network.right[order])
    assert_allclose(units.dense(), network.dense()[np.ix_(order, order)], atol=1e-14)


def test_the_same_generator_gives_the_same_network():
    first, second = (
        RandomModeNetwork.from_spectrum(np.ones(20), generator=np.random.default_rng(3), gain=1.0)
        for _ in range(2)
    )
    assert_array_equal(first.left, second.left)
    assert_array_equal(first.right, second.right)
    assert first.left.dtype == np.float32


def test_the_control_has_the_coupling_variance_of_the_network():
    control = IndependentNetwork.draw(500, 3.0, generator=np.random.default_rng(0))
    assert_allclose(500 * np.var(control.coupling), 9.0, rtol=0.01)
    assert control.effective_rank == np.inf
    rates = np.ones((500, 2), np.float32)
    assert_allclose(control.multiply(rates), control.coupling @ rates)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: RandomModeNetwork.from_spectrum([0.0, 0.0], generator=g), "all zero"),
        (lambda g: RandomModeNetwork.from_spectrum([1.0, -1.0], generator=g), "nonnegative"),
        (lambda g: RandomModeNetwork.from_spectrum([1.0, np.nan], generator=g), "finite"),
        (lambda g: RandomModeNetwork.from_spectrum([], generator=g), "at least one"),
        (lambda g: RandomModeNetwork.from_spectrum([1.0], generator=g, gain=0.0), "gain of 0.0"),
        (lambda g: RandomModeNetwork.from_spectrum([1.0], generator=g, units=0), "0 units"),
        (
            lambda g: RandomModeNetwork.from_spectrum(
                np.ones(5), generator=g, units=3, modes="orthogonal"
            ),
            "more orthogonal modes than units",
        ),
        (lambda g: IndependentNetwork.draw(5, np.inf, generator=g), "gain of inf"),
        (
            lambda g: RandomModeNetwork(np.ones((3, 2)), np.ones(3), np.ones((3, 2))),
            "do not fit together",
        ),
        (
            lambda g: RandomModeNetwork(np.full((3, 2), np.nan), np.ones(2), np.ones((3, 2))),
            "factor L",
        ),
        (
            lambda g: RandomModeNetwork(np.ones((3, 2)), np.zeros(2), np.ones((3, 2))),
            "rank 0",
        ),
    ],
)
def test_impossible_networks_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call(np.random.default_rng(0))


def test_networks_too_large_for_memory_are_refused_before_they_are_drawn():
    with pytest.raises(MemoryLimitError, match=r"3,000,000 × 3,000,000 couplings(.|\n)*GB are"):
        IndependentNetwork.draw(3_000_000, 1.0, generator=np.random.default_rng(0))
    with pytest.raises(MemoryLimitError, match="modes of 5,000,000 units"):
        RandomModeNetwork.from_spectrum(
            np.ones(100_000), units=5_000_000, generator=np.random.default_rng(0)
        )
