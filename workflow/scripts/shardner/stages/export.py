"""The results in formats of other tools: JSON lines, CSV, and spaCy's DocBin. Texts come from the shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from shardner.data.files import atomic_path
from shardner.errors import MergeError
from shardner.model.pipeline import Pipeline, load_tokenizer
from shardner.stages.document_rows import read_texts

#: So many documents are written at once.
BATCH_ROWS = 20_000


def export_entities_csv(entities: Path, target: Path) -> None:
    """Write the table of entities as CSV."""
    with atomic_path(target) as temporary:
        pl.scan_parquet(entities).sink_csv(temporary, maintain_order=True)


def export_documents_jsonl(documents: Path, entities: Path, target: Path) -> None:
    """Write one line per document, in corpus order, with its entities as a list of start, end, text and label."""
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        for table in _with_entities(documents, entities):
            table.write_ndjson(file)


def _with_entities(documents: Path, entities: Path) -> Iterator[pl.DataFrame]:
    """Yield documents in batches, each with its entities as a list in the column of that name."""
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


def export_shard_docbin(
    shard: int, shards: Path, documents: Path, entities: Path, pipeline: Pipeline, target: Path
) -> None:
    """Write a shard's documents with their entities as a DocBin, to be loaded with the pipeline's vocab.

    The ``user_data`` of each `Doc` holds number and id of the document. Texts are tokenized again, with the tokenizer
    that the recogniser had, so every entity begins and ends with a token. A long document is written as a whole, with
    the shard of its first window.

    Args:
        shard: its number.
        shards: the directory of all shards.
        documents: the run's table of documents.
        entities: the run's table of entities.
        pipeline: whose tokenizer is used.
        target: where the DocBin goes.

    Raises:
        MergeError: a shard that the run has read is gone.
    """
    from spacy.tokens import DocBin

    nlp = load_tokenizer(pipeline)
    table = pl.scan_parquet(documents).filter(pl.col("shard") == shard).select("doc", "id", "windows").collect()
    numbers = table["doc"]
    own = pl.col("doc").is_between(numbers.min(), numbers.max()) if len(numbers) else pl.lit(False)
    found = pl.scan_parquet(entities).filter(own).select("doc", "start", "end", pl.col("label").cast(pl.String))
    by_document = found.collect().partition_by("doc", as_dict=True, include_key=False)
    docbin = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=True)
    names = dict(zip(numbers, table["id"], strict=True))
    windows = dict(zip(numbers, table["windows"], strict=True))
    for number, text in read_texts(shards, shard, windows, MergeError):
        doc = nlp.make_doc(text)
        rows = by_document[number,].iter_rows() if (number,) in by_document else ()
        spans = (doc.char_span(start, end, label=label, alignment_mode="expand") for start, end, label in rows)
        doc.set_ents([span for span in spans if span is not None])
        doc.user_data["doc"], doc.user_data["id"] = number, names[number]
        docbin.add(doc)
    with atomic_path(target) as temporary:
        docbin.to_disk(temporary)
