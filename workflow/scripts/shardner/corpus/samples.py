"""A sample of the corpus: the first part of some of its files, and how much of each file that is.

The files are taken by places that are spread evenly over the bytes of the corpus, and one of each kind is among them. A
part of a compressed file is decompressed; of a Parquet file it is the first rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl

from shardner.config import CorpusConfig, Unit
from shardner.corpus.files import Format, Layout, detect_format
from shardner.corpus.streams import open_stream
from shardner.errors import CorpusError
from shardner.parse.shard_plan import CHARS_PER_BYTE

#: Files that a sample is taken from.
MOST_FILES = 8
#: A part that holds no whole record is taken again, so many times as large.
GROWTH = 8
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a file, as a file."""

    path: Path
    source: Path
    bytes: int  # of the source, that the part stands for


def take_heads(files: Sequence[tuple[Path, int]], corpus: CorpusConfig, chars: int, directory: Path) -> list[Head]:
    """Write the first parts of some files into a directory, of about `chars` characters together.

    Args:
        files: the input files and their bytes.
        corpus: how they are read.
        chars: what is wanted, by `CHARS_PER_BYTE`.
        directory: where the parts go.

    Raises:
        CorpusError: a file cannot be read.
    """
    chosen = choose(files)
    heads = []
    for number, index in enumerate(chosen):
        path, size = files[index]
        wanted = int(chars / len(chosen) / CHARS_PER_BYTE.get(kind_of(path), 1.0))
        heads.append(_take(path, size, max(wanted, 1), corpus, directory / f"{number:03d}"))
    return heads


def choose(files: Sequence[tuple[Path, int]]) -> list[int]:
    """Return the numbers of the files that are sampled: some spread evenly, and the largest of each other kind."""
    chosen = set(spread([size for _, size in files], MOST_FILES))
    kinds = {kind_of(files[index][0]) for index in chosen}
    largest: dict[str, int] = {}
    for index, (path, size) in enumerate(files):
        kind = kind_of(path)
        if kind not in kinds and size > files[largest.setdefault(kind, index)][1]:
            largest[kind] = index
    return sorted({*chosen, *largest.values()})


def kind_of(path: Path) -> str:
    """Return what decides how many characters a byte of a file holds, about: its last suffix."""
    return path.suffix.lower()


def spread(sizes: Sequence[int], most: int) -> list[int]:
    """Return the numbers of at most `most` files, spread evenly over the bytes of all."""
    ends = np.array(list(accumulate(sizes)), dtype=np.float64)
    if not len(ends) or not ends[-1]:
        return list(range(min(len(sizes), 1)))
    places = (np.arange(most) + 0.5) / most * ends[-1]
    return sorted({int(index) for index in np.searchsorted(ends, places, side="right")})


def _take(path: Path, size: int, wanted: int, corpus: CorpusConfig, target: Path) -> Head:
    form = detect_format(path)
    target = target.with_suffix(f".{form.layout.value}")
    if form.layout is Layout.PARQUET:
        return Head(target, path, _take_rows(path, size, wanted, target))
    whole_file = form.layout is Layout.TXT and corpus.unit is Unit.FILE
    while True:
        taken = min(wanted, size)
        _decompress(path, taken, form, target)
        if taken == size or whole_file or _end_with_line(target):
            return Head(target, path, taken)
        wanted *= GROWTH


def _take_rows(path: Path, size: int, wanted: int, target: Path) -> int:
    """Write the first rows of a Parquet file, and return the bytes that they are of it."""
    table = pl.scan_parquet(path)
    rows = table.select(pl.len()).collect().item()
    taken = min(-(-rows * wanted // size), rows) if size else rows
    table.head(taken).collect().write_parquet(target)
    return size * taken // rows if rows else size


def _decompress(path: Path, taken: int, form: Format, target: Path) -> None:
    """Write what the first bytes of a file hold; that the rest is missing is no damage."""
    part = target.with_name("part")
    with path.open("rb") as source, part.open("wb") as file:
        left = taken
        while piece := source.read(min(left, _PIECE_BYTES)):
            file.write(piece)
            left -= len(piece)
    with target.open("wb") as file, suppress(CorpusError), open_stream(part, form.compression) as stream:
        while piece := stream.read1(_PIECE_BYTES):  # type: ignore[attr-defined]
            file.write(piece)
    part.unlink()


def _end_with_line(path: Path) -> bool:
    """Cut a file behind its last line break; tell whether there is one."""
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
