"""What a worker process of an annotate job does: load the pipeline once, then annotate block after block.

A worker reads its blocks from the shard itself and hands back tables, so texts never pass through the parent.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from shardner.annotate.audit import Findings, audit, draw, sample_keys
from shardner.annotate.long_documents import annotate_windows
from shardner.annotate.shard_tables import Tables, in_order, make_tables, texts_of_entities
from shardner.annotate.surroundings import Surroundings
from shardner.config import EngineChoice
from shardner.data.job_recording import peak_rss_bytes
from shardner.data.metrics import Phase, Totals
from shardner.data.stopwatch import Stopwatch
from shardner.engine.annotations import Int64s
from shardner.engine.loading import load_engine
from shardner.engine.repeated_texts import Reuse
from shardner.engine.selection import Selected
from shardner.gpu.memory import Share
from shardner.model.pipeline import Pipeline, import_spacy_for

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
    """What came of a block."""

    block: Block
    entities: pl.DataFrame
    documents: pl.DataFrame
    rejected: pl.DataFrame
    totals: Totals
    unsure: list[tuple[int, int]]  # documents, and where in them two windows could not be joined for sure
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

#: Of a longer document, or window, so many characters are audited: stock spaCy takes 4 kB and 15 µs for each, once in a
#: shard at least.
EXCERPT_CHARS = 20_000
#: Words that a vocabulary meets, besides those that it came with, before the pipeline is loaded again. A memory zone
#: frees the words, but spaCy's index of them keeps a place for each that ever was in it; loading costs as much as
#: annotating some 20,000 tokens.
WORDS_A_LOAD = 500_000
#: Objects made and not freed after which Python looks for cycles. Documents come by the hundred and hold none; with
#: Python's own 700, looking costs 4 % of annotating short texts.
COLLECTED_AT = 10_000


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
        gc.unfreeze()
        gc.collect()  # the old pipeline goes before the new one comes
        _ready = replace(_load(task, watch), ready_at_s=ready_at_s)
    reused_before = _ready.engine.reused
    with watch.phase(Phase.READ):
        windows = pl.scan_parquet(task.windows).slice(block.first, block.rows).collect()
    parts = [_annotate_whole(_ready, task, windows.filter(pl.col("windows") == 1), watch)]
    parts += [_annotate_run(_ready, task, block.first + row, run, watch) for row, run in _runs(windows)]
    with watch.phase(Phase.WRITE):
        entities, documents, rejected = in_order([part.tables for part in parts])
    findings = sum((part.findings for part in parts), Findings())
    totals = Totals(
        documents=documents.filter(pl.col("window") == 0).height,
        windows=documents.height,
        chars=int(windows["text"].str.len_chars().sum()),
        tokens=int(documents["tokens"].sum()),
        entities=sum(part.entities for part in parts),
        rows=entities.height,
        rejected=rejected.height,
        reused=_ready.engine.reused - reused_before,
        audited=findings.audited,
        identical=findings.identical,
        near_ties=findings.near_ties,
        labels=dict(entities["label"].value_counts().iter_rows()),
        seconds=dict(watch.seconds),
        peak_rss_bytes=peak_rss_bytes(),
    )
    return Result(
        block, entities, documents, rejected, totals,
        unsure=[place for part in parts for place in part.unsure],
        engine=_ready.selected.name, engine_reason=_ready.selected.reason, pid=os.getpid(),
        ready_at_s=_ready.ready_at_s, ended_at_s=time.time(),
    )  # fmt: skip


class _Part(NamedTuple):
    """What came of some windows of a block."""

    tables: Tables
    findings: Findings
    entities: int  # about, of long documents
    unsure: list[tuple[int, int]]  # document, and where in it two windows could not be joined for sure


def _annotate_whole(ready: _Ready, task: Task, windows: pl.DataFrame, watch: Stopwatch) -> _Part:
    """Annotate documents of one window each."""
    texts = windows["text"].to_list()
    annotations = ready.engine.annotate(texts, watch)
    with watch.phase(Phase.AUDIT):
        drawn = _draw(ready, task, windows)
        long = (windows["chars"] > EXCERPT_CHARS).to_numpy()[drawn]
        rows = drawn[~long]
        findings = audit(
            ready.nlp, windows["id"].gather(rows).to_list(), [texts[row] for row in rows], annotations.take(rows)
        ) + _audit_excerpts(ready, windows[drawn[long]])
    with watch.phase(Phase.WRITE):
        tables = make_tables(windows, annotations, texts_of_entities(texts, annotations), task.shard)
    return _Part(tables, findings, tables.entities.height, [])


def _annotate_run(ready: _Ready, task: Task, first_row: int, windows: pl.DataFrame, watch: Stopwatch) -> _Part:
    """Annotate consecutive windows of one long document, which stand in the shard from `first_row` on."""
    surroundings = Surroundings(task.windows.parent, task.shard, first_row, windows)
    result = annotate_windows(ready.nlp, ready.selected.engine, windows, surroundings, watch)
    with watch.phase(Phase.AUDIT):
        findings = _audit_excerpts(ready, windows[_draw(ready, task, windows)])
    with watch.phase(Phase.WRITE):
        tables = make_tables(windows, result.found, result.texts, task.shard, candidates=result.candidates)
    return _Part(tables, findings, result.entities, [(int(windows["doc"][0]), place) for place in result.unsure])


def _runs(windows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    """Return the windows of each long document, with the row of the first."""
    docs, long = windows["doc"].to_numpy(), (windows["windows"] > 1).to_numpy()
    starts = np.flatnonzero(np.diff(docs, prepend=docs[:1] - 1).astype(bool) & long)
    ends = np.searchsorted(docs, docs[starts], side="right")
    return [(int(start), windows[int(start) : int(end)]) for start, end in zip(starts, ends, strict=True)]


def _draw(ready: _Ready, task: Task, windows: pl.DataFrame) -> Int64s:
    """Return the rows whose windows are audited; the stock engine has nothing to be compared with."""
    if ready.selected.name is EngineChoice.SPACY:
        return np.empty(0, dtype=np.int64)
    keys = sample_keys(windows["doc"].to_numpy(), windows["window"].to_numpy())
    return np.flatnonzero(draw(keys, task.audit_limit))


def _audit_excerpts(ready: _Ready, windows: pl.DataFrame) -> Findings:
    """Audit the beginnings of windows, each as a document by itself."""
    if windows.is_empty():
        return Findings()
    texts = windows["text"].str.slice(0, EXCERPT_CHARS).to_list()
    return audit(ready.nlp, windows["id"].to_list(), texts, ready.selected.engine.annotate(texts, Stopwatch()))


def _get_ready(task: Task, watch: Stopwatch) -> _Ready:
    pipeline = task.pipeline
    import_spacy_for(pipeline.location, pipeline.sys_path, pipeline.code)  # counted as start-up, not as loading
    watch.seconds[Phase.START_UP.value] += time.time() - task.started_at_s
    return _load(task, watch)


def _load(task: Task, watch: Stopwatch) -> _Ready:
    with watch.phase(Phase.LOAD):
        nlp, selected = load_engine(task.pipeline, task.engine, task.batch_tokens, task.share)
        spare_collection()
    return _Ready(nlp, selected, Reuse(selected.engine), words=len(nlp.vocab), ready_at_s=time.time())


def spare_collection() -> None:
    """Keep garbage collection from what is loaded for good, and from running after every few documents."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AT, 10, 10)


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
