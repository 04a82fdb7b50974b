"""The conventions of the design, held by reading the sources."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mesomode.cli import app, find_steps
from mesomode.config import section_classes
from mesomode.settings import SettingsBase
from mesomode.steps import parameters_of
from tests.workflow.workspace import ROOT

PACKAGE = ROOT / "src/mesomode"
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
STAGES = sorted(file.parent.name for file in PACKAGE.glob("*/stage.py"))
DESIGN = [
    "fetch",
    "atlas",
    "tracing",
    "connectome",
    "network",
    "dynamics",
    "recordings",
    "comparison",
    "report",
    "explorer",
]
DOORS = ("mesomode.store", "mesomode.config", "mesomode.steps", "mesomode.workflow", "snakemake")
"""What only a ``stage.py`` may import, or a ``stage_*.py`` beside it."""
ORDER = [
    *("input", "output", "log", "benchmark", "wildcard_constraints", "threads", "resources"),
    *("params", "message", "conda", "shell"),
]


def imports(file: Path) -> set[str]:
    """Every module that a file imports, also within functions, as full dotted names."""
    package = ["mesomode", *file.relative_to(PACKAGE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def is_or_below(module: str, parent: str) -> bool:
    return module == parent or module.startswith(f"{parent}.")


def rules_of(file: Path) -> dict[str, str]:
    """Text of each rule of a rule file."""
    parts = re.split(r"^\s*(?:rule|checkpoint) (\w+):$", file.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


ALL_RULES = {name: body for file in RULES for name, body in rules_of(file).items()}


def test_the_reader_of_imports_sees_every_form(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "a").mkdir()
    file = tmp_path / "a/b.py"
    file.write_text(
        "import mesomode.store as s\nfrom mesomode import config\nfrom . import c\n"
        "def f():\n    from ..steps import step\n"
    )
    assert {"mesomode.store", "mesomode.config", "mesomode.a.c", "mesomode.steps"} <= imports(file)


@pytest.mark.parametrize("folder", sorted({f.parent.name for f in PACKAGE.glob("*/*.py")}))
def test_only_stage_py_opens_doors(folder):
    for file in (PACKAGE / folder).rglob("*.py"):
        # schemas say what stores hold
        if not re.fullmatch(r"stage(_\w+)?\.py|schemas\.py", file.name):
            doors = {m for m in imports(file) for door in DOORS if is_or_below(m, door)}
            assert not doors, f"{file.relative_to(ROOT)} imports {sorted(doors)}"


@pytest.mark.parametrize("stage", STAGES)
def test_no_module_imports_another_stage_py(stage):
    for file in (PACKAGE / stage).rglob("*.py"):
        found = {m for m in imports(file) if re.match(r"mesomode\.\w+\.stage", m)}
        found = {m for m in found if not m.startswith(f"mesomode.{stage}.stage_")}
        assert not found, f"{file.relative_to(ROOT)} imports {sorted(found)}"


def test_modules_are_imported_from_where_they_are():
    """A name that a package looks up late would be missed by the fingerprints."""
    packages = {f"mesomode.{file.parent.name}" for file in PACKAGE.glob("*/__init__.py")}
    for file in PACKAGE.rglob("*.py"):
        for module in imports(file):
            package, _, name = module.rpartition(".")
            if package in packages:
                place = PACKAGE / package.partition(".")[2] / f"{name}.py"
                assert place.is_file(), f"{file.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_py_imports_heavy_libraries_late(stage):
    top = {
        name.split(".")[0]
        for file in (PACKAGE / stage).glob("stage*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        )
    }
    heavy = {"numpy", "scipy", "xarray", "zarr", "h5py", "numba", "matplotlib", "nrrd"}
    assert not top & heavy


def test_stages_are_those_of_the_design():
    assert sorted(DESIGN) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_all_its_places(stage):
    assert [f for f in RULES if re.fullmatch(rf"\d\d_{stage}\.smk", f.name)], "a rule file"
    assert (PACKAGE / stage / "settings.py").is_file(), "settings"
    assert stage in section_classes(), "a section of the configuration"
    assert list((ROOT / "tests" / stage).glob("test_*.py")), "tests"


def test_rule_files_are_read_in_the_order_of_the_design():
    names = [file.stem[3:] for file in RULES]
    assert [name for name in names if name in DESIGN] == DESIGN


@pytest.mark.parametrize("rule", sorted(ALL_RULES))
def test_anatomy_of_a_rule(rule):
    body = ALL_RULES[rule]
    directives = re.findall(r"^\s+(\w+):(?:\s*\d+)?$", body, re.MULTILINE)
    directives = [d for d in directives if d in {*ORDER, "run", "script", "notebook"}]
    assert directives == [d for d in ORDER if d in directives], "the order of the directives"
    assert {"output", "log", "message", "conda", "shell"} <= set(directives)
    assert "{log}" in body.partition("shell:")[2], "the log is written"
    command = re.search(r"shell:\s+\"mesomode ([\w-]+|{params.command}) ", body)
    assert command, "one command that a person can type"


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_rule_files_are_plain(file):
    text = file.read_text()
    assert not re.search(r"^\s*(run|script|notebook):", text, re.MULTILINE)
    assert text.startswith('"""'), "starts with what the stage does"
    for function in re.findall(r"lambda[^,\n]*", text):
        assert "/" not in function and "+" not in function, "no path glued in a lambda"
    assert not re.search(r"[\"'\])}]\s*\+\s*f?[\"'(\w]", text), "no paths glued with +"


