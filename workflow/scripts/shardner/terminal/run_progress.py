"""How far a run is, read from what its annotate jobs leave in the directories of their records, one a part.

A running job keeps a small file there that says how far it is (`shardner.terminal.job_progress`). When the job is done,
its record takes the place of that file. So one listing of the directory is enough: each record is read once, and there
are as many other files as running jobs.

Shares are shares of characters. A part's manifest gives them for each shard; before the part is split, the sizes of its
files do. Shards that earlier runs annotated count as done; the rate is that of this run alone.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shardner.data.job_files import read_job
from shardner.data.manifest import PartManifest
from shardner.data.typed_json import read_json
from shardner.terminal.job_progress import WorkDone, read_done

#: The rate is the mean of so many last seconds: on a cluster, jobs come and go.
RATE_WINDOW_S = 600.0


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is."""

    shards: int
    done_shards: int
    chars: int
    done_chars: int  # by earlier runs and by this one, running jobs included
    tokens_per_s: float
    left_s: float | None  # None while it is not known


class _Sample(NamedTuple):
    """What this run had done at one time."""

    at_s: float
    chars: int
    tokens: int


class ExpectedPart(NamedTuple):
    """A part as it is planned."""

    chars: float
    shards: int


class RunFollower:
    """Follows the annotate jobs of a run. It must be made before the first of them starts.

    Args:
        split: the directory of the parts' manifests.
        records: the directory of the annotate jobs' records.
        parts: all parts of the run, by name.
        shards: the shards that this run annotates, as ``<part>/<number>``.
        rate_window_s: the rate is the mean of so many last seconds.
    """

    def __init__(
        self,
        split: Path,
        records: Path,
        parts: Mapping[str, ExpectedPart],
        shards: Iterable[str],
        *,
        rate_window_s: float = RATE_WINDOW_S,
    ) -> None:
        self._split, self._records, self._parts = split, records, parts
        self._rate_window_s = rate_window_s
        self._todo = frozenset(shards)
        self._finished: dict[str, WorkDone] = {}
        self._sizes: dict[str, float] = {}  # characters by shard
        self._known: dict[str, int | None] = {}  # the time of each manifest that was read
        # A file that is there already is out of date, or was left by a job that was killed.
        self._old = {path: _modified_ns(path) for _, path in self._list()}
        self._samples: deque[_Sample] = deque()

    @property
    def ended(self) -> bool:
        """Whether all shards of this run are done."""
        return len(self._finished) == len(self._todo)

    def look(self, now_s: float) -> RunProgress | None:
        """Return how far the run is at a time on a monotonic clock; None as long as no job has left anything."""
        self._find_sizes()
        running = self._read()
        done = [*self._finished.values(), *running.values()]
        if not done:
            return None
        if not self._samples:
            self._samples.append(_Sample(now_s - max(each.elapsed_s for each in done), 0, 0))
        now = _Sample(now_s, sum(each.chars for each in done), sum(each.tokens for each in done))
        chars_per_s, tokens_per_s = self._rates(now)
        sizes = self._sizes
        total = int(sum(sizes.values()))
        done_chars = int(sum(size for shard, size in sizes.items() if shard not in self._todo)) + now.chars
        return RunProgress(
            shards=len(sizes),
            done_shards=len(sizes) - len(self._todo) + len(self._finished),
            chars=total,
            done_chars=done_chars,
            tokens_per_s=tokens_per_s,
            left_s=(total - done_chars) / chars_per_s if chars_per_s else None,
        )

    def _find_sizes(self) -> None:
        """Read the manifests that are new."""
        for name, part in self._parts.items():
            path = self._split / name / "manifest.json"
            at = _modified_ns(path)
            if name in self._known and self._known[name] == at:
                continue
            planned_chars, count = part
            shards = [f"{name}/{number:05d}" for number in range(count)]
            chars = [planned_chars / count] * count
            if at is not None:
                chars = [info.chars for info in read_json(path, PartManifest).shards]
            self._sizes.update(zip(shards, chars, strict=False))
            self._known[name] = at

    def _list(self) -> list[tuple[str, Path]]:
        """Return the files of shards that are not known to be done, each with the shard's name."""
        left = self._todo - self._finished.keys()
        found = []
        for part in {shard.rpartition("/")[0] for shard in left}:
            try:
                entries = [entry for entry in os.scandir(self._records / part) if entry.name[:5].isdigit()]
            except OSError:  # no job has begun
                continue
            found += [(f"{part}/{entry.name[:5]}", Path(entry)) for entry in entries]
        return [(shard, path) for shard, path in found if shard in left]

    def _read(self) -> dict[str, WorkDone]:
        """Read the records that are new; return what running jobs have done."""
        running: dict[str, WorkDone] = {}
        for shard, path in self._list():
            if path in self._old and self._old[path] == _modified_ns(path):
                continue
            if path.suffix == ".json":
                job = read_job(path)
                self._finished[shard] = WorkDone(int(self._sizes[shard]), job.totals.tokens, job.elapsed_s)
            elif done := read_done(path):
                running[shard] = done
        return {shard: done for shard, done in running.items() if shard not in self._finished}

    def _rates(self, now: _Sample) -> tuple[float, float]:
        """Return characters and tokens per second within the window of the rate."""
        self._samples.append(now)
        while now.at_s - self._samples[1].at_s > self._rate_window_s:
            self._samples.popleft()
        first = self._samples[0]
        elapsed_s = now.at_s - first.at_s
        # A job that is tried again starts from nothing, so a difference may be negative.
        return max(now.chars - first.chars, 0) / elapsed_s, max(now.tokens - first.tokens, 0) / elapsed_s


def _modified_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # gone by now
        return None
