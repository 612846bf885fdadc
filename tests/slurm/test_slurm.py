"""The workflow on a real Slurm of one node with four pretend GPUs; annotation itself runs on the CPU."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from cluster import GPUS, Cluster, environments, missing_tools, running_cluster
from making import (
    ROOT,
    TABLES,
    annotate_plainly,
    clean_environment,
    entity_rows,
    make_texts,
    run_workflow,
    shard_names,
    wait_for,
    write_config,
    write_jsonl,
)
from shardner.data.job_files import read_job
from shardner.data.metrics import Job

TEXTS = make_texts(600, seed=9)
SHARDS = 5  # one more than GPUs
DONE = {"COMPLETED"}

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(missing_tools()), reason=f"a private Slurm cannot run here for want of {missing_tools()}"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="module")
def given(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("given")
    return {
        "corpus": {"files": [str(write_jsonl(directory / "corpus.jsonl", TEXTS))]},
        "model": {"name": str(tiny_pipeline)},
        "shards": {"count": SHARDS},
        "ner": {"device": "cpu"},
    }


@pytest.fixture(scope="module")
def local(given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run without a cluster."""
    directory = tmp_path_factory.mktemp("local")
    run = run_workflow(directory, given, *TABLES)
    assert run.returncode == 0, run.stderr
    return directory


@pytest.fixture
def prepared(local: Path, tmp_path: Path) -> Path:
    """A run that has yet to annotate: the corpus is split, the pipeline prepared."""
    directory = tmp_path / "run"
    shutil.copytree(local, directory)
    for part in ("entities", "documents", "rejected", "jobs/annotate_shard"):
        shutil.rmtree(directory / "results/.work" / part)
    for path in (directory / "results").iterdir():
        if path.is_file():
            path.unlink()
    return directory


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


def test_a_run_with_the_profile_gives_each_job_a_gpu_of_its_own_and_the_local_result(
    cluster: Cluster, given: dict[str, Any], local: Path, tmp_path: Path
) -> None:
    run = run_on_cluster(cluster, command(tmp_path, given, write_profile(tmp_path)))
    assert run.returncode == 0, run.stderr + cluster.log()
    jobs = records(tmp_path)
    assert len(jobs) == SHARDS and {job.cuda_visible_devices for job in jobs} <= set(map(str, range(GPUS)))
    together = [
        (left, right)
        for left, right in itertools.combinations(jobs, 2)
        if left.started_at_s < right.ended_at_s and right.started_at_s < left.ended_at_s
    ]
    assert together and all(left.cuda_visible_devices != right.cuda_visible_devices for left, right in together)
    assert all(sum(job.started_at_s <= other.started_at_s < job.ended_at_s for job in jobs) <= GPUS for other in jobs)
    known = {job.job_id: cluster.describe(job.job_id or "") for job in jobs}
    assert len(known) == SHARDS and {each["Partition"] for each in known.values()} == {"gpu"}
    assert all("gres" in each["TresPerJob"] for each in known.values())
    assert entity_rows(tmp_path / "results/entities.parquet") == annotate_plainly(Path(given["model"]["name"]), TEXTS)
    assert_same_results(tmp_path, given, local)


def test_only_annotation_asks_for_a_gpu_and_light_rules_stay_on_the_login_node(
    cluster: Cluster, given: dict[str, Any], tmp_path: Path
) -> None:
    given = {**given, "model": {**given["model"], "prepare": "local"}}
    targets = ["results/.work/split/manifest.json", "results/.work/pipeline.json"]
    part = shard_names(Path(given["corpus"]["files"][0]), SHARDS)[0].rpartition("/")[0]
    before = set(cluster.jobs())
    run = run_on_cluster(cluster, command(tmp_path, given, write_profile(tmp_path), *targets))
    assert run.returncode == 0, run.stderr
    jobs = {cluster.describe(job)["Comment"]: job for job in set(cluster.jobs()) - before}
    assert sorted(jobs) == ["rule_number_documents", f"rule_split_part_wildcards_{part}"]
    split = cluster.describe(jobs[f"rule_split_part_wildcards_{part}"])
    assert split["Partition"] == "cpu" and "TresPerJob" not in split
    assert read_job(tmp_path / "results/.work/jobs/prepare_model.json").job_id is None
    assert read_job(tmp_path / "results/.work/jobs/split_part" / f"{part}.json").job_id in jobs.values()


