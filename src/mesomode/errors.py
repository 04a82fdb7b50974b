"""Errors that say what went wrong, where, why, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class MesomodeError(Exception):
    """Base of all errors a user may meet.

    Parameters
    ----------
    what : str
        What went wrong, as one sentence without a full stop.
    where : str or Path, optional
        The file, key or array it concerns.
    why : str, optional
        The cause, as far as it is known.
    remedy : str, optional
        What the reader can do about it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | Path | None = None,
        why: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.why = why
        self.remedy = remedy
        lines = [what]
        for label, text in (("where", self.where), ("why", why), ("what to do", remedy)):
            if text:
                lines.append(f"  {label}: {text}")
        super().__init__("\n".join(lines))


class ConfigError(MesomodeError):
    """A key or value of the configuration that cannot be used."""


class DataError(MesomodeError):
    """Input data that are missing, damaged or implausible."""


class FetchError(MesomodeError):
    """A download that could not be completed and verified."""


class OfflineError(FetchError):
    """Something would have to be downloaded where downloads are not allowed."""


class StoreError(MesomodeError):
    """A zarr store that is missing, incomplete, damaged or not what was declared."""


class SolverError(MesomodeError):
    """A numerical method that did not reach the accuracy asked for."""


class MemoryLimitError(MesomodeError):
    """A computation that would need more memory than there is."""
