"""What the jobs of a run measured about themselves, and how such measurements add up.

Each job of the rules that prepare the pipeline, split, number, annotate and merge leaves a `Job` record; jobs of other
rules leave none. `Totals` and `GpuUse` add associatively. So the figures of a run are sums over its records, those of
earlier, interrupted sessions included.

Times of day are Unix seconds, so that jobs of several hosts share an axis. Durations come from a monotonic clock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """Where the time of an annotate job goes. The seconds of all workers add up."""

    START_UP = "start_up"  # the interpreter and imports, until a worker is ready to load the model
    LOAD = "load"  # the pipeline, from disk to memory and to the device
    READ = "read"
    TOKENIZE = "tokenize"
    ENCODE = "encode"  # tokens to vectors, and the components before the recogniser
    DECODE = "decode"  # vectors to entities
    RECOGNISE = "recognise"  # components that spaCy runs: all of them in the stock engine
    AUDIT = "audit"  # annotating a sample again with stock spaCy
    WRITE = "write"
    IDLE = "idle"  # a worker waits for its next block, or for the others to finish


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts and seconds, which add, and peaks, of which the sum keeps the larger one."""

    documents: int = 0
    windows: int = 0
    chars: int = 0
    tokens: int = 0
    entities: int = 0  # of long documents an approximation: the merge finds out which candidates are entities
    rows: int = 0  # of the table of entities: entities and candidates
    spans: int = 0  # of the span groups asked for
    rejected: int = 0
    audited: int = 0  # documents annotated again with stock spaCy
    identical: int = 0  # of the audited documents, those with the same entities
    near_ties: int = 0  # of the audited documents, those whose entities differ within rounding
    reused: int = 0  # documents whose text had been annotated before, so that its entities were reused
    labels: Mapping[str, int] = field(default_factory=dict)  # entities by label
    seconds: Mapping[str, float] = field(default_factory=dict)  # by `Phase`, summed over workers
    peak_rss_bytes: int = 0  # of the largest single process
    peak_device_bytes: int = 0

    def __add__(self, other: Totals) -> Totals:
        """Return the totals of both."""
        return Totals(
            documents=self.documents + other.documents,
            windows=self.windows + other.windows,
            chars=self.chars + other.chars,
            tokens=self.tokens + other.tokens,
            entities=self.entities + other.entities,
            rows=self.rows + other.rows,
            spans=self.spans + other.spans,
            rejected=self.rejected + other.rejected,
            audited=self.audited + other.audited,
            identical=self.identical + other.identical,
            near_ties=self.near_ties + other.near_ties,
            reused=self.reused + other.reused,
            labels=_add_by_key(self.labels, other.labels),
            seconds=_add_by_key(self.seconds, other.seconds),
            peak_rss_bytes=max(self.peak_rss_bytes, other.peak_rss_bytes),
            peak_device_bytes=max(self.peak_device_bytes, other.peak_device_bytes),
        )


