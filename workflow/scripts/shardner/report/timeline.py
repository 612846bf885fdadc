"""Who ran when and where: slots, devices and the rows of the timeline."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shardner.data.metrics import GpuUse, Job, Phase, Worker
from shardner.report.clock import Clock, assign_slots, covered_s
from shardner.report.figures import DeviceFigure, TimelineRow

#: The rule whose jobs annotate; all others prepare or put together.
ANNOTATE = "annotate_shard"

CPU = "cpu"

#: A place that runs one job at a time: a GPU, or the CPUs of a host.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Slots:
    """Annotate jobs in order, the slot of each, and how every place is called."""

    jobs: tuple[Job, ...]
    slots: tuple[int, ...]
    names: dict[Place, str]

    @property
    def count(self) -> int:
        """Return how many jobs ran side by side at most, all places together."""
        return len({(place_of(job), slot) for job, slot in zip(self.jobs, self.slots, strict=True)})


def place_of(job: Job) -> Place:
    """Return where a job ran: its host, and its device."""
    return job.host, (job.device_uuid or job.device) if on_gpu(job) else CPU


def on_gpu(job: Job) -> bool:
    """Tell whether a job annotated on a GPU: a CPU has a name, too, but no uuid and no memory of its own."""
    return job.device_uuid is not None or job.totals.peak_device_bytes > 0


def find_slots(jobs: Sequence[Job]) -> Slots:
    """Give every annotate job a slot at its place."""
    annotate = sorted((job for job in jobs if job.rule == ANNOTATE), key=lambda job: (job.started_at_s, job.shard or 0))
    members: dict[Place, list[int]] = defaultdict(list)
    for index, job in enumerate(annotate):
        members[place_of(job)].append(index)
    slots = [0] * len(annotate)
    for indices in members.values():
        chosen = assign_slots([(annotate[i].started_at_s, annotate[i].ended_at_s) for i in indices])
        for index, slot in zip(indices, chosen, strict=True):
            slots[index] = slot
    return Slots(tuple(annotate), tuple(slots), _name_places(annotate))


def _name_places(jobs: Sequence[Job]) -> dict[Place, str]:
    """Call places "gpu 0", "cpu" …, with the host where there are several."""
    first = {place_of(job): job for job in reversed(jobs)}
    several = len({host for host, _ in first}) > 1
    names: dict[Place, str] = {}
    numbers: dict[str, int] = defaultdict(int)
    for place in sorted(first, key=lambda place: (place[0], _visible(first[place]), place[1])):
        job = first[place]
        name = CPU
        if on_gpu(job):
            number = _visible(job) if _numbered(first.values(), job.host) else numbers[job.host]
            name = f"gpu {number}"
            numbers[job.host] += 1
        names[place] = f"{job.host} {name}" if several else name
    return names


def _visible(job: Job) -> int:
    """Return the device's number, or -1: that of its card, or as its job saw it."""
    if job.device_number is not None:
        return job.device_number
    value = job.cuda_visible_devices or ""
    return int(value) if re.fullmatch(r"\d{1,4}", value, re.ASCII) else -1


def _numbered(jobs: Iterable[Job], host: str) -> bool:
    """Tell whether the devices of `host` have a number each, and no two the same."""
    numbers = [_visible(job) for job in jobs if job.host == host and on_gpu(job)]
    return -1 not in numbers and len(set(numbers)) == len(numbers)


def describe_devices(slots: Slots, annotate_wall_s: float) -> tuple[DeviceFigure, ...]:
    """Return how long each device was held."""
    members: dict[Place, list[tuple[Job, int]]] = defaultdict(list)
    for job, slot in zip(slots.jobs, slots.slots, strict=True):
        members[place_of(job)].append((job, slot))
    figures = []
    for place in sorted(members, key=lambda place: _natural(slots.names[place])):
        jobs = [job for job, _ in members[place]]
        lanes: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for job, slot in members[place]:
            lanes[slot].append((job.started_at_s, job.ended_at_s))
        busy_s = sum(covered_s(lane) for lane in lanes.values())
        capacity_s = len(lanes) * annotate_wall_s
        figures.append(
            DeviceFigure(
                host=jobs[0].host,
                kind="gpu" if on_gpu(jobs[0]) else CPU,
                device=jobs[0].device,
                device_uuid=jobs[0].device_uuid,
                label=slots.names[place],
                slots=len(lanes),
                jobs=len(jobs),
                workers=max(len(job.workers) or job.threads for job in jobs),
                busy_s=busy_s,
                busy_share=min(busy_s / capacity_s, 1.0) if capacity_s else 0.0,
                **_describe_use(jobs),
            )
        )
    return tuple(figures)


def _describe_use(jobs: Sequence[Job]) -> dict[str, Any]:
    """Return what a device's jobs sampled of it, nothing for a CPU."""
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
    """Return what jobs sampled of their GPUs, in all."""
    return sum((job.gpu_use for job in jobs if job.gpu_use is not None), GpuUse())


def _mean(total: float, measured_s: float) -> float | None:
    return total / measured_s if measured_s else None


def build_timeline(jobs: Sequence[Job], slots: Slots, clock: Clock) -> tuple[TimelineRow, ...]:
    """Return a row for every worker, and for every job without workers, by start."""
    rows = [_row(job, None, job.rule, 0, clock) for job in jobs if job.rule != ANNOTATE]
    wide = {place_of(job) for job, slot in zip(slots.jobs, slots.slots, strict=True) if slot}
    for job, slot in zip(slots.jobs, slots.slots, strict=True):
        place = place_of(job)
        lane = f"{slots.names[place]} slot {slot}" if place in wide else slots.names[place]
        for worker in job.workers or (None,):
            name = f"{lane} worker {worker.worker}" if worker and len(job.workers) > 1 else lane
            rows.append(_row(job, worker, name, slot, clock))
    return tuple(sorted(rows, key=lambda row: (row.start_offset_s, row.lane)))


def _row(job: Job, worker: Worker | None, lane: str, slot: int, clock: Clock) -> TimelineRow:
    # The device is held from the job's start, so what happens before the worker runs is starting up as well.
    started = min(worker.started_at_s, job.started_at_s) if worker else job.started_at_s
    ended = worker.ended_at_s if worker else job.ended_at_s
    start, end = (float(each) for each in clock([started, ended]))
    seconds = (worker.totals if worker else job.totals).seconds
    load_s = seconds.get(Phase.LOAD, 0.0)
    if worker:
        ready_s = max(float(clock([worker.ready_at_s])[0]) - start, 0.0)
        load_s = min(load_s, ready_s)
        start_up_s = ready_s - load_s
    else:
        start_up_s = min(seconds.get(Phase.START_UP, 0.0), end - start)
        load_s = min(load_s, end - start - start_up_s)
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


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort "gpu 10" after "gpu 9"."""
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in re.split(r"(\d+)", name)]
