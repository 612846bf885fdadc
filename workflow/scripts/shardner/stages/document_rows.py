"""What the tables of a run hold about some of its documents: their whole texts, and their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from shardner.data.tables import shard_path
from shardner.errors import ShardnerError


def scan_shard(shards: Path, shard: int, error: type[ShardnerError]) -> pl.LazyFrame:
    """Return the table of windows of a shard.

    Args:
        shards: the directory of all shards.
        shard: its number.
        error: what to raise where the file is gone.

    Raises:
        ShardnerError: the file is gone.
    """
    path = shard_path(shards, shard)
    if not path.is_file():
        raise error(f"{path} is gone; remove {path.parent} and run again: the corpus is then split anew")
    return pl.scan_parquet(path)


def select_documents(table: pl.LazyFrame, docs: pl.Series, *columns: str | pl.Expr) -> pl.DataFrame:
    """Return ``doc`` and `columns` of the rows of documents `docs` (sorted), in the order of the table."""
    # a range besides: with it Parquet skips the other rows by its statistics
    chosen = pl.col("doc").is_between(docs.min(), docs.max()) & pl.col("doc").is_in(docs.implode())
    return table.filter(chosen).select("doc", *columns).collect()


def read_texts(
    shards: Path, shard: int, windows: Mapping[int, int], error: type[ShardnerError]
) -> Iterator[tuple[int, str]]:
    """Yield number and whole text of documents, in corpus order.

    Args:
        shards: the directory of all shards.
        shard: number of the shard that holds the first window of each document. Other windows may lie in later shards.
        windows: for each document, how many windows it has; in corpus order.
        error: what to raise where a shard is gone.

    Raises:
        ShardnerError: a shard is gone.
    """
    docs = pl.Series(list(windows), dtype=pl.UInt64)
    missing = sum(windows.values())
    texts: list[str] = []
    while missing:
        rows = select_documents(scan_shard(shards, shard, error), docs, "text")
        for doc, text in rows.iter_rows():
            texts.append(text)
            if len(texts) == windows[doc]:
                yield doc, "".join(texts)
                texts = []
        missing -= rows.height
        shard += 1
