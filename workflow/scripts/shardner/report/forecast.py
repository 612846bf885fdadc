"""What a larger corpus would take, on this machine and on others of its kind: arithmetic on a run's own rates.

A run is modelled as three parts one after another: a fixed one (fetching the pipeline where it does not hide behind the
split, and the scheduler's time between jobs), one in proportion to the corpus on one process (split and merge), and the
annotate jobs, which slots share. With N shards on n slots the last of these takes ``⌈N / n⌉`` rounds of one shard each,

    ⌈N / n⌉ · (start-up + scheduling + work · chars / N).

From the number of slots on at which the first two parts take as long as the third, all further slots together can at
most halve the time: Amdahl's law (Amdahl 1967, "Validity of the single processor approach").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

#: How many times this corpus.
TIMES = (1, 10, 100, 1_000)
#: So many slots are shown even for a small run; for a larger one, this many times its own.
LEAST_SLOTS, MORE_SLOTS = 16, 4
#: A run that annotated for less, or spent more of it starting up, says little about a larger one.
RELIABLE_S, RELIABLE_START_UP_SHARE = 30.0, 0.3


@dataclass(frozen=True, slots=True)
class Rates:
    """What a run tells about the next, all in seconds. A slot is what runs one annotate job at a time."""

    chars: int
    shards: int  # that hold anything
    slots: int
    work_slot_s: float  # annotating, all shards together, without start-up
    start_up_slot_s: float  # until a shard's workers are ready, of one shard
    between_slot_s: float  # from a shard's end to the next one's start in the same slot
    split_s: float
    merge_s: float
    fixed_s: float


@dataclass(frozen=True, slots=True)
class Wall:
    """What so many slots would take."""

    slots: int
    wall_s: float
    serial_share: float  # of it, in which one process splits, merges, or waits


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A corpus `times` as large."""

    times: int
    chars: int
    shards: int
    start_up_share: float  # of the slots' time, and scheduling with it
    serial_s: float
    annotate_slot_s: float  # all that slots share
    half_serial_slots: float  # from so many slots on, the serial part is half of the wall time or more
    walls: tuple[Wall, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """The run's rates, what they say of the run itself, and what they say of larger ones."""

    unit: str  # what a slot is: "GPU", "core", "job of 4 cores"
    unit_plural: str
    rates: Rates
    measured_s: float  # this run, jobs and what was between them
    modelled_s: float  # the same by the arithmetic
    doubts: tuple[str, ...]  # why not to rely on it, as sentences; none where it can be relied on
    rows: tuple[ForecastRow, ...]


def extrapolate(rates: Rates, plan: Callable[[int], int]) -> tuple[ForecastRow, ...]:
    """Return what corpora of `TIMES` the size would take.

    Args:
        rates: what the run measured.
        plan: tells how many shards a corpus `times` as large is cut into; this one keeps the shards that it had.
    """
    counts = choose_slots(rates.slots)
    return tuple(_row(rates, times, rates.shards if times == 1 else plan(times), counts) for times in TIMES)


def choose_slots(slots: int) -> tuple[int, ...]:
    """Return numbers of slots to show: one, those of the run, and powers of two around them."""
    most = max(LEAST_SLOTS, MORE_SLOTS * slots)
    powers = [1 << power for power in range(most.bit_length()) if 1 << power <= most]
    return tuple(sorted({1, slots, *(power for power in powers if power * MORE_SLOTS >= slots)}))


def model_wall(rates: Rates, times: int, shards: int, slots: int) -> Wall:
    """Return the wall time of a corpus `times` as large, cut into `shards`, on `slots`."""
    a_shard_s = rates.start_up_slot_s + rates.between_slot_s + times * rates.work_slot_s / shards
    annotate_s = math.ceil(shards / slots) * a_shard_s - rates.between_slot_s  # nothing comes after the last
    serial_s = _serial_s(rates, times)
    return Wall(slots, serial_s + annotate_s, serial_s / (serial_s + annotate_s))


def _row(rates: Rates, times: int, shards: int, counts: tuple[int, ...]) -> ForecastRow:
    lost_s = shards * (rates.start_up_slot_s + rates.between_slot_s)
    annotate_s, serial_s = lost_s + times * rates.work_slot_s, _serial_s(rates, times)
    return ForecastRow(
        times=times,
        chars=times * rates.chars,
        shards=shards,
        start_up_share=lost_s / annotate_s,
        serial_s=serial_s,
        annotate_slot_s=annotate_s,
        # serial = annotate / slots; a run is never on less than one slot, nor is one shard on more than one
        half_serial_slots=max(annotate_s / serial_s, 1.0) if serial_s else float(shards),
        walls=tuple(model_wall(rates, times, shards, slots) for slots in counts),
    )


def _serial_s(rates: Rates, times: int) -> float:
    return rates.fixed_s + times * (rates.split_s + rates.merge_s)
