"""HDF5 files on a full disk: an error, not the end of the process."""

from __future__ import annotations

import errno
import resource
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mesomode.hdf5 import new_hdf5

SCRIPT = """
import numpy as np, sys
from mesomode.hdf5 import new_hdf5
values = np.random.default_rng(0).normal(size=20_000)
try:
    with new_hdf5(sys.argv[1]) as file:
        for i in range(10):
            file.create_dataset(f"group/{i}", data=values, compression="gzip", shuffle=True)
            file[f"group/{i}"].attrs["number"] = i
except OSError as error:
    print(error.errno, error.filename)
"""


def test_same_as_h5py(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 60))
    with new_hdf5(tmp_path / "a.h5", track_order=False) as file:
        file.create_dataset("x", data=values, compression="gzip", chunks=(7, 60))
        file["group/text"] = np.bytes_("words")
        file.attrs["number"] = 3
        assert file["x"][3, 4] == values[3, 4], "it can be read before it is closed"
    with h5py.File(tmp_path / "a.h5", "r") as file:
        np.testing.assert_array_equal(file["x"][:], values)
        assert file["group/text"][()] == b"words" and file.attrs["number"] == 3
    first = (tmp_path / "a.h5").read_bytes()
    with new_hdf5(tmp_path / "a.h5", track_order=False) as file:
        file["y"] = 1
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert list(file) == ["y"], "replaced"
    assert len((tmp_path / "a.h5").read_bytes()) < len(first)


def test_errors_of_the_block_come_out(tmp_path):
    with pytest.raises(ZeroDivisionError), new_hdf5(tmp_path / "a.h5"):
        raise ZeroDivisionError


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError), new_hdf5(tmp_path / "none" / "a.h5"):
        pass


@pytest.mark.parametrize("limit", [0, 100, 3_000, 50_000, 700_000, 1_400_000])
def test_no_room(tmp_path, limit):
    """Wherever the disk is full, the error says so and the process lives."""

    def no_larger_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "a.h5")],
        preexec_fn=no_larger_files,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(errno.EFBIG), str(tmp_path / "a.h5")]
    assert not done.stderr
