"""Resuming, racing, waiting, refusing: how the downloader behaves around a single file."""

from __future__ import annotations

import email.utils
import fcntl
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import requests

from mesomode import __version__
from mesomode.access.network import Access
from mesomode.access.parts import Announcement, Part, fault_of, record_of, sidecar_of
from mesomode.access.transfers import Transfers
from mesomode.ccf import SHAPES
from mesomode.download import Resource, download, download_all
from mesomode.errors import FetchError, OfflineError
from mesomode.fetch.catalogue import recording_url, volume_url
from mesomode.fetch.checks import check_nrrd, check_nwb
from mesomode.files import sha256_of
from tests.allen_server import AllenServer, Fault

NWB = "observatory/ophys_experiment_data/501271265.nwb"


def recording(server: AllenServer, folder: Path) -> Resource:
    url = f"{server.url}/api/v2/well_known_file_download/5012712658"
    return Resource(folder / "session.nwb", (url,), partial(check_nwb, experiment_id=501271265))


def volume(server: AllenServer, folder: Path, image: str = "data_mask") -> Resource:
    url = volume_url(server.url, 180296424, image, 100)
    return Resource(folder / f"{image}.nrrd", (url,), partial(check_nrrd, shape=SHAPES[100]))


def command(server: AllenServer, out: Path, **changes: object) -> list[str]:
    return [
        *(sys.executable, "-m", "mesomode", "fetch-recordings", "--out", str(out)),
        *("--settings", "{}", "--access", json.dumps(server.access(**changes))),
    ]


def test_the_record_says_what_was_downloaded(
    server: AllenServer, leave: Callable[..., Access], world: Path, tmp_path: Path
) -> None:
    wanted = recording(server, tmp_path)
    download(leave(), wanted)
    record = record_of(wanted.path)
    assert set(record) == {"url", "bytes", "sha256", "etag", "fetched"}
    assert record["url"] == wanted.urls[0]
    assert record["bytes"] == (world / NWB).stat().st_size
    assert record["sha256"] == sha256_of(world / NWB)
    assert datetime.now(UTC) - datetime.fromisoformat(record["fetched"]) < timedelta(minutes=1)
    assert server.requests[0].user_agent.startswith(f"mesomode/{__version__} ")


def test_a_sound_file_is_left_alone(
    server: AllenServer, leave: Callable[..., Access], tmp_path: Path
) -> None:
    wanted = volume(server, tmp_path)
    download(leave(), wanted)
    server.misbehave()
    before = wanted.path.stat()
    download(leave(), wanted)
    download(None, wanted)
    assert server.requests == []
    assert wanted.path.stat() == before


def test_an_interrupted_body_is_resumed_by_range(
    server: AllenServer, leave: Callable[..., Access], world: Path, tmp_path: Path
) -> None:
    size = (world / NWB).stat().st_size
    server.misbehave(Fault("truncate", keep=100_000), Fault("truncate", keep=50_000))
    wanted = recording(server, tmp_path)
    download(leave(), wanted)
    assert [request.range for request in server.requests] == [
        None,
        "bytes=100000-",
        "bytes=150000-",
    ]
    assert wanted.path.read_bytes() == (world / NWB).read_bytes()
    assert record_of(wanted.path)["bytes"] == size


def test_progress_is_not_counted_as_failure(
    server: AllenServer, leave: Callable[..., Access], world: Path, tmp_path: Path
) -> None:
    server.misbehave(Fault("truncate", keep=80_000, times=8))
    wanted = recording(server, tmp_path)
    download(leave(retries=1), wanted)
    assert len(server.requests) == 9
    assert wanted.path.read_bytes() == (world / NWB).read_bytes()


@pytest.mark.parametrize("answer", ["ignore_range", "changed"])
def test_a_server_that_does_not_resume_sends_all_again(
    answer: str, server: AllenServer, leave: Callable[..., Access], world: Path, tmp_path: Path
) -> None:
    server.misbehave(Fault("truncate", keep=100_000), Fault(answer))
    wanted = recording(server, tmp_path)
    download(leave(), wanted)
    assert len(server.requests) == 2
    assert wanted.path.read_bytes() == (world / NWB).read_bytes()


