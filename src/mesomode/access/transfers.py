"""The progress line of several downloads at a time."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from mesomode.progress import Progress


class Transfers(Progress):
    """A progress line with files, bytes, rate and time left, for several threads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lock = threading.Lock()
        self.received = 0
        self.expected: dict[Path, int] = {}

    def expect(self, path: Path, length: int | None, already: int) -> None:
        """Note how many bytes of a file are still to come, if the server has said so."""
        if length is not None:
            with self.lock:
                self.expected.setdefault(path, length - already)

    def receive(self, count: int) -> None:
        """Count bytes that have come."""
        with self.lock:
            self.received += count
        if time.monotonic() - self.last >= self.interval:
            self.update(0)

    def update(self, items: int = 1, note: str = "") -> None:
        """Count files as done; write a line if it is time for one."""
        with self.lock:
            super().update(items, note)

    @property
    def fraction(self) -> float:
        """Part of the bytes that have come, as far as it is known how many there are."""
        return min(1.0, self.received / whole) if (whole := self._whole()) else 0.0

    def _whole(self) -> float:
        known = sum(self.expected.values())
        return known * self.total / len(self.expected) if self.expected else 0.0

    def line(self, now: float) -> str:
        """What to say at the time ``now``, after the label."""
        elapsed = max(now - self.start, 1e-9)
        text = f"{self.done}/{self.total} {self.unit}, {_size(self.received)}"
        whole = self._whole()
        rate = self.received / elapsed
        if self.done < self.total and whole > self.received:
            guess = "" if len(self.expected) == self.total else "about "
            left = max(0, round((whole - self.received) / rate)) if rate > 0 else 0
            text += f" of {guess}{_size(whole)}, {left // 60}:{left % 60:02d} left"
        return f"{text}, {_size(rate)}/s"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
