"""The sample: which documents are annotated with the whole pipeline, and what it finds in them.

The draw follows from the ids of the documents alone, so it is the same with any sharding. The split of each part draws
documents, and the numbering draws from those (`shardner.stages.drawn_documents`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shardner.corpus.window_cuts import find_last_clean
from shardner.data.files import atomic_path
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import read_table
from shardner.engine.annotations import Entity
from shardner.engine.stock import ONE_DOCUMENT, StockEngine
from shardner.errors import VerifyError
from shardner.model.pipeline import Pipeline, load_whole_pipeline
from shardner.stages.document_rows import CorpusTexts, read_texts, select_documents

log = logging.getLogger(__name__)

#: From so many sampled documents on, of which every one fails, the fault is the pipeline's.
ALL_FAILED = 20


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How much is sampled. A whole pipeline takes ten times as long per token as what runs of it."""

    documents: int = 200
    chars: int = 200_000
    least_chars: int = 20_000  # of a small corpus …
    share: float = 0.02  # … of which this share is sampled
    excerpt_chars: int = 20_000  # of a longer document, its beginning
    margin_chars: int = 1_000  # at the end of an excerpt, where its entities may differ from the document's


DEFAULT_SIZE = SampleSize()

#: An entity of the sample.
_ENTITY = pl.Struct({"start": pl.Int64, "end": pl.Int64, "label": pl.String})
SCHEMA = pl.Schema(
    {
        "doc": pl.UInt64(),
        "id": pl.String(),
        "text": pl.String(),  # of the document, or of its beginning
        "relied_on": pl.Int64(),  # entities that end after so many characters are not compared
        "failed": pl.String(),  # why the whole pipeline fails on the text, or null
        "entities": pl.List(_ENTITY),
    }
)


@dataclass(frozen=True, slots=True)
class SampledDocument:
    """A document of the sample, and the entities that the whole pipeline finds; None where it fails."""

    doc: int
    id: str
    text: str
    relied_on: int
    entities: list[Entity] | None


def annotate_sample(
    corpus: CorpusTexts, drawn: Path, pipeline: Pipeline, sample: Path, size: SampleSize = DEFAULT_SIZE
) -> None:
    """Draw documents, annotate them with the whole pipeline, and write both as Parquet (see `SCHEMA`).

    Args:
        corpus: the texts.
        drawn: the table of drawn documents, from the numbering.
        pipeline: which of its components run does not matter here.
        sample: where the table goes.
        size: how much is sampled.

    Raises:
        ModelError: the pipeline cannot be loaded.
        VerifyError: a shard is gone, or the pipeline fails on every document, of which there are some.
    """
    chosen = choose_documents(corpus, drawn, size)
    texts = dict(_read_beginnings(corpus, chosen, size))
    rows = chosen.with_columns(pl.Series("text", [texts[doc] for doc in chosen["doc"]], pl.String)).sort("doc")
    engine = StockEngine(load_whole_pipeline(pipeline), ONE_DOCUMENT if pipeline.one_at_a_time else None)
    found = engine.annotate(rows["text"].to_list(), Stopwatch())
    if len(found.failed) == rows.height >= ALL_FAILED:
        raise VerifyError(
            f"the pipeline fails on every one of {rows.height} sampled documents, the first with: {found.failed[0]}\n"
            f"Try the pipeline on one text in Python"
        )
    chars = pl.col("text").str.len_chars().cast(pl.Int64)
    whole = chars >= pl.col("chars").cast(pl.Int64)
    table = rows.select(
        "doc",
        "id",
        "text",
        pl.when(whole).then(chars).otherwise(chars - size.margin_chars).alias("relied_on"),
        pl.Series("failed", [found.failed.get(row) for row in range(rows.height)], pl.String),
        pl.Series(
            "entities",
            [
                [dict(zip(("start", "end", "label"), entity, strict=True)) for entity in found.entities_of(row) or ()]
                for row in range(rows.height)
            ],
            pl.List(_ENTITY),
        ),
    )
    with atomic_path(sample) as temporary:
        table.cast(SCHEMA).write_parquet(temporary)
    log.info("%d documents annotated with the whole pipeline, %d fail", rows.height, len(found.failed))


def choose_documents(corpus: CorpusTexts, drawn: Path, size: SampleSize = DEFAULT_SIZE) -> pl.DataFrame:
    """Return those of the drawn documents that are sampled: doc, id, chars, windows, and the shard of the first window.

    Raises:
        VerifyError: a shard is gone.
    """
    table = read_table(drawn).head(size.documents)
    most_chars = min(size.chars, max(size.least_chars, int(corpus.manifest.chars * size.share)))
    annotated = pl.min_horizontal(pl.col("chars").cast(pl.Int64), size.excerpt_chars)
    before = annotated.cum_sum() - annotated
    chosen = table.filter(before < most_chars)
    ids = [
        select_documents(corpus.scan_documents(int(str(shard)), VerifyError), rows["doc"].sort(), "id")
        for (shard,), rows in chosen.group_by("shard")
    ]
    names = pl.concat(ids) if ids else pl.DataFrame(schema={"doc": pl.UInt64, "id": pl.String})
    return chosen.join(names, on="doc", how="left", maintain_order="left").select(
        "doc", "id", "chars", "windows", "shard"
    )


def _read_beginnings(corpus: CorpusTexts, drawn: pl.DataFrame, size: SampleSize) -> Iterator[tuple[int, str]]:
    """Yield number and text of the documents, of a long one the beginning."""
    for (shard,), rows in drawn.sort("doc").partition_by("shard", as_dict=True, maintain_order=True).items():
        windows = dict(rows.select("doc", "windows").iter_rows())
        for doc, text in read_texts(corpus, int(str(shard)), windows, VerifyError):
            if len(text) > size.excerpt_chars:
                clean = find_last_clean(text, size.excerpt_chars // 2, size.excerpt_chars)
                text = text[: clean or size.excerpt_chars]
            yield doc, text


def read_sample(path: Path) -> list[SampledDocument]:
    """Read what `annotate_sample` wrote; only entities that can be relied on are there."""
    found = []
    for row in read_table(path).iter_rows(named=True):
        entities = [(each["start"], each["end"], each["label"]) for each in row["entities"]]
        kept = [entity for entity in entities if entity[1] <= row["relied_on"]]
        failed = row["failed"] is not None
        found.append(SampledDocument(row["doc"], row["id"], row["text"], row["relied_on"], None if failed else kept))
    return found
