"""Downloads that end with a whole, verified file or with nothing but a resumable part.

Nothing appears at a file's own path before its length, content and digest are known to be
good. Unfinished bytes live in ``<file>.part``, which the next attempt, or the next process after
a kill, resumes; a lock on it keeps two processes from writing the same file. Beside each file
stands ``<file>.fetch.json`` with its address, size, SHA-256, entity tag and date.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests

from mesomode.access.network import (
    WEB_PAGE,
    Access,
    PassingError,
    StoppedError,
    is_web_page,
    refusal,
)
from mesomode.access.parts import Announcement, Part, fault_of, record_of, replacing
from mesomode.access.transfers import Transfers
from mesomode.errors import DataError, FetchError, MesomodeError
from mesomode.files import sha256_of

logger = logging.getLogger("mesomode")

FAILURES_TO_STOP = 3
"""So many files may fail before the rest of a list is given up."""
SAME_TO_STOP = 3
"""So many times an address may send the same content that the check refuses."""


@dataclass(frozen=True)
class Resource:
    """A file wanted, and where to get it.

    Parameters
    ----------
    path : Path
        Where it shall be.
    urls : tuple of str
        Its addresses, the preferred one first.
    check : callable
        Called with the path of the complete file; raises :class:`DataError` if
        the content is not what it should be.
    """

    path: Path
    urls: tuple[str, ...]
    check: Callable[[Path], None]


def download(access: Access | None, resource: Resource, progress: Transfers | None = None) -> None:
    """Make sure that a file is there and sound, fetching it if not.

    Raises
    ------
    OfflineError
        It is not there and there is no leave to use the network.
    FetchError
        None of its addresses gave a sound file. Nothing is left at its path.
    """
    if access is None or access.settings.offline:
        if fault_of(resource.path) is not None:
            raise refusal([resource.path])
        return
    with replacing(resource.path) as part:
        if part is None:
            return
        failures: list[MesomodeError] = []
        for url in _preferred(resource.urls, part.announced):
            try:
                attempt = partial(_attempt, access, resource, url, part, progress)
                announcement = access.persist(url, attempt, lambda: part.size)
            except StoppedError:
                raise
            except FetchError as error:
                failures.append(error)
            else:
                part.publish(url, announcement.etag)
                return
    raise _joint(failures, "the file could not be downloaded", resource.path)


def _preferred(urls: Sequence[str], announced: Announcement | None) -> list[str]:
    """The addresses, beginning with the one whose bytes are already here."""
    return sorted(urls, key=lambda url: announced is None or url != announced.url)


def _attempt(
    access: Access, resource: Resource, url: str, part: Part, progress: Transfers | None
) -> Announcement:
    """Receive what is missing of a file, check the whole, and say what the server said of it."""
    announcement = part.announced
    if announcement is None or announcement.url != url:
        part.clear()
        announcement = None
    if announcement is None or part.size != announcement.length:
        announcement = _transfer(access, resource, url, part, announcement, progress)
    if announcement.length is not None and part.size < announcement.length:
        raise PassingError(f"the body ended after {part.size} of {announcement.length} bytes")
    fault = _transfer_fault(part.path, announcement)
    if fault is None:
        try:
            resource.check(part.path)
        except DataError as error:
            fault = ": ".join(filter(None, (error.what, error.why)))
            _refuse_for_good(part, url, fault)
    if fault is not None:
        part.clear()
        raise PassingError(fault)
    return announcement


def _refuse_for_good(part: Part, url: str, fault: str) -> None:
    """Give up an address that sends the same bad content again and again."""
    digest = sha256_of(part.path)
    part.refused.append(digest)
    if part.refused.count(digest) == SAME_TO_STOP:
        raise FetchError(
            "the file is bad on the server",
            where=url,
            why=f"{fault}; it came {SAME_TO_STOP} times with the same content",
            remedy="leave out what it belongs to, and tell those who run the server",
        )


def _transfer(
    access: Access,
    resource: Resource,
    url: str,
    part: Part,
    begun: Announcement | None,
    progress: Transfers | None,
) -> Announcement:
    """Append the body of one answer to the part; return what was announced of the whole file."""
    headers = {}
    if begun is not None and begun.etag is not None and part.size > 0:
        headers = {"Range": f"bytes={part.size}-", "If-Range": begun.etag}
    try:
        with access.get(url, headers) as answer:
            if answer.status_code == 206 and begun is not None:
                if _range_start(answer) != part.size:
                    part.clear()
                    raise PassingError("the server sent a range that was not asked for")
                announcement = begun
            else:
                announcement = _announcement(url, answer)
                part.begin(announcement)
            if progress is not None:
                progress.expect(resource.path, announcement.length, part.size)
            for piece in access.receive(answer):
                part.append(piece)
                if progress is not None:
                    progress.receive(len(piece))
    except PassingError as error:
        if error.status == 416:  # what we have is not a beginning of what there is
            part.clear()
        raise
    return announcement


def _announcement(url: str, answer: requests.Response) -> Announcement:
    etag = answer.headers.get("ETag")
    length = answer.headers.get("Content-Length", "")
    plain = answer.headers.get("Content-Encoding", "identity") == "identity"
    digits = re.fullmatch(r'"([0-9a-f]{32})"', etag or "")
    return Announcement(
        url=url,
        etag=None if etag is None or etag.startswith("W/") else etag,
        length=int(length) if plain and length.isdigit() else None,
        # The entity tag of a public S3 object that was uploaded in one piece is its MD5.
        md5=digits[1] if digits and answer.headers.get("Server") == "AmazonS3" else None,
    )


def _range_start(answer: requests.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _transfer_fault(path: Path, announcement: Announcement) -> str | None:
    """What went wrong on the way of a file that has arrived; None if nothing did."""
    size, length = path.stat().st_size, announcement.length
    if size == 0:
        return "the server sent an empty file"
    if length is not None and size != length:
        return f"the server sent {size} bytes where {length} were announced"
    with open(path, "rb") as handle:
        if is_web_page(handle.read(1024)):
            return WEB_PAGE
        handle.seek(0)
        if announcement.md5 not in (None, hashlib.file_digest(handle, "md5").hexdigest()):
            return "the bytes do not match the server's MD5"
    return None


def download_all(
    access: Access | None, resources: Sequence[Resource], label: str
) -> list[dict[str, Any]]:
    """Make sure that files are there and sound, several at a time.

    Parameters
    ----------
    access : Access or None
        None: nothing may be downloaded.
    resources : sequence of Resource
        The files; a path twice counts once.
    label : str
        What they are, for the progress line.

    Returns
    -------
    list of dict
        The record of each file, in the order of ``resources``.

    Raises
    ------
    OfflineError
        Files are missing and may not be downloaded; they are listed.
    FetchError
        Files could not be downloaded; those that could are kept.
    """
    wanted = {resource.path: resource for resource in resources}
    connections = 3 if access is None else access.settings.connections
    with ThreadPoolExecutor(connections) as pool:
        sound = list(pool.map(lambda path: fault_of(path) is None, wanted))
        missing = [path for path, good in zip(wanted, sound, strict=True) if not good]
        logger.info("%s: %d files, %d of them already here", label, len(wanted), sum(sound))
        if missing and (access is None or access.settings.offline):
            raise refusal(missing)
        if access is not None and missing:
            _download_missing(access, [wanted[path] for path in missing], label, pool)
    return [record_of(resource.path) for resource in resources]


def _download_missing(
    access: Access, resources: Sequence[Resource], label: str, pool: ThreadPoolExecutor
) -> None:
    progress = Transfers(logger, label, len(resources), "files")
    failures: list[MesomodeError] = []

    def job(resource: Resource) -> None:
        if len(failures) < FAILURES_TO_STOP:
            download(access, resource, progress)

    futures = [pool.submit(job, resource) for resource in resources]
    try:
        for future in as_completed(futures):
            try:
                future.result()
                progress.update()
            except MesomodeError as error:
                failures.append(error)
                logger.error("%s", error)
    except BaseException:
        access.stopped.set()
        raise
    if failures:
        raise _joint(failures, f"{len(failures)} of {len(resources)} files failed ({label})")


def _joint(failures: Sequence[MesomodeError], what: str, where: Path | None = None) -> FetchError:
    """One error that tells of several."""
    causes = [f"{e.where}: {e.what}" + (f": {e.why}" if e.why else "") for e in failures]
    remedies = list(dict.fromkeys(e.remedy for e in failures if e.remedy))
    return FetchError(
        what, where=where, why="\n    ".join(["", *causes]), remedy="; ".join(remedies) or None
    )
