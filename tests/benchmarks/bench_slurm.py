"""Measure what a job costs on Slurm besides its work, on a private cluster of one node (tests/slurm/cluster.py).

    python tests/benchmarks/bench_slurm.py [--shards 8] [--at-once 2] [--interval 40]

As root, where Slurm is installed. Prints, for each part of a job's way, the median over the jobs and the range.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "slurm"), str(ROOT / "workflow" / "scripts")]

import yaml
from cluster import Cluster, missing_tools, running_cluster
from making import clean_environment, make_pipeline, make_texts, run_workflow, write_config, write_jsonl
from shardner.data.job_files import read_job


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """Seconds of one job; Slurm's and Snakemake's own times are whole seconds."""

    submitted_to_started_s: float
    started_to_script_s: float  # Snakemake twice, then the job's own Python
    script_to_first_token_s: float  # a worker starts and loads the pipeline
    written_to_ended_s: float  # Snakemake twice, going home
    ended_to_noticed_s: float


def measure(cluster: Cluster, directory: Path, shards: int, at_once: int, interval_s: int) -> list[Overhead]:
    """Annotate `shards` shards of a small corpus, `at_once` at a time, and return what each job cost."""
    given = {
        "corpus": {"files": [str(write_jsonl(directory / "corpus.jsonl", make_texts(100 * shards)))]},
        "model": {"name": str(make_pipeline(directory / "pipeline"))},
        "shards": {"count": shards},
        "ner": {"device": "cpu"},
    }
    prepared = run_workflow(directory, given, "--until", "split_part", "prepare_model")
    assert prepared.returncode == 0, prepared.stderr
    command = [
        sys.executable, "-m", "snakemake", "--until", "annotate_shard", "--snakefile", str(ROOT / "Snakefile"),
        "--directory", str(directory), "--workflow-profile", str(write_profile(directory, at_once, interval_s)),
        "--configfile", str(write_config(directory, given)),
    ]  # fmt: skip
    environment = {**clean_environment(), **cluster.environment}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    noticed = find_noticed(run.stderr)
    paths = sorted((directory / "results/.work/jobs/annotate_shard").glob("*/*.json"))
    return [describe(cluster, path, noticed) for path in paths]


def write_profile(directory: Path, at_once: int, interval_s: int) -> Path:
    """Write the shipped profile with one worker a job, `at_once` jobs, and another interval of questions."""
    profile = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text("utf-8"))
    profile |= {
        "jobs": at_once,
        "set-threads": {"annotate_shard": 1},
        "slurm-status-command": "squeue",
        "slurm-init-seconds-before-status-checks": interval_s,
    }
    path = directory / "profile"
    path.mkdir()
    (path / "config.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    return path


def find_noticed(log: str) -> dict[str, float]:
    """Return when Snakemake saw each Slurm job finished, by Slurm's id."""
    slurm_ids = dict(re.findall(r"Job (\d+) has been submitted with SLURM jobid (\d+)", log))
    finished = re.findall(r"\[(.+)\]\nFinished jobid: (\d+) ", log)
    return {slurm_ids[job]: parse(when, "%a %b %d %H:%M:%S %Y") for when, job in finished if job in slurm_ids}


def describe(cluster: Cluster, path: Path, noticed: dict[str, float]) -> Overhead:
    """Put together what Slurm, the job's record and Snakemake's log say about one job."""
    job = read_job(path)
    assert job.job_id is not None
    known = {
        key: parse(value)
        for key, value in cluster.describe(job.job_id).items()
        if key.endswith("Time") and "T" in value
    }
    return Overhead(
        submitted_to_started_s=known["StartTime"] - known["SubmitTime"],
        started_to_script_s=job.started_at_s - known["StartTime"],
        script_to_first_token_s=min(worker.ready_at_s for worker in job.workers) - job.started_at_s,
        written_to_ended_s=known["EndTime"] - job.ended_at_s,
        ended_to_noticed_s=noticed[job.job_id] - known["EndTime"],
    )


def parse(text: str, form: str = "%Y-%m-%dT%H:%M:%S") -> float:
    """Return a local time of day as Unix time."""
    return datetime.datetime.strptime(text, form).timestamp()


def show(jobs: Sequence[Overhead]) -> str:
    """Return a table: the median, and the range."""
    lines = ["| seconds a job | median | from | to |", "| --- | --- | --- | --- |"]
    for name in Overhead.__dataclass_fields__:
        values = [getattr(job, name) for job in jobs]
        label = name.removesuffix("_s").replace("_", " ")
        lines.append(f"| {label} | {statistics.median(values):.1f} | {min(values):.1f} | {max(values):.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--interval", type=int, default=40, help="slurm-init-seconds-before-status-checks")
    arguments = parser.parse_args()
    if lacking := missing_tools():
        sys.exit(f"a private Slurm cannot run here for want of {', '.join(lacking)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        places = Path(name, "cluster"), Path(name, "run")
        for place in places:
            place.mkdir()
        with running_cluster(places[0]) as cluster:
            print(show(measure(cluster, places[1], arguments.shards, arguments.at_once, arguments.interval)))


if __name__ == "__main__":
    main()
