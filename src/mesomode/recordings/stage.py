"""The stage ``recordings``: a two-photon session → ``recordings/<session>.zarr``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.recordings.settings import Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import Schema, Variable, write_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

STIMULI = (
    "spontaneous",
    "drifting_gratings",
    "static_gratings",
    "natural_scenes",
    "natural_movie_one",
    "natural_movie_two",
    "natural_movie_three",
    "locally_sparse_noise",
    "locally_sparse_noise_4deg",
    "locally_sparse_noise_8deg",
)
COLUMNS = {
    "orientation": ("degree", "direction or orientation of a grating"),
    "temporal_frequency": ("Hz", "cycles a second of a drifting grating"),
    "spatial_frequency": ("cycle/degree", "cycles a degree of a static grating"),
    "phase": ("cycle", "phase of a static grating"),
    "frame": ("1", "index of the image or movie frame, -1: blank screen"),
    "repeat": ("1", "how often a movie was shown before"),
    "blank_sweep": ("1", "1: blank screen"),
}
SHOWN = {**{name: COLUMNS[name] for name in list(COLUMNS)[:5]}, "clip": ("1", "clip of a movie")}
PAUSE_S = 5.0
"""Pauses between presentations up to this long belong to the epoch of the stimulus."""

SCHEMA = Schema(
    "recordings",
    {
        "time": Variable(("time",), "float64", "s", "time of the frame"),
        "unit": Variable(("unit",), "int64", "1", "cell specimen id; -n: unmatched, row n"),
        "roi": Variable(("unit",), "int64", "1", "id of the region of interest"),
        "dff": Variable(("time", "unit"), "float32", "1", "relative fluorescence change"),
        "events": Variable(
            ("time", "unit"), "float32", "1", "size of detected events", optional=True
        ),
        "running_speed": Variable(
            ("time",), "float32", "cm/s", "running speed; NaN: not measured", optional=True
        ),
        "presentation_stimulus": Variable(
            ("presentation",), "int8", "1", "which stimulus", flags=STIMULI
        ),
        "presentation_start": Variable(("presentation",), "int64", "1", "first frame"),
        "presentation_end": Variable(("presentation",), "int64", "1", "frame after the last"),
        **{
            f"presentation_{name}": Variable(
                ("presentation",), "float64", unit, f"{meaning}; NaN: blank or not applicable"
            )
            for name, (unit, meaning) in COLUMNS.items()
        },
        "trial_stimulus": Variable(("trial",), "int8", "1", "which stimulus", flags=STIMULI),
        "trial_start": Variable(("trial",), "int64", "1", "first frame of the presentation"),
        "trial_end": Variable(("trial",), "int64", "1", "frame after the presentation"),
        "trial_condition": Variable(("trial",), "int32", "1", "index along condition"),
        "trial_response": Variable(
            ("trial", "unit"),
            "float32",
            "1",
            "mean signal in the response window; NaN: it was not measured throughout",
        ),
        "condition_stimulus": Variable(
            ("condition",), "int8", "1", "which stimulus", flags=STIMULI
        ),
        **{
            f"condition_{name}": Variable(
                ("condition",), "float64", unit, f"{meaning}; NaN: blank or not applicable"
            )
            for name, (unit, meaning) in SHOWN.items()
        },
        "response_mean": Variable(
            ("condition", "unit"), "float32", "1", "response averaged over trials; NaN: none"
        ),
        "response_deviation": Variable(
            ("condition", "unit"), "float32", "1", "standard deviation over trials; NaN: < 2"
        ),
        "response_trials": Variable(("condition", "unit"), "int32", "1", "number of trials"),
        "tested_stimulus": Variable(("test",), "int8", "1", "which stimulus", flags=STIMULI),
        "tuning_statistic": Variable(
            ("test", "unit"), "float64", "1", "F of one-way analysis of variance; NaN: constant"
        ),
        "tuning_p_value": Variable(
            ("test", "unit"), "float64", "1", "p-value over conditions; NaN: cannot be tested"
        ),
        "tuned_fraction": Variable(("test",), "float64", "1", "fraction of units below alpha"),
        "unit_status": Variable(
            ("unit",),
            "int8",
            "1",
            "whether it enters dimension and time-scales",
            flags=("used", "gaps", "constant"),
        ),
        "covariance_eigenvalue": Variable(
            ("mode",), "float64", "1", "eigenvalues of the covariance over time, largest first"
        ),
        **{
            name: Variable((), "float64", "1", meaning)
            for name, meaning in {
                "participation_ratio_plain": "dimension of the sample covariance (biased low)",
                "participation_ratio": "dimension, unbiased; NaN: too few blocks or too noisy",
                "participation_ratio_error": "its jackknife standard error; NaN: < 5 blocks",
                "participation_ratio_zscored": "unbiased, of units scaled to variance one",
                "participation_ratio_zscored_plain": "plain, of units scaled to variance one",
                "trace_squared": "unbiased (tr C)^2 of the covariance C",
                "square_trace": "unbiased tr C^2",
                "diagonal_square": "unbiased sum of the squared variances",
            }.items()
        },
        "subset": Variable(("subset",), "int32", "1", "number of units in a random subset"),
        "participation_ratio_subset": Variable(
            ("subset",), "float64", "1", "unbiased dimension expected for the subset"
        ),
        "lag": Variable(("lag",), "float64", "s", "lag of the autocorrelation"),
        "autocovariance": Variable(
            ("lag",), "float64", "1", "mean autocovariance of the units that are used"
        ),
        "unit_autocorrelation": Variable(
            ("lag", "unit"), "float32", "1", "autocorrelation of each unit; NaN: not used"
        ),
        "unit_exponential_time": Variable(
            ("unit",), "float64", "s", "exponential time of each unit; NaN: no such decay"
        ),
        **{
            name: Variable((), "float64", "s", meaning)
            for name, meaning in {
                "exponential_time": "exponential fitted to the mean autocovariance; NaN: none",
                "half_width": "lag at which the mean autocovariance is half; NaN: beyond lags",
                "integrated_time": "integral of the mean autocorrelation; NaN: beyond lags",
                "integrated_square_time": "integral of its square over both signs of lag",
            }.items()
        },
    },
)


@step
def recordings(
    *, raw: Input, out: Output, settings: Settings, threads: int = 1, provenance: Provenance
) -> None:
    """Analyse one two-photon session: trials, tuning, dimension, time-scales.

    Parameters
    ----------
    raw : Path
        ``session_<id>.h5`` of a reader.
    out : Path
        ``recordings/<session>.zarr``.
    settings : Settings
        Section ``recordings`` of the configuration.
    threads : int
        Threads of the linear algebra.

    Raises
    ------
    DataError
        The session lacks what the settings ask for, or is damaged.
    """
    import xarray as xr

    from mesomode.recordings.frames import frame_period
    from mesomode.recordings.trials import presentations

    session = _read_session(raw)
    signal = _signal(session, settings, raw)
    period = frame_period(session["time"])
    arrays, absent = _trials(session, signal, settings, period, raw)
    arrays |= _dynamics(session, signal, settings, period, raw)
    presented = _declared(presentations(session["stimuli"], STIMULI, list(COLUMNS)))
    kept = ("time", "unit", "roi", "dff", "events", "running_speed")
    traces = {
        name: (SCHEMA.variables[name].dims, session[name]) for name in kept if name in session
    }
    dataset = xr.Dataset(
        {**traces, **presented, **arrays},
        attrs={
            **session["attributes"],
            "signal": settings.signal,
            "frame_period_s": period,
            "absent": session["absent"],
            "stimuli_absent": absent,
        },
    ).set_coords(["time", "unit", "subset", "lag"])
    write_store(out, dataset, SCHEMA, provenance)
    _tell(dataset, settings)


def _read_session(raw: Path) -> dict[str, Any]:
    """Read a reader's session file and check that its parts fit together."""
    import h5py
    import numpy as np

    from mesomode.citations import data_terms
    from mesomode.errors import DataError

    with h5py.File(raw, "r") as file:
        session: dict[str, Any] = {
            "time": file["timestamps"][:],
            "unit": file["cell_specimen_ids"][:],
            "roi": file["roi_ids"][:],
            "dff": file["dff"][:],
            "stimuli": {
                name: {column: group[column][:] for column in group}
                for name, group in file["stimulus"].items()
            },
        }
        for name in ("events", "running_speed"):
            if name in file:
                session[name] = file[name][:]
        attributes = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in file.attrs.items()
        }
    session["absent"] = [n for n in ("events", "running_speed") if n not in session]
    for name in session["absent"]:
        logger.info("the session has no %s", name.replace("_", " "))
    frames, units = len(session["time"]), len(session["unit"])
    expected = {"dff": (frames, units), "events": (frames, units), "running_speed": (frames,)}
    wrong = [
        f"{name} has shape {session[name].shape} instead of {shape}"
        for name, shape in expected.items()
        if name in session and session[name].shape != shape
    ]
    unknown = [name for name in session["stimuli"] if name not in STIMULI]
    if wrong or unknown or not units:
        raise DataError(
            "the session's parts do not fit together",
            where=raw,
            why="; ".join(
                [*wrong, *(f"unknown stimulus {name!r}" for name in unknown)] or ["it has no unit"]
            ),
            remedy="read the session again; if it persists, leave it out",
        )
    unmatched = session["unit"] <= 0
    session["unit"] = np.where(unmatched, -1 - np.arange(units), session["unit"])
    session["attributes"] = attributes | data_terms(str(attributes["source"]))
    return session


