"""What reruns when something changes: read off the rules themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mesomode.errors import ConfigError, MesomodeError

TOP_LEVEL = {
    "seed": "every rule that draws random numbers, and (phantom) the raw data",
    "source": "everything: the raw data are others",
    "run": "everything, into another folder; the raw data are shared",
    "rerun_on_code_change": "everything once, since the fingerprints change",
    "access": "nothing: how data are fetched is not what they are (but another "
    "`allensdk_python` reads them again)",
    "fetch": "with `source: allen` everything that follows on the data wanted; else nothing",
}
"""What is not read off the rules of the default configuration."""


@dataclass(frozen=True)
class Uses:
    """What a rule depends on besides its inputs.

    Parameters
    ----------
    sections : tuple of str
        Sections of the configuration it is given.
    stages : tuple of str
        Stages, or single modules, whose code it carries the fingerprint of.
    seed : bool
        Whether it is given the run's seed.
    """

    sections: tuple[str, ...]
    stages: tuple[str, ...]
    seed: bool


def require_pipeline(root: Path) -> None:
    """Refuse a folder that the pipeline is not in.

    Raises
    ------
    ConfigError
        There is no Snakefile, or no rules.
    """
    if not (root / "Snakefile").is_file() or not (root / "workflow/rules").is_dir():
        raise ConfigError(
            "the pipeline is not in this folder",
            where=root.resolve(),
            why="there is no Snakefile with workflow/rules",
            remedy="change to the folder that you cloned, then try again",
        )


def rule_uses(rules: Path) -> dict[str, Uses]:
    """Read what each rule uses from the rule files.

    Parameters
    ----------
    rules : Path
        Folder of the ``.smk`` files.

    Returns
    -------
    dict
        Rule name → :class:`Uses`, in reading order.
    """
    uses = {}
    for file in sorted(rules.glob("*.smk")):
        parts = re.split(r"^\s*(?:rule|checkpoint) (\w+):$", file.read_text(), flags=re.MULTILINE)
        for name, body in zip(parts[1::2], parts[2::2], strict=True):
            uses[name] = Uses(
                sections=tuple(re.findall(r"PLAN\.settings\(\s*\"(\w+)\"", body)),
                stages=tuple(re.findall(r"PLAN\.code\(\"([\w.]+)\"\)", body)),
                seed=re.search(r"\bseed=SEED\b", body) is not None,
            )
    return uses


def rule_graph(root: Path, *options: str) -> dict[str, set[str]]:
    """Which rules follow directly on which, as Snakemake sees it.

    Returns
    -------
    dict
        Rule name → names of the rules that read its output.
    """
    text = _snakemake(root, "--rulegraph", "dot", "--forceall", *options)
    labels = dict(re.findall(r'(\d+)\[label = "(\w+)"', text))
    graph: dict[str, set[str]] = {label: set() for label in labels.values() if label != "all"}
    for before, after in re.findall(r"(\d+) -> (\d+)", text):
        if labels[after] != "all":
            graph[labels[before]].add(labels[after])
    return graph


def descendants(graph: dict[str, set[str]], rules: set[str]) -> set[str]:
    """The given rules and all that follow on them."""
    queue, found = list(rules), set()
    while queue:
        rule = queue.pop()
        if rule not in found:
            found.add(rule)
            queue += graph.get(rule, ())
    return found


def planned_rules(root: Path, *options: str) -> dict[str, set[str]]:
    """Which rules would run now, and why.

    Returns
    -------
    dict
        Rule name → reasons, as Snakemake words them.
    """
    text = _snakemake(root, "--dry-run", "--nolock", *options)
    listed = re.search(r"^Reasons:$(.*?)^\S", text, re.DOTALL | re.MULTILINE)
    planned: dict[str, set[str]] = {}
    for reason, rules in re.findall(
        r"^    (\S.*):\n        (.*)$", listed[1] if listed else "", re.M
    ):
        for rule in rules.split(", "):
            planned.setdefault(rule, set()).add(reason)
    planned.pop("all", None)
    return planned


def summary(root: Path, *options: str) -> list[dict[str, str]]:
    """Snakemake's summary: one row for each output, with its rule, log, status and plan."""
    text = _snakemake(root, "--summary", *options)
    table = [line.split("\t") for line in text.splitlines() if line.count("\t") >= 5]
    return [dict(zip(table[0], row, strict=False)) for row in table[1:]]


