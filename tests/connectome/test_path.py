"""Fits along a sequence of lambda."""

import numpy as np
import pytest

from mesomode.connectome import preconditioner
from mesomode.connectome.path import fit_path
from mesomode.connectome.spline import fit_spline
from mesomode.errors import DataError
from tests.connectome.problems import random_problem

VALUES = (0.1, 30.0, 3.0, 1e3)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("below", [10, 600])
def test_path_finds_what_single_fits_find(monkeypatch, precision, below):
    monkeypatch.setattr(preconditioner, "EXACT_BELOW", below)
    problem = random_problem(31, targets=(5, 4, 3), experiments=5)
    found = []
    for value, fit in fit_path(
        *problem, VALUES, tolerance=1e-9, maximum_steps=100, bound=True, precision=precision
    ):
        found.append(value)
        alone = fit_spline(*problem, value, tolerance=1e-9, maximum_steps=100)
        assert fit.converged
        assert fit.gap_bound < 1e-8
        assert fit.steps == fit.history[-1].step
        assert fit.products >= fit.history[-1].products  # and those of the proof
        distance = np.linalg.norm(fit.weights - alone.weights)
        assert distance < 1e-5 * np.linalg.norm(alone.weights)
        np.testing.assert_allclose(fit.terms.total, alone.terms.total, rtol=1e-8)
        assert (fit.weights == 0).any() == (alone.weights == 0).any()
    assert found == sorted(VALUES, reverse=True)


@pytest.mark.parametrize("values", [[], [1.0, 0.0], [1.0, np.inf], [np.nan]])
def test_values_that_make_no_path(values):
    with pytest.raises(DataError, match="values of lambda"):
        next(fit_path(*random_problem(31), values))
