"""CSV and TSV: a header, then records whose quoted fields may hold line breaks.

The standard library's parser decides where a record ends: it draws lines from a feeder that remembers which ones it
drew. A record that cannot be parsed costs one line; the others drawn for it are given back and read anew. So a stray
quote does not swallow what follows it.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shardner.config import CorpusConfig
from shardner.corpus import streams
from shardner.corpus.batch import BadRecord, Builder, invalid_utf8, too_long
from shardner.corpus.files import Layout, show_path
from shardner.corpus.kept_columns import STRING
from shardner.corpus.missing_columns import missing_column
from shardner.corpus.streams import Line
from shardner.errors import CorpusError

#: A record of several lines that takes more memory is taken for a quote that never closes; each of its lines counts
#: so many bytes more than it has. The parser holds four bytes a character, and the lines are held beside it, so that
#: the limit of a single line would be too much for a small machine.
MAX_QUOTED_BYTES = 64 << 20
LINE_OVERHEAD = 100
#: How many bytes may be read again, and how many for each byte of the file up to there, before a file is given up.
REREAD_BYTES = 1 << 30
REREAD_TIMES = 16

_DELIMITERS = {Layout.CSV: ",", Layout.TSV: "\t"}
_FIELD_LIMIT = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Record:
    """A record as parsed, or why it could not be."""

    offset: int
    raw: bytes
    fields: Sequence[str]
    bad: BadRecord | None = None


class _Feeder:
    """Hands decoded lines to the parser and keeps those of the record that it is reading."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._again: deque[Line] = deque()
        self._size = 0
        self.drawn: list[Line] = []
        self.valid = True
        self.reread = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.drawn.append(line)
        self._size += line.length + LINE_OVERHEAD
        if line.length > streams.MAX_RECORD_BYTES:
            raise too_long(line.length, streams.MAX_RECORD_BYTES)
        if self._size > MAX_QUOTED_BYTES and len(self.drawn) > 1:
            raise BadRecord(f"a quoted field that does not end within {len(self.drawn)} lines")
        try:
            return line.raw.decode()
        except UnicodeDecodeError:
            self.valid = False
            return line.raw.decode("utf-8", "surrogateescape")

    def begin(self) -> None:
        """Forget the lines of the record before."""
        self.drawn = []
        self._size = 0
        self.valid = True

    def give_back(self) -> Line:
        """Take back all lines drawn but the first, which is returned."""
        first, *rest = self.drawn
        self._again.extendleft(reversed(rest))
        self.reread += sum(len(line.raw) for line in rest)
        return first


def read_records(lines: Iterator[Line], layout: Layout, path: Path) -> Iterator[Record]:
    """Yield the records of a file, the header first; blank lines are none.

    Raises:
        CorpusError: so many quotes are opened and never closed that the file would be read over and over.
    """
    csv.field_size_limit(_FIELD_LIMIT)  # the limit that counts is on bytes, in the feeder
    feeder = _Feeder(lines)
    parser = csv.reader(feeder, delimiter=_DELIMITERS[layout], strict=True)
    while True:
        feeder.begin()
        try:
            fields = next(parser)
        except StopIteration:
            return
        except (csv.Error, BadRecord) as error:
            yield _bad_line(feeder, error, layout)
            _refuse_endless(feeder, path)
            continue
        if fields:
            yield _record(feeder, fields)


def _record(feeder: _Feeder, fields: list[str]) -> Record:
    drawn = feeder.drawn
    raw = drawn[0].raw if len(drawn) == 1 else b"".join(line.raw for line in drawn)
    if not feeder.valid:
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            return Record(drawn[0].offset, raw, fields, invalid_utf8(error))
    return Record(drawn[0].offset, raw, fields)


def _bad_line(feeder: _Feeder, error: csv.Error | BadRecord, layout: Layout) -> Record:
    """Reject the first line drawn and give back the others."""
    reason = str(error)
    if isinstance(error, csv.Error):
        # what follows a dash is advice on how to open files
        cause = reason.split(" - ")[0].replace("unexpected end of data", "a quoted field that does not end")
        reason = f"malformed {layout.upper()}: {cause}"
    elif len(feeder.drawn) > 1 and feeder.drawn[-1].length > streams.MAX_RECORD_BYTES:
        reason = "a quoted field that does not end before a line that is too long"
    first = feeder.give_back()
    return Record(first.offset, first.raw, (), BadRecord(reason))


def _refuse_endless(feeder: _Feeder, path: Path) -> None:
    position = feeder.drawn[0].offset
    if feeder.reread > REREAD_BYTES + REREAD_TIMES * position:
        raise CorpusError(
            f"{show_path(path)}: up to byte {position} so many quotes open a field and never close it that the file "
            f'cannot be read as it stands; quote fields that hold a quote and double it ("" for "), or convert the '
            f"file to JSON lines"
        )


def read_header(records: Iterator[Record], path: Path, corpus: CorpusConfig) -> list[str]:
    """Read the header and check that the columns of `corpus` are there, once each.

    Raises:
        CorpusError: there is no header, or a column is missing or ambiguous.
    """
    first = next(records, None)
    if first is None:
        raise CorpusError(f"{show_path(path)}: the file is empty; its first line must name the columns")
    if first.bad is not None:
        raise CorpusError(
            f"{show_path(path)}: its first line, which must name the columns, cannot be read: {first.bad}"
        )
    header = list(first.fields)
    wanted = [("text", corpus.text), ("id", corpus.id), *(("keep", column) for column in corpus.keep)]
    for key, column in wanted:
        if column is None:
            continue
        if column not in header:
            raise missing_column(path, key, column, header, corpus, hint="the first line must name the columns")
        if header.count(column) > 1:
            raise CorpusError(
                f"{show_path(path)}: the header has the column {column!r} (corpus.{key}) {header.count(column)} times; "
                f"rename all but one"
            )
    return header


def fill(records: Iterator[Record], header: list[str], builder: Builder, corpus: CorpusConfig) -> Iterator[None]:
    """Read the records after the header into `builder`; yield whenever it is full."""
    text_at = header.index(corpus.text)
    id_at = None if corpus.id is None else header.index(corpus.id)
    keep_at = [header.index(column) for column in corpus.keep]
    kinds = [STRING] * len(keep_at)
    for row, record in enumerate(records):
        fields = record.fields
        bad = record.bad or _shape_error(fields, len(header), id_at)
        if bad:
            builder.reject(row, record.offset, record.raw, bad)
        else:
            builder.add(row, record.offset, record.raw, None if id_at is None else fields[id_at], fields[text_at])
            if keep_at:
                builder.keep([fields[at] for at in keep_at], kinds)
        if builder.full:
            yield


def _shape_error(fields: Sequence[str], columns: int, id_at: int | None) -> BadRecord | None:
    if len(fields) != columns:
        return BadRecord(f"{len(fields)} fields where the header has {columns}")
    if id_at is not None and not fields[id_at]:
        return BadRecord("missing id")
    return None
