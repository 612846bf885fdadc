"""Batches: what reading yields, and the builder that collects records in columns."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Protocol

import polars as pl

from shardner.data.tables import RAW_BYTES, RECORDS, REJECTED, escape_raw

#: A batch ends with the record that reaches one of these.
BATCH_ROWS = 1 << 14
BATCH_BYTES = 8 << 20


#: Why a record is rejected that has no text.
MISSING_TEXT = "missing text"


class BadRecord(Exception):
    """A record cannot become a document; the message is the reason. It never leaves this subpackage."""


@dataclass(frozen=True, slots=True)
class WindowPosition:
    """Which window of a document a text is, if the document is too long to be held in memory.

    The fields are named after the columns of a shard (see `data.tables.WINDOWS`).
    """

    window: int
    windows: int
    start: int  # in the document, in code points
    chars: int  # of the whole document


@dataclass(frozen=True, slots=True)
class Extent:
    """What has been taken of a stretch of a file.

    Of two consecutive stretches that both hold rows, the second begins where the first ends.

    Attributes:
        begin: the byte of the decompressed file with which the first record begins, after a byte-order mark; of
            Parquet, the number of the first row group, where only groups with rows are counted.
        end: the byte after the last record and its line break; of Parquet, the number of the next row group.
        rows: how many numbers of rows were given; rejected and duplicate records have one, blank lines of JSON lines
            too. If there are none, `end` is `begin`.
    """

    begin: int
    end: int
    rows: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive records of one file.

    Attributes:
        file: the file's path, as in the columns ``file``.
        records: the records that can become documents: `data.tables.RECORDS` and the ``keep`` columns.
        rejected: the other records: `data.tables.REJECTED`, by ``row``.
        kinds: which kinds of values each ``keep`` column has here (see `shardner.corpus.kept_columns`).
        extent: what has been taken of the stretch up to and with this batch; that of its last batch is all of it.
        position: None, or: the batch is one record with one window of its text; the next batch has the next window.
    """

    file: str
    records: pl.DataFrame
    rejected: pl.DataFrame
    kinds: Mapping[str, frozenset[str]]
    extent: Extent
    position: WindowPosition | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A batch whose ids have not been compared yet.

    Attributes:
        batch: the batch.
        offsets: where each of its records starts in the decompressed file, in bytes; empty for a format without places.
        raws: its records, or the first bytes of each; empty for such a format.
    """

    batch: Batch
    offsets: Sequence[int]
    raws: Sequence[bytes]


def invalid_utf8(error: UnicodeDecodeError) -> BadRecord:
    """Say where a record is not UTF-8."""
    return BadRecord(f"invalid UTF-8 at byte {error.start} of the record")


def too_long(length: int, limit: int) -> BadRecord:
    """Say that a record is longer than can be read."""
    return BadRecord(f"the record has {length} bytes, more than the {limit} that can be read")


def show_row(identifier: str | None, text: str | None) -> str:
    """Show a record that has no bytes of its own, for the column ``raw`` of the rejected records."""
    row = {"id": identifier and identifier[:RAW_BYTES], "text": text and text[:RAW_BYTES]}
    return escape_raw(json.dumps(row, ensure_ascii=False).encode())


class Lines(Protocol):
    """Consecutive lines of a file (`shardner.corpus.stream_reader.Run`)."""

    @property
    def row(self) -> int:
        """The number of the first."""

    @property
    def offset(self) -> int:
        """The first byte of the first."""

    @property
    def lines(self) -> Sequence[bytes]:
        """The lines."""

    @property
    def size(self) -> int:
        """How many bytes they have."""


class Builder:
    """Collects the records of one file into columns.

    Args:
        file: what goes into the column ``file``.
        id_prefix: with it, ids are ``<id_prefix>:<row>``; without it, each record brings its own id.
        keep: the columns to keep, all as strings.
    """

    def __init__(self, file: str, id_prefix: str | None, keep: Sequence[str]) -> None:
        self._file = file
        self._id_prefix = id_prefix
        self._keep = tuple(keep)
        self._rows_limit, self._bytes_limit = BATCH_ROWS, BATCH_BYTES
        self.taken = 0
        self._extent = self._taken_extent = Extent(0, 0, 0)
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

    def add_run(
        self,
        run: Lines,
        ids: Sequence[str | None],
        texts: Sequence[str],
        kept: Sequence[Sequence[tuple[str | None, str | None]]] = (),
    ) -> None:
        """Take consecutive records.

        Args:
            run: their lines.
            ids: of each; not read if ids are made of file and row.
            texts: of each.
            kept: of each, values and kinds of the ``keep`` columns, if there are any.
        """
        self._rows += range(run.row, run.row + len(run.lines))
        self._offsets += accumulate(map(len, run.lines[:-1]), initial=run.offset) if run.lines else ()
        self._raws += run.lines
        self._ids += ids
        self._texts += texts
        self._bytes += run.size
        for values in kept:
            self.keep([value for value, _ in values], [kind for _, kind in values])

    def find_end(self, ends: Sequence[int], at: int) -> int:
        """Return the number of the line after the one that fills the batch, or of the last one.

        Args:
            ends: of lines, in bytes, after a 0.
            at: the first line that is added.
        """
        by_bytes = bisect_left(ends, ends[at] + self._bytes_limit - self._bytes)
        by_rows = at + self._rows_limit - len(self._rows) - len(self._rejected)
        return max(min(by_bytes, by_rows, len(ends) - 1), at + 1)

    def keep(self, values: list[str | None], kinds: Sequence[str | None]) -> None:
        """Take the ``keep`` columns of the record added last, and the kinds of their values."""
        self._kept.append(values)
        for seen, kind in zip(self._kinds, kinds, strict=True):
            if kind is not None:
                seen.add(kind)

    def reject(self, row: int, offset: int, raw: bytes, reason: BadRecord) -> None:
        """Take a bad record."""
        self._rejected.append((self._file, row, offset, str(reason), escape_raw(raw)))
        self._bytes += len(raw)

    def reach(self, begin: int, end: int, rows: int) -> None:
        """Say what has been taken of the stretch so far (see `Extent`)."""
        self._extent = Extent(begin, end if rows else begin, rows)

    @property
    def full(self) -> bool:
        """Whether the batch has reached its limits."""
        return self._bytes >= self._bytes_limit or len(self._rows) + len(self._rejected) >= self._rows_limit

    @property
    def empty(self) -> bool:
        """Whether nothing was added since the last batch was taken, no blank lines either."""
        return not self._rows and not self._rejected and self._extent == self._taken_extent

    def take(self, position: WindowPosition | None = None) -> Draft:
        """Return what was collected, and start the next batch.

        Args:
            position: which window of its document the text of the only record is; None for whole records.
        """
        batch = Batch(
            file=self._file,
            records=self._frame(),
            rejected=pl.DataFrame(self._rejected, schema=REJECTED, orient="row"),
            extent=self._extent,
            kinds=MappingProxyType({c: frozenset(k) for c, k in zip(self._keep, self._kinds, strict=True)}),
            position=position,
        )
        draft = Draft(batch, self._offsets, self._raws)
        self.taken += 1
        self._taken_extent = self._extent
        self._start()
        return draft

    def _frame(self) -> pl.DataFrame:
        rows = pl.Series("row", self._rows, pl.UInt64)
        if self._id_prefix is None:
            ids = pl.Series("id", self._ids, pl.String)
        else:
            ids = ((self._id_prefix + ":") + rows.cast(pl.String)).rename("id")
        file = pl.Series("file", [self._file], pl.String).new_from_index(0, len(rows))
        texts = pl.Series("text", self._texts, pl.String)
        columns = list(zip(*self._kept, strict=True)) or [() for _ in self._keep]
        kept = [pl.Series(name, values, pl.String) for name, values in zip(self._keep, columns, strict=True)]
        return pl.DataFrame([ids, file, rows, texts, *kept], schema_overrides=RECORDS)
