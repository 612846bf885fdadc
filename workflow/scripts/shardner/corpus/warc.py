"""WARC, in which crawls keep the text of pages: each record of text is a document, its URI the id.

The format: ISO 28500, "The WARC Format". Of its kinds of records, text is in ``conversion`` (the ``.warc.wet`` files of
Common Crawl), and in ``resource`` where its type says so. The others are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from shardner.config import CorpusConfig
from shardner.corpus import streams
from shardner.corpus.batch import BadRecord, Builder, invalid_utf8, too_long
from shardner.corpus.configured_columns import missing_column
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import WARC, Compression
from shardner.corpus.reader import Look, ReadOptions
from shardner.corpus.stream_reader import StreamReader
from shardner.corpus.streams import Readable, open_stream
from shardner.data.json_values import STRING
from shardner.data.tables import RAW_BYTES
from shardner.errors import CorpusError

#: What ``corpus.id`` stands for where it is left as it is.
URI = "WARC-Target-URI"
_DEFAULT_ID = "id"
#: Lines of a header have at most so many bytes, and a header so many lines.
_LINE_BYTES, _LINES = 1 << 16, 1_000
_LENGTH = re.compile(r"[0-9]{1,18}")
#: So many records are looked at before any work.
_CHECKED = 1_000
_PIECE_BYTES = 1 << 20


class _Lines(Protocol):
    def readline(self, size: int = -1, /) -> bytes: ...

    def read(self, size: int = -1, /) -> bytes: ...


class _Record(NamedTuple):
    offset: int  # of its first byte in the decompressed file
    end: int  # the byte after it
    head: bytes
    headers: Mapping[str, str]  # by name in lower case
    body: bytes  # only the first bytes of one that is too long
    length: int

    @property
    def is_text(self) -> bool:
        kind = self.headers.get("warc-type", "").lower()
        return kind == "conversion" or (kind == "resource" and self.headers.get("content-type", "").startswith("text/"))


class WarcReader(StreamReader):
    """Reads the records of text in WARC. Their columns are their headers, in any case; ``corpus.text`` has no part."""

    format = WARC

    def check_columns(self, stream: Readable, source: SourceFile, corpus: CorpusConfig) -> Look:
        """Look for text, and for the headers that are asked for, in the first records."""
        kinds, names = dict[str, None](), dict[str, None]()
        with suppress(_Cut):
            for record in islice(_records(_Buffered(stream), source), _CHECKED):
                kinds[record.headers.get("warc-type", "?")] = None
                names.update(dict.fromkeys(record.headers if record.is_text else ()))
        if kinds and not names:
            raise CorpusError(
                f"{source.shown}: no first record holds text (WARC-Type: conversion), but {', '.join(kinds)}: "
                f"take the files of text (of Common Crawl, those named .warc.wet.gz), or extract the text first"
            )
        wanted = [("id", _id_header(corpus)), *(("keep", column) for column in corpus.keep)]
        for key, column in wanted if names else []:
            if column is not None and column.lower() not in names:
                raise missing_column(source.path, key, column, list(names), corpus)
        return Look("WARC, a document a record of text")

    def fill(self, source: SourceFile, options: ReadOptions, builder: Builder) -> Iterator[None]:
        """See `StreamReader.fill`."""
        corpus, rows = options.corpus, 0
        builder.reach(0, 0, 0)
        with open_stream(source) as stream:
            try:
                for record in _records(stream, source):
                    if record.is_text:
                        _add(rows, record, builder, corpus)
                        rows += 1
                    builder.reach(0, record.end, rows)
                    if builder.full:
                        yield
            except _Cut as error:
                raise CorpusError(f"{source.shown}: {error}; fetch or make it again") from None

    def end_with_record(self, path: Path, corpus: CorpusConfig) -> bool:
        """See `StreamReader.end_with_record`."""
        end = 0
        with path.open("r+b") as file:
            with suppress(CorpusError, _Cut):
                for record in _records(file, SourceFile(path, WARC, Compression.NONE)):
                    end = record.end
            file.truncate(end)
        return end > 0


class _Cut(Exception):
    """The file ends in the middle of a record."""


class _Buffered:
    """The first bytes of a stream, with lines."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._data = b""

    def read(self, size: int = -1, /) -> bytes:
        while len(self._data) < size and (piece := self._stream.read1(_PIECE_BYTES)):
            self._data += piece
        found, self._data = self._data[:size], self._data[size:]
        return found

    def readline(self, size: int = -1, /) -> bytes:
        while b"\n" not in self._data and len(self._data) < size and (piece := self._stream.read1(_PIECE_BYTES)):
            self._data += piece
        end = self._data.find(b"\n") + 1 or len(self._data)
        return self.read(min(end, size))


