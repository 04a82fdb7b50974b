"""Scales and overlaps of the networks, dense networks, and reading networks back."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from mesomode.errors import DataError
from mesomode.network import (
    DenseNetwork,
    IndependentNetwork,
    RandomModeNetwork,
    network_from_store,
)


def scales(units: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).lognormal(0, 0.5, units)
    return values / np.sqrt(np.mean(values**2))


@pytest.mark.parametrize("kept", [20, 100])
def test_scales_multiply_rows_and_columns(kept):
    plain = RandomModeNetwork.from_spectrum(
        np.r_[np.linspace(1, 2, kept), np.zeros(100 - kept)],
        generator=np.random.default_rng(0),
        gain=2.0,
        dtype=np.float64,
    )
    u, v = scales(100, 1), scales(100, 2)
    network = RandomModeNetwork(
        plain.left, plain.strength, plain.right, "gaussian", target_scale=u, source_scale=v
    )
    dense = np.diag(u) @ plain.dense() @ np.diag(v)
    rates = np.random.default_rng(1).standard_normal((100, 5))
    assert_allclose(network.dense(), dense, atol=1e-13)
    assert_allclose(network.multiply(rates), dense @ rates, atol=1e-12)
    assert network.gain == plain.gain
    assert network.inverse_effective_rank == plain.inverse_effective_rank
    half = network.astype(np.float32)
    assert half.dense().dtype == np.float32
    assert half.target_scale is u
    assert_allclose(half.multiply(rates.astype("f4")), dense @ rates, atol=1e-4)


def test_scales_must_leave_the_gain():
    with pytest.raises(DataError, match=r"change the gain(.|\n)*mean square is 4"):
        DenseNetwork(np.ones((3, 3)), 1.0, target_scale=np.full(3, 2.0))
    with pytest.raises(DataError, match=r"shape \(2,\) for 3 units"):
        DenseNetwork(np.ones((3, 3)), 1.0, source_scale=np.ones(2))
    with pytest.raises(DataError, match=r"not possible(.|\n)*nonnegative"):
        DenseNetwork(np.ones((2, 2)), 1.0, source_scale=np.array([1.0, -1.0]))


def test_overlaps_must_be_correlations():
    factor = np.ones((4, 2))
    for overlap in (np.array([0.5, 1.5]), np.zeros(3), np.array([np.nan, 0.0])):
        with pytest.raises(DataError, match="overlaps of the modes are not possible"):
            RandomModeNetwork(factor, np.ones(2), factor, overlap=overlap)


def test_dense_couplings_must_be_a_square_of_finite_numbers():
    with pytest.raises(DataError, match=r"not a square matrix(.|\n)*\(2, 3\)"):
        DenseNetwork(np.ones((2, 3)), 1.0)
    with pytest.raises(DataError, match="not all finite"):
        DenseNetwork(np.full((2, 2), np.inf), 1.0)


def test_networks_are_read_back_from_what_a_store_holds():
    factor = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("f4")
    modes = {
        "left": (("unit", "component"), factor[0]),
        "right": (("unit", "component"), factor[1]),
        "strength": ("component", np.ones(3, "f4")),
    }
    extra = {
        "overlap": ("component", np.array([0.1, 0.2, -0.3])),
        "target_scale": ("unit", np.ones(6)),
        "source_scale": ("unit", scales(6, 0)),
    }
    plain = network_from_store(xr.Dataset(modes, attrs={"modes": "orthogonal"}))
    assert isinstance(plain, RandomModeNetwork)
    assert plain.modes == "orthogonal"
    assert plain.overlap is plain.target_scale is plain.source_scale is None
    full = network_from_store(xr.Dataset(modes | extra, attrs={"modes": "gaussian"}))
    assert_array_equal(full.overlap, [0.1, 0.2, -0.3])
    assert_array_equal(full.source_scale, scales(6, 0))
    coupling = np.random.default_rng(0).standard_normal((6, 6)).astype("f4")
    described = {
        "coupling": (("target", "source"), coupling),
        "gain": ((), 2.0),
        "effective_rank": ((), 0.25),
        "target_scale": extra["target_scale"],
    }
    dense = network_from_store(xr.Dataset(described))
    assert isinstance(dense, DenseNetwork)
    assert (dense.gain, dense.inverse_effective_rank) == (2.0, 4.0)
    assert dense.strength is dense.overlap is dense.source_scale is None
    assert_array_equal(dense.dense(), coupling)
    described["effective_rank"] = ((), np.inf)
    assert network_from_store(xr.Dataset(described)).inverse_effective_rank == 0.0
    with pytest.raises(DataError, match=r"neither factors nor couplings(.|\n)*x\.zarr"):
        network_from_store(xr.Dataset(), "x.zarr")
    single = IndependentNetwork.draw(5, 1.0, generator=np.random.default_rng(0)).astype("f8")
    assert isinstance(single, IndependentNetwork)
