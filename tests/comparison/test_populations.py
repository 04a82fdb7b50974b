"""Populations: which trials are kept, how conditions are matched and units pooled."""

import numpy as np

from mesomode.comparison.populations import in_common, pooled, population_of


def made(name, shown, units, seed=0, repeats=3):
    """Responses 10 × condition + unit, in a random order of the trials."""
    draw = np.random.default_rng(seed)
    parameters = np.array([[float(s), np.nan] for s in shown] + [[np.nan, np.nan]])
    condition = draw.permutation(np.repeat(np.arange(len(parameters)), repeats))
    response = 10.0 * np.r_[shown, -1.0][condition][:, None] + np.array(units)
    return response, condition, parameters, np.array(units), name


def population(*arguments, **named):
    response, condition, parameters, units, name = made(*arguments, **named)
    return population_of(name, response, condition, parameters, units)


def test_the_blank_screen_is_left_out_and_trials_are_in_order():
    found = population("a", [0, 1, 2, 3], [7, 8])
    assert found.trials.shape == (3, 4, 2)
    np.testing.assert_array_equal(found.mean[:, 0], [7, 17, 27, 37])
    np.testing.assert_array_equal(found.condition[:, 0], [0, 1, 2, 3])


def test_gaps_cost_trials_units_or_conditions():
    response, condition, parameters, units, _ = made("a", list(range(12)), [1, 2, 3])
    response[:, 2] = np.nan  # a unit that was never measured
    response[np.flatnonzero(condition == 4)[:2]] = np.nan  # leaves one trial of a condition
    response[np.flatnonzero(condition == 0)[0]] = np.nan  # leaves two
    found = population_of("a", response, condition, parameters, units)
    assert found.unit.tolist() == [1, 2]
    assert found.condition[:, 0].tolist() == [0, 1, 2, 3, *range(5, 12)]
    assert found.trials.shape == (2, 11, 2) and np.isfinite(found.trials).all()


def test_too_little_is_no_population():
    assert population("a", [0, 1, 2], [1, 2]) is None
    assert population("a", [0, 1, 2, 3], [1], repeats=1) is None
    response, condition, parameters, units, _ = made("a", [0, 1, 2, 3], [1])
    assert population_of("a", response * np.nan, condition, parameters, units) is None


def test_conditions_are_matched_by_what_was_shown():
    one = population("a", [0, 1, 2, 3, 9], [1], seed=1)
    two = population("b", [9, 3, 2, 1, 5], [2], seed=2)
    first, second = in_common([one, two])
    np.testing.assert_array_equal(first.condition[:, 0], [1, 2, 3, 9])
    np.testing.assert_array_equal(second.mean[:, 0] - first.mean[:, 0], 1)


def test_pooled_units_are_counted_once():
    one = population("a", [0, 1, 2, 3], [5, 6], repeats=4)
    two = population("b", [0, 1, 2, 3], [6, 7], repeats=2)
    both = pooled("both", [one, two])
    assert both.unit.tolist() == [5, 6, 7]
    assert both.trials.shape == (2, 4, 3)
    np.testing.assert_array_equal(both.mean[1], [15, 16, 17])
