"""The sessions of a run: a run may have been stopped and resumed any number of times."""

from __future__ import annotations

from collections.abc import Sequence

from shardner.data.metrics import Job
from shardner.report.clock import PAUSE_S
from shardner.report.figures import Session
from shardner.report.timeline import ANNOTATE


def find_sessions(jobs: Sequence[Job]) -> tuple[Session, ...]:
    """Return the sessions in order of time: groups of jobs that no pause interrupts."""
    groups: list[list[Job]] = []
    ended_at_s = 0.0
    for job in sorted(jobs, key=lambda job: job.started_at_s):
        if not groups or job.started_at_s - ended_at_s >= PAUSE_S:
            groups.append([])
            ended_at_s = job.ended_at_s
        groups[-1].append(job)
        ended_at_s = max(ended_at_s, job.ended_at_s)
    return tuple(
        Session(
            started_at_s=group[0].started_at_s,
            ended_at_s=max(job.ended_at_s for job in group),
            jobs=len(group),
            shards=sum(job.rule == ANNOTATE for job in group),
        )
        for group in groups
    )
