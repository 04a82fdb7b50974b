"""Dimension at several scales: plateaus, noise, and the side-by-side report."""

import numpy as np
import pytest

from mesomode.comparison.decimation import Decimation, decimated, dimension_report
from mesomode.comparison.intrinsic_dimension import two_nearest_neighbours
from mesomode.errors import DataError


def nearest(points):
    return two_nearest_neighbours(points).dimension


def test_a_sheet_has_a_plateau_and_a_sheet_with_noise_has_none():
    rng = np.random.default_rng(0)
    sheet = np.hstack([rng.random((1600, 2)), np.zeros((1600, 8))])
    clean = decimated(sheet, nearest, generator=rng)
    np.testing.assert_array_equal(clean.size, [1600, 800, 400, 200, 100])
    assert clean.plateau
    np.testing.assert_allclose(clean.dimension, 2, rtol=0.15)
    assert np.isnan(clean.error[0])
    assert np.all(clean.error[1:] < 0.3)
    noisy = decimated(sheet + 0.02 * rng.normal(size=sheet.shape), nearest, generator=rng)
    assert not noisy.plateau
    assert noisy.slope > 0.05
    assert np.all(np.diff(noisy.dimension) < 0)  # fewer points look at larger scales


def test_subsets_are_disjoint_and_cover_all_points():
    points, seen = np.arange(256.0)[:, None] * [1, 2], []

    def record(part):
        seen.append({tuple(row) for row in np.round(part, 9)})
        return float(len(part))

    found = decimated(
        points, record, generator=np.random.default_rng(1), scales=4, smallest=10, subsets=4
    )
    np.testing.assert_array_equal(found.size, found.dimension)
    np.testing.assert_array_equal(found.size, [256, 128, 64, 32])
    counts = [1, 2, 4, 4]
    for size in found.size:
        sets, seen = seen[: counts[0]], seen[counts.pop(0) :]
        union = set().union(*sets)
        assert len(union) == sum(map(len, sets)) == size * len(sets)
    assert found.slope == pytest.approx(np.log(2))
    assert not found.plateau


def test_the_slope_is_the_relative_rise_an_octave():
    found = Decimation(np.array([400, 200, 100, 50]), np.array([4, 3.96, 3.9204, 1.0]), None, 0.02)
    assert found.slope == pytest.approx(-np.log(0.99))
    assert found.plateau


def test_the_report_gives_local_and_global_dimension_side_by_side():
    rng = np.random.default_rng(2)
    angle = 2 * np.pi * rng.random(800)
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(800)])
    found = dimension_report(np.vstack([ring, ring[:10]]), generator=rng)
    assert found["points"] == 800
    assert found["duplicates"] == 10
    for name in ("two_nearest", "two_nearest_regression", "levina_bickel"):
        assert found[name] == pytest.approx(1, rel=0.15)
    assert found["local_components"] == pytest.approx(1, rel=0.05)
    assert found["participation_ratio"] == pytest.approx(2, rel=0.02)
    assert found["components_90"] == found["components_95"] == 2
    assert found["two_nearest_low"] < found["two_nearest"] < found["two_nearest_high"]
    assert found["plateau"] in (0, 1)
    few = dimension_report(ring[:18], generator=rng)
    assert np.isnan([few["levina_bickel"], few["plateau"], few["local_components"]]).all()
    assert few["two_nearest"] > 0
    # turning states, eight times around: neighbours are those of other turns
    angle = np.linspace(0, 16 * np.pi, 600) + 0.05 * np.cumsum(rng.normal(size=600))
    states = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(600)])
    turning = dimension_report(states, generator=rng, window=20)
    assert turning["two_nearest"] == pytest.approx(1, rel=0.15)
    assert turning["levina_bickel"] == pytest.approx(1, rel=0.05)
    assert turning["participation_ratio"] == pytest.approx(2, rel=0.05)
    assert np.isnan(turning["plateau"])


def test_too_few_points_are_refused_with_the_number_needed():
    rng = np.random.default_rng(3)
    with pytest.raises(DataError, match=r"(?s)118 distinct points.*at least 200 points"):
        decimated(rng.normal(size=(118, 5)), nearest, generator=rng)
    with pytest.raises(DataError, match=r"(?s)no value at some scale.*\[200, 100, 50\]"):
        decimated(rng.normal(size=(200, 5)), lambda part: np.nan, generator=rng)
    with pytest.raises(ValueError, match="2 scales"):
        decimated(rng.normal(size=(500, 5)), nearest, generator=rng, scales=2)
