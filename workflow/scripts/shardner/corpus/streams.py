"""Bytes and lines of a file, decompressed while it is read, never more than a piece at a time."""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import BinaryIO, NamedTuple, Protocol

from shardner.config import UTF8
from shardner.corpus.decompression import DECOMPRESSORS
from shardner.corpus.encodings import as_utf8
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import Compression
from shardner.data.stored_files import open_binary
from shardner.data.tables import RAW_BYTES
from shardner.errors import CorpusError, StorageError

#: A record of more bytes is rejected; reading passes over it in pieces.
MAX_RECORD_BYTES = 512 << 20

#: The byte-order mark that may stand at the start of UTF-8.
BOM = b"\xef\xbb\xbf"
#: How many bytes are read at once.
BUFFER_BYTES = 1 << 20


class Line(NamedTuple):
    """A line with its terminator; of one longer than `MAX_RECORD_BYTES` only the first bytes."""

    offset: int  # of its first byte in the decompressed stream
    raw: bytes
    length: int


class Block(NamedTuple):
    """Consecutive lines with their terminators; a line longer than `MAX_RECORD_BYTES` is a block by itself, cut."""

    offset: int  # of the first byte in the decompressed stream
    lines: list[bytes]
    size: int  # of all lines, before one was cut

    def split(self) -> Iterator[Line]:
        """Yield the lines."""
        offset = self.offset
        if len(self.lines) == 1:
            yield Line(offset, self.lines[0], self.size)
            return
        for raw in self.lines:
            yield Line(offset, raw, len(raw))
            offset += len(raw)


class Readable(Protocol):
    """What lines can be read from."""

    def read1(self, size: int = -1, /) -> bytes:
        """Return some of the next bytes, `size` at most; nothing at the end."""

    def seek(self, offset: int, /) -> int:
        """Go to a byte, and return its number; called only for a stretch that does not begin with the stream."""


class Stream(Readable, Protocol):
    """What all formats can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line with its terminator; of a longer one the first `size` bytes."""

    def peek(self, size: int = 0, /) -> bytes:
        """Return some of the next bytes, and stay before them."""


class FirstBytes:
    """The first bytes of a stream."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self._left = size

    def read1(self, size: int = -1, /) -> bytes:
        """Return some of the next bytes, until the first bytes end."""
        piece = self._stream.read1(self._left if size < 0 else min(size, self._left)) if self._left else b""
        self._left -= len(piece)
        return piece

    def seek(self, offset: int, /) -> int:
        """Refuse: the first bytes are read from the first."""
        raise io.UnsupportedOperation


class _Pieces(io.RawIOBase):
    """A raw stream over an iterator of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = filter(None, pieces)  # an empty piece would look like the end
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


@contextmanager
def open_stream(source: SourceFile) -> Iterator[Stream]:
    """Open a file for buffered reading of its decompressed bytes; all members or frames follow one another.

    Text that is not UTF-8 becomes UTF-8, and offsets count the bytes of that.

    Raises:
        CorpusError: the file cannot be read, is truncated, damaged, or not compressed as its name says. This may be
            found only while the stream is read; what stands before the damage has been read by then.
    """
    try:
        with io.BufferedReader(open_binary(source.path), BUFFER_BYTES) as file:
            if source.compression is Compression.NONE and source.encoding == UTF8:
                yield file
                return
            pieces = _pieces_of(file, source)
            if source.encoding != UTF8:
                pieces = as_utf8(pieces, source.encoding)
            with io.BufferedReader(_Pieces(pieces), BUFFER_BYTES) as stream:
                yield stream
    except StorageError:
        raise
    except OSError as error:
        raise CorpusError(f"{source.shown}: cannot be read: {error.strerror or error}") from error


def _pieces_of(file: BinaryIO, source: SourceFile) -> Iterator[bytes]:
    if source.compression is Compression.NONE:
        return iter(lambda: file.read(BUFFER_BYTES), b"")
    return DECOMPRESSORS[source.compression](file, source.shown)


def read_lines(stream: Readable) -> Iterator[Line]:
    r"""Yield the lines of a stream. Only ``\n`` ends a line; a byte-order mark at the start is left out."""
    for block in read_blocks(stream):
        yield from block.split()


def read_blocks(stream: Readable, start: int = 0, stop: int | None = None) -> Iterator[Block]:
    """Yield the lines whose first byte lies in a stretch of a stream, as many at once as have been read.

    Args:
        stream: where to read; it stands at its beginning, and if `start` is not 0, it can be entered anywhere.
        start: the first byte of the stretch.
        stop: the byte after the stretch; None for the stream's end.
    """
    offset, piece = _find_first_line(stream, start, stop)
    limit = MAX_RECORD_BYTES
    size = min(BUFFER_BYTES, limit)  # so only a line that goes on in another piece can be too long
    begun: list[bytes] = []  # the first pieces of such a line, and how long it is so far
    length = 0
    while piece and (stop is None or offset < stop):
        if begun:
            end = piece.find(b"\n") + 1 or len(piece)
            if length <= limit:
                begun.append(piece[:end])
            length += end
            if piece[end - 1 : end] == b"\n":
                line, begun = _join(begun, length), []
                yield Block(offset, [line], length)
                offset += length
                piece = piece[end:]
            else:
                piece = b""
        end = piece.rfind(b"\n") + 1
        if end:
            block = Block(offset, io.BytesIO(piece[:end]).readlines(), end)
            yield block if stop is None or offset + end <= stop else _cut_block(block, stop)
            offset += end
        if end < len(piece):
            begun, length = [piece[end:]], len(piece) - end
        piece = stream.read1(size)
    if begun and (stop is None or offset < stop):
        yield Block(offset, [_join(begun, length)], length)


def _find_first_line(stream: Readable, start: int, stop: int | None) -> tuple[int, bytes]:
    """Return where the first line of a stretch begins, and the first piece of the stream from there on."""
    size = min(BUFFER_BYTES, MAX_RECORD_BYTES)
    if start <= len(BOM):
        piece = stream.read1(size)
        while len(piece) < len(BOM) and (more := stream.read1(size)):
            piece += more
        if piece.startswith(BOM):
            return len(BOM), piece[len(BOM) :] or stream.read1(size)
        if start == 0:
            return 0, piece
    offset = stream.seek(start - 1)
    while (stop is None or offset < stop) and (piece := stream.read1(size)):
        end = piece.find(b"\n") + 1
        if end:
            return offset + end, piece[end:] or stream.read1(size)
        offset += len(piece)
    return offset, b""


def _join(pieces: list[bytes], length: int) -> bytes:
    line = b"".join(pieces)
    return line if length <= MAX_RECORD_BYTES else line[: min(RAW_BYTES, MAX_RECORD_BYTES + 1)]


def _cut_block(block: Block, stop: int) -> Block:
    """Take those lines of a block that begin before `stop`; that is one at least."""
    ends = list(accumulate(map(len, block.lines), initial=block.offset))
    number = bisect_left(ends, stop)
    return Block(block.offset, block.lines[:number], ends[number] - block.offset)
