"""A Slurm of two nodes, one of which vanishes, and jobs that are queued again: the tables are the same in the end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, running_cluster
from making import wait_for
from on_slurm import (
    MARKS,
    annotated,
    assert_same_results,
    command,
    hold_workers,
    records,
    start_on_cluster,
    workers,
    write_profile,
)

NODES = ("node0", "node1")

pytestmark = MARKS


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster"), NODES) as started:
        yield started


def go_on(processes: dict[int, str]) -> None:
    for process in processes:
        os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("old_attempt_lives", [True, pytest.param(False, marks=pytest.mark.sweep)])
def test_a_node_that_vanishes_in_the_middle_of_a_shard_changes_nothing(
    old_attempt_lives: bool, cluster: Cluster, given: dict[str, Any], local: Path, prepared: Path
) -> None:
    """Slurm queues its jobs again, under the same ids. What ran on the node may live on, and write as well."""
    run = start_on_cluster(cluster, prepared, command(prepared, given, write_profile(prepared), *annotated(given, 2)))
    held = hold_workers(cluster, run, 2)
    node = cluster.describe(min(held.values()))["NodeList"]
    if old_attempt_lives:
        cluster.cut_off(node)
        wait_for(lambda: set(workers(cluster)) - set(held), f"the jobs start again\n{cluster.log()}")
        go_on(held)
    else:
        cluster.lose(node)
    assert run.wait(240) == 0, (prepared / "run.log").read_text() + cluster.log()
    assert len(records(prepared)) == 2
    assert_same_results(prepared, given, local, kept=2)


@pytest.mark.sweep
@pytest.mark.parametrize("asked", [["requeue"], ["update", "TimeLimit=00:00:01"]])
def test_a_job_that_is_queued_again_or_reaches_its_time_limit_is_done_in_the_end(
    asked: list[str], cluster: Cluster, given: dict[str, Any], local: Path, prepared: Path
) -> None:
    """Preemption is `requeue` by somebody else's job."""
    run = start_on_cluster(cluster, prepared, command(prepared, given, write_profile(prepared), *annotated(given, 2)))
    held = hold_workers(cluster, run, 2)
    chosen = min(held.values())
    verb, *words = asked
    cluster.ask("scontrol", verb, *([f"JobId={chosen}"] if words else [chosen]), *words)
    go_on({process: job for process, job in held.items() if job != chosen})
    wait_for(lambda: not any(job == chosen and process in workers(cluster) for process, job in held.items()), "it ends")
    assert run.wait(240) == 0, (prepared / "run.log").read_text() + cluster.log()
    assert len(records(prepared)) == 2
    assert_same_results(prepared, given, local, kept=2)
