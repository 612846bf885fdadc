"""How to read a file of the corpus: what the settings, its name and its first bytes tell."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shardner.config import UTF8, CorpusConfig, Unit
from shardner.corpus.first_bytes import look_inside, read_start
from shardner.corpus.formats import (
    JSONL,
    TXT,
    Compression,
    InputFormat,
    describe_known_suffixes,
    find_format,
    format_named,
)
from shardner.corpus.json_array import SHOWN_BYTES, is_array
from shardner.data.stored_files import is_stored, open_binary, url_of
from shardner.errors import CorpusError
from shardner.parse.shard_plan import CHARS_PER_BYTE


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the corpus or a stretch of one, and what a reader has to know before it opens the file.

    Attributes:
        path: the file.
        format: its format.
        compression: how it is compressed as a whole.
        start: the stretch begins with this byte of the file. A record belongs to it if the record's first byte lies in
            it; a row group of Parquet likewise. Only where `can_be_entered` is there any other stretch than the file.
        stop: the byte after the stretch; None if the stretch ends with the file.
        encoding: of its text.
    """

    path: Path
    format: InputFormat
    compression: Compression
    start: int = 0
    stop: int | None = None
    encoding: str = UTF8

    @property
    def shown(self) -> str:
        """The path as text that UTF-8 can hold (see `show_path`)."""
        return show_path(self.path)

    @property
    def chars_per_byte(self) -> float:
        """How many characters of text a byte of the file is expected to hold."""
        return CHARS_PER_BYTE.get(self.path.suffix.lower(), 1.0)


def can_be_entered(path: Path, corpus: CorpusConfig) -> bool:
    """Tell whether a file can be read from the middle, so that a stretch of it can be read by itself.

    The name says it, but for JSON: an array looks like JSON lines from outside.

    Args:
        path: the file.
        corpus: how the files are read. A text file that is one document has no middle, nor has what is not UTF-8.

    Raises:
        CorpusError: from `detect_format`.
    """
    source = detect_format(path, corpus)
    if not source.format.enterable or source.compression is not Compression.NONE or source.encoding != UTF8:
        return False
    if source.format is JSONL:
        return not _holds_array(path)
    return source.format is not TXT or corpus.unit is not Unit.FILE


def _holds_array(path: Path) -> bool:
    try:
        with open_binary(path) as file:
            return is_array(read_start(file, SHOWN_BYTES))
    except OSError:  # a forecast asks about files that may be gone by then
        return False


def show_path(path: Path) -> str:
    r"""Return a path as text that UTF-8 can hold, or a URL: bytes of the name that are not UTF-8 show as ``\xff``."""
    if is_stored(path):
        return url_of(path)
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def detect_format(path: Path, corpus: CorpusConfig) -> SourceFile:
    """Tell how to read a file: as ``corpus.format`` says; else as its name says; else as its first bytes say.

    Raises:
        CorpusError: none of these tells.
    """
    compression, named = read_name(path.name)
    form = format_named(corpus.format) or named
    if named is None and not (compression and form):
        compression, form = look_inside(path, form, compression)
    return _source(path, form, compression, corpus)


def detect_by_name(path: Path, corpus: CorpusConfig) -> SourceFile:
    """Tell how to read a file that is not there yet, as ``corpus.format`` or else its name says.

    Raises:
        CorpusError: neither tells.
    """
    compression, named = read_name(path.name)
    return _source(path, format_named(corpus.format) or named, compression, corpus)


def read_name(name: str) -> tuple[Compression, InputFormat | None]:
    """Return what the name of a file says of it; upper and lower case are the same."""
    name = name.lower()
    compression = next((each for each in Compression if each and name.endswith(each)), Compression.NONE)
    return compression, find_format(Path(name.removesuffix(compression)).suffix)


def _source(path: Path, form: InputFormat | None, compression: Compression, corpus: CorpusConfig) -> SourceFile:
    if form is None:
        raise CorpusError(
            f"corpus.files: {show_path(path)}: neither its name nor its first bytes say a format that can be read; "
            f"known are {describe_known_suffixes()}\n  if it is one of these, say which, for example:  "
            f"corpus: {{format: txt}}"
        )
    if compression and not form.compressible:
        raise CorpusError(
            f"corpus.files: {show_path(path)}: {form.name.capitalize()} compresses its columns itself and is not read "
            f"from {compression}; decompress the file and write {show_path(path)[: -len(compression)]!r}; "
            f"known are {describe_known_suffixes()}"
        )
    return SourceFile(path, form, compression, encoding=UTF8 if form.is_utf8 else corpus.encoding)


def list_sources(
    paths: Iterable[Path], stretches: Sequence[Sequence[int | None]], corpus: CorpusConfig
) -> list[SourceFile]:
    """Return what a part reads.

    Args:
        paths: of its files.
        stretches: where each is begun and left, in bytes; nothing: all files are read as a whole.
        corpus: how the files are read.

    Raises:
        CorpusError: from `detect_format`.
    """
    sources = [detect_format(path, corpus) for path in paths]
    if not stretches:
        return sources
    pairs = zip(sources, stretches, strict=True)
    return [replace(source, start=start or 0, stop=stop) for source, (start, stop) in pairs]
