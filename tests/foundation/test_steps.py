"""A step's command comes from its signature; its log and errors say what happened."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from mesomode.cli import app, find_steps, step_command
from mesomode.errors import DataError, MesomodeError
from mesomode.files import atomic_file
from mesomode.settings import Field, SettingsBase
from mesomode.steps import Input, Output, Provenance, run_step, step
from mesomode.store import Schema, Variable, open_store, write_store


class Settings(SettingsBase):
    """Settings of the example."""

    factor: float = Field(default=2.0, gt=0, description="What the numbers are multiplied by.")


@step
def multiply(
    *,
    numbers: Input,
    more: list[Input],
    out: Output,
    settings: Settings,
    seed: int,
    threads: int,
    provenance: Provenance,
    note: str = "none",
) -> None:
    """Multiply the numbers of some files.

    More text.

    Parameters
    ----------
    numbers, out : Path
        A file with
        one ``number``.
    note : str
        What to say.

    Raises
    ------
    DataError
        The numbers are bad.
    """
    if note == "bad":
        raise DataError("the numbers are bad", where=numbers, remedy="bring better ones")
    if note == "bug":
        raise ZeroDivisionError("unforeseen")
    if note == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))
    if note == "nothing":
        return
    values = [float(Path(p).read_text()) for p in [numbers, *more]]
    assert provenance.seed == seed
    assert set(provenance.parents) == {"numbers", *(f"more[{i}]" for i in range(len(more)))}
    with atomic_file(out) as temporary:
        temporary.write_text(" ".join(str(settings.factor * v) for v in values))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / name for name in ("a", "b", "c", "out", "log")}
    for number, name in enumerate("abc", start=1):
        paths[name].write_text(str(number))
    return paths


@pytest.fixture(autouse=True)
def _restore_logging():
    root, level = logging.getLogger(), logging.getLogger().level
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def call(files: dict[str, Path], *extra: str) -> click.testing.Result:
    arguments = ["--numbers", str(files["a"]), "--more", str(files["b"]), "--more", str(files["c"])]
    arguments += ["--out", str(files["out"]), "--seed", "5", "--threads", "1"]
    return CliRunner().invoke(
        step_command(multiply), [*arguments, "--log", str(files["log"]), *extra]
    )


def test_the_command_runs_the_step_and_writes_a_log(files) -> None:
    result = call(files, "--settings", '{"factor": 3}')
    assert result.exit_code == 0, result.output
    assert files["out"].read_text() == "3.0 6.0 9.0"
    log = files["log"].read_text()
    for words in (
        "step multiply",
        "input numbers",
        '{"factor":3.0}',
        "numpy",
        "output out",
        "peak",
    ):
        assert words in log


def test_help_lists_options_settings_and_defaults() -> None:
    text = CliRunner().invoke(step_command(multiply), ["--help"]).output
    for words in ("Multiply the numbers", "--more", "--threads", "factor (default 2.0)", "--note"):
        assert words in text
    assert text.count("A file with one number.") == 2
    assert "What to say." in text
    assert "Raises" not in text


def test_a_foreseen_error_is_short_on_the_terminal_and_whole_in_the_log(files) -> None:
    result = call(files, "--note", "bad")
    assert result.exit_code == 1
    assert "ERROR: the numbers are bad" in result.output
    assert "what to do: bring better ones" in result.output
    assert "Traceback" not in result.output
    assert "Traceback" in files["log"].read_text()
    assert not files["out"].exists()


def test_an_unforeseen_error_goes_to_the_log_too(files) -> None:
    result = call(files, "--note", "bug")
    assert result.exit_code == 1
    assert "ZeroDivisionError: unforeseen" in files["log"].read_text()


def test_a_full_disk_is_explained(files) -> None:
    result = call(files, "--note", "full")
    assert result.exit_code == 1
    assert "No space left on device" in result.output
    assert "free some space" in result.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_log_on_a_full_disk_is_said_to_be_lost_once(files) -> None:
    result = call(files | {"log": Path("/dev/full")}, "--note", "bad")
    assert result.exit_code == 1
    assert result.output.count("the log /dev/full cannot be written: No space left") == 1
    assert "ERROR: the numbers are bad" in result.output
    assert "Traceback" not in result.output


def test_a_log_that_cannot_be_made_does_not_stop_a_step(files) -> None:
    result = call(files | {"log": files["a"] / "file.log"})
    assert result.exit_code == 0
    assert result.output.count("file.log cannot be written: ") == 1
    assert files["out"].exists()


def test_wrong_settings_are_explained(files) -> None:
    assert "did you mean 'factor'?" in call(files, "--settings", '{"facter": 3}').output
    assert "> 0" in call(files, "--settings", '{"factor": -1}').output
    assert "not JSON" in call(files, "--settings", "{factor}").output


def test_a_missing_input_and_a_forgotten_output_are_errors(files) -> None:
    arguments = {
        "numbers": files["a"],
        "more": [],
        "out": files["out"],
        "settings": Settings(),
        "seed": 1,
        "threads": 1,
    }
    with pytest.raises(MesomodeError, match="did not write its output 'out'"):
        run_step(multiply, **arguments, note="nothing")
    files["a"].unlink()
    with pytest.raises(MesomodeError, match="the input 'numbers' does not exist"):
        run_step(multiply, **arguments)


def test_a_step_that_fails_for_want_of_inputs_says_which(tmp_path) -> None:
    @step
    def mean_of(*, numbers: list[Input], out: Output) -> None:
        """Average."""
        out.write_text(str(sum(float(path.read_text()) for path in numbers) / len(numbers)))

    with pytest.raises(MesomodeError) as caught:
        run_step(mean_of, numbers=[], out=tmp_path / "out")
    message = str(caught.value)
    for words in ("nothing for --numbers", "ZeroDivisionError", "mesomode mean-of --help"):
        assert words in message
    (tmp_path / "word").write_text("word")
    with pytest.raises(ValueError, match="could not convert"):
        run_step(mean_of, numbers=[tmp_path / "word"], out=tmp_path / "out")


def test_parameters_must_be_keyword_only() -> None:
    with pytest.raises(TypeError, match="keyword-only"):

        @step
        def wrong(out: Output) -> None:
            pass


def test_all_steps_are_listed_without_importing_them() -> None:
    script = (
        "import sys\n"
        "from mesomode.cli import app\n"
        "try:\n"
        "    app(['--help'], prog_name='mesomode')\n"
        "finally:\n"
        "    print(sorted(m for m in ('scipy', 'xarray', 'zarr') if m in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("[]")
    for name, (_, summary) in find_steps().items():
        assert name in done.stdout
        assert summary


@pytest.mark.parametrize("name", [*find_steps(), "config", "verify", "export", "doctor", "why"])
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_a_damaged_store_is_named_where_a_step_fails_on_it(tmp_path) -> None:
    schema = Schema("example", {"value": Variable(("place",), "float64", "1", "some numbers")})

    @step
    def total(*, store: Input, out: Output) -> None:
        """Add up."""
        with open_store(store) as opened:
            out.write_text(str(float(opened["value"].sum())))

    path = tmp_path / "example.zarr"
    values = xr.Dataset({"value": ("place", np.random.default_rng(0).random(1000))})
    write_store(path, values, schema, Provenance("example"))
    run_step(total, store=path, out=tmp_path / "out")
    chunk = next(file for file in path.rglob("c/*") if file.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 0xFF
    chunk.write_bytes(bytes(content))
    with pytest.raises(MesomodeError, match="an input is damaged") as caught:
        run_step(total, store=path, out=tmp_path / "out")
    message = str(caught.value)
    for words in (str(path), "array 'value'", "delete this folder"):
        assert words in message
