"""What the tables of a run hold about some of its documents: their whole texts, and their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from shardner.data.manifest import Manifest
from shardner.data.tables import scan_table, shard_path
from shardner.errors import ShardnerError
from shardner.stages.part_numbering import PartNumbering, read_numbering


@dataclass(frozen=True)
class CorpusTexts:
    """The texts of the corpus, as the split left them.

    Attributes:
        shards: the directory that holds the shards' tables of windows, a directory a part.
        manifest: of the corpus.
        duplicates: the table `part_numbering.DUPLICATES`.
    """

    shards: Path
    manifest: Manifest
    duplicates: Path

    def path(self, shard: int) -> Path:
        """Return where the windows of a shard of the corpus are, numbered as in their part."""
        part = self._part_of(shard)
        numbers = self.manifest.parts[part]
        return shard_path(self.shards / numbers.name, shard - numbers.first_shard)

    def numbering(self, shard: int) -> PartNumbering:
        """Return the numbering of the part that holds a shard."""
        return _read_numbering(self, self._part_of(shard))

    def scan(self, shard: int, error: type[ShardnerError]) -> pl.LazyFrame:
        """Return the windows of a shard, numbered as in their part.

        Raises:
            ShardnerError: the file is gone; `error` is its class.
        """
        path = self.path(shard)
        if not path.is_file():
            raise error(f"{path} is gone; remove {path.parent} and run again: the corpus is then split anew")
        return scan_table(path)

    def scan_documents(self, shard: int, error: type[ShardnerError]) -> pl.LazyFrame:
        """Return the first windows of a shard's documents, numbered as in the corpus, without duplicates.

        Raises:
            ShardnerError: as `scan`.
        """
        table = self.scan(shard, error).filter(pl.col("window") == 0)
        return self.numbering(shard).renumber(table).sort("doc")

    def _part_of(self, shard: int) -> int:
        firsts = _first_shards(self)
        return int(np.searchsorted(firsts, shard, side="right")) - 1

    def __hash__(self) -> int:
        return id(self)


@cache
def _first_shards(texts: CorpusTexts) -> np.ndarray:
    return np.array([part.first_shard for part in texts.manifest.parts])


@cache
def _read_numbering(texts: CorpusTexts, part: int) -> PartNumbering:
    return read_numbering(texts.manifest, texts.duplicates, part)


def select_documents(table: pl.LazyFrame, docs: pl.Series, *columns: str | pl.Expr) -> pl.DataFrame:
    """Return ``doc`` and `columns` of the rows of documents `docs` (sorted), in the order of the table."""
    # a range besides: with it Parquet skips the other rows by its statistics
    chosen = pl.col("doc").is_between(docs.min(), docs.max()) & pl.col("doc").is_in(docs.implode())
    return table.filter(chosen).select("doc", *columns).collect()


def read_texts(
    corpus: CorpusTexts, shard: int, windows: Mapping[int, int], error: type[ShardnerError]
) -> Iterator[tuple[int, str]]:
    """Yield number and whole text of documents, in corpus order.

    Args:
        corpus: the texts.
        shard: number of the shard that holds the first window of each document. Other windows may lie in later shards.
        windows: for each document, how many windows it has.
        error: what to raise where a shard is gone.

    Raises:
        ShardnerError: a shard is gone.
    """
    found = _read_in_part(corpus, shard, windows, error)
    return found if corpus.numbering(shard).in_order else iter(sorted(found))


def _read_in_part(
    corpus: CorpusTexts, shard: int, windows: Mapping[int, int], error: type[ShardnerError]
) -> Iterator[tuple[int, str]]:
    """As `read_texts`, in the order of the part."""
    numbering = corpus.numbering(shard)
    wanted = np.array(list(windows), dtype=np.int64)
    local = numbering.to_part(wanted)
    numbers = dict(zip(local.tolist(), wanted.tolist(), strict=True))
    docs = pl.Series(np.sort(local), dtype=pl.UInt64)
    missing = sum(windows.values())
    texts: list[str] = []
    while missing:
        rows = select_documents(corpus.scan(shard, error), docs, "text")
        for doc, text in rows.iter_rows():
            texts.append(text)
            if len(texts) == windows[numbers[doc]]:
                yield numbers[doc], "".join(texts)
                texts = []
        missing -= rows.height
        shard += 1
