"""Which files the corpus is: patterns become paths, and a name tells how a file is to be read."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shardner.errors import CorpusError

KNOWN = ".jsonl, .ndjson, .csv, .tsv, .txt (each also with .gz or .zst after it) and .parquet"


class Layout(StrEnum):
    """How a file holds its records."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    TXT = "txt"
    PARQUET = "parquet"


class Compression(StrEnum):
    """How a file is compressed as a whole."""

    NONE = ""
    GZIP = ".gz"
    ZSTD = ".zst"


@dataclass(frozen=True, slots=True)
class Format:
    """What a file's name says about its content."""

    layout: Layout
    compression: Compression


_LAYOUTS = {
    ".jsonl": Layout.JSONL,
    ".ndjson": Layout.JSONL,
    ".csv": Layout.CSV,
    ".tsv": Layout.TSV,
    ".txt": Layout.TXT,
    ".parquet": Layout.PARQUET,
}


def show_path(path: Path) -> str:
    r"""Return a path as text that UTF-8 can hold: bytes of the name that are not UTF-8 show as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def detect_format(path: Path) -> Format:
    """Tell from its name how a file is to be read; upper and lower case are the same.

    Raises:
        CorpusError: the name has no known ending.
    """
    name = path.name.lower()
    compression = next((each for each in (Compression.GZIP, Compression.ZSTD) if name.endswith(each)), Compression.NONE)
    layout = _LAYOUTS.get(Path(name.removesuffix(compression)).suffix)
    if layout is None:
        raise CorpusError(
            f"corpus.files: {show_path(path)}: its name does not say a format that can be read; known are {KNOWN}"
        )
    if layout is Layout.PARQUET and compression:
        raise CorpusError(
            f"corpus.files: {show_path(path)}: Parquet compresses its columns itself and is not read from "
            f"{compression}; decompress the file and write {show_path(path)[: -len(compression)]!r}; known are {KNOWN}"
        )
    return Format(layout, compression)


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
    detect_format(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise CorpusError(
            f"corpus.files: {shown} cannot be read: {error.strerror or error}; "
            f"give yourself the right to read it, or take it out of corpus.files"
        ) from error
