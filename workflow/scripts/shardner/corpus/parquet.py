"""Parquet, read with Polars, one range of rows at a time."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

from shardner.config import CorpusConfig
from shardner.corpus import batch as bounds
from shardner.corpus.batch import Batch, Draft, Extent, show_row
from shardner.corpus.configured_columns import list_columns, missing_column
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import PARQUET
from shardner.corpus.kept_columns import NATIVE
from shardner.corpus.parquet_footer import DamagedFooter, RowGroup, read_row_groups
from shardner.corpus.reader import ReadOptions
from shardner.data.json_values import STRING
from shardner.data.tables import RECORDS, REJECTED, read_schema, scan_table
from shardner.errors import CorpusError

#: How many rows are read first, while it is not known how long the texts are.
FIRST_ROWS = 64
#: The next read has at most so many times as many rows as the last one.
GROWTH = 8
#: Up to so many batches are read at once: each read touches the whole row group again.
BATCHES_PER_READ = 8

_TEXTUAL = (pl.String, pl.Categorical, pl.Enum)
_ROW, _TEXT, _ID, _KEEP = "row", "text", "id", "keep:"


class ParquetReader:
    """Reads Parquet."""

    format = PARQUET

    def check(self, source: SourceFile, corpus: CorpusConfig) -> None:
        """See `Reader.check`."""
        schema = self.read_dtypes(source)
        for key, column in list_columns(corpus):
            if column not in schema:
                raise missing_column(source.path, key, column, list(schema), corpus)
        text = schema[corpus.text]
        if not isinstance(text, _TEXTUAL):
            raise CorpusError(
                f"{source.shown}: the column {corpus.text!r} (corpus.text) holds {text}, not strings; name another, or "
                f"convert it to strings"
            )
        if corpus.id is not None and not (isinstance(schema[corpus.id], _TEXTUAL) or schema[corpus.id].is_integer()):
            raise CorpusError(
                f"{source.shown}: the column {corpus.id!r} (corpus.id) holds {schema[corpus.id]}, neither strings nor "
                f"integers; name another, convert it to strings, or write  corpus: {{id: null}}"
            )

    def read(self, source: SourceFile, options: ReadOptions) -> Iterator[Draft]:
        """See `Reader.read`."""
        self.check(source, options.corpus)
        groups = _find_groups(source)
        table = scan_table(source.path).select(_columns(options))
        start, rows = 0, FIRST_ROWS
        while True:
            wanted = min(rows, groups.rows - start)
            with _damage_named(source):
                found = table.slice(groups.rows_before + start, wanted).collect(engine="streaming")
            if found.height != wanted:
                raise _damaged(source, f"{found.height} rows where there should be {wanted}")
            for frame in _cut_into_batches(found.with_row_index(_ROW, start)):
                yield _draft(frame, source.shown, options, groups, start + frame.height)
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
        size = source.path.stat().st_size
        table = scan_table(source.path)
        rows = table.select(pl.len()).collect().item()
        taken = min(-(-rows * wanted // size), rows) if size else rows
        table.head(taken).collect().write_parquet(target)
        return size * taken // rows if rows else size


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
    except (OSError, DamagedFooter) as error:
        raise _damaged(source, str(error)) from error


def _find_groups(source: SourceFile) -> _Groups:
    groups = _read_groups(source)
    starts = [group.start for group in groups]
    first = bisect_left(starts, source.start) if source.start else 0
    stop = len(groups) if source.stop is None else bisect_left(starts, source.stop)
    rows = [group.rows for group in groups]
    return _Groups(first, sum(rows[:first]), list(accumulate(rows[first:stop])))


def _columns(options: ReadOptions) -> list[pl.Expr]:
    """Return the columns to read, under names of our own."""
    corpus = options.corpus
    columns = [pl.col(corpus.text).cast(pl.String).alias(_TEXT)]
    if options.id_prefix is None:
        columns.append(pl.col(corpus.id or "").cast(pl.String).alias(_ID))
    return columns + [pl.col(column).alias(_KEEP + column) for column in corpus.keep]


def _next_rows(found: pl.DataFrame, rows: int) -> int:
    """Choose how many rows to read next: as many as fill the batches of a read, if they are like the last `rows`."""
    size = int(found[_TEXT].str.len_bytes().sum())
    limit = min(bounds.BATCH_ROWS, bounds.BATCH_BYTES * found.height // max(1, size))
    return max(1, min(rows * GROWTH, limit * BATCHES_PER_READ))


def _cut_into_batches(found: pl.DataFrame) -> Iterator[pl.DataFrame]:
    ends = found[_TEXT].str.len_bytes().fill_null(0).cast(pl.UInt64).cum_sum().to_numpy()
    start, before = 0, 0
    while True:
        stop = min(int(np.searchsorted(ends, before + bounds.BATCH_BYTES)) + 1, start + bounds.BATCH_ROWS)
        yield found[start:stop]
        if stop >= found.height:
            return
        start, before = stop, int(ends[stop - 1])


def _draft(frame: pl.DataFrame, file: str, options: ReadOptions, groups: _Groups, taken: int) -> Draft:
    keep, native = options.corpus.keep, options.native
    if options.id_prefix is not None:
        frame = frame.with_columns(_number(options.id_prefix, pl.col(_ROW)))
    reason = (
        pl.when(pl.col(_TEXT).is_null())
        .then(pl.lit("missing text"))
        .when(pl.col(_ID).is_null() | (pl.col(_ID) == ""))
        .then(pl.lit("missing id"))
    )
    frame = frame.with_columns(reason.alias("reason"), pl.lit(file, pl.String).alias("file"))
    good = frame.filter(pl.col("reason").is_null())
    kept = [_kept(good[_KEEP + column], native).alias(column) for column in keep]
    records = good.select(pl.col(column).cast(dtype) for column, dtype in RECORDS.items()).with_columns(kept)
    kinds = frozenset({NATIVE if native else STRING}) if native or good.height else frozenset[str]()
    bad = frame.filter(pl.col("reason").is_not_null())
    if options.id_prefix is not None:  # shown as it is when the whole file is numbered
        bad = bad.with_columns(_number(options.id_prefix, pl.col(_ROW) + groups.rows_before))
    rejected = _rejected(bad)
    kinds_of = MappingProxyType(dict.fromkeys(keep, kinds))
    return Draft(Batch(file, records, rejected, kinds_of, groups.extent(taken)), (), ())


def _number(prefix: str, row: pl.Expr) -> pl.Expr:
    return pl.format("{}:{}", pl.lit(prefix), row).alias(_ID)


def _rejected(bad: pl.DataFrame) -> pl.DataFrame:
    raws = [show_row(identifier, text) for identifier, text in bad.select(_ID, _TEXT).iter_rows()]
    return bad.select(
        "file",
        pl.col(_ROW).cast(pl.UInt64),
        pl.lit(None, pl.UInt64).alias("byte_offset"),
        "reason",
        pl.Series("raw", raws, pl.String),
    ).cast(dict(REJECTED))  # type: ignore[arg-type]


def _kept(column: pl.Series, native: bool) -> pl.Series:
    """Return a ``keep`` column as it is, or as strings: nested values as JSON, bytes in base 64."""
    if native:
        return column
    dtype = column.dtype
    if dtype == pl.Binary:
        return column.bin.encode("base64")
    if dtype.is_nested() or dtype == pl.Object:
        values = [None if value is None else _json(value) for value in column.to_list()]
        return pl.Series(column.name, values, pl.String)
    return column.cast(pl.String)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


@contextmanager
def _damage_named(source: SourceFile) -> Iterator[None]:
    try:
        yield
    except (PolarsError, PanicException, OSError) as error:
        raise _damaged(source, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _damaged(source: SourceFile, error: str) -> CorpusError:
    return CorpusError(
        f"{source.shown}: damaged, or not the Parquet file that its name says ({error}); "
        f"fetch or make it again, or give it the ending of what it is"
    )
