"""A stopwatch that sums the seconds of each phase."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from shardner.data.metrics import Phase


class Stopwatch:
    """Seconds by phase, on a monotonic clock."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._inner_s = 0.0  # of phases within the one that goes on

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Add the time that the block takes to `phase`, but for phases within it, also when the block raises."""
        outer_s, self._inner_s = self._inner_s, 0.0
        start = time.perf_counter()
        try:
            yield
        finally:
            took_s = time.perf_counter() - start
            self.seconds[phase.value] += took_s - self._inner_s
            self._inner_s = outer_s + took_s