def test_bytes_that_are_no_beginning_of_the_file_are_dropped(
    server: AllenServer, leave: Callable[..., Access], world: Path, tmp_path: Path
) -> None:
    wanted = recording(server, tmp_path)
    server.misbehave(Fault("truncate", keep=100_000), Fault("status", code=404))
    with pytest.raises(FetchError, match="404"):
        download(leave(), wanted)
    part = wanted.path.with_name("session.nwb.part")
    assert part.stat().st_size == 100_000
    part.write_bytes(b"x" * 100_000)  # the power failed before the disk had the bytes
    server.misbehave()
    download(leave(), wanted)
    assert [request.range for request in server.requests] == ["bytes=100000-", None]
    assert wanted.path.read_bytes() == (world / NWB).read_bytes()
    # longer than the file there is: the server says 416
    sidecar_of(wanted.path).unlink()
    with Part(wanted.path) as unfinished:
        unfinished.begin(announced(server, wanted))
        unfinished.append(b"x" * 2_000_000)
    server.misbehave()
    download(leave(), wanted)
    assert [request.status for request in server.requests] == [416, 200]
    assert wanted.path.read_bytes() == (world / NWB).read_bytes()


def announced(server: AllenServer, wanted: Resource) -> Announcement:
    """What the server says of a file."""
    with requests.get(wanted.urls[0], stream=True, timeout=5) as answer:
        etag, length = answer.headers["ETag"], int(answer.headers["Content-Length"])
    return Announcement(wanted.urls[0], etag, length, None)


def test_a_complete_part_is_checked_and_kept_without_a_request(
    server: AllenServer, leave: Callable[..., Access], world: Path, tmp_path: Path
) -> None:
    wanted = recording(server, tmp_path)
    with Part(wanted.path) as part:  # killed after the last byte, before the rename
        part.begin(announced(server, wanted))
        part.append((world / NWB).read_bytes())
    server.misbehave()
    download(leave(), wanted)
    assert server.requests == []
    assert wanted.path.read_bytes() == (world / NWB).read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["session.nwb", "session.nwb.fetch.json"]


def test_the_second_address_is_used_where_the_first_fails(
    server: AllenServer, leave: Callable[..., Access], world: Path, tmp_path: Path
) -> None:
    bucket = recording_url(server.bucket_url, "ophys_experiment_data/501271265.nwb")
    api = recording(server, tmp_path)
    wanted = Resource(api.path, (bucket, *api.urls), api.check)
    server.misbehave(Fault("status", code=403, match="allen-brain-observatory", times=-1))
    download(leave(), wanted)
    assert record_of(wanted.path)["url"] == api.urls[0]
    wanted.path.unlink()
    server.misbehave(Fault("status", code=403, times=-1))
    with pytest.raises(FetchError, match="could not be downloaded") as caught:
        download(leave(), wanted)
    assert bucket in str(caught.value)
    assert api.urls[0] in str(caught.value)
    assert caught.value.where == str(wanted.path)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_the_server_says_how_long_to_wait(
    form: str, server: AllenServer, leave: Callable[..., Access], tmp_path: Path
) -> None:
    until = datetime.now(UTC) + timedelta(seconds=3)
    text = "1" if form == "seconds" else email.utils.format_datetime(until, usegmt=True)
    server.misbehave(Fault("status", code=503, headers={"Retry-After": text}))
    download(leave(longest_wait_s=10), volume(server, tmp_path))
    first, second = server.requests
    assert 0.9 < second.time - first.time < 10


def test_the_longest_wait_is_ours(
    server: AllenServer, leave: Callable[..., Access], tmp_path: Path
) -> None:
    server.misbehave(Fault("status", code=429, headers={"Retry-After": "86400"}))
    begun = time.monotonic()
    download(leave(longest_wait_s=0.2), volume(server, tmp_path))
    assert time.monotonic() - begun < 5


