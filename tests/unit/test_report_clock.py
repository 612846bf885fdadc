from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shardner.report.clock import Clock, assign_slots, covered_s, union

intervals = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 50)).map(lambda pair: (float(pair[0]), float(sum(pair)))),
    max_size=30,
)


def test_union_joins_what_overlaps_or_touches() -> None:
    assert union([(5, 6), (0, 2), (2, 3), (1, 2)]) == [(0, 3), (5, 6)]


def test_clock_stands_still_between_jobs() -> None:
    clock = Clock.over([(100.0, 110.0), (500.0, 505.0)])
    assert clock.total_s == 15
    assert clock([100, 105, 300, 500, 502, 900, 50]).tolist() == [0, 5, 10, 10, 12, 15, 0]
    assert [(gap.at_offset_s, gap.pause_s) for gap in clock.gaps()] == [(10, 390)]


def test_clock_over_nothing_shows_zero() -> None:
    clock = Clock.over([])
    assert clock.total_s == 0
    assert clock([1.0, 2.0]).tolist() == [0, 0]
    assert clock.gaps() == []


@given(intervals)
def test_clock_runs_as_long_as_any_job(jobs: list[tuple[float, float]]) -> None:
    clock = Clock.over(jobs)
    seconds = {second for start, end in jobs for second in range(int(start), int(end))}
    assert clock.total_s == covered_s(jobs) == len(seconds)
    for start, end in jobs:
        first, last = clock([start, end])
        assert last - first == pytest.approx(end - start)


@given(intervals)
def test_slots_never_overlap_and_are_as_few_as_possible(jobs: list[tuple[float, float]]) -> None:
    slots = assign_slots(jobs)
    for slot in set(slots):
        held = sorted(job for job, its in zip(jobs, slots, strict=True) if its == slot)
        assert all(earlier[1] <= later[0] + 0.05 for earlier, later in itertools.pairwise(held))
    most = max((sum(start <= at < end for start, end in jobs if end > start) for at in range(1051)), default=0)
    assert len(set(slots)) <= max(most, 1) if jobs else slots == []
