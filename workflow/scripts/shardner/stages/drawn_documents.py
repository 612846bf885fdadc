"""The documents from which the check of the whole pipeline takes its sample.

A document is drawn if the hash of its id is among the smallest. The smallest of the corpus are among the smallest of
each part. So the split of a part writes those, and the numbering takes the smallest of all parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from shardner.data.files import atomic_path
from shardner.data.manifest import Manifest
from shardner.data.tables import read_table, scan_table
from shardner.stages.part_numbering import PartNumbering

#: So many documents are drawn.
DRAWN = 200

#: The drawn documents, by ``key``. In a part's table they are numbered within the part.
DRAWN_DOCUMENTS = pl.Schema(
    {
        "key": pl.UInt64(),  # hash of the id
        "doc": pl.UInt64(),
        "chars": pl.UInt32(),
        "windows": pl.UInt32(),
        "shard": pl.UInt32(),  # of the first window
    }
)


class Draw:
    """Draws from documents that come batch by batch."""

    def __init__(self) -> None:
        self._drawn = pl.DataFrame(schema={"key": pl.UInt64, "doc": pl.UInt64})

    def add(self, keys: pl.Series, first_doc: int) -> None:
        """Take the hashes of the ids of consecutive documents, of which the first has the number `first_doc`."""
        docs = pl.int_range(first_doc, first_doc + len(keys), dtype=pl.UInt64, eager=True)
        found = pl.DataFrame({"key": keys, "doc": docs}).bottom_k(DRAWN, by=["key", "doc"])
        self._drawn = pl.concat([self._drawn, found]).bottom_k(DRAWN, by=["key", "doc"])

    def write(self, shards: Sequence[Path], target: Path) -> None:
        """Write the table `DRAWN_DOCUMENTS` of the part, whose shards have been written."""
        docs = self._drawn["doc"].implode()
        tables = [
            scan_table(path)
            .filter((pl.col("window") == 0) & pl.col("doc").is_in(docs))
            .select("doc", "chars", "windows", pl.lit(number, pl.UInt32).alias("shard"))
            .collect()
            for number, path in enumerate(shards)
        ]
        table = self._drawn.join(pl.concat(tables), on="doc").sort("key", "doc").select(DRAWN_DOCUMENTS.names())
        with atomic_path(target) as temporary:
            table.write_parquet(temporary)


def draw_from_parts(tables: Sequence[Path], manifest: Manifest, duplicates: pl.DataFrame, target: Path) -> None:
    """Write the table `DRAWN_DOCUMENTS` of the corpus.

    Args:
        tables: those of the parts, in the manifest's order.
        manifest: of the corpus.
        duplicates: the table `part_numbering.DUPLICATES`.
        target: where the table goes.
    """
    gone = {int(part): rows for (part,), rows in duplicates.group_by("part", maintain_order=True)}
    found = pl.DataFrame(schema=DRAWN_DOCUMENTS)
    for number, (path, part) in enumerate(zip(tables, manifest.parts, strict=True)):
        numbering = PartNumbering(part, gone.get(number, duplicates.clear()))
        rows = numbering.renumber(read_table(path).lazy()).collect()
        found = pl.concat([found, rows]).bottom_k(DRAWN, by=["key", "doc"])
    with atomic_path(target) as temporary:
        found.sort("key", "doc").write_parquet(temporary)
