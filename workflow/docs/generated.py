"""Pages made from the code itself: outputs, commands, functions and the gallery."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from mesomode.cli import app, find_steps, step_command
from mesomode.store import Schema, Variable

STAGES = (
    "fetch", "atlas", "tracing", "connectome", "network", "dynamics", "recordings", "comparison",
    "report",
)  # fmt: skip
NOT_FUNCTIONS = ("stage", "settings", "schemas", "__")
"""How the names of modules begin that other pages describe: steps, settings, stores."""


def cell(text: str) -> str:
    """Text that can stand in a cell of a table."""
    return " ".join(text.split()).replace("|", r"\|").replace("<", r"\<").replace("*", r"\*")


class Rule(NamedTuple):
    """What the pages say of a rule: its stage, name, outputs, command and message."""

    stage: str
    name: str
    outputs: list[str]
    command: str
    message: str


PLACES = {"{RUN}": "results/<run>", "{RAW}": "results/raw/<source>", "{{": "<", "}}": ">"}
"""What stands in the paths of the rules, in the words of the pages."""


def rules(root: Path) -> Iterator[Rule]:
    """Every rule, in reading order."""
    files = sorted((root / "workflow/rules").glob("*.smk"))
    text = "".join(file.read_text() for file in files)
    constants = dict(re.findall(r'^ *([A-Z_]+) = f?"(.*/.*)"$', text, re.MULTILINE))
    for file in files:
        parts = re.split(r"^\s*(?:rule|checkpoint) (\w+):$", file.read_text(), flags=re.MULTILINE)
        for name, body in zip(parts[1::2], parts[2::2], strict=True):
            block = re.search(r"^ *output:\n(.*?)^ *log:", body, re.MULTILINE | re.DOTALL)
            written = []
            for path, constant in re.findall(
                r'"((?!\.\.)[^" ]+/[^" ]*)"|=(?:directory\()?([A-Z_]+)[,)]',
                block[1] if block else "",
            ):
                full = path or constants[constant]
                while held := re.search(r"(?<!{){([A-Z_]+)}(?!})", full):
                    value = PLACES.get(held[0], constants.get(held[1], f"<{held[1].lower()}>"))
                    full = full.replace(held[0], value)
                full = re.sub(r"{PLAN\.selection[^}]*}", "<selection>", full)
                for place, words in PLACES.items():
                    full = full.replace(place, words)
                written.append(full)
            command = re.search(r'"mesomode ([\w-]+)', body)
            message = re.search(r'message:\s*"(.*)"', body)
            yield Rule(
                file.stem.partition("_")[2],
                name,
                written,
                command[1] if command else "",
                re.sub(r"{wildcards\.(\w+)}", r"<\1>", message[1]).partition(" ({")[0]
                if message
                else "",
            )


def schema_of(step: str) -> Schema | None:
    """Declaration of the store that a step writes; None if it writes no store."""
    module_name, _ = find_steps()[step]
    module = importlib.import_module(module_name)
    found = _written(module, step.replace("-", "_"), set())
    return found


def _written(module: object, function: str, seen: set[tuple[str, str]]) -> Schema | None:
    """Schema in the call of ``write_store`` by a function, or by those of its package it calls."""
    name = module.__name__
    if (name, function) in seen or not hasattr(module, function):
        return None
    seen.add((name, function))
    tree = ast.parse(inspect.getsource(inspect.unwrap(getattr(module, function))))
    places = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    calls = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]  # fmt: skip
    for call in calls:
        if call.func.id == "write_store":
            return _value(module, call.args[2].id, places)
    for call in calls:
        called = _value(module, call.func.id, places)
        if inspect.isfunction(called) and called.__module__.startswith("mesomode."):
            home = importlib.import_module(called.__module__)
            if found := _written(home, called.__name__, seen):
                return found
    return None


def _value(module: object, name: str, places: dict[str, tuple[str, str]]) -> object:
    if name in places:
        home, original = places[name]
        return getattr(importlib.import_module(home), original, None)
    return getattr(module, name, None)


def outputs_page(root: Path) -> str:
    """Every file and store that a run writes, and every variable of every store."""
    lines = [
        "# Outputs",
        "",
        "Made from the rules and from the declarations that every store is checked against when",
        "it is written and read. A variable that is *optional* is absent where it has no meaning,",
        "for example what a file of one's own does not say. Every store also carries its settings,",
        "seed, code fingerprint and parents in its attributes; `mesomode verify STORE` checks it.",
        "",
        "```python",
        "import xarray as xr",
        "",
        'store = xr.open_zarr("results/default/connectome/voxel.zarr", consolidated=False)',
        'store["weights"].attrs["long_name"], store.attrs["mesomode"]["settings"]',
        "```",
        "",
    ]
    shown: dict[int, str] = {}
    found = list(rules(root))
    for stage in dict.fromkeys(rule.stage for rule in found):
        written = [rule for rule in found if rule.stage == stage]
        lines += [f"## {stage.capitalize()}", ""]
        lines += ["| file or store | rule | the job |", "|---|---|---|"]
        for rule in written:
            lines += [f"| `{p}` | `{rule.name}` | {cell(rule.message)} |" for p in rule.outputs]
        lines.append("")
        for rule in written:
            schema = schema_of(rule.command) if rule.command in find_steps() else None
            if schema is None:
                continue
            heading = "`" + "`, `".join(path for path in rule.outputs if ".zarr" in path) + "`"
            if id(schema) in shown:
                lines += [f"{heading} holds the same as {shown[id(schema)]}.", ""]
                continue
            shown[id(schema)] = heading
            lines += [f"### {heading}", "", *_table(schema.variables), ""]
    return "\n".join(lines)


def _table(variables: dict[str, Variable]) -> Iterator[str]:
    yield "| variable | dimensions | type | unit | meaning |"
    yield "|---|---|---|---|---|"
    for name, variable in variables.items():
        meaning = cell(variable.meaning)
        if variable.flags:
            meaning += "; " + ", ".join(f"{i} {flag}" for i, flag in enumerate(variable.flags))
        if variable.optional:
            meaning += " *(optional)*"
        dims = ", ".join(variable.dims) or "–"
        yield f"| `{name}` | {dims} | {variable.dtype} | {variable.unit} | {meaning} |"


def commands_page() -> str:
    """Every command with its options."""
    lines = [
        "# Commands",
        "",
        "Made from the commands themselves. `mesomode COMMAND --help` says the same, and the",
        "settings that a step takes, which are those of its stage's section in the",
        "[configuration](configuration.md).",
        "",
        "## Utilities",
        "",
    ]
    for name, command in sorted(app.commands.items()):
        lines += _command(name, command)
    steps = find_steps()
    for stage in dict.fromkeys(module.split(".")[1] for module, _ in steps.values()):
        lines += [f"## Steps of the stage {stage}", ""]
        for name, (module, _) in steps.items():
            if module.split(".")[1] == stage:
                function = getattr(importlib.import_module(module), name.replace("-", "_"))
                lines += _command(name, step_command(function))
    return "\n".join(lines)


def _command(name: str, command: click.Command) -> list[str]:
    lines = [f"### `mesomode {name}`", "", _plain(command.help or ""), ""]
    rows = []
    for option in command.params:
        shown = ", ".join(f"`{flag}`" for flag in option.opts)
        if isinstance(option, click.Argument):
            shown = f"`{option.human_readable_name}`"
        default = "required" if option.required else _default(option)
        rows.append(f"| {shown} | {default} | {cell(getattr(option, 'help', None) or '')} |")
    if rows:
        lines += ["| option | default | meaning |", "|---|---|---|", *rows, ""]
    return lines


def _default(option: click.Parameter) -> str:
    value = option.default
    plain = isinstance(value, str | int | float | Path) and not isinstance(value, bool)
    return f"`{value}`" if plain and str(value) else ""


def _plain(text: str) -> str:
    """Prose of a docstring as Markdown: its double backticks are single there."""
    return re.sub(r"``(.*?)``", r"`\1`", text).replace("*", r"\*").replace("|", r"\|")


def modules(root: Path) -> dict[str, list[str]]:
    """Modules whose functions are described, by stage; those of no stage under 'foundation'."""
    package = root / "src/mesomode"
    found: dict[str, list[str]] = {stage: [] for stage in STAGES}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        if parts[-1].startswith(NOT_FUNCTIONS) or parts[0] == "access":
            continue
        stage = parts[0] if len(parts) > 1 else "foundation"
        found.setdefault(stage, []).append(".".join(("mesomode", *parts)))
    return {stage: names for stage, names in found.items() if names}


def write_functions(root: Path, folder: Path) -> None:
    """One page a stage, with a section for each module, and one that lists them."""
    folder.mkdir(parents=True)
    lines = [
        "# Functions",
        "",
        "Everything public, by stage, from the docstrings. Mathematics takes and returns arrays;",
        "files are read and written by the [steps](../reference/commands.md) alone.",
        "",
    ]
    for stage, names in modules(root).items():
        title = f"Functions of {stage}"
        lines += [
            f"## [{stage.capitalize()}]({stage}.md)",
            "",
            "| module | what it is |",
            "|---|---|",
        ]
        page = [f"# {title}", ""]
        for name in names:
            file = root / "src" / Path(*name.split(".")).with_suffix(".py")
            summary = (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n")[0]
            short = name.removeprefix("mesomode.")
            lines.append(f"| {{py:mod}}`{short} <{name}>` | {cell(summary)} |")
            page += [f"## {short}", "", "```{eval-rst}", f".. automodule:: {name}",
                     "   :members:", "   :ignore-module-all:", "```", ""]  # fmt: skip
        (folder / f"{stage}.md").write_text("\n".join(page))
        lines.append("")
    toctree = [f"{stage} <{stage}>" for stage in modules(root)]
    lines += ["```{toctree}", ":hidden:", "", *toctree, "```", ""]
    (folder / "index.md").write_text("\n".join(lines))


def write_gallery(scripts: Path, pictures: Path, folder: Path) -> None:
    """One page a script: its words, its picture, its source."""
    folder.mkdir(parents=True)
    listed, names = [], []
    for script in sorted(scripts.glob("*.py")):
        tree = ast.parse(script.read_text())
        title, _, text = (ast.get_docstring(tree) or "").partition("\n")
        name, title, first = script.stem, title.rstrip("."), tree.body[1].lineno
        names.append(name)
        listed.append(f"## [{title}]({name}.md)\n\n[![{title}]({name}.png)]({name}.md)\n")
        for picture in sorted(pictures.glob(f"{name}.*")):
            (folder / picture.name).write_bytes(picture.read_bytes())
        best = f"{name}.svg" if (folder / f"{name}.svg").exists() else f"{name}.png"
        (folder / script.name).write_text(script.read_text())
        (folder / f"{name}.md").write_text(
            f"# {title}\n\n![{title}]({best})\n\n{_plain(text.strip())}\n\n"
            f"```{{literalinclude}} {script.name}\n:language: python\n:lines: {first}-\n```\n"
        )
    (folder / "index.md").write_text(
        "# Gallery\n\nScripts of `workflow/gallery`, each a few seconds long; these pictures were\n"
        "computed when the pages were built.\n\n"
        + "\n".join(listed)
        + "\n```{toctree}\n:hidden:\n\n"
        + "\n".join(names)
        + "\n```\n"
    )
