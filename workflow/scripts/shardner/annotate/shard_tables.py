"""Tables of what a worker found: the rows that a shard's results are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from shardner.data.tables import SHARD_ENTITIES, SHARD_REJECTED, WINDOWS, escape_raw
from shardner.engine.annotations import Annotations


class Tables(NamedTuple):
    """What was found in some windows: the rows of a shard's three tables."""

    entities: pl.DataFrame  # of `SHARD_ENTITIES`
    documents: pl.DataFrame  # of `SHARD_DOCUMENTS`, and the kept columns
    rejected: pl.DataFrame  # of `SHARD_REJECTED`


def make_tables(
    windows: pl.DataFrame, annotations: Annotations, texts: Sequence[str], shard: int, *, candidates: bool = False
) -> Tables:
    """Return the tables of windows.

    Args:
        windows: rows of a shard.
        annotations: what was found in each, with offsets into its document.
        texts: of the entities.
        shard: its number.
        candidates: what was found are candidates.
    """
    return Tables(
        _entities(windows, annotations, texts),
        _documents(windows, annotations, shard, candidates),
        _rejected(windows, annotations),
    )


def texts_of_entities(texts: Sequence[str], annotations: Annotations) -> list[str]:
    """Return the text of each entity, given those of the documents, each of one window."""
    rows = np.repeat(np.arange(len(texts)), np.diff(annotations.offsets))
    spans = zip(rows.tolist(), annotations.starts.tolist(), annotations.ends.tolist(), strict=True)
    return [texts[row][start:end] for row, start, end in spans]


def in_order(parts: Sequence[Tables]) -> Tables:
    """Return the rows of all parts by document and window."""
    filled = [part for part in parts if part.documents.height or part.rejected.height] or [parts[0]]
    if len(filled) == 1:
        return filled[0]
    return Tables(*(pl.concat(each).sort("doc", "window", maintain_order=True) for each in zip(*filled, strict=True)))


def _entities(windows: pl.DataFrame, annotations: Annotations, texts: Sequence[str]) -> pl.DataFrame:
    rows = np.repeat(np.arange(windows.height), np.diff(annotations.offsets))
    return pl.DataFrame(
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


def _documents(windows: pl.DataFrame, annotations: Annotations, shard: int, candidates: bool) -> pl.DataFrame:
    keep = [column for column in windows.columns if column not in WINDOWS]
    table = windows.select(
        "doc", "id", "file", "row", "chars",
        pl.Series("tokens", annotations.tokens, dtype=pl.UInt32),
        pl.Series("entities", np.diff(annotations.offsets), dtype=pl.UInt32),
        "windows",
        pl.lit(shard, pl.UInt32).alias("shard"),
        "window", "start",
        pl.lit(candidates).alias("candidates"),
        *keep,
    )  # fmt: skip
    return table.filter(_failed(windows, annotations).not_()) if annotations.failed else table


def _rejected(windows: pl.DataFrame, annotations: Annotations) -> pl.DataFrame:
    """Return the windows on which the pipeline failed, as rejected records."""
    failed = sorted(annotations.failed)
    reasons = [annotations.failed[row] for row in failed]
    texts = windows["text"].gather(failed).str.slice(0, 500)
    return windows.filter(_failed(windows, annotations)).select(
        "doc", "window", "windows", "file", "row",
        pl.lit(None, pl.UInt64).alias("byte_offset"),
        pl.Series("reason", [f"the pipeline failed: {reason}" for reason in reasons], dtype=pl.String),
        pl.Series("raw", [escape_raw(text.encode()) for text in texts], dtype=pl.String),
    ).cast(pl.Schema(SHARD_REJECTED))  # fmt: skip


def _failed(windows: pl.DataFrame, annotations: Annotations) -> pl.Series:
    mask = np.zeros(windows.height, dtype=bool)
    mask[list(annotations.failed)] = True
    return pl.Series(mask)
