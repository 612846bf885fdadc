"""What readers share whose files say the dtypes of their columns: records are rows of a Polars table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

import numpy as np
import polars as pl

from shardner.config import CorpusConfig
from shardner.corpus import batch as bounds
from shardner.corpus.batch import MISSING_TEXT, Batch, Draft, Extent, show_row
from shardner.corpus.column_paths import find_column, list_strings
from shardner.corpus.configured_columns import LongestStrings, guess_text, list_columns, missing_column
from shardner.corpus.files import SourceFile
from shardner.corpus.kept_columns import NATIVE
from shardner.corpus.reader import ReadOptions
from shardner.data.json_values import STRING
from shardner.data.tables import RECORDS, REJECTED
from shardner.errors import CorpusError

#: Names of our own for the columns that are read, and for the number of a row.
ROW, TEXT = "row", "text"
_ID, _PROBLEM, _KEEP = "id", "problem", "keep:"
#: How many characters of a value a message shows.
_EXAMPLE = 60
_TEXTUAL = (pl.String, pl.Categorical, pl.Enum)
#: A UUID has 16 bytes, and is written as their digits in groups: the first digit of each, and how many.
_UUID_BYTES = 16
_UUID = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))


def check_dtypes(
    schema: Mapping[str, pl.DataType], source: SourceFile, corpus: CorpusConfig, read_first: Callable[[], pl.DataFrame]
) -> None:
    """Check that a file has the columns of `corpus`, of types that can be read.

    Args:
        schema: the dtypes of its columns.
        source: the file.
        corpus: the settings.
        read_first: reads the first rows; called only for what a message says.

    Raises:
        CorpusError: it does not.
    """
    found = {column: find_column(schema, column) for _, column in list_columns(corpus)}
    for key, column in list_columns(corpus):
        if found[column] is None:
            written = {name: _first_leaf(name, dtype) for name, dtype in schema.items()}
            raise missing_column(source.path, key, column, written, corpus, longest=longest_strings(read_first()))
    dtypes = {column: pair[1] for column, pair in found.items() if pair is not None}
    text = dtypes[corpus.text]
    if not isinstance(text, _TEXTUAL):
        raise CorpusError(
            f"{source.shown}: the column {corpus.text!r} (corpus.text) holds {text}, not strings"
            f"{_example(schema, corpus.text, read_first)}; name another, or convert it to strings\n  "
            f"{guess_text(longest_strings(read_first()), corpus)}".rstrip()
        )
    if corpus.id is not None and not _is_id(dtypes[corpus.id]):
        example = _example(schema, corpus.id, read_first)
        raise CorpusError(
            f"{source.shown}: the column {corpus.id!r} (corpus.id) holds {dtypes[corpus.id]}, neither strings nor "
            f"whole numbers nor UUIDs{example}; name another, convert it to strings, or write  corpus: {{id: null}}"
        )


def _first_leaf(name: str, dtype: pl.DataType) -> str:
    """Return the path of the first field of a struct that is none itself; `name` for another column."""
    while isinstance(dtype, pl.Struct) and dtype.fields:
        name, dtype = f"{name}.{dtype.fields[0].name}", cast("pl.DataType", dtype.fields[0].dtype)
    return name


def _is_id(dtype: pl.DataType) -> bool:
    return isinstance(dtype, _TEXTUAL) or dtype.is_integer() or dtype.is_float() or dtype == pl.Binary


def _example(schema: Mapping[str, pl.DataType], path: str, read_first: Callable[[], pl.DataFrame]) -> str:
    """Return the first value in a column, as words of a message; nothing where the first rows have none."""
    found = find_column(schema, path)
    assert found is not None
    values = read_first().select(found[0].alias(TEXT))[TEXT].drop_nulls()
    if not len(values):
        return ""
    shown = json.dumps(values.to_list()[0], ensure_ascii=True, default=str)
    return f", such as {shown[:_EXAMPLE]}{'…' if len(shown) > _EXAMPLE else ''}"


def longest_strings(frame: pl.DataFrame) -> str | None:
    """Return the column or field with the longest strings; None if there is none."""
    strings = LongestStrings()
    for record in frame.iter_rows(named=True):
        strings.add(list_strings(record))
    return strings.column


def select_columns(schema: Mapping[str, pl.DataType], options: ReadOptions) -> list[pl.Expr]:
    """Return the columns to read, under names of our own.

    Args:
        schema: the dtypes of the file's columns, which `check_dtypes` has checked.
        options: how the file is read.
    """

    def find(column: str) -> tuple[pl.Expr, pl.DataType]:
        found = find_column(schema, column)
        assert found is not None
        return found

    corpus = options.corpus
    columns = [find(corpus.text)[0].cast(pl.String).alias(TEXT)]
    if options.id_prefix is None:
        column, dtype = find(corpus.id or "")
        columns += [_as_id(column, dtype).alias(_ID), _id_problem(column, dtype).alias(_PROBLEM)]
    return columns + [find(column)[0].alias(_KEEP + column) for column in corpus.keep]


def _as_id(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return ids as strings; null where a value is no id."""
    if dtype.is_float():
        whole = (column == column.round()) & (column.abs() <= 1 << _exact_bits(dtype))
        return pl.when(whole).then(column.cast(pl.Int64, strict=False)).cast(pl.String)
    if dtype == pl.Binary:
        digits = column.bin.encode("hex")
        groups = [digits.str.slice(start, length) for start, length in _UUID]
        return pl.when(column.bin.size() == _UUID_BYTES).then(pl.concat_str(groups, separator="-"))
    return column.cast(pl.String)


