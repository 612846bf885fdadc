"""What the split found: a manifest for each part, and one for the whole corpus. Order and completeness come from them.

A *part* is what one split job reads: some small files, or a stretch of a large one. In a part's manifest, and in all
files that are made of a part before the merge, documents and rows count from 0. The manifest of the corpus adds them
up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shardner.data.typed_json import read_json, write_json


@dataclass(frozen=True, slots=True)
class InputFile:
    """An input file as it was read."""

    path: str
    bytes: int
    sha256: str | None  # null until the checksums are added: a file that lies in several parts has a job of its own
    documents: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """What one shard holds. `documents` counts those whose first window is in this shard.

    In a part's manifest, shards and documents are numbered within the part, in that of the corpus within the corpus.
    """

    shard: int
    documents: int
    windows: int
    chars: int
    first_doc: int | None  # document of the shard's first window; null for an empty shard
    first_window: int = 0  # the number of that window in its document
    long_windows: int = 0  # windows of documents that have more than one window


@dataclass(frozen=True, slots=True)
class StretchInfo:
    """What was read of one file: all of it, or a stretch.

    Places are bytes of the decompressed file; in Parquet they are numbers of row groups.
    """

    path: str  # as it is shown
    source: Path  # as it is opened
    bytes: int  # size of the file
    modified_ns: int  # time of the file's last change
    sha256: str | None  # of the file, if all of it was to be read
    start: int  # from this byte of the file on,
    stop: int | None  # and up to this one; null: to the end
    begin: int  # where the first record begins
    end: int  # where the last record ends
    rows: int  # records and blank lines, with or without a document
    documents: int
    rejected: int
    by_row: bool  # ids are made of the file's name and the row


@dataclass(frozen=True, slots=True)
class PartManifest:
    """A part: what was read of its files, in the order of the part, and its shards by number."""

    name: str
    stretches: tuple[StretchInfo, ...]
    shards: tuple[ShardInfo, ...]
    documents: int
    rejected: int
    chars: int
    kinds: Mapping[str, tuple[str, ...]]  # of values of each kept column (see `corpus.kept_columns`)
    native: Mapping[str, str]  # the dtypes, by Polars name, of kept columns that stay as they are in the file


@dataclass(frozen=True, slots=True)
class StretchNumbers:
    """The numbers that a stretch of a file has in the corpus."""

    file: int  # place of the file in the corpus
    first_local: int  # number of its first document in the part
    documents: int  # duplicates among them
    first_doc: int  # number of its first document in the corpus
    first_row: int  # row of its first record in the file
    id_prefix: str | None  # ids are `<id_prefix>:<row>`; null where each record brings its own


@dataclass(frozen=True, slots=True)
class PartNumbers:
    """The numbers that a part has in the corpus."""

    name: str
    first_shard: int
    shards: int
    stretches: tuple[StretchNumbers, ...]
    duplicates: int  # documents whose id came earlier in the corpus, in another file or stretch


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole corpus: input files in corpus order, parts in an order of their own, shards by number.

    `keep` gives the dtype, by Polars name, that each kept column takes in documents.parquet.
    """

    files: tuple[InputFile, ...]
    parts: tuple[PartNumbers, ...]
    shards: tuple[ShardInfo, ...]
    documents: int
    rejected: int
    chars: int
    keep: Mapping[str, str]


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest of the corpus as JSON, atomically."""
    write_json(path, manifest)


def read_manifest(path: Path) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it is not a manifest.
    """
    return read_json(path, Manifest)
