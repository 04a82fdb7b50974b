"""The stage ``recordings``: a two-photon session → ``recordings/<session>.zarr``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.recordings.schemas import (
    COLUMNS,
    FIELDS,
    SCHEMA,
    SHOWN,
    SIGNALS,
    STIMULI,
    WITH_IMAGES,
)
from mesomode.recordings.settings import RecordingFile, Settings
from mesomode.steps import Input, Output, Provenance, logger, step
from mesomode.store import write_store

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

PUPIL = ("pupil_size", "pupil_location", "pupil_location_spherical")
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

    session = _read_session(raw)
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


@step
def own_recording(*, file: Input, out: Output, settings: RecordingFile) -> None:
    """Read a recording of one's own into a neutral HDF5 file, as the readers of sessions do.

    Parameters
    ----------
    file : Path
        HDF5, npz, zarr or NWB 2.
    out : Path
        ``<name>.h5``.
    settings : RecordingFile
        The entry of `recordings.files`; its path is not used.

    Raises
    ------
    DataError
        The file lacks what is needed, or its parts do not fit together.
    """
    from mesomode.errors import DataError
    from mesomode.fetch.neutral import Unreadable, write_session
    from mesomode.files import atomic_file
    from mesomode.hdf5 import careful_file
    from mesomode.recordings.own_files import read_own

    own = read_own(
        file,
        kind=settings.kind,
        names=settings.names,
        transposed=settings.transposed,
        period_s=settings.period_s,
        tables={name: Path(table) for name, table in settings.tables.items()},
        presentation_s=settings.presentation_s,
    )
    for name in [name for name in own.stimuli if name not in STIMULI]:
        del own.stimuli[name]
        own.said.append(
            f"the stimulus {name} is not known and left out; to analyse it, call it trials"
        )
    for line in own.said:
        logger.warning("%s", line)
    try:
        with atomic_file(out) as temporary, careful_file(temporary) as target:
            write_session(
                target,
                source="own",
                reader="own",
                metadata={"own_file": file.name, "own_citation": settings.citation or None},
                cell_specimen_ids=own.unit,
                roi_ids=own.unit,
                timestamps=own.time,
                traces={name: partial(_rows, table.T) for name, table in own.signals.items()},
                running_speed=own.running_speed,
                stimuli=own.stimuli,
                say=logger.info,
                pupil={} if own.pupil_size is None else {"pupil_size": (own.time, own.pupil_size)},
                templates={
                    name: (images.shape, partial(_rows, images))
                    for name, images in own.templates.items()
                },
                templates_from=file.name,
                pieces=own.pieces,
            )
    except Unreadable as error:
        raise DataError(**error.parts) from error


@step
def session_table(*, manifest: Input, recordings: list[Input], out: Output) -> None:
    """List the sessions that were kept, with what they have, and those left out, with reasons.

    Parameters
    ----------
    manifest : Path
        ``recordings.json`` of the raw data.
    recordings : list of Path
        ``recordings/<session>.zarr``.
    out : Path
        ``recordings/sessions.csv``: a row a session, those kept first.
    """
    import csv

    from mesomode.files import atomic_file, read_json
    from mesomode.store import open_store

    rows = []
    for path in recordings:
        with open_store(path) as store:
            rows.append(_facts(path.stem, store))
    kept = {str(row["session"]) for row in rows}
    for judged in read_json(manifest).get("judged", ()):
        if str(judged["experiment_id"]) not in kept:
            rows.append(
                {
                    "session": judged["experiment_id"],
                    "kept": "no",
                    "reason": judged["reason"],
                    "session_type": judged["session_type"],
                    "area": judged["area"],
                    "depth_um": judged["depth_um"],
                    "line": " ".join(judged["lines"]),
                }
            )
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_file(out) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    logger.info("%d sessions kept, %d left out", len(kept), len(rows) - len(kept))


def _facts(name: str, store: xr.Dataset) -> dict[str, Any]:
    """A row of the table of sessions: what a store has and lacks."""
    import numpy as np

    from mesomode.recordings.variability import medians

    about = store.attrs
    status = store["unit_status"].values
    significance = about["mesomode"]["settings"]["significance"]
    lost = [f"{np.sum(status == n)} units with {why}" for n, why in ((1, "gaps"), (2, "no change"))
            if np.any(status == n)]  # fmt: skip
    lacks = [*about["absent"], *about["stimuli_absent"]]
    row = {
        "session": name,
        "kept": "yes",
        "reason": "; ".join(lost),
        "session_type": about.get("session_type", ""),
        "area": about.get("targeted_structure", ""),
        "depth_um": about.get("imaging_depth_um", ""),
        "line": about.get("cre_line", ""),
        "file": about.get("own_file", ""),
        "units": len(status),
        "units_used": int(np.sum(status == 0)),
        "minutes": round(float(np.ptp(store["time"].values)) / 60, 2),
        "period_s": round(float(about["frame_period_s"]), 5),
        "signal": about["signal"],
        "lacks": " ".join(lacks),
        "dimension": _short(store["participation_ratio"]),
        "half_width_s": _short(store["half_width"]),
    }
    for place, code in enumerate(store["tested_stimulus"].values):
        stimulus = STIMULI[code]
        tuned = store["tuning_p_value"].values[place] < significance
        row[f"{stimulus}_tuned"] = _short(store["tuned_fraction"][place])
        for measure in ("reliability", "noise_ceiling"):
            value = medians(store[measure].values[place], tuned)
            row[f"{stimulus}_{measure}"] = _short(value)
    return row


def _short(value: Any) -> str:
    """Four digits of a number; empty where it is not known."""
    return "" if value != value else f"{float(value):.4g}"


def _rows(table: np.ndarray, first: int, last: int) -> np.ndarray:
    return table[first:last]


def _read_session(raw: Path) -> dict[str, Any]:
    """Read a reader's session file and check that its parts fit together."""
    import json

    import h5py
    import numpy as np

    from mesomode.citations import data_terms
    from mesomode.errors import DataError
    from mesomode.recordings.frames import onto_frames

    with h5py.File(raw, "r") as file:
        session: dict[str, Any] = {
            "time": file["timestamps"][:],
            "unit": file["cell_specimen_ids"][:],
            "roi": file["roi_ids"][:],
            "stimuli": {
                name: {column: group[column][:] for column in group}
                for name, group in file["stimulus"].items()
            },
            "pieces": file["pieces"][:].tolist() if "pieces" in file else None,
            "metrics": sorted(file.get("metrics", ())),
            "templates": {},
        }
        for name in (*SIGNALS, "running_speed"):
            if name in file:
                session[name] = file[name][:]
        for name in PUPIL:
            if name in file:
                values, times = file[f"{name}/values"][:], file[f"{name}/time"][:]
                session[name] = onto_frames(values, times, session["time"])
        if "regions" in file:
            session["region"] = file["regions"][:]
        if session["metrics"]:
            columns = [file[f"metrics/{name}"][:] for name in session["metrics"]]
            session["metric"] = np.column_stack(columns)
        for name, images in file.get("template", {}).items():
            about = {key: _plain(value) for key, value in images.attrs.items()}
            session["templates"][name] = about
            if images.dtype == np.uint8 and name in WITH_IMAGES:
                session[f"template_{name}"] = images[:]
            else:
                logger.info("the images of %s are not kept, only where they are", name)
        attributes = {key: _plain(value) for key, value in file.attrs.items()}
    said = json.loads(attributes.pop("absent", "[]"))
    missing = [n for n in (*SIGNALS, "running_speed", *PUPIL) if n not in session]
    session["absent"] = list(dict.fromkeys([*missing, *said]))
    if session["absent"]:
        logger.info("the session has no %s", ", ".join(session["absent"]).replace("_", " "))
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
    terms = data_terms(str(attributes["source"]))
    if attributes.get("own_citation"):
        terms["data_citation"] = str(attributes.pop("own_citation"))
    session["attributes"] = attributes | terms
    return session


def _identity(session: dict[str, Any], raw: Path) -> str:
    """Id of the session, or the name of the file for a recording of one's own."""
    return str(session["attributes"].get("experiment_id", raw.stem))


def _plain(value: Any) -> Any:
    """An attribute of HDF5 as JSON has it."""
    return value.tolist() if hasattr(value, "tolist") else value


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
