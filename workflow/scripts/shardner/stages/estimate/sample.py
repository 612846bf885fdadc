"""A sample of the corpus, split and annotated as the run would do it, and measured.

Start-up and annotation are measured apart: a sample is small, a shard is large. The sample has as many workers as the
run will have at once, so that the time they cost each other is measured too.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

import shardner
from shardner.annotate.job import annotate_shard
from shardner.annotate.worker_pool import AnnotateBlocks, annotate_in_processes
from shardner.config import CorpusConfig, NerConfig, OnBadRecord
from shardner.corpus.files import detect_format, show_path
from shardner.corpus.samples import FileHead, kind_of, settings_of_heads, take_heads
from shardner.data.files import scratch_directory
from shardner.data.manifest import PartManifest
from shardner.data.metrics import Job, Phase
from shardner.data.stored_files import size_of
from shardner.data.tables import ShardFiles, read_table, scan_table, shard_path
from shardner.data.typed_json import write_json
from shardner.errors import CorpusError
from shardner.model.pipeline import Pipeline
from shardner.parse.shard_plan import CHARS_PER_BYTE
from shardner.stages.estimate.figures import SampleFigures
from shardner.stages.split import PartFiles, split_part


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How much of the corpus is measured."""

    chars: int = 16_000_000  # that are split, about
    parts: int = 256  # the sample is split into so many; the first shows how many of the others are annotated
    annotate_s: float = 12.0  # so long the annotation is to take


DEFAULT_SIZE = SampleSize()


@dataclass(frozen=True, slots=True)
class _Annotation:
    """How the sample is annotated."""

    pipeline: Pipeline
    ner: NerConfig
    workers: int
    gpus: int
    annotate_blocks: AnnotateBlocks


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
    sample: SampleSize = DEFAULT_SIZE,
    annotate_blocks: AnnotateBlocks = annotate_in_processes,
) -> SampleFigures:
    """Split and annotate a sample of the corpus, and write what was measured as JSON.

    Args:
        files: the input files.
        corpus: how they are read.
        max_chars: characters of a window, at most.
        pipeline: what annotates.
        ner: how it annotates.
        workers: of the one job that annotates the sample.
        gpus: GPUs that this job was granted.
        measured: where the figures go.
        sample: how much is measured.
        annotate_blocks: runs the workers.

    Raises:
        CorpusError: a file cannot be read, or there is no document in the sample.
        ModelError: the pipeline cannot be loaded.
        DeviceError: the device asked for cannot be used.
        AnnotateError: a worker died, or every document fails.
    """
    sizes = [(path, size_of(path)) for path in files]
    how = _Annotation(pipeline, ner, workers, gpus, annotate_blocks)
    with scratch_directory(measured) as scratch:
        heads = take_heads(sizes, corpus, sample.chars, scratch)
        parts = [shard_path(scratch / "parts", number) for number in range(sample.parts)]
        started_s = time.perf_counter()
        manifest = _split(heads, corpus, parts, max_chars, scratch)
        split_s = time.perf_counter() - started_s
        kept = [part for part, info in zip(parts, manifest.shards, strict=True) if info.windows]
        job, result_bytes = _annotate_some(kept, manifest.chars, how, sample.annotate_s, scratch)
        chars = _count_chars(heads, kept, sizes)
        found = SampleFigures(
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
            start_up_s=_not_annotating_s(job) + _import_s(),
            entities_per_char=job.totals.entities / max(job.totals.chars, 1),
            shard_bytes_per_char=sum(part.stat().st_size for part in kept) / max(manifest.chars, 1),
            result_bytes_per_char=result_bytes / max(job.totals.chars, 1),
            device=job.device,
            engine=job.engine or "",
            engine_reason=job.engine_reason or "",
        )
    write_json(measured, found)
    return found


def _split(
    heads: Sequence[FileHead], corpus: CorpusConfig, parts: Sequence[Path], max_chars: int, scratch: Path
) -> PartManifest:
    # the last record of a head may be torn
    corpus = replace(settings_of_heads(corpus), on_bad_record=OnBadRecord.REJECT)
    paths = [head.path for head in heads]
    others = (scratch / name for name in ("rejected.parquet", "drawn.parquet", "manifest.json"))
    sources = [detect_format(path, corpus) for path in paths]
    found = split_part("sample", sources, corpus, PartFiles(parts, *others), max_chars)
    if not found.documents:
        raise CorpusError(
            f"there is no document in the first part of {', '.join(show_path(each.source) for each in heads)}"
        )
    return found


