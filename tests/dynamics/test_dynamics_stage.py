"""The step of the stage ``dynamics`` on network stores made by the stage ``network``."""

import logging

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from pydantic import ValidationError

from mesomode.dynamics import mean_field
from mesomode.dynamics.expectation import expected
from mesomode.dynamics.settings import Settings
from mesomode.dynamics.stage import SCHEMA, dynamics
from mesomode.dynamics.theory import largest_lyapunov_exponent
from mesomode.errors import DataError, SolverError
from mesomode.network.random_mode import IndependentNetwork, RandomModeNetwork
from mesomode.steps import Provenance, run_step
from mesomode.store import Schema, Variable, open_store, write_store

NETWORK = Schema(
    "network",
    {
        "gain": Variable((), "float64", "1", "g"),
        "effective_rank": Variable((), "float64", "1", "PR_D"),
        "coupling": Variable(("target", "source"), "float32", "1", "J", optional=True),
        "left": Variable(("unit", "component"), "float32", "1", "L", optional=True),
        "strength": Variable(("component",), "float32", "1", "d", optional=True),
        "right": Variable(("unit", "component"), "float32", "1", "R", optional=True),
        "target_scale": Variable(("unit",), "float64", "1", "u", optional=True),
        "feedback": Variable((), "float64", "1", "largest d ρ", optional=True),
    },
)
"""What the step reads of a network's store."""
QUICK = {
    "burn_in": 40,
    "duration": 60,
    "sampling_interval": 0.5,
    "longest_lag": 10,
    "lyapunov_duration": 10,
}


def network_store(path, variant, gain, **scales):
    """A network of 150 units."""
    generator = np.random.default_rng(0)
    if variant == "independent":
        network = IndependentNetwork.draw(150, gain, generator=generator)
        variables = {"coupling": (("target", "source"), network.coupling)}
    else:
        spectrum = np.exp(-np.arange(150) / 60)
        network = RandomModeNetwork.from_spectrum(spectrum, gain=gain, generator=generator)
        variables = {
            "left": (("unit", "component"), network.left),
            "strength": ("component", network.strength),
            "right": (("unit", "component"), network.right),
        }
    variables |= {name: ("unit", values) for name, values in scales.items()}
    inverse = network.inverse_effective_rank
    dataset = xr.Dataset(
        {
            "gain": ((), network.gain),
            "effective_rank": ((), 1 / inverse if inverse else np.inf),
            **variables,
        },
        attrs={"variant": variant, "units": 150, "modes": "gaussian"},
    )
    write_store(path, dataset, NETWORK, Provenance(step="test"))


def simulated(folder, variant="random_mode", gain=3.0, noise=0.0, **settings) -> xr.Dataset:
    scales = {name: settings.pop(name) for name in ("target_scale",) if name in settings}
    network_store(folder / "network.zarr", variant, gain, **scales)
    run_step(
        dynamics,
        network=folder / "network.zarr",
        out=folder / "dynamics.zarr",
        settings=Settings(noise=noise, **QUICK | settings),
        seed=1,
        threads=1,
    )
    with open_store(folder / "dynamics.zarr", SCHEMA) as found:
        return found.load()


