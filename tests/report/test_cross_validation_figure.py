"""Figure of the cross-validation: points, curves, table, and the sentence on the order."""

import numpy as np
import pytest

from mesomode.report.cross_validation import (
    CrossValidated,
    draw_cross_validation,
    per_cent,
    verdict,
)
from tests.report import stores
from tests.report.conftest import check, texts, titled


def models_of(**changed):
    return CrossValidated.all_of(stores.cross_validation(**changed))


def with_voxel_error(models, values):
    """The models with other errors of the voxel model on the test parts."""
    voxel = next(m for m in models if m.name == "voxel")
    voxel.error["test_voxel"][:] = values
    voxel.summary["test_voxel"] = (float(np.mean(values)), 0.01)
    return models


def test_all_that_the_store_holds_is_drawn():
    models = models_of()
    figure = draw_cross_validation(models)
    check(figure)
    text = texts(figure)
    assert "6 models in the same 5 folds of 12 experiments" in text
    voxels = titled(figure, "Error on voxels")
    points = [line for line in voxels.lines if len(line.get_ydata()) == 5]
    assert len(points) == 12, "a test and a training part for each model"
    assert points[0].get_ydata() == pytest.approx(100 * models[0].error["test_voxel"])
    assert points[1].get_ydata() == pytest.approx(100 * models[0].error["train_voxel"])
    assert points[1].get_markerfacecolor() == "white", "training is lighter"
    assert [t.get_text() for t in voxels.get_xticklabels()] == [
        "voxel", "linear", "low-rank", "regional", "kernel", "distance",
    ]  # fmt: skip
    for model in models:
        mean, error = model.summary["test_voxel"]
        assert f"{100 * mean:.1f} ± {100 * error:.1f}" in text
    assert "voxel, published for mouse visual cortex" in text
    each = titled(figure, "Each experiment")
    drawn = [line for line in each.lines if len(line.get_ydata()) == 12]
    assert len(drawn) == 6
    assert sorted(drawn[0].get_ydata()) == list(drawn[0].get_ydata())


def test_predictions_from_all_others_are_drawn_in_the_same_order():
    models = models_of()
    left_out = np.linspace(0.5, 0.1, 12)
    left_out[3] = np.nan
    figure = draw_cross_validation(models, None, left_out)
    check(figure)
    each = titled(figure, "Each experiment")
    (rings,) = [line for line in each.lines if line.get_label() == "linear, from all others"]
    order = np.argsort(models[0].experiment_error, kind="stable")
    np.testing.assert_array_equal(rings.get_ydata(), 100 * left_out[order])
    assert rings.get_markerfacecolor() == "none"


def test_curves_end_at_the_last_candidate_and_mark_what_was_chosen():
    models = models_of()
    figure = draw_cross_validation(models)
    kernel = titled(figure, "Kernel model")
    assert kernel.get_xlabel() == "bandwidth (µm)" and kernel.get_xscale() == "log"
    folds = [line for line in kernel.lines if line.get_linewidth() == 0.7]
    assert len(folds) == 5
    assert list(folds[0].get_xdata()) == list(stores.BANDWIDTHS)
    (mean,) = [line for line in kernel.lines if line.get_linewidth() == 2.2]
    (of,) = [m for m in models if m.name == "kernel"]
    assert mean.get_ydata() == pytest.approx(100 * of.inner_error[:, :4].mean(axis=0))
    (chosen,) = [line for line in kernel.lines if line.get_linestyle() == "None"]
    assert chosen.get_xdata() == pytest.approx(of.bandwidth[of.chosen])
    titles = [a.get_title(loc="left") for a in figure.axes]
    for subfigure in figure.subfigs:
        titles += [a.get_title(loc="left") for a in subfigure.axes]
    assert "Voxel model" in titles and "Regional model" not in titles


def test_each_rank_has_a_line_of_its_own():
    models = models_of(models=("voxel", "low_rank"), ranks=(10, 40))
    figure = draw_cross_validation(models)
    check(figure)
    panel = titled(figure, "Low-rank model")
    labels = [text.get_text() for text in panel.get_legend().get_texts()]
    assert labels[:2] == ["rank 10", "rank 40"]
    assert [len(line.get_xdata()) for line in panel.lines[:2]] == [5, 5]


def test_the_order_is_computed():
    far = verdict(models_of())
    assert far.startswith("The expected order: the voxel model is far ahead")
    assert "over 5 folds" in far and "best first: voxel" in far and far.endswith("%.")
    behind = verdict(with_voxel_error(models_of(), 2.0))
    assert behind.startswith("Not the expected order: the voxel model is behind")
    models = models_of()
    (regional,) = [m for m in models if m.name == "regional"]
    level = regional.error["test_voxel"]
    near = verdict(with_voxel_error(models, level + np.array([0.1, -0.1, 0.1, -0.1, 0])))
    assert "cannot be told apart" in near
    little = verdict(with_voxel_error(models_of(), 0.75 * level))
    assert little.startswith("The expected order, but by less than half")


def test_the_difference_is_that_of_the_folds():
    models = models_of()
    by_name = {m.name: m for m in models}
    gains = by_name["regional"].error["test_voxel"] - by_name["voxel"].error["test_voxel"]
    error = gains.std(ddof=1) / 5**0.5
    assert f"difference {100 * gains.mean():.1f} ± {100 * error:.1f} percentage" in verdict(models)


@pytest.mark.parametrize("models", [("regional",), ("voxel",), ("kernel", "distance")])
def test_models_that_are_not_there(models):
    drawn = models_of(models=models)
    figure = draw_cross_validation(drawn)
    check(figure)
    text = texts(figure)
    assert "expected order" not in text
    assert ("no model had a parameter" in text) == (models == ("regional",))


def test_undefined_errors_are_dashes_and_not_ranked():
    models = models_of(models=("voxel", "regional"))
    models[1].error["test_voxel"][:] = np.nan
    models[1].summary["test_voxel"] = (np.nan, np.nan)
    models[0].inner_error[:, 1] = np.nan
    figure = draw_cross_validation(models)
    check(figure)
    assert "–" in texts(figure)
    assert verdict(models).startswith("On held-out voxels, best first: voxel")
    assert "regional" not in verdict(models)


def test_per_cent():
    assert per_cent(0.333, 0.0121) == "33.3 ± 1.2"
    assert per_cent(0.0004) == "0.04"
    assert per_cent(-0.5, 0.02) == "−50.0 ± 2.0"
    assert per_cent(float("nan"), float("nan")) == "–"
