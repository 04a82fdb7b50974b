"""The stage ``dynamics``: network → ``dynamics/<variant>.zarr``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesomode.dynamics.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, open_store, write_store

if TYPE_CHECKING:
    import numpy as np

    from mesomode.network.coupling import Network

TAU = "time constant"
OVER_TRAJECTORIES = "standard error over initial states of this one network"
NO_THEORY = "NaN: there is no theory for this φ"
EIGENVALUES_UP_TO = 4000
"""Units, or modes if fewer, up to which eigenvalues are computed: at 4,000 in half a minute."""
POPULATION_LAGS = 21
"""Lags, from zero to the longest, of the autocovariance of the population."""
SCHEMA = Schema(
    "dynamics",
    {
        "lag": Variable(("lag",), "float64", TAU, "lag"),
        "population_lag": Variable(("population_lag",), "float64", TAU, "lag"),
        "time": Variable(("time",), "float64", TAU, "time after the burn-in"),
        "effective_rank": Variable(
            (), "float64", "1", "PR_D per unit of the ensemble, without scales of units"
        ),
        "autocovariance": Variable(
            ("lag",), "float64", "1", "C_x: of the states x, averaged over units"
        ),
        "autocovariance_error": Variable(("lag",), "float64", "1", OVER_TRAJECTORIES),
        "activity_autocovariance": Variable(
            ("lag",), "float64", "1", "C_φ: of the activity φ(x), averaged over units"
        ),
        "activity_autocovariance_error": Variable(("lag",), "float64", "1", OVER_TRAJECTORIES),
        "mean_field_autocovariance": Variable(
            ("lag",), "float64", "1", f"C_x in theory; {NO_THEORY}"
        ),
        "mean_field_activity_autocovariance": Variable(
            ("lag",), "float64", "1", f"C_φ in theory; {NO_THEORY}"
        ),
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
        "participation_ratio_standardised": Variable(
            (), "float64", "1", "number of dimensions if every unit has equal variance, unbiased"
        ),
        "participation_ratio_standardised_error": Variable((), "float64", "1", OVER_TRAJECTORIES),
        "mean_field_participation_ratio_per_unit": Variable(
            (), "float64", "1", "the same in theory, for infinitely many units; NaN: no activity"
        ),
        "mean_field_participation_ratio_standardised_per_unit": Variable(
            (), "float64", "1", "the same in theory for units of equal variance; NaN: no activity"
        ),
        "population_autocovariance": Variable(
            ("population_lag",),
            "float64",
            "1",
            "ψ(τ, τ)/ψ(0, 0), ψ(τ, τ) = Σ_ij C_ij(τ)²/N of φ(x), unbiased; NaN: no activity",
        ),
        "population_autocovariance_error": Variable(
            ("population_lag",), "float64", "1", OVER_TRAJECTORIES
        ),
        "mean_field_population_autocovariance": Variable(
            ("population_lag",), "float64", "1", f"the same in theory; {NO_THEORY}"
        ),
        "correlation_time": Variable(
            (),
            "float64",
            TAU,
            "∫(C_φ(τ)/C_φ(0))² dτ, lags of both signs up to the longest; NaN: no activity",
        ),
        "population_correlation_time": Variable(
            (),
            "float64",
            TAU,
            "∫ψ(τ, τ)/ψ(0, 0) dτ, lags of both signs up to the longest; NaN: no activity",
        ),
        "mean_field_correlation_time": Variable(
            (), "float64", TAU, "of C_φ in theory, over all lags; NaN: no activity"
        ),
        "covariance_eigenvalue": Variable(
            ("mode",), "float64", "1", "eigenvalues of the covariance of the activity, descending"
        ),
        "lyapunov_exponent": Variable(
            ("exponent",),
            "float64",
            f"1/{TAU}",
            "largest Lyapunov exponents, descending",
            optional=True,
        ),
        "lyapunov_exponent_error": Variable(
            ("exponent",),
            "float64",
            f"1/{TAU}",
            "standard error over trajectories and quarters of the time",
            optional=True,
        ),
        "mean_field_lyapunov_exponent": Variable(
            (), "float64", f"1/{TAU}", f"the largest in theory; {NO_THEORY}, or no activity"
        ),
        "feedback": Variable(
            (),
            "float64",
            "1",
            "largest d ρ ⟨uv⟩ ⟨φ'⟩ of the modes; above 1 one condenses, beyond the theory; NaN: "
            "modes without overlaps",
        ),
        "eigenvalue_real": Variable(
            ("eigenvalue",),
            "float64",
            "1",
            "real parts of the eigenvalues of J, by descending magnitude",
            optional=True,
        ),
        "eigenvalue_imaginary": Variable(
            ("eigenvalue",), "float64", "1", "their imaginary parts", optional=True
        ),
        "example_activity": Variable(
            ("time", "unit"), "float32", "1", "activity of a few units in one trajectory"
        ),
        "projection": Variable(
            ("trajectory", "time", "component"),
            "float32",
            "1",
            "standardised activity on its leading principal directions",
        ),
        "step_error": Variable(
            (),
            "float64",
            "1",
            "relative change of the states if the time step is halved; with noise that of the "
            "path for the same noise, of which averages have the square or less",
        ),
        "precision_error": Variable(
            (),
            "float64",
            "1",
            "relative difference of the states from the same path in double precision, after 3 "
            "time constants",
        ),
        "deviation": Variable((), "float64", "1", "C_φ(0)/theory − 1; NaN: no activity in theory"),
        "deviation_score": Variable(
            (),
            "float64",
            "1",
            "(C_φ(0) − theory)/error; the error does not hold the spread between networks",
        ),
        "participation_ratio_score": Variable(
            (), "float64", "1", "the same of the dimension; NaN: no activity"
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
    from mesomode.dynamics.expectation import expected
    from mesomode.dynamics.simulation import intervals, simulate
    from mesomode.dynamics.theory import ASYMPTOTIC
    from mesomode.network.reading import network_from_store
    from mesomode.progress import Progress
    from mesomode.seeds import generator

    with open_store(network) as dataset:
        variant = str(dataset.attrs.get("variant", ""))
        name = str(dataset.attrs.get("name", ""))
        couplings = network_from_store(dataset, where=network)
        feedback = float(dataset["feedback"]) if "feedback" in dataset else np.nan
    units, gain, inverse = couplings.units, couplings.gain, couplings.inverse_effective_rank
    counts = intervals(settings.burn_in, settings.duration, settings.sampling_interval)
    progress = Progress(
        logger, f"simulating {name} {variant}".replace("  ", " "), sum(counts), "intervals"
    )
    random = generator(seed, "dynamics", *filter(None, [name]), variant)
    sampler = generator(seed, "dynamics_theory", *filter(None, [name]), variant)
    trajectories = simulate(
        couplings,
        generator=random,
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
    shifts = np.unique(np.rint(np.linspace(0, lags - 1, POPULATION_LAGS)).astype(int))
    theory = expected(
        couplings, settings.nonlinearity, settings.noise, lag, lag[shifts], generator=sampler
    )
    feedback *= theory.slope
    kind = theory.kind
    if feedback > 1:
        kind = f"{kind.partition('; ')[0]}; without overlaps of modes, one of which condenses"
        logger.warning(
            "a mode condenses: it feeds back on itself d ρ ⟨φ'⟩ = %.3g > 1, beyond the theory",
            feedback,
        )
    logger.info("theory of: %s", kind)
    activity, states = trajectories.fluctuations()
    c_x, c_x_error = measures.autocovariance(states, lags)
    c_phi, c_phi_error = measures.autocovariance(activity, lags)
    dimension = measures.dimensionality(activity)
    scaled = measures.dimensionality(measures.standardised(activity), eigenvalues=False)
    population, population_error = np.full((2, len(shifts)), np.nan)
    if settings.trajectories > 2:
        population, population_error = measures.population_autocovariance(activity, shifts)
    excess = c_phi[0] - theory.activity_variance
    active = theory.activity_variance > 0
    deviation = excess / theory.activity_variance if active else np.nan
    score = excess / c_phi_error[0] if c_phi_error[0] > 0 else np.nan
    logger.info(
        "C_φ(0) %.4f ± %.4f, theory %.4f (%+.2f %%); halving the time step changes the states "
        "by %.1e, double precision by %.1e",
        c_phi[0],
        c_phi_error[0],
        theory.activity_variance,
        100 * deviation,
        trajectories.step_error,
        trajectories.precision_error,
    )
    logger.info(
        "dimension %.2f ± %.2f of %d units (naive %.2f), theory %.2f; with units of equal "
        "variance %.2f ± %.2f",
        dimension.participation_ratio,
        dimension.participation_ratio_error,
        units,
        dimension.naive_participation_ratio,
        units * theory.participation_ratio,
        scaled.participation_ratio,
        scaled.participation_ratio_error,
    )
    dimension_score = (
        dimension.participation_ratio - units * theory.participation_ratio
    ) / dimension.participation_ratio_error
    measured = _lyapunov(couplings, trajectories.states, settings, theory.lyapunov_exponent, random)
    measured |= _eigenvalues(couplings)
    frozen = measures.frozen_fraction(activity)
    if frozen > 0:
        logger.warning(
            "%.0f %% of the trajectories rest at fixed points: this network is not chaotic; "
            "drive it by noise (dynamics.noise: 1, network.gain: 1), or raise network.gain or "
            "network.units",
            100 * frozen,
        )
    if theory.asymptotic_size < ASYMPTOTIC:
        logger.warning("%s", theory.verdict)
    shown = min(settings.example_units, units)
    result = xr.Dataset(
        {
            "effective_rank": ((), 1 / inverse if inverse else np.inf),
            "autocovariance": ("lag", c_x),
            "autocovariance_error": ("lag", c_x_error),
            "activity_autocovariance": ("lag", c_phi),
            "activity_autocovariance_error": ("lag", c_phi_error),
            "mean_field_autocovariance": ("lag", theory.autocovariance),
            "mean_field_activity_autocovariance": ("lag", theory.activity_autocovariance),
            "participation_ratio": ((), dimension.participation_ratio),
            "participation_ratio_error": ((), dimension.participation_ratio_error),
            "participation_ratio_naive": ((), dimension.naive_participation_ratio),
            "participation_ratio_per_unit": ((), dimension.participation_ratio / units),
            "participation_ratio_standardised": ((), scaled.participation_ratio),
            "participation_ratio_standardised_error": ((), scaled.participation_ratio_error),
            "mean_field_participation_ratio_per_unit": ((), theory.participation_ratio),
            "mean_field_participation_ratio_standardised_per_unit": (
                (),
                theory.participation_ratio_standardised,
            ),
            "population_autocovariance": ("population_lag", population),
            "population_autocovariance_error": ("population_lag", population_error),
            "mean_field_population_autocovariance": (
                "population_lag",
                theory.population_autocovariance,
            ),
            "population_correlation_time": (
                (),
                2 * float(np.trapezoid(population, lag[shifts])),
            ),
            "mean_field_lyapunov_exponent": ((), theory.lyapunov_exponent),
            "feedback": ((), feedback),
            **measured,
            "correlation_time": (
                (),
                measures.correlation_time(c_phi, settings.sampling_interval),
            ),
            "mean_field_correlation_time": ((), theory.correlation_time),
            "covariance_eigenvalue": ("mode", dimension.covariance_eigenvalue),
            "example_activity": (("time", "unit"), activity[0, :, :shown]),
            "projection": (
                ("trajectory", "time", "component"),
                measures.leading_projection(activity, settings.components),
            ),
            "step_error": ((), trajectories.step_error),
            "precision_error": ((), trajectories.precision_error),
            "deviation": ((), deviation),
            "deviation_score": ((), score),
            "participation_ratio_score": ((), dimension_score),
            "asymptotic_size": ((), theory.asymptotic_size),
            "frozen_fraction": ((), frozen),
        },
        coords={
            "lag": lag,
            "population_lag": lag[shifts],
            "time": np.arange(1, counts[1] + 1) * settings.sampling_interval,
        },
        attrs={
            "variant": variant,
            "name": name,
            "units": units,
            "gain": gain,
            "nonlinearity": settings.nonlinearity,
            "noise": settings.noise,
            "trajectories": settings.trajectories,
            "asymptotic": bool(theory.asymptotic_size >= ASYMPTOTIC),
            "asymptotic_verdict": theory.verdict,
            "theory": kind,
        },
    )
    write_store(out, result, SCHEMA, provenance)


def _lyapunov(
    couplings: Network,
    states: np.ndarray,
    settings: Settings,
    theory: float,
    random: np.random.Generator,
) -> dict[str, tuple[str, np.ndarray]]:
    """The largest Lyapunov exponents, from the last states of two trajectories."""
    from mesomode.dynamics.lyapunov import lyapunov_exponents

    count = min(settings.lyapunov_exponents, couplings.units)
    if not count:
        return {}
    found = lyapunov_exponents(
        couplings,
        generator=random,
        count=count,
        nonlinearity=settings.nonlinearity,
        noise=settings.noise,
        trajectories=2,
        time_step=settings.time_step,
        burn_in=0.0,
        duration=settings.lyapunov_duration,
        initial=states[:2, -1, :].T,
    )
    logger.info(
        "largest Lyapunov exponent %.4f ± %.4f, theory %.4f",
        found.exponent[0],
        found.error[0],
        theory,
    )
    return {
        "lyapunov_exponent": ("exponent", found.exponent),
        "lyapunov_exponent_error": ("exponent", found.error),
    }


def _eigenvalues(couplings: Network) -> dict[str, tuple[str, np.ndarray]]:
    """Eigenvalues of the couplings, if these are not too many."""
    import numpy as np

    from mesomode.dynamics.eigenvalues import coupling_eigenvalues

    factors = couplings.factors()
    size = couplings.units if factors is None else min(couplings.units, factors[0].shape[1])
    if size > EIGENVALUES_UP_TO:
        logger.info("the eigenvalues of %d units are not computed", couplings.units)
        return {}
    values = coupling_eigenvalues(couplings)
    logger.info(
        "eigenvalues of the couplings: radius %.3g, gain %.3g", np.abs(values[0]), couplings.gain
    )
    return {
        "eigenvalue_real": ("eigenvalue", values.real.copy()),
        "eigenvalue_imaginary": ("eigenvalue", values.imag.copy()),
    }
