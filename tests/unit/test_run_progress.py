from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from shardner.data.job_files import write_job
from shardner.data.manifest import PartManifest, ShardInfo
from shardner.data.metrics import Job, Totals
from shardner.data.typed_json import write_json
from shardner.terminal.job_progress import WorkDone, progress_path, write_done
from shardner.terminal.progress_reporter import ProgressReporter, describe_progress, next_interval_s
from shardner.terminal.run_progress import ExpectedPart, RunFollower, RunProgress

CHARS = [1_000, 2_000, 3_000, 4_000]


#: The shards of two parts.
FIRST, LAST = "a-1", "b-2"
SHARDS = [f"{FIRST}/00000", f"{FIRST}/00001", f"{FIRST}/00002", f"{LAST}/00000"]
PARTS = {FIRST: ExpectedPart(9_000, 3), LAST: ExpectedPart(1_500, 1)}


class Run:
    """The files of a run."""

    def __init__(self, directory: Path) -> None:
        self.split, self.records = directory / "split", directory / "records"
        self.write_manifest(FIRST, CHARS[:3])
        self.write_manifest(LAST, CHARS[3:])

    def write_manifest(self, part: str, chars: list[int]) -> None:
        shards = tuple(ShardInfo(number, 1, 1, size, number) for number, size in enumerate(chars))
        manifest = PartManifest(part, (), shards, len(chars), 0, sum(chars), {}, {})
        write_json(self.split / part / "manifest.json", manifest)

    def follow(self, shards: Iterable[int], **more: float) -> RunFollower:
        return RunFollower(self.split, self.records, PARTS, [SHARDS[shard] for shard in shards], **more)

    def report(self, say: Callable[[str], None], **more: float) -> ProgressReporter:
        return ProgressReporter(self.split, self.records, PARTS, say, **more)

    def record(self, shard: int) -> Path:
        return self.records / f"{SHARDS[shard]}.json"

    def finish(self, shard: int, elapsed_s: float) -> None:
        totals = Totals(chars=CHARS[shard], tokens=CHARS[shard] // 5)
        number, part = int(SHARDS[shard][-5:]), SHARDS[shard][:-6]
        job = Job("annotate_shard", number, "host", "cpu", None, None, 1, "fused", "", 0.0, elapsed_s, totals)
        write_job(self.record(shard), replace(job, part=part))
        progress_path(self.record(shard)).unlink(missing_ok=True)

    def advance(self, shard: int, chars: int, elapsed_s: float) -> None:
        write_done(progress_path(self.record(shard)), WorkDone(chars, chars // 5, elapsed_s))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_shares_are_of_characters_and_the_time_left_follows_from_the_rate(run: Run) -> None:
    followed = run.follow(range(4))
    assert followed.look(0.0) is None  # not even the directory is there
    run.advance(3, 2_000, elapsed_s=10)
    assert followed.look(100.0) == RunProgress(4, 0, 10_000, 2_000, tokens_per_s=40.0, left_s=40.0)
    run.finish(3, elapsed_s=20)
    run.advance(2, 1_000, elapsed_s=10)
    assert followed.look(110.0) == RunProgress(4, 1, 10_000, 5_000, tokens_per_s=50.0, left_s=20.0)
    for shard in range(3):
        run.finish(shard, elapsed_s=5)
    state = followed.look(120.0)
    assert state is not None and (state.done_shards, state.left_s) == (4, 0.0) and followed.ended


def test_shards_of_earlier_runs_are_done_but_say_nothing_of_the_rate(run: Run) -> None:
    run.finish(0, elapsed_s=1)
    run.finish(3, elapsed_s=1)
    followed = run.follow([1, 2])
    assert followed.look(0.0) is None
    run.advance(1, 1_000, elapsed_s=10)
    assert followed.look(10.0) == RunProgress(4, 2, 10_000, 6_000, tokens_per_s=20.0, left_s=40.0)


def test_a_part_that_is_not_split_yet_counts_as_it_is_planned(run: Run) -> None:
    (run.split / LAST / "manifest.json").unlink()
    followed = run.follow(range(4))
    run.finish(0, elapsed_s=10)
    assert followed.look(10.0) == RunProgress(4, 1, 6_000 + 1_500, 1_000, tokens_per_s=20.0, left_s=65.0)
    run.write_manifest(LAST, CHARS[3:])
    state = followed.look(11.0)
    assert state is not None and state.chars == 10_000


def test_what_a_killed_job_or_an_outdated_one_left_is_not_counted(run: Run) -> None:
    run.advance(1, 1_900, elapsed_s=1)
    run.finish(2, elapsed_s=1)
    followed = run.follow(range(4))
    assert followed.look(0.0) is None
    run.advance(1, 500, elapsed_s=10)
    state = followed.look(10.0)
    assert state is not None and (state.done_shards, state.done_chars) == (0, 500)


def test_a_record_is_read_once(run: Run) -> None:
    followed = run.follow(range(4))
    run.finish(0, elapsed_s=1)
    first = followed.look(1.0)
    run.record(0).write_text("no record")
    again = followed.look(2.0)
    assert first is not None and again is not None and again.done_chars == first.done_chars


def test_the_rate_is_that_of_the_last_minutes(run: Run) -> None:
    followed = run.follow([3], rate_window_s=100.0)
    run.advance(3, 2_000, elapsed_s=10)
    followed.look(0.0)
    for at_s in range(10, 1_000, 10):
        state = followed.look(float(at_s))
    assert state is not None and state.tokens_per_s == 0 and state.left_s is None


def test_a_job_that_is_tried_again_makes_no_negative_rate(run: Run) -> None:
    followed = run.follow([3])
    run.advance(3, 2_000, elapsed_s=10)
    followed.look(0.0)
    run.advance(3, 10, elapsed_s=1)
    state = followed.look(600.0)
    assert state is not None and state.tokens_per_s >= 0


def test_a_line_says_share_shards_rate_and_time_left() -> None:
    line = describe_progress(RunProgress(42, 12, 1_000, 280, tokens_per_s=350_000, left_s=750))
    assert line.startswith("[███████·") and " 28%  12/42 shards  350k tokens/s  0:12:30 left" in line
    assert "left" not in describe_progress(RunProgress(42, 12, 1_000, 280, tokens_per_s=0, left_s=None))


def test_an_empty_corpus_has_a_share_too() -> None:
    assert "100%" in describe_progress(RunProgress(1, 1, 0, 0, tokens_per_s=0, left_s=None))


def test_lines_come_less_often_in_a_long_run() -> None:
    assert [next_interval_s(seconds) for seconds in (0, 1_800, 86_400)] == [10, 30, 60]


def test_a_reporter_that_was_not_started_stops(run: Run) -> None:
    lines: list[str] = []
    run.report(lines.append).stop()
    assert lines == []


def test_a_reporter_says_how_far_the_run_came_when_it_is_stopped(run: Run) -> None:
    lines: list[str] = []
    reporter = run.report(lines.append)
    reporter.start(SHARDS[:2])
    run.finish(0, elapsed_s=1)
    reporter.stop()
    assert len(lines) == 1 and "3/4 shards" in lines[0]


def test_a_reporter_ends_by_itself_when_all_shards_are_done(run: Run) -> None:
    lines: list[str] = []
    run.report(lines.append, look_s=0.01).start(SHARDS[1:2])
    thread = next(each for each in threading.enumerate() if each.name == "run-progress")
    assert thread.daemon
    run.finish(1, elapsed_s=1)
    thread.join(60)
    assert not thread.is_alive() and "4/4 shards" in lines[-1]
