"""Decompositions and the overlaps of modes against chance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.errors import DataError, MemoryLimitError
from mesomode.network import RandomModeNetwork
from mesomode.network.decomposition import decompose, decompose_factored, largest_modes
from mesomode.network.overlaps import discoveries, mode_overlaps, overlap_test


def rebuilt(modes) -> np.ndarray:
    return (modes.left * modes.values) @ modes.right.T


def test_a_matrix_is_the_sum_of_its_modes():
    weights = np.random.default_rng(0).standard_normal((12, 9))
    modes = decompose(weights)
    assert_allclose(rebuilt(modes), weights, atol=1e-13)
    assert_allclose(modes.left.T @ modes.left, np.eye(9), atol=1e-13)
    assert_allclose(modes.values, np.linalg.svd(weights, compute_uv=False))


@pytest.mark.parametrize("shape", [(50, 40, 7), (6, 5, 20)])
def test_factors_are_decomposed_without_their_product(shape):
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((n, shape[2])) for n in shape[:2])
    modes = decompose_factored(left, right)
    product = left @ right.T
    assert_allclose(rebuilt(modes), product, atol=1e-12)
    values = np.linalg.svd(product, compute_uv=False)[: len(modes.values)]
    assert_allclose(modes.values, values, atol=1e-12)
    assert_allclose(modes.right.T @ modes.right, np.eye(len(modes.values)), atol=1e-12)


def test_factors_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="have no product"):
        decompose_factored(np.ones((4, 2)), np.ones((4, 3)))
    with pytest.raises(DataError, match="factors contain values that are not finite"):
        decompose_factored(np.full((4, 2), np.nan), np.ones((4, 2)))


def test_the_largest_modes_from_products_alone():
    generator = np.random.default_rng(0)
    values = np.r_[np.linspace(10, 5, 8), np.full(92, 0.5)]
    network = RandomModeNetwork.from_spectrum(
        values, units=120, generator=generator, modes="orthogonal", dtype=np.float64
    )
    matrix = network.dense()
    modes = largest_modes(
        lambda x: matrix @ x,
        lambda y: matrix.T @ y,
        matrix.shape,
        8,
        generator=np.random.default_rng(1),
    )
    assert_allclose(modes.values, values[:8], rtol=1e-8)
    exact = decompose(matrix)
    assert_allclose(rebuilt(modes), (exact.left * exact.values)[:, :8] @ exact.right[:, :8].T,
                    atol=1e-6)  # fmt: skip
    with pytest.raises(DataError, match="13 modes were asked for of a matrix that has at most 12"):
        largest_modes(lambda x: x, lambda x: x, (12, 12), 13, generator=generator)


def test_decompositions_that_would_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("mesomode.memory.available_memory", lambda: 1000)
    with pytest.raises(MemoryLimitError, match="singular modes of a 30 × 30 matrix"):
        decompose(np.ones((30, 30)))
    with pytest.raises(MemoryLimitError, match="30 × 30 matrix"):
        largest_modes(lambda x: x, lambda x: x, (30, 30), 3, generator=np.random.default_rng(0))


def test_random_modes_pass_for_random():
    found = [
        overlap_test(
            decompose(np.random.default_rng(seed).standard_normal((60, 60))),
            generator=np.random.default_rng(seed),
            permutations=99,
        )
        for seed in range(30)
    ]
    assert_allclose(np.mean([t.root_mean_square for t in found]), 1, atol=0.06)
    for name in ("distribution_p_value", "largest_p_value", "permutation_p_value"):
        values = np.array([getattr(t, name) for t in found])
        assert np.mean(values < 0.1) < 0.35, f"{name}: about every tenth"
        assert values.max() > 0.5
    assert np.mean([t.significant.any() for t in found]) < 0.3
    ranks = np.concatenate([t.p_value for t in found])
    assert_allclose(np.mean(ranks < 0.2), 0.2, atol=0.05)


def test_symmetric_matrices_overlap_in_every_mode():
    matrix = np.random.default_rng(0).standard_normal((60, 60))
    modes = decompose(matrix + matrix.T)
    assert_allclose(np.abs(mode_overlaps(modes)), 1, atol=1e-9)
    found = overlap_test(modes, generator=np.random.default_rng(0), permutations=99)
    assert found.significant.all()
    assert_allclose(found.root_mean_square, np.sqrt(60))
    assert found.permutation_p_value == 0.01
    assert found.distribution_p_value < 1e-6
    assert found.largest_p_value == 0


def test_the_modes_that_overlap_are_told_from_those_that_do_not():
    rho = np.r_[np.full(5, 0.8), np.zeros(25)]
    network = RandomModeNetwork.from_spectrum(
        np.r_[np.linspace(20, 10, 5), np.linspace(1, 0.5, 25)],
        units=400,
        overlap=rho,
        generator=np.random.default_rng(0),
        dtype=np.float64,
    )
    modes = decompose_factored(network.left * network.strength, network.right)
    found = overlap_test(modes, generator=np.random.default_rng(0), permutations=20)
    assert found.significant[:5].all()
    assert found.significant[5:].sum() <= 2
    assert found.permutation_p_value == 1 / 21
    assert found.permutation_root_mean_square.max() < found.root_mean_square


def test_permutations_keep_modes_that_sit_on_few_units():
    """Sparse modes overlap by chance more unevenly than spread ones: the tests differ."""
    units = 100
    modes = decompose(
        np.diag(np.linspace(2, 1, units))[np.random.default_rng(0).permutation(units)]
    )
    found = overlap_test(modes, generator=np.random.default_rng(1), permutations=199)
    assert np.std(found.permutation_root_mean_square) > 0.1
    assert found.permutation_p_value > 0.05


def test_false_discoveries_are_limited_as_published():
    p_value = np.array([0.001, 0.5, 0.012, 0.03, 0.9])
    expected = [True, False, True, True, False]  # 0.03 ≤ 0.05 · 3/5
    assert_array_equal(discoveries(p_value, 0.05), expected)
    assert not discoveries(np.full(5, 0.2), 0.05).any()
