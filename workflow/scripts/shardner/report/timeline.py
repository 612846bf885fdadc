"""Which job ran when, and on which device: slots, devices and the rows of the timeline."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shardner.data.metrics import GpuUse, Job, Phase, Worker
from shardner.report.clock import Clock, assign_slots, covered_s
from shardner.report.figures import DeviceFigure, TimelineRow

#: The rule whose jobs annotate.
ANNOTATE = "annotate_shard"

CPU = "cpu"

#: Names a device: its host, and the uuid of a GPU or `CPU` for all the cores of the host.
DeviceKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Slots:
    """The annotate jobs by start, and the slot of each. Jobs that share a slot of a device ran one after another."""

    jobs: tuple[Job, ...]
    slots: tuple[int, ...]
    names: dict[DeviceKey, str]  # what the report calls each device

    @property
    def count(self) -> int:
        """Return how many slots there are on all devices together: so many jobs ran side by side."""
        return len({(device_key(job), slot) for job, slot in zip(self.jobs, self.slots, strict=True)})


def device_key(job: Job) -> DeviceKey:
    """Return the device on which a job ran."""
    return job.host, job.device_uuid or CPU


def on_gpu(job: Job) -> bool:
    """Tell whether a job annotated on a GPU: a CPU has a name, too, but no uuid."""
    return job.device_uuid is not None


def find_slots(jobs: Sequence[Job]) -> Slots:
    """Give every annotate job a slot on its device."""
    annotate = sorted((job for job in jobs if job.rule == ANNOTATE), key=lambda job: (job.started_at_s, job.shard or 0))
    members: dict[DeviceKey, list[int]] = defaultdict(list)
    for index, job in enumerate(annotate):
        members[device_key(job)].append(index)
    slots = [0] * len(annotate)
    for indices in members.values():
        chosen = assign_slots([(annotate[i].started_at_s, annotate[i].ended_at_s) for i in indices])
        for index, slot in zip(indices, chosen, strict=True):
            slots[index] = slot
    return Slots(tuple(annotate), tuple(slots), _name_devices(annotate))


def _name_devices(jobs: Sequence[Job]) -> dict[DeviceKey, str]:
    """Call devices "gpu 0", "cpu" …, with the name of the host before it where there are several hosts."""
    first = {device_key(job): job for job in reversed(jobs)}
    several = len({host for host, _ in first}) > 1
    names: dict[DeviceKey, str] = {}
    numbers: dict[str, int] = defaultdict(int)
    for key in sorted(first, key=lambda key: (key[0], _device_number(first[key]), key[1])):
        job = first[key]
        name = CPU
        if on_gpu(job):
            number = _device_number(job) if _have_own_numbers(first.values(), job.host) else numbers[job.host]
            name = f"gpu {number}"
            numbers[job.host] += 1
        names[key] = f"{job.host} {name}" if several else name
    return names


def _device_number(job: Job) -> int:
    """Return the number of the device's card; -1 where it is not known."""
    return -1 if job.device_number is None else job.device_number


def _have_own_numbers(jobs: Iterable[Job], host: str) -> bool:
    """Tell whether each device of `host` has a number, and no two devices have the same."""
    numbers = [_device_number(job) for job in jobs if job.host == host and on_gpu(job)]
    return -1 not in numbers and len(set(numbers)) == len(numbers)


def describe_devices(slots: Slots, annotate_wall_s: float) -> tuple[DeviceFigure, ...]:
    """Return how long each device was held."""
    members: dict[DeviceKey, list[tuple[Job, int]]] = defaultdict(list)
    for job, slot in zip(slots.jobs, slots.slots, strict=True):
        members[device_key(job)].append((job, slot))
    figures = []
    for key in sorted(members, key=lambda key: _sort_naturally(slots.names[key])):
        jobs = [job for job, _ in members[key]]
        by_slot: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for job, slot in members[key]:
            by_slot[slot].append((job.started_at_s, job.ended_at_s))
        busy_s = sum(map(covered_s, by_slot.values()))
        capacity_s = len(by_slot) * annotate_wall_s
        figures.append(
            DeviceFigure(
                host=jobs[0].host,
                kind="gpu" if on_gpu(jobs[0]) else CPU,
                device=jobs[0].device,
                device_uuid=jobs[0].device_uuid,
                label=slots.names[key],
                slots=len(by_slot),
                jobs=len(jobs),
                workers=max(len(job.workers) or job.threads for job in jobs),
                busy_s=busy_s,
                busy_share=min(busy_s / capacity_s, 1.0) if capacity_s else 0.0,
                **_describe_use(jobs),
            )
        )
    return tuple(figures)


