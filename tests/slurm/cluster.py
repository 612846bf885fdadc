"""A private Slurm of some nodes: real daemons on the loopback address, pretend GPUs, nothing outside its directory.

The GPUs are links to ``/dev/null``: Slurm hands them out and sets ``CUDA_VISIBLE_DEVICES`` as it does for real ones.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from making import wait_for

GPUS = 4
CPUS = 16
MEMORY_MB = 16_000
DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "munge")


def missing_tools() -> list[str]:
    """Return what a private Slurm would need and this machine lacks; root among them, for jobs run as their owner."""
    found = [tool for tool in (*DAEMONS, *CLIENTS) if find_tool(tool) is None]
    return found if os.geteuid() == 0 else [*found, "the rights of root"]


def find_tool(name: str) -> str | None:
    """Return the path of a program, the ones for administrators included."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that nobody listens on.

    They lie below those that the system gives to whoever asks for any: the next to ask cannot get one of them before
    the daemon that it is meant for has it.
    """
    found: list[int] = []
    for port in random.sample(range(20_000, 30_000), 1_000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free port from 20000 to 29999")


@dataclass
class Cluster:
    """A running cluster. `environment` is what its users need to reach it."""

    directory: Path
    nodes: Sequence[str] = ("node",)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The cluster's slurm.conf."""
        return self.directory / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a user on the login node."""
        return {"SLURM_CONF": str(self.config), "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}"}

    def ask(self, *command: str, check: bool = True) -> str:
        """Run one of Slurm's commands and return what it prints."""
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **self.environment}
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    def jobs(self, states: str = "all") -> dict[str, str]:
        """Return the state of each job that the controller remembers, by id."""
        lines = self.ask("squeue", "--noheader", f"--states={states}", "--format=%A %T", check=False).splitlines()
        return dict(line.split() for line in lines)

    def describe(self, job: str) -> dict[str, str]:
        """Return what the controller knows about a job."""
        text = self.ask("scontrol", "show", "job", "--oneliner", job)
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    @property
    def daemons(self) -> list[str]:
        """The names of all daemons, in the order in which they start; that of a node is ``slurmd NODE``."""
        return ["munged", "slurmctld", *(f"slurmd {node}" for node in self.nodes)]

    def start(self, daemon: str) -> None:
        """Start a daemon in the foreground of a session of its own."""
        program, _, node = daemon.partition(" ")
        arguments = {
            "munged": [
                "--foreground", "--force", "--num-threads=2",
                *(f"--{name}={self.directory / 'munge' / name}" for name in ("key-file", "socket", "pid-file")),
                *(f"--{name}={self.directory / 'munge' / name}" for name in ("seed-file", "log-file")),
            ],
            # without -i, a controller that comes back knows its jobs
            "slurmctld": ["-D", "-f", str(self.config)],
            "slurmd": ["-D", "-N", node, "-f", str(self.config)],
        }[program]  # fmt: skip
        path = find_tool(program)
        assert path is not None
        with (self.directory / f"{daemon}.out").open("ab") as log:
            self.processes[daemon] = subprocess.Popen(
                [path, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "SLURM_CONF": str(self.config)},
            )  # fmt: skip

    def stop(self, daemon: str) -> None:
        """Stop a daemon and wait for its end."""
        process = self.processes.pop(daemon)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def cut_off(self, node: str) -> None:
        """Let the controller take a node for lost; its jobs run on, and nobody hears of them."""
        daemon = self.processes.pop(f"slurmd {node}")
        daemon.kill()
        daemon.wait()
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")

    def lose(self, node: str) -> None:
        """Let a node vanish with all that runs on it, as if its power were cut."""
        self.cut_off(node)
        for process in processes_on(self.config, node):
            with suppress(ProcessLookupError):  # it ended with its parent
                os.kill(process, signal.SIGKILL)

    def is_up(self) -> bool:
        """Tell whether the controller answers and all nodes take jobs."""
        states = self.ask("sinfo", "--noheader", "--Node", "--format=%T", check=False).split()
        return bool(states) and set(states) <= {"idle", "mixed", "allocated"}

    def log(self) -> str:
        """Return the ends of the daemons' logs."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-2_000:]}" for path in self.directory.glob("*.out"))


def processes_on(config: Path, node: str) -> list[int]:
    """Return the processes of the jobs on a node."""
    wanted = (str(config), node)
    return [
        process
        for process, environment in environments()
        if (environment.get("SLURM_CONF"), environment.get("SLURMD_NODENAME")) == wanted
    ]


def write_files(directory: Path, nodes: Sequence[str]) -> None:
    """Write what the daemons read: the key, the devices, the configuration, and two stand-ins for commands."""
    for name in ("munge", "state", "devices", "bin", *(f"spool-{node}" for node in nodes)):
        (directory / name).mkdir(mode=0o755)
    key = directory / "munge" / "key-file"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    for number in range(GPUS):
        (directory / "devices" / f"gpu{number}").symlink_to("/dev/null")
    (directory / "gres.conf").write_text(
        f"AutoDetect=off\nNodeName={','.join(nodes)} Name=gpu Type=pretend File={directory}/devices/gpu[0-{GPUS - 1}]\n"
    )
    controller, *ports = free_ports(1 + len(nodes))
    host = socket.gethostname().partition(".")[0]
    settings = {
        "ClusterName": "test",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmctldPort": controller,
        "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        # a job that is queued again waits until its first credentials have expired: two minutes, if nothing is said
        "AuthInfo": f"socket={directory}/munge/socket,cred_expire=5",
        "CredType": "cred/munge",
        "StateSaveLocation": directory / "state",
        "SlurmdSpoolDir": f"{directory}/spool-%n",
        "SlurmctldPidFile": directory / "slurmctld.pid",
        "SlurmdPidFile": f"{directory}/slurmd-%n.pid",
        "MailProg": "/bin/true",
        "MpiDefault": "none",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "AccountingStorageType": "accounting_storage/none",
        # polls the memory of jobs, so that one beyond its limit is ended
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=1",
        "JobAcctGatherParams": "OverMemoryKill",
        "SchedulerParameters": "batch_sched_delay=0,sched_min_interval=10000",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "DefMemPerCPU": 500,
        "ReturnToService": 2,
        "SlurmdTimeout": 300,
        "MinJobAge": 600,
        "KillWait": 2,
        "GresTypes": "gpu",
        "SlurmdParameters": "config_overrides",
    }
    lines = [f"{key}={value}" for key, value in settings.items()]
    for number, (node, port) in enumerate(zip(nodes, ports, strict=True)):
        # Debian's Slurm wants each node to have a host of its own; that of a further one is nobody's
        name = host if number == 0 else node
        lines.append(
            f"NodeName={node} NodeHostname={name} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS} RealMemory={MEMORY_MB} "
            f"Gres=gpu:pretend:{GPUS}"
        )
    lines += [
        f"PartitionName={name} Nodes={','.join(nodes)} MaxTime=INFINITE State=UP" for name in ("cpu Default=YES", "gpu")
    ]
    (directory / "slurm.conf").write_text("\n".join(lines) + "\n")
    # A job step of the plugin loses SLURM_CONF, which a cluster with its files in /etc does not need.
    write_script(directory / "bin" / "srun", f'SLURM_CONF={directory}/slurm.conf exec {find_tool("srun")} "$@"')
    # There is no accounting: the plugin's questions after jobs are answered by the controller, others not at all.
    write_script(
        directory / "bin" / "sacct",
        'while [ $# -gt 0 ] && [ "$1" != --name ]; do shift; done; [ $# -gt 1 ] || exit 0\n'
        f'exec {find_tool("squeue")} --noheader --states=all --name "$2" --format "%i|%T"',
    )


def write_script(path: Path, body: str) -> None:
    """Write a shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@contextmanager
