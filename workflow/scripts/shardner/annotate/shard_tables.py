"""The tables of a shard: a worker makes their rows, block by block, and the job writes them to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.annotate.sizes import DEFAULT_SIZES
from shardner.data.files import atomic_path
from shardner.data.tables import (
    RAW_BYTES,
    SHARD_DOCUMENTS,
    SHARD_ENTITIES,
    SHARD_REJECTED,
    SHARD_SPANS,
    WINDOWS,
    ShardFiles,
    escape_raw,
    read_schema,
    scan_table,
)
from shardner.engine.annotations import Annotations, UInt32s
from shardner.engine.attributes import GROUP, SENTENCE, SPAN_SCORE, TEXTS
from shardner.engine.extension_values import PREFIX

Table = TypeVar("Table", pl.DataFrame, pl.LazyFrame)


class Tables(NamedTuple):
    """Rows of a shard's tables."""

    entities: pl.DataFrame  # columns of `SHARD_ENTITIES`, and those of `Annotations.attributes`
    documents: pl.DataFrame  # columns of `SHARD_DOCUMENTS`, and the kept columns
    rejected: pl.DataFrame  # columns of `SHARD_REJECTED`
    spans: pl.DataFrame  # columns of `SHARD_SPANS`; without rows where no span groups are asked for


def make_tables(
    windows: pl.DataFrame,
    annotations: Annotations,
    texts: Sequence[str],
    shard: int,
    *,
    span_texts: Sequence[str] = (),
    candidates: bool = False,
    sentence_starts: UInt32s | None = None,
) -> Tables:
    """Return the rows for some windows.

    Args:
        windows: rows of a shard.
        annotations: what was found in each window, with offsets into its document.
        texts: the text of each entity.
        shard: its number.
        span_texts: the text of each span.
        candidates: what was found are candidates, not entities.
        sentence_starts: how many sentences start in each window; None for windows that are whole documents.
    """
    counts = {
        "span_count": 0 if annotations.spans is None else np.diff(annotations.spans.offsets),
        "sentence_starts": 0 if sentence_starts is None else sentence_starts,
    }
    return Tables(
        _make_entities(windows, annotations, texts),
        _make_documents(windows, annotations, shard, candidates, counts),
        _make_rejected(windows, annotations),
        _make_spans(windows, annotations.spans, span_texts),
    )


def texts_of_entities(texts: Sequence[str], annotations: Annotations) -> list[str]:
    """Return the text of each entity.

    Args:
        texts: what was annotated.
        annotations: what was found in each text, with offsets into it.
    """
    spans = zip(annotations.rows().tolist(), annotations.starts.tolist(), annotations.ends.tolist(), strict=True)
    return [texts[row][start:end] for row, start, end in spans]


def in_order(parts: Sequence[Tables]) -> Tables:
    """Return the rows of all parts, by document and window."""
    filled = [part for part in parts if part.documents.height or part.rejected.height] or [parts[0]]
    if len(filled) == 1:
        return filled[0]
    return Tables(
        *(_concatenate(each).sort("doc", "window", maintain_order=True) for each in zip(*filled, strict=True))
    )


class TableWriter:
    """Writes the tables of a shard. Rows wait in memory for a while, then in files of a scratch directory."""

    def __init__(self, windows: Path, scratch: Path, blocks_per_file: int = DEFAULT_SIZES.blocks_per_file) -> None:
        """Begin with tables that have no rows.

        Args:
            windows: the shard's file, from which the kept columns are known.
            scratch: a directory.
            blocks_per_file: so many blocks wait in memory.
        """
        self._scratch, self._blocks_per_file = scratch, blocks_per_file
        self._empty = _empty_tables(windows)
        self._waiting: list[Tables] = []
        self._files: list[tuple[Path, ...]] = []  # of each table, in the order of `Tables`

    def add(self, tables: Tables) -> None:
        """Add the rows of a block; blocks come in order."""
        self._waiting.append(tables)
        if len(self._waiting) >= self._blocks_per_file:
            paths = tuple(self._scratch / f"{name}-{len(self._files):06d}.parquet" for name in Tables._fields)
            for path, table in zip(paths, self._gather(), strict=True):
                table.write_parquet(path, compression="lz4")
            self._files.append(paths)
            self._waiting.clear()

    def write(self, results: ShardFiles) -> None:
        """Write all rows, each table atomically."""
        targets = (results.entities, results.documents, results.rejected, results.spans)
        for number, (rest, target) in enumerate(zip(self._gather(), targets, strict=True)):
            if target is None:
                continue
            files = [scan_table(paths[number]) for paths in self._files]
            with atomic_path(target) as temporary:
                if files:
                    _concatenate([*files, rest.lazy()]).sink_parquet(temporary, maintain_order=True)
                else:
                    rest.write_parquet(temporary)

    def _gather(self) -> Tables:
        return Tables(*(_concatenate(each) for each in zip(self._empty, *self._waiting, strict=True)))


