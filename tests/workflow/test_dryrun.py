"""What would run under each kind of configuration, and what is refused before anything runs."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import yaml

from mesomode.config import config_class, json_schema, load_config, reference
from mesomode.reruns import rule_uses, table
from tests.workflow.workspace import (
    ROOT,
    Workspace,
    dry_runs,
    merged,
    rules_in_statistics,
    try_configurations,
)

PHANTOM = {"phantom_tracing", "phantom_recordings"}
ALLEN = {"fetch_tracing", "fetch_recordings", "allensdk_environment"}
FITS = {"connectome_voxel", "connectome_model"}
TRUTH = {"connectome_truth", "figure_truth"}
"""Rules that need the truth, which is known of the phantom only."""


@pytest.fixture(scope="module")
def unrun(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The pipeline as cloned, with its own config.yaml and without results."""
    return Workspace.make(tmp_path_factory.mktemp("dry") / "workspace", {})


@pytest.fixture(scope="module")
def plans(unrun: Workspace) -> dict[str, set[str]]:
    """Rules planned for each kind of run."""
    np.savez(unrun.folder / "own.npz", weights=np.eye(4))
    configurations: dict[str, dict[str, Any]] = {
        "default": {},
        "allen": {"source": "allen"},
        "ready": {"source": "allen", "access": {"allensdk_python": "/usr/bin/python3"}},
        "file": {"connectome": {"source": "file", "file": "own.npz"}},
        "others": {"network": {"others": {"mine": {"file": "own.npz"}}}},
        "recording": {"recordings": {"files": {"mine": {"path": "own.npz"}}}},
        "described": {
            "source": "allen",
            "fetch": {"sessions": None, "session_areas": ["VISp"]},
        },
    }
    found = dry_runs(unrun, configurations.values())
    return dict(zip(configurations, found, strict=True))


def test_default_run_has_every_stage(plans):
    uses = rule_uses(ROOT / "workflow/rules")
    code = {name for rule in plans["default"] for name in uses[rule].stages}
    stages = {name.split(".")[0] for name in code} - {"phantom"}
    expected = {f.parent.name for f in (ROOT / "src/mesomode").glob("*/stage.py")}
    assert stages == expected
    own = {"connectome_file", "own_recording", "network_file", "figure_connectomes"}
    assert plans["default"] == set(uses) - ALLEN - own


def test_real_data_are_fetched_and_read_by_allensdk(plans):
    assert plans["allen"] >= ALLEN
    assert not PHANTOM & plans["allen"]
    assert plans["allen"] - ALLEN == plans["default"] - PHANTOM - TRUTH


def test_a_ready_environment_is_not_made_again(plans):
    assert plans["ready"] == plans["allen"] - {"allensdk_environment"}


def test_own_connectome_replaces_the_fits(plans):
    assert "connectome_file" in plans["file"]
    assert not (FITS | TRUTH | {"connectome_eigenmodes"}) & plans["file"]
    assert {"network", "dynamics", "comparison"} <= plans["file"]


def test_linear_fits_alone_wait_for_the_eigenmodes(unrun):
    readers = {}
    for name, models, search in (
        ("linear", ["voxel", "linear"], "model"),
        ("search", ["voxel"], "linear"),
        ("none", ["voxel", "kernel"], "model"),
        ("factors", ["low_rank"], "model"),
    ):
        changes = {
            "connectome": {"models": models, "search_with": search},
            "network": {"connectome": models[0]},
        }
        ((status, output),) = try_configurations(unrun, [changes])
        assert status == 0, output[-4000:]
        readers[name] = set(
            re.findall(r"connectome/([\w/]+)\.zarr; Input files.*/eigenmodes\.zarr", output)
        )
    folds = {f"folds/linear_{fold}" for fold in range(3)}
    assert readers["linear"] == {"coverage", "linear", *folds}
    assert readers["search"] == {"coverage", *(f"folds/voxel_{fold}" for fold in range(3))}
    assert readers["none"] == {"coverage"}
    assert readers["factors"] == set(), "whole brains have no modes of all voxels"


