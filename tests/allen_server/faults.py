"""Rules by which the server misbehaves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

KINDS = {
    "status": "an HTTP error",
    "reset": "the connection is reset before an answer",
    "hang": "no answer at all",
    "delay": "a late answer",
    "html": "a web page with status 200",
    "empty": "an empty body with status 200",
    "refusal": "success: false with status 200",
    "no_rows": "zero rows as an empty list",
    "no_rows_object": "zero rows as an empty object",
    "fewer_rows": "a row less than announced",
    "reset_midway": "the connection is reset after half of the body",
    "truncate": "the connection is closed after half of the body",
    "truncate_chunked": "a chunked body without its end",
    "end_without_length": "a body without a length, cut off",
    "stall": "silence after half of the body",
    "slow": "a body at a given rate",
    "flip": "64 bytes in the middle inverted",
    "ignore_range": "the whole body where a range was asked for",
    "changed": "another entity tag, as of a file replaced on the server",
}


@dataclass
class Fault:
    """A rule: the next ``times`` requests that match are treated so.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    match : str
        Regular expression searched in the decoded address.
    times : int
        How many requests it applies to; negative: all.
    code : int
        Status of the kind ``status``.
    headers : dict
        Further headers of the kind ``status``.
    seconds : float
        Length of a silence.
    keep : int, optional
        Bytes of the body that are sent by kinds that cut it; negative: all but
        so many. Default: half.
    rate : float
        Bytes per second of the kind ``slow``.
    """

    kind: str
    match: str = "."
    times: int = 1
    code: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 60.0
    keep: int | None = None
    rate: float = 1e4

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault of kind {self.kind!r}")

    def takes(self, address: str) -> bool:
        """Whether this rule applies to a request; counts it if so."""
        if self.times == 0 or not re.search(self.match, address):
            return False
        self.times -= 1
        return True

    def cut(self, body: bytes) -> bytes:
        """The bytes of a body that are sent by kinds that cut it."""
        return body[: len(body) // 2 if self.keep is None else self.keep]
