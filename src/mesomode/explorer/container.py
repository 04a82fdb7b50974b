"""Arrays and a description in one file that a page opened from disk can load.

A page of the scheme ``file:`` may neither fetch files nor import modules, but it may load classic
scripts. So a container is a script that hands its content to a function of the page::

    mesomode("<key>","<base64 of the gzip of: length of the header, header, arrays>");

The header is JSON: the description, and of each array its type, shape and place.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mesomode.errors import DataError

FORMAT = 1
"""Number of the layout, which the page compares with the one it reads."""
ALIGNMENT = 8
DTYPES = ("uint8", "uint16", "int32", "float32", "float64")
LEVEL = 6


def pack(description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Put a description and arrays into one block of bytes; equal content gives equal bytes.

    Parameters
    ----------
    description : mapping
        JSON-able; NaN and infinities become null.
    arrays : mapping of ndarray
        Of one of :data:`DTYPES`, any shape.

    Returns
    -------
    bytes
        Compressed by gzip, whose checksum the page verifies.

    Raises
    ------
    DataError
        An array has another type.
    """
    places: dict[str, dict[str, Any]] = {}
    blocks: list[bytes] = []
    start = 0
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise DataError(
                f"an array of {array.dtype} cannot be put into a container",
                where=name,
                remedy=f"give it as one of {', '.join(DTYPES)}",
            )
        block = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes()
        places[name] = {"type": array.dtype.name, "shape": list(array.shape), "start": start}
        blocks.append(block + bytes(-len(block) % ALIGNMENT))
        start += len(blocks[-1])
    header = json.dumps(
        {"format": FORMAT, "description": plain(description), "arrays": places},
        separators=(",", ":"),
        sort_keys=True,
        allow_nan=False,
        ensure_ascii=False,
    ).encode()
    header += b" " * (-(len(header) + 4) % ALIGNMENT)
    content = b"".join([len(header).to_bytes(4, "little"), header, *blocks])
    return gzip.compress(content, LEVEL, mtime=0)


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Take apart what :func:`pack` made.

    Raises
    ------
    DataError
        The bytes are damaged or of another format.
    """
    try:
        raw = gzip.decompress(content)
        length = int.from_bytes(raw[:4], "little")
        header = json.loads(raw[4 : 4 + length])
        if header["format"] != FORMAT:
            raise ValueError(f"format {header['format']}, known: {FORMAT}")
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise DataError("the container is damaged", why=str(error)) from error
    arrays = {}
    for name, place in header["arrays"].items():
        arrays[name] = np.frombuffer(
            raw,
            dtype=np.dtype(place["type"]).newbyteorder("<"),
            count=int(np.prod(place["shape"], dtype=np.int64)),
            offset=4 + length + place["start"],
        ).reshape(place["shape"])
    return header["description"], arrays


def script(key: str, content: bytes) -> str:
    """Text of the script that hands a container to the page."""
    return f"mesomode({json.dumps(key)},{json.dumps(base64.b64encode(content).decode())});\n"


def from_script(text: str) -> tuple[str, bytes]:
    """Key and container of a script.

    Raises
    ------
    DataError
        It is not one, or not whole.
    """
    found = re.fullmatch(r'mesomode\("([^"\\]*)","([A-Za-z0-9+/=]*)"\);\n', text)
    if found is None:
        raise DataError("this is not a data script of the explorer, or not a whole one")
    return found[1], base64.b64decode(found[2], validate=True)


def plain(value: Any) -> Any:
    """The same value of what JSON knows; NaN and infinities become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
