"""Results in formats for other tools: JSON lines, CSV, and spaCy's DocBin. All from the merged tables or the shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from shardner.files import atomic_path
from shardner.model.pipeline import Pipeline, load_tokenizer

#: Documents written at once.
BATCH_ROWS = 20_000


def export_entities_csv(entities: Path, target: Path) -> None:
    """Write the table of entities as CSV."""
    with atomic_path(target) as temporary:
        pl.scan_parquet(entities).sink_csv(temporary, maintain_order=True)


def export_documents_jsonl(documents: Path, entities: Path, target: Path) -> None:
    """Write a line a document, in corpus order, with its entities as a list of start, end, text, label."""
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        for table in _with_entities(documents, entities):
            table.write_ndjson(file)


def _with_entities(documents: Path, entities: Path) -> Iterator[pl.DataFrame]:
    rows = pl.scan_parquet(documents)
    for first in range(0, rows.select(pl.len()).collect().item(), BATCH_ROWS):
        batch = rows.slice(first, BATCH_ROWS).rename({"entities": "entity_count"}).collect()
        in_batch = pl.col("doc").is_between(batch["doc"][0], batch["doc"][-1])
        found = pl.scan_parquet(entities).filter(in_batch).collect()
        lists = found.group_by("doc", maintain_order=True).agg(
            pl.struct("start", "end", "text", "label").alias("entities")
        )
        yield (
            batch.drop("entity_count")
            .join(lists, on="doc", how="left", maintain_order="left")
            .with_columns(pl.col("entities").fill_null([]))
        )


def export_shard_docbin(windows: Path, documents: Path, entities: Path, pipeline: Pipeline, target: Path) -> None:
    """Write a shard's documents with their entities as a DocBin, loadable with the pipeline's vocab.

    Each `Doc` carries its document's number and id in ``user_data``. Texts are tokenized again; the tokens are the
    recogniser's, so every entity falls on token borders.
    """
    from spacy.tokens import DocBin

    nlp = load_tokenizer(pipeline)
    keep = pl.scan_parquet(documents).select("doc")
    by_document = pl.read_parquet(entities).partition_by("doc", as_dict=True)
    docbin = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True)
    texts = pl.scan_parquet(windows).select("doc", "id", "text").join(keep, on="doc", how="semi", maintain_order="left")
    for number, name, text in texts.collect().iter_rows():
        doc = nlp.make_doc(text)
        table = by_document.get((number,))
        rows = table.select("start", "end", "label").iter_rows() if table is not None else ()
        spans = (doc.char_span(start, end, label=label, alignment_mode="expand") for start, end, label in rows)
        doc.set_ents([span for span in spans if span is not None])
        doc.user_data["doc"], doc.user_data["id"] = number, name
        docbin.add(doc)
    with atomic_path(target) as temporary:
        docbin.to_disk(temporary)
