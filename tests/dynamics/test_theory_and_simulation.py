"""The benchmark of theory against simulation: its statistics, and a small run of it."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mesomode.dynamics import mean_field

FILE = Path(__file__).resolve().parents[2] / "benchmarks/theory_and_simulation.py"


@pytest.fixture(scope="module")
def benchmark_module():
    specification = importlib.util.spec_from_file_location("theory_and_simulation", FILE)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    yield module
    del sys.modules[specification.name]


def made_up(case, units, networks, bias, spread, generator):
    """Rows as measured, at a relative deviation bias/N and spread/N from theory."""
    theory = case.theory(units)
    lag = (1.0, 2.0, 5.0, 10.0)
    rows = []
    for seed in range(networks):
        factor = 1 + (bias + spread * generator.standard_normal()) / units
        rows.append(
            {
                "case": case.name,
                "units": units,
                "seed": seed,
                "variance": theory.activity_variance * factor,
                "variance_x": theory.variance * factor,
                "curve": (theory.at(lag)[1] * factor).tolist(),
                "squared_trace": theory.participation_ratio * factor,
                "squared_covariance": 1.0,
            }
        )
    return rows


def test_the_spectra_have_the_effective_ranks_stated(benchmark_module):
    for spectrum, rank in (("flat", 1.0), ("power law", 0.315)):
        case = benchmark_module.Case(spectrum, 3.0, 0.0)
        for units in (500, 4000):
            assert_allclose(case.theory(units).effective_rank, rank, rtol=2e-3)
        network = case.network(300, 0)
        assert_allclose(network.effective_rank, case.theory(300).effective_rank, rtol=1e-5)
        assert_allclose(network.gain, 3.0, rtol=1e-5)
    independent = benchmark_module.Case("independent", 2.0, 0.0)
    assert np.isinf(independent.theory(500).effective_rank)
    assert independent.name == "independent, g = 2"


def test_a_bias_that_falls_with_the_size_is_explained_and_another_is_not(benchmark_module):
    generator = np.random.default_rng(0)
    case = benchmark_module.Case("flat", 1.0, 1.0)
    rows = [
        row
        for units in (500, 1000, 2000, 4000)
        for row in made_up(case, units, 8, 40.0, 8.0, generator)
    ]
    text = benchmark_module.tables([case], rows)
    (found,) = [line for line in text if line.startswith("flat") and "PR/N" in line and "%" in line]
    assert "z = +" in found and "at N → ∞" in found
    limit, error = benchmark_module.extrapolated(
        (500, 1000, 2000, 4000),
        [
            benchmark_module.deviations(case, [r for r in rows if r["units"] == n])["PR/N"]
            for n in (500, 1000, 2000, 4000)
        ],
    )
    assert abs(limit) < 4 * error < 0.02
    exact = [row for n in (500, 2000) for row in made_up(case, n, 8, 0.0, 8.0, generator)]
    assert benchmark_module.tables([case], exact)[-1] == "None."


@pytest.mark.slow
def test_driven_networks_agree_with_theory_within_their_errors(benchmark_module):
    """Networks of 600 units: all quantities, three spectra."""
    theory = mean_field(1.0, np.inf, noise=1.0)
    for spectrum in benchmark_module.SPECTRA:
        case = benchmark_module.Case(spectrum, 1.0, 1.0)
        rows = [benchmark_module.measured(case, 600, seed, 15.0, 30.0) for seed in range(6)]
        found = benchmark_module.deviations(case, rows)
        assert found["C_φ(0)"].theory == pytest.approx(theory.activity_variance, rel=1e-6)
        for name, d in found.items():
            # few networks: Student's t of 5 degrees of freedom, and a bias of order 1/N
            assert abs(d.score) < 5 or abs(d.measured / d.theory - 1) < 0.02, (spectrum, name)
        assert found["C_φ(0)"].measured == pytest.approx(found["C_φ(0)"].theory, rel=0.02)
        assert found["PR/N"].measured == pytest.approx(found["PR/N"].theory, rel=0.08)
        assert all(row["frozen"] == 0 and row["step_error"] < 0.05 for row in rows)
