"""Bytes and lines of a file, decompressed while it is read, never more than a piece at a time.

Compressed files are decompressed here rather than by ``gzip.open`` or by a stream reader of zstandard: the first drops
what it has decoded when it meets damage, and the second takes a truncated file for a complete one.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

import zstandard

from shardner.corpus.files import show_path
from shardner.corpus.formats import Compression
from shardner.data.tables import RAW_BYTES
from shardner.errors import CorpusError

#: A record of more bytes is rejected; reading passes over it in pieces.
MAX_RECORD_BYTES = 512 << 20

#: The byte-order mark that may stand at the start of UTF-8.
BOM = b"\xef\xbb\xbf"
#: How many bytes are read at once.
BUFFER_BYTES = 1 << 20
_GZIP_INPUT = 1 << 16
# The output of decompressobj has no limit, and 4 bytes can stand for 128 KiB: so 8 KiB give 256 MiB at the very worst.
_ZSTD_INPUT = 1 << 13


class Line(NamedTuple):
    """A line with its terminator; of one longer than `MAX_RECORD_BYTES` only the first bytes."""

    offset: int  # of its first byte in the decompressed stream
    raw: bytes
    length: int


class Readable(Protocol):
    """What lines can be read from."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line, or at most `size` bytes of it; nothing at the end."""


class FirstBytes:
    """The first bytes of a stream, as a stream of lines."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self._left = size

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line, cut off where the first bytes end."""
        line = self._stream.readline(self._left if size < 0 else min(size, self._left))
        self._left -= len(line)
        return line


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
def open_stream(path: Path, compression: Compression) -> Iterator[BinaryIO]:
    """Open a file for buffered reading of its decompressed bytes; all members or frames follow one another.

    Raises:
        CorpusError: the file cannot be read, is truncated, damaged, or not compressed as its name says. This may be
            found only while the stream is read; what stands before the damage has been read by then.
    """
    try:
        with path.open("rb", buffering=BUFFER_BYTES) as file:
            if compression is Compression.NONE:
                yield file
            else:
                pieces = _DECOMPRESSORS[compression](file, show_path(path))
                with io.BufferedReader(_Pieces(pieces), BUFFER_BYTES) as stream:
                    yield stream
    except OSError as error:
        raise CorpusError(f"{show_path(path)}: cannot be read: {error.strerror or error}") from error


def read_lines(stream: Readable) -> Iterator[Line]:
    r"""Yield the lines of a stream. Only ``\n`` ends a line; a byte-order mark at the start is left out."""
    limit = MAX_RECORD_BYTES
    readline = stream.readline
    raw = readline(limit + 1)
    offset = 0
    if raw.startswith(BOM):
        offset, raw = len(BOM), raw[len(BOM) :]
        if raw and not raw.endswith(b"\n") and len(raw) <= limit:
            raw += readline(limit + 1 - len(raw))
        raw = raw or readline(limit + 1)
    while raw:
        length = len(raw)
        if length > limit:
            ended = raw.endswith(b"\n")
            raw = raw[:RAW_BYTES]
            length += 0 if ended else _pass_over_line(readline)
        yield Line(offset, raw, length)
        offset += length
        raw = readline(limit + 1)


def _pass_over_line(readline: Callable[[int], bytes]) -> int:
    """Read to the end of the line, and return how many bytes that were."""
    length = 0
    while piece := readline(BUFFER_BYTES):
        length += len(piece)
        if piece.endswith(b"\n"):
            break
    return length


def _gunzip(file: BinaryIO, name: str) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    data = file.read(_GZIP_INPUT)
    open_member = True  # so an empty file is not a gzip file
    while data:
        before = member.copy()
        try:
            yield member.decompress(data, BUFFER_BYTES)
        except zlib.error as error:
            yield from _gunzip_bytewise(before, data)
            raise _damaged(name, "gzip", str(error)) from error
        open_member = not member.eof
        if open_member:
            data = member.unconsumed_tail or file.read(_GZIP_INPUT)
            continue
        data = _after_member(member.unused_data, file)
        member = zlib.decompressobj(wbits=31)
    if open_member:
        yield member.flush()
        raise _truncated(name, "gzip")


def _after_member(data: bytes, file: BinaryIO) -> bytes:
    """Return the first bytes of the next member; zeros after a member are padding (to a block of a tape)."""
    data = data.lstrip(b"\0")
    while not data and (more := file.read(_GZIP_INPUT)):
        data = more.lstrip(b"\0")
    return data


def _gunzip_bytewise(member: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """Yield what can be decoded of `data` before the error in it."""
    with suppress(zlib.error):
        for at in range(len(data)):
            yield member.decompress(data[at : at + 1])


def _unzstd(file: BinaryIO, name: str) -> Iterator[bytes]:
    # `zstd --long=31` writes a window of 2 GiB; the memory is allocated only for such a file
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    frame = decompressor.decompressobj()
    open_frame = True  # so an empty file is not a zstd file
    frame_start = position = 0
    while data := file.read(_ZSTD_INPUT):
        position += len(data)
        while data:
            given = len(data)
            try:
                yield frame.decompress(data)
            except zstandard.ZstdError as error:
                yield from _unzstd_bytewise(decompressor, file, frame_start, position - given)
                raise _damaged(name, "zstd", str(error)) from error
            open_frame = not frame.eof
            if open_frame:
                break
            data = frame.unused_data
            frame = decompressor.decompressobj()
            frame_start = position - len(data)
    if open_frame:
        raise _truncated(name, "zstd")


def _unzstd_bytewise(
    decompressor: zstandard.ZstdDecompressor, file: BinaryIO, start: int, failed: int
) -> Iterator[bytes]:
    """Decode a damaged frame again, and yield what lies between the start of the failed call and the error."""
    frame = decompressor.decompressobj()
    file.seek(start)
    for at in range(start, failed, _ZSTD_INPUT):
        frame.decompress(file.read(min(_ZSTD_INPUT, failed - at)))
    with suppress(zstandard.ZstdError):
        for _ in range(_ZSTD_INPUT):
            yield frame.decompress(file.read(1))


def _truncated(name: str, kind: str) -> CorpusError:
    return CorpusError(
        f"{name}: the file ends in the middle of its {kind} data: it is truncated or empty; "
        f"fetch or make it again (`{'gzip' if kind == 'gzip' else 'zstd'} -t` tests a file)"
    )


def _damaged(name: str, kind: str, error: str) -> CorpusError:
    return CorpusError(
        f"{name}: damaged, or not the {kind} file that its name says ({error}); "
        f"fetch or make it again, or give it the ending of what it is"
    )


_DECOMPRESSORS = {Compression.GZIP: _gunzip, Compression.ZSTD: _unzstd}
