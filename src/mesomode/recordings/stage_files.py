"""The stage ``recordings``, files: those of the readers, and recordings of one's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesomode.recordings.schemas import SIGNALS, STIMULI, WITH_IMAGES
from mesomode.recordings.settings import RecordingFile
from mesomode.steps import Input, Output, logger, step

if TYPE_CHECKING:
    import numpy as np

PUPIL = ("pupil_size", "pupil_location", "pupil_location_spherical")


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


def _rows(table: np.ndarray, first: int, last: int) -> np.ndarray:
    return table[first:last]


def read_session(raw: Path) -> dict[str, Any]:
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


def _plain(value: Any) -> Any:
    """An attribute of HDF5 as JSON has it."""
    return value.tolist() if hasattr(value, "tolist") else value
