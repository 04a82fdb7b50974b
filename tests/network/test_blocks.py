"""The control with blocks: its variances, its gain and its theory's scales."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.errors import DataError
from mesomode.network.blocks import block_variance, draw_blocks, groups_of_modes
from mesomode.network.decomposition import decompose
from mesomode.network.spectrum import unbiased_inverse_effective_rank

VARIANCE = np.array([[4.0, 0.5], [1.0, 0.0]])
GROUP = np.repeat([0, 1], [100, 200])


def test_blocks_have_their_variances_and_all_the_gain():
    network = draw_blocks(300, 2.0, VARIANCE, GROUP, generator=np.random.default_rng(0))
    couplings = network.dense().astype(float)
    assert couplings.dtype == np.float64
    assert_allclose(300 * np.mean(couplings**2), 4.0, rtol=0.03)
    found, size = block_variance(couplings, GROUP)
    assert_array_equal(size, [100, 200])
    mean = (4 + 2 * 0.5 + 2 * 1.0) / 9
    assert_allclose(found, VARIANCE / mean, atol=0.1)
    assert found[1, 1] == 0
    rows = np.mean(couplings**2, axis=1) / np.mean(couplings**2)
    assert_allclose(network.target_scale[GROUP == 0] ** 2, rows[GROUP == 0].mean(), rtol=0.05)
    assert_allclose(network.source_scale[-1] ** 2 / network.source_scale[0] ** 2, 50 / 600)
    assert network.inverse_effective_rank == 0
    assert abs(unbiased_inverse_effective_rank(couplings)) < 1


def test_one_block_is_the_independent_control():
    network = draw_blocks(50, 1.5, [[3.0]], np.zeros(50, int), generator=np.random.default_rng(0))
    assert_allclose(network.target_scale, 1)
    expected = np.random.default_rng(0).standard_normal((50, 50)) * 1.5 / np.sqrt(50)
    assert_allclose(network.dense(), expected, rtol=1e-6)


def test_groups_are_found_in_the_connections():
    generator = np.random.default_rng(0)
    order = generator.permutation(90)
    member = np.repeat([0, 1, 2], 30)[order]
    weights = generator.lognormal(0, 0.3, (90, 90)) * (0.2 + (member[:, None] == member))
    modes = decompose(weights)
    left, right = modes.left[:, :3] * modes.values[:3], modes.right[:, :3] * modes.values[:3]
    group = groups_of_modes(left, right, 3, np.random.default_rng(1))
    pairs = {(int(a), int(b)) for a, b in zip(member, group, strict=True)}
    assert len(pairs) == 3, "the same groups, in another order"
    assert_array_equal(groups_of_modes(np.ones((9, 1)), np.ones((9, 1)), 4, generator), 0)


@pytest.mark.parametrize(
    ("variance", "group", "message"),
    [
        (np.ones((2, 3)), np.zeros(5, int), r"do not fit(.|\n)*\(2, 3\)"),
        (np.ones((2, 2)), np.zeros(4, int), r"\(4,\) of 5 units"),
        (np.ones((2, 2)), np.full(5, 2), "do not fit"),
        (-np.ones((2, 2)), np.zeros(5, int), "negative"),
        (np.zeros((2, 2)), np.zeros(5, int), "all zero"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(variance, group, message):
    with pytest.raises(DataError, match=message):
        draw_blocks(5, 1.0, variance, group, generator=np.random.default_rng(0))
