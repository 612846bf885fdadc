"""Tells on the terminal how far a run is: a line now and then, or one line that stays at the bottom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from shardner.terminal.live_line import LiveLine
from shardner.terminal.numbers import bar, clock, compact
from shardner.terminal.run_progress import ExpectedPart, RunFollower, RunProgress

#: Seconds between two looks at the jobs' files.
LOOK_S = 2.0
#: Seconds between two lines: the first value in the beginning, the second in a long run.
LEAST_INTERVAL_S, MOST_INTERVAL_S = 10.0, 60.0


class ProgressReporter:
    """Reports from a thread of its own, until the last shard is done or the run ends.

    Args:
        split: the directory of the parts' manifests.
        records: the directory of the annotate jobs' records.
        parts: all parts of the run, by name.
        say: is called with each line.
        look_s: seconds between two looks at the jobs' files.
    """

    def __init__(
        self,
        split: Path,
        records: Path,
        parts: Mapping[str, ExpectedPart],
        say: Callable[[str], None],
        *,
        look_s: float = LOOK_S,
    ) -> None:
        self._split, self._records, self._parts, self._say, self._look_s = split, records, parts, say, look_s
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, shards: Iterable[str], live: LiveLine | None = None) -> None:
        """Begin to report on a run that will annotate `shards` (``<part>/<number>``).

        With `live`, progress is shown in that line, and `say` is called once, at the end.
        """
        follower = RunFollower(self._split, self._records, self._parts, shards)
        self._thread = threading.Thread(target=self._report, args=(follower, live), name="run-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Report for the last time."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(LOOK_S)

    def _report(self, follower: RunFollower, live: LiveLine | None) -> None:
        started_s = said_s = time.monotonic()
        said_chars, over = 0, False
        while not follower.ended and not over:
            over = self._end.wait(self._look_s)
            now_s = time.monotonic()
            # A file may be in the middle of being replaced; the next look finds it.
            with suppress(OSError, ValueError, KeyError, TypeError):
                progress = follower.look(now_s)
                last = over or follower.ended
                due = last or (live is None and now_s - said_s >= next_interval_s(now_s - started_s))
                if progress is not None and due and progress.done_chars != said_chars:
                    said_s, said_chars = now_s, progress.done_chars
                    self._say(describe_progress(progress))
                elif progress is not None and not due and live is not None:
                    live.show(describe_progress(progress))
        if live is not None:
            live.close()


def describe_progress(progress: RunProgress) -> str:
    """Return a line with a bar, shards, rate and time left."""
    shards = f"{progress.done_shards:,}/{progress.shards:,} shards"
    share = progress.done_chars / progress.chars if progress.chars else progress.done_shards / progress.shards
    left = "" if progress.left_s is None else f"  {clock(progress.left_s)} left"
    return f"{bar(share)}  {shards}  {compact(progress.tokens_per_s)} tokens/s{left}"


def next_interval_s(elapsed_s: float) -> float:
    """Return the seconds until the next line, `elapsed_s` seconds after the start: 10 at first, 60 from an hour on."""
    return min(max(LEAST_INTERVAL_S, elapsed_s / 60), MOST_INTERVAL_S)