def _annotate_some(
    parts: Sequence[Path], chars: int, how: _Annotation, wanted_s: float, scratch: Path
) -> tuple[Job, int]:
    """Annotate as many parts as take `wanted_s`; the first part, annotated before, shows how many these are.

    Args:
        parts: of the sample.
        chars: of all parts.
        how: they are annotated.
        wanted_s: how long that is to take.
        scratch: a directory.
    """
    pilot, _ = _annotate(parts[:1], how, scratch / "pilot")
    wanted_chars = _chars_per_s(pilot) * how.workers * wanted_s
    number = min(max(round(wanted_chars / (chars / len(parts))), 1), len(parts))
    spread = [parts[index * len(parts) // number] for index in range(number)]
    return _annotate(spread, how, scratch / "sample")


def _annotate(parts: Sequence[Path], how: _Annotation, directory: Path) -> tuple[Job, int]:
    """Annotate parts of the sample as one shard; return the record of the job, and the bytes of its tables.

    Each window is annotated as a document by itself: the other windows of its document may not be in the sample.
    """
    windows = shard_path(directory, 0)
    directory.mkdir()
    chars = pl.col("text").str.len_chars().cast(pl.UInt32)
    numbers = {"window": 0, "windows": 1, "start": 0}
    pl.concat([read_table(part) for part in parts]).with_columns(
        pl.int_range(pl.len(), dtype=pl.UInt64).alias("doc"),
        chars.alias("chars"),
        *(pl.lit(number, pl.UInt32).alias(name) for name, number in numbers.items()),
    ).write_parquet(windows, row_group_size=1_000)
    results = ShardFiles(*(directory / name for name in ("entities", "documents", "rejected", "job.json")))
    job = annotate_shard(
        "sample",
        0,
        windows,
        how.pipeline,
        how.ner,
        threads=how.workers,
        gpus=how.gpus,
        results=results,
        annotate_blocks=how.annotate_blocks,
    )
    return job, sum(path.stat().st_size for path in (results.entities, results.documents))


_NOT_BUSY = {Phase.START_UP, Phase.LOAD, Phase.IDLE}


def _chars_per_s(job: Job) -> float:
    """Return the characters that a worker annotates in a second in which it has something to do."""
    seconds = [sum(s for phase, s in each.totals.seconds.items() if phase not in _NOT_BUSY) for each in job.workers]
    return job.totals.chars / max(sum(seconds), 1e-9)


def _not_annotating_s(job: Job) -> float:
    """Return the seconds of a job before the first worker is ready and after the last one is done."""
    before_s = min(each.ready_at_s for each in job.workers) - job.started_at_s
    return max(before_s, 0.0) + max(job.ended_at_s - max(each.ended_at_s for each in job.workers), 0.0)


def _import_s() -> float:
    """Return how long a job takes to import what it needs before it starts its workers."""
    started_s = time.perf_counter()
    path = str(Path(shardner.__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {path!r}); import shardner.annotate.job"
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started_s


def _count_chars(heads: Sequence[FileHead], parts: Sequence[Path], sizes: Sequence[tuple[Path, int]]) -> int:
    """Return the characters of the corpus, from the characters per byte in the heads of files of each kind."""
    texts = scan_table(list(parts)).select("file", chars=pl.col("text").str.len_chars())
    chars = dict(texts.group_by("file").sum().collect().iter_rows())
    held: dict[str, list[int]] = {}
    for head in heads:
        kind = held.setdefault(kind_of(head.source), [0, 0])
        kind[0] += chars.get(show_path(head.path), 0)
        kind[1] += head.bytes
    ratios = {kind: found / bytes_ for kind, (found, bytes_) in held.items() if bytes_}
    return round(sum(size * ratios.get(kind_of(path), CHARS_PER_BYTE.get(kind_of(path), 1.0)) for path, size in sizes))
