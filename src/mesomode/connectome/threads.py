"""How many threads are worth their waiting for each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numba
from threadpoolctl import threadpool_limits

WORTH_SHARING = 250_000
"""Entries of the arrays that a loop runs over from which threads are used."""


@contextmanager
def threads_worth(entries: int) -> Iterator[None]:
    """Compute with one thread if arrays are small, otherwise with as many as are set.

    A loop over few numbers takes some microseconds; threads that wait for each
    other at its end take longer than that, and a hundred times longer where
    other programs use the cores.

    Parameters
    ----------
    entries : int
        Number of entries of the arrays that the loops run over.
    """
    if entries >= WORTH_SHARING:
        yield
        return
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        numba.set_num_threads(before)
