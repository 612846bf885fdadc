"""The verification of the documents that begin in one shard.

A document is verified in one piece, whatever windows it was cut into. The documents that are not drawn are counted
only: as many entities must be there as documents.parquet says.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import polars as pl

from shardner.annotate.draw import are_drawn, find_limit, window_keys
from shardner.annotate.near_ties import NEAR_TIE
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import scan_table
from shardner.engine.annotations import Annotations
from shardner.engine.stock import ONE_DOCUMENT, StockEngine
from shardner.errors import VerifyError
from shardner.model.pipeline import Pipeline, load_pipeline
from shardner.stages.document_rows import CorpusTexts, read_texts, select_documents
from shardner.stages.verify.findings import KEPT, Difference, Findings
from shardner.stages.verify.whole_document import Answer, EntityRow, Expected, WholeDocument, compare
from shardner.terminal.numbers import plural

log = logging.getLogger(__name__)

#: A longer document is not verified. Stock spaCy annotates it in one piece, which takes about 3.6 kB per character with
#: a recogniser of 96 dimensions. By default spaCy itself refuses a longer document.
MOST_CHARS = 1_000_000
#: So many characters, or one document, are read and annotated at once.
BATCH_CHARS = 1 << 20


def verify_shard(
    shard: int,
    corpus: CorpusTexts,
    documents: Path,
    entities: Path,
    pipeline: Pipeline,
    share: float,
    *,
    most_chars: int = MOST_CHARS,
    batch_chars: int = BATCH_CHARS,
    near_tie: float = NEAR_TIE,
) -> Findings:
    """Verify a `share` of the documents whose first window lies in a shard, and at least one of them.

    Args:
        shard: its number.
        corpus: the texts.
        documents: the run's table of documents.
        entities: the run's table of entities.
        pipeline: what annotated.
        share: above 0, up to 1.
        most_chars: a longer document is not verified.
        batch_chars: so many characters are annotated at once.
        near_tie: a score gap below this is a near-tie.

    Raises:
        ModelError: the pipeline cannot be loaded.
        VerifyError: a shard that the run has read is gone.
    """
    held = corpus.scan_documents(shard, VerifyError).select("doc", "id", "chars", "windows").collect()
    if held.is_empty():
        return Findings()
    numbering = corpus.numbering(shard)
    docs = numbering.to_part(held["doc"].to_numpy().astype(np.int64)).astype(np.uint64)
    keys = window_keys(numbering.numbers.name, docs, np.zeros(held.height, dtype=np.int64))
    drawn = held.filter(pl.Series(are_drawn(keys, find_limit(keys, share))))
    whole = drawn.filter(pl.col("chars") <= most_chars)
    found = Findings(documents=held.height, too_long=drawn.height - whole.height)
    nlp = load_pipeline(pipeline)
    engine = StockEngine(nlp, ONE_DOCUMENT if pipeline.one_at_a_time else None)
    for batch in _cut_into_batches(whole, batch_chars):
        texts = dict(read_texts(corpus, shard, dict(batch.select("doc", "windows").iter_rows()), VerifyError))
        theirs = engine.annotate(list(texts.values()), Stopwatch())
        answers = _read_answers(documents, entities, batch["doc"])
        for row, (doc, name) in enumerate(batch.select("doc", "id").iter_rows()):
            document = WholeDocument(doc, name, texts[doc])
            found += compare(nlp, document, answers.get(doc), _expect(theirs, row), near_tie)
    found += _count_rest(held.filter(~pl.col("doc").is_in(drawn["doc"].implode())), documents, entities)
    log.info("shard %05d: %d documents verified, %d identical", shard, found.verified, found.identical)
    return found


def _cut_into_batches(documents: pl.DataFrame, batch_chars: int) -> list[pl.DataFrame]:
    """Cut documents into batches of about `batch_chars` characters, or one document."""
    before = documents["chars"].cast(pl.Int64).cum_sum() - documents["chars"]
    batches = documents.with_columns(batch=before // batch_chars)
    return batches.partition_by("batch", maintain_order=True, include_key=False)


def _read_answers(documents: Path, entities: Path, docs: pl.Series) -> dict[int, Answer]:
    """Return what the results say about documents `docs` (sorted); nothing about one that was rejected."""
    label = pl.col("label").cast(pl.String)
    rows = select_documents(scan_table(entities), docs, "id", "start", "end", "text", label)
    found: dict[int, list[EntityRow]] = {}
    for doc, *entity in rows.iter_rows():
        found.setdefault(doc, []).append(EntityRow(*entity))
    table = select_documents(scan_table(documents), docs, "id", "chars", "tokens", "entities")
    return {
        doc: Answer(name, chars, tokens, entity_count, found.get(doc, []))
        for doc, name, chars, tokens, entity_count in table.iter_rows()
    }


def _expect(found: Annotations, row: int) -> Expected | None:
    entities = found.entities_of(row)
    return None if entities is None else Expected(int(found.tokens[row]), entities)


def _count_rest(rest: pl.DataFrame, documents: Path, entities: Path) -> Findings:
    """Compare how many entities the documents `rest` have with how many they should have."""
    if rest.is_empty():
        return Findings()
    there = select_documents(scan_table(entities), rest["doc"]).group_by("doc").len("there")
    said = select_documents(scan_table(documents), rest["doc"], pl.col("entities").alias("said"))
    counts = rest.select("doc", "id").join(said, on="doc", how="left").join(there, on="doc", how="left")
    wrong = counts.with_columns(pl.col("said", "there").fill_null(0)).filter(pl.col("said") != pl.col("there"))
    differences = [
        Difference(doc, name, f"documents.parquet says {plural(said, 'entity', 'entities')}, but {there} are there")
        for doc, name, said, there in wrong.sort("doc").iter_rows()
    ]
    return Findings(differing=len(differences), differences=tuple(differences[:KEPT]))
