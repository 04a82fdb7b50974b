"""The steps: what is in the cache and in the manifest, and what is asked of the network."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesomode.access.parts import fault_of
from mesomode.errors import ConfigError, FetchError, OfflineError
from mesomode.fetch.catalogue import IMAGES
from mesomode.fetch.settings import Settings
from mesomode.fetch.stage import fetch_recordings, fetch_tracing
from mesomode.files import read_json, sha256_of
from mesomode.steps import run_step
from tests.allen_server import AllenServer, Fault

VISUAL = Settings(regions=("VIS",))
SESSIONS = Settings(sessions=(501271265, 501704220))


def tracing(server: AllenServer, folder: Path, settings: Settings = VISUAL, **access: object):
    out = folder / "tracing.json"
    run_step(fetch_tracing, out=out, settings=settings, access=json.dumps(server.access(**access)))
    return read_json(out)


def recordings(server: AllenServer, folder: Path, settings: Settings = SESSIONS, **access: object):
    out = folder / "recordings.json"
    access_text = json.dumps(server.access(**access))
    run_step(fetch_recordings, out=out, settings=settings, access=access_text)
    return read_json(out)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_tracing_cache(server: AllenServer, world: Path, tmp_path: Path) -> None:
    manifest = tracing(server, tmp_path)
    assert manifest["experiments"] == [180296424, 307297141]
    assert (manifest["resolution_um"], manifest["regions"]) == (100, ["VIS"])
    assert manifest["transgenic_lines"] == "wild type"
    assert "doi:10.1038/nature13186" in manifest["citation"]
    expected = [
        "connectivity/annotation/ccf_2017/annotation_100.nrrd",
        "connectivity/average_template_100.nrrd",
        *(
            f"connectivity/experiment_{experiment}/{image}_100.nrrd"
            for experiment in manifest["experiments"]
            for image in IMAGES
        ),
        "connectivity/experiments.json",
        "connectivity/structures.json",
    ]
    assert [file["path"] for file in manifest["files"]] == sorted(expected)
    for file in manifest["files"]:
        path = tmp_path / file["path"]
        assert fault_of(path) is None
        assert (file["bytes"], file["sha256"]) == (path.stat().st_size, sha256_of(path))
        assert file["url"].startswith(server.url)
        if path.suffix == ".nrrd":
            assert path.read_bytes() == (world / file["path"]).read_bytes()
    found = {name for name in files_of(tmp_path) if not name.endswith(".fetch.json")}
    assert found == {*expected, "tracing.json"}


def test_the_recordings_cache(
    server: AllenServer, world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mesomode"):
        manifest = recordings(server, tmp_path)
    first, second = manifest["sessions"]
    assert first == {
        "container_id": 511509529,
        "events": "observatory/ophys_experiment_events/501271265_events.npz",
        "experiment_id": 501271265,
        "nwb": "observatory/ophys_experiment_data/501271265.nwb",
        "session_type": "three_session_A",
    }
    assert second["events"] is None
    assert "session 501704220 has no file of events" in caplog.text
    for name in (first["nwb"], first["events"], second["nwb"]):
        assert (tmp_path / name).read_bytes() == (world / name).read_bytes()
    for name in ("experiment_containers", "ophys_experiments", "stimulus_mappings"):
        path = f"observatory/{name}.json"
        assert json.loads((tmp_path / path).read_text()) == sorted(
            json.loads((world / path).read_text()), key=lambda row: row["id"]
        )
    nwb = [request.decoded for request in server.requests if ".nwb" in request.decoded]
    assert all(address.startswith("/allen-brain-observatory/") for address in nwb)
    assert not (tmp_path / "observatory/cell_specimens.json").exists()


def test_the_list_of_all_cells_on_request(server: AllenServer, world: Path, tmp_path: Path) -> None:
    settings = Settings(cell_specimens=True)
    manifest = recordings(server, tmp_path, settings)
    path = "observatory/cell_specimens.json"
    assert path in [file["path"] for file in manifest["files"]]
    assert len(json.loads((tmp_path / path).read_text())) == 2200


def test_nothing_is_fetched_or_changed_twice(server: AllenServer, tmp_path: Path) -> None:
    tracing(server, tmp_path)
    recordings(server, tmp_path)
    before = files_of(tmp_path)
    server.misbehave()
    tracing(server, tmp_path)
    recordings(server, tmp_path)
    assert server.requests == []
    assert files_of(tmp_path) == before


def test_two_caches_give_the_same_manifest(server: AllenServer, tmp_path: Path) -> None:
    for name in ("a", "b"):
        tracing(server, tmp_path / name)
        recordings(server, tmp_path / name)
    for name in ("tracing.json", "recordings.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_api_serves_recordings_where_the_bucket_does_not(
    server: AllenServer, world: Path, tmp_path: Path
) -> None:
    server.misbehave(Fault("status", code=403, match="allen-brain-observatory", times=-1))
    manifest = recordings(server, tmp_path)
    urls = {file["path"]: file["url"] for file in manifest["files"]}
    name = manifest["sessions"][0]["nwb"]
    assert urls[name] == f"{server.url}/api/v2/well_known_file_download/5012712658"
    assert (tmp_path / name).read_bytes() == (world / name).read_bytes()
    server.misbehave()
    recordings(server, tmp_path / "other", observatory_url="")
    assert not any("allen-brain-observatory" in r.address for r in server.requests)


def test_a_sound_cache_is_enough_offline(server: AllenServer, tmp_path: Path) -> None:
    manifest = tracing(server, tmp_path)
    server.misbehave()
    assert tracing(server, tmp_path, offline=True) == manifest
    (tmp_path / manifest["files"][3]["path"]).unlink()
    (tmp_path / manifest["files"][5]["path"]).unlink()
    with pytest.raises(OfflineError, match="2 files would have to be downloaded") as caught:
        tracing(server, tmp_path, offline=True)
    assert manifest["files"][3]["path"] in str(caught.value)
    assert manifest["files"][5]["path"] in str(caught.value)
    assert server.requests == []


def test_no_manifest_where_something_is_missing(server: AllenServer, tmp_path: Path) -> None:
    server.misbehave(Fault("status", code=404, match="307297141", times=-1))
    with pytest.raises(FetchError, match="files failed"):
        tracing(server, tmp_path)
    assert not (tmp_path / "tracing.json").exists()
    server.misbehave()
    tracing(server, tmp_path)
    asked = [request.decoded for request in server.requests]
    assert all("307297141" in address or "180296424" in address for address in asked)


def test_regions_must_be_given(server: AllenServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fetch\.regions"):
        tracing(server, tmp_path, Settings())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the access settings are not JSON"),
        ('{"retrys": 3}', "did you mean 'retries'"),
        ('{"api_url": "http://x/"}', "access"),
        ('{"connections": 100}', "connections"),
    ],
)
def test_access_settings_that_cannot_be_used(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        run_step(fetch_tracing, out=tmp_path / "t.json", settings=VISUAL, access=text)


def test_a_full_disk_is_said(
    server: AllenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mesomode.access.parts import Part
    from mesomode.errors import MesomodeError

    def full(self: Part, piece: bytes) -> None:
        raise OSError(28, os.strerror(28), str(self.path))

    monkeypatch.setattr(Part, "append", full)
    with pytest.raises(MesomodeError, match="No space left on device"):
        tracing(server, tmp_path)


def test_the_commands(server: AllenServer, tmp_path: Path) -> None:
    mesomode = [sys.executable, "-m", "mesomode"]
    text = subprocess.run(
        [*mesomode, "fetch-tracing", "--help"], check=True, capture_output=True, text=True
    ).stdout
    assert "Download the tracer experiments" in text
    assert "resolution_um" in text
    assert "transgenic_lines" in text
    server.misbehave(Fault("status", code=404, times=-1))
    done = subprocess.run(
        [
            *(*mesomode, "fetch-tracing", "--out", str(tmp_path / "tracing.json")),
            *("--settings", '{"regions": ["VIS"]}', "--access", json.dumps(server.access())),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "answered 404" in done.stderr
    assert "what to do: check the address in a browser" in done.stderr
    assert "Traceback" not in done.stderr
