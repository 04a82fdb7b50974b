"""Steps on networks drawn anew, and what is computed from several draws."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from mesomode.dynamics import mean_field
from mesomode.dynamics.ensemble import (
    exponential_strengths,
    extrapolate,
    mean_and_error,
    measure,
    ratio_and_error,
    spread_times_units,
)
from mesomode.dynamics.settings import Settings
from mesomode.dynamics.stage_scaling import (
    EFFECTIVE_RANK,
    SCALING,
    SIZE,
    dynamics_effective_rank,
    dynamics_scaling,
    dynamics_size,
)
from mesomode.errors import DataError
from mesomode.network.random_mode import IndependentNetwork, RandomModeNetwork
from mesomode.steps import Provenance, run_step
from mesomode.store import Schema, Variable, open_store, write_store

NETWORK = Schema(
    "network",
    {
        "gain": Variable((), "float64", "1", "g"),
        "effective_rank": Variable((), "float64", "1", "PR_D"),
        "strength": Variable(("component",), "float32", "1", "d", optional=True),
    },
)
SETTINGS = Settings(
    trajectories=12,
    burn_in=10,
    duration=40,
    scaling_duration=20,
    longest_lag=10,
    sampling_interval=0.5,
    scaling_units=[60, 120, 90],
    scaling_draws=3,
    effective_ranks=[0.2, 1.0],
)


@pytest.fixture
def networks(tmp_path):
    """Stores of both ensembles, as far as these steps read them."""
    paths = []
    for variant, strength in (
        ("random_mode", np.exp(-np.arange(80) / 30).astype(np.float32)),
        ("independent", None),
    ):
        variables = {"gain": ((), 0.9), "effective_rank": ((), np.inf)}
        attrs = {"variant": variant, "units": 100}
        if strength is not None:
            scaled = strength * np.float32(0.9 / np.sqrt(np.sum(strength**2) / 100))
            variables["strength"] = ("component", scaled)
            attrs["modes"] = "gaussian"
        path = tmp_path / f"{variant}.zarr"
        write_store(path, xr.Dataset(variables, attrs=attrs), NETWORK, Provenance(step="test"))
        paths.append(path)
    return paths


def run(function, **arguments):
    run_step(function, **arguments)
    return arguments["out"]


def sizes(networks, folder, settings=SETTINGS):
    common = {"settings": settings, "seed": 1, "threads": 1}
    return [
        run(dynamics_size, units=n, networks=networks, out=folder / f"{n}.zarr", **common)
        for n in settings.scaling_units
    ]


def test_sizes_are_simulated_and_extrapolated(networks, tmp_path):
    parts = sizes(networks, tmp_path)
    with open_store(parts[0], SIZE) as found:
        part = found.load()
    assert part.attrs["ensembles"] == ["random_mode", "independent"]
    assert part["variance"].shape == (2, 3)
    assert_allclose(part["participation_ratio"], part["squared_trace"] / part["squared_covariance"])
    strength = np.exp(-np.arange(80) / 30)
    rank = np.sum(strength**2) ** 2 / np.sum(strength**4) / 100
    assert_allclose(part["effective_rank"], [rank, np.inf], rtol=1e-4)
    for place, effective_rank in enumerate((rank, np.inf)):
        theory = mean_field(0.9, effective_rank, noise=1.0)
        assert_allclose(part["mean_field_variance"][place], theory.activity_variance, rtol=1e-5)
        assert_allclose(
            part["mean_field_participation_ratio"][place], theory.participation_ratio, rtol=1e-4
        )
        assert_allclose(part["asymptotic_size"][place], theory.asymptotic_size(60), rtol=1e-4)
    assert_allclose(part["variance"].mean(), theory.activity_variance, rtol=0.05)

    with open_store(
        run(dynamics_scaling, sizes=parts, out=tmp_path / "scaling.zarr"), SCALING
    ) as found:
        scaling = found.load()
    assert scaling["units"].values.tolist() == [60, 90, 120]
    assert_allclose(scaling["variance"][0], part["variance"])
    values = scaling["participation_ratio"].values
    limit = extrapolate(np.repeat([60, 90, 120], 3), values[:, 1].ravel())
    assert_allclose(scaling["participation_ratio_limit"][1], limit.value)
    assert_allclose(scaling["participation_ratio_limit_error"][1], limit.error)
    assert_allclose(scaling["participation_ratio_slope"][1], limit.slope)
    assert_allclose(
        scaling["variance_spread"][0],
        spread_times_units([60, 90, 120], scaling["variance"].values[:, 0]),
    )
    # noise makes 1/N small: the limit is near theory, within what so few networks tell
    deviation = scaling["participation_ratio_limit"] - scaling["mean_field_participation_ratio"][0]
    assert (np.abs(deviation) < 4 * scaling["participation_ratio_limit_error"]).all()


def test_the_same_seed_gives_the_same_networks_and_another_not(networks, tmp_path):
    settings = SETTINGS.model_copy(update={"scaling_units": [50], "scaling_draws": 2})
    found = []
    for place, seed in enumerate((1, 1, 2)):
        out = tmp_path / f"{place}.zarr"
        run(
            dynamics_size, units=50, networks=networks, out=out, settings=settings, seed=seed,
            threads=1,
        )  # fmt: skip
        with open_store(out) as store:
            found.append(store["variance"].values)
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).all()
    assert len(set(found[0].ravel())) == found[0].size, "each draw is another network"


def test_one_size_has_no_limit(networks, tmp_path):
    settings = SETTINGS.model_copy(update={"scaling_units": [50]})
    parts = sizes(networks, tmp_path, settings)
    with open_store(run(dynamics_scaling, sizes=parts, out=tmp_path / "scaling.zarr")) as found:
        assert np.isnan(found["variance_limit"]).all()
        assert (found["variance_spread"] > 0).all()


def test_sizes_of_other_ensembles_are_not_mixed(networks, tmp_path):
    first, *_ = sizes(networks, tmp_path, SETTINGS.model_copy(update={"scaling_units": [50]}))
    (second,) = sizes(networks[1:], tmp_path, SETTINGS.model_copy(update={"scaling_units": [60]}))
    with pytest.raises(DataError, match="not of the same ensembles"):
        run(dynamics_scaling, sizes=[first, second], out=tmp_path / "scaling.zarr")


def test_the_dimension_falls_with_the_effective_rank_and_the_autocovariance_does_not(
    networks, tmp_path
):
    settings = SETTINGS.model_copy(update={"scaling_units": [300]})
    out = run(
        dynamics_effective_rank, network=networks[1], out=tmp_path / "rank.zarr",
        settings=settings, seed=1, threads=1,
    )  # fmt: skip
    with open_store(out, EFFECTIVE_RANK) as store:
        found = store.load()
    assert_allclose(found["effective_rank"], [np.inf, 1.0, 0.2], rtol=0.01)
    assert (np.diff(found["participation_ratio"]) < 0).all()
    assert found["participation_ratio"][2] < 0.75 * found["participation_ratio"][0]
    curves = found["activity_autocovariance"].values
    assert_allclose(curves, np.broadcast_to(curves[0], curves.shape), atol=0.015)
    assert_allclose(curves[0], found["mean_field_activity_autocovariance"], atol=0.015)
    theory = found["mean_field_participation_ratio"].values
    assert (np.diff(theory) > 0).all()
    assert_allclose(
        theory[3],
        mean_field(0.9, float(found["curve_effective_rank"][3]), noise=1.0).participation_ratio,
    )
    assert_allclose(
        found["mean_field_independent"], mean_field(0.9, np.inf, noise=1.0).participation_ratio
    )


def test_without_sizes_effective_ranks_are_refused(networks, tmp_path):
    settings = SETTINGS.model_copy(update={"scaling_units": []})
    with pytest.raises(DataError, match="have no size"):
        run(
            dynamics_effective_rank, network=networks[1], out=tmp_path / "rank.zarr",
            settings=settings, seed=1, threads=1,
        )  # fmt: skip


def test_threshold_linear_units_have_no_theory(networks, tmp_path):
    settings = SETTINGS.model_copy(
        update={"scaling_units": [50], "nonlinearity": "threshold_linear"}
    )
    (part,) = sizes(networks[1:], tmp_path, settings)
    with open_store(part) as found:
        assert np.isnan(found["mean_field_participation_ratio"]).all()
        assert (found["participation_ratio"] > 0.1).all()


def test_the_ratio_of_means_and_its_error():
    generator = np.random.default_rng(0)
    above, below = generator.uniform(1, 2, (2, 6))
    ratio, error = ratio_and_error(above, below)
    assert_allclose(ratio, above.mean() / below.mean())
    left_out = [np.delete(above, i).mean() / np.delete(below, i).mean() for i in range(6)]
    assert_allclose(error, np.sqrt(5 / 6 * np.sum((left_out - np.mean(left_out)) ** 2)))
    # of a mean, the jackknife is the standard error
    assert_allclose(ratio_and_error(above, np.ones(6)), mean_and_error(above))
    assert np.isnan(ratio_and_error([1.0], [2.0])[1])


def test_a_line_in_the_inverse_size_is_extrapolated_exactly():
    units = np.array([100, 200, 400, 400])
    limit = extrapolate(units, 2.0 - 30.0 / units)
    assert_allclose([limit.value, limit.slope], [2.0, -30.0])
    assert limit.error < 1e-10
    limit = extrapolate(units, 2.0 - 30.0 / units, [0.1, 0.1, 0.2, 0.1])
    assert_allclose(limit.value, 2.0)


@pytest.mark.parametrize("known", [True, False])
def test_the_error_of_the_limit_is_its_spread(known):
    generator = np.random.default_rng(1)
    units = np.repeat([100, 200, 400], 4)
    limits = []
    for _ in range(400):
        values = 1.0 + 5.0 / units + generator.standard_normal(12) * 3.0 / units
        limits.append(extrapolate(units, values, 3.0 / units if known else None))
    spread = np.std([limit.value for limit in limits])
    assert_allclose(np.mean([limit.error**2 for limit in limits]) ** 0.5, spread, rtol=0.1)
    assert abs(np.mean([limit.value for limit in limits]) - 1.0) < 4 * spread / 20


@pytest.mark.parametrize(("units", "values"), [([100, 100, 100], [1, 2, 3]), ([100, 200], [1, 2])])
def test_too_few_networks_are_not_extrapolated(units, values):
    with pytest.raises(DataError, match="too few networks to extrapolate"):
        extrapolate(units, values)


def test_the_spread_of_draws_is_found():
    generator = np.random.default_rng(2)
    units = np.array([100, 200, 400])
    values = 1.0 + 3.0 / units[:, None] * generator.standard_normal((3, 300))
    assert_allclose(spread_times_units(units, values), 3.0, rtol=0.08)
    assert np.isnan(spread_times_units(units, values[:, :1]))


@pytest.mark.parametrize("rank", [0.05, 0.3, 0.9, 1.0])
def test_exponential_strengths_have_the_effective_rank(rank):
    network = RandomModeNetwork.from_spectrum(
        exponential_strengths(rank, 800), generator=np.random.default_rng(0)
    )
    assert_allclose(network.effective_rank, rank, rtol=0.02)


@pytest.mark.parametrize("rank", [0.0, 1.5, np.nan])
def test_impossible_effective_ranks_are_refused(rank):
    with pytest.raises(DataError, match="cannot have the effective rank"):
        exponential_strengths(rank, 100)


def test_a_measurement_is_that_of_the_single_measures():
    from mesomode.dynamics import measures, simulate

    network = IndependentNetwork.draw(50, 0.8, generator=np.random.default_rng(0))
    common = {
        "noise": 1.0,
        "trajectories": 5,
        "burn_in": 5.0,
        "duration": 10.0,
        "sampling_interval": 0.5,
    }
    found = measure(network, [0.0, 1.0, 2.0], generator=np.random.default_rng(1), **common)
    activity = simulate(
        network, generator=np.random.default_rng(1), checks=False, **common
    ).activity()
    curve, error = measures.autocovariance(activity, 5)
    assert_allclose(found.curve, curve[[0, 2, 4]])
    assert_allclose(found.curve_error, error[[0, 2, 4]])
    dimension = measures.dimensionality(activity)
    assert_allclose(found.participation_ratio, dimension.participation_ratio / 50)
    assert_allclose(found.squared_trace / found.squared_covariance, found.participation_ratio)
    assert np.isnan(found.step_error)


def test_sizes_too_small_for_the_rank_are_left_out_of_that_ensemble(networks, tmp_path, caplog):
    """Two modes of a hundred: four units cannot have so low a rank per unit, more can."""
    settings = SETTINGS.model_copy(update={"scaling_units": [4, 60, 90, 120]})
    low = np.zeros(80, np.float32)
    low[:2] = [0.8, 0.4]
    with open_store(networks[0]) as store:
        dataset = store.load()
        dataset["strength"] = ("component", low * np.float32(0.9 * 10 / np.sqrt(0.8)))
        dataset.attrs.pop("mesomode")
    write_store(tmp_path / "low.zarr", dataset, NETWORK, Provenance(step="test"))
    with caplog.at_level("WARNING"):
        parts = sizes([tmp_path / "low.zarr", networks[1]], tmp_path, settings)
    assert "random_mode is left out at this size: a network of 4 units cannot have" in caplog.text
    with open_store(parts[0], SIZE) as part:
        assert np.isnan(part["variance"][0]).all() and np.isfinite(part["variance"][1]).all()
    with open_store(
        run(dynamics_scaling, sizes=parts, out=tmp_path / "scaling.zarr"), SCALING
    ) as found:
        scaling = found.load()
    values = scaling["participation_ratio"].values[:, 0]
    known = np.isfinite(values).all(axis=1)
    assert 0 < known.sum() < 4
    limit = extrapolate(np.repeat(scaling["units"].values[known], 3), values[known].ravel())
    assert_allclose(scaling["participation_ratio_limit"][0], limit.value)
    assert np.isfinite(scaling["participation_ratio_limit"][1])
