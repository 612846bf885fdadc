"""Parquet by Polars, a range of rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

from shardner.config import CorpusConfig
from shardner.corpus import batch as bounds
from shardner.corpus.batch import Batch, Draft
from shardner.corpus.files import show_path
from shardner.corpus.kept_columns import NATIVE, STRING
from shardner.corpus.missing_columns import missing_column
from shardner.data.tables import RAW_BYTES, RECORDS, REJECTED, escape_raw
from shardner.errors import CorpusError

#: How many rows are read first, when nothing is known of how long the texts are; then at most so many times more.
FIRST_ROWS = 64
GROWTH = 8
#: Up to so many batches are read at once: each read touches the whole row group again.
BATCHES_A_READ = 8

_TEXTUAL = (pl.String, pl.Categorical, pl.Enum)
_ROW, _TEXT, _ID, _KEEP = "row", "text", "id", "keep:"


def read_schema(path: Path) -> Mapping[str, pl.DataType]:
    """Return a file's columns.

    Raises:
        CorpusError: it is no Parquet file, or damaged.
    """
    with _damage_named(path):
        return MappingProxyType(dict(pl.read_parquet_schema(path)))


def check_schema(path: Path, corpus: CorpusConfig) -> None:
    """Check that the columns of `corpus` are there and of types that can be read.

    Raises:
        CorpusError: they are not.
    """
    schema = read_schema(path)
    wanted = [("text", corpus.text), ("id", corpus.id), *(("keep", column) for column in corpus.keep)]
    for key, column in wanted:
        if column is not None and column not in schema:
            raise missing_column(path, key, column, list(schema), corpus)
    text = schema[corpus.text]
    if not isinstance(text, _TEXTUAL):
        raise CorpusError(
            f"{show_path(path)}: the column {corpus.text!r} (corpus.text) holds {text}, not strings; name another, or "
            f"convert it to strings"
        )
    if corpus.id is not None and not (isinstance(schema[corpus.id], _TEXTUAL) or schema[corpus.id].is_integer()):
        raise CorpusError(
            f"{show_path(path)}: the column {corpus.id!r} (corpus.id) holds {schema[corpus.id]}, neither strings nor "
            f"integers; name another, convert it to strings, or write  corpus: {{id: null}}"
        )


def read(path: Path, corpus: CorpusConfig, *, name: str | None, native: bool) -> Iterator[Draft]:
    """Yield the rows of a file in batches.

    Args:
        path: the file.
        corpus: the columns.
        name: with it ids are ``<name>:<row>``.
        native: whether ``keep`` columns stay as they are rather than become strings.

    Raises:
        CorpusError: the file is damaged, or a column is missing or of a type that cannot be read.
    """
    check_schema(path, corpus)
    with _damage_named(path):
        table = pl.scan_parquet(path, glob=False)
        height: int = table.select(pl.len()).collect().item()
    columns = [pl.col(corpus.text).cast(pl.String).alias(_TEXT)]
    if name is None:
        columns.append(pl.col(corpus.id or "").cast(pl.String).alias(_ID))
    columns += [pl.col(column).alias(_KEEP + column) for column in corpus.keep]
    table = table.select(columns)
    start, rows = 0, FIRST_ROWS
    while start < height or start == 0:
        with _damage_named(path):
            part = table.slice(start, rows).collect(engine="streaming")
        if part.height != min(rows, height - start):
            raise _damaged(path, f"{part.height} rows where there should be {min(rows, height - start)}")
        for piece in _pieces(part.with_row_index(_ROW, start)):
            yield _draft(piece, show_path(path), corpus, name, native)
        start += rows
        rows = _next_rows(part, rows)


def _next_rows(part: pl.DataFrame, rows: int) -> int:
    """Choose so many rows that, were the next like the last, they would fill the batches of a read."""
    size = int(part[_TEXT].str.len_bytes().sum())
    limit = min(bounds.BATCH_ROWS, bounds.BATCH_BYTES * part.height // max(1, size))
    return max(1, min(rows * GROWTH, limit * BATCHES_A_READ))


def _pieces(part: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Cut what was read into batches."""
    ends = part[_TEXT].str.len_bytes().fill_null(0).cast(pl.UInt64).cum_sum().to_numpy()
    start, before = 0, 0
    while True:
        stop = min(int(np.searchsorted(ends, before + bounds.BATCH_BYTES)) + 1, start + bounds.BATCH_ROWS)
        yield part[start:stop]
        if stop >= part.height:
            return
        start, before = stop, int(ends[stop - 1])


def _draft(part: pl.DataFrame, file: str, corpus: CorpusConfig, name: str | None, native: bool) -> Draft:
    if name is not None:
        part = part.with_columns(pl.format("{}:{}", pl.lit(name), _ROW).alias(_ID))
    reason = (
        pl.when(pl.col(_TEXT).is_null())
        .then(pl.lit("missing text"))
        .when(pl.col(_ID).is_null() | (pl.col(_ID) == ""))
        .then(pl.lit("missing id"))
    )
    part = part.with_columns(reason.alias("reason"), pl.lit(file, pl.String).alias("file"))
    good = part.filter(pl.col("reason").is_null())
    keep = [_kept(good[_KEEP + column], native).alias(column) for column in corpus.keep]
    records = good.select(pl.col(column).cast(dtype) for column, dtype in RECORDS.items()).with_columns(keep)
    kind = frozenset({NATIVE if native else STRING})
    kinds = (
        {column: kind for column in corpus.keep} if native or good.height else dict.fromkeys(corpus.keep, frozenset())
    )
    rejected = _rejected(part.filter(pl.col("reason").is_not_null()))
    return Draft(Batch(file, records, rejected, MappingProxyType(kinds)), (), ())


def _rejected(bad: pl.DataFrame) -> pl.DataFrame:
    raws = [show_row(identifier, text) for identifier, text in bad.select(_ID, _TEXT).iter_rows()]
    return bad.select(
        "file",
        pl.col(_ROW).cast(pl.UInt64),
        pl.lit(None, pl.UInt64).alias("byte_offset"),
        "reason",
        pl.Series("raw", raws, pl.String),
    ).cast(dict(REJECTED))  # type: ignore[arg-type]


def show_row(identifier: str | None, text: str | None) -> str:
    """Show a row that has no bytes of its own, as the raw of a rejected record."""
    row = {"id": identifier and identifier[:RAW_BYTES], "text": text and text[:RAW_BYTES]}
    return escape_raw(json.dumps(row, ensure_ascii=False).encode())


def _kept(column: pl.Series, native: bool) -> pl.Series:
    """Return a ``keep`` column as it is or as strings: nested values as JSON, bytes in base 64."""
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
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (PolarsError, PanicException, OSError) as error:
        raise _damaged(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _damaged(path: Path, error: str) -> CorpusError:
    return CorpusError(
        f"{show_path(path)}: damaged, or not the Parquet file that its name says ({error}); "
        f"fetch or make it again, or give it the ending of what it is"
    )
