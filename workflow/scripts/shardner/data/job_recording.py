"""What a job finds out about itself: its memory, its host, and the record of a job that is one plain process."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shardner.data.job_files import write_job
from shardner.data.metrics import HostResources, Job, Joins, Totals
from shardner.data.schedulers import find_scheduler


def peak_rss_bytes() -> int:
    """Return the peak resident memory of this process so far.

    On Linux it is ``VmHWM``, which a process does not inherit from its parent.
    """
    try:
        for line in Path("/proc/self/status").read_text("ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def requested_bytes(mem_mb: object) -> int | None:
    """Return Snakemake's resource ``mem_mb`` in bytes; None where it is not a number because it is not decided."""
    return mem_mb * 1_000_000 if isinstance(mem_mb, int) else None


def host_resources() -> HostResources:
    """Return what this process's host has."""
    cores = os.cpu_count()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores  # macOS has no affinity
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return HostResources(cores=cores, usable_cores=usable, memory_bytes=memory_bytes)


@dataclass
class Notes:
    """What the work of a job adds to the job's record."""

    joins: Joins = field(default_factory=Joins)


@contextmanager
def measured_job(path: Path, rule: str, *, threads: int = 1, mem_mb: object = None) -> Iterator[Notes]:
    """Record a job that is one plain process: the jobs of all rules with records but ``annotate_shard``.

    Args:
        path: where the record goes; a job that fails leaves none.
        rule: the rule of the job.
        threads: given to the job.
        mem_mb: the job's resource of that name.
    """
    started_at_s = time.time()
    notes = Notes()
    yield notes
    scheduled = find_scheduler(os.environ)
    job = Job(
        rule=rule,
        shard=None,
        host=socket.gethostname(),
        device="cpu",
        device_uuid=None,
        cuda_visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        threads=threads,
        engine=None,
        engine_reason=None,
        started_at_s=started_at_s,
        ended_at_s=time.time(),
        totals=Totals(peak_rss_bytes=peak_rss_bytes()),
        scheduler=scheduled.scheduler if scheduled else None,
        job_id=scheduled.job if scheduled else None,
        joins=notes.joins,
        memory_bytes=peak_rss_bytes(),
        requested_memory_bytes=requested_bytes(mem_mb),
        host_resources=host_resources(),
    )
    write_job(path, job)
