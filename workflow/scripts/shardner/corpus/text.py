"""Plain text: a document is a line or a whole file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from shardner.corpus import streams
from shardner.corpus.batch import BadRecord, Builder, invalid_utf8, too_long
from shardner.corpus.streams import Line


def fill_lines(lines: Iterator[Line], builder: Builder) -> Iterator[None]:
    """Read each line into `builder` as a document, empty ones too; yield whenever it is full."""
    for row, line in enumerate(lines):
        _add(builder, row, line, without_terminator=True)
        if builder.full:
            yield


def fill_whole(stream: BinaryIO, builder: Builder) -> Iterator[None]:
    """Read a whole file into `builder` as one document."""
    _add(builder, 0, streams.read_whole(stream), without_terminator=False)
    yield


def _add(builder: Builder, row: int, line: Line, *, without_terminator: bool) -> None:
    raw = line.raw
    try:
        if line.length > streams.MAX_RECORD_BYTES:
            raise too_long(line.length, streams.MAX_RECORD_BYTES)
        text = _decode(raw)
    except BadRecord as reason:
        builder.reject(row, line.offset, raw, reason)
        return
    if without_terminator and text.endswith("\n"):  # a lone \r is text
        text = text[: -2 if text.endswith("\r\n") else -1]
    builder.add(row, line.offset, raw, None, text)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise invalid_utf8(error) from None
