"""The spans of all shards in corpus order. Those of a long document come from several windows and are ordered anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from shardner.data.tables import SPANS, ShardFiles, scan_table


def merge_spans(
    shards: Sequence[ShardFiles], long: Sequence[int], refused: Collection[int], groups: Sequence[str]
) -> pl.LazyFrame:
    """Return the spans of the corpus, by document, group, start and end.

    Args:
        shards: the results, by shard number.
        long: numbers of the shards that hold windows of long documents.
        refused: long documents that were rejected.
        groups: the span groups asked for, in their order.
    """
    table = scan_table([files.spans for files in shards if files.spans is not None]).select(*SPANS)
    if not long:
        return table
    windows = [scan_table(shards[shard].documents).filter(pl.col("windows") > 1) for shard in long]
    documents = pl.concat([each.select("doc") for each in windows]).unique().collect()["doc"]
    in_windows = pl.col("doc").is_in(documents.implode())
    place = pl.col("group").replace_strict(groups, range(len(groups)), return_dtype=pl.UInt32)
    spans = scan_table([path for shard in long if (path := shards[shard].spans) is not None]).select(*SPANS)
    of_long = (
        spans.filter(in_windows & ~pl.col("doc").is_in(list(refused)))
        .collect()
        .sort("doc", place, "start", "end", maintain_order=True)
    )
    return table.filter(~in_windows).merge_sorted(of_long.lazy(), key="doc")
