"""The stage ``recordings``: a two-photon session → ``recordings/<session>.zarr``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.recordings.schemas import COLUMNS, FIELDS, SCHEMA, SHOWN, SIGNALS, STIMULI
from mesomode.recordings.settings import Settings
from mesomode.recordings.stage_files import read_session
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import write_store

if TYPE_CHECKING:
    import xarray as xr

PAUSE_S = 5.0
"""Pauses between presentations up to this long belong to the epoch of the stimulus."""


@step
def recordings(
    *,
    raw: Input,
    out: Output,
    settings: Settings,
    threads: int = 1,
    seed: int = 1,
    provenance: Provenance,
) -> None:
    """Analyse one two-photon session: trials, tuning, reliability, dimension, time-scales.

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
    seed : int
        The run's seed: trials are split at random.

    Raises
    ------
    DataError
        The session lacks what the settings ask for, or is damaged.
    """
    import xarray as xr

    from mesomode.recordings.frames import check_even, frame_period
    from mesomode.recordings.trials import presentations

    session = read_session(raw)
    chosen = _signal(session, settings, raw)
    period = frame_period(session["time"])
    check_even(session["time"], raw)
    arrays, absent = _trials(session, chosen, settings, period, raw, seed)
    population = _dynamics(session, chosen, settings, period, raw)
    both = _traces(session, chosen, arrays, population, settings, period, raw, seed)
    fields = _fields(session, chosen, settings, period, raw, seed)
    presented = presentations(session["stimuli"], STIMULI, list(COLUMNS))
    arrays |= population | both | fields | presented
    kept = [name for name in SCHEMA.variables if name in session]
    arrays |= {name: session[name] for name in kept}
    dataset = xr.Dataset(
        _declared(arrays),
        attrs={
            **session["attributes"],
            "signal": chosen,
            "frame_period_s": period,
            "absent": session["absent"],
            "stimuli_absent": absent,
            "metrics": session["metrics"],
            "templates": session["templates"],
        },
    ).set_coords(["time", "unit", "subset", "lag", "offset"])
    write_store(out, dataset, SCHEMA, provenance)
    _tell(dataset, settings)


def _identity(session: dict[str, Any], raw: Path) -> str:
    """Id of the session, or the name of the file for a recording of one's own."""
    return str(session["attributes"].get("experiment_id", raw.stem))


def _signal(session: dict[str, Any], settings: Settings, raw: Path) -> str:
    """Name of the signal that is analysed."""
    from mesomode.errors import DataError

    present = [name for name in SIGNALS if name in session]
    if settings.signal in present:
        return settings.signal
    if present == ["events"]:
        logger.info("only events were recorded: they are analysed")
        return "events"
    raise DataError(
        f"the session has no {settings.signal}",
        where=raw,
        why="the Allen Institute did not publish events for it" if present else "nor events",
        remedy="set the config key `recordings.signal` to dff, or leave this session out",
    )