def test_waits_grow(server: AllenServer, leave: Callable[..., Access], tmp_path: Path) -> None:
    server.misbehave(Fault("status", code=500, times=4))
    download(leave(retries=4, first_wait_s=0.1, longest_wait_s=10), volume(server, tmp_path))
    times = [request.time for request in server.requests]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    for exponent, wait in enumerate(waits):
        assert 0.05 * 2**exponent <= wait < 0.15 * 2**exponent + 2


@pytest.mark.parametrize("damage", ["flipped", "shortened", "record lost"])
def test_damage_on_disk_is_noticed_and_mended(
    damage: str,
    server: AllenServer,
    leave: Callable[..., Access],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wanted = volume(server, tmp_path)
    download(leave(), wanted)
    good = wanted.path.read_bytes()
    if damage == "flipped":
        wanted.path.write_bytes(good[:500] + bytes([good[500] ^ 1]) + good[501:])
    elif damage == "shortened":
        wanted.path.write_bytes(good[:-8])
    else:
        sidecar_of(wanted.path).write_text("{")
    said = {
        "flipped": "has changed since it was downloaded",
        "shortened": f"has {len(good) - 8} bytes instead of {len(good)}",
        "record lost": "has no readable record",
    }[damage]
    assert said in str(fault_of(wanted.path))
    with caplog.at_level(logging.WARNING, "mesomode"):
        download(leave(), wanted)
    assert said in caplog.text
    assert "fetched again" in caplog.text
    assert wanted.path.read_bytes() == good
    assert fault_of(wanted.path) is None


def test_a_damaged_file_is_not_left_where_it_cannot_be_mended(
    server: AllenServer, leave: Callable[..., Access], tmp_path: Path
) -> None:
    wanted = volume(server, tmp_path)
    download(leave(), wanted)
    wanted.path.write_bytes(b"damaged")
    server.misbehave(Fault("status", code=500, times=-1))
    with pytest.raises(FetchError):
        download(leave(retries=0), wanted)
    assert not wanted.path.exists()


def test_downloads_outside_the_fetch_steps_are_refused(
    server: AllenServer, leave: Callable[..., Access], tmp_path: Path
) -> None:
    files = [volume(server, tmp_path, f"image_{number}") for number in range(12)]
    for access in (None, leave(offline=True)):
        with pytest.raises(OfflineError) as caught:
            download_all(access, files, "volumes")
        text = str(caught.value)
        assert "12 files would have to be downloaded" in text
        assert str(files[0].path) in text
        assert "and 2 more" in text
        assert "access.offline: false" in text
        with pytest.raises(OfflineError, match="1 file would"):
            download(access, files[0])
    with pytest.raises(OfflineError), leave(offline=True).get(server.url):
        pass
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_several_at_a_time_but_not_too_many(
    server: AllenServer,
    leave: Callable[..., Access],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.misbehave(Fault("delay", seconds=0.8, times=-1))
    names = ("injection_density", "injection_fraction", "projection_density", "data_mask")
    files = [volume(server, tmp_path, name) for name in names]
    with caplog.at_level(logging.INFO, "mesomode"):
        records = download_all(
            leave(connections=2, read_timeout_s=5), [*files, files[0]], "volumes"
        )
    assert len(records) == 5
    assert records[0] == records[4]
    times = sorted(request.time for request in server.requests)
    assert len(times) == 4
    assert times[1] - times[0] < 0.7 < times[2] - times[0]
    assert "volumes: 4 files, 0 of them already here" in caplog.text
    assert "volumes: 4/4 files" in caplog.text


def test_files_that_can_be_had_are_kept_where_others_fail(
    server: AllenServer, leave: Callable[..., Access], tmp_path: Path
) -> None:
    server.misbehave(Fault("status", code=404, match="data_mask", times=-1))
    files = [volume(server, tmp_path, name) for name in ("data_mask", "projection_density")]
    with pytest.raises(FetchError, match=r"1 of 2 files failed \(volumes\)") as caught:
        download_all(leave(), files, "volumes")
    assert "data_mask" in str(caught.value)
    assert fault_of(files[1].path) is None
    assert not files[0].path.exists()


def test_after_three_failures_the_rest_is_not_tried(
    server: AllenServer, leave: Callable[..., Access], tmp_path: Path
) -> None:
    server.misbehave(Fault("status", code=404, times=-1))
    files = [volume(server, tmp_path, f"image_{number}") for number in range(40)]
    with pytest.raises(FetchError, match="of 40 files failed"):
        download_all(leave(), files, "volumes")
    assert 3 <= len(server.requests) <= 12


def test_the_progress_line_has_files_bytes_rate_and_time_left(tmp_path: Path) -> None:
    progress = Transfers(logging.getLogger("mesomode"), "volumes", 4, "files")
    progress.expect(tmp_path / "a", 3_000_000, 0)
    progress.expect(tmp_path / "b", 5_000_000, 4_000_000)
    progress.receive(2_000_000)
    progress.update()
    line = progress.line(progress.start + 10)
    assert line == "1/4 files, 2 MB of about 8 MB, 0:30 left, 200 kB/s"


def test_a_process_that_was_killed_is_resumed_by_the_next(
    server: AllenServer, world: Path, tmp_path: Path
) -> None:
    server.misbehave(Fault("slow", rate=400_000, match=r"501271265\.nwb"))
    out = tmp_path / "recordings.json"
    path = tmp_path / NWB
    part = path.with_name(path.name + ".part")
    killed = subprocess.Popen(
        command(server, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 300_000):
            assert time.monotonic() < deadline
            assert killed.poll() is None
            time.sleep(0.02)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    kept = part.stat().st_size
    assert 300_000 <= kept < (world / NWB).stat().st_size
    assert not path.exists()
    assert not out.exists()
    server.misbehave()
    subprocess.run(command(server, out), check=True, capture_output=True, timeout=60)
    ranges = [r.range for r in server.requests if "501271265.nwb" in r.address]
    assert ranges == [f"bytes={kept}-"]
    assert path.read_bytes() == (world / NWB).read_bytes()
    assert list(tmp_path.rglob("*.part*")) == []


def test_an_interrupted_process_ends_at_once_and_keeps_what_has_come(
    server: AllenServer, world: Path, tmp_path: Path
) -> None:
    server.misbehave(Fault("slow", rate=10_000, match=r"501271265\.nwb"))
    part = tmp_path / f"{NWB}.part"
    process = subprocess.Popen(
        command(server, tmp_path / "recordings.json"), stderr=subprocess.PIPE, text=True
    )
    rest = (world / NWB).stat().st_size / 10_000  # seconds until the file would be complete
    assert rest > 40
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 10_000):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=rest / 2)
    assert process.returncode != 0
    assert part.stat().st_size > 10_000
    assert not (tmp_path / NWB).exists()
    assert not (tmp_path / "recordings.json").exists()


def test_racing_processes_download_once(server: AllenServer, world: Path, tmp_path: Path) -> None:
    server.misbehave(Fault("slow", rate=1_000_000, times=-1))
    processes = [
        subprocess.Popen(
            command(server, tmp_path / "recordings.json"), stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    logs = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], logs
    assert (tmp_path / NWB).read_bytes() == (world / NWB).read_bytes()
    addresses = [request.address for request in server.requests]
    assert len(addresses) == len(set(addresses)), addresses
    assert any("another process is downloading" in log for log in logs)
    assert list(tmp_path.rglob("*.part*")) == []


def test_a_part_without_locks_has_a_name_of_its_own(
    server: AllenServer,
    leave: Callable[..., Access],
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    wanted = recording(server, tmp_path)
    server.misbehave(Fault("truncate"), Fault("status", code=404), Fault("truncate"))
    with Part(wanted.path) as part:
        assert f"-{os.getpid()}" in part.path.name
    with pytest.raises(FetchError, match="404"):
        download(leave(), wanted)
    assert list(tmp_path.iterdir()) == []
    download(leave(), wanted)
    assert wanted.path.read_bytes() == (world / NWB).read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["session.nwb", "session.nwb.fetch.json"]
