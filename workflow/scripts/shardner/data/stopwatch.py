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

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Add the time that the block takes to `phase`, also when the block raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase.value] += time.perf_counter() - start
