"""A sample of the corpus: the heads of some of its files, and how much of its file each head is.

The files are chosen at places that are spread evenly over the bytes of the corpus, and one file of each kind is among
them. A head is a file: the first bytes of a file, decompressed, or the first rows of a Parquet file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np

from shardner.config import AUTO, UTF8, CorpusConfig
from shardner.corpus.files import detect_format
from shardner.corpus.partitions import partition_names
from shardner.corpus.registry import READERS

#: How many files are sampled at most, besides one file of each kind that is not among them.
MOST_FILES = 8


@dataclass(frozen=True, slots=True)
class FileHead:
    """The first records of a file, written as a file.

    Attributes:
        path: where the head lies.
        source: the file that it was taken from.
        bytes: how many bytes of the source were taken for it.
    """

    path: Path
    source: Path
    bytes: int


def take_heads(files: Sequence[tuple[Path, int]], corpus: CorpusConfig, chars: int, directory: Path) -> list[FileHead]:
    """Write the heads of some files into a directory, together about `chars` characters of text.

    Args:
        files: the input files and their sizes in bytes.
        corpus: how the files are read.
        chars: how many characters are wanted, as `SourceFile.chars_per_byte` expects them.
        directory: where the heads go.

    Raises:
        CorpusError: a file cannot be read.
    """
    chosen = choose(files)
    heads = []
    for number, index in enumerate(chosen):
        source = detect_format(files[index][0], corpus)
        wanted = max(int(chars / len(chosen) / source.chars_per_byte), 1)
        # directories whose names are columns go along
        target = directory.joinpath(*partition_names(source.path), f"{number:03d}{source.format.suffixes[0]}")
        target.parent.mkdir(parents=True, exist_ok=True)
        taken = READERS[source.format].write_head(source, corpus, wanted, target)
        heads.append(FileHead(target, source.path, taken))
    return heads


def settings_of_heads(corpus: CorpusConfig) -> CorpusConfig:
    """Return how heads are read: each has the name of its format, and is UTF-8."""
    return replace(corpus, format=AUTO, encoding=UTF8)


def choose(files: Sequence[tuple[Path, int]]) -> list[int]:
    """Return the numbers of the files to sample: some, spread evenly, and the largest file of each other kind."""
    chosen = set(spread([size for _, size in files], MOST_FILES))
    kinds = {kind_of(files[index][0]) for index in chosen}
    largest: dict[str, int] = {}
    for index, (path, size) in enumerate(files):
        kind = kind_of(path)
        if kind not in kinds and size > files[largest.setdefault(kind, index)][1]:
            largest[kind] = index
    return sorted({*chosen, *largest.values()})


def kind_of(path: Path) -> str:
    """Return the kind of a file: its last suffix, which tells about how many characters a byte of it holds."""
    return path.suffix.lower()


def spread(sizes: Sequence[int], most: int) -> list[int]:
    """Return the numbers of at most `most` files, spread evenly over the bytes of all files."""
    ends = np.array(list(accumulate(sizes)), dtype=np.float64)
    if not len(ends) or not ends[-1]:
        return list(range(min(len(sizes), 1)))
    places = (np.arange(most) + 0.5) / most * ends[-1]
    return sorted({int(index) for index in np.searchsorted(ends, places, side="right")})
