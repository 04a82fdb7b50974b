"""Files are whole or absent; progress lines say rate and time left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mesomode.errors import DataError, MesomodeError
from mesomode.files import atomic_file, canonical_json, read_json, sha256_of, write_json
from mesomode.seeds import generator


def test_atomic_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "a.txt"
    with atomic_file(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_atomic_file_keeps_the_old_content_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_kill_while_writing_leaves_no_result(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    script = (
        "import os, signal, sys\n"
        "from mesomode.files import atomic_file\n"
        "with atomic_file(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert done.returncode == -9
    assert not target.exists()


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "a") == known


def test_json_round_trip_and_clear_errors(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    assert read_json(tmp_path / "a.json") == {"a": [1.5, None], "b": 1}
    with pytest.raises(DataError, match="a file is missing"):
        read_json(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("<html>")
    with pytest.raises(DataError, match="not readable JSON") as caught:
        read_json(tmp_path / "bad.json")
    assert "bad.json" in str(caught.value)
    assert "rerun" in str(caught.value)


def test_canonical_json_does_not_depend_on_key_order() -> None:
    assert canonical_json({"b": 1, "a": {"d": 2, "c": 3}}) == '{"a":{"c":3,"d":2},"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_errors_say_what_where_why_and_what_to_do() -> None:
    error = MesomodeError("it broke", where="a.nrrd", why="it is short", remedy="fetch it again")
    assert str(error).splitlines() == [
        "it broke",
        "  where: a.nrrd",
        "  why: it is short",
        "  what to do: fetch it again",
    ]


def test_generators_differ_by_name_and_seed_and_repeat() -> None:
    draw = {
        key: generator(seed, *names).random(3).tolist()
        for key, seed, names in [
            ("a", 1, ("dynamics", "random_mode")),
            ("b", 1, ("dynamics", "independent")),
            ("c", 2, ("dynamics", "random_mode")),
            ("d", 1, ("dynamicsrandom_mode",)),
        ]
    }
    assert len({tuple(v) for v in draw.values()}) == 4
    again = generator(1, "dynamics", "random_mode").random(3)
    np.testing.assert_array_equal(again, draw["a"])
