"""Figures and table of theory beside simulation."""

import csv
import io
import math

import numpy as np
import pytest
import xarray as xr

from mesomode.report.chaos import Chaos, draw_chaos
from mesomode.report.theory import Ensemble, Ranks, draw_effective_rank, draw_scaling
from mesomode.report.theory_table import table_csv, table_html, theory_rows
from tests.report.conftest import check, texts, titled

NAN = float("nan")


def ensemble(variant="random_mode", **changed):
    units = np.array([100, 200, 400])
    return Ensemble(
        **{
            "variant": variant, "effective_rank": 0.1, "units": units,
            "variance": 0.35 + np.array([[1.0, 2.0], [0.5, 1.0], [0.25, 0.5]]) / 100,
            "dimension": 0.3 + np.array([[3.0, 4.0], [1.5, 2.0], [0.75, 1.0]]) / 100,
            "variance_theory": 0.351, "dimension_theory": 0.29,
            "variance_limit": (0.35, 0.002, 1.5), "dimension_limit": (0.3, 0.01, 3.5),
            "asymptotic": np.array([False, True, True]), **changed,
        }
    )  # fmt: skip


def test_sizes_lie_beside_theory_and_their_limit():
    figure = draw_scaling([ensemble(), ensemble("independent", effective_rank=np.inf)])
    check(figure)
    axes = titled(figure, "Dimension of the activity")
    singles = axes.lines[0]
    assert np.allclose(np.sort(singles.get_ydata())[[0, -1]], [0.3075, 0.34])
    inverse = singles.get_xdata().reshape(3, 2)[:, 0]
    assert np.allclose(inverse * [100, 200, 400], inverse[0] * 100)
    line = next(line for line in axes.lines if line.get_xdata()[0] == 0 and line.get_lw() == 0.8)
    assert np.allclose(line.get_ydata(), [0.3, 0.3 + 3.5 / 100])
    text = texts(figure)
    assert "theory, N → ∞: 0.29" in text and "extrapolated ± s.e.: 0.3 ± 0.01" in text
    assert "PR$_D$ = ∞" in text and "∞" in [t.get_text() for t in axes.get_xticklabels()]


def test_a_size_without_networks_is_named_and_no_line_leads_there():
    gone = np.array([[NAN, NAN], [0.5, 1.0], [0.25, 0.5]])
    figure = draw_scaling([ensemble(variance=gone, dimension=gone), ensemble("independent")])
    check(figure)
    assert "2 networks each, none of 100 units" in texts(figure)
    axes = titled(figure, "Dimension of the activity")
    line = next(line for line in axes.lines if line.get_xdata()[0] == 0 and line.get_lw() == 0.8)
    assert line.get_xdata()[1] == pytest.approx(1 / 200)


def test_one_size_has_no_line():
    one = ensemble(
        units=np.array([100]), variance=np.array([[0.35, 0.36]]), dimension=np.array([[0.3, 0.4]]),
        variance_limit=(NAN, NAN, NAN), dimension_limit=(NAN, NAN, NAN),
    )  # fmt: skip
    figure = draw_scaling([one])
    check(figure)
    assert "extrapolated" not in texts(figure)


def ranks(**changed):
    lag = np.arange(0, 20, 0.5)
    curve = 0.35 * np.exp(-lag)
    return Ranks(
        **{
            "units": 500, "trajectories": 16, "gain": 1.0, "noise": 1.0,
            "effective_rank": np.array([np.inf, 1.0, 0.1]), "lag": lag,
            "curve": np.stack([curve, 1.01 * curve, 0.99 * curve]),
            "curve_error": np.full((3, 40), 0.002), "curve_theory": curve,
            "dimension": np.array([0.66, 0.6, 0.34]), "dimension_error": np.full(3, 0.01),
            "point": np.geomspace(0.05, 3, 9), "point_theory": np.linspace(0.2, 0.64, 9),
            "independent_theory": 0.658, **changed,
        }
    )  # fmt: skip


def test_the_effective_rank_changes_the_dimension_and_not_the_curve():
    figure = draw_effective_rank(ranks())
    check(figure)
    left, right = titled(figure, "A unit"), titled(figure, "The population")
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["PR$_D$ = ∞", "PR$_D$ = 1", "PR$_D$ = 0.1", "theory, all PR$_D$"]
    markers = [line for line in right.lines if line.get_marker() == "o"]
    points = [line.get_xydata()[0] for line in markers if len(line.get_xdata())]
    assert np.allclose([p[1] for p in points], [0.66, 0.6, 0.34])
    assert points[0][0] > 2 * 3 and np.isclose(points[2][0], 0.1)
    assert "500 units each, g = 1, σ² = 1, 16 initial states" in texts(figure)
    assert [t.get_text() for t in right.get_xticklabels()] == ["1", "0.1", "∞\n(independent)"]


def test_without_theory_or_activity_the_figure_is_drawn():
    figure = draw_effective_rank(
        ranks(
            curve_theory=np.full(40, NAN), point_theory=np.full(9, NAN), independent_theory=NAN,
            dimension=np.full(3, NAN), dimension_error=np.full(3, NAN), curve=np.zeros((3, 40)),
        )
    )  # fmt: skip
    check(figure)


