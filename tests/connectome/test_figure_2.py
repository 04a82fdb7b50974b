"""Figure 2 of the paper as the gallery draws it: the problem, the controls, the picture."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tests.connectome.problems import one_dimensional

SCRIPT = Path(__file__).resolve().parents[2] / "workflow" / "gallery" / "figure_2.py"


@pytest.fixture(scope="module")
def gallery():
    spec = importlib.util.spec_from_file_location("gallery_figure_2", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("covering", [True, False])
def test_it_is_the_problem_of_the_other_tests(gallery, covering):
    truth, injection, projection, observed = gallery.make_problem(3, covering)
    problem, expected = one_dimensional(3, injections="covering" if covering else "random")
    np.testing.assert_allclose(truth, expected, rtol=1e-14)
    np.testing.assert_array_equal(injection, problem.injection.T)
    np.testing.assert_array_equal(observed, problem.observed.T)
    np.testing.assert_allclose(projection, problem.projection.T, rtol=1e-12, atol=1e-15)
    assert injection.sum(axis=1).min() > 0.11 * gallery.POINTS
    assert injection.sum(axis=1).max() < 0.23 * gallery.POINTS


@pytest.mark.slow
def test_what_the_figure_says(gallery, tmp_path, monkeypatch, capsys):
    """Both models find the weights; without Omega, or without smoothness, they are not found."""
    panels = gallery.fits(1)
    errors = gallery.relative_errors(panels)
    full, low = errors["(P1)"], errors["(P2), rank 20"]
    assert full < 0.1 and low < 0.1
    assert abs(low - full) < 0.02
    assert errors["(P1) without Ω"] > 0.8
    assert errors["(P1), λ = 0"] > 5 * full
    assert panels["(P1) without Ω"].max() > 3 * panels["true"].max()
    outside = gallery.make_problem(1)[1].sum(axis=0) == 0
    assert outside.any() and (panels["(P1), λ = 0"][:, outside] == 0).all()

    monkeypatch.setattr(gallery, "fits", lambda *_: panels)
    gallery.draw(1, tmp_path / "gallery" / "figure_2.png")
    assert (tmp_path / "gallery" / "figure_2.png").stat().st_size > 20_000
    assert capsys.readouterr().out.count("relative error") == 4
