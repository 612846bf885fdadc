"""What readers share whose files are a stream of bytes, compressed as a whole or not."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import polars as pl

from shardner.config import CARRIAGE_RETURNS, UTF8, CorpusConfig
from shardner.corpus.batch import Builder, Draft, WindowPosition
from shardner.corpus.encodings import find_windows_1252, is_utf8
from shardner.corpus.files import SourceFile
from shardner.corpus.formats import CSV, JSONL, TSV, Compression, InputFormat
from shardner.corpus.reader import Look, ReadOptions
from shardner.corpus.streams import BUFFER_BYTES, Block, FirstBytes, Line, Readable, Stream, open_stream, read_blocks
from shardner.data.stored_files import open_binary, size_of
from shardner.errors import CorpusError

#: How much of a file is checked before any work, after decompression, at most.
CHECKED_BYTES = 4 << 20
#: A head that holds no whole record is taken again, this many times as long.
GROWTH = 8
_PIECE_BYTES = 1 << 20

#: Bytes from which it is told whether a file is what its name says.
_FIRST_BYTES = 32
#: What stands between records that a carriage return alone ends.
_BETWEEN_OBJECTS, _BETWEEN_ROWS = re.compile(rb"\}[ \t]*\r[ \t\r]*\{"), re.compile(rb"\r[^\r]")
#: How files start that are something else than their names say.
_MAGIC = {
    b"\x1f\x8b": "gzip data; let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "zstd data; let its name end in .zst",
    b"\xfd7zXZ\x00": "xz data; let its name end in .xz",
    **{b"BZh%d1AY&SY" % level: "bzip2 data; let its name end in .bz2" for level in range(1, 10)},
    b"PAR1": "Parquet; let its name end in .parquet",
    b"PK\x03\x04": "a zip archive (or a spreadsheet); unpack or export it",
    b"\xff\xfe": "UTF-16; write  corpus: {encoding: utf-16}, or convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
    b"\xfe\xff": "UTF-16; write  corpus: {encoding: utf-16}, or convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
}


class StreamReader(ABC):
    """A `Reader` of a format whose files are a stream of bytes."""

    @property
    @abstractmethod
    def format(self) -> InputFormat:
        """The format that the reader reads."""

    @abstractmethod
    def fill(self, source: SourceFile, options: ReadOptions, builder: Builder) -> Iterator[WindowPosition | None]:
        """Read a file into `builder`, and yield whenever it is full.

        What is yielded says which window of a document the builder holds; None if it holds whole records.

        Raises:
            CorpusError: as `read`.
        """

    @abstractmethod
    def check_columns(self, stream: Readable, source: SourceFile, corpus: CorpusConfig) -> Look:
        """Check, on the first bytes of a file, that the columns of `corpus` are there.

        Raises:
            CorpusError: they are not.
        """

    def check(self, source: SourceFile, corpus: CorpusConfig) -> Look:
        """See `Reader.check`."""
        with open_stream(source) as stream:
            _refuse_other_content(stream, source)
            return self.check_columns(FirstBytes(stream, CHECKED_BYTES), source, corpus)

    def read(self, source: SourceFile, options: ReadOptions) -> Iterator[Draft]:
        """See `Reader.read`."""
        builder = Builder(source.shown, options.id_prefix, options.corpus.keep)
        damage = None
        try:
            for position in self.fill(source, options, builder):
                yield builder.take(position)
        except CorpusError as error:
            damage = error
        if builder.taken == 0 or not builder.empty:
            yield builder.take()
        if damage is not None:
            raise damage

    def read_dtypes(self, source: SourceFile) -> Mapping[str, pl.DataType]:
        """Return nothing: such files do not say the dtypes of their columns."""
        return {}

    def find_end(self, source: SourceFile) -> int | None:
        """See `Reader.find_end`."""
        whole = source.compression is Compression.NONE and source.encoding == UTF8
        return size_of(source.path) if whole else None

    def write_head(self, source: SourceFile, corpus: CorpusConfig, wanted: int, target: Path) -> int:
        """See `Reader.write_head`."""
        size = size_of(source.path)
        while True:
            taken = min(wanted, size)
            _decompress_start(source, taken, target)
            if taken == size or self.end_with_record(target, corpus):
                return taken
            wanted *= GROWTH

    def end_with_record(self, path: Path, corpus: CorpusConfig) -> bool:
        """Cut what follows the last whole record off a file; return whether the file holds one. A record is a line."""
        return _end_with_line(path)


class Run(NamedTuple):
    """Consecutive lines of a stretch, each with its terminator."""

    row: int  # number of the first line in the stretch
    offset: int  # of its first byte in the decompressed file
    lines: Sequence[bytes]
    size: int  # of all lines; more than they have if the only one was cut, for it is too long

    def line(self, at: int) -> Line:
        """Return a line by its place in the run."""
        if len(self.lines) == 1:
            return Line(self.offset, self.lines[0], self.size)
        return Line(self.offset + sum(map(len, self.lines[:at])), self.lines[at], len(self.lines[at]))

    def cut(self, begin: int, end: int) -> Run:
        """Return a part of the run."""
        if (begin, end) == (0, len(self.lines)):
            return self
        offset = self.offset + sum(map(len, self.lines[:begin]))
        lines = self.lines[begin:end]
        return Run(self.row + begin, offset, lines, sum(map(len, lines)))


def fill_by_run(source: SourceFile, builder: Builder, add: Callable[[Run], None]) -> Iterator[None]:
    """Read a stretch of a file whose records are lines, and yield whenever `builder` is full.

    Args:
        source: the stretch.
        builder: what `add` gives the records to.
        add: takes lines; as many at once as the builder has room for.
    """
    begin, row = source.start, 0
    builder.reach(begin, begin, 0)
    with open_stream(source) as stream:
        for block in read_blocks(stream, source.start, source.stop):
            begin = begin if row else block.offset
            for run in _cut_runs(block, row, builder):
                add(run)
                row += len(run.lines)
                builder.reach(begin, run.offset + run.size, row)
                if builder.full:
                    yield


def _cut_runs(block: Block, row: int, builder: Builder) -> Iterator[Run]:
    """Yield the lines of a block, as many at once as the builder has room for when they are asked for."""
    if len(block.lines) == 1:
        yield Run(row, block.offset, block.lines, block.size)
        return
    ends = list(accumulate(map(len, block.lines), initial=0))
    at = 0
    while at < len(block.lines):
        stop = builder.find_end(ends, at)
        yield Run(row + at, block.offset + ends[at], block.lines[at:stop], ends[stop] - ends[at])
        at = stop


def _refuse_other_content(stream: Stream, source: SourceFile) -> None:
    start = stream.peek(_FIRST_BYTES)[:_FIRST_BYTES]
    for order, (first, second) in {"LE": (start[::2], start[1::2]), "BE": (start[1::2], start[::2])}.items():
        if len(second) > 1 and not any(second) and all(first):
            raise CorpusError(
                f"{source.shown}: this is UTF-16 without a mark; write  corpus: {{encoding: utf-16-{order.lower()}}}, "
                f"or convert it to UTF-8 (iconv -f UTF-16{order} -t UTF-8)"
            )
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            inside = "" if source.compression is Compression.NONE else " when decompressed"
            raise CorpusError(f"{source.shown}: this is no {source.format.name.upper()} file{inside} but {what}")
    if source.format in (JSONL, CSV, TSV):
        _refuse_carriage_returns(stream.peek(BUFFER_BYTES), source)
    if source.encoding == UTF8 and (word := find_windows_1252(stream.peek(BUFFER_BYTES))):
        raise CorpusError(
            f"{source.shown}: this is not UTF-8 but, it seems, Windows-1252, in which a word reads {word!r}; if that "
            f"is right, write  corpus: {{encoding: cp1252}}; if not, name its encoding there (cp1250 and cp1251 are "
            f"those of central and eastern Europe), or convert it to UTF-8"
        )


def _refuse_carriage_returns(start: bytes, source: SourceFile) -> None:
    """Refuse records each of which ends with a carriage return alone: no field and no object goes on after it."""
    between = _BETWEEN_OBJECTS if source.format is JSONL else _BETWEEN_ROWS
    if b"\n" in start or not between.search(start):
        return
    other = "" if source.encoding != UTF8 or is_utf8(start) else "; it is not UTF-8, so write mac_roman-cr or cp1252-cr"
    raise CorpusError(
        f"{source.shown}: its lines end with a carriage return alone, as on old Macs; write  "
        f"corpus: {{encoding: {source.encoding}{CARRIAGE_RETURNS}}}{other}"
    )


def _decompress_start(source: SourceFile, taken: int, target: Path) -> None:
    """Write what the first `taken` bytes of a file hold; that the rest is missing is no damage."""
    packed = target.with_name("packed-head")
    with open_binary(source.path) as file, packed.open("wb") as copy:
        left = taken
        while piece := file.read(min(left, _PIECE_BYTES)) or b"":
            copy.write(piece)
            left -= len(piece)
    with target.open("wb") as file, suppress(CorpusError), open_stream(replace(source, path=packed)) as stream:
        while piece := stream.read1(_PIECE_BYTES):
            file.write(piece)
    packed.unlink()


def _end_with_line(path: Path) -> bool:
    """Cut a file after its last line break; return whether there is one."""
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        while end > 0:
            start = max(end - _PIECE_BYTES, 0)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                file.truncate(start + at + 1)
                return True
            end = start
    return False
