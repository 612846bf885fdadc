"""The tables in formats of other tools: JSON lines and CSV. `docbin` writes spaCy's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from shardner.corpus.kept_columns import as_strings
from shardner.data.files import atomic_path
from shardner.data.tables import scan_table
from shardner.stages.annotated_texts import Batch, entity_columns, read_annotated
from shardner.stages.document_rows import CorpusTexts

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


def export_documents_jsonl(
    documents: Sequence[Path], entities: Sequence[Path], corpus: CorpusTexts, target: Path
) -> None:
    """Write one line per document, from the files of two tables, in corpus order, with its text and its entities.

    An entity has start, end, text, label, and the attributes asked for. Values of kept columns that JSON has no form
    for are strings; bytes are in base 64.

    Raises:
        MergeError: a shard is gone.
    """
    columns = entity_columns(entities)
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        for batch in read_annotated(documents, entities, corpus):
            lines_of(batch, columns).write_ndjson(file)


def lines_of(batch: Batch, columns: Sequence[str]) -> pl.DataFrame:
    """Return a line for each document of a batch.

    Args:
        batch: the documents.
        columns: of an entity.
    """
    documents = batch.documents
    strange = [name for name, dtype in documents.schema.items() if not _is_json(dtype)]
    rows = documents.drop("entities").with_columns(
        *(as_strings(documents[name]) for name in strange), pl.Series("text", batch.texts, pl.String)
    )
    lists = batch.entities.group_by("doc", maintain_order=True).agg(pl.struct(*columns).alias("entities"))
    return rows.join(lists, on="doc", how="left", maintain_order="left").with_columns(pl.col("entities").fill_null([]))


def _is_json(dtype: pl.DataType) -> bool:
    """Tell whether Polars can write values of a dtype as JSON."""
    if isinstance(dtype, pl.List | pl.Array):
        return _is_json(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return all(_is_json(field.dtype) for field in dtype.fields)  # type: ignore[arg-type]
    return dtype not in (pl.Binary, pl.Object)
