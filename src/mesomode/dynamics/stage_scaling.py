"""Steps of the stage ``dynamics`` on networks drawn anew: finite sizes, effective ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mesomode.dynamics.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, open_store, write_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from mesomode.dynamics.ensemble import Draw
    from mesomode.network.coupling import Network

SQUARES = "without the bias of finite time"
MEASURED = {
    "variance": Variable(("ensemble", "draw"), "float64", "1", "C_φ(0) of each network"),
    "participation_ratio": Variable(
        ("ensemble", "draw"), "float64", "1", "dimension of φ(x) per unit, unbiased"
    ),
    "participation_ratio_standardised": Variable(
        ("ensemble", "draw"), "float64", "1", "the same of units of equal variance"
    ),
    "squared_trace": Variable(("ensemble", "draw"), "float64", "1", f"(tr C)²/N², {SQUARES}"),
    "squared_covariance": Variable(("ensemble", "draw"), "float64", "1", f"tr C²/N, {SQUARES}"),
    "frozen_fraction": Variable(
        ("ensemble", "draw"), "float64", "1", "share of trajectories at fixed points"
    ),
    "effective_rank": Variable(("ensemble",), "float64", "1", "PR_D per unit of the ensemble"),
    "mean_field_variance": Variable(("ensemble",), "float64", "1", "C_φ(0) in theory"),
    "mean_field_participation_ratio": Variable(
        ("ensemble",), "float64", "1", "dimension per unit in theory; NaN: none"
    ),
    "asymptotic_size": Variable(
        ("ensemble",), "float64", "1", "N·PR_D·(1 − g²⟨φ'⟩²)²; below 10: too few units"
    ),
}
SIZE = Schema("dynamics_size", MEASURED)


def _by_size(variable: Variable) -> Variable:
    return Variable(("size", *variable.dims), variable.dtype, variable.unit, variable.meaning)


EXTRAPOLATED = "by a line in 1/N through all networks; the spread is taken as ∝ 1/N"
SCALING = Schema(
    "dynamics_scaling",
    {name: _by_size(variable) for name, variable in MEASURED.items()}
    | {
        "units": Variable(("size",), "int64", "1", "number of units N"),
        "variance_limit": Variable(
            ("ensemble",), "float64", "1", f"C_φ(0) at N → ∞, {EXTRAPOLATED}; NaN: one size"
        ),
        "variance_limit_error": Variable(("ensemble",), "float64", "1", "its standard error"),
        "variance_slope": Variable(("ensemble",), "float64", "1", "slope of that line in 1/N"),
        "participation_ratio_limit": Variable(
            ("ensemble",), "float64", "1", f"dimension per unit at N → ∞, {EXTRAPOLATED}"
        ),
        "participation_ratio_limit_error": Variable(
            ("ensemble",), "float64", "1", "its standard error"
        ),
        "participation_ratio_slope": Variable(
            ("ensemble",), "float64", "1", "slope of that line in 1/N"
        ),
        "variance_spread": Variable(
            ("ensemble",), "float64", "1", "s: C_φ(0) has the spread s/N from draw to draw"
        ),
        "participation_ratio_spread": Variable(
            ("ensemble",), "float64", "1", "s: the dimension per unit has the spread s/N"
        ),
    },
)
EFFECTIVE_RANK = Schema(
    "dynamics_effective_rank",
    {
        "lag": Variable(("lag",), "float64", "time constant", "lag"),
        "effective_rank": Variable(
            ("network",), "float64", "1", "PR_D per unit; infinite: independent couplings"
        ),
        "activity_autocovariance": Variable(("network", "lag"), "float64", "1", "C_φ(τ)"),
        "activity_autocovariance_error": Variable(
            ("network", "lag"), "float64", "1", "standard error over initial states"
        ),
        "mean_field_activity_autocovariance": Variable(
            ("lag",), "float64", "1", "C_φ in theory, the same for all effective ranks"
        ),
        "participation_ratio": Variable(
            ("network",), "float64", "1", "dimension of φ(x) per unit, unbiased"
        ),
        "participation_ratio_error": Variable(
            ("network",), "float64", "1", "standard error over initial states"
        ),
        "curve_effective_rank": Variable(
            ("point",), "float64", "1", "effective ranks of the theoretical curve"
        ),
        "mean_field_participation_ratio": Variable(
            ("point",), "float64", "1", "dimension per unit in theory there; NaN: none"
        ),
        "mean_field_independent": Variable(
            (), "float64", "1", "dimension per unit in theory for independent couplings"
        ),
    },
)

EXPECTED = (
    "effective_rank",
    "mean_field_variance",
    "mean_field_participation_ratio",
    "asymptotic_size",
)
"""What theory says of an ensemble."""


@step
def dynamics_size(
    *,
    units: int,
    networks: list[Input],
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Simulate networks of one size, drawn anew from the ensembles of networks.

    Parameters
    ----------
    units : int
        Number of units.
    networks : list of Path
        ``network/random_mode.zarr`` and ``network/independent.zarr``, or one of them: their
        gains, and the spectrum, resampled to the size.
    out : Path
        ``dynamics/scaling/<units>.zarr``.

    Raises
    ------
    DataError
        A network cannot be used.
    MemoryLimitError
        A simulation would not fit.
    SolverError
        A simulation diverged.
    """
    import numpy as np
    import xarray as xr

    from mesomode.dynamics.ensemble import NOTHING, measure
    from mesomode.errors import DataError
    from mesomode.progress import Progress
    from mesomode.seeds import generator

    total = len(networks) * settings.scaling_draws
    progress = Progress(logger, f"networks of {units} units", total, "simulated")
    names, drawn, theories = [], [], []
    for path in networks:
        with open_store(path) as dataset:
            variant = str(dataset.attrs["variant"])
            names.append(variant)
            try:
                draw_network = _ensemble(dataset, units)
            except DataError as error:  # the other ensembles and sizes are of use all the same
                logger.warning("%s is left out at this size: %s", variant, error)
                drawn.append([NOTHING] * settings.scaling_draws)
                progress.update(settings.scaling_draws)
                theories.append(dict.fromkeys(EXPECTED, np.nan))
                continue
        draws: list[Draw] = []
        for index in range(settings.scaling_draws):
            source = generator(seed, "dynamics_size", variant, str(units), str(index))
            network = draw_network(source)
            draws.append(measure(network, [0.0], generator=source, **_times(settings)))
            progress.update()
        theory = _theory(network, settings)
        logger.info(
            "%s, %d units: dimension per unit %s, theory %.4g",
            variant,
            units,
            ", ".join(f"{draw.participation_ratio:.4g}" for draw in draws),
            theory["mean_field_participation_ratio"],
        )
        drawn.append(draws)
        theories.append(theory)
    fields = {
        "variance": "variance",
        "participation_ratio": "participation_ratio",
        "participation_ratio_standardised": "participation_ratio_standardised",
        "squared_trace": "squared_trace",
        "squared_covariance": "squared_covariance",
        "frozen_fraction": "frozen",
    }
    variables = {
        name: (
            ("ensemble", "draw"),
            np.array([[getattr(draw, field) for draw in draws] for draws in drawn]),
        )
        for name, field in fields.items()
    }
    expected = {name: ("ensemble", np.array([t[name] for t in theories])) for name in theories[0]}
    attrs = {"ensembles": names, "units": units, **_conditions(settings)}
    write_store(out, xr.Dataset({**variables, **expected}, attrs=attrs), SIZE, provenance)


