"""Theory of overlapping modes: limits, random matrices, and slow twins."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import solve_continuous_lyapunov
from scipy.special import erf

from mesomode.dynamics import (
    largest_lyapunov_exponent,
    mean_field,
    overlap_mean_field,
    simulate,
)
from mesomode.dynamics import overlap_modes as modes_module
from mesomode.dynamics import theory as theory_module
from mesomode.dynamics.measures import dimensionality
from mesomode.dynamics.overlap import (
    LAGS,
    OMEGA,
    Companion,
    Difference,
    State,
    initial_state,
    quiescent_is_stable,
)
from mesomode.dynamics.overlap_modes import OverlapModes, pair_factor
from mesomode.dynamics.overlap_sampling import OverlapSite, _companion_response
from mesomode.dynamics.theory_kernels import feedback_paths
from mesomode.errors import ConfigError, DataError, SolverError
from mesomode.network import RandomModeNetwork
from tests.dynamics.test_heterogeneous_mean_field import Linear

ALTERNATING = np.where(np.arange(200) % 2, 1.0, -1.0)


def solve(strength, overlap, *arguments, seed=0, **options):
    """The theory of as many modes as units."""
    return overlap_mean_field(
        strength,
        overlap,
        len(strength),
        *arguments,
        generator=np.random.default_rng(seed),
        **options,
    )


def coupling(generator, strength, overlap):
    """J = L diag(d) Rᵀ with corr(L, R) = ρ, as the prototype draws it."""
    units = len(strength)
    left, other = generator.standard_normal((2, units, units)) / np.sqrt(units)
    right = overlap * left + np.sqrt(1 - overlap**2) * other
    return (left * strength) @ right.T


@pytest.mark.parametrize("name", ["erf", "tanh"])
@pytest.mark.parametrize(("gain", "noise"), [(3.0, 0.0), (1.0, 1.0)])
def test_without_overlaps_it_is_the_plain_theory(name, gain, noise):
    """Nothing is sampled: agreement is that of the quadrature, and errors are zero."""
    strength = np.exp(-np.arange(200) / 60)
    strength *= gain / np.sqrt(np.mean(strength**2))
    found = solve(strength, np.zeros(200), name, noise)
    expected = mean_field(gain, found.effective_rank, name, noise)
    assert_allclose(found.variance, expected.variance, rtol=1e-4)
    assert_allclose(found.activity_variance, expected.activity_variance, rtol=1e-4)
    assert_allclose(found.participation_ratio, expected.participation_ratio, rtol=1e-3)
    assert_allclose(found.gain_average, expected.gain_average, rtol=1e-4)
    assert_allclose(found.loop_gain, expected.loop_gain, rtol=1e-4)
    assert_allclose(found.correlation_time, expected.correlation_time, rtol=1e-3)
    lag = np.linspace(0, 20, 50)
    for one, other in zip(found.at(lag), expected.at(lag), strict=True):
        assert_allclose(one, other, atol=1e-4 * other[0])
    assert_allclose(
        found.population_autocovariance(lag), expected.population_autocovariance(lag), atol=1e-4
    )
    assert found.activity_variance_error == found.participation_ratio_error == 0
    site = found._site
    assert not site.companion.memory_power(site.state).any()  # F = 0


def self_consistent(response, modes):
    """S of units in the resolvent 1/(1 − sJ), and S/s."""
    found = response
    for _ in range(500):
        feedback = np.sum(modes.zeroth * modes.theta / (1 - modes.theta * found))
        found = (found + response / (1 - response * feedback)) / 2
    return found, found / response


@pytest.mark.parametrize(
    ("strength", "overlap"),
    [(0.5, 0.5), (0.6, 0.6 * ALTERNATING[0:1]), (0.7, -0.5), (None, -0.5)],
    ids=["aligned", "alternating", "opposed", "exponential"],
)
def test_the_pair_factor_is_that_of_random_matrices(strength, overlap):
    """(1/N) Σ_ij C_ij(s_1) C_ij(s_2)* of resolvents at complex s."""
    units, draws = 500, 4
    if strength is None:
        d = 1.5 * np.exp(-np.arange(units) / (0.15 * units))
    else:
        d = np.full(units, strength)
    rho = np.broadcast_to(overlap, units) if np.ndim(overlap) == 0 else None
    if rho is None:
        rho = 0.6 * np.where(np.arange(units) % 2, 1.0, -1.0)
    modes = OverlapModes.of(d, rho, units)
    values = 0.8 / (1 + 0.5j), 0.8 / (1 - 0.3j)
    single, share = zip(*(self_consistent(one, modes) for one in values), strict=True)
    generator = np.random.default_rng(0)
    found = np.zeros(3, complex)
    for _ in range(draws):
        matrix = coupling(generator, d, rho)
        covariances = []
        for one in values:
            resolvent = np.linalg.inv(np.eye(units) - one * matrix)
            covariances.append(resolvent @ resolvent.conj().T)
        first, second = covariances
        found += np.array([np.trace(first), np.trace(second), np.sum(first * second)]) / units
    found /= draws
    traces = [
        abs(a) ** 2 / (1 - abs(s) ** 2 * np.abs(modes.responses(np.array(s))) ** 2 @ modes.second)
        for s, a in zip(single, share, strict=True)
    ]
    assert_allclose(found[:2].real, traces, rtol=0.02)
    factor, _ = pair_factor(modes, np.array(single[:1]), np.array(single[1:]))
    assert_allclose(found[2].real, traces[0] * traces[1] * factor[0], rtol=0.03)


@pytest.mark.parametrize(
    ("gain", "overlap"), [(0.35, 0.4), (0.7, -0.6), (0.4, None)], ids=["aligned", "opposed", "both"]
)
def test_linear_units_solve_the_lyapunov_equation(gain, overlap, monkeypatch):
    """φ(x) = x stays Gaussian: field, feedback, iteration and four-point function at once."""
    units, draws = 400, 4
    d = np.exp(-np.arange(units) / (0.5 * units))
    d *= gain / np.sqrt(np.mean(d**2))
    rho = np.full(units, overlap) if overlap else 0.5 * np.where(np.arange(units) % 2, 1.0, -1.0)
    generator = np.random.default_rng(2)
    variance = square = 0.0
    for _ in range(draws):
        system = coupling(generator, d, rho) - np.eye(units)
        covariance = solve_continuous_lyapunov(system, -np.eye(units))
        variance += np.trace(covariance) / units / draws
        square += np.sum(covariance**2) / units / draws
    modes = OverlapModes.of(d, rho, units)
    companion = Companion(modes, Linear(), 1.0, Difference.none())
    state = companion.solved(initial_state(modes, Linear(), 1.0))
    assert_allclose(state.activity[0], variance, rtol=0.01)
    ratio = state.activity[0] ** 2 / OverlapSite(companion, state).pair_covariance()(0.0)
    assert_allclose(ratio, variance**2 / square, rtol=0.03)
    monkeypatch.setattr(theory_module, "nonlinearity_named", lambda _: Linear())
    plain = mean_field(gain, noise=1.0).variance
    dimension = mean_field(gain, modes.effective_rank, noise=1.0).participation_ratio
    assert max(abs(variance / plain - 1), abs(variance**2 / square / dimension - 1)) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strength", "overlap", "activity", "dimension"),
    [(2.0, 0.15, (0.7059, 0.002), (0.0215, 0.0029)), (3.0, -0.15, (0.5545, 0.002), None)],
)
def test_simulated_values_of_the_prototype(strength, overlap, activity, dimension):
    """C_φ(0) and dimension of simulations of 1,200 units, two matrices, with standard errors."""
    found = solve(np.full(200, strength), np.full(200, overlap), paths=128)
    assert 0 < found.activity_variance_error < 0.002
    assert_allclose(found.activity_variance, activity[0], atol=activity[1])
    if dimension:
        assert_allclose(found.participation_ratio, dimension[0], atol=dimension[1])
    assert 0 < found.participation_ratio_error < 0.1 * found.participation_ratio
    assert np.isnan(found.participation_ratio_x)
    assert np.isnan(largest_lyapunov_exponent(found))


@pytest.mark.slow
def test_the_stated_errors_are_those_of_repetitions():
    found = [
        solve(np.ones(200), 0.5 * ALTERNATING, "erf", 1.0, seed=seed, paths=24) for seed in range(4)
    ]
    for name in ("activity_variance", "participation_ratio"):
        values = np.array([getattr(one, name) for one in found])
        stated = np.sqrt(np.mean([getattr(one, f"{name}_error") ** 2 for one in found]))
        assert values.std(ddof=1) / 4 < stated < 4 * values.std(ddof=1)
        assert stated < 0.02 * values.mean()


def test_the_signs_of_strengths_and_overlaps_count_only_together():
    first = solve(np.ones(50), np.full(50, -0.2), "erf", 1.0, paths=4)
    second = solve(-np.ones(50), np.full(50, 0.2), "erf", 1.0, paths=4)
    assert_array_equal(first.activity_autocovariance, second.activity_autocovariance)
    order = np.random.default_rng(0).permutation(50)
    d, rho = np.linspace(0.5, 1.5, 50), np.linspace(-0.3, 0.3, 50)
    values = np.array([0.5 / (1 + 0.3j)]), np.array([0.4 / (1 - 1j)])
    factors = [
        pair_factor(OverlapModes.of(*modes, 50), *values)[0]
        for modes in ((d, rho), (d[order], rho[order]))
    ]
    assert_allclose(*factors, rtol=1e-12)


def naive_paths(driven, kernel, step, burn):
    """x = w + k * erf(√π x/2) by the trapezoidal rule, and its response to an impulse."""
    steps = len(driven)
    states, activity = [], []
    for time in range(burn + steps):
        total = driven[(time - burn) % steps]
        for lag in range(1, min(len(kernel), time + 1)):
            total += step * kernel[lag] * activity[time - lag]
        x = total
        for _ in range(60):
            x = total + step / 2 * kernel[0] * erf(np.sqrt(np.pi) / 2 * x)
        states.append(x)
        activity.append(erf(np.sqrt(np.pi) / 2 * x))
    return np.array(states[burn:])


def test_paths_equal_a_plain_loop():
    generator = np.random.default_rng(0)
    driven = generator.standard_normal((60, 3))
    kernel = np.exp(-np.arange(15) * 0.1) * np.array([0.8])
    states, activity, slope, _ = feedback_paths(driven, kernel, 0.1, False, 20)
    for path in range(3):
        assert_allclose(states[:, path], naive_paths(driven[:, path], kernel, 0.1, 20), atol=1e-4)
    assert_allclose(activity, erf(np.sqrt(np.pi) / 2 * states), atol=1e-4)
    assert_allclose(slope, np.exp(-np.pi / 4 * states**2), atol=1e-12)
    states, activity, slope, _ = feedback_paths(driven, kernel, 0.1, True, 20)
    assert_allclose(slope, 1 - np.tanh(states) ** 2, atol=1e-4)


def test_the_response_is_the_derivative_of_the_paths():
    """Twin: the drive of one path raised for one step, at the start of the period."""
    generator = np.random.default_rng(1)
    driven = np.repeat(generator.standard_normal((40, 1)), 2, axis=1)
    kernel = 0.6 * np.exp(-0.1 * np.arange(40))
    small = 1e-5
    # an impulse at lag zero moves w there alone: the kernel's own response is to k * φ' δ(t)
    _, activity, slope, response = feedback_paths(driven, kernel, 0.1, False, 0)
    raised = driven.copy()
    raised[0, 1] += small
    _, moved, _, _ = feedback_paths(raised, kernel, 0.1, False, 0)
    change = (moved[:, 1] - activity[:, 1]) / (small * 0.1)
    # of a smoothed impulse: half a step of k(0) φ'² less at the start
    assert_allclose(response[1:], change[1:], rtol=0.05)
    assert_allclose(response[0], kernel[0] * slope[0, 0] ** 2)


def test_the_response_of_linear_units():
    """With weak activity φ' = 1: the companion's response, and a geometric series of k."""
    kernel = 0.6 * np.exp(-0.1 * np.arange(60))
    _, _, _, response = feedback_paths(1e-6 * np.ones((120, 2)), kernel, 0.1, False, 60)
    expected = _companion_response(kernel, 1.0)
    assert_allclose(response, expected, atol=1e-9)
    # k = a exp(−τ) gives a exp(−(1 − a)τ)
    assert_allclose(expected, 0.6 * np.exp(-0.4 * 0.1 * np.arange(60)), rtol=2e-2)


def test_memory_in_closed_form():
    """For S = m/(1 + iω), k = (1/N) Σ dρ exp(−(1 − dρm)τ)."""
    modes = OverlapModes.of(np.ones(2), np.array([0.4, -0.3]), 2)
    companion = Companion(modes, Linear(), 1.0, Difference.none())
    state = State(np.zeros(LAGS + 1), 1.0, np.ones(LAGS + 1, complex))
    lag = 0.1 * np.arange(LAGS + 1)
    expected = (0.4 * np.exp(-0.6 * lag) - 0.3 * np.exp(-1.3 * lag)) / 2
    assert_allclose(companion.memory(state), expected, atol=1e-9)
    assert_allclose(
        companion.memory_power(state),
        (0.4 / (0.6 + 1j * OMEGA) - 0.3 / (1.3 + 1j * OMEGA)) / 2,
        rtol=1e-12,
    )


@pytest.mark.parametrize("overlap", [-0.4, 0.3])
def test_quiescence_ends_where_eigenvalues_cross_one(overlap):
    units = 800
    rho = np.full(units, overlap)
    matrix = coupling(np.random.default_rng(0), np.ones(units), rho)
    abscissa = np.linalg.eigvals(matrix).real.max()
    for factor, stable in ((0.95, True), (1.05, False)):
        strength = np.full(units, factor / abscissa)
        assert quiescent_is_stable(OverlapModes.of(strength, rho, units)) == stable
    quiet = solve(np.full(units, 0.95 / abscissa), rho)
    assert quiet.activity_variance == 0
    assert np.isnan(quiet.participation_ratio)


def test_many_different_modes_are_interpolated(monkeypatch):
    generator = np.random.default_rng(0)
    d, rho = generator.random(300) * 2, generator.uniform(-0.6, 0.6, 300)
    few = OverlapModes.of(d, rho, 300)
    monkeypatch.setattr(modes_module, "NODES", 300)
    exact = OverlapModes.of(d, rho, 300)
    assert len(few.theta) == 48
    assert len(exact.theta) == 300
    for name in ("gain", "effective_rank", "self_coupling"):
        assert_allclose(getattr(few, name), getattr(exact, name), rtol=1e-9)
    first, second = 0.6 / (1 + 1j * np.array([0.0, 0.3])), 0.5 / (1 - 1j * np.array([0.1, 2.0]))
    for one, other in zip(
        pair_factor(few, first, second), pair_factor(exact, first, second), strict=True
    ):
        assert_allclose(one, other, rtol=1e-9)
    assert_allclose(exact.self_coupling, np.mean(d * rho))


@pytest.mark.parametrize("strongest", [2.0, 4.0])
def test_a_mode_that_sustains_itself_is_refused(strongest):
    """Or nearly so: then less than one dimension would be left."""
    strength, overlap = np.full(200, 0.8), np.zeros(200)
    strength[0], overlap[0] = strongest, 0.9
    noise = 1.0 if strongest == 2 else 0.1
    with pytest.raises(SolverError, match=r"condenses(.|\n)*dρS\(0\)(.|\n)*simulation alone"):
        solve(strength, overlap, "erf", noise, paths=8)


@pytest.mark.parametrize(
    ("strength", "overlap", "options", "error", "message"),
    [
        ([1.0, np.nan], [0.0, 0.0], {}, DataError, "strengths of the modes"),
        ([0.0, 0.0], [0.0, 0.0], {}, DataError, "not all zero"),
        ([1.0, 1.0], [0.0], {}, DataError, "1 numbers up to 0 for 2 modes"),
        ([1.0, 1.0], [0.0, 1.5], {}, DataError, "up to 1.5"),
        ([1.0], [0.1], {"noise": -1.0}, DataError, "noise of -1.0"),
        ([1.0], [0.1], {"paths": 1}, DataError, "1 paths are too few"),
        ([1.0], [0.1], {"nonlinearity": "threshold_linear"}, ConfigError, "no mean-field theory"),
    ],
)
def test_impossible_arguments_are_refused(strength, overlap, options, error, message):
    with pytest.raises(error, match=message):
        solve(strength, overlap, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strength", "overlap"),
    [(1.0, 0.3 * ALTERNATING), (1.5, np.full(200, -0.5))],
    ids=["alternating", "opposed"],
)
def test_simulated_networks_agree(strength, overlap):
    """Driven by noise, 1,000 units; the deviation left is that of the number of units."""
    units = 1000
    theory = solve(np.full(200, strength), overlap, "erf", 1.0)
    variances, ratios = [], []
    for seed in range(3):
        network = RandomModeNetwork.from_spectrum(
            np.full(units, strength),
            overlap=np.tile(overlap, units // 200),
            generator=np.random.default_rng(seed),
        )
        found = simulate(
            network,
            generator=np.random.default_rng(10 + seed),
            noise=1.0,
            duration=60.0,
            burn_in=20.0,
            time_step=0.1,
            sampling_interval=0.5,
        )
        activity = found.activity()
        variances.append(np.mean(np.square(activity, dtype=np.float64)))
        ratios.append(dimensionality(activity).participation_ratio / units)
    plain = mean_field(strength, 1.0, noise=1.0)
    for name, values, tolerance in (
        ("activity_variance", variances, 0.005),
        ("participation_ratio", ratios, 0.05),
    ):
        expected = getattr(theory, name)
        assert_allclose(np.mean(values), expected, rtol=tolerance)
        assert abs(getattr(plain, name) / expected - 1) > 2 * tolerance  # overlaps matter