@pytest.mark.parametrize("stage", STAGES)
def test_rules_are_given_their_own_section_only(stage):
    (file,) = [f for f in RULES if f.stem[3:] == stage]
    own = {stage, "phantom"} if stage == "fetch" else {stage}
    for name, body in rules_of(file).items():
        assert set(re.findall(r"PLAN\.settings\(\"(\w+)\"", body)) <= own, name
        assert set(re.findall(r"PLAN\.code\(\"(\w+)", body)) <= own, name


def test_every_store_of_a_rule_is_one_directory():
    for name, body in ALL_RULES.items():
        for value in re.findall(
            r"=([^\n]*\.zarr\"\)?),", body.partition("output:")[2].partition("log:")[0]
        ):
            assert value.startswith("directory("), name


def test_rules_import_no_numerical_library():
    """Snakemake reads the rules at each start, on a cluster twice a job."""
    lines = [
        line
        for file in [ROOT / "Snakefile", *RULES]
        for line in re.findall(r"^from mesomode.*$", file.read_text(), re.MULTILINE)
    ]
    assert len(lines) > 4
    loaded = (
        "print(sorted({'numpy', 'scipy', 'xarray', 'zarr', 'numba', 'h5py'} & set(sys.modules)))"
    )
    code = "\n".join(["import sys", *lines, loaded])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_variants_of_networks_are_those_that_can_be_drawn():
    from mesomode.network import matching, settings

    assert settings.VARIANTS == matching.VARIANTS


