"""CSV and TSV: a header, then records whose quoted fields may hold line breaks.

The parser of the standard library decides where a record ends. It draws lines from a feeder, which remembers the lines
that were drawn for the current record. A record that cannot be parsed costs one line: the feeder takes the other lines
back, and they are read again. So a stray quote does not swallow what follows it.
"""

from __future__ import annotations

import csv
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from shardner.config import CorpusConfig
from shardner.corpus import streams
from shardner.corpus.batch import BadRecord, Builder, invalid_utf8, too_long
from shardner.corpus.configured_columns import LongestStrings, corpus_line, list_columns, missing_column
from shardner.corpus.dialect import Dialect, doubt, doubt_fields, find_dialect, looks_like_data, other_delimiter
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import InputFormat
from shardner.corpus.reader import Look, ReadOptions
from shardner.corpus.stream_reader import StreamReader
from shardner.corpus.streams import Line, Readable, open_stream, read_lines
from shardner.data.json_values import STRING
from shardner.errors import CorpusError

#: A record of several lines that takes more bytes than this is taken for a quote that never closes. The parser holds
#: four bytes per character, and the lines are held as well: the limit for a single line (`streams.MAX_RECORD_BYTES`)
#: would be too much for a small machine.
MAX_QUOTED_BYTES = 64 << 20
#: How many bytes a line counts in addition to its own, as memory of a record of several lines.
LINE_OVERHEAD = 100
#: How many bytes of a file may be read again before the file is given up.
REREAD_BYTES = 1 << 30
#: How many further bytes may be read again for each byte of the file before that place.
REREAD_TIMES = 16

log = logging.getLogger(__name__)

_FIELD_LIMIT = (1 << 31) - 1
#: How many characters of a field a message shows.
_FIELD_SHOWN = 40
_UNCLOSED = "a quoted field that does not end"
#: Records on which it is checked whether the dialect is right.
_CHECKED_RECORDS = 1_000


@dataclass(frozen=True, slots=True)
class ParsedRecord:
    """The fields of a record, or why it could not be parsed; and the bytes that the record takes."""

    offset: int
    raw: bytes
    fields: Sequence[str]
    bad: BadRecord | None = None


class DelimitedReader(StreamReader):
    """Reads a format with a header and a character between fields.

    Args:
        form: the format.
    """

    def __init__(self, form: InputFormat) -> None:
        self._format = form

    @property
    def format(self) -> InputFormat:
        """The format that the reader reads."""
        return self._format

    def check_columns(self, stream: Readable, source: SourceFile, corpus: CorpusConfig) -> Look:
        """Check that the header names the columns, once each."""
        dialect, lines = begin_with_header(read_lines(stream), source, corpus)
        records = read_records(lines, source, dialect)
        header = next(records, None)
        first = list(islice(records, _CHECKED_RECORDS))
        columns = check_header(header, source, corpus, first, dialect)
        # a field without an end may have been cut with the first bytes of the file
        malformed = [record.raw for record in first if record.bad and _UNCLOSED not in str(record.bad)]
        if found := doubt(dialect, corpus, [field for record in first for field in record.fields], malformed):
            raise CorpusError(f"{source.shown}: {found}")
        doubts = doubt_fields(dialect, [record.fields for record in first if not record.bad], len(columns), corpus)
        return Look(f"{source.format.name.upper()}, {dialect}", tuple(f"{source.shown}: {each}" for each in doubts))

    def fill(self, source: SourceFile, options: ReadOptions, builder: Builder) -> Iterator[None]:
        """See `StreamReader.fill`."""
        with open_stream(source) as stream:
            lines = _Counted(read_lines(stream))
            dialect, after = begin_with_header(iter(lines), source, options.corpus)
            log.info("%s: %s", source.shown, dialect)
            records = read_records(after, source, dialect)
            header = check_header(next(records, None), source, options.corpus)
            rows = 0
            for rows in _fill(records, header, builder, options.corpus):
                if builder.full:
                    builder.reach(lines.begin, lines.end, rows)
                    yield
            builder.reach(lines.begin, lines.end, rows)


