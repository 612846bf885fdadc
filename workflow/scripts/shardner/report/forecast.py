"""What a larger corpus would take, on this machine and on more such machines: arithmetic on a run's own rates.

A run is modelled as three parts, one after another:

- a fixed part: fetching the pipeline, unless the split runs meanwhile, and the scheduler's time between jobs;
- a serial part, one process each for split and merge, whose time grows with the corpus;
- the annotate jobs, which run side by side in slots.

With N shards on n slots the third part takes ``⌈N / n⌉`` rounds of one shard each,

    ⌈N / n⌉ · (start-up + scheduling + work · chars / N).

With so many slots that the first two parts take as long as the third, any number of further slots can at most halve the
time: Amdahl's law (Amdahl 1967, "Validity of the single processor approach").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

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
    slots: int
    work_slot_s: float  # annotating, all shards together, without start-up
    start_up_slot_s: float  # until the workers are ready, of one shard
    between_slot_s: float  # from the end of a shard to the start of the next one in the same slot
    split_s: float
    merge_s: float
    fixed_s: float


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


def extrapolate(rates: Rates, plan: Callable[[int], int]) -> tuple[ForecastRow, ...]:
    """Return what corpora of `TIMES` the size would take.

    Args:
        rates: what the run measured.
        plan: returns the number of shards of a corpus that is so many times as large. It is not asked about this
            corpus, which keeps its shards.
    """
    counts = choose_slots(rates.slots)
    return tuple(_row(rates, times, rates.shards if times == 1 else plan(times), counts) for times in TIMES)


def choose_slots(slots: int) -> tuple[int, ...]:
    """Return the numbers of slots to show: one, that of the run, and powers of two around that."""
    most = max(LEAST_SLOTS, MORE_SLOTS * slots)
    powers = [1 << power for power in range(most.bit_length()) if 1 << power <= most]
    return tuple(sorted({1, slots, *(power for power in powers if power * MORE_SLOTS >= slots)}))


def model_wall(rates: Rates, times: int, shards: int, slots: int) -> Wall:
    """Return the wall time of a corpus `times` as large, cut into `shards`, on `slots`."""
    a_shard_s = rates.start_up_slot_s + rates.between_slot_s + times * rates.work_slot_s / shards
    annotate_s = math.ceil(shards / slots) * a_shard_s - rates.between_slot_s  # no gap after the last round
    return Wall(slots, _serial_s(rates, times) + annotate_s)


def _row(rates: Rates, times: int, shards: int, counts: tuple[int, ...]) -> ForecastRow:
    lost_s = shards * (rates.start_up_slot_s + rates.between_slot_s)
    annotate_s, serial_s = lost_s + times * rates.work_slot_s, _serial_s(rates, times)
    return ForecastRow(
        times=times,
        chars=times * rates.chars,
        shards=shards,
        start_up_share=lost_s / annotate_s,
        # where serial = annotate / slots; a run has one slot at least, and a shard is never on more than one slot
        half_serial_slots=max(annotate_s / serial_s, 1.0) if serial_s else float(shards),
        walls=tuple(model_wall(rates, times, shards, slots) for slots in counts),
    )


def _serial_s(rates: Rates, times: int) -> float:
    return rates.fixed_s + times * (rates.split_s + rates.merge_s)
