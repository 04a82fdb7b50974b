"""Progress of long work: a bar on a terminal, otherwise a line in the log every half minute.

On a terminal means that a person runs one step there: with ``--log``, as under
Snakemake, of which several jobs share a terminal, the lines go to the log.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from typing import Any

LINE_SECONDS = 30.0
"""Least time between two lines."""
BAR_SECONDS = 0.1
"""Least time between two looks of a bar."""


class Progress:
    """How far a loop over items is, with rate and time left.

    Parameters
    ----------
    log : logging.Logger
        Where the lines go.
    label : str
        What is being done.
    total : int
        How many items there are.
    unit : str
        What an item is called.
    interval : float
        Least time between two lines, in seconds.
    """

    def __init__(
        self,
        log: logging.Logger,
        label: str,
        total: int,
        unit: str = "items",
        interval: float = LINE_SECONDS,
    ) -> None:
        self.log, self.label, self.total, self.unit = log, label, total, unit
        self.done = 0
        self.bar = _bars.add(label) if on_terminal() else None
        self.interval = interval if self.bar is None else BAR_SECONDS
        self.start = self.last = time.monotonic()

    def update(self, items: int = 1, note: str = "") -> None:
        """Count ``items`` more as done; show it if it is time to."""
        self.done += items
        self._show(note, finished=self.done >= self.total)

    @property
    def fraction(self) -> float:
        """Part of the work that is done."""
        return self.done / self.total if self.total else 1.0

    def line(self, now: float) -> str:
        """What to say at the time ``now`` (``time.monotonic``), after the label."""
        elapsed = max(now - self.start, 1e-9)
        rate = self.done / elapsed
        left = (self.total - self.done) / rate if rate > 0 else math.inf
        when = "done in " + clock(elapsed) if self.done >= self.total else clock(left) + " left"
        return f"{self.done}/{self.total} {self.unit}, {rate:.3g}/s, {when}"

    def _show(self, note: str, finished: bool) -> None:
        now = time.monotonic()
        if not finished and now - self.last < self.interval:
            return
        self.last = now
        text = self.line(now) + (f"  {note}" if note else "")
        if self.bar is not None and not finished:
            _bars.show(self.bar, self.fraction, text)
            return
        if self.bar is not None:
            _bars.remove(self.bar)
            self.bar = None
        self.log.info("%s: %s", self.label, text)


class Convergence(Progress):
    """How far an iteration is that ends when a measure has fallen to a target.

    The time left is a guess: as if the measure fell by the same factor in the same time.

    Parameters
    ----------
    log, label, unit, interval
        As of :class:`Progress`; a unit is what is counted on the way.
    target : float
        Value of the measure at which the iteration ends; positive.
    """

    def __init__(
        self,
        log: logging.Logger,
        label: str,
        target: float,
        unit: str = "steps",
        interval: float = LINE_SECONDS,
    ) -> None:
        super().__init__(log, label, 0, unit, interval)
        self.target = target
        self.first = self.measure = math.nan
        self.since = self.start

    def reach(self, done: int, measure: float, note: str = "") -> None:
        """Say how many steps are done and what the measure is now; NaN: not known yet."""
        self.done = done
        if 0 < measure < math.inf:
            self.measure = measure
            if math.isnan(self.first):
                self.first, self.since = measure, time.monotonic()
        self._show(note, finished=False)

    @property
    def fraction(self) -> float:
        """Part of the fall of the measure's logarithm that is done."""
        if not self.first > self.target or not self.measure < self.first:
            return 0.0
        return min(1.0, math.log(self.first / self.measure) / math.log(self.first / self.target))

    def line(self, now: float) -> str:
        """What to say at the time ``now``, after the label."""
        rate = self.done / max(now - self.start, 1e-9)
        part = self.fraction
        left = f", about {clock((now - self.since) * (1 / part - 1))} left" if part > 0 else ""
        return f"{self.done} {self.unit}, {rate:.3g}/s{left}"


def on_terminal() -> bool:
    """Whether messages go to a terminal only, on which bars can be drawn."""
    if not sys.stderr.isatty():
        return False
    if any(isinstance(handler, logging.FileHandler) for handler in logging.getLogger().handlers):
        return False
    from rich.console import Console

    return not Console(stderr=True).is_dumb_terminal


def stop() -> None:
    """Take all bars from the terminal, whatever became of the work."""
    _bars.stop()


def clock(seconds: float) -> str:
    """A time as minutes:seconds or hours:minutes:seconds; ``?`` if it is infinite."""
    if math.isinf(seconds):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class _Bars:
    """The bars on the terminal, below the messages; there while there is work."""

    def __init__(self) -> None:
        self.shown: Any = None

    def add(self, label: str) -> Any:
        if self.shown is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
            )
            self.shown = Progress(*columns, console=Console(stderr=True), transient=True)
            self.shown.start()
        return self.shown.add_task(label, total=1.0, text="")

    def show(self, bar: Any, fraction: float, text: str) -> None:
        if self.shown is not None:
            self.shown.update(bar, completed=fraction, text=text)

    def remove(self, bar: Any) -> None:
        if self.shown is not None:
            self.shown.remove_task(bar)
            if not self.shown.tasks:
                self.stop()

    def stop(self) -> None:
        if self.shown is not None:
            self.shown.stop()
            self.shown = None


_bars = _Bars()
