"""A progress bar for a log file: a line now and then, with rate and time left."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

#: Seconds between two lines.
INTERVAL_S = 10.0
WIDTH = 24


class Progress:
    """Counts what is done and logs a line every `INTERVAL_S` seconds, and one at the end."""

    def __init__(self, total: int, unit: str) -> None:
        self._total, self._unit = total, unit
        self._done = self._tokens = 0
        self._started = self._shown = time.monotonic()

    def advance(self, count: int, *, tokens: int = 0) -> None:
        """Add `count` units, of `tokens` tokens."""
        self._done += count
        self._tokens += tokens
        now = time.monotonic()
        if now - self._shown >= INTERVAL_S or self._done >= self._total:
            self._shown = now
            log.info(self.line(now - self._started))

    def line(self, elapsed_s: float) -> str:
        """Return the bar as it stands `elapsed_s` seconds after the start."""
        share = self._done / self._total if self._total else 1.0
        filled = round(share * WIDTH)
        left_s = elapsed_s * (1 - share) / share if share else 0.0
        return (
            f"[{'█' * filled}{'·' * (WIDTH - filled)}] {share:4.0%}  {self._done:,}/{self._total:,} {self._unit}  "
            f"{self._tokens / elapsed_s if elapsed_s else 0:,.0f} tokens/s  {_clock(left_s)} left"
        )


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
