"""JSON lines: each line is an object. A file that is one array of objects is read in the same way, element by element.

orjson reads a line four times as fast as the standard library, and to the same values. The lines that it refuses, and
those in which the two could differ, are read by the standard library, which says what is wrong with a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import orjson

from shardner.config import CorpusConfig
from shardner.corpus import streams
from shardner.corpus.batch import BadRecord, Builder, invalid_utf8, too_long
from shardner.corpus.configured_columns import list_columns, missing_column
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import JSONL
from shardner.corpus.json_array import SHOWN_BYTES, is_array, read_elements
from shardner.corpus.reader import ReadOptions
from shardner.corpus.stream_reader import Run, StreamReader, fill_by_run
from shardner.corpus.streams import Line, Readable, open_stream, read_lines
from shardner.data.json_values import STRING, json_value
from shardner.errors import CorpusError

_WHITESPACE = " \t\r\n"
#: A line of fewer bytes is not nested more deeply than the standard library can read.
_SHALLOW = 900
#: orjson makes floats of integers that have more bits.
_EXACT = float(1 << 63)
_TYPES = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


class JsonLinesReader(StreamReader):
    """Reads JSON lines."""

    format = JSONL

    def check_columns(self, stream: Readable, source: SourceFile, corpus: CorpusConfig) -> None:
        """Look for each column in the first records until all columns are found."""
        missing = list_columns(corpus)
        present: dict[str, None] = {}
        for record in read_objects(_read_first(stream, source)):
            present.update(dict.fromkeys(record))
            missing = [(key, column) for key, column in missing if column not in record]
            if not missing:
                return
        if present:
            key, column = missing[0]
            raise missing_column(source.path, key, column, list(present), corpus)

    def fill(self, source: SourceFile, options: ReadOptions, builder: Builder) -> Iterator[None]:
        """See `StreamReader.fill`."""
        add = partial(_add_run, builder=builder, corpus=options.corpus)
        return _fill_by_element(source, builder, add) if _holds_array(source) else fill_by_run(source, builder, add)

    def end_with_record(self, path: Path, corpus: CorpusConfig) -> bool:
        """See `StreamReader.end_with_record`; the head of an array ends with an element and a bracket."""
        with path.open("r+b") as file:
            if not is_array(file.read(SHOWN_BYTES)):
                return super().end_with_record(path, corpus)
            file.seek(0)
            end = 0
            with suppress(CorpusError):
                for element in read_elements(file, path.name, streams.MAX_RECORD_BYTES):
                    end = element.offset + len(element.raw)
            file.truncate(end)
            file.seek(end)
            file.write(b"]")
        return end > 0


def _holds_array(source: SourceFile) -> bool:
    """Tell whether a file is one array; what has stretches is none (see `can_be_entered`)."""
    if (source.start, source.stop) != (0, None):
        return False
    start = b""
    with suppress(CorpusError), open_stream(source.path, source.compression) as stream:  # who reads on meets the damage
        while len(start) < SHOWN_BYTES and (piece := stream.read1(SHOWN_BYTES)):
            start += piece
    return is_array(start)


def _read_first(stream: Readable, source: SourceFile) -> Iterator[Line]:
    """Yield the records in the first bytes of a file; that an array is cut there is no damage."""
    if not _holds_array(source):
        yield from read_lines(stream)
        return
    with suppress(CorpusError):
        for offset, raw in read_elements(stream, source.shown, streams.MAX_RECORD_BYTES):
            yield Line(offset, raw, len(raw))


def _fill_by_element(source: SourceFile, builder: Builder, add: Callable[[Run], None]) -> Iterator[None]:
    """Read an array, and yield whenever `builder` is full. The number of an element is its row."""
    builder.reach(0, 0, 0)
    with open_stream(source.path, source.compression) as stream:
        for row, (offset, raw) in enumerate(read_elements(stream, source.shown, streams.MAX_RECORD_BYTES)):
            add(Run(row, offset, [raw], len(raw)))
            builder.reach(0, offset + len(raw), row + 1)
            if builder.full:
                yield


def _add_run(run: Run, builder: Builder, corpus: CorpusConfig) -> None:
    """Add lines to the builder: those that orjson reads at once, the others one by one."""
    begin, texts, ids, kept = 0, list[str](), list[str | None](), list[list[tuple[str | None, str | None]]]()
    for at, raw in enumerate(run.lines):
        try:
            text, identifier, values = _read_fast(raw, corpus)
        except (ValueError, KeyError, TypeError, AttributeError):
            builder.add_run(run.cut(begin, at), ids, texts, kept)
            begin, texts, ids, kept = at + 1, [], [], []
            # `_add` keeps nothing after it returns: a record may have hundreds of megabytes
            _add(run.row + at, run.line(at), builder, corpus)
            continue
        texts.append(text)
        ids.append(identifier)
        if values:
            kept.append(values)
    builder.add_run(run.cut(begin, len(run.lines)), ids, texts, kept)


def _read_fast(raw: bytes, corpus: CorpusConfig) -> tuple[str, str | None, list[tuple[str | None, str | None]]]:
    """Return text, id and kept values of a line that orjson reads as the standard library would.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    if len(raw) > _SHALLOW and raw.count(b"{") + raw.count(b"[") > _SHALLOW // 2:
        raise ValueError  # may be nested deeper than the standard library reads
    record = orjson.loads(raw)
    text = record[corpus.text]
    if type(text) is not str:
        raise TypeError
    identifier = None
    if corpus.id is not None:
        identifier = record[corpus.id]
        if type(identifier) is int:
            identifier = str(identifier)
        elif type(identifier) is not str or not identifier:
            raise TypeError
    return text, identifier, [_keep_fast(record.get(column)) for column in corpus.keep]


