"""The step: a network observed through a few of its units is recognised in them."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mesomode.comparison.settings import Settings
from mesomode.comparison.stage import SCHEMA, comparison
from mesomode.dynamics.settings import Settings as DynamicsSettings
from mesomode.dynamics.simulation import simulate
from mesomode.dynamics.stage import SCHEMA as DYNAMICS
from mesomode.dynamics.stage import dynamics
from mesomode.errors import DataError, StoreError
from mesomode.network.random_mode import IndependentNetwork
from mesomode.network.stage import SCHEMA as NETWORK
from mesomode.recordings.settings import Settings as RecordingsSettings
from mesomode.recordings.stage import recordings
from mesomode.steps import Provenance, run_step
from mesomode.store import open_store, write_store
from tests.recordings.conftest import write_session

UNITS, GAIN, TAU, OBSERVED = 200, 3.0, 0.1, 60
RUN = {"noise": 0.0, "burn_in": 50.0, "time_step": 0.2, "sampling_interval": 0.4}


@pytest.fixture(scope="module")
def coupling():
    return np.random.default_rng(0).normal(size=(UNITS, UNITS)) * GAIN / np.sqrt(UNITS)


@pytest.fixture(scope="module")
def network_store(coupling, tmp_path_factory) -> Path:
    """The network of independent couplings, as the stage ``network`` would store it."""
    path = tmp_path_factory.mktemp("network") / "independent.zarr"
    values = {
        "coupling": coupling,
        "gain": GAIN,
        "effective_rank": np.inf,
    }
    dataset = xr.Dataset(attrs={"variant": "independent", "units": UNITS})
    for name, variable in NETWORK.variables.items():
        if name in values:
            dataset[name] = (variable.dims, np.asarray(values[name], variable.dtype))
        elif not variable.optional:
            dataset[name] = (variable.dims, np.zeros((1,) * len(variable.dims), variable.dtype))
    write_store(path, dataset, NETWORK, Provenance("network"))
    return path


@pytest.fixture(scope="module")
def dynamics_store(network_store, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("dynamics") / "independent.zarr"
    settings = DynamicsSettings(**RUN, trajectories=16, duration=300.0)
    run_step(dynamics, network=network_store, out=out, settings=settings, seed=1, threads=1)
    return out


@pytest.fixture(scope="module")
def recording_store(coupling, tmp_path_factory) -> Path:
    """A session of 60 units of the same network, its time constant 0.1 s, with frame noise."""
    rng = np.random.default_rng(2)
    found = simulate(
        IndependentNetwork(coupling, GAIN),
        generator=rng,
        nonlinearity="erf",
        trajectories=2,
        duration=8000.0,
        **RUN,
    )
    activity = found.activity()[0, :, :OBSERVED]
    noise = 0.1 * rng.normal(size=activity.shape)
    folder = tmp_path_factory.mktemp("session")
    time = np.arange(len(activity)) * RUN["sampling_interval"] * TAU
    session = write_session(folder / "session_7.h5", activity + noise, time, {})
    out = folder / "7.zarr"
    settings = RecordingsSettings(block_s=20.0, gap_s=2.0, longest_lag_s=4.0)
    run_step(recordings, raw=session, out=out, settings=settings)
    return out


def compared(tmp_path, networks, sessions, **settings):
    out = tmp_path / "comparison.zarr"
    run_step(
        comparison, dynamics=networks, recordings=sessions, out=out, settings=Settings(**settings)
    )
    with open_store(out, SCHEMA) as store:
        return store.load()


@pytest.mark.slow
def test_a_network_is_recognised_in_a_recording_of_some_of_its_units(
    tmp_path, dynamics_store, recording_store
):
    """Dimension of 60 of 200 units, time constant 0.1 s and shape of the autocorrelation agree.

    Found: ratio of the dimensions 0.98 (6.41 to 6.52), time constant 0.098 s, difference of the
    shapes 0.017.
    """
    store = compared(tmp_path, [dynamics_store], [recording_store])
    assert store.attrs["systems"] == [
        {"name": "7", "kind": "recording"},
        {"name": "independent", "kind": "network"},
    ]
    assert store["kind"].values.tolist() == [0, 1]
    assert store["units"].values.tolist() == [OBSERVED, UNITS]
    assert store["common_units"].item() == OBSERVED
    # one trajectory of one network has slow modes: the errors are those of the two estimates
    common = store["participation_ratio_common"].values
    relative = (store["participation_ratio_error"] / store["participation_ratio"]).values
    assert store["dimension_ratio"].item() == pytest.approx(1, abs=3 * np.hypot(*relative) + 0.05)
    assert common[1] < store["participation_ratio"].values[1]
    assert store["implied_time_constant"].item() == pytest.approx(TAU, rel=0.1)
    assert store["shape_difference"].item() < 0.05
    assert 0 <= store["noise_fraction"].values[0] < 0.01 / 0.72  # a lower bound
    assert store["noise_fraction"].values[1] == 0
    explained = store["variance_explained"].values
    assert (np.diff(explained, axis=1)[np.isfinite(np.diff(explained, axis=1))] >= 0).all()


def test_either_kind_alone_can_be_described(tmp_path, dynamics_store):
    store = compared(tmp_path, [dynamics_store], [])
    assert store.sizes["system"] == 1
    assert store["implied_time_constant"].shape == (0, 1)
    assert store["participation_ratio_common"].item() == pytest.approx(
        store["participation_ratio"].item()
    )
    with open_store(dynamics_store, DYNAMICS) as source:
        assert store["participation_ratio"].item() == source["participation_ratio"].item()


def test_too_many_common_units_are_refused(tmp_path, dynamics_store):
    with pytest.raises(DataError, match=r"(?s)no system has 5000 units.*comparison\.common_units"):
        compared(tmp_path, [dynamics_store], [], common_units=5000)


def test_nothing_and_stores_of_another_kind_are_refused(tmp_path, dynamics_store):
    with pytest.raises(DataError, match="nothing to compare"):
        compared(tmp_path, [], [])
    with pytest.raises(StoreError, match="'dynamics' where 'recordings' is needed"):
        compared(tmp_path, [], [dynamics_store])
