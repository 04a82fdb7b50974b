"""Systems: dimension of subsets, noise of single frames, shapes of autocorrelations."""

import numpy as np
import pytest

from mesomode.comparison import systems
from mesomode.comparison.dimension import Moments


def system(**changes):
    values = {
        "name": "a",
        "kind": "recording",
        "units": 40,
        "participation_ratio": 8.0,
        "error": 1.0,
        "plain": 7.0,
        "moments": None,
        "eigenvalues": np.array([2.0, 1.0, 1.0]),
        "lag": np.arange(200) * 0.1,
        "autocovariance": 3 * np.exp(-np.arange(200) / 20),
    }
    return systems.System(**{**values, **changes})


def test_dimension_of_subsets_uses_the_covariance_where_it_is_known():
    alike = system(kind="network")
    assert alike.dimension_of(40) == pytest.approx(8)
    assert alike.dimension_of(1) == pytest.approx(1)
    assert alike.dimension_of(10) == pytest.approx(10 / (1 + 9 / 39 * (40 / 8 - 1)))
    known = system(moments=Moments(40, 1600.0, 200.0, 40.0))
    assert known.dimension_of(10) == pytest.approx(known.moments.subsampled(10))
    # alike units have equal variances: both formulas then agree
    assert known.dimension_of(10) == pytest.approx(alike.dimension_of(10), rel=1e-12)
    assert np.isnan(alike.dimension_of(41))
    assert np.isnan(system(participation_ratio=np.nan).dimension_of(10))


def test_noise_of_single_frames_is_left_out_of_recordings_only():
    noisy = 3 * np.exp(-np.arange(200) / 20)
    noisy[0] += 2
    correlation, noise = system(autocovariance=noisy).correlation(True)
    assert noise == pytest.approx(0.4, abs=0.01)
    np.testing.assert_allclose(correlation, np.exp(-np.arange(200) / 20), rtol=0.01)
    for kind, remove in (("network", True), ("recording", False)):
        correlation, noise = system(autocovariance=noisy, kind=kind).correlation(remove)
        assert noise == 0
        np.testing.assert_allclose(correlation, noisy / 5)


def test_a_silent_system_has_no_autocorrelation():
    correlation, noise = system(autocovariance=np.zeros(200)).correlation(True)
    assert np.isnan(correlation).all()
    assert noise == 0


def test_cumulative_variance():
    found = systems.cumulative_variance(np.array([2.0, 1.0, 1.0]), 5)
    np.testing.assert_allclose(found, [0.5, 0.75, 1, np.nan, np.nan])
    np.testing.assert_allclose(systems.cumulative_variance(np.array([3.0, 1]), 1), [0.75])
    assert np.isnan(systems.cumulative_variance(np.zeros(3), 2)).all()


def test_exponentials_of_any_speed_have_the_same_shape_and_gaussians_another():
    grid = np.arange(61) * 0.05
    lags = np.arange(4000)

    def scaled(curve, width):
        return systems.in_half_widths(curve, width, grid)

    slow = scaled(np.exp(-lags / 300), 300 * np.log(2))
    fast = scaled(np.exp(-lags / 50), 50 * np.log(2))
    gaussian = scaled(np.exp(-((lags / 300) ** 2)), 300 * np.sqrt(np.log(2)))
    np.testing.assert_allclose(slow, 0.5**grid, atol=1e-4)
    assert systems.shape_difference(slow, fast) < 1e-4
    assert systems.shape_difference(slow, gaussian) > 0.05
    short = scaled(np.exp(-lags[:100] / 300), 300 * np.log(2))
    assert np.isnan(short[-1])
    assert np.isnan(systems.shape_difference(slow, short))
    assert np.isnan(systems.in_half_widths(slow, np.nan, grid)).all()


def test_networks_are_made_as_slow_as_the_recordings():
    kinds = np.array([0, 0, 1, 1])
    constants = systems.time_constants(kinds, np.array([0.4, 0.6, 1.0, 2.0]))
    assert np.isnan(constants[:2]).all()
    np.testing.assert_allclose(constants[2:], [0.5, 0.25])
    # frames of the second recording are coarser than 0.4 time constants of either network
    assert systems.common_frame(np.array([0.03, 0.3, 0.4, 0.4]), constants) == pytest.approx(0.3)
    assert systems.common_frame(np.array([0.03, 0.1, 0.4, 0.4]), constants) == pytest.approx(0.2)


def test_time_constants_are_one_without_a_recording_or_a_width():
    assert systems.time_constants(np.array([1]), np.array([2.0])).tolist() == [1.0]
    found = systems.time_constants(np.array([0, 1]), np.array([0.5, np.nan]))
    assert np.isnan(found[0]) and found[1] == 1.0
