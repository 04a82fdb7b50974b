"""The stage ``comparison``: dynamics, recordings → ``comparison.zarr``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.comparison.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, open_store, write_store

if TYPE_CHECKING:
    from mesomode.comparison.systems import System

MODES = 100
SUBSETS = 24
SCALED_STEP = 0.05
OWN_TIME = "s | time constant"
"""Unit of times that are in s for recordings and in time constants for networks."""

SCHEMA = Schema(
    "comparison",
    {
        "kind": Variable(
            ("system",), "int8", "1", "what the system is", flags=("recording", "network")
        ),
        "units": Variable(("system",), "int64", "1", "number of units that enter"),
        **{
            name: Variable(("system",), "float64", "1", meaning)
            for name, meaning in {
                "participation_ratio": "number of dimensions, unbiased; NaN: unknown",
                "participation_ratio_error": "its standard error; NaN: unknown",
                "participation_ratio_plain": "of the sample covariance, biased low",
                "participation_ratio_per_unit": "unbiased dimension as a fraction of the units",
                "participation_ratio_common": "dimension of common_units random units",
                "components_90": "principal components that hold 90 % of the variance",
                "components_95": "principal components that hold 95 % of the variance",
                "noise_fraction": "part of the variance independent from frame to frame",
            }.items()
        },
        "common_units": Variable((), "int64", "1", "number of units at which all are compared"),
        "subset": Variable(("subset",), "int64", "1", "number of random units"),
        "participation_ratio_subset": Variable(
            ("system", "subset"), "float64", "1", "dimension expected for them; NaN: too many"
        ),
        "mode": Variable(("mode",), "int64", "1", "number of directions"),
        "variance_explained": Variable(
            ("system", "mode"), "float64", "1", "part of the variance in them; NaN: beyond the last"
        ),
        **{
            name: Variable(("system",), "float64", OWN_TIME, meaning)
            for name, meaning in {
                "half_width": "lag at which the autocorrelation is half; NaN: beyond the lags",
                "exponential_time": "exponential fitted to the autocorrelation; NaN: none fits",
                "integrated_time": "integral of the autocorrelation; NaN: beyond the lags",
                "integrated_square_time": "integral of its square over both signs of the lag",
            }.items()
        },
        "sampling_step": Variable(("system",), "float64", OWN_TIME, "time between samples"),
        "time_constant": Variable(
            ("system",),
            "float64",
            "s",
            "time constant with which a network is as slow as the recordings, by the median of the "
            "half widths (1 if there are none); NaN: recording",
        ),
        "frame": Variable(
            (), "float64", "s", "coarsest sampling of all systems, at which dynamics are compared"
        ),
        "scaled_lag": Variable(("scaled_lag",), "float64", "half width", "lag"),
        "autocorrelation": Variable(
            ("system", "scaled_lag"), "float64", "1", "mean autocorrelation; NaN: beyond the lags"
        ),
        "implied_time_constant": Variable(
            ("recording", "network"),
            "float64",
            "s",
            "time constant with which the network's half width is the recording's",
        ),
        "dimension_ratio": Variable(
            ("recording", "network"),
            "float64",
            "1",
            "dimension of the recording over the network's, at common_units",
        ),
        "shape_difference": Variable(
            ("recording", "network"),
            "float64",
            "1",
            "root mean square difference of the autocorrelations against lag in half widths",
        ),
    },
)


@step
def comparison(
    *,
    dynamics: list[Input],
    recordings: list[Input],
    out: Output,
    settings: Settings,
    provenance: Provenance,
) -> None:
    """Compare dimension and time-scales of networks and recordings.

    Parameters
    ----------
    dynamics : list of Path
        ``dynamics/<variant>.zarr``.
    recordings : list of Path
        ``recordings/<session>.zarr``.
    out : Path
        ``comparison.zarr``. Its attribute ``systems`` lists name and kind of each system:
        recordings first, in the order of the dimension ``recording``, then networks.

    Raises
    ------
    DataError
        There is nothing to compare, or no system has as many units as are asked for.
    """
    import numpy as np
    import xarray as xr

    from mesomode.comparison import timescales
    from mesomode.comparison.dimension import components_for
    from mesomode.comparison.systems import (
        KINDS,
        common_frame,
        cumulative_variance,
        in_half_widths,
        shape_difference,
        time_constants,
    )

    systems = [_recording(path) for path in recordings] + [_network(path) for path in dynamics]
    common = _common_units(systems, settings)
    sizes = np.unique(np.rint(np.geomspace(1, max(s.units for s in systems), SUBSETS)).astype(int))
    steps = round(settings.longest_lag_half_widths / SCALED_STEP)
    grid = np.arange(steps + 1) * SCALED_STEP
    arrays: dict[str, list[Any]] = {}

    def put(**values: Any) -> None:
        for name, value in values.items():
            arrays.setdefault(name, []).append(value)

    for system in systems:
        correlation, noise = system.correlation(settings.remove_frame_noise)
        half_width = timescales.half_width(correlation, 1.0)
        put(
            kind=KINDS.index(system.kind),
            units=system.units,
            participation_ratio=system.participation_ratio,
            participation_ratio_error=system.error,
            participation_ratio_plain=system.plain,
            participation_ratio_per_unit=system.participation_ratio / system.units,
            participation_ratio_common=system.dimension_of(common),
            components_90=components_for(system.eigenvalues, 0.9),
            components_95=components_for(system.eigenvalues, 0.95),
            noise_fraction=noise,
            participation_ratio_subset=[system.dimension_of(int(size)) for size in sizes],
            variance_explained=cumulative_variance(system.eigenvalues, MODES),
            half_width=half_width * system.step,
            sampling_step=system.step,
            exponential_time=timescales.exponential_time(correlation, system.step),
            integrated_time=timescales.integrated(correlation, system.step),
            integrated_square_time=timescales.integrated_square(correlation, system.step),
            autocorrelation=in_half_widths(correlation, half_width, grid),
        )
    columns = {name: np.array(values) for name, values in arrays.items()}
    first, second = slice(len(recordings)), slice(len(recordings), None)
    width, dimension = columns["half_width"], columns["participation_ratio_common"]
    shapes = columns["autocorrelation"]
    columns |= {
        "common_units": np.array(common),
        "subset": sizes,
        "mode": np.arange(1, MODES + 1),
        "scaled_lag": grid,
        "implied_time_constant": width[first, None] / width[None, second],
        "dimension_ratio": dimension[first, None] / dimension[None, second],
        "shape_difference": np.array(
            [[shape_difference(one, two) for two in shapes[second]] for one in shapes[first]]
        ).reshape(len(recordings), len(dynamics)),
    }
    constants = time_constants(columns["kind"], width)
    columns |= {
        "time_constant": constants,
        "frame": np.array(common_frame(columns["sampling_step"], constants)),
    }
    declared = SCHEMA.variables
    dataset = xr.Dataset(
        {n: (declared[n].dims, np.asarray(v, declared[n].dtype)) for n, v in columns.items()},
        attrs={"systems": [{"name": s.name, "kind": s.kind} for s in systems]},
    ).set_coords(["subset", "mode", "scaled_lag"])
    write_store(out, dataset, SCHEMA, provenance)
    for place, system in enumerate(systems):
        logger.info(
            "%s %s: dimension %.3g of %d units, %.3g of %d; half width %.3g %s",
            system.kind,
            system.name,
            system.participation_ratio,
            system.units,
            dimension[place],
            common,
            width[place],
            "s" if system.kind == "recording" else "time constants",
        )


def _common_units(systems: list[System], settings: Settings) -> int:
    from mesomode.errors import DataError

    if not systems:
        raise DataError(
            "there is nothing to compare",
            where="--dynamics, --recordings",
            why="no store was given",
            remedy="give at least one network or one recording",
        )
    smallest = min(systems, key=lambda system: system.units)
    if settings.common_units is None:
        return smallest.units
    if settings.common_units > max(system.units for system in systems):
        raise DataError(
            f"no system has {settings.common_units} units",
            where="config key comparison.common_units",
            why=f"the smallest, {smallest.name}, has {smallest.units}",
            remedy="lower it, or set it to null for the smallest number",
        )
    for system in systems:
        if system.units < settings.common_units:
            logger.warning(
                "%s %s has %d units only: no dimension at %d units",
                system.kind,
                system.name,
                system.units,
                settings.common_units,
            )
    return settings.common_units


def _recording(path: Path) -> System:
    """What is compared of a store of the stage ``recordings``."""
    from mesomode.comparison.dimension import Moments
    from mesomode.comparison.systems import System

    with open_store(path) as store:
        _need(path, store.attrs["mesomode"]["schema"], "recordings")
        units = int((store["unit_status"] == 0).sum())
        return System(
            name=path.name.removesuffix(".zarr"),
            kind="recording",
            units=units,
            participation_ratio=float(store["participation_ratio"]),
            error=float(store["participation_ratio_error"]),
            plain=float(store["participation_ratio_plain"]),
            moments=Moments(
                units,
                *(float(store[n]) for n in ("trace_squared", "square_trace", "diagonal_square")),
            ),
            eigenvalues=store["covariance_eigenvalue"].values,
            lag=store["lag"].values,
            autocovariance=store["autocovariance"].values,
        )


def _network(path: Path) -> System:
    """What is compared of a store of the stage ``dynamics``: the activity φ(x)."""
    from mesomode.comparison.systems import System

    with open_store(path) as store:
        _need(path, store.attrs["mesomode"]["schema"], "dynamics")
        return System(
            name=str(store.attrs["variant"]),
            kind="network",
            units=int(store.attrs["units"]),
            participation_ratio=float(store["participation_ratio"]),
            error=float(store["participation_ratio_error"]),
            plain=float(store["participation_ratio_naive"]),
            moments=None,
            eigenvalues=store["covariance_eigenvalue"].values,
            lag=store["lag"].values,
            autocovariance=store["activity_autocovariance"].values,
        )


def _need(path: Path, found: str, wanted: str) -> None:
    from mesomode.errors import StoreError

    if found != wanted:
        raise StoreError(
            f"the store is of the kind {found!r} where {wanted!r} is needed",
            where=path,
            remedy="give the stores to --dynamics and --recordings the other way round",
        )
