"""The allensdk environment: interpreters found and refused, builds whole or absent."""

import json
import logging
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mesomode.errors import DataError, FetchError, OfflineError
from mesomode.fetch import environment

LOG = logging.getLogger("test")


def program(path: Path, body: str) -> Path:
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def tiny_lock(tmp_path: Path) -> Path:
    lock = tmp_path / "tiny.lock"
    lock.write_text("# nothing to install\n")
    return lock


def test_the_running_interpreter_is_refused_for_it_has_no_allensdk():
    with pytest.raises(DataError, match=r"(?s)cannot be imported.*named 'allensdk'") as error:
        environment.verify_interpreter(sys.executable)
    assert "allensdk.lock" in str(error.value)


def test_a_missing_interpreter_is_named():
    with pytest.raises(DataError, match="cannot be run") as error:
        environment.verify_interpreter("/nowhere/bin/python")
    assert "/nowhere/bin/python" in str(error.value)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("echo '[3, 12, 1, false]'", "Python 3.12"),
        ("echo 'No module named ensurepip: Error' >&2; exit 1", "ensurepip"),
    ],
)
def test_unsuitable_pythons_are_refused_with_the_reason(tmp_path, answer, message):
    fake = program(tmp_path / "python3.11", answer)
    with pytest.raises(FetchError, match=message) as error:
        environment.find_python(str(fake))
    assert "access.allensdk_python" in str(error.value)


def test_the_preferred_version_wins_whatever_the_order(tmp_path, monkeypatch):
    old = program(tmp_path / "a", "echo '[3, 10, 0, false]'")
    new = program(tmp_path / "b", "echo '[3, 11, 0, false]'")
    monkeypatch.setattr(environment, "_candidates", lambda: iter(map(str, (old, new))))
    assert environment.find_python() == str(new)


def test_a_folder_with_other_things_is_never_deleted(tmp_path, tiny_lock):
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="holds something else"):
        environment.build_environment(folder / "stamp.json", tiny_lock, LOG)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_a_missing_lock_file_is_said(tmp_path):
    with pytest.raises(DataError, match="lock file"):
        environment.build_environment(tmp_path / "e" / "stamp.json", tmp_path / "no.lock", LOG)


def test_a_current_environment_is_not_rebuilt_and_an_outdated_one_is(
    tmp_path, tiny_lock, monkeypatch
):
    made = []
    monkeypatch.setattr(environment, "verify_interpreter", lambda python: {"allensdk": "2.16.2"})
    monkeypatch.setattr(environment, "_run", lambda command, *_: made.append(command))
    monkeypatch.setattr(environment, "find_python", lambda wanted="": "python3.11")
    stamp = tmp_path / "env" / "stamp.json"
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    first = environment.build_environment(stamp, tiny_lock, LOG)
    assert json.loads(stamp.read_text()) == first
    steps = len(made)
    assert steps == 3  # venv, install, check
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    assert environment.build_environment(stamp, tiny_lock, LOG) == first
    assert len(made) == steps
    tiny_lock.write_text("# another version\n")
    assert environment.build_environment(stamp, tiny_lock, LOG) != first
    assert len(made) == 2 * steps


def test_a_failed_installation_leaves_no_stamp_and_says_why(tmp_path, monkeypatch):
    base = sys.executable
    monkeypatch.setattr(environment, "find_python", lambda wanted="": base)
    lock = tmp_path / "bad.lock"
    lock.write_text("./no-such-package\n")
    stamp = tmp_path / "env" / "stamp.json"
    with pytest.raises(FetchError, match="cannot be installed") as error:
        environment.build_environment(stamp, lock, LOG)
    assert not isinstance(error.value, OfflineError)
    assert not stamp.exists()


def test_without_network_it_says_offline_and_what_to_do(tmp_path):
    message = "NewConnectionError: [Errno -3] Temporary failure in name resolution"
    fake = program(tmp_path / "pip", f"echo '{message}' >&2; exit 1")
    with pytest.raises(OfflineError, match="cannot be reached") as error:
        environment._run([str(fake)], tmp_path, "the packages cannot be installed")
    assert "access.allensdk_python" in str(error.value)


@pytest.mark.slow
def test_the_environment_built_from_the_lock_imports_the_caches(allensdk_python):
    versions = environment.verify_interpreter(allensdk_python)
    assert versions["allensdk"] == "2.16.2"
    assert versions["numpy"].startswith("1.23.")


def test_the_lock_fixes_every_version_and_names_no_host():
    root = Path(__file__).resolve().parents[2]
    lines = [
        line
        for line in (root / "envs" / "allensdk.lock").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert all("==" in line and "://" not in line for line in lines)
    pinned = {line.split("==")[0]: line.split("==")[1].split()[0] for line in lines}
    assert pinned["allensdk"] == "2.16.2"
    assert tuple(map(int, pinned["statsmodels"].split(".")[:2])) < (0, 15)
    assert int(pinned["setuptools"].split(".")[0]) < 81
    assert int(pinned["urllib3"].split(".")[0]) >= 2


def test_two_processes_asking_at_once_build_it_once(tmp_path, tiny_lock):
    """A stand-in for venv and pip, but real processes and the real lock."""
    script = f"""
import logging, pathlib, time
from mesomode.fetch import environment
folder = pathlib.Path({str(tmp_path / "env")!r})
def run(command, *_):
    with open({str(tmp_path / "builds")!r}, "a") as log:
        log.write("x")
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "bin" / "python").touch()
    (folder / "pyvenv.cfg").touch()
    time.sleep(0.1)
environment._run = run
environment.find_python = lambda wanted="": "python3.11"
environment.verify_interpreter = lambda python: {{}}
environment.build_environment(folder / "stamp.json", {str(tiny_lock)!r}, logging.getLogger())
"""
    jobs = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
    assert [job.wait() for job in jobs] == [0, 0, 0]
    assert (tmp_path / "builds").read_text() == "xxx"
