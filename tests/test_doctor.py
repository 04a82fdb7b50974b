"""The doctor finds what is broken and says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from packaging.version import Version

from mesomode import doctor
from mesomode.access.parts import Part, sidecar_of
from mesomode.files import write_json
from mesomode.steps import Provenance
from mesomode.store import Schema, Variable, write_store

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with one raw file and one store, all sound."""
    (tmp_path / "config.yaml").write_text("run: mine\n")
    (tmp_path / "requirements.lock").write_text((ROOT / "requirements.lock").read_text())
    with Part(tmp_path / "results/raw/allen/connectivity/experiments.json") as part:
        part.append(b"[]" * 1000)
        part.publish("http://127.0.0.1/experiments", None)
    schema = Schema("test", {"value": Variable(("unit",), "float32", "1", "a value")})
    dataset = xr.Dataset({"value": ("unit", np.arange(5, dtype="f4"))})
    write_store(tmp_path / "results/mine/test.zarr", dataset, schema, Provenance("test"))
    return tmp_path


def texts(findings: object) -> str:
    return "\n".join(map(str, findings))  # type: ignore[call-overload]


def test_a_sound_folder(folder: Path) -> None:
    lines, sound = doctor.report(folder)
    text = "\n".join(lines)
    assert sound, text
    assert "ok       config.yaml" in text
    assert f"ok       Python {sys.version_info[0]}.{sys.version_info[1]}" in text
    assert "1 of 1 raw files are sound" in text
    assert "1 of 1 stores are sound" in text
    assert "made when it is needed" in text or "makes it when it is needed" in text
    assert "0 problems" in lines[-1]


def test_the_command_ends_with_an_error_where_there_is_a_problem(folder: Path) -> None:
    (folder / "config.yaml").write_text("rum: mine\n")
    raw = folder / "results/raw/allen/connectivity/experiments.json"
    raw.write_bytes(b"[]" * 999 + b"{}")
    done = subprocess.run(
        [sys.executable, "-m", "mesomode", "doctor", "--root", str(folder)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "config.yaml cannot be used" in done.stdout
    assert "did you mean 'run'" in done.stdout
    assert f"problem  {raw} has changed since it was downloaded" in done.stdout
    assert "only what is damaged is made anew" in done.stdout


def test_pythons() -> None:
    for found, level in (("3.10.9", "problem"), ("3.11.0", "ok"), ("3.13.9", "ok")):
        (finding,) = doctor.examine_python(Version(found))
        assert finding.level == level
    (finding,) = doctor.examine_python(Version("3.14.0"))
    assert (finding.level, "newer" in finding.text) == ("warning", True)


def test_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("# a comment\nnumpy==1.0 ; python_version < '3'\nnumpy==2.0.99  # old\n")
    text = texts(doctor.examine_libraries(lock))
    assert f"warning  numpy {np.__version__}, tried with 2.0.99" in text
    needs = ["numpy>=99", "no-such-library", "unneeded>=1; extra == 'slurm'"]
    monkeypatch.setattr(doctor, "requires", lambda _: needs)
    text = texts(doctor.examine_libraries(lock))
    assert f"problem  numpy {np.__version__} is not >=99" in text
    assert "problem  no-such-library is not installed" in text
    assert "unneeded" not in text


def test_disks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(doctor.shutil.disk_usage(folder))
    for free, level in ((1e9, "problem"), (5e9, "warning"), (50e9, "ok")):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _, f=free: usage(1, 1, f))
        *_, finding = doctor.examine_disk(folder / "results")
        assert finding.level == level
        assert f"{free / 1e9:.0f} GB free" in finding.text


def test_a_folder_that_cannot_be_written_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)
    text = texts(doctor.examine_disk(folder / "results"))
    assert "cannot be written to: Permission denied" in text


def test_an_allensdk_interpreter_that_does_not_work(folder: Path) -> None:
    (folder / "config.yaml").write_text("access: {allensdk_python: /nowhere/python}\n")
    lines, sound = doctor.report(folder)
    assert not sound
    assert any("the allensdk environment does not work" in line for line in lines)


def test_snakemake_locks(folder: Path) -> None:
    assert list(doctor.examine_snakemake(folder)) == []
    lock = folder / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert "snakemake --unlock" in texts(doctor.examine_snakemake(folder))


def test_damaged_downloads(folder: Path) -> None:
    raw = folder / "results/raw"
    whole = raw / "allen/connectivity/experiments.json"
    for number in range(25):
        lost = raw / f"allen/experiment_{number}.nrrd"
        write_json(sidecar_of(lost), {"bytes": 1, "sha256": "", "url": ""})
    text = texts(doctor.examine_downloads(raw))
    assert "experiment_0.nrrd is missing" in text
    assert "and 5 more files" in text
    assert "1 of 26 raw files are sound" in text
    assert str(raw / "allen") + "/tracing.json" in text
    whole.write_bytes(b"[]")
    sidecar_of(whole).write_text(json.dumps({"bytes": 2}))
    assert "no readable record" in texts(doctor.examine_downloads(raw))


def test_leftovers(folder: Path) -> None:
    results = folder / "results"
    part = results / "raw/allen/session.nwb.part"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (results / f".figure.tmp-{gone.pid}.png").touch()
    (results / f".test.zarr.tmp-{gone.pid}").mkdir()
    (results / f".running.tmp-{os.getpid()}.json").touch()
    part.write_bytes(b"x" * 1_500_000)
    text = texts(doctor.examine_leftovers(results))
    assert "session.nwb.part is unfinished (1.5 MB)" in text
    assert f".figure.tmp-{gone.pid}.png was left" in text
    assert f".test.zarr.tmp-{gone.pid} was left" in text
    assert ".running" not in text
    with Part(results / "raw/allen/session.nwb"):
        assert "session.nwb.part is being downloaded" in texts(doctor.examine_leftovers(results))


def test_damaged_stores(folder: Path) -> None:
    store = folder / "results/mine/test.zarr"
    chunk = next(
        path for path in (store / "value").rglob("*") if path.is_file() and "c" in path.parts
    )
    chunk.unlink()
    text = texts(doctor.examine_stores(folder / "results"))
    assert "problem" in text
    assert f"delete {store} and start snakemake" in text
    assert "0 of 1 stores are sound" in text
