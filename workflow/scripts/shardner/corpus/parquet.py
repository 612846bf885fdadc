"""Parquet, read with Polars, one range of rows at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType

import polars as pl
from polars.exceptions import PanicException, PolarsError

from shardner.config import CorpusConfig
from shardner.corpus import batch as bounds
from shardner.corpus.batch import Draft, Extent
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import PARQUET
from shardner.corpus.parquet_footer import DamagedFooter, RowGroup, read_row_groups
from shardner.corpus.reader import Look, ReadOptions
from shardner.corpus.typed_columns import (
    ROW,
    TEXT,
    check_dtypes,
    cut_into_batches,
    make_draft,
    select_columns,
)
from shardner.data.stored_files import is_stored, size_of
from shardner.data.tables import read_schema, scan_table
from shardner.errors import CorpusError, StorageError

#: How many rows are read first, while it is not known how long the texts are.
FIRST_ROWS = 64
#: The next read has at most so many times as many rows as the last one.
GROWTH = 8
#: Up to so many batches are read at once: each read touches the whole row group again.
BATCHES_PER_READ = 8


class ParquetReader:
    """Reads Parquet."""

    format = PARQUET

    def check(self, source: SourceFile, corpus: CorpusConfig) -> Look:
        """See `Reader.check`."""
        schema = self.read_dtypes(source)
        check_dtypes(schema, source, corpus, lambda: _read_first(source, schema))
        return Look("Parquet")

    def read(self, source: SourceFile, options: ReadOptions) -> Iterator[Draft]:
        """See `Reader.read`."""
        self.check(source, options.corpus)
        groups = _find_groups(source)
        table = scan_table(source.path).select(select_columns(self.read_dtypes(source), options))
        start, rows = 0, FIRST_ROWS
        while True:
            wanted = min(rows, groups.rows - start)
            with _damage_named(source):
                found = table.slice(groups.rows_before + start, wanted).collect(engine="streaming")
            if found.height != wanted:
                raise _damaged(source, f"{found.height} rows where there should be {wanted}")
            for frame in cut_into_batches(found.with_row_index(ROW, start)):
                extent = groups.extent(start + frame.height)
                yield make_draft(frame, source.shown, options, groups.rows_before, extent)
                start += frame.height
            if start >= groups.rows:
                return
            rows = _next_rows(found, rows)

    def read_dtypes(self, source: SourceFile) -> Mapping[str, pl.DataType]:
        """See `Reader.read_dtypes`."""
        with _damage_named(source):
            return MappingProxyType(dict(read_schema(source.path)))

    def find_end(self, source: SourceFile) -> int:
        """See `Reader.find_end`."""
        return len(_read_groups(source))

    def write_head(self, source: SourceFile, corpus: CorpusConfig, wanted: int, target: Path) -> int:
        """See `Reader.write_head`; the head is the first rows."""
        size = size_of(source.path)
        table = scan_table(source.path)
        rows = table.select(pl.len()).collect().item()
        taken = min(-(-rows * wanted // size), rows) if size else rows
        table.head(taken).collect().write_parquet(target)
        return size * taken // rows if rows else size


def _read_first(source: SourceFile, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    with _damage_named(source):
        return scan_table(source.path).head(FIRST_ROWS).collect() if schema else pl.DataFrame()


@dataclass(frozen=True, slots=True)
class _Groups:
    """The row groups of a stretch.

    Attributes:
        first: the number of the first one.
        rows_before: how many rows the groups before it have.
        ends: how many rows there are up to the end of each group of the stretch.
    """

    first: int
    rows_before: int
    ends: Sequence[int]

    @property
    def rows(self) -> int:
        return self.ends[-1] if self.ends else 0

    def extent(self, rows: int) -> Extent:
        """Return the extent of the first `rows` rows."""
        groups = bisect_left(self.ends, rows) + 1 if rows else 0
        return Extent(self.first, self.first + groups, rows)


def _read_groups(source: SourceFile) -> list[RowGroup]:
    try:
        return read_row_groups(source.path)
    except StorageError:
        raise
    except (OSError, DamagedFooter) as error:
        raise _damaged(source, str(error)) from error


def _find_groups(source: SourceFile) -> _Groups:
    groups = _read_groups(source)
    starts = [group.start for group in groups]
    first = bisect_left(starts, source.start) if source.start else 0
    stop = len(groups) if source.stop is None else bisect_left(starts, source.stop)
    rows = [group.rows for group in groups]
    return _Groups(first, sum(rows[:first]), list(accumulate(rows[first:stop])))


def _next_rows(found: pl.DataFrame, rows: int) -> int:
    """Choose how many rows to read next: as many as fill the batches of a read, if they are like the last `rows`."""
    size = int(found[TEXT].str.len_bytes().sum())
    limit = min(bounds.BATCH_ROWS, bounds.BATCH_BYTES * found.height // max(1, size))
    return max(1, min(rows * GROWTH, limit * BATCHES_PER_READ))


@contextmanager
def _damage_named(source: SourceFile) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except (PolarsError, PanicException, OSError) as error:
        if isinstance(error, OSError) and is_stored(source.path):
            raise StorageError(f"{source.shown}: {str(error).splitlines()[0]}") from error
        raise _damaged(source, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _damaged(source: SourceFile, error: str) -> CorpusError:
    return CorpusError(
        f"{source.shown}: damaged, or not the Parquet file that its name says ({error}); "
        f"fetch or make it again, or give it the ending of what it is"
    )
