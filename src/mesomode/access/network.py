"""Requests with patience and manners: time-outs, repetitions, rates, a name."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from mesomode import __version__
from mesomode.access.settings import Settings
from mesomode.errors import FetchError, OfflineError

logger = logging.getLogger("mesomode")

PIECE = 1 << 20
"""Most bytes taken from a connection at once."""
PASSING_STATUS = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
"""HTTP answers after which the same request, or one from the beginning, may succeed."""
WEB_PAGE = "a web page came instead of the data (maintenance, or a network that asks to log in)"
"""What is said when a server answers with HTML."""

Result = TypeVar("Result")


class PassingError(Exception):
    """A failure after which the same request may succeed.

    Parameters
    ----------
    why : str
        The cause.
    wait : float, optional
        Time the server asks to wait, in seconds.
    status : int, optional
        The HTTP status, if that is the failure.
    """

    def __init__(self, why: str, wait: float | None = None, status: int | None = None) -> None:
        super().__init__(why)
        self.wait = wait
        self.status = status


class StoppedError(FetchError):
    """The process is ending; what has come is kept."""


class Access:
    """Leave to use the network, with patience and manners. Only a fetch step makes one.

    A context manager: at its end the connections are closed.

    Parameters
    ----------
    settings : mesomode.access.settings.Settings
        Time-outs, repetitions, rates and the number of connections.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopped = threading.Event()
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def __enter__(self) -> Access:
        return self

    def __exit__(self, *_: object) -> None:
        for session in self._sessions:
            session.close()

    def session(self) -> requests.Session:
        """The calling thread's connections."""
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.headers["User-Agent"] = (
                f"mesomode/{__version__} python-requests/{requests.__version__}"
            )
            session.headers["Accept-Encoding"] = "identity"
            self._sessions.append(session)
            self._local.session = session
        session = self._local.session
        assert isinstance(session, requests.Session)
        return session

    @contextlib.contextmanager
    def get(self, url: str, headers: dict[str, str] | None = None) -> Iterator[requests.Response]:
        """Ask for a URL; the answer is one of success, with its body still to be received.

        Raises
        ------
        PassingError
            No answer, a broken connection, or a status that may pass.
        FetchError
            A status that will not pass, such as 404.
        OfflineError
            The settings say ``offline``.
        """
        if self.settings.offline:
            raise refusal([url])
        if self.stopped.is_set():
            raise StoppedError("the download was stopped", where=url)
        timeout = (self.settings.connect_timeout_s, self.settings.read_timeout_s)
        try:
            with self.session().get(url, headers=headers, stream=True, timeout=timeout) as answer:
                if answer.status_code in PASSING_STATUS:
                    raise PassingError(
                        f"the server answered {answer.status_code} {answer.reason}",
                        _requested_wait(answer.headers.get("Retry-After")),
                        answer.status_code,
                    )
                if answer.status_code not in (200, 206):
                    raise FetchError(
                        f"the server answered {answer.status_code} {answer.reason}",
                        where=url,
                        remedy="check the address in a browser; if it has moved, set the URLs of "
                        "the config section `access`",
                    )
                yield answer
        except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException) as error:
            raise PassingError(f"{type(error).__name__}: {error}") from error
        except (ConnectionError, TimeoutError) as error:
            raise PassingError(f"the connection was lost: {error}") from error

    def receive(self, answer: requests.Response) -> Iterator[bytes]:
        """The body of an answer in pieces, as they come.

        Raises
        ------
        PassingError
            The transfer is slower than the slowest acceptable rate.
        """
        window, slowest = self.settings.rate_window_s, self.settings.slowest_rate_kb_s * 1e3
        begun, received = time.monotonic(), 0
        while piece := answer.raw.read1(PIECE, decode_content=True):
            yield piece
            received += len(piece)
            if self.stopped.is_set():
                raise StoppedError("the download was stopped", where=answer.url)
            elapsed = time.monotonic() - begun
            if elapsed >= window:
                if received < slowest * elapsed:
                    raise PassingError(f"stalled: {received} bytes in {elapsed:.1f} s")
                begun, received = time.monotonic(), 0

    def persist(
        self, url: str, attempt: Callable[[], Result], reached: Callable[[], int] = lambda: 0
    ) -> Result:
        """Repeat ``attempt`` while its failures may pass, waiting longer each time.

        Parameters
        ----------
        url : str
            What is asked for, for messages.
        attempt : callable
            Raises :class:`PassingError` where it is worth repeating.
        reached : callable
            A number that grows with progress (bytes kept): failures of attempts
            that bring it forward are not counted.
        """
        failures, mark = 0, reached()
        while True:
            try:
                return attempt()
            except PassingError as error:
                failures = 1 if reached() > mark else failures + 1
                mark = max(mark, reached())
                if failures > self.settings.retries:
                    raise FetchError(
                        f"gave up after {failures} attempts",
                        where=url,
                        why=str(error),
                        remedy="try again later (what has arrived is kept); if it fails again, "
                        f"see whether {urlsplit(url).netloc} answers in a browser",
                    ) from error
                wait = self._wait(failures, error)
                logger.info("%s; again in %.1f s: %s", error, wait, url)
                if self.stopped.wait(wait):
                    raise StoppedError("the download was stopped", where=url) from error

    def _wait(self, failures: int, error: PassingError) -> float:
        if error.wait is not None:
            return min(error.wait, self.settings.longest_wait_s)
        wait = self.settings.first_wait_s * 2 ** min(failures - 1, 30) * random.uniform(0.5, 1.5)
        return min(wait, self.settings.longest_wait_s)


def _requested_wait(text: str | None) -> float | None:
    """Seconds that a Retry-After header (seconds or a date) asks to wait."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds()) if until.tzinfo else None


def refusal(missing: Sequence[object]) -> OfflineError:
    """The error that lists what would have to be downloaded."""
    shown = "".join(f"\n    {name}" for name in missing[:10])
    more = f"\n    and {len(missing) - 10} more" if len(missing) > 10 else ""
    return OfflineError(
        f"{len(missing)} file{'s' * (len(missing) != 1)} would have to be downloaded",
        where=shown + more,
        why="downloads are only made by the fetch steps, and only with `access.offline: false`",
        remedy="run `snakemake` for the fetch steps on a machine with a network (set "
        "`access.offline: false`), or copy results/raw from one",
    )


def is_web_page(beginning: bytes) -> bool:
    """Whether content that begins like this is HTML."""
    return beginning.lstrip().lower().startswith((b"<!doctype html", b"<html"))
