"""Batches: what reading hands on, and the builder that collects records in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from shardner.data.tables import RAW_BYTES, RECORDS, REJECTED, escape_raw

#: A batch ends with the record that reaches one of these.
BATCH_ROWS = 1 << 14
BATCH_BYTES = 8 << 20


class BadRecord(Exception):
    """A record cannot become a document; the message is the reason. It never leaves this package."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which window of a document a text is, where the document is too long to be read at once."""

    window: int
    windows: int
    start: int  # in the document, in code points
    chars: int  # of the document


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive records of one file.

    Attributes:
        file: the file's path, as in the columns ``file``.
        records: those that can become documents: `records.RECORDS` and the ``keep`` columns.
        rejected: the others: `records.REJECTED`, by ``row``.
        kinds: which kinds of values each ``keep`` column has here (see `keep`).
        slice: the batch is one record, with a window of its text; the next batch has the next window.
    """

    file: str
    records: pl.DataFrame
    rejected: pl.DataFrame
    kinds: Mapping[str, frozenset[str]]
    slice: Slice | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch before ids are compared, with each record's place and first bytes where the format has them."""

    batch: Batch
    offsets: Sequence[int]
    raws: Sequence[bytes]


def invalid_utf8(error: UnicodeDecodeError) -> BadRecord:
    """Say where a record is not UTF-8."""
    return BadRecord(f"invalid UTF-8 at byte {error.start} of the record")


def too_long(length: int, limit: int) -> BadRecord:
    """Say that a record is longer than can be read."""
    return BadRecord(f"the record has {length} bytes, more than the {limit} that can be read")


class Builder:
    """Collects the records of one file into columns.

    Args:
        file: what goes into the column ``file``.
        name: with it ids are ``<name>:<row>``; without it each record brings its own.
        keep: the columns to keep, all as strings.
    """

    def __init__(self, file: str, name: str | None, keep: Sequence[str]) -> None:
        self._file = file
        self._name = name
        self._keep = tuple(keep)
        self._rows_limit, self._bytes_limit = BATCH_ROWS, BATCH_BYTES
        self.taken = 0
        self._start()

    def _start(self) -> None:
        self._ids: list[str | None] = []
        self._rows: list[int] = []
        self._offsets: list[int] = []
        self._raws: list[bytes] = []
        self._texts: list[str] = []
        self._kept: list[list[str | None]] = []
        self._kinds: tuple[set[str], ...] = tuple(set() for _ in self._keep)
        self._rejected: list[tuple[str, int, int, str, str]] = []
        self._bytes = 0

    def add(self, row: int, offset: int, raw: bytes, identifier: str | None, text: str) -> None:
        """Take a record that holds nothing to keep; `raw` is all its bytes."""
        self._rows.append(row)
        self._offsets.append(offset)
        self._raws.append(raw[:RAW_BYTES])
        self._ids.append(identifier)
        self._texts.append(text)
        self._bytes += len(raw)

    def keep(self, values: list[str | None], kinds: Sequence[str | None]) -> None:
        """Take what is kept of the record added last, and which kinds of values they are."""
        self._kept.append(values)
        for seen, kind in zip(self._kinds, kinds, strict=True):
            if kind is not None:
                seen.add(kind)

    def reject(self, row: int, offset: int, raw: bytes, reason: BadRecord) -> None:
        """Take a bad record."""
        self._rejected.append((self._file, row, offset, str(reason), escape_raw(raw)))
        self._bytes += len(raw)

    @property
    def full(self) -> bool:
        """Whether the batch has reached its bounds."""
        return self._bytes >= self._bytes_limit or len(self._rows) + len(self._rejected) >= self._rows_limit

    @property
    def empty(self) -> bool:
        """Whether nothing has been taken since the last batch."""
        return not self._rows and not self._rejected

    def take(self, part: Slice | None = None) -> Draft:
        """Return what was collected, and start anew; `part` says which window a single record is."""
        batch = Batch(
            file=self._file,
            records=self._frame(),
            rejected=pl.DataFrame(self._rejected, schema=REJECTED, orient="row"),
            kinds=MappingProxyType({c: frozenset(k) for c, k in zip(self._keep, self._kinds, strict=True)}),
            slice=part,
        )
        draft = Draft(batch, self._offsets, self._raws)
        self.taken += 1
        self._start()
        return draft

    def _frame(self) -> pl.DataFrame:
        rows = pl.Series("row", self._rows, pl.UInt64)
        if self._name is None:
            ids = pl.Series("id", self._ids, pl.String)
        else:
            ids = ((self._name + ":") + rows.cast(pl.String)).rename("id")
        file = pl.Series("file", [self._file], pl.String).new_from_index(0, len(rows))
        texts = pl.Series("text", self._texts, pl.String)
        columns = list(zip(*self._kept, strict=True)) or [() for _ in self._keep]
        kept = [pl.Series(name, values, pl.String) for name, values in zip(self._keep, columns, strict=True)]
        return pl.DataFrame([ids, file, rows, texts, *kept], schema_overrides=RECORDS)
