"""The tiny pipeline on a real SLURM of two nodes, with jobs killed for memory and for time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesomode.store import verify_store
from tests.slurm.throwaway import ThrowAwaySlurm, missing_commands, throwaway_slurm
from tests.workflow.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(
        bool(missing_commands()),
        reason=f"no SLURM here (Debian: slurm-wlm, munge): lacks {', '.join(missing_commands())}",
    ),
]

# a job costs many seconds there, so that of those that are alike a few are run; that the
# memory they ask for is enough is tested of all rules in a local run
TARGETS = [
    f"results/default/{name}"
    for name in (
        *("config.yaml", "comparison.zarr", "sleeper.txt"),
        *("figures/dynamics.svg", "figures/atlas.svg"),
    )
]
STORES = {
    *("atlas", "tracing", "connectome/voxel", "network/random_mode", "network/independent"),
    *("dynamics/random_mode", "dynamics/independent", "comparison"),
}

# takes longer than SLURM lets it at the first attempt: a minute, and half a minute until it looks
SLEEPER = '''
"""sleeper: a job that is killed for time once; for the test of SLURM only."""

rule sleeper:
    output:
        f"{RUN}/sleeper.txt",
    log:
        f"{RUN}/logs/sleeper.log",
    resources:
        mem_mb=300,
        runtime=minutes(0.5),
    shell:
        "(date; sleep 90; echo {resources.runtime} minutes > {output}) > {log} 2>&1"
'''


@pytest.fixture(scope="module")
def slurm() -> Iterator[ThrowAwaySlurm]:
    # a short path, since sockets lie in it
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as folder,
        throwaway_slurm(Path(folder) / "cluster") as cluster,
    ):
        yield cluster


def test_nodes_run_jobs_and_kill_those_that_use_too_much_memory(slurm, tmp_path):
    """The throw-away SLURM is one: two nodes, and limits that are enforced."""
    where = slurm.run("srun", "--nodes=2", "--ntasks=2", "sh", "-c", "echo $SLURMD_NODENAME")
    assert sorted(where.split()) == slurm.node_names
    greedy = "python3 -c 'import time; x = b\"x\" * 300_000_000; time.sleep(30)'"
    output = tmp_path / "greedy.log"
    arguments = ("--wait", "--mem=100", "--comment=greedy", f"--output={output}")
    with pytest.raises(Exception, match="non-zero exit status"):
        slurm.run("sbatch", *arguments, f"--wrap={greedy}")
    assert "exceeded memory limit" in output.read_text()


@pytest.fixture(scope="module")
def run_on_slurm(
    slurm: ThrowAwaySlurm, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workspace, str]:
    """The tiny pipeline, run through the profile; and what snakemake printed."""
    workspace = Workspace.make(tmp_path_factory.mktemp("slurm") / "workspace")
    (workspace.folder / "workflow/rules/99_sleeper.smk").write_text(SLEEPER.lstrip())
    workspace.variables |= slurm.environment
    done = workspace.snakemake(
        *TARGETS,
        *("--workflow-profile", "workflow/profiles/slurm"),
        # too little at first, then more: killed for memory once
        *("--set-resources", "connectome_voxel:mem_mb=150 * 10 ** (attempt - 1)"),
        # look often, since the jobs are short
        *("--slurm-init-seconds-before-status-checks", "2"),
        timeout=1200,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"{output[-8000:]}\n{slurm.logs()}"
    return workspace, output


def test_results_are_those_of_a_local_run(run_on_slurm, finished_run):
    workspace, _ = run_on_slurm
    for name, path in workspace.stores().items():
        assert not verify_store(path), name
    found, local = workspace.digests(), finished_run.digests()
    assert found == {name: local[name] for name in found}
    assert {f"{name}.zarr" for name in STORES} <= set(found)
    assert workspace.temporary_files() == []


def test_jobs_ran_on_slurm_with_what_the_rules_ask_for(run_on_slurm, slurm):
    _, output = run_on_slurm
    jobs = slurm.run("squeue", "--noheader", "--states=all", "--format=%k|%T|%C|%N|%l")
    by_rule: dict[str, list[list[str]]] = {}
    for line in jobs.splitlines():
        comment, *rest = line.split("|")
        if comment.startswith("rule_"):
            rule = comment.removeprefix("rule_").partition("_wildcards_")[0]
            by_rule.setdefault(rule, []).append(rest)
    assert {"atlas", "tracing", "connectome_voxel", "network", "dynamics"} <= set(by_rule)
    assert "configuration" not in by_rule, "local rules stay where snakemake runs"
    assert output.count("has been submitted with SLURM jobid") == sum(map(len, by_rule.values()))
    used = {job[2] for rule_jobs in by_rule.values() for job in rule_jobs}
    assert used == set(slurm.node_names), "both nodes worked"
    assert {job[1] for job in by_rule["connectome_voxel"]} == {"2"}, "CPUs follow the threads"


def test_a_job_out_of_memory_was_run_again_with_more(run_on_slurm, slurm):
    workspace, output = run_on_slurm
    jobs = slurm.run("squeue", "--noheader", "--states=all", "--format=%k|%m|%T").split()
    fits = sorted(job for job in jobs if job.startswith("rule_connectome_voxel"))
    assert fits == ["rule_connectome_voxel|1500M|COMPLETED", "rule_connectome_voxel|150M|FAILED"]
    logs = (workspace.folder / "results/slurm_logs/rule_connectome_voxel").rglob("*.log")
    assert any("exceeded memory limit" in log.read_text() for log in logs)
    assert "Trying to restart job" in output


def test_a_job_out_of_time_was_run_again_with_more(run_on_slurm):
    workspace, output = run_on_slurm
    assert "SLURM status is: 'TIMEOUT'" in output
    minutes = (workspace.run_folder / "sleeper.txt").read_text()
    assert minutes in ("2 minutes\n", "3 minutes\n"), "the second attempt, or the third"


def test_the_cluster_is_gone_afterwards(tmp_path_factory):
    """It ends with its block, also after an error, and leaves no process and no file."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as parent:
        folder = Path(parent) / "cluster"
        with pytest.raises(ZeroDivisionError), throwaway_slurm(folder) as cluster:
            daemons = [daemon.pid for daemon in cluster.daemons]
            assert len(daemons) == 4 and all(Path(f"/proc/{pid}").exists() for pid in daemons)
            raise ZeroDivisionError
        assert not any(Path(f"/proc/{pid}").exists() for pid in daemons)
        assert not folder.exists()
