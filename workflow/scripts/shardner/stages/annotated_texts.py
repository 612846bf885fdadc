"""Documents with their texts and entities, in corpus order, from the tables of results and the shards of the split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shardner.data.tables import ENTITIES, scan_table
from shardner.errors import MergeError
from shardner.stages.document_rows import CorpusTexts, read_texts

#: Of so many documents, with about so many characters, texts are held at once.
BATCH_ROWS, BATCH_CHARS = 20_000, 1 << 24


@dataclass(frozen=True, slots=True)
class AnnotatedText:
    """A document.

    Attributes:
        row: its row of the table of documents.
        text: as it stood in the input.
        entities: its rows of the table of entities, by ``start``.
    """

    row: Mapping[str, Any]
    text: str
    entities: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive documents.

    Attributes:
        documents: their rows of the table of documents.
        texts: of each.
        entities: their rows of the table of entities.
    """

    documents: pl.DataFrame
    texts: list[str]
    entities: pl.DataFrame

    def split(self) -> Iterator[AnnotatedText]:
        """Yield the documents."""
        rows = self.entities.partition_by("doc", as_dict=True, maintain_order=True)
        for row, text in zip(self.documents.iter_rows(named=True), self.texts, strict=True):
            found = rows.get((row["doc"],))
            yield AnnotatedText(row, text, [] if found is None else list(found.iter_rows(named=True)))


def read_annotated(documents: Sequence[Path], entities: Sequence[Path], corpus: CorpusTexts) -> Iterator[Batch]:
    """Yield the documents of two tables in batches of bounded rows and characters.

    Args:
        documents: the files of the table of documents.
        entities: the files of the table of entities.
        corpus: the texts.

    Raises:
        MergeError: a shard is gone.
    """
    table, rows = scan_table(list(documents)), scan_table(list(entities))
    for first, count in _cut(table.select("chars").collect()["chars"]):
        batch = table.slice(first, count).collect()
        within = pl.col("doc").is_between(batch["doc"][0], batch["doc"][-1])
        yield Batch(batch, _read_texts(batch, corpus), rows.filter(within).collect())


def entity_columns(entities: Sequence[Path]) -> list[str]:
    """Return the columns of an entity that say something of it, attributes among them."""
    names = scan_table(list(entities)).collect_schema().names()
    return ["start", "end", "text", "label", *(name for name in names if name not in ENTITIES)]


def _cut(chars: pl.Series) -> Iterator[tuple[int, int]]:
    """Yield first row and number of rows of each batch."""
    ends = chars.cast(pl.Int64).cum_sum().to_numpy()
    first = before = 0
    while first < len(ends):
        stop = int(np.searchsorted(ends, before + BATCH_CHARS, side="right"))
        stop = max(min(stop, first + BATCH_ROWS), first + 1)
        yield first, stop - first
        first, before = stop, int(ends[stop - 1])


def _read_texts(batch: pl.DataFrame, corpus: CorpusTexts) -> list[str]:
    texts: dict[int, str] = {}
    for (shard,), rows in batch.group_by("shard", maintain_order=True):
        windows = dict(rows.select("doc", "windows").iter_rows())
        texts.update(read_texts(corpus, int(shard), windows, MergeError))
    return [texts[doc] for doc in batch["doc"]]
