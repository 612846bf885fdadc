"""Columns of custom extensions (``_.NAME``), in the type that all values of the corpus allow."""

from __future__ import annotations

import polars as pl

from shardner.corpus.kept_columns import keep_dtypes, keep_expr
from shardner.engine.extension_values import KINDS_BY_LETTER, MARK_CHARS


def decode_columns(table: pl.LazyFrame, names: list[str], corpus: pl.LazyFrame | None = None) -> pl.LazyFrame:
    """Return a table with the values of the extensions `names` in the type that all of them allow.

    Whole numbers give Int64, numbers Float64, true and false Boolean. Anything else gives String: texts as they are,
    other values as JSON.

    Args:
        table: of entities.
        names: of its columns.
        corpus: the entities of the whole corpus, where `table` has those of a part.
    """
    if not names:
        return table
    letters = [pl.col(name).str.slice(0, 1).drop_nulls().unique().implode() for name in names]
    found = (table if corpus is None else corpus).select(letters).collect().row(0)
    kinds = {
        name: frozenset(KINDS_BY_LETTER[each] for each in values) for name, values in zip(names, found, strict=True)
    }
    dtypes = keep_dtypes(kinds)
    return table.with_columns(pl.col(name).str.slice(MARK_CHARS) for name in names).with_columns(
        keep_expr(name, dtypes[name]) for name in names
    )
