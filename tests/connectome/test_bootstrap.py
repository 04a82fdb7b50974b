"""The bootstrap over experiments."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.connectome.bootstrap import bootstrap_regional_weights
from mesomode.connectome.laplacian import graph_laplacian
from mesomode.connectome.linear_problem import LinearProblem
from mesomode.connectome.spectral import SpectralBasis
from mesomode.connectome.spline import fit_spline
from mesomode.connectome.truth import region_means


@pytest.fixture
def problem():
    generator = np.random.default_rng(3)
    laplacian = graph_laplacian(np.arange(12)[:, None])
    injection = generator.uniform(size=(12, 6)) * (generator.uniform(size=(12, 6)) < 0.5)
    injection[0] += 0.1
    projection = generator.uniform(size=(12, 6))
    observed = generator.uniform(size=(12, 6)) < 0.9
    group = np.repeat([0, 1], 6)
    return laplacian, injection, projection, observed, group


def test_a_replicate_is_the_fit_to_the_repeated_experiments(problem):
    """Slow twin: the experiments written out as often as they were drawn."""
    laplacian, injection, projection, observed, group = problem
    basis = SpectralBasis.of(laplacian)
    found = list(
        bootstrap_regional_weights(
            LinearProblem(injection, projection, observed, basis, basis),
            0.3,
            group,
            group,
            3,
            np.random.default_rng(5),
            tolerance=1e-12,
        )
    )
    generator = np.random.default_rng(5)
    for replicate in found:
        drawn = generator.integers(6, size=6)
        fit = fit_spline(
            injection[:, drawn], projection[:, drawn], observed[:, drawn], laplacian, laplacian,
            0.3, tolerance=1e-10, nonnegative=False,
        )  # fmt: skip
        assert_allclose(replicate, region_means(fit.weights, group, group), rtol=1e-5, atol=1e-7)
    assert np.std(found, axis=0).min() > 0
