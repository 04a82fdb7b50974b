"""The stage ``dynamics``: network → ``dynamics/<variant>.zarr``."""

from __future__ import annotations

from mesomode.dynamics.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, open_store, write_store

TAU = "time constant"
OVER_TRAJECTORIES = "standard error over initial states of this one network"
SCHEMA = Schema(
    "dynamics",
    {
        "lag": Variable(("lag",), "float64", TAU, "lag"),
        "time": Variable(("time",), "float64", TAU, "time after the burn-in"),
        "autocovariance": Variable(
            ("lag",), "float64", "1", "C_x: of the states x, averaged over units"
        ),
        "autocovariance_error": Variable(("lag",), "float64", "1", OVER_TRAJECTORIES),
        "activity_autocovariance": Variable(
            ("lag",), "float64", "1", "C_φ: of the activity φ(x), averaged over units"
        ),
        "activity_autocovariance_error": Variable(("lag",), "float64", "1", OVER_TRAJECTORIES),
        "mean_field_autocovariance": Variable(("lag",), "float64", "1", "C_x in theory"),
        "mean_field_activity_autocovariance": Variable(("lag",), "float64", "1", "C_φ in theory"),
        "participation_ratio": Variable(
            (),
            "float64",
            "1",
            "number of dimensions of the activity, unbiased; NaN: no activity",
        ),
        "participation_ratio_error": Variable((), "float64", "1", OVER_TRAJECTORIES),
        "participation_ratio_naive": Variable(
            (), "float64", "1", "of the pooled covariance, biased downwards by finite time"
        ),
        "participation_ratio_per_unit": Variable(
            (), "float64", "1", "dimension as a fraction of the number of units"
        ),
        "mean_field_participation_ratio_per_unit": Variable(
            (), "float64", "1", "the same in theory, for infinitely many units; NaN: no activity"
        ),
        "correlation_time": Variable(
            (),
            "float64",
            TAU,
            "∫(C_φ(τ)/C_φ(0))² dτ, lags of both signs up to the longest; NaN: no activity",
        ),
        "mean_field_correlation_time": Variable(
            (), "float64", TAU, "the same in theory, over all lags; NaN: no activity"
        ),
        "covariance_eigenvalue": Variable(
            ("mode",), "float64", "1", "eigenvalues of the covariance of the activity, descending"
        ),
        "example_activity": Variable(
            ("time", "unit"), "float32", "1", "activity of a few units in one trajectory"
        ),
        "step_error": Variable(
            (),
            "float64",
            "1",
            "relative change of the states if the time step is halved; with noise that of the "
            "path for the same noise, of which averages have the square or less",
        ),
        "deviation": Variable((), "float64", "1", "C_φ(0)/theory − 1; NaN: no activity in theory"),
        "deviation_score": Variable(
            (),
            "float64",
            "1",
            "(C_φ(0) − theory)/error; the error does not hold the spread between networks",
        ),
        "asymptotic_size": Variable(
            (), "float64", "1", "N·PR_D·(1 − g²⟨φ'⟩²)²; below 10: too few units for the theory"
        ),
        "frozen_fraction": Variable((), "float64", "1", "share of trajectories at fixed points"),
    },
)


