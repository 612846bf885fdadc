"""The tables in formats of other tools: JSON lines and CSV. `docbin` writes spaCy's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from shardner.data.files import atomic_path
from shardner.data.tables import ENTITIES

#: So many documents are written at once.
BATCH_ROWS = 20_000


def export_entities_csv(entities: Sequence[Path], target: Path) -> None:
    """Write entities, from the files of a table, as CSV."""
    with atomic_path(target) as temporary:
        pl.scan_parquet(list(entities)).sink_csv(temporary, maintain_order=True)


def export_documents_jsonl(documents: Sequence[Path], entities: Sequence[Path], target: Path) -> None:
    """Write one line per document, from the files of two tables, in corpus order, with its entities as a list.

    An entity has start, end, text, label, and the attributes asked for.
    """
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        for table in _with_entities(documents, entities):
            table.write_ndjson(file)


def _with_entities(documents: Sequence[Path], entities: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """Yield documents in batches, each with its entities as a list in the column of that name."""
    rows = pl.scan_parquet(list(documents))
    table = pl.scan_parquet(list(entities))
    attributes = [name for name in table.collect_schema() if name not in ENTITIES]
    for first in range(0, rows.select(pl.len()).collect().item(), BATCH_ROWS):
        batch = rows.slice(first, BATCH_ROWS).rename({"entities": "entity_count"}).collect()
        in_batch = pl.col("doc").is_between(batch["doc"][0], batch["doc"][-1])
        found = table.filter(in_batch).collect()
        lists = found.group_by("doc", maintain_order=True).agg(
            pl.struct("start", "end", "text", "label", *attributes).alias("entities")
        )
        yield (
            batch.drop("entity_count")
            .join(lists, on="doc", how="left", maintain_order="left")
            .with_columns(pl.col("entities").fill_null([]))
        )
