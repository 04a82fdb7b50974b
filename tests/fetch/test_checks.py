"""The content checks refuse everything that a reader would swallow in silence."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from mesomode.errors import DataError
from mesomode.fetch.checks import CELLS, NWB_REQUIRED, TRACES, check_events, check_nrrd, check_nwb
from mesomode.phantom.nrrd_writer import nrrd_bytes

SHAPE = (13, 8, 11)
NWB = "observatory/ophys_experiment_data/501271265.nwb"


@pytest.fixture
def volume() -> bytes:
    return nrrd_bytes(np.random.default_rng(0).random(SHAPE, "f4"), 100)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u4", "u2", "u1"])
def test_whole_volumes_pass(dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "volume.nrrd"
    path.write_bytes(nrrd_bytes((100 * np.random.default_rng(0).random(SHAPE)).astype(dtype), 25))
    kinds = {"f4": "float", "f8": "double", "u4": "unsigned int", "u2": "unsigned short"}
    check_nrrd(path, SHAPE, (kinds.get(dtype, "unsigned char"),))
    with pytest.raises(DataError, match="the wrong type"):
        check_nrrd(path, SHAPE, ("short",))
    with pytest.raises(DataError, match="the wrong shape"):
        check_nrrd(path, (13, 8, 12), ("float",))


def test_every_way_of_cutting_a_volume_is_noticed(volume: bytes, tmp_path: Path) -> None:
    path = tmp_path / "volume.nrrd"
    for length in [
        *range(0, 400),
        *range(400, len(volume), 97),
        *range(len(volume) - 9, len(volume)),
    ]:
        path.write_bytes(volume[:length])
        with pytest.raises(DataError):
            check_nrrd(path, SHAPE)


def test_every_flipped_byte_of_a_volume_is_noticed(volume: bytes, tmp_path: Path) -> None:
    path = tmp_path / "volume.nrrd"
    body = volume.index(b"\n\n") + 2
    unnoticed = []
    for position in [*range(body, body + 30), *range(body + 30, len(volume), 13)]:
        flipped = volume[position] ^ 0xFF
        path.write_bytes(volume[:position] + bytes([flipped]) + volume[position + 1 :])
        try:
            check_nrrd(path, SHAPE)
        except DataError:
            continue
        unnoticed.append(position - body)
    # gzip's header has a time, a level and a system that mean nothing for the content
    assert set(unnoticed) <= {4, 5, 6, 7, 8, 9}


def test_a_body_of_another_length_is_noticed(volume: bytes, tmp_path: Path) -> None:
    path = tmp_path / "volume.nrrd"
    body = volume.index(b"\n\n") + 2
    content = gzip.decompress(volume[body:])
    for wrong, said in (
        (gzip.compress(content[:-4]), f"{len(content) - 4} bytes instead of {len(content)}"),
        (gzip.compress(content + b"xxxx"), "the wrong length"),
        (volume[body:] + b"x", "more after its end"),
        (volume[body:] + volume[body:], "more after its end"),
        (content, "the volume is damaged"),
    ):
        path.write_bytes(volume[:body] + wrong)
        with pytest.raises(DataError, match=said):
            check_nrrd(path, SHAPE)
    path.write_bytes(volume.replace(b"encoding: gzip", b"encoding: raw"))
    with pytest.raises(DataError, match="not compressed with gzip"):
        check_nrrd(path, SHAPE)


def test_a_whole_recording_passes(world: Path) -> None:
    check_nwb(world / NWB, 501271265)


def change(name: str, value: object) -> Callable[[h5py.File], None]:
    def apply(file: h5py.File) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return apply


def backwards(file: h5py.File) -> None:
    times = file[NWB_REQUIRED[3]]
    times[100] = times[0]


def undefined(file: h5py.File) -> None:
    file[NWB_REQUIRED[3]][7] = np.nan


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        *[(change(name, None), f"lacks parts\n.*\n.*{name}") for name in (*TRACES, CELLS)],
        (change("general/session_id", np.bytes_("5")), "session 5, not 501271265"),
        (change("general/session_id", np.bytes_("x")), "damaged"),
        (change(CELLS, np.arange(5)), "do not match"),
        (change(TRACES[0], np.zeros((6, 100), "f4")), "do not match"),
        (backwards, "go backwards"),
        (undefined, "go backwards"),
    ],
)
def test_a_recording_that_is_not_itself_is_noticed(
    alter: Callable[[h5py.File], None], said: str, world: Path, tmp_path: Path
) -> None:
    path = tmp_path / "session.nwb"
    path.write_bytes((world / NWB).read_bytes())
    with h5py.File(path, "r+") as file:
        alter(file)
    with pytest.raises(DataError, match=said):
        check_nwb(path, 501271265)


def test_an_unreadable_chunk_of_a_recording_is_noticed(world: Path, tmp_path: Path) -> None:
    path = tmp_path / "session.nwb"
    content = bytearray((world / NWB).read_bytes())
    with h5py.File(world / NWB) as file:
        dataset = file["processing/brain_observatory_pipeline/MotionCorrection"]
        dataset = dataset["2p_image_series/xy_translation/data"]
        chunk = dataset.id.get_chunk_info(dataset.id.get_num_chunks() - 1)
    middle = chunk.byte_offset + chunk.size // 2
    content[middle : middle + 8] = bytes(byte ^ 0xFF for byte in content[middle : middle + 8])
    path.write_bytes(content)
    with pytest.raises(DataError, match="the recording is damaged"):
        check_nwb(path, 501271265)


@pytest.mark.parametrize("length", [0, 8, 1000, -4, -4096])
def test_a_recording_cut_off_is_noticed(length: int, world: Path, tmp_path: Path) -> None:
    path = tmp_path / "session.nwb"
    path.write_bytes((world / NWB).read_bytes()[:length])
    with pytest.raises(DataError, match="the recording is damaged"):
        check_nwb(path, 501271265)


def test_events(world: Path, tmp_path: Path) -> None:
    good = world / "observatory/ophys_experiment_events/501271265_events.npz"
    check_events(good)
    path = tmp_path / "events.npz"
    content = good.read_bytes()
    for wrong in (content[:-4], content[: len(content) // 2], b"", b"PK\x03\x04"):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match="the events are damaged"):
            check_events(path)
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0xFF
    path.write_bytes(flipped)
    with pytest.raises(DataError, match="the events are damaged"):
        check_events(path)
    np.savez(path, other=np.ones((2, 3)))
    with pytest.raises(DataError, match="the events are damaged"):
        check_events(path)
    np.savez(path, ev=np.ones(3))
    with pytest.raises(DataError, match=r"float64 of shape \(3,\)"):
        check_events(path)
    np.savez(path, ev=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="damaged"):
        check_events(path)


def test_the_published_atlas_passes_but_for_its_type_name(shared_data: Path) -> None:
    path = shared_data / "ccf2017/annotation_100.nrrd"
    with pytest.raises(DataError, match="'uint32' is none of"):  # rewritten by pynrrd
        check_nrrd(path, (132, 80, 114), ("unsigned int",))
