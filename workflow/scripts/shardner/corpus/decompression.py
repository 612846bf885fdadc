"""Compressed files, decompressed piece by piece.

Not by ``gzip.open`` and its like, or by a stream reader of zstandard: the first drop what they have decoded when they
meet damage, and the second takes a truncated file for a complete one. What stands before damage has always been yielded
when the error is raised.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import BinaryIO, Protocol

import zstandard
from isal import isal_zlib

from shardner.corpus.formats import Compression
from shardner.errors import CorpusError

#: At most how many bytes are yielded at once, by what has such a limit.
_OUTPUT_BYTES = 1 << 20
_INPUT_BYTES = 1 << 16
# The output of decompressobj has no limit, and 4 bytes can stand for 128 KiB: so 8 KiB give 256 MiB at the very worst.
_ZSTD_INPUT = 1 << 13
#: Bytes that reading an xz file may take: fifteen times what the highest preset (`xz -9`) needs.
_XZ_MEMORY = 1 << 30
#: What ISA-L raises; its stubs say that the class is an exception.
_InflateError: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]


def _gunzip(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield what a gzip file holds, by ISA-L. Where that finds damage, zlib says what it is, and what stands before."""
    member = done = 0  # where the member begins in the file, and how much of it has been yielded
    try:
        for begin, piece in _inflate(file):
            done = len(piece) + (done if begin == member else 0)
            member = begin
            yield piece
    except _InflateError:
        file.seek(member)
        yield from _skip(_gunzip_by_zlib(file, name), done)


def _inflate(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield pieces, each with the place in the file at which its member begins; raises `IsalError` at any damage."""
    data = file.read(_INPUT_BYTES)
    position = len(data)
    if not data:
        raise _InflateError("empty")
    while data:
        begin, member = position - len(data), isal_zlib.decompressobj(wbits=31)
        while not member.eof:
            if not data:
                raise _InflateError("truncated")
            yield begin, member.decompress(data, _OUTPUT_BYTES)
            data = member.unconsumed_tail
            if not (data or member.eof):
                data = file.read(_INPUT_BYTES)
                position += len(data)
        data = member.unused_data.lstrip(b"\0")  # zeros after a member are padding (to a block of a tape)
        while not data and (more := file.read(_INPUT_BYTES)):
            position += len(more)
            data = more.lstrip(b"\0")


def _skip(pieces: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Yield pieces without their first `count` bytes."""
    for piece in pieces:
        yield piece[count:]
        count = max(count - len(piece), 0)


def _gunzip_by_zlib(file: BinaryIO, name: str) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    data = file.read(_INPUT_BYTES)
    open_member = True  # so an empty file is not a gzip file
    while data:
        before = member.copy()
        try:
            yield member.decompress(data, _OUTPUT_BYTES)
        except zlib.error as error:
            yield from _gunzip_bytewise(before, data)
            raise _damaged(name, "gzip", str(error)) from error
        open_member = not member.eof
        if open_member:
            data = member.unconsumed_tail or file.read(_INPUT_BYTES)
            continue
        data = _after_member(member.unused_data, file)
        member = zlib.decompressobj(wbits=31)
    if open_member:
        yield member.flush()
        raise _truncated(name, "gzip")


def _after_member(data: bytes, file: BinaryIO) -> bytes:
    """Return the first bytes of the next member; zeros after a member are padding (to a block of a tape)."""
    data = data.lstrip(b"\0")
    while not data and (more := file.read(_INPUT_BYTES)):
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


class _Decompressor(Protocol):
    """What the standard library's modules for bzip2 and xz have in common: it decompresses one stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _start_xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def _decompress(file: BinaryIO, name: str, program: str, start: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield what a file of one or more streams holds. Of a damaged block of bzip2 or xz, nothing can be decoded."""
    stream, data = start(), file.read(_INPUT_BYTES)
    while data or not (stream.eof or stream.needs_input):
        try:
            yield stream.decompress(data, _OUTPUT_BYTES)
        except (OSError, lzma.LZMAError) as error:
            raise _damaged(name, program, str(error)) from error
        data = b""
        if stream.eof:
            data = _after_member(stream.unused_data, file)
            stream = start() if data else stream
        elif stream.needs_input:
            data = file.read(_INPUT_BYTES)
    if not stream.eof:
        raise _truncated(name, program)


def _truncated(name: str, program: str) -> CorpusError:
    return CorpusError(
        f"{name}: the file ends in the middle of its {program} data: it is truncated or empty; "
        f"fetch or make it again (`{program} -t` tests a file)"
    )


def _damaged(name: str, program: str, error: str) -> CorpusError:
    return CorpusError(
        f"{name}: damaged, or not the {program} file that its name says ({error}); "
        f"fetch or make it again, or give it the ending of what it is"
    )


DECOMPRESSORS: Mapping[Compression, Callable[[BinaryIO, str], Iterator[bytes]]] = {
    Compression.GZIP: _gunzip,
    Compression.ZSTD: _unzstd,
    Compression.BZIP2: lambda file, name: _decompress(file, name, "bzip2", bz2.BZ2Decompressor),
    Compression.XZ: lambda file, name: _decompress(file, name, "xz", _start_xz),
}