def _signal(session: dict[str, Any], settings: Settings, raw: Path) -> np.ndarray:
    from mesomode.errors import DataError

    if settings.signal not in session:
        raise DataError(
            "the session has no events",
            where=raw,
            why="the Allen Institute did not publish events for it",
            remedy="set the config key `recordings.signal` to dff, or leave this session out",
        )
    signal: np.ndarray = session[settings.signal]
    return signal


def _trials(
    session: dict[str, Any], signal: np.ndarray, settings: Settings, period: float, raw: Path
) -> tuple[dict[str, Any], list[str]]:
    """Trials, averages and tests of the stimuli asked for; and those that are absent."""
    from mesomode.errors import DataError
    from mesomode.recordings.analysis import trial_tables
    from mesomode.recordings.trials import has_conditions

    absent = [name for name in settings.stimuli if name not in session["stimuli"]]
    useless = [name for name in settings.stimuli if not has_conditions(name)]
    if useless or (absent and settings.missing_stimulus == "error"):
        raise DataError(
            "a stimulus without repeated conditions was asked for"
            if useless
            else "the session lacks a stimulus that was asked for",
            where=raw,
            why=f"{', '.join(useless or absent)}; the session has "
            + (", ".join(session["stimuli"]) or "none"),
            remedy="change the config key `recordings.stimuli`"
            + ("" if useless else ", or set `recordings.missing_stimulus` to skip"),
        )
    arrays = trial_tables(
        {name: session["stimuli"][name] for name in settings.stimuli if name not in absent},
        signal,
        codes={name: code for code, name in enumerate(STIMULI)},
        parameters=list(SHOWN),
        clip=max(1, round(settings.movie_clip_s / period)),
        delay=round(settings.response_delay_s / period),
        shortest=round(settings.shortest_response_s / period),
        baseline=round(settings.baseline_s / period),
        include_blank=settings.include_blank,
        significance=settings.significance,
    )
    return _declared(arrays), absent


