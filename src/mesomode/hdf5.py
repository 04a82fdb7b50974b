"""New HDF5 files that survive a full disk.

When a write fails, the HDF5 library may end the whole process while it closes
the file (segmentation fault), before anybody can say why. Here the library is
not told; the error is kept and raised once the file is closed.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import h5py


class _Careful(io.FileIO):
    """A file whose first failed write is remembered instead of raised."""

    failure: OSError | None = None

    def write(self, content: Any) -> int:
        size = memoryview(content).nbytes
        if self.failure is None:
            try:
                view = memoryview(content).cast("B")
                while view:
                    view = view[super().write(view) or 0 :]
                return size
            except OSError as error:
                self.failure = error
        self.seek(size, io.SEEK_CUR)
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return size or 0

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        view = memoryview(buffer).cast("B")
        # what could not be written reads as zeros
        view[count:] = bytes(len(view) - count)
        return len(view)


@contextlib.contextmanager
def careful_file(path: str | Path) -> Iterator[BinaryIO]:
    """Make a file to be written by :class:`h5py.File`, which takes it in place of a path.

    Raises
    ------
    OSError
        A write failed, for example because the disk is full; the file is useless.
    """
    with _Careful(str(path), "wb+") as target:
        try:
            yield cast("BinaryIO", target)
        finally:
            if target.failure is not None:
                target.failure.filename = str(path)
                raise target.failure


@contextlib.contextmanager
def new_hdf5(path: str | Path, **options: Any) -> Iterator[h5py.File]:
    """Make an HDF5 file; use it instead of ``h5py.File(path, "w")``.

    Parameters
    ----------
    path : str or Path
        The file, replaced if it exists.
    **options
        Passed on to :class:`h5py.File`.

    Yields
    ------
    h5py.File
        Open for writing.

    Raises
    ------
    OSError
        A write failed, for example because the disk is full; the file is useless.
    """
    with careful_file(path) as target, h5py.File(target, "w", **options) as file:
        yield file
