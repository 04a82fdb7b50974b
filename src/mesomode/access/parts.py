"""Downloaded files and their records; unfinished files and their locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mesomode.errors import DataError
from mesomode.files import read_json, sha256_of, sync_folder, write_json

logger = logging.getLogger("mesomode")

SIDECAR_SUFFIX = ".fetch.json"
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL})
"""What a file system answers that has no locks."""


def sidecar_of(path: Path) -> Path:
    """Where the record of a downloaded file stands."""
    return path.with_name(path.name + SIDECAR_SUFFIX)


def record_of(path: Path) -> dict[str, Any]:
    """The record of a downloaded file: url, bytes, sha256, etag, fetched."""
    record: dict[str, Any] = read_json(sidecar_of(path))
    return record


def fault_of(path: Path) -> str | None:
    """What is wrong with a downloaded file, by its size and digest; None if it is sound."""
    if not path.exists():
        return "is missing"
    try:
        record = record_of(path)
        size, digest = record["bytes"], record["sha256"]
    except (DataError, KeyError, TypeError):
        return "has no readable record of its size and digest"
    if path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes instead of {size}"
    return None if sha256_of(path) == digest else "has changed since it was downloaded"


@dataclass(frozen=True)
class Announcement:
    """What a server says of a file before it sends it.

    Parameters
    ----------
    url : str
        The file's address.
    etag : str or None
        Its entity tag; None if there is none that is good for resuming.
    length : int or None
        Its number of bytes.
    md5 : str or None
        The MD5 of its content, in hexadecimal digits.
    """

    url: str
    etag: str | None
    length: int | None
    md5: str | None


class Part:
    """The unfinished bytes of a file, locked against other processes.

    A context manager. The lock is on the part itself, so that none is left
    behind; where the file system has no locks the part gets a name of its own
    and is not resumed by a later process.

    Parameters
    ----------
    target : Path
        The finished file.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")
        self.published = False
        self.kept = True
        self.refused: list[str] = []

    def __enter__(self) -> Part:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        announced = False
        while not self._lock():
            if not announced:
                logger.info("another process is downloading %s; waiting", self.target)
                announced = True
            time.sleep(0.2)
        return self

    def _lock(self) -> bool:
        """Open the part and lock it; False if another process has it."""
        handle = open(self.path, "a+b")  # noqa: SIM115 - it stays open as long as the lock
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_file(handle.fileno(), self.path):
                self.handle = handle
                return True
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in NO_LOCKS:
                handle.close()
                raise
            if os.fstat(handle.fileno()).st_size == 0:
                self.path.unlink(missing_ok=True)
            own = f"{self.target.name}.{socket.gethostname()}-{os.getpid()}.part"
            self.path = self.target.with_name(own)
            self.note = self.path.with_name(own + ".json")
            self.handle = open(self.path, "w+b")  # noqa: SIM115
            self.kept = False
            handle.close()
            return True
        handle.close()
        return False

    def __exit__(self, *_: object) -> None:
        if self.announced is None or self.size == 0 or not self.kept:
            self.note.unlink(missing_ok=True)
            if not self.published:
                self.path.unlink(missing_ok=True)
        self.handle.close()

    @property
    def size(self) -> int:
        """Number of bytes so far."""
        return os.fstat(self.handle.fileno()).st_size

    @property
    def announced(self) -> Announcement | None:
        """What the server said of the bytes so far; None if they cannot be resumed."""
        try:
            return Announcement(**json.loads(self.note.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, announcement: Announcement) -> None:
        """Forget the bytes so far and note whose bytes will follow."""
        self.clear()
        if announcement.etag is not None:
            write_json(self.note, asdict(announcement))

    def clear(self) -> None:
        """Forget the bytes so far."""
        self.note.unlink(missing_ok=True)
        self.handle.truncate(0)

    def append(self, piece: bytes) -> None:
        """Add bytes."""
        self.handle.write(piece)
        self.handle.flush()

    def publish(self, url: str, etag: str | None) -> dict[str, Any]:
        """Move the complete, checked bytes to the target, with their record; return that."""
        os.fsync(self.handle.fileno())
        record = {
            "url": url,
            "bytes": self.size,
            "sha256": sha256_of(self.path),
            "etag": etag,
            "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        # The record first: should we be killed in between, it does not match what is at the
        # target, which is therefore fetched again.
        write_json(sidecar_of(self.target), record)
        self.path.replace(self.target)
        sync_folder(self.target.parent)
        self.published = True
        self.note.unlink(missing_ok=True)
        return record


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Part | None]:
    """Yield the locked part of a file that is missing or not sound; None if it is sound."""
    if fault_of(target) is None:
        yield None
        return
    with Part(target) as part:
        fault = fault_of(target)
        if fault is None:  # another process was faster
            yield None
            return
        if target.exists():
            logger.warning("%s %s: it is fetched again", target, fault)
            if sidecar_of(target).exists():  # once whole, now damaged
                target.unlink()
        yield part


def is_in_use(part: Path) -> bool:
    """Whether a process is writing an unfinished file."""
    with open(part, "rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
    return False


def _is_file(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
