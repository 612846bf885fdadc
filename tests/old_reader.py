"""The reader of JSON lines before it was fast: the standard library, line by line. The fast one is held against it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from shardner.data.json_values import json_value
from shardner.data.tables import escape_raw

WHITESPACE = " \t\r\n"
KINDS = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


class Bad(Exception):
    """Why a record is rejected."""


@dataclass(frozen=True)
class Record:
    """A record that can become a document."""

    row: int
    offset: int
    id: str | None
    text: str
    kept: list[str | None]
    kinds: list[str | None]


@dataclass(frozen=True)
class Rejected:
    """A record that cannot."""

    row: int
    offset: int
    reason: str
    raw: str


def read(data: bytes, text: str, name: str | None, keep: Sequence[str]) -> Iterator[Record | Rejected]:
    """Yield the records of a file of JSON lines; blank lines have a row, and no record."""
    offset = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    for row, raw in enumerate(split(data[offset:])):
        try:
            line = decode(raw)
            if line:
                record = parse(line)
                found = find_text(record, text), None if name is None else find_id(record, name)
                kept = [keep_value(record.get(column)) for column in keep]
                refuse_surrogates([*found, *(value for value, _ in kept)])
                yield Record(row, offset, found[1], found[0], [value for value, _ in kept], [kind for _, kind in kept])
        except Bad as reason:
            yield Rejected(row, offset, str(reason), escape_raw(raw))
        offset += len(raw)


def split(data: bytes) -> list[bytes]:
    r"""Return lines with their ends; only ``\n`` ends one."""
    *lines, last = data.split(b"\n")
    return [line + b"\n" for line in lines] + ([last] if last else [])


def decode(raw: bytes) -> str:
    try:
        return raw.decode().rstrip(WHITESPACE)
    except UnicodeDecodeError as error:
        raise Bad(f"invalid UTF-8 at byte {error.start} of the record") from None


def parse(line: str) -> dict[str, Any]:
    start = len(line) - len(line.lstrip(WHITESPACE))
    try:
        record, end = DECODER.raw_decode(line, start)
    except json.JSONDecodeError as error:
        raise Bad(f"malformed JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Bad("malformed JSON: nested too deeply") from None
    except ValueError:
        raise Bad("malformed JSON: an integer of too many digits") from None
    if end != len(line):
        raise Bad(f"malformed JSON: something follows the value at character {end}")
    if type(record) is not dict:
        raise Bad(f"not a JSON object but {KINDS.get(type(record), 'null')}")
    return record


def find_text(record: dict[str, Any], column: str) -> str:
    text = record.get(column)
    if text is None:
        raise Bad("missing text")
    if type(text) is not str:
        raise Bad(f"the text is not a string but {KINDS[type(text)]}")
    return text


def find_id(record: dict[str, Any], column: str) -> str:
    identifier = record.get(column)
    if type(identifier) is int:
        return str(identifier)
    if identifier is None or identifier == "":
        raise Bad("missing id")
    if type(identifier) is float:
        if not identifier.is_integer() or abs(identifier) > 1 << 53:
            raise Bad(f"the id is the number {identifier!r}, which is no whole number of at most 2**53")
        return str(int(identifier))
    if type(identifier) is not str:
        raise Bad(f"the id is neither a string nor an integer but {KINDS[type(identifier)]}")
    return identifier


def keep_value(value: object) -> tuple[str | None, str | None]:
    try:
        return json_value(value)
    except ValueError as error:
        raise Bad(f"malformed JSON: {error}") from None


def refuse_surrogates(values: Sequence[str | None]) -> None:
    for value in values:
        try:
            (value or "").encode()
        except UnicodeEncodeError as error:
            code = ord(error.object[error.start])
            raise Bad(f"a lone surrogate (\\u{code:04x}), which is no character") from None


def refuse_constant(name: str) -> NoReturn:
    raise Bad(f"malformed JSON: {name} is no JSON value")


DECODER = json.JSONDecoder(parse_constant=refuse_constant)
