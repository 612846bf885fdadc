"""What a run will take: a sample of the corpus is split and annotated as the run would do it; the rest is arithmetic.

Starting up and annotating are kept apart, for a sample is small and a shard is not. The workers of the sample are as
many as will compute at once, so that what they take from each other is measured with them.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from shardner.annotate.job import annotate_shard
from shardner.config import CorpusConfig, NerConfig, OnBadRecord
from shardner.corpus.files import show_path
from shardner.corpus.samples import FileHead, kind_of, take_heads
from shardner.data.files import scratch_directory, write_text_atomically
from shardner.data.manifest import Manifest
from shardner.data.metrics import Job, Phase
from shardner.data.tables import ShardFiles, shard_path
from shardner.errors import CorpusError
from shardner.model.pipeline import Pipeline
from shardner.parse.shard_plan import CHARS_PER_BYTE
from shardner.stages.split import split_corpus
from shardner.terminal.numbers import compact, count, duration, plural, size
from shardner.terminal.visible_text import one_line

log = logging.getLogger(__name__)

#: Characters that are sampled, about.
SAMPLE_CHARS = 16_000_000
#: The sample is split into so many parts: the first tells how many of the rest are annotated …
PARTS = 256
#: … for annotating is to take so many seconds.
SAMPLE_S = 12.0
#: Seconds that Snakemake takes to start, and the report to be written; and entities that are merged in a second.
AROUND_S = 12.0
ENTITIES_PER_S = 1_500_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What the sample showed; rates are of one worker while it annotates."""

    files: int
    bytes: int
    chars: int  # of the corpus, by the characters that a byte of the sample holds
    documents: int
    sampled_chars: int
    annotated_chars: int
    annotated_tokens: int
    split_chars_per_s: float
    workers: int  # that annotated at once
    chars_per_s: float
    tokens_per_s: float
    start_up_s: float  # of a job, until it annotates, and what it does afterwards
    entities_per_char: float
    shard_bytes_per_char: float
    result_bytes_per_char: float
    device: str
    engine: str
    engine_reason: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is expected to take."""

    documents: int
    chars: int
    tokens: int
    entities: int
    shards: int
    jobs_at_once: int
    workers_a_job: int
    tokens_per_s: float  # of all jobs, starting up left out
    start_up_s: float  # of each job
    split_s: float
    annotate_s: float
    merge_s: float
    total_s: float
    results_bytes: int
    work_bytes: int
    measured: Measured


def measure_sample(
    files: Sequence[Path],
    corpus: CorpusConfig,
    max_chars: int,
    pipeline: Pipeline,
    ner: NerConfig,
    *,
    workers: int,
    gpus: int,
    measured: Path,
) -> Measured:
    """Split and annotate a sample of the corpus, and write what that took as JSON.

    Args:
        files: the input files.
        corpus: how they are read.
        max_chars: of a window.
        pipeline: what annotates.
        ner: how.
        workers: of the one job that annotates the sample.
        gpus: granted to it.
        measured: where the figures go.

    Raises:
        CorpusError: a file cannot be read, or there is no document in the sample.
        ModelError: the pipeline cannot be loaded.
        DeviceError: the device asked for cannot be used.
        AnnotateError: a worker died, or every document fails.
    """
    sizes = [(path, path.stat().st_size) for path in files]
    with scratch_directory(measured) as scratch:
        heads = take_heads(sizes, corpus, SAMPLE_CHARS, scratch)
        parts = [shard_path(scratch / "parts", number) for number in range(PARTS)]
        started_s = time.perf_counter()
        manifest = _split(heads, corpus, parts, max_chars, scratch)
        split_s = time.perf_counter() - started_s
        kept = [part for part, info in zip(parts, manifest.shards, strict=True) if info.windows]
        job, result_bytes = _annotate_some(kept, manifest.chars, pipeline, ner, workers, gpus, scratch)
        chars = _count_chars(heads, kept, sizes)
        found = Measured(
            files=len(files),
            bytes=sum(each for _, each in sizes),
            chars=chars,
            documents=round(manifest.documents * chars / manifest.chars) if manifest.chars else 0,
            sampled_chars=manifest.chars,
            annotated_chars=job.totals.chars,
            annotated_tokens=job.totals.tokens,
            split_chars_per_s=manifest.chars / split_s,
            workers=workers,
            chars_per_s=_chars_per_s(job),
            tokens_per_s=_chars_per_s(job) * job.totals.tokens / max(job.totals.chars, 1),
            start_up_s=_start_up_s(job) + _import_s(),
            entities_per_char=job.totals.entities / max(job.totals.chars, 1),
            shard_bytes_per_char=sum(part.stat().st_size for part in kept) / max(manifest.chars, 1),
            result_bytes_per_char=result_bytes / max(job.totals.chars, 1),
            device=job.device,
            engine=job.engine or "",
            engine_reason=job.engine_reason or "",
        )
    write_text_atomically(measured, json.dumps(dataclasses.asdict(found), indent=1, ensure_ascii=False) + "\n")
    return found


def read_measured(path: Path) -> Measured:
    """Read what `measure_sample` wrote."""
    return Measured(**json.loads(path.read_text("utf-8")))


def predict(measured: Measured, shards: int, jobs_at_once: int | None, workers: int | None) -> Estimate:
    """Predict what a run takes.

    Args:
        measured: what the sample showed.
        shards: of the run.
        jobs_at_once: annotate jobs; None: all of them.
        workers: of each; None: as many as the sample's job had.
    """
    workers_a_job = workers or measured.workers
    jobs = max(min(jobs_at_once or shards, shards), 1)
    entities = measured.chars * measured.entities_per_char
    shard_s = measured.start_up_s + measured.chars / shards / (measured.chars_per_s * workers_a_job)
    split_s = measured.chars / measured.split_chars_per_s
    annotate_s = -(-shards // jobs) * shard_s  # they are of about one size, so they run in rounds
    merge_s = entities / ENTITIES_PER_S
    results = measured.chars * measured.result_bytes_per_char
    return Estimate(
        documents=measured.documents,
        chars=measured.chars,
        tokens=round(measured.chars * measured.tokens_per_s / measured.chars_per_s),
        entities=round(entities),
        shards=shards,
        jobs_at_once=jobs,
        workers_a_job=workers_a_job,
        tokens_per_s=measured.tokens_per_s * workers_a_job * jobs,
        start_up_s=measured.start_up_s,
        split_s=split_s,
        annotate_s=annotate_s,
        merge_s=merge_s,
        total_s=split_s + annotate_s + merge_s + AROUND_S,
        results_bytes=round(results),
        work_bytes=round(results + measured.chars * measured.shard_bytes_per_char),
        measured=measured,
    )


def write_estimate(path: Path, estimate: Estimate) -> None:
    """Write an estimate as JSON, atomically."""
    write_text_atomically(path, json.dumps(dataclasses.asdict(estimate), indent=1, ensure_ascii=False) + "\n")


def read_estimate(path: Path) -> Estimate:
    """Read what `write_estimate` wrote."""
    data = json.loads(path.read_text("utf-8"))
    return Estimate(**{**data, "measured": Measured(**data["measured"])})


def describe_estimate(estimate: Estimate) -> str:
    """Return an estimate as a few aligned lines."""
    measured = estimate.measured
    rows = [
        ("corpus", f"{compact(estimate.documents)} documents, {compact(estimate.chars)} characters in "
                   f"{plural(measured.files, 'file')} of {size(measured.bytes)}"),
        ("time", f"{duration(estimate.total_s)}: split {duration(estimate.split_s)}, annotate "
                 f"{duration(estimate.annotate_s)}, merge {duration(estimate.merge_s)}"),
        ("annotate", f"{plural(estimate.shards, 'shard')}, {count(estimate.jobs_at_once)} at once with "
                     f"{plural(estimate.workers_a_job, 'worker')} each: {compact(estimate.tokens_per_s)} tokens/s, and "
                     f"{duration(estimate.start_up_s)} for a job to start and end"),
        ("engine", one_line(f"{measured.engine} on {measured.device}", 200)),
        ("disk", f"{size(estimate.results_bytes)} of results with {compact(estimate.entities)} entities, and "
                 f"{size(estimate.work_bytes)} in .work"),
        ("assumed", f"the rest is as the {compact(measured.sampled_chars)} characters sampled, of which "
                    f"{compact(measured.annotated_chars)} were annotated by {plural(measured.workers, 'worker')};"),
        ("", "as many jobs as may run at once do run, on machines like this one, and nothing else runs there"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    return "\n".join(["A run takes about:", *(f"  {name:>{width}}  {text}" for name, text in rows)])


def _split(
    heads: Sequence[FileHead], corpus: CorpusConfig, parts: Sequence[Path], max_chars: int, scratch: Path
) -> Manifest:
    corpus = replace(corpus, on_bad_record=OnBadRecord.REJECT)  # the last record of a part may be torn
    paths = [head.path for head in heads]
    found = split_corpus(paths, corpus, parts, scratch / "rejected.parquet", scratch / "manifest.json", max_chars)
    if not found.documents:
        raise CorpusError(
            f"there is no document in the first part of {', '.join(show_path(each.source) for each in heads)}"
        )
    return found


def _annotate(
    parts: Sequence[Path], pipeline: Pipeline, ner: NerConfig, workers: int, gpus: int, directory: Path
) -> tuple[Job, int]:
    """Annotate parts of the sample as one shard; return the job's record, and the bytes of its tables.

    A window is annotated as a document by itself: the others of its document may not be in the sample.
    """
    windows = shard_path(directory, 0)
    directory.mkdir()
    chars = pl.col("text").str.len_chars().cast(pl.UInt32)
    numbers = {"window": 0, "windows": 1, "start": 0}
    pl.concat([pl.read_parquet(part) for part in parts]).with_columns(
        pl.int_range(pl.len(), dtype=pl.UInt64).alias("doc"),
        chars.alias("chars"),
        *(pl.lit(number, pl.UInt32).alias(name) for name, number in numbers.items()),
    ).write_parquet(windows, row_group_size=1_000)
    results = ShardFiles(*(directory / name for name in ("entities", "documents", "rejected", "job.json")))
    job = annotate_shard(0, windows, pipeline, ner, threads=workers, gpus=gpus, results=results)
    return job, sum(path.stat().st_size for path in (results.entities, results.documents))


def _annotate_some(
    parts: Sequence[Path], chars: int, pipeline: Pipeline, ner: NerConfig, workers: int, gpus: int, scratch: Path
) -> tuple[Job, int]:
    """Annotate as many parts, of `chars` characters in all, as take `SAMPLE_S`; the first tells how many that are."""
    pilot, _ = _annotate(parts[:1], pipeline, ner, workers, gpus, scratch / "pilot")
    wanted = _chars_per_s(pilot) * workers * SAMPLE_S
    number = min(max(round(wanted / (chars / len(parts))), 1), len(parts))
    spread = [parts[index * len(parts) // number] for index in range(number)]
    return _annotate(spread, pipeline, ner, workers, gpus, scratch / "sample")


_NOT_BUSY = {Phase.START_UP, Phase.LOAD, Phase.IDLE}


def _chars_per_s(job: Job) -> float:
    """Return the characters that a worker annotates in a second in which it has something to do."""
    seconds = [sum(s for phase, s in each.totals.seconds.items() if phase not in _NOT_BUSY) for each in job.workers]
    return job.totals.chars / max(sum(seconds), 1e-9)


def _start_up_s(job: Job) -> float:
    """Return the seconds of a job in which no worker annotates."""
    before_s = min(each.ready_at_s for each in job.workers) - job.started_at_s
    return max(before_s, 0.0) + max(job.ended_at_s - max(each.ended_at_s for each in job.workers), 0.0)


def _import_s() -> float:
    """Return how long a job takes to import what it needs before it starts its workers."""
    started_s = time.perf_counter()
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); import shardner.annotate.job"
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started_s


def _count_chars(heads: Sequence[FileHead], parts: Sequence[Path], sizes: Sequence[tuple[Path, int]]) -> int:
    """Return the characters of the corpus: for each kind of file, by what the heads of its kind hold a byte."""
    texts = pl.scan_parquet(list(parts)).select("file", chars=pl.col("text").str.len_chars())
    chars = dict(texts.group_by("file").sum().collect().iter_rows())
    held: dict[str, list[int]] = {}
    for head in heads:
        kind = held.setdefault(kind_of(head.source), [0, 0])
        kind[0] += chars.get(show_path(head.path), 0)
        kind[1] += head.bytes
    ratios = {kind: found / bytes_ for kind, (found, bytes_) in held.items() if bytes_}
    return round(sum(size * ratios.get(kind_of(path), CHARS_PER_BYTE.get(kind_of(path), 1.0)) for path, size in sizes))
