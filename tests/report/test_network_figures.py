"""Figures of networks and their dynamics."""

import numpy as np
import pytest

from mesomode.report.dynamics import Activity, draw_dynamics, last_above
from mesomode.report.network import Spectrum, draw_network
from tests.report.conftest import check, texts, titled


def activity(variant="random_mode", **changed):
    lag = np.arange(0, 20, 0.5)
    curve = np.exp(-lag / 3)
    rng = np.random.default_rng(0)
    return Activity(
        **{
            "variant": variant, "units": 200, "trajectories": 32, "gain": 3.0, "noise": 0.5,
            "lag": lag,
            "states": 5 * curve, "states_error": 0.1 * curve, "states_theory": 5.1 * curve,
            "rates": 0.7 * curve, "rates_error": 0.01 * curve, "rates_theory": 0.71 * curve,
            "eigenvalue": np.geomspace(1, 1e-4, 200), "dimension": 12.3, "dimension_error": 0.4,
            "dimension_theory": 13.0, "correlation_time": 3.02, "correlation_time_theory": 2.99,
            "time": np.arange(1, 100.0), "example": np.tanh(rng.normal(size=(99, 20))),
            "frozen": 0.0, "asymptotic": True, **changed,
        }
    )  # fmt: skip


def test_spectra():
    values = np.array([4.0, 2.0, 1.0, 0.0])
    connectome = Spectrum("connectome", values, 0.25)
    network = Spectrum("network", 3 * values, np.inf, 3.0)
    figure = draw_network({"#000000": connectome, "#ff0000": network})
    check(figure)
    lines = titled(figure, "Singular values").lines
    assert len(lines) == 2
    # relative to the root mean square, so the factor of three is gone; zeros are not drawn
    assert np.allclose(lines[0].get_ydata(), lines[1].get_ydata())
    assert np.allclose(lines[0].get_ydata(), [v / np.sqrt(21 / 4) for v in (4, 2, 1)])
    energy = titled(figure, "Energy").lines[0].get_ydata()
    assert np.allclose(energy, [100 * 16 / 21, 100 * 20 / 21, 100, 100])
    assert connectome.modes_for(95) == 2 and connectome.modes_for(99) == 3
    assert "∞" in texts(figure) and "0.25" in texts(figure) and "76.2 %" in texts(figure)


def test_simulation_and_theory_are_on_one_axis():
    figure = draw_dynamics([activity(), activity("independent")], example_units=4)
    check(figure)
    axes = titled(figure, "varphi")
    lines = [line for line in axes.lines if len(line.get_xdata()) == 40]
    assert "200 units, g = 3, σ² = 0.5, 32 trajectories" in texts(figure)
    assert len(lines) == 4
    assert lines[0].get_ydata()[0] == pytest.approx(0.7)
    assert lines[1].get_ydata()[0] == pytest.approx(0.71)
    assert len(axes.collections) == 2, "an error band each"
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(0.71)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "random modes: τ₂ = 3.02, theory 2.99" in labels
    styles = [line.get_linestyle() for line in axes.get_legend().get_lines()]
    assert styles == ["-", "-", "-", "--"], "two networks, simulated, theory"
    bars = [p.get_height() for p in titled(figure, "Dimension").patches]
    assert bars == pytest.approx([12.3, 13.0, 12.3, 13.0])
    traces = titled(figure, "Example activity: random modes")
    assert len([line for line in traces.lines if len(line.get_xdata()) == 99]) == 4


def test_a_network_without_activity():
    nan, nothing = float("nan"), np.zeros(40)
    quiet = activity(
        states=nothing, rates=nothing, states_error=nothing * nan, rates_error=nothing * nan,
        states_theory=nothing, rates_theory=nothing, eigenvalue=np.zeros(200), dimension=nan,
        dimension_error=nan, dimension_theory=nan, correlation_time=nan,
        correlation_time_theory=nan, frozen=1.0, asymptotic=False,
    )  # fmt: skip
    figure = draw_dynamics([quiet])
    check(figure)
    text = texts(figure)
    assert "no activity" in text
    assert "100% of\ntrajectories\nat rest" in text
    assert "too few\nunits" in text


def test_the_lags_drawn_are_those_of_the_decay():
    lag = np.arange(0, 20, 0.5)
    assert last_above(lag, np.exp(-lag)) == pytest.approx(1.5 * 4.5)
    assert last_above(lag, np.ones(40)) == 19.5
    assert last_above(lag, np.zeros(40)) == 19.5
    assert last_above(lag, np.append(1.0, np.zeros(39))) == 19.5
