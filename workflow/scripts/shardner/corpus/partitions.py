"""Columns that stand in the names of a file's directories (``year=2025/…``), as Hive and Spark write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

import polars as pl

from shardner.config import CorpusConfig
from shardner.corpus.batch import Draft
from shardner.corpus.files import SourceFile, show_path
from shardner.corpus.registry import READERS
from shardner.data.json_values import INTEGER, STRING
from shardner.data.tables import RECORDS
from shardner.errors import CorpusError

#: How a value that is null is written in the name of a directory.
_NULL = "__HIVE_DEFAULT_PARTITION__"
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})", re.ASCII)


def split_keep(source: SourceFile, corpus: CorpusConfig) -> tuple[CorpusConfig, Mapping[str, str | None]]:
    """Tell the ``keep`` columns that a file has from those that the names of its directories have.

    A column that the file itself has is read from it.

    Returns:
        The settings with which the file is read, and the values of the other columns.
    """
    named = {column: value for column, value in _values_in(source.path).items() if column in corpus.keep}
    given = {column: value for column, value in named.items() if not _has_column(source, column, corpus)}
    keep = tuple(column for column in corpus.keep if column not in given)
    return replace(corpus, keep=keep), MappingProxyType(given)


def add_columns(draft: Draft, values: Mapping[str, str | None], corpus: CorpusConfig) -> Draft:
    """Add columns to the records of a file.

    Args:
        draft: of the file, read with the settings of `split_keep`.
        values: of the columns, from there.
        corpus: the settings as they are.
    """
    if not values:
        return draft
    batch = draft.batch
    columns = [pl.lit(value, pl.String).alias(column) for column, value in values.items()]
    order = [*corpus.keep, *(column for column in batch.kinds if column not in corpus.keep)]
    records = batch.records.with_columns(columns).select(*RECORDS, *order)
    kinds = {column: _kinds(value) if batch.records.height else frozenset[str]() for column, value in values.items()}
    kinds = {column: {**batch.kinds, **kinds}[column] for column in order}
    return replace(draft, batch=replace(batch, records=records, kinds=MappingProxyType(kinds)))


def partition_names(path: Path) -> list[str]:
    """Return those names of a file's directories that give columns."""
    return [part for part in path.parts[:-1] if "=" in part]


def _values_in(path: Path) -> dict[str, str | None]:
    pairs = [show_path(Path(part)).split("=", 1) for part in partition_names(path)]  # a name need not be UTF-8
    return {unquote(key): None if value == _NULL else unquote(value) for key, value in pairs if key}


def _has_column(source: SourceFile, column: str, corpus: CorpusConfig) -> bool:
    if not source.format.has_columns:
        return False
    try:
        READERS[source.format].check(source, replace(corpus, keep=(column,)))
    except CorpusError:  # of another cause the check of the columns that the file has will say
        return False
    return True


def _kinds(value: str | None) -> frozenset[str]:
    return frozenset() if value is None else frozenset({INTEGER if _WHOLE_NUMBER.fullmatch(value) else STRING})