def _concatenate(tables: Sequence[Table]) -> Table:
    """Return all rows; a column that a table does not have is null in its rows."""
    return pl.concat(tables, how="diagonal")


def _empty_tables(windows: Path) -> Tables:
    columns = read_schema(windows).items()
    keep = {name: dtype for name, dtype in columns if name not in WINDOWS}
    schemas = (SHARD_ENTITIES, {**SHARD_DOCUMENTS, **keep}, SHARD_REJECTED, SHARD_SPANS)
    return Tables(*(pl.DataFrame(schema=schema) for schema in schemas))


def _make_entities(windows: pl.DataFrame, annotations: Annotations, texts: Sequence[str]) -> pl.DataFrame:
    rows = annotations.rows()
    table = pl.DataFrame(
        {
            "doc": windows["doc"].gather(rows),
            "id": windows["id"].gather(rows),
            "start": annotations.starts,
            "end": annotations.ends,
            "text": list(texts),
            "label": list(annotations.labels),
            "window": windows["window"].gather(rows),
        },
        schema=SHARD_ENTITIES,
    )
    return table.with_columns(
        pl.Series(name, values, dtype=attribute_dtype(name)) for name, values in annotations.attributes.items()
    )


def attribute_dtype(name: str) -> pl.DataType | None:
    """Return the dtype that an attribute has in a shard's tables; None for that of its values."""
    if name == SENTENCE:
        return pl.Int64()
    return pl.String() if name in TEXTS or name.startswith(PREFIX) else None


def _make_spans(windows: pl.DataFrame, spans: Annotations | None, texts: Sequence[str]) -> pl.DataFrame:
    if spans is None or not len(spans.starts):
        return pl.DataFrame(schema=SHARD_SPANS)
    rows = spans.rows()
    return pl.DataFrame(
        {
            "doc": windows["doc"].gather(rows),
            "id": windows["id"].gather(rows),
            "group": spans.attributes[GROUP],
            "start": spans.starts,
            "end": spans.ends,
            "text": list(texts),
            "label": list(spans.labels),
            "score": spans.attributes[SPAN_SCORE],
            "window": windows["window"].gather(rows),
        },
        schema=SHARD_SPANS,
    )


def _make_documents(
    windows: pl.DataFrame,
    annotations: Annotations,
    shard: int,
    candidates: bool,
    counts: Mapping[str, int | npt.NDArray[Any]],
) -> pl.DataFrame:
    keep = [column for column in windows.columns if column not in WINDOWS]
    table = windows.select(
        "doc", "id", "file", "row", "chars",
        pl.Series("tokens", annotations.tokens, dtype=pl.UInt32),
        pl.Series("entities", np.diff(annotations.offsets), dtype=pl.UInt32),
        "windows",
        pl.lit(shard, pl.UInt32).alias("shard"),
        "window", "start",
        pl.lit(candidates).alias("candidates"),
        *(pl.lit(values if isinstance(values, int) else pl.Series(values)).cast(pl.UInt32).alias(name)
          for name, values in counts.items()),
        *keep,
    )  # fmt: skip
    return table.filter(_find_failed(windows, annotations).not_()) if annotations.failed else table


def _make_rejected(windows: pl.DataFrame, annotations: Annotations) -> pl.DataFrame:
    """Return the windows on which the pipeline failed, as rejected records."""
    failed = sorted(annotations.failed)
    reasons = [annotations.failed[row] for row in failed]
    texts = windows["text"].gather(failed).str.slice(0, RAW_BYTES)  # more than so many bytes are not shown
    return windows.filter(_find_failed(windows, annotations)).select(
        "doc", "window", "windows", "file", "row",
        pl.lit(None, pl.UInt64).alias("byte_offset"),
        pl.Series("reason", [f"the pipeline failed: {reason}" for reason in reasons], dtype=pl.String),
        pl.Series("raw", [escape_raw(text.encode()) for text in texts], dtype=pl.String),
    ).cast(pl.Schema(SHARD_REJECTED))  # fmt: skip


def _find_failed(windows: pl.DataFrame, annotations: Annotations) -> pl.Series:
    """Tell of each window whether the pipeline failed on it."""
    mask = np.zeros(windows.height, dtype=bool)
    mask[list(annotations.failed)] = True
    return pl.Series(mask)