def _trials(
    session: dict[str, Any],
    chosen: str,
    settings: Settings,
    period: float,
    raw: Path,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    """Trials, averages and tests of the stimuli asked for; and those that are absent."""
    import numpy as np

    from mesomode.errors import DataError
    from mesomode.recordings.analysis import trial_tables
    from mesomode.recordings.trials import has_conditions
    from mesomode.seeds import generator

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
    before, after = (
        round(span / period) for span in (settings.aligned_before_s, settings.aligned_after_s)
    )
    # the trials of a recording of one's own are what it is about
    own = [name for name in ("trials",) if name in session["stimuli"]]
    wanted = dict.fromkeys([*settings.stimuli, *own])
    arrays = trial_tables(
        {name: session["stimuli"][name] for name in wanted if name not in absent},
        session[chosen],
        codes={name: code for code, name in enumerate(STIMULI)},
        parameters=list(SHOWN),
        clip=max(1, round(settings.movie_clip_s / period)),
        delay=round(settings.response_delay_s / period),
        shortest=round(settings.shortest_response_s / period),
        baseline=round(settings.baseline_s / period),
        include_blank=settings.include_blank,
        significance=settings.significance,
        before=before,
        after=after,
        # the same splits for both signals and wherever the file lies
        generator=generator(seed, "recordings", _identity(session, raw)),
        splits=settings.splits,
    )
    return arrays | {"offset": np.arange(-before, after) * period}, absent


def _dynamics(
    session: dict[str, Any],
    chosen: str,
    settings: Settings,
    period: float,
    raw: Path,
    bin_s: float | None = None,
) -> dict[str, Any]:
    """Dimension and time-scales in the epoch asked for."""
    from mesomode.errors import DataError
    from mesomode.recordings import frames
    from mesomode.recordings.analysis import population_dynamics
    from mesomode.recordings.trials import epoch_pieces

    signal = session[chosen]
    pieces = frames.uninterrupted(session["time"])
    if session["pieces"] is not None:
        pieces = frames.intersection(pieces, session["pieces"])
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
    bin_frames = max(1, round((settings.bin_s if bin_s is None else bin_s) / period))
    return population_dynamics(
        signal,
        pieces,
        status,
        period=period,
        lags=lags,
        bin_frames=bin_frames,
        block=max(1, round(settings.block_s / period / bin_frames)),
        gap=round(settings.gap_s / period / bin_frames),
    )


def _traces(
    session: dict[str, Any],
    chosen: str,
    arrays: dict[str, Any],
    population: dict[str, Any],
    settings: Settings,
    period: float,
    raw: Path,
    seed: int,
) -> dict[str, Any]:
    """Key numbers of dF/F and of events, as far as the session has them."""
    import numpy as np

    from mesomode.errors import DataError
    from mesomode.recordings.analysis import trace_summary

    rows = {chosen: trace_summary(arrays, population, settings.significance)}
    for name in SIGNALS:
        if name in session and name != chosen:
            brief = settings.model_copy(update={"aligned_before_s": 0.0, "aligned_after_s": 0.0})
            width = settings.bin_s or (settings.events_bin_s if name == "events" else 0.0)
            tables, _ = _trials(session, name, brief, period, raw, seed)
            try:
                dynamics = _dynamics(session, name, settings, period, raw, width)
            except DataError as error:
                logger.info("no dimension and time-scales of the %s: %s", name, error)
                dynamics = dict.fromkeys(population, float("nan"))
            rows[name] = trace_summary(tables, dynamics, settings.significance)
    names = [name for name in SIGNALS if name in rows]
    found: dict[str, Any] = {"trace": [SIGNALS.index(name) for name in names]}
    for key in rows[chosen]:
        found[key] = np.stack([np.asarray(rows[name][key], dtype=np.float64) for name in names])
    return found


def _fields(
    session: dict[str, Any], chosen: str, settings: Settings, period: float, raw: Path, seed: int
) -> dict[str, Any]:
    """Receptive fields, where sparse noise was shown."""
    from mesomode.recordings.receptive_fields import field_tables
    from mesomode.seeds import generator

    if not settings.receptive_fields:
        return {}
    images = {name: session.get(f"template_{name}") for name in session["stimuli"]}
    for name, stack in images.items():
        if stack is None and name.startswith("locally"):
            logger.info("no receptive fields from %s: its images are absent", name)
    return field_tables(
        session["stimuli"],
        {name: stack for name, stack in images.items() if stack is not None},
        session[chosen],
        codes={name: code for code, name in enumerate(STIMULI)},
        endings=FIELDS,
        delay=round(settings.response_delay_s / period),
        shortest=round(settings.shortest_response_s / period),
        generator=generator(seed, "receptive fields", _identity(session, raw)),
    )


def _declared(arrays: dict[str, Any]) -> dict[str, Any]:
    """Arrays with the dimensions and types they are declared with."""
    import numpy as np

    return {
        name: (SCHEMA.variables[name].dims, np.asarray(array, SCHEMA.variables[name].dtype))
        for name, array in arrays.items()
    }


def _tell(dataset: xr.Dataset, settings: Settings) -> None:
    import numpy as np

    from mesomode.recordings.variability import medians

    for place, code in enumerate(dataset["tested_stimulus"].values):
        tuned = dataset["tuning_p_value"].values[place] < settings.significance
        logger.info(
            "%s: %.0f %% of the units are tuned (p < %g); their median reliability is %.2f and "
            "noise ceiling %.2f; noise correlation %.3f, signal correlation %.3f",
            STIMULI[code],
            100 * float(dataset["tuned_fraction"][place]),
            settings.significance,
            *(medians(dataset[n].values[place], tuned) for n in ("reliability", "noise_ceiling")),
            float(dataset["noise_correlation_mean"][place]),
            float(dataset["signal_correlation_mean"][place]),
        )
    for ending in FIELDS:
        name = f"receptive_field_p_value{ending}"
        for code, p_value in zip(
            dataset.get(f"receptive_field_stimulus{ending}", ()), dataset.get(name, ()), strict=True
        ):
            logger.info(
                "%s: %d of %d units have a receptive field (p < %g)",
                STIMULI[int(code)],
                int(np.sum(p_value.values < settings.significance)),
                dataset.sizes["unit"],
                settings.significance,
            )
    status = dataset["unit_status"].values
    for number, reason in ((1, "gaps"), (2, "no change")):
        if np.any(status == number):
            logger.warning(
                "%d units are left out of dimension and time-scales: %s",
                int(np.sum(status == number)),
                reason,
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