def table(root: Path) -> str:
    """The table "if you change …, these rules rerun" as Markdown."""
    rules = root / "workflow/rules"
    uses, graph = rule_uses(rules), rule_graph(root)
    order = [rule for rule in uses if rule in graph]
    stages = rule_stages(rules)
    rows: dict[str, list[str]] = {}
    for kind, attribute in (("section", "sections"), ("code of", "stages")):
        for name in sorted({n for rule in order for n in getattr(uses[rule], attribute)}):
            users = {rule for rule in order if name in getattr(uses[rule], attribute)}
            found = _in_words(descendants(graph, users), order, stages)
            rows.setdefault(found, []).append(f"{kind} `{name}`")
    users = {rule for rule in order if uses[rule].seed}
    rows.setdefault(_in_words(descendants(graph, users), order, stages), []).append("key `seed`")
    lines = [
        "# What reruns when something changes",
        "",
        "Generated by `mesomode why --table` for the default configuration; do not edit.",
        "A section is one of `config.yaml`; code is that of a stage, or of a part of one, with",
        "everything that it imports. A stage stands for all its rules; single rules are in",
        "brackets. Besides, the rule `configuration` saves each change of the configuration.",
        "A single key of `connectome` reruns only the models whose fit depends on it.",
        "",
        "| if you change | this reruns, and nothing else |",
        "|---|---|",
        *(f"| {', '.join(changes)} | {found} |" for found, changes in rows.items()),
        *(
            f"| key or section `{key}` | {text} |"
            for key, text in TOP_LEVEL.items()
            if key != "seed"
        ),
        "| order of keys, comments or time stamp of `config.yaml` | nothing |",
        "| comments, docstrings, layout or time stamps of the code | nothing |",
        "| threads, memory, profile, executor | nothing |",
    ]
    return "\n".join(lines) + "\n"


def rule_stages(rules: Path) -> dict[str, str]:
    """Stage of each rule: the name of its file, without the number."""
    return {
        rule: file.stem.partition("_")[2]
        for file in sorted(rules.glob("*.smk"))
        for rule in re.findall(
            r"^\s*(?:rule|checkpoint) (\w+):$", file.read_text(), flags=re.MULTILINE
        )
    }


def why(root: Path, rule: str) -> str:
    """Say in words what makes a rule run again, and whether it would run now.

    Raises
    ------
    ConfigError
        There is no such rule.
    """
    uses = rule_uses(root / "workflow/rules")
    if rule not in uses:
        raise ConfigError(
            f"there is no rule {rule!r}", where="workflow/rules", remedy=f"one of {', '.join(uses)}"
        )
    graph = rule_graph(root)
    before = sorted(name for name, after in graph.items() if rule in after)
    own = uses[rule]
    reasons = planned_rules(root).get(rule)
    return "\n".join(
        [
            f"The rule {rule} reruns when one of these changes:",
            f"  config sections: {', '.join(own.sections) or 'none'}"
            + (" and the key seed" if own.seed else ""),
            f"  code of: {', '.join(own.stages) or 'none'} (with what they import)",
            f"  what these rules write: {', '.join(before) or 'none'}",
            "Now: it would not run."
            if reasons is None
            else f"Now: it would run ({'; '.join(sorted(reasons))}).",
        ]
    )


def _in_words(found: set[str], order: list[str], stages: dict[str, str]) -> str:
    """Stages of which all rules are found, and the rules found of the others."""
    words = []
    for stage in dict.fromkeys(stages[rule] for rule in order):
        rules = [rule for rule in order if stages[rule] == stage]
        some = [f"`{rule}`" for rule in rules if rule in found]
        if len(some) == len(rules):
            words.append(f"**{stage}**")
        elif some:
            words.append(f"{stage} ({', '.join(some)})")
    return ", ".join(words) or "nothing"


def _snakemake(root: Path, *options: str) -> str:
    command = [sys.executable, "-m", "snakemake", *options]
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise MesomodeError(
            "snakemake could not plan the run",
            where=root.resolve(),
            why=(done.stderr or done.stdout).strip()[-2000:],
        )
    return done.stdout + done.stderr