def _describe_use(jobs: Sequence[Job]) -> dict[str, Any]:
    """Return what the jobs of a device sampled: nothing for a CPU."""
    use = sum_use(jobs)
    return {
        "utilisation_share": _mean(use.utilisation_s, use.utilisation_measured_s),
        "memory_mean_bytes": _mean(use.memory_byte_s, use.memory_measured_s),
        "memory_peak_bytes": use.memory_peak_bytes or None,
        "memory_bytes": max((job.device_memory_bytes or 0 for job in jobs), default=0) or None,
        "power_w": _mean(use.power_j, use.power_measured_s),
        "energy_j": use.energy_j if use.energy_jobs else None,
    }


def sum_use(jobs: Iterable[Job]) -> GpuUse:
    """Return what jobs sampled of their GPUs, all together."""
    return sum((job.gpu_use for job in jobs if job.gpu_use is not None), GpuUse())


def _mean(total: float, measured_s: float) -> float | None:
    return total / measured_s if measured_s else None


def build_timeline(jobs: Sequence[Job], slots: Slots, clock: Clock) -> tuple[TimelineRow, ...]:
    """Return a row for every worker, and for every job without workers, by start."""
    rows = [_row(job, None, lane, 0, clock) for job, lane in _list_others(jobs)]
    wide = {device_key(job) for job, slot in zip(slots.jobs, slots.slots, strict=True) if slot}
    for job, slot in zip(slots.jobs, slots.slots, strict=True):
        key = device_key(job)
        lane = f"{slots.names[key]} slot {slot}" if key in wide else slots.names[key]
        for worker in job.workers or (None,):
            name = f"{lane} worker {worker.worker}" if worker and len(job.workers) > 1 else lane
            rows.append(_row(job, worker, name, slot, clock))
    return tuple(sorted(rows, key=lambda row: (row.start_offset_s, row.lane)))


def _list_others(jobs: Sequence[Job]) -> Iterator[tuple[Job, str]]:
    """Yield each job that does not annotate, with its lane: its rule, numbered where such jobs ran side by side."""
    members: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.rule != ANNOTATE:
            members[job.rule].append(job)
    for rule, each in members.items():
        slots = assign_slots([(job.started_at_s, job.ended_at_s) for job in each])
        for job, slot in zip(each, slots, strict=True):
            yield job, f"{rule} {slot + 1}" if max(slots) else rule


def _row(job: Job, worker: Worker | None, lane: str, slot: int, clock: Clock) -> TimelineRow:
    # The job has its device from its start, so what happens before the worker runs is start-up as well.
    started = min(worker.started_at_s, job.started_at_s) if worker else job.started_at_s
    ended = worker.ended_at_s if worker else job.ended_at_s
    start, end = (float(each) for each in clock([started, ended]))
    start_up_s = load_s = 0.0
    if worker:
        ready_s = max(float(clock([worker.ready_at_s])[0]) - start, 0.0)
        load_s = min(worker.totals.seconds.get(Phase.LOAD, 0.0), ready_s)
        start_up_s = ready_s - load_s
    return TimelineRow(
        rule=job.rule,
        shard=job.shard,
        host=job.host,
        device=job.device,
        device_uuid=job.device_uuid,
        lane=lane,
        slot=slot,
        worker=worker.worker if worker else None,
        start_offset_s=start,
        end_offset_s=end,
        start_up_s=start_up_s,
        load_s=load_s,
        annotate_s=max(end - start - start_up_s - load_s, 0.0) if job.rule == ANNOTATE else 0.0,
    )


def _sort_naturally(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts "gpu 10" after "gpu 9"."""
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in re.split(r"(\d+)", name)]
