"""How far an annotate job is: a bar in its log, and a small file for the process that watches the whole run."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from shardner.terminal.numbers import bar, clock

log = logging.getLogger(__name__)

#: Seconds between two lines in the log, and between two writings of the file.
INTERVAL_S = 10.0
FILE_INTERVAL_S = 2.0


class WorkDone(NamedTuple):
    """What a job has done since it started."""

    chars: int
    tokens: int
    elapsed_s: float


class Progress:
    """Counts what a job has done, and tells it to its log and to a file.

    The log gets a line every `INTERVAL_S` seconds and one at the end. The file is there while the job runs; when it
    cannot be written, the job goes on without it.

    Args:
        total: units that there are to do.
        unit: what is counted, in the plural.
        path: the file.
    """

    def __init__(self, total: int, unit: str, path: Path) -> None:
        self._total, self._unit, self._path = total, unit, path
        self._done = self._chars = self._tokens = 0
        self._started_s = self._shown_s = self._written_s = time.monotonic()

    def advance(self, count: int, *, chars: int, tokens: int) -> None:
        """Add `count` units that are done, with their characters and tokens."""
        self._done += count
        self._chars += chars
        self._tokens += tokens
        now_s = time.monotonic()
        if now_s - self._shown_s >= INTERVAL_S or self._done >= self._total:
            self._shown_s = now_s
            log.info(self.line(now_s - self._started_s))
        if now_s - self._written_s >= FILE_INTERVAL_S:
            self._written_s = now_s
            with suppress(OSError):
                write_done(self._path, WorkDone(self._chars, self._tokens, now_s - self._started_s))

    def line(self, elapsed_s: float) -> str:
        """Return the line for the log, `elapsed_s` seconds after the start."""
        share = self._done / self._total if self._total else 1.0
        left_s = elapsed_s * (1 - share) / share if share else 0.0
        return (
            f"{bar(share)}  {self._done:,}/{self._total:,} {self._unit}  "
            f"{self._tokens / elapsed_s if elapsed_s else 0:,.0f} tokens/s  {clock(left_s)} left"
        )


@contextmanager
def progress_of(total: int, unit: str, record: Path) -> Iterator[Progress]:
    """Yield the progress of a job. Its file lies beside the job's `record`, and is removed at the end of the block."""
    path = progress_path(record)
    try:
        yield Progress(total, unit, path)
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def progress_path(record: Path) -> Path:
    """Return the file that says how far the job is that will write `record`."""
    return record.with_suffix(".progress")


def write_done(path: Path, done: WorkDone) -> None:
    """Write what is done in one step, so that no reader sees half of it. The file need not survive a crash."""
    temporary = path.with_name(f".{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(json.dumps(done._asdict()), "ascii")
    temporary.replace(path)


def read_done(path: Path) -> WorkDone | None:
    """Read what `write_done` wrote; None where there is no such file, or where it holds something else."""
    try:
        return WorkDone(**json.loads(path.read_text("ascii")))
    except (OSError, ValueError, TypeError):
        return None
