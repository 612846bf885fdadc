"""Runs of the workflow on a private Slurm: their profile, their command, their jobs and workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from cluster import Cluster, environments, missing_tools
from making import (
    ROOT,
    TABLES,
    clean_environment,
    make_texts,
    run_workflow,
    shard_names,
    wait_for,
    write_config,
)
from shardner.data.job_files import read_job
from shardner.data.metrics import Job

TEXTS = make_texts(600, seed=9)
SHARDS = 5  # one more than GPUs

#: The marks of a module of such tests.
MARKS = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(missing_tools()), reason=f"a private Slurm cannot run here for want of {missing_tools()}"),
]


def write_profile(directory: Path, name: str = "slurm", **resources: object) -> Path:
    """Write a shipped profile with quicker polling, small jobs, and other resources for annotation."""
    profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text("utf-8"))
    profile["slurm-init-seconds-before-status-checks"] = 1
    profile["slurm-status-command"] = "squeue"
    profile["set-threads"] = {"annotate_shard": 1}
    profile["set-resources"]["annotate_shard"] |= resources
    path = directory / "profiles" / name
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    return path


def command(directory: Path, given: dict[str, Any], profile: Path, *targets: str) -> list[str]:
    """Return the command of a run on the cluster, of `targets` where any are given."""
    return [
        sys.executable, "-m", "snakemake", *targets, "--snakefile", str(ROOT / "Snakefile"),
        "--directory", str(directory), "--workflow-profile", str(profile),
        "--configfile", str(write_config(directory, given)),
    ]  # fmt: skip


def annotated(given: dict[str, Any], count: int) -> list[str]:
    """Return the targets of a run that ends with the annotation of the first `count` shards."""
    shards = shard_names(Path(given["corpus"]["files"][0]), SHARDS)
    return [f"results/.work/jobs/annotate_shard/{shard}.json" for shard in shards[:count]]


def environment(cluster: Cluster) -> dict[str, str]:
    # every job starts Snakemake twice: with byte code on disk that takes a third of the time
    inherited = {key: value for key, value in clean_environment().items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, **cluster.environment}


def run_on_cluster(cluster: Cluster, words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment(cluster), timeout=300)


def start_on_cluster(cluster: Cluster, directory: Path, words: list[str]) -> subprocess.Popen[bytes]:
    with (directory / "run.log").open("wb") as log:
        return subprocess.Popen(words, stdout=log, stderr=log, env=environment(cluster))


def records(directory: Path) -> list[Job]:
    return [read_job(path) for path in sorted((directory / "results/.work/jobs/annotate_shard").glob("*/?????.json"))]


def workers(cluster: Cluster) -> dict[int, str]:
    """Return the processes that annotate on the cluster, each with the id of its job."""
    found = {}
    for process, variables in environments():
        if variables.get("SLURM_CONF") == str(cluster.config) and "SLURM_JOB_ID" in variables:
            try:
                if b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes():
                    found[process] = variables["SLURM_JOB_ID"]
            except OSError:
                continue
    return found


def hold_workers(cluster: Cluster, run: subprocess.Popen[bytes], count: int) -> dict[int, str]:
    """Wait for `count` jobs to have a worker, and stop these in the middle."""
    held: dict[int, str] = {}

    def hold() -> bool:
        assert run.poll() is None, "the run ended too early"
        for process, job in workers(cluster).items():
            if process not in held:
                with suppress(ProcessLookupError):  # it ended by itself
                    os.kill(process, signal.SIGSTOP)
                    held[process] = job
        return len(set(held.values())) >= count

    wait_for(hold, f"{count} jobs have workers\n{cluster.log()}", 120)
    return held


def assert_same_results(directory: Path, given: dict[str, Any], local: Path, *, kept: int = SHARDS) -> None:
    """Finish a run without the cluster, which must keep the shards that are done, and compare it with the local one."""
    finished = run_workflow(directory, given, *TABLES)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.count("Annotating shard") == SHARDS - kept
    for path in TABLES:
        assert pl.read_parquet(directory / path).equals(pl.read_parquet(local / path))
