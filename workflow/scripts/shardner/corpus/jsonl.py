"""JSON lines: each line is an object. A file that is one array of objects is read in the same way, element by element.

orjson reads a line four times as fast as the standard library, and to the same values. The lines that it refuses, and
those in which the two could differ, are read by the standard library, which says what is wrong with a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import orjson

from shardner.config import CorpusConfig
from shardner.corpus import streams
from shardner.corpus.batch import MISSING_TEXT, BadRecord, Builder, invalid_utf8, too_long
from shardner.corpus.column_paths import find_leaf, getter, list_strings, walk
from shardner.corpus.configured_columns import LongestStrings, guess_text, is_whole, list_columns, missing_column
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import JSONL
from shardner.corpus.json_array import SHOWN_BYTES, is_array, read_elements
from shardner.corpus.reader import Look, ReadOptions
from shardner.corpus.stream_reader import Run, StreamReader, fill_by_run
from shardner.corpus.streams import Line, Readable, open_stream, read_lines
from shardner.data.json_values import STRING, json_value
from shardner.errors import CorpusError

_WHITESPACE = " \t\r\n"
#: A line of fewer bytes is not nested more deeply than the standard library can read.
_SHALLOW = 900
#: orjson makes floats of integers that have more bits.
_EXACT = float(1 << 63)
#: So many records are checked before any work, at most.
MOST_CHECKED = 1_000
#: How many characters of a value a message shows.
_EXAMPLE = 60
#: A file in which so many records, and all of these, have a text or id of a wrong type, is refused before any work.
LEAST_REFUSED = 3
_TYPES = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


class JsonLinesReader(StreamReader):
    """Reads JSON lines."""

    format = JSONL

    def check_columns(self, stream: Readable, source: SourceFile, corpus: CorpusConfig) -> Look:
        """Look for each column in the first records until all are found, and a text and an id that can be read."""
        missing = list_columns(corpus)
        present: dict[str, str] = {}  # what is suggested by name
        strings, unreadable = LongestStrings(), list[BadRecord]()
        for record in islice(read_objects(_read_first(stream, source)), MOST_CHECKED):
            present.update((name, find_leaf(name, value)) for name, value in record.items() if name not in present)
            missing = [(key, column) for key, column in missing if not _has(record, column)]
            reason = _why_unreadable(record, corpus)
            if not (missing or reason):
                break
            strings.add(list_strings(record))
            unreadable += [reason] if reason else []
        else:
            if present and missing:
                key, column = missing[0]
                raise missing_column(source.path, key, column, present, corpus, longest=strings.column)
            _refuse_values(unreadable, source, corpus, strings)
        return Look("a JSON array of objects" if _holds_array(source) else "JSON lines")

    def fill(self, source: SourceFile, options: ReadOptions, builder: Builder) -> Iterator[None]:
        """See `StreamReader.fill`."""
        add = partial(_add_run, builder=builder, fields=_Fields.of(options.corpus))
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


def _has(record: Mapping[str, Any], column: str) -> bool:
    try:
        walk(record, column)
    except KeyError:
        return False
    return True


def _why_unreadable(record: Mapping[str, Any], corpus: CorpusConfig) -> BadRecord | None:
    """Return why the text or id of a record cannot be read; None if they can, or are not there."""
    try:
        for read, column in ((_text, corpus.text), (_id, corpus.id)):
            if column is not None and _has(record, column) and (value := walk(record, column)) not in (None, ""):
                read(value)
    except BadRecord as reason:
        shown = json.dumps(value, ensure_ascii=True)
        return BadRecord(f"{reason}, such as {shown[:_EXAMPLE]}{'…' if len(shown) > _EXAMPLE else ''}")
    return None


def _refuse_values(reasons: list[BadRecord], source: SourceFile, corpus: CorpusConfig, strings: LongestStrings) -> None:
    """Refuse a file in whose first records no text, or no id, is of a type that can be read."""
    if len(reasons) < LEAST_REFUSED:
        return
    text = strings.column is not None and str(reasons[0]).startswith("the text")
    advice = f"; {guess_text(strings.column, corpus)}" if text else ""
    raise CorpusError(
        f"{source.shown}: none of the first {len(reasons)} records can be read: {reasons[0]}; name another column"
        f"{advice}"
    )


def _holds_array(source: SourceFile) -> bool:
    """Tell whether a file is one array; what has stretches is none (see `can_be_entered`)."""
    if (source.start, source.stop) != (0, None):
        return False
    start = b""
    with suppress(CorpusError), open_stream(source) as stream:  # who reads on meets the damage
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
    with open_stream(source) as stream:
        for row, (offset, raw) in enumerate(read_elements(stream, source.shown, streams.MAX_RECORD_BYTES)):
            add(Run(row, offset, [raw], len(raw)))
            builder.reach(0, offset + len(raw), row + 1)
            if builder.full:
                yield


@dataclass(frozen=True, slots=True)
class _Fields:
    """How the values of a record are found: a function for each column; they raise KeyError where there is none."""

    text: Callable[[Mapping[str, Any]], Any]
    id: Callable[[Mapping[str, Any]], Any] | None
    keep: tuple[Callable[[Mapping[str, Any]], Any], ...]

    @classmethod
    def of(cls, corpus: CorpusConfig) -> _Fields:
        """Return those that the settings name."""
        return cls(
            getter(corpus.text), None if corpus.id is None else getter(corpus.id), tuple(map(getter, corpus.keep))
        )


def _add_run(run: Run, builder: Builder, fields: _Fields) -> None:
    """Add lines to the builder: those that orjson reads at once, the others one by one."""
    begin, texts, ids, kept = 0, list[str](), list[str | None](), list[list[tuple[str | None, str | None]]]()
    for at, raw in enumerate(run.lines):
        try:
            text, identifier, values = _read_fast(raw, fields)
        except (ValueError, KeyError, TypeError, AttributeError):
            builder.add_run(run.cut(begin, at), ids, texts, kept)
            begin, texts, ids, kept = at + 1, [], [], []
            # `_add` keeps nothing after it returns: a record may have hundreds of megabytes
            _add(run.row + at, run.line(at), builder, fields)
            continue
        texts.append(text)
        ids.append(identifier)
        if values:
            kept.append(values)
    builder.add_run(run.cut(begin, len(run.lines)), ids, texts, kept)


def _read_fast(raw: bytes, fields: _Fields) -> tuple[str, str | None, list[tuple[str | None, str | None]]]:
    """Return text, id and kept values of a line that orjson reads as the standard library would.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none.
    """
    if len(raw) > _SHALLOW and raw.count(b"{") + raw.count(b"[") > _SHALLOW // 2:
        raise ValueError  # may be nested deeper than the standard library reads
    record = orjson.loads(raw)
    text = fields.text(record)
    if type(text) is not str:
        raise TypeError
    identifier = None
    if fields.id is not None:
        identifier = fields.id(record)
        if type(identifier) is int:
            identifier = str(identifier)
        elif type(identifier) is float and is_whole(identifier):
            identifier = str(int(identifier))
        elif type(identifier) is not str or not identifier:
            raise TypeError
    return text, identifier, [_keep_fast(_get(record, each)) for each in fields.keep]


def _keep_fast(value: object) -> tuple[str | None, str | None]:
    if type(value) is str:
        return value, STRING
    if isinstance(value, list | dict) or (type(value) is float and not abs(value) < _EXACT):
        raise TypeError  # nested, or an integer of more than 64 bits
    return json_value(value)


def _get(record: Mapping[str, Any], get: Callable[[Mapping[str, Any]], Any]) -> Any:
    try:
        return get(record)
    except KeyError:
        return None


def _add(row: int, line: Line, builder: Builder, fields: _Fields) -> None:
    offset, raw, length = line
    try:
        if length > streams.MAX_RECORD_BYTES:
            raise too_long(length, streams.MAX_RECORD_BYTES)
        decoded = _decode(raw)
        if not decoded:
            return
        record = parse_object(decoded)
        text = _text(_get(record, fields.text))
        identifier = None if fields.id is None else _id(_get(record, fields.id))
        kept = [_keep(_get(record, each)) for each in fields.keep]
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


def _text(text: object) -> str:
    if type(text) is str:
        return text
    if text is None:
        raise BadRecord(MISSING_TEXT)
    raise BadRecord(f"the text is not a string but {_kind(text)}")


def _id(identifier: object) -> str:
    if type(identifier) is int:
        return str(identifier)
    if identifier is None or identifier == "":
        raise BadRecord("missing id")
    if type(identifier) is float:
        if not is_whole(identifier):
            raise BadRecord(f"the id is the number {identifier!r}, which is no whole number of at most 2**53")
        return str(int(identifier))
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
