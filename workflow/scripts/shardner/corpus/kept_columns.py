"""The ``keep`` columns: strings while the corpus is read, and afterwards the dtype that all their values allow.

The type of a column of JSON lines is known only at the end of the corpus. So its values are stored as strings, each
batch says which kinds of values it had, and the merge casts the column. A column is *native* if all files say the same
dtype for it (as Parquet does): it has that dtype from the start.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import polars as pl

from shardner.data.json_values import BOOLEAN, INTEGER, NUMBER

NATIVE = "native"

_DTYPES: dict[str, pl.DataType] = {
    "Int64": pl.Int64(),
    "Float64": pl.Float64(),
    "Boolean": pl.Boolean(),
    "String": pl.String(),
}


def keep_dtypes(kinds: Mapping[str, frozenset[str]]) -> dict[str, pl.DataType | None]:
    """Choose the dtype of each column from all kinds of values that it has in the corpus.

    None stands for a native column: it stays as it is.
    """
    return {column: _dtype(each) for column, each in kinds.items()}


def _dtype(kinds: frozenset[str]) -> pl.DataType | None:
    if kinds == {NATIVE}:
        return None
    if kinds == {INTEGER}:
        return pl.Int64()
    if kinds in ({NUMBER}, {INTEGER, NUMBER}):
        return pl.Float64()
    if kinds == {BOOLEAN}:
        return pl.Boolean()
    return pl.String()


def as_strings(column: pl.Series) -> pl.Series:
    """Return a native column as strings: nested values as JSON, bytes in base 64."""
    if column.dtype == pl.Binary:
        return column.bin.encode("base64")
    if column.dtype.is_nested() or column.dtype == pl.Object:
        values = [None if value is None else _json(value) for value in column.to_list()]
        return pl.Series(column.name, values, pl.String)
    return column.cast(pl.String)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_as_string)


def _as_string(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def keep_expr(column: str, dtype: pl.DataType | None) -> pl.Expr:
    """Cast a ``keep`` column of a batch or shard to the dtype that `keep_dtypes` chose."""
    kept = pl.col(column)
    if dtype is None or dtype == pl.String():
        return kept
    if dtype == pl.Boolean():  # Polars does not cast strings to it
        return kept == "true"
    return kept.cast(dtype)


def dtype_name(dtype: pl.DataType | None) -> str:
    """Return the name of a dtype that `keep_dtypes` chose, for the manifest; ``"native"`` for None."""
    return NATIVE if dtype is None else str(dtype)


def parse_dtype(name: str) -> pl.DataType | None:
    """Return the dtype whose name `dtype_name` returned.

    Raises:
        KeyError: `name` is not the name of such a dtype.
    """
    return None if name == NATIVE else _DTYPES[name]
