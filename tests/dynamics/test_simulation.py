"""Simulation: accuracy, invariances, and agreement with the theory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp

from mesomode.dynamics import mean_field, simulate
from mesomode.dynamics.measures import dimensionality
from mesomode.dynamics.simulation import intervals
from mesomode.errors import ConfigError, DataError, MemoryLimitError, SolverError
from mesomode.network import IndependentNetwork, RandomModeNetwork


def small_network(units=60, gain=2.0, decay=0.4, seed=0):
    return RandomModeNetwork.from_spectrum(
        np.exp(-np.arange(units) / (decay * units)),
        generator=np.random.default_rng(seed),
        gain=gain,
        dtype=np.float64,
    )


SHORT = {
    "trajectories": 4,
    "burn_in": 2.0,
    "duration": 6.0,
    "sampling_interval": 0.5,
    "time_step": 0.1,
    "dtype": np.float64,
}


@pytest.mark.parametrize("nonlinearity", ["erf", "tanh"])
def test_trajectories_equal_those_of_an_adaptive_solver(nonlinearity):
    from mesomode.dynamics.nonlinearity import nonlinearity_named

    network, phi = small_network(), nonlinearity_named(nonlinearity)
    initial = np.random.default_rng(1).standard_normal((60, 4))
    coupling = network.dense()
    found = simulate(
        network,
        generator=np.random.default_rng(0),
        initial=initial,
        nonlinearity=nonlinearity,
        **SHORT | {"time_step": 0.05},
    )
    for b in range(4):
        twin = solve_ivp(
            lambda _, x: -x + coupling @ phi(x),
            (0, 8),
            initial[:, b],
            t_eval=2 + 0.5 * np.arange(1, 13),
            rtol=1e-10,
            atol=1e-10,
        )
        assert_allclose(found.states[b], twin.y.T, atol=2e-5)
    assert_allclose(found.activity(), phi(found.states))


def test_the_error_falls_with_the_fourth_power_of_the_step():
    network = small_network()
    errors = [
        simulate(
            network, generator=np.random.default_rng(0), **SHORT | {"time_step": step}
        ).step_error
        for step in (0.25, 0.125)
    ]
    assert 12 < errors[0] / errors[1] < 20
    assert errors[0] < 1e-3


def test_factored_dense_and_single_precision_agree():
    network = RandomModeNetwork.from_spectrum(
        np.ones(20), units=60, gain=2.0, generator=np.random.default_rng(0), dtype=np.float64
    )
    dense = IndependentNetwork(network.dense(), 2.0)
    first, second = (
        simulate(n, generator=np.random.default_rng(1), **SHORT).states for n in (network, dense)
    )
    assert_allclose(first, second, atol=1e-10)
    single = simulate(network, generator=np.random.default_rng(1), **SHORT | {"dtype": np.float32})
    assert single.states.dtype == np.float32
    assert_allclose(single.states, first, atol=1e-4)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_error_of_single_precision_is_that_of_the_same_path(noise):
    """Against the two runs themselves where there is no noise."""
    network = small_network()
    common = SHORT | {"dtype": np.float32, "noise": noise, "burn_in": 0.0, "duration": 3.0}
    single = simulate(network, generator=np.random.default_rng(1), **common)
    assert 1e-8 < single.precision_error < 1e-5
    double = simulate(network, generator=np.random.default_rng(1), **common | {"dtype": np.float64})
    assert double.precision_error == 0.0
    if not noise:
        last, exact = single.states[:, -1], double.states[:, -1]
        difference = np.sqrt(np.mean((last - exact) ** 2) / np.mean(exact**2))
        assert_allclose(single.precision_error, difference, rtol=0.3)
    unchecked = simulate(network, generator=np.random.default_rng(1), checks=False, **common)
    assert np.isnan([unchecked.step_error, unchecked.precision_error]).all()


def test_permuting_modes_or_turning_their_signs_changes_no_statistics():
    """For odd φ and independent L and R, d → −d is x → −x of every second step of the sign."""
    network = small_network()
    order = np.random.default_rng(1).permutation(60)
    permuted = RandomModeNetwork(
        network.left[:, order], network.strength[order], network.right[:, order]
    )
    initial = np.random.default_rng(2).standard_normal((60, 4))
    first, second = (
        simulate(n, generator=np.random.default_rng(0), initial=initial, **SHORT).states
        for n in (network, permuted)
    )
    assert_allclose(second, first, atol=1e-9)
    # −d is the same network with L turned, as likely as L itself
    turned = RandomModeNetwork(network.left, -network.strength, network.right)
    mirrored = RandomModeNetwork(-network.left, network.strength, network.right)
    first, second = (
        simulate(n, generator=np.random.default_rng(0), initial=initial, **SHORT).states
        for n in (turned, mirrored)
    )
    assert_allclose(second, first, atol=1e-12)


def test_permuting_units_permutes_the_states():
    network = small_network()
    order = np.random.default_rng(1).permutation(60)
    permuted = RandomModeNetwork(network.left[order], network.strength, network.right[order])
    initial = np.random.default_rng(2).standard_normal((60, 4))
    generator = np.random.default_rng(0)
    first = simulate(network, generator=generator, initial=initial, **SHORT).states
    second = simulate(permuted, generator=generator, initial=initial[order], **SHORT).states
    assert_allclose(second, first[:, :, order], atol=1e-9)


def test_the_mirrored_initial_state_gives_the_mirrored_trajectory():
    """φ is odd."""
    network = small_network()
    initial = np.random.default_rng(2).standard_normal((60, 4))
    generator = np.random.default_rng(0)
    first = simulate(network, generator=generator, initial=initial, **SHORT).states
    second = simulate(network, generator=generator, initial=-initial, **SHORT).states
    assert_allclose(second, -first, atol=1e-12)


def test_the_same_generator_gives_the_same_samples():
    first, second = (
        simulate(small_network(), generator=np.random.default_rng(5), **SHORT) for _ in range(2)
    )
    assert_array_equal(first.states, second.states)
    assert first.step_error == second.step_error


def test_below_gain_one_activity_dies():
    network = IndependentNetwork.draw(200, 0.7, generator=np.random.default_rng(0))
    found = simulate(
        network, generator=np.random.default_rng(1), burn_in=100, duration=10, trajectories=8
    )
    assert np.abs(found.states).max() < 1e-6
    assert np.isnan(dimensionality(found.activity()).participation_ratio)


def test_progress_counts_all_intervals():
    calls = []
    simulate(small_network(), generator=np.random.default_rng(0), progress=calls.append, **SHORT)
    assert sum(calls) == sum(intervals(2.0, 6.0, 0.5)) == 16


def test_halving_the_step_moves_the_variance_by_less_than_its_error():
    """Statistics, not trajectories: chaos makes these differ."""
    network = small_network(units=150, gain=3.0)
    variances = []
    for step in (0.2, 0.1):
        found = simulate(
            network, generator=np.random.default_rng(1), time_step=step, burn_in=40, duration=100
        )
        each = np.mean(np.square(found.activity(), dtype=np.float64), axis=(1, 2))
        variances.append((each.mean(), each.std(ddof=1) / np.sqrt(len(each))))
    (coarse, error), (fine, other) = variances
    assert abs(coarse - fine) < 3 * np.hypot(error, other)


def compare_with_theory(networks, effective_rank, **arguments):
    """Mean over networks of C_φ(0), C_x(0), PR, less theory, in standard errors over networks."""
    theory = mean_field(networks[0].gain, effective_rank)
    measured = []
    for seed, network in enumerate(networks):
        found = simulate(network, generator=np.random.default_rng(100 + seed), **arguments)
        activity = found.activity()
        measured.append(
            [
                np.mean(np.square(activity, dtype=np.float64)),
                np.mean(np.square(found.states, dtype=np.float64)),
                dimensionality(activity).participation_ratio / network.units,
            ]
        )
    expected = [theory.activity_variance, theory.variance, theory.participation_ratio]
    mean = np.mean(measured, axis=0)
    error = np.std(measured, axis=0, ddof=1) / np.sqrt(len(networks))
    return (mean - expected) / error, mean / expected - 1


def test_independent_networks_follow_the_theory():
    networks = [
        IndependentNetwork.draw(400, 3.0, generator=np.random.default_rng(seed))
        for seed in range(6)
    ]
    scores, deviations = compare_with_theory(networks, np.inf, burn_in=50, duration=60)
    assert (np.abs(scores) < 3).all()
    assert (np.abs(deviations) < [0.01, 0.03, 0.25]).all()


@pytest.mark.slow
def test_larger_independent_networks_follow_the_theory():
    networks = [
        IndependentNetwork.draw(1000, 3.0, generator=np.random.default_rng(seed))
        for seed in range(6)
    ]
    scores, deviations = compare_with_theory(networks, np.inf, burn_in=60, duration=80)
    assert (np.abs(scores) < 3).all()
    assert (np.abs(deviations) < [0.005, 0.02, 0.15]).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strengths", "effective_rank", "tolerance"),
    [
        (np.ones(800), -1.0, 0.03),
        (np.r_[np.ones(400), np.zeros(400)], np.inf, 0.15),
    ],
    ids=["orthogonal", "half"],
)
def test_orthogonal_modes_follow_the_theory(strengths, effective_rank, tolerance):
    """The fourth free cumulant governs the dimension, whatever the spectrum."""
    networks = [
        RandomModeNetwork.from_spectrum(
            strengths, gain=3.0, modes="orthogonal", generator=np.random.default_rng(seed)
        )
        for seed in range(3)
    ]
    _, deviations = compare_with_theory(networks, effective_rank, burn_in=60, duration=80)
    assert (np.abs(deviations) < [0.006, 0.02, tolerance]).all()


@pytest.mark.slow
def test_gaussian_modes_follow_the_theory():
    """Their deviations from theory are of finite size, larger than the spread over draws."""
    networks = [
        RandomModeNetwork.from_spectrum(
            np.ones(1200), gain=3.0, generator=np.random.default_rng(seed)
        )
        for seed in range(4)
    ]
    _, deviations = compare_with_theory(networks, 1.0, burn_in=60, duration=80)
    assert (np.abs(deviations) < [0.005, 0.03, 0.15]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"time_step": 0.0}, DataError, "time step 0.0"),
        ({"duration": 0.1}, DataError, "do not fit together"),
        ({"burn_in": np.inf}, DataError, "burn-in inf"),
        ({"trajectories": 0}, DataError, "0 trajectories"),
        ({"initial": np.ones((3, 4))}, DataError, "shape is \\(3, 4\\)"),
        ({"nonlinearity": "relu"}, ConfigError, "no nonlinearity"),
        ({"duration": 1e9}, MemoryLimitError, "samples of 4 trajectories of 60 units"),
    ],
)
def test_impossible_simulations_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        simulate(small_network(), generator=np.random.default_rng(0), **SHORT | arguments)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_a_diverging_simulation_says_so():
    network = small_network(gain=1.0)
    arguments = SHORT | {"time_step": 100.0, "sampling_interval": 100.0, "duration": 1e5}
    with pytest.raises(SolverError, match="simulation diverged"):
        simulate(network, generator=np.random.default_rng(0), **arguments)
