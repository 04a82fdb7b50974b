"""The true weights: nonnegative, retinotopic, smooth, the same however they are asked for."""

import numpy as np
import pytest

from mesomode.phantom.connectivity import (
    PEAK_DENSITY,
    SMALLEST,
    _depth_of_target,
    _peak,
    draw_wiring,
    weights,
    weights_in_blocks,
)
from mesomode.phantom.geometry import synthetic_brain
from mesomode.phantom.presets import PRESETS


@pytest.fixture(scope="module")
def small():
    preset = PRESETS["small"]
    _, region = synthetic_brain(preset)
    wiring = draw_wiring(region, preset.width, 60, np.random.default_rng(5))
    return region, wiring, weights_in_blocks(wiring, region)


def slow_weight(wiring, target, source, t, s):
    """One weight, written out."""
    width = 2 * wiring.width**2
    along = ((target.sheet[t] - source.sheet[s]) ** 2).sum()
    total = np.exp(-along / width) * float(_depth_of_target(target.depth[[t]], "local")[0])
    for i in range(len(target.areas)):
        for j in range(len(source.areas)):
            gap = (target.retinotopy[t, i] - source.retinotopy[s, j]) / wiring.degrees_per_voxel
            kind = "up" if wiring.upward[i, j] else "down"
            total += (
                wiring.strength[i, j]
                * target.membership[t, i]
                * source.membership[s, j]
                * float(_depth_of_target(target.depth[[t]], kind)[0])
                * np.exp(-(gap**2).sum() / width)
            )
    total *= 0.6 + 0.4 * float(_peak(source.depth[s], 0.5, 0.35))
    return wiring.scale * max(total - SMALLEST, 0.0)


def test_weights_equal_the_formula(small):
    region, wiring, whole = small
    rng = np.random.default_rng(0)
    for t, s in rng.integers(len(region), size=(60, 2)):
        expected = slow_weight(wiring, region, region, t, s)
        assert whole[t, s] == pytest.approx(expected, rel=2e-3, abs=2e-6 * wiring.scale)


def test_weights_are_nonnegative_and_of_the_stated_scale(small):
    region, _wiring, whole = small
    assert whole.dtype == np.float32
    assert whole.min() == 0 and np.isfinite(whole).all()
    primary = np.flatnonzero(region.area == 0)
    place = np.column_stack([region.sheet, 6 * region.depth])[primary]
    order = np.argsort(((place - place.mean(0)) ** 2).sum(1), kind="stable")
    source = primary[order[:60]]
    density = whole[:, source].sum(1)
    outside = np.setdiff1d(np.arange(len(region)), source)
    assert density[outside].max() == pytest.approx(PEAK_DENSITY, rel=1e-3)


def test_any_voxels_may_be_asked_for_in_any_order(small):
    region, wiring, whole = small
    rng = np.random.default_rng(1)
    t, s = rng.permutation(len(region))[:40], rng.permutation(len(region))[:30]
    part = weights(wiring, region.take(t), region.take(s))
    np.testing.assert_allclose(part, whole[np.ix_(t, s)], rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(weights_in_blocks(wiring, region, rows=97), whole)


def test_projections_peak_at_the_matching_place_of_the_visual_field():
    """From a VISp voxel, the strongest target voxel of another area sees about the same place."""
    preset = PRESETS["visual"]
    _, region = synthetic_brain(preset)
    wiring = draw_wiring(region, preset.width, 170, np.random.default_rng(5))
    middle = np.flatnonzero((region.area == 0) & (np.abs(region.depth - 0.5) < 0.15))[::4]
    column = weights(wiring, region, region.take(middle))
    field = region.visual_field()
    errors, chance = [], []
    rng = np.random.default_rng(2)
    for name in ("VISl", "VISpm", "VISrl", "VISal"):
        # beyond the soft border and the reach of the local spread
        pure = region.membership[:, region.areas.index(name)] > 0.99
        for place, source in enumerate(middle):
            far = np.sqrt(((region.sheet - region.sheet[source]) ** 2).sum(1)) > 10
            target = np.flatnonzero(pure & far)
            if not target.size:
                continue
            gap = np.sqrt(((field[target] - field[source]) ** 2).sum(1))
            if gap.min() > 5:
                continue  # the area does not see this place
            errors.append(gap[np.argmax(column[target, place])] - gap.min())
            chance.append(gap[rng.integers(target.size)] - gap.min())
    assert len(errors) > 50
    assert np.median(errors) < 0.25 * np.median(chance)


def test_weights_change_little_between_neighbours(small):
    """Smooth: along an axis of the lattice the weights change by a small part of their size."""
    region, _, whole = small
    step = np.abs(region.voxels[:, None] - region.voxels).sum(-1) == 1
    i, j = np.nonzero(step)
    for matrix in (whole, whole.T):
        change = np.linalg.norm(matrix[i] - matrix[j]) / np.linalg.norm(matrix[i])
        assert change < 0.35


def test_strengths_depend_on_the_generator_only(small):
    region, wiring, _ = small
    again = draw_wiring(region, 4.0, 60, np.random.default_rng(5))
    other = draw_wiring(region, 4.0, 60, np.random.default_rng(6))
    np.testing.assert_array_equal(again.strength, wiring.strength)
    assert not np.allclose(other.strength, wiring.strength)
    assert (np.diag(wiring.strength) == 0).all()
