"""Spectra, effective rank, centring, restriction and resampling against slow twins."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.errors import DataError
from mesomode.network import effective_rank, inverse_effective_rank
from mesomode.network.preparation import (
    centred,
    centred_singular_values,
    common_units,
    resampled_spectrum,
)
from mesomode.network.spectrum import (
    components_for,
    inverse_effective_rank_of_spectrum,
    singular_values,
    top_mode_share,
)


def haar(units: int, generator: np.random.Generator) -> np.ndarray:
    basis, triangle = np.linalg.qr(generator.standard_normal((units, units)))
    return basis * np.sign(np.diagonal(triangle))


def test_effective_rank_of_an_orthogonal_matrix_is_minus_one():
    matrix = 3.0 * haar(40, np.random.default_rng(0))
    assert_allclose(effective_rank(matrix), -1.0)


def test_effective_rank_of_one_mode_counts_one_over_the_units():
    units = 50
    matrix = np.outer(np.arange(1.0, units + 1), np.ones(units))
    assert_allclose(effective_rank(matrix), 1.0 / (units - 2.0))


def test_effective_rank_equals_its_definition_by_singular_values():
    matrix = np.random.default_rng(1).standard_exponential((60, 60))
    values = np.linalg.svd(matrix, compute_uv=False)
    m2, m4 = np.mean(values**2), np.mean(values**4)
    assert_allclose(effective_rank(matrix), m2**2 / (m4 - 2 * m2**2))
    assert_allclose(inverse_effective_rank_of_spectrum(values), m4 / m2**2 - 2)


def test_effective_rank_ignores_scale_permutation_and_transposition():
    generator = np.random.default_rng(2)
    matrix = generator.standard_exponential((60, 60)).astype(np.float32)
    expected = effective_rank(matrix)
    order = generator.permutation(60)
    for other in (1e-20 * matrix, matrix[order][:, order], matrix[order], matrix.T, -matrix):
        assert_allclose(effective_rank(other), expected, rtol=1e-5)


def test_independent_couplings_have_inverse_effective_rank_zero():
    units = 400
    inverses = [
        inverse_effective_rank(np.random.default_rng(seed).standard_normal((units, units)))
        for seed in range(8)
    ]
    # the mean of m4/m2² − 2 is 1/N for real normal entries, its spread of order 1/N
    assert abs(np.mean(inverses)) < 10 / units


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((3, 4)), "not square"),
        (np.full((3, 3), np.nan), "not finite"),
        (np.zeros((3, 3)), "all zero"),
        (np.ones(3), "not a matrix"),
        (np.ones((0, 0)), "not a matrix"),
    ],
)
def test_effective_rank_refuses(matrix, message):
    with pytest.raises(DataError, match=message):
        effective_rank(matrix)


def test_a_nan_is_located():
    matrix = np.ones((4, 4))
    matrix[2, 1] = np.nan
    with pytest.raises(DataError, match=r"1 of 16, the first at target 2, source 1"):
        singular_values(matrix)


def test_too_large_a_matrix_is_refused_with_numbers(monkeypatch):
    from mesomode import memory
    from mesomode.errors import MemoryLimitError

    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with pytest.raises(MemoryLimitError, match=r"2.4e-06 GB are needed and 1e-06 GB"):
        singular_values(np.ones((10, 10)))
    with pytest.raises(MemoryLimitError, match=r"moments of 10 × 10 couplings"):
        effective_rank(np.ones((10, 10)))


def test_available_memory_is_positive_here():
    from mesomode.memory import available_memory

    assert available_memory() > 1e6


def test_rectangular_matrices_have_singular_values():
    matrix = np.random.default_rng(3).standard_normal((30, 20)).astype(np.float32)
    twin = np.sqrt(np.linalg.eigvalsh(matrix.T.astype(float) @ matrix.astype(float)))[::-1]
    assert_allclose(singular_values(matrix), twin)


def test_summaries_of_a_spectrum():
    values = np.array([3.0, 1.0, 1.0, 1.0])
    assert_allclose(top_mode_share(values), 0.75)
    assert [components_for(values, f) for f in (0.5, 0.75, 0.76, 1.0)] == [1, 1, 2, 4]
    assert components_for(np.ones(100), 0.95) == 95


def test_removing_the_top_mode_drops_the_top_singular_value():
    matrix = np.random.default_rng(4).standard_exponential((30, 20))
    before = np.linalg.svd(matrix, compute_uv=False)
    after = singular_values(centred(matrix, "top_mode"))
    assert_allclose(after[:-1], before[1:], rtol=1e-9)
    assert after[-1] < 1e-9 * before[0]


def test_removing_the_rank_one_mean_leaves_zero_sums():
    left = centred(np.random.default_rng(5).standard_exponential((30, 20)), "rank_one_mean")
    assert_allclose(left.sum(axis=0), 0.0, atol=1e-12)
    assert_allclose(left.sum(axis=1), 0.0, atol=1e-12)


@pytest.mark.parametrize("how", ["top_mode", "rank_one_mean", "none"])
def test_centred_spectrum_is_that_of_the_centred_matrix(how):
    matrix = np.random.default_rng(7).standard_exponential((30, 30))
    found = centred_singular_values(matrix, singular_values(matrix), how)
    assert_allclose(found, singular_values(centred(matrix, how)), atol=1e-9)


def test_no_centring_changes_nothing():
    matrix = np.random.default_rng(6).standard_normal((4, 4))
    assert_allclose(centred(matrix, "none"), matrix)


@pytest.mark.parametrize("how", ["top_mode", "rank_one_mean"])
@pytest.mark.parametrize("shape", [(2, 2), (5, 4)])
def test_centring_a_rank_one_matrix_is_refused(how, shape):
    matrix = np.outer(np.arange(1, shape[0] + 1), np.ones(shape[1]))
    with pytest.raises(DataError, match="nothing is left"):
        centred(matrix, how)
    with pytest.raises(DataError, match="nothing is left"):
        centred_singular_values(matrix, singular_values(matrix), how)


def test_a_zero_mean_cannot_be_divided_by():
    with pytest.raises(DataError, match="mean is 0"):
        centred(np.array([[1.0, -1.0], [-1.0, 1.0]]), "rank_one_mean")


def test_common_units_are_matched_by_identity():
    target = np.array([[0, 0, 1], [0, 0, 2], [5, 5, 5], [0, 0, 3]])
    source = np.array([[0, 0, 3], [9, 9, 9], [0, 0, 1]])
    target_index, source_index = common_units(target, source)
    assert target_index.tolist() == [3, 0]
    assert source_index.tolist() == [0, 2]
    assert (target[target_index] == source[source_index]).all()


def test_common_units_refuse_doubles_and_disjoint_sets():
    with pytest.raises(DataError, match="a target occurs twice"):
        common_units([1, 1, 2], [1, 2])
    with pytest.raises(DataError, match="no unit is both"):
        common_units([1, 2], [3, 4])


@pytest.mark.parametrize("count", [37, 100, 200, 333])
def test_resampling_keeps_gain_and_effective_rank(count):
    values = 5.0 * np.exp(-np.arange(200) / 30.0)
    new = resampled_spectrum(values, count)
    assert len(new) == count
    assert_allclose(np.mean(new**2), np.mean(values**2))
    assert_allclose(
        inverse_effective_rank_of_spectrum(new),
        inverse_effective_rank_of_spectrum(values),
        rtol=1e-9,
    )
    # and the shape: quantiles of the strengths agree
    wanted = np.quantile(values, [0.25, 0.5, 0.9])
    assert_allclose(np.quantile(new, [0.25, 0.5, 0.9]), wanted, rtol=0.1, atol=0.02)


def test_resampling_to_the_same_number_changes_nothing():
    values = np.array([3.0, 2.0, 0.0])
    assert_allclose(resampled_spectrum(values, 3), values)


def test_resampling_a_flat_spectrum_is_flat():
    assert_allclose(resampled_spectrum(np.full(10, 2.0), 7), 2.0)


def test_resampling_below_one_mode_is_refused():
    values = np.r_[100.0, np.ones(99)]
    with pytest.raises(DataError, match="cannot have the connectome's effective rank"):
        resampled_spectrum(values, 50)
