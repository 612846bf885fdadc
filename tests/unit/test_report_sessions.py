from __future__ import annotations

import random
from pathlib import Path

from report_fixture import START_S, Shape, build_run
from shardner.report.sessions import find_sessions


def test_a_run_that_was_never_stopped_has_one_session(tmp_path: Path) -> None:
    jobs = build_run(tmp_path).jobs
    (session,) = find_sessions(random.Random(1).sample(jobs, len(jobs)))
    assert (session.jobs, session.shards) == (16, 12)
    assert session.started_at_s == START_S
    assert session.ended_at_s == max(job.ended_at_s for job in jobs)


def test_a_resumed_run_has_a_session_on_either_side_of_the_pause(tmp_path: Path) -> None:
    first, second = find_sessions(build_run(tmp_path, Shape(pause_after=5)).jobs)
    assert (first.shards, second.shards) == (5, 7)
    assert second.started_at_s - first.ended_at_s > 7 * 3600


def test_no_job_is_no_session() -> None:
    assert find_sessions([]) == ()
