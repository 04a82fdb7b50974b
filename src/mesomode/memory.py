"""Refusing a computation that would not fit into memory, with the numbers."""

from __future__ import annotations

import os
from pathlib import Path

from mesomode.errors import MemoryLimitError

CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where Linux states the memory limit of a container or batch job, and what it uses."""


def available_memory() -> int | None:
    """Bytes of memory that can be allocated now; ``None`` where the system does not say."""
    candidates = []
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                candidates.append(int(line.split()[1]) * 1024)
    except OSError:
        try:
            candidates.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (OSError, ValueError, AttributeError):
            return None
    for limit, used in CONTROL_GROUPS:
        try:
            candidates.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such limit, or the word "max"
            continue
    return min(candidates, default=None)


def require_memory(needed: float, purpose: str, remedy: str, available: int | None = None) -> None:
    """Refuse if ``needed`` bytes are more than there are.

    Parameters
    ----------
    needed : float
        Bytes.
    purpose : str
        What they are for, with its sizes, for example ``"a 9,000 × 9,000 matrix"``.
    remedy : str
        What the reader can do.
    available : int, optional
        Bytes there are; measured if not given.

    Raises
    ------
    MemoryLimitError
        There is less memory than that.
    """
    available = available_memory() if available is None else available
    if available is not None and needed > available:
        raise MemoryLimitError(
            f"not enough memory for {purpose}",
            why=f"{needed / 1e9:.3g} GB are needed and {available / 1e9:.3g} GB are available",
            remedy=remedy,
        )
