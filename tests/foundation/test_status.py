"""What mesomode status and mesomode open say of a run."""

from __future__ import annotations

import re

import pytest
import yaml
from click.testing import CliRunner

from mesomode import status
from mesomode.cli import app
from mesomode.workflow import Plan
from tests.conftest import ROOT


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
        reasons={
            "tracing": {"Params have changed since last execution"},
            "coverage": {"params have changed since last execution"},
            "fit": {"input files updated by another job", "Something new"},
        },
    )
    text = "\n".join(status.lines({"tracing": stale}))
    assert "1:15" in text and "2.5 MB" in text
    assert "settings or code changed: tracing, coverage" in text
    assert "Something new; follows on what is made again: fit" in text
    assert text.endswith("2 outputs are to be made: snakemake --cores all")
    done = status.StageState(counts={"done": 1, "stale": 0, "missing": 0})
    assert "up to date" in "\n".join(status.lines({"atlas": done}))


def test_what_is_missing_needs_no_reason_time_or_size():
    missing = status.StageState(counts={"done": 0, "stale": 0, "missing": 3})
    row = list(status.lines({"network": missing}))[1]
    assert row.split() == ["network", "missing", "0", "0", "3", "-", "-"]


def test_keys_that_differ_from_those_of_the_last_run_are_named(tmp_path):
    assert list(status.changed_keys(tmp_path)) == [], "nothing has run"
    (tmp_path / "config.yaml").write_text("run: mine\nseed: 2\ntracing: {injection_shell: 3}\n")
    assert status.run_name(tmp_path) == "mine"
    effective = Plan({"run": "mine"}).values
    del effective["report"]["dpi"]
    folder = tmp_path / "results/mine"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(effective))
    shell = effective["tracing"]["injection_shell"]
    assert set(status.changed_keys(tmp_path)) == {
        f"seed: {effective['seed']} → 2",
        f"tracing.injection_shell: {shell} → 3",
        "report.dpi: new, 150",
    }


def test_a_folder_that_a_run_holds(tmp_path):
    assert not status.is_running(tmp_path)
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    assert not status.is_running(tmp_path)
    (tmp_path / ".snakemake/locks/0.output.lock").write_text("")
    assert status.is_running(tmp_path)


def test_every_figure_of_the_rules_has_a_title():
    rules = ROOT / "workflow/rules"
    titles = status.figure_titles(rules)
    assert titles["atlas"] == "Regions and voxels"
    assert titles["projection"] != titles["source_sweep"]
    listed = re.findall(r"figures/([\w{}]+)\.png", (rules / "90_report.smk").read_text())
    assert {name.replace("{{", "{").replace("}}", "}") for name in listed} <= set(titles)


@pytest.mark.parametrize(
    "count, text", [(0, "0 B"), (999, "999 B"), (38_000, "38 kB"), (2.5e6, "2.5 MB"), (4e9, "4 GB")]
)
def test_sizes(count, text):
    assert status.bytes_text(count) == text


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
    figures = "figures/a.svg", "figures/session_7.svg", "figures/b.gif"
    for name in (*figures, "connectome/voxel.zarr/zarr.json"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("")
    (run / "report.zip").write_text("")
    rules = tmp_path / "workflow/rules"
    rules.mkdir(parents=True)
    (tmp_path / "Snakefile").write_text("")
    (rules / "90_report.smk").write_text(
        'report(f"{RUN}/figures/session_{{session}}.png", labels={"figure": "Session {session}"})'
    )
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["open"])
    assert "Session 7" in result.output
    shown = [line.split()[0] for line in result.output.splitlines()]
    assert shown == [
        f"results/default/{name}" for name in ("report.zip", *figures, "connectome/voxel.zarr")
    ]


def test_open_says_what_to_do_without_a_run(tmp_path, monkeypatch):
    (tmp_path / "workflow/rules").mkdir(parents=True)
    (tmp_path / "Snakefile").write_text("")
    (tmp_path / "results/other").mkdir(parents=True)
    (tmp_path / "results/other/config.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["open", "--run", "mine"])
    assert "there are the runs other" in result.stderr
    assert result.exit_code == 1
    assert "results/mine" in result.stderr and "snakemake --cores all" in result.stderr


@pytest.mark.parametrize("command", [["status"], ["open"], ["why", "atlas"], ["why", "--table"]])
def test_commands_say_that_the_pipeline_is_elsewhere(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    for text in ("the pipeline is not in this folder", str(tmp_path), "change to the folder"):
        assert text in result.stderr


def test_a_misspelt_command_is_corrected():
    result = CliRunner().invoke(app, ["figure-atlass"])
    assert result.exit_code == 2
    assert "Did you mean figure-atlas" in result.stderr
    assert "Did you mean" not in CliRunner().invoke(app, ["qqqqqqq"]).stderr


def test_stores_that_do_not_exist_are_not_called_damaged(tmp_path):
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "a.zarr")])
    assert result.exit_code == 1 and "MISSING" in result.output
    result = CliRunner().invoke(app, ["export", str(tmp_path / "a.zarr")])
    assert result.exit_code == 1 and "there is no such store" in result.stderr


def test_a_missing_configuration_is_not_called_broken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["config"])
    assert result.exit_code == 1 and "change to the pipeline's folder" in result.stderr
    assert "--root" in CliRunner().invoke(app, ["doctor"]).output
