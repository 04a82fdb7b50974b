"""The sentences on the order of the models: what is violated, by how much, and why."""

import numpy as np
import pytest

from mesomode.report.cross_validation import CrossValidated, draw_cross_validation
from mesomode.report.order import Facts, explanation, violations
from tests.report import stores
from tests.report.conftest import check, texts


def models_with(**errors):
    """Models with given errors on the test part of five folds, training part ten points lower."""
    models = CrossValidated.all_of(stores.cross_validation(models=tuple(errors)))
    for model in models:
        test = np.array(errors[model.name])
        model.error["test_voxel"][:] = test
        model.summary["test_voxel"] = (float(test.mean()), 0.01)
        model.summary["train_voxel"] = (float(test.mean()) - 0.1, 0.01)
    return models


def test_no_sentence_of_a_violation_where_there_is_none():
    folds = np.arange(5) / 100
    models = models_with(voxel=0.2 + folds, low_rank=0.3 + folds, kernel=0.4 + folds,
                         distance=0.35 + folds, regional=0.9 + folds)  # fmt: skip
    assert violations(models) == []
    (line,) = explanation(models)
    assert line == (
        "All models are in the expected order (voxel, low-rank, kernel and distance, regional)."
    )


def test_a_violation_is_counted_in_standard_errors_over_the_folds():
    gains = np.array([0.1, 0.12, 0.08, 0.11, 0.09])
    models = models_with(voxel=np.full(5, 0.2), regional=np.full(5, 0.5), kernel=0.5 + gains)
    kernel, regional = models[2], models[1]
    kernel.summary["train_voxel"], regional.summary["train_voxel"] = (0.05, 0.0), (0.4, 0.0)
    kernel.experiment_error[:] = 0.7
    regional.experiment_error[:] = 0.6
    regional.experiment_error[:3] = 0.8
    (found,) = violations(models)
    assert (found.behind.name, found.ahead.name) == ("kernel", "regional")
    assert found.difference == pytest.approx(0.1)
    assert found.error == pytest.approx(gains.std(ddof=1) / np.sqrt(5))
    assert found.certain and (found.experiments, found.of) == (9, 12)
    text = str(found)
    assert text.startswith("regional is ahead of kernel by 10 points (14 s.e.; better in 9 of 12")
    assert "kernel describes its training part better (5 against 40 %)" in text
    kernel.summary["train_voxel"] = (0.45, 0.0)
    assert "too stiff" in str(found)


def test_a_difference_within_the_noise_is_said_to_be():
    gains = np.array([0.3, -0.28, 0.3, -0.28, 0.0])
    models = models_with(voxel=0.5 + gains, low_rank=np.full(5, 0.5))
    (found,) = violations(models)
    assert not found.certain
    assert "within the noise" in explanation(models)[0]


def test_a_parameter_at_the_edge_is_named():
    models = models_with(voxel=np.full(5, 0.6), low_rank=np.full(5, 0.5))
    voxel = models[0]
    computed = np.flatnonzero(np.isfinite(voxel.inner_error).any(axis=0))
    order = computed[np.argsort(voxel.smoothness[computed])]
    models = [voxel]
    voxel.chosen[:] = order[1]
    assert explanation(models) == []
    voxel.chosen[:2] = order[-1]
    (line,) = explanation(models)
    assert line.startswith("Chosen at the edge of what was tried: voxel (λ, 2 of 5 folds); a wider")


def test_facts_by_hand():
    injection = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.0], [0, 0, 0], [0, 0, 1]])
    facts = Facts.of(
        injection, np.array([7, 7, 9]), np.array([7, 7, 7, 8, 9]), np.array([0] * 4 + [1])
    )
    assert facts == Facts(3, pytest.approx((0.5 / 1.5 + 0.5 + 0) / 3), 0.8, 0.8, 3, 2)
    assert str(facts).startswith("3 experiments; 28% of an injection lies where another")
    assert "2 of 3 regions have one experiment or none" in str(facts)


def test_the_sentences_are_in_the_figure():
    models = models_with(voxel=np.full(5, 0.6), regional=np.full(5, 0.5))
    figure = draw_cross_validation(models, Facts(28, 0.34, 0.41, 0.95, 10, 3))
    check(figure)
    text = texts(figure).replace("\n", " ")
    assert "regional is ahead of voxel by 10 points" in text
    assert "Data: 28 experiments; 34% of an injection" in text
