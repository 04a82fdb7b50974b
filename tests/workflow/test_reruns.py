"""The rerun contract: what changes reruns what, and nothing else.

The prediction is read off the rule files (:mod:`mesomode.reruns`); the truth is
what Snakemake plans after a finished run.
"""

from __future__ import annotations

import ast
import os
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesomode.config import TOP_LEVEL, config_class, load_config, section_classes
from mesomode.errors import ConfigError
from mesomode.fingerprint import imported_modules
from mesomode.reruns import Uses, descendants, rule_uses
from mesomode.workflow import Plan
from tests.workflow.workspace import ROOT, Workspace, dry_runs, merged

pytestmark = pytest.mark.slow

SAVED = "configuration"
"""The rule that saves the configuration; it reruns on every change of it."""
PAGE = "explorer_page"
"""The rule that builds the explorer's page, which is the same for all runs and data."""


@pytest.fixture(scope="module")
def uses() -> dict[str, Uses]:
    return rule_uses(ROOT / "workflow/rules")


@pytest.fixture(scope="module")
def graph(finished_run: Workspace) -> dict[str, set[str]]:
    found = finished_run.call("mesomode.reruns.rule_graph(Path())")
    return {rule: set(after) for rule, after in found.items()}


@pytest.fixture(scope="module")
def changed(finished_run: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the finished run that tests of this module share; each leaves it as it was."""
    return finished_run.copy(tmp_path_factory.mktemp("reruns") / "workspace")


def with_section(graph: Mapping[str, set[str]], uses: Mapping[str, Uses], section: str) -> set[str]:
    """Rules predicted to rerun when a section changes."""
    users = {rule for rule in graph if section in uses[rule].sections}
    return descendants(dict(graph), users) | {SAVED}


def with_code(graph: Mapping[str, set[str]], uses: Mapping[str, Uses], *stages: str) -> set[str]:
    """Rules predicted to rerun when the code of stages changes."""
    users = {rule for rule in graph if set(stages) & set(uses[rule].stages)}
    return descendants(dict(graph), users)


def candidates(value: Any, choices: tuple[Any, ...]) -> Iterator[Any]:
    """Values other than the present one, some of which should be valid."""
    yield from choices
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, value + 2, 2 * value)
    elif isinstance(value, float):
        yield from (0.9 * value, 1.1 * value, value + 0.1, value + 1)
    elif isinstance(value, str):
        yield from (f"{value}/x", f"{value}x", "x.npz", "https://x.org")
    elif isinstance(value, list):
        yield from (value[:-1], [*value, 7], [*value, "VISp"], value[1:])
    elif value is None:
        yield from (5, 50, 0.5, "x", [7], ["VISp"], ["a", "b", "c"], [1, 2, 3])


def other_value(config: Mapping[str, Any], path: tuple[str, ...], choices: tuple[Any, ...]) -> Any:
    """A valid value of a key that differs from the present one."""
    present: Any = config
    for part in path:
        present = present[part]
    for candidate in candidates(present, choices):
        changes: Any = candidate
        for part in reversed(path):
            changes = {part: changes}
        try:
            checked = load_config(merged(config, changes)).model_dump(mode="json")
            Plan(checked)  # refuses what does not fit together
        except ConfigError:
            continue
        if checked != config:
            return changes
    raise AssertionError(f"no other valid value for {'.'.join(path)} = {present!r}")


def choices_of(annotation: Any) -> tuple[Any, ...]:
    """Choices of a Literal, also within a union."""
    if typing.get_origin(annotation) is typing.Literal:
        return typing.get_args(annotation)
    return tuple(c for part in typing.get_args(annotation) for c in choices_of(part))


def leaves() -> list[tuple[str, str]]:
    """Every (section, key) of the configuration."""
    return [(s, key) for s, settings in section_classes().items() for key in settings.model_fields]


OWN_FILES = {
    *(("connectome", "source"), ("recordings", "files"), ("network", "others")),
    *(("fetch", f"session_{what}") for what in ("areas", "depths_um", "lines", "stimuli", "needs")),
    *(("fetch", "most_sessions"), ("report", "flatmap")),
}
"""Keys whose other values need a second key, or a file: tested on their own."""


@pytest.fixture(scope="module")
def sweep(changed: Workspace) -> dict[str, set[str]]:
    """Rules planned after a change of each key on its own."""
    config = load_config(changed.config).model_dump(mode="json")
    changes = {}
    for section, key in leaves():
        if (section, key) not in OWN_FILES:
            annotation = section_classes()[section].model_fields[key].annotation
            new = other_value(config, (section, key), choices_of(annotation))
            changes[f"{section}.{key}"] = new
    planned = dry_runs(changed, changes.values())
    return dict(zip(changes, planned, strict=True))


def test_each_key_reruns_its_section_and_what_follows(sweep, graph, uses):
    wrong = []
    for name, planned in sweep.items():
        section = name.split(".")[0]
        predicted = with_section(graph, uses, section)
        single_keys = section in ("connectome", "network")  # which rules take which is tested below
        if planned != predicted and not (single_keys and planned <= predicted):
            more, less = sorted(planned - predicted), sorted(predicted - planned)
            wrong.append(f"{name}: more than predicted {more}, less {less}")
    assert not wrong, "\n".join(wrong)
    assert len(sweep) == len(leaves()) - len(OWN_FILES)


def test_keys_of_the_connectome_rerun_the_models_that_depend_on_them(sweep, graph):
    voxel = descendants(dict(graph), {"connectome_voxel"}) | {SAVED}
    errors = descendants(dict(graph), {"connectome_fold"}) | {SAVED}
    maps = descendants(dict(graph), {"connectome_coverage"}) | {SAVED}
    others = descendants(dict(graph), {"connectome_model"}) | {SAVED}
    assert sweep["connectome.smoothing"] == voxel | errors | maps
    assert sweep["connectome.bandwidth"] == others | errors
    assert sweep["connectome.smoothing_grid"] == sweep["connectome.inner_folds"] == errors
    assert sweep["connectome.bootstrap"] == maps
    modes = {"connectome_eigenmodes"}
    assert not modes & (voxel | errors | maps), "the eigenmodes depend on the grids alone"
    assert sweep["connectome.boundaries"] == voxel | errors | maps | modes
    assert sweep["connectome.rank"] == {SAVED}, "there is no low-rank model in this run"
    assert "network" not in others | errors | maps


def test_keys_of_the_networks_rerun_what_depends_on_them(sweep, graph):
    structure = descendants(dict(graph), {"network_structure"}) | {SAVED}
    networks = descendants(dict(graph), {"network"}) | {SAVED}
    assert {"network_structure", "figure_structure"} == structure - networks
    for key in ("centring", "sign", "inhibitory_fraction", "blocks", "null_draws"):
        assert sweep[f"network.{key}"] == structure, key
    for key in ("gain", "units", "modes"):
        assert sweep[f"network.{key}"] == networks, key
    fewer = sweep["network.variants"]
    assert not {"network", "network_structure", "dynamics"} & fewer, "those there are stay"
    assert {"comparison", "figure_network", "figure_dynamics", "summary"} <= fewer


def test_sections_rerun_what_a_reader_expects(sweep, graph):
    """The same in plain words, for the sections that people change most."""
    everything = set(graph)
    fits = {"connectome_voxel", "connectome_model"}
    after_network = {"network", "dynamics", "comparison", "figure", "summary", "theory"}
    after_network |= {"closest", "explorer"}

    def of(section: str) -> set[str]:
        planned = {frozenset(p) for name, p in sweep.items() if name.startswith(f"{section}.")}
        assert len(planned) == 1 or section == "network", section
        return set().union(*planned) & (everything - {SAVED})

    assert of("phantom") == everything - {SAVED, PAGE}
    assert of("access") == set()
    assert of("fetch") == set(), "nothing is fetched for the phantom"
    assert {"atlas", "tracing", *fits} <= of("atlas")
    assert not {"atlas", "recordings", "connectome_eigenmodes"} & of("tracing")
    assert not fits & of("network")
    assert not {"network", *fits} & of("dynamics")
    assert not {"network", "dynamics", *fits} & of("recordings")
    parts = ("dynamics", "distances", "similarity", "representations")
    figures = {"figure_comparison", "figure_similarity", "closest_networks", "summary"}
    figures |= {"figure_representations", "figure_intrinsic_dimension"}
    figures |= {"explorer_networks", "explorer"}
    assert of("comparison") == {"comparison", *(f"comparison_{part}" for part in parts), *figures}
    assert "comparison" in of("network") & of("dynamics") & of("recordings")
    assert {r.split("_")[0] for r in of("network")} <= after_network


def test_top_level_keys(changed, graph):
    everything = set(graph)
    raw = {"phantom_tracing", "phantom_recordings", "read_tracing", "read_recordings", PAGE}
    changes: dict[str, dict[str, Any]] = {
        "run": {"run": "other"},
        "seed": {"seed": 2},
        "rerun_on_code_change": {"rerun_on_code_change": False},
    }
    assert {*changes, "source"} == set(TOP_LEVEL), "a new top-level key needs a prediction here"
    planned = dict(zip(changes, dry_runs(changed, changes.values()), strict=True))
    assert planned["run"] == everything - raw, "another run shares the raw data"
    assert planned["seed"] == everything - {PAGE}, "another seed is another phantom"
    assert planned["rerun_on_code_change"] == everything


def reversed_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: reversed_keys(value[key]) for key in reversed(list(value))}
    return value


def test_same_configuration_in_other_words_reruns_nothing(changed):
    effective = yaml.safe_load((changed.run_folder / "config.yaml").read_text())
    original = (changed.folder / "config.yaml").read_text()
    try:
        for text in (
            yaml.safe_dump(reversed_keys(changed.config), sort_keys=False),
            yaml.safe_dump(reversed_keys(effective), sort_keys=False),
            "# a comment\n" + original + "\n# another\n",
        ):
            (changed.folder / "config.yaml").write_text(text)
            assert changed.planned() == set()
    finally:
        (changed.folder / "config.yaml").write_text(original)
    saved = changed.run_folder / "config.yaml"
    assert changed.planned("--configfile", str(saved)) == set(), "the saved configuration"


def test_swapped_values_are_noticed(changed, graph, uses):
    """Snakemake itself compares the set of parameter values and would miss this."""
    tracing = section_classes()["tracing"]()
    inside, mask = tracing.minimum_fraction_inside, tracing.data_mask_threshold
    assert inside != mask
    swapped = {"minimum_fraction_inside": mask, "data_mask_threshold": inside}
    (planned,) = dry_runs(changed, [{"tracing": swapped}])
    assert planned == with_section(graph, uses, "tracing")


def test_touching_everything_reruns_nothing(changed):
    for name in ("src", "workflow", "envs", "Snakefile", "config.yaml"):
        path = changed.folder / name
        for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
            os.utime(file)
    assert changed.planned() == set()


def edited(workspace: Workspace, edits: Mapping[Path, str]) -> set[str]:
    """Rules planned with some files replaced; they are put back afterwards."""
    originals = {file: file.read_text() for file in edits}
    try:
        for file, text in edits.items():
            file.write_text(text)
        return workspace.planned()
    finally:
        for file, text in originals.items():
            file.write_text(text)


def package(workspace: Workspace) -> Path:
    return workspace.folder / "src/mesomode"


def test_comments_and_docstrings_rerun_nothing(changed):
    edits = {}
    for file in package(changed).rglob("*.py"):
        text = file.read_text()
        documented = ast.get_docstring(ast.parse(text), clean=False)
        if documented:
            text = text.replace(documented, documented + " And more.", 1)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
                words = ast.get_docstring(node, clean=False)
                text = text.replace(words, "Other words.", 1)
        edits[file] = "# a comment\n\n" + text + "\n\n# the end\n"
    assert len(edits) > 40
    assert edited(changed, edits) == set()


def with_another_number(text: str) -> str:
    """Source text in which one number within a function is another."""
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
            if number and node.lineno > function.body[0].lineno:
                line = lines[node.lineno - 1].encode()
                new = line[: node.col_offset] + b"137" + line[node.end_col_offset :]
                lines[node.lineno - 1] = new.decode()
                return "".join(lines)
    raise AssertionError("no number in any function")


def solver_modules() -> list[str]:
    """Pure modules that the models are fitted with and that no other stage imports."""
    folder = ROOT / "src/mesomode/connectome"
    elsewhere = "\n".join(
        file.read_text() for file in (ROOT / "src/mesomode").rglob("*.py") if file.parent != folder
    )
    names = sorted(f.stem for f in folder.glob("*.py") if f.stem not in ("stage", "settings"))
    names = [n for n in names if imports("connectome", f"connectome.{n}") and n != "__init__"]
    return [n for n in names if f"mesomode.connectome.{n}" not in elsewhere]


def test_editing_a_solver_reruns_the_fits_and_what_follows(changed, graph, uses):
    names = solver_modules()
    for name in {names[0], names[len(names) // 2], names[-1]}:
        file = package(changed) / "connectome" / f"{name}.py"
        planned = edited(changed, {file: with_another_number(file.read_text())})
        users = {r for r in graph for n in uses[r].stages if imports(n, f"connectome.{name}")}
        assert planned == descendants(graph, users), name
        above = {"atlas", "tracing", "recordings", "read_tracing", "phantom_tracing", SAVED}
        assert not above & planned
        assert {"connectome_voxel", "connectome_model", "network", "dynamics"} <= planned


@pytest.mark.parametrize(
    "stage", sorted({f.parent.name for f in ROOT.glob("src/mesomode/*/stage.py")} - {"fetch"})
)
def test_editing_a_stage_reruns_it_and_what_follows(changed, graph, uses, stage):
    file = package(changed) / stage / "stage.py"
    planned = edited(changed, {file: file.read_text() + "\n_MARK = 1\n"})
    assert planned == with_code(graph, uses, stage) != set()


def test_editing_the_eigenmodes_reruns_the_linear_fits(changed, graph):
    file = package(changed) / "connectome/stage_eigenmodes.py"
    planned = edited(changed, {file: file.read_text() + "\n_MARK = 1\n"})
    assert planned == descendants(graph, {"connectome_eigenmodes"})
    assert "connectome_coverage" in planned
    assert not {"connectome_voxel", "connectome_model", "network"} & planned, "none is linear here"


def test_editing_a_figure_reruns_those_of_its_door(changed):
    file = package(changed) / "report/movie.py"
    planned = edited(changed, {file: with_another_number(file.read_text())})
    assert planned == {"figure_projection", "figure_informed"}


def test_editing_a_reader_reruns_the_reading_and_what_follows(changed, graph, uses):
    file = package(changed) / "fetch/read_direct.py"
    planned = edited(changed, {file: file.read_text() + "\n_MARK = 1\n"})
    assert planned == descendants(graph, {"read_tracing", "read_recordings"})


def test_editing_the_phantom_reruns_everything(changed, graph, uses):
    file = package(changed) / "phantom/region.py"
    planned = edited(changed, {file: file.read_text() + "\n_MARK = 1\n"})
    assert planned == set(graph) - {SAVED, PAGE}


def test_editing_the_page_of_the_explorer_builds_it_again(changed):
    file = package(changed) / "explorer/page/src/style.css"
    assert edited(changed, {file: file.read_text() + "\n/* another */\n"}) == {PAGE, "explorer"}


def test_editing_what_stages_share_reruns_them_all(changed, graph, uses):
    """The module of the stores is the business of every rule that writes or reads one."""
    users = {r for r in graph for name in uses[r].stages if imports(name, "store")}
    assert {"atlas", "tracing", "connectome_voxel", "network", "recordings"} <= users
    assert not {"phantom_tracing", "read_tracing"} & users
    file = package(changed) / "store.py"
    planned = edited(changed, {file: with_another_number(file.read_text())})
    assert planned == descendants(graph, users)


def imports(name: str, module: str) -> bool:
    """Whether a stage, or a part of one, uses a module of the package."""
    is_stage = (ROOT / "src/mesomode" / name / "stage.py").exists()
    start = f"mesomode.{name}{'.stage' * is_stage}"
    return f"mesomode.{module}" in imported_modules(start, ROOT / "src")


def test_editing_what_makes_no_result_reruns_nothing(changed):
    files = [
        package(changed) / name for name in ("cli.py", "doctor.py", "reruns.py", "workflow.py")
    ]
    assert edited(changed, {f: f.read_text() + "\n_MARK = 1\n" for f in files}) == set()


def test_code_is_not_tracked_if_switched_off(workspace):
    workspace.configure({"rerun_on_code_change": False})
    # accept the results as they are; otherwise the switch itself reruns everything once
    workspace.run("--touch")
    assert workspace.planned() == set()
    for stage in ROOT.glob("src/mesomode/*/stage.py"):
        file = package(workspace) / stage.parent.name / "stage.py"
        file.write_text(file.read_text() + "\n_MARK = 1\n")
    assert workspace.planned() == set()


def test_why_says_what_snakemake_plans(workspace):
    def why(*arguments: str) -> str:
        done = workspace.python("-m", "mesomode", "why", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Now: it would not run." in why("connectome_voxel")
    # of the rules of this small run; that of the default run is compared with the reference
    assert why("--table").startswith("# What reruns when something changes")
    assert "code of `connectome`" in why("--table")
    workspace.configure({"tracing": {"minimum_injection_voxels": 4}})
    text = why("tracing")
    assert "config sections: tracing" in text
    assert "Now: it would run (params have changed since last execution)." in text
    assert "Now: it would not run." in why("atlas")
    assert "Now: it would run (input files updated by another job)." in why("connectome_voxel")
    assert set(workspace.call("mesomode.reruns.planned_rules(Path())")) == workspace.planned()
    done = workspace.python("-m", "mesomode", "why", "atlass")
    assert done.returncode == 1 and "there is no rule 'atlass'" in done.stderr


def test_the_sweep_covers_the_whole_configuration():
    values = config_class()().model_dump(mode="json")
    keys = {(s, key) for s, section in values.items() if s not in TOP_LEVEL for key in section}
    assert keys == set(leaves())