@step
def dynamics(
    *,
    network: Input,
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
) -> None:
    """Simulate a network and put the mean-field theory beside it.

    Parameters
    ----------
    network : Path
        ``network/<variant>.zarr``.
    out : Path
        ``dynamics/<variant>.zarr``.

    Raises
    ------
    DataError
        The network cannot be used.
    MemoryLimitError
        The samples would not fit.
    SolverError
        The simulation diverged, or theory has no solution.
    """
    import numpy as np
    import xarray as xr

    from mesomode.dynamics import measures
    from mesomode.dynamics.simulation import intervals, simulate
    from mesomode.dynamics.theory import ASYMPTOTIC, mean_field
    from mesomode.files import Progress
    from mesomode.network.reading import network_from_store
    from mesomode.seeds import generator

    with open_store(network) as dataset:
        variant = str(dataset.attrs.get("variant", ""))
        couplings = network_from_store(dataset, network)
        effective_rank = float(dataset["effective_rank"])
    units, gain = couplings.units, couplings.gain
    counts = intervals(settings.burn_in, settings.duration, settings.sampling_interval)
    progress = Progress(logger, f"simulating {variant}", sum(counts), "intervals")
    theory = mean_field(gain, effective_rank, settings.nonlinearity, settings.noise)
    trajectories = simulate(
        couplings,
        generator=generator(seed, "dynamics", variant),
        nonlinearity=settings.nonlinearity,
        noise=settings.noise,
        trajectories=settings.trajectories,
        time_step=settings.time_step,
        burn_in=settings.burn_in,
        duration=settings.duration,
        sampling_interval=settings.sampling_interval,
        progress=progress.update,
    )
    lags = int(np.floor(settings.longest_lag / settings.sampling_interval + 1e-9)) + 1
    lag = np.arange(lags) * settings.sampling_interval
    activity = trajectories.activity()
    c_x, c_x_error = measures.autocovariance(trajectories.states, lags)
    c_phi, c_phi_error = measures.autocovariance(activity, lags)
    dimension = measures.dimensionality(activity)
    theory_x, theory_phi = theory.at(lag)
    size = theory.asymptotic_size(units)
    excess = c_phi[0] - theory.activity_variance
    active = theory.activity_variance > 0
    deviation = excess / theory.activity_variance if active else np.nan
    score = excess / c_phi_error[0] if c_phi_error[0] > 0 else np.nan
    logger.info(
        "C_φ(0) %.4f ± %.4f, theory %.4f (%+.2f %%); halving the time step changes the states "
        "by %.1e",
        c_phi[0],
        c_phi_error[0],
        theory.activity_variance,
        100 * deviation,
        trajectories.step_error,
    )
    logger.info(
        "dimension %.2f ± %.2f of %d units (naive %.2f), theory %.2f",
        dimension.participation_ratio,
        dimension.participation_ratio_error,
        units,
        dimension.naive_participation_ratio,
        units * theory.participation_ratio,
    )
    frozen = measures.frozen_fraction(activity)
    if frozen > 0:
        logger.warning(
            "%.0f %% of the trajectories rest at fixed points: this network is not chaotic; "
            "drive it by noise (dynamics.noise: 1, network.gain: 1), or raise network.gain or "
            "network.units",
            100 * frozen,
        )
    verdict = theory.verdict(units)
    if size < ASYMPTOTIC:
        logger.warning("%s", verdict)
    shown = min(settings.example_units, units)
    result = xr.Dataset(
        {
            "autocovariance": ("lag", c_x),
            "autocovariance_error": ("lag", c_x_error),
            "activity_autocovariance": ("lag", c_phi),
            "activity_autocovariance_error": ("lag", c_phi_error),
            "mean_field_autocovariance": ("lag", theory_x),
            "mean_field_activity_autocovariance": ("lag", theory_phi),
            "participation_ratio": ((), dimension.participation_ratio),
            "participation_ratio_error": ((), dimension.participation_ratio_error),
            "participation_ratio_naive": ((), dimension.naive_participation_ratio),
            "participation_ratio_per_unit": ((), dimension.participation_ratio / units),
            "mean_field_participation_ratio_per_unit": ((), theory.participation_ratio),
            "correlation_time": (
                (),
                measures.correlation_time(c_phi, settings.sampling_interval),
            ),
            "mean_field_correlation_time": ((), theory.correlation_time),
            "covariance_eigenvalue": ("mode", dimension.covariance_eigenvalue),
            "example_activity": (("time", "unit"), activity[0, :, :shown]),
            "step_error": ((), trajectories.step_error),
            "deviation": ((), deviation),
            "deviation_score": ((), score),
            "asymptotic_size": ((), size),
            "frozen_fraction": ((), frozen),
        },
        coords={
            "lag": lag,
            "time": np.arange(1, counts[1] + 1) * settings.sampling_interval,
        },
        attrs={
            "variant": variant,
            "units": units,
            "gain": gain,
            "nonlinearity": settings.nonlinearity,
            "noise": settings.noise,
            "trajectories": settings.trajectories,
            "asymptotic": bool(size >= ASYMPTOTIC),
            "asymptotic_verdict": verdict,
        },
    )
    write_store(out, result, SCHEMA, provenance)
