"""Figures read from the result tables, by streaming queries that hold groups, never rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shardner.data.tables import find_table, scan_table
from shardner.report.figures import FrequentEntity, LabelFigure, RejectedFigure

#: How many of the most frequent entities are kept.
KEPT_ENTITIES = 30
#: How many groups of rejected records are kept; a reader who wants more has rejected.parquet.
KEPT_REASONS = 50
#: Characters to which the texts of entities and reasons are cut, for display only.
TEXT_CHARS = 300

#: What varies between reasons of one kind: quoted values and numbers. The character before counts as well, so that the
#: apostrophe of "isn't" opens no quotation, and "UTF-8" stays as it is.
_QUOTED = [
    (r"""(^|[\s(\[{=:,])'(?:[^'\\]|\\.)*'""", "${1}…"),
    (r'''(^|[\s(\[{=:,])"(?:[^"\\]|\\.)*"''', "${1}…"),
    (r"(^|[\s(\[{=:,])`[^`]*`", "${1}…"),
    (r"(^|[\s(\[{=:,#])-?\d+(?:[.,_]\d+)*\b", "${1}…"),
]


@dataclass(frozen=True, slots=True)
class ResultFigures:
    """What the result tables of a run add up to."""

    documents: int
    tokens: int
    entities: int
    rejected: int
    labels: tuple[LabelFigure, ...]
    frequent_entities: tuple[FrequentEntity, ...]
    reasons: tuple[RejectedFigure, ...]


def read_results(results: Path) -> ResultFigures:
    """Count what is in the result tables under `results`."""
    documents = (
        scan_table(find_table(results, "documents"))
        .select(pl.len().alias("documents"), pl.col("tokens").cast(pl.UInt64).sum())
        .collect(engine="streaming")
        .row(0, named=True)
    )
    labels = count_labels(find_table(results, "entities"))
    rejected = scan_table(find_table(results, "rejected"))
    return ResultFigures(
        documents=documents["documents"],
        tokens=documents["tokens"],
        entities=sum(each.entities for each in labels),
        rejected=rejected.select(pl.len()).collect(engine="streaming").item(),
        labels=labels,
        frequent_entities=find_frequent_entities(find_table(results, "entities")),
        reasons=group_rejected(rejected),
    )


def count_labels(entities: Path) -> tuple[LabelFigure, ...]:
    """Count entities by label, most frequent first."""
    counts = (
        scan_table(entities)
        .group_by(pl.col("label").cast(pl.String))
        .agg(pl.len().alias("entities"))
        .sort(["entities", "label"], descending=[True, False])
        .with_columns(share=pl.col("entities") / pl.col("entities").sum())
        .collect(engine="streaming")
    )
    return tuple(LabelFigure(**row) for row in counts.iter_rows(named=True))


def find_frequent_entities(entities: Path, limit: int = KEPT_ENTITIES) -> tuple[FrequentEntity, ...]:
    """Count entities by text and label and return the most frequent."""
    counts = (
        scan_table(entities)
        .group_by("text", pl.col("label").cast(pl.String))
        .agg(pl.len().alias("count"))
        .top_k(limit, by=["count", "text", "label"], reverse=[False, True, True])
        .collect(engine="streaming")
        .sort(["count", "text", "label"], descending=[True, False, False])
        .with_columns(pl.col("text").str.head(TEXT_CHARS))
    )
    return tuple(FrequentEntity(**row) for row in counts.iter_rows(named=True))


def group_rejected(rejected: pl.LazyFrame) -> tuple[RejectedFigure, ...]:
    """Group rejected records by reason without quoted values and numbers, most frequent first."""
    reason = pl.col("reason").str.head(TEXT_CHARS)
    kind = reason
    for pattern, replacement in _QUOTED:
        kind = kind.str.replace_all(pattern, replacement)
    groups = (
        rejected.with_columns(kind=kind, reason=reason)
        .group_by("kind")
        .agg(
            pl.len().alias("count"),
            *(
                pl.col(name).first().alias(f"example_{name}")
                for name in ("reason", "file", "row", "byte_offset", "raw")
            ),
        )
        .top_k(KEPT_REASONS, by=["count", "kind"], reverse=[False, True])
        .collect(engine="streaming")
        .sort(["count", "kind"], descending=[True, False])
        .rename({"kind": "reason"})
    )
    return tuple(RejectedFigure(**row) for row in groups.iter_rows(named=True))
