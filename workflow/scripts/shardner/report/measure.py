"""Measure a run: its figures, from the records of its jobs, its manifest and its result tables."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from shardner.config import CorpusConfig, read_config
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job, Joins, Phase, Totals, add_up
from shardner.data.pipeline_check import PipelineCheck
from shardner.data.provenance import PipelineDescription
from shardner.demo.score import Score, Scores
from shardner.report.advice import advise
from shardner.report.clock import PAUSE_S, Clock
from shardner.report.figures import (
    Balance,
    EngineFigure,
    Headline,
    LongDocuments,
    Lost,
    Performance,
    PhaseFigure,
    RuleFigure,
    ScoreFigure,
    ShardFigure,
    UnsureJoin,
)
from shardner.report.forecast_rates import forecast_run
from shardner.report.hardware import find_hardware
from shardner.report.last_run import read_last
from shardner.report.result_figures import ResultFigures, read_results
from shardner.report.sessions import find_sessions
from shardner.report.spread import measure_spread
from shardner.report.timeline import (
    DeviceKey,
    Slots,
    build_timeline,
    describe_devices,
    device_key,
    find_slots,
    sum_use,
)

#: How input files are read where the settings say nothing.
DEFAULT_CORPUS = read_config({}).corpus
#: Unsure joins that the report lists; the merge's record has more.
UNSURE_SHOWN = 100


def measure(
    *,
    jobs: Sequence[Job],
    manifest: Manifest,
    model: PipelineDescription,
    check: PipelineCheck,
    results: Path,
    scores: Scores | None = None,
    corpus: CorpusConfig = DEFAULT_CORPUS,
    last: Path | None = None,
) -> Performance:
    """Return every figure of the report.

    Args:
        jobs: the records of all jobs, in any order.
        manifest: what the split found.
        model: the pipeline that annotated; carried through as it is.
        check: carried through as it is.
        results: the directory of entities.parquet, documents.parquet and rejected.parquet.
        scores: of the entities against gold, if there is gold.
        corpus: how the input files are read.
        last: the figures of the run before this one, as its performance.json had them.
    """
    tables = read_results(results)
    slots = find_slots(jobs)
    totals = add_up(job.totals for job in slots.jobs)
    clock = Clock.over((job.started_at_s, job.ended_at_s) for job in jobs)
    annotating = Clock.over((job.started_at_s, job.ended_at_s) for job in slots.jobs)
    gaps = clock.gaps()
    phases = _measure_phases(totals)
    lost = _measure_lost(phases, slots, annotating)
    shards = _measure_shards(slots.jobs)
    performance = Performance(
        headline=_measure_headline(tables, manifest, totals, clock, annotating, slots.jobs),
        long_documents=_measure_long(jobs),
        advice=(),
        phases=phases,
        rules=_measure_rules(jobs),
        lost=lost,
        balance=_measure_balance(shards),
        spread=measure_spread(shards),
        devices=describe_devices(slots, annotating.total_s),
        engines=_describe_engines(slots.jobs),
        hardware=find_hardware(slots.jobs),
        labels=tables.labels,
        frequent_entities=tables.frequent_entities,
        entities_a_document=tables.entities_a_document,
        files=tables.files,
        values=tables.values,
        rejected=tables.reasons,
        scores=_describe_scores(scores),
        precision_by_score=scores.bands if scores else (),
        model=model,
        whole_pipeline=check,
        forecast=forecast_run(jobs, manifest, slots, shards, lost, corpus),
        sessions=find_sessions(jobs),
        pauses=tuple(gap for gap in gaps if gap.pause_s >= PAUSE_S),
        shards=shards,
        timeline=build_timeline(jobs, slots, clock),
    )
    last_run = read_last(last, performance.headline) if last else None
    return dataclasses.replace(performance, advice=advise(performance), last_run=last_run)


def _measure_headline(
    tables: ResultFigures, manifest: Manifest, totals: Totals, clock: Clock, annotating: Clock, jobs: Sequence[Job]
) -> Headline:
    wall_s, annotate_s = clock.total_s, annotating.total_s
    return Headline(
        documents=tables.documents,
        rejected=tables.rejected,
        reused_documents=totals.reused,
        audited=totals.audited,
        identical=totals.identical,
        near_ties=totals.near_ties,
        entities=tables.entities,
        tokens=tables.tokens,
        chars=manifest.chars,
        shards=len(manifest.shards),
        run_s=clock.with_waits_s,
        wall_s=wall_s,
        annotate_wall_s=annotate_s,
        between_jobs_s=sum(gap.pause_s for gap in clock.gaps() if gap.pause_s < PAUSE_S),
        documents_per_s=_ratio(tables.documents, annotate_s),
        tokens_per_s=_ratio(tables.tokens, annotate_s),
        chars_per_s=_ratio(manifest.chars, annotate_s),
        joules_per_million_tokens=_measure_energy(jobs),
    )


def _measure_long(jobs: Sequence[Job]) -> LongDocuments:
    joins = sum((job.joins for job in jobs if job.rule in ("merge_parts", "merge_part")), Joins())
    return LongDocuments(
        documents=joins.documents,
        windows=joins.documents + joins.joins,
        joins_by_margins=joins.by_margins,
        unsure_joins=joins.unsure,
        unsure=tuple(UnsureJoin(doc, char) for doc, char in joins.shown[:UNSURE_SHOWN]),
    )


def _measure_energy(jobs: Sequence[Job]) -> float | None:
    """Return the energy per million tokens; None where a GPU does not count its energy, or a job ran on a CPU."""
    tokens, use = sum(job.totals.tokens for job in jobs), sum_use(jobs)
    return use.energy_j / tokens * 1e6 if tokens and use.energy_jobs == len(jobs) else None


def _measure_phases(totals: Totals) -> tuple[PhaseFigure, ...]:
    seconds = {phase.value: totals.seconds.get(phase, 0.0) for phase in Phase}
    whole = sum(seconds.values())
    return tuple(PhaseFigure(name, each, _ratio(each, whole)) for name, each in seconds.items())


def _measure_rules(jobs: Sequence[Job]) -> tuple[RuleFigure, ...]:
    by_rule: dict[str, list[Job]] = defaultdict(list)
    for job in sorted(jobs, key=lambda job: job.started_at_s):
        by_rule[job.rule].append(job)
    return tuple(
        RuleFigure(
            rule=rule,
            jobs=len(members),
            total_s=sum(job.elapsed_s for job in members),
            longest_s=max(job.elapsed_s for job in members),
            threads=max(job.threads for job in members),
            requested_memory_bytes=max((job.requested_memory_bytes or 0 for job in members), default=0) or None,
            job_memory_bytes=max(max(job.memory_bytes, job.totals.peak_rss_bytes) for job in members),
            peak_rss_bytes=max(job.totals.peak_rss_bytes for job in members),
            peak_device_bytes=max(job.totals.peak_device_bytes for job in members),
        )
        for rule, members in by_rule.items()
    )


def _measure_shards(jobs: Sequence[Job]) -> tuple[ShardFigure, ...]:
    figures = [
        ShardFigure(
            shard=job.shard if job.shard is not None else -1,
            documents=job.totals.documents,
            chars=job.totals.chars,
            tokens=job.totals.tokens,
            entities=job.totals.entities,
            elapsed_s=job.elapsed_s,
            start_up_s=_seconds_until_ready(job),
            peak_rss_bytes=job.totals.peak_rss_bytes,
            peak_device_bytes=job.totals.peak_device_bytes,
        )
        for job in jobs
    ]
    return tuple(sorted(figures, key=lambda figure: figure.shard))


def _seconds_until_ready(job: Job) -> float:
    """Return the wall time from the job's start until its last worker had loaded the model, at most the job's."""
    ready_at_s = max((worker.ready_at_s for worker in job.workers), default=job.started_at_s)  # none: an empty shard
    return min(max(ready_at_s - job.started_at_s, 0.0), max(job.elapsed_s, 0.0))


def _measure_balance(shards: Sequence[ShardFigure]) -> Balance:
    filled = [shard for shard in shards if shard.chars]
    if not filled:
        return Balance(0, 1.0, 1.0, None, 0.0, 0.0)
    longest = max(filled, key=lambda shard: shard.elapsed_s)
    mean_s = sum(shard.elapsed_s for shard in filled) / len(filled)
    mean_chars = sum(shard.chars for shard in filled) / len(filled)
    return Balance(
        shards=len(filled),
        chars_max_over_mean=_ratio(max(shard.chars for shard in filled), mean_chars) or 1.0,
        elapsed_max_over_mean=_ratio(longest.elapsed_s, mean_s) or 1.0,
        longest_shard=longest.shard,
        longest_s=longest.elapsed_s,
        mean_s=mean_s,
    )


def _measure_lost(phases: Sequence[PhaseFigure], slots: Slots, annotating: Clock) -> Lost:
    worker_s = {figure.phase: figure.worker_s for figure in phases}
    share = {figure.phase: figure.share for figure in phases}
    busy_s = 0.0
    last_s: dict[tuple[DeviceKey, int], float] = defaultdict(float)
    for job, slot in zip(slots.jobs, slots.slots, strict=True):
        start, end = (float(each) for each in annotating([job.started_at_s, job.ended_at_s]))
        busy_s += end - start
        key = (device_key(job), slot)
        last_s[key] = max(last_s[key], end)
    count, whole_s = slots.count, annotating.total_s
    tail_s = sum(whole_s - last for last in last_s.values())
    return Lost(
        start_up_share=share[Phase.START_UP] + share[Phase.LOAD],
        start_up_worker_s=worker_s[Phase.START_UP] + worker_s[Phase.LOAD],
        worker_idle_share=share[Phase.IDLE],
        slots=count,
        slot_idle_share=max(1.0 - busy_s / (count * whole_s), 0.0) if count and whole_s else 0.0,
        tail_idle_share=_ratio(tail_s, count * whole_s),
        tail_idle_s=_ratio(tail_s, count),
    )


def _describe_engines(jobs: Sequence[Job]) -> tuple[EngineFigure, ...]:
    groups: dict[tuple[str, str, str], list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.engine or "none", job.engine_reason or "", job.device].append(job)
    figures = [EngineFigure(*key, len({job.host for job in members}), len(members)) for key, members in groups.items()]
    return tuple(sorted(figures, key=lambda figure: (-figure.jobs, figure.engine, figure.reason)))


def _describe_scores(scores: Scores | None) -> tuple[ScoreFigure, ...]:
    """Return scores as figures, that of all labels together first."""
    if scores is None:
        return ()
    by_label: list[tuple[str | None, Score]] = [(None, scores.overall), *scores.by_label.items()]
    return tuple(ScoreFigure(label, score.precision, score.recall, score.f) for label, score in by_label)


def _ratio(value: float, by: float) -> float:
    return value / by if by else 0.0