def running_cluster(directory: Path, nodes: Sequence[str] = ("node",)) -> Iterator[Cluster]:
    """Start a cluster below `directory`; stop it, and all that its jobs left behind, at the end."""
    write_files(directory, nodes)
    cluster = Cluster(directory, nodes)
    try:
        cluster.start("munged")
        wait_for((directory / "munge" / "socket").is_socket, "munged listens")
        for daemon in cluster.daemons[1:]:
            cluster.start(daemon)
        wait_for(cluster.is_up, f"the node is up\n{cluster.log()}")
        yield cluster
    finally:
        stop_cluster(cluster)


def stop_cluster(cluster: Cluster) -> None:
    """Cancel the jobs, stop the daemons, and end what is left of jobs."""
    if "slurmctld" in cluster.processes and cluster.processes["slurmctld"].poll() is None:
        waiting = cluster.jobs("PENDING,RUNNING,SUSPENDED,COMPLETING")
        if waiting:
            cluster.ask("scancel", *waiting, check=False)
        wait_for(lambda: not cluster.jobs("PENDING,RUNNING,SUSPENDED,COMPLETING"), "the jobs end", 30)
    for daemon in reversed(cluster.daemons):
        if daemon in cluster.processes:
            cluster.stop(daemon)
    for process in leftovers(cluster.config):
        with suppress(ProcessLookupError):  # it ended by itself
            os.kill(process, signal.SIGKILL)


def leftovers(config: Path) -> list[int]:
    """Return the processes that belong to jobs of the cluster with this configuration."""
    return [
        process
        for process, environment in environments()
        if environment.get("SLURM_CONF") == str(config) and "SLURM_JOB_ID" in environment
    ]


def environments() -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield every process that may be read, with the environment that it was started with."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            entries = (path / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        yield int(path.name), dict(entry.split("=", 1) for entry in entries if "=" in entry)