def _dynamics(
    session: dict[str, Any], signal: np.ndarray, settings: Settings, period: float, raw: Path
) -> dict[str, Any]:
    """Dimension and time-scales in the epoch asked for."""
    from mesomode.errors import DataError
    from mesomode.recordings import frames
    from mesomode.recordings.analysis import population_dynamics
    from mesomode.recordings.trials import epoch_pieces

    pieces = frames.uninterrupted(session["time"])
    if settings.epoch != "all":
        if settings.epoch not in session["stimuli"]:
            raise DataError(
                f"the session has no epoch {settings.epoch!r}",
                where=raw,
                why=f"it has all, {', '.join(session['stimuli'])}",
                remedy="change the config key `recordings.epoch`, or leave the session out",
            )
        table = session["stimuli"][settings.epoch]
        shown = epoch_pieces(table["start"], table["end"], round(PAUSE_S / period))
        pieces = frames.intersection(pieces, shown)
    pieces, status = frames.usable(signal, pieces)
    lags = round(settings.longest_lag_s / period) + 1
    longest = max((end - start for start, end in pieces), default=0)
    if longest < lags or not (status == 0).any():
        raise DataError(
            "dimension and time-scales cannot be measured in this session",
            where=raw,
            why=f"{(status == 0).sum()} of {len(status)} units can be used; the longest "
            f"uninterrupted piece is {longest * period:.3g} s",
            remedy="lower the config key `recordings.longest_lag_s`, choose another "
            "`recordings.epoch` or signal, or leave the session out",
        )
    bin_frames = max(1, round(settings.bin_s / period))
    arrays = population_dynamics(
        signal,
        pieces,
        status,
        period=period,
        lags=lags,
        bin_frames=bin_frames,
        block=max(1, round(settings.block_s / period / bin_frames)),
        gap=round(settings.gap_s / period / bin_frames),
    )
    return _declared(arrays)


def _declared(arrays: dict[str, Any]) -> dict[str, Any]:
    """Arrays with the dimensions and types they are declared with."""
    import numpy as np

    return {
        name: (SCHEMA.variables[name].dims, np.asarray(array, SCHEMA.variables[name].dtype))
        for name, array in arrays.items()
    }


def _tell(dataset: xr.Dataset, settings: Settings) -> None:
    for code, fraction in zip(
        dataset["tested_stimulus"].values, dataset["tuned_fraction"].values, strict=True
    ):
        logger.info(
            "%s: %.0f %% of the units are tuned (p < %g)",
            STIMULI[code],
            100 * fraction,
            settings.significance,
        )
    logger.info(
        "%d of %d units used; dimension %.3g (plain %.3g), half width %.3g s",
        int((dataset["unit_status"] == 0).sum()),
        dataset.sizes["unit"],
        float(dataset["participation_ratio"]),
        float(dataset["participation_ratio_plain"]),
        float(dataset["half_width"]),
    )
    if not dataset["participation_ratio"].notnull():
        logger.warning(
            "the unbiased dimension is unknown: fewer than four blocks of %g s, or too noisy; "
            "lower recordings.block_s or recordings.gap_s",
            settings.block_s,
        )
