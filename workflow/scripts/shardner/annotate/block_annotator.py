"""How one block is annotated: the windows of short and of long documents, the audit, and the rows of the tables."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from shardner.annotate.audit import audit
from shardner.annotate.blocks import Block
from shardner.annotate.draw import are_drawn, window_keys
from shardner.annotate.long_documents import annotate_windows
from shardner.annotate.shard_tables import Tables, in_order, make_tables, texts_of_entities
from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.annotate.surroundings import Surroundings
from shardner.config import EngineChoice
from shardner.data.job_recording import peak_rss_bytes
from shardner.data.metrics import Phase, Totals, add_up
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import scan_table
from shardner.engine.annotations import Annotations, Int64s
from shardner.engine.loading import load_engine
from shardner.engine.repeated_texts import Reuse
from shardner.engine.selection import Selected
from shardner.gpu.memory import Share
from shardner.model.components import Request
from shardner.model.pipeline import Pipeline, import_spacy_for

if TYPE_CHECKING:
    from spacy.language import Language


@dataclass(frozen=True, slots=True)
class Task:
    """What all blocks of a job share."""

    part: str  # name of the part that the shard belongs to
    shard: int  # its number in the part
    windows: Path  # the shard's file
    pipeline: Pipeline
    engine: EngineChoice
    batch_tokens: int | None
    draw_limit: int | None  # windows whose hash is at most this are audited; see `draw`
    started_at_s: float  # when the job started its workers, Unix time
    share: Share | None = None  # of the GPU's memory, for each worker; None on the CPU
    request: Request = field(default_factory=Request)
    timeout_s: float | None = None  # a worker that gives no result for so long hangs; None: by the speed so far
    rejects: bool = True  # a document that ends its worker; else it ends the job
    sizes: Sizes = DEFAULT_SIZES


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """What the record of the job needs to know about a block."""

    block: Block
    totals: Totals
    unsure: list[tuple[int, int]]  # document, and where in it two windows may be joined wrongly
    engine: EngineChoice  # which engine annotated, and why that one
    engine_reason: str
    pid: int  # of the worker
    ready_at_s: float  # when the worker had loaded its pipeline, Unix time
    ended_at_s: float


class Result(NamedTuple):
    """What came of a block."""

    tables: Tables
    record: BlockRecord


#: Loads a pipeline and the engine for it: `load_engine`, or what takes the same arguments.
LoadEngine = Callable[..., tuple["Language", Selected]]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A pipeline that has been loaded."""

    nlp: Language
    selected: Selected
    engine: Reuse
    words: int  # in the vocabulary when it was loaded


class _Outcome(NamedTuple):
    """What came of some windows of a block."""

    tables: Tables
    totals: Totals  # entities (of long documents: about) and the counts of the audit; the rest is zero
    unsure: list[tuple[int, int]]  # see `BlockRecord`


