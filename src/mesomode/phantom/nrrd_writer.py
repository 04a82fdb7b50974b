"""Bytes of an NRRD file as ITK writes it, which is how Allen's volumes come."""

from __future__ import annotations

import gzip
import io

import numpy as np

from mesomode.errors import DataError

ITK_TYPES = {
    "float32": "float",
    "float64": "double",
    "uint32": "unsigned int",
    "uint16": "unsigned short",
    "uint8": "unsigned char",
}


def nrrd_bytes(volume: np.ndarray, resolution_um: int) -> bytes:
    """Serialise a volume as a gzip-compressed NRRD.

    Parameters
    ----------
    volume : array (ap, dv, ml)
        float32, float64, uint32, uint16 or uint8; on disk the first axis runs
        fastest (Fortran order).
    resolution_um : int
        Edge of a voxel.

    Returns
    -------
    bytes
        The whole file; the same for the same volume (no time stamp).

    Raises
    ------
    DataError
        The volume is not three-dimensional or its type has no NRRD name here.
    """
    kind = ITK_TYPES.get(volume.dtype.name)
    if kind is None or volume.ndim != 3:
        raise DataError(
            "this array cannot be written as an Allen volume",
            why=f"it is {volume.dtype.name} with {volume.ndim} dimensions",
            remedy=f"use three dimensions and one of {', '.join(ITK_TYPES)}",
        )
    step = f"{resolution_um:g}"
    header = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "# http://teem.sourceforge.net/nrrd/format.html",
        f"type: {kind}",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: {} {} {}".format(*volume.shape),
        f"space directions: ({step},0,0) (0,{step},0) (0,0,{step})",
        "kinds: domain domain domain",
        *(["endian: little"] if volume.dtype.itemsize > 1 else []),
        "encoding: gzip",
        "space origin: (0,0,0)",
        "",
        "",
    ]
    body = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=body, mode="wb", compresslevel=4, mtime=0) as stream:
        little = volume.astype(volume.dtype.newbyteorder("<"), copy=False)
        stream.write(little.tobytes(order="F"))
    return "\n".join(header).encode("ascii") + body.getvalue()