def _add_by_key(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


def add_up(totals: Iterable[Totals]) -> Totals:
    """Return the sum, `Totals()` for none.

    Neighbours are added until one is left. Adding 50,000 one after another would copy the growing labels 50,000 times.
    """
    rest = [Totals(), *totals]
    while len(rest) > 1:
        last = rest[-1:] if len(rest) % 2 else []
        rest = [one + other for one, other in zip(rest[::2], rest[1::2], strict=False)] + last
    return rest[0]


@dataclass(frozen=True, slots=True)
class GpuUse:
    """What a GPU did while jobs had it, as sums over time; what a GPU does not report counts as not measured."""

    utilisation_s: float = 0.0  # seconds in which kernels ran, of those measured
    utilisation_measured_s: float = 0.0
    memory_byte_s: float = 0.0  # bytes in use, by all processes, times seconds
    memory_measured_s: float = 0.0
    memory_peak_bytes: int = 0
    power_j: float = 0.0  # watts times seconds
    power_measured_s: float = 0.0
    energy_j: float = 0.0  # by the card's own counter
    energy_jobs: int = 0  # jobs in which the card had such a counter

    def __add__(self, other: GpuUse) -> GpuUse:
        """Return the sums over both."""
        names = [each.name for each in dataclasses.fields(self)]
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        peak_bytes = max(self.memory_peak_bytes, other.memory_peak_bytes)
        return GpuUse(**{**sums, "memory_peak_bytes": peak_bytes})


@dataclass(frozen=True, slots=True)
class Joins:
    """How the windows of long documents were put together. The merge adds this to its record."""

    documents: int = 0  # that had more than one window
    joins: int = 0  # cuts at which two windows met
    by_margins: int = 0  # of those, where entities of both sides were compared because there were no candidates
    unsure: int = 0  # places near which entities may differ from those of the uncut document
    shown: tuple[tuple[int, int], ...] = ()  # the first of these places: document and character

    def __add__(self, other: Joins) -> Joins:
        """Return the record of both, which are of different documents."""
        counts = {name: getattr(self, name) + getattr(other, name) for name in _JOIN_COUNTS}
        return Joins(**counts, shown=tuple(sorted(self.shown + other.shown))[:SHOWN_PLACES])


_JOIN_COUNTS = ("documents", "joins", "by_margins", "unsure")

#: Places that a record shows.
SHOWN_PLACES = 1_000


def unsure_joins(places: Iterable[tuple[int, int]]) -> Joins:
    """Return a record of nothing but places where windows could not be put together for sure."""
    distinct = sorted(set(places))
    return Joins(unsure=len(distinct), shown=tuple(distinct[:SHOWN_PLACES]))


@dataclass(frozen=True, slots=True)
class HostResources:
    """What the host of a job has; null where the operating system does not tell."""

    cores: int | None
    usable_cores: int | None  # cores that the job's process may run on: a scheduler may have given it fewer than all
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of an annotate job: when it lived, and what it did."""

    worker: int  # 0, 1, 2 … within the job
    pid: int
    started_at_s: float  # Unix time
    ready_at_s: float  # model loaded
    ended_at_s: float
    totals: Totals


@dataclass(frozen=True, slots=True)
class Job:
    """The record of one job."""

    rule: str
    shard: int | None
    host: str
    device: str  # its name; a GPU has a `device_uuid` as well
    device_uuid: str | None
    cuda_visible_devices: str | None
    threads: int
    engine: str | None  # which engine annotated, and why that one
    engine_reason: str | None
    started_at_s: float  # Unix time
    ended_at_s: float
    totals: Totals
    workers: tuple[Worker, ...] = ()
    device_number: int | None = None  # of the GPU, or of the card that it is a slice of, as nvidia-smi counts
    device_memory_bytes: int | None = None
    devices_present: int | None = None  # GPUs that the job could have been given, this one among them
    driver: str | None = None  # of the GPU
    cuda: str | None = None  # the newest version that the driver runs
    scheduler: str | None = None  # slurm, lsf, pbs or kubernetes
    job_id: str | None = None  # the scheduler's, of the attempt that succeeded
    gpu_use: GpuUse | None = None
    joins: Joins = field(default_factory=Joins)  # of an annotate job, only what was unsure in its windows
    memory_bytes: int = 0  # of all its processes: their peaks, added up
    requested_memory_bytes: int | None = None  # Snakemake's resource `mem_mb`, which only a scheduler enforces
    host_resources: HostResources | None = None
    part: str | None = None  # of an annotate job: the name of the shard's part, in which `shard` is its number
    digests: Mapping[str, str] = field(default_factory=dict)  # of an annotate job's tables, by their names
    pipeline: str | None = None  # of an annotate job: the sha256 of what annotated

    @property
    def elapsed_s(self) -> float:
        """Wall time of the job."""
        return self.ended_at_s - self.started_at_s
