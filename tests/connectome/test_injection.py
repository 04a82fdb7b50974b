"""Products with the injection density, sparse and dense, against numpy's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.connectome.injection import SPARSE_BELOW, InjectionProducts


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("targets", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("density", [0.3, 0.02])
def test_products_are_those_of_numpy(dtype, targets, density):
    random = np.random.default_rng(targets)
    injection = random.random((180, 6)) * (random.random((180, 6)) < density)
    injection[:, 2] = 0.0  # an experiment without injection in these voxels
    products = InjectionProducts(injection, dtype)
    assert products.sparse == (density < SPARSE_BELOW)
    precision = 20 * np.finfo(dtype).eps

    matrix = random.standard_normal((targets, 180)).astype(dtype)
    seen = products.gather(matrix)
    assert seen.dtype == dtype
    assert_allclose(seen, matrix.astype(float) @ injection, atol=precision * 10)
    assert_array_equal(seen[:, 2], 0.0)

    coefficients = random.standard_normal((targets, 6)).astype(dtype)
    out = np.full((targets, 180), np.nan, dtype)
    products.spread(coefficients, out)
    assert_allclose(out, coefficients.astype(float) @ injection.T, atol=precision * 10)


def test_sparse_and_dense_products_are_adjoint():
    random = np.random.default_rng(0)
    injection = random.random((300, 4)) * (random.random((300, 4)) < 0.02)
    products = InjectionProducts(injection, np.float64)
    matrix, coefficients = random.standard_normal((7, 300)), random.standard_normal((7, 4))
    out = np.empty((7, 300))
    products.spread(coefficients, out)
    assert_allclose(np.vdot(products.gather(matrix), coefficients), np.vdot(matrix, out))
