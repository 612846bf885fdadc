"""The workflow on a real Slurm of one node with four pretend GPUs; annotation itself runs on the CPU."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cluster import GPUS, Cluster, running_cluster
from making import (
    annotate_plainly,
    entity_rows,
    shard_names,
    wait_for,
)
from on_slurm import (
    MARKS,
    SHARDS,
    TEXTS,
    annotated,
    assert_same_results,
    command,
    hold_workers,
    records,
    run_on_cluster,
    start_on_cluster,
    workers,
    write_profile,
)
from shardner.data.job_files import read_job

DONE = {"COMPLETED"}

pytestmark = MARKS


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


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