def test_a_job_that_is_cancelled_in_the_middle_is_tried_again(
    cluster: Cluster, given: dict[str, Any], local: Path, prepared: Path
) -> None:
    run = start_on_cluster(cluster, prepared, command(prepared, given, write_profile(prepared), *annotated(given, 2)))
    held = hold_workers(cluster, run, 2)
    cancelled, *others = sorted(set(held.values()))
    cluster.ask("scancel", cancelled)
    for process, job in held.items():
        if job in others:
            os.kill(process, signal.SIGCONT)
    wait_for(lambda: cluster.jobs()[cancelled] == "CANCELLED", "the job is cancelled")
    assert run.wait(240) == 0, (prepared / "run.log").read_text()
    jobs = records(prepared)
    assert len(jobs) == 2 and cancelled not in {job.job_id for job in jobs}
    assert {cluster.jobs()[job.job_id or ""] for job in jobs} == DONE
    assert_same_results(prepared, given, local, kept=2)


def test_a_job_beyond_its_memory_is_tried_again_with_more(
    cluster: Cluster, given: dict[str, Any], local: Path, prepared: Path
) -> None:
    before = set(cluster.jobs())
    profile = write_profile(prepared, mem_mb="300 * 6 ** (attempt - 1)")
    run = run_on_cluster(cluster, command(prepared, given, profile, *annotated(given, 2)))
    assert run.returncode == 0, run.stderr
    states = {job: state for job, state in cluster.jobs().items() if job not in before}
    failed = {job for job, state in states.items() if state not in DONE}
    assert len(failed) == 2 and {cluster.describe(job)["MinMemoryNode"] for job in failed} == {"300M"}
    logs = [path.read_text() for job in failed for path in prepared.glob(f".snakemake/slurm_logs/*/*/{job}.log")]
    assert ["exceeded memory limit" in log for log in logs] == [True, True]
    succeeded = {job.job_id or "" for job in records(prepared)}
    assert {cluster.describe(job)["MinMemoryNode"] for job in succeeded} == {"1800M"}
    assert_same_results(prepared, given, local, kept=2)


def test_a_controller_that_is_away_for_a_while_loses_nothing(
    cluster: Cluster, given: dict[str, Any], local: Path, prepared: Path
) -> None:
    run = start_on_cluster(cluster, prepared, command(prepared, given, write_profile(prepared), *annotated(given, 2)))
    held = hold_workers(cluster, run, 2)
    cluster.stop("slurmctld")
    for process in held:
        os.kill(process, signal.SIGCONT)
    # they finish while nobody is there to be told
    wait_for(lambda: not set(held) & set(workers(cluster)), "the workers finish", 120)
    cluster.start("slurmctld")
    wait_for(cluster.is_up, "the controller is back")
    assert run.wait(240) == 0, (prepared / "run.log").read_text() + cluster.log()
    jobs = records(prepared)
    assert set(held.values()) == {job.job_id for job in jobs}
    assert {cluster.jobs()[job.job_id or ""] for job in jobs} == DONE
    assert_same_results(prepared, given, local, kept=2)


def test_the_other_profiles_ask_for_a_model_and_put_several_shards_into_one_job(
    cluster: Cluster, given: dict[str, Any], prepared: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(prepared, other)
    runs = [
        command(prepared, given, write_profile(prepared, "slurm-gres", gpu_model="pretend"), *annotated(given, 2)),
        command(other, given, write_profile(other, "slurm-many"), *annotated(given, 3)),
    ]
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda words: run_on_cluster(cluster, words), runs))
    assert [run.returncode for run in done] == [0, 0], "".join(run.stderr for run in done)
    models = [cluster.describe(job.job_id or "") for job in records(prepared)]
    assert ["pretend:1" in each["TresPerJob"] for each in models] == [True, True]
    (shared,) = {job.job_id or "" for job in records(other)}
    assert len(records(other)) == 3 and cluster.describe(shared)["TresPerJob"].endswith("gpu:1")
    assert cluster.describe(shared)["TimeLimit"] == "00:09:00"