@step
def dynamics_scaling(*, sizes: list[Input], out: Output, provenance: Provenance) -> None:
    """Put networks of all sizes together and extrapolate to infinitely many units.

    Parameters
    ----------
    sizes : list of Path
        ``dynamics/scaling/<units>.zarr``.
    out : Path
        ``dynamics/scaling.zarr``.

    Raises
    ------
    DataError
        The stores are not of the same ensembles.
    """
    import numpy as np
    import xarray as xr

    from mesomode.dynamics.ensemble import spread_times_units
    from mesomode.errors import DataError

    parts = []
    for path in sizes:
        with open_store(path, SIZE) as dataset:
            parts.append(dataset.load())
    parts.sort(key=lambda part: int(part.attrs["units"]))
    first = parts[0].attrs
    if any(part.attrs["ensembles"] != first["ensembles"] for part in parts):
        raise DataError(
            "the sizes are not of the same ensembles",
            why="; ".join(", ".join(part.attrs["ensembles"]) for part in parts),
            remedy="simulate all of them anew",
        )
    units = np.array([int(part.attrs["units"]) for part in parts], np.int64)
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        name: (("size", *variable.dims), np.stack([part[name].values for part in parts]))
        for name, variable in MEASURED.items()
    }
    for name in ("variance", "participation_ratio"):
        values = variables[name][1]  # (size, ensemble, draw)
        limits = [_limit(units, values[:, e]) for e in range(values.shape[1])]
        spreads = [spread_times_units(units, values[:, e]) for e in range(values.shape[1])]
        for place, end in enumerate(("limit", "limit_error", "slope")):
            variables[f"{name}_{end}"] = (
                ("ensemble",),
                np.array([limit[place] for limit in limits]),
            )
        variables[f"{name}_spread"] = (("ensemble",), np.array(spreads))
    variables["units"] = (("size",), units)
    attrs = {key: value for key, value in first.items() if key not in ("units", "mesomode")}
    for place, ensemble in enumerate(first["ensembles"]):
        logger.info(
            "%s: dimension per unit %.4g ± %.2g at N → ∞, theory %.4g",
            ensemble,
            variables["participation_ratio_limit"][1][place],
            variables["participation_ratio_limit_error"][1][place],
            variables["mean_field_participation_ratio"][1][-1, place],
        )
    write_store(out, xr.Dataset(variables, attrs=attrs), SCALING, provenance)