def _keep_fast(value: object) -> tuple[str | None, str | None]:
    if type(value) is str:
        return value, STRING
    if isinstance(value, list | dict) or (type(value) is float and not abs(value) < _EXACT):
        raise TypeError  # nested, or an integer of more than 64 bits
    return json_value(value)


def _add(row: int, line: Line, builder: Builder, corpus: CorpusConfig) -> None:
    offset, raw, length = line
    try:
        if length > streams.MAX_RECORD_BYTES:
            raise too_long(length, streams.MAX_RECORD_BYTES)
        decoded = _decode(raw)
        if not decoded:
            return
        record = parse_object(decoded)
        text = _text(record, corpus.text)
        identifier = None if corpus.id is None else _id(record, corpus.id)
        kept = [_keep(record.get(column)) for column in corpus.keep]
        if "\\u" in decoded:
            _refuse_surrogates([identifier, text, *(value for value, _ in kept)])
    except BadRecord as reason:
        builder.reject(row, offset, raw, reason)
        return
    builder.add(row, offset, raw, identifier, text)
    if kept:
        builder.keep([value for value, _ in kept], [kind for _, kind in kept])


def _keep(value: object) -> tuple[str | None, str | None]:
    try:
        return json_value(value)
    except ValueError as error:
        raise BadRecord(f"malformed JSON: {error}") from None


def read_objects(lines: Iterator[Line]) -> Iterator[dict[str, Any]]:
    """Yield those records that can be parsed."""
    for line in lines:
        try:
            decoded = _decode(line.raw)
            if decoded:
                yield parse_object(decoded)
        except BadRecord:
            continue


def _decode(raw: bytes) -> str:
    """Decode a line; the text is empty if the line holds no record."""
    try:
        return raw.decode().rstrip(_WHITESPACE)
    except UnicodeDecodeError as error:
        raise invalid_utf8(error) from None


def parse_object(line: str) -> dict[str, Any]:
    """Parse a line that does not end in white space.

    Raises:
        BadRecord: the line is not JSON, is not an object, or holds what JSON or Python cannot represent.
    """
    start = 0 if line.startswith("{") else len(line) - len(line.lstrip(_WHITESPACE))
    try:
        record, end = _DECODER.raw_decode(line, start)
    except json.JSONDecodeError as error:
        raise BadRecord(f"malformed JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise BadRecord("malformed JSON: nested too deeply") from None
    except ValueError:  # Python limits the digits of an integer
        raise BadRecord("malformed JSON: an integer of too many digits") from None
    if end != len(line):
        raise BadRecord(f"malformed JSON: something follows the value at character {end}")
    if type(record) is not dict:
        raise BadRecord(f"not a JSON object but {_kind(record)}")
    return record


def _text(record: dict[str, Any], column: str) -> str:
    text = record.get(column)
    if type(text) is str:
        return text
    if text is None:
        raise BadRecord("missing text")
    raise BadRecord(f"the text is not a string but {_kind(text)}")


def _id(record: dict[str, Any], column: str) -> str:
    identifier = record.get(column)
    if type(identifier) is int:
        return str(identifier)
    if identifier is None or identifier == "":
        raise BadRecord("missing id")
    if type(identifier) is not str:
        raise BadRecord(f"the id is neither a string nor an integer but {_kind(identifier)}")
    return identifier


def _kind(value: object) -> str:
    return _TYPES.get(type(value), "null")


def _refuse_surrogates(values: list[str | None]) -> None:
    for value in values:
        try:
            (value or "").encode()
        except UnicodeEncodeError as error:
            code = ord(error.object[error.start])
            raise BadRecord(f"a lone surrogate (\\u{code:04x}), which is no character") from None


def _refuse_constant(name: str) -> NoReturn:
    raise BadRecord(f"malformed JSON: {name} is no JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
