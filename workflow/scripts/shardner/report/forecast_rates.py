"""The rates of a run, measured for the forecast, and the forecast drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shardner.config import CorpusConfig
from shardner.corpus.files import can_be_entered
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job
from shardner.errors import CorpusError
from shardner.parse.kept_sizes import round_speed
from shardner.parse.limits import MERGE_THREADS
from shardner.parse.part_plan import plan_parts
from shardner.parse.shard_plan import CHARS_PER_S, decide_sizes, estimate_chars
from shardner.report.clock import PAUSE_S, Clock, Interval, covered_s, union
from shardner.report.figures import Lost, ShardFigure
from shardner.report.forecast import RELIABLE_S, RELIABLE_START_UP_SHARE, Forecast, Plan, Rates, extrapolate, model_wall
from shardner.report.timeline import ANNOTATE, DeviceKey, Slots, device_key, on_gpu
from shardner.terminal.numbers import duration, percent

PREPARE, SPLIT = "prepare_model", "split_part"
NUMBER = ("number_documents", "check_dataset")
MERGE, MERGE_ONE = "merge_parts", "merge_part"


def forecast_run(
    jobs: Sequence[Job],
    manifest: Manifest,
    slots: Slots,
    shards: Sequence[ShardFigure],
    lost: Lost,
    corpus: CorpusConfig,
) -> Forecast | None:
    """Return what larger corpora would take, by the records of this run's jobs; None where its corpus held no text.

    A larger corpus has the same files, each of them larger. `corpus` says how they are read.
    """
    filled = [shard for shard in shards if shard.chars]
    if not filled:
        return None
    rates = measure_rates(jobs, manifest, slots, filled)
    clock = Clock.over((job.started_at_s, job.ended_at_s) for job in jobs)
    annotate_s = Clock.over((job.started_at_s, job.ended_at_s) for job in slots.jobs).total_s
    slot, slot_plural = _name_slot(slots.jobs)
    return Forecast(
        unit=slot,
        unit_plural=slot_plural,
        rates=rates,
        measured_s=clock.with_waits_s,
        modelled_s=model_wall(rates, 1, Plan(rates.parts, rates.shards), rates.slots).wall_s,
        doubts=_doubts(annotate_s, lost.start_up_share),
        rows=extrapolate(rates, lambda times: plan_larger(manifest, times, corpus, rates.chars / rates.work_slot_s)),
    )


def plan_larger(manifest: Manifest, times: int, corpus: CorpusConfig, chars_per_s: float) -> Plan:
    """Return how a corpus is split that has the files of this one, each of them `times` as large.

    Args:
        manifest: of this corpus.
        times: how much larger.
        corpus: how its files are read.
        chars_per_s: what a job annotates per second.
    """
    files = [(Path(file.path), times * file.bytes) for file in manifest.files]
    sizes = decide_sizes(estimate_chars(files), round_speed(chars_per_s, CHARS_PER_S))
    parts = plan_parts(files, sizes, lambda path: _can_be_entered(path, corpus))
    return Plan(len(parts), sum(part.shards for part in parts))


def _can_be_entered(path: Path, corpus: CorpusConfig) -> bool:
    try:
        return can_be_entered(path, corpus)
    except CorpusError:  # the file is gone, and its name does not say what it was
        return False


def measure_rates(jobs: Sequence[Job], manifest: Manifest, slots: Slots, filled: Sequence[ShardFigure]) -> Rates:
    """Return the rates of a run. `filled` are its shards that held text."""
    annotating = _bridge([(job.started_at_s, job.ended_at_s) for job in slots.jobs])
    splitting = [(job.started_at_s, job.ended_at_s) for job in jobs if job.rule == SPLIT]
    known = {ANNOTATE, PREPARE, SPLIT, *NUMBER, MERGE, MERGE_ONE}
    modelled = [(job.started_at_s, job.ended_at_s) for job in jobs if job.rule in known - {ANNOTATE, SPLIT}]
    modelled += _bridge(splitting)
    others = [(job.started_at_s, job.ended_at_s) for job in jobs if job.rule not in known]
    clock = Clock.over([*annotating, *modelled, *others])
    return Rates(
        chars=sum(shard.chars for shard in filled),
        shards=len(filled),
        parts=max(len(manifest.parts), 1),
        slots=max(slots.count, 1),
        cores_a_slot=max(job.threads for job in slots.jobs),
        work_slot_s=sum(shard.elapsed_s - shard.start_up_s for shard in filled),
        start_up_slot_s=sum(shard.start_up_s for shard in filled) / len(filled),
        between_slot_s=_mean_gap_s(slots),
        prepare_s=sum(job.elapsed_s for job in jobs if job.rule == PREPARE),
        split_s=sum(end - start for start, end in splitting),
        between_part_s=_mean_gap_between_parts_s(splitting) if len(splitting) > 1 else _mean_gap_s(slots),
        number_s=sum(job.elapsed_s * job.threads for job in jobs if job.rule in NUMBER),
        merge_s=sum(job.elapsed_s * job.threads for job in jobs if job.rule in (MERGE, MERGE_ONE)),
        merges_at_once=None if any(job.rule == MERGE_ONE for job in jobs) else MERGE_THREADS,
        fixed_s=clock.with_waits_s - covered_s([*annotating, *modelled]),
    )


def _mean_gap_s(slots: Slots) -> float:
    """Return the mean time from a job's end to the next one's start in its slot, pauses left out."""
    last: dict[tuple[DeviceKey, int], float] = {}
    gaps: list[float] = []
    for job, slot in zip(slots.jobs, slots.slots, strict=True):  # by start
        key = (device_key(job), slot)
        if key in last:
            gaps.append(max(job.started_at_s - last[key], 0.0))
        last[key] = job.ended_at_s
    gaps = [gap for gap in gaps if gap < PAUSE_S]
    return sum(gaps) / len(gaps) if gaps else 0.0


def _mean_gap_between_parts_s(splitting: Sequence[Interval]) -> float:
    """Return the mean time from the end of a split to the start of the next one on the same core, pauses left out."""
    free: list[float] = []  # when the cores in use became free
    gaps: list[float] = []
    for start, end in sorted(splitting):
        idle = [each for each in free if each <= start]
        if idle:
            last = max(idle)
            free.remove(last)
            gaps.append(start - last)
        free.append(end)
    gaps = [gap for gap in gaps if gap < PAUSE_S]
    return sum(gaps) / len(gaps) if gaps else 0.0


def _bridge(intervals: Sequence[Interval]) -> list[Interval]:
    """Join intervals with no pause between them: a gap between two shards is counted for their slot."""
    joined: list[Interval] = []
    for start, end in union(intervals):
        if joined and start - joined[-1][1] < PAUSE_S:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _name_slot(jobs: Sequence[Job]) -> tuple[str, str]:
    """Return what a slot is, in the singular and in the plural."""
    threads = max(job.threads for job in jobs)
    if any(on_gpu(job) for job in jobs):
        return ("GPU", "GPUs") if all(on_gpu(job) for job in jobs) else ("slot", "slots")
    return ("core", "cores") if threads == 1 else (f"job of {threads} cores", f"jobs of {threads} cores")


def _doubts(annotate_s: float, start_up_share: float) -> tuple[str, ...]:
    doubts = []
    if annotate_s < RELIABLE_S:
        doubts.append(f"This run annotated for {duration(annotate_s)} only: too short to tell much about a long one.")
    if start_up_share > RELIABLE_START_UP_SHARE:
        doubts.append(
            f"Its workers spent {percent(start_up_share)} of their time starting up, so little of it was measured."
        )
    return tuple(doubts)
