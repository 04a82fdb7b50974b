"""One-way analysis of variance for all units at once, against scipy one unit at a time."""

import numpy as np
import pytest
from scipy.stats import f_oneway

from mesomode.recordings.tuning import one_way_anova, tuned_fraction


def test_it_equals_scipy_unit_by_unit_also_with_gaps():
    rng = np.random.default_rng(0)
    condition = rng.integers(0, 7, 120)
    response = rng.normal(size=(120, 9)) + 3 + np.outer(condition, np.linspace(0, 0.4, 9))
    response[rng.random(response.shape) < 0.1] = np.nan
    statistic, p_value = one_way_anova(response, condition, 7)
    for unit in range(9):
        groups = [response[condition == c, unit] for c in range(7)]
        expected = f_oneway(*[g[np.isfinite(g)] for g in groups])
        assert statistic[unit] == pytest.approx(expected.statistic, rel=1e-9)
        assert p_value[unit] == pytest.approx(expected.pvalue, rel=1e-8)


def test_a_condition_without_trials_does_not_count():
    rng = np.random.default_rng(1)
    condition = rng.integers(0, 3, 30)
    response = rng.normal(size=(30, 2))
    with_empty = one_way_anova(response, condition + (condition == 2), 5)
    np.testing.assert_allclose(with_empty, one_way_anova(response, condition, 3))


def test_shift_scale_and_order_change_nothing():
    rng = np.random.default_rng(2)
    condition = rng.integers(0, 4, 60)
    response = rng.normal(size=(60, 5))
    order = rng.permutation(60)
    reference = one_way_anova(response, condition, 4)
    for changed in (
        one_way_anova(response * -3 + 7, condition, 4),
        one_way_anova(response[order], condition[order], 4),
        one_way_anova(response, 3 - condition, 4),
    ):
        np.testing.assert_allclose(changed, reference, rtol=1e-7)


def test_p_values_are_uniform_when_nothing_is_tuned():
    rng = np.random.default_rng(3)
    condition = np.arange(200) % 8
    _, p_value = one_way_anova(rng.normal(size=(200, 4000)), condition, 8)
    for level in (0.01, 0.1, 0.5):
        error = np.sqrt(level * (1 - level) / 4000)
        assert tuned_fraction(p_value, level) == pytest.approx(level, abs=4 * error)


def test_what_cannot_be_tested_is_nan_and_perfect_separation_is_zero():
    condition = np.array([0, 0, 1, 1])
    response = np.column_stack([np.full(4, 0.1), [1.0, 1, 2, 2], np.full(4, np.nan)])
    statistic, p_value = one_way_anova(response, condition, 2)
    assert np.isnan(p_value[[0, 2]]).all()
    assert np.isnan(statistic[[0, 2]]).all()
    assert p_value[1] == 0
    assert tuned_fraction(p_value, 0.01) == 1
    assert np.isnan(tuned_fraction(np.full(3, np.nan), 0.01))
    _, alone = one_way_anova(np.arange(4.0)[:, None], np.zeros(4, int), 1)
    assert np.isnan(alone).all()
