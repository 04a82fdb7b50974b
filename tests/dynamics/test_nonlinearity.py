"""Nonlinearities and their Gaussian averages against direct quadrature."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import erf

from mesomode.dynamics.nonlinearity import NONLINEARITIES, HermiteAverages, Tanh, nonlinearity_named
from mesomode.errors import ConfigError, SolverError

PHI = {"erf": lambda x: erf(np.sqrt(np.pi) / 2 * x), "tanh": np.tanh}


def average(function) -> float:
    """Average of a function of a standard normal, by adaptive quadrature."""
    value, _ = quad(
        lambda z: function(z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi),
        *(-12, 12),
        points=[-0.1, 0, 0.1],
        limit=500,
        epsabs=1e-12,
    )
    return value


@pytest.mark.parametrize("name", ["erf", "tanh"])
def test_values(name):
    x = np.linspace(-9, 9, 20_001)
    phi = nonlinearity_named(name)
    assert_allclose(phi(x), PHI[name](x), atol=1e-15)
    single = x.astype(np.float32)
    assert phi(single).dtype == np.float32
    assert_allclose(phi(single), PHI[name](single.astype(float)), atol=4e-7)
    assert_allclose(phi(-single), -phi(single))
    out = np.empty_like(single)
    assert phi(single, out=out) is out
    assert_allclose(out, phi(single))
    small = np.array([1e-6, 1e-3], np.float32)
    assert_allclose(phi(small), PHI[name](small.astype(float)), rtol=3e-7)  # slope one


@pytest.mark.parametrize("name", ["erf", "tanh"])
@pytest.mark.parametrize("variance", [0.1, 2.0, 60.0])
def test_averages_equal_direct_quadrature(name, variance):
    phi, scale = PHI[name], np.sqrt(variance)
    averages = NONLINEARITIES[name].averages(variance)
    assert_allclose(
        averages.covariance(variance), average(lambda z: phi(scale * z) ** 2), rtol=1e-9
    )
    assert_allclose(averages.slope, average(lambda z: z * phi(scale * z)) / scale, rtol=1e-9)
    # two inputs of correlation 1/2: v = u/2 + (√3/2) y, by nested grids
    z = np.arange(-800, 801) * 0.0125
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    conditional = phi(scale * (0.5 * z[:, None] + np.sqrt(0.75) * z[None, :])) @ weight
    expected = np.sum(weight * phi(scale * z) * conditional)
    assert_allclose(averages.covariance(variance / 2), expected, rtol=1e-8)


@pytest.mark.parametrize("name", ["erf", "tanh"])
@pytest.mark.parametrize("variance", [0.1, 2.0, 60.0])
def test_the_integral_is_the_primitive_of_the_covariance(name, variance):
    averages = NONLINEARITIES[name].averages(variance)
    for share in (1e-3, 0.5, 0.999):
        expected, _ = quad(averages.covariance, 0, share * variance, epsabs=0, epsrel=1e-11)
        assert_allclose(averages.integral(share * variance), expected, rtol=1e-9)
    assert_allclose(
        averages.integral(variance), NONLINEARITIES[name].primitive_variance(variance), rtol=1e-9
    )


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no nonlinearity 'relu'(.|\n)*erf, tanh"):
        nonlinearity_named("relu")


def test_a_series_that_does_not_converge_says_so(monkeypatch):
    monkeypatch.setattr(HermiteAverages, "LIMIT", 100)
    with pytest.raises(SolverError, match="use a smaller gain"):
        Tanh().averages(60.0)


@pytest.mark.parametrize("name", ["erf", "tanh", "threshold_linear", "linear"])
def test_the_derivative_is_that_of_the_function(name):
    phi = nonlinearity_named(name)
    states = np.linspace(-4, 4, 80)  # zero, where one of them has a corner, is not among them
    difference = (phi(states + 1e-6) - phi(states - 1e-6)) / 2e-6
    assert_allclose(phi.derivative(states), difference, atol=1e-8)
    single = phi.derivative(states.astype(np.float32))
    assert single.dtype == np.float32
    assert_allclose(single, difference, atol=2e-6)
    assert phi.odd == np.allclose(phi(-states), -phi(states))


@pytest.mark.parametrize("name", ["threshold_linear", "linear"])
def test_piecewise_linear_functions_have_no_theory_and_say_so(name):
    phi = nonlinearity_named(name)
    with pytest.raises(ConfigError, match=f"no mean-field theory for the nonlinearity '{name}'"):
        phi.averages(1.0)
    with pytest.raises(ConfigError, match="odd functions that saturate"):
        phi.primitive_variance(1.0)
    states = np.array([-1.5, 2.0])
    out = np.empty(2)
    assert phi(states, out=out) is out
    assert_allclose(out, [0.0 if name == "threshold_linear" else -1.5, 2.0])
    assert_allclose(phi(states), out)