@step
def dynamics_effective_rank(
    *,
    network: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Simulate networks of equal variance and different effective rank.

    Parameters
    ----------
    network : Path
        ``network/<variant>.zarr``; only its gain enters.
    out : Path
        ``dynamics/effective_rank.zarr``.

    Raises
    ------
    DataError
        No sizes are configured.
    MemoryLimitError
        A simulation would not fit.
    SolverError
        A simulation diverged.
    """
    import numpy as np
    import xarray as xr

    from mesomode.dynamics.ensemble import exponential_strengths, measure
    from mesomode.errors import DataError
    from mesomode.network.random_mode import IndependentNetwork, RandomModeNetwork
    from mesomode.seeds import generator

    if not settings.scaling_units:
        raise DataError(
            "networks of different effective rank have no size",
            why="dynamics.scaling_units is empty",
            remedy="give a size there, or leave dynamics.effective_ranks empty",
        )
    with open_store(network) as dataset:
        gain = float(dataset["gain"])
    units = max(settings.scaling_units)
    lags = int(np.floor(settings.longest_lag / settings.sampling_interval + 1e-9)) + 1
    lag = np.arange(lags) * settings.sampling_interval
    ranks, draws = [], []
    for wanted in [np.inf, *sorted(settings.effective_ranks, reverse=True)]:
        source = generator(seed, "dynamics_effective_rank", str(wanted))
        drawn: Network
        if np.isinf(wanted):
            drawn = IndependentNetwork.draw(units, gain, generator=source)
        else:
            drawn = RandomModeNetwork.from_spectrum(
                exponential_strengths(wanted, units), units=units, gain=gain, generator=source
            )
        found = measure(drawn, lag, generator=source, **_times(settings))
        rank = 1 / drawn.inverse_effective_rank if drawn.inverse_effective_rank else np.inf
        logger.info(
            "effective rank %.3g: C_φ(0) %.4f, dimension per unit %.4g ± %.2g",
            rank,
            found.variance,
            found.participation_ratio,
            found.participation_ratio_error,
        )
        ranks.append(rank)
        draws.append(found)
    points = np.geomspace(0.5 * min([*settings.effective_ranks, 1.0]), 3.0, 25)
    curve, theory = _theory_of_ranks(gain, points, settings, lag)
    result = xr.Dataset(
        {
            "effective_rank": ("network", np.array(ranks)),
            "activity_autocovariance": (("network", "lag"), np.array([d.curve for d in draws])),
            "activity_autocovariance_error": (
                ("network", "lag"),
                np.array([d.curve_error for d in draws]),
            ),
            "mean_field_activity_autocovariance": ("lag", curve),
            "participation_ratio": ("network", np.array([d.participation_ratio for d in draws])),
            "participation_ratio_error": (
                "network",
                np.array([d.participation_ratio_error for d in draws]),
            ),
            "curve_effective_rank": ("point", points),
            "mean_field_participation_ratio": ("point", theory[:-1]),
            "mean_field_independent": ((), theory[-1]),
        },
        coords={"lag": lag},
        attrs={"units": units, "gain": gain, **_conditions(settings)},
    )
    write_store(out, result, EFFECTIVE_RANK, provenance)


def _ensemble(dataset: xr.Dataset, units: int) -> Callable[[np.random.Generator], Network]:
    """How a network of the ensemble of a store, but of another size, is drawn."""
    import numpy as np

    from mesomode.network.preparation import resampled_spectrum
    from mesomode.network.random_mode import IndependentNetwork, RandomModeNetwork

    gain = float(dataset["gain"])
    if "strength" not in dataset:
        return lambda source: IndependentNetwork.draw(units, gain, generator=source)
    strength = np.zeros(int(dataset.attrs["units"]))
    drawn = np.sort(np.abs(dataset["strength"].values.astype(np.float64)))[::-1]
    strength[: len(drawn)] = drawn[: len(strength)]
    modes = dataset.attrs["modes"]
    spectrum = resampled_spectrum(strength, units)
    return lambda source: RandomModeNetwork.from_spectrum(
        spectrum, units=units, gain=gain, modes=modes, generator=source
    )


def _times(settings: Settings) -> dict[str, Any]:
    """What the simulation of a network drawn anew is given."""
    return {
        "nonlinearity": settings.nonlinearity,
        "noise": settings.noise,
        "trajectories": settings.trajectories,
        "time_step": settings.time_step,
        "burn_in": settings.burn_in,
        "duration": settings.scaling_duration,
        "sampling_interval": settings.sampling_interval,
    }


def _conditions(settings: Settings) -> dict[str, Any]:
    return {
        "nonlinearity": settings.nonlinearity,
        "noise": settings.noise,
        "trajectories": settings.trajectories,
    }


def _theory(network: Network, settings: Settings) -> dict[str, float]:
    """Theory of an ensemble; NaN where there is none for the nonlinearity."""
    import numpy as np

    from mesomode.dynamics.nonlinearity import nonlinearity_named
    from mesomode.dynamics.theory import mean_field

    inverse = network.inverse_effective_rank
    rank = 1.0 / inverse if inverse else np.inf
    result = dict.fromkeys(EXPECTED, np.nan) | {"effective_rank": rank}
    if nonlinearity_named(settings.nonlinearity).odd:
        theory = mean_field(network.gain, rank, settings.nonlinearity, settings.noise)
        result["mean_field_variance"] = theory.activity_variance
        result["mean_field_participation_ratio"] = theory.participation_ratio
        result["asymptotic_size"] = theory.asymptotic_size(network.units)
    return result


def _theory_of_ranks(
    gain: float, ranks: np.ndarray, settings: Settings, lag: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """C_φ(τ), and the dimension at effective ranks and for independent couplings, in theory."""
    import numpy as np

    from mesomode.dynamics.nonlinearity import nonlinearity_named
    from mesomode.dynamics.theory import mean_field

    if not nonlinearity_named(settings.nonlinearity).odd:
        return np.full(len(lag), np.nan), np.full(len(ranks) + 1, np.nan)
    theories = [
        mean_field(gain, float(rank), settings.nonlinearity, settings.noise)
        for rank in [*ranks, np.inf]
    ]
    return theories[0].at(lag)[1], np.array([t.participation_ratio for t in theories])


def _limit(units: np.ndarray, values: np.ndarray) -> tuple[float, float, float]:
    """Value at N → ∞, its error, and the slope; NaN for one size with activity, or none."""
    import numpy as np

    from mesomode.dynamics.ensemble import extrapolate

    known = np.isfinite(values).all(axis=1)
    if known.sum() < 2:
        return np.nan, np.nan, np.nan
    limit = extrapolate(np.repeat(units[known], values.shape[1]), values[known].ravel())
    return limit.value, limit.error, limit.slope
