"""Plain text: a document is a line or a whole file. A long file is read twice and yielded window by window."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from shardner.config import CorpusConfig, Unit
from shardner.corpus import streams
from shardner.corpus.batch import BadRecord, Builder, WindowPosition, invalid_utf8, too_long
from shardner.corpus.configured_columns import corpus_line
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import TXT
from shardner.corpus.reader import Look, ReadOptions
from shardner.corpus.stream_reader import Run, StreamReader, fill_by_run
from shardner.corpus.streams import BUFFER_BYTES, Line, Readable, Stream, open_stream
from shardner.corpus.window_cuts import cut_windows
from shardner.data.tables import RAW_BYTES
from shardner.errors import CorpusError

#: A file of at most so many bytes is read at once.
WHOLE_BYTES = 8 << 20
#: The largest number that offsets of 32 bits can hold.
MAX_CHARS = (1 << 32) - 1
_ONE_LINE = (
    "read as one line, for it has carriage returns and no line feed; where each ends a line, as on old Macs, write  "
    "corpus: {encoding: utf-8-cr}  (or mac_roman-cr, …)"
)


class TextReader(StreamReader):
    """Reads plain text. Ids are made of file name and row, whatever ``corpus.id`` is."""

    format = TXT

    def check(self, source: SourceFile, corpus: CorpusConfig) -> Look:
        """See `Reader.check`."""
        _refuse_columns(source, corpus)
        return super().check(source, corpus)

    def check_columns(self, stream: Readable, source: SourceFile, corpus: CorpusConfig) -> Look:
        """See `StreamReader.check_columns`; there are no columns."""
        start = stream.read1(BUFFER_BYTES) if corpus.unit is Unit.LINE else b""
        doubts = (f"{source.shown}: {_ONE_LINE}",) if b"\r" in start.rstrip() and b"\n" not in start else ()
        return Look(f"text, a document a {corpus.unit.value}", doubts)

    def fill(self, source: SourceFile, options: ReadOptions, builder: Builder) -> Iterator[WindowPosition | None]:
        """See `StreamReader.fill`."""
        _refuse_columns(source, options.corpus)
        if options.corpus.unit is Unit.FILE:
            yield from _fill_whole(source, builder, options.max_chars)
            return
        yield from fill_by_run(source, builder, lambda run: _add_run(builder, run))

    def end_with_record(self, path: Path, corpus: CorpusConfig) -> bool:
        """See `StreamReader.end_with_record`; the start of a file that is one document is a document."""
        return corpus.unit is Unit.FILE or super().end_with_record(path, corpus)


def _refuse_columns(source: SourceFile, corpus: CorpusConfig) -> None:
    if corpus.keep:
        raise CorpusError(
            f"{source.shown}: plain text has no columns to keep (corpus.keep)\n  write:  {corpus_line('keep', [])}"
        )


def _add_run(builder: Builder, run: Run) -> None:
    """Add lines: all at once, if they are text."""
    try:
        if run.size > streams.MAX_RECORD_BYTES:
            raise ValueError
        whole = b"".join(run.lines).decode()
    except ValueError:
        for at in range(len(run.lines)):
            _add_line(builder, run.row + at, run.line(at))
        return
    texts = whole.split("\n")
    last = texts.pop()  # nothing, if the last line ends
    if "\r" in whole:
        texts = [text.removesuffix("\r") for text in texts]
    builder.add_run(run, [None] * len(run.lines), [*texts, last] if last else texts)


def _add_line(builder: Builder, row: int, line: Line) -> None:
    # an empty line is a document, too
    raw = line.raw
    try:
        if line.length > streams.MAX_RECORD_BYTES:
            raise too_long(line.length, streams.MAX_RECORD_BYTES)
        text = _decode(raw)
    except BadRecord as reason:
        builder.reject(row, line.offset, raw, reason)
        return
    if text.endswith("\n"):  # an \r without it is text
        text = text[: -2 if text.endswith("\r\n") else -1]
    builder.add(row, line.offset, raw, None, text)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise invalid_utf8(error) from None


def _fill_whole(source: SourceFile, builder: Builder, max_chars: int) -> Iterator[WindowPosition | None]:
    """Read a whole file into `builder` as one document; or, if the file is long, as its windows one by one.

    A long file is opened twice: first to see that all of it is text, and then to read it.
    """
    size = 0

    def count(pieces: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal size
        for piece in pieces:
            size += len(piece)
            yield piece

    with open_stream(source) as stream:
        head = stream.read(WHOLE_BYTES + 1)
        size = len(head)
        pieces = count(_read(stream))
        raw = head.removeprefix(streams.BOM)
        offset = len(head) - len(raw)
        try:
            if len(head) <= WHOLE_BYTES:
                builder.reach(offset, len(head), 1)
                builder.add(0, offset, raw, None, _decode(raw))
                yield None
                return
            sizes = [len(window) for window in cut_windows(_decode_pieces(chain([raw], pieces)), max_chars)]
            if sum(sizes) > MAX_CHARS:
                raise BadRecord(f"the document has {sum(sizes)} characters, more than the {MAX_CHARS} that fit offsets")
        except BadRecord as reason:
            builder.reject(0, offset, raw, reason)
            for _ in pieces:  # damage after this place must be found, too
                pass
            builder.reach(offset, size, 1)
            return
    builder.reach(offset, size, 1)
    yield from _fill_windows(source, builder, max_chars, offset, sizes)


def _fill_windows(
    source: SourceFile, builder: Builder, max_chars: int, offset: int, sizes: list[int]
) -> Iterator[WindowPosition | None]:
    """Read a long file into `builder` window by window; `sizes` are the characters of the windows."""
    start, chars = 0, sum(sizes)
    with open_stream(source) as stream:
        stream.read(offset)
        windows = cut_windows(_decode_pieces(_read(stream)), max_chars)
        for number, window in enumerate(windows):
            if number >= len(sizes) or len(window) != sizes[number]:
                raise CorpusError("a text file changed while it was read; run again when it is complete")
            builder.add(0, offset, window[:RAW_BYTES].encode(), None, window)
            yield WindowPosition(number, len(sizes), start, chars) if len(sizes) > 1 else None
            start += len(window)


def _read(stream: Stream) -> Iterator[bytes]:
    while piece := stream.read(streams.BUFFER_BYTES):
        yield piece


def _decode_pieces(pieces: Iterator[bytes]) -> Iterator[str]:
    """Decode UTF-8; raise `BadRecord` where the bytes are not UTF-8."""
    rest, done = b"", 0
    for piece in chain(pieces, [b""]):
        data = rest + piece
        try:
            # a character may go on in the next piece; after the last piece, which is empty, there is none
            text, used = codecs.utf_8_decode(data, "strict", not piece)
        except UnicodeDecodeError as error:
            raise BadRecord(f"invalid UTF-8 at byte {done + error.start} of the record") from None
        rest, done = data[used:], done + used
        yield text
