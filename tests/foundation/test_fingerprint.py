"""Fingerprints change with the meaning of the code, and with nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mesomode import fingerprint
from mesomode.fingerprint import code_digest, imported_modules

FILES = {
    "package/__init__.py": "",
    "package/store.py": "def write():\n    return 1\n",
    "package/other.py": "X = 1\n",
    "package/fit/__init__.py": "",
    "package/fit/stage.py": '"""Stage."""\n\n\ndef fit():\n    from package.store import write\n'
    "    from package.fit import solver\n    return solver.solve(), write()\n",
    "package/fit/solver.py": 'def solve():\n    """Solve."""\n    return 1.0  # exactly\n',
    "package/fit/helper.py": "Y = 1\n",
    "package/fit/stage_other.py": "from package.fit import helper\n",
    "package/plot/__init__.py": "",
    "package/plot/stage.py": "from package import store\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def digests(tree: Path) -> tuple[str, str]:
    return code_digest("package.fit.stage", tree), code_digest("package.plot.stage", tree)


def test_what_a_door_imports_counts_also_late_and_no_other_module(tree: Path) -> None:
    fit = {"package", "package.fit"}
    assert imported_modules("package.fit.stage", tree) == fit | {
        "package.store",
        "package.fit.stage",
        "package.fit.solver",
    }
    other = {"package.fit.stage_other", "package.fit.helper"}
    assert imported_modules("package.fit.stage_other", tree) == fit | other
    everything = {f"package.fit.{name}" for name in ("stage", "solver", "helper", "stage_other")}
    assert imported_modules("package.fit", tree) == fit | everything | {"package.store"}


@pytest.mark.parametrize(
    ("file", "text", "fit_changes", "plot_changes"),
    [
        ("package/fit/solver.py", "def solve():\n    return 2.0\n", True, False),
        ("package/fit/helper.py", "Y = 2\n", False, False),
        ("package/store.py", "def write():\n    return 2\n", True, True),
        ("package/other.py", "X = 2\n", False, False),
        ("package/plot/stage.py", "from package import store\nZ = 1\n", False, True),
        (
            "package/fit/solver.py",
            'def solve():\n    """Other words."""\n\n    # why\n    return 1.0\n',
            False,
            False,
        ),
    ],
)
def test_an_edit_changes_exactly_the_stages_it_affects(
    tree: Path, file: str, text: str, fit_changes: bool, plot_changes: bool
) -> None:
    before = digests(tree)
    (tree / file).write_text(text)
    after = digests(tree)
    assert (before[0] != after[0], before[1] != after[1]) == (fit_changes, plot_changes)


def test_attribute_docstrings_and_time_stamps_do_not_count(tree: Path) -> None:
    file = tree / "package/fit/solver.py"
    file.write_text('class A:\n    x: int = 1\n    """First words."""\n')
    before = digests(tree)
    file.write_text('class A:\n    x: int = 1\n    """Other words."""\n')
    os.utime(file, (1, 1))
    assert digests(tree) == before


def test_every_stage_of_the_package_has_a_fingerprint() -> None:
    import mesomode

    folder = Path(mesomode.__file__).parent
    stages = [f"mesomode.{p.parent.name}.stage" for p in folder.glob("*/stage.py")]
    found = {stage: code_digest(stage) for stage in stages}
    assert "mesomode.atlas.stage" in found
    assert len(set(found.values())) == len(found)


@pytest.fixture
def remembering(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Digest of a stage by a process that has only the file to remember by."""
    monkeypatch.setattr(fingerprint, "ROOT", tree)
    monkeypatch.setattr(fingerprint, "MEMORY", tree / "__pycache__/memory.json")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def digest() -> str:
        monkeypatch.setattr(fingerprint, "_MEMORY", fingerprint._Memory())
        fingerprint._of_time.cache_clear()
        return code_digest("package.fit.stage", tree)

    return digest


def test_what_was_read_is_remembered_by_content(
    tree: Path, remembering: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = remembering()
    with monkeypatch.context() as patched:
        patched.setattr(fingerprint, "_read", None)  # nothing is read again
        assert remembering() == first
    file = tree / "package/fit/solver.py"
    before = file.read_text()
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_text(before.replace("1.0", "2.0"))
    os.utime(file, ns=times)  # an edit is noticed though the time stamp is the old one
    assert remembering() != first
    file.write_text(before)
    assert remembering() == first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"reader": 1}', "null"])
def test_a_broken_memory_is_none(tree: Path, remembering: Callable[[], str], text: str) -> None:
    first = remembering()
    memory = tree / "__pycache__/memory.json"
    whole = memory.read_text()
    memory.write_text(text)
    assert remembering() == first
    assert memory.read_text() == whole
    memory.unlink()
    memory.parent.rmdir()
    memory.parent.write_text("not a folder")
    assert remembering() == first
