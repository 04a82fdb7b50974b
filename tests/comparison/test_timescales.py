"""Autocorrelation and time-scales: slow twins, known answers, gaps."""

import numpy as np
import pytest
from scipy.signal import lfilter

from mesomode.comparison import timescales
from mesomode.errors import DataError


def slow_autocovariance(traces, lags, pieces):
    """Loop over pieces, lags and frames."""
    inside = np.full(traces.shape, np.nan)
    for start, end in pieces:
        inside[start:end] = traces[start:end]
    centred = inside - np.nanmean(inside, axis=0)
    result = np.full((lags, traces.shape[1]), np.nan)
    for lag in range(lags):
        for unit in range(traces.shape[1]):
            products = [
                centred[t, unit] * centred[t + lag, unit]
                for start, end in pieces
                for t in range(start, end - lag)
            ]
            products = [p for p in products if np.isfinite(p)]
            if products:
                result[lag, unit] = np.mean(products)
    return result


@pytest.mark.parametrize("pieces", [[(0, 60)], [(0, 20), (25, 37), (40, 60)]])
def test_autocovariance_equals_the_loops(pieces):
    rng = np.random.default_rng(0)
    traces = rng.normal(size=(60, 35)) + 5
    traces[10:14, 2] = np.nan
    traces[rng.random(traces.shape) < 0.1] = np.nan
    fast = timescales.autocovariance(traces, 15, pieces)
    np.testing.assert_allclose(fast, slow_autocovariance(traces, 15, pieces), atol=1e-10)


def test_a_lag_without_pairs_is_nan():
    traces = np.arange(10.0)[:, None] % 3
    traces[3:9] = np.nan
    found = timescales.autocovariance(traces, 10)
    assert np.isnan(found[4, 0])
    assert np.isfinite(found[9, 0])


def exponential_process(rng, tau, frames, units):
    decay = np.exp(-1 / tau)
    noise = rng.normal(size=(frames, units)) * np.sqrt(1 - decay**2)
    return lfilter([1.0], [1.0, -decay], noise, axis=0)


def test_an_exponential_process_has_its_time_constant():
    rng = np.random.default_rng(1)
    traces = exponential_process(rng, 20.0, 20000, 20)
    noisy = traces + rng.normal(size=traces.shape)
    for data in (traces, noisy):
        covariance = timescales.autocovariance(data, 200).mean(axis=1)
        correlation = timescales.normalised(covariance)
        assert timescales.exponential_time(correlation, 0.1) == pytest.approx(2.0, rel=0.1)
    correlation = timescales.normalised(timescales.autocovariance(traces, 200).mean(axis=1))
    assert timescales.integrated(correlation, 0.1) == pytest.approx(2.0, rel=0.15)
    assert timescales.half_width(correlation, 0.1) == pytest.approx(2 * np.log(2), rel=0.1)
    assert timescales.integrated_square(correlation, 0.1) == pytest.approx(2.0, rel=0.15)


def test_known_curves():
    step = 0.01
    lags = np.arange(3000) * step
    curve = np.exp(-lags / 1.5)
    assert timescales.exponential_time(curve, step) == pytest.approx(1.5, rel=1e-6)
    assert timescales.integrated(curve, step) == pytest.approx(1.5, rel=1e-4)
    assert timescales.half_width(curve, step) == pytest.approx(1.5 * np.log(2), rel=1e-4)
    assert timescales.integrated_square(curve, step) == pytest.approx(1.5, rel=1e-4)
    line = 1 - lags / 4
    assert timescales.half_width(line, step) == pytest.approx(2)
    assert timescales.integrated(line, step) == pytest.approx(2, rel=1e-9)
    assert timescales.half_width(np.exp(-(lags**2)), step) == pytest.approx(
        np.sqrt(np.log(2)), rel=1e-4
    )


def test_scale_and_shift_change_no_time_scale():
    rng = np.random.default_rng(2)
    traces = exponential_process(rng, 5.0, 500, 3)
    one = timescales.normalised(timescales.autocovariance(traces, 50))
    two = timescales.normalised(timescales.autocovariance(-3 * traces + 100, 50))
    np.testing.assert_allclose(one, two, atol=1e-9)


def test_what_cannot_be_read_off_is_nan():
    flat, steep = np.ones(50), np.eye(1, 50)[0]
    assert np.isnan(timescales.half_width(flat, 1.0))
    assert np.isnan(timescales.integrated(flat, 1.0))
    assert np.isnan(timescales.exponential_time(flat, 1.0))
    assert np.isnan(timescales.exponential_time(steep, 1.0))
    assert np.isnan(timescales.exponential_time(np.full(50, np.nan), 1.0))
    assert np.isnan(timescales.half_width(np.full(50, np.nan), 1.0))
    constant = timescales.autocovariance(np.ones((30, 2)), 5)
    assert np.isnan(timescales.normalised(constant)).all()


def test_bad_recordings_are_refused():
    with pytest.raises(DataError, match=r"(?s)too short.*10 frames"):
        timescales.autocovariance(np.zeros((10, 2)), 11)
    traces = np.zeros((10, 2))
    traces[:, 1] = np.nan
    with pytest.raises(DataError, match="1 units have no finite frame"):
        timescales.autocovariance(traces, 5)