class _Counted:
    """Lines, and where the first of those that were drawn begins and the last one ends."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self.begin = self.end = 0

    def __iter__(self) -> Iterator[Line]:
        for line in self._lines:
            self.begin = self.begin if self.end else line.offset
            self.end = line.offset + line.length
            yield line


class _Feeder:
    """Gives decoded lines to the parser, and keeps the lines of the record that the parser is reading."""

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
            raise BadRecord(f"{_UNCLOSED} within {len(self.drawn)} lines")
        try:
            return line.raw.decode()
        except UnicodeDecodeError:
            self.valid = False
            return line.raw.decode("utf-8", "surrogateescape")

    def begin(self) -> None:
        """Forget the lines of the previous record."""
        self.drawn = []
        self._size = 0
        self.valid = True

    def give_back(self) -> Line:
        """Take back all drawn lines but the first one, and return that one."""
        first, *rest = self.drawn
        self._again.extendleft(reversed(rest))
        self.reread += sum(len(line.raw) for line in rest)
        return first


def begin_with_header(
    lines: Iterator[Line], source: SourceFile, corpus: CorpusConfig
) -> tuple[Dialect, Iterator[Line]]:
    """Return the dialect of a file, and its lines from the header on."""
    first = next((line for line in lines if line.raw.strip()), None)
    if first is None:
        return find_dialect("", source.format, corpus), lines
    dialect = find_dialect(first.raw.decode("utf-8", "surrogateescape"), source.format, corpus)
    return dialect, lines if dialect.named else chain([first], lines)


def read_records(lines: Iterator[Line], source: SourceFile, dialect: Dialect) -> Iterator[ParsedRecord]:
    """Yield the records of a file, the header first; blank lines are not records.

    Raises:
        CorpusError: so many quotes open a field and never close it that the file would be read over and over.
    """
    csv.field_size_limit(_FIELD_LIMIT)  # the feeder has the limit that counts, in bytes
    feeder = _Feeder(lines)
    parser = csv.reader(feeder, strict=True, **dialect.options)
    while True:
        feeder.begin()
        try:
            fields = next(parser)
        except StopIteration:
            return
        except (csv.Error, BadRecord) as error:
            yield _bad_line(feeder, error, source.format)
            _refuse_endless(feeder, source)
            continue
        if fields:
            yield _record(feeder, fields)


def _record(feeder: _Feeder, fields: list[str]) -> ParsedRecord:
    drawn = feeder.drawn
    raw = drawn[0].raw if len(drawn) == 1 else b"".join(line.raw for line in drawn)
    if not feeder.valid:
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            return ParsedRecord(drawn[0].offset, raw, fields, invalid_utf8(error))
    return ParsedRecord(drawn[0].offset, raw, fields)


def _bad_line(feeder: _Feeder, error: csv.Error | BadRecord, form: InputFormat) -> ParsedRecord:
    """Reject the first drawn line, and give the other lines back."""
    reason = str(error)
    if isinstance(error, csv.Error):
        # after a dash, the parser gives advice on how to open files
        cause = reason.split(" - ")[0].replace("unexpected end of data", _UNCLOSED)
        reason = f"malformed {form.name.upper()}: {cause}"
    elif len(feeder.drawn) > 1 and feeder.drawn[-1].length > streams.MAX_RECORD_BYTES:
        reason = f"{_UNCLOSED} before a line that is too long"
    first = feeder.give_back()
    return ParsedRecord(first.offset, first.raw, (), BadRecord(reason))


def _refuse_endless(feeder: _Feeder, source: SourceFile) -> None:
    position = feeder.drawn[0].offset
    if feeder.reread > REREAD_BYTES + REREAD_TIMES * position:
        raise CorpusError(
            f"{source.shown}: up to byte {position} so many quotes open a field and never close it that the file "
            f'cannot be read as it stands; quote fields that hold a quote and double it ("" for "), or convert the '
            f"file to JSON lines"
        )


def check_header(
    first: ParsedRecord | None,
    source: SourceFile,
    corpus: CorpusConfig,
    records: Sequence[ParsedRecord] = (),
    dialect: Dialect | None = None,
) -> list[str]:
    """Check that the header has the columns of `corpus`, once each, and return its columns.

    Args:
        first: the first record of the file, if it has one.
        source: the file.
        corpus: the settings.
        records: some that follow, from which a guess can be made.
        dialect: how they were told apart.

    Raises:
        CorpusError: there is no header, or a column is missing or ambiguous.
    """
    if first is None:
        raise CorpusError(f"{source.shown}: the file is empty; its first line must name the columns")
    if first.bad is not None:
        raise CorpusError(f"{source.shown}: its first line, which must name the columns, cannot be read: {first.bad}")
    header = list(first.fields)
    for key, column in list_columns(corpus):
        if column not in header:
            raise _missing(key, column, header, source, corpus, records, dialect)
        if header.count(column) > 1:
            raise CorpusError(
                f"{source.shown}: the header has the column {column!r} (corpus.{key}) {header.count(column)} times; "
                f"rename all but one"
            )
    return header


def _missing(
    key: str,
    column: str,
    header: list[str],
    source: SourceFile,
    corpus: CorpusConfig,
    records: Sequence[ParsedRecord],
    dialect: Dialect | None,
) -> CorpusError:
    """Say that a column is missing: perhaps the fields are not told apart, or there is no header."""
    where = "the first line must name the columns"
    other = other_delimiter(header, column, dialect)
    if other is not None:
        return CorpusError(
            f"{source.shown}: there is no column {column!r} (corpus.{key}): its first line is {header[0]!r}, in which "
            f"no {(dialect.delimiter if dialect else ',')!r} stands; write:  {corpus_line('delimiter', other)}"
        )
    if not {name for _, name in list_columns(corpus)} & set(header) and looks_like_data(header):
        shown = ", ".join(repr(field[:_FIELD_SHOWN] + "…" * (len(field) > _FIELD_SHOWN)) for field in header[:5])
        return CorpusError(
            f"{source.shown}: there is no column {column!r} (corpus.{key}): {where}, and it looks like data: {shown}\n"
            f"  put a line with the names of the columns before it, such as {_join_names(header, corpus, dialect)!r}"
        )
    strings = LongestStrings()
    for record in records:
        strings.add(zip(header, record.fields, strict=False))
    return missing_column(source.path, key, column, header, corpus, hint=where, longest=strings.column)


def _join_names(header: Sequence[str], corpus: CorpusConfig, dialect: Dialect | None) -> str:
    """Return a line that may name the columns of a file without a header."""
    text = max(range(len(header)), key=lambda at: len(header[at]))
    ids = [at for at in range(len(header)) if at != text]
    names = [f"column{at + 1}" for at in range(len(header))]
    names[text] = corpus.text
    if corpus.id is not None and ids:
        names[ids[0]] = corpus.id
    return (dialect.delimiter if dialect else ",").join(names)


def _fill(records: Iterator[ParsedRecord], header: list[str], builder: Builder, corpus: CorpusConfig) -> Iterator[int]:
    """Read the records after the header into `builder`; after each, yield how many there were."""
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
        yield row + 1


def _shape_error(fields: Sequence[str], columns: int, id_at: int | None) -> BadRecord | None:
    if len(fields) != columns:
        return BadRecord(f"{len(fields)} fields where the header has {columns}")
    if id_at is not None and not fields[id_at]:
        return BadRecord("missing id")
    return None
