"""Blocks: the runs of windows that the workers of a job annotate, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from shardner.annotate.sizes import DEFAULT_SIZES, Sizes
from shardner.data.tables import scan_table


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive windows of a shard."""

    number: int
    first: int  # row in the shard's file
    rows: int


def plan_blocks(windows: Path, workers: int = 1, sizes: Sizes = DEFAULT_SIZES) -> list[Block]:
    """Cut a shard into blocks of consecutive windows.

    A block holds at most ``sizes.block_chars`` characters, or one window. With several workers it holds less where the
    shard is too small to keep all of them busy.

    Args:
        windows: the shard's file.
        workers: how many there are.
        sizes: of the job.
    """
    chars = scan_table(windows).select(pl.col("text").str.len_chars()).collect().to_series().to_numpy()
    sums = np.cumsum(chars, dtype=np.int64)
    most_chars = sizes.block_chars
    if workers > 1 and chars.size:
        share = int(sums[-1]) // (workers * sizes.blocks_per_worker)
        most_chars = min(most_chars, max(share, sizes.least_block_chars))
    blocks: list[Block] = []
    first = 0
    while first < chars.size:
        before = sums[first - 1] if first else 0
        stop = max(int(np.searchsorted(sums, before + most_chars, side="right")), first + 1)
        blocks.append(Block(len(blocks), first, stop - first))
        first = stop
    return blocks
