"""The step of the stage ``dynamics`` on network stores made by the stage ``network``."""

import logging

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from pydantic import ValidationError

from mesomode.dynamics import mean_field
from mesomode.dynamics.settings import Settings
from mesomode.dynamics.stage import SCHEMA, dynamics
from mesomode.errors import DataError
from mesomode.network.settings import Settings as NetworkSettings
from mesomode.network.stage import network_independent, network_random_mode
from mesomode.steps import Provenance, run_step
from mesomode.store import Schema, Variable, open_store, write_store

CONNECTOME = Schema(
    "connectome", {"weights": Variable(("target", "source"), "float32", "1", "weights")}
)
QUICK = {"burn_in": 40, "duration": 60, "sampling_interval": 0.5, "longest_lag": 10}


def simulated(folder, step=network_random_mode, gain=3.0, noise=0.0, **settings) -> xr.Dataset:
    weights = np.random.default_rng(0).lognormal(0, 1, (150, 150)).astype(np.float32)
    provenance = Provenance(step="test")
    dataset = xr.Dataset({"weights": (("target", "source"), weights)})
    write_store(folder / "file.zarr", dataset, CONNECTOME, provenance)
    common = {"seed": 1, "threads": 1}
    run_step(
        step,
        connectome=folder / "file.zarr",
        out=folder / "network.zarr",
        settings=NetworkSettings(gain=gain),
        **common,
    )
    run_step(
        dynamics,
        network=folder / "network.zarr",
        out=folder / "dynamics.zarr",
        settings=Settings(noise=noise, **QUICK | settings),
        **common,
    )
    with open_store(folder / "dynamics.zarr", SCHEMA) as found:
        return found.load()


def test_a_random_mode_network_beside_its_theory(tmp_path, caplog):
    caplog.set_level(logging.INFO, "mesomode")
    found = simulated(tmp_path)
    with open_store(tmp_path / "network.zarr") as network:
        theory = mean_field(float(network["gain"]), float(network["effective_rank"]))
    assert_allclose(found["lag"], np.arange(21) * 0.5)
    assert found["lag"].attrs["units"] == "time constant"
    c_x, c_phi = theory.at(found["lag"])
    assert_allclose(found["mean_field_autocovariance"], c_x)
    assert_allclose(found["mean_field_activity_autocovariance"], c_phi)
    assert_allclose(found["mean_field_participation_ratio_per_unit"], theory.participation_ratio)
    assert_allclose(found["asymptotic_size"], theory.asymptotic_size(150))
    # so small a network is not asymptotic, but its variance is near theory
    assert not found.attrs["asymptotic"]
    assert "too few units" in found.attrs["asymptotic_verdict"]
    assert found.attrs["asymptotic_verdict"] in caplog.text
    assert abs(found["deviation"]) < 0.1
    c0, error = found["activity_autocovariance"][0], found["activity_autocovariance_error"][0]
    assert_allclose(found["deviation"], c0 / theory.activity_variance - 1)
    assert_allclose(found["deviation_score"], (c0 - theory.activity_variance) / error)
    assert (found["autocovariance_error"] > 0).all()
    assert 0 < found["participation_ratio_naive"] < 150
    assert 1 < found["participation_ratio"] < 150
    assert_allclose(found["participation_ratio_per_unit"], found["participation_ratio"] / 150)
    assert_allclose(found["covariance_eigenvalue"].sum(), 150 * c0, rtol=1e-3)
    assert found["example_activity"].shape == (120, 20)
    assert_allclose(found["time"][[0, -1]], [0.5, 60.0])
    assert np.abs(found["example_activity"]).max() <= 1
    assert found["step_error"] < 1e-3
    assert found["frozen_fraction"] == 0
    assert found.attrs["variant"] == "random_mode"


def test_a_network_driven_by_noise_beside_its_theory(tmp_path, caplog):
    caplog.set_level(logging.INFO, "mesomode")
    found = simulated(tmp_path, network_independent, gain=1.0, noise=1.0, trajectories=64)
    theory = mean_field(1.0, np.inf, noise=1.0)
    c_x, c_phi = theory.at(found["lag"])
    assert_allclose(found["mean_field_autocovariance"], c_x)
    assert_allclose(found["mean_field_activity_autocovariance"], c_phi)
    assert_allclose(found["mean_field_participation_ratio_per_unit"], theory.participation_ratio)
    assert found.attrs["noise"] == 1.0
    assert found.attrs["asymptotic"]
    assert found.attrs["asymptotic_verdict"] == theory.verdict(150)
    assert "holds for this network" in found.attrs["asymptotic_verdict"]
    assert "WARNING" not in caplog.text
    assert found["frozen_fraction"] == 0
    assert abs(found["deviation"]) < 0.05
    assert abs(found["participation_ratio_per_unit"] / theory.participation_ratio - 1) < 0.1
    assert found["step_error"] < 0.05


def test_the_control_has_the_theory_of_independent_couplings(tmp_path):
    found = simulated(tmp_path, network_independent, nonlinearity="tanh", example_units=7)
    theory = mean_field(3.0, np.inf, "tanh")
    assert_allclose(found["mean_field_participation_ratio_per_unit"], theory.participation_ratio)
    assert_allclose(found["mean_field_correlation_time"], theory.correlation_time)
    assert found["example_activity"].shape[1] == 7


def test_a_quiescent_network_is_stored_as_such(tmp_path, caplog):
    found = simulated(tmp_path, gain=0.5)
    assert found["activity_autocovariance"][0] < 1e-10
    assert not found["mean_field_activity_autocovariance"].any()
    for name in ("participation_ratio", "deviation", "correlation_time"):
        assert np.isnan(found[name])
    assert found["frozen_fraction"] == 1
    assert "100 % of the trajectories rest at fixed points" in caplog.text
    assert "dynamics.noise: 1" in caplog.text


def test_a_store_that_is_no_network_is_refused(tmp_path):
    simulated(tmp_path)
    with pytest.raises(DataError, match="neither factors nor couplings"):
        run_step(
            dynamics,
            network=tmp_path / "file.zarr",
            out=tmp_path / "other.zarr",
            settings=Settings(),
            seed=1,
            threads=1,
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"longest_lag": 150.0}, "more than half the duration"),
        ({"sampling_interval": 5.0, "longest_lag": 2.0}, "longer than longest_lag"),
        ({"trajectories": 1}, "greater than or equal to 2"),
        ({"noise": -1.0}, "greater than or equal to 0"),
        ({"timestep": 0.1}, "timestep"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**values)
