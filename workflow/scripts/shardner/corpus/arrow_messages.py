"""The record batches of an Arrow file or stream, one after the other.

Polars reads a stream whole. Cut into a stream for each record batch, it is read in bounded memory. The format: Arrow's
"Columnar Format", sections "IPC Streaming Format" and "IPC File Format"; Message.fbs and File.fbs.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import polars as pl

MARK = b"ARROW1"
_CONTINUES = b"\xff\xff\xff\xff"
_END = _CONTINUES + bytes(4)
#: Kinds of messages.
_SCHEMA, _DICTIONARY, _RECORDS = 1, 2, 3
#: The fields of a message.
_KIND, _BODY_LENGTH = 1, 3
#: The fields of a file's footer; each is a vector of blocks: the place, the bytes of the message, those of its body.
_DICTIONARIES, _BATCHES = 2, 3
_BLOCK = struct.Struct("<qi4xq")


class DamagedMessages(Exception):
    """What is read is no Arrow file or stream, or is cut; the message says how."""


class RecordBatch(NamedTuple):
    """Some rows of a table, as a stream of Arrow by itself."""

    raw: bytes
    end: int  # the byte of the file after it

    def read(self, columns: list[str] | None = None) -> pl.DataFrame:
        """Decode the rows."""
        return pl.read_ipc_stream(io.BytesIO(self.raw), columns=columns)


def read_schema(file: BinaryIO) -> dict[str, pl.DataType]:
    """Return the dtypes of the columns of a file, which stands at its beginning.

    Raises:
        DamagedMessages: it is none, or is cut.
    """
    schema = _FileBlocks(file).schema if _is_file(file) else _read_schema(_messages(file))
    return dict(pl.read_ipc_stream(io.BytesIO(schema + _END)).schema)


def read_batches(file: BinaryIO) -> Iterator[RecordBatch]:
    """Yield the record batches of a file, which stands at its beginning.

    Raises:
        DamagedMessages: it is none, or is cut.
    """
    return _batches_of_file(_FileBlocks(file)) if _is_file(file) else _batches_of_stream(file)


def _is_file(file: BinaryIO) -> bool:
    start = file.read(len(MARK))
    file.seek(0)
    return start == MARK


def _batches_of_stream(file: BinaryIO) -> Iterator[RecordBatch]:
    messages = _messages(file)
    head = _read_schema(messages)
    for message in messages:
        if message.kind == _DICTIONARY:
            head += message.raw
        elif message.kind == _RECORDS:
            yield RecordBatch(head + message.raw + _END, message.end)


class _Message(NamedTuple):
    kind: int
    raw: bytes
    end: int  # the byte of the file after it


def _read_schema(messages: Iterator[_Message]) -> bytes:
    first = next(messages, None)
    if first is None or first.kind != _SCHEMA:
        raise DamagedMessages("it does not begin with a schema")
    return first.raw


def _messages(file: BinaryIO) -> Iterator[_Message]:
    """Yield the messages of a stream up to the mark of its end. A stream may lack that, but so does one that is cut."""
    position = 0
    while True:
        head = file.read(len(_END))
        if len(head) < len(_END) or not head.startswith(_CONTINUES):
            raise DamagedMessages(f"at byte {position} there is neither a message nor the mark of the end")
        (length,) = struct.unpack("<i", head[len(_CONTINUES) :])
        if length == 0:
            return
        metadata = _read(file, length)
        kind, body_length = _parse_message(metadata)
        body = _read(file, body_length)
        position += len(head) + length + body_length
        yield _Message(kind, b"".join((head, metadata, body)), position)


def _parse_message(metadata: bytes) -> tuple[int, int]:
    """Return the kind of a message, and the bytes of its body, from its flatbuffer."""
    try:
        table = _Table(metadata)
        return table.number(_KIND, "<B"), table.number(_BODY_LENGTH, "<q")
    except struct.error:
        raise DamagedMessages("a message that cannot be read") from None


def _read(file: BinaryIO, length: int) -> bytes:
    try:
        found = file.read(length) if length >= 0 else b""
    except (MemoryError, OverflowError):
        found = b""
    if len(found) != length:
        raise DamagedMessages(f"it ends in the middle of a message of {length} bytes")
    return found


class _FileBlocks:
    """What the footer of an Arrow file says: where its messages are.

    Attributes:
        schema: the message with the schema, as it stands in a stream.
        dictionaries: place and bytes of each dictionary.
        batches: place and bytes of each record batch.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        try:
            size = file.seek(0, io.SEEK_END)
            file.seek(size - len(MARK) - 4)
            (length,) = struct.unpack("<i", file.read(4))
            if file.read() != MARK:
                raise DamagedMessages("it ends without its mark: it is truncated")
            begin = size - len(MARK) - 4 - length
            file.seek(begin)
            footer = _Table(_read(file, length))
            self.dictionaries, self.batches = (footer.blocks(field) for field in (_DICTIONARIES, _BATCHES))
        except (struct.error, OSError, ValueError):
            raise DamagedMessages("its footer cannot be read") from None
        first = min((start for start, _ in [*self.dictionaries, *self.batches]), default=begin)
        file.seek(0)
        schema = _read(file, first)[len(MARK) + 2 :]
        # Polars leaves out what stands before a message in a stream
        self.schema = schema if schema.startswith(_CONTINUES) else _CONTINUES + struct.pack("<i", len(schema)) + schema
        (length,) = struct.unpack("<i", self.schema[4:8])
        self.schema = self.schema[: 8 + length]  # without the mark of the end, if there is no block

    def read(self, block: tuple[int, int]) -> bytes:
        """Return a message."""
        start, length = block
        if start < 0:
            raise DamagedMessages("its footer cannot be read")
        self._file.seek(start)
        return _read(self._file, length)


def _batches_of_file(blocks: _FileBlocks) -> Iterator[RecordBatch]:
    head = blocks.schema + b"".join(map(blocks.read, blocks.dictionaries))
    for block in blocks.batches:
        yield RecordBatch(head + blocks.read(block) + _END, sum(block))


class _Table:
    """A table of a flatbuffer, the root; what cannot be read raises `struct.error`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        (self._start,) = struct.unpack_from("<I", data, 0)
        (back,) = struct.unpack_from("<i", data, self._start)
        self._fields = self._start - back
        if self._fields < 0:
            raise struct.error

    def _find(self, field: int) -> int:
        """Return where a field stands; 0 for one that is left out."""
        (size,) = struct.unpack_from("<H", self._data, self._fields)
        at = 4 + 2 * field
        offset: int = struct.unpack_from("<H", self._data, self._fields + at)[0] if at < size else 0
        return self._start + offset if offset else 0

    def number(self, field: int, layout: str) -> int:
        """Return a number; 0 if it is left out."""
        at = self._find(field)
        value: int = struct.unpack_from(layout, self._data, at)[0] if at else 0
        return value

    def blocks(self, field: int) -> list[tuple[int, int]]:
        """Return place and length of each block in a vector of blocks."""
        at = self._find(field)
        if not at:
            return []
        at += struct.unpack_from("<I", self._data, at)[0]
        (count,) = struct.unpack_from("<I", self._data, at)
        if count * _BLOCK.size > len(self._data):
            raise struct.error
        found = (_BLOCK.unpack_from(self._data, at + 4 + number * _BLOCK.size) for number in range(count))
        return [(start, length + body) for start, length, body in found]