def test_snakemake_lint():
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakefmt():
    done = subprocess.run(
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow/rules"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_lists_every_step_without_importing_it():
    code = (
        "import sys; sys.argv = ['mesomode', '--help']\n"
        "from mesomode.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('IMPORTED', sorted({'numpy', 'scipy', 'xarray', 'zarr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in find_steps():
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE), name
    assert "IMPORTED []" in done.stdout


@pytest.mark.parametrize("name", sorted(find_steps()))
def test_help_of_a_step(name):
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "--log" in result.output
    module, summary = find_steps()[name]
    assert summary.endswith("."), "the first line of the docstring is a sentence"
    function = getattr(importlib.import_module(module), name.replace("-", "_"))
    for parameter in parameters_of(function):
        if parameter != "provenance":
            assert f"--{parameter.replace('_', '-')}" in result.output


@pytest.mark.parametrize("name", sorted(find_steps()))
def test_parameters_of_a_step(name):
    module, _ = find_steps()[name]
    function = getattr(importlib.import_module(module), name.replace("-", "_"))
    kinds = parameters_of(function)
    allowed = {"input", "inputs", "output", "settings", "provenance", "option"}
    assert {kind for kind, _ in kinds.values()} <= allowed
    assert "output" in {kind for kind, _ in kinds.values()}, "a step writes something"
    for parameter, (kind, hint) in kinds.items():
        if kind == "settings":
            assert issubclass(hint, SettingsBase)
        if parameter in ("seed", "threads"):
            assert hint is int
    signature = inspect.signature(function)
    assert all(p.kind is p.KEYWORD_ONLY for p in signature.parameters.values())


def test_every_step_is_run_by_a_rule():
    text = "\n".join(ALL_RULES.values())
    called = set(re.findall(r"\bmesomode ([\w-]+)", text))
    # a rule may make the name of the step from a wildcard
    patterns = [re.sub(r"{[^}]*}", ".*", p) for p in re.findall(r"command=.*?f\"([^\"]+)\"", text)]
    for name in find_steps():
        assert name in called or any(re.fullmatch(p, name) for p in patterns), name


@pytest.mark.parametrize("rule", sorted(ALL_RULES))
def test_a_rule_gives_its_step_the_options_it_has(rule):
    command = "".join(
        re.findall(r"^ +[\"'](.*)[\"']$", ALL_RULES[rule].partition("shell:")[2], re.M)
    )
    (name,) = re.findall(r"^mesomode ([\w-]+|{params.command})", command)
    names = [name] if name in find_steps() else [n for n in find_steps() if n.startswith(rule)]
    given = set(re.findall(r"--([a-z][\w-]*)", command))
    if rule == "configuration":
        names, known = ["config"], {p.name for p in app.commands["config"].params}
        assert given <= known
        return
    assert names
    for step_name in names:
        module, _ = find_steps()[step_name]
        function = getattr(importlib.import_module(module), step_name.replace("-", "_"))
        kinds = parameters_of(function)
        signature = inspect.signature(function).parameters
        known = {p.replace("_", "-") for p in kinds if p != "provenance"}
        needed = {
            p.replace("_", "-")
            for p in kinds
            if signature[p].default is inspect.Parameter.empty and p != "provenance"
        }
        assert needed | {"log"} <= given <= known | {"log"}, step_name


def test_settings_hold_science_only():
    forbidden = {"threads", "memory", "mem_mb", "cores", "partition", "runtime"}
    for section, settings in section_classes().items():
        assert not forbidden & set(settings.model_fields), section
        for key, field in settings.model_fields.items():
            assert len((field.description or "").split()) >= 5, f"{section}.{key} says what it is"


def test_no_random_numbers_but_from_a_generator_and_no_pickle():
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text()
        hidden = re.findall(r"np\.random\.(?!Generator|default_rng|SeedSequence|PCG64)\w+", text)
        # in access, which waits for servers, chance touches no result
        if file.parent.name != "access":
            hidden += re.findall(r"^\s*(?:import random$|from random import)", text, re.MULTILINE)
        assert not hidden, f"{file.relative_to(ROOT)}: {hidden}"
        assert "allow_pickle=True" not in text and "import pickle" not in text, file


def test_rules_carry_the_fingerprint_of_the_door_that_they_run():
    steps = find_steps()
    checked = 0
    for file in RULES:
        for body in re.split(r"^\s*rule \w+:$", file.read_text(), flags=re.MULTILINE)[1:]:
            named = set(re.findall(r"PLAN\.code\(\"([\w.]+)\"\)", body))
            for command in re.findall(r"\"mesomode ([a-z-]+) ", body):
                stage, _, door = steps.get(command, ("", ""))[0].rpartition(".")
                if door.startswith("stage_"):
                    wanted = f"{stage.removeprefix('mesomode.')}.{door}"
                    assert wanted in named, f"{file.name}: {command} runs {wanted}, not {named}"
                    checked += 1
    assert checked >= 5
