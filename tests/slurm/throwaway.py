"""A throw-away SLURM on this machine: one controller, two nodes, gone with the test.

Everything lives in one folder: configuration, keys, sockets, state, logs. All
daemons listen on the loopback address only, on ports that were free, run in the
foreground as children of this process, and are told by the kernel to end when it
ends, however it ends. Nothing outside the folder is written, no configuration of
a real SLURM is read or changed, and root is not needed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

COMMANDS = (
    *("munged", "slurmctld", "slurmd", "srun", "sbatch", "squeue", "sinfo", "scancel"),
    "setpriv",
)
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
"""Where distributions put daemons; often not in a user's PATH."""

CONFIGURATION = """\
ClusterName=throwaway
# loopback only
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={controller_port}
# everything as the user who runs the test
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
# everything in one folder
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
# finished jobs stay visible to squeue, which is how Snakemake asks for them
MinJobAge=3600
# no cgroups: processes are followed by their parents, memory is polled and jobs
# that use more than they asked for are killed
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
# both CPUs and memory are shared out; jobs start and end without delay
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
KillWait=2
MpiDefault=none
ReturnToService=2
# the nodes are this machine, several times over
SlurmdParameters=config_overrides
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_commands() -> list[str]:
    """Names of the commands needed that this machine lacks."""
    return [command for command in COMMANDS if _which(command) is None]


class ThrowAwaySlurm:
    """A running SLURM of a few nodes, as made by :func:`throwaway_slurm`."""

    def __init__(self, folder: Path, nodes: int, cpus: int) -> None:
        self.folder = folder
        self.node_names = [f"node{i + 1}" for i in range(nodes)]
        self.environment = self._environment()
        self.daemons: list[subprocess.Popen[bytes]] = []
        self._write_configuration(cpus)

    def _environment(self) -> dict[str, str]:
        """What a client needs: our configuration, and an srun that keeps to it.

        Snakemake's job step drops ``SLURM_CONF`` before it calls ``srun``, so a
        wrapper of that name, first in the path, sets it again.
        """
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        configuration = self.folder / "slurm.conf"
        wrapper = programs / "srun"
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {_which("srun")} "$@"\n')
        wrapper.chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))}
        return {
            **kept,
            "SLURM_CONF": str(configuration),
            "PATH": os.pathsep.join([str(programs), kept.get("PATH", os.defpath)]),
        }

    def _write_configuration(self, cpus: int) -> None:
        for name in ("state", "spool", "log"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        host = socket.gethostname().split(".")[0]
        controller_port, *node_ports = _free_ports(1 + len(self.node_names))
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} "
            f"RealMemory={memory * 9 // 10 // len(self.node_names)} State=UNKNOWN"
            for name, port in zip(self.node_names, node_ports, strict=True)
        )
        text = CONFIGURATION.format(
            host=host,
            controller_port=controller_port,
            user=pwd.getpwuid(os.getuid()).pw_name,
            folder=self.folder,
            nodes=nodes,
        )
        (self.folder / "slurm.conf").write_text(text)

    def start(self) -> None:
        """Start all daemons and wait until every node is idle."""
        folder = self.folder
        self._start(
            "munged",
            "--foreground",
            # the folder above may be open to others, which munged would refuse
            "--force",
            f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/log/munged.log",
            f"--seed-file={folder}/munged.seed",
        )
        self._wait_for("the munge socket", lambda: (folder / "munge.socket").exists())
        # -i: do not look for the state of an earlier life
        self._start("slurmctld", "-D", "-i")
        for name in self.node_names:
            self._start("slurmd", "-D", "-N", name)
        self._wait_for("idle nodes", self._all_idle)

    def run(self, *command: str) -> str:
        """Output of a SLURM command such as ``squeue``."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    def job_states(self) -> list[tuple[str, str]]:
        """(comment, state) of every job so far; Snakemake puts the rule into the comment."""
        lines = self.run("squeue", "--noheader", "--states=all", "--format=%k|%T").splitlines()
        return [(comment, state) for comment, _, state in (x.partition("|") for x in lines)]

    def stop(self) -> None:
        """Cancel all jobs and end all daemons; safe to call at any time."""
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            user = pwd.getpwuid(os.getuid()).pw_name
            self.run("scancel", f"--user={user}")
            deadline = time.monotonic() + 20
            while self.run("squeue", "--noheader") and time.monotonic() < deadline:
                time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()

    def logs(self) -> str:
        """The last lines of all daemons' logs, for error messages."""
        parts = []
        for file in sorted((self.folder / "log").iterdir()):
            lines = file.read_text(errors="replace").splitlines()
            parts.append("\n".join([f"--- {file.name}", *lines[-15:]]))
        return "\n".join(parts)

    def _start(self, program: str, *arguments: str) -> None:
        with (self.folder / "log" / f"{Path(program).name}.out").open("ab") as output:
            self.daemons.append(
                subprocess.Popen(
                    # ends with this process even if that is killed
                    [str(_which("setpriv")), "--pdeathsig", "KILL", _which(program), *arguments],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    start_new_session=True,
                )
            )

    def _all_idle(self) -> bool:
        try:
            lines = self.run("sinfo", "--noheader", "--Node", "--format=%N %t").splitlines()
        except subprocess.SubprocessError:
            return False
        return {line for line in lines if line.endswith(" idle")} == {
            f"{name} idle" for name in self.node_names
        }

    def _wait_for(self, what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            ended = [str(d.args) for d in self.daemons if d.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"no {what}; ended: {ended}\n{self.logs()}")
            time.sleep(0.1)


@contextlib.contextmanager
def throwaway_slurm(folder: Path, nodes: int = 2, cpus: int = 2) -> Iterator[ThrowAwaySlurm]:
    """Run a SLURM in ``folder`` (created; removed at the end) for the time of a ``with`` block.

    Parameters
    ----------
    folder : Path
        Must not exist; its path must be shorter than about 90 characters,
        because sockets lie in it.
    nodes, cpus : int
        Number of nodes, and of CPUs of each (they may exceed the machine's).
    """
    folder.mkdir(parents=True)
    # a test that is asked to end still stops the cluster
    previous = signal.signal(signal.SIGTERM, _raise_exit)
    try:
        cluster = ThrowAwaySlurm(folder, nodes, cpus)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
    finally:
        signal.signal(signal.SIGTERM, previous)
        shutil.rmtree(folder, ignore_errors=True)


def _raise_exit(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _free_ports(count: int) -> list[int]:
    """Ports of the loopback address that are free now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


def _which(command: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS])
    return shutil.which(command, path=path)
