"""From the numbers of a part to those of the corpus, and back.

In a part, documents count from 0 and rows from the first record that was read. The numbering (`number_documents`) says
for each stretch of the part where it begins in the corpus, and which documents are duplicates: they have no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from shardner.data.manifest import Manifest, PartNumbers
from shardner.data.tables import scan_table

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

#: Documents whose id came earlier in the corpus, in another file or stretch; by ``part``, ``doc``.
DUPLICATES = pl.Schema(
    {
        "part": pl.UInt32(),  # place of the part in the manifest
        "doc": pl.UInt64(),  # number of the document in the part
        "row": pl.UInt64(),  # of the record, in what was read of its file
        "field": pl.String(),  # of the record; null unless `corpus.text` is a list of columns
    }
)


class PartNumbering:
    """Renumbers what was made of a part.

    Args:
        numbers: of the part.
        duplicates: the part's rows of the table `DUPLICATES`.
    """

    def __init__(self, numbers: PartNumbers, duplicates: pl.DataFrame) -> None:
        self.numbers, self.duplicates = numbers, duplicates
        stretches = numbers.stretches
        self._first_local = np.array([each.first_local for each in stretches], dtype=np.int64)
        self._first_doc = np.array([each.first_doc for each in stretches], dtype=np.int64)
        self._file = np.array([each.file for each in stretches], dtype=np.int64)
        self._first_row = [each.first_row for each in stretches]
        self._prefixes = [each.id_prefix for each in stretches]
        self._gone = duplicates["doc"].to_numpy().astype(np.int64)  # sorted
        self._gone_before = np.searchsorted(self._gone, self._first_local)

    @property
    def in_order(self) -> bool:
        """Whether the part's documents come in the order in which the corpus has them."""
        return bool((np.diff(self._file) >= 0).all())

    def to_corpus(self, docs: Int64s) -> Int64s:
        """Return the numbers (n,) in the corpus of documents of the part (n,), none of them a duplicate."""
        at = self._stretch_of(docs)
        gone = np.searchsorted(self._gone, docs) - self._gone_before[at]
        return np.asarray(self._first_doc[at] + docs - self._first_local[at] - gone)

    def to_part(self, docs: Int64s) -> Int64s:
        """Return the numbers (n,) in the part of documents of the corpus (n,), which must lie in the part."""
        order = np.argsort(self._file, kind="stable")
        # of stretches that begin alike, all but the last are empty
        at = order[np.searchsorted(self._first_doc[order], docs, side="right") - 1]
        place = docs - self._first_doc[at]  # among the documents of the stretch that are no duplicates
        found = self._first_local[at] + place
        if self._gone.size:
            kept_before = self._gone - np.arange(self._gone.size)  # so many that are none come before each duplicate
            passed = np.searchsorted(kept_before, found - self._gone_before[at], side="right")
            found = found + passed - self._gone_before[at]
        return np.asarray(found)

    def renumber(self, table: pl.LazyFrame) -> pl.LazyFrame:
        """Return a table of the part with the numbers of the corpus, and without duplicates.

        The columns ``doc``, ``row``, ``shard`` and ``id`` change, where the table has them. A table with ``row`` gets
        the ids of the corpus; see `rename_ids` for another. Rows stay in their order.
        """
        columns = table.collect_schema().names()
        if self._gone.size:
            table = table.filter(~pl.col("doc").is_in(self.duplicates["doc"].implode()))
        changes = [self._doc_expr()]
        if "shard" in columns and self.numbers.first_shard:
            changes.append((pl.col("shard") + self.numbers.first_shard).alias("shard"))
        if "row" in columns:
            row = pl.col("row") + self._by_stretch(self._first_row, pl.UInt64()) if any(self._first_row) else None
            changes += [row.alias("row")] if row is not None else []
            changes += self._id_exprs(pl.col("row") if row is None else row)
        return table.with_columns(changes)

    @property
    def makes_ids(self) -> bool:
        """Whether ids are made of file and row, so that those in the part's tables may be wrong."""
        return any(prefix is not None for prefix in self._prefixes)

    def _doc_expr(self) -> pl.Expr:
        if len(self._first_local) == 1 and not self._gone.size:
            return pl.col("doc") + int(self._first_doc[0])
        return _mapped(pl.col("doc"), self.to_corpus)

    def _id_exprs(self, row: pl.Expr) -> list[pl.Expr]:
        if not self.makes_ids:
            return []
        prefix = self._by_stretch(self._prefixes, pl.String())
        made = pl.format("{}:{}", prefix, row)
        return [made.alias("id") if None not in self._prefixes else pl.coalesce(made, "id").alias("id")]

    def _by_stretch(self, values: Sequence[object], dtype: pl.DataType) -> pl.Expr:
        """Return an expression of the value that belongs to the stretch of each row's document."""
        if len(values) == 1:
            return pl.lit(values[0], dtype)
        chosen = pl.Series(values, dtype=dtype)
        return pl.col("doc").map_batches(
            lambda docs: chosen.gather(self._stretch_of(docs.to_numpy().astype(np.int64))), return_dtype=dtype
        )

    def _stretch_of(self, docs: Int64s) -> npt.NDArray[np.intp]:
        # of stretches that begin alike, all but the last are empty
        return np.searchsorted(self._first_local, docs, side="right") - 1


def _mapped(docs: pl.Expr, change) -> pl.Expr:  # type: ignore[no-untyped-def]
    return docs.map_batches(
        lambda each: pl.Series(each.name, change(each.to_numpy().astype(np.int64)).astype(np.uint64)),
        return_dtype=pl.UInt64(),
    )


def read_numbering(manifest: Manifest, duplicates: Path, part: int) -> PartNumbering:
    """Return the numbering of a part.

    Args:
        manifest: of the corpus.
        duplicates: the table `DUPLICATES`.
        part: place of the part in the manifest.
    """
    numbers = manifest.parts[part]
    if not numbers.duplicates:
        return PartNumbering(numbers, pl.DataFrame(schema=DUPLICATES))
    table = scan_table(duplicates).filter(pl.col("part") == part)
    return PartNumbering(numbers, table.collect())
