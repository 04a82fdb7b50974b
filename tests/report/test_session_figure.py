"""Figure of a two-photon session."""

import numpy as np
import pytest

from mesomode.report import session as data
from mesomode.report.recordings import draw_session
from mesomode.report.session import Session
from mesomode.report.variability import FieldShown, Variability
from tests.report.conftest import check, texts, titled


def session(units=8, frames=4000, **changed):
    rng = np.random.default_rng(0)
    lag = np.arange(60) / 30
    p = np.append(np.full(units - 1, 1e-4), np.nan)
    return Session(
        **{
            "name": "7", "signal": "dff", "time": np.arange(frames) / 30,
            "traces": rng.normal(size=(frames, units)).astype("f4") * np.arange(1, units + 1),
            "running_speed": np.abs(rng.normal(size=frames)),
            "epochs": [("drifting_gratings", 1.0, 50.0), ("spontaneous", 60.0, 100.0)],
            "status": np.append(np.zeros(units - 1, int), 1),
            "tests": [("drifting_gratings", p)], "significance": 0.01,
            "eigenvalue": np.geomspace(10, 0.1, units), "dimension": 3.3, "dimension_error": 0.3,
            "dimension_plain": 3.1, "subset": np.array([1, 2, 4, units]),
            "subset_dimension": np.array([1.0, 1.7, 2.5, 3.3]), "lag": lag,
            "autocovariance": 2 * np.exp(-lag), "half_width": 0.69, "integrated_time": 1.0,
            "unit_autocorrelation": np.exp(-lag[:, None] * np.linspace(0.5, 2, units)),
            "facts": ("VISp",), **changed,
        }
    )  # fmt: skip


def test_session():
    figure = draw_session(session(), example_units=3)
    check(figure)
    text = texts(figure)
    assert "8 units, 7 of them used" in text
    assert "drifting gratings: 7 of 7 (100 %)" in text
    assert "3.3 ± 0.3 (unbiased)" in text and "3.1 (plain)" in text
    traces = titled(figure, "most variable")
    assert len(traces.lines) == 3 + 1, "three units and the scale"
    assert len(traces.patches) == 2, "two epochs"
    assert traces.texts[0].get_text().endswith("\nΔF/F"), "the scale has a unit"
    tuned = titled(figure, "Tuned").patches[0]
    assert traces.patches[0].get_facecolor()[:3] == tuned.get_edgecolor()[:3], "one colour each"
    mean = [
        line for line in titled(figure, "Half width").lines if line.get_label().startswith("all")
    ]
    assert mean[0].get_ydata()[0] == pytest.approx(1.0)
    (bar,) = titled(figure, "Dimension against").containers
    assert bar.has_yerr


def test_a_session_without_running_tests_and_dimension():
    nan = float("nan")
    figure = draw_session(
        session(
            units=2, running_speed=None, tests=[], dimension=nan, dimension_error=nan,
            subset=np.array([1, 2]), subset_dimension=np.array([nan, nan]), half_width=nan,
            integrated_time=nan, unit_autocorrelation=np.full((60, 2), nan), epochs=[],
        )
    )  # fmt: skip
    check(figure)
    text = texts(figure)
    assert "running speed was not recorded" in text
    assert "no stimulus could be tested" in text


def test_what_repeats_correlations_and_receptive_fields():
    rng = np.random.default_rng(1)
    ceiling = np.array([0.9, 0.8, 0.1, -3.0, np.nan, 0.7, 0.7, 0.7])
    movie = Variability(
        "natural movie one", ceiling, ceiling, ceiling > 0.75, rng.normal(0, 0.1, 28), 0.012,
        0.34, 0.45,
    )  # fmt: skip
    nan = np.full(8, np.nan)
    unknown = Variability("static gratings", nan, nan, nan > 0, np.empty(0), *[np.nan] * 3)
    untuned = Variability(
        "trials", ceiling, ceiling, nan > 0, rng.normal(0, 0.1, 28), 0.05, np.nan, np.nan
    )
    fields = [FieldShown(u, 10.0**-u, rng.normal(size=(8, 14))) for u in range(3)]
    figure = draw_session(session(variability=[movie, unknown, untuned], fields=fields))
    check(figure)
    text = texts(figure)
    assert "natural movie one: 0.85" in text and "static gratings" not in text
    assert "natural movie one: noise 0.012, signal 0.34 (0.45 measured)" in text
    assert "trials: noise 0.05\n" in text + "\n"
    assert "unit 2: p = 0.01" in text
    points = titled(figure, "What repeats").lines[0]
    assert len(points.get_xdata()) == 7 and points.get_xdata().min() == -0.5
    images = [axes for axes in figure.axes if axes.images]
    assert len(images) == 3
    bare = draw_session(session(variability=[unknown]))
    check(bare)
    assert "reliability is unknown" in texts(bare) and "correlations are unknown" in texts(bare)


def test_a_recording_of_events_only_says_so():
    figure = draw_session(session(trace_name="events", signal="events"))
    assert titled(figure, "most variable").get_ylabel() == "events of 6 units"


def test_running_speed_with_gaps():
    speed = np.full(4000, np.nan)
    speed[1000:2000] = 3.0
    check(draw_session(session(running_speed=speed)))


def test_bins_are_means_of_what_is_known():
    values = np.array([1.0, 3.0, np.nan, 5.0, np.nan, np.nan, 9.0])
    assert np.allclose(data.binned(values, 4), [2, 5, np.nan], equal_nan=True)
    assert np.array_equal(data.binned(np.arange(3.0), 10), [0, 1, 2])
    assert data.binned(np.ones((7, 2)), 4).shape == (3, 2)


def test_lines_are_broken_at_gaps_in_time():
    time = np.array([0, 1, 2, 50, 51.0])
    broken = data.broken_at_gaps(time, np.ones(5))
    assert np.isnan(broken).tolist() == [False, False, False, True, False]


def test_presentations_are_joined_into_epochs():
    epochs = data.epochs_of(
        np.array([0, 0, 1, 0]), np.array([0, 3, 6, 9.0]), np.array([2, 5, 8, 11.0]), ("a", "b"), 1.5
    )
    assert epochs == [("a", 0, 5), ("b", 6, 8), ("a", 9, 11)]
    apart = data.epochs_of(
        np.array([0, 0]), np.array([0, 30.0]), np.array([2, 31.0]), ("a",), pause=5
    )
    assert len(apart) == 2


def test_most_variable_units_leave_nan_out():
    traces = np.array([[0, 1, np.nan], [0, -1, 9], [0, 1, -9], [0, -1, np.nan]])
    assert data.most_variable(traces, 2).tolist() == [2, 1]
