"""Checks of downloaded content: everything that a reader could swallow in silence."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO

from mesomode.errors import DataError

ITEM_BYTES = {
    "float": 4,
    "double": 8,
    "unsigned int": 4,
    "unsigned short": 2,
    "unsigned char": 1,
}
"""Bytes of a voxel by the NRRD types that the Allen Institute's volumes have."""

NWB_REQUIRED = (
    "general/session_id",
    "general/session_type",
    "general/generated_by",
    "processing/brain_observatory_pipeline/Fluorescence/imaging_plane_1/timestamps",
    "stimulus/presentation",
)
TRACES = (
    "processing/brain_observatory_pipeline/DfOverF/imaging_plane_1/data",
    "processing/brain_observatory_pipeline/Fluorescence/imaging_plane_1/data",
)
CELLS = "processing/brain_observatory_pipeline/ImageSegmentation/cell_specimen_ids"
PIECE = 1 << 20


def check_nrrd(
    path: Path, shape: tuple[int, ...], types: Collection[str] = ("float", "double")
) -> None:
    """Check a NRRD volume: header, shape, type, and the whole of its gzip body.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Sizes along (ap, dv, ml).
    types : collection of str
        The NRRD types allowed, such as ``"float"``.

    Raises
    ------
    DataError
        Anything else than a whole volume of that shape and type. The CRC and
        the length at the end of the gzip stream are checked, which pynrrd does
        not do.
    """
    with open(path, "rb") as handle:
        header = _nrrd_header(handle, path)
        sizes = header.get("sizes")
        if sizes != " ".join(map(str, shape)):
            raise DataError(
                "the volume has the wrong shape", where=path, why=f"{sizes}, not {shape}"
            )
        if header.get("type") not in types or header["type"] not in ITEM_BYTES:
            raise DataError(
                "the volume has the wrong type",
                where=path,
                why=f"{header.get('type')!r} is none of {sorted(types)}",
            )
        if header.get("encoding") != "gzip":
            raise DataError(
                "the volume is not compressed with gzip",
                where=path,
                why=f"encoding {header.get('encoding')!r}",
            )
        expected = math.prod(shape) * ITEM_BYTES[header["type"]]
        found = _inflated_length(handle, path, expected)
        trailing = bool(handle.read(1))
    if found != expected or trailing:
        raise DataError(
            "the volume has the wrong length",
            where=path,
            why=f"{found} bytes instead of {expected}" + ", and more after its end" * trailing,
        )


def _nrrd_header(handle: IO[bytes], path: Path) -> dict[str, str]:
    if not handle.readline(64).startswith(b"NRRD000"):
        raise DataError("the file is not a NRRD volume", where=path, why="no NRRD signature")
    header: dict[str, str] = {}
    while line := handle.readline(4096):
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            return header
        key, separator, value = text.partition(": ")
        if separator and not text.startswith("#"):
            header[key] = value.strip()
    raise DataError("the header of the volume does not end", where=path)


def _inflated_length(handle: IO[bytes], path: Path, most: int) -> int:
    """Length of the content of a gzip stream; its CRC and length trailer must agree."""
    stream = zlib.decompressobj(wbits=31)  # 31: gzip, with the trailer verified
    length = 0
    try:
        while not stream.eof and length <= most:
            piece = stream.unconsumed_tail or handle.read(PIECE)
            if not piece:
                raise DataError("the volume is cut off", where=path, why=f"after {length} bytes")
            length += len(stream.decompress(piece, PIECE * 8))
        handle.seek(-len(stream.unused_data), 1)
    except zlib.error as error:
        raise DataError("the volume is damaged", where=path, why=str(error)) from error
    return length


def check_nwb(path: Path, experiment_id: int) -> None:
    """Check a two-photon session: an NWB 1 file as of the Brain Observatory, wholly readable.

    Parameters
    ----------
    path : Path
        The file.
    experiment_id : int
        The ophys experiment it must hold.

    Raises
    ------
    DataError
        It does not open, lacks a required path, has trace rows that do not
        match its cells, holds another session, has timestamps that go
        backwards, or has a chunk that cannot be read.
    """
    import h5py
    import numpy as np

    try:
        with h5py.File(path, "r", locking=False) as file:  # a part is locked by its writer
            absent = [name for name in (*NWB_REQUIRED, *TRACES, CELLS) if name not in file]
            if absent:
                raise DataError("the recording lacks parts", where=path, why=", ".join(absent))
            session = int(file["general/session_id"][()])
            if session != experiment_id:
                raise DataError(
                    "the file holds another recording",
                    where=path,
                    why=f"session {session}, not {experiment_id}",
                )
            times = file[NWB_REQUIRED[3]][:]
            if not np.all(np.diff(times) >= 0):  # false with NaN, too
                raise DataError("the timestamps go backwards", where=path, why=NWB_REQUIRED[3])
            cells = file[CELLS].shape[0]
            for name in TRACES:
                rows, frames = file[name].shape
                if rows != cells or abs(frames - times.size) > 1:
                    raise DataError(
                        "the traces do not match the cells and timestamps",
                        where=path,
                        why=f"{name} is {rows} × {frames} for {cells} cells, {times.size} frames",
                    )
            file.visititems(_read_through)
    except (OSError, KeyError, RuntimeError, ValueError, AttributeError) as error:
        raise DataError("the recording is damaged", where=path, why=str(error)) from error


def _read_through(_: str, item: object) -> None:
    """Read every chunk of an HDF5 dataset once, a few MB at a time."""
    import h5py

    if not isinstance(item, h5py.Dataset) or not item.size:
        return
    if not item.ndim:
        item[()]
        return
    rows = max(1, (1 << 24) // max(1, item.dtype.itemsize * item.size // item.shape[0]))
    if item.chunks:
        rows = max(item.chunks[0], rows // item.chunks[0] * item.chunks[0])
    for start in range(0, item.shape[0], rows):
        item[start : start + rows]


def check_events(path: Path) -> None:
    """Check a file of detected events: an array ``ev`` (cell, frame) of real numbers.

    Raises
    ------
    DataError
        It is not such a file, or it is damaged.
    """
    import numpy as np

    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            events = file["ev"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError("the events are damaged", where=path, why=str(error)) from error
    if events.ndim != 2 or events.dtype.kind != "f" or not events.size:
        raise DataError(
            "the events are not an array of cells and frames",
            where=path,
            why=f"{events.dtype} of shape {events.shape}",
        )