def chaos(variant="random_mode", **changed):
    lag = np.linspace(0, 20, 21)
    generator = np.random.default_rng(0)
    return Chaos(
        **{
            "variant": variant, "gain": 1.5, "exponent": np.array([0.1, 0.05, -0.1]),
            "exponent_error": np.full(3, 0.01), "exponent_theory": 0.12,
            "eigenvalue": generator.normal(size=50) + 1j * generator.normal(size=50),
            "lag": lag, "population": np.exp(-lag / 4), "population_error": 0.01 + 0 * lag,
            "population_theory": np.exp(-lag / 4.1), "single": np.exp(-lag), **changed,
        }
    )  # fmt: skip


def test_exponents_population_and_eigenvalues():
    figure = draw_chaos([chaos(), chaos("independent"), chaos("connectome")])
    check(figure)
    assert "random modes: 0.1, theory 0.12" in texts(figure)
    axes = titled(figure, "Independent couplings\nradius")
    assert "g = 1.5" in axes.get_title(loc="left")
    circle = axes.lines[1].get_xydata()
    assert np.allclose(np.hypot(*circle.T), 1.5)
    assert len(axes.lines[0].get_xdata()) == 50
    dotted = [line for line in titled(figure, "population").lines if line.get_ls() == ":"]
    assert np.allclose(dotted[0].get_ydata(), chaos().single)


def test_what_was_not_measured_is_said():
    none = np.empty(0)
    figure = draw_chaos(
        [
            chaos(
                exponent=none, exponent_error=none, exponent_theory=NAN, eigenvalue=none,
                population=np.full(21, NAN), population_error=np.full(21, NAN),
            )
        ]
    )  # fmt: skip
    check(figure)
    text = texts(figure)
    assert "no Lyapunov exponents were asked for" in text
    assert "too many units for their eigenvalues" in text
    assert "no activity" in text


def store(variant="random_mode", name="", **changed):
    values = {
        "effective_rank": 0.1,
        "participation_ratio": 52.0,
        "participation_ratio_error": 1.0,
        "participation_ratio_standardised": 55.0,
        "participation_ratio_standardised_error": 1.5,
        "mean_field_participation_ratio_per_unit": 0.5,
        "mean_field_participation_ratio_standardised_per_unit": 0.54,
        "correlation_time": 2.0,
        "mean_field_correlation_time": 2.1,
        "mean_field_lyapunov_exponent": -0.3,
        "asymptotic_size": 12.0,
        "feedback": 1.71,
        "step_error": 3.2e-4,
        "precision_error": 4e-7,
        **changed,
    }
    return xr.Dataset(
        {
            **{key: ((), value) for key, value in values.items()},
            "activity_autocovariance": ("lag", [0.36, 0.1]),
            "activity_autocovariance_error": ("lag", [0.002, 0.002]),
            "mean_field_activity_autocovariance": ("lag", [0.35, 0.1]),
            "lyapunov_exponent": ("exponent", [-0.31, -0.4]),
            "lyapunov_exponent_error": ("exponent", [0.01, 0.01]),
            "eigenvalue_real": ("eigenvalue", [0.6, 0.1]),
            "eigenvalue_imaginary": ("eigenvalue", [0.8, 0.0]),
        },
        attrs={"variant": variant, "name": name, "units": 100, "gain": 1.0, "noise": 1.0},
    )


def spread():
    return xr.Dataset(
        {
            "variance_spread": ("ensemble", [0.15, 0.1]),
            "participation_ratio_spread": ("ensemble", [1.5, 1.0]),
        },
        attrs={"ensembles": ["random_mode", "independent"]},
    )


def test_the_table_has_deviations_in_errors_and_in_those_of_draws():
    rows = theory_rows([store(), store("connectome"), store(name="worm")], [spread()])
    first = rows[0]
    assert first["C_φ(0) z"] == pytest.approx(5.0)
    assert first["C_φ(0) z with draws"] == pytest.approx(0.01 / math.hypot(0.002, 0.15 / 100))
    assert first["dimension theory"] == pytest.approx(50.0)
    assert first["dimension z"] == pytest.approx(2.0)
    assert first["dimension z with draws"] == pytest.approx(2.0 / math.hypot(1.0, 1.5))
    assert first["dimension of z-scores theory"] == pytest.approx(54.0)
    assert first["radius of J"] == pytest.approx(1.0)
    assert first["feedback d ρ ⟨φ'⟩"] == 1.71
    assert first["step error"] == 3.2e-4
    assert first["float32 error"] == 4e-7
    # the spread of another ensemble or connectome is not known
    assert all(math.isnan(row["C_φ(0) z with draws"]) for row in rows[1:])
    assert math.isnan(theory_rows([store()])[0]["dimension z with draws"])


def test_the_table_as_csv_and_as_a_page():
    quiet = store(participation_ratio_error=NAN, participation_ratio=NAN).drop_vars(
        ["lyapunov_exponent", "lyapunov_exponent_error", "eigenvalue_real"]
    )
    rows = theory_rows([store(), quiet, store(name="<worm>")], [spread()])
    read = list(csv.DictReader(io.StringIO(table_csv(rows))))
    assert float(read[0]["dimension"]) == 52.0
    assert read[1]["dimension"] == read[1]["λ₁"] == read[1]["radius of J"] == ""
    assert read[2]["connectome"] == "<worm>"
    page = table_html(rows, "Theory & simulation")
    assert "Theory &amp; simulation" in page and "&lt;worm&gt;" in page and "nan" not in page
    assert "52 ± 1" in page and "+5.0" in page and "−0.31 ± 0.01" in page
    assert page.count("<tr>") == 4 and "http" not in page
