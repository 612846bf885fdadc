"""The tables in formats of other tools: JSON lines and CSV. `docbin` writes spaCy's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from shardner.corpus.kept_columns import as_strings
from shardner.data.files import atomic_path
from shardner.data.tables import ENTITIES, scan_table

#: So many documents are written at once.
BATCH_ROWS = 20_000


#: A spreadsheet takes a cell for a formula that begins with one of these.
_FORMULA = r"^[=+\-@\t\r\n]"


def export_entities_csv(entities: Sequence[Path], target: Path, *, for_spreadsheets: bool = False) -> None:
    """Write entities, from the files of a table, as CSV.

    Args:
        entities: the files.
        target: the CSV.
        for_spreadsheets: put an apostrophe before a text that a spreadsheet would run as a formula.
    """
    table = scan_table(list(entities))
    if for_spreadsheets:
        texts = [name for name, dtype in table.collect_schema().items() if dtype == pl.String]
        table = table.with_columns(
            pl.when(pl.col(name).str.contains(_FORMULA)).then("'" + pl.col(name)).otherwise(name).alias(name)
            for name in texts
        )
    with atomic_path(target) as temporary:
        table.sink_csv(temporary, maintain_order=True)


def export_documents_jsonl(documents: Sequence[Path], entities: Sequence[Path], target: Path) -> None:
    """Write one line per document, from the files of two tables, in corpus order, with its entities as a list.

    An entity has start, end, text, label, and the attributes asked for. Values of kept columns that JSON has no form
    for are strings; bytes are in base 64.
    """
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        for table in _with_entities(documents, entities):
            table.write_ndjson(file)


def _is_json(dtype: pl.DataType) -> bool:
    """Tell whether Polars can write values of a dtype as JSON."""
    if isinstance(dtype, pl.List | pl.Array):
        return _is_json(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return all(_is_json(field.dtype) for field in dtype.fields)  # type: ignore[arg-type]
    return dtype not in (pl.Binary, pl.Object)


def _with_entities(documents: Sequence[Path], entities: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """Yield documents in batches, each with its entities as a list in the column of that name."""
    rows = scan_table(list(documents))
    strange = [name for name, dtype in rows.collect_schema().items() if not _is_json(dtype)]
    table = scan_table(list(entities))
    attributes = [name for name in table.collect_schema() if name not in ENTITIES]
    for first in range(0, rows.select(pl.len()).collect().item(), BATCH_ROWS):
        batch = rows.slice(first, BATCH_ROWS).rename({"entities": "entity_count"}).collect()
        batch = batch.with_columns(as_strings(batch[name]) for name in strange)
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
