"""Electron-microscopy connectomes run through the spectrum and the networks."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.network import RandomModeNetwork, effective_rank
from mesomode.network.preparation import centred
from mesomode.network.spectrum import (
    inverse_effective_rank_of_spectrum,
    singular_values,
    top_mode_share,
)

CONNECTOMES = [
    ("celegans_cook2019_herm.npz", "chem", 298),
    ("drosophila_larva_MB_left.npz", "adj", 209),
]


@pytest.mark.parametrize(("name", "key", "units"), CONNECTOMES)
def test_a_connectome_becomes_a_network_of_its_spectrum(shared_data: Path, name, key, units):
    with np.load(shared_data / "em_connectomes" / name, allow_pickle=False) as archive:
        weights = archive[key].T  # stored presynaptic × postsynaptic
    assert weights.shape == (units, units)
    raw = singular_values(weights)
    assert_allclose(1 / effective_rank(weights), inverse_effective_rank_of_spectrum(raw))
    values = singular_values(centred(weights, "top_mode"))
    assert_allclose(values[:-1], raw[1:], rtol=1e-6, atol=1e-6 * raw[0])
    assert 1 / units < top_mode_share(raw) < 1
    network = RandomModeNetwork.from_spectrum(
        values, generator=np.random.default_rng(0), gain=3.0, modes="orthogonal", dtype=float
    )
    assert_allclose(
        np.linalg.svd(network.dense(), compute_uv=False),
        values * 3.0 / np.sqrt(np.mean(values**2)),
        atol=1e-9,
    )
