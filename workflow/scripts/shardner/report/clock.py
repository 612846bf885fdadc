"""A clock that runs only while jobs run, so that a run that was resumed the next day reads like one run.

The intervals of jobs are Unix seconds. `Clock` maps them to seconds during which at least one job ran.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shardner.report.figures import Pause

#: A longer gap without a job is a pause between two sessions of a run; a shorter one is the scheduler's.
PAUSE_S = 60.0

#: A longer gap is no wait for the scheduler: it is a queue, a job without a record, or a pause before the next session.
LONGEST_WAIT_S = 10.0

#: Two jobs that overlap by fewer seconds share a slot: the second started while the first wrote its record.
OVERLAP_S = 0.05

Interval = tuple[float, float]
Seconds = npt.NDArray[np.float64]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Join intervals that overlap or touch, in order."""
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, max(start, end)))
    return joined


def covered_s(intervals: Iterable[Interval]) -> float:
    """Return how many seconds lie in at least one interval."""
    return float(sum(end - start for start, end in union(intervals)))


@dataclass(frozen=True, slots=True)
class Clock:
    """Maps Unix time to seconds in which at least one job ran."""

    starts: Seconds  # of the joined intervals
    lengths: Seconds
    offsets: Seconds  # the sum of the lengths before each interval

    @classmethod
    def over(cls, intervals: Iterable[Interval]) -> Clock:
        """Make a clock that runs during `intervals`."""
        joined = union(intervals)
        starts = np.array([start for start, _ in joined], dtype=np.float64)
        lengths = np.array([end - start for start, end in joined], dtype=np.float64)
        return cls(starts, lengths, np.concatenate([[0.0], np.cumsum(lengths)[:-1]]) if joined else lengths)

    def __call__(self, times_s: Sequence[float]) -> Seconds:
        """Return the offsets (N,) of N Unix times; a time between two intervals counts as the end of the first."""
        times = np.asarray(times_s, dtype=np.float64)
        if not len(self.starts):
            return np.zeros_like(times)
        index = np.clip(np.searchsorted(self.starts, times, side="right") - 1, 0, None)
        within = np.clip(times - self.starts[index], 0.0, self.lengths[index])
        offsets: Seconds = self.offsets[index] + within
        return offsets

    @property
    def total_s(self) -> float:
        """For how long the clock ran."""
        return float(self.lengths.sum())

    @property
    def with_waits_s(self) -> float:
        """For how long the clock ran, or no job ran because the scheduler was about to start one."""
        return self.total_s + sum(gap.pause_s for gap in self.gaps() if gap.pause_s < LONGEST_WAIT_S)

    def gaps(self) -> list[Pause]:
        """Return every stretch in which the clock stood still."""
        ends = self.starts + self.lengths
        return [
            Pause(float(offset), float(start - end))
            for offset, start, end in zip(self.offsets[1:], self.starts[1:], ends[:-1], strict=True)
        ]


def assign_slots(intervals: Sequence[Interval]) -> list[int]:
    """Return a slot for each interval: the lowest that is free at its start, so that slots are as few as possible."""
    slots = [0] * len(intervals)
    busy: list[tuple[float, int]] = []  # (end, slot)
    free: list[int] = []
    for index in sorted(range(len(intervals)), key=lambda i: intervals[i]):
        start, end = intervals[index]
        while busy and busy[0][0] <= start + OVERLAP_S:
            heapq.heappush(free, heapq.heappop(busy)[1])
        slots[index] = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (end, slots[index]))
    return slots
