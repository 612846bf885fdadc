"""What a file is whose name does not say it: its first bytes tell, if they can."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

from shardner.corpus.formats import ARROW, JSONL, PARQUET, WARC, Compression, InputFormat
from shardner.data.stored_files import open_binary
from shardner.errors import CorpusError

#: How many bytes of a file are looked at, decompressed, and how many compressed ones are read for them at most.
_SHOWN_BYTES = 4_096
_PACKED_BYTES = 1 << 20
#: How files of a format start.
_STARTS = {b"PAR1": PARQUET, b"ARROW1": ARROW, b"\xff\xff\xff\xff": ARROW, b"WARC/": WARC}
_BOM = b"\xef\xbb\xbf"


def look_inside(
    path: Path, form: InputFormat | None, compression: Compression = Compression.NONE
) -> tuple[Compression, InputFormat | None]:
    """Tell from its first bytes how a file is compressed, and of which format it is.

    Delimited and plain text cannot be told from each other, nor from what is neither.

    Args:
        path: the file. One that is not there tells nothing.
        form: its format, where it is known.
        compression: as its name says it.

    Returns:
        The compression, and the format or None.
    """
    try:
        with open_binary(path) as file:
            start = read_start(file, _PACKED_BYTES)
    except OSError:  # who reads it says so
        return compression, form
    compression = compression or next(
        (each for each in Compression if each and start.startswith(each.magic)), compression
    )
    if form is not None:
        return compression, form
    return compression, _find_format(_decompress(start, compression))


def read_start(file: io.RawIOBase, size: int) -> bytes:
    """Return the first bytes of a file that is not buffered; fewer only if it has no more."""
    start = b""
    while len(start) < size and (piece := file.read(size - len(start))):
        start += piece
    return start


def _decompress(start: bytes, compression: Compression) -> bytes:
    """Return the first decompressed bytes; that the rest is missing is no damage."""
    if not compression:
        return start[:_SHOWN_BYTES]
    from shardner.corpus.decompression import DECOMPRESSORS  # which imports what few runs need at parse

    found = b""
    with suppress(CorpusError):
        for piece in DECOMPRESSORS[compression](io.BytesIO(start), ""):
            found += piece
            if len(found) >= _SHOWN_BYTES:
                break
    return found


def _find_format(start: bytes) -> InputFormat | None:
    found = next((form for magic, form in _STARTS.items() if start.startswith(magic)), None)
    if found is not None:
        return found
    text = start.removeprefix(_BOM).lstrip()
    # {"key": or [{: what begins with a bracket alone may be prose, or a table of a wiki
    inside = text[1:].lstrip()
    begins = (text[:1] == b"{" and inside[:1] in (b'"', b"}")) or (text[:1] == b"[" and inside[:1] in (b"{", b"]"))
    return JSONL if begins else None
