"""How far a run is: what is done, stale (and why) or missing, and what there is to look at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mesomode.reruns import planned_rules, rule_stages, summary
from mesomode.workflow import Plan

STATES = ("done", "stale", "missing")
LOOK_AT = (
    ("explorer/index.html", "the explorer: open it in a browser and click a voxel"),
    ("report.zip", "the report: unpack it and open report/report.html"),
    ("summary.html", "the key numbers of all stages"),
    ("summary.csv", "the same as a table"),
    ("connectome/table.csv", "errors of all connectome models in the same folds"),
    ("figures/*.svg", "a figure"),
    ("figures/*.gif", "a film"),
    ("figures/*.html", "a page"),
    ("*/*.zarr", "arrays with labels: xarray.open_zarr(path)"),
    ("*.zarr", "arrays with labels: xarray.open_zarr(path)"),
)
"""Patterns within the folder of a run, and what the files are."""


REASONS = {
    "params have changed since last execution": "settings or code changed",
    "input files updated by another job": "follows on what is made again",
    "updated input files": "what it reads is newer",
    "set of input files has changed since last execution": "it reads other files now",
    "output files have to be generated": "a file is missing",
    "incomplete output files": "it was interrupted",
}
"""Beginnings of what Snakemake says, lower case, and the same in fewer words."""


@dataclass
class StageState:
    """Outputs of one stage.

    Parameters
    ----------
    counts : dict
        State (one of `STATES`) → number of outputs.
    bytes : int
        Size of the outputs that exist.
    seconds : float
        Run time of the jobs that wrote them, as far as it is recorded.
    reasons : dict
        Rule of which there are outputs that are not up to date → why it would run.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    bytes: int = 0
    seconds: float = 0.0
    reasons: dict[str, set[str]] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """One word for the whole stage."""
        if self.counts["missing"]:
            done = self.counts["done"] + self.counts["stale"]
            return "part missing" if done else "missing"
        return "stale" if self.counts["stale"] else "done"


def stages(root: Path) -> dict[str, StageState]:
    """Ask Snakemake for the state of every output, and gather it by stage.

    Parameters
    ----------
    root : Path
        The folder of the ``Snakefile``.

    Returns
    -------
    dict
        Stage → :class:`StageState`, in the order of the rule files.

    Raises
    ------
    MesomodeError
        Snakemake cannot plan the run, with its words.
    """
    of_rule = rule_stages(root / "workflow/rules")
    planned = planned_rules(root)
    result: dict[str, StageState] = {stage: StageState() for stage in of_rule.values()}
    timed: set[Path] = set()
    for row in summary(root):
        if row["rule"] not in of_rule:
            continue
        stage = result[of_rule[row["rule"]]]
        path = root / row["output_file"]
        exists = path.exists()
        pending = row["plan"] != "no update"
        stage.counts["missing" if not exists else "stale" if pending else "done"] += 1
        if exists:
            stage.bytes += size(path)
        if exists and pending and row["rule"] in planned:
            stage.reasons[row["rule"]] = planned[row["rule"]]
        benchmark = root / row["log-file(s)"].replace("/logs/", "/benchmarks/")
        benchmark = benchmark.with_suffix(".tsv")
        if benchmark not in timed and benchmark.is_file():
            timed.add(benchmark)
            stage.seconds += _seconds(benchmark)
    return {name: stage for name, stage in result.items() if sum(stage.counts.values())}


def lines(states: dict[str, StageState]) -> Iterator[str]:
    """Describe the stages as the lines of a table, with the reasons of what is stale."""
    heads = ("done", 5), ("stale", 6), ("missing", 8), ("time", 8), ("size", 9)
    yield f"{'stage':13} {'state':13} " + " ".join(f"{head:>{width}}" for head, width in heads)
    for name, stage in states.items():
        counts = stage.counts
        made = counts["done"] + counts["stale"] > 0
        yield (
            f"{name:13} {stage.state:13} {counts['done']:5} {counts['stale']:6} "
            f"{counts['missing']:8} {duration(stage.seconds) if made else '-':>8} "
            f"{bytes_text(stage.bytes) if made else '-':>9}"
        )
        by_reason: dict[str, list[str]] = {}
        for rule, reasons in stage.reasons.items():
            words = sorted({in_words(reason) for reason in reasons})
            by_reason.setdefault("; ".join(words), []).append(rule)
        for reason, rules in by_reason.items():
            yield f"{'':13} {reason}: {', '.join(rules)}"
    open_jobs = sum(s.counts["stale"] + s.counts["missing"] for s in states.values())
    if open_jobs:
        yield f"{open_jobs} outputs are to be made: snakemake --cores all"
    else:
        yield "Everything is made and up to date; mesomode open lists what to look at."


