"""The manifest: what the split found and which windows each shard holds. Order and completeness come from it."""

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
    sha256: str
    documents: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """What one shard holds. `documents` counts those whose first window is in this shard."""

    shard: int
    documents: int
    windows: int
    chars: int
    first_doc: int | None  # document of the shard's first window; null for an empty shard
    first_window: int = 0  # the number of that window in its document
    long_windows: int = 0  # windows of documents that have more than one window


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole corpus: input files in corpus order, and shards by number.

    `keep` gives the dtype, by Polars name, that each kept column takes in documents.parquet.
    """

    files: tuple[InputFile, ...]
    shards: tuple[ShardInfo, ...]
    documents: int
    rejected: int
    chars: int
    keep: Mapping[str, str]


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write the manifest as JSON, atomically."""
    write_json(path, manifest)


def read_manifest(path: Path) -> Manifest:
    """Read what `write_manifest` wrote.

    Raises:
        OSError: the file cannot be read.
        JsonFileError: it is not a manifest.
    """
    return read_json(path, Manifest)
