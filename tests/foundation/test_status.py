"""What mesomode status and mesomode open say of a run."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from mesomode import status
from mesomode.cli import app


def test_a_stage_is_as_good_as_its_worst_output():
    stage = status.StageState()
    stage.counts |= {"done": 2}
    assert stage.state == "done"
    stage.counts |= {"stale": 1}
    assert stage.state == "stale"
    stage.counts |= {"missing": 1}
    assert stage.state == "part missing"
    assert status.StageState(counts={"done": 0, "stale": 0, "missing": 3}).state == "missing"


def test_lines_give_the_reasons_and_what_is_left():
    stale = status.StageState(
        counts={"done": 1, "stale": 2, "missing": 0},
        bytes=2_500_000,
        seconds=75.0,
        reasons={"tracing": {"params have changed"}},
    )
    text = "\n".join(status.lines({"tracing": stale}))
    assert "1:15" in text and "2.5 MB" in text
    assert "tracing: params have changed" in text
    assert text.endswith("2 outputs are to be made: snakemake --cores all")
    done = status.StageState(counts={"done": 1, "stale": 0, "missing": 0})
    assert "up to date" in "\n".join(status.lines({"atlas": done}))


@pytest.mark.parametrize("seconds, text", [(0.4, "0:00"), (75, "1:15"), (7260, "2 h 01")])
def test_durations(seconds, text):
    assert status.duration(seconds) == text


def test_an_interrupted_benchmark_counts_as_no_time(tmp_path):
    (tmp_path / "cut.tsv").write_text("s\th:m:s\n")
    assert status._seconds(tmp_path / "cut.tsv") == 0.0
    (tmp_path / "whole.tsv").write_text("s\th:m:s\n3.5\t0:00:03\n")
    assert status._seconds(tmp_path / "whole.tsv") == 3.5


def test_open_lists_each_file_once(tmp_path, monkeypatch):
    run = tmp_path / "results/default"
    for name in ("figures/a.svg", "figures/b.gif", "connectome/voxel.zarr/zarr.json"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("")
    (run / "report.zip").write_text("")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["open"])
    shown = [line.split()[0] for line in result.output.splitlines()]
    assert shown == [
        f"results/default/{name}"
        for name in ("report.zip", "figures/a.svg", "figures/b.gif", "connectome/voxel.zarr")
    ]


def test_open_says_what_to_do_without_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["open", "--run", "mine"])
    assert result.exit_code == 1
    assert "results/mine" in result.stderr and "snakemake --cores all" in result.stderr