def test_further_connectomes_are_set_beside_that_of_the_run(plans):
    assert plans["others"] == plans["default"] | {"network_file", "figure_connectomes"}


def test_a_recording_of_ones_own_is_read_beside_the_sessions(plans):
    assert plans["recording"] == plans["default"] | {"own_recording"}


def test_sessions_that_are_described_are_known_once_the_lists_are_there(plans):
    assert "fetch_recordings" in plans["described"]
    # which sessions to read is not known yet; all that depends on them comes later
    assert not {"read_recordings", "recordings", "figure_session"} & plans["described"]
    assert {"session_table", "network", "dynamics"} <= plans["described"]


def test_fetching_stays_on_the_machine_with_a_network():
    text = (ROOT / "workflow/rules/10_fetch.smk").read_text()
    (local,) = re.findall(r"^ +localrules:\n((?: +\w+,\n)+)", text, re.MULTILINE)
    assert set(re.findall(r"\w+", local)) == ALLEN


REFUSED = {
    "misspelt key": (
        {"tracing": {"minimum_fraction_insid": 0.9}},
        ["tracing.minimum_fraction_insid", "did you mean 'minimum_fraction_inside'?"],
    ),
    "misspelt section": ({"tracng": {}}, ["tracng", "did you mean 'tracing'?"]),
    "key of another section": (
        {"atlas": {"minimum_injection_voxels": 3}},
        ["atlas.minimum_injection_voxels", "valid keys: regions"],
    ),
    "out of range": (
        {"tracing": {"minimum_fraction_inside": 1.5}},
        ["tracing.minimum_fraction_inside", "found 1.5", "≥ 0 and ≤ 1", "default 0.95"],
    ),
    "wrong type": ({"seed": "one"}, ["seed", "found 'one'", "≥ 0"]),
    "wrong choice": ({"source": "alen"}, ["source", "found 'alen'", "one of phantom, allen"]),
    "name that leaves the folder": ({"run": "../elsewhere"}, ["run", "found '../elsewhere'"]),
    "section that is no section": ({"tracing": 3}, ["tracing", "found 3"]),
    "infinity": (
        {"tracing": {"maximum_injection_volume": float("inf")}},
        ["tracing.maximum_injection_volume", "found inf"],
    ),
    "networks from a model that is not fitted": (
        {"connectome": {"models": ["voxel"]}, "network": {"connectome": "kernel"}},
        ["network.connectome", "connectome.models is [voxel]", "add kernel"],
    ),
    "a further connectome of no file": (
        {"network": {"others": {"worm": {"key": "chem"}}}},
        ["network.others.worm.file", "required"],
    ),
    "a further connectome with a path as its name": (
        {"network": {"others": {"my/worm": {"file": "own.npz"}}}},
        ["network.others", "my/worm", "pattern"],
    ),
    "a variant of networks that there is not": (
        {"network": {"variants": ["random_mode", "random"]}},
        ["network.variants", "random", "heterogeneous"],
    ),
    "sessions named and described": (
        {"fetch": {"session_areas": ["VISp"]}},
        ["both named and described", "fetch.session_areas", "fetch.sessions names 1"],
    ),
    "sessions neither named nor described": (
        {"fetch": {"sessions": None}},
        ["not said which two-photon sessions", "hundreds of GB", "session_stimuli"],
    ),
    "a recording whose name looks like a session": (
        {"recordings": {"files": {"501271265": {"path": "a.npz"}}}},
        ["recordings.files.501271265", "pattern"],
    ),
    "a misspelt key of a recording": (
        {"recordings": {"files": {"mine": {"path": "a.npz", "perid_s": 1}}}},
        ["recordings.files.mine.perid_s", "did you mean 'period_s'?"],
    ),
    "several at once": (
        {"seed": -1, "tracing": {"injection_shell": 99}},
        ["2 keys", "seed", "found -1", "tracing.injection_shell", "found 99", "≤ 10"],
    ),
}