class BlockAnnotator:
    """Annotates the blocks of a task. The pipeline is loaded for the first block."""

    def __init__(self, task: Task, load: LoadEngine = load_engine) -> None:
        self._task, self._load_engine = task, load
        self._ready: _Ready | None = None
        self._ready_at_s = 0.0

    def prepare(self) -> None:
        """Load the pipeline now.

        Raises:
            ModelError: it cannot be loaded.
        """
        self._get_ready(Stopwatch())

    def annotate(self, block: Block) -> Result:
        """Annotate a block.

        Raises:
            ModelError: the pipeline cannot be loaded.
            AnnotateError: the audit found a difference, or an attribute asked for does not exist or cannot be written.
        """
        watch = Stopwatch()
        ready = self._get_ready(watch)
        reused_before = ready.engine.reused
        with watch.phase(Phase.READ):
            windows = scan_table(self._task.windows).slice(block.first, block.rows).collect()
        outcomes = [self._annotate_short(ready, windows.filter(pl.col("windows") == 1), watch)]
        outcomes += [self._annotate_long(ready, block.first + row, run, watch) for row, run in _long_runs(windows)]
        with watch.phase(Phase.WRITE):
            tables = in_order([outcome.tables for outcome in outcomes])
        reused = ready.engine.reused - reused_before
        return Result(tables, self._record(block, ready, windows, outcomes, tables, reused, watch))

    def reject(self, block: Block, reason: str) -> Result:
        """Return what becomes of a block whose windows cannot be annotated: all are rejected."""
        watch = Stopwatch()
        ready = self._get_ready(watch)
        windows = scan_table(self._task.windows).slice(block.first, block.rows).collect()
        failed = Annotations.empty(windows.height, dict.fromkeys(range(windows.height), reason))
        outcome = _Outcome(make_tables(windows, failed, (), self._task.shard), Totals(), [])
        return Result(outcome.tables, self._record(block, ready, windows, [outcome], outcome.tables, 0, watch))

    def _record(
        self,
        block: Block,
        ready: _Ready,
        windows: pl.DataFrame,
        outcomes: Sequence[_Outcome],
        tables: Tables,
        reused: int,
        watch: Stopwatch,
    ) -> BlockRecord:
        return BlockRecord(
            block,
            _sum_up(windows, tables, outcomes, reused, watch),
            unsure=[place for outcome in outcomes for place in outcome.unsure],
            engine=ready.selected.name,
            engine_reason=ready.selected.reason,
            pid=os.getpid(),
            ready_at_s=self._ready_at_s,
            ended_at_s=time.time(),
        )

    def _get_ready(self, watch: Stopwatch) -> _Ready:
        """Return the pipeline. It is loaded again after its vocabulary has met many words."""
        if self._ready is None:
            pipeline = self._task.pipeline
            import_spacy_for(pipeline.location, pipeline.sys_path, pipeline.code)  # this is start-up, not loading
            watch.seconds[Phase.START_UP.value] += time.time() - self._task.started_at_s
            self._ready = self._load(watch)
            self._ready_at_s = time.time()
        elif len(self._ready.nlp.vocab) - self._ready.words > self._task.sizes.words_per_load:
            self._ready = None  # the old pipeline goes before the new one comes
            self._ready = self._load(watch)
        return self._ready

    def _load(self, watch: Stopwatch) -> _Ready:
        task = self._task
        with watch.phase(Phase.LOAD):
            nlp, selected = self._load_engine(
                task.pipeline, task.engine, task.batch_tokens, task.share,
                attributes=task.request.attributes, spans=task.request.spans,
            )  # fmt: skip
        return _Ready(nlp, selected, Reuse(selected.engine), words=len(nlp.vocab))

    def _annotate_short(self, ready: _Ready, windows: pl.DataFrame, watch: Stopwatch) -> _Outcome:
        """Annotate documents of one window each."""
        texts = windows["text"].to_list()
        annotations = ready.engine.annotate(texts, watch)
        with watch.phase(Phase.AUDIT):
            drawn = self._draw(ready, windows)
            long = (windows["chars"] > self._task.sizes.excerpt_chars).to_numpy()[drawn]
            rows = drawn[~long]
            ids = windows["id"].gather(rows).to_list()
            audited = audit(ready.nlp, ids, [texts[row] for row in rows], annotations.take(rows))
            audited += self._audit_excerpts(ready, windows[drawn[long]])
        with watch.phase(Phase.WRITE):
            tables = make_tables(
                windows, annotations, texts_of_entities(texts, annotations), self._task.shard,
                span_texts=texts_of_entities(texts, annotations.spans) if annotations.spans is not None else (),
            )  # fmt: skip
        return _Outcome(tables, audited + Totals(entities=tables.entities.height), [])

    def _annotate_long(self, ready: _Ready, first_row: int, windows: pl.DataFrame, watch: Stopwatch) -> _Outcome:
        """Annotate consecutive windows of one long document; `first_row` is that of the first in the shard's file."""
        task = self._task
        surroundings = Surroundings(task.windows.parent, task.shard, first_row, windows)
        found = annotate_windows(ready.selected.engine, windows, surroundings, watch, task.sizes)
        with watch.phase(Phase.AUDIT):
            audited = self._audit_excerpts(ready, windows[self._draw(ready, windows)])
        with watch.phase(Phase.WRITE):
            tables = make_tables(
                windows, found.found, found.texts, task.shard, span_texts=found.span_texts,
                candidates=found.candidates, sentence_starts=found.sentence_starts,
            )  # fmt: skip
        doc = int(windows["doc"][0])
        return _Outcome(tables, audited + Totals(entities=found.entities), [(doc, place) for place in found.unsure])

    def _draw(self, ready: _Ready, windows: pl.DataFrame) -> Int64s:
        """Return the rows whose windows are audited; none with the stock engine, which would be its own witness."""
        if ready.selected.name is EngineChoice.SPACY:
            return np.empty(0, dtype=np.int64)
        keys = window_keys(self._task.part, windows["doc"].to_numpy(), windows["window"].to_numpy())
        return np.flatnonzero(are_drawn(keys, self._task.draw_limit))

    def _audit_excerpts(self, ready: _Ready, windows: pl.DataFrame) -> Totals:
        """Audit the beginnings of windows, each annotated as a document by itself."""
        if windows.is_empty():
            return Totals()
        texts = windows["text"].str.slice(0, self._task.sizes.excerpt_chars).to_list()
        return audit(ready.nlp, windows["id"].to_list(), texts, ready.selected.engine.annotate(texts, Stopwatch()))


def _long_runs(windows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    """Return the windows of each long document, and the row of the first of them."""
    docs, long = windows["doc"].to_numpy(), (windows["windows"] > 1).to_numpy()
    starts = np.flatnonzero(np.diff(docs, prepend=docs[:1] - 1).astype(bool) & long)
    ends = np.searchsorted(docs, docs[starts], side="right")
    return [(int(start), windows[int(start) : int(end)]) for start, end in zip(starts, ends, strict=True)]


def _sum_up(
    windows: pl.DataFrame, tables: Tables, outcomes: Sequence[_Outcome], reused: int, watch: Stopwatch
) -> Totals:
    """Return the counts and seconds of a block."""
    return add_up(outcome.totals for outcome in outcomes) + Totals(
        documents=tables.documents.filter(pl.col("window") == 0).height,
        windows=tables.documents.height,
        chars=int(windows["text"].str.len_chars().sum()),
        tokens=int(tables.documents["tokens"].sum()),
        rows=tables.entities.height,
        spans=tables.spans.height,
        rejected=tables.rejected.height,
        reused=reused,
        labels=dict(tables.entities["label"].value_counts().iter_rows()),
        seconds=dict(watch.seconds),
        peak_rss_bytes=peak_rss_bytes(),
    )
