"""Plain text: a document is a line or a whole file. A long file is read twice and handed on window by window."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from typing import BinaryIO

from shardner.corpus import streams
from shardner.corpus.batch import BadRecord, Builder, Slice, invalid_utf8, too_long
from shardner.corpus.streams import Line
from shardner.corpus.window_cuts import cut_windows
from shardner.data.tables import RAW_BYTES
from shardner.errors import CorpusError

Opener = Callable[[], AbstractContextManager[BinaryIO]]

#: A file of at most so many bytes is read at once.
WHOLE_BYTES = 8 << 20
#: Offsets are 32 bits wide.
MAX_CHARS = (1 << 32) - 1


def fill_lines(lines: Iterator[Line], builder: Builder) -> Iterator[None]:
    """Read each line into `builder` as a document, empty ones too; yield whenever it is full."""
    for row, line in enumerate(lines):
        _add_line(builder, row, line)
        if builder.full:
            yield


def _add_line(builder: Builder, row: int, line: Line) -> None:
    raw = line.raw
    try:
        if line.length > streams.MAX_RECORD_BYTES:
            raise too_long(line.length, streams.MAX_RECORD_BYTES)
        text = _decode(raw)
    except BadRecord as reason:
        builder.reject(row, line.offset, raw, reason)
        return
    if text.endswith("\n"):  # a lone \r is text
        text = text[: -2 if text.endswith("\r\n") else -1]
    builder.add(row, line.offset, raw, None, text)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise invalid_utf8(error) from None


def fill_whole(open_file: Opener, builder: Builder, max_chars: int) -> Iterator[Slice | None]:
    """Read a whole file into `builder` as one document, or, where it is long, as its windows one by one.

    Args:
        open_file: opens the file; a long one is opened twice, to see that it is text and to read it.
        builder: is to be taken from whenever this yields; what is yielded says which window it holds then.
        max_chars: of a window.
    """
    with open_file() as stream:
        head = stream.read(WHOLE_BYTES + 1)
        raw = head.removeprefix(streams.BOM)
        offset = len(head) - len(raw)
        try:
            if len(head) <= WHOLE_BYTES:
                builder.add(0, offset, raw, None, _decode(raw))
                yield None
                return
            sizes = [len(window) for window in cut_windows(_decode_parts(chain([raw], _read(stream))), max_chars)]
            if sum(sizes) > MAX_CHARS:
                raise BadRecord(f"the document has {sum(sizes)} characters, more than the {MAX_CHARS} that fit offsets")
        except BadRecord as reason:
            builder.reject(0, offset, raw, reason)
            for _ in _read(stream):  # damage further on must be found too
                pass
            return
    yield from _fill_windows(open_file, builder, max_chars, offset, sizes)


def _fill_windows(
    open_file: Opener, builder: Builder, max_chars: int, offset: int, sizes: list[int]
) -> Iterator[Slice | None]:
    start, chars = 0, sum(sizes)
    with open_file() as stream:
        stream.read(offset)
        windows = cut_windows(_decode_parts(_read(stream)), max_chars)
        for number, window in enumerate(windows):
            if number >= len(sizes) or len(window) != sizes[number]:
                raise CorpusError("a text file changed while it was read; run again when it is complete")
            builder.add(0, offset, window[:RAW_BYTES].encode(), None, window)
            yield Slice(number, len(sizes), start, chars) if len(sizes) > 1 else None
            start += len(window)


def _read(stream: BinaryIO) -> Iterator[bytes]:
    while part := stream.read(streams.BUFFER_BYTES):
        yield part


def _decode_parts(parts: Iterator[bytes]) -> Iterator[str]:
    """Decode UTF-8; raise `BadRecord` where it is none."""
    rest, done = b"", 0
    for part in chain(parts, [b""]):
        data = rest + part
        try:
            # a character may go on in the next part; none follows an empty one
            text, used = codecs.utf_8_decode(data, "strict", not part)
        except UnicodeDecodeError as error:
            raise BadRecord(f"invalid UTF-8 at byte {done + error.start} of the record") from None
        rest, done = data[used:], done + used
        yield text
