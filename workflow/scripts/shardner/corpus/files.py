"""Which files the corpus is: patterns become paths, and the name of a file tells how to read it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shardner.config import Unit
from shardner.corpus.formats import JSONL, TXT, Compression, InputFormat, describe_known_suffixes, find_format
from shardner.corpus.json_array import SHOWN_BYTES, is_array
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
    """

    path: Path
    format: InputFormat
    compression: Compression
    start: int = 0
    stop: int | None = None

    @property
    def shown(self) -> str:
        """The path as text that UTF-8 can hold (see `show_path`)."""
        return show_path(self.path)

    @property
    def chars_per_byte(self) -> float:
        """How many characters of text a byte of the file is expected to hold."""
        return CHARS_PER_BYTE.get(self.path.suffix.lower(), 1.0)


def can_be_entered(path: Path, unit: Unit) -> bool:
    """Tell whether a file can be read from the middle, so that a stretch of it can be read by itself.

    The name says it, but for JSON: an array looks like JSON lines from outside.

    Args:
        path: the file.
        unit: what a document of a text file is; a file that is one document has no middle.

    Raises:
        CorpusError: from `detect_format`.
    """
    source = detect_format(path)
    if not source.format.enterable or source.compression is not Compression.NONE:
        return False
    if source.format is JSONL:
        return not _holds_array(path)
    return source.format is not TXT or unit is not Unit.FILE


def _holds_array(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_array(file.read(SHOWN_BYTES))
    except OSError:  # a forecast asks about files that may be gone by then
        return False


def show_path(path: Path) -> str:
    r"""Return a path as text that UTF-8 can hold: bytes of the name that are not UTF-8 show as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def detect_format(path: Path) -> SourceFile:
    """Tell from its name how to read a file; upper and lower case are the same.

    Raises:
        CorpusError: the name has no known suffix.
    """
    name = path.name.lower()
    compression = next((each for each in Compression if each and name.endswith(each)), Compression.NONE)
    form = find_format(Path(name.removesuffix(compression)).suffix)
    if form is None:
        raise CorpusError(
            f"corpus.files: {show_path(path)}: its name does not say a format that can be read; "
            f"known are {describe_known_suffixes()}"
        )
    if compression and not form.compressible:
        raise CorpusError(
            f"corpus.files: {show_path(path)}: {form.name.capitalize()} compresses its columns itself and is not read "
            f"from {compression}; decompress the file and write {show_path(path)[: -len(compression)]!r}; "
            f"known are {describe_known_suffixes()}"
        )
    return SourceFile(path, form, compression)


def list_sources(paths: Iterable[Path], stretches: Sequence[Sequence[int | None]]) -> list[SourceFile]:
    """Return what a part reads.

    Args:
        paths: of its files.
        stretches: where each is begun and left, in bytes; nothing: all files are read as a whole.

    Raises:
        CorpusError: from `detect_format`.
    """
    sources = [detect_format(path) for path in paths]
    if not stretches:
        return sources
    pairs = zip(sources, stretches, strict=True)
    return [replace(source, start=start or 0, stop=stop) for source, (start, stop) in pairs]


def expand_files(patterns: Sequence[str]) -> tuple[Path, ...]:
    """Return the corpus's files: `patterns` in their order, the matches of a glob sorted, each file once.

    A pattern is a path or a glob (``*``, ``?``, ``[...]``, ``**``), as a shell would read it: names that start with a
    dot want to be named. A glob passes over directories.

    Raises:
        CorpusError: a glob matches no file, or a file is missing, a directory, unreadable or of unknown format.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        for path in _matches(pattern):
            _refuse_unusable(path)
            found.setdefault(path.resolve(), path)
    return tuple(found.values())


def _matches(pattern: str) -> Iterator[Path]:
    # a file may be called "a[1].txt": what is there under just this name is meant
    if os.path.lexists(pattern) or not glob.has_magic(pattern):
        yield Path(pattern)
        return
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  pathlib's would also find hidden files
    paths = [path for path in map(Path, names) if not path.is_dir()]
    if not paths:
        raise CorpusError(
            f"corpus.files: no file matches {pattern!r}; it is looked for from {show_path(Path.cwd())}: "
            f"mend the pattern or write a file's path, for example  corpus: {{files: [data/*.jsonl]}}"
        )
    yield from paths


def _refuse_unusable(path: Path) -> None:
    shown = show_path(path)
    if path.is_dir():
        raise CorpusError(
            f"corpus.files: {shown} is a directory; write a glob of the files in it, "
            f"for example  corpus: {{files: [{shown.rstrip('/')}/*.jsonl]}}"
        )
    if not path.exists():
        link = " (a link to nothing)" if path.is_symlink() else ""
        raise CorpusError(
            f"corpus.files: there is no file {shown}{link}; it is looked for from {show_path(Path.cwd())}: "
            f"mend the path, or take it out of corpus.files"
        )
    if not path.is_file():
        raise CorpusError(
            f"corpus.files: {shown} is no file but a pipe or a device, and can be read only once, by one process; "
            f"write what comes from it to a file first:   cat {shown} > corpus.jsonl"
        )
    detect_format(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise CorpusError(
            f"corpus.files: {shown} cannot be read: {error.strerror or error}; "
            f"give yourself the right to read it, or take it out of corpus.files"
        ) from error
