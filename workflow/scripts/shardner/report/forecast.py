"""What a larger corpus would take, on this machine and on more such machines: arithmetic on a run's own rates.

A run is modelled as stretches of time, one after another:

- a fixed one: the scheduler's time between jobs;
- preparing the pipeline, and beside it the split jobs, one a part, side by side on the cores of the slots;
- the annotate jobs, which run side by side in slots;
- numbering and merging, which are spread over the cores of the slots, up to a number of them.

With N shards on n slots the third takes ``⌈N / n⌉`` rounds of one shard each,

    ⌈N / n⌉ · (start-up + scheduling + work · chars / N),

and the split likewise for parts, ``⌈P / cores⌉ · (scheduling + work / P)``. In truth annotation may begin as soon as
the first part is split, and numbering goes on beside it; so the model is a little too slow.

What no number of slots makes shorter is serial: the fixed stretch, preparing the pipeline or the split of one part, and
numbering and merging on all the cores that they can use. With so many slots that this takes as long as all the rest,
any number of further slots can at most halve the time: Amdahl's law (Amdahl 1967, "Validity of the
single processor approach").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from shardner.parse.limits import MERGE_THREADS

#: Cores that the numbering can use.
NUMBER_CORES = MERGE_THREADS
#: How many times as large as this corpus the others are.
TIMES = (1, 10, 100, 1_000)
#: Numbers of slots are shown up to this one at least,
LEAST_SLOTS = 16
#: and up to this many times the slots that the run had.
MORE_SLOTS = 4
#: A run that annotated for fewer seconds says little about a larger one.
RELIABLE_S = 30.0
#: A run whose workers spent a larger share of their time starting up says little about a larger one.
RELIABLE_START_UP_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Rates:
    """What a run tells about larger ones. A slot runs one annotate job at a time."""

    chars: int
    shards: int  # those that hold text
    parts: int
    slots: int
    cores_a_slot: int  # on which parts are split
    work_slot_s: float  # annotating, all shards together, without start-up
    start_up_slot_s: float  # until the workers are ready, of one shard
    between_slot_s: float  # from the end of a shard to the start of the next one in the same slot
    prepare_s: float  # the pipeline
    split_s: float  # of one core, all parts together
    between_part_s: float  # from the end of a part's split to the start of the next one on the same core
    number_s: float  # of one core
    merge_s: float  # of one core, all parts together
    merges_at_once: int | None  # cores that a merge can use; None: one a part
    fixed_s: float


class Plan(NamedTuple):
    """Into how many parts and shards a corpus is split."""

    parts: int
    shards: int


@dataclass(frozen=True, slots=True)
class Wall:
    """The wall time that a number of slots would take."""

    slots: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A corpus `times` as large."""

    times: int
    chars: int
    shards: int
    parts: int
    start_up_share: float  # of the slots' time: start-up and scheduling
    half_serial_slots: float  # with so many slots or more, the serial part is half of the wall time or more
    walls: tuple[Wall, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """The rates of a run, what they say of the run itself, and what they say of larger ones."""

    unit: str  # what a slot is: "GPU", "core", "job of 4 cores"
    unit_plural: str
    rates: Rates
    measured_s: float  # this run: its jobs and the time between them
    modelled_s: float  # the same, by the arithmetic
    doubts: tuple[str, ...]  # sentences why not to rely on the forecast; none where one can
    rows: tuple[ForecastRow, ...]


def extrapolate(rates: Rates, plan: Callable[[int], Plan]) -> tuple[ForecastRow, ...]:
    """Return what corpora of `TIMES` the size would take.

    Args:
        rates: what the run measured.
        plan: returns the parts and shards of a corpus that is so many times as large. It is not asked about this
            corpus, which keeps its own.
    """
    counts = choose_slots(rates.slots)
    own = Plan(rates.parts, rates.shards)
    return tuple(_row(rates, times, own if times == 1 else plan(times), counts) for times in TIMES)


def choose_slots(slots: int) -> tuple[int, ...]:
    """Return the numbers of slots to show: one, that of the run, and powers of two around that."""
    most = max(LEAST_SLOTS, MORE_SLOTS * slots)
    powers = [1 << power for power in range(most.bit_length()) if 1 << power <= most]
    return tuple(sorted({1, slots, *(power for power in powers if power * MORE_SLOTS >= slots)}))


def model_wall(rates: Rates, times: int, plan: Plan, slots: int) -> Wall:
    """Return the wall time of a corpus `times` as large, split as planned, on `slots`."""
    a_part_s, cores = times * rates.split_s / plan.parts, slots * rates.cores_a_slot
    split_s = math.ceil(plan.parts / cores) * (a_part_s + rates.between_part_s) - rates.between_part_s
    begin_s = max(rates.prepare_s, split_s)
    a_shard_s = rates.start_up_slot_s + rates.between_slot_s + times * rates.work_slot_s / plan.shards
    annotate_s = math.ceil(plan.shards / slots) * a_shard_s - rates.between_slot_s  # no gap after the last round
    number_s = times * rates.number_s / min(cores, NUMBER_CORES, plan.parts)
    merge_s = times * rates.merge_s / min(cores, _merge_cores(rates, plan))
    return Wall(slots, rates.fixed_s + begin_s + annotate_s + number_s + merge_s)


def _merge_cores(rates: Rates, plan: Plan) -> int:
    """Return on how many cores the merge of a corpus goes on at most."""
    return min(plan.parts, rates.merges_at_once or plan.parts)


def _row(rates: Rates, times: int, plan: Plan, counts: tuple[int, ...]) -> ForecastRow:
    lost_s = plan.shards * (rates.start_up_slot_s + rates.between_slot_s)
    annotate_s = lost_s + times * rates.work_slot_s
    split_s, merge_s = times * rates.split_s, times * rates.merge_s
    first_s = split_s / plan.parts  # before it nothing can be annotated
    serial_s = rates.fixed_s + max(rates.prepare_s, first_s)
    serial_s += times * rates.number_s / min(NUMBER_CORES, plan.parts) + merge_s / _merge_cores(rates, plan)
    later_s = split_s - first_s + (plan.parts - 1) * rates.between_part_s
    side_by_side_s = annotate_s + later_s / rates.cores_a_slot
    return ForecastRow(
        times=times,
        chars=times * rates.chars,
        shards=plan.shards,
        parts=plan.parts,
        start_up_share=lost_s / annotate_s,
        # where serial = the rest / slots; a run has one slot at least, and a shard is never on more than one slot
        half_serial_slots=max(side_by_side_s / serial_s, 1.0) if serial_s else float(plan.shards),
        walls=tuple(model_wall(rates, times, plan, slots) for slots in counts),
    )