def _records(stream: _Lines, source: SourceFile) -> Iterator[_Record]:
    """Yield the records of a stream.

    Raises:
        CorpusError: it is no WARC.
        _Cut: it ends in the middle of a record.
    """
    position = 0
    while line := stream.readline(_LINE_BYTES):
        if not line.strip():
            position += len(line)
            continue
        if not line.startswith(b"WARC/"):
            raise CorpusError(
                f"{source.shown}: damaged, or not the WARC file that its name says (at byte {position} no record "
                f"begins); fetch or make it again, or give it the ending of what it is"
            )
        record = _read_record(stream, source, position, line)
        position = record.end
        yield record


def _read_record(stream: _Lines, source: SourceFile, position: int, first: bytes) -> _Record:
    lines = [first]
    while (line := stream.readline(_LINE_BYTES)).strip():
        lines.append(line)
        if len(lines) > _LINES:
            raise CorpusError(f"{source.shown}: damaged: the header at byte {position} does not end")
    head = b"".join([*lines, line])
    headers = _parse_headers(lines[1:])
    size = headers.get("content-length", "")
    if not line:
        raise _Cut(f"it ends in the middle of the record at byte {position}: it is truncated")
    if not _LENGTH.fullmatch(size):
        raise CorpusError(f"{source.shown}: damaged: the record at byte {position} does not say its length")
    length = int(size)
    body = stream.read(length) if length <= streams.MAX_RECORD_BYTES else _pass_over(stream, length)
    if len(body) < min(length, RAW_BYTES) or (length <= streams.MAX_RECORD_BYTES and len(body) < length):
        raise _Cut(f"it ends in the middle of the record at byte {position}: it is truncated")
    return _Record(position, position + len(head) + length, head, headers, body, length)


def _pass_over(stream: _Lines, length: int) -> bytes:
    """Read a body that is too long, and return its first bytes; nothing if it is cut."""
    first = stream.read(RAW_BYTES)
    left = length - len(first)
    while left and (piece := stream.read(min(left, _PIECE_BYTES))):
        left -= len(piece)
    return b"" if left else first


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    headers, name = dict[str, str](), ""
    for line in lines:
        text = line.decode("utf-8", "replace").strip()
        if line[:1] in b" \t" and name:  # goes on from the line before
            headers[name] += " " + text
            continue
        name, _, value = text.partition(":")
        name = name.strip().lower()
        headers[name] = value.strip()
    return headers


def _id_header(corpus: CorpusConfig) -> str | None:
    return URI if corpus.id == _DEFAULT_ID else corpus.id


def _add(row: int, record: _Record, builder: Builder, corpus: CorpusConfig) -> None:
    header = _id_header(corpus)
    identifier = None if header is None else record.headers.get(header.lower(), "").removeprefix("<").removesuffix(">")
    try:
        if record.length > streams.MAX_RECORD_BYTES:
            raise too_long(record.length, streams.MAX_RECORD_BYTES)
        if identifier == "":
            raise BadRecord("missing id")
        text = record.body.decode()
    except UnicodeDecodeError as error:
        builder.reject(row, record.offset, record.head + record.body[:RAW_BYTES], invalid_utf8(error))
        return
    except BadRecord as reason:
        builder.reject(row, record.offset, record.head + record.body[:RAW_BYTES], reason)
        return
    builder.add(row, record.offset, record.head + record.body, identifier, text)
    if corpus.keep:
        values = [record.headers.get(column.lower()) for column in corpus.keep]
        builder.keep([*values], [None if value is None else STRING for value in values])
