"""What the annotate jobs' machines have, so that advice can name numbers of cores, devices and bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from shardner.data.metrics import Job
from shardner.report.figures import Hardware


def find_hardware(jobs: Sequence[Job]) -> Hardware:
    """Return what the hosts and devices of annotate jobs have, by the jobs' records; null where these do not tell."""
    resources = [job.host_resources for job in jobs if job.host_resources is not None]
    return Hardware(
        cores_per_host=_least(each.usable_cores for each in resources),
        host_memory_bytes=_least(each.memory_bytes for each in resources),
        device_memory_bytes=_least(job.device_memory_bytes for job in jobs),
        devices=_count_devices(jobs) or None,
    )


def _count_devices(jobs: Iterable[Job]) -> int:
    """Return how many GPUs the jobs could have been given, on all hosts together.

    A job tells how many it saw. Where a scheduler shows each job its own GPU alone, those that were used are more.
    """
    present: dict[str, int] = defaultdict(int)
    used: dict[str, set[str]] = defaultdict(set)
    for job in jobs:
        if job.device_uuid is not None:
            present[job.host] = max(present[job.host], job.devices_present or 0)
            used[job.host].add(job.device_uuid)
    return sum(max(present[host], len(uuids)) for host, uuids in used.items())


def _least(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value), default=None)