def test_a_random_mode_network_beside_its_theory(tmp_path, caplog):
    caplog.set_level(logging.INFO, "mesomode")
    found = simulated(tmp_path)
    with open_store(tmp_path / "network.zarr") as network:
        theory = mean_field(float(network["gain"]), float(network["effective_rank"]))
    assert_allclose(found["effective_rank"], 0.4 * np.tanh(1 / 0.4), rtol=0.01)
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
    found = simulated(tmp_path, "independent", gain=1.0, noise=1.0, trajectories=64)
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
    found = simulated(tmp_path, "independent", nonlinearity="tanh", example_units=7)
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
    dataset = xr.Dataset({"gain": ((), 1.0), "effective_rank": ((), 1.0)})
    write_store(tmp_path / "other.zarr", dataset, NETWORK, Provenance(step="test"))
    with pytest.raises(DataError, match="neither factors nor couplings"):
        run_step(
            dynamics,
            network=tmp_path / "other.zarr",
            out=tmp_path / "dynamics.zarr",
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


def test_chaos_eigenvalues_and_the_population_are_stored_beside_theory(tmp_path):
    found = simulated(tmp_path, "independent", lyapunov_duration=30, lyapunov_exponents=4)
    theory = mean_field(3.0, np.inf)
    exponent = found["lyapunov_exponent"].values
    assert exponent.shape == (4,)
    assert (np.diff(exponent) <= 0).all()
    expected = largest_lyapunov_exponent(theory)
    assert_allclose(found["mean_field_lyapunov_exponent"], expected)
    assert 0 < exponent[0] < expected + 0.1  # finite networks lie below
    values = found["eigenvalue_real"].values + 1j * found["eigenvalue_imaginary"].values
    with open_store(tmp_path / "network.zarr") as network:
        coupling = network["coupling"].values
    assert_allclose(values.sum(), np.trace(coupling), atol=1e-3)
    assert_allclose(np.sum(values**2), np.sum(coupling * coupling.T), atol=1e-2)
    assert_allclose(np.abs(values[0]), 3.0, rtol=0.15)
    assert_allclose(found["population_lag"], np.unique(np.rint(np.linspace(0, 20, 21))) / 2)
    assert found["population_autocovariance"][0] == 1
    assert_allclose(
        found["mean_field_population_autocovariance"],
        theory.population_autocovariance(found["population_lag"].values),
        rtol=1e-6,
    )
    # the population is slower than a unit
    unit = np.interp(5.0, found["lag"], found["activity_autocovariance"])
    unit = (unit / found["activity_autocovariance"].values[0]) ** 2
    assert found["population_autocovariance"].sel(population_lag=5.0) > 1.5 * unit
    assert found["population_correlation_time"] > found["correlation_time"]
    assert 0 < found["precision_error"] < 1e-4
    assert_allclose(
        found["participation_ratio_score"],
        (found["participation_ratio"] - 150 * theory.participation_ratio)
        / found["participation_ratio_error"],
    )
    # independent couplings: all units are alike
    assert_allclose(
        found["participation_ratio_standardised"], found["participation_ratio"], rtol=0.1
    )
    assert_allclose(
        found["mean_field_participation_ratio_standardised_per_unit"], theory.participation_ratio
    )


def test_no_lyapunov_exponents_are_stored_if_none_are_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr("mesomode.dynamics.stage.EIGENVALUES_UP_TO", 100)
    found = simulated(tmp_path, lyapunov_exponents=0)
    assert "lyapunov_exponent" not in found
    assert "eigenvalue_real" not in found


def test_threshold_linear_units_are_measured_around_their_means(tmp_path):
    found = simulated(tmp_path, "independent", gain=1.0, noise=1.0, nonlinearity="threshold_linear")
    for name in (
        "mean_field_activity_autocovariance",
        "mean_field_participation_ratio_per_unit",
        "mean_field_population_autocovariance",
        "mean_field_lyapunov_exponent",
        "deviation_score",
    ):
        assert np.isnan(found[name]).all()
    curve = found["activity_autocovariance"].values
    assert curve[0] > 0.1
    assert abs(curve[-1]) < 0.1 * curve[0]  # no mean is left
    assert found["participation_ratio"] > 10
    assert (found["example_activity"].values.min(axis=0) < 0).all()
    assert "no theory" in found.attrs["asymptotic_verdict"]


def test_a_mode_that_condenses_is_said(tmp_path, caplog):
    """A nearly symmetric connectome: its largest mode feeds back on itself."""
    generator = np.random.default_rng(0)
    modes = np.linalg.qr(generator.standard_normal((120, 120)))[0]
    coupling = (modes * np.linspace(2.5, 0.1, 120) ** 2) @ modes.T
    coupling *= np.sqrt(120) / np.linalg.norm(coupling)
    dataset = xr.Dataset(
        {
            "gain": ((), 1.0),
            "effective_rank": ((), 0.5),
            "coupling": (("target", "source"), coupling.astype("f4")),
            "feedback": ((), 2.5),
        },
        attrs={"variant": "connectome", "units": 120},
    )
    path = tmp_path / "connectome.zarr"
    write_store(path, dataset, NETWORK, Provenance(step="test"))
    caplog.set_level("INFO", "mesomode")
    short = Settings(noise=1.0, lyapunov_exponents=0, **QUICK)
    out = tmp_path / "dynamics.zarr"
    run_step(dynamics, network=path, out=out, settings=short, seed=1, threads=1)
    with open_store(out, SCHEMA) as found:
        assert 1 < found["feedback"] < 2.5
        assert "one of which condenses" in found.attrs["theory"]
        assert found["participation_ratio"] < 0.5 * 120 * float(
            found["mean_field_participation_ratio_per_unit"]
        )
    assert "a mode condenses" in caplog.text


def test_threshold_linear_units_above_their_critical_gain_diverge_and_say_so(tmp_path):
    with pytest.raises(SolverError, match="the simulation diverged"):
        simulated(tmp_path, "independent", gain=4.0, noise=1.0, nonlinearity="threshold_linear")


def test_units_that_differ_have_the_theory_of_their_scales(tmp_path):
    scale = np.random.default_rng(1).lognormal(0, 0.5, 150)
    scale /= np.sqrt(np.mean(scale**2))
    found = simulated(tmp_path, "independent", gain=1.0, noise=1.0, target_scale=scale)
    theory = mean_field(1.0, np.inf, noise=1.0, target_scale=scale)
    assert_allclose(found["mean_field_activity_autocovariance"], theory.at(found["lag"])[1])
    assert_allclose(
        found["mean_field_participation_ratio_standardised_per_unit"],
        theory.participation_ratio_standardised,
    )
    assert theory.activity_variance < 0.99 * mean_field(1.0, np.inf, noise=1.0).activity_variance


class Modes:
    """What the choice of a theory looks at."""

    def __init__(self, overlap, target_scale=None):
        self.units, self.gain, self.inverse_effective_rank = 100, 1.0, 1.0
        self.strength, self.overlap = np.ones(100), overlap
        self.target_scale, self.source_scale = target_scale, None


def test_the_theory_is_that_of_what_the_network_has(monkeypatch):
    """The theory of overlaps takes seconds and has tests of its own; here others stand for it."""
    lag = np.array([0.0, 1.0])

    def expectation(overlap=None, target_scale=None, nonlinearity="erf"):
        network, random = Modes(overlap, target_scale), np.random.default_rng(0)
        return expected(network, nonlinearity, 1.0, lag, lag, generator=random)

    def another(strength, overlap, units, nonlinearity, noise, *, generator):
        assert (strength == 1).all() and len(overlap) == units == 100
        if overlap.max() == 1:
            raise SolverError("a mode condenses", why="it sustains itself")
        return mean_field(1.3, 1.0, nonlinearity, noise)

    monkeypatch.setattr("mesomode.dynamics.expectation.overlap_mean_field", another)
    plain = expectation()
    assert plain.kind == "gain and effective rank"
    assert_allclose(plain.activity_variance, mean_field(1.0, 1.0, noise=1.0).activity_variance)
    assert expectation(np.zeros(100)).kind == plain.kind
    overlapping = expectation(np.full(100, 0.3))
    assert overlapping.kind == "overlaps of modes"
    expected_variance = mean_field(1.3, 1.0, noise=1.0).activity_variance
    assert_allclose(overlapping.activity_variance, expected_variance)
    condensed = expectation(np.ones(100))
    assert condensed.kind == (
        "gain and effective rank; without overlaps of modes: a mode condenses"
    )
    assert condensed.activity_variance == plain.activity_variance
    scale = np.exp(np.linspace(-1, 1, 100))
    different = expectation(np.full(100, 0.3), scale / np.sqrt(np.mean(scale**2)))
    assert different.kind == "units that differ; without overlaps of modes"
    assert different.activity_variance < 0.99 * plain.activity_variance
    assert expectation(nonlinearity="threshold_linear").kind == "none"
