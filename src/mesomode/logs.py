"""What a command says: on the terminal, and in a file if one is asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mesomode.errors import MesomodeError
from mesomode.steps import logger


def with_log(name: str, log: str | None, job: Callable[[], None]) -> None:
    """Run a job with its messages on the terminal and, if asked for, in a file.

    An error ends the process with status 1: those a user may meet are printed
    without a traceback (the log file has it).
    """
    layout = logging.Formatter(f"%(asctime)s {name}: %(message)s", "%H:%M:%S")
    terminal = _Terminal()
    terminal.setFormatter(layout)
    handlers: list[logging.Handler] = [terminal]
    file: logging.Handler | None = None
    if log is not None:
        try:
            Path(log).parent.mkdir(parents=True, exist_ok=True)
            file = _LogFile(log)
        except OSError as error:
            _say_log_is_lost(log, error)
        else:
            file.setFormatter(layout)
            handlers.append(file)
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.WARNING)
    logger.setLevel(logging.INFO)
    try:
        job()
    except MesomodeError as error:
        terminal.setFormatter(_NoTraceback(layout._fmt, layout.datefmt))
        logger.error("ERROR: %s", error, exc_info=True)
        raise SystemExit(1) from None
    except Exception:
        logger.exception("an error that mesomode did not foresee; please report it")
        raise SystemExit(1) from None
    finally:
        for handler in handlers:
            handler.flush()
        if file is not None:
            file.close()


class _Terminal(logging.StreamHandler):
    """Writes to what standard error is now: above the bars while there are some."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


class _LogFile(logging.FileHandler):
    """A log file that may be on a full disk: said once, where logging prints a stack each time."""

    def __init__(self, path: str) -> None:
        self.lost = False
        super().__init__(path, mode="w")

    def flush(self) -> None:
        self._try(super().flush)

    def close(self) -> None:
        self._try(super().close)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            self._say(error)
        else:
            super().handleError(record)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            self._say(error)

    def _say(self, error: OSError) -> None:
        if not self.lost:
            _say_log_is_lost(self.baseFilename, error)
        self.lost = True


def _say_log_is_lost(log: str, error: OSError) -> None:
    click.echo(f"the log {log} cannot be written: {error.strerror}", err=True)


class _NoTraceback(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        cached, record.exc_info, record.exc_text = record.exc_info, None, None
        try:
            return super().format(record)
        finally:
            record.exc_info = cached
