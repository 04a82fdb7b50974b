"""Refusing a computation that does not fit into memory, before it starts."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mesomode.errors import MemoryLimitError


def available_memory() -> int:
    """Bytes this process may still use: what the machine and its control group have free."""
    free = [_machine_memory()]
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    # There may be no control group, or no limit ("max").
    with contextlib.suppress(OSError, ValueError):
        free.append(int(limit.read_text()) - int(used.read_text()))
    return max(0, min(free))


def _machine_memory() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def require_memory(needed: int, purpose: str, available: int | None = None) -> None:
    """Refuse a computation that needs more memory than there is.

    Parameters
    ----------
    needed : int
        Bytes it will allocate.
    purpose : str
        What is being done, for the message.
    available : int, optional
        Bytes there are; measured if not given.

    Raises
    ------
    MemoryLimitError
        ``needed`` exceeds ``available``; the message has both numbers.
    """
    if needed < 1e9:
        return
    available = available_memory() if available is None else available
    if needed > available:
        raise MemoryLimitError(
            f"{purpose} needs {needed / 1e9:.1f} GB of memory, and {available / 1e9:.1f} GB are "
            "free",
            why="the full matrix of weights and work arrays of its size are held in memory",
            remedy="choose fewer regions (atlas.regions), one hemisphere of targets, a coarser "
            "resolution, or a machine with more memory",
        )