@pytest.fixture(scope="module")
def refusals(unrun: Workspace) -> dict[str, tuple[int, str]]:
    """Exit status and output of a dry run under each configuration that is refused."""
    tried = try_configurations(unrun, [changes for changes, _ in REFUSED.values()])
    assert not (unrun.folder / "results").exists(), "nothing was written"
    return dict(zip(REFUSED, tried, strict=True))


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_clear_message(refusals, case):
    status, output = refusals[case]
    assert status == 1
    for text in [*REFUSED[case][1], "what to do:", "workflow/reference/config.md"]:
        assert text in output, output
    assert "Traceback" not in output


def test_refused_in_a_file_of_ones_own(unrun, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("tracng: {}\n")
    done = unrun.snakemake("--dry-run", "--configfile", str(file))
    assert done.returncode == 1
    assert "did you mean 'tracing'?" in done.stdout + done.stderr


def test_refused_on_the_command_line(unrun):
    done = unrun.snakemake("--dry-run", "--config", "seed=-3")
    assert done.returncode != 0
    assert "seed: input should be greater than or equal to 0, found -3" in done.stdout + done.stderr


def test_config_yaml_that_is_broken_is_named(fresh):
    (fresh.folder / "config.yaml").write_text("tracing: [unclosed\n")
    done = fresh.snakemake("--dry-run")
    assert done.returncode != 0
    for text in ("the configuration is not YAML", "where: config.yaml", "line 2", "what to do"):
        assert text in done.stdout + done.stderr


def test_mistakes_of_the_command_line_of_a_step_are_explained(fresh):
    done = fresh.python("-m", "mesomode", "tracing", "--raw", "a", "--atlas", "b", "--out", "c")
    assert done.returncode == 1
    assert "the input 'raw' does not exist" in done.stderr
    done = fresh.python(
        *("-m", "mesomode", "tracing", "--raw", "a", "--atlas", "b", "--out", "c"),
        *("--settings", json.dumps({"exclud": [1]})),
    )
    assert "exclud: there is no such key; did you mean 'exclude'?" in done.stderr


def test_config_yaml_shows_defaults_and_existing_keys_only():
    text = (ROOT / "config.yaml").read_text()
    shown = yaml.safe_load(text)
    defaults = config_class()().model_dump(mode="json")
    assert load_config(shown).model_dump(mode="json") == defaults
    assert merged(defaults, shown) == defaults, "every key shown has its default value"


def test_config_yaml_explains_each_key():
    """Each key has a comment on its line or on a line above it."""
    lines = (ROOT / "config.yaml").read_text().splitlines()
    explained = False
    for line in lines:
        if re.match(r"\s*#", line):
            explained = True
        elif re.match(r"\s*[\w]+:", line):
            assert explained or "#" in line, line
            explained = False


def test_generated_references_are_in_step():
    folder = ROOT / "workflow/reference"
    commands = {
        "config.md": "mesomode config --reference",
        "config.schema.json": "mesomode config --schema",
        "reruns.md": "mesomode why --table",
    }
    wanted = {
        "config.md": reference(),
        "config.schema.json": json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n",
        "reruns.md": table(ROOT),
    }
    for name, text in wanted.items():
        found = (folder / name).read_text() if (folder / name).exists() else ""
        assert found.strip() == text.strip(), f"run: {commands[name]} > workflow/reference/{name}"


def test_the_statistics_are_read_right():
    output = "x\nJob stats:\njob    count\n-----  -----\nall    1\natlas  2\ntotal  3\n\ny"
    assert rules_in_statistics(output) == {"atlas"}
    assert rules_in_statistics("Nothing to be done (all requested files ...)") == set()


def test_profiles_explain_every_line():
    files = [*ROOT.glob("profiles/*/config.yaml"), *ROOT.glob("workflow/profiles/*/config.yaml")]
    assert len(files) == 3
    for file in files:
        assert yaml.safe_load(file.read_text())["rerun-incomplete"] is True
        explained = False
        for line in file.read_text().splitlines():
            if line.strip().startswith("#"):
                explained = True
            elif line.strip():
                assert explained, f"{file.parent.name}: {line}"
                explained = False


def test_status_of_a_folder_where_nothing_has_run(unrun):
    done = unrun.python("-m", "mesomode", "status")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "missing" in rows["connectome"] and "missing" in rows["report"]
    assert "snakemake --cores all" in done.stdout
