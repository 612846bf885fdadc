"""How far a job is: a bar in its log, with rate and time left, and a small file for who watches the whole run."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger(__name__)

#: Seconds between two lines, and between two writings of the file.
INTERVAL_S = 10.0
FILE_INTERVAL_S = 2.0
WIDTH = 24


class Done(NamedTuple):
    """What a job has done, and in which time."""

    chars: int
    tokens: int
    elapsed_s: float


class Progress:
    """Counts what is done and logs a line every `INTERVAL_S` seconds, and one at the end.

    The file `path` says how much that is while the job runs. It is a courtesy: without it the job goes on as well.
    """

    def __init__(self, total: int, unit: str, path: Path) -> None:
        self._total, self._unit, self._path = total, unit, path
        self._done = self._chars = self._tokens = 0
        self._started = self._shown = self._written = time.monotonic()

    def advance(self, count: int, *, chars: int, tokens: int) -> None:
        """Add `count` units, of so many characters and tokens."""
        self._done += count
        self._chars += chars
        self._tokens += tokens
        now = time.monotonic()
        if now - self._shown >= INTERVAL_S or self._done >= self._total:
            self._shown = now
            log.info(self.line(now - self._started))
        if now - self._written >= FILE_INTERVAL_S:
            self._written = now
            with suppress(OSError):
                write_done(self._path, Done(self._chars, self._tokens, now - self._started))

    def line(self, elapsed_s: float) -> str:
        """Return the bar as it stands `elapsed_s` seconds after the start."""
        share = self._done / self._total if self._total else 1.0
        left_s = elapsed_s * (1 - share) / share if share else 0.0
        return (
            f"{bar(share)}  {self._done:,}/{self._total:,} {self._unit}  "
            f"{self._tokens / elapsed_s if elapsed_s else 0:,.0f} tokens/s  {clock(left_s)} left"
        )


@contextmanager
def progress_of(total: int, unit: str, record: Path) -> Iterator[Progress]:
    """Yield the progress of a job; its file lies beside the job's `record` and is gone in the end."""
    path = progress_path(record)
    try:
        yield Progress(total, unit, path)
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def progress_path(record: Path) -> Path:
    """Return the file that says how far the job is that will write `record`."""
    return record.with_suffix(".progress")


def write_done(path: Path, done: Done) -> None:
    """Write what is done, in one go; unlike a result it need not survive a crash."""
    temporary = path.with_name(f".{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(json.dumps(done._asdict()), "ascii")
    temporary.replace(path)


def read_done(path: Path) -> Done | None:
    """Read what `write_done` wrote; None where there is no such file, or another."""
    try:
        return Done(**json.loads(path.read_text("ascii")))
    except (OSError, ValueError, TypeError):
        return None


def bar(share: float) -> str:
    """Draw a share."""
    filled = round(share * WIDTH)
    return f"[{'█' * filled}{'·' * (WIDTH - filled)}] {share:4.0%}"


def clock(seconds: float) -> str:
    """Write a duration as 1:02:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
