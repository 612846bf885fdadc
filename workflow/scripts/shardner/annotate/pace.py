"""After how long a worker that gives no result hangs, by how long blocks have taken so far."""

from __future__ import annotations

from collections.abc import Mapping

from shardner.data.metrics import Phase

#: Before any block is done: the pipeline has to be loaded, perhaps from a slow disk.
FIRST_S = 3_600.0
#: A worker hangs that takes so many times as long as the slowest block so far, but not before so many seconds.
TIMES, LEAST_S = 50, 600.0
#: Pieces of a block get this share of the time that a block gets, but not fewer seconds.
ALONE_SHARE, LEAST_ALONE_S = 0.1, 60.0

_NOT_WORK = (Phase.START_UP, Phase.LOAD, Phase.IDLE)


class Pace:
    """Knows how long blocks have taken.

    Args:
        fixed_s: the limit where the settings say it; None for one by the pace.
    """

    def __init__(self, fixed_s: float | None) -> None:
        self._fixed_s = fixed_s
        self._slowest_s: float | None = None

    def add(self, seconds: Mapping[str, float]) -> None:
        """Take note of a finished block, of which the seconds of each phase are given."""
        taken_s = sum(value for phase, value in seconds.items() if phase not in _NOT_WORK)
        self._slowest_s = max(self._slowest_s or 0.0, taken_s)

    def limit_s(self) -> float:
        """Return after how many seconds without any result the workers hang."""
        if self._fixed_s is not None:
            return self._fixed_s
        return FIRST_S if self._slowest_s is None else max(TIMES * self._slowest_s, LEAST_S)

    def limit_alone_s(self) -> float:
        """Return the same for pieces of a block in a process of their own, which has loaded its pipeline."""
        return self.limit_s() if self._fixed_s is not None else max(ALONE_SHARE * self.limit_s(), LEAST_ALONE_S)
