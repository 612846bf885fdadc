"""How far the whole run is: a line on the terminal now and then, from what the annotate jobs leave in their directory.

Each running job keeps a small file that says how far it is; its record takes that file's place when it is done. So one
listing of the directory tells everything: a record is read once, and of the other files there are as many as jobs at
once. Shares are of characters, as the manifest gives them for each shard. Shards that earlier runs annotated count as
done, but not for the rate.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from shardner.data.job_files import read_job
from shardner.data.manifest import read_manifest
from shardner.terminal.job_progress import Done, bar, clock, read_done
from shardner.terminal.live_line import LiveLine
from shardner.terminal.numbers import compact

#: Seconds between two looks.
LOOK_S = 2.0
#: Seconds between two lines: more often in the beginning.
LEAST_INTERVAL_S, MOST_INTERVAL_S = 10.0, 60.0
#: The rate is that of the last so many seconds: on a cluster, jobs come and go.
RATE_WINDOW_S = 600.0


@dataclass(frozen=True, slots=True)
class State:
    """How far the run is."""

    shards: int
    done_shards: int
    chars: int
    done_chars: int  # by earlier runs and by this one, running jobs included
    tokens_per_s: float
    left_s: float | None  # None while it cannot be told


class _Sample(NamedTuple):
    """What this run had done at a time."""

    at_s: float
    chars: int
    tokens: int


class Overall:
    """Follows the annotate jobs of a run; made before the first of them starts.

    Args:
        manifest: where the manifest is, or will be when the split is done.
        records: the directory of the annotate jobs' records.
        shards: the shards that this run annotates.
    """

    def __init__(self, manifest: Path, records: Path, shards: Iterable[int]) -> None:
        self._manifest, self._records = manifest, records
        self._todo = frozenset(shards)
        self._finished: dict[int, Done] = {}
        # what is there already for a shard that is to be annotated is old, or of a job that was killed
        self._old = {path: _modified_ns(path) for _, path in self._list()}
        self._samples: deque[_Sample] = deque()

    @property
    def ended(self) -> bool:
        """Whether all shards of this run are done."""
        return len(self._finished) == len(self._todo)

    def look(self, now_s: float) -> State | None:
        """Return how far the run is at a time on a monotonic clock; None while none of its jobs has shown anything."""
        running = self._read()
        done = [*self._finished.values(), *running.values()]
        if not done:
            return None
        if not self._samples:
            self._samples.append(_Sample(now_s - max(each.elapsed_s for each in done), 0, 0))
        now = _Sample(now_s, sum(each.chars for each in done), sum(each.tokens for each in done))
        chars_per_s, tokens_per_s = self._rates(now)
        sizes = self._sizes
        total = sum(sizes.values())
        done_chars = sum(size for shard, size in sizes.items() if shard not in self._todo) + now.chars
        return State(
            shards=len(sizes),
            done_shards=len(sizes) - len(self._todo) + len(self._finished),
            chars=total,
            done_chars=done_chars,
            tokens_per_s=tokens_per_s,
            left_s=(total - done_chars) / chars_per_s if chars_per_s else None,
        )

    @cached_property
    def _sizes(self) -> Mapping[int, int]:
        """Characters by shard; the manifest is there, since jobs are."""
        return {each.shard: each.chars for each in read_manifest(self._manifest).shards}

    def _list(self) -> list[tuple[int, Path]]:
        """Return the files of shards that are not known to be done, with their numbers."""
        try:
            paths = [(int(entry.name[:5]), entry) for entry in os.scandir(self._records) if entry.name[:5].isdigit()]
        except OSError:  # no job has begun
            return []
        return [(shard, Path(path)) for shard, path in paths if shard in self._todo and shard not in self._finished]

    def _read(self) -> dict[int, Done]:
        """Take in the records that have come; return what running jobs have done."""
        running: dict[int, Done] = {}
        for shard, path in self._list():
            if path in self._old and self._old[path] == _modified_ns(path):
                continue
            if path.suffix == ".json":
                job = read_job(path)
                self._finished[shard] = Done(self._sizes[shard], job.totals.tokens, job.elapsed_s)
            elif done := read_done(path):
                running[shard] = done
        return {shard: done for shard, done in running.items() if shard not in self._finished}

    def _rates(self, now: _Sample) -> tuple[float, float]:
        """Return characters and tokens a second, of the last `RATE_WINDOW_S`."""
        self._samples.append(now)
        while now.at_s - self._samples[1].at_s > RATE_WINDOW_S:
            self._samples.popleft()
        first = self._samples[0]
        elapsed_s = now.at_s - first.at_s
        # a job that is tried again has done less than before
        return max(now.chars - first.chars, 0) / elapsed_s, max(now.tokens - first.tokens, 0) / elapsed_s


def _modified_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # gone by now
        return None


def describe_state(state: State) -> str:
    """Return a line: a bar, shards, rate and time left."""
    share = state.done_chars / state.chars if state.chars else state.done_shards / state.shards
    left = "" if state.left_s is None else f"  {clock(state.left_s)} left"
    shards = f"{state.done_shards:,}/{state.shards:,} shards"
    return f"{bar(share)}  {shards}  {compact(state.tokens_per_s)} tokens/s{left}"


class Watch:
    """Says how far the run is, from a thread of its own, until the last shard is done or the run ends.

    Args:
        manifest: as of `Overall`.
        records: as of `Overall`.
        say: is given each line.
    """

    def __init__(self, manifest: Path, records: Path, say: Callable[[str], None]) -> None:
        self._manifest, self._records, self._say = manifest, records, say
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, shards: Iterable[int], live: LiveLine | None = None) -> None:
        """Begin, in a run that will annotate `shards`; with `live`, lines stay there until the last one is said."""
        overall = Overall(self._manifest, self._records, shards)
        self._thread = threading.Thread(target=self._follow, args=(overall, live), name="overall-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say how far it came, and end."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(LOOK_S)

    def _follow(self, overall: Overall, live: LiveLine | None) -> None:
        started_s = said_s = time.monotonic()
        said, over = 0, False
        while not overall.ended and not over:
            over = self._end.wait(LOOK_S)
            now_s = time.monotonic()
            # a file that is just being replaced is there at the next look
            with suppress(OSError, ValueError, KeyError, TypeError):
                state = overall.look(now_s)
                last = over or overall.ended
                due = last or (live is None and now_s - said_s >= next_interval_s(now_s - started_s))
                if state is not None and due and state.done_chars != said:
                    said_s, said = now_s, state.done_chars
                    self._say(describe_state(state))
                elif state is not None and not due and live is not None:
                    live.show(describe_state(state))
        if live is not None:
            live.close()


def next_interval_s(elapsed_s: float) -> float:
    """Return the seconds between two lines after so many: 10 in the beginning, 60 from an hour on."""
    return min(max(LEAST_INTERVAL_S, elapsed_s / 60), MOST_INTERVAL_S)
