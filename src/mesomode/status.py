"""How far a run is: what is done, stale (and why) or missing, and what there is to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mesomode.reruns import planned_rules, rule_stages, summary

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
        Rule → why it would run.
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
        if pending and row["rule"] in planned:
            stage.reasons[row["rule"]] = planned[row["rule"]]
        benchmark = root / row["log-file(s)"].replace("/logs/", "/benchmarks/")
        benchmark = benchmark.with_suffix(".tsv")
        if benchmark not in timed and benchmark.is_file():
            timed.add(benchmark)
            stage.seconds += _seconds(benchmark)
    return {name: stage for name, stage in result.items() if sum(stage.counts.values())}


def lines(states: dict[str, StageState]) -> Iterator[str]:
    """Describe the stages as the lines of a table."""
    heads = ("done", 5), ("stale", 6), ("missing", 8), ("time", 8), ("size", 9)
    yield f"{'stage':12} {'state':13} " + " ".join(f"{head:>{width}}" for head, width in heads)
    for name, stage in states.items():
        counts = stage.counts
        yield (
            f"{name:12} {stage.state:13} {counts['done']:5} {counts['stale']:6} "
            f"{counts['missing']:8} {duration(stage.seconds):>8} {stage.bytes / 1e6:6.1f} MB"
        )
        for rule, reasons in stage.reasons.items():
            yield f"{'':12}   {rule}: {'; '.join(sorted(reasons))}"
    open_jobs = sum(s.counts["stale"] + s.counts["missing"] for s in states.values())
    if open_jobs:
        yield f"{open_jobs} outputs are to be made: snakemake --cores all"
    else:
        yield "Everything is made and up to date; mesomode open lists what to look at."


def worth_looking(run: Path) -> Iterator[tuple[Path, str]]:
    """Files of a run that a person may want to open, the most telling first.

    Yields
    ------
    path, meaning
    """
    seen: set[Path] = set()
    for pattern, meaning in LOOK_AT:
        for path in sorted(run.glob(pattern)):
            if path not in seen:
                seen.add(path)
                yield path, meaning


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


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
