"""Figure of recordings beside networks."""

import numpy as np

from mesomode.report.comparison import Compared, draw_comparison, system_colours
from tests.report.conftest import check, texts, titled

SUBSET = np.array([1, 3, 10, 30, 100, 200])
LAG = np.linspace(0, 4, 81)


def system(name="11", recording=True, units=80, **changed):
    subset = np.where(units >= SUBSET, SUBSET / (1 + SUBSET / 20), np.nan)
    return Compared(
        **{
            "name": name, "recording": recording, "units": units, "dimension": 16.0,
            "dimension_error": 1.5, "dimension_plain": 14.2, "dimension_common": 15.1,
            "half_width": 0.8, "integrated_time": 1.2, "noise_fraction": 0.17,
            "subset_dimension": subset, "autocorrelation": 0.5**LAG,
            "variance_explained": np.minimum(np.arange(1, 101) / 80, 1), **changed,
        }
    )  # fmt: skip


def draw(systems, constants):
    return draw_comparison(
        systems, common_units=80, subset=SUBSET, scaled_lag=LAG, time_constant=np.array(constants)
    )


def test_comparison():
    figure = draw([system(), system("random_mode", False, 200)], [[0.273]])
    check(figure)
    text = texts(figure)
    assert "1 recording beside 1 network" in text
    assert "16 ± 1.5" in text and "0.273 s" in text and "17 %" in text
    points = [c.lines[0].get_ydata()[0] for c in titled(figure, "Dimension, with").containers]
    assert points == [14.2, 16.0, 15.1] * 2
    errors = [c.has_yerr for c in titled(figure, "Dimension, with").containers]
    assert errors == [False, True, False] * 2
    curves = titled(figure, "Dimension against").lines
    assert curves[0].get_xdata().tolist() == [1, 3, 10, 30, 80]
    assert curves[0].get_ydata()[-1] == 16.0
    labels = [t.get_text() for t in titled(figure, "Shape").get_legend().get_texts()]
    assert labels == ["session 11: 0.8 s", "random modes: 0.8 time constants"]


def test_what_is_unknown_is_left_out():
    nan = float("nan")
    quiet = system(
        "independent", False, 200, dimension=nan, dimension_error=nan, dimension_plain=nan,
        dimension_common=nan, half_width=nan, integrated_time=nan,
        subset_dimension=np.full(6, nan), variance_explained=np.full(100, nan),
        autocorrelation=np.full(81, nan),
    )  # fmt: skip
    figure = draw([system(dimension_error=nan), quiet], [[nan]])
    check(figure)
    assert "independent couplings: no decay to a half" in texts(figure)
    assert len(titled(figure, "Dimension, with").containers) == 3
    assert "τ by" not in texts(figure), "no column of dashes"


def test_networks_alone_and_many_sessions():
    check(draw([system("random_mode", False)], np.zeros((0, 1))))
    many = [system(str(i)) for i in range(12)] + [system("independent", False)]
    check(draw(many, np.ones((12, 1))))


def test_no_two_recordings_have_one_colour():
    for count in (2, 7, 8, 40):
        systems = [(str(i), True) for i in range(count)] + [("independent", False)]
        assert len(set(system_colours(systems))) == count + 1