def in_words(reason: str) -> str:
    """A reason of Snakemake's in fewer words; as it is if it is not known."""
    known = (words for start, words in REASONS.items() if reason.lower().startswith(start))
    return next(known, reason)


def changed_keys(root: Path) -> Iterator[str]:
    """Keys that ``config.yaml`` gives another value than the run last made had.

    Yields
    ------
    str
        ``section.key: before → now``; nothing where no run has begun.
    """
    plan = Plan(_yaml(root / "config.yaml"))
    now = plan.values
    saved = root / plan.run / "config.yaml"
    if not saved.is_file():
        return
    before = _leaves(_yaml(saved))
    for key, value in _leaves(now).items():
        if key not in before:
            yield f"{key}: new, {value}"
        elif before[key] != value:
            yield f"{key}: {before[key]} → {value}"


def _leaves(values: Mapping[str, Any]) -> dict[str, Any]:
    pairs = {(section, None): value for section, value in values.items()}
    for (section, _), value in list(pairs.items()):
        if isinstance(value, dict):
            del pairs[section, None]
            pairs |= {(section, key): inner for key, inner in value.items()}
    return {".".join(filter(None, names)): value for names, value in pairs.items()}


def _yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {} if path.is_file() else {}


def run_name(root: Path) -> str:
    """Name of the run that ``config.yaml`` describes."""
    return str(Plan(_yaml(root / "config.yaml")).values["run"])


def is_running(root: Path) -> bool:
    """Whether a run holds this folder, or was killed while it did."""
    locks = root / ".snakemake/locks"
    return locks.is_dir() and any(locks.iterdir())


def figure_titles(rules: Path) -> dict[str, str]:
    """What the rules call their figures.

    Parameters
    ----------
    rules : Path
        Folder of the ``.smk`` files.

    Returns
    -------
    dict
        Name of the figure's file, perhaps with a wildcard in braces → title.
    """
    found = re.findall(
        r"figures/([\w{}]+)\.\w+\",[^()]*?labels=\{\"figure\": \"([^\"]+)\"",
        "\n".join(file.read_text() for file in sorted(rules.glob("*.smk"))),
    )
    return {name.replace("{{", "{").replace("}}", "}"): title for name, title in found}


def worth_looking(run: Path, titles: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Files of a run that a person may want to open, the most telling first.

    Parameters
    ----------
    run : Path
        Folder of the run.
    titles : mapping
        Of figures, see :func:`figure_titles`.

    Yields
    ------
    path, meaning
    """
    seen: set[Path] = set()
    for pattern, meaning in LOOK_AT:
        for path in sorted(run.glob(pattern)):
            if path not in seen:
                seen.add(path)
                is_figure = path.parent.name == "figures"
                yield path, (_title(path.stem, titles) if is_figure else "") or meaning


def _title(name: str, titles: Mapping[str, str]) -> str:
    for pattern, title in titles.items():
        fixed, wildcard, _ = pattern.partition("{")
        if name == pattern or (wildcard and name.startswith(fixed)):
            return re.sub(r"\{\w+\}", name.removeprefix(fixed), title)
    return ""


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def bytes_text(count: int) -> str:
    """A size with its unit."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.3g} GB"


def duration(seconds: float) -> str:
    """A time in minutes and seconds, or hours and minutes."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"


def _seconds(benchmark: Path) -> float:
    """Wall-clock time in a benchmark file of Snakemake; 0 if it is not complete."""
    rows = benchmark.read_text().splitlines()
    try:
        return float(rows[1].split("\t")[0])
    except (IndexError, ValueError):
        return 0.0
