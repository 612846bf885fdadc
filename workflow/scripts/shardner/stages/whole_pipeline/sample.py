"""The sample: which documents are annotated with the whole pipeline, and what it finds in them.

The draw follows from the ids of the documents alone, so it is the same with any sharding.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from shardner.corpus.window_cuts import find_last_clean
from shardner.data.files import atomic_path
from shardner.data.manifest import Manifest
from shardner.data.stopwatch import Stopwatch
from shardner.data.tables import WINDOWS, shard_path
from shardner.engine.annotations import Entity
from shardner.engine.stock import ONE_DOCUMENT, StockEngine
from shardner.errors import VerifyError
from shardner.model.pipeline import Pipeline, load_whole_pipeline
from shardner.stages.document_rows import read_texts

log = logging.getLogger(__name__)

_SEED = 0xC0FFEE
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
    shards: Path, manifest: Manifest, pipeline: Pipeline, sample: Path, size: SampleSize = DEFAULT_SIZE
) -> None:
    """Draw documents, annotate them with the whole pipeline, and write both as Parquet (see `SCHEMA`).

    Args:
        shards: the directory of all shards.
        manifest: what the split found.
        pipeline: which of its components run does not matter here.
        sample: where the table goes.
        size: how much is sampled.

    Raises:
        ModelError: the pipeline cannot be loaded.
        VerifyError: a shard is gone, or the pipeline fails on every document, of which there are some.
    """
    drawn = draw_sample(shards, manifest, size)
    texts = dict(_read_beginnings(shards, drawn, size))
    rows = drawn.with_columns(pl.Series("text", [texts[doc] for doc in drawn["doc"]], pl.String)).sort("doc")
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


def draw_sample(shards: Path, manifest: Manifest, size: SampleSize = DEFAULT_SIZE) -> pl.DataFrame:
    """Return the documents that are drawn: doc, id, chars, windows, and the shard of the first window."""
    held = {str(shard_path(shards, info.shard)): info.shard for info in manifest.shards if info.documents}
    if missing := next((path for path in held if not Path(path).is_file()), None):
        raise VerifyError(f"{missing} is gone; remove {shards} and run again: the corpus is then split anew")
    if not held:
        columns = {name: WINDOWS[name] for name in ("doc", "id", "chars", "windows")}
        return pl.DataFrame(schema={**columns, "shard": pl.Int64()})
    heads = (
        pl.scan_parquet(list(held), include_file_paths="path")
        .filter(pl.col("window") == 0)
        .select("doc", "id", "chars", "windows", "path", key=pl.col("id").hash(seed=_SEED))
        .bottom_k(size.documents, by=["key", "doc"])
        .collect(engine="streaming")
        .sort("key", "doc")
        .with_columns(shard=pl.col("path").replace_strict(held, return_dtype=pl.Int64))
    )
    most_chars = min(size.chars, max(size.least_chars, int(manifest.chars * size.share)))
    annotated = pl.min_horizontal(pl.col("chars").cast(pl.Int64), size.excerpt_chars)
    before = annotated.cum_sum() - annotated
    return heads.filter(before < most_chars).drop("key", "path")


def _read_beginnings(shards: Path, drawn: pl.DataFrame, size: SampleSize) -> Iterator[tuple[int, str]]:
    """Yield number and text of the documents, of a long one the beginning."""
    for (shard,), rows in drawn.sort("doc").partition_by("shard", as_dict=True, maintain_order=True).items():
        windows = dict(rows.select("doc", "windows").iter_rows())
        for doc, text in read_texts(shards, int(str(shard)), windows, VerifyError):
            if len(text) > size.excerpt_chars:
                clean = find_last_clean(text, size.excerpt_chars // 2, size.excerpt_chars)
                text = text[: clean or size.excerpt_chars]
            yield doc, text


def read_sample(path: Path) -> list[SampledDocument]:
    """Read what `annotate_sample` wrote; only entities that can be relied on are there."""
    found = []
    for row in pl.read_parquet(path).iter_rows(named=True):
        entities = [(each["start"], each["end"], each["label"]) for each in row["entities"]]
        kept = [entity for entity in entities if entity[1] <= row["relied_on"]]
        failed = row["failed"] is not None
        found.append(SampledDocument(row["doc"], row["id"], row["text"], row["relied_on"], None if failed else kept))
    return found
