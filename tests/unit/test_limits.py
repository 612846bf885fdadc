from __future__ import annotations

from typing import Any

import pytest
from shardner.config import DeviceChoice
from shardner.errors import ConfigError
from shardner.parse.limits import (
    Limits,
    annotate_memory_mb,
    count_jobs_at_once,
    count_local_workers,
    count_sample_workers,
    count_workers,
    counts_gpus,
    decide_gpus_per_job,
    limit_gpu_jobs,
    warn_of_missing_gpus,
)


def limits(**changes: Any) -> Limits:
    """Limits of a run on the CPU of a machine with eight cores, but for `changes`."""
    given = {"local": True, "cores": 8, "cluster_jobs": None, "gpu_jobs": None, "gpus_per_job": 0, "threads": "auto"}
    return Limits(**{**given, **changes})


def test_gpus_are_counted_only_where_their_number_decides() -> None:
    assert [counts_gpus(choice, local=True) for choice in DeviceChoice] == [True, True, False]
    assert not any(counts_gpus(choice, local=False) for choice in DeviceChoice)


def test_gpus_per_job_follow_the_machine_here_and_the_settings_elsewhere() -> None:
    def decide(local: bool, present: int) -> list[int]:
        return [decide_gpus_per_job(choice, local=local, gpus_present=present) for choice in DeviceChoice]

    assert list(DeviceChoice) == [DeviceChoice.AUTO, DeviceChoice.GPU, DeviceChoice.CPU]
    assert decide(local=True, present=4) == [1, 1, 0]
    assert decide(local=True, present=0) == [0, 1, 0]
    assert decide(local=False, present=0) == [0, 1, 0]


@pytest.mark.parametrize(
    ("given", "present", "limit"),
    [(None, 4, 4), (2, 4, 2), (4, 4, 4), (9, 4, 4), (0, 4, 0), (None, 0, None), (3, 0, 3)],
)
def test_no_more_gpu_jobs_run_at_once_than_there_are_gpus(given: int | None, present: int, limit: int | None) -> None:
    assert limit_gpu_jobs(given, present) == limit


def test_a_warning_says_that_there_are_fewer_gpus_than_the_command_line_names() -> None:
    assert warn_of_missing_gpus(9, 4) == "--resources gpu=9, but there are 4 devices: 4 jobs run at once"
    assert [warn_of_missing_gpus(*each) for each in ((4, 4), (0, 4), (None, 4), (9, 0))] == [None] * 4


@pytest.mark.parametrize(
    ("changes", "workers", "jobs"),
    [
        ({}, 1, 8),
        ({"threads": 3}, 3, 2),
        ({"threads": 20}, 20, 1),
        ({"gpus_per_job": 1, "gpu_jobs": 4}, 2, 4),
        ({"gpus_per_job": 1, "gpu_jobs": 3}, 2, 3),
        ({"gpus_per_job": 1, "gpu_jobs": 1}, 8, 1),
        ({"gpus_per_job": 1}, 8, 1),
        ({"gpus_per_job": 1, "gpu_jobs": 20}, 1, 8),
        ({"gpus_per_job": 1, "gpu_jobs": 4, "threads": 1}, 1, 4),
        ({"gpus_per_job": 1, "gpu_jobs": 0}, 1, 8),
        ({"gpu_jobs": 4}, 1, 8),
    ],
)
def test_the_cores_are_shared_among_gpus_or_have_a_job_each(changes: dict[str, Any], workers: int, jobs: int) -> None:
    found = limits(**changes)
    assert (count_workers(found), count_jobs_at_once(found)) == (workers, jobs)
    assert count_local_workers(found) == workers


def test_jobs_run_on_the_cpu_without_a_gpu_granted() -> None:
    assert limits(gpus_per_job=1).uses_gpus and limits(gpus_per_job=1, gpu_jobs=2).uses_gpus
    assert not limits(gpus_per_job=1, gpu_jobs=0).uses_gpus and not limits(gpu_jobs=2).uses_gpus


def test_on_a_cluster_the_scheduler_and_the_profile_decide() -> None:
    assert count_jobs_at_once(limits(local=False, cluster_jobs=100)) == 100
    assert count_jobs_at_once(limits(local=False)) is None
    assert count_local_workers(limits(local=False, threads=4)) is None
    assert count_workers(limits(local=False, cores=None)) == 1
    assert count_workers(limits(local=False, cores=None, gpus_per_job=1, threads=4)) == 4


def test_cores_that_are_not_known_are_asked_for_where_gpus_are_to_share_them() -> None:
    with pytest.raises(ConfigError, match=r"--cores.*ner: \{threads: 8\}"):
        count_workers(limits(local=False, cores=None, gpus_per_job=1))


@pytest.mark.parametrize(
    ("changes", "workers"),
    [
        ({}, 8),
        ({"threads": 3}, 6),
        ({"gpus_per_job": 1, "gpu_jobs": 4}, 2),
        ({"gpus_per_job": 1, "gpu_jobs": 0}, 8),
        ({"local": False, "threads": 5}, 5),
    ],
)
def test_the_sample_of_an_estimate_has_the_workers_that_compute_at_once_on_a_device(
    changes: dict[str, Any], workers: int
) -> None:
    assert count_sample_workers(limits(**changes)) == workers


def test_memory_grows_with_workers_and_attempts() -> None:
    assert annotate_memory_mb(8, 1) == 13_000 and annotate_memory_mb(8, 3) == 39_000