def _exact_bits(dtype: pl.DataType) -> int:
    """Return up to which power of two every whole number is a float of its own."""
    return 24 if dtype == pl.Float32 else 53


def _id_problem(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return why a value that is there is no id; null where it is one."""
    if dtype.is_float():
        bits = _exact_bits(dtype)
        return pl.format(f"the id is the number {{}}, which is no whole number of at most 2**{bits}", column)
    if dtype == pl.Binary:
        return pl.format("the id is {} bytes, and only 16 are read, as a UUID", column.bin.size())
    return pl.lit(None, pl.String)


def cut_into_batches(found: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows of a table in batches of bounded rows and bytes."""
    ends = found[TEXT].str.len_bytes().fill_null(0).cast(pl.UInt64).cum_sum().to_numpy()
    start, before = 0, 0
    while True:
        stop = min(int(np.searchsorted(ends, before + bounds.BATCH_BYTES)) + 1, start + bounds.BATCH_ROWS)
        yield found[start:stop]
        if stop >= found.height:
            return
        start, before = stop, int(ends[stop - 1])


def make_draft(frame: pl.DataFrame, file: str, options: ReadOptions, rows_before: int, extent: Extent) -> Draft:
    """Make a batch of some rows.

    Args:
        frame: the columns of `select_columns`, and the number of each row in the stretch.
        file: what goes into the column ``file``.
        options: how the file is read.
        rows_before: how many rows the file has before the stretch.
        extent: what has been taken up to and with these rows.
    """
    keep, native = options.corpus.keep, options.native
    if options.id_prefix is not None:
        frame = frame.with_columns(_number(options.id_prefix, pl.col(ROW)))
    reason = (
        pl.when(pl.col(TEXT).is_null())
        .then(pl.lit(MISSING_TEXT))
        .when(pl.col(_ID).is_null() | (pl.col(_ID) == ""))
        .then(pl.coalesce(pl.col(_PROBLEM) if _PROBLEM in frame.columns else pl.lit(None), pl.lit("missing id")))
    )
    frame = frame.with_columns(reason.alias("reason"), pl.lit(file, pl.String).alias("file"))
    good = frame.filter(pl.col("reason").is_null())
    kept = [_kept(good[_KEEP + column], native).alias(column) for column in keep]
    records = good.select(pl.col(column).cast(dtype) for column, dtype in RECORDS.items()).with_columns(kept)
    kinds = frozenset({NATIVE if native else STRING}) if native or good.height else frozenset[str]()
    bad = frame.filter(pl.col("reason").is_not_null())
    if options.id_prefix is not None:  # shown as it is when the whole file is numbered
        bad = bad.with_columns(_number(options.id_prefix, pl.col(ROW) + rows_before))
    rejected = _rejected(bad)
    kinds_of = MappingProxyType(dict.fromkeys(keep, kinds))
    return Draft(Batch(file, records, rejected, kinds_of, extent), (), ())


def _number(prefix: str, row: pl.Expr) -> pl.Expr:
    return pl.format("{}:{}", pl.lit(prefix), row).alias(_ID)


def _rejected(bad: pl.DataFrame) -> pl.DataFrame:
    raws = [show_row(identifier, text) for identifier, text in bad.select(_ID, TEXT).iter_rows()]
    return bad.select(
        "file",
        pl.col(ROW).cast(pl.UInt64),
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
