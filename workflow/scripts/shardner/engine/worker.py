"""What a worker process of an annotate job does: load the pipeline once, then annotate block after block.

A worker reads its blocks from the shard itself and hands back tables, so texts never pass through the parent.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from shardner.config import EngineChoice
from shardner.engine.annotations import Annotations
from shardner.engine.audit import Findings, audit, draw
from shardner.engine.place import load_engine
from shardner.engine.reuse import Reuse
from shardner.engine.select import Selected
from shardner.gpu.memory import Share
from shardner.metrics import Phase, Stopwatch, Totals, peak_rss_bytes
from shardner.model.pipeline import Pipeline
from shardner.records import ENTITIES, REJECTED, WINDOWS, escape_raw

if TYPE_CHECKING:
    from spacy.language import Language


@dataclass(frozen=True, slots=True)
class Task:
    """What all blocks of a job share."""

    shard: int
    windows: Path  # the shard's file
    pipeline: Pipeline
    engine: EngineChoice
    batch_tokens: int | None
    audit_limit: int | None  # documents whose hash is at most this are audited; see `audit`
    started_at_s: float  # when the job started its workers, Unix time
    share: Share | None = None  # of the GPU's memory; None on the CPU


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive windows of a shard."""

    number: int
    first: int  # row in the shard's file
    rows: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a block. `rejected` has the columns of `REJECTED` behind ``doc``."""

    block: Block
    entities: pl.DataFrame
    documents: pl.DataFrame
    rejected: pl.DataFrame
    totals: Totals
    engine: str
    engine_reason: str
    pid: int
    ready_at_s: float  # when the worker had loaded its pipeline, Unix time
    ended_at_s: float


@dataclass(frozen=True, slots=True)
class _Ready:
    nlp: Language
    selected: Selected
    engine: Reuse
    words: int  # that the vocabulary came with
    ready_at_s: float


_ready: _Ready | None = None

#: Words that a vocabulary meets, besides those that it came with, before the pipeline is loaded again. A memory zone
#: frees the words, but spaCy's index of them keeps a place for each that ever was in it; loading costs as much as
#: annotating some 20,000 tokens.
WORDS_A_LOAD = 500_000


def annotate_block(task: Task, block: Block) -> Result:
    """Annotate a block of a shard, in a worker process, which loads the pipeline for its first block.

    Raises:
        ModelError: the pipeline cannot be loaded.
    """
    global _ready
    watch = Stopwatch()
    if _ready is None:
        _ready = _get_ready(task, watch)
    elif len(_ready.nlp.vocab) - _ready.words > WORDS_A_LOAD:
        ready_at_s, _ready = _ready.ready_at_s, None
        gc.collect()  # the old pipeline goes before the new one comes
        _ready = replace(_load(task, watch), ready_at_s=ready_at_s)
    reused_before = _ready.engine.reused
    with watch.phase(Phase.READ):
        windows = pl.scan_parquet(task.windows).slice(block.first, block.rows).collect()
        texts = windows["text"].to_list()
    annotations = _ready.engine.annotate(texts, watch)
    with watch.phase(Phase.AUDIT):
        findings = _audit_sample(_ready, task.audit_limit, windows, texts, annotations)
    with watch.phase(Phase.WRITE):
        entities = entities_table(windows, texts, annotations)
        documents = documents_table(windows, annotations, task.shard)
        rejected = rejected_table(windows, texts, annotations)
    totals = Totals(
        documents=documents.height,
        windows=windows.height,
        chars=sum(map(len, texts)),
        tokens=int(annotations.tokens.sum()),
        entities=entities.height,
        rejected=rejected.height,
        reused=_ready.engine.reused - reused_before,
        audited=findings.audited,
        identical=findings.identical,
        near_ties=findings.near_ties,
        labels=dict(Counter(annotations.labels)),
        seconds=dict(watch.seconds),
        peak_rss_bytes=peak_rss_bytes(),
    )
    return Result(
        block, entities, documents, rejected, totals,
        engine=_ready.selected.name, engine_reason=_ready.selected.reason, pid=os.getpid(),
        ready_at_s=_ready.ready_at_s, ended_at_s=time.time(),
    )  # fmt: skip


def _audit_sample(
    ready: _Ready, limit: int | None, windows: pl.DataFrame, texts: list[str], annotations: Annotations
) -> Findings:
    """Audit the documents of the sample; the stock engine has nothing to be compared with."""
    if ready.selected.name is EngineChoice.SPACY:
        return Findings()
    rows = np.flatnonzero(draw(windows["doc"].to_numpy(), limit))
    ids = windows["id"].gather(rows).to_list()
    return audit(ready.nlp, ids, [texts[row] for row in rows], annotations.take(rows))


def _get_ready(task: Task, watch: Stopwatch) -> _Ready:
    import spacy  # noqa: F401  - counted as start-up, not as loading

    watch.seconds[Phase.START_UP.value] += time.time() - task.started_at_s
    return _load(task, watch)


def _load(task: Task, watch: Stopwatch) -> _Ready:
    with watch.phase(Phase.LOAD):
        nlp, selected = load_engine(task.pipeline, task.engine, task.batch_tokens, task.share)
    return _Ready(nlp, selected, Reuse(selected.engine), words=len(nlp.vocab), ready_at_s=time.time())


def end_with_parent() -> None:
    """End this process when the job's does: a job that was killed must leave no worker on its device.

    Called before a worker waits for its first block: it holds both ends of the pipe that it waits at, so that the death
    of the parent would not wake it.
    """
    parent = parent_process()
    if parent is None:
        return

    def watch_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch_parent, name="end-with-parent", daemon=True).start()


def entities_table(windows: pl.DataFrame, texts: list[str], annotations: Annotations) -> pl.DataFrame:
    """Return entities in the columns of `ENTITIES`, with offsets into the document."""
    rows = np.repeat(np.arange(len(texts)), np.diff(annotations.offsets))
    spans = zip(rows.tolist(), annotations.starts.tolist(), annotations.ends.tolist(), strict=True)
    shift = windows["start"].to_numpy()[rows]
    return pl.DataFrame(
        {
            "doc": windows["doc"].gather(rows),
            "id": windows["id"].gather(rows),
            "start": annotations.starts + shift,
            "end": annotations.ends + shift,
            "text": [texts[row][start:end] for row, start, end in spans],
            "label": list(annotations.labels),
        },
        schema=ENTITIES,
    )


def documents_table(windows: pl.DataFrame, annotations: Annotations, shard: int) -> pl.DataFrame:
    """Return the documents that were annotated, in the columns of `DOCUMENTS` and the kept ones."""
    keep = [column for column in windows.columns if column not in WINDOWS]
    table = windows.select(
        "doc", "id", "file", "row", "chars",
        pl.Series("tokens", annotations.tokens, dtype=pl.UInt32),
        pl.Series("entities", np.diff(annotations.offsets), dtype=pl.UInt32),
        "windows",
        pl.lit(shard, pl.UInt32).alias("shard"),
        *keep,
    )  # fmt: skip
    return table.filter(_failed(windows, annotations).not_()) if annotations.failed else table


def rejected_table(windows: pl.DataFrame, texts: list[str], annotations: Annotations) -> pl.DataFrame:
    """Return the documents on which the pipeline failed, as rejected records behind their ``doc``."""
    failed = sorted(annotations.failed)
    reasons = [annotations.failed[row] for row in failed]
    return windows.filter(_failed(windows, annotations)).select(
        "doc", "file", "row",
        pl.lit(None, pl.UInt64).alias("byte_offset"),
        pl.Series("reason", [f"the pipeline failed: {reason}" for reason in reasons], dtype=pl.String),
        pl.Series("raw", [escape_raw(texts[row][:500].encode()) for row in failed], dtype=pl.String),
    ).cast(pl.Schema({"doc": pl.UInt64(), **REJECTED}))  # fmt: skip


def _failed(windows: pl.DataFrame, annotations: Annotations) -> pl.Series:
    mask = np.zeros(windows.height, dtype=bool)
    mask[list(annotations.failed)] = True
    return pl.Series(mask)
