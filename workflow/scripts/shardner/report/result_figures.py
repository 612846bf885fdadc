"""Figures read from the result tables, by streaming queries that hold groups, never rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shardner.data.tables import DOCUMENTS, find_table, scan_table
from shardner.report.figures import (
    EntityBin,
    FileFigure,
    FrequentEntity,
    LabelFigure,
    RejectedFigure,
    ValueFigure,
)

#: How many of the most frequent entities are kept.
KEPT_ENTITIES = 30
#: How many of the most frequent entities of each label are kept.
KEPT_OF_LABEL = 10
#: How many input files are kept.
KEPT_FILES = 30
#: Kept columns with at most so many values are counted by value, and so many columns at most.
MOST_VALUES, MOST_COLUMNS = 20, 8
#: The least number of entities of the documents in each bin.
BINS = (0, 1, 2, 3, 5, 10, 20, 50, 100, 1_000)
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
    entities_a_document: tuple[EntityBin, ...]
    files: tuple[FileFigure, ...]
    values: tuple[ValueFigure, ...]
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
        entities_a_document=bin_documents(find_table(results, "documents")),
        files=count_by_file(find_table(results, "documents")),
        values=count_by_value(find_table(results, "documents")),
        reasons=group_rejected(rejected),
    )


def bin_documents(documents: Path) -> tuple[EntityBin, ...]:
    """Count documents by how many entities they have; the last bin is the last one that has any."""
    ends = [*(least for least in BINS[1:]), None]
    place = sum((pl.col("entities") >= least).cast(pl.UInt32) for least in BINS[1:])
    table = scan_table(documents).group_by(pl.lit(0).cast(pl.UInt32).add(place).alias("bin")).agg(pl.len())
    counts = dict(table.collect(engine="streaming").iter_rows())
    found = [
        EntityBin(least, None if end is None else end - 1, counts.get(number, 0))
        for number, (least, end) in enumerate(zip(BINS, ends, strict=True))
    ]
    last = max(counts, default=0)
    return tuple(found[: last + 1])


def count_by_file(documents: Path) -> tuple[FileFigure, ...]:
    """Count documents and entities by input file, those with most documents first."""
    counts = (
        scan_table(documents)
        .group_by("file")
        .agg(
            pl.len().alias("documents"),
            (pl.col("entities") == 0).sum().alias("documents_without"),
            pl.col("entities").cast(pl.UInt64).sum(),
        )
        .top_k(KEPT_FILES, by=["documents", "file"], reverse=[False, True])
        .collect(engine="streaming")
        .sort(["documents", "file"], descending=[True, False])
    )
    return tuple(FileFigure(**row) for row in counts.iter_rows(named=True))


def count_by_value(documents: Path) -> tuple[ValueFigure, ...]:
    """Count documents and entities by the values of columns that were kept, of those that have few values.

    How many a column has is estimated first (HyperLogLog), so that no group is made of columns with many.
    """
    table = scan_table(documents)
    schema = table.collect_schema()
    kept = [name for name, dtype in schema.items() if name not in DOCUMENTS and not dtype.is_nested()]
    if not kept:
        return ()
    about = table.select(pl.col(kept).approx_n_unique()).collect(engine="streaming").row(0, named=True)
    found: list[ValueFigure] = []
    for column in [name for name in kept if 1 < about[name] <= MOST_VALUES][:MOST_COLUMNS]:
        counts = (
            table.group_by(pl.col(column).cast(pl.String).alias("value"))
            .agg(
                pl.len().alias("documents"),
                (pl.col("entities") == 0).sum().alias("documents_without"),
                pl.col("entities").cast(pl.UInt64).sum(),
            )
            .collect(engine="streaming")
            .sort(["documents", "value"], descending=[True, False])
            .with_columns(pl.col("value").str.head(TEXT_CHARS))
        )
        found += [ValueFigure(column, **row) for row in counts.iter_rows(named=True)]
    return tuple(found)


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
    """Count entities by text and label, and return the most frequent of all, and some of each label."""
    counted = scan_table(entities).group_by("text", pl.col("label").cast(pl.String)).agg(pl.len().alias("count"))
    order, falling = ["count", "text", "label"], [True, False, False]
    first = counted.top_k(limit, by=order, reverse=[not each for each in falling])
    of_label = counted.sort(order, descending=falling).group_by("label", maintain_order=True).head(KEPT_OF_LABEL)
    counts = (
        pl.concat([first, of_label.select(first.collect_schema().names())])
        .unique()
        .collect(engine="streaming")
        .sort(order, descending=falling)
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
