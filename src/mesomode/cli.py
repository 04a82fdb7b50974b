"""The command line: one command a step, generated from the step's signature."""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mesomode.errors import ConfigError
from mesomode.logs import with_log
from mesomode.steps import parameters_of, run_step

PACKAGE = Path(__file__).resolve().parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def find_steps() -> dict[str, tuple[str, str]]:
    """All steps, found by reading the stages' ``stage*.py`` files without importing them.

    Returns
    -------
    dict
        Command name → (module, first line of the docstring).
    """
    steps = {}
    for file in sorted(PACKAGE.glob("*/stage*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(d, ast.Name) and d.id == "step" for d in node.decorator_list
            ):
                summary = (ast.get_docstring(node) or "").split("\n")[0]
                module = f"mesomode.{file.parent.name}.{file.stem}"
                steps[node.name.replace("_", "-")] = (module, summary)
    return steps


class StepGroup(click.Group):
    """Lists every step without importing it; imports the one that is called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names of the utilities, then of the steps."""
        return [*super().list_commands(context), *find_steps()]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Make the command of a step when it is asked for."""
        steps = find_steps()
        if name not in steps:
            return super().get_command(context, name)
        module, _ = steps[name]
        return step_command(getattr(importlib.import_module(module), name.replace("-", "_")))

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command where there is none of that name."""
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.list_commands(context), n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(error.message + hint, context) from None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List utilities and steps with the first line of their documentation."""
        utilities = [(n, c.get_short_help_str(80)) for n, c in sorted(self.commands.items())]
        with formatter.section("Utilities"):
            formatter.write_dl(utilities)
        with formatter.section("Steps of the pipeline"):
            formatter.write_dl([(name, summary) for name, (_, summary) in find_steps().items()])


def step_command(function: Callable[..., None]) -> click.Command:
    """Make the command of a step from its signature.

    Parameters
    ----------
    function : callable
        Marked with :func:`mesomode.steps.step`.

    Returns
    -------
    click.Command
        With an option for each parameter, plus ``--log``.
    """
    name = function.__name__.replace("_", "-")
    signature = inspect.signature(function)
    description, meanings = documentation(inspect.getdoc(function) or "")
    options: list[click.Parameter] = []
    settings_class: Any = None
    for parameter, (kind, hint) in parameters_of(function).items():
        default = signature.parameters[parameter].default
        required = default is inspect.Parameter.empty
        flag = f"--{parameter.replace('_', '-')}"
        shown: dict[str, Any] = {"required": required}
        if not required:
            shown |= {"default": default, "show_default": default is not None}
        if kind == "settings":
            settings_class = hint
            options.append(
                click.Option(
                    [flag], default="{}", help="Settings as JSON; keys below.", metavar="JSON"
                )
            )
        elif kind in ("input", "output"):
            verb = "read" if kind == "input" else "write"
            text = meanings.get(parameter, f"File or store to {verb}.")
            options.append(click.Option([flag], help=text, metavar="PATH", **shown))
        elif kind == "inputs":
            text = meanings.get(parameter, "File or store to read.") + " May be repeated."
            options.append(click.Option([flag], multiple=True, help=text, metavar="PATH"))
        elif kind == "option":
            shown["help"] = meanings.get(parameter, _OPTION_HELP.get(parameter))
            options.append(
                click.Option([flag], type=hint if hint in (int, float) else str, **shown)
            )
    options.append(click.Option(["--log"], metavar="PATH", help="Also write the log here."))

    def invoke(**arguments: Any) -> None:
        log = arguments.pop("log")
        with_log(name, log, lambda: run_step(function, **_converted(function, arguments)))

    def _converted(function: Callable[..., None], arguments: dict[str, Any]) -> dict[str, Any]:
        from mesomode.config import validated

        for parameter, (kind, hint) in parameters_of(function).items():
            value: Any = arguments.get(parameter)
            if kind == "settings":
                try:
                    values = json.loads(value)
                except ValueError as error:
                    raise ConfigError(
                        "the settings are not JSON", where="--settings", why=str(error)
                    ) from error
                arguments[parameter] = validated(hint, values, f"settings of {name}")
            elif kind == "inputs":
                arguments[parameter] = [Path(path) for path in value]
            elif kind in ("input", "output") and value is not None:
                arguments[parameter] = Path(value)
        return arguments

    return click.Command(
        name,
        params=options,
        callback=invoke,
        help=description,
        epilog=_settings_help(settings_class),
        context_settings={"max_content_width": 100},
    )


def documentation(text: str) -> tuple[str, dict[str, str]]:
    """Take a numpydoc docstring apart.

    Parameters
    ----------
    text : str
        A docstring without its indentation (``inspect.getdoc``).

    Returns
    -------
    description : str
        What comes before the first section.
    meanings : dict
        Parameter → its description, as one line.
    """
    description, *sections = re.split(r"^(\w+)\n-{3,}\n", text, flags=re.MULTILINE)
    meanings: dict[str, str] = {}
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        if title == "Parameters":
            entries = re.split(r"^(\w+(?:, \w+)*) : .*\n", body, flags=re.MULTILINE)
            for names, meaning in zip(entries[1::2], entries[2::2], strict=True):
                plain = " ".join(meaning.replace("``", "").split())
                meanings |= dict.fromkeys(names.split(", "), plain)
    return description.strip(), meanings


_OPTION_HELP = {
    "seed": "The run's seed.",
    "threads": "Number of threads.",
}


def _settings_help(settings: Any) -> str | None:
    if settings is None:
        return None
    from mesomode.config import default_text

    rows = [
        f"{name} (default {default_text(field)}): {' '.join((field.description or '').split())}"
        for name, field in settings.model_fields.items()
    ]
    return "Settings:\n\n" + "\n\n".join(rows)


@click.group(cls=StepGroup, context_settings={"max_content_width": 100})
@click.version_option(package_name="mesomode")
def app() -> None:
    """From tracer data to dynamics.

    The pipeline is run with `snakemake`; every step of it is also a command here.
    """


@app.command()
@click.option("--file", type=Path, default=Path("config.yaml"), help="Configuration to check.")
@click.option("--values", help="The configuration itself, as JSON, instead of a file.")
@click.option("--out", type=Path, help="Write it here instead of printing it.")
@click.option("--schema", is_flag=True, help="Print the JSON schema.")
@click.option("--reference", is_flag=True, help="Print the reference as Markdown.")
def config(file: Path, values: str | None, out: Path | None, schema: bool, reference: bool) -> None:
    """Check a configuration and print it with all defaults filled in."""
    import yaml

    from mesomode import config as configuration
    from mesomode.files import atomic_file

    def job() -> None:
        if schema:
            click.echo(json.dumps(configuration.json_schema(), indent=1, ensure_ascii=False))
            return
        if reference:
            click.echo(configuration.reference(), nl=False)
            return
        if values is None and not file.exists():
            raise ConfigError(
                "the configuration does not exist",
                where=file.resolve(),
                remedy="change to the pipeline's folder, or name a file with --file",
            )
        read = yaml.safe_load(file.read_text() if values is None else values)
        checked = configuration.load_config(read or {}).model_dump(mode="json")
        text = yaml.safe_dump(checked, sort_keys=False, allow_unicode=True)
        if out is None:
            click.echo(text, nl=False)
            return
        with atomic_file(out) as temporary:
            temporary.write_text(text)

    with_log("config", None, job)


@app.command()
@click.argument("rule", required=False)
@click.option("--table", is_flag=True, help="Print the table of all rules as Markdown.")
def why(rule: str | None, table: bool) -> None:
    """Say what makes RULE run again, and whether and why it would run now."""
    from mesomode import reruns

    def job() -> None:
        reruns.require_pipeline(Path())
        click.echo(reruns.table(Path()) if table or rule is None else reruns.why(Path(), rule))

    with_log("why", None, job)


@app.command()
def status() -> None:
    """Show which stages are done, stale (and why) or missing, with times and sizes."""
    from mesomode import status as progress
    from mesomode.reruns import require_pipeline

    def job() -> None:
        root = Path()
        require_pipeline(root)
        if changes := list(progress.changed_keys(root)):
            click.echo("Since the last run the configuration has changed:")
            click.echo("".join(f"  {change}\n" for change in changes))
        for line in progress.lines(progress.stages(root)):
            click.echo(line)
        if progress.is_running(root):
            click.echo("A run is under way, or was killed (then: snakemake --unlock).")

    with_log("status", None, job)


@app.command("open")
@click.option("--run", help="Folder in results; that of config.yaml if not given.")
def open_(run: str | None) -> None:
    """List what a run has made that is worth looking at."""
    from mesomode import status as progress
    from mesomode.reruns import require_pipeline

    def job() -> None:
        require_pipeline(Path())
        folder = Path("results") / (run or progress.run_name(Path()))
        titles = progress.figure_titles(Path("workflow/rules"))
        found = list(progress.worth_looking(folder, titles))
        if not found:
            others = sorted(p.parent.name for p in Path("results").glob("*/config.yaml"))
            raise ConfigError(
                "there is nothing to look at",
                where=folder,
                why=f"there are the runs {', '.join(others)}" if others else None,
                remedy="run the pipeline first: snakemake --cores all; "
                "mesomode status shows how far it is",
            )
        width = max(len(str(path)) for path, _ in found)
        for path, meaning in found:
            click.echo(f"{path!s:{width}}  {meaning}")

    with_log("open", None, job)


@app.command()
@click.argument("stores", nargs=-1, type=Path, required=True)
def verify(stores: tuple[Path, ...]) -> None:
    """Compare every array of one or more stores with its recorded digest."""
    from mesomode.store import store_digest, verify_store

    damaged = False
    for store in stores:
        problems = verify_store(store)
        damaged = damaged or bool(problems)
        bad = "DAMAGED" if store.exists() else "MISSING"
        verdict = bad if problems else "sound, digest " + store_digest(store)
        click.echo(f"{store}: {verdict}")
        for problem in problems:
            click.echo(f"  - {problem}")
    raise SystemExit(int(damaged))


@app.command()
@click.argument("store", type=Path)
@click.argument("out", type=Path, required=False)
def export(store: Path, out: Path | None) -> None:
    """Write STORE as one .zarr.zip file for publishing (default: STORE.zip)."""
    from mesomode.store import export_store

    target = store.with_name(store.name + ".zip") if out is None else out

    def job() -> None:
        if not store.exists():
            raise ConfigError(
                "there is no such store", where=store.resolve(), remedy="mesomode open lists them"
            )
        export_store(store, target)
        click.echo(str(target))

    with_log("export", None, job)


@app.command()
@click.option("--root", type=Path, default=Path(), help="Working folder of the pipeline.")
def doctor(root: Path) -> None:
    """Check the environment, the cache and the results, and say what to do."""
    from mesomode import doctor as examination

    lines, sound = examination.report(root)
    click.echo("\n".join(lines))
    raise SystemExit(0 if sound else 1)


def main() -> None:
    """Entry point of the command ``mesomode``."""
    _limit_threads_early(sys.argv)
    # reads that zarr still had under way when a chunk turned out to be damaged
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    app(prog_name="mesomode")


def _limit_threads_early(arguments: list[str]) -> None:
    """Set the thread limits before the numerical libraries are loaded and read them."""
    if "--threads" in arguments[:-1]:
        count = arguments[arguments.index("--threads") + 1]
        for variable in THREAD_VARIABLES:
            os.environ[variable] = count
