"""Mean-field theory by iteration: agreement with the potential method."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.dynamics import mean_field
from mesomode.dynamics.iteration import (
    STEP,
    _filtered,
    autonomous_activity,
    solve_by_iteration,
)
from mesomode.dynamics.nonlinearity import nonlinearity_named
from mesomode.errors import SolverError


@pytest.mark.parametrize(
    ("name", "gain"), [("erf", 1.5), ("erf", 2.0), ("erf", 5.0), ("tanh", 2.0), ("tanh", 3.0)]
)
def test_two_methods_agree(name, gain):
    """To 1e-6 of the variance, from a start that knows nothing of the solution."""
    activity = autonomous_activity(gain, nonlinearity_named(name))
    found = solve_by_iteration(gain, activity, start=lambda lag: np.exp(-lag / 2), rate=0.5)
    theory = mean_field(gain, np.inf, name)
    lag = np.linspace(0.0, 60.0, 1999)  # not those of the iteration
    assert_allclose(found(lag), theory.at(lag)[0], atol=1e-6 * theory.variance)
    assert_allclose(found.decay_rate, theory._site.decay_rate, atol=1e-6)
    assert_allclose(found(-lag), found(lag))


def test_near_the_transition_correlations_are_long():
    activity = autonomous_activity(1.2, nonlinearity_named("erf"))
    found = solve_by_iteration(1.2, activity, start=lambda lag: np.exp(-lag / 2), rate=0.5)
    assert found.lag[-1] > 80
    lag = np.linspace(0.0, 120.0, 1999)
    theory = mean_field(1.2, np.inf)
    assert_allclose(found(lag), theory.at(lag)[0], atol=1e-6 * theory.variance)


def test_the_filter_solves_its_differential_equation():
    """Δ − Δ'' = C has the solution exp(−a|τ|) (1 − a²)⁻¹ − … for C = exp(−a|τ|)."""
    lag = np.arange(1201) * STEP
    for rate in (0.3, 2.5):
        expected = (np.exp(-rate * lag) - rate * np.exp(-lag)) / (1 - rate**2)
        assert_allclose(_filtered(np.exp(-rate * lag), rate), expected, atol=1e-6)


def test_below_the_transition_the_iteration_says_so():
    activity = autonomous_activity(0.8, nonlinearity_named("erf"))
    with pytest.raises(SolverError, match="did not converge"):
        solve_by_iteration(0.8, activity, start=lambda lag: np.exp(-lag), rate=0.5)
